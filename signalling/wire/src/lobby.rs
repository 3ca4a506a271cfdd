//! The lobby: what those who wait and those who watch over it say and hear.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{KnockId, ParticipantId};
use crate::objects::{Identity, Role};
use crate::reply::Joined;
use crate::text::{DisplayName, Prose};
use crate::time::Timestamp;

/// How somebody in the lobby stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitingState {
    /// For a host to admit.
    Waiting,
    /// For a host to come.
    WaitingForHost,
}

/// The outcome `lobby` of `join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InLobby {
    /// This knock.
    pub knock: KnockId,
    /// What it waits for.
    pub state: WaitingState,
    /// What the hosts say to all who wait.
    pub message: Option<String>,
    /// Seconds between two `lobby.ping`s.
    pub heartbeat_s: u32,
}

/// Data of `lobby.status`: how the receiver's knock stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LobbyStatus {
    /// For a host to admit.
    Waiting(Waiting),
    /// For a host to come.
    WaitingForHost(Waiting),
    /// In the room, over this link.
    Admitted {
        /// Which knock.
        knock: KnockId,
        /// The outcome `joined` of `join`.
        joined: Box<Joined>,
    },
    /// Not let in; the link may `join` again after `block_s`.
    Denied {
        /// Which knock.
        knock: KnockId,
        /// Why.
        reason: Option<String>,
        /// Seconds for which this device is refused.
        block_s: u32,
    },
}

/// Somebody waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Waiting {
    /// Which knock.
    pub knock: KnockId,
    /// What the hosts say to all who wait.
    pub message: Option<String>,
    /// What a host says to this one.
    pub note: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// Data of `lobby.ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LobbyPing {}

/// Data of `lobby.admit`. Either `knocks` or `all_up_to_rev`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LobbyAdmit {
    /// Whom, at most 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub knocks: Option<Vec<KnockId>>,
    /// Everybody who was listed up to this `lobby_rev`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub all_up_to_rev: Option<u32>,
    /// As what; absent for the role of their credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub as_role: Option<Role>,
}

/// Data of `lobby.deny`. Either `knocks` or `all_up_to_rev`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LobbyDeny {
    /// Whom, at most 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub knocks: Option<Vec<KnockId>>,
    /// Everybody who was listed up to this `lobby_rev`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub all_up_to_rev: Option<u32>,
    /// Why, as the denied read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub reason: Option<Prose>,
    /// Seconds for which their devices are refused, at most 86,400.
    #[serde(default)]
    #[ts(as = "Option<u32>", optional)]
    pub block_s: u32,
}

/// Data of `lobby.note`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LobbyNote {
    /// To whom.
    pub knock: KnockId,
    /// What; null takes it back.
    pub text: Option<Prose>,
}

/// `ok` of `lobby.admit` and `lobby.deny`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LobbyResults {
    /// One per knock.
    pub results: Vec<LobbyResult>,
}

/// What came of one knock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LobbyResult {
    /// Which.
    pub knock: KnockId,
    /// What.
    pub result: LobbyOutcome,
    /// Who was first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub by: Option<ParticipantId>,
}

/// What came of a knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LobbyOutcome {
    /// In the room.
    Admitted,
    /// Sent away.
    Denied,
    /// Somebody else was first; `by` names who.
    AlreadyHandled,
    /// It went away by itself.
    Gone,
    /// The room has no place left.
    Full,
}

/// Data of `lobby.update`: who waits, for those who may admit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LobbyUpdate {
    /// Rises with each change; what `all_up_to_rev` names.
    pub lobby_rev: u32,
    /// Who waits, the longest first: at most 50.
    pub entries: Vec<LobbyEntry>,
    /// How many wait beyond those.
    pub more: u32,
    /// Whether so many knock that updates come seldom: one sound is enough.
    pub flood: bool,
}

/// Somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LobbyEntry {
    /// The knock.
    pub knock: KnockId,
    /// The name that was typed.
    pub name: DisplayName,
    /// How well it is known.
    pub identity: Identity,
    /// Since when.
    pub since: Timestamp,
    /// What it waits for.
    pub state: WaitingState,
    /// The note on its invite.
    pub invite_note: Option<String>,
    /// Whether this device, or another by the same invite, was removed from this meeting, sent
    /// back to the lobby or made less.
    pub previous_kick: bool,
    /// Whether a ban on its network matched, or somebody was removed from this meeting who came
    /// from there, and nothing else of it.
    pub network_banned: bool,
    /// What was said to it.
    pub note: Option<String>,
}

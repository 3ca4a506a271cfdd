//! Moderation: rights, sources, removal, bans.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{BanId, ParticipantId, RequestId};
use crate::objects::{Override, Permission, Role, Room, Source};
use crate::text::{Prose, RoleName};
use crate::time::Timestamp;

/// Data of `role.set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RoleSet {
    /// Whose.
    pub participant: ParticipantId,
    /// The role.
    pub role: Role,
    /// A custom role of the room that is based on `role`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub custom_role: Option<RoleName>,
    /// The participant's `rev` that the sender has seen.
    pub rev: u32,
}

/// Data of `perm.override`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PermOverride {
    /// For whom.
    pub participant: ParticipantId,
    /// For what: one that the sender has. `room.join` and `receive.*` cannot be overridden.
    pub key: Permission,
    /// Which way.
    pub effect: OverrideEffect,
    /// Seconds until it ends, 1 to 86,400; absent for as long as the meeting goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub ttl_s: Option<u32>,
    /// The participant's `rev` that the sender has seen.
    pub rev: u32,
}

/// What `perm.override` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OverrideEffect {
    /// Allows, whatever the role says.
    Allow,
    /// Denies, whatever the role says.
    Deny,
    /// Takes the exception back.
    Clear,
}

/// `ok` of what changes a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Revised {
    /// The participant's new `rev`.
    pub rev: u32,
}

/// `ok` of what changes a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomRevised {
    /// The room's new `rev`.
    pub rev: u32,
}

/// Whom a verb concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// One.
    Participant {
        /// Who.
        participant: ParticipantId,
    },
    /// Everybody of a lower role but these.
    AllExcept {
        /// Who is left out, at most 500.
        participants: Vec<ParticipantId>,
    },
}

/// Data of `media.mute`. Microphones and cameras are muted, shares are ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MediaMute {
    /// Whom.
    pub target: Target,
    /// What, 1 to 4.
    pub sources: Vec<Source>,
}

/// `ok` of `media.mute`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Muted {
    /// Those of whom something was muted or ended.
    pub participants: Vec<ParticipantId>,
}

/// Data of `media.request`: asks somebody to unmute or to start. Nobody can be unmuted by another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MediaRequest {
    /// Whom.
    pub participant: ParticipantId,
    /// What.
    pub source: Source,
}

/// `ok` of `media.request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MediaRequestSent {
    /// The request.
    pub request: RequestId,
}

/// Data of `media.request.reply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MediaRequestReply {
    /// Which request.
    pub request: RequestId,
    /// The answer. After `accept` the client itself unmutes or publishes.
    pub answer: RequestAnswer,
}

/// An answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequestAnswer {
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// Not yet.
    Later,
}

/// Data of `media.grant`: an exception for publishing one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MediaGrant {
    /// To whom.
    pub participant: ParticipantId,
    /// What; `screen` includes its sound.
    pub source: Source,
    /// Given or taken.
    pub on: bool,
    /// Seconds until it ends, 1 to 86,400; absent for as long as the meeting goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub ttl_s: Option<u32>,
}

/// Data of `media.lock`: for everybody below the hosts, those in `allow` excepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MediaLock {
    /// What, 1 to 3: `microphone`, `camera`, `screen` with its sound.
    pub sources: Vec<Source>,
    /// Locked or not. Unlocking unmutes nobody.
    pub on: bool,
    /// Who may nevertheless, at most 500.
    #[serde(default)]
    #[ts(as = "Option<Vec<ParticipantId>>", optional)]
    pub allow: Vec<ParticipantId>,
}

/// Data of `participant.remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParticipantRemove {
    /// Whom.
    pub participant: ParticipantId,
    /// Why, as the removed reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub reason: Option<Prose>,
    /// More to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub message: Option<Prose>,
    /// To keep it out as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub ban: Option<BanOrder>,
}

/// What is banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BanScope {
    /// This room.
    Room,
}

/// How to ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BanOrder {
    /// From where.
    pub scope: BanScope,
    /// Seconds until it ends, 60 to 31,536,000; absent for 24 h. That on the network ends after 24 h at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub ttl_s: Option<u32>,
    /// Whether who shares only the network is refused too; else it waits in the lobby.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub strict: bool,
}

/// `ok` of `participant.remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemovedOk {
    /// The ban, if one was made.
    pub ban: Option<BanId>,
    /// How often this device was removed in this meeting, this time included: from two on a ban is advisable.
    pub removals: u32,
}

/// Data of `participant.to_lobby`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParticipantToLobby {
    /// Whom.
    pub participant: ParticipantId,
}

/// Data of `ban.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BanList {}

/// `ok` of `ban.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bans {
    /// The newest first.
    pub bans: Vec<BanInfo>,
}

/// By what a ban knows somebody; never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BanKey {
    /// The invite that was used.
    Invite,
    /// The device.
    Device,
    /// The network.
    Network,
}

/// A ban.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BanInfo {
    /// Its identifier.
    pub id: BanId,
    /// By what it knows somebody.
    pub keys: Vec<BanKey>,
    /// The name of who was banned, as it was then.
    pub name: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Whether who shares only the network is refused too.
    pub strict: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Who made it.
    pub by: Option<ParticipantId>,
}

/// Data of `ban.lift`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BanLift {
    /// Which.
    pub ban: BanId,
}

/// Data of `permissions`: what the receiver may do, the whole list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PermissionsChanged {
    /// Its role.
    pub role: Role,
    /// Its custom role.
    pub custom_role: Option<RoleName>,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// Its exceptions.
    pub overrides: Vec<Override>,
    /// Who changed it; null for the room itself.
    pub by: Option<ParticipantId>,
    /// Why.
    pub reason: PermissionsReason,
}

/// Why permissions changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PermissionsReason {
    /// The role did.
    RoleChanged,
    /// An exception was made, taken back, or ended.
    OverrideChanged,
    /// The policies of the room did.
    RoomChanged,
    /// The receiver was called to speak, or has finished.
    Called,
}

/// Data of `room.updated`: the room, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoomUpdated {
    /// The room.
    pub room: Box<Room>,
    /// Who changed it; null for the operator or the room itself.
    pub by: Option<ParticipantId>,
}

/// Data of `media.revoked`: a publication of the receiver is over, or was muted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MediaRevoked {
    /// Which.
    pub source: Source,
    /// Why.
    pub reason: RevokedReason,
    /// By whom; null for the room itself.
    pub by: Option<ParticipantId>,
}

/// Why a publication was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RevokedReason {
    /// It was muted: the publication stays and may be unmuted.
    Muted,
    /// All of its kind were locked: muted, or ended if it is a screen.
    Locked,
    /// The right to it was taken: it is over.
    PermissionRevoked,
    /// It was ended: it may be started again.
    Stopped,
    /// Somebody took the share over.
    TakenOver,
    /// Everything was suspended.
    Suspended,
}

/// Data of `media.requested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MediaRequested {
    /// The request.
    pub request: RequestId,
    /// What to unmute or to start.
    pub source: Source,
    /// Who asks.
    pub by: ParticipantId,
    /// Seconds for which it can be answered.
    pub expires_s: u32,
}

/// Data of `media.request.answered`, to who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MediaRequestAnswered {
    /// The request.
    pub request: RequestId,
    /// Who was asked.
    pub participant: ParticipantId,
    /// For what.
    pub source: Source,
    /// The answer; null if there was none in time.
    pub answer: Option<RequestAnswer>,
}

/// Data of `removed`. Followed by close 4403.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Removed {
    /// Why.
    pub reason: Option<String>,
    /// More to read.
    pub message: Option<String>,
    /// Until when coming back is refused.
    pub banned_until: Option<Timestamp>,
}

/// Data of `roster.count`: how many are in the room, for those who do not see all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RosterCount {
    /// With the receiver.
    pub participants: u32,
}

//! A meeting as a whole: who leads it, who is shown, when it ends, who was there.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{ParticipantId, RequestId};
use crate::moderation::RequestAnswer;
use crate::objects::{Identity, Role};
use crate::secret::InviteSecret;
use crate::text::{DisplayName, Prose};
use crate::time::Timestamp;

/// Data of `spotlight.set`: who is shown large to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SpotlightSet {
    /// Whom, at most 6; none to end it.
    pub participants: Vec<ParticipantId>,
}

/// Data of `panic.suspend`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct PanicSuspend {
    /// True stops everything below the hosts at once; false restores the policies as they were before.
    pub on: bool,
}

/// Data of `session.announce`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SessionAnnounce {
    /// What everybody reads, at most 500 code points.
    pub message: Prose,
}

/// Data of the push `announcement`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Announcement {
    /// Who; null for the operator of the server.
    pub by: Option<ParticipantId>,
    /// What.
    pub message: Prose,
    /// When.
    pub ts: Timestamp,
}

/// Data of `host.transfer`. Needs the role host; the other is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct HostTransfer {
    /// To whom.
    pub participant: ParticipantId,
    /// Whether the room itself changes hands: the other gets a host link, and the invite by which
    /// the sender is host is taken back. Only who came by an invite of role host can do so.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub permanent: bool,
}

/// `ok` of `host.transfer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HostTransferAsked {
    /// The request: `host.transfer.answered` comes within 60 s.
    pub request: RequestId,
}

/// Data of `host.transfer.requested`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HostTransferRequested {
    /// The request, to be answered with `host.transfer.reply`.
    pub request: RequestId,
    /// Who asks.
    pub by: ParticipantId,
    /// As in `host.transfer`.
    pub permanent: bool,
    /// Seconds in which it can be answered.
    pub expires_s: u32,
}

/// Data of `host.transfer.reply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct HostTransferReply {
    /// Which request.
    pub request: RequestId,
    /// The answer; `later` is a no.
    pub answer: RequestAnswer,
}

/// `ok` of `host.transfer.reply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HostTransferred {
    /// With a permanent transfer that was accepted: the secret of the new host link, shown once.
    pub secret: Option<InviteSecret>,
}

/// Data of `host.transfer.answered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct HostTransferAnswered {
    /// The request.
    pub request: RequestId,
    /// The answer; null if there was none in time.
    pub answer: Option<RequestAnswer>,
}

/// Data of `session.end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SessionEnd {
    /// Seconds until it ends, 0 to 60.
    #[serde(default)]
    #[ts(as = "Option<u32>", optional)]
    pub countdown_s: u32,
    /// What everybody reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub message: Option<Prose>,
}

/// Data of `session.end.cancel`: a countdown that runs is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct SessionEndCancel {}

/// Why a meeting will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EndingReason {
    /// A host ends it.
    Host,
    /// It has lasted as long as the room allows; told 10, 5 and 1 minute before.
    Duration,
}

/// Data of `session.ending`, a state push: the end that is announced, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SessionEnding {
    /// When it ends; null if it does not after all.
    pub ends_at: Option<Timestamp>,
    /// Seconds until then.
    pub in_s: u32,
    /// Why; null with `ends_at`.
    pub reason: Option<EndingReason>,
    /// Who ends it.
    pub by: Option<ParticipantId>,
    /// What was said.
    pub message: Option<Prose>,
}

/// Data of `attendance.get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct AttendanceGet {
    /// Whether a CSV file is wanted as well.
    #[serde(default)]
    #[ts(as = "Option<bool>", optional)]
    pub csv: bool,
}

/// `ok` of `attendance.get`: who took part in this session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Attendance {
    /// Since when the session goes on.
    pub since: Timestamp,
    /// Who took part, in the order in which they first came; the stays of one device are merged.
    pub people: Vec<Attendee>,
    /// How many more there were than are listed.
    pub more: u32,
    /// The same as CSV, if it was asked for.
    pub csv: Option<String>,
}

impl std::fmt::Debug for Attendance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attendance")
            .field("people", &self.people.len())
            .finish_non_exhaustive()
    }
}

/// Somebody who took part.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Attendee {
    /// Its name, as it was last.
    pub name: DisplayName,
    /// Its role, as it was last.
    pub role: Role,
    /// How well it is known.
    pub identity: Identity,
    /// When it first came.
    pub joined_at: Timestamp,
    /// When it last left; null while it is there.
    pub left_at: Option<Timestamp>,
    /// Seconds that it was there.
    pub present_s: u32,
    /// Seconds that it was among those who speak.
    pub talk_s: u32,
    /// How often it came.
    pub visits: u32,
}

impl std::fmt::Debug for Attendee {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attendee")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

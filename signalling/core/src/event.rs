//! What happened, for those who are told of it by webhooks.

use conclave_signalling_wire::ids::{EventId, ParticipantId, RoomId, SessionId};
use conclave_signalling_wire::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $name:literal;)*) => {
        /// What kind of thing happened (`spec/admin-api.md`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventKind {$(
            $(#[doc = $doc])*
            #[serde(rename = $name)]
            $kind,
        )*}

        impl EventKind {
            /// All of them.
            pub const ALL: &[EventKind] = &[$(EventKind::$kind,)*];

            /// Returns its name, as those who subscribe write it.
            pub const fn name(self) -> &'static str {
                match self {$(EventKind::$kind => $name,)*}
            }

            /// Returns what it means, for the catalogue.
            pub const fn about(self) -> &'static str {
                match self {$(EventKind::$kind => concat!($($doc,)*).trim_ascii(),)*}
            }
        }
    };
}

kinds! {
    /// A session began: somebody came into an empty room.
    SessionStarted = "session.started";
    /// A session was over.
    SessionEnded = "session.ended";
    /// Somebody came in.
    ParticipantJoined = "participant.joined";
    /// Somebody was gone for good: a lost link counts after its grace only.
    ParticipantLeft = "participant.left";
    /// Somebody was given another role.
    ParticipantRoleChanged = "participant.role_changed";
    /// Somebody was removed.
    ParticipantRemoved = "participant.removed";
    /// Somebody was banned.
    ParticipantBanned = "participant.banned";
    /// Somebody waits in the lobby.
    LobbyWaiting = "lobby.waiting";
    /// Somebody was admitted.
    LobbyAdmitted = "lobby.admitted";
    /// Somebody was refused in the lobby.
    LobbyDenied = "lobby.denied";
    /// A room was made.
    RoomCreated = "room.created";
    /// Policies of a room were changed.
    RoomUpdated = "room.updated";
    /// A room was locked.
    RoomLocked = "room.locked";
    /// A room was unlocked.
    RoomUnlocked = "room.unlocked";
    /// A room was deleted.
    RoomDeleted = "room.deleted";
    /// An invite let somebody in.
    InviteUsed = "invite.used";
    /// An invite was taken back.
    InviteRevoked = "invite.revoked";
    /// Messages were cleared.
    ChatCleared = "chat.cleared";
    /// Somebody raised a hand.
    HandRaised = "hand.raised";
    /// A key or a password was wrong, several times.
    SecurityLoginFailed = "security.login_failed";
    /// An API key was used from a network that it had not been used from.
    SecurityKeyUsedNewIp = "security.key_used_new_ip";
    /// Somebody was refused for asking too often.
    SecurityRateLimited = "security.rate_limited";
    /// Somebody who is banned tried to come in.
    SecurityBanEvaded = "security.ban_evaded";
    /// The server is about to stop.
    SystemDrain = "system.drain";
    /// The certificate of the server ends soon.
    SystemCertExpiring = "system.cert_expiring";
    /// Little space is left where the server keeps its data.
    SystemDiskLow = "system.disk_low";
    /// Somebody tries a webhook.
    WebhookTest = "webhook.test";
}

/// Something that happened. Kept in the transaction of what it tells of.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its identifier, the same however often it is delivered.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// In which room.
    pub room: Option<RoomId>,
    /// In which session.
    pub session: Option<SessionId>,
    /// Whom it concerns.
    pub participant: Option<ParticipantId>,
    /// Identifiers, words of the protocol and numbers.
    pub data: Map<String, Value>,
    /// What only those are told who asked for it: names. Sealed at rest.
    pub personal: Map<String, Value>,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

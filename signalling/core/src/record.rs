//! What a room keeps: the values that survive a crash, and the changes to them.

use conclave_signalling_wire::chat::ChatMessage;
use conclave_signalling_wire::ids::{BanId, InviteId, KeyId, ParticipantId, RoomId, SessionId};
use conclave_signalling_wire::objects::{Identity, Override, Role};
use conclave_signalling_wire::text::{DisplayName, RoleName, Slug};
use conclave_signalling_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::{DeviceHash, InviteHash, NetworkTag};
use crate::event::Event;
use crate::settings::Settings;

/// A room as the store gives it to its actor.
#[derive(Debug, Clone)]
pub struct RoomRecord {
    /// Its identifier.
    pub id: RoomId,
    /// Its name in links.
    pub slug: Slug,
    /// Its policies.
    pub settings: Settings,
    /// Its invites, revoked and expired ones included.
    pub invites: Vec<Invite>,
    /// Its bans, expired ones perhaps included.
    pub bans: Vec<Ban>,
    /// What devices were given in a session that may go on.
    pub standings: Vec<Standing>,
    /// The newest messages that are kept, in the order of their numbers; at most
    /// [`conclave_signalling_wire::limits::CHAT_MESSAGES`].
    pub chat: Vec<ChatRecord>,
}

/// A message to everybody or to the hosts, as it is kept. Private ones never are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatRecord {
    /// The message, with all reactions. Sealed at rest.
    pub message: ChatMessage,
    /// The device of its author: `chat.edit` and a resend are its alone.
    pub device: DeviceHash,
    /// In which session it was written.
    pub session: SessionId,
    /// Until when it is kept; the store forgets it then by itself.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for ChatRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatRecord")
            .field("message", &self.message)
            .field("session", &self.session)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// Somebody in the room.
    Participant(ParticipantId),
    /// Somebody in the lobby or before the door, by the session it would have had.
    Link(SessionId),
    /// Who manages the room by an invite without being in it.
    Invite(InviteId),
    /// Whoever has the command line of the server.
    Operator,
    /// Whoever has an API key.
    Key(KeyId),
    /// The configuration file.
    Configuration,
    /// The room by its own rules.
    Room,
}

impl Actor {
    /// Returns the participant, for messages that name one.
    pub fn participant(self) -> Option<ParticipantId> {
        match self {
            Actor::Participant(id) => Some(id),
            _ => None,
        }
    }
}

/// An invite.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Its identifier.
    pub id: InviteId,
    /// The hash of its secret.
    pub hash: InviteHash,
    /// As what its holder comes in.
    pub role: Role,
    /// The custom role of its holder.
    pub custom_role: Option<RoleName>,
    /// The name of its holder. Sealed at rest.
    pub name: Option<DisplayName>,
    /// Whether its holder keeps this name.
    pub name_locked: bool,
    /// How many may use it.
    pub max_uses: Option<u32>,
    /// Devices that have used it, where their number is limited, and the one
    /// that it is bound to: they may come again. At most 1,000 are remembered.
    pub devices: Vec<DeviceHash>,
    /// How many admissions it was used for, each device of the list once.
    pub uses: u32,
    /// From when.
    pub not_before: Option<Timestamp>,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// Whether its holder need not wait in the lobby.
    pub bypass_lobby: bool,
    /// Whether it holds only for the device that uses it first.
    pub bind_device: bool,
    /// For those who see the list. Sealed at rest.
    pub note: Option<String>,
    /// Who made it.
    pub created_by: Actor,
    /// The device of who made it in the room: a ban on that takes it back.
    pub maker: Option<DeviceHash>,
    /// Whether who made it managed invites: only then is its holder known by it.
    pub vouched: bool,
    /// When.
    pub created_at: Timestamp,
    /// When it let somebody in last, or the meeting ended that it did so for: used
    /// up, it lets its devices in until 10 minutes after that.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invite")
            .field("id", &self.id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A ban: whoever matches one of its keys.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Its identifier.
    pub id: BanId,
    /// The invite that was used, unless it lets hosts in or more than one person.
    pub invite: Option<InviteId>,
    /// The device.
    pub device: Option<DeviceHash>,
    /// The network, until [`Ban::network_until`].
    pub network: Option<NetworkTag>,
    /// When the network stops to match.
    pub network_until: Timestamp,
    /// Whether who matches by the network alone is refused too.
    pub strict: bool,
    /// The name of who was banned. Sealed at rest.
    pub name: Option<String>,
    /// Why. Sealed at rest.
    pub reason: Option<String>,
    /// Who made it.
    pub by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for Ban {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ban")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a device was given in a session: applied again when it comes back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which device.
    pub device: DeviceHash,
    /// The role that it was given, if it was given one.
    pub role: Option<Role>,
    /// The custom role that goes with it.
    pub custom_role: Option<RoleName>,
    /// Its exceptions.
    pub overrides: Vec<Override>,
    /// The name that somebody else gave it. Sealed at rest.
    #[serde(default)]
    pub name: Option<DisplayName>,
    /// Whether it was admitted and need not wait again.
    pub admitted: bool,
    /// How often it was removed in this session: then it waits, whatever its credential.
    pub removals: u32,
    /// Whether it was sent back to the lobby and not admitted since.
    #[serde(default)]
    pub sent_back: bool,
    /// The invite by which it came in last.
    #[serde(default)]
    pub invite: Option<InviteId>,
    /// The network from which it was removed or sent back.
    #[serde(default)]
    pub network: Option<NetworkTag>,
    /// Since when it is away; `None` while it is in, and after a crash.
    pub left_at: Option<Timestamp>,
}

impl Standing {
    /// Returns that of a device of which nothing is known.
    pub fn new(device: DeviceHash) -> Self {
        Standing {
            device,
            role: None,
            custom_role: None,
            overrides: Vec::new(),
            name: None,
            admitted: false,
            removals: 0,
            sent_back: false,
            invite: None,
            network: None,
            left_at: None,
        }
    }
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Standing")
            .field("device", &self.device)
            .field("role", &self.role)
            .field("admitted", &self.admitted)
            .field("removals", &self.removals)
            .field("sent_back", &self.sent_back)
            .field("left_at", &self.left_at)
            .finish_non_exhaustive()
    }
}

/// One entry of the audit log. Holds no content and no name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What, `resource.action`; a name of a message or of a command.
    pub action: String,
    /// To whom or what, as an identifier.
    pub target: Option<String>,
    /// In which room.
    pub room: Option<RoomId>,
    /// In which session of the room.
    pub session: Option<SessionId>,
    /// From where, as a /24 or a /48.
    pub prefix: Option<String>,
    /// By which request to the API, as its answer called it.
    pub request_id: Option<String>,
    /// `ok`, or the code of the refusal.
    pub outcome: String,
    /// A few words of detail: a role, a source, a number. Never content.
    pub detail: Option<String>,
}

/// A change to be kept. All changes of one act are committed together, before
/// anybody is told that it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// New policies of the room.
    Settings(Box<Settings>),
    /// A new or changed invite.
    Invite(Box<Invite>),
    /// An invite that was taken back is remembered no longer.
    InviteGone(InviteId),
    /// A new ban.
    Ban(Box<Ban>),
    /// A ban is over.
    BanLifted(BanId),
    /// A new or changed standing.
    Standing(Box<Standing>),
    /// A standing that is worth nothing any more.
    StandingGone(DeviceHash),
    /// A new or changed message; the old one of the same number is overwritten.
    Chat(Box<ChatRecord>),
    /// Messages are gone: those of one session or of all, up to a number.
    ChatGone {
        /// Of which session; `None` for all.
        session: Option<SessionId>,
        /// The last number that goes.
        up_to: u32,
    },
    /// Something that was done or refused.
    Audit(Box<AuditEntry>),
    /// A session began, or something of it changed.
    Session(Box<SessionRecord>),
    /// Somebody came to a session, or went.
    Attended(Box<AttendanceRecord>),
    /// Something happened that webhooks tell.
    Event(Box<Event>),
}

/// A session of a room: from the first who comes in to the last who goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its identifier.
    pub id: SessionId,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Why.
    pub ended: Option<EndReason>,
    /// The most participants at once.
    pub peak: u32,
    /// Devices that came, each once.
    pub people: u32,
}

/// Why a session was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Everybody had gone.
    Empty,
    /// Somebody ended it.
    Ended,
    /// No host came back in time.
    NoHost,
    /// Its time was up.
    TimeUp,
    /// Its room was deleted.
    Deleted,
    /// The room or the server failed.
    Failed,
    /// The server was ended while it went on.
    Drained,
}

/// One device in one session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttendanceRecord {
    /// In which session.
    pub session: SessionId,
    /// Which device.
    pub device: DeviceHash,
    /// As whom it was there last.
    pub participant: ParticipantId,
    /// Its name. Sealed at rest.
    pub name: DisplayName,
    /// Its role.
    pub role: Role,
    /// How it is known.
    pub identity: Identity,
    /// The invite by which it came.
    pub invite: Option<InviteId>,
    /// When it was there, in order: from, and until where it is not there still.
    /// At most [`STAYS_MAX`]; the pause between the last two is forgotten beyond.
    pub stays: Vec<Stay>,
    /// Milliseconds for which it spoke.
    pub talk_ms: u64,
    /// How often it came.
    pub visits: u32,
}

/// Stays of one device that are remembered apart.
pub const STAYS_MAX: usize = 64;

/// From a coming to a going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stay {
    /// When it came.
    pub from: Timestamp,
    /// When it went.
    pub to: Option<Timestamp>,
}

impl std::fmt::Debug for AttendanceRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttendanceRecord")
            .field("session", &self.session)
            .field("participant", &self.participant)
            .finish_non_exhaustive()
    }
}

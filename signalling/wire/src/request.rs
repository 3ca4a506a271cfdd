//! What a client asks. Unknown and repeated members are refused.

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::ParticipantId;
use crate::objects::{PictureSource, Source};
use crate::reply::{
    AckedSlots, Done, HelloOutcome, JoinOutcome, MediaAnswer, Published, Renamed, RoomSummary,
    TurnRefreshed, Wished,
};

pub use crate::chat::*;
pub use crate::hands::*;
pub use crate::invite::*;
pub use crate::lobby::*;
pub use crate::moderation::*;
pub use crate::room::RoomUpdate;
pub use crate::screen::*;
use crate::secret::{DeviceKey, InviteSecret, ResumeToken, SecretText};
pub use crate::session::*;
use crate::text::{ClientLabel, DisplayName, Mid, Slug};

/// One kind of message: what it is called, and how to read about it.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// The `type` of the message.
    pub name: &'static str,
    /// Name of the type of its `data`.
    pub data: fn(&ts_rs::Config) -> String,
    /// Name of the type of the `ok` of its reply; empty for a push.
    pub ok: fn(&ts_rs::Config) -> String,
    /// What it is for.
    pub doc: &'static str,
    /// Whether a push is numbered; false for requests.
    pub sequenced: bool,
}

/// From the table of requests: the enum, the names, the parser.
macro_rules! requests {
    ($(#[doc = $doc:literal] $name:literal => $variant:ident -> $ok:ident;)*) => {
        /// A request with its data.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Request {
            $(#[doc = $doc] $variant($variant),)*
        }

        impl Request {
            /// All requests, in the order of the document.
            pub const VERBS: &'static [Verb] = &[$(Verb {
                name: $name,
                data: <$variant as TS>::name,
                ok: <$ok as TS>::name,
                doc: $doc,
                sequenced: false,
            },)*];

            /// Returns the `type` of the message.
            pub const fn name(&self) -> &'static str {
                match self { $(Request::$variant(_) => $name,)* }
            }

            /// Reads `data` by its `type`. `None` if there is no such type; the
            /// error names the offending member, if it is known.
            pub(crate) fn read(name: &str, data: &str) -> Option<Result<Request, Option<String>>> {
                match name {
                    $($name => Some(crate::frame::read::<$variant>(data).map(Request::$variant)),)*
                    _ => None,
                }
            }

            /// Walks through all types of requests and of their replies.
            pub fn visit_types(visitor: &mut impl ts_rs::TypeVisitor) {
                $(visitor.visit::<$variant>(); visitor.visit::<$ok>();)*
            }
        }

        /// The data alone.
        impl Serialize for Request {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Request::$variant(data) => data.serialize(serializer),)* }
            }
        }

        $(impl From<$variant> for Request {
            fn from(data: $variant) -> Self { Request::$variant(data) }
        })*
    };
}

requests! {
    #[doc = "Opens a link, or gives a broken one its place back. The first message, within 5 s."]
    "hello" => Hello -> HelloOutcome;
    #[doc = "Asks what a join will need. Unknown rooms answer like rooms with a password."]
    "room.info" => RoomInfo -> RoomSummary;
    #[doc = "Enters a room, or its lobby."]
    "join" => Join -> JoinOutcome;
    #[doc = "Makes a room, where the server lets anybody do so: see `welcome.features`."]
    "room.create" => RoomCreate -> RoomCreated;
    #[doc = "Opens the policies of a room without entering it. The link then takes `room.update`, `invite.*`, `ban.*`, `session.end`, `session.end.cancel` and `leave`, and hears `room.updated`."]
    "room.manage" => RoomManage -> Managed;
    #[doc = "Says that somebody in the lobby is still there: every 10 s; after 25 s without it the place is given up."]
    "lobby.ping" => LobbyPing -> Done;
    #[doc = "Leaves the room for good. The server closes the link after the reply."]
    "leave" => Leave -> Done;
    #[doc = "Changes policies of the room. Needs `room.settings`, for `locked` `room.lock`, for `password` `room.password`."]
    "room.update" => RoomUpdate -> RoomRevised;
    #[doc = "Lets people in the lobby in. Needs `lobby.manage`."]
    "lobby.admit" => LobbyAdmit -> LobbyResults;
    #[doc = "Sends people in the lobby away. Needs `lobby.manage`."]
    "lobby.deny" => LobbyDeny -> LobbyResults;
    #[doc = "Says something to one person in the lobby. Needs `lobby.manage`."]
    "lobby.note" => LobbyNote -> Done;
    #[doc = "Sends somebody back to the lobby; its media ends. Needs `participant.to_lobby`."]
    "participant.to_lobby" => ParticipantToLobby -> Done;
    #[doc = "Removes somebody; its link, media and resume token end before the reply. Needs `participant.remove`, with `ban` also `participant.ban`."]
    "participant.remove" => ParticipantRemove -> RemovedOk;
    #[doc = "Lists bans. Needs `ban.manage`."]
    "ban.list" => BanList -> Bans;
    #[doc = "Lifts a ban. Needs `ban.manage`."]
    "ban.lift" => BanLift -> Done;
    #[doc = "Makes an invite. Needs `invite.create`."]
    "invite.create" => InviteCreate -> InviteCreated;
    #[doc = "Lists invites: all with `invite.manage`, else the sender's own."]
    "invite.list" => InviteList -> Invites;
    #[doc = "Takes an invite back. Needs `invite.manage`, or it is the sender's own."]
    "invite.revoke" => InviteRevoke -> Done;
    #[doc = "Gives somebody another role. Needs `role.assign`."]
    "role.set" => RoleSet -> Revised;
    #[doc = "Makes an exception for somebody. Needs `role.assign` and the permission itself; for `publish.*` `media.grant` is enough."]
    "perm.override" => PermOverride -> Revised;
    #[doc = "Mutes microphones and cameras, ends shares. Forwarding stops before the reply. Needs `media.mute`."]
    "media.mute" => MediaMute -> Muted;
    #[doc = "Asks somebody to unmute or to start; it is prompted. At most 3 a minute from one to another. Needs `media.request`."]
    "media.request" => MediaRequest -> MediaRequestSent;
    #[doc = "Answers a request."]
    "media.request.reply" => MediaRequestReply -> Done;
    #[doc = "Gives or takes the right to publish one source. What is taken stops before the reply. Needs `media.grant`."]
    "media.grant" => MediaGrant -> Revised;
    #[doc = "Locks or unlocks sources of everybody below the hosts. Needs `media.lock_all`."]
    "media.lock" => MediaLock -> RoomRevised;
    #[doc = "Changes a name."]
    "participant.rename" => ParticipantRename -> Renamed;
    #[doc = "Mutes or unmutes a publication of the sender."]
    "track.state" => TrackState -> Done;
    #[doc = "Carries an SDP offer: the first one, or with fresh ICE credentials a restart."]
    "media.offer" => MediaOffer -> MediaAnswer;
    #[doc = "Asks for a new credential for the relay, before that of `joined` expires. At most 10 a minute."]
    "turn.refresh" => TurnRefresh -> TurnRefreshed;
    #[doc = "Publishes a source on a sending m-line. The client calls `replaceTrack` only after `ok`. Said again, as for a new peer connection, it keeps its track; refused, it is over."]
    "media.publish" => MediaPublish -> Published;
    #[doc = "Ends a publication, or gives a granted screen share back."]
    "media.unpublish" => MediaUnpublish -> Done;
    #[doc = "Says which pictures are shown and how large. Replaces the list before it; audio is chosen by the server."]
    "media.wish" => MediaWish -> Wished;
    #[doc = "Says that the slots of `media.slots` are detached; what they are to show starts only after it."]
    "media.slots.ack" => MediaSlotsAck -> AckedSlots;
    #[doc = "Asks for the right to share a screen, before the browser asks what to share. A grant that is not published within 60 s is given back."]
    "screen.start" => ScreenStart -> ScreenOutcome;
    #[doc = "Pauses or resumes the own share: others see a placeholder."]
    "screen.pause" => ScreenPause -> Done;
    #[doc = "Answers whether the own share may be taken over."]
    "screen.takeover.reply" => ScreenTakeoverReply -> Done;
    #[doc = "Writes a message. Needs `chat.send` for everybody, `chat.private_hosts` for the hosts or one of them, `chat.private_any` for anybody else."]
    "chat.send" => ChatSend -> ChatSent;
    #[doc = "Changes an own message. Needs `chat.edit_own`."]
    "chat.edit" => ChatEdit -> Done;
    #[doc = "Deletes a message; a tombstone stays. Needs `chat.delete_own` or, for one of a lower role, `chat.delete_any`."]
    "chat.delete" => ChatDelete -> Done;
    #[doc = "Reacts to a message, or takes that back. Needs `chat.react`."]
    "chat.react" => ChatReact -> Done;
    #[doc = "Pins a message, or takes that back. Needs `chat.pin`."]
    "chat.pin" => ChatPin -> Done;
    #[doc = "Clears the chat, private messages excepted. Needs `chat.clear`."]
    "chat.clear" => ChatClear -> Done;
    #[doc = "Exports the chat in pieces, private messages excepted. Needs `chat.export`."]
    "chat.export" => ChatExport -> ChatExported;
    #[doc = "Raises the own hand. Needs `hand.raise`."]
    "hand.raise" => HandRaise -> Done;
    #[doc = "Lowers the own hand or, with `hand.manage`, that of another."]
    "hand.lower" => HandLower -> Done;
    #[doc = "Lowers all hands. Needs `hand.manage`."]
    "hand.lower_all" => HandLowerAll -> Done;
    #[doc = "Calls the first of the queue: it may publish its microphone for a while and is asked to; the one called before has finished. Its hand is lowered when it has finished. Needs `hand.manage`."]
    "hand.next" => HandNext -> HandCalled;
    #[doc = "Sends a reaction. Needs `reaction.send`."]
    "reaction.send" => ReactionSend -> Done;
    #[doc = "Chooses who is shown large to everybody. Needs `spotlight.set`."]
    "spotlight.set" => SpotlightSet -> RoomRevised;
    #[doc = "Stops everything at once: locks the room and all sources, mutes, ends shares, chat off, lobby on. Off restores the policies as they were. Needs `panic.suspend`."]
    "panic.suspend" => PanicSuspend -> RoomRevised;
    #[doc = "Tells everybody something. Needs `session.announce`."]
    "session.announce" => SessionAnnounce -> Done;
    #[doc = "Offers the meeting to somebody else. Only a host."]
    "host.transfer" => HostTransfer -> HostTransferAsked;
    #[doc = "Answers such an offer: after `accept` the sender is the host, who offered it a co-host."]
    "host.transfer.reply" => HostTransferReply -> HostTransferred;
    #[doc = "Ends the meeting for everybody. Needs `session.end`."]
    "session.end" => SessionEnd -> Done;
    #[doc = "Stops the countdown of `session.end`. Needs `session.end`."]
    "session.end.cancel" => SessionEndCancel -> Done;
    #[doc = "Lists who took part in this session. Needs `attendance.export`."]
    "attendance.get" => AttendanceGet -> Attendance;
}

/// Data of `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Version of the protocol: 1.
    pub protocol: u32,
    /// What the client calls itself: at most 64 printable ASCII characters.
    pub client: ClientLabel,
    /// To get the place of a broken link back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub resume: Option<Resume>,
}

/// Which place to get back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// The newest `resume_token`.
    pub token: ResumeToken,
    /// The `seq` of the last push that arrived; that of `joined` if there was none.
    pub last_seq: u32,
}

/// Data of `room.info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct RoomInfo {
    /// The room's name in links.
    pub room: Slug,
    /// Whether the answer shall have what tries out the ways to the relay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub connection_test: bool,
}

/// Data of `join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The room's name in links.
    pub room: Slug,
    /// What entitles to enter.
    pub credential: Credential,
    /// The name to be seen by, 1 to 64 code points.
    pub name: DisplayName,
    /// 128 random bits that the client keeps: 22 characters of base64url.
    pub device_key: DeviceKey,
    /// Hash of the text that was agreed to.
    #[serde(default)]
    #[ts(optional = nullable)]
    pub consent_hash: Option<String>,
    /// The choice after the outcome `duplicate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub duplicate: Option<DuplicateChoice>,
}

/// What entitles to enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    /// Nothing.
    None {},
    /// The password of the room.
    Password {
        /// It.
        password: SecretText,
    },
    /// An invite.
    Invite {
        /// From the fragment of its link: 22 characters of base64url.
        secret: InviteSecret,
    },
    /// A token signed by an embedding site.
    Token {
        /// It.
        jwt: SecretText,
    },
    /// The account that the upgrade's cookie names.
    Account {},
}

/// What to do about the other link of the same device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateChoice {
    /// Close it with 4409.
    TakeOver,
    /// Be a second participant.
    JoinAsSecond,
}

/// Data of `leave`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Leave {}

/// Data of `participant.rename`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct ParticipantRename {
    /// Whose name.
    pub participant: ParticipantId,
    /// The new one, 1 to 64 code points.
    pub name: DisplayName,
}

/// Data of `track.state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct TrackState {
    /// Which publication.
    pub source: Source,
    /// Muted or not.
    pub muted: bool,
}

/// Data of `media.offer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaOffer {
    /// Counts the peer connections of this participant, from 1. The same again is an ICE restart.
    pub generation: u32,
    /// The offer: at most 96 KiB.
    pub sdp: String,
    /// Whether the server shall take media of this peer connection only through its relay. It does so
    /// in any case where the room's `relay_only` is on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub relay_only: bool,
}

impl fmt::Debug for MediaOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaOffer")
            .field("generation", &self.generation)
            .field("relay_only", &self.relay_only)
            .finish_non_exhaustive()
    }
}

/// Data of `turn.refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct TurnRefresh {}

/// Data of `media.publish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaPublish {
    /// A sending m-line of the negotiated offer.
    pub mid: Mid,
    /// What it carries.
    pub source: Source,
    /// Whether it begins muted.
    pub muted: bool,
}

/// Data of `media.unpublish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaUnpublish {
    /// Which publication.
    pub source: Source,
}

/// Data of `media.wish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaWish {
    /// Chosen by the client, rising.
    pub rev: u32,
    /// The pictures: at most one per video slot.
    pub views: Vec<View>,
}

/// One picture that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Whose.
    pub participant: ParticipantId,
    /// Which of its pictures.
    pub source: PictureSource,
    /// Height of the tile in device pixels, at least 1.
    pub max_height_px: u16,
    /// Pictures a second below which it is of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional = nullable)]
    pub min_fps: Option<u8>,
    /// How much it matters.
    pub priority: Priority,
}

/// How much one picture matters to who looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Chosen by the viewer, or a shared screen in the large place.
    Pinned,
    /// The one who speaks, shown large.
    Speaker,
    /// One of many.
    Gallery,
}

/// Data of `media.slots.ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct MediaSlotsAck {
    /// That of the newest `media.slots`.
    pub rev: u32,
}

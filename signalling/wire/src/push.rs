//! What a client is told unasked. Clients ignore unknown types and members.

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;

use crate::ids::ParticipantId;
use crate::objects::{Codec, Participant, PictureSource, Rid};
use crate::request::Verb;

pub use crate::chat::{ChatCleared, ChatDeleted, ChatEdited, ChatPinned, ChatReacted, ChatWritten};
pub use crate::hands::{HandQueue, Reaction};
pub use crate::lobby::{LobbyStatus, LobbyUpdate};
pub use crate::moderation::{
    MediaRequestAnswered, MediaRequested, MediaRevoked, PermissionsChanged, Removed, RoomUpdated,
    RosterCount,
};
pub use crate::screen::{ScreenTakeoverAnswered, ScreenTakeoverRequested, ScreenViewers};
pub use crate::session::{
    Announcement, HostTransferAnswered, HostTransferRequested, SessionEnding,
};
use crate::text::Mid;

/// From the table of pushes: the enum, the names, the parser.
macro_rules! pushes {
    ($(#[doc = $doc:literal] $name:literal => $variant:ident, sequenced: $sequenced:literal;)*) => {
        /// A push with its data.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Push {
            $(#[doc = $doc] $variant($variant),)*
        }

        impl Push {
            /// All pushes, in the order of the document.
            pub const VERBS: &'static [Verb] = &[$(Verb {
                name: $name,
                data: <$variant as TS>::name,
                ok: |_| String::new(),
                doc: $doc,
                sequenced: $sequenced,
            },)*];

            /// Returns the `type` of the message.
            pub const fn name(&self) -> &'static str {
                match self { $(Push::$variant(_) => $name,)* }
            }

            /// Returns whether the push is numbered and kept for a resume. Of
            /// the others only the newest counts.
            pub const fn is_sequenced(&self) -> bool {
                match self { $(Push::$variant(_) => $sequenced,)* }
            }

            /// Reads `data` by its `type`; `None` if there is no such type.
            pub(crate) fn read(name: &str, data: &str) -> Option<Result<Push, Option<String>>> {
                match name {
                    $($name => Some(crate::frame::read::<$variant>(data).map(Push::$variant)),)*
                    _ => None,
                }
            }

            /// Walks through all types of pushes.
            pub fn visit_types(visitor: &mut impl ts_rs::TypeVisitor) {
                $(visitor.visit::<$variant>();)*
            }
        }

        /// The data alone.
        impl Serialize for Push {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self { $(Push::$variant(data) => data.serialize(serializer),)* }
            }
        }

        $(impl From<$variant> for Push {
            fn from(data: $variant) -> Self { Push::$variant(data) }
        })*
    };
}

pushes! {
    #[doc = "Somebody came in."]
    "participant.joined" => ParticipantJoined, sequenced: true;
    #[doc = "Something about a participant changed, or about the receiver itself."]
    "participant.updated" => ParticipantUpdated, sequenced: true;
    #[doc = "Somebody is gone."]
    "participant.left" => ParticipantLeft, sequenced: true;
    #[doc = "How many are in the room, for those who do not see all of them."]
    "roster.count" => RosterCount, sequenced: false;
    #[doc = "What the receiver may do changed: the whole list, before or with the reply to who changed it."]
    "permissions" => PermissionsChanged, sequenced: true;
    #[doc = "Policies of the room changed: the whole room."]
    "room.updated" => RoomUpdated, sequenced: true;
    #[doc = "How the receiver's own knock stands. In the room it means: sent back to the lobby; media is gone."]
    "lobby.status" => LobbyStatus, sequenced: false;
    #[doc = "Who waits in the lobby, for those who may admit."]
    "lobby.update" => LobbyUpdate, sequenced: false;
    #[doc = "A publication of the receiver was muted or ended by somebody else."]
    "media.revoked" => MediaRevoked, sequenced: true;
    #[doc = "Somebody asks the receiver to unmute or to start. Only it can do so."]
    "media.requested" => MediaRequested, sequenced: true;
    #[doc = "What came of a `media.request`."]
    "media.request.answered" => MediaRequestAnswered, sequenced: true;
    #[doc = "The receiver was removed. Followed by close 4403."]
    "removed" => Removed, sequenced: true;
    #[doc = "What feeds the video slots: those that changed, all of them after a join or a resume. The client detaches the slots, acknowledges, and shows each again at its first new frame."]
    "media.slots" => MediaSlots, sequenced: false;
    #[doc = "Which encodings of an own publication anybody wants."]
    "media.layers" => MediaLayers, sequenced: false;
    #[doc = "Somebody wants to take the receiver's share over."]
    "screen.takeover.requested" => ScreenTakeoverRequested, sequenced: true;
    #[doc = "What came of `screen.start` with the outcome `asked`."]
    "screen.takeover.answered" => ScreenTakeoverAnswered, sequenced: true;
    #[doc = "How many have the receiver's share in sight."]
    "screen.viewers" => ScreenViewers, sequenced: false;
    #[doc = "A message was written; its author too hears it."]
    "chat.message" => ChatWritten, sequenced: true;
    #[doc = "A message was changed."]
    "chat.edited" => ChatEdited, sequenced: true;
    #[doc = "A message was deleted."]
    "chat.deleted" => ChatDeleted, sequenced: true;
    #[doc = "The reactions to a message changed."]
    "chat.reacted" => ChatReacted, sequenced: true;
    #[doc = "A message was pinned, or is not any more."]
    "chat.pinned" => ChatPinned, sequenced: true;
    #[doc = "The chat was cleared."]
    "chat.cleared" => ChatCleared, sequenced: true;
    #[doc = "Who raised a hand, in order: all whom the receiver sees."]
    "hand.queue" => HandQueue, sequenced: false;
    #[doc = "Somebody reacts; not kept for a resume, and one does not replace another."]
    "reaction" => Reaction, sequenced: false;
    #[doc = "Something that everybody should know."]
    "announcement" => Announcement, sequenced: true;
    #[doc = "The host offers the receiver the meeting."]
    "host.transfer.requested" => HostTransferRequested, sequenced: true;
    #[doc = "What came of a `host.transfer`."]
    "host.transfer.answered" => HostTransferAnswered, sequenced: true;
    #[doc = "The meeting will end, or will not after all."]
    "session.ending" => SessionEnding, sequenced: false;
    #[doc = "Who speaks, loudest first."]
    "speakers" => Speakers, sequenced: false;
    #[doc = "How well participants are connected, every 2 s."]
    "media.quality" => MediaQuality, sequenced: false;
    #[doc = "The peer connection lost its other end: close it, open one with the next generation, offer again. Publications and wishes stay. With the reason `given_up` do not: meeting goes on without media."]
    "media.reset" => MediaReset, sequenced: false;
    #[doc = "Restart ICE: offer again with the same generation."]
    "media.restart" => MediaRestart, sequenced: false;
    #[doc = "The server will stop. Links are closed with 4503 at the deadline."]
    "server.draining" => ServerDraining, sequenced: true;
    #[doc = "The meeting ended. Followed by close 4410."]
    "ended" => Ended, sequenced: true;
}

/// A push and its number, from 1 without gaps per participant.
#[derive(Debug, Clone, PartialEq, Eq, TS)]
#[ts(type = "{ seq: number } & Push")]
pub struct SequencedPush {
    /// The number.
    pub seq: u32,
    /// The push.
    pub push: Push,
}

impl Serialize for SequencedPush {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("seq", &self.seq)?;
        map.serialize_entry("type", self.push.name())?;
        map.serialize_entry("data", &self.push)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for SequencedPush {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Frame {
            seq: u32,
            #[serde(rename = "type")]
            name: String,
            data: serde_json::Value,
        }
        // Through a value, for this sits inside the tagged `HelloOutcome`, where text cannot be borrowed.
        let frame = Frame::deserialize(deserializer)?;
        match Push::read(&frame.name, &frame.data.to_string()) {
            Some(Ok(push)) => Ok(SequencedPush {
                seq: frame.seq,
                push,
            }),
            Some(Err(_)) => Err(D::Error::custom("push with bad data")),
            None => Err(D::Error::custom("push of unknown type")),
        }
    }
}

/// Data of `participant.joined`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ParticipantJoined {
    /// Who.
    pub participant: Participant,
}

/// Data of `participant.updated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ParticipantUpdated {
    /// Who, as it is after the change.
    pub participant: Participant,
}

/// Data of `participant.left`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ParticipantLeft {
    /// Who.
    pub participant: ParticipantId,
    /// Why.
    pub reason: LeftReason,
}

/// Why somebody is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LeftReason {
    /// By its own wish, or replaced by its own device.
    Left,
    /// Its link broke and did not come back.
    ConnectionLost,
    /// It was removed.
    Removed,
    /// It was sent to the lobby.
    ToLobby,
    /// The meeting ended.
    Ended,
    /// It is still there, but the receiver may not see it any more.
    Hidden,
}

/// Data of `media.slots`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MediaSlots {
    /// To be acknowledged; rises.
    pub rev: u32,
    /// The slots.
    pub slots: Vec<Slot>,
}

/// What feeds a video slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Slot {
    /// The m-line of the slot.
    pub mid: Mid,
    /// Whose picture, or nobody's.
    pub participant: Option<ParticipantId>,
    /// Which picture.
    pub source: Option<PictureSource>,
    /// Whether nothing is being sent.
    pub paused: bool,
    /// Why nothing is being sent.
    pub reason: Option<PauseReason>,
}

/// Why nothing is sent in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PauseReason {
    /// There is not enough bandwidth.
    Bandwidth,
    /// The server has more to do than it can.
    Overload,
    /// The source is muted.
    Muted,
    /// The publication ended.
    SourceEnded,
    /// The receiver does not have the codec.
    CodecUnsupported,
    /// The room does not allow it.
    Policy,
}

/// Data of `media.layers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MediaLayers {
    /// Which own publication.
    pub source: PictureSource,
    /// The wanted encodings, lowest first; without simulcast all or none.
    pub active: Vec<Rid>,
    /// The codec to send.
    pub codec: Codec,
}

/// Data of `speakers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Speakers {
    /// Loudest first.
    pub speakers: Vec<Speaker>,
}

/// Somebody who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Speaker {
    /// Who.
    pub participant: ParticipantId,
    /// From 0 to 127, larger is louder.
    pub level: u8,
}

/// Data of `media.quality`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MediaQuality {
    /// All whose level is known.
    pub participants: Vec<Quality>,
}

/// How well somebody is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Quality {
    /// Who.
    pub participant: ParticipantId,
    /// 0 lost, 1 poor, 2 fair, 3 good.
    pub level: u8,
}

/// Data of `media.reset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MediaReset {
    /// Why.
    pub reason: ResetReason,
}

/// Why a peer connection has to be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ResetReason {
    /// DTLS failed.
    DtlsFailed,
    /// No way through the network for too long.
    IceFailed,
    /// The server failed.
    Internal,
    /// The room takes media only through the relay from here on, and this one did not come through it.
    RelayOnly,
    /// It failed too often: do not try again.
    GivenUp,
}

/// Data of `media.restart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MediaRestart {
    /// Why.
    pub reason: RestartReason,
}

/// Why ICE has to be restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RestartReason {
    /// The participant came back from another network.
    Network,
}

/// Data of `server.draining`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ServerDraining {
    /// Seconds until the links are closed.
    pub deadline_s: u32,
    /// Seconds after that until coming back makes sense.
    pub retry_after_s: u32,
}

/// Data of `ended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Ended {
    /// Who ended it; null for the server.
    pub by: Option<ParticipantId>,
    /// What was said.
    pub message: Option<String>,
    /// Seconds until the links are closed.
    pub countdown_s: u32,
}

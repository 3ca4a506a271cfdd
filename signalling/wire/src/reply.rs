//! What a client is answered: the `ok` of replies. Members may be added, so clients ignore unknown ones.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::hands::HandQueue;
use crate::ids::{ParticipantId, SessionId, TrackId};
use crate::lobby::InLobby;
use crate::objects::{ChatMessage, Codec, IceServer, Override, Participant, Permission, Rid, Room};
use crate::push::SequencedPush;
use crate::secret::ResumeToken;
use crate::session::SessionEnding;
use crate::text::Mid;
use crate::time::Timestamp;

/// `ok` of `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum HelloOutcome {
    /// A new link, which may join.
    Welcome(Box<Welcome>),
    /// The link has its old place back.
    Resumed(Box<Resumed>),
}

/// The outcome `welcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Welcome {
    /// The server's time.
    pub server_time: Timestamp,
    /// What may be sent.
    pub limits: Limits,
    /// What this server can do.
    pub features: Vec<Feature>,
    /// What to offer.
    pub media: MediaParameters,
}

/// What may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Limits {
    /// Code points of a name.
    pub name_chars: u32,
    /// Code points of a chat message.
    pub chat_chars: u32,
    /// Bytes of a message.
    pub message_bytes: u32,
    /// Bytes of a `media.offer`.
    pub offer_bytes: u32,
    /// Wishes in a second.
    pub wish_per_s: u32,
}

/// What this server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// `screen.*`.
    Screen,
    /// `chat.*`.
    Chat,
    /// A lobby stands before rooms.
    Lobby,
    /// Anybody may make a room: `room.create`.
    RoomCreate,
}

/// What to offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MediaParameters {
    /// Video codecs, the preferred one first.
    pub codecs: Vec<Codec>,
    /// Receiving m-lines for pictures.
    pub video_slots: u16,
    /// Receiving m-lines for sound.
    pub audio_slots: u16,
    /// Encodings of the camera, lowest first.
    pub rids: Vec<Encoding>,
}

/// One encoding of a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Encoding {
    /// Its name.
    pub rid: Rid,
    /// `scaleResolutionDownBy`.
    pub scale: u8,
    /// `maxBitrate`, bit/s.
    pub max_bps: u32,
}

/// The outcome `resumed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Resumed {
    /// Pushes after `last_seq`, in order; empty with a snapshot.
    pub missed: Vec<SequencedPush>,
    /// Everything anew, when too much was missed.
    pub snapshot: Option<Box<Joined>>,
    /// For the next loss; the one that was used is void.
    pub resume_token: ResumeToken,
    /// Whether the peer connection still has its other end.
    pub media: MediaState,
}

/// Whether a peer connection still has its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum MediaState {
    /// It has.
    Kept,
    /// It has not: open a new one, with the next generation.
    Lost,
}

/// `ok` of `room.info`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RoomSummary {
    /// The room's name, if anybody may know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub title: Option<String>,
    /// A text to agree to before joining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub consent_text: Option<String>,
    /// What a join needs.
    pub needs: Needs,
    /// Whether who comes without an invite waits in a lobby first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(as = "Option<bool>", optional)]
    pub lobby: bool,
    /// Whether the meeting is being recorded.
    pub recording: bool,
    /// Code points of a name.
    pub name_chars: u32,
    /// Whether this server has a relay.
    pub relay: bool,
    /// To try out the paths to the relay before joining: allocations of it relay nothing and
    /// last a minute. Null where there is no relay, and unless it was asked for.
    pub connection_test: Option<IceServer>,
}

/// What a join needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// A password or an invite.
    Password,
    /// Nothing.
    None,
}

/// `ok` of `join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum JoinOutcome {
    /// In the room.
    Joined(Box<Joined>),
    /// In the lobby.
    Lobby(InLobby),
    /// The same device is already in the room.
    Duplicate(Duplicate),
}

/// The outcome `joined`: everything about the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Joined {
    /// This stay.
    pub session: SessionId,
    /// The room.
    pub room: Room,
    /// The participant itself.
    #[serde(rename = "self")]
    pub own: Participant,
    /// What it may do: the whole list.
    pub permissions: Vec<Permission>,
    /// Its exceptions.
    pub overrides: Vec<Override>,
    /// The others, in the order in which they came.
    pub roster: Vec<Participant>,
    /// Who raised a hand.
    pub hands: HandQueue,
    /// The end that is announced, if there is one.
    pub ending: Option<SessionEnding>,
    /// Earlier messages, in the order of their numbers.
    pub chat: Vec<ChatMessage>,
    /// The relay of this server with a credential of this stay: it ends with the stay, and is to be
    /// renewed by `turn.refresh` within `ttl_s`. Empty where there is no relay.
    pub ice_servers: Vec<IceServer>,
    /// Number of the last push that is contained here.
    pub seq: u32,
    /// For a resume.
    pub resume_token: ResumeToken,
}

/// The outcome `duplicate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Duplicate {
    /// The participant that the same device already is.
    pub participant: ParticipantId,
    /// What can be done: the same `join` with `duplicate`, or nothing.
    pub options: Vec<DuplicateOption>,
}

/// What can be done about a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateOption {
    /// Close the other link with 4409.
    TakeOver,
    /// Be a second participant.
    JoinAsSecond,
    /// Send nothing.
    Cancel,
}

/// `ok` without members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Done {}

/// `ok` of `participant.rename`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Renamed {
    /// The participant's new `rev`.
    pub rev: u32,
}

/// `ok` of `media.offer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct MediaAnswer {
    /// As in the offer.
    pub generation: u32,
    /// The answer.
    pub sdp: String,
    /// Which m-lines are slots.
    pub slots: SlotMids,
}

impl fmt::Debug for MediaAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaAnswer")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Which m-lines are slots, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SlotMids {
    /// For pictures.
    pub video: Vec<Mid>,
    /// For sound.
    pub audio: Vec<Mid>,
}

/// `ok` of `turn.refresh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct TurnRefreshed {
    /// As in `joined`, with a new credential; the earlier one holds until it expires.
    pub ice_servers: Vec<IceServer>,
}

/// `ok` of `media.publish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Published {
    /// The publication.
    pub track: TrackId,
    /// The encodings negotiated for its m-line, lowest first; empty without simulcast.
    pub rids: Vec<Rid>,
}

/// `ok` of `media.wish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Wished {
    /// As in the request.
    pub rev: u32,
}

/// `ok` of `media.slots.ack`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AckedSlots {
    /// Per slot that starts with this, by mid: no packet of its new source
    /// carries an RTP timestamp before this one (serial arithmetic), every
    /// packet of its former source does.
    pub first_rtp_timestamp: BTreeMap<Mid, u32>,
}

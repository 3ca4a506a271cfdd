//! The objects that messages carry: participants, rooms, media.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{MessageId, ParticipantId, RoomId};
use crate::text::{DisplayName, Slug};
use crate::time::Timestamp;

/// What a track shows or carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The voice of a participant.
    Microphone,
    /// The picture of a participant.
    Camera,
    /// A shared screen, window or tab.
    Screen,
    /// The sound that comes with a shared screen.
    ScreenAudio,
}

impl Source {
    /// All sources.
    pub const ALL: [Source; 4] = [
        Source::Microphone,
        Source::Camera,
        Source::Screen,
        Source::ScreenAudio,
    ];

    /// Returns whether it is a picture.
    pub const fn is_picture(self) -> bool {
        matches!(self, Source::Camera | Source::Screen)
    }
}

/// A source that is a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PictureSource {
    /// The picture of a participant.
    Camera,
    /// A shared screen, window or tab.
    Screen,
}

impl From<PictureSource> for Source {
    fn from(source: PictureSource) -> Self {
        match source {
            PictureSource::Camera => Source::Camera,
            PictureSource::Screen => Source::Screen,
        }
    }
}

/// What somebody is in a meeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Owns the meeting.
    Host,
    /// Helps the host.
    CoHost,
    /// Shows something.
    Presenter,
    /// Takes part.
    Attendee,
    /// Looks and listens.
    Viewer,
}

/// How well the server knows who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// By the name that was typed.
    Guest,
    /// By a personal invite.
    Invited,
    /// By an account or a signed token.
    Verified,
}

/// Whether the signalling link of a participant is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is.
    Connected,
    /// It broke; the place is kept for 30 s and media flows on.
    Reconnecting,
}

/// A raised hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Hand {
    /// Since when.
    pub raised_at: Timestamp,
    /// Place in the queue, from 1.
    pub position: u32,
}

/// What others know of one source of a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SourceState {
    /// Whether the source is in the meeting at all.
    pub published: bool,
    /// Whether it is muted; true while it is not published.
    pub muted: bool,
    /// Who muted it, if it was not its owner.
    pub muted_by: Option<ParticipantId>,
    /// Whether the owner may not unmute it.
    pub locked: bool,
}

/// The sources of a participant; those of a screen only while it is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Sources {
    /// The voice.
    pub microphone: SourceState,
    /// The picture.
    pub camera: SourceState,
    /// The shared screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub screen: Option<SourceState>,
    /// The sound of the shared screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub screen_audio: Option<SourceState>,
}

/// A participant as the others see it, always whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Participant {
    /// Its identifier, for as long as it stays.
    pub id: ParticipantId,
    /// Rises by one with each change.
    pub rev: u32,
    /// Its name.
    pub name: DisplayName,
    /// Its role.
    pub role: Role,
    /// How well it is known.
    pub identity: Identity,
    /// Whether its link is up.
    pub presence: Presence,
    /// Since when it takes part.
    pub joined_at: Timestamp,
    /// Its raised hand.
    pub hand: Option<Hand>,
    /// What it publishes.
    pub sources: Sources,
}

/// Whether a lobby stands before a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LobbyMode {
    /// Everybody waits until admitted.
    On,
    /// Nobody waits.
    Off,
}

/// Who may share a screen at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ScreenPolicy {
    /// One participant; others are `busy`.
    One,
    /// One participant, which others may replace.
    OneTakeover,
    /// Several.
    Many,
    /// Nobody.
    Off,
}

/// Which set of defaults a room began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Everybody may speak.
    Meeting,
    /// Few speak to many.
    Webinar,
    /// A teacher and pupils.
    Class,
    /// One is asked by some.
    Interview,
    /// Invites only, end-to-end encrypted.
    HighSecurity,
}

/// Whether one kind of source is locked for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SourceLock {
    /// Whether it is.
    pub on: bool,
    /// For whom it is not.
    pub allow: Vec<ParticipantId>,
}

/// The locks of a room on sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AvLock {
    /// Voices.
    pub microphone: SourceLock,
    /// Pictures.
    pub camera: SourceLock,
    /// Screens and their sound.
    pub screen: SourceLock,
}

/// Who may write to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PublicChat {
    /// Everybody.
    All,
    /// Hosts and co-hosts.
    Hosts,
    /// Nobody.
    Off,
}

/// To whom one may write privately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PrivateChat {
    /// To anybody.
    All,
    /// To hosts and co-hosts.
    Hosts,
    /// To nobody.
    Off,
}

/// Which earlier messages somebody who joins is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ChatHistory {
    /// None.
    None,
    /// Those of this session.
    Session,
}

/// The chat policies of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChatPolicy {
    /// Who may write to all.
    pub public: PublicChat,
    /// To whom one may write privately.
    pub private: PrivateChat,
    /// Seconds between two messages of one participant; 0 is no limit.
    pub slow_s: u32,
    /// Whether links may be followed.
    pub links: bool,
    /// What somebody who joins is shown.
    pub history: ChatHistory,
}

/// A room and its policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Room {
    /// Its identifier.
    pub id: RoomId,
    /// Its name in links.
    pub slug: Slug,
    /// Its name for people.
    pub title: String,
    /// Rises by one with each change.
    pub rev: u32,
    /// Which defaults it began with.
    pub preset: Preset,
    /// Whether it lets nobody in.
    pub locked: bool,
    /// Whether a lobby stands before it.
    pub lobby: LobbyMode,
    /// Whether it asks for a password.
    pub password_set: bool,
    /// Its locks on sources.
    pub av_lock: AvLock,
    /// Its chat policies.
    pub chat: ChatPolicy,
    /// Who may share a screen.
    pub screen: ScreenPolicy,
    /// Whether everything was stopped at once.
    pub suspended: bool,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// Who is shown large to everybody.
    pub spotlight: Vec<ParticipantId>,
}

/// What a participant may do. Everything that is not listed is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
pub enum Permission {
    /// Be in the room.
    #[serde(rename = "room.join")]
    RoomJoin,
    /// Publish the microphone.
    #[serde(rename = "publish.audio")]
    PublishAudio,
    /// Publish the camera.
    #[serde(rename = "publish.video")]
    PublishVideo,
    /// Share a screen.
    #[serde(rename = "publish.screen")]
    PublishScreen,
    /// Share the sound of a screen.
    #[serde(rename = "publish.screen_audio")]
    PublishScreenAudio,
    /// See and hear others.
    #[serde(rename = "receive.media")]
    ReceiveMedia,
    /// See shared screens.
    #[serde(rename = "receive.screen")]
    ReceiveScreen,
    /// See who is there.
    #[serde(rename = "roster.see")]
    RosterSee,
    /// See the roles of others.
    #[serde(rename = "roster.see_roles")]
    RosterSeeRoles,
    /// Change the own name.
    #[serde(rename = "self.rename")]
    SelfRename,
    /// Change the names of others.
    #[serde(rename = "participant.rename")]
    ParticipantRename,
}

impl Permission {
    /// Returns what publishing a source asks for.
    pub const fn to_publish(source: Source) -> Permission {
        match source {
            Source::Microphone => Permission::PublishAudio,
            Source::Camera => Permission::PublishVideo,
            Source::Screen => Permission::PublishScreen,
            Source::ScreenAudio => Permission::PublishScreenAudio,
        }
    }
}

/// A video codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// RFC 6386.
    Vp8,
    /// Constrained baseline, packetization mode 1 (RFC 6184).
    H264,
}

/// The name of a simulcast encoding (RFC 8851).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Rid {
    /// A quarter of the height.
    Q,
    /// Half of the height.
    H,
    /// The full height.
    F,
}

/// To whom a chat message is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChatTarget {
    /// To everybody.
    All {},
    /// To hosts and co-hosts.
    Hosts {},
    /// To one participant.
    Participant {
        /// To whom.
        participant: ParticipantId,
    },
}

/// Who wrote a chat message, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChatAuthor {
    /// Who.
    pub participant: ParticipantId,
    /// Its name.
    pub name: DisplayName,
    /// Its role.
    pub role: Role,
}

/// A chat message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChatMessage {
    /// Its identifier.
    pub id: MessageId,
    /// What its author called it.
    pub client_id: String,
    /// Who wrote it.
    pub from: ChatAuthor,
    /// To whom.
    pub to: ChatTarget,
    /// The text: at most 4,000 code points.
    pub text: String,
    /// Which message it answers.
    pub reply_to: Option<MessageId>,
    /// When.
    pub ts: Timestamp,
}

impl std::fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatMessage")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A TURN server and the credential for it (the members of RTCIceServer).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IceServer {
    /// Its addresses.
    pub urls: Vec<String>,
    /// The user of the credential.
    pub username: String,
    /// The secret of the credential.
    pub credential: String,
    /// Seconds for which the credential holds.
    pub ttl_s: u32,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

//! The objects that messages carry: participants, rooms, media.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::ParticipantId;
use crate::text::{DisplayName, RoleName};
use crate::time::Timestamp;

pub use crate::chat::*;
pub use crate::hands::HandOrder;
pub use crate::permission::{Effect, Override, Permission};
pub use crate::room::*;

/// What a track shows or carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PictureSource {
    /// The picture of a participant.
    Camera,
    /// A shared screen, window or tab.
    Screen,
}

impl Role {
    /// All roles, the highest first.
    pub const ALL: [Role; 5] = [
        Role::Host,
        Role::CoHost,
        Role::Presenter,
        Role::Attendee,
        Role::Viewer,
    ];

    /// Returns whether it stands above another; the order is that of [`Role::ALL`].
    pub fn outranks(self, other: Role) -> bool {
        self < other
    }

    /// Returns whether it is the host or a co-host, whom messages call the hosts.
    pub const fn is_host(self) -> bool {
        matches!(self, Role::Host | Role::CoHost)
    }
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is.
    Connected,
    /// It broke; the place is kept for 30 s and media flows on.
    Reconnecting,
}

/// A raised hand. Its place in the queue is told by `hand.queue`: it changes with every other hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hand {
    /// Since when.
    pub raised_at: Timestamp,
}

/// What others know of one source of a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SourceState {
    /// Whether the source is in the meeting at all.
    pub published: bool,
    /// Whether it is muted; true while it is not published.
    pub muted: bool,
    /// Who muted it, if it was not its owner.
    pub muted_by: Option<ParticipantId>,
    /// Whether the owner may not publish or unmute it at present.
    pub locked: bool,
}

/// The sources of a participant; those of a screen only while it is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Participant {
    /// Its identifier, for as long as it stays.
    pub id: ParticipantId,
    /// Rises by one with each change.
    pub rev: u32,
    /// Its name.
    pub name: DisplayName,
    /// Its role.
    pub role: Role,
    /// Its custom role, if it has one; `role` is then what that one is based on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub custom_role: Option<RoleName>,
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

/// A video codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// RFC 6386.
    Vp8,
    /// Constrained baseline, packetization mode 1 (RFC 6184).
    H264,
}

/// The name of a simulcast encoding (RFC 8851).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Rid {
    /// A quarter of the height.
    Q,
    /// Half of the height.
    H,
    /// The full height.
    F,
}

/// A TURN server and the credential for it (the members of RTCIceServer).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_outranks_those_after_it_and_not_itself() {
        for (place, role) in Role::ALL.into_iter().enumerate() {
            for (other_place, other) in Role::ALL.into_iter().enumerate() {
                assert_eq!(
                    role.outranks(other),
                    place < other_place,
                    "{role:?} {other:?}"
                );
            }
        }
        assert!(Role::Host.outranks(Role::CoHost) && Role::Attendee.outranks(Role::Viewer));
        assert!(Role::CoHost.is_host() && !Role::Presenter.is_host());
    }
}

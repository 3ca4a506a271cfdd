//! What a room is, before anybody is in it.

use std::time::Duration;

use conclave_sfu_wire::control::RoomPolicy;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::limits::{PAGE_GONE_WINDOW, RESUME_WINDOW, VIDEO_SLOTS};
use conclave_signalling_wire::objects::{self, Codec};
use conclave_signalling_wire::text::Slug;

use crate::media::to_codec;

/// What a room is.
#[derive(Debug, Clone)]
pub struct RoomConfig {
    /// Its identifier, the same in every session.
    pub id: RoomId,
    /// Its name in links.
    pub slug: Slug,
    /// Its name for people.
    pub title: String,
    /// Video codecs, the preferred one first.
    pub codecs: Vec<Codec>,
    /// Views that one wish may list.
    pub video_slots: u16,
    /// Participants beyond which a join is answered `full`.
    pub participants_max: usize,
    /// How long a participant whose link broke keeps its place.
    pub resume_window: Duration,
    /// The same, if its page went away: a reload, or a closed tab.
    pub page_gone_window: Duration,
}

impl RoomConfig {
    /// Describes a room with the usual policies.
    pub fn new(id: RoomId, slug: Slug, title: impl Into<String>) -> Self {
        RoomConfig {
            id,
            slug,
            title: title.into(),
            codecs: vec![Codec::Vp8, Codec::H264],
            video_slots: VIDEO_SLOTS,
            participants_max: 500,
            resume_window: RESUME_WINDOW,
            page_gone_window: PAGE_GONE_WINDOW,
        }
    }

    /// Writes what participants know of the room.
    pub(super) fn describe(&self) -> objects::Room {
        let unlocked = objects::SourceLock {
            on: false,
            allow: Vec::new(),
        };
        objects::Room {
            id: self.id,
            slug: self.slug.clone(),
            title: self.title.clone(),
            rev: 1,
            preset: objects::Preset::Meeting,
            locked: false,
            lobby: objects::LobbyMode::Off,
            password_set: false,
            av_lock: objects::AvLock {
                microphone: unlocked.clone(),
                camera: unlocked.clone(),
                screen: unlocked,
            },
            chat: objects::ChatPolicy {
                public: objects::PublicChat::All,
                private: objects::PrivateChat::Hosts,
                slow_s: 0,
                links: true,
                history: objects::ChatHistory::None,
            },
            screen: objects::ScreenPolicy::One,
            suspended: false,
            ends_at: None,
            spotlight: Vec::new(),
        }
    }

    /// Writes what the media plane knows of the room.
    pub(super) fn policy(&self) -> RoomPolicy {
        RoomPolicy {
            video_codecs: self.codecs.iter().copied().map(to_codec).collect(),
        }
    }
}

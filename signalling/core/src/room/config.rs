//! What the node says about every room.

use std::sync::Arc;
use std::time::Duration;

use conclave_signalling_wire::limits::{
    PAGE_GONE_WINDOW, RESUME_WINDOW, ROOM_CHANGES_BURST, ROOM_CHANGES_PER_S, VIDEO_SLOTS,
};
use conclave_signalling_wire::objects::Codec;

use crate::rate::Rate;
use crate::relay::Relay;

/// What the node says about every room; what hosts say is in [`crate::settings`].
#[derive(Debug, Clone)]
pub struct RoomConfig {
    /// Video codecs, the preferred one first.
    pub codecs: Vec<Codec>,
    /// Views that one wish may list.
    pub video_slots: u16,
    /// Participants beyond which a join is answered `full`, whatever the room says.
    pub participants_max: usize,
    /// How long a participant whose link broke keeps its place.
    pub resume_window: Duration,
    /// The same, if its page went away: a reload, or a closed tab.
    pub page_gone_window: Duration,
    /// How often one participant may change the room.
    pub room_changes: Rate,
    /// What makes credentials for the relay, if there is one.
    pub relay: Option<Arc<dyn Relay>>,
}

impl Default for RoomConfig {
    fn default() -> Self {
        RoomConfig {
            codecs: vec![Codec::Vp8, Codec::H264],
            video_slots: VIDEO_SLOTS,
            participants_max: 500,
            resume_window: RESUME_WINDOW,
            page_gone_window: PAGE_GONE_WINDOW,
            room_changes: Rate::new(ROOM_CHANGES_PER_S, ROOM_CHANGES_BURST),
            relay: None,
        }
    }
}

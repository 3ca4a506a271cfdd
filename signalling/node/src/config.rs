//! What whoever runs the node gives it.

use std::sync::Arc;
use std::time::Duration;

use conclave_sfu_wire::control::Command;
use conclave_signalling_wire::limits::{
    AUDIO_SLOTS, JOINS_PER_SOURCE_BURST, JOINS_PER_SOURCE_PER_S, LINKS_PER_SOURCE, VIDEO_SLOTS,
};
use conclave_signalling_wire::objects::Codec;
use conclave_signalling_wire::text::Slug;
use thiserror::Error;

/// The way to the shards. One command queue per shard, in order.
pub trait Media: Send + Sync + 'static {
    /// Returns how many shards there are, at least one.
    fn shards(&self) -> usize;

    /// Gives a command to a shard, without waiting.
    ///
    /// # Errors
    /// [`MediaBusy`] if the queue is full; the room keeps the command and tries again.
    fn send(&self, shard: usize, command: Command) -> Result<(), MediaBusy>;
}

/// The queue of a shard is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the queue of the shard is full")]
pub struct MediaBusy;

/// A room that exists before anybody is in it.
#[derive(Debug, Clone)]
pub struct RoomSpec {
    /// Its name in links.
    pub slug: Slug,
    /// Its name for people.
    pub title: String,
}

/// Settings of the node.
#[derive(Clone)]
pub struct Config {
    /// Whether a page of this origin may open a link. The value of the header
    /// as it came, such as `https://meet.example.org`.
    pub origin_allowed: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// The rooms. Of two with one slug the last counts.
    pub rooms: Vec<RoomSpec>,
    /// Links of one IPv4 address or IPv6 /64; beyond it the upgrade is answered 429.
    pub links_per_source: u32,
    /// Joins a second of one IPv4 address or IPv6 /64, sustained, at least 1;
    /// beyond it a join is answered `rate_limited`.
    pub joins_per_source_per_s: u32,
    /// Joins of one such source at once, at least 1.
    pub joins_per_source_burst: u32,
    /// Links in all; beyond it the upgrade is answered 503.
    pub links_max: usize,
    /// Participants of a room; beyond it a join is answered `full`.
    pub participants_max: usize,
    /// Video codecs, the preferred one first.
    pub codecs: Vec<Codec>,
    /// Video slots that clients are told to offer.
    pub video_slots: u16,
    /// Audio slots that clients are told to offer.
    pub audio_slots: u16,
    /// How long links stay open after `server.draining`.
    pub drain: Duration,
    /// After how long clients are told to come back.
    pub retry_after: Duration,
}

impl Default for Config {
    /// No origin is allowed and there is no room.
    fn default() -> Self {
        Config {
            origin_allowed: Arc::new(|_| false),
            rooms: Vec::new(),
            links_per_source: LINKS_PER_SOURCE,
            joins_per_source_per_s: JOINS_PER_SOURCE_PER_S,
            joins_per_source_burst: JOINS_PER_SOURCE_BURST,
            links_max: 20_000,
            participants_max: 500,
            codecs: vec![Codec::Vp8, Codec::H264],
            video_slots: VIDEO_SLOTS,
            audio_slots: AUDIO_SLOTS,
            drain: Duration::from_millis(300),
            retry_after: Duration::from_secs(2),
        }
    }
}

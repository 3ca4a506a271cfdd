//! What whoever runs the node gives it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conclave_sfu_wire::control::{Admission, Command};
use conclave_signalling_core::relay::Relay;
use conclave_signalling_wire::limits::{
    AUDIO_SLOTS, JOINS_PER_SOURCE_BURST, JOINS_PER_SOURCE_PER_S, LINKS_PER_SOURCE,
    ROOM_CHANGES_BURST, ROOM_CHANGES_PER_S, ROOMS_PER_SOURCE_PER_HOUR, VIDEO_SLOTS,
};
use conclave_signalling_wire::objects::Codec;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::guesses::PasswordLimits;
use crate::hashing::Hashing;
use crate::sites::Embedder;

/// The way to the shards. One command queue per shard, in order.
pub trait Media: Send + Sync + 'static {
    /// Returns how many shards there are, at least one.
    fn shards(&self) -> usize;

    /// Gives a command to a shard, without waiting.
    ///
    /// # Errors
    /// [`MediaBusy`] if the queue is full; the room keeps the command and tries again.
    fn send(&self, shard: usize, command: Command) -> Result<(), MediaBusy>;

    /// Returns whom a shard takes at present. Who is in is not asked about.
    fn admission(&self, _shard: usize) -> Admission {
        Admission::All
    }

    /// Returns how much a shard has to do, in percent of what it can. It may be
    /// more than it can.
    fn work_percent(&self, _shard: usize) -> u32 {
        0
    }

    /// Hears of a command when it is decided, once and in order, before its shard
    /// has room for it: who is in and who is not must be known at once elsewhere.
    fn hear(&self, _command: &Command) {}
}

/// The queue of a shard is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the queue of the shard is full")]
pub struct MediaBusy;

/// A media plane that takes nothing, for a node without links.
#[derive(Debug, Clone, Copy)]
pub struct NoMedia;

impl Media for NoMedia {
    fn shards(&self) -> usize {
        1
    }

    fn send(&self, _: usize, _: Command) -> Result<(), MediaBusy> {
        Err(MediaBusy)
    }
}

/// Who may make rooms over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomsCreate {
    /// Nobody: only the operator makes them.
    Admins,
    /// Anybody, as often as [`Config::rooms_per_source_per_hour`] says.
    Anyone,
}

/// Settings of the node.
#[derive(Clone)]
pub struct Config {
    /// Whether a page of this origin may open a link. The value of the header
    /// as it came, such as `https://meet.example.org`.
    pub origin_allowed: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// What the wall clock shows, in milliseconds since 1970. It is read once a minute.
    pub wall_clock_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Who may make rooms.
    pub rooms_create: RoomsCreate,
    /// Rooms in all, some 3 KiB each in memory; beyond it only the configuration makes one.
    pub rooms_max: usize,
    /// Rooms an hour that one source may make, at least 1.
    pub rooms_per_source_per_hour: u32,
    /// What a hash of a password costs.
    pub hashing: Hashing,
    /// How many wrong passwords there may be.
    pub password: PasswordLimits,
    /// Sites that sign join tokens.
    pub embedders: Vec<Embedder>,
    /// What tokens of sites say in `aud` that are made known while the node runs: this server.
    pub audience: String,
    /// Links of one IPv4 address or IPv6 /64; beyond it the upgrade is answered 429.
    pub links_per_source: u32,
    /// Changes of the room that one participant may make in a second,
    /// sustained, at least 1; each is told to everybody.
    pub room_changes_per_s: u32,
    /// Changes of the room that one participant may make at once, at least 1.
    pub room_changes_burst: u32,
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
    /// How much the home shard of a room may have to do, in percent, before who
    /// comes to the room goes to another one; 0 to 100. With 0 participants are
    /// spread over the shards as evenly as they come.
    pub spill_above_percent: u8,
    /// What makes credentials for the relay, if there is one.
    pub relay: Option<Arc<dyn Relay>>,
    /// How long links stay open after `server.draining`.
    pub drain: Duration,
    /// After how long clients are told to come back.
    pub retry_after: Duration,
}

impl Default for Config {
    /// No origin is allowed and nobody makes rooms.
    fn default() -> Self {
        Config {
            origin_allowed: Arc::new(|_| false),
            wall_clock_ms: Arc::new(system_time_ms),
            rooms_create: RoomsCreate::Admins,
            rooms_max: 100_000,
            rooms_per_source_per_hour: ROOMS_PER_SOURCE_PER_HOUR,
            hashing: Hashing::default(),
            password: PasswordLimits::default(),
            embedders: Vec::new(),
            audience: "https://localhost".to_owned(),
            links_per_source: LINKS_PER_SOURCE,
            room_changes_per_s: ROOM_CHANGES_PER_S,
            room_changes_burst: ROOM_CHANGES_BURST,
            joins_per_source_per_s: JOINS_PER_SOURCE_PER_S,
            joins_per_source_burst: JOINS_PER_SOURCE_BURST,
            links_max: 20_000,
            participants_max: 500,
            codecs: vec![Codec::Vp8, Codec::H264],
            video_slots: VIDEO_SLOTS,
            audio_slots: AUDIO_SLOTS,
            // The rest is for those who are there already: what they show grows.
            spill_above_percent: 70,
            relay: None,
            drain: Duration::from_millis(300),
            retry_after: Duration::from_secs(2),
        }
    }
}

fn system_time_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(unix.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

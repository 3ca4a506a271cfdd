//! Where rooms live, and who is in them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use conclave_sfu_wire::control::{Event, MemberKey, RoomKey};
use conclave_signalling_core::clock::ClockAnchor;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::room::RoomConfig;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::secret::ResumeToken;
use conclave_signalling_wire::text::Slug;
use dashmap::DashMap;
use rand::Rng;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::actor::{self, ToRoom};
use crate::config::{Config, Media};
use crate::source::{Joins, Sources};

/// The inbox of a room. Full means wait: the actor never does.
pub(crate) type RoomInbox = mpsc::Sender<ToRoom>;

/// Everything that links and rooms share.
pub(crate) struct Registry {
    pub(crate) config: Config,
    pub(crate) media: Arc<dyn Media>,
    pub(crate) clock: ClockAnchor,
    pub(crate) sources: Arc<Sources>,
    pub(crate) joins: Joins,
    rooms: BTreeMap<Slug, RoomConfig>,
    /// Held while a join is queued and while an actor decides to end, so that
    /// no join reaches an actor that has ended. Never across an await.
    live: Mutex<HashMap<Slug, RoomInbox>>,
    tokens: DashMap<[u8; 32], RoomInbox>,
    members: DashMap<MemberKey, RoomInbox>,
    keys: DashMap<RoomKey, RoomInbox>,
    /// Participants of each shard.
    load: Vec<AtomicUsize>,
    next_key: AtomicU64,
    pub(crate) panics: AtomicU64,
}

impl Registry {
    pub(crate) fn new(config: Config, media: Arc<dyn Media>) -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        let clock = ClockAnchor::new(Instant::now().into_std(), unix_ms);
        let rooms = config.rooms.iter().map(|spec| {
            let mut random = [0; 10];
            rand::rng().fill_bytes(&mut random);
            let room = RoomConfig {
                codecs: config.codecs.clone(),
                video_slots: config.video_slots,
                participants_max: config.participants_max,
                ..RoomConfig::new(RoomId::new(unix_ms, random), spec.slug.clone(), &spec.title)
            };
            (spec.slug.clone(), room)
        });
        Registry {
            rooms: rooms.collect(),
            load: (0..media.shards().max(1))
                .map(|_| AtomicUsize::new(0))
                .collect(),
            joins: Joins::new(config.joins_per_source_per_s, config.joins_per_source_burst),
            config,
            media,
            clock,
            sources: Arc::default(),
            live: Mutex::default(),
            tokens: DashMap::new(),
            members: DashMap::new(),
            keys: DashMap::new(),
            next_key: AtomicU64::new(1),
            panics: AtomicU64::new(0),
        }
    }

    /// Draws a number that was never drawn before.
    fn draw(&self) -> u64 {
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn draw_link(&self) -> LinkId {
        LinkId(self.draw())
    }

    pub(crate) fn draw_member(&self) -> MemberKey {
        MemberKey(self.draw())
    }

    pub(crate) fn draw_room(&self) -> RoomKey {
        RoomKey(self.draw())
    }

    /// Returns what a room is, if it exists.
    pub(crate) fn room(&self, slug: &Slug) -> Option<&RoomConfig> {
        self.rooms.get(slug)
    }

    /// Queues a message for a room, which begins if nobody is in it.
    ///
    /// Returns its inbox, or gives the message back if the inbox is full.
    pub(crate) fn enter(
        self: &Arc<Self>,
        config: &RoomConfig,
        message: ToRoom,
    ) -> Result<RoomInbox, Box<ToRoom>> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let inbox = live
            .entry(config.slug.clone())
            .or_insert_with(|| actor::spawn(Arc::clone(self), config.clone()));
        match inbox.try_send(message) {
            Ok(()) => Ok(inbox.clone()),
            Err(error) => Err(Box::new(error.into_inner())),
        }
    }

    /// Forgets an actor, unless `is_idle` says that something was queued for it meanwhile.
    pub(crate) fn end(&self, slug: &Slug, is_idle: impl FnOnce() -> bool) -> bool {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = is_idle();
        if ends {
            live.remove(slug);
        }
        ends
    }

    /// Returns the inboxes of all rooms that somebody is in.
    pub(crate) fn live(&self) -> Vec<RoomInbox> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.values().cloned().collect()
    }

    pub(crate) fn add_token(&self, token: &ResumeToken, inbox: RoomInbox) {
        self.tokens.insert(*token.bytes(), inbox);
    }

    pub(crate) fn remove_token(&self, token: &ResumeToken) {
        self.tokens.remove(token.bytes());
    }

    /// Returns the room that a token leads to.
    pub(crate) fn room_of_token(&self, token: &ResumeToken) -> Option<RoomInbox> {
        self.tokens.get(token.bytes()).map(|inbox| inbox.clone())
    }

    /// Picks the shard with the fewest participants for a room.
    pub(crate) fn open(&self, key: RoomKey, inbox: RoomInbox) -> usize {
        self.keys.insert(key, inbox);
        let loads = self
            .load
            .iter()
            .map(|load| load.load(Ordering::Relaxed))
            .enumerate();
        loads
            .min_by_key(|(_, load)| *load)
            .map_or(0, |(shard, _)| shard)
    }

    pub(crate) fn close(&self, key: RoomKey) {
        self.keys.remove(&key);
    }

    pub(crate) fn add_member(&self, member: MemberKey, shard: usize, inbox: RoomInbox) {
        self.members.insert(member, inbox);
        if let Some(load) = self.load.get(shard) {
            load.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn remove_member(&self, member: MemberKey, shard: usize) {
        if self.members.remove(&member).is_some()
            && let Some(load) = self.load.get(shard)
        {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Returns the room that an event of a shard concerns.
    pub(crate) fn room_of_event(&self, event: &Event) -> Option<RoomInbox> {
        match event {
            Event::Answer { member, .. }
            | Event::OfferRefused { member, .. }
            | Event::Published { member, .. }
            | Event::PublishRefused { member, .. }
            | Event::Connected { member, .. }
            | Event::TransportFailed { member, .. }
            | Event::Slots { member, .. }
            | Event::SlotsAcked { member, .. }
            | Event::Layers { member, .. } => self.members.get(member).map(|inbox| inbox.clone()),
            Event::Speakers { room, .. }
            | Event::Quality { room, .. }
            | Event::RoomFailed { room } => self.keys.get(room).map(|inbox| inbox.clone()),
        }
    }

    /// Returns how many rooms somebody is in, and how many participants they have.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.keys.len(), self.members.len())
    }
}

//! Where rooms live, and who is in them.

use std::collections::{BTreeMap, HashMap};
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use conclave_sfu_wire::control::{Event, MemberKey, RoomKey};
use conclave_signalling_core::clock::ClockAnchor;
use conclave_signalling_core::digest::{NetworkTag, TokenHash};
use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::rate::Rate;
use conclave_signalling_core::room::RoomConfig;
use conclave_signalling_store::{NetworkKey, Store};
use conclave_signalling_wire::ids::{RoomId, SessionId};
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use dashmap::DashMap;
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep};

use crate::actor;
use crate::actor::Waiting;
use crate::config::{Config, Media};
use crate::directory::{Directory, Door};
use crate::guesses::Guesses;
use crate::hashing::Pool;
use crate::inbox::{Inbox, ToRoom};
use crate::joins::JoinCounts;
use crate::node::StartError;
use crate::refusals::Refusals;
use crate::rooms::embedders;
use crate::shards::Shards;
use crate::sites::Sites;
use crate::source::{PerSource, Sources};
use crate::tuning::{self, KeptSettings, Tuning};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// What changes while the node runs.
struct Tuned {
    configured: Tuning,
    kept: KeptSettings,
    /// What comes of both.
    holding: Arc<Tuning>,
}

/// Everything that links and rooms share.
pub(crate) struct Registry {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) media: Arc<dyn Media>,
    clock: RwLock<ClockAnchor>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) pool: Pool,
    pub(crate) sources: Arc<Sources>,
    pub(crate) joins: PerSource,
    pub(crate) creations: PerSource,
    pub(crate) sites: Sites,
    guesses: Mutex<Guesses>,
    /// Newest first, never empty.
    network_keys: RwLock<Arc<[NetworkKey]>>,
    /// Held while a join is queued and while an actor decides to end, so that
    /// no join reaches an actor that has ended. Never across an await.
    live: Mutex<HashMap<RoomId, Arc<Inbox>>>,
    tokens: DashMap<TokenHash, Arc<Inbox>>,
    members: DashMap<MemberKey, Arc<Inbox>>,
    keys: DashMap<RoomKey, Arc<Inbox>>,
    /// The meetings that go on.
    sessions: DashMap<SessionId, RoomId>,
    pub(crate) shards: Shards,
    next_key: AtomicU64,
    pub(crate) refusals: Refusals,
    pub(crate) panics: AtomicU64,
    /// What rooms could not keep and try again.
    pub(crate) waiting: Waiting,
    pub(crate) commits_retried: AtomicU64,
    pub(crate) commits_failed: AtomicU64,
    pub(crate) join_counts: JoinCounts,
    tuning: RwLock<Tuned>,
    /// Held while sites are added or deleted, so that what is judged by is what is kept.
    pub(crate) sites_turn: tokio::sync::Mutex<()>,
    /// Held while settings are kept, for the same.
    pub(crate) settings_turn: tokio::sync::Mutex<()>,
    /// No room begins any more.
    draining: AtomicBool,
    /// Wakes whoever waits for the last participant to go.
    emptied: Notify,
}

impl Registry {
    /// Reads what rooms there are.
    pub(crate) async fn load(
        config: Config,
        store: Store,
        media: Arc<dyn Media>,
    ) -> Result<Self, StartError> {
        let added = embedders::added(&store, &config.audience).await?;
        let has_sites = !(config.embedders.is_empty() && added.is_empty());
        if has_sites {
            // A token of the second that begins then cannot have been used before: its site
            // says no more than the second in which it was made.
            let into_second_ms = (config.wall_clock_ms)() % 1000;
            sleep(Duration::from_millis((1000 - into_second_ms) % 1000)).await;
        }
        let unix_ms = (config.wall_clock_ms)();
        let clock = ClockAnchor::new(Instant::now().into_std(), unix_ms);
        let network_keys = store.network_keys(Timestamp::from_unix_ms(unix_ms)).await?;
        let directory = Directory::default();
        for room in store.directory().await? {
            let door = room.settings.as_ref().map_or_else(
                || Door::damaged(room.id),
                |settings| Door::new(room.id, settings),
            );
            directory.put(room.slug, door);
        }
        let directory = Arc::new(directory);
        // Hashing takes the cores from meetings: never more than half of them.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pool = Pool::new(config.hashing, cores / 2)?;
        // Without sites nobody waited for the next second; one may come later.
        let since_s = unix_ms / 1000 + u64::from(!has_sites);
        let (kept, _) = tuning::kept(&store).await?;
        kept.tell(&store);
        let configured = Tuning::from(&config);
        let tuning = kept.over(&configured);
        let (joins, burst) = (tuning.joins_per_source_per_s, tuning.joins_per_source_burst);
        let rooms = tuning.rooms_per_source_per_hour;
        Ok(Registry {
            shards: Shards::new(Arc::clone(&media), config.spill_above_percent),
            joins: PerSource::new(joins, SECOND, burst),
            creations: PerSource::new(rooms, HOUR, rooms),
            sites: Sites::new(config.embedders.clone(), added, since_s),
            guesses: Mutex::new(Guesses::new(config.password, RandomState::new())),
            tuning: RwLock::new(Tuned {
                configured,
                kept,
                holding: Arc::new(tuning),
            }),
            sites_turn: tokio::sync::Mutex::default(),
            settings_turn: tokio::sync::Mutex::default(),
            config,
            store,
            media,
            clock: RwLock::new(clock),
            directory,
            pool,
            sources: Arc::default(),
            network_keys: RwLock::new(network_keys.into()),
            live: Mutex::default(),
            tokens: DashMap::new(),
            members: DashMap::new(),
            keys: DashMap::new(),
            sessions: DashMap::new(),
            next_key: AtomicU64::new(1),
            refusals: Refusals::default(),
            panics: AtomicU64::new(0),
            waiting: Waiting::default(),
            commits_retried: AtomicU64::new(0),
            commits_failed: AtomicU64::new(0),
            join_counts: JoinCounts::default(),
            draining: AtomicBool::new(false),
            emptied: Notify::new(),
        })
    }

    /// Returns what holds at present of what changes while the node runs.
    pub(crate) fn tuning(&self) -> Arc<Tuning> {
        let tuned = self.tuning.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&tuned.holding)
    }

    /// Changes what the configuration says. What was counted stays counted.
    pub(crate) fn tune(&self, configured: Tuning) {
        self.retune(|tuned| tuned.configured = configured);
    }

    /// Changes what the operator keeps besides.
    pub(crate) fn keep_settings(&self, kept: KeptSettings) {
        kept.tell(&self.store);
        self.retune(|tuned| tuned.kept = kept);
    }

    fn retune(&self, change: impl FnOnce(&mut Tuned)) {
        let mut tuned = self.tuning.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut tuned);
        let tuning = tuned.kept.over(&tuned.configured);
        let (joins, burst) = (tuning.joins_per_source_per_s, tuning.joins_per_source_burst);
        self.joins.tune(joins, SECOND, burst);
        let rooms = tuning.rooms_per_source_per_hour;
        self.creations.tune(rooms, HOUR, rooms);
        self.guesses().tune(tuning.password);
        self.sites.replace(tuning.embedders.clone());
        tuned.holding = Arc::new(tuning);
    }

    /// Lets no room begin from here on.
    pub(crate) fn begin_no_more(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Returns whether no room begins any more.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Returns when nobody is in any meeting.
    pub(crate) async fn emptied(&self) {
        while !self.members.is_empty() {
            self.emptied.notified().await;
        }
    }

    /// Returns what the wall clock shows.
    pub(crate) fn time(&self) -> Timestamp {
        self.clock().at(Instant::now().into_std())
    }

    /// Returns the last reading of both clocks. A room keeps that with which it began.
    pub(crate) fn clock(&self) -> ClockAnchor {
        *self.clock.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads both clocks anew: the wall clock may have been set, or have stood still.
    pub(crate) fn read_clocks(&self) {
        let anchor = ClockAnchor::new(Instant::now().into_std(), (self.config.wall_clock_ms)());
        *self.clock.write().unwrap_or_else(PoisonError::into_inner) = anchor;
    }

    /// Returns what the node says about every room.
    pub(crate) fn room_config(&self) -> RoomConfig {
        RoomConfig {
            codecs: self.config.codecs.clone(),
            video_slots: self.config.video_slots,
            participants_max: self.config.participants_max,
            room_changes: Rate::new(
                self.config.room_changes_per_s,
                self.config.room_changes_burst,
            ),
            relay: self.config.relay.clone(),
            ..RoomConfig::default()
        }
    }

    /// Returns the counts of wrong passwords. Not to be held across an await.
    pub(crate) fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a network as bans remember it, under the newest key first.
    pub(crate) fn networks(&self, address: IpAddr) -> Vec<NetworkTag> {
        let keys = self
            .network_keys
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| key.tag(address)).collect()
    }

    /// Replaces the keys of networks.
    pub(crate) fn put_network_keys(&self, keys: Vec<NetworkKey>) {
        *self
            .network_keys
            .write()
            .unwrap_or_else(PoisonError::into_inner) = keys.into();
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

    /// Queues a message for a room, which begins if it is not live.
    ///
    /// Returns its inbox, or `None` if that is full, or if it would begin a
    /// meeting while the node drains.
    pub(crate) fn enter(
        self: &Arc<Self>,
        id: RoomId,
        slug: &Slug,
        message: ToRoom,
    ) -> Option<Arc<Inbox>> {
        let begin = || actor::spawn(Arc::clone(self), id, slug.clone());
        let mut live = self.live();
        let opens = matches!(message, ToRoom::Join { .. } | ToRoom::Manage { .. });
        if opens && self.is_draining() && !live.contains_key(&id) {
            return None;
        }
        let inbox = live.entry(id).or_insert_with(begin);
        match inbox.messages.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return None,
            // Its actor panicked, and has not been forgotten yet.
            Err(TrySendError::Closed(message)) => {
                *inbox = begin();
                inbox.messages.try_send(message).ok()?;
            }
        }
        Some(Arc::clone(inbox))
    }

    /// Forgets an actor, unless `is_idle` says that something was queued for it meanwhile.
    pub(crate) fn end(&self, id: RoomId, is_idle: impl FnOnce() -> bool) -> bool {
        let mut live = self.live();
        let ends = is_idle();
        if ends {
            live.remove(&id);
        }
        ends
    }

    /// Forgets an actor that is gone, however it went, but not the next one of its room.
    pub(crate) fn forget(&self, id: RoomId, inbox: &Arc<Inbox>) {
        let mut live = self.live();
        if live.get(&id).is_some_and(|known| Arc::ptr_eq(known, inbox)) {
            live.remove(&id);
        }
    }

    /// Returns whether somebody is in a room, waits for it or manages it.
    pub(crate) fn is_live(&self, id: RoomId) -> bool {
        self.live().contains_key(&id)
    }

    /// Returns the inboxes of all rooms that are live.
    pub(crate) fn inboxes(&self) -> Vec<Arc<Inbox>> {
        self.live().values().cloned().collect()
    }

    fn live(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<Inbox>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_token(&self, token: TokenHash, inbox: Arc<Inbox>) {
        self.tokens.insert(token, inbox);
    }

    pub(crate) fn remove_token(&self, token: &TokenHash) {
        self.tokens.remove(token);
    }

    /// Returns the room that a token leads to.
    pub(crate) fn room_of_token(&self, token: &TokenHash) -> Option<Arc<Inbox>> {
        self.tokens.get(token).map(|inbox| Arc::clone(&inbox))
    }

    pub(crate) fn add_session(&self, session: SessionId, room: RoomId) {
        self.sessions.insert(session, room);
    }

    pub(crate) fn remove_session(&self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// Returns the room of a meeting that goes on.
    pub(crate) fn room_of_session(&self, session: SessionId) -> Option<RoomId> {
        self.sessions.get(&session).map(|room| *room)
    }

    /// Takes a room to the media plane. Returns the shard that is its home.
    pub(crate) fn open(&self, key: RoomKey, inbox: Arc<Inbox>) -> usize {
        self.keys.insert(key, inbox);
        self.shards.home()
    }

    pub(crate) fn close(&self, key: RoomKey) {
        self.keys.remove(&key);
    }

    pub(crate) fn add_member(&self, member: MemberKey, shard: usize, inbox: Arc<Inbox>) {
        self.members.insert(member, inbox);
        self.shards.add(shard);
    }

    pub(crate) fn remove_member(&self, member: MemberKey, shard: usize) {
        if self.members.remove(&member).is_some() {
            self.shards.remove(shard);
        }
        if self.members.is_empty() {
            self.emptied.notify_one();
        }
    }

    /// Returns the room that an event of a shard concerns.
    pub(crate) fn room_of_event(&self, event: &Event) -> Option<Arc<Inbox>> {
        match event {
            Event::Answer { member, .. }
            | Event::OfferRefused { member, .. }
            | Event::Published { member, .. }
            | Event::PublishRefused { member, .. }
            | Event::Connected { member, .. }
            | Event::TransportFailed { member, .. }
            | Event::Slots { member, .. }
            | Event::SlotsAcked { member, .. }
            | Event::Layers { member, .. } => {
                self.members.get(member).map(|inbox| Arc::clone(&inbox))
            }
            Event::Speakers { room, .. }
            | Event::Quality { room, .. }
            | Event::Passed { room, .. }
            | Event::RoomFailed { room } => self.keys.get(room).map(|inbox| Arc::clone(&inbox)),
        }
    }

    /// Counts participants by room.
    pub(crate) fn participants_by_room(&self) -> BTreeMap<RoomId, usize> {
        let rooms = self.live().clone();
        let rooms: HashMap<*const Inbox, RoomId> = rooms
            .iter()
            .map(|(id, inbox)| (Arc::as_ptr(inbox), *id))
            .collect();
        let mut counts = BTreeMap::new();
        for member in &self.members {
            if let Some(room) = rooms.get(&Arc::as_ptr(&member)) {
                *counts.entry(*room).or_default() += 1;
            }
        }
        counts
    }

    /// Returns how many rooms are live, and how many participants they have.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.live().len(), self.members.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NoMedia;
    use crate::hashing::Hashing;
    use crate::inbox::inbox;

    #[tokio::test]
    async fn a_room_whose_task_is_gone_begins_anew() {
        let hashing = Hashing {
            m_kib: 64,
            t: 1,
            p: 1,
        };
        let config = Config {
            hashing,
            ..Config::default()
        };
        let store = Store::open_temporary().await.unwrap();
        let registry = Registry::load(config, store, Arc::new(NoMedia)).await;
        let registry = Arc::new(registry.ok().unwrap());
        let (id, slug) = (RoomId::new(0, [0; 10]), Slug::new("welcome").unwrap());
        let (dead, queues) = inbox();
        drop(queues);
        registry.live().insert(id, Arc::clone(&dead));
        let entered = registry.enter(id, &slug, ToRoom::Draining).unwrap();
        assert!(!Arc::ptr_eq(&entered, &dead));
        // The end of the old task is not that of the new one.
        registry.forget(id, &dead);
        assert!(registry.is_live(id));
        registry.forget(id, &entered);
        assert!(!registry.is_live(id));
    }
}

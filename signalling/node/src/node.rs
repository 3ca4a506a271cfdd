//! The whole of the signalling plane in this process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use axum::Router;
use axum::routing::get;
use conclave_sfu_wire::control::Event;
use conclave_signalling_store::{Store, StoreError};
use futures_util::future::join_all;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Duration, Instant, sleep, timeout, timeout_at};
use tracing::warn;

use crate::config::{Config, Media};
use crate::hashing::InvalidHashing;
use crate::inbox::ToRoom;
use crate::joins::JoinStats;
use crate::registry::Registry;
use crate::rooms::Rooms;
use crate::tuning::Tuning;
use crate::unused::delete_unused;
use crate::upgrade;

/// How long links may take to end after they were told to.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How long rooms may take to keep what happened in them, at the end.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// How often the audit log is told how many were turned away.
const SUM_UP_EVERY: Duration = Duration::from_secs(60);
/// After how many of these the store is asked for the keys of networks, which
/// it replaces daily, and forgets what has expired: an hour. So long a message
/// outlives its time on the disk.
const HOURLY: u32 = 60;
/// After how many of these rooms that nobody uses are deleted: a day.
const DAILY: u32 = 24 * 60;

/// Why a node does not start.
#[derive(Debug, Clone, Error)]
pub enum StartError {
    /// The rooms cannot be read.
    #[error("the rooms cannot be read: {0}")]
    Store(#[from] StoreError),
    /// [`Config::hashing`] is nothing that argon2id does.
    #[error("the cost of password hashes: {0}")]
    Hashing(#[from] InvalidHashing),
}

/// How far the end of the process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// No room begins; the old links know, and new ones may come back to meetings.
    Draining,
    /// Links close with 4503.
    Closing,
}

/// What every upgrade needs.
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    /// Each link holds a receiver, so their number is that of the links.
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) refusals: Sparse,
}

/// Lets one log line a second through: whoever knocks often does not fill the disk.
pub(crate) struct Sparse {
    start: Instant,
    /// The last second that had a line, from 1.
    last: AtomicU64,
}

impl Sparse {
    fn new() -> Self {
        Sparse {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    pub(crate) fn may_log(&self) -> bool {
        let second = self.start.elapsed().as_secs() + 1;
        self.last.swap(second, Ordering::Relaxed) != second
    }
}

/// Numbers for health and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Rooms that somebody is in, waits for or manages.
    pub rooms: usize,
    /// Rooms that there are.
    pub rooms_known: usize,
    /// Participants, with those whose link is lost.
    pub participants: usize,
    /// Open links, with those that have not joined.
    pub links: usize,
    /// How joins ended since the start.
    pub joins: JoinStats,
    /// Rooms that ended by a panic since the start.
    pub room_panics_total: u64,
    /// Commits that the store refused and that were tried again, since the start.
    pub commits_retried_total: u64,
    /// Commits that were given up, since the start. With more in them than
    /// records of the audit log, their room ended.
    pub commits_failed_total: u64,
    /// Passwords that were hashed since the start.
    pub hashes_total: usize,
    /// The most that were hashed at once.
    pub hashes_at_once_max: usize,
}

/// The signalling plane. Dropping it ends nothing: see [`Node::drain`].
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

impl Node {
    /// Reads what rooms there are and starts the tasks that every room needs,
    /// inside a tokio runtime.
    ///
    /// `events` are those of all shards; its end means that there will be no
    /// more media, which rooms learn from what then times out.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong.
    pub async fn start(
        config: Config,
        store: Store,
        media: Arc<dyn Media>,
        events: mpsc::Receiver<Event>,
    ) -> Result<Self, StartError> {
        let registry = Arc::new(Registry::load(config, store, media).await?);
        tokio::spawn(dispatch(Arc::clone(&registry), events));
        tokio::spawn(keep_up(Arc::downgrade(&registry)));
        let phase = watch::Sender::new(Phase::Running);
        Ok(Node {
            shared: Arc::new(Shared {
                registry,
                phase,
                refusals: Sparse::new(),
            }),
        })
    }

    /// Returns what the operator does with rooms.
    pub fn rooms(&self) -> Rooms {
        Rooms::new(Arc::clone(&self.shared.registry))
    }

    /// Returns the routes: `/api/v1/signal`. Each request needs the extension
    /// [`crate::ClientAddr`]; without it the answer is 500.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/v1/signal", get(upgrade::handle))
            .with_state(Arc::clone(&self.shared))
    }

    /// Returns numbers for health and metrics.
    pub fn stats(&self) -> Stats {
        let registry = &self.shared.registry;
        let (rooms, participants) = registry.counts();
        let (hashes_at_once_max, hashes_total) = registry.pool.counts();
        Stats {
            rooms,
            rooms_known: registry.directory.len(),
            participants,
            links: self.shared.phase.receiver_count(),
            joins: registry.join_counts.read(),
            room_panics_total: registry.panics.load(Ordering::Relaxed),
            commits_retried_total: registry.commits_retried.load(Ordering::Relaxed),
            commits_failed_total: registry.commits_failed.load(Ordering::Relaxed),
            hashes_total,
            hashes_at_once_max,
        }
    }

    /// Changes what changes while the node runs. Nobody who is in is asked to go.
    pub fn tune(&self, tuning: Tuning) {
        self.shared.registry.tune(tuning);
    }

    /// Returns for how long [`Node::drain`] lets meetings go on at most.
    pub fn drain_deadline(&self) -> Duration {
        self.shared.registry.tuning().drain
    }

    /// Returns whether the node drains: what begins something is to be refused.
    pub fn is_draining(&self) -> bool {
        self.shared.registry.is_draining()
    }

    /// Lets no room begin and tells everybody `server.draining`. Meetings go
    /// on, and people still come and come back to them. When nobody is in any
    /// more, or after [`Config::drain`], closes all links with 4503 and takes
    /// no new ones. Returns when they are closed and what happened in rooms is
    /// kept, at once if there is nothing; some seconds later if the store or a
    /// room does not answer.
    pub async fn drain(&self) {
        let Shared {
            registry, phase, ..
        } = self.shared.as_ref();
        registry.begin_no_more();
        phase.send_replace(Phase::Draining);
        let closing = Instant::now() + registry.tuning().drain;
        let told = registry.inboxes().into_iter().map(|room| async move {
            // A room that has ended has nobody to tell.
            let _ = room.messages.send(ToRoom::Draining).await;
        });
        // All at once: a busy room keeps no other from knowing, and the close tells those in it.
        let _ = timeout_at(closing, join_all(told)).await;
        // Whoever is late is told by the close.
        let _ = timeout_at(closing, registry.emptied()).await;
        phase.send_replace(Phase::Closing);
        // Whoever does not answer the close is closed by the end of the process.
        let _ = timeout(CLOSE_WITHIN, phase.closed()).await;
        if timeout(SETTLE_WITHIN, settle(registry)).await.is_err() {
            warn!("not everything that happened in rooms was kept in time");
        }
    }
}

/// Waits until everything that happened so far is kept.
async fn settle(registry: &Registry) {
    let settled = registry.inboxes().into_iter().map(|room| async move {
        let (done, settled) = oneshot::channel();
        // A room that has ended has kept what it had.
        let _ = room.messages.send(ToRoom::Settle { done }).await;
        let _ = settled.await;
    });
    join_all(settled).await;
    write_refusals(registry).await;
}

async fn write_refusals(registry: &Registry) {
    let at = registry.time();
    for sum in registry.refusals.take() {
        if let Err(error) = registry.store.audit(sum.entry(at)).await {
            warn!(%error, "the audit log does not know who was turned away");
        }
        let event = sum.event(at, rand::random());
        if let Err(error) = registry.store.event(event).await {
            warn!(%error, "webhooks are not told who was turned away");
        }
    }
}

/// Brings what the shards report to the rooms, in order.
async fn dispatch(registry: Arc<Registry>, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        // What concerns nobody crossed with the end of its room.
        if let Some(room) = registry.room_of_event(&event) {
            room.report(event);
        }
    }
}

/// Does what is to be done now and then.
async fn keep_up(registry: Weak<Registry>) {
    for minute in 1u32.. {
        sleep(SUM_UP_EVERY).await;
        let Some(registry) = registry.upgrade() else {
            return;
        };
        registry.read_clocks();
        write_refusals(&registry).await;
        let (store, now) = (&registry.store, registry.time());
        if minute.is_multiple_of(HOURLY) {
            match store.network_keys(now).await {
                Ok(keys) => registry.put_network_keys(keys),
                Err(error) => warn!(%error, "the keys of networks could not be read"),
            }
            if let Err(error) = store.purge(now).await {
                warn!(%error, "what has expired could not be forgotten");
            }
        }
        if minute.is_multiple_of(DAILY) {
            delete_unused(&registry).await;
        }
    }
}

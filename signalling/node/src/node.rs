//! The whole of the signalling plane in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;
use conclave_sfu_wire::control::Event;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, timeout};

use crate::actor::ToRoom;
use crate::config::{Config, Media};
use crate::registry::Registry;
use crate::upgrade;

/// How long links may take to end after they were told to.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How far the end of the process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    /// No new links; the old ones know.
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
    /// Rooms that somebody is in.
    pub rooms: usize,
    /// Participants, with those whose link is lost.
    pub participants: usize,
    /// Open links, with those that have not joined.
    pub links: usize,
    /// Rooms that ended by a panic since the start.
    pub room_panics_total: u64,
}

/// The signalling plane. Dropping it ends nothing: see [`Node::drain`].
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

impl Node {
    /// Starts the tasks that every room needs, inside a tokio runtime.
    ///
    /// `events` are those of all shards; its end means that there will be no
    /// more media, which rooms learn from what then times out.
    pub fn start(config: Config, media: Arc<dyn Media>, events: mpsc::Receiver<Event>) -> Self {
        let registry = Arc::new(Registry::new(config, media));
        tokio::spawn(dispatch(Arc::clone(&registry), events));
        let phase = watch::Sender::new(Phase::Running);
        Node {
            shared: Arc::new(Shared {
                registry,
                phase,
                refusals: Sparse::new(),
            }),
        }
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
        let (rooms, participants) = self.shared.registry.counts();
        Stats {
            rooms,
            participants,
            links: self.shared.phase.receiver_count(),
            room_panics_total: self.shared.registry.panics.load(Ordering::Relaxed),
        }
    }

    /// Refuses new links, tells everybody `server.draining`, and after
    /// [`Config::drain`] closes all links with 4503. Returns when they are
    /// closed, at once if there is none.
    pub async fn drain(&self) {
        let Shared {
            registry, phase, ..
        } = self.shared.as_ref();
        phase.send_replace(Phase::Draining);
        for room in registry.live() {
            // A room that has ended has nobody to tell.
            let _ = room.send(ToRoom::Draining).await;
        }
        if timeout(registry.config.drain, phase.closed()).await.is_ok() {
            return;
        }
        phase.send_replace(Phase::Closing);
        // Whoever does not answer the close is closed by the end of the process.
        let _ = timeout(CLOSE_WITHIN, phase.closed()).await;
    }
}

/// Brings what the shards report to the rooms, in order.
async fn dispatch(registry: Arc<Registry>, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        // What concerns nobody crossed with the end of its room.
        if let Some(room) = registry.room_of_event(&event) {
            // Waits for the room, whose actor never waits for anybody.
            let _ = room.send(ToRoom::Media(event)).await;
        }
    }
}

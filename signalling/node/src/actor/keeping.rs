//! The way of one room to the store.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conclave_signalling_core::record::Change;
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::text::Slug;
use tokio::time::{Duration, Instant, timeout};
use tracing::{debug, error};

use crate::actor::Later;
use crate::ledger::is_told;
use crate::registry::Registry;

/// How long the store may take, with all that is tried again. A room that waits
/// longer ends: nobody in it could be answered.
const KEPT_WITHIN: Duration = Duration::from_secs(10);
/// For how long records of what happened alone are tried again. Whoever was
/// refused waits for it, and everybody who is to be told something after it.
const LOGGED_WITHIN: Duration = Duration::from_secs(1);
/// How soon what the store refused is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How long a room that ends waits for a commit that has begun, before it says
/// that it was not kept.
const LAST_CHANCE: Duration = Duration::from_secs(2);

/// How far a batch of changes has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The store has not answered, or is asked again.
    Waits,
    /// Kept, or given up without harm to the room.
    Done,
    /// Not kept: the memory of the room is ahead of the store.
    Failed,
}

/// What is being kept, one batch at a time.
pub(super) struct Keeping {
    registry: Arc<Registry>,
    id: RoomId,
    slug: Slug,
    batch: Option<Batch>,
}

struct Batch {
    changes: Vec<Change>,
    /// `None` between two tries.
    running: Option<Later<Result<(), StoreError>>>,
    retry_at: Instant,
    retry_until: Instant,
    due: Instant,
}

impl Batch {
    /// Returns whether it says what happened and changes nothing.
    fn is_log(&self) -> bool {
        let is_log = |change: &Change| matches!(change, Change::Audit(_)) || is_told(change);
        self.changes.iter().all(is_log)
    }
}

impl Keeping {
    pub(super) fn new(registry: Arc<Registry>, id: RoomId, slug: Slug) -> Self {
        Keeping {
            registry,
            id,
            slug,
            batch: None,
        }
    }

    /// Gives changes to the store; nothing else is being kept.
    pub(super) fn begin(&mut self, now: Instant, changes: Vec<Change>) {
        debug_assert!(self.batch.is_none(), "the ledger gives one batch at a time");
        let mut batch = Batch {
            running: None,
            changes,
            retry_at: now,
            retry_until: now + KEPT_WITHIN,
            due: now + KEPT_WITHIN,
        };
        if batch.is_log() {
            batch.retry_until = now + LOGGED_WITHIN;
        }
        self.batch = Some(batch);
        self.try_again();
    }

    /// Waits until the store answers. Never, while it is not asked.
    pub(super) async fn answer(&mut self) -> Result<(), StoreError> {
        let running = self.batch.as_mut().and_then(|batch| batch.running.as_mut());
        match running {
            Some(running) => running.await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        answer: Result<(), StoreError>,
    ) -> Progress {
        let Some(batch) = &mut self.batch else {
            return Progress::Waits;
        };
        batch.running = None;
        match answer {
            Ok(()) => {
                self.kept();
                Progress::Done
            }
            // Every change says what is then so: done twice it is the same, and
            // the audit log has a record twice at worst.
            Err(error @ (StoreError::Full | StoreError::Unavailable(_)))
                if now + RETRY_AFTER < batch.retry_until =>
            {
                let retried = self
                    .registry
                    .commits_retried
                    .fetch_add(1, Ordering::Relaxed);
                debug!(room = %self.id, %error, retried, "changes of a room are tried again");
                batch.retry_at = now + RETRY_AFTER;
                Progress::Waits
            }
            Err(error) => self.give_up(&error.to_string()),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let batch = self.batch.as_ref()?;
        Some(match &batch.running {
            Some(_) => batch.due,
            None => batch.retry_at.min(batch.due),
        })
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Progress {
        let Some(batch) = &self.batch else {
            return Progress::Waits;
        };
        if batch.due <= now {
            return self.give_up("the store does not answer");
        }
        if batch.running.is_none() && batch.retry_at <= now {
            self.try_again();
        }
        Progress::Waits
    }

    /// Waits a little for what has begun, for a room that ends. Returns whether it was kept.
    pub(super) async fn last_chance(&mut self) -> bool {
        timeout(LAST_CHANCE, self.last_answer())
            .await
            .unwrap_or(false)
    }

    /// Waits until nothing of the room can change in the store any more, or
    /// until `turn_away` ends, which it never does. Whoever enters before it
    /// would read what is about to be overwritten.
    pub(super) async fn calm(&mut self, turn_away: impl Future<Output = ()>) {
        let mut turn_away = pin!(turn_away);
        tokio::select! {
            // First: nobody is turned away without need.
            biased;
            _ = self.last_answer() => {}
            () = &mut turn_away => {}
        }
    }

    /// Waits for what has begun; there is no second try.
    async fn last_answer(&mut self) -> bool {
        let is_asked = self
            .batch
            .as_ref()
            .is_some_and(|batch| batch.running.is_some());
        if !is_asked {
            self.batch = None;
            return false;
        }
        let is_kept = self.answer().await.is_ok();
        if is_kept {
            self.kept();
        }
        self.batch = None;
        is_kept
    }

    fn try_again(&mut self) {
        let (store, id) = (self.registry.store.clone(), self.id);
        if let Some(batch) = &mut self.batch {
            let changes = batch.changes.clone();
            batch.running = Some(Box::pin(async move { store.commit(id, changes).await }));
        }
    }

    fn kept(&mut self) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        let settings = batch.changes.iter().rev().find_map(|change| match change {
            Change::Settings(settings) => Some(settings),
            _ => None,
        });
        if let Some(settings) = settings {
            self.registry
                .directory
                .refresh(&self.slug, self.id, settings);
        }
    }

    /// What only says what happened is let go. With anything else the room
    /// ends; what the store was asked is still to be waited for.
    fn give_up(&mut self, why: &str) -> Progress {
        self.registry.commits_failed.fetch_add(1, Ordering::Relaxed);
        if self.batch.as_ref().is_some_and(Batch::is_log) {
            error!(room = %self.id, why, "the audit log and webhooks miss what happened in a room");
            self.batch = None;
            return Progress::Done;
        }
        error!(room = %self.id, why, "changes of a room were not kept and it was ended");
        Progress::Failed
    }
}

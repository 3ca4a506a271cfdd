//! The way of one room to the store.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conclave_signalling_core::record::Change;
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::text::Slug;
use tokio::time::{Duration, Instant, sleep_until, timeout};
use tracing::{debug, error, warn};

use crate::actor::Later;
use crate::actor::backlog::Backlog;
use crate::ledger::is_told;
use crate::registry::Registry;

/// How long the store may take, with all that is tried again. A room that waits
/// longer ends: nobody in it could be answered.
const KEPT_WITHIN: Duration = Duration::from_secs(10);
/// For how long records of what happened alone are tried again at once. Whoever was
/// refused waits for it, and everybody who is to be told something after it.
const LOGGED_WITHIN: Duration = Duration::from_secs(1);
/// How soon what the store refused is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How often what happened in a room that has ended is tried again: a quarter of an hour.
const TRIES_AFTERWARDS: u32 = 20;
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

/// Whether a later try may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hope {
    Later,
    None,
}

/// What is being kept, one batch at a time.
pub(super) struct Keeping {
    registry: Arc<Registry>,
    id: RoomId,
    slug: Slug,
    batch: Option<Batch>,
    /// What only says what happened, and could not be kept.
    backlog: Backlog,
    /// How often that is tried after the room has ended.
    tries_left: u32,
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
            backlog: Backlog::new(registry.waiting.clone()),
            registry,
            id,
            slug,
            batch: None,
            tries_left: TRIES_AFTERWARDS,
        }
    }

    /// Gives changes to the store, behind what could not be kept before; nothing else is being kept.
    pub(super) fn begin(&mut self, now: Instant, changes: Vec<Change>) {
        debug_assert!(self.batch.is_none(), "the ledger gives one batch at a time");
        let is_failing = !self.backlog.is_empty();
        let mut batch = Batch {
            running: None,
            changes: [self.backlog.take(), changes].concat(),
            retry_at: now,
            retry_until: now + KEPT_WITHIN,
            due: now + KEPT_WITHIN,
        };
        if batch.is_log() {
            // Once is enough of what comes again: what is done meanwhile waits for its turn.
            let within = if is_failing {
                Duration::ZERO
            } else {
                LOGGED_WITHIN
            };
            batch.retry_until = now + within;
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
            Err(error @ (StoreError::Full | StoreError::Unavailable(_))) => {
                self.give_up(now, &error.to_string(), Hope::Later)
            }
            Err(error) => self.give_up(now, &error.to_string(), Hope::None),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let Some(batch) = &self.batch else {
            return self.backlog.poll_timeout();
        };
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
            return self.give_up(now, "the store does not answer", Hope::Later);
        }
        if batch.running.is_none() && batch.retry_at <= now {
            self.try_again();
        }
        Progress::Waits
    }

    /// Returns whether what could not be kept is to be tried again, by [`Keeping::begin`].
    pub(super) fn is_due_again(&self, now: Instant) -> bool {
        let due = self.backlog.poll_timeout();
        self.batch.is_none() && due.is_some_and(|due| due <= now)
    }

    /// Lets what could not be kept be tried for a while after the room has ended: it is of a
    /// session that is over, and nothing of it comes later.
    pub(super) fn leave_behind(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        let mut later = Keeping::new(Arc::clone(&self.registry), self.id, self.slug.clone());
        std::mem::swap(&mut later.backlog, &mut self.backlog);
        tokio::spawn(async move {
            while let Some(due) = later.backlog.poll_timeout() {
                sleep_until(due).await;
                later.begin(Instant::now(), Vec::new());
                let answer = timeout(KEPT_WITHIN, later.answer()).await;
                let late = |_| StoreError::Unavailable("the store does not answer".to_owned());
                let answer = answer.map_err(late).flatten();
                later.tries_left = later.tries_left.saturating_sub(1);
                later.handle_answer(Instant::now(), answer);
            }
        });
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
        self.backlog.handle_kept();
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

    /// What only says what happened is tried again by and by, while there is hope and memory. With
    /// anything else the room ends; what the store was asked is still to be waited for.
    fn give_up(&mut self, now: Instant, why: &str, hope: Hope) -> Progress {
        if !self.batch.as_ref().is_some_and(Batch::is_log) {
            self.registry.commits_failed.fetch_add(1, Ordering::Relaxed);
            error!(room = %self.id, why, "changes of a room were not kept and it was ended");
            return Progress::Failed;
        }
        let changes = self
            .batch
            .take()
            .map_or_else(Vec::new, |batch| batch.changes);
        let lost = match hope {
            Hope::Later if self.tries_left > 0 => self.backlog.put(now, changes),
            Hope::Later | Hope::None => changes.len(),
        };
        if lost > 0 {
            self.registry.commits_failed.fetch_add(1, Ordering::Relaxed);
            error!(room = %self.id, why, lost, "the audit log and webhooks miss what happened in a room");
        } else {
            self.registry
                .commits_retried
                .fetch_add(1, Ordering::Relaxed);
            warn!(room = %self.id, why, "what happened in a room is not in the audit log yet, and webhooks are told later");
        }
        Progress::Done
    }
}

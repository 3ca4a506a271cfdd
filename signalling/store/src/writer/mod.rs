//! The one writer: takes jobs from a bounded queue, does all that wait in one
//! transaction, and answers when it is on the disk.
//!
//! A job that fails is taken back alone by a savepoint. When SQLite gave up the
//! whole transaction because of it, the others are done again without it. When
//! the transaction as a whole fails, all its jobs fail, and the next group
//! begins on a new connection. A panic ends one group the same way.

mod act;
mod group;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use conclave_signalling_core::record::{AuditEntry, Change, EndReason};
use conclave_signalling_wire::ids::{DeliveryId, RoomId};
use conclave_signalling_wire::time::Timestamp;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::audit::Anchor;
use crate::audit::checkpoint::{Checkpoint, Signer};
use crate::error::StoreError;
use crate::idempotency::Reservation;
use crate::open::{Held, Tuning};
use crate::seal::Sealer;
use crate::sql::outbox::Outbox;
use crate::sql::{NewRoom, Swept, audit, connect};

pub(crate) use act::Act;

/// Jobs that wait; whoever brings one more waits too.
pub(crate) const QUEUE: usize = 1024;

/// Something to be written.
pub(crate) enum Work {
    Commit {
        room: RoomId,
        changes: Vec<Change>,
    },
    Create {
        room: Box<NewRoom>,
        audit: Box<AuditEntry>,
    },
    Delete {
        room: RoomId,
        audit: Box<AuditEntry>,
    },
    SetConfigDigest {
        room: RoomId,
        digest: String,
    },
    Audit(Box<AuditEntry>),
    Act {
        act: Box<Act>,
        audit: Option<Box<AuditEntry>>,
    },
    RenewNetworkKeys(Timestamp),
    Begin(Timestamp),
    /// Of one room, or of all.
    EndSessions {
        room: Option<RoomId>,
        at: Timestamp,
        reason: EndReason,
    },
    Purge(Timestamp),
    #[cfg(test)]
    Panic,
}

/// What came of a work that was done.
#[derive(Debug)]
pub(crate) enum Done {
    Nothing,
    Swept(Swept),
    /// Whether there may be more to do.
    Rest(bool),
    Rev(u32),
    Delivery(DeliveryId),
    Reservation(Reservation),
}

impl Done {
    pub(crate) fn swept(self) -> Swept {
        match self {
            Done::Swept(swept) => swept,
            _ => Swept::default(),
        }
    }

    pub(crate) fn has_rest(self) -> bool {
        matches!(self, Done::Rest(true))
    }

    pub(crate) fn rev(self) -> Result<u32, StoreError> {
        match self {
            Done::Rev(rev) => Ok(rev),
            _ => Err(other()),
        }
    }

    pub(crate) fn delivery(self) -> Result<DeliveryId, StoreError> {
        match self {
            Done::Delivery(id) => Ok(id),
            _ => Err(other()),
        }
    }

    pub(crate) fn reservation(self) -> Result<Reservation, StoreError> {
        match self {
            Done::Reservation(reservation) => Ok(reservation),
            _ => Err(other()),
        }
    }
}

fn other() -> StoreError {
    StoreError::Unavailable("the writer answered something else".to_owned())
}

pub(crate) type Answer = Result<Done, StoreError>;

/// Work and who waits for it.
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) answer: oneshot::Sender<Answer>,
}

impl Job {
    fn answer(self, counters: &Counters, answer: Answer) {
        let counter = match answer {
            Ok(_) => &counters.jobs,
            Err(_) => &counters.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        // Whoever does not wait any more has its work done all the same.
        let _ = self.answer.send(answer);
    }
}

/// Who waits for the end.
pub(crate) type Closing = oneshot::Sender<Result<(), StoreError>>;

pub(crate) enum Call {
    Write(Job),
    Close(Closing),
}

/// What the writer did since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Transactions that were committed.
    pub transactions: u64,
    /// Calls that were answered with success.
    pub jobs: u64,
    /// Calls that were answered with an error.
    pub failed: u64,
    /// Deliveries to webhooks that were given up because too many waited.
    pub overflowed: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    transactions: AtomicU64,
    jobs: AtomicU64,
    failed: AtomicU64,
    overflowed: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Statistics {
        Statistics {
            transactions: self.transactions.load(Ordering::Relaxed),
            jobs: self.jobs.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            overflowed: self.overflowed.load(Ordering::Relaxed),
        }
    }
}

/// What the writer works with, and what others may look at meanwhile.
pub(crate) struct Tools {
    pub(crate) path: PathBuf,
    pub(crate) tuning: Tuning,
    pub(crate) sealer: Sealer,
    pub(crate) signer: Signer,
    pub(crate) counters: Counters,
    /// The checkpoint that was made last.
    pub(crate) newest: watch::Sender<Option<Checkpoint>>,
    /// Changes when there may be something new to send.
    pub(crate) deliveries: watch::Sender<u64>,
    /// For how long a session is known after its end.
    pub(crate) sessions_kept_ms: AtomicU64,
}

/// A connection, and what is known of the log behind it.
pub(crate) struct Open {
    db: SqliteConnection,
    head: Anchor,
    /// The last record that is signed.
    signed: u64,
    /// When the log is to be signed; `None` while all of it is.
    due: Option<Instant>,
    outbox: Outbox,
}

impl Open {
    pub(crate) async fn new(mut db: SqliteConnection, tools: &Tools) -> Result<Self, StoreError> {
        let head = audit::head(&mut db).await?;
        let last = audit::last_checkpoint(&mut db).await?;
        let is_signed = last.is_some();
        let last = last.and_then(|last| last.checkpoint);
        let fits = match last {
            None => !is_signed,
            Some(last) => {
                let there = audit::hash_of(&mut db, last.seq).await?;
                there.is_some_and(|hash| hash == last.hash)
            }
        };
        if !fits {
            tracing::error!("the audit log is not what was signed");
        }
        tools.newest.send_if_modified(|newest| {
            let is_new = *newest != last;
            *newest = last;
            is_new
        });
        let signed = last.map_or(0, |last| last.seq).min(head.seq);
        let due = (head.seq > signed).then(|| Instant::now() + tools.tuning.sign_after);
        Ok(Open {
            db,
            head,
            signed,
            due,
            outbox: Outbox::new(tools.tuning.bounds),
        })
    }

    async fn again(tools: &Tools) -> Result<Self, StoreError> {
        let db = connect::writer(&tools.path, &tools.tuning).await?;
        Open::new(db, tools).await
    }

    /// Signs the log as it is, in the transaction that is open, if one is.
    async fn sign(&mut self, tools: &Tools, head: Anchor) -> Result<Checkpoint, StoreError> {
        let checkpoint = tools.signer.sign(head, wall_clock());
        audit::save_checkpoint(&mut self.db, tools.signer.key_id(), &checkpoint).await?;
        Ok(checkpoint)
    }

    /// Takes note of a checkpoint that is on the disk.
    fn signed(&mut self, tools: &Tools, checkpoint: Checkpoint) {
        self.signed = checkpoint.seq;
        self.due = None;
        tools.newest.send_replace(Some(checkpoint));
    }

    /// Signs what is not signed yet.
    async fn sign_rest(&mut self, tools: &Tools) -> Result<(), StoreError> {
        if self.head.seq > self.signed {
            let checkpoint = self.sign(tools, self.head).await?;
            self.signed(tools, checkpoint);
        }
        Ok(())
    }
}

fn wall_clock() -> Timestamp {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

/// What one panic must not take along.
struct Desk {
    queue: mpsc::Receiver<Call>,
    open: Option<Open>,
}

/// Writes until the store is closed or all its handles are gone.
pub(crate) async fn run(tools: Arc<Tools>, queue: mpsc::Receiver<Call>, open: Open, held: Held) {
    let desk = Arc::new(Mutex::new(Desk {
        queue,
        open: Some(open),
    }));
    let (closing, end) = loop {
        let turns = turns(Arc::clone(&tools), Arc::clone(&desk));
        match tokio::spawn(turns).await {
            Ok(ended) => break ended,
            Err(error) if error.is_panic() => {
                tracing::error!("the writer of the store panicked; it goes on with what waits");
            }
            Err(_) => return,
        }
    };
    drop(desk);
    drop(held);
    if let Some(closing) = closing {
        // Whoever closed it may be gone.
        let _ = closing.send(end);
    }
}

/// Returns who asked for the end, if somebody did, and how it was.
async fn turns(
    tools: Arc<Tools>,
    desk: Arc<Mutex<Desk>>,
) -> (Option<Closing>, Result<(), StoreError>) {
    let mut desk = desk.lock().await;
    let Desk { queue, open } = &mut *desk;
    let closing = loop {
        // Taken out, so that after a panic nobody goes on with it.
        let mut current = open.take();
        let due = current.as_ref().and_then(|open| open.due);
        let call = tokio::select! {
            call = queue.recv() => call,
            () = at(due) => {
                *open = sign_in_time(current, &tools).await;
                continue;
            }
        };
        let job = match call {
            None => {
                *open = current;
                break None;
            }
            Some(Call::Close(closing)) => {
                *open = current;
                break Some(closing);
            }
            Some(Call::Write(job)) => job,
        };
        if current.is_none() {
            current = match Open::again(&tools).await {
                Ok(open) => Some(open),
                Err(error) => {
                    tracing::error!(%error, "the database cannot be opened again");
                    job.answer(&tools.counters, Err(error));
                    continue;
                }
            };
        }
        if let Some(current) = current {
            let (current, closing) = group::commit(current, &tools, queue, job).await;
            *open = current;
            if closing.is_some() {
                break closing;
            }
        }
    };
    queue.close();
    let end = match open.take() {
        Some(open) => finish(open, &tools).await,
        None => Ok(()),
    };
    if let Err(error) = &end {
        tracing::error!(%error, "the store was not closed in order");
    }
    (closing, end)
}

/// Waits for a moment that may never come.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

async fn sign_in_time(open: Option<Open>, tools: &Tools) -> Option<Open> {
    let mut open = open?;
    if let Err(error) = open.sign_rest(tools).await {
        tracing::error!(%error, "the audit log could not be signed");
        open.due = Some(Instant::now() + tools.tuning.sign_after);
    }
    Some(open)
}

/// Leaves one file behind that holds everything.
async fn finish(mut open: Open, tools: &Tools) -> Result<(), StoreError> {
    let signed = open.sign_rest(tools).await;
    let emptied = connect::empty_log(&mut open.db).await;
    let closed = open.db.close().await.map_err(StoreError::from);
    signed.and(emptied).and(closed)
}

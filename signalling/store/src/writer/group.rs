//! One transaction for all that waits.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use conclave_signalling_core::record::Change;
use sqlx::{Executor, SqliteConnection};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Answer, Call, Closing, Job, Open, Tools, Work};
use crate::audit::Anchor;
use crate::error::StoreError;
use crate::seal::Sealer;
use crate::sql::{self, Purged, audit, connect, network, rooms};

/// Jobs of one transaction. With the time of gathering it bounds what the first of them waits.
const GROUP: usize = 512;

/// How a group ended.
enum Ended {
    /// On the disk.
    Committed,
    /// SQLite gave it up because of one job, which has its answer; the others are to be done again.
    GivenUp(VecDeque<Job>),
    /// Not at all; the connection is not to be trusted.
    Failed,
}

/// Commits a job, and with it what comes while that is being prepared. Returns
/// the connection, unless it is not to be used again, and who asked to close meanwhile.
pub(super) async fn commit(
    mut open: Open,
    tools: &Tools,
    queue: &mut mpsc::Receiver<Call>,
    first: Job,
) -> (Option<Open>, Option<Closing>) {
    let mut waiting = VecDeque::from([first]);
    let mut closing = None;
    while !waiting.is_empty() {
        let ended = transaction(&mut open, tools, queue, &mut closing, waiting).await;
        waiting = match ended {
            Ended::Committed => VecDeque::new(),
            Ended::GivenUp(others) => others,
            Ended::Failed => return (None, closing),
        };
    }
    (Some(open), closing)
}

async fn transaction(
    open: &mut Open,
    tools: &Tools,
    queue: &mut mpsc::Receiver<Call>,
    closing: &mut Option<Closing>,
    mut waiting: VecDeque<Job>,
) -> Ended {
    let gather_until = Instant::now() + tools.tuning.gather;
    if let Err(error) = open.db.execute("BEGIN IMMEDIATE").await {
        return fail(tools, waiting, error.into());
    }
    let mut done: VecDeque<(Job, Answer)> = VecDeque::new();
    let mut head = open.head;
    let mut purges = false;
    loop {
        let next = waiting.pop_front();
        let Some(job) = next.or_else(|| more(queue, closing, done.len(), gather_until)) else {
            break;
        };
        match in_savepoint(&mut open.db, &tools.sealer, head, &job.work).await {
            Ok(Ok((new_head, purged))) => {
                head = new_head;
                purges |= matches!(job.work, Work::Begin(_) | Work::Purge(_));
                done.push_back((job, Ok(purged)));
            }
            Ok(Err(error)) => done.push_back((job, Err(error))),
            Err(error) => {
                // SQLite has rolled back already, or does so now.
                let _ = open.db.execute("ROLLBACK").await;
                job.answer(&tools.counters, Err(error));
                let others = done.into_iter().map(|(job, _)| job).chain(waiting);
                return Ended::GivenUp(others.collect());
            }
        }
    }
    let mut checkpoint = None;
    if head.seq - open.signed >= tools.tuning.sign_after_records {
        match open.sign(tools, head).await {
            Ok(signed) => checkpoint = Some(signed),
            Err(error) => return fail(tools, done.into_iter().map(|(job, _)| job), error),
        }
    }
    if let Err(error) = open.db.execute("COMMIT").await {
        return fail(tools, done.into_iter().map(|(job, _)| job), error.into());
    }
    tools.counters.transactions.fetch_add(1, Ordering::Relaxed);
    open.head = head;
    match checkpoint {
        Some(checkpoint) => open.signed(tools, checkpoint),
        None if open.due.is_none() && head.seq > open.signed => {
            open.due = Some(Instant::now() + tools.tuning.sign_after);
        }
        None => {}
    }
    if purges && let Err(error) = connect::try_to_empty_log(&mut open.db, &tools.tuning).await {
        tracing::warn!(%error, "what was deleted is still in the log of the database");
    }
    for (job, answer) in done {
        job.answer(&tools.counters, answer);
    }
    Ended::Committed
}

/// Answers all jobs of a group that failed as a whole.
fn fail(tools: &Tools, jobs: impl IntoIterator<Item = Job>, error: StoreError) -> Ended {
    tracing::error!(%error, "a transaction failed");
    for job in jobs {
        job.answer(&tools.counters, Err(error.clone()));
    }
    Ended::Failed
}

/// Returns another job for this group, if one waits and there is time and room for it.
fn more(
    queue: &mut mpsc::Receiver<Call>,
    closing: &mut Option<Closing>,
    done: usize,
    gather_until: Instant,
) -> Option<Job> {
    if closing.is_some() || done >= GROUP || Instant::now() >= gather_until {
        return None;
    }
    match queue.try_recv() {
        Ok(Call::Write(job)) => Some(job),
        Ok(Call::Close(answer)) => {
            *closing = Some(answer);
            None
        }
        Err(_) => None,
    }
}

/// Does one job so that it can be taken back alone. The outer error means that
/// the transaction is not there any more.
async fn in_savepoint(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    head: Anchor,
    work: &Work,
) -> Result<Result<(Anchor, Purged), StoreError>, StoreError> {
    db.execute("SAVEPOINT job").await?;
    match perform(db, sealer, head, work).await {
        Ok(done) => {
            db.execute("RELEASE job").await?;
            Ok(Ok(done))
        }
        Err(error) => {
            for statement in ["ROLLBACK TO job", "RELEASE job"] {
                if db.execute(statement).await.is_err() {
                    return Err(error);
                }
            }
            Ok(Err(error))
        }
    }
}

/// Does one job; returns the new end of the audit log.
async fn perform(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    mut head: Anchor,
    work: &Work,
) -> Result<(Anchor, Purged), StoreError> {
    let mut purged = Purged::default();
    match work {
        Work::Commit { room, changes } => {
            rooms::require(db, *room).await?;
            for change in changes {
                match change {
                    Change::Audit(entry) => head = audit::append(db, head, entry).await?,
                    other => rooms::apply(db, sealer, *room, other).await?,
                }
            }
        }
        Work::Create { room, audit: entry } => {
            rooms::create(db, sealer, room).await?;
            head = audit::append(db, head, entry).await?;
        }
        Work::Delete { room, audit: entry } => {
            rooms::delete(db, *room).await?;
            head = audit::append(db, head, entry).await?;
        }
        Work::SetConfigDigest { room, digest } => {
            rooms::set_config_digest(db, *room, digest).await?;
        }
        Work::Audit(entry) => head = audit::append(db, head, entry).await?,
        Work::RenewNetworkKeys(now) => network::renew(db, sealer, *now).await?,
        Work::Begin(now) => {
            sql::close_standings(db, *now).await?;
            purged = sql::purge(db, *now).await?;
        }
        Work::Purge(now) => purged = sql::purge(db, *now).await?,
        #[cfg(test)]
        Work::Panic => panic!("asked for by a test"),
    }
    Ok((head, purged))
}

//! One transaction for all that waits.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::record::{AuditEntry, Change, EndReason, SessionRecord};
use conclave_signalling_wire::ids::{EventId, RoomId};
use conclave_signalling_wire::time::Timestamp;
use serde_json::{Value, json};
use sqlx::{Executor, SqliteConnection};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Answer, Call, Closing, Done, Job, Open, Tools, Work, act};
use crate::audit::Anchor;
use crate::error::StoreError;
use crate::sql::outbox::{Outbox, random};
use crate::sql::sessions::Lasting;
use crate::sql::{self, answers, audit, connect, network, rooms, sessions};

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
    open.outbox.begin();
    let mut done: VecDeque<(Job, Answer)> = VecDeque::new();
    let mut head = open.head;
    let mut purges = false;
    loop {
        let next = waiting.pop_front();
        let Some(job) = next.or_else(|| more(queue, closing, done.len(), gather_until)) else {
            break;
        };
        let mut turn = Turn {
            db: &mut open.db,
            tools,
            outbox: &mut open.outbox,
        };
        match in_savepoint(&mut turn, head, &job.work).await {
            Ok(Ok((new_head, came))) => {
                head = new_head;
                // Once all of it is gone: rooms wait while the log is emptied.
                purges |= matches!(&came, Done::Swept(swept) if !swept.has_more);
                done.push_back((job, Ok(came)));
            }
            Ok(Err(error)) => done.push_back((job, Err(error))),
            Err(error) => {
                // SQLite has rolled back already, or does so now.
                let _ = open.db.execute("ROLLBACK").await;
                open.outbox.forget_subscribers();
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
    let tally = open.outbox.tally;
    let overflowed = &tools.counters.overflowed;
    overflowed.fetch_add(tally.overflowed, Ordering::Relaxed);
    if tally.overflowed > 0 {
        let count = tally.overflowed;
        tracing::warn!(
            count,
            "too many deliveries to webhooks wait: the oldest are given up"
        );
    }
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
    if tally.woken {
        tools
            .deliveries
            .send_modify(|count| *count = count.wrapping_add(1));
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

/// What one job works with.
pub(super) struct Turn<'a> {
    pub(super) db: &'a mut SqliteConnection,
    pub(super) tools: &'a Tools,
    pub(super) outbox: &'a mut Outbox,
}

/// Does one job so that it can be taken back alone. The outer error means that
/// the transaction is not there any more.
async fn in_savepoint(
    turn: &mut Turn<'_>,
    head: Anchor,
    work: &Work,
) -> Result<Result<(Anchor, Done), StoreError>, StoreError> {
    turn.db.execute("SAVEPOINT job").await?;
    let tally = turn.outbox.tally;
    match perform(turn, head, work).await {
        Ok(done) => {
            turn.db.execute("RELEASE job").await?;
            Ok(Ok(done))
        }
        Err(error) => {
            turn.outbox.tally = tally;
            for statement in ["ROLLBACK TO job", "RELEASE job"] {
                if turn.db.execute(statement).await.is_err() {
                    return Err(error);
                }
            }
            Ok(Err(error))
        }
    }
}

/// Does one job; returns the new end of the audit log.
async fn perform(
    turn: &mut Turn<'_>,
    mut head: Anchor,
    work: &Work,
) -> Result<(Anchor, Done), StoreError> {
    let sealer = &turn.tools.sealer;
    let mut done = Done::Nothing;
    match work {
        Work::Commit { room, changes } => {
            rooms::require(turn.db, *room).await?;
            for change in changes {
                match change {
                    Change::Audit(entry) => head = audit::append(turn.db, head, entry).await?,
                    Change::Event(event) => turn.outbox.publish(turn.db, sealer, event).await?,
                    Change::Session(session) => {
                        turn.end_former(*room, session).await?;
                        rooms::apply(turn.db, sealer, *room, change).await?;
                    }
                    other => rooms::apply(turn.db, sealer, *room, other).await?,
                }
            }
        }
        Work::Create { room, audit: entry } => {
            rooms::create(turn.db, sealer, room).await?;
            head = audit::append(turn.db, head, entry).await?;
            turn.tell_of_room(EventKind::RoomCreated, room.id, room.slug.as_str(), entry)
                .await?;
        }
        Work::Delete { room, audit: entry } => {
            if let Some(slug) = rooms::slug(turn.db, *room).await? {
                turn.end_sessions(Lasting::Of(*room), entry.at, EndReason::Deleted)
                    .await?;
                // Before it is gone, with its tags.
                turn.tell_of_room(EventKind::RoomDeleted, *room, &slug, entry)
                    .await?;
            }
            rooms::delete(turn.db, *room).await?;
            head = audit::append(turn.db, head, entry).await?;
        }
        Work::SetConfigDigest { room, digest } => {
            rooms::set_config_digest(turn.db, *room, digest).await?;
        }
        Work::Audit(entry) => head = audit::append(turn.db, head, entry).await?,
        Work::Act { act, audit: entry } => {
            done = act::perform(turn, act).await?;
            if let Some(entry) = entry {
                head = audit::append(turn.db, head, entry).await?;
            }
        }
        Work::RenewNetworkKeys(now) => network::renew(turn.db, sealer, *now).await?,
        Work::Begin(now) => {
            sql::close_standings(turn.db, *now).await?;
            turn.end_sessions(Lasting::All, *now, EndReason::Failed)
                .await?;
            answers::doubt_open(turn.db).await?;
            sessions::forget_strays(turn.db).await?;
            done = turn.purge(*now).await?;
        }
        Work::EndSessions { room, at, reason } => {
            let lasting = room.map_or(Lasting::All, Lasting::Of);
            turn.end_sessions(lasting, *at, *reason).await?;
        }
        Work::Purge(now) => done = turn.purge(*now).await?,
        #[cfg(test)]
        Work::Panic => panic!("asked for by a test"),
    }
    Ok((head, done))
}

impl Turn<'_> {
    async fn purge(&mut self, now: Timestamp) -> Result<Done, StoreError> {
        let kept_ms = self.tools.sessions_kept_ms.load(Ordering::Relaxed);
        let portion = self.tools.tuning.portion;
        let swept = sql::purge(self.db, now, kept_ms, portion).await?;
        Ok(Done::Swept(swept))
    }

    async fn tell_of_room(
        &mut self,
        kind: EventKind,
        room: RoomId,
        slug: &str,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let data = json!({"slug": slug, "by": entry.actor});
        let mut event = event(kind, entry.at, data)?;
        event.room = Some(room);
        let sealer = &self.tools.sealer;
        self.outbox.publish(self.db, sealer, &event).await
    }

    /// Ends the sessions before one that goes on, whose end could not be kept: a room has one at
    /// a time.
    async fn end_former(
        &mut self,
        room: RoomId,
        session: &SessionRecord,
    ) -> Result<(), StoreError> {
        if session.ended_at.is_some() {
            return Ok(());
        }
        let former = Lasting::Before(room, session);
        self.end_sessions(former, session.started_at, EndReason::Failed)
            .await
    }

    /// Ends sessions of which no room will say that they are over.
    async fn end_sessions(
        &mut self,
        lasting: Lasting<'_>,
        at: Timestamp,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        for ended in sessions::end_open(self.db, lasting, at, reason).await? {
            let session = ended.session;
            let lasted_ms = at.unix_ms().saturating_sub(session.started_at.unix_ms());
            let data = json!({
                "reason": reason,
                "by": null,
                "duration_s": lasted_ms / 1000,
                "peak": session.peak,
                "people": session.people,
            });
            let mut event = event(EventKind::SessionEnded, at, data)?;
            event.room = Some(ended.room);
            event.session = Some(session.id);
            let sealer = &self.tools.sealer;
            self.outbox.publish(self.db, sealer, &event).await?;
        }
        Ok(())
    }
}

fn event(kind: EventKind, at: Timestamp, data: Value) -> Result<Event, StoreError> {
    let id = EventId::new(at.unix_ms(), random()?);
    Ok(Event::new(id, at, kind, data, json!({})))
}

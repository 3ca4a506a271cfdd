//! One room as a task: what it was, its inbox, and how it ends.

mod backlog;
mod keeping;
mod meeting;
mod shard;
mod span;
mod voices;
mod way;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conclave_signalling_core::record::{Actor as Who, AuditEntry, EndReason, RoomRecord};
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::text::Slug;
use tokio::sync::oneshot;
use tracing::{error, warn};

pub(crate) use backlog::Waiting;

use crate::actor::meeting::Meeting;
use crate::inbox::{Inbox, Queues, Seat, ToRoom, inbox};
use crate::registry::Registry;
use crate::rooms::{Origin, RoomsError};

/// Begins a room, which is read from the store first.
pub(crate) fn spawn(registry: Arc<Registry>, id: RoomId, slug: Slug) -> Arc<Inbox> {
    let (own, queues) = inbox();
    let actor = Actor {
        id,
        slug,
        own: Arc::clone(&own),
        registry,
    };
    tokio::spawn(actor.run(queues));
    own
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Who deletes a room, how that was asked for, and who waits for it.
struct Deletion {
    by: Who,
    origin: Origin,
    done: oneshot::Sender<Result<(), RoomsError>>,
}

/// Why a meeting is over.
enum End {
    /// Nobody is in it, and everything is kept.
    Idle,
    /// It failed; everybody in it is told that it ended.
    Failed,
    /// What changed was not kept: everybody comes back to what was.
    NotKept,
    /// The operator deletes the room.
    Deleted(Deletion),
}

impl End {
    /// Returns what is said to links that are still there.
    fn code(&self) -> CloseCode {
        match self {
            End::NotKept => CloseCode::Draining,
            End::Idle | End::Failed | End::Deleted(_) => CloseCode::Ended,
        }
    }
}

struct Actor {
    id: RoomId,
    slug: Slug,
    own: Arc<Inbox>,
    registry: Arc<Registry>,
}

impl Actor {
    async fn run(self, mut queues: Queues) {
        loop {
            match self
                .registry
                .store
                .room(self.id, self.registry.time())
                .await
            {
                Ok(Some(record)) => self.meet(record, &mut queues).await,
                Ok(None) => turn_away(&mut queues, Seat::Unknown).clear(),
                Err(error) => {
                    error!(room = %self.id, %error, "a room could not be read");
                    // What cannot be read can be deleted all the same.
                    for deletion in turn_away(&mut queues, Seat::Unavailable) {
                        self.delete(deletion).await;
                    }
                }
            }
            if self.registry.end(self.id, || queues.messages.is_empty()) {
                return;
            }
        }
    }

    /// Holds the room until nobody is in it or it failed, and everything that
    /// it was to keep is kept or given up.
    async fn meet(&self, record: RoomRecord, queues: &mut Queues) {
        // What was said of it last may not have been what was kept.
        self.registry
            .directory
            .refresh(&self.slug, self.id, &record.settings);
        let begun = catch_unwind(AssertUnwindSafe(|| {
            Meeting::new(
                Arc::clone(&self.registry),
                self.slug.clone(),
                Arc::clone(&self.own),
                record,
            )
        }));
        let Ok(mut meeting) = begun else {
            self.registry.panics.fetch_add(1, Ordering::Relaxed);
            error!(room = %self.id, "a room panicked before it began");
            for deletion in turn_away(queues, Seat::Unavailable) {
                self.delete(deletion).await;
            }
            return;
        };
        let end = meeting.run(queues).await;
        meeting.end(&end, queues).await;
        if matches!(end, End::Failed | End::NotKept) {
            self.end_session().await;
        }
        if let End::Deleted(deletion) = end {
            self.delete(deletion).await;
        }
    }

    /// Ends the session that the core can end no more.
    async fn end_session(&self) {
        let at = self.registry.time();
        let failed = EndReason::Failed;
        let ended = self
            .registry
            .store
            .end_sessions(Some(self.id), at, failed)
            .await;
        // The next session of the room ends it too, and so does the next start.
        if let Err(error) = ended {
            warn!(room = %self.id, %error, "the session of a room that failed goes on in the records");
        }
    }

    async fn delete(&self, Deletion { by, origin, done }: Deletion) {
        let audit = AuditEntry {
            at: self.registry.time(),
            actor: by,
            action: "room.delete".to_owned(),
            target: Some(self.id.to_string()),
            room: Some(self.id),
            session: None,
            prefix: None,
            request_id: None,
            outcome: "ok".to_owned(),
            detail: None,
        };
        let audit = origin.sign(audit);
        let deleted = self.registry.store.delete_room(self.id, audit).await;
        if deleted.is_ok() {
            self.registry.directory.remove(&self.slug, self.id);
        }
        // Whoever asked may be gone.
        let _ = done.send(deleted.map_err(RoomsError::from));
    }
}

/// A room whose task ends by a panic begins anew with the next who enters it.
impl Drop for Actor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.registry.panics.fetch_add(1, Ordering::Relaxed);
            error!(room = %self.id, "the task of a room panicked");
        }
        self.registry.forget(self.id, &self.own);
    }
}

/// Answers everything that waits for a room that is not there or cannot be
/// read, but for those who want to delete one that cannot be read.
fn turn_away(queues: &mut Queues, why: Seat) -> Vec<Deletion> {
    while queues.events.try_recv().is_ok() {}
    let mut deletions = Vec::new();
    while let Ok(message) = queues.messages.try_recv() {
        deletions.extend(turn_one_away(message, why));
    }
    deletions
}

/// Answers everything that comes while a room cannot be entered. Never ends.
async fn turn_away_all(queues: &mut Queues) {
    loop {
        tokio::select! {
            Some(message) = queues.messages.recv() => {
                if let Some(Deletion { done, .. }) = turn_one_away(message, Seat::Unavailable) {
                    // Whoever asked may be gone.
                    let _ = done.send(Err(ErrorCode::NotAvailable.into()));
                }
            }
            Some(_) = queues.events.recv() => {}
            else => std::future::pending().await,
        }
    }
}

fn turn_one_away(message: ToRoom, why: Seat) -> Option<Deletion> {
    // None of those who wait for an answer has to be there still.
    match message {
        ToRoom::Join { done, .. } | ToRoom::Manage { done, .. } | ToRoom::Resume { done, .. } => {
            let _ = done.send(why);
        }
        ToRoom::Order { done, .. } => {
            let code = match why {
                Seat::Unknown => ErrorCode::NotFound,
                _ => ErrorCode::NotAvailable,
            };
            let _ = done.send(Err(ErrorBody::from(code)));
        }
        ToRoom::Delete { done, .. } if why == Seat::Unknown => {
            let _ = done.send(Err(RoomsError::UnknownRoom));
        }
        ToRoom::Delete { by, origin, done } => return Some(Deletion { by, origin, done }),
        ToRoom::Message { .. }
        | ToRoom::LinkLost { .. }
        | ToRoom::Settle { .. }
        | ToRoom::Draining => {}
    }
    None
}

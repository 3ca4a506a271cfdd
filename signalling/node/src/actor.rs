//! One room as a task: what it was, its inbox, and how it ends.

mod meeting;
mod shard;
mod voices;

use std::sync::Arc;

use conclave_signalling_core::record::{Actor as Who, AuditEntry, RoomRecord};
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::text::Slug;
use tokio::sync::oneshot;
use tracing::error;

use crate::actor::meeting::{End, Meeting};
use crate::inbox::{Inbox, Queues, Seat, ToRoom, inbox};
use crate::registry::Registry;
use crate::rooms::RoomsError;

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

struct Actor {
    id: RoomId,
    slug: Slug,
    own: Arc<Inbox>,
    registry: Arc<Registry>,
}

impl Actor {
    async fn run(self, mut queues: Queues) {
        loop {
            match self.registry.store.room(self.id).await {
                Ok(Some(record)) => self.meet(record, &mut queues).await,
                Ok(None) => turn_away(&mut queues, Seat::Unknown),
                Err(error) => {
                    error!(room = %self.id, %error, "a room could not be read");
                    turn_away(&mut queues, Seat::Unavailable);
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
        let mut meeting = Meeting::new(
            Arc::clone(&self.registry),
            self.slug.clone(),
            Arc::clone(&self.own),
            record,
        );
        let end = meeting.run(queues).await;
        // A commit that was begun may still take effect: the room is read again after it.
        meeting.end().await;
        if let End::Deleted { by, done } = end {
            self.delete(by, done).await;
        }
    }

    async fn delete(&self, by: Who, done: oneshot::Sender<Result<(), RoomsError>>) {
        let audit = AuditEntry {
            at: self.registry.time(),
            actor: by,
            action: "room.delete".to_owned(),
            target: Some(self.id.to_string()),
            room: Some(self.id),
            session: None,
            prefix: None,
            outcome: "ok".to_owned(),
            detail: None,
        };
        let deleted = self.registry.store.delete_room(self.id, audit).await;
        if deleted.is_ok() {
            self.registry.directory.remove(&self.slug, self.id);
        }
        // Whoever asked may be gone.
        let _ = done.send(deleted.map_err(RoomsError::from));
    }
}

/// Answers everything that waits for a room that is not there.
fn turn_away(queues: &mut Queues, why: Seat) {
    while queues.events.try_recv().is_ok() {}
    while let Ok(message) = queues.messages.try_recv() {
        // None of those who wait for an answer has to be there still.
        match message {
            ToRoom::Join { done, .. }
            | ToRoom::Manage { done, .. }
            | ToRoom::Resume { done, .. } => {
                let _ = done.send(why);
            }
            ToRoom::Order { done, .. } => {
                let code = match why {
                    Seat::Unknown => ErrorCode::NotFound,
                    _ => ErrorCode::NotAvailable,
                };
                let _ = done.send(Err(ErrorBody::from(code)));
            }
            ToRoom::Delete { done, .. } => {
                let _ = done.send(Err(RoomsError::UnknownRoom));
            }
            ToRoom::Message { .. } | ToRoom::LinkLost { .. } | ToRoom::Draining => {}
        }
    }
}

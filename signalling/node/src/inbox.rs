//! What waits for one room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_sfu_wire::control::Event;
use conclave_signalling_core::output::{LinkId, OperatorReply};
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::room::{Entrant, Managing, OperatorRequest, Returning};
use conclave_signalling_wire::error::ErrorBody;
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use tokio::sync::{mpsc, oneshot};

use crate::outbox::Outbox;
use crate::rooms::{Origin, RoomsError};

/// Messages that may wait for a room: some seconds of the busiest meeting.
/// Full means that its links wait.
const MESSAGES: usize = 1024;
/// Reports of the shard that may wait for a room. Shards never wait, so full
/// means that the room has missed something and has to end.
const EVENTS: usize = 4096;

/// What a room is told, but for reports of its shard.
pub(crate) enum ToRoom {
    /// Somebody whose credential was accepted.
    Join {
        entrant: Box<Entrant>,
        outbox: Outbox,
        done: oneshot::Sender<Seat>,
    },
    /// Somebody who holds an invite and wants to change the room without entering it.
    Manage {
        managing: Box<Managing>,
        outbox: Outbox,
        done: oneshot::Sender<Seat>,
    },
    /// A link that asks for its old place.
    Resume {
        returning: Box<Returning>,
        outbox: Outbox,
        done: oneshot::Sender<Seat>,
    },
    /// A message of a link in the room.
    Message {
        link: LinkId,
        message: Box<Result<RequestFrame, Malformed>>,
    },
    /// A link ended.
    LinkLost { link: LinkId, page_gone: bool },
    /// The operator asks something.
    Order {
        request: Box<OperatorRequest>,
        by: Actor,
        origin: Origin,
        done: oneshot::Sender<Result<OperatorReply, ErrorBody>>,
    },
    /// The operator deletes the room.
    Delete {
        by: Actor,
        origin: Origin,
        done: oneshot::Sender<Result<(), RoomsError>>,
    },
    /// Somebody waits until what happened before is kept.
    Settle { done: oneshot::Sender<()> },
    /// The server will stop.
    Draining,
}

/// What came of a link at the door of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// In the room, in its lobby or managing it. The room has answered.
    Taken,
    /// Not. The room has answered.
    Refused,
    /// There is no such room any more.
    Unknown,
    /// The room cannot be asked at present.
    Unavailable,
}

/// The sending end.
pub(crate) struct Inbox {
    pub(crate) messages: mpsc::Sender<ToRoom>,
    events: mpsc::Sender<Event>,
    overrun: AtomicBool,
}

/// The receiving end.
pub(crate) struct Queues {
    pub(crate) messages: mpsc::Receiver<ToRoom>,
    pub(crate) events: mpsc::Receiver<Event>,
}

pub(crate) fn inbox() -> (Arc<Inbox>, Queues) {
    let (messages, messages_read) = mpsc::channel(MESSAGES);
    let (events, events_read) = mpsc::channel(EVENTS);
    let inbox = Inbox {
        messages,
        events,
        overrun: AtomicBool::new(false),
    };
    (
        Arc::new(inbox),
        Queues {
            messages: messages_read,
            events: events_read,
        },
    )
}

impl Inbox {
    /// Queues a report of a shard without waiting: one room must not delay others.
    pub(crate) fn report(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.overrun.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether a report was lost since this was asked last.
    pub(crate) fn was_overrun(&self) -> bool {
        self.overrun.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_sfu_wire::control::RoomKey;

    #[test]
    fn a_room_that_missed_a_report_is_told_once() {
        let (inbox, _queues) = inbox();
        let event = Event::RoomFailed { room: RoomKey(1) };
        for _ in 0..EVENTS {
            inbox.report(event.clone());
        }
        assert!(!inbox.was_overrun());
        inbox.report(event);
        assert!(inbox.was_overrun());
        assert!(!inbox.was_overrun());
    }
}

//! The way from the tasks of streams to the relay thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conclave_turn_wire::FiveTuple;
use tokio::sync::mpsc;

use crate::handle::Shared;
use crate::peers_tcp::FromPeer;

use super::parcel::Writer;

/// Batches that wait for the relay thread, of all connections together. A batch
/// holds what one read brought: 8 KiB, or one frame of 64 KiB.
const BATCHES: usize = 256;

/// What a task tells the relay thread.
pub(crate) enum FromStream {
    /// A client's stream is there; this is how to write to it.
    Opened(FiveTuple, Writer),
    /// Whole frames arrived, in order.
    Frames(FiveTuple, Frames),
    /// The stream ended.
    Closed(FiveTuple),
    /// A peer's TCP did something (RFC 6062).
    Peer(FromPeer),
}

/// Frames end to end.
#[derive(Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    lens: Vec<usize>,
}

impl Frames {
    pub(crate) fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.lens.push(frame.len());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lens.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        self.lens.iter().map(move |len| {
            let (frame, behind) = rest.split_at(*len);
            rest = behind;
            frame
        })
    }
}

/// The tasks' end. Full means wait: the client's TCP then slows the client down.
#[derive(Clone)]
pub(crate) struct StreamEntrance {
    queue: mpsc::Sender<FromStream>,
    bell: Arc<Bell>,
}

/// The relay thread's end; whoever tells something wakes the thread.
pub(crate) struct StreamInbox {
    queue: mpsc::Receiver<FromStream>,
    bell: Arc<Bell>,
}

struct Bell {
    relay: Arc<Shared>,
    /// It was rung and not yet heard: no need for another system call.
    is_rung: AtomicBool,
}

/// Makes both ends.
pub(super) fn inbox(relay: &Arc<Shared>) -> (StreamEntrance, StreamInbox) {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let bell = Arc::new(Bell {
        relay: Arc::clone(relay),
        is_rung: AtomicBool::new(false),
    });
    let entrance = StreamEntrance {
        queue: sender,
        bell: Arc::clone(&bell),
    };
    let inbox = StreamInbox {
        queue: receiver,
        bell,
    };
    (entrance, inbox)
}

impl StreamEntrance {
    /// Tells it, waiting for room; returns whether the relay still runs.
    pub(crate) async fn tell(&self, message: FromStream) -> bool {
        let told = self.queue.send(message).await.is_ok();
        self.ring();
        told
    }

    /// Tells it if there is room, for those who cannot wait.
    pub(crate) fn try_tell(&self, message: FromStream) {
        // The relay finds out otherwise: its next write to a stream that is gone fails.
        let _ = self.queue.try_send(message);
        self.ring();
    }

    fn ring(&self) {
        if !self.bell.is_rung.swap(true, Ordering::SeqCst) {
            self.bell.relay.waker.wake();
        }
    }
}

impl StreamInbox {
    /// Takes the next message. Once there is none, the next one wakes the thread again.
    pub(crate) fn take(&mut self) -> Option<FromStream> {
        if let Ok(message) = self.queue.try_recv() {
            return Some(message);
        }
        self.bell.is_rung.store(false, Ordering::SeqCst);
        // One that was told just before that, and did not ring.
        self.queue.try_recv().ok()
    }
}

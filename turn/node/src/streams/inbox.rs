//! The way to the relay thread: new streams, and which ones have something to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as ready;
use std::task::Wake;

use conclave_turn_wire::FiveTuple;
use tokio::sync::mpsc;

use crate::handle::Shared;
use crate::peers_tcp::FromPeer;

use super::link::Link;
use super::pipe::Carried;

/// What waits for the relay thread: news, no media.
const MESSAGES: usize = 256;

/// What a task tells the relay thread.
pub(crate) enum FromStream {
    /// A client's stream is there.
    Opened(FiveTuple, Box<Link>),
    /// A peer's TCP did something (RFC 6062).
    Peer(FromPeer),
}

/// The tasks' end. Full means wait.
#[derive(Clone)]
pub(crate) struct StreamEntrance {
    queue: mpsc::Sender<FromStream>,
    bell: Arc<Bell>,
}

/// The relay thread's end; whoever tells something wakes the thread.
pub(crate) struct StreamInbox {
    queue: mpsc::Receiver<FromStream>,
    /// Streams to be looked at, each once: no more than there are streams.
    ready: ready::Receiver<FiveTuple>,
    bell: Arc<Bell>,
}

struct Bell {
    relay: Arc<Shared>,
    /// It was rung and not yet heard: no need for another system call.
    is_rung: AtomicBool,
    ready: ready::Sender<FiveTuple>,
}

/// Has the relay thread look at a stream; as a waker, when it can be read or written.
pub(crate) struct Readiness {
    client: FiveTuple,
    bell: Arc<Bell>,
    /// It is on the list already.
    is_listed: AtomicBool,
}

/// Makes both ends.
pub(super) fn inbox(relay: &Arc<Shared>) -> (StreamEntrance, StreamInbox) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let (ready_in, ready_out) = ready::channel();
    let bell = Arc::new(Bell {
        relay: Arc::clone(relay),
        is_rung: AtomicBool::new(false),
        ready: ready_in,
    });
    let entrance = StreamEntrance {
        queue: sender,
        bell: Arc::clone(&bell),
    };
    let inbox = StreamInbox {
        queue: receiver,
        ready: ready_out,
        bell,
    };
    (entrance, inbox)
}

impl StreamEntrance {
    /// Tells it, waiting for room; returns whether the relay still runs.
    pub(crate) async fn tell(&self, message: FromStream) -> bool {
        let told = self.queue.send(message).await.is_ok();
        self.bell.ring();
        told
    }

    /// Tells it, if less than half of the room is taken: the rest is for those who wait. Else it
    /// is dropped.
    pub(crate) fn offer(&self, message: FromStream) {
        if self.queue.capacity() > MESSAGES / 2 && self.queue.try_send(message).is_ok() {
            self.bell.ring();
        }
    }

    /// Returns when the relay has ended.
    pub(crate) async fn ended(&self) {
        self.queue.closed().await;
    }

    /// Returns where the bytes of pipes to peers are counted.
    pub(super) fn carried(&self) -> &Carried {
        self.bell.relay.stats.carried()
    }

    /// Makes the waker of a client's stream.
    pub(super) fn readiness(&self, client: FiveTuple) -> Arc<Readiness> {
        Arc::new(Readiness {
            client,
            bell: Arc::clone(&self.bell),
            is_listed: AtomicBool::new(false),
        })
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

    /// Appends the streams that have something to do. The next one wakes the thread again.
    pub(crate) fn take_ready(&mut self, streams: &mut impl Extend<FiveTuple>) {
        self.bell.is_rung.store(false, Ordering::SeqCst);
        streams.extend(self.ready.try_iter());
    }
}

impl Bell {
    fn ring(&self) {
        if !self.is_rung.swap(true, Ordering::SeqCst) {
            self.relay.waker.wake();
        }
    }
}

impl Readiness {
    /// Lets it be listed again. To be called before the stream is tried.
    pub(super) fn hear(&self) {
        self.is_listed.store(false, Ordering::SeqCst);
    }
}

impl Wake for Readiness {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_listed.swap(true, Ordering::SeqCst) {
            // Without a relay thread there is nobody to tell.
            let _ = self.bell.ready.send(self.client);
            self.bell.ring();
        }
    }
}

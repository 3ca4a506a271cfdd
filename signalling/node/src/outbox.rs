//! What waits to be written to one link.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use conclave_signalling_wire::error::CloseCode;
use conclave_signalling_wire::limits::{PING_EVERY, WRITE_QUEUE_BYTES};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::{mpsc, watch};
use tokio::time::{
    Duration, Instant, MissedTickBehavior, interval_at, sleep_until, timeout, timeout_at,
};

/// Messages that may wait. The bytes are the bound that counts; this one keeps
/// many tiny messages from costing more than them.
const QUEUE: usize = 4096;
/// How long a peer that does not read may hold up a close.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// How a link ends.
#[derive(Clone, Copy)]
enum Ending {
    /// After what is queued, and no later than this.
    By(Instant),
    /// At once.
    Now(CloseCode),
}

enum Outgoing {
    Text(String),
    Close(CloseCode),
}

/// The sending end. Full means a slow consumer, which is closed with 4430.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    waiting: Arc<AtomicUsize>,
    ending: Arc<watch::Sender<Option<Ending>>>,
}

/// The end that writes.
pub(crate) struct Writer {
    queue: mpsc::Receiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
    ending: watch::Receiver<Option<Ending>>,
}

/// Makes the queue of a link.
pub(crate) fn outbox() -> (Outbox, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (ending, ending_seen) = watch::channel(None);
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        queue: sender,
        waiting: Arc::clone(&waiting),
        ending: Arc::new(ending),
    };
    (
        outbox,
        Writer {
            queue: receiver,
            waiting,
            ending: ending_seen,
        },
    )
}

impl Outbox {
    /// Queues a message; cuts the link if there is no room for it.
    pub(crate) fn send(&self, text: String) {
        let bytes = text.len();
        let waiting = self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if waiting > WRITE_QUEUE_BYTES || self.queue.try_send(Outgoing::Text(text)).is_err() {
            self.cut(CloseCode::SlowConsumer);
        }
    }

    /// Closes the link after what is queued, if the peer reads that in time.
    pub(crate) fn close(&self, code: CloseCode) {
        if self.queue.try_send(Outgoing::Close(code)).is_err() {
            return self.cut(code);
        }
        self.ending.send_if_modified(|ending| {
            let first = ending.is_none();
            ending.get_or_insert_with(|| Ending::By(Instant::now() + CLOSE_WITHIN));
            first
        });
    }

    /// Closes the link at once; the first reason counts.
    pub(crate) fn cut(&self, code: CloseCode) {
        self.ending.send_if_modified(|ending| {
            let first = !matches!(ending, Some(Ending::Now(_)));
            if first {
                *ending = Some(Ending::Now(code));
            }
            first
        });
    }

    /// Returns what becomes true once somebody closes or cuts the link.
    pub(crate) fn closed(&self) -> Closed {
        Closed(self.ending.subscribe())
    }
}

/// Whether the link is to end, for whoever reads from it.
pub(crate) struct Closed(watch::Receiver<Option<Ending>>);

impl Closed {
    /// Waits until the link is closed or cut. Never, once nobody is left to do it.
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(Option::is_some).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Writer {
    /// Writes until the link is closed from here or from there.
    pub(crate) async fn run(mut self, mut sink: SplitSink<WebSocket, Message>) {
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (message, bytes) = tokio::select! {
                biased;
                code = ended(&mut self.ending) => return last_words(&mut sink, code).await,
                next = self.queue.recv() => match next {
                    Some(Outgoing::Text(text)) => {
                        let bytes = text.len();
                        (Message::Text(Utf8Bytes::from(text)), bytes)
                    }
                    Some(Outgoing::Close(code)) => return close(&mut sink, code).await,
                    None => return,
                },
                _ = ping.tick() => (Message::Ping(Vec::new().into()), 0),
            };
            tokio::select! {
                biased;
                sent = sink.send(message) => {
                    if sent.is_err() {
                        return;
                    }
                    self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                }
                code = ended(&mut self.ending) => return last_words(&mut sink, code).await,
            }
        }
    }
}

/// Waits until the link is cut, which returns why, or until the time for its
/// close is over. Never, once nobody is left to end it.
async fn ended(seen: &mut watch::Receiver<Option<Ending>>) -> Option<CloseCode> {
    loop {
        let ending = *seen.borrow_and_update();
        match ending {
            Some(Ending::Now(code)) => return Some(code),
            Some(Ending::By(deadline)) => match timeout_at(deadline, seen.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    sleep_until(deadline).await;
                    return None;
                }
                Err(_) => return None,
            },
            None if seen.changed().await.is_ok() => {}
            None => return std::future::pending().await,
        }
    }
}

/// Says why the link was cut; to a peer that had its time nothing is said.
async fn last_words(sink: &mut SplitSink<WebSocket, Message>, code: Option<CloseCode>) {
    if let Some(code) = code {
        close(sink, code).await;
    }
}

async fn close(sink: &mut SplitSink<WebSocket, Message>, code: CloseCode) {
    let frame = CloseFrame {
        code: code.number(),
        reason: Utf8Bytes::from_static(code.reason()),
    };
    // Whoever does not read it is gone with the socket.
    let _ = timeout(CLOSE_WITHIN, sink.send(Message::Close(Some(frame)))).await;
}

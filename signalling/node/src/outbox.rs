//! What waits to be written to one link.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use conclave_signalling_wire::error::CloseCode;
use conclave_signalling_wire::limits::{PING_EVERY, WRITE_QUEUE_BYTES};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval_at, timeout};

/// Messages that may wait. The bytes are the bound that counts; this one keeps
/// many tiny messages from costing more than them.
const QUEUE: usize = 4096;
/// How long a peer that does not read may hold up a close.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

enum Outgoing {
    Text(String),
    Close(CloseCode),
}

/// The sending end. Full means a slow consumer, which is closed with 4430.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    waiting: Arc<AtomicUsize>,
    cut: Arc<watch::Sender<Option<CloseCode>>>,
}

/// The end that writes.
pub(crate) struct Writer {
    queue: mpsc::Receiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
    cut: watch::Receiver<Option<CloseCode>>,
}

/// Makes the queue of a link.
pub(crate) fn outbox() -> (Outbox, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (cut, cut_seen) = watch::channel(None);
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        queue: sender,
        waiting: Arc::clone(&waiting),
        cut: Arc::new(cut),
    };
    (
        outbox,
        Writer {
            queue: receiver,
            waiting,
            cut: cut_seen,
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

    /// Closes the link after what is queued.
    pub(crate) fn close(&self, code: CloseCode) {
        if self.queue.try_send(Outgoing::Close(code)).is_err() {
            self.cut(code);
        }
    }

    /// Closes the link at once; the first reason counts.
    pub(crate) fn cut(&self, code: CloseCode) {
        self.cut.send_if_modified(|cut| {
            let first = cut.is_none();
            cut.get_or_insert(code);
            first
        });
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
                code = cut(&mut self.cut) => return close(&mut sink, code).await,
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
                code = cut(&mut self.cut) => return close(&mut sink, code).await,
            }
        }
    }
}

/// Waits until the link is cut. Never, once nobody is left to cut it.
async fn cut(seen: &mut watch::Receiver<Option<CloseCode>>) -> CloseCode {
    let code = seen
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|code| *code);
    match code {
        Some(code) => code,
        None => std::future::pending().await,
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

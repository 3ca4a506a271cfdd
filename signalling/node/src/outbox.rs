//! What waits to be written to one link.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conclave_signalling_wire::error::CloseCode;
use conclave_signalling_wire::limits::{PING_EVERY, WRITE_QUEUE_BYTES};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::{mpsc, watch};
use tokio::time::{
    Duration, Instant, MissedTickBehavior, interval_at, sleep_until, timeout, timeout_at,
};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use crate::upgrade::Socket;

/// Messages that may wait. The bytes are the bound that counts; this one keeps
/// many tiny messages from costing more than them.
const QUEUE: usize = 4096;
/// Bytes of a frame at most; what is longer goes in several.
const FRAME_BYTES: usize = 4096;
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

/// What whoever reads from the link has to know.
#[derive(Clone, Copy, Default)]
struct State {
    ending: Option<Ending>,
    /// Whether its room let go of it: it may join again.
    is_released: bool,
}

/// What happened to a link from here.
pub(crate) enum Signal {
    /// It is to end.
    Closed,
    /// Its room let go of it.
    Released,
}

/// The sending end. Full means a slow consumer, which is closed with 4430.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<Outgoing>,
    waiting: Arc<AtomicUsize>,
    state: Arc<watch::Sender<State>>,
}

/// The end that writes.
pub(crate) struct Writer {
    queue: mpsc::Receiver<Outgoing>,
    waiting: Arc<AtomicUsize>,
    state: watch::Receiver<State>,
}

/// Makes the queue of a link.
pub(crate) fn outbox() -> (Outbox, Writer) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (state, state_seen) = watch::channel(State::default());
    let waiting = Arc::new(AtomicUsize::new(0));
    let outbox = Outbox {
        queue: sender,
        waiting: Arc::clone(&waiting),
        state: Arc::new(state),
    };
    (
        outbox,
        Writer {
            queue: receiver,
            waiting,
            state: state_seen,
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
        self.state.send_if_modified(|state| {
            let first = state.ending.is_none();
            let by = || Ending::By(Instant::now() + CLOSE_WITHIN);
            state.ending.get_or_insert_with(by);
            first
        });
    }

    /// Closes the link at once; the first reason counts.
    pub(crate) fn cut(&self, code: CloseCode) {
        self.state.send_if_modified(|state| {
            let first = !matches!(state.ending, Some(Ending::Now(_)));
            if first {
                state.ending = Some(Ending::Now(code));
            }
            first
        });
    }

    /// Gives the link back to its gate. What is queued after this is read by a
    /// peer that may join again.
    pub(crate) fn release(&self) {
        self.state.send_modify(|state| state.is_released = true);
    }

    /// Waits until the link is closed or cut.
    pub(crate) async fn closed(&self) {
        let mut seen = self.state.subscribe();
        // Not before this is gone, as it could still be closed.
        if seen.wait_for(|state| state.ending.is_some()).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until the link is closed, cut or released. A release is told once.
    pub(crate) async fn signal(&self) -> Signal {
        let mut seen = self.state.subscribe();
        let happened = |state: &State| state.ending.is_some() || state.is_released;
        if seen.wait_for(happened).await.is_err() {
            // Not while this is there to say so.
            return std::future::pending().await;
        }
        let mut signal = Signal::Closed;
        self.state.send_if_modified(|state| {
            if state.ending.is_none() {
                state.is_released = false;
                signal = Signal::Released;
            }
            false
        });
        signal
    }
}

impl Writer {
    /// Writes until the link is closed from here or from there.
    pub(crate) async fn run(mut self, mut sink: SplitSink<Socket, Message>) {
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (message, bytes) = tokio::select! {
                biased;
                code = ended(&mut self.state) => return last_words(&mut sink, code).await,
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
                sent = write(&mut sink, message) => {
                    if sent.is_err() {
                        return;
                    }
                    self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                }
                code = ended(&mut self.state) => return last_words(&mut sink, code).await,
            }
        }
    }
}

/// Writes a message, a long text in parts (RFC 6455, section 5.4): the library
/// keeps room for the largest frame that it ever wrote, and the roster of a
/// large room would be kept for as long as the link lasts.
async fn write(
    sink: &mut SplitSink<Socket, Message>,
    message: Message,
) -> Result<(), tungstenite::Error> {
    match message {
        Message::Text(text) if text.len() > FRAME_BYTES => {
            for part in parts(&Bytes::from(text)) {
                sink.send(Message::Frame(part)).await?;
            }
            Ok(())
        }
        short => sink.send(short).await,
    }
}

/// Takes a text apart into frames of one message.
fn parts(text: &Bytes) -> impl Iterator<Item = Frame> {
    (0..text.len()).step_by(FRAME_BYTES).map(|start| {
        let end = text.len().min(start + FRAME_BYTES);
        let kind = if start == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        let is_last = end == text.len();
        Frame::message(text.slice(start..end), OpCode::Data(kind), is_last)
    })
}

/// Waits until the link is cut, which returns why, or until the time for its
/// close is over. Never, once nobody is left to end it.
async fn ended(seen: &mut watch::Receiver<State>) -> Option<CloseCode> {
    loop {
        let state = *seen.borrow_and_update();
        match state.ending {
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
async fn last_words(sink: &mut SplitSink<Socket, Message>, code: Option<CloseCode>) {
    if let Some(code) = code {
        close(sink, code).await;
    }
}

async fn close(sink: &mut SplitSink<Socket, Message>, code: CloseCode) {
    let frame = CloseFrame {
        code: code.number().into(),
        reason: Utf8Bytes::from_static(code.reason()),
    };
    // Whoever does not read it is gone with the socket.
    let _ = timeout(CLOSE_WITHIN, sink.send(Message::Close(Some(frame)))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_comes_apart_into_one_message_of_several_frames() {
        // Two bytes each: some frames end between the two.
        let text = Bytes::from("ö".repeat(FRAME_BYTES) + "x");
        let mut whole = Vec::new();
        let frames: Vec<_> = parts(&text).collect();
        for (number, frame) in frames.iter().enumerate() {
            let header = frame.header();
            let kind = if number == 0 {
                Data::Text
            } else {
                Data::Continue
            };
            assert_eq!(header.opcode, OpCode::Data(kind));
            assert_eq!(header.is_final, number + 1 == frames.len());
            assert!(frame.payload().len() <= FRAME_BYTES);
            whole.extend_from_slice(frame.payload());
        }
        assert_eq!((frames.len(), whole.as_slice()), (3, &text[..]));
    }
}

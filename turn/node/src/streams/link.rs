//! A client's stream as the relay thread has it: it reads, cuts and writes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use conclave_turn_wire::deframe::Deframer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::peers_tcp::PeerStream;

use super::inbox::Readiness;
use super::outgoing::Outgoing;
use super::socket::SocketHandle;

/// What TURN travels in.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What its task watches.
#[derive(Default)]
pub(super) struct Pulse {
    /// The client has an allocation.
    pub(super) is_established: AtomicBool,
    /// Something came since this was last looked at.
    pub(super) is_heard: AtomicBool,
    /// The client does not take what there is for it.
    pub(super) is_stuck: AtomicBool,
    /// How many bytes it has taken.
    pub(super) taken_bytes: AtomicU64,
}

/// What becomes of a stream that is TURN no more (RFC 6062): bytes to and from a peer.
pub(super) struct Pipe {
    pub(super) stream: Box<dyn Stream>,
    /// What the client sent behind ConnectionBind.
    pub(super) rest: Vec<u8>,
    pub(super) peer: PeerStream,
    /// Ends when the relay closes it.
    pub(super) hold: oneshot::Receiver<()>,
}

/// What follows when all is written.
#[derive(Default)]
pub(super) enum Then {
    #[default]
    GoOn,
    Close,
    Splice(PeerStream),
}

/// A client's stream.
pub(crate) struct Link {
    stream: Box<dyn Stream>,
    /// Of the socket that can be watched without the runtime.
    pub(super) socket: Option<SocketHandle>,
    /// The number under which the relay watches it.
    pub(super) number: Option<u64>,
    readiness: Arc<Readiness>,
    waker: Waker,
    deframer: Deframer,
    pub(super) outgoing: Outgoing,
    pub(super) then: Then,
    pub(super) pulse: Arc<Pulse>,
    pub(super) end: oneshot::Sender<Pipe>,
}

/// What one look at a stream brought.
pub(crate) struct Arrived {
    /// Frames may be there to be taken.
    pub(crate) frames: Deframer,
    /// Nothing more will come.
    pub(crate) has_ended: bool,
    /// More may be there already.
    pub(crate) is_more: bool,
}

impl Link {
    /// Makes it of a stream. `end` goes when the relay ends it.
    pub(super) fn new(
        (stream, socket): (Box<dyn Stream>, Option<SocketHandle>),
        readiness: Arc<Readiness>,
        pulse: Arc<Pulse>,
        end: oneshot::Sender<Pipe>,
    ) -> Link {
        Link {
            stream,
            socket,
            number: None,
            waker: Waker::from(Arc::clone(&readiness)),
            readiness,
            deframer: Deframer::new(),
            outgoing: Outgoing::default(),
            then: Then::GoOn,
            pulse,
            end,
        }
    }

    /// Reads up to twice what `buffer` takes, unless its last frame was read. The frames' rest
    /// is to be given back by [`Link::put_back`].
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Option<Arrived> {
        self.readiness.hear();
        let is_minded = !self.end.is_closed();
        if is_minded && !matches!(self.then, Then::GoOn) {
            return None;
        }
        let mut arrived = Arrived {
            frames: std::mem::take(&mut self.deframer),
            has_ended: !is_minded,
            is_more: false,
        };
        if arrived.has_ended {
            arrived.frames = Deframer::new();
            return Some(arrived);
        }
        // The second one finds nothing, as a rule: then the stream will tell of more.
        for _ in 0..2 {
            let mut room = ReadBuf::new(buffer);
            let mut context = Context::from_waker(&self.waker);
            match Pin::new(&mut self.stream).poll_read(&mut context, &mut room) {
                Poll::Pending => return Some(arrived),
                Poll::Ready(Ok(())) if !room.filled().is_empty() => {
                    self.pulse.is_heard.store(true, Ordering::Relaxed);
                    if arrived.frames.push(room.filled()).is_err() {
                        arrived.has_ended = true;
                        return Some(arrived);
                    }
                }
                Poll::Ready(_) => {
                    arrived.has_ended = true;
                    return Some(arrived);
                }
            }
        }
        arrived.is_more = true;
        Some(arrived)
    }

    pub(super) fn put_back(&mut self, frames: Deframer) {
        self.deframer = frames;
    }

    /// Writes what was added until here; true when all of it is written.
    ///
    /// # Errors
    /// Those of the stream, and when there is too much even of answers.
    pub(super) fn write(&mut self, now: Instant) -> io::Result<bool> {
        if !self.outgoing.close(now) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let Link {
            stream,
            waker,
            outgoing,
            pulse,
            ..
        } = self;
        let mut context = Context::from_waker(waker);
        let written = outgoing.poll_write(now, Pin::new(stream), &mut context);
        pulse
            .is_stuck
            .store(written.is_pending(), Ordering::Relaxed);
        let taken_bytes = outgoing.taken_bytes();
        pulse.taken_bytes.store(taken_bytes, Ordering::Relaxed);
        match written {
            Poll::Ready(result) => result.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// Says goodbye as far as that goes without waiting.
    pub(super) fn part(mut self, now: Instant) {
        if self.write(now).is_ok_and(|is_written| is_written) {
            let mut context = Context::from_waker(Waker::noop());
            // A client that does not take it will see the end all the same.
            let _ = Pin::new(&mut self.stream).poll_shutdown(&mut context);
        }
    }

    /// Gives the stream to its task, to be joined with a peer; returns what holds them together.
    pub(super) fn join(self, peer: PeerStream) -> Option<oneshot::Sender<()>> {
        if let Some(socket) = &self.socket {
            socket.give_back();
        }
        let (holder, hold) = oneshot::channel();
        let pipe = Pipe {
            stream: self.stream,
            rest: self.deframer.into_rest(),
            peer,
            hold,
        };
        self.end.send(pipe).ok().map(|()| holder)
    }
}

//! What a thread of the engine is told, and where.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use conclave_sfu_wire::control::{Rid, Source};
use tokio::sync::{mpsc, oneshot};

use super::ready::Waker;
use super::seat::{Described, PeerId, PeerShape, SeatEvent};
use super::tally::Tally;
use crate::target::{Part, TargetError};

/// What a thread is told.
pub(super) enum Command {
    /// Make a peer, which offers, or answers `offer`.
    Open {
        peer: PeerId,
        part: Part,
        began: Instant,
        shape: PeerShape,
        offer: Option<String>,
        toward: Option<IpAddr>,
        events: mpsc::Sender<SeatEvent>,
        reply: oneshot::Sender<Result<Described, TargetError>>,
    },
    /// The answer to the offer of a peer.
    Answer {
        peer: PeerId,
        sdp: String,
        toward: Option<IpAddr>,
        reply: oneshot::Sender<Result<(), TargetError>>,
    },
    /// Switch a device on or off.
    Publish {
        peer: PeerId,
        source: Source,
        on: bool,
    },
    /// Send these encodings of a picture.
    Demand {
        peer: PeerId,
        source: Source,
        active: Vec<Rid>,
    },
    /// Forget a peer.
    Close { peer: PeerId },
    /// Say what happened.
    Take {
        ends: bool,
        reply: oneshot::Sender<Tally>,
    },
    /// End the thread.
    End,
}

/// Where a thread gets its commands. The queue has no bound of its own: each seat waits for
/// the answer to most of what it sends, so that it holds some entries per participant at most.
pub(super) struct Mailbox {
    commands: Sender<Command>,
    waker: Arc<Waker>,
    peers: AtomicU64,
}

impl Mailbox {
    /// Makes the mailbox of thread `number`, and the end that the thread reads.
    pub(super) fn new(number: usize, waker: Arc<Waker>) -> (Arc<Mailbox>, Receiver<Command>) {
        let (commands, inbox) = channel();
        let mailbox = Mailbox {
            commands,
            waker,
            // Peers of one thread count from a place of their own: seeds are drawn from them.
            peers: AtomicU64::new((number as u64) << 40),
        };
        (Arc::new(mailbox), inbox)
    }

    /// Lets the thread look again soon.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    /// Draws the number of a peer.
    pub(super) fn new_peer(&self) -> PeerId {
        PeerId(self.peers.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn send(&self, command: Command) {
        // A thread that has ended answers nothing, and that is what its askers see.
        let _ = self.commands.send(command);
        self.waker.wake();
    }
}

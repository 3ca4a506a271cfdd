//! What moves the packets: threads, each with its participants, their sockets and timers.
//!
//! A thread is one loop over epoll: it takes datagrams in batches, hands them to the
//! participant that the socket belongs to, serves timers from a heap and sends what
//! participants want sent. Signalling lives elsewhere, and speaks to a [`Seat`].

mod address;
mod client;
mod clock;
mod mailbox;
mod peer;
mod ready;
mod seat;
mod socket;
mod tally;
mod under_way;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::watch;

pub use clock::{now, unix_time};
pub use seat::{Described, PeerId, PeerShape, Seat, SeatEvent};
pub use tally::Tally;

use crate::measured::Line;
use crate::source::PictureShape;
use crate::target::Part;
use mailbox::{Command, Mailbox};

/// What all participants of a run have in common.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Threads, at least 1.
    pub threads: usize,
    /// How pictures look.
    pub pictures: PictureShape,
    /// Whether cameras have three encodings.
    pub simulcast: bool,
    /// What is done to datagrams, in both directions.
    pub line: Line,
}

/// The threads of a run.
pub struct Engine {
    mailboxes: Vec<Arc<Mailbox>>,
    threads: Vec<JoinHandle<()>>,
    next: AtomicUsize,
}

impl Engine {
    /// Starts the threads. Stamps of packets count from `epoch`.
    ///
    /// # Errors
    /// The system's, for want of descriptors or threads.
    pub fn start(epoch: Instant, config: &EngineConfig) -> io::Result<Engine> {
        let mut engine = Engine {
            mailboxes: Vec::new(),
            threads: Vec::new(),
            next: AtomicUsize::new(0),
        };
        for number in 0..config.threads.max(1) {
            let (mailbox, thread) = worker::start(number, epoch, config.clone())?;
            engine.mailboxes.push(mailbox);
            engine.threads.push(thread);
        }
        Ok(engine)
    }

    /// Gives a participant that began to come in at `began` a place. It is told to leave
    /// once `leave` says so.
    pub fn seat(&self, part: Part, began: Instant, leave: watch::Receiver<bool>) -> Seat {
        // Round robin: publishers come first, and each costs more than a viewer.
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.mailboxes.len();
        Seat::new(part, began, Arc::clone(&self.mailboxes[next]), leave)
    }

    /// Returns what happened since the last time, all threads together.
    ///
    /// `ends` says that everybody will leave now: pictures that stand still are counted as freezes.
    pub async fn take(&self, ends: bool) -> Tally {
        let mut waiting = Vec::new();
        for mailbox in &self.mailboxes {
            let (reply, taken) = tokio::sync::oneshot::channel();
            mailbox.send(Command::Take { ends, reply });
            waiting.push(taken);
        }
        let mut sum = Tally::default();
        for taken in waiting {
            // A thread that has ended has nothing to say.
            if let Ok(tally) = taken.await {
                sum.merge(&tally);
            }
        }
        sum
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for mailbox in &self.mailboxes {
            mailbox.send(Command::End);
        }
        for thread in self.threads.drain(..) {
            // A panic of it was printed when it happened.
            let _ = thread.join();
        }
    }
}

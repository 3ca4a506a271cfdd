//! Datagrams from one thread to another: what a socket pair on loopback would
//! do, without the kernel.
//!
//! Datagrams travel in parcels, so that one wake-up and one queue operation
//! serve many. Parcels that were emptied go back to be filled again: in steady
//! state nothing is allocated.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};

use crate::sys::Waker;

/// Datagrams of one parcel at most.
const DATAGRAMS_MAX: usize = 64;
/// Bytes of one parcel at most.
const BYTES_MAX: usize = 64 * 1024;

/// Bytes that wait at most, in all parcels: as much as the buffer of a socket has.
const QUEUED_BYTES_MAX: usize = 4 << 20;
/// Emptied parcels that are kept to be filled again; each may hold 64 KiB.
const EMPTIED_MAX: usize = 64;

/// Both ends of a way from one thread to another.
pub struct HandOver {
    /// For the thread that gives.
    pub sender: Sender,
    /// For the thread that takes.
    pub receiver: Receiver,
}

/// Makes a way on which at most `parcels` wait, and at most 4 MiB in them.
///
/// A parcel is what the giving thread had in one turn, perhaps a single
/// datagram, and never more than 64 datagrams and 64 KiB.
///
/// # Errors
/// When the system gives no event descriptor.
pub fn hand_over(parcels: usize) -> io::Result<HandOver> {
    let (full_in, full_out) = mpsc::sync_channel(parcels);
    let (empty_in, empty_out) = mpsc::sync_channel(parcels.min(EMPTIED_MAX));
    let shared = Arc::new(Shared {
        waker: Waker::new()?,
        is_woken: AtomicBool::new(false),
        queued_bytes: AtomicUsize::new(0),
    });
    Ok(HandOver {
        sender: Sender {
            queue: full_in,
            emptied: empty_out,
            open: Parcel::default(),
            shared: Arc::clone(&shared),
            has_sent: false,
            dropped: 0,
        },
        receiver: Receiver {
            queue: full_out,
            emptied: empty_in,
            shared,
        },
    })
}

/// What both ends touch.
struct Shared {
    waker: Waker,
    /// The receiver was woken and has not quieted its descriptor since.
    is_woken: AtomicBool,
    /// Only the sender adds and only the receiver takes away.
    queued_bytes: AtomicUsize,
}

/// Some datagrams, with where they come from and go to.
#[derive(Default)]
pub struct Parcel {
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
}

struct Datagram {
    source: SocketAddr,
    destination: SocketAddr,
    len: usize,
}

impl Parcel {
    /// Adds a datagram behind the others. How much there may be is the caller's to say.
    pub fn push(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        self.bytes.extend_from_slice(payload);
        self.datagrams.push(Datagram {
            source,
            destination,
            len: payload.len(),
        });
    }

    /// Returns the bytes of all payloads together.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns how many datagrams it has.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Returns whether it has none.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Walks through the datagrams in the order in which they were given:
    /// source, destination, payload.
    pub fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, SocketAddr, &mut [u8])> {
        let mut rest = self.bytes.as_mut_slice();
        self.datagrams.iter().map(move |datagram| {
            let (payload, behind) = std::mem::take(&mut rest).split_at_mut(datagram.len);
            rest = behind;
            (datagram.source, datagram.destination, payload)
        })
    }

    fn has_room_for(&self, len: usize) -> bool {
        self.datagrams.len() < DATAGRAMS_MAX && self.bytes.len() + len <= BYTES_MAX
    }

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
    }
}

/// Gives datagrams. What finds the queue full is dropped and counted, as on a socket.
pub struct Sender {
    queue: SyncSender<Parcel>,
    emptied: mpsc::Receiver<Parcel>,
    open: Parcel,
    shared: Arc<Shared>,
    has_sent: bool,
    dropped: u64,
}

impl Sender {
    /// Adds a datagram; it leaves with [`Sender::flush`] at the latest. One of
    /// more than 64 KiB is dropped.
    pub fn push(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        if !self.open.has_room_for(payload.len()) {
            self.close();
        }
        if payload.len() > BYTES_MAX {
            self.dropped += 1;
            return;
        }
        self.open.push(source, destination, payload);
    }

    /// Lets everything go and wakes the other thread, once for all.
    pub fn flush(&mut self) {
        self.close();
        // Somebody who was woken and has not looked yet sees this as well.
        if std::mem::take(&mut self.has_sent) && !self.shared.is_woken.swap(true, Ordering::AcqRel)
        {
            self.shared.waker.wake();
        }
    }

    /// Returns how many datagrams were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn close(&mut self) {
        if self.open.datagrams.is_empty() {
            return;
        }
        let bytes = self.open.bytes.len();
        if self.shared.queued_bytes.load(Ordering::Relaxed) + bytes > QUEUED_BYTES_MAX {
            self.dropped += self.open.datagrams.len() as u64;
            return self.open.clear();
        }
        // Before the receiver can take it away.
        self.shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let next = self.emptied.try_recv().unwrap_or_default();
        let full = std::mem::replace(&mut self.open, next);
        match self.queue.try_send(full) {
            Ok(()) => self.has_sent = true,
            Err(TrySendError::Full(mut parcel) | TrySendError::Disconnected(mut parcel)) => {
                self.dropped += parcel.datagrams.len() as u64;
                self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
                parcel.clear();
                self.open = parcel;
            }
        }
    }
}

/// Takes datagrams; its descriptor is readable while there may be some.
pub struct Receiver {
    queue: mpsc::Receiver<Parcel>,
    emptied: SyncSender<Parcel>,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Quiets the descriptor. To be called before [`Receiver::take`]: what comes behind wakes again.
    pub fn drain(&self) {
        self.shared.waker.drain();
        // What was sent before a wake that was spared is there to be taken: this reads its mark.
        self.shared.is_woken.swap(false, Ordering::AcqRel);
    }

    /// As [`Receiver::drain`], for who watches edges only ([`Watch::add_waker`](crate::Watch::add_waker)):
    /// spares the system call.
    pub fn note(&self) {
        self.shared.is_woken.swap(false, Ordering::AcqRel);
    }

    /// Takes the next parcel. To be given back by [`Receiver::give_back`].
    pub fn take(&self) -> Option<Parcel> {
        let parcel = self.queue.try_recv().ok()?;
        self.shared
            .queued_bytes
            .fetch_sub(parcel.bytes.len(), Ordering::Relaxed);
        Some(parcel)
    }

    /// Gives a parcel back to be filled again.
    pub fn give_back(&self, mut parcel: Parcel) {
        parcel.clear();
        // One too many is freed.
        let _ = self.emptied.try_send(parcel);
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.waker.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wait;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn datagrams_arrive_in_order_and_wake_once() {
        let HandOver {
            mut sender,
            receiver,
        } = hand_over(8).unwrap();
        for number in 0..150u16 {
            sender.push(address(number), address(9), &number.to_be_bytes());
        }
        sender.flush();
        let [ready] = wait([Some(receiver.as_fd())], Some(Duration::from_secs(10))).unwrap();
        assert!(ready);
        receiver.drain();
        let mut expected = 0..150u16;
        while let Some(mut parcel) = receiver.take() {
            for (source, destination, payload) in parcel.datagrams() {
                let number = expected.next().unwrap();
                assert_eq!((source, destination), (address(number), address(9)));
                assert_eq!(payload, number.to_be_bytes());
            }
            receiver.give_back(parcel);
        }
        assert_eq!(expected.next(), None);
        let [ready] = wait([Some(receiver.as_fd())], Some(Duration::ZERO)).unwrap();
        assert!(!ready);
    }

    #[test]
    fn what_finds_the_queue_full_is_dropped_and_counted_and_there_is_room_again_later() {
        let HandOver {
            mut sender,
            receiver,
        } = hand_over(2).unwrap();
        let big = vec![7; BYTES_MAX];
        for _ in 0..5 {
            sender.push(address(1), address(2), &big);
        }
        sender.flush();
        assert_eq!(sender.dropped(), 3);
        sender.push(address(1), address(2), &vec![0; BYTES_MAX + 1]);
        assert_eq!(sender.dropped(), 4);
        let parcel = receiver.take().unwrap();
        receiver.give_back(parcel);
        sender.push(address(1), address(2), &big);
        sender.flush();
        assert_eq!(sender.dropped(), 4);
        assert_eq!(std::iter::from_fn(|| receiver.take()).count(), 2);
    }

    #[test]
    fn bytes_are_bounded_too_and_taking_makes_room() {
        let HandOver {
            mut sender,
            receiver,
        } = hand_over(1_000).unwrap();
        let big = vec![7; BYTES_MAX];
        for _ in 0..100 {
            sender.push(address(1), address(2), &big);
            sender.flush();
        }
        assert_eq!(sender.dropped(), 36, "64 of 64 KiB are 4 MiB");
        receiver.take().unwrap();
        for _ in 0..2 {
            sender.push(address(1), address(2), &big);
            sender.flush();
        }
        assert_eq!(sender.dropped(), 37);
        assert_eq!(std::iter::from_fn(|| receiver.take()).count(), 64);
    }

    #[test]
    fn a_sender_without_a_receiver_drops() {
        let HandOver {
            mut sender,
            receiver,
        } = hand_over(2).unwrap();
        drop(receiver);
        sender.push(address(1), address(2), b"x");
        sender.flush();
        assert_eq!(sender.dropped(), 1);
    }
}

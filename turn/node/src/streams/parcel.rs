//! The way from the relay thread to one connection.
//!
//! Frames travel in parcels: what one turn of the relay had for a client is one
//! message on the queue, one write, one TLS record if it fits. The queue is
//! bounded in bytes by its writer and in time by its reader; only media is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Above this media is dropped: a third of a second at 6 Mbit/s. More would turn
/// a short jam into seconds of delay, since TCP loses nothing itself.
const MEDIA_BYTES_MAX: usize = 256 * 1024;
/// Above this not even answers fit, and the client has not read for long: it is cut off.
const BYTES_MAX: usize = MEDIA_BYTES_MAX + 64 * 1024;
/// Media that waited longer is of no use to a receiver in a meeting.
const MEDIA_AGE_MAX: Duration = Duration::from_millis(200);
/// What a parcel counts beyond its bytes, so that many small ones are bounded too.
const PARCEL_COST: usize = 128;

/// What follows a parcel.
#[derive(Default)]
pub(crate) enum Then {
    /// The next parcel.
    #[default]
    GoOn,
    /// The end of the connection.
    Close,
    /// Bytes to and from this peer (RFC 6062).
    Splice(TcpStream),
}

/// Frames for a client, end to end.
pub(crate) struct Parcel {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    made: Instant,
    /// Whether the client has, or had, an allocation.
    pub(crate) is_established: bool,
    pub(crate) then: Then,
}

#[derive(Clone, Copy)]
struct Frame {
    len: usize,
    is_media: bool,
}

impl Parcel {
    pub(crate) fn new(now: Instant) -> Parcel {
        Parcel {
            bytes: Vec::new(),
            frames: Vec::new(),
            made: now,
            is_established: false,
            then: Then::GoOn,
        }
    }

    fn push(&mut self, header: &[u8], payload: &[u8], is_media: bool) {
        self.bytes.extend_from_slice(header);
        self.bytes.extend_from_slice(payload);
        self.frames.push(Frame {
            len: header.len() + payload.len(),
            is_media,
        });
    }

    fn cost(&self) -> usize {
        self.bytes.len() + PARCEL_COST
    }

    /// Returns whether there is something in it.
    pub(crate) fn has_something(&self) -> bool {
        !self.frames.is_empty() || !matches!(self.then, Then::GoOn)
    }

    /// Appends what is still worth writing at `now`; returns how many frames were too old.
    fn write_to(&self, now: Instant, out: &mut Vec<u8>) -> u64 {
        if now.saturating_duration_since(self.made) <= MEDIA_AGE_MAX {
            out.extend_from_slice(&self.bytes);
            return 0;
        }
        let mut rest = self.bytes.as_slice();
        let mut dropped = 0;
        for frame in &self.frames {
            let (bytes, behind) = rest.split_at(frame.len);
            rest = behind;
            if frame.is_media {
                dropped += 1;
            } else {
                out.extend_from_slice(bytes);
            }
        }
        dropped
    }
}

/// The relay thread's end.
pub(crate) struct Writer {
    queue: mpsc::UnboundedSender<Parcel>,
    shared: Arc<Shared>,
    open: Option<Parcel>,
    dropped: u64,
    is_overrun: bool,
}

/// The connection's end.
pub(crate) struct Reader {
    queue: mpsc::UnboundedReceiver<Parcel>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Cost of the parcels on the queue. Only the writer adds and only the reader takes away.
    queued: AtomicUsize,
    /// Media frames that were too old when their turn came.
    aged: AtomicU64,
}

/// Makes a queue for one connection. Its bound is in bytes, see above.
pub(crate) fn queue() -> (Writer, Reader) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared::default());
    let writer = Writer {
        queue: sender,
        shared: Arc::clone(&shared),
        open: None,
        dropped: 0,
        is_overrun: false,
    };
    (
        writer,
        Reader {
            queue: receiver,
            shared,
        },
    )
}

impl Writer {
    /// Adds a frame; returns whether it is the first since the last flush.
    pub(crate) fn push(&mut self, header: &[u8], payload: &[u8], is_media: bool) -> bool {
        let queued = self.shared.queued.load(Ordering::Acquire)
            + self.open.as_ref().map_or(0, Parcel::cost)
            + header.len()
            + payload.len();
        if queued > if is_media { MEDIA_BYTES_MAX } else { BYTES_MAX } {
            if is_media {
                self.dropped += 1;
                return false;
            }
            self.is_overrun = true;
        }
        let is_first = self.open.is_none();
        self.open().push(header, payload, is_media);
        is_first
    }

    /// Returns what is being filled.
    pub(crate) fn open(&mut self) -> &mut Parcel {
        self.open.get_or_insert_with(|| Parcel::new(Instant::now()))
    }

    /// Lets go what was added; returns whether the connection is still good. It is
    /// not when it has ended, or when not even answers fit.
    pub(crate) fn flush(&mut self) -> bool {
        if self.is_overrun {
            return false;
        }
        let Some(parcel) = self.open.take().filter(Parcel::has_something) else {
            return !self.queue.is_closed();
        };
        self.shared
            .queued
            .fetch_add(parcel.cost(), Ordering::AcqRel);
        self.queue.send(parcel).is_ok()
    }

    /// Takes how many media frames found no room or waited too long since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped) + self.shared.aged.swap(0, Ordering::Relaxed)
    }
}

impl Reader {
    /// Waits for the next parcel; `None` is the end.
    pub(crate) async fn next(&mut self) -> Option<Parcel> {
        self.queue.recv().await
    }

    /// Takes a parcel that is there already.
    pub(crate) fn next_now(&mut self) -> Option<Parcel> {
        self.queue.try_recv().ok()
    }

    /// Appends what is still worth writing of a parcel at `now`.
    pub(crate) fn unpack(&self, parcel: &Parcel, now: Instant, out: &mut Vec<u8>) {
        let aged = parcel.write_to(now, out);
        self.shared.aged.fetch_add(aged, Ordering::Relaxed);
    }

    /// Says that a parcel is on its way to the kernel: its room is free again.
    pub(crate) fn done_with(&self, parcel: &Parcel) {
        self.shared
            .queued
            .fetch_sub(parcel.cost(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEDIA: bool = true;

    fn written(parcel: &Parcel, now: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        parcel.write_to(now, &mut out);
        out
    }

    #[test]
    fn what_one_turn_had_is_one_parcel() {
        let (mut writer, mut reader) = queue();
        assert!(writer.push(b"a", b"b", MEDIA));
        assert!(!writer.push(b"c", b"", !MEDIA));
        assert!(reader.next_now().is_none());
        assert!(writer.flush());
        let parcel = reader.next_now().unwrap();
        assert_eq!(written(&parcel, parcel.made), b"abc");
        assert!(writer.flush());
        assert!(reader.next_now().is_none());
    }

    #[test]
    fn old_media_is_left_out_and_answers_are_not() {
        let (mut writer, mut reader) = queue();
        writer.push(b"m", b"1", MEDIA);
        writer.push(b"answer", b"", !MEDIA);
        writer.push(b"m", b"2", MEDIA);
        writer.flush();
        let parcel = reader.next_now().unwrap();
        let in_time = parcel.made + MEDIA_AGE_MAX;
        assert_eq!(written(&parcel, in_time), b"m1answerm2");
        let later = in_time + Duration::from_millis(1);
        let mut out = Vec::new();
        reader.unpack(&parcel, later, &mut out);
        assert_eq!(out, b"answer");
        assert_eq!(writer.take_dropped(), 2);
    }

    #[test]
    fn a_client_that_does_not_read_loses_media_then_the_connection_and_a_reader_makes_room() {
        let (mut writer, mut reader) = queue();
        let frame = [7; 16 * 1024];
        for _ in 0..100 {
            writer.push(b"", &frame, MEDIA);
            assert!(writer.flush());
        }
        let taken = 100 - writer.take_dropped();
        assert_eq!(taken, 15, "256 KiB with what a parcel costs");
        writer.push(b"", b"answer", !MEDIA);
        assert!(writer.flush());
        assert_eq!(writer.take_dropped(), 0);
        let first = reader.next_now().unwrap();
        reader.done_with(&first);
        writer.push(b"", &frame, MEDIA);
        assert_eq!(writer.take_dropped(), 0);
        for _ in 0..5 {
            writer.push(b"", &frame, !MEDIA);
        }
        assert!(!writer.flush(), "answers do not fit");
    }

    #[test]
    fn a_connection_that_ended_is_noticed() {
        let (mut writer, reader) = queue();
        assert!(writer.flush());
        drop(reader);
        assert!(!writer.flush());
    }
}

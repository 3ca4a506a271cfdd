//! What waits to be written to one connection.
//!
//! Frames are gathered in parcels: what one turn of the relay had for a client is
//! one write, one TLS record if it fits. What the connection does not take at
//! once waits, bounded in bytes and in time; only media is lost.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;

/// Above this media is dropped: a third of a second at 6 Mbit/s. More would turn
/// a short jam into seconds of delay, since TCP loses nothing itself.
const MEDIA_BYTES_MAX: usize = 256 * 1024;
/// Above this not even answers fit, and the client has not read for long: it is cut off.
const BYTES_MAX: usize = MEDIA_BYTES_MAX + 64 * 1024;
/// Media that waited longer is of no use to a receiver in a meeting.
const MEDIA_AGE_MAX: Duration = Duration::from_millis(200);
/// What a parcel counts beyond its bytes, so that many small ones are bounded too.
const PARCEL_COST: usize = 128;
/// What one write gathers from several parcels: a full TLS record. No more memory is kept.
const WRITE_BYTES: usize = 16 * 1024;

/// Frames for a client, end to end.
#[derive(Default)]
struct Parcel {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

#[derive(Clone, Copy)]
struct Frame {
    len: usize,
    is_media: bool,
}

impl Parcel {
    fn cost(&self) -> usize {
        self.bytes.len() + PARCEL_COST
    }

    /// Moves to `out` what is still worth writing; returns how many frames were too old.
    fn unpack(&mut self, is_old: bool, out: &mut Vec<u8>) -> u64 {
        let mut dropped = 0;
        if !is_old && out.is_empty() {
            mem::swap(out, &mut self.bytes);
        } else if !is_old {
            out.extend_from_slice(&self.bytes);
        } else {
            let mut rest = self.bytes.as_slice();
            for frame in &self.frames {
                let (bytes, behind) = rest.split_at(frame.len);
                rest = behind;
                if frame.is_media {
                    dropped += 1;
                } else {
                    out.extend_from_slice(bytes);
                }
            }
        }
        self.bytes.clear();
        self.bytes.shrink_to(WRITE_BYTES);
        self.frames.clear();
        dropped
    }
}

/// The queue of one connection.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// What is written whole, whatever happens: part of it may be gone.
    writing: Vec<u8>,
    written: usize,
    /// Behind that, oldest first, with the time at which they were closed.
    waiting: VecDeque<(Instant, Parcel)>,
    /// What `waiting` costs.
    waiting_cost: usize,
    /// What is being filled.
    open: Parcel,
    /// Emptied, to be filled again.
    spare: Parcel,
    is_to_flush: bool,
    is_overrun: bool,
    dropped: u64,
    taken_bytes: u64,
}

impl Outgoing {
    /// Adds a frame; returns whether it is the first since the last [`Outgoing::close`].
    pub(crate) fn push(&mut self, header: &[u8], payload: &[u8], is_media: bool) -> bool {
        let len = header.len() + payload.len();
        let is_first = self.open.frames.is_empty();
        let open_cost = if is_first { 0 } else { self.open.cost() };
        if self.waiting_cost + open_cost + len > if is_media { MEDIA_BYTES_MAX } else { BYTES_MAX }
        {
            if is_media {
                self.dropped += 1;
                return false;
            }
            self.is_overrun = true;
        }
        self.open.bytes.extend_from_slice(header);
        self.open.bytes.extend_from_slice(payload);
        self.open.frames.push(Frame { len, is_media });
        is_first
    }

    /// Puts what was added behind what waits; returns whether all of it fits.
    pub(crate) fn close(&mut self, now: Instant) -> bool {
        if !self.open.frames.is_empty() {
            let next = mem::take(&mut self.spare);
            let parcel = mem::replace(&mut self.open, next);
            self.waiting_cost += parcel.cost();
            self.waiting.push_back((now, parcel));
        }
        !self.is_overrun
    }

    /// Writes until nothing waits, or the stream takes no more.
    ///
    /// # Errors
    /// Those of the stream.
    pub(crate) fn poll_write<S>(
        &mut self,
        now: Instant,
        mut stream: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + ?Sized,
    {
        loop {
            while let Some(rest) = self.writing.get(self.written..).filter(|r| !r.is_empty()) {
                let count = ready!(stream.as_mut().poll_write(context, rest))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.written += count;
                self.taken_bytes += count as u64;
            }
            self.writing.clear();
            self.writing.shrink_to(WRITE_BYTES);
            self.written = 0;
            self.gather(now);
            if self.writing.is_empty() {
                break;
            }
            self.is_to_flush = true;
        }
        if self.is_to_flush {
            ready!(stream.poll_flush(context))?;
            self.is_to_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what the next write is to have.
    fn gather(&mut self, now: Instant) {
        while self.writing.len() < WRITE_BYTES {
            let Some((closed, mut parcel)) = self.waiting.pop_front() else {
                return;
            };
            self.waiting_cost -= parcel.cost();
            let is_old = now.saturating_duration_since(closed) > MEDIA_AGE_MAX;
            self.dropped += parcel.unpack(is_old, &mut self.writing);
            self.spare = parcel;
        }
    }

    /// Returns how many bytes the stream has taken.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    /// Takes how many media frames found no room or waited too long since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    use super::*;

    const MEDIA: bool = true;

    fn write(outgoing: &mut Outgoing, now: Instant, stream: &mut DuplexStream) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let written = outgoing.poll_write(now, Pin::new(stream), &mut context);
        written.map(Result::unwrap).is_ready()
    }

    async fn read(stream: &mut DuplexStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn what_one_turn_had_is_written_when_it_is_closed() {
        let (mut ours, mut theirs) = duplex(64);
        let (mut outgoing, now) = (Outgoing::default(), Instant::now());
        assert!(outgoing.push(b"a", b"b", MEDIA));
        assert!(!outgoing.push(b"c", b"", !MEDIA));
        assert!(write(&mut outgoing, now, &mut ours));
        assert!(outgoing.close(now));
        assert!(outgoing.push(b"later", b"", MEDIA));
        assert!(write(&mut outgoing, now, &mut ours));
        drop(ours);
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"abc");
    }

    #[tokio::test]
    async fn old_media_is_left_out_and_answers_and_frames_that_have_begun_are_not() {
        let (mut ours, mut theirs) = duplex(4);
        let (mut outgoing, now) = (Outgoing::default(), Instant::now());
        outgoing.push(b"begun-", b"media", MEDIA);
        outgoing.close(now);
        assert!(!write(&mut outgoing, now, &mut ours));
        outgoing.push(b"m", b"1", MEDIA);
        outgoing.push(b"answer", b"", !MEDIA);
        outgoing.close(now);
        let mut all = Vec::new();
        let later = now + MEDIA_AGE_MAX + Duration::from_millis(1);
        while all.len() < 17 {
            write(&mut outgoing, later, &mut ours);
            all.extend(read(&mut theirs, 1).await);
        }
        assert!(write(&mut outgoing, later, &mut ours));
        assert_eq!(all, b"begun-mediaanswer");
        assert_eq!(outgoing.take_dropped(), 1);

        outgoing.push(b"m", b"2", MEDIA);
        outgoing.close(now);
        assert!(write(&mut outgoing, now + MEDIA_AGE_MAX, &mut ours));
        assert_eq!(read(&mut theirs, 2).await, b"m2");
        assert_eq!(outgoing.take_dropped(), 0);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_loses_media_then_the_connection_and_reading_makes_room() {
        let (mut ours, mut theirs) = duplex(1024);
        let (mut outgoing, now) = (Outgoing::default(), Instant::now());
        let frame = [7; 16 * 1024];
        for _ in 0..100 {
            outgoing.push(b"", &frame, MEDIA);
            assert!(outgoing.close(now));
            assert!(!write(&mut outgoing, now, &mut ours));
        }
        let taken = 100 - outgoing.take_dropped();
        assert_eq!(
            taken, 16,
            "256 KiB with what a parcel costs, and one that is written"
        );
        outgoing.push(b"", b"answer", !MEDIA);
        assert!(outgoing.close(now));
        assert_eq!(outgoing.take_dropped(), 0);
        for _ in 0..16 {
            read(&mut theirs, 1024).await;
            assert!(!write(&mut outgoing, now, &mut ours));
        }
        outgoing.push(b"", &frame, MEDIA);
        assert_eq!(outgoing.take_dropped(), 0);
        for _ in 0..5 {
            outgoing.push(b"", &frame, !MEDIA);
        }
        assert!(!outgoing.close(now), "answers do not fit");
    }
}

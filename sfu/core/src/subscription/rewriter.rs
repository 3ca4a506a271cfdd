//! Makes one continuous RTP stream out of whatever feeds a slot.
//!
//! Within one source every number is the incoming one plus an offset, so that
//! loss stays visible to the receiver as a gap. At a change of source or
//! encoding the offsets are chosen anew, so that sequence numbers, timestamps
//! and VP8 picture ids go on without a step back (RFC 3550, section 5.1;
//! RFC 7741, section 4.2).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::packet::{CodecFacts, MediaPacket, Outgoing};

/// Shortest distance between the last frame of one source and the first of the
/// next: one frame at 60 per second. Less would make receivers merge frames.
const STEP_MIN: Duration = Duration::from_nanos(16_666_667);

/// Timestamps and sequence numbers begin below this, so that a receiver that
/// misses the first packets still guesses the rollover counter right.
const FIRST_SEQ_LIMIT: u64 = 1 << 14;

/// How many sources are remembered for packets that are asked for again. A
/// receiver asks within a second; a slot that climbs and falls all the time
/// changes its encoding less often than this within one.
const SEGMENTS_MAX: usize = 8;

/// The random beginnings of one stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginnings {
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) picture_id: u16,
    pub(crate) tl0_pic_idx: u8,
}

/// The offsets of one source: what is added to each incoming number.
#[derive(Debug, Clone, Copy)]
struct Offsets {
    first_in_seq: u64,
    seq: i64,
    timestamp: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
}

impl Offsets {
    /// Returns `None` for a packet from before the source began.
    fn apply(self, packet: &MediaPacket) -> Option<Outgoing<'_>> {
        if packet.seq < self.first_in_seq {
            return None;
        }
        let seq = u64::try_from((packet.seq as i64).wrapping_add(self.seq)).ok()?;
        let (picture_id, tl0_pic_idx) = match packet.facts {
            CodecFacts::Vp8 {
                picture_id,
                tl0_pic_idx,
            } => (
                picture_id.map(|id| {
                    let mask = if id.is_long { 0x7fff } else { 0x7f };
                    id.value.wrapping_add(self.picture_id) & mask
                }),
                tl0_pic_idx.map(|index| index.wrapping_add(self.tl0_pic_idx)),
            ),
            CodecFacts::H264 | CodecFacts::Opus => (None, None),
        };
        Some(Outgoing {
            packet,
            seq,
            timestamp: packet.timestamp.wrapping_add(self.timestamp),
            marker: packet.marker,
            picture_id,
            tl0_pic_idx,
        })
    }
}

/// A stretch of outgoing numbers that came from one source.
#[derive(Debug, Clone, Copy)]
struct Segment {
    first_seq: u64,
    encoding: usize,
    ssrc: u32,
    offsets: Offsets,
}

/// Where a packet that was sent has come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    /// The encoding of the slot's publication.
    pub(crate) encoding: usize,
    /// The publisher's RTP stream.
    pub(crate) ssrc: u32,
    /// Its incoming sequence number, with rollovers counted in.
    pub(crate) seq: u64,
    offsets: Offsets,
}

impl Located {
    /// Gives the packet the numbers that it had when it was sent. Returns
    /// `None` for another packet.
    pub(crate) fn rewrite<'a>(&self, packet: &'a MediaPacket) -> Option<Outgoing<'a>> {
        let same = (packet.ssrc, packet.seq) == (self.ssrc, self.seq);
        self.offsets.apply(packet).filter(|_| same)
    }
}

/// Rewrites the packets of one slot.
#[derive(Debug)]
pub(crate) struct Rewriter {
    clock_rate: u32,
    last_seq: u64,
    last_timestamp: u32,
    last_arrival: Instant,
    last_picture_id: u16,
    last_tl0_pic_idx: u8,
    announced: Option<u32>,
    offsets: Option<Offsets>,
    /// What was sent lately, the oldest first.
    segments: VecDeque<Segment>,
    sent: SentWindow,
}

impl Rewriter {
    /// Begins a stream of `clock_rate` Hz.
    pub(crate) fn new(now: Instant, clock_rate: u32, beginnings: Beginnings) -> Self {
        let last_seq = u64::from(beginnings.seq) % FIRST_SEQ_LIMIT;
        Rewriter {
            clock_rate,
            last_seq,
            last_timestamp: beginnings.timestamp,
            last_arrival: now,
            last_picture_id: beginnings.picture_id,
            last_tl0_pic_idx: beginnings.tl0_pic_idx,
            announced: None,
            offsets: None,
            segments: VecDeque::new(),
            sent: SentWindow::new(last_seq),
        }
    }

    /// Promises a timestamp: everything sent so far is before it, everything
    /// of the next source will not be.
    pub(crate) fn announce(&mut self, now: Instant) -> u32 {
        let timestamp = self.timestamp_after(now);
        self.announced = Some(timestamp);
        timestamp
    }

    /// Stops the source; nothing is rewritten until the next start.
    pub(crate) fn stop(&mut self) {
        self.offsets = None;
    }

    /// Forgets where what was sent has come from: none of it is sent again.
    pub(crate) fn forget(&mut self) {
        self.segments.clear();
    }

    /// Returns whether a source is running.
    pub(crate) fn is_running(&self) -> bool {
        self.offsets.is_some()
    }

    /// Starts `encoding` of a source at `first`, the oldest packet of it that
    /// will be forwarded.
    pub(crate) fn start(&mut self, encoding: usize, first: &MediaPacket) {
        let mut timestamp = self.timestamp_after(first.arrival);
        if let Some(announced) = self.announced.take()
            && is_before(timestamp, announced)
        {
            timestamp = announced;
        }
        let (picture_id, tl0_pic_idx) = match first.facts {
            CodecFacts::Vp8 {
                picture_id,
                tl0_pic_idx,
            } => (
                picture_id.map_or(0, |id| {
                    self.last_picture_id.wrapping_add(1).wrapping_sub(id.value)
                }),
                tl0_pic_idx.map_or(0, |index| {
                    self.last_tl0_pic_idx.wrapping_add(1).wrapping_sub(index)
                }),
            ),
            CodecFacts::H264 | CodecFacts::Opus => (0, 0),
        };
        let offsets = Offsets {
            first_in_seq: first.seq,
            seq: (self.last_seq as i64)
                .wrapping_add(1)
                .wrapping_sub(first.seq as i64),
            timestamp: timestamp.wrapping_sub(first.timestamp),
            picture_id,
            tl0_pic_idx,
        };
        self.offsets = Some(offsets);
        if self.segments.len() == SEGMENTS_MAX {
            self.segments.pop_front();
        }
        self.segments.push_back(Segment {
            first_seq: self.last_seq + 1,
            encoding,
            ssrc: first.ssrc,
            offsets,
        });
    }

    /// Gives a packet of the running source its outgoing numbers.
    ///
    /// Returns `None` for a packet from before the start, one that was sent
    /// already, or one too old to tell.
    pub(crate) fn rewrite<'a>(&mut self, packet: &'a MediaPacket) -> Option<Outgoing<'a>> {
        let out = self.offsets?.apply(packet)?;
        if !self.sent.insert(out.seq) {
            return None;
        }
        if out.seq > self.last_seq {
            self.last_seq = out.seq;
            self.last_arrival = packet.arrival;
            self.last_picture_id = out.picture_id.unwrap_or(self.last_picture_id);
            self.last_tl0_pic_idx = out.tl0_pic_idx.unwrap_or(self.last_tl0_pic_idx);
        }
        if is_before(self.last_timestamp, out.timestamp) {
            self.last_timestamp = out.timestamp;
        }
        Some(out)
    }

    /// Finds where the packet has come from that was sent with the sequence
    /// number `seq` (its lower 16 bits).
    ///
    /// Returns `None` if it was not, or not lately, or the source was forgotten.
    pub(crate) fn locate(&self, seq: u16) -> Option<Located> {
        let behind = (self.last_seq as u16).wrapping_sub(seq);
        if behind >= 1 << 15 {
            return None;
        }
        let out = self.last_seq.checked_sub(u64::from(behind))?;
        let segment = self
            .segments
            .iter()
            .rev()
            .find(|segment| segment.first_seq <= out)?;
        let seq = u64::try_from((out as i64).wrapping_sub(segment.offsets.seq)).ok()?;
        Some(Located {
            encoding: segment.encoding,
            ssrc: segment.ssrc,
            seq,
            offsets: segment.offsets,
        })
    }

    /// The timestamp of something that arrives at `arrival` and belongs to no
    /// earlier source.
    fn timestamp_after(&self, arrival: Instant) -> u32 {
        let elapsed = arrival
            .saturating_duration_since(self.last_arrival)
            .max(STEP_MIN);
        let ticks = elapsed.as_nanos() * u128::from(self.clock_rate) / 1_000_000_000;
        self.last_timestamp.wrapping_add(ticks as u32)
    }
}

/// Serial arithmetic (RFC 1982, section 3.2) on RTP timestamps.
fn is_before(a: u32, b: u32) -> bool {
    let ahead = b.wrapping_sub(a);
    ahead != 0 && ahead < 1 << 31
}

/// Which of the last 512 sequence numbers were sent. A retransmission that
/// arrives later than that is of no use to anybody: at 200 packets a second it
/// is 2.5 s old.
#[derive(Debug)]
struct SentWindow {
    newest: u64,
    words: [u64; Self::WORDS],
}

impl SentWindow {
    const WORDS: usize = 8;
    const BITS: u64 = Self::WORDS as u64 * 64;

    fn new(newest: u64) -> Self {
        SentWindow {
            newest,
            words: [u64::MAX; Self::WORDS],
        }
    }

    /// Marks `seq`. Returns whether it was free.
    fn insert(&mut self, seq: u64) -> bool {
        if seq > self.newest {
            let fresh = (seq - self.newest).min(Self::BITS);
            for step in 1..=fresh {
                let (word, bit) = Self::place(seq - fresh + step);
                self.words[word] &= !bit;
            }
            self.newest = seq;
        } else if self.newest - seq >= Self::BITS {
            return false;
        }
        let (word, bit) = Self::place(seq);
        let free = self.words[word] & bit == 0;
        self.words[word] |= bit;
        free
    }

    fn place(seq: u64) -> (usize, u64) {
        let index = seq % Self::BITS;
        ((index / 64) as usize, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests;

//! Arrival times of all packets of a transport
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).

use super::{take_u16, take_u32};

/// A tick of the deltas in microseconds.
pub(super) const TICK_US: i64 = 250;
/// A tick of the reference time in ticks of the deltas: 64 ms.
pub(super) const REFERENCE_TICKS: i64 = 256;
/// Statuses in one chunk of one and of two bits each.
pub(super) const ONE_BIT: u16 = 14;
pub(super) const TWO_BIT: u16 = 7;
/// Longest run in one chunk.
pub(super) const RUN_MAX: u16 = 0x1fff;

/// What is said of one packet; its number is the symbol on the wire.
pub(super) const LOST: u16 = 0;
pub(super) const SMALL: u16 = 1;
pub(super) const LARGE: u16 = 2;

/// Which packets from `base_seq` on arrived, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twcc<'a> {
    /// Who says it.
    pub sender: u32,
    /// Some stream of the transport.
    pub media: u32,
    /// The first packet that something is said of.
    pub base_seq: u16,
    /// How many packets something is said of. Few bytes can speak of all 65,535.
    pub status_count: u16,
    /// Counts these messages.
    pub feedback_count: u8,
    /// The receiver's clock in units of 64 ms, 24 bits with a sign.
    pub reference_time: i32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> Twcc<'a> {
    pub(super) fn parse(mut body: &'a [u8]) -> Option<Twcc<'a>> {
        let (sender, media) = (take_u32(&mut body)?, take_u32(&mut body)?);
        let (base_seq, status_count) = (take_u16(&mut body)?, take_u16(&mut body)?);
        let time_and_count = take_u32(&mut body)?;
        let (chunks, deltas) = split(status_count, body)?;
        Some(Twcc {
            sender,
            media,
            base_seq,
            status_count,
            feedback_count: time_and_count as u8,
            reference_time: (time_and_count as i32) >> 8,
            chunks,
            deltas,
        })
    }

    /// Returns sequence number and, if the packet arrived, the time since the one
    /// before it in units of 250 µs; for the first since the reference time.
    pub const fn iter(&self) -> TwccIter<'a> {
        TwccIter {
            chunks: self.chunks,
            deltas: self.deltas,
            chunk: Chunk {
                symbols: 0,
                width: 0,
                left: 0,
            },
            seq: self.base_seq,
            left: self.status_count,
        }
    }

    /// Returns sequence number and, if the packet arrived, when: in microseconds
    /// of the receiver's clock, which starts again after 2^24 times 64 ms.
    pub const fn arrivals(&self) -> TwccArrivals<'a> {
        TwccArrivals {
            iter: self.iter(),
            now_us: self.reference_time_us(),
        }
    }

    /// Returns the reference time in microseconds.
    pub const fn reference_time_us(&self) -> i64 {
        self.reference_time as i64 * REFERENCE_TICKS * TICK_US
    }
}

/// Parts chunks from deltas, if both say as much of `count` packets as they should.
fn split(count: u16, body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut rest, mut left, mut deltas) = (body, count, 0);
    while left > 0 {
        let chunk = Chunk::parse(take_u16(&mut rest)?);
        let used = chunk.left.min(left);
        deltas += chunk.delta_bytes(used)?;
        left -= used;
        // A run of none says nothing and would never end.
        if used == 0 {
            return None;
        }
    }
    let (chunks, _) = body.split_at_checked(body.len() - rest.len())?;
    Some((chunks, rest.get(..deltas)?))
}

/// What is left of a chunk: a run if `width` is 0, else symbols from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chunk {
    symbols: u16,
    width: u16,
    left: u16,
}

impl Chunk {
    const fn parse(chunk: u16) -> Chunk {
        match chunk >> 14 {
            0b11 => Chunk {
                symbols: chunk << 2,
                width: 2,
                left: TWO_BIT,
            },
            0b10 => Chunk {
                symbols: chunk << 2,
                width: 1,
                left: ONE_BIT,
            },
            _ => Chunk {
                symbols: chunk >> 13,
                width: 0,
                left: chunk & RUN_MAX,
            },
        }
    }

    const fn next(&mut self) -> u16 {
        self.left -= 1;
        match self.width {
            0 => self.symbols,
            width => {
                let symbol = self.symbols >> (16 - width);
                self.symbols <<= width;
                symbol
            }
        }
    }

    /// Returns the bytes of delta of the next `count` packets; `None` with a
    /// symbol that is reserved.
    fn delta_bytes(mut self, count: u16) -> Option<usize> {
        let bytes = |symbol| match symbol {
            LOST | SMALL | LARGE => Some(usize::from(symbol)),
            _ => None,
        };
        match self.width {
            0 => bytes(self.symbols).map(|each| each * usize::from(count)),
            _ => (0..count).try_fold(0, |sum, _| bytes(self.next()).map(|each| sum + each)),
        }
    }
}

/// Walks what is said of packets, as deltas.
#[derive(Debug, Clone)]
pub struct TwccIter<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    chunk: Chunk,
    seq: u16,
    left: u16,
}

impl Iterator for TwccIter<'_> {
    type Item = (u16, Option<i32>);

    fn next(&mut self) -> Option<(u16, Option<i32>)> {
        self.left = self.left.checked_sub(1)?;
        if self.chunk.left == 0 {
            self.chunk = Chunk::parse(take_u16(&mut self.chunks)?);
        }
        let delta = match self.chunk.next() {
            LOST => None,
            SMALL => {
                let (delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(i32::from(*delta))
            }
            _ => Some(i32::from(take_u16(&mut self.deltas)? as i16)),
        };
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        Some((seq, delta))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

/// Walks what is said of packets, as instants.
#[derive(Debug, Clone)]
pub struct TwccArrivals<'a> {
    iter: TwccIter<'a>,
    now_us: i64,
}

impl Iterator for TwccArrivals<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<(u16, Option<i64>)> {
        let (seq, delta) = self.iter.next()?;
        let arrival = delta.map(|ticks| {
            self.now_us += i64::from(ticks) * TICK_US;
            self.now_us
        });
        Some((seq, arrival))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

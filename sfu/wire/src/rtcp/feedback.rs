//! Feedback on packets and pictures (RFC 4585, RFC 5104) and on the bandwidth (REMB).

use super::report::Ssrcs;
use super::{take_u16, take_u32};

/// Packets that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nack<'a> {
    /// Who asks.
    pub sender: u32,
    /// The stream that misses packets.
    pub media: u32,
    entries: &'a [u8],
}

impl<'a> Nack<'a> {
    pub(super) fn parse(mut body: &'a [u8]) -> Option<Nack<'a>> {
        let (sender, media) = (take_u32(&mut body)?, take_u32(&mut body)?);
        body.len().is_multiple_of(4).then_some(Nack {
            sender,
            media,
            entries: body,
        })
    }

    /// Returns the missing sequence numbers, as they stand there: some may come
    /// twice, and there are up to 17 for four bytes.
    pub const fn seqs(&self) -> NackIter<'a> {
        NackIter {
            rest: self.entries,
            next: 0,
            following: 0,
        }
    }
}

/// Walks the numbers of a NACK.
#[derive(Debug, Clone)]
pub struct NackIter<'a> {
    rest: &'a [u8],
    /// Bit n of `following` stands for number `next` + n.
    next: u16,
    following: u16,
}

impl Iterator for NackIter<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.following != 0 {
            let skip = self.following.trailing_zeros();
            let seq = self.next.wrapping_add(skip as u16);
            // In two steps: 16 is more than a shift may be.
            self.following = (self.following >> skip) >> 1;
            self.next = seq.wrapping_add(1);
            return Some(seq);
        }
        let seq = take_u16(&mut self.rest)?;
        self.following = take_u16(&mut self.rest)?;
        self.next = seq.wrapping_add(1);
        Some(seq)
    }
}

/// A picture is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pli {
    /// Who asks.
    pub sender: u32,
    /// The stream that needs a keyframe.
    pub media: u32,
}

impl Pli {
    pub(super) fn parse(mut body: &[u8]) -> Option<Pli> {
        let (sender, media) = (take_u32(&mut body)?, take_u32(&mut body)?);
        Some(Pli { sender, media })
    }
}

/// Full pictures are asked for, each request once: a repetition has the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: u32,
    entries: &'a [u8],
}

impl<'a> Fir<'a> {
    pub(super) fn parse(mut body: &'a [u8]) -> Option<Fir<'a>> {
        let sender = take_u32(&mut body)?;
        // The SSRC of the media means nothing here.
        take_u32(&mut body)?;
        body.len().is_multiple_of(8).then_some(Fir {
            sender,
            entries: body,
        })
    }

    /// Returns SSRC and number of each request.
    pub const fn requests(&self) -> FirIter<'a> {
        FirIter { rest: self.entries }
    }
}

/// Walks the requests of a FIR.
#[derive(Debug, Clone)]
pub struct FirIter<'a> {
    rest: &'a [u8],
}

impl Iterator for FirIter<'_> {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<(u32, u8)> {
        let ssrc = take_u32(&mut self.rest)?;
        let number = take_u32(&mut self.rest)? >> 24;
        Some((ssrc, number as u8))
    }
}

/// How much the receiver thinks that it can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remb<'a> {
    /// Who says it.
    pub sender: u32,
    /// Bits per second over all `ssrcs`.
    pub bitrate_bps: u64,
    /// The streams that it is said of.
    pub ssrcs: Ssrcs<'a>,
}

impl<'a> Remb<'a> {
    pub(super) fn parse(mut body: &'a [u8]) -> Option<Remb<'a>> {
        let sender = take_u32(&mut body)?;
        take_u32(&mut body)?;
        if take_u32(&mut body)? != u32::from_be_bytes(*b"REMB") {
            return None;
        }
        let word = take_u32(&mut body)?;
        let (count, exponent, mantissa) = (word >> 24, word >> 18 & 0x3f, word & 0x3_ffff);
        let bitrate_bps = u64::try_from(u128::from(mantissa) << exponent).unwrap_or(u64::MAX);
        Some(Remb {
            sender,
            bitrate_bps,
            ssrcs: Ssrcs::parse(count as usize, body)?,
        })
    }
}

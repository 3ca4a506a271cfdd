//! Reports, descriptions and farewells (RFC 3550, section 6).

use super::{take_u16, take_u32};

/// Bytes of a report block.
const BLOCK: usize = 24;

/// What a sender says of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// When, in units of 2^-32 seconds.
    pub ntp: u64,
    /// The same instant on the clock of the stream.
    pub rtp_time: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Bytes of payload sent so far.
    pub octets: u32,
    /// What it received of others.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: u8, mut body: &'a [u8]) -> Option<SenderReport<'a>> {
        let ssrc = take_u32(&mut body)?;
        let seconds = take_u32(&mut body)?;
        let fraction = take_u32(&mut body)?;
        Some(SenderReport {
            ssrc,
            ntp: u64::from(seconds) << 32 | u64::from(fraction),
            rtp_time: take_u32(&mut body)?,
            packets: take_u32(&mut body)?,
            octets: take_u32(&mut body)?,
            blocks: ReportBlocks::parse(count, body)?,
        })
    }
}

/// What a receiver that sends nothing says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Who sends it.
    pub ssrc: u32,
    /// What it received.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: u8, mut body: &'a [u8]) -> Option<ReceiverReport<'a>> {
        let ssrc = take_u32(&mut body)?;
        Some(ReceiverReport {
            ssrc,
            blocks: ReportBlocks::parse(count, body)?,
        })
    }
}

/// Reception of one stream (RFC 3550, section 6.4.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream that was received.
    pub ssrc: u32,
    /// Share lost since the former report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost so far; 24 bits, negative with duplicates.
    pub cumulative_lost: i32,
    /// Highest sequence number with 2^16 times the rollovers added.
    pub highest_seq: u32,
    /// Jitter in units of the clock of the stream.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last sender report, 0 without.
    pub last_sr: u32,
    /// Since then, in units of 2^-16 seconds.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(mut block: &[u8]) -> Option<ReportBlock> {
        let ssrc = take_u32(&mut block)?;
        let lost = take_u32(&mut block)?;
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost >> 24) as u8,
            // Shifted up and down again for the sign.
            cumulative_lost: ((lost << 8) as i32) >> 8,
            highest_seq: take_u32(&mut block)?,
            jitter: take_u32(&mut block)?,
            last_sr: take_u32(&mut block)?,
            delay_since_last_sr: take_u32(&mut block)?,
        })
    }
}

/// The blocks of a report, at most 31.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    fn parse(count: u8, body: &'a [u8]) -> Option<ReportBlocks<'a>> {
        // What follows is an extension of a profile.
        body.get(..BLOCK * usize::from(count))
            .map(|rest| ReportBlocks { rest })
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.rest.split_at_checked(BLOCK)?;
        self.rest = rest;
        ReportBlock::parse(block)
    }
}

/// Descriptions of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sdes<'a> {
    chunks: &'a [u8],
    count: u8,
}

impl<'a> Sdes<'a> {
    /// The type of a canonical name (RFC 3550, section 6.5.1).
    pub const CNAME: u8 = 1;

    pub(super) fn parse(count: u8, chunks: &'a [u8]) -> Option<Sdes<'a>> {
        let sdes = Sdes { chunks, count };
        let mut items = sdes.items();
        while items.next().is_some() {}
        (!items.is_malformed).then_some(sdes)
    }

    /// Returns SSRC, type and text of every item.
    pub const fn items(&self) -> SdesIter<'a> {
        SdesIter {
            rest: self.chunks,
            chunks_left: self.count,
            ssrc: None,
            at: 0,
            is_malformed: false,
        }
    }

    /// Returns SSRC and text of the first canonical name.
    pub fn cname(&self) -> Option<(u32, &'a [u8])> {
        self.items()
            .find(|(_, kind, _)| *kind == Sdes::CNAME)
            .map(|(ssrc, _, text)| (ssrc, text))
    }
}

/// Walks the items of descriptions.
#[derive(Debug, Clone)]
pub struct SdesIter<'a> {
    rest: &'a [u8],
    chunks_left: u8,
    /// The source of the chunk under way, with `at` bytes of its items read.
    ssrc: Option<u32>,
    at: usize,
    is_malformed: bool,
}

impl<'a> SdesIter<'a> {
    fn step(&mut self) -> Option<Option<(u32, u8, &'a [u8])>> {
        let Some(ssrc) = self.ssrc else {
            self.chunks_left -= 1;
            self.ssrc = Some(take_u32(&mut self.rest)?);
            self.at = 0;
            return Some(None);
        };
        let kind = *self.rest.get(self.at)?;
        if kind == 0 {
            // One to four zeros end a chunk at a whole word.
            self.rest = self.rest.get((self.at + 1).next_multiple_of(4)..)?;
            self.ssrc = None;
            return Some(None);
        }
        let len = usize::from(*self.rest.get(self.at + 1)?);
        let text = self.rest.get(self.at + 2..)?.get(..len)?;
        self.at += 2 + len;
        Some(Some((ssrc, kind, text)))
    }
}

impl<'a> Iterator for SdesIter<'a> {
    type Item = (u32, u8, &'a [u8]);

    fn next(&mut self) -> Option<(u32, u8, &'a [u8])> {
        while !self.is_malformed && (self.ssrc.is_some() || self.chunks_left > 0) {
            match self.step() {
                Some(Some(item)) => return Some(item),
                Some(None) => {}
                None => self.is_malformed = true,
            }
        }
        None
    }
}

/// Sources that leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bye<'a> {
    /// Those that leave, at most 31.
    pub ssrcs: Ssrcs<'a>,
}

impl<'a> Bye<'a> {
    pub(super) fn parse(count: u8, body: &'a [u8]) -> Option<Bye<'a>> {
        // What follows is a reason in words.
        Ssrcs::parse(usize::from(count), body).map(|ssrcs| Bye { ssrcs })
    }
}

/// A list of SSRCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ssrcs<'a> {
    rest: &'a [u8],
}

impl<'a> Ssrcs<'a> {
    pub(super) fn parse(count: usize, body: &'a [u8]) -> Option<Ssrcs<'a>> {
        body.get(..4 * count).map(|rest| Ssrcs { rest })
    }
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        take_u32(&mut self.rest)
    }
}

/// An extended report, of which only the sender is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xr {
    /// Who sends it.
    pub ssrc: u32,
}

impl Xr {
    pub(super) fn parse(mut body: &[u8]) -> Option<Xr> {
        let ssrc = take_u32(&mut body)?;
        while !body.is_empty() {
            take_u16(&mut body)?;
            let words = take_u16(&mut body)?;
            body = body.get(4 * usize::from(words)..)?;
        }
        Some(Xr { ssrc })
    }
}

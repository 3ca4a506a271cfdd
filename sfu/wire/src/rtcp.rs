//! RTCP: reads compounds in place and writes the packets that we send
//! (RFC 3550, RFC 4585, RFC 5104).
//!
//! Reading borrows the compound and allocates nothing. A packet that does not
//! keep what its lengths promise ends the walk: [`Packets::is_malformed`].

mod feedback;
mod report;
mod twcc;
mod write;

pub use feedback::{Fir, FirIter, Nack, NackIter, Pli, Remb};
pub use report::{
    Bye, ReceiverReport, ReportBlock, ReportBlocks, Sdes, SdesIter, SenderReport, Ssrcs, Xr,
};
pub use twcc::{Twcc, TwccArrivals, TwccIter};
pub use write::{
    RECEIVER_REPORT_BLOCKS_MAX, SenderInfo, TwccReport, bye, fir, nack, pli, receiver_report, remb,
    sdes_cname, sender_report, twcc,
};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const XR: u8 = 207;

/// Formats of transport feedback (RFC 4585, section 6.2).
const NACK: u8 = 1;
const TWCC: u8 = 15;
/// Formats of payload feedback (RFC 4585, section 6.3; RFC 5104, section 4.3).
const PLI: u8 = 1;
const FIR: u8 = 4;
const APPLICATION: u8 = 15;

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// RFC 3550, section 6.4.1.
    SenderReport(SenderReport<'a>),
    /// RFC 3550, section 6.4.2.
    ReceiverReport(ReceiverReport<'a>),
    /// RFC 3550, section 6.5.
    Sdes(Sdes<'a>),
    /// RFC 3550, section 6.6.
    Bye(Bye<'a>),
    /// RFC 4585, section 6.2.1.
    Nack(Nack<'a>),
    /// RFC 4585, section 6.3.1.
    Pli(Pli),
    /// RFC 5104, section 4.3.1.
    Fir(Fir<'a>),
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.
    Twcc(Twcc<'a>),
    /// draft-alvestrand-rmcat-remb-03, section 2.
    Remb(Remb<'a>),
    /// RFC 3611.
    Xr(Xr),
    /// One that means nothing here.
    Other {
        /// The type, 0 to 255.
        packet_type: u8,
        /// The five bits beside it: a count or a format.
        count: u8,
    },
}

impl<'a> Packet<'a> {
    fn parse(packet_type: u8, count: u8, body: &'a [u8]) -> Option<Packet<'a>> {
        Some(match (packet_type, count) {
            (SENDER_REPORT, _) => Packet::SenderReport(SenderReport::parse(count, body)?),
            (RECEIVER_REPORT, _) => Packet::ReceiverReport(ReceiverReport::parse(count, body)?),
            (SDES, _) => Packet::Sdes(Sdes::parse(count, body)?),
            (BYE, _) => Packet::Bye(Bye::parse(count, body)?),
            (TRANSPORT_FEEDBACK, NACK) => Packet::Nack(Nack::parse(body)?),
            (TRANSPORT_FEEDBACK, TWCC) => Packet::Twcc(Twcc::parse(body)?),
            (PAYLOAD_FEEDBACK, PLI) => Packet::Pli(Pli::parse(body)?),
            (PAYLOAD_FEEDBACK, FIR) => Packet::Fir(Fir::parse(body)?),
            (PAYLOAD_FEEDBACK, APPLICATION) => match Remb::parse(body) {
                Some(remb) => Packet::Remb(remb),
                None => Packet::Other { packet_type, count },
            },
            (XR, _) => Packet::Xr(Xr::parse(body)?),
            _ => Packet::Other { packet_type, count },
        })
    }
}

/// Walks a plain compound, which need not begin with a report (RFC 5506).
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
    is_malformed: bool,
}

impl<'a> Packets<'a> {
    /// Begins at the first packet.
    pub const fn new(compound: &'a [u8]) -> Packets<'a> {
        Packets {
            rest: compound,
            is_malformed: false,
        }
    }

    /// Returns whether the walk ended at a packet that is malformed.
    pub const fn is_malformed(&self) -> bool {
        self.is_malformed
    }

    fn parse_next(&mut self) -> Option<Packet<'a>> {
        let (head, _) = self.rest.split_first_chunk::<4>()?;
        let len = 4 * (usize::from(u16::from_be_bytes([head[2], head[3]])) + 1);
        let (packet, rest) = self.rest.split_at_checked(len)?;
        let mut body = packet.get(4..)?;
        if head[0] >> 6 != 2 {
            return None;
        }
        if head[0] & 0x20 != 0 {
            let padding = usize::from(*body.last()?);
            body = body
                .get(..body.len().checked_sub(padding)?)
                .filter(|_| padding > 0)?;
        }
        self.rest = rest;
        Packet::parse(head[1], head[0] & 0x1f, body)
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        if self.rest.is_empty() || self.is_malformed {
            return None;
        }
        let packet = self.parse_next();
        self.is_malformed = packet.is_none();
        packet
    }
}

/// Takes a number off the front of `body`.
fn take_u32(body: &mut &[u8]) -> Option<u32> {
    let (number, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(u32::from_be_bytes(*number))
}

fn take_u16(body: &mut &[u8]) -> Option<u16> {
    let (number, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(u16::from_be_bytes(*number))
}

#[cfg(test)]
mod tests;

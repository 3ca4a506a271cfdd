//! Writes the packets that we send, each appended to a compound.

use super::report::ReportBlock;
use super::twcc::{LARGE, LOST, ONE_BIT, REFERENCE_TICKS, RUN_MAX, SMALL, TICK_US, TWO_BIT};
use super::{
    APPLICATION, BYE, FIR, NACK, PAYLOAD_FEEDBACK, PLI, RECEIVER_REPORT, SDES, SENDER_REPORT,
    TRANSPORT_FEEDBACK, TWCC,
};

/// Most blocks in one report: the count has five bits.
pub const RECEIVER_REPORT_BLOCKS_MAX: usize = 31;

/// What we say of a stream that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// The stream.
    pub ssrc: u32,
    /// When, in units of 2^-32 seconds.
    pub ntp: u64,
    /// The same instant on the clock of the stream.
    pub rtp_time: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Bytes of payload sent so far.
    pub octets: u32,
}

/// Appends a sender report without blocks (RFC 3550, section 6.4.1).
pub fn sender_report(out: &mut Vec<u8>, info: &SenderInfo) {
    packet(out, 0, SENDER_REPORT, |out| {
        put(out, info.ssrc);
        out.extend_from_slice(&info.ntp.to_be_bytes());
        put(out, info.rtp_time);
        put(out, info.packets);
        put(out, info.octets);
    });
}

/// Appends a receiver report with the first [`RECEIVER_REPORT_BLOCKS_MAX`] blocks
/// (RFC 3550, section 6.4.2).
pub fn receiver_report(out: &mut Vec<u8>, sender: u32, blocks: &[ReportBlock]) {
    let blocks = &blocks[..blocks.len().min(RECEIVER_REPORT_BLOCKS_MAX)];
    packet(out, blocks.len() as u8, RECEIVER_REPORT, |out| {
        put(out, sender);
        for block in blocks {
            let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
            put(out, block.ssrc);
            put(out, u32::from(block.fraction_lost) << 24 | lost);
            put(out, block.highest_seq);
            put(out, block.jitter);
            put(out, block.last_sr);
            put(out, block.delay_since_last_sr);
        }
    });
}

/// Appends a description with a canonical name, of which at most 255 bytes are
/// written (RFC 3550, section 6.5.1).
pub fn sdes_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let name = &cname.as_bytes()[..cname.len().min(255)];
    packet(out, 1, SDES, |out| {
        put(out, ssrc);
        out.extend_from_slice(&[super::Sdes::CNAME, name.len() as u8]);
        out.extend_from_slice(name);
        // The zero that ends the chunk; what fills its last word follows.
        out.push(0);
    });
}

/// Appends a farewell of the first 31 SSRCs (RFC 3550, section 6.6).
pub fn bye(out: &mut Vec<u8>, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(RECEIVER_REPORT_BLOCKS_MAX)];
    packet(out, ssrcs.len() as u8, BYE, |out| {
        ssrcs.iter().for_each(|ssrc| put(out, *ssrc))
    });
}

/// Appends a request for the first 4,096 packets of a list (RFC 4585, section 6.2.1).
///
/// In ascending order it is shortest; it is read in the order given.
pub fn nack(out: &mut Vec<u8>, sender: u32, media: u32, seqs: &[u16]) {
    packet(out, NACK, TRANSPORT_FEEDBACK, |out| {
        put(out, sender);
        put(out, media);
        let mut rest = &seqs[..seqs.len().min(4_096)];
        while let Some((first, mut following)) = rest.split_first() {
            let mut bits = 0_u16;
            while let Some((seq, after)) = following.split_first()
                && let Some(bit) = seq.wrapping_sub(*first).checked_sub(1)
                && bit < 16
                && bits >> bit == 0
            {
                bits |= 1 << bit;
                following = after;
            }
            put(out, u32::from(*first) << 16 | u32::from(bits));
            rest = following;
        }
    });
}

/// Appends a request for a keyframe (RFC 4585, section 6.3.1).
pub fn pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    packet(out, PLI, PAYLOAD_FEEDBACK, |out| {
        put(out, sender);
        put(out, media);
    });
}

/// Appends a request for a full picture with its number (RFC 5104, section 4.3.1).
pub fn fir(out: &mut Vec<u8>, sender: u32, media: u32, number: u8) {
    packet(out, FIR, PAYLOAD_FEEDBACK, |out| {
        put(out, sender);
        put(out, 0);
        put(out, media);
        put(out, u32::from(number) << 24);
    });
}

/// Appends an estimate of the bandwidth of the first 255 SSRCs, rounded down to
/// 18 significant bits (draft-alvestrand-rmcat-remb-03, section 2.2).
pub fn remb(out: &mut Vec<u8>, sender: u32, bitrate_bps: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(255)];
    let exponent = (u64::BITS - bitrate_bps.leading_zeros()).saturating_sub(18);
    packet(out, APPLICATION, PAYLOAD_FEEDBACK, |out| {
        put(out, sender);
        put(out, 0);
        out.extend_from_slice(b"REMB");
        let mantissa = (bitrate_bps >> exponent) as u32;
        put(out, (ssrcs.len() as u32) << 24 | exponent << 18 | mantissa);
        ssrcs.iter().for_each(|ssrc| put(out, *ssrc));
    });
}

/// Whose arrivals are reported, from which packet on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TwccReport {
    /// Who reports.
    pub sender: u32,
    /// Some stream of the transport.
    pub media: u32,
    /// The packet of the first arrival.
    pub base_seq: u16,
    /// Counts these messages.
    pub feedback_count: u8,
}

/// Appends arrival times in microseconds of the receiver's clock; `None` is a
/// packet that did not arrive. Times are rounded to 250 µs.
///
/// Returns how many of `arrivals` were written: up to the first that is more
/// than 8 seconds from the one before, and at most 65,535. Zero, with nothing
/// appended, if none arrived.
pub fn twcc(out: &mut Vec<u8>, report: &TwccReport, arrivals: &[Option<i64>]) -> usize {
    let arrivals = &arrivals[..arrivals.len().min(usize::from(u16::MAX))];
    let Some(first) = arrivals.iter().flatten().next() else {
        return 0;
    };
    let reference = ticks(*first).div_euclid(REFERENCE_TICKS);
    let all = Statuses {
        arrivals,
        former: reference * REFERENCE_TICKS,
    };
    let count = all.count();
    let all = Statuses {
        arrivals: &arrivals[..count],
        ..all
    };
    packet(out, TWCC, TRANSPORT_FEEDBACK, |out| {
        put(out, report.sender);
        put(out, report.media);
        put(out, u32::from(report.base_seq) << 16 | count as u32);
        put(
            out,
            (reference as u32) << 8 | u32::from(report.feedback_count),
        );
        write_chunks(out, all);
        for (symbol, delta) in all {
            match symbol {
                LOST => {}
                SMALL => out.push(delta as u8),
                _ => out.extend_from_slice(&delta.to_be_bytes()),
            }
        }
    });
    count
}

fn write_chunks(out: &mut Vec<u8>, mut statuses: Statuses<'_>) {
    while let Some(first) = symbols(statuses).next() {
        let left = statuses.arrivals.len();
        let run = symbols(statuses)
            .take(RUN_MAX.into())
            .take_while(|symbol| *symbol == first)
            .count();
        let is_small = symbols(statuses)
            .take(ONE_BIT.into())
            .all(|symbol| symbol < LARGE);
        let (chunk, len) = if run >= usize::from(ONE_BIT) || run == left {
            (first << 13 | run as u16, run)
        } else {
            let (kind, width, room) = if is_small {
                (0b10, 1, ONE_BIT)
            } else {
                (0b11, 2, TWO_BIT)
            };
            let len = left.min(room.into());
            let packed = symbols(statuses)
                .take(len)
                .fold(0, |packed, symbol| packed << width | symbol);
            (kind << 14 | packed << (width * (room - len as u16)), len)
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        statuses.by_ref().take(len).for_each(drop);
    }
}

fn symbols(statuses: Statuses<'_>) -> impl Iterator<Item = u16> {
    statuses.map(|(symbol, _)| symbol)
}

const fn ticks(arrival_us: i64) -> i64 {
    arrival_us.saturating_add(TICK_US / 2).div_euclid(TICK_US)
}

/// Symbol and delta of each packet, up to the first delta that does not fit.
#[derive(Clone, Copy)]
struct Statuses<'a> {
    arrivals: &'a [Option<i64>],
    former: i64,
}

impl Iterator for Statuses<'_> {
    type Item = (u16, i16);

    fn next(&mut self) -> Option<(u16, i16)> {
        let (arrival, rest) = self.arrivals.split_first()?;
        let status = match arrival {
            None => (LOST, 0),
            Some(arrival) => {
                let delta = i16::try_from(ticks(*arrival).checked_sub(self.former)?).ok()?;
                self.former = ticks(*arrival);
                (
                    if (0..256).contains(&delta) {
                        SMALL
                    } else {
                        LARGE
                    },
                    delta,
                )
            }
        };
        self.arrivals = rest;
        Some(status)
    }
}

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends a packet whose body is filled up with zeros to a whole word.
fn packet(out: &mut Vec<u8>, count: u8, packet_type: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count, packet_type, 0, 0]);
    body(out);
    let len = (out.len() - start).next_multiple_of(4);
    out.resize(start + len, 0);
    let words = u16::try_from(len / 4 - 1).unwrap_or(u16::MAX);
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

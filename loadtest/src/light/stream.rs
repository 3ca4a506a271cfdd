//! One RTP stream, by its headers alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use conclave_sfu_wire::rtcp::ReportBlock;
use conclave_sfu_wire::rtp::Header;

use crate::given_up::GivenUp;
use crate::receive::{AUDIO_PATIENCE, VIDEO_PATIENCE};

/// From one request for a packet to the next, as libwebrtc has it while it knows no round trip.
const NACK_PAUSE: Duration = Duration::from_millis(100);
/// Packets that a stream skips and that are still asked for; beyond it nothing is to be saved.
const SKIPPED_MAX: u64 = 1_000;
/// Numbers count from here, so that those before the first one stay positive.
const BASE: u64 = 1 << 16;

/// The receiving end of a stream.
#[derive(Debug)]
pub(super) struct Stream {
    ssrc: u32,
    is_video: bool,
    clock_hz: u32,
    first: u64,
    highest: u64,
    /// Different packets, those sent again among them.
    packets: u64,
    /// Packets of the stream itself, for reports: RFC 3550 counts what was sent again apart.
    direct: u64,
    given_up: GivenUp,
    frames: u64,
    missing: VecDeque<Missing>,
    transit: Option<i64>,
    /// In units of the clock, times 16 (RFC 3550, appendix A.8).
    jitter: i64,
    /// The middle of the time of the last sender report, and when it came.
    sender_report: Option<(u32, Instant)>,
    /// Expected and come, as of the last report.
    reported: (u64, u64),
}

#[derive(Debug)]
struct Missing {
    seq: u64,
    since: Instant,
    next_nack: Instant,
}

impl Stream {
    /// Begins one with its first packet.
    pub(super) fn new(header: &Header<'_>, is_video: bool, clock_hz: u32) -> Stream {
        let first = BASE + u64::from(header.seq);
        Stream {
            ssrc: header.ssrc,
            is_video,
            clock_hz,
            first,
            highest: first - 1,
            packets: 0,
            direct: 0,
            given_up: GivenUp::default(),
            frames: 0,
            missing: VecDeque::new(),
            transit: None,
            jitter: 0,
            sender_report: None,
            reported: (0, 0),
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn is_video(&self) -> bool {
        self.is_video
    }

    /// Different packets that came.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// What was given up, and what of it came.
    pub(super) fn given_up(&self) -> &GivenUp {
        &self.given_up
    }

    /// Ends of frames that came by themselves.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Takes a packet; returns whether it shows that others are missing. `since_epoch` is when
    /// it came, for the jitter.
    pub(super) fn handle_packet(
        &mut self,
        arrival: Instant,
        since_epoch: Duration,
        header: &Header<'_>,
    ) -> bool {
        self.note_jitter(since_epoch, header.timestamp);
        self.direct += 1;
        let ahead = header.seq.wrapping_sub(self.highest as u16) as i16;
        let seq = self.highest.saturating_add_signed(i64::from(ahead));
        if ahead <= 0 {
            self.recover(seq);
            return false;
        }
        self.packets += 1;
        self.frames += u64::from(self.is_video && header.marker);
        let skipped = seq - self.highest - 1;
        if skipped > SKIPPED_MAX {
            self.given_up.give_up(self.highest + 1..seq);
        } else {
            self.missing
                .extend((self.highest + 1..seq).map(|seq| Missing {
                    seq,
                    since: arrival,
                    next_nack: arrival,
                }));
        }
        self.highest = seq;
        skipped > 0 && self.is_video
    }

    /// Takes a packet that was sent again, by its original number.
    pub(super) fn handle_resent(&mut self, number: u16) {
        let ahead = number.wrapping_sub(self.highest as u16) as i16;
        // Old packets are also sent again as probes: those that nobody misses mean nothing.
        self.recover(self.highest.saturating_add_signed(i64::from(ahead)));
    }

    /// Notes the time of a sender report that came at `arrival`.
    pub(super) fn handle_sender_report(&mut self, arrival: Instant, ntp: u64) {
        self.sender_report = Some(((ntp >> 16) as u32, arrival));
    }

    /// Gives up what was waited for long enough.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let patience = self.patience();
        while let Some(first) = self.missing.front()
            && first.since + patience <= now
        {
            self.given_up.give_up(first.seq..first.seq + 1);
            self.missing.pop_front();
        }
    }

    /// Appends the numbers that are to be asked for at `now`.
    pub(super) fn poll_nacks(&mut self, now: Instant, numbers: &mut Vec<u16>) {
        if !self.is_video {
            return;
        }
        for missing in &mut self.missing {
            if missing.next_nack <= now {
                missing.next_nack = now + NACK_PAUSE;
                numbers.push(missing.seq as u16);
            }
        }
    }

    /// Returns when something is to be asked for or given up.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.missing.front()?.since + self.patience();
        let nacks = self.missing.iter().map(|missing| missing.next_nack);
        let nack = if self.is_video { nacks.min() } else { None };
        nack.into_iter().chain([first]).min()
    }

    /// Makes the block of a report at `now`.
    pub(super) fn report(&mut self, now: Instant) -> ReportBlock {
        let expected = self.highest + 1 - self.first;
        let (expected_before, direct_before) = self.reported;
        self.reported = (expected, self.direct);
        let due = expected - expected_before;
        let came = self.direct - direct_before;
        let fraction = due.saturating_sub(came) * 256 / due.max(1);
        let (last_sr, since) = self.sender_report.map_or((0, Duration::ZERO), |(ntp, at)| {
            (ntp, now.saturating_duration_since(at))
        });
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction.min(255) as u8,
            cumulative_lost: (expected as i64 - self.direct as i64) as i32,
            highest_seq: (self.highest - BASE) as u32,
            jitter: (self.jitter >> 4) as u32,
            last_sr,
            delay_since_last_sr: (since.as_micros() * 65_536 / 1_000_000) as u32,
        }
    }

    fn recover(&mut self, seq: u64) {
        let found = self.missing.iter().position(|missing| missing.seq == seq);
        let Some(place) = found else {
            return self.given_up.handle_packet(seq);
        };
        self.missing.remove(place);
        self.packets += 1;
    }

    fn note_jitter(&mut self, since_epoch: Duration, timestamp: u32) {
        let arrival = since_epoch.as_micros() as i64 * i64::from(self.clock_hz) / 1_000_000;
        let transit = arrival - i64::from(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            // Both may have gone round; the difference is that of 32 bits.
            let moved = i64::from((transit - last) as i32).abs();
            self.jitter += moved - ((self.jitter + 8) >> 4);
        }
    }

    fn patience(&self) -> Duration {
        if self.is_video {
            VIDEO_PATIENCE
        } else {
            AUDIO_PATIENCE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch;

    fn take(stream: &mut Option<Stream>, at: Instant, seq: u16) -> bool {
        let mut packet = [0; 12];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&seq.to_be_bytes());
        let header = Header::parse(&packet).unwrap();
        stream
            .get_or_insert_with(|| Stream::new(&header, true, 90_000))
            .handle_packet(at, Duration::ZERO, &header)
    }

    #[test]
    fn what_is_missing_is_asked_for_again_and_then_given_up() {
        let start = epoch();
        let mut stream = None;
        assert!(!take(&mut stream, start, 65_534));
        assert!(take(&mut stream, start, 2));
        let stream = stream.as_mut().unwrap();
        let mut numbers = Vec::new();
        stream.poll_nacks(start, &mut numbers);
        assert_eq!(numbers, [65_535, 0, 1]);
        stream.handle_resent(0);
        numbers.clear();
        stream.poll_nacks(start + NACK_PAUSE / 2, &mut numbers);
        assert!(numbers.is_empty());
        assert_eq!(stream.poll_timeout(), Some(start + NACK_PAUSE));
        stream.poll_nacks(start + NACK_PAUSE, &mut numbers);
        assert_eq!(numbers, [65_535, 1]);
        stream.handle_timeout(start + VIDEO_PATIENCE);
        assert_eq!((stream.packets(), stream.given_up().lost()), (3, 2));
        assert_eq!(stream.poll_timeout(), None);
        // The one that comes all the same is not lost, and not counted again.
        stream.handle_resent(65_535);
        stream.handle_resent(65_535);
        let given_up = stream.given_up();
        assert_eq!((given_up.lost(), given_up.late()), (1, 1));
    }

    #[test]
    fn one_out_of_order_is_no_loss_and_one_that_came_twice_counts_once() {
        let start = epoch();
        let mut stream = None;
        for seq in [10, 12, 11, 11] {
            take(&mut stream, start, seq);
        }
        let stream = stream.as_mut().unwrap();
        stream.handle_timeout(start + VIDEO_PATIENCE);
        let given_up = stream.given_up();
        let figures = (stream.packets(), given_up.lost(), given_up.late());
        assert_eq!(figures, (3, 0, 0));
    }

    #[test]
    fn a_report_tells_what_was_lost_since_the_last() {
        let start = epoch();
        let mut stream = None;
        for seq in [10, 11, 12, 14] {
            take(&mut stream, start, seq);
        }
        let stream = stream.as_mut().unwrap();
        stream.handle_sender_report(start, 0x1234_5678_9abc_def0);
        let block = stream.report(start + Duration::from_millis(500));
        assert_eq!((block.fraction_lost, block.cumulative_lost), (51, 1));
        assert_eq!((block.highest_seq, block.last_sr), (14, 0x5678_9abc));
        assert_eq!(block.delay_since_last_sr, 32_768);
        assert_eq!(stream.report(start).fraction_lost, 0);
    }
}

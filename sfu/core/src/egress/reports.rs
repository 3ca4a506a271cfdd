//! Sender reports and the farewell.

use std::time::{Duration, Instant};

use conclave_sfu_srtp::SrtpTx;
use conclave_sfu_wire::rtcp::{self, SenderInfo};

use super::stream::Stream;
use crate::arena::SendArena;
use crate::clock::ReportClock;
use crate::transport::Path;

/// How often a stream that is sent is reported on. A receiver needs two reports
/// to tell pictures and sound of one person in time with each other.
const EVERY: Duration = Duration::from_secs(1);

/// A compound is closed when it is longer than this, so that one more report
/// stays below any path's limit.
const COMPOUND_BYTES: usize = 1_000;

/// Writes reports of one link.
#[derive(Debug)]
pub(super) struct Reports {
    clock: ReportClock,
    next: Option<Instant>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Reports {
    pub(super) fn new(clock: ReportClock) -> Self {
        Reports {
            clock,
            next: None,
            plain: Vec::new(),
            sealed: Vec::new(),
        }
    }

    /// Returns the middle 32 bits of the NTP timestamp of `now`.
    pub(super) fn middle(&self, now: Instant) -> u32 {
        (self.clock.ntp(now) >> 16) as u32
    }

    /// Returns when [`Reports::send`] next does something.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Notes that a stream has begun: its first report is due at once.
    pub(super) fn hasten(&mut self, now: Instant) {
        self.next = Some(now);
    }

    /// Sends what is due. Returns how many reports that is.
    pub(super) fn send(
        &mut self,
        now: Instant,
        tx: &mut SrtpTx,
        streams: &mut [Stream],
        path: Path,
        arena: &mut SendArena,
    ) -> u64 {
        if self.next.is_none_or(|next| now < next) {
            return 0;
        }
        let mut count = 0;
        // The compound goes under the SSRC of its first report.
        let mut first = None;
        self.plain.clear();
        for index in 0..streams.len() {
            let stream = &mut streams[index];
            let (Some(last), true) = (stream.last, stream.packets != stream.reported) else {
                continue;
            };
            stream.reported = stream.packets;
            count += 1;
            let elapsed = now.saturating_duration_since(last.arrival).as_nanos();
            let ticks = elapsed * u128::from(last.clock_rate) / 1_000_000_000;
            let info = SenderInfo {
                ssrc: stream.line.ssrc,
                ntp: self.clock.ntp(now),
                rtp_time: last.timestamp.wrapping_add(ticks as u32),
                packets: stream.packets,
                octets: stream.octets,
            };
            rtcp::sender_report(&mut self.plain, &info);
            rtcp::sdes_cname(&mut self.plain, info.ssrc, &stream.line.cname);
            let first_index = *first.get_or_insert(index);
            if self.plain.len() > COMPOUND_BYTES {
                self.seal(tx, &streams[first_index], path, arena);
                first = None;
            }
        }
        if let Some(first) = first {
            self.seal(tx, &streams[first], path, arena);
        }
        self.next = (count > 0).then_some(now + EVERY);
        count
    }

    /// Says that the streams end.
    pub(super) fn bye(
        &mut self,
        tx: &mut SrtpTx,
        streams: &[Stream],
        path: Path,
        arena: &mut SendArena,
    ) {
        let sent = |stream: &&Stream| stream.last.is_some();
        let ssrcs: Vec<u32> = streams
            .iter()
            .filter(sent)
            .map(|stream| stream.line.ssrc)
            .collect();
        let Some(first) = streams.iter().find(sent) else {
            return;
        };
        self.plain.clear();
        // A compound begins with a report (RFC 3550, section 6.1).
        rtcp::receiver_report(&mut self.plain, first.line.ssrc, &[]);
        rtcp::sdes_cname(&mut self.plain, first.line.ssrc, &first.line.cname);
        rtcp::bye(&mut self.plain, &ssrcs);
        self.seal(tx, first, path, arena);
    }

    fn seal(&mut self, tx: &mut SrtpTx, first: &Stream, path: Path, arena: &mut SendArena) {
        self.sealed.clear();
        if let Some(media) = &first.media
            && tx.seal_rtcp(media, &self.plain, &mut self.sealed).is_ok()
        {
            arena.push(path.local, path.remote, &self.sealed);
        }
        self.plain.clear();
    }
}

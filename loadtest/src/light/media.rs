//! The media of a light viewer: what comes is counted, what is due is answered.

use std::time::{Duration, Instant};

use conclave_sfu_srtp::{OwnedSsrc, RxStream, SrtpRx, SrtpTx};
use conclave_sfu_wire::rtcp::{self, Packet, Packets};
use conclave_sfu_wire::rtp::Header;

use super::arrivals::Arrivals;
use super::lines::{Content, Lines};
use super::stream::Stream;
use crate::journal::Counts;
use crate::source::splitmix;

/// From one TWCC message to the next, as libwebrtc has it for more than some 200 kbit/s.
const FEEDBACK_PAUSE: Duration = Duration::from_millis(50);
/// From one receiver report to the next, as libwebrtc has it for pictures.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// Everything that arrives on one connection.
pub(super) struct Media {
    epoch: Instant,
    /// Gives the own SSRC, and when feedback is due.
    seed: u64,
    keys: Option<Keys>,
    lines: Lines,
    streams: Vec<Stream>,
    resent: Vec<RxStream>,
    arrivals: Arrivals,
    feedback_due: Option<Instant>,
    report_due: Option<Instant>,
    opened: Vec<u8>,
    first_video: Option<Instant>,
    first_audio: Option<Instant>,
}

/// What packets are sealed and opened with.
struct Keys {
    tx: SrtpTx,
    rx: SrtpRx,
    own: OwnedSsrc,
}

impl Media {
    /// Begins at `epoch` with what the SDP of the server says.
    pub(super) fn new(epoch: Instant, seed: u64, lines: Lines) -> Media {
        Media {
            epoch,
            seed,
            keys: None,
            lines,
            streams: Vec::new(),
            resent: Vec::new(),
            arrivals: Arrivals::default(),
            feedback_due: None,
            report_due: None,
            opened: Vec::new(),
            first_video: None,
            first_audio: None,
        }
    }

    /// Takes the keys: from here on it can answer.
    pub(super) fn connect(&mut self, mut tx: SrtpTx, rx: SrtpRx) {
        let mut seed = self.seed ^ 0x4C49_4748_5400_0000;
        let own = tx.claim(splitmix(&mut seed) as u32);
        self.keys = own.ok().map(|own| Keys { tx, rx, own });
    }

    /// Takes a packet that came at `arrival`; returns whether it shows that others are missing.
    pub(super) fn handle_rtp(&mut self, now: Instant, arrival: Instant, packet: &[u8]) -> bool {
        let lines = &self.lines;
        let Some(header) = Header::parse(packet) else {
            return false;
        };
        let since_epoch = arrival.saturating_duration_since(self.epoch);
        if let Some(id) = lines.twcc()
            && let Some(&[high, low]) = header.extension(id)
        {
            let number = u16::from_be_bytes([high, low]);
            self.arrivals.note(number, since_epoch.as_micros() as i64);
            if self.arrivals.has_news() && self.feedback_due.is_none() {
                self.feedback_due = Some(self.next_feedback(now));
            }
        }
        let (is_video, clock_hz) = match lines.content(header.payload_type) {
            Some(Content::Video(clock_hz)) => (true, clock_hz),
            Some(Content::Audio(clock_hz)) => (false, clock_hz),
            Some(Content::Rtx) => {
                let media = lines.media_of(header.ssrc);
                self.handle_resent(media, &header, packet);
                return false;
            }
            None => return false,
        };
        let first = if is_video {
            &mut self.first_video
        } else {
            &mut self.first_audio
        };
        first.get_or_insert(arrival);
        self.report_due.get_or_insert(now + REPORT_PAUSE);
        let known = self.streams.iter();
        let place = known
            .map(Stream::ssrc)
            .position(|ssrc| ssrc == header.ssrc)
            .unwrap_or_else(|| {
                self.streams.push(Stream::new(&header, is_video, clock_hz));
                self.streams.len() - 1
            });
        self.streams[place].handle_packet(arrival, since_epoch, &header)
    }

    /// Takes the reports of the server.
    pub(super) fn handle_rtcp(&mut self, arrival: Instant, datagram: &[u8]) {
        let Some(keys) = &mut self.keys else {
            return;
        };
        self.opened.clear();
        if keys.rx.open_rtcp(datagram, &mut self.opened).is_err() {
            return;
        }
        for packet in Packets::new(&self.opened) {
            let Packet::SenderReport(report) = packet else {
                continue;
            };
            let mut streams = self.streams.iter_mut();
            if let Some(stream) = streams.find(|stream| stream.ssrc() == report.ssrc) {
                stream.handle_sender_report(arrival, report.ntp);
            }
        }
    }

    /// Gives up what did not come in time.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for stream in &mut self.streams {
            stream.handle_timeout(now);
        }
    }

    /// Returns what is due of reports, requests and feedback at `now`, as one datagram.
    pub(super) fn poll_answer(&mut self, now: Instant) -> Option<Vec<u8>> {
        let keys = self.keys.as_mut()?;
        let own = keys.own.get();
        let mut plain = Vec::new();
        if self.report_due.is_some_and(|due| due <= now) {
            self.report_due = Some(now + REPORT_PAUSE);
            let blocks: Vec<_> = self
                .streams
                .iter_mut()
                .take(rtcp::RECEIVER_REPORT_BLOCKS_MAX)
                .map(|stream| stream.report(now))
                .collect();
            rtcp::receiver_report(&mut plain, own, &blocks);
            rtcp::sdes_cname(&mut plain, own, "viewer");
        }
        for stream in &mut self.streams {
            let mut numbers = Vec::new();
            stream.poll_nacks(now, &mut numbers);
            if !numbers.is_empty() {
                rtcp::nack(&mut plain, own, stream.ssrc(), &numbers);
            }
        }
        if self.feedback_due.is_some_and(|due| due <= now) {
            self.feedback_due = None;
            let media = self.streams.first().map_or(0, Stream::ssrc);
            self.arrivals.report(own, media, &mut plain);
        }
        if plain.is_empty() {
            return None;
        }
        let mut payload = Vec::with_capacity(plain.len() + keys.tx.rtcp_overhead());
        let sealed = keys.tx.seal_rtcp(&keys.own, &plain, &mut payload);
        sealed.is_ok().then_some(payload)
    }

    /// Returns when something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let streams = self.streams.iter().filter_map(Stream::poll_timeout);
        let own = [self.feedback_due, self.report_due];
        streams
            .chain(own.into_iter().flatten())
            .min()
            .filter(|_| self.keys.is_some())
    }

    /// Returns how many packets came and how many did not, after all resending. What only
    /// their contents would tell is zero.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for stream in &self.streams {
            let given_up = stream.given_up();
            if stream.is_video() {
                counts.video_packets += stream.packets();
                counts.video_given_up += given_up.count();
                counts.video_late += given_up.late();
            } else {
                counts.audio_packets += stream.packets();
                counts.audio_given_up += given_up.count();
                counts.audio_late += given_up.late();
            }
        }
        counts
    }

    /// Returns how many frames have ended, by the marker of their last packet (without those
    /// sent again). Whether they could be shown only who opens them knows.
    pub(super) fn frames_ended(&self) -> u64 {
        self.streams.iter().map(Stream::frames).sum()
    }

    /// What the SDP of the server says.
    #[cfg(test)]
    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    /// When the first packet of a picture came.
    pub(super) fn first_video(&self) -> Option<Instant> {
        self.first_video
    }

    /// When the first packet of sound came.
    pub(super) fn first_audio(&self) -> Option<Instant> {
        self.first_audio
    }

    fn handle_resent(&mut self, media: Option<u32>, header: &Header<'_>, packet: &[u8]) {
        let Some(keys) = &mut self.keys else {
            return;
        };
        let streams = &mut self.streams;
        let Some(stream) = streams
            .iter_mut()
            .find(|stream| Some(stream.ssrc()) == media)
        else {
            return;
        };
        let known = self.resent.iter();
        let place = known
            .map(RxStream::ssrc)
            .position(|ssrc| ssrc == header.ssrc)
            .unwrap_or_else(|| {
                self.resent.push(RxStream::new(header.ssrc));
                self.resent.len() - 1
            });
        self.opened.clear();
        self.opened.extend_from_slice(packet);
        let opened = keys
            .rx
            .open_rtp(&mut self.resent[place], header.header_len, &mut self.opened);
        let Ok(opened) = opened else {
            return;
        };
        let plain = self.opened.get(..header.header_len + opened.payload_len);
        // The original number is in front (RFC 4588, section 4); padding alone has none.
        if let Some(&[high, low, ..]) = plain.and_then(|plain| header.payload(plain)) {
            stream.handle_resent(u16::from_be_bytes([high, low]));
        }
    }

    /// Returns the next place in time for feedback. Each viewer has places of its own: else
    /// all would answer at once, as no browsers do.
    fn next_feedback(&self, now: Instant) -> Instant {
        let mut seed = self.seed;
        let pause = FEEDBACK_PAUSE.as_micros() as u64;
        let phase = splitmix(&mut seed) % pause;
        let passed = now.saturating_duration_since(self.epoch).as_micros() as u64;
        let next = (passed + pause - phase) / pause * pause + phase;
        self.epoch + Duration::from_micros(next)
    }
}

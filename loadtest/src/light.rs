//! A viewer that counts and does not look: what a load generator can afford by the thousand.
//!
//! Description, ICE and DTLS are those of the stack. Packets are not: they are counted by
//! their headers, without being opened, and answered as a browser answers them: TWCC feedback,
//! receiver reports, requests for what is missing. Only what is sent again is opened, since
//! the number of the packet that it brings is sealed.

mod arrivals;
mod lines;
mod stream;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conclave_sfu_core::key_tap::{self, KeySlot};
use conclave_sfu_srtp::{OwnedSsrc, RxStream, SrtpRx, SrtpTx};
use conclave_sfu_wire::demux::Class;
use conclave_sfu_wire::rtcp::{self, Packet, Packets};
use conclave_sfu_wire::rtp::Header;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Event, Input, Output, Rtc, RtcError};

use crate::journal::Counts;
use crate::participant::{
    DRAIN_OUTPUTS_MAX, Outgoing, ParticipantConfig, ParticipantError, TIMEOUTS_MAX, host_candidate,
    rtc_config,
};
use crate::source::splitmix;

use arrivals::Arrivals;
use lines::{Content, Lines};
use stream::Stream;

/// From one TWCC message to the next, as libwebrtc has it for more than some 200 kbit/s.
const FEEDBACK_PAUSE: Duration = Duration::from_millis(50);
/// From one receiver report to the next, as libwebrtc has it for pictures.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// A viewer with one peer connection that receives only. It is driven as a
/// [`Participant`](crate::Participant) is.
pub struct LightViewer {
    config: ParticipantConfig,
    rtc: Rtc,
    slot: KeySlot,
    keys: Option<Keys>,
    epoch: Instant,
    clock: Instant,
    rtc_due: Instant,
    pending: Option<SdpPendingOffer>,
    address: SocketAddr,
    /// Where packets came from last: answers go there.
    server: Option<SocketAddr>,
    lines: Option<Lines>,
    streams: Vec<Stream>,
    resent: Vec<RxStream>,
    arrivals: Arrivals,
    feedback_due: Option<Instant>,
    report_due: Option<Instant>,
    outgoing: VecDeque<Outgoing>,
    opened: Vec<u8>,
    first_video: Option<Instant>,
    first_audio: Option<Instant>,
    connected: bool,
    failure: Option<RtcError>,
}

/// What packets are sealed and opened with.
struct Keys {
    tx: SrtpTx,
    rx: SrtpRx,
    own: OwnedSsrc,
}

impl LightViewer {
    /// Makes a viewer that has not offered.
    ///
    /// Of `config` it needs neither pictures nor what is to be recorded.
    pub fn new(now: Instant, config: ParticipantConfig) -> Self {
        let (rtc, slot) = key_tap::build(rtc_config(&config), now);
        let mut viewer = LightViewer {
            rtc,
            slot,
            keys: None,
            epoch: now,
            clock: now,
            rtc_due: now,
            pending: None,
            address: config.address,
            server: None,
            lines: None,
            streams: Vec::new(),
            resent: Vec::new(),
            arrivals: Arrivals::default(),
            feedback_due: None,
            report_due: None,
            outgoing: VecDeque::new(),
            opened: Vec::new(),
            first_video: None,
            first_audio: None,
            connected: false,
            failure: None,
            config,
        };
        if !viewer.address.ip().is_unspecified() {
            viewer.set_address(now, viewer.address);
        }
        viewer
    }

    /// Returns the first offer: video slots, then audio slots. To be called once.
    pub fn offer_to_watch(&mut self, now: Instant) -> String {
        self.advance(now);
        let mut api = self.rtc.sdp_api();
        for (kind, count) in [
            (MediaKind::Video, self.config.video_slots),
            (MediaKind::Audio, self.config.audio_slots),
        ] {
            for _ in 0..count {
                api.add_media(kind, Direction::RecvOnly, None, None, None);
            }
        }
        let (offer, pending) = api.apply().expect("m-lines were added");
        self.pending = Some(pending);
        self.drain();
        offer.to_sdp_string()
    }

    /// Answers the first offer of a server that sends. To be called once, in place of
    /// [`LightViewer::offer_to_watch`].
    ///
    /// # Errors
    /// Refuses what is no SDP or cannot be answered.
    pub fn answer(&mut self, now: Instant, sdp: &str) -> Result<String, ParticipantError> {
        self.advance(now);
        let refused = |reason: String| ParticipantError::Offer(reason);
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|error| refused(error.to_string()))?;
        let answer = self.rtc.sdp_api().accept_offer(offer);
        let answer = answer.map_err(|error| refused(error.to_string()))?;
        self.lines = Some(Lines::parse(sdp));
        self.drain();
        Ok(answer.to_sdp_string())
    }

    /// Takes the answer to the offer.
    ///
    /// # Errors
    /// Refuses an answer that nobody waits for or that does not fit the offer.
    pub fn accept_answer(&mut self, now: Instant, sdp: &str) -> Result<(), ParticipantError> {
        self.advance(now);
        let pending = self.pending.take().ok_or(ParticipantError::NoOffer)?;
        let refused = |reason: String| ParticipantError::Answer(reason);
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|error| refused(error.to_string()))?;
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|error| refused(error.to_string()))?;
        self.lines = Some(Lines::parse(sdp));
        self.drain();
        Ok(())
    }

    /// Gives a viewer that was made without one its host candidate.
    pub fn set_address(&mut self, now: Instant, address: SocketAddr) {
        self.advance(now);
        self.address = address;
        self.rtc.add_local_candidate(host_candidate(address));
        self.drain();
    }

    /// Takes one datagram that came at `now`, better the kernel's stamp, to `destination`.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        self.advance(now);
        match Class::of(payload) {
            Some(Class::Rtp) => {
                self.server = Some(source);
                self.handle_rtp(now, payload);
            }
            Some(Class::Rtcp) => self.handle_rtcp(now, payload),
            _ => {
                let Ok(contents) = payload.try_into() else {
                    return;
                };
                let receive = Receive {
                    proto: Protocol::Udp,
                    source,
                    destination,
                    contents,
                };
                self.input(Input::Receive(self.clock, receive));
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        for _ in 0..TIMEOUTS_MAX {
            if self.rtc_due > self.clock || !self.is_alive() {
                break;
            }
            self.input(Input::Timeout(self.clock));
        }
        for stream in &mut self.streams {
            stream.handle_timeout(self.clock);
        }
        self.answer_media();
    }

    /// Returns when [`LightViewer::handle_timeout`] is next due; `None` once the connection is dead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.is_alive() {
            return None;
        }
        let streams = self.streams.iter().filter_map(Stream::poll_timeout);
        let own = [self.feedback_due, self.report_due];
        let own = own.into_iter().flatten().filter(|_| self.keys.is_some());
        streams.chain(own).chain([self.rtc_due]).min()
    }

    /// Returns the next datagram to be sent.
    pub fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// The address of the host candidate.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns whether ICE and DTLS have been up at some time.
    pub fn has_connected(&self) -> bool {
        self.connected
    }

    /// Returns whether the connection can still be used.
    pub fn is_alive(&self) -> bool {
        self.failure.is_none() && self.rtc.is_alive()
    }

    /// Returns why the stack failed, if it did.
    pub fn failure(&self) -> Option<&RtcError> {
        self.failure.as_ref()
    }

    /// Returns how many packets came and how many did not, after all resending. What only
    /// their contents would tell is zero.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for stream in &self.streams {
            let (packets, lost) = if stream.is_video() {
                (&mut counts.video_packets, &mut counts.video_lost)
            } else {
                (&mut counts.audio_packets, &mut counts.audio_lost)
            };
            *packets += stream.packets();
            *lost += stream.lost();
            counts.late += stream.late();
        }
        counts
    }

    /// Returns how many frames have ended, by the marker of their last packet (without those
    /// sent again). Whether they could be shown only who opens them knows.
    pub fn frames_ended(&self) -> u64 {
        self.streams.iter().map(Stream::frames).sum()
    }

    /// Returns when the first packet of a picture came.
    pub fn first_video(&self) -> Option<Instant> {
        self.first_video
    }

    /// Returns when the first packet of sound came.
    pub fn first_audio(&self) -> Option<Instant> {
        self.first_audio
    }

    fn advance(&mut self, now: Instant) {
        self.clock = self.clock.max(now);
    }

    fn input(&mut self, input: Input<'_>) {
        if !self.is_alive() {
            return;
        }
        match self.rtc.handle_input(input) {
            Ok(()) => self.drain(),
            Err(error) => self.failure = Some(error),
        }
    }

    /// Takes every output of the stack, as it demands after each change.
    fn drain(&mut self) {
        for _ in 0..DRAIN_OUTPUTS_MAX {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(due)) => {
                    self.rtc_due = due;
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    // Media is answered here: the stack would seal reports of its own, of nothing.
                    if matches!(
                        Class::of(&transmit.contents),
                        Some(Class::Rtp | Class::Rtcp)
                    ) {
                        continue;
                    }
                    self.outgoing.push_back(Outgoing {
                        source: transmit.source,
                        destination: transmit.destination,
                        payload: transmit.contents.to_vec(),
                    });
                }
                Ok(Output::Event(Event::Connected)) => self.connect(),
                Ok(Output::Event(_)) => {}
                Err(error) => {
                    self.failure = Some(error);
                    return;
                }
            }
        }
        panic!(
            "viewer {}: the stack gives outputs without end",
            self.config.id
        );
    }

    fn connect(&mut self) {
        self.connected = true;
        let mut seed = self.config.seed ^ 0x4C49_4748_5400_0000;
        let contexts = key_tap::take(&mut self.slot).map(|keys| keys.contexts());
        let Some(Ok((mut tx, rx))) = contexts else {
            return;
        };
        let own = tx.claim(splitmix(&mut seed) as u32);
        self.keys = own.ok().map(|own| Keys { tx, rx, own });
    }

    fn handle_rtp(&mut self, arrival: Instant, packet: &[u8]) {
        let Some(lines) = &self.lines else {
            return;
        };
        let Some(header) = Header::parse(packet) else {
            return;
        };
        let since_epoch = arrival.saturating_duration_since(self.epoch);
        if let Some(id) = lines.twcc()
            && let Some(&[high, low]) = header.extension(id)
        {
            let number = u16::from_be_bytes([high, low]);
            self.arrivals.note(number, since_epoch.as_micros() as i64);
            if self.arrivals.has_news() && self.feedback_due.is_none() {
                self.feedback_due = Some(self.next_feedback());
            }
        }
        let (is_video, clock_hz) = match lines.content(header.payload_type) {
            Some(Content::Video(clock_hz)) => (true, clock_hz),
            Some(Content::Audio(clock_hz)) => (false, clock_hz),
            Some(Content::Rtx) => {
                let media = lines.media_of(header.ssrc);
                self.handle_resent(media, &header, packet);
                return;
            }
            None => return,
        };
        let first = if is_video {
            &mut self.first_video
        } else {
            &mut self.first_audio
        };
        first.get_or_insert(arrival);
        self.report_due.get_or_insert(self.clock + REPORT_PAUSE);
        let known = self.streams.iter();
        let place = known
            .map(Stream::ssrc)
            .position(|ssrc| ssrc == header.ssrc)
            .unwrap_or_else(|| {
                self.streams.push(Stream::new(&header, is_video, clock_hz));
                self.streams.len() - 1
            });
        if self.streams[place].handle_packet(arrival, since_epoch, &header) {
            self.answer_media();
        }
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

    fn handle_rtcp(&mut self, arrival: Instant, datagram: &[u8]) {
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

    /// Returns the next place in time for feedback. Each viewer has places of its own: else
    /// all would answer at once, as no browsers do.
    fn next_feedback(&self) -> Instant {
        let mut seed = self.config.seed;
        let pause = FEEDBACK_PAUSE.as_micros() as u64;
        let phase = splitmix(&mut seed) % pause;
        let passed = self.clock.saturating_duration_since(self.epoch).as_micros() as u64;
        let next = (passed + pause - phase) / pause * pause + phase;
        self.epoch + Duration::from_micros(next)
    }

    /// Sends what is due of reports, requests and feedback, as one datagram.
    fn answer_media(&mut self) {
        let now = self.clock;
        let (Some(keys), Some(server)) = (&mut self.keys, self.server) else {
            return;
        };
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
            return;
        }
        let mut payload = Vec::with_capacity(plain.len() + keys.tx.rtcp_overhead());
        if keys.tx.seal_rtcp(&keys.own, &plain, &mut payload).is_ok() {
            self.outgoing.push_back(Outgoing {
                source: self.address,
                destination: server,
                payload,
            });
        }
    }
}

#[cfg(test)]
mod tests;

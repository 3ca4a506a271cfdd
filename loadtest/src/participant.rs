//! A WebRTC client on str0m in RTP mode.

mod config;
mod devices;
mod sdp;
mod slots;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{MidName, Rid, Source};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Rid as RtcRid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpPacket;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError};

use crate::audit::SequenceAudit;
use crate::journal::{Counts, Figures, Journal, Record};
use crate::observation::Observation;
use crate::source::PictureSource;

pub use config::ParticipantConfig;
pub(crate) use config::rtc_config;
use devices::{Devices, Due};
use sdp::without_simulcast_ssrcs;
use slots::Slots;

/// Outputs of one drain before it is taken for an endless loop. A burst of
/// video with all its feedback stays two orders of magnitude below.
pub(crate) const DRAIN_OUTPUTS_MAX: usize = 100_000;
/// Timeouts served at one instant before the rest is left for the next call.
pub(crate) const TIMEOUTS_MAX: usize = 1_000;
/// Sent packets kept for retransmission, and for how long.
const RTX_PACKETS: usize = 1_024;
const RTX_AGE: Duration = Duration::from_secs(3);

/// Why a participant cannot go on with what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ParticipantError {
    /// An answer came although none was awaited.
    #[error("no offer is pending")]
    NoOffer,
    /// The answer is no SDP or does not fit the offer.
    #[error("answer refused: {0}")]
    Answer(String),
    /// The offer is no SDP or cannot be answered.
    #[error("offer refused: {0}")]
    Offer(String),
    /// The WebRTC stack gave up.
    #[error("stack failed: {0}")]
    Stack(#[from] RtcError),
}

/// A datagram to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The own address.
    pub source: SocketAddr,
    /// The address of the server.
    pub destination: SocketAddr,
    /// The datagram.
    pub payload: Vec<u8>,
}

/// One synthetic participant with one peer connection.
///
/// Every method takes the present; a time before an earlier one counts as the
/// earlier one. After each call [`Participant::poll_outgoing`] is to be asked
/// until it gives nothing, and [`Participant::poll_timeout`] for the next call
/// of [`Participant::handle_timeout`].
pub struct Participant {
    config: ParticipantConfig,
    rtc: Rtc,
    clock: Instant,
    /// When the datagram came that is being handled.
    arrival: Instant,
    rtc_due: Instant,
    pending: Option<SdpPendingOffer>,
    /// Whether the other side offered: then what is received is known from its offer.
    answers: bool,
    restarted_at: Option<SocketAddr>,
    address: SocketAddr,
    devices: Devices,
    slots: Slots,
    outgoing: VecDeque<Outgoing>,
    audit: SequenceAudit,
    connected: bool,
    ice: IceConnectionState,
    failure: Option<RtcError>,
}

impl Participant {
    /// Makes a participant that has neither offered nor published anything.
    pub fn new(now: Instant, config: ParticipantConfig) -> Self {
        let epoch = config.epoch.unwrap_or(now);
        Participant {
            address: config.address,
            rtc: build_rtc(now, &config),
            clock: now,
            arrival: now,
            rtc_due: now,
            pending: None,
            answers: false,
            restarted_at: None,
            devices: Devices::new(now, epoch, &config),
            slots: Slots::new(Journal::new(config.record, epoch)),
            outgoing: VecDeque::new(),
            audit: SequenceAudit::default(),
            connected: false,
            ice: IceConnectionState::New,
            failure: None,
            config,
        }
    }

    /// Returns the first offer: microphone, camera, screen, screen audio, then
    /// the video slots, then the audio slots. To be called once.
    pub fn offer(&mut self, now: Instant) -> String {
        self.offer_media(now, true)
    }

    /// Returns the first offer of somebody who only receives: video slots, then
    /// audio slots. To be called once, in place of [`Participant::offer`].
    pub fn offer_to_watch(&mut self, now: Instant) -> String {
        self.offer_media(now, false)
    }

    /// Answers the first offer of a server that sends: everything in it is received. To be
    /// called once, in place of [`Participant::offer`].
    ///
    /// # Errors
    ///
    /// Refuses what is no SDP or cannot be answered.
    pub fn answer(&mut self, now: Instant, offer: &str) -> Result<String, ParticipantError> {
        self.advance(now);
        let refused = |reason: String| ParticipantError::Offer(reason);
        let offer = SdpOffer::from_sdp_string(offer).map_err(|error| refused(error.to_string()))?;
        self.answers = true;
        let answer = self.rtc.sdp_api().accept_offer(offer);
        let answer = answer.map_err(|error| refused(error.to_string()))?;
        self.drain();
        Ok(answer.to_sdp_string())
    }

    /// Gives a participant that was made without one its host candidate.
    pub fn set_address(&mut self, now: Instant, address: SocketAddr) {
        self.advance(now);
        self.address = address;
        self.rtc.add_local_candidate(host_candidate(address));
        self.drain();
    }

    fn offer_media(&mut self, now: Instant, sends: bool) -> String {
        self.advance(now);
        let mut api = self.rtc.sdp_api();
        if sends {
            self.devices.offer(&mut api, &self.config);
        }
        for (kind, count) in [
            (MediaKind::Video, self.config.video_slots),
            (MediaKind::Audio, self.config.audio_slots),
        ] {
            for _ in 0..count {
                let mid = api.add_media(kind, Direction::RecvOnly, None, None, None);
                self.slots.add(mid, kind);
            }
        }
        let (offer, pending) = api.apply().expect("m-lines were added");
        self.pending = Some(pending);
        self.drain();
        let camera = self.devices.mid(Source::Camera);
        without_simulcast_ssrcs(
            &offer.to_sdp_string(),
            camera.filter(|_| self.config.simulcast),
        )
    }

    /// Returns an offer with new ICE credentials, which counts once it is
    /// answered; from then on `address` is the only host candidate.
    pub fn restart_ice(&mut self, now: Instant, address: SocketAddr) -> String {
        self.advance(now);
        let mut api = self.rtc.sdp_api();
        api.ice_restart(false);
        let (offer, pending) = api.apply().expect("a restart is a change");
        self.pending = Some(pending);
        self.restarted_at = Some(address);
        self.drain();
        let camera = self.devices.mid(Source::Camera);
        without_simulcast_ssrcs(
            &offer.to_sdp_string(),
            camera.filter(|_| self.config.simulcast),
        )
    }

    /// Takes the answer to the last offer.
    ///
    /// # Errors
    ///
    /// Refuses an answer that nobody waits for or that does not fit the offer.
    pub fn accept_answer(&mut self, now: Instant, sdp: &str) -> Result<(), ParticipantError> {
        self.advance(now);
        let pending = self.pending.take().ok_or(ParticipantError::NoOffer)?;
        let refused = |reason: String| ParticipantError::Answer(reason);
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|error| refused(error.to_string()))?;
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|error| refused(error.to_string()))?;
        self.drain();
        if let Some(address) = self.restarted_at.take() {
            self.address = address;
            self.rtc.add_local_candidate(host_candidate(address));
            self.drain();
        }
        self.widen_rtx_caches();
        Ok(())
    }

    /// Switches a made-up device on or off. What it makes is sent at once,
    /// whether the server has accepted a publication or not.
    pub fn publish(&mut self, now: Instant, source: Source, on: bool) {
        self.advance(now);
        self.devices.set_on(self.clock, source, on);
        self.serve_sources();
    }

    /// Chooses the encodings of a picture that are sent.
    pub fn set_active(&mut self, source: Source, active: &[Rid]) {
        self.devices.set_active(source, active);
    }

    /// Sets how loud a source is as RFC 6464 counts it: 0 is loudest, 127 silence.
    pub fn set_level(&mut self, source: Source, level: u8) {
        self.devices.set_level(source, level);
    }

    /// Takes one datagram that came at `now` to `destination`, an address of this
    /// participant. Where the kernel stamps arrivals, its stamp is the better `now`: feedback
    /// on congestion tells when packets came, not when somebody found time for them.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        // Delays count until the datagram came, even if a timer was served since.
        self.arrival = now;
        self.advance(now);
        if self.config.record == Record::Everything {
            self.audit.handle_datagram(payload);
        }
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
        self.request_keyframes();
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
        self.slots.handle_timeout(self.clock);
        self.serve_sources();
        self.request_keyframes();
    }

    /// Returns when [`Participant::handle_timeout`] is next due; `None` once the connection is dead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.is_alive() {
            return None;
        }
        let devices = self.devices.poll_timeout();
        let slots = self.slots.poll_timeout();
        devices.into_iter().chain(slots).chain([self.rtc_due]).min()
    }

    /// Returns the next datagram to be sent.
    pub fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// Who this is.
    pub fn id(&self) -> u64 {
        self.config.id
    }

    /// The address of the host candidate in use.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the m-line on which a source is sent, once it has been offered.
    pub fn sending_mid(&self, source: Source) -> Option<MidName> {
        self.devices.sending_mid(source)
    }

    /// The m-lines of the video slots, in the order of the offer.
    pub fn video_slots(&self) -> &[MidName] {
        self.slots.video_names()
    }

    /// The m-lines of the audio slots, in the order of the offer.
    pub fn audio_slots(&self) -> &[MidName] {
        self.slots.audio_names()
    }

    /// Returns whether ICE and DTLS have been up at some time.
    pub fn has_connected(&self) -> bool {
        self.connected
    }

    /// Returns whether a path to the server is up at present.
    pub fn has_path(&self) -> bool {
        matches!(
            self.ice,
            IceConnectionState::Connected | IceConnectionState::Completed
        )
    }

    /// Returns whether the connection can still be used.
    pub fn is_alive(&self) -> bool {
        self.failure.is_none() && self.rtc.is_alive()
    }

    /// Returns why the stack failed, if it did.
    pub fn failure(&self) -> Option<&RtcError> {
        self.failure.as_ref()
    }

    /// Returns a copy of everything that was received.
    pub fn observation(&self) -> Observation {
        self.slots.observation(self.audit.collisions())
    }

    /// Returns how many frames a video slot has shown so far; with [`Record::Figures`] 0.
    pub fn frames_shown(&self, slot: &MidName) -> usize {
        self.slots.frames_shown(slot)
    }

    /// Returns how much of everything was received so far.
    pub fn counts(&self) -> Counts {
        self.slots.counts()
    }

    /// Returns how many packets of media it has sent, without those sent again.
    pub fn packets_sent(&self) -> u64 {
        self.devices.sent()
    }

    /// Moves what was measured since the last time into `figures`; with
    /// [`Record::Everything`] there is none.
    pub fn take_figures(&mut self, figures: &mut Figures) {
        self.slots.take_figures(figures);
    }

    /// Notes pictures that stand still at `now`, as at the end of a run.
    pub fn close_freezes(&mut self, now: Instant) {
        self.slots.close_freezes(now);
    }

    /// Returns when the first frame could be shown.
    pub fn first_frame(&self) -> Option<Instant> {
        self.slots.first().0
    }

    /// Returns when the first sound came.
    pub fn first_sound(&self) -> Option<Instant> {
        self.slots.first().1
    }

    /// Returns when the server asked for keyframes of a source, by encoding.
    pub fn keyframes_asked(&self, source: Source) -> Vec<(Option<Rid>, Vec<Instant>)> {
        let picture = self.devices.picture(source);
        let asked = picture.into_iter().flat_map(PictureSource::keyframes_asked);
        asked.map(|(rid, times)| (rid, times.to_vec())).collect()
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
                Ok(Output::Transmit(transmit)) => self.outgoing.push_back(Outgoing {
                    source: transmit.source,
                    destination: transmit.destination,
                    payload: transmit.contents.to_vec(),
                }),
                Ok(Output::Event(event)) => self.handle_event(event),
                Err(error) => {
                    self.failure = Some(error);
                    return;
                }
            }
        }
        panic!(
            "participant {}: the stack gives outputs without end",
            self.config.id
        );
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::IceConnectionStateChange(state) => self.ice = state,
            Event::RtpPacket(packet) => self.handle_packet(packet),
            Event::MediaAdded(added) if self.answers => self.slots.add(added.mid, added.kind),
            Event::KeyframeRequest(request) => {
                let rid = request.rid.and_then(|rid| Rid::parse(&rid));
                self.devices
                    .handle_keyframe_request(self.clock, request.mid, rid);
            }
            _ => {}
        }
    }

    fn handle_packet(&mut self, packet: RtpPacket) {
        self.slots
            .handle_packet(self.clock, self.arrival, &mut self.rtc, packet);
    }

    fn request_keyframes(&mut self) {
        for mid in self.slots.poll_keyframe_requests(self.clock) {
            if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
            self.drain();
        }
    }

    /// Makes what the devices have due and hands it to the stack.
    fn serve_sources(&mut self) {
        let due = self.devices.handle_timeout(self.clock);
        if !self.connected || !self.is_alive() {
            return;
        }
        for due in due {
            self.send(due);
        }
    }

    fn send(&mut self, due: Due) {
        if self.devices.write(self.clock, &mut self.rtc, due) {
            self.drain();
            // The stack sends what was written at the next timeout, which is now.
            self.input(Input::Timeout(self.clock));
        }
    }

    /// Lifts str0m's ratio cap, which no browser has: under heavy loss it drops resends.
    fn widen_rtx_caches(&mut self) {
        let mids: Vec<_> = self.devices.mids().collect();
        for (source, mid) in mids {
            if !source.is_video() {
                continue;
            }
            for rid in [None, Some(Rid::Q), Some(Rid::H), Some(Rid::F)] {
                let rid = rid.map(|rid| RtcRid::from(rid.as_str()));
                if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, rid) {
                    stream.set_rtx_cache(RTX_PACKETS, RTX_AGE, None);
                }
                self.drain();
            }
        }
    }
}

fn build_rtc(now: Instant, config: &ParticipantConfig) -> Rtc {
    let mut rtc = rtc_config(config).build(now);
    if !config.address.ip().is_unspecified() {
        rtc.add_local_candidate(host_candidate(config.address));
    }
    rtc
}

pub(crate) fn host_candidate(address: SocketAddr) -> Candidate {
    Candidate::host(address, "udp").expect("a unicast address over UDP is a host candidate")
}

fn name_of(mid: Mid) -> MidName {
    MidName::new(&mid).expect("str0m makes mids of three letters and digits")
}

#[cfg(test)]
mod tests;

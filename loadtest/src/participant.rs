//! A WebRTC client on str0m in RTP mode.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Codec, MidName, Rid, Source};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec as RtcCodec;
use str0m::media::{
    Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid as RtcRid, Simulcast, SimulcastLayer,
};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError};

use crate::audit::SequenceAudit;
use crate::observation::Observation;
use crate::receive::{AudioReceiver, Received, VideoReceiver};
use crate::source::{AudioSource, PictureShape, PictureSource, SourcePacket, splitmix};

/// Outputs of one drain before it is taken for an endless loop. A burst of
/// video with all its feedback stays two orders of magnitude below.
const DRAIN_OUTPUTS_MAX: usize = 100_000;
/// Timeouts served at one instant before the rest is left for the next call.
const TIMEOUTS_MAX: usize = 1_000;
/// Sent packets kept for retransmission, and for how long.
const RTX_PACKETS: usize = 1_024;
const RTX_AGE: Duration = Duration::from_secs(3);

/// What a participant offers and sends.
#[derive(Debug, Clone)]
pub struct ParticipantConfig {
    /// Who it is; stands in every packet that it makes.
    pub id: u64,
    /// Its host candidate.
    pub address: SocketAddr,
    /// Receiving m-lines for pictures.
    pub video_slots: usize,
    /// Receiving m-lines for sound.
    pub audio_slots: usize,
    /// Whether the camera has three encodings.
    pub simulcast: bool,
    /// Codecs offered; Opus is always offered. Only VP8 is ever sent.
    pub codecs: Vec<Codec>,
    /// How its pictures look.
    pub pictures: PictureShape,
    /// Gives the beginnings of sequence numbers, timestamps and picture ids.
    pub seed: u64,
}

impl ParticipantConfig {
    /// A participant as a browser would be, with 12 video and 4 audio slots.
    pub fn new(id: u64, address: SocketAddr) -> Self {
        ParticipantConfig {
            id,
            address,
            video_slots: 12,
            audio_slots: 4,
            simulcast: true,
            codecs: vec![Codec::Vp8, Codec::H264],
            pictures: PictureShape::default(),
            seed: id,
        }
    }
}

/// Why a participant cannot go on with what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ParticipantError {
    /// An answer came although none was awaited.
    #[error("no offer is pending")]
    NoOffer,
    /// The answer is no SDP or does not fit the offer.
    #[error("answer refused: {0}")]
    Answer(String),
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
    rtc_due: Instant,
    pending: Option<SdpPendingOffer>,
    restarted_at: Option<SocketAddr>,
    address: SocketAddr,
    sending: BTreeMap<Source, Mid>,
    pictures: BTreeMap<Source, PictureSource>,
    sounds: BTreeMap<Source, AudioSource>,
    video: BTreeMap<MidName, (Mid, VideoReceiver)>,
    audio: BTreeMap<MidName, AudioReceiver>,
    video_slots: Vec<MidName>,
    audio_slots: Vec<MidName>,
    ssrcs: HashMap<Ssrc, MidName>,
    outgoing: VecDeque<Outgoing>,
    audit: SequenceAudit,
    strays: u64,
    connected: bool,
    ice: IceConnectionState,
    failure: Option<RtcError>,
}

impl Participant {
    /// Makes a participant that has neither offered nor published anything.
    pub fn new(now: Instant, config: ParticipantConfig) -> Self {
        let rtc = build_rtc(now, &config);
        let mut seed = config.seed;
        let shapes = config.pictures;
        let camera: Vec<_> = if config.simulcast {
            Rid::ALL.into_iter().map(Some).zip(shapes.camera).collect()
        } else {
            vec![(None, shapes.camera[2])]
        };
        let mut picture = |source, fps, shapes: &[_]| {
            (
                source,
                PictureSource::new(now, config.id, source, fps, shapes, splitmix(&mut seed)),
            )
        };
        let pictures = BTreeMap::from([
            picture(Source::Camera, shapes.camera_fps, &camera),
            picture(Source::Screen, shapes.screen_fps, &[(None, shapes.screen)]),
        ]);
        let mut sound = |source| {
            (
                source,
                AudioSource::new(now, config.id, source, splitmix(&mut seed)),
            )
        };
        let sounds = BTreeMap::from([sound(Source::Microphone), sound(Source::ScreenAudio)]);
        Participant {
            address: config.address,
            config,
            rtc,
            clock: now,
            rtc_due: now,
            pending: None,
            restarted_at: None,
            sending: BTreeMap::new(),
            pictures,
            sounds,
            video: BTreeMap::new(),
            audio: BTreeMap::new(),
            video_slots: Vec::new(),
            audio_slots: Vec::new(),
            ssrcs: HashMap::new(),
            outgoing: VecDeque::new(),
            audit: SequenceAudit::default(),
            strays: 0,
            connected: false,
            ice: IceConnectionState::New,
            failure: None,
        }
    }

    /// Returns the first offer: microphone, camera, screen, screen audio, then
    /// the video slots, then the audio slots. To be called once.
    pub fn offer(&mut self, now: Instant) -> String {
        self.advance(now);
        let mut api = self.rtc.sdp_api();
        for source in [
            Source::Microphone,
            Source::Camera,
            Source::Screen,
            Source::ScreenAudio,
        ] {
            let simulcast = (source == Source::Camera && self.config.simulcast).then(simulcast);
            let stream = Some(format!("send{}", self.config.id));
            let mid = api.add_media(
                kind_of(source),
                Direction::SendOnly,
                stream,
                None,
                simulcast,
            );
            self.sending.insert(source, mid);
        }
        for _ in 0..self.config.video_slots {
            let mid = api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
            self.video_slots.push(name_of(mid));
            self.video.insert(name_of(mid), (mid, VideoReceiver::new()));
        }
        for _ in 0..self.config.audio_slots {
            let mid = api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
            self.audio_slots.push(name_of(mid));
            self.audio.insert(name_of(mid), AudioReceiver::new());
        }
        let (offer, pending) = api.apply().expect("m-lines were added");
        self.pending = Some(pending);
        self.drain();
        let camera = self.sending[&Source::Camera];
        without_simulcast_ssrcs(
            &offer.to_sdp_string(),
            self.config.simulcast.then_some(camera),
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
        let camera = self.sending.get(&Source::Camera).copied();
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
        if let Some(picture) = self.pictures.get_mut(&source) {
            picture.set_on(self.clock, on);
        }
        if let Some(sound) = self.sounds.get_mut(&source) {
            sound.set_on(self.clock, on);
        }
        self.serve_sources();
    }

    /// Chooses the encodings of a picture that are sent.
    pub fn set_active(&mut self, source: Source, active: &[Rid]) {
        if let Some(picture) = self.pictures.get_mut(&source) {
            picture.set_active(active);
        }
    }

    /// Sets how loud a source is as RFC 6464 counts it: 0 is loudest, 127 silence.
    pub fn set_level(&mut self, source: Source, level: u8) {
        if let Some(sound) = self.sounds.get_mut(&source) {
            sound.set_level(level);
        }
    }

    /// Takes one datagram that came to `destination`, an address of this participant.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        self.advance(now);
        self.audit.handle_datagram(payload);
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
        let clock = self.clock;
        for (_, receiver) in self.video.values_mut() {
            receiver.handle_timeout(clock);
        }
        for receiver in self.audio.values_mut() {
            receiver.handle_timeout(clock);
        }
        self.serve_sources();
        self.request_keyframes();
    }

    /// Returns when [`Participant::handle_timeout`] is next due; `None` once the connection is dead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.is_alive() {
            return None;
        }
        let pictures = self
            .pictures
            .values()
            .filter_map(PictureSource::poll_timeout);
        let sounds = self.sounds.values().filter_map(AudioSource::poll_timeout);
        let video = self
            .video
            .values()
            .filter_map(|(_, receiver)| receiver.poll_timeout());
        let audio = self.audio.values().filter_map(AudioReceiver::poll_timeout);
        pictures
            .chain(sounds)
            .chain(video)
            .chain(audio)
            .chain([self.rtc_due])
            .min()
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
        self.sending.get(&source).map(|mid| name_of(*mid))
    }

    /// The m-lines of the video slots, in the order of the offer.
    pub fn video_slots(&self) -> &[MidName] {
        &self.video_slots
    }

    /// The m-lines of the audio slots, in the order of the offer.
    pub fn audio_slots(&self) -> &[MidName] {
        &self.audio_slots
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
        let video = self.video.iter();
        let audio = self.audio.iter();
        Observation {
            video: video
                .map(|(mid, (_, slot))| (*mid, slot.observation().clone()))
                .collect(),
            audio: audio
                .map(|(mid, slot)| (*mid, slot.observation().clone()))
                .collect(),
            sequence_collisions: self.audit.collisions(),
            strays: self.strays,
        }
    }

    /// Returns how many frames a video slot has shown so far.
    pub fn frames_shown(&self, slot: &MidName) -> usize {
        self.video
            .get(slot)
            .map_or(0, |(_, receiver)| receiver.observation().frames.len())
    }

    /// Returns when the server asked for keyframes of a source, by encoding.
    pub fn keyframes_asked(&self, source: Source) -> Vec<(Option<Rid>, Vec<Instant>)> {
        let picture = self.pictures.get(&source);
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
            Event::KeyframeRequest(request) => {
                let source = self.sending.iter().find(|(_, mid)| **mid == request.mid);
                let picture = source.and_then(|(source, _)| self.pictures.get_mut(source));
                if let Some(picture) = picture {
                    let rid = request.rid.and_then(|rid| Rid::parse(&rid));
                    picture.handle_keyframe_request(self.clock, rid);
                }
            }
            _ => {}
        }
    }

    fn handle_packet(&mut self, packet: RtpPacket) {
        let ssrc = packet.header.ssrc;
        let mid = match self.ssrcs.get(&ssrc) {
            Some(mid) => *mid,
            None => {
                let mut api = self.rtc.direct_api();
                let Some(stream) = api.stream_rx(&ssrc) else {
                    return;
                };
                let mid = name_of(stream.mid());
                self.ssrcs.insert(ssrc, mid);
                mid
            }
        };
        let received = Received {
            arrival: self.clock,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            level: packet
                .header
                .ext_vals
                .audio_level
                .map(|level| level.unsigned_abs()),
            payload: packet.payload,
        };
        let (now, ssrc, seq) = (self.clock, *ssrc, *packet.seq_no);
        if let Some((_, slot)) = self.video.get_mut(&mid) {
            slot.handle_packet(now, ssrc, seq, received);
        } else if let Some(slot) = self.audio.get_mut(&mid) {
            slot.handle_packet(now, ssrc, seq, received);
        } else {
            self.strays += 1;
        }
    }

    fn request_keyframes(&mut self) {
        let clock = self.clock;
        let wanted: Vec<Mid> = self
            .video
            .values_mut()
            .filter_map(|(mid, slot)| slot.poll_keyframe_request(clock).then_some(*mid))
            .collect();
        for mid in wanted {
            if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
            self.drain();
        }
    }

    /// Makes what the sources have due and hands it to the stack.
    fn serve_sources(&mut self) {
        let clock = self.clock;
        let mut due = Vec::new();
        for (source, picture) in &mut self.pictures {
            picture.handle_timeout(clock);
            due.extend(
                picture
                    .poll_burst(clock)
                    .into_iter()
                    .map(|packet| (*source, packet, None)),
            );
        }
        for (source, sound) in &mut self.sounds {
            while let Some(packet) = sound.poll_packet(clock) {
                due.push((*source, packet, Some(sound.level())));
            }
        }
        if !self.connected || !self.is_alive() {
            return;
        }
        for (source, packet, level) in due {
            self.send(source, packet, level);
        }
    }

    fn send(&mut self, source: Source, packet: SourcePacket, level: Option<u8>) {
        let Some(mid) = self.sending.get(&source).copied() else {
            return;
        };
        let Some(pt) = self.payload_type(mid, source) else {
            return;
        };
        let rid = packet.encoding.map(|rid| RtcRid::from(rid.as_str()));
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, rid) else {
            return;
        };
        let ext_vals = ExtensionValues {
            // Negative decibels; the wire has their absolute value.
            audio_level: level.map(|level| -(level.min(127) as i8)),
            voice_activity: level.map(|level| level < 60),
            ..ExtensionValues::default()
        };
        let write = RtpWrite::new(
            pt,
            packet.seq.into(),
            packet.timestamp,
            self.clock,
            packet.payload,
        )
        .marker(packet.marker)
        .ext_vals(ext_vals)
        .nackable(source.is_video());
        stream.write_rtp(write);
        self.drain();
        // The stack sends what was written at the next timeout, which is now.
        self.input(Input::Timeout(self.clock));
    }

    fn payload_type(&self, mid: Mid, source: Source) -> Option<Pt> {
        let codec = if source.is_video() {
            RtcCodec::Vp8
        } else {
            RtcCodec::Opus
        };
        let remote = self.rtc.media(mid)?.remote_pts();
        let params = self.rtc.codec_config().params().iter();
        params
            .filter(|params| params.spec().codec == codec)
            .map(|params| params.pt())
            .find(|pt| remote.contains(pt))
    }

    /// Lifts str0m's ratio cap, which no browser has: under heavy loss it drops resends.
    fn widen_rtx_caches(&mut self) {
        for (source, mid) in self.sending.clone() {
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
    let mut rtc = RtcConfig::new()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(config.codecs.contains(&Codec::Vp8))
        .enable_h264(config.codecs.contains(&Codec::H264))
        .set_stats_interval(None)
        .build(now);
    rtc.add_local_candidate(host_candidate(config.address));
    rtc
}

fn host_candidate(address: SocketAddr) -> Candidate {
    Candidate::host(address, "udp").expect("a unicast address over UDP is a host candidate")
}

fn simulcast() -> Simulcast {
    let send = Rid::ALL
        .into_iter()
        .map(|rid| SimulcastLayer::new(rid.as_str()))
        .collect();
    Simulcast {
        send,
        recv: Vec::new(),
    }
}

fn kind_of(source: Source) -> MediaKind {
    if source.is_video() {
        MediaKind::Video
    } else {
        MediaKind::Audio
    }
}

fn name_of(mid: Mid) -> MidName {
    MidName::new(&mid).expect("str0m makes mids of three letters and digits")
}

/// Takes the `a=ssrc` lines out of a simulcast m-line: browsers write none there,
/// so a server must find its streams by rid.
fn without_simulcast_ssrcs(sdp: &str, simulcast: Option<Mid>) -> String {
    let Some(mid) = simulcast else {
        return sdp.to_owned();
    };
    let marker = format!("a=mid:{mid}");
    let mut sections = sdp.split("\r\nm=");
    let mut out = sections.next().unwrap_or_default().to_owned();
    for section in sections {
        out.push_str("\r\nm=");
        if section.lines().any(|line| line == marker) {
            let kept = section
                .split("\r\n")
                .filter(|line| !line.starts_with("a=ssrc"));
            out.push_str(&kept.collect::<Vec<_>>().join("\r\n"));
        } else {
            out.push_str(section);
        }
    }
    out
}

#[cfg(test)]
mod tests;

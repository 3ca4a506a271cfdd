//! ICE, DTLS, SDP and receiving for one participant.
//!
//! The only folder of the server that names str0m. A transport has no send
//! method: [`crate::sender::Sender`] sends, over the path that this holds.

mod key_tap;
mod negotiate;
mod policer;
mod receive;
mod str0m_sender;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Codec, MidName, Rid, TransportFailure};
use conclave_sfu_wire::relayed::is_relayed;
use conclave_sfu_wire::sdp::{Direction, MediaKind};
use conclave_sfu_wire::{demux, dtls, stun};
use str0m::bwe::{Bitrate, BweKind};
use str0m::format::Codec as Str0mCodec;
use str0m::media::KeyframeRequestKind;
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::rtp::{Extension, ExtensionMap, Ssrc};
use str0m::{Candidate, Event, IceConnectionState, IceCreds, Input, Output, Rtc, RtcConfig};

use crate::arena::SendArena;
use crate::packet::MediaPacket;
use crate::sender::SenderEvent;
use policer::Policer;

pub(crate) use negotiate::{Negotiated, SendingLine};
pub(crate) use str0m_sender::Str0mSender;

/// Deadlines within this are served at once: str0m asks for a wake-up a
/// microsecond after each paced packet, and a sleep costs more than that.
const QUANTUM: Duration = Duration::from_millis(1);

/// Most wake-ups served inline in one turn, so that one transport (or a loop in
/// the library) cannot hold up its shard.
const INLINE_TIMEOUTS_MAX: usize = 128;

/// What a subscriber's path is assumed to take before anything is measured.
/// Higher starts sharper, and overruns slow links for the first second.
pub(crate) const ESTIMATE_START_BPS: u64 = 1_500_000;

/// Constrained baseline, level 3.1: what every browser offers (RFC 6184, section 8.1).
const H264_BASELINE: u32 = 0x42_e0_1f;

/// Packets kept per video stream for retransmission: one second of a 1.7
/// Mbit/s picture. str0m keeps 400 bytes of its own per packet and subscriber.
const RTX_PACKETS: usize = 256;

/// What a transport is built from.
pub(crate) struct TransportConfig<'a> {
    /// Our advertised addresses.
    pub(crate) candidates: &'a [SocketAddr],
    /// Our ICE credentials (RFC 8445, section 5.3).
    pub(crate) credentials: Credentials,
    /// Video codecs that the room allows.
    pub(crate) video_codecs: &'a [Codec],
}

/// Our half of the ICE credentials.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) password: String,
}

/// What a transport reports.
pub(crate) enum TransportEvent {
    /// A connectivity check from `remote` to `local` was genuine.
    Validated {
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// ICE and DTLS are up.
    Connected {
        /// Whether media is sealed with an AEAD.
        aead: bool,
    },
    /// ICE lost or regained the path.
    Reachable(bool),
    /// The other side closed.
    Closed,
    /// A packet on a negotiated m-line.
    Media {
        mid: MidName,
        rid: Option<Rid>,
        packet: MediaPacket,
    },
}

enum State {
    Handshaking,
    Connected,
    Ended,
}

/// One peer connection's transport.
pub(crate) struct Transport {
    rtc: Rtc,
    keys: key_tap::KeySlot,
    state: State,
    failure: Option<TransportFailure>,
    clock: Instant,
    next_timeout: Option<Instant>,
    streams: Vec<(Ssrc, MidName, Option<Rid>)>,
    /// The m-lines of the first offer; later ones may only restart ICE.
    shape: Vec<(MidName, MediaKind, Direction)>,
    policer: Policer,
    codecs: [Option<Codec>; 128],
    events: VecDeque<TransportEvent>,
    feedback: VecDeque<SenderEvent>,
    filtered: u64,
    /// Whether it may use the relay alone.
    relay_only: bool,
    not_relayed: u64,
    /// Keyframes that were asked for.
    requested: u64,
}

impl Transport {
    /// Builds a transport that waits for an offer.
    pub(crate) fn new(now: Instant, config: TransportConfig<'_>) -> Self {
        let (mut rtc, keys) = key_tap::build(rtc_config(&config), now);
        for address in config.candidates {
            // An address that is no valid host candidate was refused at start.
            if let Ok(candidate) = Candidate::host(*address, Protocol::Udp) {
                rtc.add_local_candidate(candidate);
            }
        }
        Transport {
            rtc,
            keys,
            state: State::Handshaking,
            failure: None,
            clock: now,
            next_timeout: None,
            streams: Vec::new(),
            shape: Vec::new(),
            policer: Policer::new(now),
            codecs: [None; 128],
            events: VecDeque::new(),
            feedback: VecDeque::new(),
            filtered: 0,
            relay_only: false,
            not_relayed: 0,
            requested: 0,
        }
    }

    /// Says whether it may use the relay alone: then nothing leaves for another
    /// address, not even on a path that ICE still holds. What arrives is the
    /// demultiplexer's to refuse.
    pub(crate) fn set_relay_only(&mut self, relay_only: bool) {
        self.relay_only = relay_only;
    }

    /// Asks the publisher for a keyframe of one encoding.
    pub(crate) fn request_keyframe(&mut self, mid: MidName, rid: Option<Rid>) {
        self.guarded(|transport| {
            let rid = rid.map(|rid| rid.as_str().into());
            let mut direct = transport.rtc.direct_api();
            if let Some(stream) = direct.stream_rx_by_mid(mid.as_str().into(), rid) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                transport.requested += 1;
            }
        });
    }

    /// Ends the transport: says so to the other side where it can.
    pub(crate) fn close(&mut self, now: Instant, arena: &mut SendArena) {
        self.guarded(|transport| {
            if transport.rtc.close().is_ok() {
                transport.drain(now, arena);
            }
        });
        self.state = State::Ended;
    }

    /// Takes a datagram that the demultiplexer found to be for this transport.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
        arena: &mut SendArena,
    ) {
        let passes = match demux::Class::of(payload) {
            Some(demux::Class::Dtls) => self.passes_filter(payload),
            Some(demux::Class::Rtp | demux::Class::Rtcp) => self.policer.admit(now, payload.len()),
            _ => true,
        };
        if !passes {
            self.filtered += 1;
            return;
        }
        let Ok(contents) = DatagramRecv::try_from(payload) else {
            self.filtered += 1;
            return;
        };
        self.guarded(|transport| {
            let receive = Receive {
                proto: Protocol::Udp,
                source,
                destination,
                contents,
            };
            let at = transport.advance(now);
            if transport
                .rtc
                .handle_input(Input::Receive(at, receive))
                .is_err()
            {
                transport.fail(TransportFailure::Dtls);
                return;
            }
            transport.drain(now, arena);
        });
    }

    /// Does what is due at `now`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, arena: &mut SendArena) {
        self.guarded(|transport| {
            let at = transport.advance(now);
            if transport.rtc.handle_input(Input::Timeout(at)).is_err() {
                transport.fail(TransportFailure::Dtls);
                return;
            }
            transport.drain(now, arena);
        });
    }

    /// Returns when [`Transport::handle_timeout`] is next due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Handshaking | State::Connected => self.next_timeout,
            State::Ended => None,
        }
    }

    /// Takes the next event.
    pub(crate) fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// Takes the reason why the transport ended by itself, once.
    pub(crate) fn poll_failure(&mut self) -> Option<TransportFailure> {
        self.failure.take()
    }

    /// Returns whether media can be sent.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected)
    }

    /// Takes the number of datagrams and packets that were dropped since the
    /// last time: by the DTLS filter, the policer, or for their size.
    pub(crate) fn take_filtered(&mut self) -> u64 {
        std::mem::take(&mut self.filtered)
    }

    /// Takes the number of datagrams that did not leave since the last time,
    /// because they were not for the relay.
    pub(crate) fn take_not_relayed(&mut self) -> u64 {
        std::mem::take(&mut self.not_relayed)
    }

    /// Takes the number of keyframes that were asked for since the last time.
    pub(crate) fn take_requested(&mut self) -> u64 {
        std::mem::take(&mut self.requested)
    }

    /// Plaintext alerts and records of a wrong version never reach the
    /// handshake, and a finished handshake is not begun anew: one spoofed
    /// datagram must not end a call.
    fn passes_filter(&self, payload: &[u8]) -> bool {
        let restarts = self.is_connected() && dtls::is_client_hello(payload);
        !restarts && matches!(dtls::before_handshake(payload), dtls::Verdict::Pass)
    }

    /// str0m ignores inputs from before its last one: its clock only rises.
    fn advance(&mut self, at: Instant) -> Instant {
        self.clock = self.clock.max(at);
        self.clock
    }

    /// Runs library code so that a panic in it ends this transport alone.
    fn guarded(&mut self, serve: impl FnOnce(&mut Self)) {
        if matches!(self.state, State::Ended) {
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| serve(self))).is_err() {
            self.fail(TransportFailure::Panic);
        }
    }

    fn fail(&mut self, failure: TransportFailure) {
        self.state = State::Ended;
        self.failure = Some(failure);
    }

    /// Takes everything out of the library until it only waits.
    fn drain(&mut self, now: Instant, arena: &mut SendArena) {
        let mut inline_timeouts = 0;
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) if at > now + QUANTUM => {
                    self.next_timeout = Some(at);
                    return;
                }
                Ok(Output::Timeout(_)) if inline_timeouts == INLINE_TIMEOUTS_MAX => {
                    self.next_timeout = Some(now + QUANTUM);
                    return;
                }
                Ok(Output::Timeout(at)) => {
                    inline_timeouts += 1;
                    let at = self.advance(at);
                    if self.rtc.handle_input(Input::Timeout(at)).is_err() {
                        return self.fail(TransportFailure::Dtls);
                    }
                }
                Ok(Output::Transmit(transmit))
                    if self.relay_only && !is_relayed(transmit.destination.ip()) =>
                {
                    self.not_relayed += 1;
                }
                Ok(Output::Transmit(transmit)) => {
                    if stun::is_success_response(&transmit.contents) {
                        self.events.push_back(TransportEvent::Validated {
                            local: transmit.source,
                            remote: transmit.destination,
                        });
                    }
                    arena.push(transmit.source, transmit.destination, &transmit.contents);
                }
                Ok(Output::Event(event)) => self.handle_event(event),
                Err(_) => return self.fail(TransportFailure::Dtls),
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.state = State::Connected;
                let aead = self.keys.get().is_some_and(key_tap::SrtpKeys::is_aead);
                self.events.push_back(TransportEvent::Connected { aead });
            }
            Event::IceConnectionStateChange(state) => {
                let reachable = match state {
                    IceConnectionState::Disconnected => false,
                    IceConnectionState::Connected | IceConnectionState::Completed => true,
                    _ => return,
                };
                self.events.push_back(TransportEvent::Reachable(reachable));
            }
            Event::Closed => self.events.push_back(TransportEvent::Closed),
            Event::RtpPacket(packet) => self.receive(packet),
            Event::KeyframeRequest(request) => {
                if let Some(mid) = MidName::new(&request.mid) {
                    self.feedback.push_back(SenderEvent::Keyframe(mid));
                }
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                self.feedback
                    .push_back(SenderEvent::Estimate(estimate.as_u64()));
            }
            _ => {}
        }
    }
}

fn rtc_config(config: &TransportConfig<'_>) -> RtcConfig {
    let mut extensions = ExtensionMap::empty();
    // The ids are Chromium's; an answerer takes those of the offer.
    extensions.set(1, Extension::AudioLevel);
    extensions.set(3, Extension::TransportSequenceNumber);
    extensions.set(4, Extension::RtpMid);
    extensions.set(10, Extension::RtpStreamId);
    extensions.set(11, Extension::RepairedRtpStreamId);
    extensions.set(13, Extension::VideoOrientation);
    let mut rtc = RtcConfig::new()
        .set_rtp_mode(true)
        .set_ice_lite(true)
        .set_local_ice_credentials(IceCreds {
            ufrag: config.credentials.ufrag.clone(),
            pass: config.credentials.password.clone(),
        })
        .set_extension_map(extensions)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(config.video_codecs.contains(&Codec::Vp8))
        .set_send_buffer_video(RTX_PACKETS)
        .set_stats_interval(None)
        .enable_bwe(Some(Bitrate::from(ESTIMATE_START_BPS)));
    if config.video_codecs.contains(&Codec::H264) {
        // One profile for everybody: packets are not transcoded, and a decoder
        // that was promised another one shows nothing. The payload types are
        // Chromium's; an answerer takes those of the offer.
        rtc.codec_config()
            .add_h264(108.into(), Some(109.into()), true, H264_BASELINE);
    }
    rtc
}

/// Our codec for the library's.
fn codec_of(codec: Str0mCodec) -> Option<Codec> {
    match codec {
        Str0mCodec::Opus => Some(Codec::Opus),
        Str0mCodec::Vp8 => Some(Codec::Vp8),
        Str0mCodec::H264 => Some(Codec::H264),
        _ => None,
    }
}

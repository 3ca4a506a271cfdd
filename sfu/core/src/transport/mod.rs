//! ICE, DTLS, SDP and receiving for one participant.
//!
//! The only folder of this crate that names str0m. A transport has no send
//! method: [`crate::sender::Sender`] sends, over the path that this holds.

mod config;
mod guard;
mod negotiate;
mod outgoing;
mod path;
mod provider;
mod receive;
mod str0m_sender;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use conclave_sfu_keytap::KeySlot;
use conclave_sfu_wire::control::{Codec, MidName, Rid, TransportFailure};
use conclave_sfu_wire::relayed::is_relayed;
use conclave_sfu_wire::sdp::{Direction, MediaKind};
use conclave_sfu_wire::{demux, dtls, stun};
use str0m::bwe::BweKind;
use str0m::media::KeyframeRequestKind;
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::rtp::Ssrc;
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

use crate::arena::SendArena;
use crate::packet::MediaPacket;
use crate::sender::{SenderEvent, SenderKind};
use config::{RTX_PACKETS, codec_of, rtc_config};
use path::PathWatch;

pub(crate) use conclave_sfu_keytap::SrtpKeys;
pub(crate) use config::{Credentials, ESTIMATE_START_BPS, TransportConfig};
pub(crate) use negotiate::{Negotiated, SendingLine};
pub(crate) use outgoing::{Format, OutgoingLine};
pub(crate) use path::Path;
pub(crate) use str0m_sender::Str0mSender;

/// Deadlines within this are served at once: str0m asks for a wake-up a
/// microsecond after each paced packet, and a sleep costs more than that.
const QUANTUM: Duration = Duration::from_millis(1);

/// Most wake-ups served inline in one turn, so that one transport (or a loop in
/// the library) cannot hold up its shard.
const INLINE_TIMEOUTS_MAX: usize = 128;

/// What a transport reports.
pub(crate) enum TransportEvent {
    /// A connectivity check from `remote` to `local` was genuine.
    Validated {
        local: SocketAddr,
        remote: SocketAddr,
    },
    /// ICE and DTLS are up.
    Connected {
        /// The keys of both directions.
        keys: SrtpKeys,
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
    kind: SenderKind,
    keys: KeySlot,
    /// The SSRCs that the library must seal nothing under; it only grows.
    owned: Vec<u32>,
    outgoing: Vec<OutgoingLine>,
    path: PathWatch,
    state: State,
    failure: Option<TransportFailure>,
    clock: Instant,
    next_timeout: Option<Instant>,
    streams: Vec<(Ssrc, MidName, Option<Rid>)>,
    /// The m-lines of the first offer; later ones may only restart ICE.
    shape: Vec<(MidName, MediaKind, Direction)>,
    codecs: [Option<Codec>; 128],
    events: VecDeque<TransportEvent>,
    feedback: VecDeque<SenderEvent>,
    filtered: u64,
    /// Whether it may use the relay alone.
    relay_only: bool,
    not_relayed: u64,
    /// Keyframes that were asked for.
    requested: u64,
    /// The library has something to say that nobody has asked it for.
    stirred: bool,
}

impl Transport {
    /// Builds a transport that waits for an offer.
    pub(crate) fn new(now: Instant, config: TransportConfig<'_>) -> Self {
        let (mut rtc, keys) = provider::build(rtc_config(&config), now);
        for address in config.candidates {
            // An address that is no valid host candidate was refused at start.
            if let Ok(candidate) = Candidate::host(*address, Protocol::Udp) {
                rtc.add_local_candidate(candidate);
            }
        }
        Transport {
            rtc,
            kind: config.sender,
            keys,
            owned: Vec::new(),
            outgoing: Vec::new(),
            path: PathWatch::default(),
            state: State::Handshaking,
            failure: None,
            clock: now,
            next_timeout: None,
            streams: Vec::new(),
            shape: Vec::new(),
            codecs: [None; 128],
            events: VecDeque::new(),
            feedback: VecDeque::new(),
            filtered: 0,
            relay_only: false,
            not_relayed: 0,
            requested: 0,
            stirred: false,
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
                transport.stirred = true;
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

    /// Decides whether a datagram that the demultiplexer found to be for this
    /// transport may come in; counts one that may not.
    pub(crate) fn admit(&mut self, payload: &[u8]) -> bool {
        let passes = match demux::Class::of(payload) {
            Some(demux::Class::Dtls) => self.passes_filter(payload),
            _ => true,
        };
        self.filtered += u64::from(!passes);
        passes
    }

    /// Takes a datagram that was admitted.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
        arena: &mut SendArena,
    ) {
        let Ok(contents) = DatagramRecv::try_from(payload) else {
            self.filtered += 1;
            return;
        };
        let path = Path {
            local: destination,
            remote: source,
        };
        self.path.received(path, payload);
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

    /// Lets out what was asked of it since it was last served.
    pub(crate) fn flush(&mut self, now: Instant, arena: &mut SendArena) {
        if self.stirred {
            self.handle_timeout(now, arena);
        }
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

    /// Returns where media goes. None before the handshake is complete, while
    /// ICE has no path, and where the path is not the relay though it must be.
    pub(crate) fn path(&self) -> Option<Path> {
        self.path.current().filter(|path| {
            self.is_connected() && (!self.relay_only || is_relayed(path.remote.ip()))
        })
    }

    /// Returns whether the other side has sent media of its own.
    pub(crate) fn receives(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Takes the number of datagrams and packets that were dropped since the
    /// last time: by the DTLS filter, or for their size.
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
        guard::enter(std::mem::take(&mut self.owned));
        let served = catch_unwind(AssertUnwindSafe(|| serve(self)));
        let mut owned = guard::leave();
        owned.append(&mut self.owned);
        self.owned = owned;
        if served.is_err() {
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
        self.stirred = false;
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
                    let path = Path {
                        local: transmit.source,
                        remote: transmit.destination,
                    };
                    self.path.sent(path, &transmit.contents);
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
                let Some(keys) = conclave_sfu_keytap::take(&mut self.keys) else {
                    return self.fail(TransportFailure::Dtls);
                };
                self.state = State::Connected;
                self.events.push_back(TransportEvent::Connected { keys });
            }
            Event::IceConnectionStateChange(state) => {
                let reachable = match state {
                    IceConnectionState::Disconnected => false,
                    IceConnectionState::Connected | IceConnectionState::Completed => true,
                    _ => return,
                };
                self.path.set_reachable(reachable);
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

#[cfg(test)]
mod handshakes;
#[cfg(test)]
mod live;
#[cfg(test)]
mod tests;

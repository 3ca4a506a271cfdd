//! One peer connection of the stack: its SDP, its clock, its outputs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use conclave_sfu_wire::demux::Class;
use str0m::change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

/// Outputs of one drain before it is taken for an endless loop. A burst of
/// video with all its feedback stays two orders of magnitude below.
const DRAIN_OUTPUTS_MAX: usize = 100_000;
/// Timeouts served at one instant before the rest is left for the next call.
const TIMEOUTS_MAX: usize = 1_000;

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

/// What stands behind a connection.
pub(crate) trait Ends {
    /// Takes what the stack reports at `now`.
    fn handle_event(&mut self, now: Instant, rtc: &mut Rtc, event: Event);
}

/// The stack, driven as it demands: after each change every output is taken.
pub(crate) struct Connection<E> {
    pub(crate) rtc: Rtc,
    pub(crate) ends: E,
    /// Whether RTP and RTCP of the stack are sent; else somebody else answers media.
    sends_media: bool,
    clock: Instant,
    due: Instant,
    pending: Option<SdpPendingOffer>,
    address: SocketAddr,
    outgoing: VecDeque<Outgoing>,
    connected: bool,
    failure: Option<RtcError>,
}

impl<E: Ends> Connection<E> {
    /// Begins with a host candidate, unless `address` is the unspecified one.
    pub(crate) fn new(
        now: Instant,
        mut rtc: Rtc,
        address: SocketAddr,
        sends_media: bool,
        ends: E,
    ) -> Self {
        if !address.ip().is_unspecified() {
            rtc.add_local_candidate(host_candidate(address));
        }
        Connection {
            rtc,
            ends,
            sends_media,
            clock: now,
            due: now,
            pending: None,
            address,
            outgoing: VecDeque::new(),
            connected: false,
            failure: None,
        }
    }

    /// Takes the present; a time before an earlier one counts as the earlier one.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.clock = self.clock.max(now);
    }

    /// Returns an offer with the changes that `change` makes, of which there must be one.
    pub(crate) fn offer(&mut self, change: impl FnOnce(&mut E, &mut SdpApi<'_>)) -> String {
        let mut api = self.rtc.sdp_api();
        change(&mut self.ends, &mut api);
        let (offer, pending) = api.apply().expect("something was changed");
        self.pending = Some(pending);
        self.drain();
        offer.to_sdp_string()
    }

    /// Answers an offer of the server.
    pub(crate) fn answer(&mut self, sdp: &str) -> Result<String, ParticipantError> {
        let refused = |reason: String| ParticipantError::Offer(reason);
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|error| refused(error.to_string()))?;
        let answer = self.rtc.sdp_api().accept_offer(offer);
        let answer = answer.map_err(|error| refused(error.to_string()))?;
        self.drain();
        Ok(answer.to_sdp_string())
    }

    /// Takes the answer to the last offer.
    pub(crate) fn accept_answer(&mut self, sdp: &str) -> Result<(), ParticipantError> {
        let pending = self.pending.take().ok_or(ParticipantError::NoOffer)?;
        let refused = |reason: String| ParticipantError::Answer(reason);
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|error| refused(error.to_string()))?;
        let accepted = self.rtc.sdp_api().accept_answer(pending, answer);
        accepted.map_err(|error| refused(error.to_string()))?;
        self.drain();
        Ok(())
    }

    /// Has `address` as the host candidate from now on.
    pub(crate) fn set_address(&mut self, address: SocketAddr) {
        self.address = address;
        self.rtc.add_local_candidate(host_candidate(address));
        self.drain();
    }

    /// Hands a datagram to the stack.
    pub(crate) fn handle_datagram(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
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

    /// Does what the stack has due.
    pub(crate) fn handle_timeout(&mut self) {
        for _ in 0..TIMEOUTS_MAX {
            if self.due > self.clock || !self.is_alive() {
                break;
            }
            self.turn();
        }
    }

    /// Lets the stack do what was left to its next timeout, which is now.
    pub(crate) fn turn(&mut self) {
        self.input(Input::Timeout(self.clock));
    }

    /// Takes every output of the stack.
    ///
    /// # Panics
    /// If there is no end of them.
    pub(crate) fn drain(&mut self) {
        for _ in 0..DRAIN_OUTPUTS_MAX {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(due)) => {
                    self.due = due;
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    let class = Class::of(&transmit.contents);
                    if self.sends_media || !matches!(class, Some(Class::Rtp | Class::Rtcp)) {
                        self.outgoing.push_back(Outgoing {
                            source: transmit.source,
                            destination: transmit.destination,
                            payload: transmit.contents.to_vec(),
                        });
                    }
                }
                Ok(Output::Event(event)) => {
                    self.connected |= matches!(event, Event::Connected);
                    self.ends.handle_event(self.clock, &mut self.rtc, event);
                }
                Err(error) => {
                    self.failure = Some(error);
                    return;
                }
            }
        }
        panic!("the stack gives outputs without end");
    }

    /// Sends something that the stack did not make, from the own address.
    pub(crate) fn push_outgoing(&mut self, destination: SocketAddr, payload: Vec<u8>) {
        self.outgoing.push_back(Outgoing {
            source: self.address,
            destination,
            payload,
        });
    }

    /// Returns the next datagram to be sent.
    pub(crate) fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// Returns when the stack has something due; `None` once the connection is dead.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.is_alive().then_some(self.due)
    }

    /// The latest present.
    pub(crate) fn clock(&self) -> Instant {
        self.clock
    }

    /// The address of the host candidate in use.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns whether ICE and DTLS have been up at some time.
    pub(crate) fn has_connected(&self) -> bool {
        self.connected
    }

    /// Returns whether the connection can still be used.
    pub(crate) fn is_alive(&self) -> bool {
        self.failure.is_none() && self.rtc.is_alive()
    }

    /// Returns why the stack failed, if it did.
    pub(crate) fn failure(&self) -> Option<&RtcError> {
        self.failure.as_ref()
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
}

fn host_candidate(address: SocketAddr) -> Candidate {
    Candidate::host(address, "udp").expect("a unicast address over UDP is a host candidate")
}

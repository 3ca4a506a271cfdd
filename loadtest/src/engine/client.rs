//! What is at the end of a peer connection: a participant, or a viewer that only counts.

use std::net::SocketAddr;
use std::time::Instant;

use conclave_sfu_wire::control::{Rid, Source};
use str0m::RtcError;

use crate::connection::{Outgoing, ParticipantError};
use crate::journal::{Counts, Figures};
use crate::light::LightViewer;
use crate::participant::{Participant, ParticipantConfig};

/// One of both.
pub(super) enum Client {
    Full(Box<Participant>),
    Light(Box<LightViewer>),
}

/// Says the same to either.
macro_rules! either {
    ($client:expr, $it:ident => $what:expr) => {
        match $client {
            Client::Full($it) => $what,
            Client::Light($it) => $what,
        }
    };
}

impl Client {
    pub(super) fn new(now: Instant, config: ParticipantConfig, is_light: bool) -> Client {
        if is_light {
            Client::Light(Box::new(LightViewer::new(now, config)))
        } else {
            Client::Full(Box::new(Participant::new(now, config)))
        }
    }

    pub(super) fn offer(&mut self, now: Instant, sends: bool) -> String {
        match self {
            Client::Full(participant) if sends => participant.offer(now),
            Client::Full(participant) => participant.offer_to_watch(now),
            Client::Light(viewer) => viewer.offer_to_watch(now),
        }
    }

    pub(super) fn answer(&mut self, now: Instant, offer: &str) -> Result<String, ParticipantError> {
        either!(self, client => client.answer(now, offer))
    }

    pub(super) fn accept_answer(
        &mut self,
        now: Instant,
        sdp: &str,
    ) -> Result<(), ParticipantError> {
        either!(self, client => client.accept_answer(now, sdp))
    }

    pub(super) fn set_address(&mut self, now: Instant, address: SocketAddr) {
        either!(self, client => client.set_address(now, address));
    }

    pub(super) fn publish(&mut self, now: Instant, source: Source, on: bool) {
        if let Client::Full(participant) = self {
            participant.publish(now, source, on);
        }
    }

    pub(super) fn set_active(&mut self, source: Source, active: &[Rid]) {
        if let Client::Full(participant) = self {
            participant.set_active(source, active);
        }
    }

    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        either!(self, client => client.handle_datagram(now, source, destination, payload));
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        either!(self, client => client.handle_timeout(now));
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        either!(self, client => client.poll_timeout())
    }

    pub(super) fn poll_outgoing(&mut self) -> Option<Outgoing> {
        either!(self, client => client.poll_outgoing())
    }

    pub(super) fn address(&self) -> SocketAddr {
        either!(self, client => client.address())
    }

    /// The m-lines on which sources are sent.
    pub(super) fn sending(&self) -> Vec<(Source, String)> {
        let Client::Full(participant) = self else {
            return Vec::new();
        };
        let sources = [
            Source::Microphone,
            Source::Camera,
            Source::Screen,
            Source::ScreenAudio,
        ];
        let sending = sources.into_iter().filter_map(|source| {
            let mid = participant.sending_mid(source)?;
            Some((source, mid.to_string()))
        });
        sending.collect()
    }

    pub(super) fn has_connected(&self) -> bool {
        either!(self, client => client.has_connected())
    }

    pub(super) fn is_alive(&self) -> bool {
        either!(self, client => client.is_alive())
    }

    pub(super) fn failure(&self) -> Option<&RtcError> {
        either!(self, client => client.failure())
    }

    pub(super) fn counts(&self) -> Counts {
        either!(self, client => client.counts())
    }

    pub(super) fn packets_sent(&self) -> u64 {
        match self {
            Client::Full(participant) => participant.packets_sent(),
            Client::Light(_) => 0,
        }
    }

    pub(super) fn take_figures(&mut self, figures: &mut Figures) {
        if let Client::Full(participant) = self {
            participant.take_figures(figures);
        }
    }

    pub(super) fn close_freezes(&mut self, now: Instant) {
        if let Client::Full(participant) = self {
            participant.close_freezes(now);
        }
    }

    /// Returns when the first frame could be shown; where nobody looks, when the first packet
    /// of one came.
    pub(super) fn first_frame(&self) -> Option<Instant> {
        match self {
            Client::Full(participant) => participant.first_frame(),
            Client::Light(viewer) => viewer.first_video(),
        }
    }

    /// Returns when the first sound came.
    pub(super) fn first_sound(&self) -> Option<Instant> {
        match self {
            Client::Full(participant) => participant.first_sound(),
            Client::Light(viewer) => viewer.first_audio(),
        }
    }
}

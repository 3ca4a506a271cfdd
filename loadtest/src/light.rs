//! A viewer that counts and does not look: what a load generator can afford by the thousand.
//!
//! Description, ICE and DTLS are those of the stack. Packets are not: they are counted by
//! their headers, without being opened, and answered as a browser answers them: TWCC feedback,
//! receiver reports, requests for what is missing. Only what is sent again is opened, since
//! the number of the packet that it brings is sealed.

mod arrivals;
mod lines;
mod media;
mod stream;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use conclave_sfu_core::key_tap::{self, KeySlot};
use conclave_sfu_wire::demux::Class;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Event, Input, Output, Rtc, RtcError};

use crate::journal::Counts;
use crate::participant::{
    DRAIN_OUTPUTS_MAX, Outgoing, ParticipantConfig, ParticipantError, TIMEOUTS_MAX, host_candidate,
    rtc_config,
};

use lines::Lines;
use media::Media;

/// A viewer with one peer connection that receives only. It is driven as a
/// [`Participant`](crate::Participant) is.
pub struct LightViewer {
    config: ParticipantConfig,
    rtc: Rtc,
    slot: KeySlot,
    epoch: Instant,
    clock: Instant,
    rtc_due: Instant,
    pending: Option<SdpPendingOffer>,
    address: SocketAddr,
    /// Where packets came from last: answers go there.
    server: Option<SocketAddr>,
    /// Once the SDP of the server is known.
    media: Option<Media>,
    outgoing: VecDeque<Outgoing>,
    connected: bool,
    failure: Option<RtcError>,
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
            epoch: now,
            clock: now,
            rtc_due: now,
            pending: None,
            address: config.address,
            server: None,
            media: None,
            outgoing: VecDeque::new(),
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
        self.media = Some(Media::new(self.epoch, self.config.seed, Lines::parse(sdp)));
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
        self.media = Some(Media::new(self.epoch, self.config.seed, Lines::parse(sdp)));
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
                let media = self.media.as_mut();
                if media.is_some_and(|media| media.handle_rtp(self.clock, now, payload)) {
                    self.answer_media();
                }
            }
            Some(Class::Rtcp) => {
                if let Some(media) = &mut self.media {
                    media.handle_rtcp(now, payload);
                }
            }
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
        if let Some(media) = &mut self.media {
            media.handle_timeout(self.clock);
        }
        self.answer_media();
    }

    /// Returns when [`LightViewer::handle_timeout`] is next due; `None` once the connection is dead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.is_alive() {
            return None;
        }
        let media = self.media.as_ref().and_then(Media::poll_timeout);
        media.into_iter().chain([self.rtc_due]).min()
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
        self.media.as_ref().map(Media::counts).unwrap_or_default()
    }

    /// Returns how many frames have ended, by the marker of their last packet (without those
    /// sent again). Whether they could be shown only who opens them knows.
    pub fn frames_ended(&self) -> u64 {
        self.media.as_ref().map_or(0, Media::frames_ended)
    }

    /// Returns when the first packet of a picture came.
    pub fn first_video(&self) -> Option<Instant> {
        self.media.as_ref()?.first_video()
    }

    /// Returns when the first packet of sound came.
    pub fn first_audio(&self) -> Option<Instant> {
        self.media.as_ref()?.first_audio()
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
        let contexts = key_tap::take(&mut self.slot).map(|keys| keys.contexts());
        if let (Some(Ok((tx, rx))), Some(media)) = (contexts, &mut self.media) {
            media.connect(tx, rx);
        }
    }

    /// Sends what is due of answers to what came.
    fn answer_media(&mut self) {
        let (Some(media), Some(server)) = (&mut self.media, self.server) else {
            return;
        };
        if let Some(payload) = media.poll_answer(self.clock) {
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

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

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use conclave_sfu_keytap::{self as keytap, KeySlot};
use conclave_sfu_wire::demux::Class;
use str0m::config::CryptoProvider;
use str0m::crypto::from_feature_flags;
use str0m::{Event, Rtc, RtcError};

use crate::connection::{Connection, Ends, Outgoing, ParticipantError};
use crate::journal::Counts;
use crate::participant::{ParticipantConfig, offer_slots, rtc_config};

use lines::Lines;
use media::Media;

/// A viewer with one peer connection that receives only. It is driven as a
/// [`Participant`](crate::Participant) is.
pub struct LightViewer {
    config: ParticipantConfig,
    connection: Connection<Viewing>,
    epoch: Instant,
    /// Where packets came from last: answers go there.
    server: Option<SocketAddr>,
}

/// What receives.
struct Viewing {
    slot: KeySlot,
    /// Once the SDP of the server is known.
    media: Option<Media>,
}

impl Ends for Viewing {
    fn handle_event(&mut self, _: Instant, _: &mut Rtc, event: Event) {
        if !matches!(event, Event::Connected) {
            return;
        }
        let contexts = keytap::take(&mut self.slot).map(|keys| keys.contexts());
        if let (Some(Ok((tx, rx))), Some(media)) = (contexts, &mut self.media) {
            media.connect(tx, rx);
        }
    }
}

impl LightViewer {
    /// Makes a viewer that has not offered.
    ///
    /// Of `config` it needs neither pictures nor what is to be recorded.
    pub fn new(now: Instant, config: ParticipantConfig) -> Self {
        let (rtc, slot) = keytap::build(rtc_config(&config).set_crypto_provider(provider()), now);
        let ends = Viewing { slot, media: None };
        LightViewer {
            // Media is answered here: the stack would seal reports of its own, of nothing.
            connection: Connection::new(now, rtc, config.address, false, ends),
            epoch: now,
            server: None,
            config,
        }
    }

    /// Returns the first offer: video slots, then audio slots. To be called once.
    pub fn offer_to_watch(&mut self, now: Instant) -> String {
        self.connection.advance(now);
        let config = &self.config;
        self.connection
            .offer(|_, api| offer_slots(api, config, |_, _| {}))
    }

    /// Answers the first offer of a server that sends. To be called once, in place of
    /// [`LightViewer::offer_to_watch`].
    ///
    /// # Errors
    /// Refuses what is no SDP or cannot be answered.
    pub fn answer(&mut self, now: Instant, sdp: &str) -> Result<String, ParticipantError> {
        self.connection.advance(now);
        let answer = self.connection.answer(sdp)?;
        self.expect_media(sdp);
        Ok(answer)
    }

    /// Takes the answer to the offer.
    ///
    /// # Errors
    /// Refuses an answer that nobody waits for or that does not fit the offer.
    pub fn accept_answer(&mut self, now: Instant, sdp: &str) -> Result<(), ParticipantError> {
        self.connection.advance(now);
        self.connection.accept_answer(sdp)?;
        self.expect_media(sdp);
        Ok(())
    }

    /// Gives a viewer that was made without one its host candidate.
    pub fn set_address(&mut self, now: Instant, address: SocketAddr) {
        self.connection.advance(now);
        self.connection.set_address(address);
    }

    /// Takes one datagram that came at `now`, better the kernel's stamp, to `destination`.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) {
        self.connection.advance(now);
        let clock = self.connection.clock();
        let media = &mut self.connection.ends.media;
        match Class::of(payload) {
            Some(Class::Rtp) => {
                self.server = Some(source);
                let media = media.as_mut();
                if media.is_some_and(|media| media.handle_rtp(clock, now, payload)) {
                    self.answer_media();
                }
            }
            Some(Class::Rtcp) => {
                if let Some(media) = media {
                    media.handle_rtcp(now, payload);
                }
            }
            _ => self
                .connection
                .handle_datagram(source, destination, payload),
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.connection.advance(now);
        self.connection.handle_timeout();
        let clock = self.connection.clock();
        if let Some(media) = &mut self.connection.ends.media {
            media.handle_timeout(clock);
        }
        self.answer_media();
    }

    /// Returns when [`LightViewer::handle_timeout`] is next due; `None` once the connection is dead.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let stack = self.connection.poll_timeout()?;
        let media = self.media().and_then(Media::poll_timeout);
        media.into_iter().chain([stack]).min()
    }

    /// Returns the next datagram to be sent.
    pub fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.connection.poll_outgoing()
    }

    /// The address of the host candidate.
    pub fn address(&self) -> SocketAddr {
        self.connection.address()
    }

    /// Returns whether ICE and DTLS have been up at some time.
    pub fn has_connected(&self) -> bool {
        self.connection.has_connected()
    }

    /// Returns whether the connection can still be used.
    pub fn is_alive(&self) -> bool {
        self.connection.is_alive()
    }

    /// Returns why the stack failed, if it did.
    pub fn failure(&self) -> Option<&RtcError> {
        self.connection.failure()
    }

    /// Returns how many packets came and how many did not, after all resending. What only
    /// their contents would tell is zero.
    pub fn counts(&self) -> Counts {
        self.media().map(Media::counts).unwrap_or_default()
    }

    /// Returns how many frames have ended, by the marker of their last packet (without those
    /// sent again). Whether they could be shown only who opens them knows.
    pub fn frames_ended(&self) -> u64 {
        self.media().map_or(0, Media::frames_ended)
    }

    /// Returns when the first packet of a picture came.
    pub fn first_video(&self) -> Option<Instant> {
        self.media()?.first_video()
    }

    /// Returns when the first packet of sound came.
    pub fn first_audio(&self) -> Option<Instant> {
        self.media()?.first_audio()
    }

    fn media(&self) -> Option<&Media> {
        self.connection.ends.media.as_ref()
    }

    /// Learns from the description of the server what will come.
    fn expect_media(&mut self, sdp: &str) {
        let media = Media::new(self.epoch, self.config.seed, Lines::parse(sdp));
        self.connection.ends.media = Some(media);
    }

    /// Sends what is due of answers to what came.
    fn answer_media(&mut self) {
        let clock = self.connection.clock();
        let (Some(media), Some(server)) = (&mut self.connection.ends.media, self.server) else {
            return;
        };
        if let Some(payload) = media.poll_answer(clock) {
            self.connection.push_outgoing(server, payload);
        }
    }
}

/// Returns what the stack of every viewer is keyed with; media is sealed here, with keys taken
/// from the handshake.
fn provider() -> Arc<CryptoProvider> {
    static TAPPED: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let tapped = TAPPED.get_or_init(|| Arc::new(keytap::tapped(from_feature_flags())));
    Arc::clone(tapped)
}

#[cfg(test)]
mod tests;

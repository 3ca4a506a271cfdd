//! From an offer to an answer.

use conclave_sfu_wire::control::{Codec, MidName, OfferError, Rid};
use conclave_sfu_wire::sdp::{self, Direction, MediaKind, OfferFacts};
use str0m::IceCreds;
use str0m::change::SdpOffer;

use super::{Credentials, State, Transport, codec_of};

/// What an offer led to.
pub(crate) struct Negotiated {
    /// The SDP answer.
    pub(crate) answer: String,
    /// What is received: m-line, picture or sound, encodings.
    pub(crate) sending: Vec<SendingLine>,
    /// What we send pictures on.
    pub(crate) video_slots: Vec<MidName>,
    /// What we send sound on.
    pub(crate) audio_slots: Vec<MidName>,
    /// Video codecs that this side can receive and we may send.
    pub(crate) video_codecs: Vec<Codec>,
    /// Whether ICE begins anew, with the credentials that were given.
    pub(crate) restarted: bool,
}

/// An m-line on which a participant may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SendingLine {
    pub(crate) mid: MidName,
    pub(crate) video: bool,
    pub(crate) rids: Vec<Rid>,
}

impl Transport {
    /// Answers an offer.
    ///
    /// `restart` is used if the offer restarts ICE: the library then draws
    /// credentials of its own, which no demultiplexer knows.
    pub(crate) fn negotiate(
        &mut self,
        offer: &str,
        restart: impl FnOnce() -> Credentials,
    ) -> Result<Negotiated, OfferError> {
        let facts = sdp::check_offer(offer)?;
        if facts.media.iter().any(|media| media.codecs.is_empty()) {
            return Err(OfferError::CodecUnsupported);
        }
        let shape: Vec<_> = facts
            .media
            .iter()
            .map(|media| (media.mid, media.kind, media.direction))
            .collect();
        if !self.shape.is_empty() && self.shape != shape {
            return Err(OfferError::Invalid(
                "m-lines differ from those of this peer connection",
            ));
        }
        let offer = without_candidates(offer);
        let mut result = Err(OfferError::Invalid("sdp is not understood"));
        let slots: Vec<MidName> = facts
            .media
            .iter()
            .filter(|media| media.direction == Direction::Slot)
            .map(|media| media.mid)
            .collect();
        self.guarded(|transport| {
            transport.lend_streams();
            result = transport.answer(&offer, restart);
            transport.take_streams(&slots);
        });
        if matches!(self.state, State::Ended) {
            return Err(OfferError::Invalid("sdp is not understood"));
        }
        let (answer, restarted) = result?;
        self.shape = shape;
        Ok(self.negotiated(&facts, &answer, restarted))
    }

    fn answer(
        &mut self,
        offer: &str,
        restart: impl FnOnce() -> Credentials,
    ) -> Result<(String, bool), OfferError> {
        let invalid = OfferError::Invalid("sdp is not understood");
        let offer = SdpOffer::from_sdp_string(offer).map_err(|_| invalid)?;
        let before = self.rtc.direct_api().local_ice_credentials();
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|_| invalid)?;
        let mut answer = answer.to_sdp_string();
        let restarted = self.rtc.direct_api().local_ice_credentials() != before;
        if restarted {
            let Credentials { ufrag, password } = restart();
            answer = sdp::replace_ice_credentials(&answer, &ufrag, &password);
            let credentials = IceCreds {
                ufrag,
                pass: password,
            };
            self.rtc.direct_api().set_local_ice_credentials(credentials);
        }
        Ok((answer, restarted))
    }

    fn negotiated(&mut self, facts: &OfferFacts, answer: &str, restarted: bool) -> Negotiated {
        self.streams.clear();
        self.codecs = [None; 128];
        let mut video_codecs = Vec::new();
        for params in self.rtc.codec_config().params() {
            let Some(codec) = codec_of(params.spec().codec) else {
                continue;
            };
            if let Some(entry) = self.codecs.get_mut(usize::from(*params.pt())) {
                *entry = Some(codec);
            }
        }
        for media in facts.of(MediaKind::Video, Direction::Slot) {
            video_codecs.extend(
                media
                    .codecs
                    .iter()
                    .filter(|codec| !video_codecs.contains(*codec))
                    .copied()
                    .collect::<Vec<_>>(),
            );
        }
        video_codecs.retain(|codec| self.codecs.contains(&Some(*codec)));
        let slots = |kind| -> Vec<MidName> {
            facts
                .of(kind, Direction::Slot)
                .map(|media| media.mid)
                .collect()
        };
        let (video_slots, audio_slots) = (slots(MediaKind::Video), slots(MediaKind::Audio));
        let sending = facts
            .media
            .iter()
            .filter(|media| media.direction == Direction::Send)
            .map(|media| SendingLine {
                mid: media.mid,
                video: media.kind == MediaKind::Video,
                rids: media.rids.clone(),
            })
            .collect();
        Negotiated {
            answer: sdp::pair_streams(answer, &video_slots, &audio_slots),
            sending,
            video_slots,
            audio_slots,
            video_codecs,
            restarted,
        }
    }
}

/// The server learns addresses from connectivity checks only: a candidate in
/// an offer would make it send to an address that nobody has proved.
fn without_candidates(offer: &str) -> String {
    offer
        .split_inclusive('\n')
        .filter(|line| {
            !line.starts_with("a=candidate:") && !line.starts_with("a=end-of-candidates")
        })
        .collect()
}

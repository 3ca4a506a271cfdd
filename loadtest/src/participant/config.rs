//! What a participant offers and sends.

use std::net::SocketAddr;
use std::time::Instant;

use conclave_sfu_wire::control::Codec;
use str0m::RtcConfig;
use str0m::change::SdpApi;
use str0m::media::{Direction, MediaKind, Mid};

use crate::journal::Record;
use crate::source::PictureShape;

/// What a participant offers and sends.
#[derive(Debug, Clone)]
pub struct ParticipantConfig {
    /// Who it is; stands in every packet that it makes.
    pub id: u64,
    /// Its host candidate; none if it is the unspecified address, until
    /// [`Participant::set_address`](super::Participant::set_address).
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
    /// What is kept of what arrives.
    pub record: Record,
    /// From when the stamps of packets count: one instant for all whose delays are to be
    /// compared. The time of [`Participant::new`](super::Participant::new) if `None`.
    pub epoch: Option<Instant>,
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
            record: Record::Everything,
            epoch: None,
        }
    }
}

/// What the stack of a participant can do.
pub(crate) fn rtc_config(config: &ParticipantConfig) -> RtcConfig {
    RtcConfig::new()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(config.codecs.contains(&Codec::Vp8))
        .enable_h264(config.codecs.contains(&Codec::H264))
        .set_stats_interval(None)
}

/// Adds the receiving m-lines to an offer: pictures, then sound.
pub(crate) fn offer_slots(
    api: &mut SdpApi<'_>,
    config: &ParticipantConfig,
    mut note: impl FnMut(Mid, MediaKind),
) {
    for (kind, count) in [
        (MediaKind::Video, config.video_slots),
        (MediaKind::Audio, config.audio_slots),
    ] {
        for _ in 0..count {
            note(
                api.add_media(kind, Direction::RecvOnly, None, None, None),
                kind,
            );
        }
    }
}

//! What a transport is built from.

use std::net::SocketAddr;

use conclave_sfu_wire::control::Codec;
use str0m::bwe::Bitrate;
use str0m::format::Codec as Str0mCodec;
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{IceCreds, RtcConfig};

use crate::sender::SenderKind;

/// What a subscriber's path is assumed to take before anything is measured.
/// Higher starts sharper, and overruns slow links for the first second.
pub(crate) const ESTIMATE_START_BPS: u64 = 1_500_000;

/// Constrained baseline, level 3.1: what every browser offers (RFC 6184, section 8.1).
const H264_BASELINE: u32 = 0x42_e0_1f;

/// Packets kept per video stream for retransmission: one second of a 1.7
/// Mbit/s picture. str0m keeps 400 bytes of its own per packet and subscriber.
pub(super) const RTX_PACKETS: usize = 256;

/// What a transport is built from.
pub(crate) struct TransportConfig<'a> {
    /// Our advertised addresses.
    pub(crate) candidates: &'a [SocketAddr],
    /// Our ICE credentials (RFC 8445, section 5.3).
    pub(crate) credentials: Credentials,
    /// Video codecs that the room allows.
    pub(crate) video_codecs: &'a [Codec],
    /// Who seals what is sent.
    pub(crate) sender: SenderKind,
}

/// Our half of the ICE credentials.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) password: String,
}

pub(super) fn rtc_config(config: &TransportConfig<'_>) -> RtcConfig {
    let mut extensions = ExtensionMap::empty();
    // The ids are Chromium's; an answerer takes those of the offer.
    extensions.set(1, Extension::AudioLevel);
    extensions.set(3, Extension::TransportSequenceNumber);
    extensions.set(4, Extension::RtpMid);
    extensions.set(10, Extension::RtpStreamId);
    extensions.set(11, Extension::RepairedRtpStreamId);
    extensions.set(13, Extension::VideoOrientation);
    // With its estimator on the library would pad and probe by itself.
    let estimate = match config.sender {
        SenderKind::Own => None,
        SenderKind::Str0m => Some(Bitrate::from(ESTIMATE_START_BPS)),
    };
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
        .enable_bwe(estimate);
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
pub(super) fn codec_of(codec: Str0mCodec) -> Option<Codec> {
    match codec {
        Str0mCodec::Opus => Some(Codec::Opus),
        Str0mCodec::Vp8 => Some(Codec::Vp8),
        Str0mCodec::H264 => Some(Codec::H264),
        _ => None,
    }
}

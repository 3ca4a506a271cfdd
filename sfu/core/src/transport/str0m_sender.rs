//! Sends through str0m: its pacer, its retransmissions, its sealing.

use std::time::{Duration, Instant};

use conclave_sfu_srtp::KeyError;
use conclave_sfu_wire::control::Codec;
use str0m::bwe::Bitrate;
use str0m::media::{Direction, Media, Pt};
use str0m::rtp::{ExtensionValues, RtpWrite, VideoOrientation, Vp8Descriptor, Vp8Patch};

use super::{RTX_PACKETS, SrtpKeys, Transport, codec_of};
use crate::arena::SendArena;
use crate::packet::{MediaPacket, Outgoing};
use crate::sender::{Route, Sender, SenderEvent, Sent, StreamParams};

/// How long a packet can be resent. Later than that a receiver has given up.
const RTX_AGE: Duration = Duration::from_secs(2);

/// Largest share of sent bytes that may be retransmissions. At str0m's own 0.15
/// a link with 10 % loss freezes, because pending resends are then dropped.
const RTX_RATIO_MAX: f32 = 0.35;

/// The sender that lets str0m do the work.
#[derive(Debug, Default)]
pub(crate) struct Str0mSender {
    /// Payload type per codec towards this subscriber.
    payload_types: Vec<(Codec, Pt)>,
}

impl Str0mSender {
    fn payload_type(&mut self, transport: &Transport, codec: Codec) -> Option<Pt> {
        if let Some((_, pt)) = self.payload_types.iter().find(|(known, _)| *known == codec) {
            return Some(*pt);
        }
        let pt = transport
            .rtc
            .codec_config()
            .params()
            .iter()
            .find(|params| codec_of(params.spec().codec) == Some(codec))?
            .pt();
        self.payload_types.push((codec, pt));
        Some(pt)
    }
}

impl Sender for Str0mSender {
    fn bind(&mut self, transport: &mut Transport, params: StreamParams) {
        self.payload_types.clear();
        if !params.video {
            return;
        }
        transport.guarded(|transport| {
            let mut direct = transport.rtc.direct_api();
            if let Some(stream) = direct.stream_tx_by_mid(params.mid.as_str().into(), None) {
                stream.set_rtx_cache(RTX_PACKETS, RTX_AGE, Some(RTX_RATIO_MAX));
            }
        });
    }

    fn connected(&mut self, _now: Instant, _keys: SrtpKeys) -> Result<(), KeyError> {
        Ok(())
    }

    fn push(
        &mut self,
        _now: Instant,
        transport: &mut Transport,
        params: StreamParams,
        out: Outgoing<'_>,
    ) {
        let Some(pt) = self.payload_type(transport, out.packet.codec) else {
            return;
        };
        let mut write = RtpWrite::new(
            pt,
            out.seq.into(),
            out.timestamp,
            out.packet.arrival,
            out.packet.payload.clone(),
        )
        .marker(out.marker)
        .nackable(params.video)
        .ext_vals(extensions(out.packet));
        if let Some(patch) = vp8_patch(&out) {
            write = write.vp8_patch(patch);
        }
        transport.guarded(|transport| {
            let mut direct = transport.rtc.direct_api();
            if let Some(stream) = direct.stream_tx_by_mid(params.mid.as_str().into(), None) {
                stream.write_rtp(write);
            }
        });
    }

    fn resend(&mut self, _now: Instant, _params: StreamParams, _out: Outgoing<'_>) {}

    fn forget(&mut self, transport: &mut Transport, params: StreamParams) {
        transport.guarded(|transport| {
            let mid = params.mid.as_str().into();
            let Some(direction) = transport.rtc.media(mid).map(Media::direction) else {
                return;
            };
            // An m-line that stops sending loses its queue, its cache and its
            // pending resends, and keeps its SSRCs and their counters. Nothing
            // else of the library's empties the queue. No offer is made of the
            // change, so the other side does not hear of it.
            let mut changes = transport.rtc.sdp_api();
            changes.set_direction(mid, Direction::Inactive);
            changes.set_direction(mid, direction);
        });
    }

    fn set_target(
        &mut self,
        _now: Instant,
        transport: &mut Transport,
        sustain_bps: u64,
        desired_bps: u64,
    ) {
        transport.guarded(|transport| {
            let desired = Bitrate::from(desired_bps.max(sustain_bps));
            transport
                .rtc
                .bwe()
                .set_bitrate(Bitrate::from(sustain_bps), desired);
        });
    }

    fn flush(&mut self, transport: &mut Transport, now: Instant, arena: &mut SendArena) {
        transport.handle_timeout(now, arena);
    }

    fn handle_rtcp(&mut self, _now: Instant, _transport: &Transport, _datagram: &[u8]) -> Route {
        Route::Transport
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_event(&mut self, transport: &mut Transport) -> Option<SenderEvent> {
        transport.feedback.pop_front()
    }

    fn close(&mut self, _transport: &mut Transport, _arena: &mut SendArena) {}

    fn take_sent(&mut self) -> Sent {
        Sent::default()
    }
}

/// What of a publisher's header extensions a subscriber gets: level and
/// orientation, nothing else.
fn extensions(packet: &MediaPacket) -> ExtensionValues {
    ExtensionValues {
        audio_level: packet
            .level
            .map(|level| (i16::from(level.loudness) - 127) as i8),
        voice_activity: packet.level.map(|level| level.voice),
        video_orientation: packet.quarter_turns.map(|turns| match turns {
            1 => VideoOrientation::Deg90,
            2 => VideoOrientation::Deg180,
            3 => VideoOrientation::Deg270,
            _ => VideoOrientation::Deg0,
        }),
        ..ExtensionValues::default()
    }
}

fn vp8_patch(out: &Outgoing<'_>) -> Option<Vp8Patch> {
    if out.picture_id.is_none() && out.tl0_pic_idx.is_none() {
        return None;
    }
    let descriptor = Vp8Descriptor::parse(&out.packet.payload).ok()?;
    let mut patch = descriptor.patch();
    if let Some(picture_id) = out.picture_id {
        patch = patch.picture_id(picture_id);
    }
    if let Some(tl0_pic_idx) = out.tl0_pic_idx {
        patch = patch.tl0_pic_idx(tl0_pic_idx);
    }
    patch.build().ok()
}

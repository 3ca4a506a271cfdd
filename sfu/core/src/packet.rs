//! A media packet inside a shard: parsed once, shared by all subscribers.

use std::sync::Arc;
use std::time::Instant;

use conclave_sfu_wire::control::Codec;
use conclave_sfu_wire::vp8::PictureId;

/// What the payload says about itself, parsed once at ingress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodecFacts {
    /// Opus has nothing that forwarding depends on.
    Opus,
    /// VP8 (RFC 7741, section 4.2).
    Vp8 {
        /// Picture id and whether it has 15 bits.
        picture_id: Option<PictureId>,
        /// Index of the last base-layer frame.
        tl0_pic_idx: Option<u8>,
    },
    /// H.264 (RFC 6184).
    H264,
}

/// How loud a packet is (RFC 6464).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AudioLevel {
    /// 0 (silence, -127 dBov) to 127 (0 dBov).
    pub(crate) loudness: u8,
    /// The sender's own voice detection.
    pub(crate) voice: bool,
}

/// One RTP packet of a publisher, opened.
#[derive(Debug, Clone)]
pub(crate) struct MediaPacket {
    /// The codec of the payload.
    pub(crate) codec: Codec,
    /// The RTP stream that it came on; a new one begins numbers of its own.
    pub(crate) ssrc: u32,
    /// Sequence number with rollovers counted in.
    pub(crate) seq: u64,
    /// RTP timestamp in units of the codec's clock.
    pub(crate) timestamp: u32,
    /// End of a frame, or start of a talk spurt.
    pub(crate) marker: bool,
    /// When it arrived.
    pub(crate) arrival: Instant,
    /// First packet of a frame that needs no other frame.
    pub(crate) keyframe_start: bool,
    /// Height in pixels, where the packet tells.
    pub(crate) height_px: Option<u16>,
    /// What the codec says.
    pub(crate) facts: CodecFacts,
    /// Sound level, where the sender gives one.
    pub(crate) level: Option<AudioLevel>,
    /// Clockwise rotation in quarter turns, where the sender gives one.
    pub(crate) quarter_turns: Option<u8>,
    /// The RTP payload; its bytes are shared, never changed.
    pub(crate) payload: Arc<[u8]>,
}

/// A packet as one subscriber gets it: the shared payload and what differs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    /// The packet that it is made of.
    pub(crate) packet: &'a MediaPacket,
    /// Sequence number with rollovers counted in; the first is below 2^15.
    pub(crate) seq: u64,
    /// RTP timestamp.
    pub(crate) timestamp: u32,
    /// Marker bit.
    pub(crate) marker: bool,
    /// VP8 picture id, if the packet has one.
    pub(crate) picture_id: Option<u16>,
    /// VP8 TL0PICIDX, if the packet has one.
    pub(crate) tl0_pic_idx: Option<u8>,
}

/// Returns the clock rate of a codec in Hz.
pub(crate) const fn clock_rate(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::Vp8 | Codec::H264 => 90_000,
    }
}

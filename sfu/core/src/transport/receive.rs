//! From the library's packet to ours: everything that forwarding needs is
//! parsed here, once per packet.

use conclave_sfu_wire::control::{Codec, MidName, Rid};
use conclave_sfu_wire::demux::Class;
use conclave_sfu_wire::{h264, vp8};
use str0m::rtp::{RtpPacket, Ssrc, VideoOrientation};

use super::{Transport, TransportEvent};
use crate::packet::{AudioLevel, CodecFacts, MediaPacket};

/// Largest RTP payload that is forwarded. A browser's packets stay below 1,200
/// bytes; more than this would not leave as one datagram with our own header,
/// and the library sends from a buffer of 2,000 bytes.
const PAYLOAD_BYTES_MAX: usize = 1_400;

/// Most RTP streams whose m-line is remembered: four sending m-lines, one of
/// them with three encodings, and as many again after a restart of each.
const STREAMS_MAX: usize = 16;

impl Transport {
    /// Turns a received packet into an event. What belongs to no negotiated
    /// m-line, or cannot be parsed, is dropped.
    pub(super) fn receive(&mut self, packet: RtpPacket) {
        let Some((mid, rid)) = self.stream(packet.header.ssrc) else {
            return;
        };
        let payload_type = usize::from(*packet.header.payload_type);
        let Some(codec) = self.codecs.get(payload_type).copied().flatten() else {
            return;
        };
        if packet.payload.is_empty() || packet.payload.len() > PAYLOAD_BYTES_MAX {
            self.filtered += 1;
            return;
        }
        let Some(parsed) = parse(codec, &packet.payload) else {
            return;
        };
        let values = &packet.header.ext_vals;
        let level = values.audio_level.map(|decibel| AudioLevel {
            loudness: (127 + i16::from(decibel)).clamp(0, 127) as u8,
            voice: values.voice_activity.unwrap_or(false),
        });
        let packet = MediaPacket {
            codec,
            ssrc: *packet.header.ssrc,
            seq: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            arrival: packet.timestamp,
            keyframe_start: parsed.keyframe_start,
            height_px: parsed.height_px,
            facts: parsed.facts,
            level,
            quarter_turns: values.video_orientation.map(quarter_turns),
            payload: packet.payload,
        };
        self.events
            .push_back(TransportEvent::Media { mid, rid, packet });
    }

    /// Returns whether a datagram is RTP of anything but sound, by its clear
    /// header: it need not be authentic.
    pub(crate) fn seems_a_picture(&self, datagram: &[u8]) -> bool {
        let payload_type = datagram.get(1).map(|second| usize::from(second & 0x7f));
        let codec = payload_type.and_then(|payload_type| self.codecs.get(payload_type));
        Class::of(datagram) == Some(Class::Rtp) && codec != Some(&Some(Codec::Opus))
    }

    /// Returns the m-line and encoding of an RTP datagram, by its clear header:
    /// it need not be authentic. `None` if nothing was received yet under its SSRC.
    pub(crate) fn seems_to_be_of(&self, datagram: &[u8]) -> Option<(MidName, Option<Rid>)> {
        let ssrc = datagram.get(8..12)?.try_into().ok()?;
        let ssrc = Ssrc::from(u32::from_be_bytes(ssrc));
        let known = self.streams.iter().find(|(known, _, _)| *known == ssrc)?;
        Some((known.1, known.2))
    }

    /// Returns the m-line and encoding that an SSRC was bound to.
    fn stream(&mut self, ssrc: Ssrc) -> Option<(MidName, Option<Rid>)> {
        if let Some((_, mid, rid)) = self.streams.iter().find(|(known, _, _)| *known == ssrc) {
            return Some((*mid, *rid));
        }
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_rx(&ssrc)?;
        let mid = MidName::new(&stream.mid())?;
        let rid = match stream.rid() {
            Some(rid) => Some(Rid::parse(&rid)?),
            None => None,
        };
        if self.streams.len() == STREAMS_MAX {
            self.streams.remove(0);
        }
        self.streams.push((ssrc, mid, rid));
        Some((mid, rid))
    }
}

struct Parsed {
    facts: CodecFacts,
    keyframe_start: bool,
    height_px: Option<u16>,
}

fn parse(codec: Codec, payload: &[u8]) -> Option<Parsed> {
    match codec {
        Codec::Opus => Some(Parsed {
            facts: CodecFacts::Opus,
            keyframe_start: false,
            height_px: None,
        }),
        Codec::Vp8 => {
            let descriptor = vp8::Descriptor::parse(payload).ok()?;
            Some(Parsed {
                facts: CodecFacts::Vp8 {
                    picture_id: descriptor.picture_id,
                    tl0_pic_idx: descriptor.tl0_pic_idx,
                },
                keyframe_start: descriptor.is_keyframe(payload),
                height_px: descriptor.dimensions(payload).map(|(_, height)| height),
            })
        }
        Codec::H264 => Some(Parsed {
            facts: CodecFacts::H264,
            keyframe_start: h264::is_keyframe(payload),
            height_px: None,
        }),
    }
}

fn quarter_turns(orientation: VideoOrientation) -> u8 {
    match orientation {
        VideoOrientation::Deg0 => 0,
        VideoOrientation::Deg90 => 1,
        VideoOrientation::Deg180 => 2,
        VideoOrientation::Deg270 => 3,
    }
}

//! Made-up cameras, screens and microphones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Rid, Source};

use crate::stamp::{AudioStamp, PictureStamp, seal, write_audio, write_picture};
use crate::vp8;

/// Payload bytes of a full packet, as browsers cut them.
const PACKET_BYTES: usize = 1_150;
/// A keyframe is this many times the size of an average frame.
const KEYFRAME_FACTOR: usize = 4;
/// A frame leaves in bursts of this many packets …
const BURST_PACKETS: usize = 5;
/// … with this pause between them, 18 Mbit/s at most.
const BURST_PAUSE: Duration = Duration::from_micros(2_500);
/// The duration of an Opus packet.
const AUDIO_PACKET: Duration = Duration::from_millis(20);
/// Payload of an Opus packet at 32 kbit/s.
const AUDIO_BYTES: usize = 80;
/// Opus: CELT, full band, 20 ms, mono, one frame (RFC 6716, section 3.1).
const OPUS_TOC: u8 = 0xF8;

/// Size and rate of one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingShape {
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// On average, without RTP and below.
    pub bitrate_bps: u32,
    /// Of RTP payload in a packet at most.
    pub packet_bytes: usize,
}

/// How a participant's pictures look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureShape {
    /// The encodings of the camera, `q` first. Without simulcast only the last is sent.
    pub camera: [EncodingShape; 3],
    /// Frames per second of the camera, at least 1.
    pub camera_fps: u32,
    /// The one encoding of a screen.
    pub screen: EncodingShape,
    /// Frames per second of a screen, at least 1.
    pub screen_fps: u32,
}

impl Default for PictureShape {
    /// A camera of 720p at 25 frames per second and a screen of 1080p at 5.
    fn default() -> Self {
        let shape = |width, height, bitrate_bps| EncodingShape {
            width,
            height,
            bitrate_bps,
            packet_bytes: PACKET_BYTES,
        };
        PictureShape {
            camera: [
                shape(320, 180, 150_000),
                shape(640, 360, 500_000),
                shape(1280, 720, 1_700_000),
            ],
            camera_fps: 25,
            screen: shape(1920, 1080, 1_000_000),
            screen_fps: 5,
        }
    }
}

/// One RTP packet to be sent.
#[derive(Debug, Clone)]
pub(crate) struct SourcePacket {
    pub(crate) encoding: Option<Rid>,
    /// Extended; begins below 2^16 (SRTP's rollover counter is 0 at first).
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Vec<u8>,
    /// Where in the payload its stamp begins.
    pub(crate) stamp: usize,
}

impl SourcePacket {
    /// Returns the payload, with the time in it at which it leaves.
    pub(crate) fn into_payload(mut self, sent_ns: u64) -> Arc<[u8]> {
        seal(&mut self.payload, self.stamp, sent_ns);
        self.payload.into()
    }
}

/// A camera or a screen.
#[derive(Debug)]
pub(crate) struct PictureSource {
    publisher: u64,
    source: Source,
    epoch: Instant,
    frame_interval: Duration,
    encodings: Vec<Encoding>,
    next_frame: Option<Instant>,
    queue: VecDeque<SourcePacket>,
    next_burst: Instant,
}

#[derive(Debug)]
struct Encoding {
    rid: Option<Rid>,
    shape: EncodingShape,
    active: bool,
    wants_keyframe: bool,
    keyframes_asked: Vec<Instant>,
    seq: u64,
    timestamp_offset: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
    key_idx: u8,
    frame: u32,
}

impl PictureSource {
    /// Makes a source that is off. `seed` gives the beginnings of all counters.
    pub(crate) fn new(
        now: Instant,
        publisher: u64,
        source: Source,
        fps: u32,
        shapes: &[(Option<Rid>, EncodingShape)],
        seed: u64,
    ) -> Self {
        let mut seed = seed;
        let encodings = shapes
            .iter()
            .map(|&(rid, shape)| {
                let word = splitmix(&mut seed);
                Encoding {
                    rid,
                    shape,
                    active: true,
                    wants_keyframe: true,
                    keyframes_asked: Vec::new(),
                    seq: word & 0xFFFF,
                    timestamp_offset: (word >> 16) as u32,
                    picture_id: (word >> 48) as u16 & 0x7FFF,
                    tl0_pic_idx: (word >> 40) as u8,
                    key_idx: 0,
                    frame: 0,
                }
            })
            .collect();
        PictureSource {
            publisher,
            source,
            epoch: now,
            frame_interval: Duration::from_secs(1) / fps.max(1),
            encodings,
            next_frame: None,
            queue: VecDeque::new(),
            next_burst: now,
        }
    }

    /// Switches the source on or off. It begins with a keyframe.
    pub(crate) fn set_on(&mut self, now: Instant, on: bool) {
        if on && self.next_frame.is_none() {
            self.next_frame = Some(now);
            for encoding in &mut self.encodings {
                encoding.wants_keyframe = true;
            }
        } else if !on {
            self.next_frame = None;
            self.queue.clear();
        }
    }

    /// Chooses which encodings are made; one that begins anew begins with a keyframe.
    pub(crate) fn set_active(&mut self, active: &[Rid]) {
        for encoding in &mut self.encodings {
            let wanted = encoding
                .rid
                .map_or(!active.is_empty(), |rid| active.contains(&rid));
            if wanted && !encoding.active {
                encoding.wants_keyframe = true;
            }
            encoding.active = wanted;
        }
    }

    /// Makes the next frame of an encoding (of all, if `None`) a keyframe.
    pub(crate) fn handle_keyframe_request(&mut self, now: Instant, rid: Option<Rid>) {
        for encoding in &mut self.encodings {
            if rid.is_none() || encoding.rid == rid {
                encoding.wants_keyframe = true;
                encoding.keyframes_asked.push(now);
            }
        }
    }

    /// Makes the frames that are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let Some(due) = self.next_frame.filter(|&due| due <= now) else {
            return;
        };
        self.next_frame = Some((due + self.frame_interval).max(now));
        let ticks = (due - self.epoch).as_micros() as u64 * 9 / 100;
        for encoding in self.encodings.iter_mut().filter(|encoding| encoding.active) {
            encoding.make_frame(
                self.publisher,
                self.source,
                ticks,
                self.frame_interval,
                &mut self.queue,
            );
        }
    }

    /// Returns the packets that may leave at `now`.
    pub(crate) fn poll_burst(&mut self, now: Instant) -> Vec<SourcePacket> {
        if self.queue.is_empty() || now < self.next_burst {
            return Vec::new();
        }
        self.next_burst = now + BURST_PAUSE;
        let count = self.queue.len().min(BURST_PACKETS);
        self.queue.drain(..count).collect()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let burst = (!self.queue.is_empty()).then_some(self.next_burst);
        burst.into_iter().chain(self.next_frame).min()
    }

    /// Returns when keyframes of an encoding were asked for.
    pub(crate) fn keyframes_asked(&self) -> impl Iterator<Item = (Option<Rid>, &[Instant])> {
        self.encodings
            .iter()
            .map(|encoding| (encoding.rid, &*encoding.keyframes_asked))
    }
}

impl Encoding {
    fn make_frame(
        &mut self,
        publisher: u64,
        source: Source,
        ticks: u64,
        interval: Duration,
        queue: &mut VecDeque<SourcePacket>,
    ) {
        let keyframe = std::mem::take(&mut self.wants_keyframe);
        let average = f64::from(self.shape.bitrate_bps) / 8.0 * interval.as_secs_f64();
        // Frames differ in size by up to a quarter, or a lost last packet would go unnoticed.
        let spread = 0.75 + f64::from(self.frame.wrapping_mul(2_654_435_761) >> 16 & 0xFF) / 512.0;
        let factor = if keyframe { KEYFRAME_FACTOR } else { 1 };
        let bytes = (average * spread) as usize * factor;
        let count = bytes
            .div_ceil(self.shape.packet_bytes)
            .clamp(1, usize::from(u16::MAX));
        let timestamp = self.timestamp_offset.wrapping_add(ticks as u32);
        if keyframe {
            self.key_idx = self.key_idx.wrapping_add(1) & 0x1F;
        }
        for index in 0..count {
            let total = bytes / count;
            let mut payload = Vec::with_capacity(total);
            let start = index == 0;
            vp8::write_descriptor(
                &mut payload,
                start,
                self.picture_id,
                self.tl0_pic_idx,
                self.key_idx,
            );
            if start {
                let size = (self.shape.width, self.shape.height);
                vp8::write_frame_header(&mut payload, keyframe, bytes, size);
            }
            let stamp = PictureStamp {
                publisher,
                source,
                encoding: self.rid,
                frame: self.frame,
                index: index as u16,
                count: count as u16,
                keyframe,
                sent_ns: 0,
            };
            let stamp = write_picture(&mut payload, &stamp, total);
            queue.push_back(SourcePacket {
                encoding: self.rid,
                seq: self.seq,
                timestamp,
                marker: index + 1 == count,
                payload,
                stamp,
            });
            self.seq += 1;
        }
        self.frame += 1;
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
    }
}

/// A microphone, or the sound of a screen.
#[derive(Debug)]
pub(crate) struct AudioSource {
    publisher: u64,
    source: Source,
    epoch: Instant,
    timestamp_offset: u32,
    seq: u64,
    counter: u32,
    next_packet: Option<Instant>,
    level: u8,
}

impl AudioSource {
    /// Makes a source that is off.
    pub(crate) fn new(now: Instant, publisher: u64, source: Source, seed: u64) -> Self {
        let mut seed = seed;
        let word = splitmix(&mut seed);
        AudioSource {
            publisher,
            source,
            epoch: now,
            timestamp_offset: (word >> 16) as u32,
            seq: word & 0xFFFF,
            counter: 0,
            next_packet: None,
            level: 30,
        }
    }

    pub(crate) fn set_on(&mut self, now: Instant, on: bool) {
        self.next_packet = match (on, self.next_packet) {
            (true, None) => Some(now),
            (true, due) => due,
            (false, _) => None,
        };
    }

    /// Sets the level as RFC 6464 counts it: 0 is loudest, 127 silence.
    pub(crate) fn set_level(&mut self, level: u8) {
        self.level = level.min(127);
    }

    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    pub(crate) fn poll_packet(&mut self, now: Instant) -> Option<SourcePacket> {
        let due = self.next_packet.filter(|&due| due <= now)?;
        self.next_packet = Some(due + AUDIO_PACKET);
        let ticks = (due - self.epoch).as_micros() as u64 * 48 / 1_000;
        let stamp = AudioStamp {
            publisher: self.publisher,
            source: self.source,
            counter: self.counter,
            sent_ns: 0,
        };
        let mut payload = Vec::with_capacity(AUDIO_BYTES);
        payload.push(OPUS_TOC);
        let stamp = write_audio(&mut payload, &stamp, AUDIO_BYTES);
        let packet = SourcePacket {
            encoding: None,
            seq: self.seq,
            timestamp: self.timestamp_offset.wrapping_add(ticks as u32),
            marker: self.counter == 0,
            payload,
            stamp,
        };
        self.seq += 1;
        self.counter += 1;
        Some(packet)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_packet
    }
}

/// The next number of a splitmix64 sequence: enough for the beginnings of counters.
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut word = *state;
    word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ word >> 31
}

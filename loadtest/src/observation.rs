//! What a participant has seen, for oracles to judge.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{MidName, Rid, Source};

/// Everything that a participant has received, by slot.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// By the m-line of a video slot.
    pub video: BTreeMap<MidName, VideoObservation>,
    /// By the m-line of an audio slot.
    pub audio: BTreeMap<MidName, AudioObservation>,
    /// Sequence numbers that the sender used for two different packets.
    pub sequence_collisions: u64,
    /// Packets on an m-line that is no slot of this participant.
    pub strays: u64,
}

/// A time in which one source fed a slot, in the order of sequence numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRun {
    /// Who was sent.
    pub publisher: u64,
    /// What was sent.
    pub source: Source,
    /// When the first packet of the run came, whatever its place in the order.
    pub first_arrival: Instant,
    /// When the last one came.
    pub last_arrival: Instant,
    /// Of the first packet in order.
    pub first_timestamp: u32,
    /// Of the last packet in order.
    pub last_timestamp: u32,
    /// How many packets.
    pub packets: u64,
}

/// A whole frame that a decoder could show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSeen {
    /// When its last missing packet came.
    pub at: Instant,
    /// Who sent it.
    pub publisher: u64,
    /// What it shows.
    pub source: Source,
    /// The encoding it was taken from.
    pub encoding: Option<Rid>,
    /// The publisher's count of frames of this encoding.
    pub frame: u32,
    /// Whether it refers to no other.
    pub keyframe: bool,
    /// As received.
    pub timestamp: u32,
    /// As received.
    pub picture_id: Option<u16>,
    /// Width and height in pixels; only a keyframe says it.
    pub size: Option<(u16, u16)>,
}

/// What came on one video slot.
#[derive(Debug, Clone, Default)]
pub struct VideoObservation {
    /// Packets, without those that came twice.
    pub packets: u64,
    /// Frames that a decoder could show, in order.
    pub frames: Vec<FrameSeen>,
    /// Who fed the slot when.
    pub runs: Vec<SourceRun>,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came after they had been given up.
    pub late: u64,
    /// Packets whose payload was changed or not made by a participant.
    pub corrupt: u64,
    /// Frames cut short although no packet was lost, in the middle of one source.
    pub torn: u64,
    /// Frames cut short although no packet was lost, because another source began.
    pub torn_at_source_change: u64,
    /// Frames that lost a packet.
    pub incomplete: u64,
    /// Whole frames that had to be thrown away while waiting for a keyframe.
    pub undecodable: u64,
    /// Frames without their predecessor although no packet was lost: a switch beside a keyframe.
    pub broken_references: u64,
    /// Times at which the RTP timestamp went back, or stood still between two frames.
    pub timestamps_back: u64,
    /// Times at which the VP8 picture id did not go on by one although no packet was lost.
    pub picture_id_jumps: u64,
    /// The same for TL0PICIDX.
    pub tl0_pic_idx_jumps: u64,
    /// Keyframes that the receiver asked for.
    pub keyframe_requests: u64,
    /// SSRCs that the slot was fed with.
    pub ssrcs: Vec<u32>,
}

impl VideoObservation {
    /// Returns the frames between two instants.
    pub fn frames_between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &FrameSeen> {
        self.frames
            .iter()
            .filter(move |frame| (from..to).contains(&frame.at))
    }

    /// Returns the longest time without a new frame between two instants, the edges included.
    pub fn longest_freeze(&self, from: Instant, to: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        let mut last = from;
        for frame in self.frames_between(from, to) {
            longest = longest.max(frame.at - last);
            last = frame.at;
        }
        longest.max(to.saturating_duration_since(last))
    }

    /// Returns what no sender may do even on a bad network, by name; empty if all is well.
    ///
    /// Frames torn by a change of source are not among it: the old source
    /// stops at once then.
    pub fn violations(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("corrupt", self.corrupt),
            ("torn", self.torn),
            ("broken_references", self.broken_references),
            ("timestamps_back", self.timestamps_back),
            ("picture_id_jumps", self.picture_id_jumps),
            ("tl0_pic_idx_jumps", self.tl0_pic_idx_jumps),
            (
                "more than one ssrc",
                self.ssrcs.len().saturating_sub(1) as u64,
            ),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// One audio packet, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSeen {
    /// When it was put in order.
    pub at: Instant,
    /// Who sent it.
    pub publisher: u64,
    /// Microphone or the sound of a screen.
    pub source: Source,
    /// The publisher's count.
    pub counter: u32,
    /// As received.
    pub timestamp: u32,
    /// As RFC 6464 counts it: 0 is loudest, 127 silence.
    pub level: Option<u8>,
}

/// What came on one audio slot.
#[derive(Debug, Clone, Default)]
pub struct AudioObservation {
    /// Packets in order.
    pub packets: Vec<AudioSeen>,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came after they had been given up.
    pub late: u64,
    /// Packets whose payload was changed or not made by a participant.
    pub corrupt: u64,
    /// Times at which the RTP timestamp did not go forward.
    pub timestamps_back: u64,
    /// SSRCs that the slot was fed with.
    pub ssrcs: Vec<u32>,
}

impl AudioObservation {
    /// Returns the packets between two instants.
    pub fn packets_between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &AudioSeen> {
        self.packets
            .iter()
            .filter(move |packet| (from..to).contains(&packet.at))
    }

    /// Returns what no sender may do even on a bad network, by name; empty if all is well.
    pub fn violations(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("corrupt", self.corrupt),
            ("timestamps_back", self.timestamps_back),
            (
                "more than one ssrc",
                self.ssrcs.len().saturating_sub(1) as u64,
            ),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

impl Observation {
    /// Returns the frames of one picture on whatever slot they came, in order of time.
    pub fn frames_of(&self, publisher: u64, source: Source) -> Vec<FrameSeen> {
        let mut frames: Vec<FrameSeen> = self
            .video
            .values()
            .flat_map(|slot| &slot.frames)
            .filter(|frame| frame.publisher == publisher && frame.source == source)
            .copied()
            .collect();
        frames.sort_by_key(|frame| frame.at);
        frames
    }

    /// Returns the audio packets of one source on whatever slot they came, in order of time.
    pub fn audio_of(&self, publisher: u64, source: Source) -> Vec<AudioSeen> {
        let mut packets: Vec<AudioSeen> = self
            .audio
            .values()
            .flat_map(|slot| &slot.packets)
            .filter(|packet| packet.publisher == publisher && packet.source == source)
            .copied()
            .collect();
        packets.sort_by_key(|packet| packet.at);
        packets
    }

    /// Returns what no sender may do even on a bad network, with the place; empty if all is well.
    pub fn violations(&self) -> Vec<String> {
        let video = self
            .video
            .iter()
            .map(|(mid, slot)| (mid, slot.violations()));
        let audio = self
            .audio
            .iter()
            .map(|(mid, slot)| (mid, slot.violations()));
        let mut found: Vec<String> = video
            .chain(audio)
            .flat_map(|(mid, violations)| {
                violations
                    .into_iter()
                    .map(move |(name, count)| format!("slot {mid}: {count} {name}"))
            })
            .collect();
        if self.sequence_collisions > 0 {
            found.push(format!("{} sequence collisions", self.sequence_collisions));
        }
        if self.strays > 0 {
            found.push(format!("{} packets outside of the slots", self.strays));
        }
        found
    }
}

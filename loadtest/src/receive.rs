//! Puts received packets together and notices what a decoder would stumble over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Rid, Source};

use crate::journal::{Counts, Journal, Pace};
use crate::observation::{AudioObservation, AudioSeen, FrameSeen, SourceRun, VideoObservation};
use crate::reorder::{Ordered, Reorder};
use crate::stamp::{PictureStamp, audio_stamp, read_picture};
use crate::vp8::Descriptor;

/// How long a missing video packet is waited for: several rounds of NACK.
pub(crate) const VIDEO_PATIENCE: Duration = Duration::from_millis(500);
/// Audio is not sent again; only reordering is waited for.
pub(crate) const AUDIO_PATIENCE: Duration = Duration::from_millis(60);
/// The least time between two keyframe requests of one slot, as libwebrtc keeps it.
const KEYFRAME_REQUEST_PAUSE: Duration = Duration::from_millis(300);

/// One packet as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) arrival: Instant,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) level: Option<u8>,
    pub(crate) payload: Arc<[u8]>,
}

/// The receiving end of one video slot.
#[derive(Debug)]
pub(crate) struct VideoReceiver {
    reorder: Reorder<Received>,
    assembly: Option<Assembly>,
    /// The last frame of which anything came, whole or not.
    last: Option<LastFrame>,
    /// The last frame that could be shown.
    decoded: Option<PictureStamp>,
    waits_for_keyframe: bool,
    next_keyframe_request: Option<Instant>,
    frames: u64,
    pace: Pace,
    observation: VideoObservation,
}

/// The beginning of a frame.
#[derive(Debug)]
struct Assembly {
    stamp: PictureStamp,
    timestamp: u32,
    picture_id: Option<u16>,
    size: Option<(u16, u16)>,
    next_index: u16,
}

#[derive(Debug, Clone, Copy)]
struct LastFrame {
    timestamp: u32,
    picture_id: Option<u16>,
    tl0_pic_idx: Option<u8>,
    /// Whether packets are missing since.
    broken: bool,
}

impl VideoReceiver {
    pub(crate) fn new() -> Self {
        VideoReceiver {
            reorder: Reorder::new(VIDEO_PATIENCE),
            assembly: None,
            last: None,
            decoded: None,
            waits_for_keyframe: true,
            next_keyframe_request: None,
            frames: 0,
            pace: Pace::default(),
            observation: VideoObservation::default(),
        }
    }

    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        ssrc: u32,
        seq: u64,
        packet: Received,
        journal: &mut Journal,
    ) {
        note_ssrc(&mut self.observation.ssrcs, ssrc);
        self.reorder.handle_packet(now, seq, packet);
        self.handle_timeout(now, journal);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, journal: &mut Journal) {
        while let Some(ordered) = self.reorder.poll(now) {
            match ordered {
                Ordered::Packet(_, packet) => self.deliver(now, &packet, journal),
                Ordered::Gap(_) => self.give_up(),
            }
        }
        let given_up = self.reorder.given_up();
        (self.observation.lost, self.observation.late) = (given_up.lost(), given_up.late());
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.reorder.poll_timeout()
    }

    /// Returns whether a keyframe is to be asked for at `now`.
    pub(crate) fn poll_keyframe_request(&mut self, now: Instant) -> bool {
        let stuck = self.waits_for_keyframe && self.observation.undecodable > 0;
        if !stuck || self.next_keyframe_request.is_some_and(|next| now < next) {
            return false;
        }
        self.next_keyframe_request = Some(now + KEYFRAME_REQUEST_PAUSE);
        self.observation.keyframe_requests += 1;
        true
    }

    pub(crate) fn observation(&self) -> &VideoObservation {
        &self.observation
    }

    /// Adds what came here to `counts`.
    pub(crate) fn count(&self, counts: &mut Counts) {
        let seen = &self.observation;
        counts.video_packets += seen.packets;
        counts.video_given_up += self.reorder.given_up().count();
        counts.video_late += seen.late;
        counts.corrupt += seen.corrupt;
        counts.frames += self.frames;
        counts.undecodable += seen.undecodable;
        counts.keyframe_requests += seen.keyframe_requests;
        let violations = seen.violations();
        counts.violations += violations.iter().map(|(_, count)| count).sum::<u64>();
    }

    /// Notes a picture that stands still at `now`; it is not noted again.
    pub(crate) fn close_freeze(&mut self, now: Instant, journal: &mut Journal) {
        if let Some(length) = self.pace.open_freeze(now) {
            journal.note_freeze(length);
        }
        self.pace.reset();
    }

    fn give_up(&mut self) {
        if self.assembly.take().is_some() {
            self.observation.incomplete += 1;
        }
        if let Some(last) = &mut self.last {
            last.broken = true;
        }
        self.waits_for_keyframe = true;
    }

    fn deliver(&mut self, now: Instant, packet: &Received, journal: &mut Journal) {
        self.observation.packets += 1;
        let read = Descriptor::parse(&packet.payload).and_then(|descriptor| {
            Some((
                descriptor,
                read_picture(descriptor.body(&packet.payload)).ok()?,
            ))
        });
        let Some((descriptor, stamp)) = read else {
            self.observation.corrupt += 1;
            return;
        };
        journal.note_packet(packet.arrival, stamp.sent_ns);
        let changed = note_run(
            &mut self.observation.runs,
            packet,
            stamp.publisher,
            stamp.source,
        );
        if descriptor.start {
            self.cut_assembly(changed);
            self.begin_frame(&descriptor, &stamp, packet);
        }
        let Some(assembly) = &mut self.assembly else {
            // The rest of a frame whose beginning was lost or refused.
            let is_loss = self.last.is_none_or(|last| last.broken);
            if descriptor.start || is_loss {
                return;
            }
            self.observation.torn += 1;
            return;
        };
        let fits = assembly.timestamp == packet.timestamp
            && assembly.picture_id == descriptor.picture_id
            && same_frame(&assembly.stamp, &stamp)
            && assembly.next_index == stamp.index;
        if !fits {
            self.cut_assembly(changed);
            return;
        }
        assembly.next_index += 1;
        let is_last = assembly.next_index == stamp.count;
        if packet.marker != is_last {
            self.cut_assembly(changed);
        } else if is_last && let Some(assembly) = self.assembly.take() {
            self.finish_frame(now, &assembly, journal);
        }
    }

    fn cut_assembly(&mut self, source_changed: bool) {
        if self.assembly.take().is_none() {
            return;
        }
        // What cannot be shown whole breaks what refers to it.
        self.waits_for_keyframe = true;
        if source_changed {
            self.observation.torn_at_source_change += 1;
        } else {
            self.observation.torn += 1;
        }
    }

    fn begin_frame(&mut self, descriptor: &Descriptor, stamp: &PictureStamp, packet: &Received) {
        if let Some(last) = self.last {
            let ahead = packet.timestamp.wrapping_sub(last.timestamp);
            if ahead == 0 || ahead >= 1 << 31 {
                self.observation.timestamps_back += 1;
            }
            if !follows_picture_id(last.picture_id, descriptor.picture_id, last.broken) {
                self.observation.picture_id_jumps += 1;
            }
            let expected = last.tl0_pic_idx.map(|index| index.wrapping_add(1));
            if !last.broken && descriptor.tl0_pic_idx != expected {
                self.observation.tl0_pic_idx_jumps += 1;
            }
        }
        self.last = Some(LastFrame {
            timestamp: packet.timestamp,
            picture_id: descriptor.picture_id,
            tl0_pic_idx: descriptor.tl0_pic_idx,
            broken: false,
        });
        if stamp.index != 0 {
            self.observation.torn += 1;
            return;
        }
        self.assembly = Some(Assembly {
            stamp: *stamp,
            timestamp: packet.timestamp,
            picture_id: descriptor.picture_id,
            size: descriptor.dimensions(&packet.payload),
            next_index: 0,
        });
    }

    fn finish_frame(&mut self, now: Instant, assembly: &Assembly, journal: &mut Journal) {
        let stamp = assembly.stamp;
        let follows = self.decoded.is_some_and(|last| {
            same_stream(&last, &stamp) && last.frame.wrapping_add(1) == stamp.frame
        });
        if !stamp.keyframe && (self.waits_for_keyframe || !follows) {
            if self.waits_for_keyframe {
                self.observation.undecodable += 1;
            } else {
                self.observation.broken_references += 1;
                self.waits_for_keyframe = true;
            }
            return;
        }
        self.waits_for_keyframe = false;
        self.next_keyframe_request = None;
        let same_picture = self
            .decoded
            .replace(stamp)
            .is_some_and(|last| (last.publisher, last.source) == (stamp.publisher, stamp.source));
        if !same_picture {
            self.pace.reset();
        }
        if let Some(length) = self.pace.handle_frame(now) {
            journal.note_freeze(length);
        }
        self.frames += 1;
        journal.first_frame.get_or_insert(now);
        if !journal.keeps_everything() {
            return;
        }
        self.observation.frames.push(FrameSeen {
            at: now,
            publisher: stamp.publisher,
            source: stamp.source,
            encoding: stamp.encoding,
            frame: stamp.frame,
            keyframe: stamp.keyframe,
            timestamp: assembly.timestamp,
            picture_id: assembly.picture_id,
            size: assembly.size,
        });
    }
}

/// The receiving end of one audio slot.
#[derive(Debug)]
pub(crate) struct AudioReceiver {
    reorder: Reorder<Received>,
    last_timestamp: Option<u32>,
    packets: u64,
    observation: AudioObservation,
}

impl AudioReceiver {
    pub(crate) fn new() -> Self {
        AudioReceiver {
            reorder: Reorder::new(AUDIO_PATIENCE),
            last_timestamp: None,
            packets: 0,
            observation: AudioObservation::default(),
        }
    }

    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        ssrc: u32,
        seq: u64,
        packet: Received,
        journal: &mut Journal,
    ) {
        note_ssrc(&mut self.observation.ssrcs, ssrc);
        self.reorder.handle_packet(now, seq, packet);
        self.handle_timeout(now, journal);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, journal: &mut Journal) {
        while let Some(ordered) = self.reorder.poll(now) {
            match ordered {
                Ordered::Packet(_, packet) => self.deliver(now, &packet, journal),
                Ordered::Gap(_) => {}
            }
        }
        let given_up = self.reorder.given_up();
        (self.observation.lost, self.observation.late) = (given_up.lost(), given_up.late());
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.reorder.poll_timeout()
    }

    pub(crate) fn observation(&self) -> &AudioObservation {
        &self.observation
    }

    /// Adds what came here to `counts`.
    pub(crate) fn count(&self, counts: &mut Counts) {
        let seen = &self.observation;
        counts.audio_packets += self.packets;
        counts.audio_given_up += self.reorder.given_up().count();
        counts.audio_late += seen.late;
        counts.corrupt += seen.corrupt;
        let violations = seen.violations();
        counts.violations += violations.iter().map(|(_, count)| count).sum::<u64>();
    }

    fn deliver(&mut self, now: Instant, packet: &Received, journal: &mut Journal) {
        if let Some(last) = self.last_timestamp {
            let ahead = packet.timestamp.wrapping_sub(last);
            if ahead == 0 || ahead >= 1 << 31 {
                self.observation.timestamps_back += 1;
            }
        }
        self.last_timestamp = Some(packet.timestamp);
        let Ok(stamp) = audio_stamp(&packet.payload) else {
            self.observation.corrupt += 1;
            return;
        };
        journal.note_packet(packet.arrival, stamp.sent_ns);
        journal.first_sound.get_or_insert(now);
        self.packets += 1;
        if !journal.keeps_everything() {
            return;
        }
        self.observation.packets.push(AudioSeen {
            at: now,
            publisher: stamp.publisher,
            source: stamp.source,
            counter: stamp.counter,
            timestamp: packet.timestamp,
            level: packet.level,
        });
    }
}

/// Notes who feeds a slot; returns whether that changed with this packet.
fn note_run(runs: &mut Vec<SourceRun>, packet: &Received, publisher: u64, source: Source) -> bool {
    if let Some(run) = runs.last_mut()
        && run.publisher == publisher
        && run.source == source
    {
        run.first_arrival = run.first_arrival.min(packet.arrival);
        run.last_arrival = run.last_arrival.max(packet.arrival);
        run.last_timestamp = packet.timestamp;
        run.packets += 1;
        return false;
    }
    runs.push(SourceRun {
        publisher,
        source,
        first_arrival: packet.arrival,
        last_arrival: packet.arrival,
        first_timestamp: packet.timestamp,
        last_timestamp: packet.timestamp,
        packets: 1,
    });
    runs.len() > 1
}

fn note_ssrc(ssrcs: &mut Vec<u32>, ssrc: u32) {
    if !ssrcs.contains(&ssrc) {
        ssrcs.push(ssrc);
    }
}

fn same_frame(one: &PictureStamp, other: &PictureStamp) -> bool {
    same_stream(one, other) && one.frame == other.frame && one.count == other.count
}

fn same_stream(one: &PictureStamp, other: &PictureStamp) -> bool {
    let key = |stamp: &PictureStamp| -> (u64, Source, Option<Rid>) {
        (stamp.publisher, stamp.source, stamp.encoding)
    };
    key(one) == key(other)
}

/// Returns whether a picture id may come after `last`: the next, or, after a
/// loss, any that is ahead (15 bits, RFC 7741, section 4.2).
fn follows_picture_id(last: Option<u16>, id: Option<u16>, broken: bool) -> bool {
    let (Some(last), Some(id)) = (last, id) else {
        return last.is_none() && id.is_none();
    };
    let ahead = id.wrapping_sub(last) & 0x7FFF;
    if broken {
        ahead != 0 && ahead < 1 << 14
    } else {
        ahead == 1
    }
}

#[cfg(test)]
mod tests;

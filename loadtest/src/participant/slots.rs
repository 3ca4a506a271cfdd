//! The receiving m-lines of a participant.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use conclave_sfu_wire::control::MidName;
use str0m::Rtc;
use str0m::media::{MediaKind, Mid};
use str0m::rtp::{RtpPacket, Ssrc};

use super::name_of;
use crate::journal::{Counts, Figures, Journal};
use crate::observation::Observation;
use crate::receive::{AudioReceiver, Received, VideoReceiver};

/// Where what arrives is put together.
pub(super) struct Slots {
    video: BTreeMap<MidName, (Mid, VideoReceiver)>,
    audio: BTreeMap<MidName, AudioReceiver>,
    /// In the order of the SDP.
    video_names: Vec<MidName>,
    audio_names: Vec<MidName>,
    ssrcs: HashMap<Ssrc, MidName>,
    strays: u64,
    journal: Journal,
}

impl Slots {
    pub(super) fn new(journal: Journal) -> Self {
        Slots {
            video: BTreeMap::new(),
            audio: BTreeMap::new(),
            video_names: Vec::new(),
            audio_names: Vec::new(),
            ssrcs: HashMap::new(),
            strays: 0,
            journal,
        }
    }

    /// Adds a receiving m-line.
    pub(super) fn add(&mut self, mid: Mid, kind: MediaKind) {
        let name = name_of(mid);
        if kind == MediaKind::Video {
            self.video_names.push(name);
            self.video.insert(name, (mid, VideoReceiver::new()));
        } else {
            self.audio_names.push(name);
            self.audio.insert(name, AudioReceiver::new());
        }
    }

    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        arrival: Instant,
        rtc: &mut Rtc,
        packet: RtpPacket,
    ) {
        let ssrc = packet.header.ssrc;
        let mid = match self.ssrcs.get(&ssrc) {
            Some(mid) => *mid,
            None => {
                let mut api = rtc.direct_api();
                let Some(stream) = api.stream_rx(&ssrc) else {
                    return;
                };
                let mid = name_of(stream.mid());
                self.ssrcs.insert(ssrc, mid);
                mid
            }
        };
        let received = Received {
            arrival,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            level: packet
                .header
                .ext_vals
                .audio_level
                .map(|level| level.unsigned_abs()),
            payload: packet.payload,
        };
        let (ssrc, seq, journal) = (*ssrc, *packet.seq_no, &mut self.journal);
        if let Some((_, slot)) = self.video.get_mut(&mid) {
            slot.handle_packet(now, ssrc, seq, received, journal);
        } else if let Some(slot) = self.audio.get_mut(&mid) {
            slot.handle_packet(now, ssrc, seq, received, journal);
        } else {
            self.strays += 1;
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for (_, receiver) in self.video.values_mut() {
            receiver.handle_timeout(now, &mut self.journal);
        }
        for receiver in self.audio.values_mut() {
            receiver.handle_timeout(now, &mut self.journal);
        }
    }

    /// Notes pictures that stand still at `now`, as at the end of a run.
    pub(super) fn close_freezes(&mut self, now: Instant) {
        for (_, receiver) in self.video.values_mut() {
            receiver.close_freeze(now, &mut self.journal);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let video = self.video.values();
        let audio = self.audio.values();
        video
            .filter_map(|(_, receiver)| receiver.poll_timeout())
            .chain(audio.filter_map(AudioReceiver::poll_timeout))
            .min()
    }

    /// Returns the m-lines of all video slots.
    pub(super) fn video_mids(&self) -> Vec<Mid> {
        self.video.values().map(|(mid, _)| *mid).collect()
    }

    /// Returns the m-lines for which a keyframe is to be asked.
    pub(super) fn poll_keyframe_requests(&mut self, now: Instant) -> Vec<Mid> {
        self.video
            .values_mut()
            .filter_map(|(mid, slot)| slot.poll_keyframe_request(now).then_some(*mid))
            .collect()
    }

    pub(super) fn take_figures(&mut self, into: &mut Figures) {
        into.delays.append(&mut self.journal.figures.delays);
        into.freezes.append(&mut self.journal.figures.freezes);
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, receiver) in self.video.values() {
            receiver.count(&mut counts);
        }
        for receiver in self.audio.values() {
            receiver.count(&mut counts);
        }
        counts.violations += self.strays;
        counts
    }

    /// When the first frame could be shown, and when the first sound came.
    pub(super) fn first(&self) -> (Option<Instant>, Option<Instant>) {
        (self.journal.first_frame, self.journal.first_sound)
    }

    pub(super) fn video_names(&self) -> &[MidName] {
        &self.video_names
    }

    pub(super) fn audio_names(&self) -> &[MidName] {
        &self.audio_names
    }

    pub(super) fn frames_shown(&self, slot: &MidName) -> usize {
        self.video
            .get(slot)
            .map_or(0, |(_, receiver)| receiver.observation().frames.len())
    }

    pub(super) fn observation(&self, sequence_collisions: u64) -> Observation {
        let video = self.video.iter();
        let audio = self.audio.iter();
        Observation {
            video: video
                .map(|(mid, (_, slot))| (*mid, slot.observation().clone()))
                .collect(),
            audio: audio
                .map(|(mid, slot)| (*mid, slot.observation().clone()))
                .collect(),
            sequence_collisions,
            strays: self.strays,
        }
    }
}

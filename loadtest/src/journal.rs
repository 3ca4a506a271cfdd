//! What a receiver keeps of what it sees: everything, for oracles, or figures, for long runs.

use std::time::{Duration, Instant};

/// What a participant keeps of what it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Record {
    /// Every frame and every packet of sound, and what each datagram held.
    #[default]
    Everything,
    /// Counts alone, and the delays and freezes since they were last taken: what
    /// thousands of participants can afford for hours.
    Figures,
}

/// Cumulative counts of one participant, all slots together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets of pictures, put in order.
    pub video_packets: u64,
    /// Packets of sound, put in order.
    pub audio_packets: u64,
    /// Packets of pictures that did not come in time.
    pub video_given_up: u64,
    /// Packets of sound that did not come in time.
    pub audio_given_up: u64,
    /// Packets of pictures that came after they had been given up.
    pub video_late: u64,
    /// Packets of sound that came after they had been given up.
    pub audio_late: u64,
    /// Packets whose payload was changed, or made by nobody here.
    pub corrupt: u64,
    /// Frames that could be shown.
    pub frames: u64,
    /// Whole frames that were of no use before the next keyframe.
    pub undecodable: u64,
    /// Keyframes that the receiver asked for.
    pub keyframe_requests: u64,
    /// What no sender may do even on a bad network.
    pub violations: u64,
}

impl Counts {
    /// Applies `op` to each count of both.
    fn zip(self, other: Counts, op: impl Fn(u64, u64) -> u64) -> Counts {
        Counts {
            video_packets: op(self.video_packets, other.video_packets),
            audio_packets: op(self.audio_packets, other.audio_packets),
            video_given_up: op(self.video_given_up, other.video_given_up),
            audio_given_up: op(self.audio_given_up, other.audio_given_up),
            video_late: op(self.video_late, other.video_late),
            audio_late: op(self.audio_late, other.audio_late),
            corrupt: op(self.corrupt, other.corrupt),
            frames: op(self.frames, other.frames),
            undecodable: op(self.undecodable, other.undecodable),
            keyframe_requests: op(self.keyframe_requests, other.keyframe_requests),
            violations: op(self.violations, other.violations),
        }
    }

    /// Returns how many packets of pictures never came, after all resending.
    pub fn video_lost(self) -> u64 {
        // In a part of a run some may come that were given up before it.
        self.video_given_up.saturating_sub(self.video_late)
    }

    /// Returns how many packets of sound never came.
    pub fn audio_lost(self) -> u64 {
        self.audio_given_up.saturating_sub(self.audio_late)
    }

    /// Returns what was added since `earlier`.
    pub fn since(self, earlier: Counts) -> Counts {
        self.zip(earlier, u64::saturating_sub)
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        *self = self.zip(other, |one, other| one + other);
    }
}

/// Measurements since they were last taken. Bounded by what arrives in between.
#[derive(Debug, Default)]
pub struct Figures {
    /// From the sender's stamp to the arrival, per packet.
    pub delays: Vec<Duration>,
    /// Lengths of freezes.
    pub freezes: Vec<Duration>,
}

/// Where the receivers of one participant write to.
#[derive(Debug)]
pub(crate) struct Journal {
    record: Record,
    epoch: Instant,
    pub(crate) figures: Figures,
    pub(crate) first_frame: Option<Instant>,
    pub(crate) first_sound: Option<Instant>,
}

impl Journal {
    /// Begins one; stamps count from `epoch`.
    pub(crate) fn new(record: Record, epoch: Instant) -> Self {
        Journal {
            record,
            epoch,
            figures: Figures::default(),
            first_frame: None,
            first_sound: None,
        }
    }

    pub(crate) fn keeps_everything(&self) -> bool {
        self.record == Record::Everything
    }

    /// Notes the delay of a packet that its sender stamped with `sent_ns`.
    pub(crate) fn note_packet(&mut self, arrival: Instant, sent_ns: u64) {
        if self.record == Record::Figures {
            let sent = self.epoch + Duration::from_nanos(sent_ns);
            self.figures
                .delays
                .push(arrival.saturating_duration_since(sent));
        }
    }

    /// Notes a freeze.
    pub(crate) fn note_freeze(&mut self, length: Duration) {
        if self.record == Record::Figures {
            self.figures.freezes.push(length);
        }
    }
}

/// A freeze is at least this much longer than a frame usually lasts …
const FREEZE_OVER: Duration = Duration::from_millis(150);
/// … and this many times as long (both as `freezeCount` of the W3C's WebRTC statistics has them).
const FREEZE_TIMES: u32 = 3;
/// How much a new frame moves what is usual: one part of so many.
const PACE_MEMORY: u32 = 16;

/// Notices when a picture stands still.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    last: Option<Instant>,
    usual: Option<Duration>,
}

impl Pace {
    /// Takes a frame that is shown at `now`; returns how long the picture stood still before it.
    pub(crate) fn handle_frame(&mut self, now: Instant) -> Option<Duration> {
        let last = self.last.replace(now)?;
        let length = now.saturating_duration_since(last);
        let froze = self.is_freeze(length);
        if !froze {
            let usual = self.usual.unwrap_or(length);
            self.usual = Some(usual * (PACE_MEMORY - 1) / PACE_MEMORY + length / PACE_MEMORY);
        }
        froze.then_some(length)
    }

    /// Returns how long the picture has stood still at `now`, if it does.
    pub(crate) fn open_freeze(&self, now: Instant) -> Option<Duration> {
        let length = now.saturating_duration_since(self.last?);
        self.is_freeze(length).then_some(length)
    }

    /// Forgets the past: another picture begins, or none is expected.
    pub(crate) fn reset(&mut self) {
        *self = Pace::default();
    }

    fn is_freeze(&self, length: Duration) -> bool {
        // Two frames make no rhythm: what is usual is known from the second interval on.
        let usual = self.usual.unwrap_or(FREEZE_OVER);
        length >= (usual * FREEZE_TIMES).max(usual + FREEZE_OVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch;

    #[test]
    fn a_pause_much_longer_than_usual_is_a_freeze() {
        let start = epoch();
        let mut pace = Pace::default();
        let at = |ms| start + Duration::from_millis(ms);
        for frame in 0..30 {
            assert_eq!(pace.handle_frame(at(frame * 33)), None);
        }
        let last = 29 * 33;
        assert_eq!(pace.open_freeze(at(last + 100)), None);
        assert_eq!(
            pace.open_freeze(at(last + 200)),
            Some(Duration::from_millis(200))
        );
        assert_eq!(
            pace.handle_frame(at(last + 250)),
            Some(Duration::from_millis(250))
        );
        assert_eq!(pace.handle_frame(at(last + 283)), None);
    }

    #[test]
    fn delays_count_from_the_epoch_and_only_where_figures_are_kept() {
        let start = epoch();
        let arrival = start + Duration::from_millis(30);
        let mut journal = Journal::new(Record::Figures, start);
        journal.note_packet(arrival, 20_000_000);
        assert_eq!(journal.figures.delays, [Duration::from_millis(10)]);
        let mut journal = Journal::new(Record::Everything, start);
        journal.note_packet(arrival, 20_000_000);
        assert!(journal.figures.delays.is_empty());
    }
}

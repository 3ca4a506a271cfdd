//! Whose voices a listener hears.
//!
//! Each listener has a few slots, and every voice contests them by its smoothed
//! loudness. Own voice is excluded by the caller.

use std::time::{Duration, Instant};

/// Smoothing of loudness: each packet of 20 ms moves it by an eighth, so that
/// a cough does not take a slot and a sentence does within 0.2 s.
const SMOOTHING_SHIFT: u32 = 3;

/// A voice must be this much louder than the holder of a slot to take it, in
/// dB: speech wavers by as much within a word.
const HYSTERESIS_DB: u32 = 3;

/// A slot is held at least this long, so that syllables are not cut.
const HOLD_MIN: Duration = Duration::from_millis(300);

/// A holder that sent nothing for this long gives its slot to anybody.
const IDLE: Duration = Duration::from_secs(1);

/// Loudness from which somebody counts as speaking: -55 dBov.
const SPEAKING: u32 = 72;

/// The smoothed loudness of one voice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loudness {
    /// In 1/256 of a decibel above -127 dBov.
    smoothed: u32,
}

impl Loudness {
    /// Takes the level of one packet, 0 (silence) to 127.
    pub(crate) fn update(&mut self, loudness: u8) {
        let target = u32::from(loudness) << 8;
        let step = self.smoothed.abs_diff(target) >> SMOOTHING_SHIFT;
        if target > self.smoothed {
            self.smoothed += step;
        } else {
            self.smoothed -= step;
        }
    }

    /// Returns the smoothed level, 0 to 127.
    pub(crate) fn level(self) -> u8 {
        (self.smoothed >> 8) as u8
    }

    /// Returns whether this is a voice that speaks.
    pub(crate) fn is_speaking(self) -> bool {
        self.smoothed >> 8 >= SPEAKING
    }

    fn beats(self, other: Loudness) -> bool {
        self.smoothed > other.smoothed + (HYSTERESIS_DB << 8)
    }
}

/// Who feeds one audio slot of a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    /// The publication.
    pub(crate) publication: usize,
    since: Instant,
    last_packet: Instant,
    loudness: Loudness,
}

/// The audio slots of one listener.
#[derive(Debug, Default)]
pub(crate) struct AudioSlots {
    holders: Vec<Option<Holder>>,
}

/// What a packet gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The slot that its voice already has.
    Held(usize),
    /// A slot that goes to it with this packet.
    Taken(usize),
    /// Nothing.
    Refused,
}

impl AudioSlots {
    /// Makes `count` empty slots.
    pub(crate) fn new(count: usize) -> Self {
        AudioSlots {
            holders: vec![None; count],
        }
    }

    /// Decides what a packet of `publication` gets at `now`.
    ///
    /// `beside` is the slot that keeps it in time with the speaker's picture.
    pub(crate) fn claim(
        &mut self,
        now: Instant,
        publication: usize,
        loudness: Loudness,
        beside: Option<usize>,
    ) -> Claim {
        for (index, holder) in self.holders.iter_mut().enumerate() {
            if let Some(holder) = holder
                && holder.publication == publication
            {
                holder.last_packet = now;
                holder.loudness = loudness;
                return Claim::Held(index);
            }
        }
        let Some(index) = self
            .free(now, beside)
            .or_else(|| self.weakest(now, loudness))
        else {
            return Claim::Refused;
        };
        self.holders[index] = Some(Holder {
            publication,
            since: now,
            last_packet: now,
            loudness,
        });
        Claim::Taken(index)
    }

    /// Takes a publication out of its slot; it ended or was muted. Returns
    /// which slot that was.
    pub(crate) fn release(&mut self, publication: usize) -> Option<usize> {
        let slot = self.slot_of(publication)?;
        self.holders[slot] = None;
        Some(slot)
    }

    /// Returns the slot of a publication.
    pub(crate) fn slot_of(&self, publication: usize) -> Option<usize> {
        self.holders
            .iter()
            .position(|holder| holder.is_some_and(|holder| holder.publication == publication))
    }

    /// Returns how many slots are in use.
    pub(crate) fn in_use(&self) -> usize {
        self.holders.iter().flatten().count()
    }

    fn free(&self, now: Instant, beside: Option<usize>) -> Option<usize> {
        let is_free = |index: &usize| match self.holders.get(*index) {
            Some(Some(holder)) => now.saturating_duration_since(holder.last_packet) > IDLE,
            Some(None) => true,
            None => false,
        };
        beside
            .filter(is_free)
            .or_else(|| (0..self.holders.len()).find(is_free))
    }

    fn weakest(&self, now: Instant, loudness: Loudness) -> Option<usize> {
        let holders = self
            .holders
            .iter()
            .enumerate()
            .filter_map(|(index, holder)| {
                let holder = (*holder)?;
                let held = now.saturating_duration_since(holder.since) >= HOLD_MIN;
                (held && loudness.beats(holder.loudness))
                    .then_some((holder.loudness.smoothed, index))
            });
        holders.min().map(|(_, index)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    fn loud(level: u8) -> Loudness {
        Loudness {
            smoothed: u32::from(level) << 8,
        }
    }

    #[test]
    fn a_louder_voice_takes_the_slot_of_the_weakest_after_the_hold() {
        let start = epoch();
        let mut slots = AudioSlots::new(2);
        assert_eq!(slots.claim(start, 1, loud(60), None), Claim::Taken(0));
        assert_eq!(slots.claim(start, 2, loud(50), None), Claim::Taken(1));
        assert_eq!(
            slots.claim(start, 3, loud(90), None),
            Claim::Refused,
            "held too short"
        );
        let later = start + HOLD_MIN;
        slots.claim(later, 1, loud(60), None);
        slots.claim(later, 2, loud(50), None);
        assert_eq!(
            slots.claim(later, 3, loud(52), None),
            Claim::Refused,
            "within hysteresis"
        );
        assert_eq!(slots.claim(later, 3, loud(90), None), Claim::Taken(1));
        assert_eq!(slots.slot_of(2), None);
        assert_eq!(slots.claim(later, 1, loud(0), None), Claim::Held(0));
    }

    #[test]
    fn the_slot_beside_the_picture_is_preferred_when_free() {
        let start = epoch();
        let mut slots = AudioSlots::new(4);
        assert_eq!(slots.claim(start, 1, loud(9), Some(2)), Claim::Taken(2));
        assert_eq!(slots.claim(start, 2, loud(9), Some(2)), Claim::Taken(0));
        assert_eq!(
            slots.claim(start, 3, loud(9), Some(7)),
            Claim::Taken(1),
            "no such slot"
        );
        assert_eq!(slots.in_use(), 3);
        assert_eq!(slots.release(1), Some(2));
        assert_eq!(slots.release(1), None);
        assert_eq!(slots.in_use(), 2);
    }

    #[test]
    fn loudness_follows_speech_within_a_fifth_of_a_second() {
        let mut loudness = Loudness::default();
        for _ in 0..10 {
            loudness.update(110);
        }
        assert!(loudness.is_speaking());
        for _ in 0..25 {
            loudness.update(0);
        }
        assert!(!loudness.is_speaking());
        assert!(loudness.level() < 10);
    }
}

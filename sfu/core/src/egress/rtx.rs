//! How much may be sent again.
//!
//! A receiver that loses much asks for much, and what is sent again fills the
//! same line: at most a third of what left in the last second, and of what the
//! path is thought to take, and each packet once per round trip.

use std::time::{Duration, Instant};

/// The last second in eighths.
const SLOTS: usize = 8;
const SLOT: Duration = Duration::from_millis(125);

/// One in this many bytes of the last second may have been sent again.
const SHARE: u64 = 3;

/// As much may always be sent again within a second: a few packets, so that a
/// stream that has just begun can be repaired.
const BYTES_MIN: u64 = 4_500;

/// Packets whose last resend is remembered: more than a round trip has.
const REMEMBERED: usize = 256;

/// The round trip that is assumed while none is known.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// What a receiver's own timer waits at least before it asks again.
const SPACING_MIN: Duration = Duration::from_millis(20);
const SPACING_MAX: Duration = Duration::from_secs(1);

/// When a packet was last sent again.
#[derive(Debug, Clone, Copy)]
struct Again {
    stream: usize,
    seq: u16,
    at: Instant,
}

/// The budget of one link.
#[derive(Debug)]
pub(super) struct RtxBudget {
    /// When the slot at `newest` began.
    began: Instant,
    newest: usize,
    sent: [u64; SLOTS],
    resent: [u64; SLOTS],
    /// What the path is thought to take in a second.
    path_bytes: u64,
    /// By sequence number; empty until something is asked for.
    again: Vec<Option<Again>>,
}

impl RtxBudget {
    pub(super) fn new(now: Instant) -> Self {
        RtxBudget {
            began: now,
            newest: 0,
            sent: [0; SLOTS],
            resent: [0; SLOTS],
            path_bytes: u64::MAX,
            again: Vec::new(),
        }
    }

    /// Notes how many bit/s the path is thought to take.
    pub(super) fn set_path(&mut self, bps: u64) {
        self.path_bytes = bps / 8;
    }

    /// Counts bytes that left for the first time.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        self.turn(now);
        self.sent[self.newest] += bytes as u64;
    }

    /// Decides whether a packet of `bytes` may be sent again, and counts it if so.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        (stream, seq): (usize, u16),
        bytes: usize,
        round_trip: Option<Duration>,
    ) -> bool {
        self.turn(now);
        let sent = self.sent.iter().sum::<u64>().min(self.path_bytes);
        let budget = (sent / SHARE).max(BYTES_MIN);
        if self.resent.iter().sum::<u64>() + bytes as u64 > budget {
            return false;
        }
        if self.again.is_empty() {
            self.again = vec![None; REMEMBERED];
        }
        let spacing = round_trip
            .unwrap_or(ROUND_TRIP)
            .clamp(SPACING_MIN, SPACING_MAX);
        let place = &mut self.again[usize::from(seq) % REMEMBERED];
        let too_soon = place.is_some_and(|again| {
            (again.stream, again.seq) == (stream, seq)
                && now.saturating_duration_since(again.at) < spacing
        });
        if too_soon {
            return false;
        }
        *place = Some(Again {
            stream,
            seq,
            at: now,
        });
        self.resent[self.newest] += bytes as u64;
        true
    }

    fn turn(&mut self, now: Instant) {
        let mut turns = 0;
        while now.saturating_duration_since(self.began) >= SLOT {
            if turns == SLOTS {
                // Longer than the whole window: all of it is empty by now.
                self.began = now;
                return;
            }
            turns += 1;
            self.began += SLOT;
            self.newest = (self.newest + 1) % SLOTS;
            self.sent[self.newest] = 0;
            self.resent[self.newest] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    #[test]
    fn a_storm_gets_a_third_of_what_was_sent() {
        let start = epoch();
        let mut budget = RtxBudget::new(start);
        let mut resent = 0;
        for packet in 0..2_000u64 {
            let now = start + Duration::from_millis(packet);
            budget.sent(now, 1_000);
            // Everything of the last 100 packets is asked for all the time.
            for behind in 0..100 {
                let seq = packet.wrapping_sub(behind) as u16;
                let round_trip = Some(Duration::from_millis(20));
                resent += usize::from(budget.admit(now, (0, seq), 1_000, round_trip));
            }
        }
        assert!((600..=700).contains(&resent), "{resent} of 2000");
    }

    #[test]
    fn a_narrow_path_leaves_less() {
        let start = epoch();
        let mut budget = RtxBudget::new(start);
        budget.sent(start, 90_000);
        budget.set_path(8 * 30_000);
        let admitted = (0..100).filter(|seq| budget.admit(start, (0, *seq), 1_000, None));
        assert_eq!(admitted.count(), 10);
    }

    #[test]
    fn a_packet_is_sent_again_once_per_round_trip() {
        let start = epoch();
        let mut budget = RtxBudget::new(start);
        let round_trip = Some(Duration::from_millis(80));
        let mut asked = |ms, seq| {
            let now = start + Duration::from_millis(ms);
            budget.admit(now, (1, seq), 100, round_trip)
        };
        assert!(asked(0, 7));
        assert!(!asked(79, 7));
        assert!(asked(79, 8));
        assert!(asked(80, 7));
    }

    #[test]
    fn silence_leaves_the_least() {
        let start = epoch();
        let mut budget = RtxBudget::new(start);
        budget.sent(start, 1_000_000);
        let later = start + Duration::from_secs(5);
        let admitted = (0..100).filter(|seq| budget.admit(later, (0, *seq), 1_000, None));
        assert_eq!(admitted.count() as u64, BYTES_MIN / 1_000);
    }
}

//! What was sent lately, so that feedback about it means something.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Acked;

/// How many packets are remembered: two seconds at 1,000 packets/s, and 24 KiB.
const ENTRIES_MAX: usize = 2_048;
/// How long a packet is remembered. Browsers report 10 to 20 times a second.
const WINDOW: Duration = Duration::from_secs(2);
/// One tick of a feedback message's arrival deltas in µs.
const DELTA_US: i64 = 250;
/// One tick of a feedback message's reference time in µs.
const REFERENCE_US: i64 = 64_000;
/// How far (in ticks) the receiver's clock may go before it begins anew:
/// 2,000 years, and far from where arithmetic ends.
const REFERENCE_MAX: i64 = 1 << 40;
/// Stands for "part of no probe".
const NO_PROBE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unknown,
    Lost,
    Received,
}

/// Twelve bytes, for there are up to 2,048 for each subscriber.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// µs since the history's beginning, modulo 2^32 (71 minutes).
    sent_us: u32,
    probe: u32,
    size: u16,
    fate: Fate,
}

/// The packets sent on one link within the last two seconds, by their
/// transport-wide sequence numbers
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
///
/// Grows as it is used, up to 2,048 packets, and then allocates nothing.
#[derive(Debug)]
pub(crate) struct SentHistory {
    beginning: Instant,
    /// When the last packet was sent.
    last: Instant,
    next_seq: u64,
    /// Oldest first and without gaps: the last one is `next_seq - 1`.
    entries: VecDeque<Entry>,
    /// The reference time of the last feedback in ticks, unwrapped.
    reference: Option<i64>,
}

impl SentHistory {
    /// Returns a history that counts from `now` and from sequence number 0.
    pub(crate) fn new(now: Instant) -> Self {
        SentHistory {
            beginning: now,
            last: now,
            next_seq: 0,
            entries: VecDeque::new(),
            reference: None,
        }
    }

    /// Returns the sequence number that the next packet carries, unwrapped:
    /// its lower 16 bits go into the header extension.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Records that the packet with [`SentHistory::next_seq`] left at `now`
    /// with `size` bytes, and returns that number.
    pub(crate) fn sent(&mut self, now: Instant, size: u16, probe: Option<u32>) -> u64 {
        self.expire(now);
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            sent_us: self.since_beginning(now),
            probe: probe.unwrap_or(NO_PROBE),
            size,
            fate: Fate::Unknown,
        });
        self.last = self.last.max(now);
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Reads one feedback message that came at `now` and puts into `acked`,
    /// which is emptied first, what it says of packets that are remembered.
    ///
    /// `reference` is its 24-bit reference time in ticks of 64 ms; `statuses`
    /// names packets by the lower 16 bits of their sequence numbers, with the
    /// arrival after the one received before it in ticks of 250 µs, or `None`
    /// for one that did not arrive. A packet is reported as lost once and as
    /// received once, the latter even after the former; what was never sent
    /// or is forgotten is left out.
    pub(crate) fn acknowledge<D: Into<i32>>(
        &mut self,
        now: Instant,
        reference: u32,
        statuses: impl IntoIterator<Item = (u16, Option<D>)>,
        acked: &mut Vec<Acked>,
    ) {
        acked.clear();
        self.expire(now);
        let mut arrival_us = self.unwrap_reference(reference) * REFERENCE_US;
        let latest = self.since_beginning(self.last);
        let first_seq = self.next_seq - self.entries.len() as u64;
        for (seq, delta) in statuses {
            let arrived = delta.map(|delta| {
                arrival_us = arrival_us.saturating_add(i64::from(delta.into()) * DELTA_US);
                arrival_us
            });
            let behind = (self.next_seq as u16).wrapping_sub(seq);
            let Some(seq) = self.next_seq.checked_sub(u64::from(behind)) else {
                continue;
            };
            // The next number itself and whatever is "behind" by nearly a
            // whole turn was not sent yet: no entry has its index.
            let Some(entry) = seq
                .checked_sub(first_seq)
                .and_then(|index| self.entries.get_mut(index as usize))
            else {
                continue;
            };
            let fate = arrived.map_or(Fate::Lost, |_| Fate::Received);
            if entry.fate == fate || entry.fate == Fate::Received {
                continue;
            }
            entry.fate = fate;
            let before = latest.wrapping_sub(entry.sent_us);
            acked.push(Acked {
                seq,
                sent: self
                    .last
                    .checked_sub(Duration::from_micros(u64::from(before)))
                    .unwrap_or(self.beginning),
                size: entry.size,
                arrival_us: arrived,
                probe: (entry.probe != NO_PROBE).then_some(entry.probe),
            });
        }
    }

    /// Continues the 24-bit reference time by the shorter way round.
    fn unwrap_reference(&mut self, raw: u32) -> i64 {
        let raw = i64::from(raw & 0x00ff_ffff);
        let unwrapped = match self.reference {
            Some(last) => {
                let ahead = (raw - last).rem_euclid(1 << 24);
                let ahead = if ahead >= 1 << 23 {
                    ahead - (1 << 24)
                } else {
                    ahead
                };
                last + ahead
            }
            None => raw,
        };
        let unwrapped = if unwrapped.abs() > REFERENCE_MAX {
            raw
        } else {
            unwrapped
        };
        self.reference = Some(unwrapped);
        unwrapped
    }

    /// Forgets what is too old to be reported.
    fn expire(&mut self, now: Instant) {
        if now.saturating_duration_since(self.last) > WINDOW {
            // Among these, ages would be ambiguous after 71 minutes.
            self.entries.clear();
            return;
        }
        let now_us = self.since_beginning(now.max(self.last));
        let window_us = WINDOW.as_micros() as u32;
        while self
            .entries
            .front()
            .is_some_and(|entry| now_us.wrapping_sub(entry.sent_us) > window_us)
        {
            self.entries.pop_front();
        }
    }

    fn since_beginning(&self, at: Instant) -> u32 {
        at.saturating_duration_since(self.beginning).as_micros() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;
    use proptest::prelude::*;

    const LOST: Option<i32> = None;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn feedback_tells_when_packets_left_and_arrived() {
        let start = epoch();
        let mut history = SentHistory::new(start);
        assert_eq!(history.sent(start, 100, None), 0);
        assert_eq!(history.sent(start + millis(10), 200, Some(7)), 1);
        assert_eq!(history.sent(start + millis(20), 300, None), 2);
        let mut acked = Vec::new();
        history.acknowledge(
            start + millis(50),
            1_000,
            [(0, Some(4)), (1, LOST), (2, Some(-2))],
            &mut acked,
        );
        let expected = |seq, sent, size, arrival_us, probe| Acked {
            seq,
            sent: start + millis(sent),
            size,
            arrival_us,
            probe,
        };
        assert_eq!(
            acked,
            [
                expected(0, 0, 100, Some(64_001_000), None),
                expected(1, 10, 200, None, Some(7)),
                expected(2, 20, 300, Some(64_000_500), None),
            ]
        );
    }

    #[test]
    fn a_packet_is_told_lost_once_and_received_once() {
        let start = epoch();
        let mut history = SentHistory::new(start);
        history.sent(start, 100, None);
        let mut acked = Vec::new();
        let mut told = |status: Option<i32>| {
            history.acknowledge(start, 0, [(0, status)], &mut acked);
            acked.len()
        };
        assert_eq!(told(None), 1);
        assert_eq!(told(None), 0);
        assert_eq!(told(Some(1)), 1);
        assert_eq!(told(Some(1)), 0);
        assert_eq!(told(None), 0);
    }

    #[test]
    fn what_was_not_sent_or_is_forgotten_is_left_out() {
        let start = epoch();
        let mut history = SentHistory::new(start);
        let mut acked = Vec::new();
        for round in 0..70_000_u64 {
            history.sent(start + Duration::from_micros(round), 100, None);
        }
        let next = history.next_seq() as u16;
        for (seq, told) in [
            (next, 0),
            (next.wrapping_add(1), 0),
            (next.wrapping_sub(1), 1),
            (next.wrapping_sub(ENTRIES_MAX as u16), 1),
            (next.wrapping_sub(ENTRIES_MAX as u16 + 1), 0),
        ] {
            history.acknowledge(start + millis(70), 0, [(seq, Some(0))], &mut acked);
            assert_eq!(acked.len(), told, "{seq}");
        }
        history.acknowledge(
            start + millis(70) + WINDOW * 2,
            0,
            [(next.wrapping_sub(2), Some(0))],
            &mut acked,
        );
        assert_eq!(acked, []);
    }

    #[test]
    fn the_reference_time_goes_on_after_it_wraps_and_may_step_back() {
        let mut history = SentHistory::new(epoch());
        let turn = 1 << 24;
        assert_eq!(history.unwrap_reference(turn - 1), i64::from(turn) - 1);
        assert_eq!(history.unwrap_reference(1), i64::from(turn) + 1);
        assert_eq!(history.unwrap_reference(turn - 1), i64::from(turn) - 1);
    }

    #[test]
    fn a_history_of_a_day_tells_times_exactly() {
        let start = epoch();
        let mut history = SentHistory::new(start);
        let mut acked = Vec::new();
        for hour in 0..24 {
            let sent = start + Duration::from_secs(3_600 * hour);
            let seq = history.sent(sent, 100, None);
            history.acknowledge(sent + millis(90), 0, [(seq as u16, Some(0))], &mut acked);
            assert_eq!(acked.first().map(|acked| acked.sent), Some(sent));
        }
    }

    proptest! {
        #[test]
        fn any_feedback_is_borne(
            steps in prop::collection::vec(
                (0_u64..3_000_000, any::<u32>(), prop::collection::vec((any::<u16>(), any::<Option<i32>>()), 0..8)),
                0..64,
            )
        ) {
            let mut now = epoch();
            let mut history = SentHistory::new(now);
            let mut acked = Vec::new();
            for (wait_us, reference, statuses) in steps {
                now += Duration::from_micros(wait_us);
                for _ in 0..wait_us % 5 {
                    history.sent(now, 1_200, Some(reference));
                }
                history.acknowledge(now, reference, statuses, &mut acked);
                for acked in &acked {
                    prop_assert!(acked.seq < history.next_seq());
                    prop_assert!(acked.sent <= now && now - acked.sent <= WINDOW);
                }
            }
        }
    }
}

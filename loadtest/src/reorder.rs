//! Puts the packets of one RTP stream back into order.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::given_up::GivenUp;

/// What comes out of a [`Reorder`], in the order of sequence numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ordered<T> {
    /// The next packet.
    Packet(u64, T),
    /// This many packets did not come in time and are given up.
    Gap(u64),
}

/// A buffer that waits a bounded time for what is missing.
#[derive(Debug)]
pub(crate) struct Reorder<T> {
    patience: Duration,
    next: Option<u64>,
    /// With the time of arrival.
    waiting: BTreeMap<u64, (Instant, T)>,
    given_up: GivenUp,
}

impl<T> Reorder<T> {
    /// Waits up to `patience` for what is missing before a packet, from its arrival on.
    pub(crate) fn new(patience: Duration) -> Self {
        Reorder {
            patience,
            next: None,
            waiting: BTreeMap::new(),
            given_up: GivenUp::default(),
        }
    }

    /// Takes the packet with the extended sequence number `seq`.
    pub(crate) fn handle_packet(&mut self, now: Instant, seq: u64, packet: T) {
        let next = *self.next.get_or_insert(seq);
        if seq < next {
            self.given_up.handle_packet(seq);
            return;
        }
        self.waiting.entry(seq).or_insert((now, packet));
    }

    /// Returns what is due at `now`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Ordered<T>> {
        let next = self.next?;
        let (&first, &(arrival, _)) = self.waiting.first_key_value()?;
        if first == next {
            let (seq, (_, packet)) = self.waiting.pop_first()?;
            self.next = Some(seq + 1);
            return Some(Ordered::Packet(seq, packet));
        }
        if now < arrival + self.patience {
            return None;
        }
        self.next = Some(first);
        self.given_up.give_up(next..first);
        Some(Ordered::Gap(first - next))
    }

    /// Returns when a missing packet is given up.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let (&first, &(arrival, _)) = self.waiting.first_key_value()?;
        (Some(first) != self.next).then_some(arrival + self.patience)
    }

    /// What was given up, and what of it came.
    pub(crate) fn given_up(&self) -> &GivenUp {
        &self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch;

    const PATIENCE: Duration = Duration::from_millis(100);

    #[test]
    fn a_late_packet_is_waited_for() {
        let start = epoch();
        let mut reorder = Reorder::new(PATIENCE);
        for seq in [10, 12, 11] {
            reorder.handle_packet(start, seq, ());
        }
        for seq in 10..=12 {
            assert_eq!(reorder.poll(start), Some(Ordered::Packet(seq, ())));
        }
        assert_eq!(reorder.poll(start), None);
        assert_eq!(reorder.poll_timeout(), None);
    }

    #[test]
    fn a_lost_packet_is_given_up_in_time() {
        let start = epoch();
        let mut reorder = Reorder::new(PATIENCE);
        reorder.handle_packet(start, 10, ());
        reorder.handle_packet(start, 13, ());
        assert_eq!(reorder.poll(start), Some(Ordered::Packet(10, ())));
        assert_eq!(reorder.poll(start), None);
        let due = reorder.poll_timeout().unwrap();
        assert_eq!(due, start + PATIENCE);
        assert_eq!(reorder.poll(due), Some(Ordered::Gap(2)));
        assert_eq!(reorder.poll(due), Some(Ordered::Packet(13, ())));
        reorder.handle_packet(due, 11, ());
        reorder.handle_packet(due, 13, ());
        assert_eq!((reorder.poll(due), reorder.given_up().late()), (None, 1));
    }

    #[test]
    fn every_hole_is_waited_for_from_its_own_beginning() {
        let start = epoch();
        let mut reorder = Reorder::new(PATIENCE);
        for (seq, ms) in [(10, 0), (12, 10), (14, 20)] {
            reorder.handle_packet(start + Duration::from_millis(ms), seq, ());
        }
        let end = start + PATIENCE + Duration::from_millis(20);
        let ordered: Vec<_> = std::iter::from_fn(|| reorder.poll(end)).collect();
        let expected = [
            Ordered::Packet(10, ()),
            Ordered::Gap(1),
            Ordered::Packet(12, ()),
            Ordered::Gap(1),
            Ordered::Packet(14, ()),
        ];
        assert_eq!(ordered, expected);
    }
}

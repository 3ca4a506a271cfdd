//! Which packets were given up, for those that come all the same.

use std::collections::BTreeSet;
use std::ops::Range;

/// Numbers kept: what comes later than so many others is taken for one that came twice.
const KEPT: usize = 1_024;

/// The packets of one stream that were given up.
#[derive(Debug, Default)]
pub(crate) struct GivenUp {
    count: u64,
    late: u64,
    /// The last of them that did not come.
    numbers: BTreeSet<u64>,
}

impl GivenUp {
    /// Gives up the packets with these extended sequence numbers.
    pub(crate) fn give_up(&mut self, numbers: Range<u64>) {
        let count = numbers.end.saturating_sub(numbers.start);
        self.count += count;
        let last = numbers.end.saturating_sub(KEPT as u64).max(numbers.start);
        self.numbers.extend(last..numbers.end);
        while self.numbers.len() > KEPT {
            self.numbers.pop_first();
        }
    }

    /// Takes a packet that nobody waits for: one that was given up is late, another came twice.
    pub(crate) fn handle_packet(&mut self, seq: u64) {
        self.late += u64::from(self.numbers.remove(&seq));
    }

    /// Packets that were given up, late ones among them.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Packets that came after they had been given up.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// Packets that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.count - self.late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_late_once_and_only_if_it_was_given_up() {
        let mut given_up = GivenUp::default();
        given_up.give_up(10..13);
        for seq in [9, 11, 11, 13] {
            given_up.handle_packet(seq);
        }
        let figures = (given_up.count(), given_up.late(), given_up.lost());
        assert_eq!(figures, (3, 1, 2));
    }

    #[test]
    fn of_very_many_the_last_are_remembered() {
        let mut given_up = GivenUp::default();
        given_up.give_up(0..1_000_000);
        given_up.handle_packet(0);
        given_up.handle_packet(999_999);
        assert_eq!((given_up.count(), given_up.late()), (1_000_000, 1));
    }
}

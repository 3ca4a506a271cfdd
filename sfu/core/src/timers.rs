//! When which part of a shard is next due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// A heap of deadlines. An entry is a hint: whoever it wakes looks at its own
/// state, so that moving a deadline later costs nothing here.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    heap: BinaryHeap<Reverse<(Instant, K)>>,
}

impl<K> Default for Timers<K>
where
    K: Ord,
{
    fn default() -> Self {
        Timers {
            heap: BinaryHeap::new(),
        }
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Wakes `key` at `at`, besides any wake-up that it already has.
    pub(crate) fn schedule(&mut self, at: Instant, key: K) {
        self.heap.push(Reverse((at, key)));
    }

    /// Takes the next key that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, K)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Returns when [`Timers::pop_due`] next gives something.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;
    use std::time::Duration;

    #[test]
    fn keys_come_out_when_due_and_in_order() {
        let start = epoch();
        let mut timers = Timers::default();
        timers.schedule(start + Duration::from_millis(20), 2);
        timers.schedule(start + Duration::from_millis(10), 1);
        assert_eq!(timers.next(), Some(start + Duration::from_millis(10)));
        assert_eq!(timers.pop_due(start), None);
        let due = start + Duration::from_millis(20);
        assert_eq!(timers.pop_due(due).map(|(_, key)| key), Some(1));
        assert_eq!(timers.pop_due(due).map(|(_, key)| key), Some(2));
        assert_eq!(timers.pop_due(due), None);
    }
}

//! What only says what happened and could not be kept: it is given to the store again and again, at
//! longer and longer intervals, as much of it as memory may be spent on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conclave_signalling_core::record::Change;
use tokio::time::{Duration, Instant};

/// Changes of one room, of some 500 bytes each.
const OF_ROOM_MAX: usize = 1000;
/// Changes of all rooms: some 10 MB.
const OF_ALL_MAX: usize = 20_000;
/// The pause after the first failure; each further one doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause. A disk that has space again is used after that at the latest.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How many changes of all rooms wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn take_place(&self) -> bool {
        let more = |count: usize| (count < OF_ALL_MAX).then_some(count + 1);
        let order = Ordering::Relaxed;
        self.0.fetch_update(order, order, more).is_ok()
    }

    fn give_places(&self, count: usize) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }
}

/// The changes of one room that wait, the oldest first.
#[derive(Debug)]
pub(super) struct Backlog {
    changes: VecDeque<Change>,
    waiting: Waiting,
    failures: u32,
    due: Option<Instant>,
}

impl Backlog {
    pub(super) fn new(waiting: Waiting) -> Self {
        Backlog {
            changes: VecDeque::new(),
            waiting,
            failures: 0,
            due: None,
        }
    }

    /// Takes changes that were not kept at `now`. Returns how many were let go, the oldest first, as
    /// there were too many.
    pub(super) fn put(&mut self, now: Instant, changes: Vec<Change>) -> usize {
        let mut dropped = 0;
        for change in changes {
            if self.changes.len() >= OF_ROOM_MAX || !self.waiting.take_place() {
                dropped += 1;
                // Its place is that of the new one; without any the new one goes.
                if self.changes.pop_front().is_none() {
                    continue;
                }
            }
            self.changes.push_back(change);
        }
        let pause = PAUSE_MIN * 2u32.saturating_pow(self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.due = (!self.changes.is_empty()).then(|| now + pause.min(PAUSE_MAX));
        dropped
    }

    /// Returns all of them, for another try.
    pub(super) fn take(&mut self) -> Vec<Change> {
        self.due = None;
        self.waiting.give_places(self.changes.len());
        std::mem::take(&mut self.changes).into()
    }

    /// Says that the store keeps changes.
    pub(super) fn handle_kept(&mut self) {
        self.failures = 0;
    }

    /// Returns when they are to be tried again; `None` without any.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.waiting.give_places(self.changes.len());
    }
}

#[cfg(test)]
mod tests {
    use conclave_signalling_wire::ids::BanId;

    use super::*;

    fn change(number: u64) -> Change {
        Change::BanLifted(BanId::new(number, [0; 10]))
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_again_waits_longer_until_something_is_kept() {
        let now = Instant::now();
        let mut backlog = Backlog::new(Waiting::default());
        let mut pauses = Vec::new();
        for number in 0..8 {
            let again = [backlog.take(), vec![change(number)]].concat();
            assert_eq!(backlog.put(now, again), 0);
            pauses.push((backlog.poll_timeout().unwrap() - now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        let all: Vec<_> = (0..8).map(change).collect();
        assert_eq!(backlog.take(), all);
        assert_eq!(backlog.poll_timeout(), None);
        backlog.handle_kept();
        backlog.put(now, all);
        assert_eq!(backlog.poll_timeout(), Some(now + PAUSE_MIN));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_go_where_there_are_too_many() {
        let now = Instant::now();
        let waiting = Waiting::default();
        let mut first = Backlog::new(waiting.clone());
        let more = OF_ROOM_MAX as u64 + 5;
        assert_eq!(first.put(now, (0..more).map(change).collect()), 5);
        let rooms: Vec<_> = (1..OF_ALL_MAX / OF_ROOM_MAX)
            .map(|_| {
                let mut backlog = Backlog::new(waiting.clone());
                backlog.put(now, (0..OF_ROOM_MAX as u64).map(change).collect());
                backlog
            })
            .collect();
        let mut last = Backlog::new(waiting.clone());
        assert_eq!(last.put(now, vec![change(1)]), 1);
        assert!(last.is_empty() && last.poll_timeout().is_none());
        drop(rooms);
        assert_eq!(last.put(now, vec![change(1)]), 0);
        assert_eq!(first.take().first(), Some(&change(5)));
        drop((first, last));
        assert_eq!(waiting.0.load(Ordering::Relaxed), 0);
    }
}

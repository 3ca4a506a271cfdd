//! How often something may happen.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A steady rate with a burst (the generic cell rate algorithm).
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    interval: Duration,
    tolerance: Duration,
    /// When the next event would come if events came at the steady rate.
    due: Option<Instant>,
}

impl Rate {
    /// Allows `per_s` events a second and `burst` at once, both at least 1.
    pub fn new(per_s: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_s.max(1);
        Rate {
            interval,
            tolerance: interval * burst.saturating_sub(1),
            due: None,
        }
    }

    /// Counts an event, or says how long to wait.
    ///
    /// # Errors
    /// How long to wait; the event was not counted.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let due = self.due.map_or(now, |due| due.max(now));
        let ahead = due.saturating_duration_since(now);
        if ahead > self.tolerance {
            return Err(ahead - self.tolerance);
        }
        self.due = Some(due + self.interval);
        Ok(())
    }

    /// Returns when the whole burst is there again; `None` before the first event.
    pub fn rested_at(&self) -> Option<Instant> {
        self.due
    }
}

/// At most so many events in any minute.
#[derive(Debug)]
pub(crate) struct PerMinute {
    limit: usize,
    times: VecDeque<Instant>,
}

impl PerMinute {
    const MINUTE: Duration = Duration::from_secs(60);

    pub(crate) fn new(limit: u32) -> Self {
        PerMinute {
            limit: limit as usize,
            times: VecDeque::new(),
        }
    }

    /// Counts an event, or says how long to wait.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        match self.wait(now) {
            Some(wait) => Err(wait),
            None => {
                self.times.push_back(now);
                Ok(())
            }
        }
    }

    /// Returns whether nothing was counted in the last minute.
    pub(crate) fn is_at_rest(&mut self, now: Instant) -> bool {
        self.wait(now);
        self.times.is_empty()
    }

    /// Returns how long the next event has to wait, if at all.
    pub(crate) fn wait(&mut self, now: Instant) -> Option<Duration> {
        while self
            .times
            .front()
            .is_some_and(|first| now.saturating_duration_since(*first) >= Self::MINUTE)
        {
            self.times.pop_front();
        }
        let first = self
            .times
            .front()
            .filter(|_| self.times.len() >= self.limit)?;
        Some((*first + Self::MINUTE).saturating_duration_since(now))
    }
}

/// Whole seconds of a wait, rounded up: a client that waits so long is served.
pub fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::epoch;

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let start = epoch();
        let mut rate = Rate::new(5, 3);
        for _ in 0..3 {
            assert_eq!(rate.take(start), Ok(()));
        }
        assert_eq!(rate.take(start), Err(Duration::from_millis(200)));
        assert_eq!(rate.take(start + Duration::from_millis(200)), Ok(()));
        assert!(rate.take(start + Duration::from_millis(200)).is_err());
    }

    #[test]
    fn no_minute_has_more_than_its_share() {
        let start = epoch();
        let mut minute = PerMinute::new(2);
        assert_eq!(minute.take(start), Ok(()));
        assert_eq!(minute.take(start + Duration::from_secs(20)), Ok(()));
        assert_eq!(
            minute.take(start + Duration::from_secs(59)),
            Err(Duration::from_secs(1))
        );
        assert_eq!(minute.take(start + Duration::from_secs(60)), Ok(()));
        assert_eq!(
            minute.take(start + Duration::from_secs(60)),
            Err(Duration::from_secs(20))
        );
    }

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(
            [0, 1, 1000, 1001].map(|ms| seconds(Duration::from_millis(ms))),
            [0, 1, 1, 2]
        );
    }
}

//! How often something may happen in a minute or an hour.

use std::time::{Duration, Instant};

/// A steady rate with a burst (the generic cell rate algorithm). What is
/// counted with it is one instant: when the next event would come if events
/// came at the steady rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    interval: Duration,
    tolerance: Duration,
}

impl Allowance {
    /// Allows `count` events in each `period`, and `burst` at once, both at least 1.
    pub(crate) fn new(count: u32, period: Duration, burst: u32) -> Self {
        let interval = period / count.max(1);
        Allowance {
            interval,
            tolerance: interval * burst.saturating_sub(1),
        }
    }

    /// Returns how long the next event has to wait, if at all.
    pub(crate) fn wait(&self, now: Instant, due: Instant) -> Option<Duration> {
        let ahead = due.saturating_duration_since(now);
        ahead
            .checked_sub(self.tolerance)
            .filter(|wait| !wait.is_zero())
    }

    /// Counts an event that need not wait, and returns the new `due`.
    pub(crate) fn take(&self, now: Instant, due: Instant) -> Instant {
        due.max(now) + self.interval
    }

    /// Counts an event, allowed or not, and returns the new `due`: at most
    /// `debt_max` after the burst, so that a flood is forgotten some time.
    pub(crate) fn charge(&self, now: Instant, due: Instant, debt_max: Duration) -> Instant {
        self.take(now, due).min(now + self.tolerance + debt_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn epoch() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let start = epoch();
        let allowance = Allowance::new(10, MINUTE, 3);
        let mut due = start;
        for _ in 0..3 {
            assert_eq!(allowance.wait(start, due), None);
            due = allowance.take(start, due);
        }
        assert_eq!(allowance.wait(start, due), Some(6 * SECOND));
        assert_eq!(allowance.wait(start + 6 * SECOND, due), None);
    }

    #[test]
    fn debts_are_limited() {
        let start = epoch();
        let allowance = Allowance::new(10, MINUTE, 10);
        let due = (0..1000).fold(start, |due, _| allowance.charge(start, due, MINUTE));
        assert_eq!(allowance.wait(start, due), Some(MINUTE));
    }
}

//! One log line for many equal events.

use std::time::{Duration, Instant};

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(1);

/// Counts events and tells when to write a line about them: at most once a second.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Option<Instant>,
    unsaid: u64,
}

impl Throttle {
    /// Counts one event. Returns how many to speak of, if it is time to speak.
    pub(crate) fn count(&mut self, now: Instant) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(1);
        if self.last.is_some_and(|last| now < last + INTERVAL) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_is_told_at_once_and_others_once_a_second_with_their_number() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut throttle = Throttle::default();
        assert_eq!(throttle.count(at(0)), Some(1));
        assert_eq!(throttle.count(at(100)), None);
        assert_eq!(throttle.count(at(999)), None);
        assert_eq!(throttle.count(at(1000)), Some(3));
        assert_eq!(throttle.count(at(1001)), None);
    }
}

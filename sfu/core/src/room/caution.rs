//! How much of an estimate is believed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long an estimate must stand before it is built on. A probe fits into the
/// buffer of a narrow line and says twice what the line takes; what follows
/// corrects it within a few reports. Longer delays every climb by as much.
const STANDS_AFTER: Duration = Duration::from_millis(750);

/// The estimates of one link. A fall counts at once, a rise when it has stood.
#[derive(Debug)]
pub(crate) struct Believed {
    /// In order of time; the first holds at the beginning of the window.
    told: VecDeque<(Instant, u64)>,
}

impl Believed {
    /// Begins with `bps` at `now`.
    pub(crate) fn new(now: Instant, bps: u64) -> Self {
        Believed {
            told: VecDeque::from([(now, bps)]),
        }
    }

    /// Takes what is estimated from `now` on.
    pub(crate) fn tell(&mut self, now: Instant, bps: u64) {
        self.forget(now);
        // What was higher says nothing more once this holds.
        while self.told.back().is_some_and(|(_, former)| *former >= bps) {
            self.told.pop_back();
        }
        self.told.push_back((now, bps));
    }

    /// Returns the least that was estimated within the last 750 ms.
    pub(crate) fn bps(&mut self, now: Instant) -> u64 {
        self.forget(now);
        self.told.front().map_or(0, |(_, bps)| *bps)
    }

    fn forget(&mut self, now: Instant) {
        let over = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) >= STANDS_AFTER;
        while self.told.get(1).is_some_and(over) {
            self.told.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    #[test]
    fn a_fall_counts_at_once_and_a_rise_when_it_has_stood() {
        let start = epoch();
        let at = |ms| start + Duration::from_millis(ms);
        let mut believed = Believed::new(start, 1_000);
        believed.tell(at(100), 3_000);
        assert_eq!(believed.bps(at(100)), 1_000);
        believed.tell(at(300), 2_000);
        assert_eq!(believed.bps(at(849)), 1_000);
        assert_eq!(believed.bps(at(1_050)), 2_000, "not what lasted 200 ms");
        believed.tell(at(1_100), 500);
        assert_eq!(believed.bps(at(1_100)), 500);
        believed.tell(at(1_200), 600);
        believed.tell(at(1_300), 700);
        assert_eq!(believed.bps(at(1_950)), 600);
        assert_eq!(believed.bps(at(2_050)), 700);
    }
}

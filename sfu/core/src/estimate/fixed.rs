//! An estimate that never changes.

use std::time::{Duration, Instant};

use super::{Acked, Estimator, Kind, Probes, Update};

/// Says once what it was given, and paces as the real estimator would.
#[derive(Debug)]
pub(crate) struct Fixed {
    target_bps: u64,
    told: bool,
}

impl Fixed {
    /// Returns an estimator that always says `target_bps`.
    pub(crate) fn new(target_bps: u64) -> Self {
        Fixed {
            target_bps,
            told: false,
        }
    }
}

impl Estimator for Fixed {
    fn sent(&mut self, _: Instant, _: u64, _: u16, _: Kind, _: Option<u32>) {}

    fn feedback(&mut self, _: Instant, _: &[Acked]) {}

    fn report(&mut self, _: Instant, _: f32, _: Option<Duration>) {}

    fn remb(&mut self, _: Instant, _: u64) {}

    fn set_bounds(&mut self, _: Instant, _: u64, _: u64) {}

    fn path_changed(&mut self, _: Instant) {}

    fn process(&mut self, _: Instant) -> Option<Update> {
        if self.told {
            return None;
        }
        self.told = true;
        Some(Update::paced(self.target_bps, Probes::default()))
    }

    fn next(&self) -> Option<Instant> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    #[test]
    fn it_speaks_once_whatever_is_said_to_it() {
        let start = epoch();
        let mut fixed = Fixed::new(1_000_000);
        assert_eq!(
            fixed.process(start),
            Some(Update {
                target_bps: 1_000_000,
                pacing_bps: 1_000_000,
                ..Update::default()
            })
        );
        fixed.report(start, 0.5, None);
        fixed.remb(start, 1);
        assert_eq!(fixed.process(start + Duration::from_secs(1)), None);
        assert_eq!(fixed.next(), None);
    }
}

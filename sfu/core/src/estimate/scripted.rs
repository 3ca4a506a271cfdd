//! An estimate that follows a script, for tests of what comes after it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Acked, Estimator, Kind, Update};

/// Says each update of its script when its time has come.
#[derive(Debug)]
pub(crate) struct Scripted {
    script: VecDeque<(Instant, Update)>,
}

impl Scripted {
    /// Returns an estimator that says each update of `script`, which is in
    /// order of time, at its distance from `start`.
    pub(crate) fn new(
        start: Instant,
        script: impl IntoIterator<Item = (Duration, Update)>,
    ) -> Self {
        Scripted {
            script: script
                .into_iter()
                .map(|(after, update)| (start + after, update))
                .collect(),
        }
    }
}

impl Estimator for Scripted {
    fn sent(&mut self, _: Instant, _: u64, _: u16, _: Kind, _: Option<u32>) {}

    fn feedback(&mut self, _: Instant, _: &[Acked]) {}

    fn report(&mut self, _: Instant, _: f32, _: Option<Duration>) {}

    fn remb(&mut self, _: Instant, _: u64) {}

    fn set_bounds(&mut self, _: Instant, _: u64, _: u64) {}

    fn path_changed(&mut self, _: Instant) {}

    /// Returns the next update that is due: call until it gives none.
    fn process(&mut self, now: Instant) -> Option<Update> {
        self.script
            .pop_front_if(|(at, _)| *at <= now)
            .map(|(_, update)| update)
    }

    fn next(&self) -> Option<Instant> {
        self.script.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    #[test]
    fn each_update_comes_when_its_time_has_come() {
        let start = epoch();
        let update = |target_bps| Update {
            target_bps,
            pacing_bps: target_bps,
            ..Update::default()
        };
        let second = Duration::from_secs(1);
        let mut scripted = Scripted::new(start, [(Duration::ZERO, update(1)), (second, update(2))]);
        assert_eq!(scripted.process(start), Some(update(1)));
        assert_eq!(scripted.process(start), None);
        assert_eq!(scripted.next(), Some(start + second));
        assert_eq!(scripted.process(start + second), Some(update(2)));
        assert_eq!(scripted.next(), None);
    }
}

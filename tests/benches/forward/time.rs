//! Nanoseconds on this machine.

use std::cell::Cell;
use std::time::{Duration, Instant};

use conclave_tests::fanout::Meter;

use crate::{Case, Cost, check};

/// Until no table grows: ten seconds of meeting.
const WARM_UP: usize = 100;
/// Of so many samples the median is told …
const SAMPLES: usize = 15;
/// … each of a second.
const SAMPLE: usize = 10;

/// Adds up the time of each work.
#[derive(Default)]
struct Watch {
    forward: Cell<Duration>,
    feedback: Cell<Duration>,
    aside: Cell<Duration>,
}

impl Meter for Watch {
    fn feedback(&self, work: &mut dyn FnMut()) {
        self.feedback.set(self.feedback.get() + timed(work));
    }

    fn forward(&self, work: &mut dyn FnMut()) {
        self.forward.set(self.forward.get() + timed(work));
    }

    fn upkeep(&self, work: &mut dyn FnMut()) {
        self.forward(work);
    }

    fn aside(&self, work: &mut dyn FnMut()) {
        self.aside.set(self.aside.get() + timed(work));
    }
}

fn timed(work: &mut dyn FnMut()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// Measures a case.
pub(crate) fn measure(case: Case) -> Cost {
    let mut fanout = case.gather();
    fanout.run(WARM_UP, &Watch::default());
    let mut samples = Vec::new();
    let mut feedback = Vec::new();
    for _ in 0..SAMPLES {
        let (watch, before) = (Watch::default(), fanout.traffic());
        fanout.run(SAMPLE, &watch);
        let traffic = fanout.traffic().since(before);
        check(case, traffic);
        let per_packet = |time: Duration| time.as_nanos() as f64 / traffic.forwarded as f64;
        samples.push(per_packet(
            watch.forward.get().saturating_sub(watch.aside.get()),
        ));
        feedback.push(per_packet(watch.feedback.get()));
    }
    Cost {
        forward: median(samples),
        feedback: median(feedback),
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

//! A forwarded packet allocates nothing, once everything has grown to its size.
//!
//! The library that receives allocates for each packet that comes, and cannot
//! be told from us by a counter. But it does so once per packet, whoever gets
//! it: what fifty viewers cost more than one is ours.

use std::cell::Cell;

use allocation_counter::measure;
use conclave_sfu_core::{EstimatorKind, SenderKind};
use conclave_tests::fanout::{Fanout, Meter, Traffic};

/// Until the longest ring has gone round: 2,048 packets of one link.
const WARM_UP: usize = 120;
/// Two seconds.
const COUNTED: usize = 20;

/// Allowed per forwarded packet: connections keep themselves alive at times of
/// their own, and some of these fall together with a packet.
const STRAY: f64 = 0.01;

/// Counts the allocations of each work.
#[derive(Debug, Default)]
struct Allocations {
    forward: Cell<u64>,
    feedback: Cell<u64>,
}

impl Meter for Allocations {
    fn feedback(&self, work: &mut dyn FnMut()) {
        count(&self.feedback, work);
    }

    fn forward(&self, work: &mut dyn FnMut()) {
        count(&self.forward, work);
    }

    // The library's timers, and bandwidth that is shared anew twice a second.
    fn upkeep(&self, work: &mut dyn FnMut()) {
        work();
    }

    fn aside(&self, work: &mut dyn FnMut()) {
        work();
    }
}

fn count(sum: &Cell<u64>, work: &mut dyn FnMut()) {
    sum.set(sum.get() + measure(work).count_total);
}

/// Returns what was allocated while packets were forwarded to so many viewers. The
/// estimator is one without tables: the other one is no code of ours either.
fn forwarded_to(viewers: usize) -> (Traffic, Allocations) {
    let estimator = EstimatorKind::Fixed(50_000_000);
    let mut fanout = Fanout::new(viewers, SenderKind::Own, estimator);
    fanout.run(WARM_UP, &Allocations::default());
    let (counted, before) = (Allocations::default(), fanout.traffic());
    fanout.run(COUNTED, &counted);
    (fanout.traffic().since(before), counted)
}

#[test]
fn a_forwarded_packet_and_its_feedback_allocate_nothing() {
    let (to_one, one) = forwarded_to(1);
    let (to_all, all) = forwarded_to(50);
    assert_eq!(to_one.received, to_all.received, "the same was sent");
    assert!(to_all.forwarded >= 50 * to_one.forwarded, "and got by all");
    let more = all.forward.get().saturating_sub(one.forward.get());
    let packets = to_all.forwarded - to_one.forwarded;
    assert!(
        (more as f64) <= packets as f64 * STRAY,
        "{more} more allocations for {packets} more packets"
    );
    let (feedback, datagrams) = (all.feedback.get(), to_all.feedback);
    assert!(datagrams > 0, "viewers say what they got");
    assert!(
        feedback as f64 <= datagrams as f64 * STRAY,
        "{feedback} allocations for {datagrams} datagrams of feedback"
    );
}

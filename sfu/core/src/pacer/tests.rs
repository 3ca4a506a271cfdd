use super::*;
use crate::epoch::epoch;
use crate::estimate::{Probe, Probes};
use proptest::prelude::*;

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Releases packets of `bytes` until the pacer closes; returns how many.
fn burst(pacer: &mut Pacer, now: Instant, bytes: usize) -> usize {
    let mut released = 0;
    while pacer.may_release(now) {
        pacer.debit(now, bytes);
        released += 1;
    }
    released
}

#[test]
fn a_burst_leaves_whole_and_the_next_on_a_tick() {
    let start = epoch();
    // 3 Mbit/s: 375 bytes/ms, a burst of a frame.
    let mut pacer = Pacer::new(start, 3_000_000);
    assert_eq!(pacer.burst_bytes(), 7_500);
    assert_eq!(burst(&mut pacer, start, 1_250), 6);
    let next = pacer.next_release(start);
    // 7,500 bytes take 20 ms, less the tick before which it opens again.
    assert_eq!(next, start + Duration::from_millis(18));
    assert!(!pacer.may_release(next - micros(1)));
    assert_eq!(burst(&mut pacer, next, 1_250), 6);
}

#[test]
fn rounding_to_ticks_costs_no_rate() {
    for rate_bps in [100_000, 333_333, 1_000_000, 7_777_777, 200_000_000] {
        let start = epoch();
        let mut pacer = Pacer::new(start, rate_bps);
        let mut now = start;
        let mut bytes = 0;
        while now < start + Duration::from_secs(10) {
            bytes += 1_000 * burst(&mut pacer, now, 1_000) as u64;
            now = pacer.next_release(now);
        }
        let sent_bps = bytes * 8 / 10;
        assert!(sent_bps > rate_bps / 100 * 99, "{sent_bps} of {rate_bps}");
    }
}

#[test]
fn sound_delays_video_by_a_burst_at_most() {
    let start = epoch();
    let mut pacer = Pacer::new(start, 1_000_000);
    for _ in 0..1_000 {
        pacer.debit(start, 1_000);
    }
    let wait = pacer.next_release(start) - start;
    assert!(wait <= Duration::from_millis(40), "{wait:?}");
}

#[test]
fn a_slower_rate_does_not_wait_for_what_a_faster_one_let_out() {
    let start = epoch();
    let mut pacer = Pacer::new(start, 1_000_000_000);
    burst(&mut pacer, start, 1_200);
    pacer.set_rate(start, 200_000);
    let wait = pacer.next_release(start) - start;
    assert!(wait < OVERDUE, "{wait:?}");
}

#[test]
fn a_keyframe_of_half_a_second_leaves_before_it_is_overdue() {
    for target_bps in [150_000_u64, 500_000, 1_500_000, 5_000_000] {
        let start = epoch();
        let mut pacer = Pacer::new(start, target_bps * 5 / 2);
        let mut queued = (target_bps / 16) as usize;
        let mut now = start;
        loop {
            pacer.set_queue(now, queued);
            while queued > 0 && pacer.may_release(now) {
                let bytes = queued.min(1_200);
                pacer.debit(now, bytes);
                queued -= bytes;
            }
            if queued == 0 {
                break;
            }
            now = pacer.next_release(now);
        }
        assert!(!is_overdue(start, now), "{target_bps}: {:?}", now - start);
        pacer.set_queue(now, 0);
        assert_eq!(pacer.rate_bps, target_bps * 5 / 2);
    }
}

#[test]
fn a_queue_is_overdue_after_its_bound() {
    let start = epoch();
    assert!(!is_overdue(start, start + OVERDUE));
    assert!(is_overdue(start, start + OVERDUE + micros(1)));
    assert!(!is_overdue(start + OVERDUE, start));
}

fn probe(id: u32, rate_bps: u64, millis: u64) -> Probe {
    Probe {
        id,
        rate_bps,
        min_bytes: u32::try_from(rate_bps * millis / 8_000).expect("a small probe"),
        min_packets: 5,
        duration: Duration::from_millis(millis),
    }
}

fn offer(plan: &mut ProbePlan, now: Instant, probes: &[Probe]) {
    let mut offered = Probes::default();
    for probe in probes {
        offered.push(*probe);
    }
    plan.offer(now, &offered);
}

#[test]
fn probes_are_sent_at_their_rate_one_after_the_other() {
    let start = epoch();
    let mut plan = ProbePlan::default();
    offer(
        &mut plan,
        start,
        &[probe(1, 4_000_000, 15), probe(2, 8_000_000, 15)],
    );
    let (mut now, mut sent) = (start, Vec::new());
    while let Some(next) = plan.next() {
        now = now.max(next);
        while plan.due(now) > 0 {
            sent.push((now - start, plan.active()));
            plan.sent(1_000);
        }
    }
    let of = |id| sent.iter().filter(move |(_, active)| *active == Some(id));
    // 7,500 and 15,000 bytes.
    assert_eq!((of(1).count(), of(2).count()), (8, 15));
    assert!(of(1).next_back().map(|(at, _)| *at) <= of(2).next().map(|(at, _)| *at));
    let span = sent.last().map_or(Duration::ZERO, |(at, _)| *at);
    assert!(
        span > Duration::from_millis(24) && span < Duration::from_millis(32),
        "{span:?}"
    );
    assert_eq!(plan.due(now), 0);
}

#[test]
fn a_probe_that_nobody_can_send_is_given_up() {
    let start = epoch();
    let mut plan = ProbePlan::default();
    offer(&mut plan, start, &[probe(1, 4_000_000, 15)]);
    assert!(plan.due(start) > 0);
    assert_eq!(plan.due(start + Duration::from_secs(1)), 0);
    assert_eq!(plan.next(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Video(usize),
    Audio(usize),
    Queue(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..30_000).prop_map(Step::Wait),
        (1_usize..1_500).prop_map(Step::Video),
        (1_usize..20).prop_map(Step::Video),
        (1_usize..400).prop_map(Step::Audio),
        (0_usize..200_000).prop_map(Step::Queue),
    ]
}

proptest! {
    /// In any span no more video leaves than the rate, a burst and a packet.
    #[test]
    fn no_span_releases_more_than_rate_and_burst(
        rate_bps in 1_u64..100_000_000,
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let mut now = epoch();
        let mut pacer = Pacer::new(now, rate_bps);
        let mut released: Vec<(Instant, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(wait_us) => now += micros(wait_us),
                Step::Audio(bytes) => pacer.debit(now, bytes),
                Step::Queue(bytes) => pacer.set_queue(now, bytes),
                Step::Video(bytes) => {
                    if pacer.may_release(now) {
                        pacer.debit(now, bytes);
                        released.push((now, bytes as u64));
                    }
                }
            }
        }
        let rate_bps = rate_bps.max(BPS_MIN) * HASTE_MOST;
        let burst_bytes = Pacer::new(now, rate_bps).burst_bytes();
        for (first, (since, _)) in released.iter().enumerate() {
            let mut bytes = 0;
            for (at, size) in &released[first..] {
                bytes += size;
                let span = (*at - *since).as_micros() as u64;
                let most = rate_bps * span / BYTE + burst_bytes + PACKET_BYTES + 1;
                prop_assert!(bytes <= most, "{bytes} in {span} µs, {most} allowed");
            }
        }
    }

    /// Whatever was sent, video leaves when the pacer said, and soon.
    #[test]
    fn nothing_waits_forever(
        rate_bps in 0_u64..100_000_000,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut now = epoch();
        let mut pacer = Pacer::new(now, rate_bps);
        for step in steps {
            match step {
                Step::Wait(wait_us) => now += micros(wait_us),
                Step::Audio(bytes) | Step::Video(bytes) => pacer.debit(now, bytes),
                Step::Queue(bytes) => pacer.set_queue(now, bytes),
            }
            let next = pacer.next_release(now);
            prop_assert!(next - now < OVERDUE + Duration::from_millis(50), "{:?}", next - now);
            let mut then = Pacer { ..pacer };
            prop_assert!(then.may_release(next));
        }
    }
}

//! The estimator on a link of which everything is known.

mod link;

use super::*;
use crate::epoch::epoch;
use link::{App, Link, World};
use proptest::prelude::*;

const MBIT: u64 = 1_000_000;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=12;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A subscriber that is sent 500 kbit/s and would take 5 Mbit/s.
fn world(seed: u64, link: Link) -> World {
    let mut world = World::new(epoch(), seed, link);
    world.app = App::Fixed(500_000);
    world.desire(500_000, 5 * MBIT);
    world
}

/// A subscriber that is sent whatever the estimate allows, up to 5 Mbit/s.
fn greedy(seed: u64, link: Link) -> World {
    let mut world = world(seed, link);
    world.app = App::Greedy;
    world
}

#[test]
fn a_link_used_by_a_sixth_is_discovered_and_remembered() {
    let mut world = world(1, Link::of(3 * MBIT));
    world.run(secs(5));
    assert!(
        (2_500_000..3_300_000).contains(&world.target_bps),
        "{}",
        world.target_bps
    );
    let (least, most) = world.range(secs(30));
    assert!(least > 2_200_000 && most < 3_500_000, "{least} to {most}");
}

#[test]
fn probes_end_when_what_is_desired_is_proven() {
    let mut world = world(1, Link::of(50 * MBIT));
    world.run(secs(6));
    assert!(world.target_bps > 4_500_000, "{}", world.target_bps);
    let padding = world.padding;
    world.run(secs(20));
    assert_eq!(world.padding, padding);
    world.desire(500_000, 20 * MBIT);
    world.run(secs(5));
    assert!(world.target_bps > 18 * MBIT, "{}", world.target_bps);
}

#[test]
fn probes_of_a_full_link_cost_little() {
    let mut world = greedy(1, Link::of(MBIT));
    world.run(secs(10));
    let (padding, delivered) = (world.padding, world.delivered);
    world.run(secs(60));
    let share = (world.padding - padding) as f64 / ((world.delivered - delivered) * 1_200) as f64;
    assert!(share < 0.05, "{share}");
}

#[test]
fn a_link_that_drops_is_followed_down_and_up() {
    for seed in SEEDS {
        let mut world = greedy(seed, Link::of(3 * MBIT));
        world.run(secs(10));
        assert!(
            world.target_bps > 2 * MBIT,
            "seed {seed}: {}",
            world.target_bps
        );
        world.link.rate_bps = MBIT / 2;
        world.run(secs(2));
        assert!(
            world.target_bps < 600_000,
            "seed {seed}: {}",
            world.target_bps
        );
        let (_, most) = world.range(secs(10));
        assert!(most < 800_000, "seed {seed}: {most}");
        world.link.rate_bps = 3 * MBIT;
        let (_, most) = world.range(secs(10));
        assert!(most > 2_400_000, "seed {seed}: {most}");
        world.run(secs(5));
        assert!(
            world.target_bps > 1_700_000,
            "seed {seed}: {}",
            world.target_bps
        );
    }
}

#[test]
fn loss_by_chance_does_not_keep_a_link_low() {
    for seed in SEEDS {
        let link = Link {
            loss: 0.02,
            ..Link::of(10 * MBIT)
        };
        for mut world in [world(seed, link), greedy(seed, link)] {
            let (least, _) = world.range(secs(10));
            assert!(least >= 300_000, "seed {seed}: {least}");
            let (least, _) = world.range(secs(50));
            assert!(least > MBIT, "seed {seed}: {least}");
        }
    }
}

#[test]
fn a_policer_is_obeyed() {
    let link = Link {
        buffer: millis(10),
        ..Link::of(MBIT)
    };
    let mut world = greedy(1, link);
    world.run(secs(20));
    let (delivered, dropped) = (world.delivered, world.dropped);
    world.run(secs(30));
    let (delivered, dropped) = (world.delivered - delivered, world.dropped - dropped);
    let share = dropped as f64 / (delivered + dropped) as f64;
    assert!(share < 0.1, "{share}");
    assert!(delivered * 1_200 * 8 / 30 > MBIT / 2, "{delivered}");
}

#[test]
fn jitter_is_borne() {
    for seed in SEEDS {
        let link = Link {
            jitter: millis(20),
            ..Link::of(3 * MBIT)
        };
        let mut world = greedy(seed, link);
        world.run(secs(10));
        let (least, _) = world.range(secs(50));
        assert!(least > MBIT, "seed {seed}: {least}");
    }
}

#[test]
fn feedback_that_is_late_reordered_or_lost_is_borne() {
    for seed in SEEDS {
        let link = Link {
            feedback_loss: 0.2,
            feedback_jitter: millis(150),
            ..Link::of(3 * MBIT)
        };
        let mut world = world(seed, link);
        world.run(secs(8));
        assert!(
            world.target_bps > 5 * MBIT / 4,
            "seed {seed}: {}",
            world.target_bps
        );
        let (least, most) = world.range(secs(20));
        assert!(
            least > MBIT && most < 4 * MBIT,
            "seed {seed}: {least} to {most}"
        );
    }
}

#[test]
fn silence_of_feedback_lowers_the_estimate_and_feedback_restores_it() {
    let mut world = world(1, Link::of(3 * MBIT));
    world.run(secs(10));
    let before = world.target_bps;
    world.link.feedback_loss = 1.0;
    world.run(secs(2));
    assert_eq!(world.target_bps, before);
    world.run(secs(8));
    assert!(world.target_bps < before / 2, "{}", world.target_bps);
    world.run(secs(60));
    assert_eq!(world.target_bps, BPS_MIN);
    world.link.feedback_loss = 0.0;
    world.run(secs(10));
    assert!(world.target_bps > before / 2, "{}", world.target_bps);
}

#[test]
fn without_any_feedback_reports_bound_it() {
    let mut world = world(1, Link::of(3 * MBIT));
    world.link.feedback_loss = 1.0;
    for _ in 0..20 {
        world.run(secs(1));
        world.estimator.report(world.now, 0.0, Some(millis(50)));
    }
    assert!(
        (600_000..900_000).contains(&world.target_bps),
        "{}",
        world.target_bps
    );
    world.estimator.remb(world.now, 400_000);
    world.run(secs(1));
    assert_eq!(world.target_bps, 400_000);
    // Feedback that comes after all is believed.
    world.link.feedback_loss = 0.0;
    world.run(secs(10));
    assert!(world.target_bps > 2 * MBIT, "{}", world.target_bps);
}

#[test]
fn a_link_whose_packets_carry_no_sequence_numbers_is_bound_by_reports() {
    let start = epoch();
    let mut estimator = GoogCc::new(start, 300_000);
    estimator.set_bounds(start, 1_000_000, 5 * MBIT);
    assert_eq!(estimator.process(start), None);
    let mut target = 0;
    for elapsed in 1..60 {
        let now = start + secs(elapsed);
        estimator.report(now, 0.0, None);
        if let Some(update) = estimator.process(now) {
            target = update.target_bps;
        }
    }
    assert!((1_400_000..1_600_000).contains(&target), "{target}");
    estimator.remb(start + secs(60), 200_000);
    let told = estimator.process(start + secs(60));
    assert_eq!(told.map(|update| update.target_bps), Some(200_000));
}

#[test]
fn another_path_begins_low_and_is_discovered() {
    let mut world = world(1, Link::of(3 * MBIT));
    world.run(secs(10));
    world.link = Link::of(MBIT);
    world.estimator.path_changed(world.now);
    world.run(secs(5));
    assert!(
        (700_000..1_200_000).contains(&world.target_bps),
        "{}",
        world.target_bps
    );
}

#[test]
fn an_idle_link_is_asked_seldom() {
    let mut world = world(1, Link::of(50 * MBIT));
    world.run(secs(20));
    let now = world.now;
    assert_eq!(world.estimator.process(now + secs(1)), None);
    let next = world.estimator.next();
    assert_eq!(next, Some(now + secs(1) + PROCESS_IDLE));
    let later = now + secs(10);
    assert_eq!(world.estimator.process(later), None);
    assert_eq!(world.estimator.next(), None);
    world
        .estimator
        .sent(later, 1_000_000, 100, Kind::Audio, None);
    assert_eq!(world.estimator.next(), Some(later));
    // Before anything is sent there is nothing to do.
    assert_eq!(GoogCc::new(now, 300_000).next(), None);
}

#[test]
fn one_seed_gives_one_run() {
    let run = || {
        let mut world = greedy(
            7,
            Link {
                loss: 0.01,
                jitter: millis(10),
                ..Link::of(2 * MBIT)
            },
        );
        world.run(secs(20));
        (world.target_bps, world.delivered, world.padding)
    };
    assert_eq!(run(), run());
}

/// Sequence number, age in µs, size, arrival and probe.
type Told = (u64, u64, u16, Option<i64>, Option<u32>);

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Sent(u16, Option<u32>),
    Feedback(Vec<Told>),
    Report(f32, u64),
    Remb(u64),
    Bounds(u64, u64),
    Path,
    Process,
}

fn size() -> impl Strategy<Value = u16> {
    prop_oneof![Just(0), Just(u16::MAX), 1_u16..1_500]
}

fn arrival() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        Just(None),
        any::<i64>().prop_map(Some),
        (0_i64..1_000_000).prop_map(Some),
        (0_i64..20_000_000).prop_map(Some),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0_u64..10_000_000]
}

fn probe_id() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![
        Just(None),
        (0_u32..8).prop_map(Some),
        any::<u32>().prop_map(Some)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let acked = (0_u64..300, 0_u64..5_000_000, size(), arrival(), probe_id());
    prop_oneof![
        4 => (0_u64..200_000).prop_map(Step::Wait),
        1 => (0_u64..100_000_000_000).prop_map(Step::Wait),
        8 => (size(), probe_id()).prop_map(|(size, probe)| Step::Sent(size, probe)),
        6 => prop::collection::vec(acked, 0..20).prop_map(Step::Feedback),
        1 => (any::<f32>(), any::<u64>()).prop_map(|(loss, rtt)| Step::Report(loss, rtt)),
        1 => number().prop_map(Step::Remb),
        2 => (number(), number()).prop_map(|(low, high)| Step::Bounds(low, high)),
        1 => Just(Step::Path),
        6 => Just(Step::Process),
    ]
}

proptest! {
    /// Nothing that a peer or a mistake of ours says ends the estimator, and
    /// what it says stays within bounds.
    #[test]
    fn any_input_is_borne(steps in prop::collection::vec(step(), 1..200)) {
        let start = epoch();
        let mut now = start;
        let mut estimator = GoogCc::new(now, 300_000);
        for (seq, step) in steps.into_iter().enumerate() {
            match step {
                Step::Wait(wait_us) => now += Duration::from_micros(wait_us),
                Step::Sent(size, probe) => {
                    estimator.sent(now, seq as u64, size, Kind::Video, probe);
                }
                Step::Feedback(acked) => {
                    let acked: Vec<Acked> = acked
                        .into_iter()
                        .map(|(seq, ago_us, size, arrival_us, probe)| Acked {
                            seq,
                            // Also before the beginning, and after the present.
                            sent: now
                                .checked_sub(Duration::from_micros(ago_us))
                                .map_or(now, |sent| sent + Duration::from_millis(1)),
                            size,
                            arrival_us,
                            probe,
                        })
                        .collect();
                    estimator.feedback(now, &acked);
                }
                Step::Report(loss, rtt_us) => {
                    estimator.report(now, loss, Some(Duration::from_micros(rtt_us)));
                }
                Step::Remb(bps) => estimator.remb(now, bps),
                Step::Bounds(sustain, desired) => estimator.set_bounds(now, sustain, desired),
                Step::Path => estimator.path_changed(now),
                Step::Process => {
                    if let Some(update) = estimator.process(now) {
                        prop_assert!((BPS_MIN..=BPS_MAX).contains(&update.target_bps));
                        prop_assert!(update.pacing_bps >= update.target_bps);
                        for probe in update.probes.iter() {
                            prop_assert!(probe.rate_bps > 0 && probe.rate_bps <= BPS_MAX);
                        }
                    }
                    prop_assert!(estimator.next().is_none_or(|next| next <= now + PROCESS_IDLE));
                }
            }
        }
    }

    /// The same of whole packets on their way: any feedback about what was
    /// really sent, in any order, with probes executed.
    #[test]
    fn any_link_is_borne(
        seed in any::<u64>(),
        rate_bps in 10_000_u64..50_000_000,
        loss in 0.0..1.0_f64,
        jitter_ms in 0_u64..2_000,
        feedback_jitter_ms in 0_u64..3_000,
        feedback_every_ms in 1_u64..1_000,
    ) {
        let link = Link {
            loss,
            jitter: millis(jitter_ms),
            feedback_loss: loss / 2.0,
            feedback_jitter: millis(feedback_jitter_ms),
            feedback_every: millis(feedback_every_ms),
            ..Link::of(rate_bps)
        };
        let mut world = greedy(seed, link);
        world.run(secs(4));
        prop_assert!(world.target_bps >= BPS_MIN);
    }
}

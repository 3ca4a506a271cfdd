use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 20_000
}

fn lasting(life: Duration) -> Validity {
    Validity {
        not_before: start(),
        not_after: start() + life,
    }
}

fn window(from: Duration, to: Duration) -> Window {
    Window::new(start() + from, start() + to).unwrap()
}

/// One that came at the start, holds for so long, and was asked about.
fn asked(life: Duration) -> Schedule {
    let mut schedule = Schedule::default();
    schedule.handle_certificate(start(), lasting(life), 0.5);
    assert_eq!(schedule.poll_step(start(), false), Step::Ask);
    schedule.handle_no_advice(start());
    schedule
}

/// Lives through a schedule whose directory answers with `answer` whenever it
/// is asked, and returns when it orders.
fn ordered_at(schedule: &mut Schedule, answer: impl Fn(SystemTime, &mut Schedule)) -> SystemTime {
    let mut now = start();
    for _ in 0..100_000 {
        match schedule.poll_step(now, false) {
            Step::Ask => answer(now, schedule),
            Step::Order => return now,
            Step::Wait(pause) => {
                assert!(!pause.is_zero() && pause <= NAP, "{pause:?}");
                now += pause;
            }
        }
    }
    panic!("it is never renewed");
}

#[test]
fn a_certificate_is_renewed_after_two_thirds_of_its_life_and_a_little_more() {
    let validity = lasting(DAY * 90);
    assert_eq!(renewal(validity, 0.0), start() + DAY * 60);
    assert_eq!(renewal(validity, 1.0), start() + DAY * 63);
    let by_life = |life| ordered_at(&mut asked(life), |now, it| it.handle_no_advice(now));
    assert_eq!(by_life(DAY * 90), start() + DAY * 60 + HOUR * 36);
    // Those of six days, and of one, have a third of their life left as well.
    assert_eq!(by_life(DAY * 6), start() + HOUR * 98 + MINUTE * 24);
    assert_eq!(by_life(DAY), start() + HOUR * 16 + MINUTE * 24);
}

#[test]
fn pauses_grow_fourfold_to_six_hours_and_are_long_when_we_ask_too_often() {
    let minutes = |failures, is_limited| pause(failures, is_limited, 0.0).as_secs() / 60;
    let pauses: Vec<_> = (1..=7).map(|failures| minutes(failures, false)).collect();
    assert_eq!(pauses, [1, 4, 16, 64, 256, 360, 360]);
    assert_eq!(minutes(u32::MAX, false), 360);
    assert_eq!(minutes(1, true), 60);
    assert_eq!(pause(1, false, 1.0), FIRST_PAUSE * 5 / 4);
}

#[test]
fn without_a_certificate_one_is_ordered_at_once_and_again_after_each_pause() {
    let mut schedule = Schedule::new(start(), None, 0.5);
    assert_eq!(schedule.poll_step(start(), false), Step::Order);
    assert_eq!(schedule.handle_failure(start(), false, 0.0), MINUTE);
    assert_eq!(schedule.poll_step(start(), false), Step::Wait(MINUTE));
    assert_eq!(schedule.poll_step(start(), true), Step::Order);
    assert_eq!(schedule.poll_step(start() + MINUTE, false), Step::Order);
    assert_eq!(schedule.failures(), 1);
    assert_eq!(schedule.renewal(), None);
}

#[test]
fn one_that_came_nearly_over_is_not_renewed_at_once_but_for_somebody_in_a_hurry() {
    let came = start() + DAY * 70;
    let mut schedule = Schedule::default();
    schedule.handle_certificate(came, lasting(DAY * 90), 0.5);
    schedule.handle_no_advice(came);
    assert_eq!(schedule.poll_step(came, false), Step::Wait(LEAST));
    assert_eq!(schedule.poll_step(came, true), Step::Order);
    assert_eq!(schedule.poll_step(came + LEAST, false), Step::Order);
    // After a restart there is no telling when it came.
    let mut schedule = Schedule::new(came, Some(lasting(DAY * 90)), 0.5);
    assert_eq!(schedule.poll_step(came, false), Step::Ask);
    schedule.handle_no_advice(came);
    assert_eq!(schedule.poll_step(came, false), Step::Order);
}

#[test]
fn advice_gives_a_moment_of_its_window_that_stays_while_the_window_does() {
    let mut schedule = asked(DAY * 90);
    let wanted = window(DAY * 40, DAY * 42);
    schedule.handle_advice(start(), wanted, HOUR * 6);
    assert_eq!(schedule.renewal(), Some(start() + DAY * 41));
    let again = |now, schedule: &mut Schedule| schedule.handle_advice(now, wanted, HOUR * 6);
    assert_eq!(ordered_at(&mut schedule, again), start() + DAY * 41);
}

#[test]
fn the_directory_is_asked_again_when_it_said_within_bounds() {
    let mut schedule = asked(DAY * 90);
    for (said, held) in [
        (Duration::ZERO, MINUTE),
        (HOUR / 2, HOUR / 2),
        (DAY * 365, DAY),
    ] {
        schedule.handle_advice(start(), window(DAY * 40, DAY * 42), said);
        let before = start() + held - Duration::from_secs(1);
        assert!(matches!(schedule.poll_step(before, false), Step::Wait(_)));
        assert_eq!(schedule.poll_step(start() + held, false), Step::Ask);
    }
    // Somebody in a hurry asks at once, and hears that it is not time yet.
    schedule.handle_hurry(start());
    assert_eq!(schedule.poll_step(start(), true), Step::Ask);
    schedule.handle_advice(start(), window(DAY * 40, DAY * 42), HOUR);
    assert_eq!(schedule.poll_step(start(), true), Step::Wait(NAP));
}

#[test]
fn a_window_in_the_past_renews_at_once() {
    let mut schedule = asked(DAY * 90);
    let now = start() + DAY * 9;
    schedule.handle_advice(now, window(DAY, DAY * 2), HOUR);
    assert_eq!(schedule.poll_step(now, false), Step::Order);
}

#[test]
fn a_directory_that_wants_every_new_certificate_replaced_gets_four_a_day() {
    let mut schedule = Schedule::default();
    let mut now = start();
    let mut ordered = Vec::new();
    while now < start() + DAY {
        match schedule.poll_step(now, false) {
            Step::Ask => {
                let past = Window::new(start() - DAY * 2, start() - DAY).unwrap();
                schedule.handle_advice(now, past, Duration::ZERO);
            }
            Step::Order => {
                ordered.push(now.duration_since(start()).unwrap());
                let validity = Validity {
                    not_before: now - HOUR,
                    not_after: now + DAY * 90,
                };
                schedule.handle_certificate(now, validity, 0.5);
            }
            Step::Wait(pause) => now += pause,
        }
    }
    assert_eq!(ordered, [Duration::ZERO, HOUR * 6, HOUR * 12, HOUR * 18]);
    // Somebody in a hurry is not held back.
    assert_eq!(schedule.poll_step(now - HOUR, true), Step::Order);
}

#[test]
fn advice_that_comes_too_late_does_not_let_a_certificate_end() {
    let mut schedule = asked(DAY * 90);
    let late = window(DAY * 89, DAY * 200);
    schedule.handle_advice(start(), late, DAY);
    let again = |now, schedule: &mut Schedule| schedule.handle_advice(now, late, DAY);
    assert_eq!(ordered_at(&mut schedule, again), start() + DAY * 76);
}

#[test]
fn a_window_that_ends_before_it_begins_is_none() {
    assert_eq!(Window::new(start(), start()), None);
    assert_eq!(Window::new(start() + DAY, start()), None);
}

#[test]
fn who_does_not_answer_is_asked_again_after_growing_pauses_and_the_life_decides() {
    let mut schedule = asked(DAY * 90);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        pauses.push(schedule.handle_silence(start(), false, 0.0).as_secs() / 60);
    }
    assert_eq!(pauses, [1, 4, 16, 64, 256, 360]);
    assert_eq!(schedule.silences(), 6);
    assert_eq!(schedule.handle_silence(start(), true, 0.0), HOUR * 6);
    let silent = |now, schedule: &mut Schedule| {
        schedule.handle_silence(now, false, 0.5);
    };
    let by_life = start() + DAY * 60 + HOUR * 36;
    assert_eq!(ordered_at(&mut schedule, silent), by_life);
    schedule.handle_no_advice(start());
    assert_eq!(schedule.silences(), 0);
}

#[test]
fn a_silence_takes_nothing_back_that_was_wanted_early_and_puts_nothing_off() {
    for (wanted, renewed) in [
        (window(DAY * 10, DAY * 12), DAY * 11),
        (window(DAY * 70, DAY * 72), DAY * 60 + HOUR * 36),
    ] {
        let mut schedule = asked(DAY * 90);
        schedule.handle_advice(start(), wanted, HOUR);
        let silent = |now, schedule: &mut Schedule| {
            schedule.handle_silence(now, false, 0.5);
        };
        assert_eq!(ordered_at(&mut schedule, silent), start() + renewed);
    }
}

#[test]
fn failures_pause_less_when_the_certificate_is_about_to_end() {
    let mut schedule = asked(DAY);
    let due = start() + HOUR * 17;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        pauses.push(schedule.handle_failure(due, false, 0.0).as_secs() / 60);
    }
    // An eighth of seven hours.
    assert_eq!(pauses, [1, 4, 16, 52, 52, 52]);
    let late = start() + DAY - MINUTE;
    assert_eq!(schedule.handle_failure(late, false, 0.0), LEAST);
    assert_eq!(schedule.handle_failure(late, true, 0.0), LONGEST_PAUSE);
    // When it is over there is nothing to save any more.
    let over = start() + DAY * 2;
    assert_eq!(schedule.handle_failure(over, false, 0.0), LONGEST_PAUSE);
}

#[test]
fn a_failed_order_waits_whatever_is_advised() {
    let mut schedule = asked(DAY * 90);
    let now = start() + DAY;
    schedule.handle_advice(now, window(HOUR, HOUR * 2), HOUR);
    assert_eq!(schedule.poll_step(now, false), Step::Order);
    let pause = schedule.handle_failure(now, true, 0.0);
    assert_eq!(pause, HOUR);
    assert_eq!(
        schedule.poll_step(now + HOUR / 2, false),
        Step::Wait(HOUR / 2)
    );
    schedule.handle_certificate(now, lasting(DAY * 90), 0.5);
    assert_eq!(schedule.failures(), 0);
}

fn advice() -> impl Strategy<Value = Advice> {
    let moment = 0..(400 * 24 * 3600_u64);
    let window = (moment.clone(), moment).prop_filter_map("ends before it begins", |(from, to)| {
        let at = |seconds| start() - DAY * 100 + Duration::from_secs(seconds);
        Window::new(at(from), at(to))
    });
    prop_oneof![
        Just(Advice::None),
        window.clone().prop_map(Advice::Fresh),
        window.prop_map(Advice::Stale),
    ]
}

proptest! {
    #[test]
    fn whatever_is_advised_a_certificate_is_due_before_anybody_is_warned(
        life_s in 600..(400 * 24 * 3600_u64),
        advice in advice(),
        spread in 0.0..=1.0_f64,
    ) {
        let validity = lasting(Duration::from_secs(life_s));
        let due = due(validity, advice, spread);
        prop_assert!(due <= validity.warned_from());
        match advice {
            Advice::None => prop_assert_eq!(due, renewal(validity, spread)),
            Advice::Fresh(window) => {
                prop_assert!(due == validity.warned_from() || due >= window.start);
                prop_assert!(due <= window.end + Duration::from_nanos(1000));
            }
            Advice::Stale(_) => prop_assert!(due <= renewal(validity, spread)),
        }
    }

    #[test]
    fn a_later_draw_is_never_an_earlier_renewal(
        life_s in 600..(400 * 24 * 3600_u64),
        advice in advice(),
        draws in (0.0..=1.0_f64, 0.0..=1.0_f64),
    ) {
        let validity = lasting(Duration::from_secs(life_s));
        let (low, high) = (draws.0.min(draws.1), draws.0.max(draws.1));
        prop_assert!(due(validity, advice, low) <= due(validity, advice, high));
    }

    #[test]
    fn a_certificate_is_renewed_in_time_whatever_the_directory_says(
        life_h in 2..(100 * 24_u32),
        seed in any::<u64>(),
        spread in 0.0..=1.0_f64,
    ) {
        let life = HOUR * life_h;
        let mut schedule = Schedule::default();
        schedule.handle_certificate(start(), lasting(life), spread);
        let mut draws = seed;
        let mut draw = |below: u64| {
            // SplitMix64: one seed, one run.
            draws = draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = draws;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % below
        };
        let mut now = start();
        let ordered = loop {
            match schedule.poll_step(now, false) {
                Step::Ask => match draw(3) {
                    0 => schedule.handle_no_advice(now),
                    1 => {
                        schedule.handle_silence(now, draw(2) == 0, 0.5);
                    }
                    _ => {
                        let from = now - DAY + Duration::from_secs(draw(200 * 24 * 3600));
                        let to = from + Duration::from_secs(1 + draw(10 * 24 * 3600));
                        let window = Window::new(from, to).unwrap();
                        schedule.handle_advice(now, window, Duration::from_secs(draw(100_000)));
                    }
                },
                Step::Order => break now,
                Step::Wait(pause) => {
                    prop_assert!(!pause.is_zero() && pause <= NAP);
                    now += pause;
                }
            }
        };
        prop_assert!(ordered <= lasting(life).warned_from().max(start() + LEAST));
    }
}

//! No wrong face: who feeds a slot is announced, acknowledged, and only then sent.

use std::time::Duration;

use conclave_sfu_wire::control::{MemberKey, Source};
use conclave_tests::link::{LinkConfig, Loss};
use conclave_tests::network::Access;
use conclave_tests::seeds::each_seed;
use conclave_tests::{JoinOptions, Meeting};

use crate::{SECOND, camera, frames};

const VIEWER: u64 = 9;

/// Publishers 1 to 4 and a viewer with one video slot, looking at 1.
fn one_slot(seed: u64, line: LinkConfig) -> Meeting {
    let mut meeting = Meeting::new(seed);
    for publisher in 1..=4 {
        meeting.join(publisher, 1);
    }
    let access = Access::symmetric(line);
    let options = JoinOptions {
        access,
        video_slots: Some(1),
        ..JoinOptions::default()
    };
    meeting.join_with(VIEWER, 1, options);
    meeting.wait_connected(&[1, 2, 3, 4, VIEWER]);
    for publisher in 1..=4 {
        meeting.publish(publisher, Source::Camera);
    }
    show(&mut meeting, 1);
    meeting
}

fn show(meeting: &mut Meeting, publisher: u64) {
    meeting.wish(VIEWER, vec![camera(publisher, 180)]);
    let what = format!("the viewer sees {publisher}");
    meeting.run_until(&what, 5 * SECOND, |meeting| sees(meeting, publisher));
}

fn sees(meeting: &Meeting, publisher: u64) -> bool {
    let slots = meeting.observation(VIEWER).video;
    let last = slots
        .values()
        .flat_map(|slot| &slot.frames)
        .max_by_key(|frame| frame.at);
    last.is_some_and(|frame| frame.publisher == publisher)
}

#[test]
fn a_new_source_waits_for_the_acknowledgement() {
    each_seed(|seed| {
        let mut meeting = one_slot(seed, LinkConfig::default());
        meeting.run_for(SECOND);
        meeting.hold_acks(VIEWER, true);
        meeting.wish(VIEWER, vec![camera(2, 180)]);
        meeting.run_until("the new source is announced", 2 * SECOND, |meeting| {
            let last = meeting.assignments(VIEWER).last();
            last.is_some_and(|last| last.feed == Some((MemberKey(2), Source::Camera)))
        });
        meeting.run_for(Duration::from_millis(100));
        let from = meeting.now();
        meeting.run_for(SECOND);
        assert!(
            frames(&meeting, VIEWER, 1, from, meeting.now()).is_empty(),
            "the old source goes on"
        );
        assert!(frames(&meeting, VIEWER, 2, meeting.start(), meeting.now()).is_empty());
        meeting.hold_acks(VIEWER, false);
        meeting.run_until("the new source is shown", SECOND, |meeting| {
            sees(meeting, 2)
        });
        let given = meeting.assignments(VIEWER).last().cloned();
        assert!(
            given.is_some_and(|given| given.first_timestamp.is_some()),
            "seed {seed}"
        );
        meeting.check();
    });
}

#[test]
fn without_an_acknowledgement_the_slot_stays_empty() {
    each_seed(|seed| {
        let mut meeting = one_slot(seed, LinkConfig::default());
        meeting.hold_acks(VIEWER, true);
        meeting.wish(VIEWER, vec![camera(3, 180)]);
        meeting.run_for(200 * Duration::from_millis(1));
        let from = meeting.now();
        meeting.run_for(6 * SECOND);
        let slots = meeting.observation(VIEWER).video;
        let arrived = slots
            .values()
            .flat_map(|slot| &slot.runs)
            .filter(|run| run.last_arrival > from);
        assert_eq!(arrived.count(), 0, "seed {seed}");
        meeting.hold_acks(VIEWER, false);
        meeting.run_until("the picture comes with the ack", 2 * SECOND, |meeting| {
            sees(meeting, 3)
        });
        meeting.check();
    });
}

#[test]
fn hurried_changes_on_a_bad_line_never_show_a_wrong_face() {
    each_seed(|seed| {
        let line = LinkConfig {
            jitter: Duration::from_millis(20),
            loss: Loss::Bernoulli(0.03),
            reordering: 0.05,
            duplication: 0.02,
            ..LinkConfig::default()
        };
        let mut meeting = one_slot(seed, line);
        for turn in 0..40_u64 {
            meeting.wish(VIEWER, vec![camera(1 + turn * 7 % 4, 180)]);
            meeting.hold_acks(VIEWER, turn % 5 == 0);
            meeting.run_for(Duration::from_millis(20 + turn * 37 % 300));
        }
        meeting.hold_acks(VIEWER, false);
        show(&mut meeting, 4);
        let slots = meeting.observation(VIEWER).video;
        let runs = slots.values().map(|slot| slot.runs.len()).sum::<usize>();
        assert!(runs >= 10, "seed {seed}: only {runs} changes were seen");
        meeting.check();
    });
}

#[test]
fn the_same_face_keeps_its_slot() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.gather(1, &[1, 2, 3, VIEWER]);
        for publisher in 1..=3 {
            meeting.publish(publisher, Source::Camera);
        }
        let first = [camera(1, 180), camera(2, 180), camera(3, 180)];
        meeting.wish(VIEWER, first.to_vec());
        meeting.run_for(2 * SECOND);
        let before = meeting.assignments(VIEWER).len();
        let from = meeting.now();
        let mut turned = first;
        turned.reverse();
        turned[0].max_height_px = 720;
        meeting.wish(VIEWER, turned.to_vec());
        meeting.run_for(3 * SECOND);
        assert_eq!(
            meeting.assignments(VIEWER).len(),
            before,
            "seed {seed}: slots were swapped"
        );
        for publisher in 1..=3 {
            let shown = frames(&meeting, VIEWER, publisher, from, meeting.now()).len();
            assert!(shown >= 70, "seed {seed}: {shown} frames of {publisher}");
        }
        meeting.check();
    });
}

//! Participants who vanish, and signalling links that come back.

use std::time::Duration;

use conclave_sfu_wire::control::{Event, MemberKey, Source, TransportFailure};
use conclave_tests::seeds::each_seed;

use crate::{SECOND, camera, everybody, frames, freeze, voice};

#[test]
fn a_participant_who_vanishes_takes_nobody_along() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2, 3], 180);
        meeting.run_for(SECOND);
        let from = meeting.now();
        meeting.vanish(3);
        meeting.run_for(10 * SECOND);
        for (viewer, other) in [(1, 2), (2, 1)] {
            let froze = freeze(&meeting, viewer, other, from, meeting.now());
            assert!(
                froze < Duration::from_millis(200),
                "seed {seed}: froze for {froze:?}"
            );
            assert!(
                voice(&meeting, viewer, other, from, meeting.now()) > 490,
                "seed {seed}"
            );
        }
        meeting.run_until("the transport is given up", 60 * SECOND, |meeting| {
            meeting.events().iter().any(|(_, event)| {
                matches!(
                    event,
                    Event::TransportFailed {
                        member: MemberKey(3),
                        failure: TransportFailure::Ice,
                        ..
                    }
                )
            })
        });
        meeting.drop_member(3);
        meeting.run_for(SECOND);
        for viewer in [1, 2] {
            let mut given = meeting.assignments(viewer).iter();
            let shown = given.rfind(|one| one.feed == Some((MemberKey(3), Source::Camera)));
            let slot = shown.map(|one| one.slot);
            let last = meeting
                .assignments(viewer)
                .iter()
                .rfind(|one| Some(one.slot) == slot);
            assert!(
                last.is_some_and(|last| last.feed.is_none()),
                "seed {seed}: {viewer} keeps a ghost"
            );
        }
        meeting.check();
    });
}

#[test]
fn media_flows_on_while_the_signalling_link_is_lost() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2, 3], 180);
        meeting.run_for(SECOND);
        let before = meeting.assignments(3).len();
        let from = meeting.now();
        meeting.set_link(3, false);
        meeting.run_for(2 * SECOND);
        // A camera ends meanwhile, and another source begins.
        meeting.unpublish(2, Source::Camera);
        meeting.publish(2, Source::Screen);
        meeting.run_for(5 * SECOND);
        let reassigned = meeting.assignments(3)[before..]
            .iter()
            .filter(|one| one.feed.is_some());
        assert_eq!(reassigned.count(), 0, "seed {seed}: a slot was given away");
        let froze = freeze(&meeting, 3, 1, from, meeting.now());
        assert!(
            froze < Duration::from_millis(200),
            "seed {seed}: froze for {froze:?}"
        );
        assert!(
            voice(&meeting, 3, 1, from, meeting.now()) > 340,
            "seed {seed}"
        );
        assert!(
            !frames(&meeting, 1, 3, from, meeting.now()).is_empty(),
            "what they send is shown"
        );
        meeting.set_link(3, true);
        meeting.wish(
            3,
            vec![
                camera(1, 180),
                conclave_sfu_wire::control::View {
                    source: Source::Screen,
                    max_height_px: 1080,
                    ..camera(2, 0)
                },
            ],
        );
        meeting.run_until(
            "the screen is shown after the resume",
            15 * SECOND,
            |meeting| {
                !meeting
                    .observation(3)
                    .frames_of(2, Source::Screen)
                    .is_empty()
            },
        );
        meeting.check();
    });
}

#[test]
fn a_short_cut_of_the_path_heals_by_itself() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        let address = meeting.participant(2).address();
        let access = meeting.network().access(address).unwrap_or_default();
        let mut cut = access;
        cut.up.cut = true;
        cut.down.cut = true;
        meeting.set_access(2, cut);
        meeting.run_for(2 * SECOND);
        meeting.set_access(2, access);
        let healed = meeting.now();
        meeting.run_for(4 * SECOND);
        for (viewer, publisher) in [(1, 2), (2, 1)] {
            let shown = frames(
                &meeting,
                viewer,
                publisher,
                healed + 2 * SECOND,
                meeting.now(),
            );
            assert!(
                shown.len() >= 45,
                "seed {seed}: {} frames after the cut",
                shown.len()
            );
        }
        meeting.check();
    });
}

#[test]
fn who_comes_back_with_a_new_connection_is_seen_and_heard_again() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2, 3], 180);
        meeting.run_for(SECOND);
        meeting.reconnect(1);
        meeting.wait_connected(&[1]);
        meeting.publish(1, Source::Microphone);
        meeting.publish(1, Source::Camera);
        meeting.run_for(2 * SECOND);
        let from = meeting.now();
        meeting.run_for(3 * SECOND);
        for (viewer, publisher) in [(2, 1), (3, 1), (1, 2), (1, 3)] {
            let shown = frames(&meeting, viewer, publisher, from, meeting.now());
            assert!(
                shown.len() >= 40,
                "seed {seed}: {viewer} sees {} frames of {publisher}",
                shown.len()
            );
            let heard = voice(&meeting, viewer, publisher, from, meeting.now());
            assert!(
                heard > 140,
                "seed {seed}: {viewer} hears {heard} of {publisher}"
            );
        }
    });
}

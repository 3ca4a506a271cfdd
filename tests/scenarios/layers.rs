//! One encoding per viewer, by wish.

use std::time::Duration;

use conclave_sfu_wire::control::{Rid, Source};
use conclave_tests::Meeting;
use conclave_tests::seeds::each_seed;

use crate::{SECOND, camera, everybody, freeze};

fn shows(meeting: &Meeting, viewer: u64, publisher: u64, rid: Rid) -> bool {
    let frames = meeting
        .observation(viewer)
        .frames_of(publisher, Source::Camera);
    frames
        .last()
        .is_some_and(|frame| frame.encoding == Some(rid))
}

#[test]
fn a_wish_moves_the_layer_up_and_down_without_a_seam() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(2 * SECOND);
        let from = meeting.now();
        for (height, rid) in [(180, Rid::Q), (720, Rid::F), (180, Rid::Q), (360, Rid::H)] {
            meeting.wish(2, vec![camera(1, height)]);
            let what = format!("{rid:?} at {height} px");
            meeting.run_until(&what, 10 * SECOND, |meeting| shows(meeting, 2, 1, rid));
            meeting.run_for(2 * SECOND);
            assert!(
                shows(&meeting, 2, 1, rid),
                "seed {seed}: {what} does not last"
            );
        }
        let frames = meeting.observation(2).frames_of(1, Source::Camera);
        for pair in frames
            .windows(2)
            .filter(|pair| pair[0].encoding != pair[1].encoding)
        {
            assert!(pair[1].keyframe, "seed {seed}: a switch beside a keyframe");
        }
        let froze = freeze(&meeting, 2, 1, from, meeting.now());
        assert!(
            froze < Duration::from_millis(300),
            "seed {seed}: froze for {froze:?}"
        );
        meeting.check();
    });
}

#[test]
fn everybody_has_the_layer_of_their_own_tile() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2, 3, 4], 180);
        meeting.wish(2, vec![camera(1, 180)]);
        meeting.wish(3, vec![camera(1, 360)]);
        meeting.wish(4, vec![camera(1, 720)]);
        for (viewer, rid) in [(2, Rid::Q), (3, Rid::H), (4, Rid::F)] {
            let what = format!("{rid:?} for {viewer}");
            meeting.run_until(&what, 10 * SECOND, |meeting| shows(meeting, viewer, 1, rid));
        }
        meeting.run_for(2 * SECOND);
        meeting.check();
    });
}

#[test]
fn keyframe_requests_of_many_are_one_at_the_publisher() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        let viewers: Vec<u64> = (2..=7).collect();
        meeting.gather(1, &[&[1], viewers.as_slice()].concat());
        meeting.publish(1, Source::Camera);
        meeting.run_for(SECOND);
        for viewer in &viewers {
            meeting.wish(*viewer, vec![camera(1, 180)]);
        }
        meeting.run_for(3 * SECOND);
        for viewer in &viewers {
            assert!(
                shows(&meeting, *viewer, 1, Rid::Q),
                "seed {seed}: {viewer} sees nothing"
            );
        }
        for (rid, asked) in meeting.participant(1).keyframes_asked(Source::Camera) {
            // Sent at least 500 ms apart; the line's jitter may bring two nearer together.
            let nearest = asked.windows(2).map(|pair| pair[1] - pair[0]).min();
            let far = nearest.is_none_or(|gap| gap > Duration::from_millis(495));
            assert!(
                far,
                "seed {seed}: {rid:?} was asked for twice within {nearest:?}"
            );
        }
        meeting.check();
    });
}

#[test]
fn who_asks_for_keyframes_all_the_time_gets_five_a_second() {
    const PESTERER: u64 = 7;
    each_seed(|seed| {
        let publishers: Vec<u64> = (1..PESTERER).collect();
        let mut meeting = everybody(seed, &[publishers.as_slice(), &[PESTERER]].concat(), 180);
        meeting.run_for(3 * SECOND);
        let (from, refused) = (meeting.now(), meeting.counters(1).refused);
        for _ in 0..600 {
            meeting.pester(PESTERER);
            meeting.run_for(Duration::from_millis(10));
        }
        let asked: usize = publishers
            .iter()
            .flat_map(|publisher| {
                let publisher = meeting.participant(*publisher);
                publisher.keyframes_asked(Source::Camera)
            })
            .map(|(_, asked)| asked.iter().filter(|at| **at >= from).count())
            .sum();
        // As many as may come at once, five a second, and one of each that was under way.
        assert!(
            (30..=15 + 30 + 6).contains(&asked),
            "seed {seed}: {asked} keyframes in 6 s"
        );
        let refused = meeting.counters(1).refused.keyframe_requests - refused.keyframe_requests;
        assert!(refused > 100, "seed {seed}: {refused} refused");
        meeting.check();
    });
}

#[test]
fn a_camera_without_simulcast_is_forwarded_as_it_is() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        let options = conclave_tests::JoinOptions {
            single_encoding: true,
            ..Default::default()
        };
        meeting.join_with(1, 1, options);
        meeting.join(2, 1);
        meeting.wait_connected(&[1, 2]);
        meeting.publish(1, Source::Camera);
        meeting.wish(2, vec![camera(1, 720)]);
        meeting.run_for(5 * SECOND);
        let frames = meeting.observation(2).frames_of(1, Source::Camera);
        assert!(frames.len() > 90, "seed {seed}: {} frames", frames.len());
        assert!(frames.iter().all(|frame| frame.encoding.is_none()));
        meeting.check();
    });
}

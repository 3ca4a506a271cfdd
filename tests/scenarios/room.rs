//! Who sees and hears whom.

use std::time::Duration;

use conclave_sfu_wire::control::Source;
use conclave_tests::Meeting;
use conclave_tests::seeds::each_seed;

use crate::{SECOND, begin, camera, everybody, frames, freeze, voice};

/// What is under way when something is forbidden may still come.
const UNDER_WAY: Duration = Duration::from_millis(150);

#[test]
fn three_see_and_hear_each_other() {
    each_seed(|seed| {
        let members = [1, 2, 3];
        let mut meeting = everybody(seed, &members, 180);
        let from = meeting.now() + SECOND;
        meeting.run_for(5 * SECOND);
        let to = meeting.now();
        for viewer in members {
            for other in members.into_iter().filter(|other| *other != viewer) {
                let shown = frames(&meeting, viewer, other, from, to).len();
                assert!(
                    shown >= 98,
                    "seed {seed}: {viewer} saw {shown} frames of {other}"
                );
                let heard = voice(&meeting, viewer, other, from, to);
                assert!(
                    heard >= 196,
                    "seed {seed}: {viewer} heard {heard} packets of {other}"
                );
            }
            assert!(frames(&meeting, viewer, viewer, meeting.start(), to).is_empty());
            assert_eq!(
                voice(&meeting, viewer, viewer, meeting.start(), to),
                0,
                "own voice"
            );
        }
        meeting.check();
    });
}

#[test]
fn a_screen_is_a_picture_of_its_own() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.publish(1, Source::Screen);
        let mut views = vec![camera(1, 180)];
        views.push(conclave_sfu_wire::control::View {
            source: Source::Screen,
            max_height_px: 1080,
            ..camera(1, 0)
        });
        meeting.wish(2, views);
        // It has one encoding, so it waits until the estimate has climbed to all of it.
        meeting.run_until("the screen is shown", 15 * SECOND, |meeting| {
            let seen = meeting.observation(2);
            !seen.frames_of(1, Source::Screen).is_empty()
        });
        meeting.run_for(5 * SECOND);
        let seen = meeting.observation(2);
        assert!(seen.frames_of(1, Source::Screen).len() >= 15, "seed {seed}");
        let camera_slot = seen.video.values().find(|slot| !slot.frames.is_empty());
        assert!(camera_slot.is_some());
        meeting.unpublish(1, Source::Screen);
        meeting.run_for(SECOND);
        let from = meeting.now();
        meeting.run_for(2 * SECOND);
        let late = meeting.observation(2).frames_of(1, Source::Screen);
        assert!(
            late.iter().all(|frame| frame.at < from),
            "seed {seed}: the screen goes on"
        );
        assert!(freeze(&meeting, 2, 1, from, meeting.now()) < Duration::from_millis(200));
        meeting.check();
    });
}

#[test]
fn rooms_know_nothing_of_each_other() {
    for shards in [1, 2] {
        each_seed(|seed| {
            let mut meeting = Meeting::with_shards(seed, shards);
            for (member, room) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
                meeting.join(member, room);
            }
            begin(&mut meeting, &[1, 2], 180);
            begin(&mut meeting, &[3, 4], 180);
            // A wish across rooms is no way in.
            meeting.wish(2, vec![camera(1, 180), camera(3, 180)]);
            meeting.run_for(3 * SECOND);
            for (member, others) in [(1, [3, 4]), (2, [3, 4]), (3, [1, 2]), (4, [1, 2])] {
                let seen = meeting.observation(member);
                for other in others {
                    assert!(
                        seen.frames_of(other, Source::Camera).is_empty(),
                        "seed {seed}"
                    );
                    assert!(
                        seen.audio_of(other, Source::Microphone).is_empty(),
                        "seed {seed}"
                    );
                }
            }
            assert!(
                !meeting
                    .observation(2)
                    .frames_of(1, Source::Camera)
                    .is_empty()
            );
            meeting.check();
        });
    }
}

#[test]
fn mute_stops_forwarding_whatever_the_client_sends() {
    each_seed(|seed| {
        let mut meeting = everybody(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        meeting.set_muted(1, Source::Microphone, true);
        meeting.set_muted(1, Source::Camera, true);
        meeting.run_for(UNDER_WAY);
        let from = meeting.now();
        meeting.run_for(2 * SECOND);
        let to = meeting.now();
        assert_eq!(voice(&meeting, 2, 1, from, to), 0, "seed {seed}");
        assert_eq!(frames(&meeting, 2, 1, from, to).len(), 0, "seed {seed}");
        meeting.set_muted(1, Source::Microphone, false);
        meeting.set_muted(1, Source::Camera, false);
        meeting.run_for(2 * SECOND);
        let back = frames(&meeting, 2, 1, to, meeting.now());
        assert!(
            back.first().is_some_and(|frame| frame.keyframe),
            "seed {seed}: no picture"
        );
        assert!(
            back[0].at - to < SECOND,
            "seed {seed}: the picture came late"
        );
        assert!(voice(&meeting, 2, 1, to, meeting.now()) > 60, "seed {seed}");
        meeting.check();
    });
}

#[test]
fn a_publication_that_begins_muted_reaches_nobody() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.gather(1, &[1, 2]);
        meeting.publish_as(1, Source::Microphone, true);
        meeting.publish_as(1, Source::Camera, true);
        meeting.wish(2, vec![camera(1, 180)]);
        meeting.run_for(2 * SECOND);
        let seen = meeting.observation(2);
        assert!(seen.frames_of(1, Source::Camera).is_empty(), "seed {seed}");
        assert!(
            seen.audio_of(1, Source::Microphone).is_empty(),
            "seed {seed}"
        );
        meeting.check();
    });
}

#[test]
fn packets_without_a_publication_are_dropped() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.gather(1, &[1, 2]);
        let all = [
            Source::Microphone,
            Source::Camera,
            Source::Screen,
            Source::ScreenAudio,
        ];
        for source in all {
            meeting.switch_device(1, source, true);
        }
        meeting.wish(2, vec![camera(1, 720)]);
        meeting.run_for(2 * SECOND);
        let silent = |meeting: &Meeting, since| {
            let seen = meeting.observation(2);
            let pictures = seen.video.values().flat_map(|slot| &slot.runs);
            let sounds = seen.audio.values().flat_map(|slot| &slot.packets);
            pictures.filter(|run| run.last_arrival >= since).count()
                + sounds.filter(|packet| packet.at >= since).count()
                == 0
        };
        assert!(
            silent(&meeting, meeting.start()),
            "seed {seed}: before any publication"
        );
        for source in [Source::Microphone, Source::Camera] {
            meeting.publish(1, source);
        }
        meeting.run_for(2 * SECOND);
        assert!(!silent(&meeting, meeting.start()), "seed {seed}: published");
        for source in [Source::Microphone, Source::Camera] {
            meeting.unpublish(1, source);
        }
        meeting.run_for(2 * UNDER_WAY);
        let since = meeting.now();
        meeting.run_for(2 * SECOND);
        assert!(
            silent(&meeting, since),
            "seed {seed}: after the end of the publications"
        );
        meeting.check();
    });
}

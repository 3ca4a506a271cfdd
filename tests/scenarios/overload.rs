//! A shard with more to do than it can.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Event, PauseReason, Source};
use conclave_tests::Meeting;
use conclave_tests::seeds::each_seed;

use crate::{SECOND, camera, frames, voice};

const MEMBERS: [u64; 7] = [1, 2, 3, 4, 5, 6, 7];
/// The only one who speaks, so that most of the work are pictures.
const SPEAKER: u64 = 1;

/// Returns who was told between two instants that a picture is paused for overload.
fn told(meeting: &Meeting, from: Instant) -> BTreeSet<u64> {
    let later = meeting.events().iter().filter(|(at, _)| *at >= from);
    let told = later.filter_map(|(_, event)| match event {
        Event::Slots { member, slots, .. }
            if slots
                .iter()
                .any(|slot| slot.paused == Some(PauseReason::Overload)) =>
        {
            Some(member.0)
        }
        _ => None,
    });
    told.collect()
}

/// A room in which all see all, and hear one.
fn room(seed: u64) -> Meeting {
    let mut meeting = Meeting::new(seed);
    meeting.gather(1, &MEMBERS);
    meeting.publish(SPEAKER, Source::Microphone);
    for member in MEMBERS {
        meeting.publish(member, Source::Camera);
        let others = MEMBERS.iter().filter(|other| **other != member);
        meeting.wish(member, others.map(|other| camera(*other, 720)).collect());
    }
    meeting.run_for(15 * SECOND);
    meeting
}

/// Runs for ten seconds after two to settle, in which everybody has to hear the
/// one who speaks; returns how many packets the shard had in a second.
fn settled(meeting: &mut Meeting, seed: u64) -> u64 {
    meeting.run_for(2 * SECOND);
    let (from, packets) = (meeting.now(), meeting.packets());
    meeting.run_for(10 * SECOND);
    for listener in &MEMBERS[1..] {
        let heard = voice(meeting, *listener, SPEAKER, from, meeting.now());
        assert!(
            heard >= 495,
            "seed {seed}: {listener} heard {heard} of 500 packets"
        );
    }
    (meeting.packets() - packets) / 10
}

#[test]
fn a_shard_beyond_its_capacity_sheds_pictures_and_keeps_all_sound() {
    each_seed(|seed| {
        let mut meeting = room(seed);
        let offered = settled(&mut meeting, seed);
        let from = meeting.now();
        // It can do half of that, then a third.
        for share in [2, 3] {
            let capacity = offered / share;
            meeting.set_cost(Some(SECOND.div_f64(capacity as f64)));
            let done = settled(&mut meeting, seed);
            assert!(
                (capacity / 2..=capacity * 21 / 20).contains(&done),
                "seed {seed}: {done} packets/s, capacity {capacity}"
            );
        }
        assert!(meeting.counters(1).pictures_stopped > 0);
        assert!(!told(&meeting, from).is_empty(), "seed {seed}");
        meeting.set_cost(None);
        meeting.run_until("everything is back", 60 * SECOND, |meeting| {
            let from = meeting.now() - Duration::from_millis(300);
            let from = from.max(meeting.start());
            MEMBERS.into_iter().all(|viewer| {
                let mut others = MEMBERS.into_iter().filter(|other| *other != viewer);
                others.all(|other| {
                    let best = meeting.observation(viewer).frames_of(other, Source::Camera);
                    let is_best = |frame: &conclave_loadtest::FrameSeen| {
                        frame.encoding == Some(conclave_sfu_wire::control::Rid::F)
                    };
                    best.last().is_some_and(is_best)
                        && !frames(meeting, viewer, other, from, meeting.now()).is_empty()
                })
            })
        });
        // What is stopped at once is stopped in the middle of a frame.
        meeting.check_stopped(8);
    });
}

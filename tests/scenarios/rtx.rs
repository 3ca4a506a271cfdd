//! What is sent again after a slot was fed by something else: the right bytes
//! or nothing, and never what belongs to another source.
//!
//! The line to the viewer goes dark while its slot changes, so that its
//! receiver finds the seam missing and asks for both sides of it.

use std::time::Duration;

use conclave_loadtest::{FrameSeen, VideoObservation};
use conclave_sfu_core::SenderKind;
use conclave_sfu_wire::control::{MemberKey, Rid, Source};
use conclave_tests::network::Access;
use conclave_tests::seeds::each_seed;
use conclave_tests::{JoinOptions, Meeting};

use crate::{SECOND, camera};

const VIEWER: u64 = 9;
const PUBLISHERS: [u64; 2] = [1, 2];

/// What was under way when the line went dark has arrived after this.
const UNDER_WAY: Duration = Duration::from_millis(100);

/// A publisher that is asked for a keyframe sends it within this.
const KEYFRAME: Duration = Duration::from_millis(120);

/// Two publishers, and a viewer with one video slot that looks at the first at `height`.
fn one_slot(seed: u64, height: u16) -> Meeting {
    let mut meeting = Meeting::with_sender(seed, 1, SenderKind::Own);
    for publisher in PUBLISHERS {
        meeting.join(publisher, 1);
    }
    let options = JoinOptions {
        video_slots: Some(1),
        ..JoinOptions::default()
    };
    meeting.join_with(VIEWER, 1, options);
    meeting.wait_connected(&[1, 2, VIEWER]);
    for publisher in PUBLISHERS {
        meeting.publish(publisher, Source::Camera);
    }
    meeting.wish(VIEWER, vec![camera(1, height)]);
    meeting
}

/// Cuts the viewer off from what is sent to it, or mends that.
fn set_dark(meeting: &mut Meeting, dark: bool) {
    let mut access = Access::default();
    access.down.cut = dark;
    meeting.set_access(VIEWER, access);
}

/// Gives the slot to another publisher, and waits until the shard has it acknowledged.
fn give(meeting: &mut Meeting, publisher: u64) {
    let before = meeting.assignments(VIEWER).len();
    meeting.wish(VIEWER, vec![camera(publisher, 180)]);
    let what = format!("the slot is given to {publisher}");
    meeting.run_until(&what, SECOND, |meeting| {
        let last = meeting.assignments(VIEWER).last();
        let feed = Some((MemberKey(publisher), Source::Camera));
        meeting.assignments(VIEWER).len() > before
            && last.is_some_and(|last| last.feed == feed && last.first_timestamp.is_some())
    });
}

fn slot(meeting: &Meeting) -> VideoObservation {
    let slots = meeting.observation(VIEWER).video;
    slots.into_values().next().expect("it has a slot")
}

fn encoding(meeting: &Meeting) -> Option<Rid> {
    slot(meeting).frames.last().and_then(|frame| frame.encoding)
}

/// Whether a timestamp is before another (serial arithmetic).
fn is_before(one: u32, other: u32) -> bool {
    let ahead = other.wrapping_sub(one);
    ahead != 0 && ahead < 1 << 31
}

#[test]
fn both_sides_of_a_layer_switch_are_sent_again() {
    each_seed(|seed| {
        let mut meeting = one_slot(seed, 720);
        meeting.run_until("the full picture", 15 * SECOND, |meeting| {
            encoding(meeting) == Some(Rid::F)
        });
        meeting.run_for(2 * SECOND);
        let (before, counted) = (slot(&meeting), meeting.counters(VIEWER));

        set_dark(&mut meeting, true);
        meeting.run_for(UNDER_WAY);
        meeting.wish(VIEWER, vec![camera(1, 180)]);
        meeting.run_for(Duration::from_millis(200));
        set_dark(&mut meeting, false);
        let light = meeting.now();
        meeting.run_until("the small picture", 2 * SECOND, |meeting| {
            encoding(meeting) == Some(Rid::Q)
        });
        meeting.run_for(SECOND);

        let (after, counters) = (slot(&meeting), meeting.counters(VIEWER));
        assert_eq!(after.lost, before.lost, "seed {seed}: nothing stays lost");
        assert_eq!(after.undecodable, before.undecodable, "seed {seed}");
        let repaired: Vec<&FrameSeen> = after
            .frames_between(light, meeting.now())
            .filter(|frame| frame.encoding == Some(Rid::F))
            .collect();
        assert!(
            repaired.len() >= 2,
            "seed {seed}: {} frames of the old layer were repaired",
            repaired.len()
        );
        let resent = counters.resent - counted.resent;
        assert!(resent >= 20, "seed {seed}: {resent} packets sent again");
        meeting.check();
    });
}

/// Changes the source in the dark as `feeds` says, the last of which stays.
fn change_in_the_dark(seed: u64, feeds: &[u64]) {
    let mut meeting = one_slot(seed, 180);
    meeting.run_until("a picture", 5 * SECOND, |meeting| {
        meeting
            .observation(VIEWER)
            .video
            .values()
            .any(|slot| !slot.frames.is_empty())
    });
    meeting.run_for(2 * SECOND);
    let (before, counted) = (slot(&meeting), meeting.counters(VIEWER));

    set_dark(&mut meeting, true);
    meeting.run_for(UNDER_WAY);
    let dark = meeting.now();
    for feed in feeds {
        give(&mut meeting, *feed);
        meeting.run_for(2 * KEYFRAME);
    }
    set_dark(&mut meeting, false);
    let stays = *feeds.last().expect("somebody stays");
    meeting.run_for(2 * SECOND);

    let (after, counters) = (slot(&meeting), meeting.counters(VIEWER));
    let last = meeting.assignments(VIEWER).last().cloned();
    let first = last
        .and_then(|last| last.first_timestamp)
        .expect("it was acknowledged");
    let shown: Vec<&FrameSeen> = after.frames_between(dark, meeting.now()).collect();
    for frame in &shown {
        assert!(
            frame.publisher == stays && !is_before(frame.timestamp, first),
            "seed {seed}: {frame:?} after the change to {stays} at {first}"
        );
    }
    // What the last source began with was lost in the dark, and is repaired.
    let earliest = shown
        .iter()
        .map(|frame| frame.timestamp.wrapping_sub(first))
        .min();
    assert!(
        earliest.is_some_and(|ticks| ticks < 90 * KEYFRAME.as_millis() as u32),
        "seed {seed}: begins {earliest:?} after its first timestamp"
    );
    let resent = counters.resent - counted.resent;
    let nacked = counters.nacked - counted.nacked;
    assert!(resent > 0, "seed {seed}: nothing was sent again");
    assert!(
        nacked > resent,
        "seed {seed}: {nacked} asked for, {resent} sent"
    );
    let lost = after.lost - before.lost;
    assert!(
        lost > 0,
        "seed {seed}: what was another's is not sent again"
    );
    meeting.check();
}

#[test]
fn another_source_gets_nothing_of_the_one_before_it() {
    each_seed(|seed| change_in_the_dark(seed, &[2]));
}

#[test]
fn a_source_that_comes_back_gets_nothing_of_its_time_before() {
    each_seed(|seed| change_in_the_dark(seed, &[2, 1]));
}

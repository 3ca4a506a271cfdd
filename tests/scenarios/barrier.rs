//! What moderation stops is stopped when the control plane is told so.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Command, Event, MemberKey, RoomKey, Source, View};
use conclave_tests::link::{LinkConfig, Loss};
use conclave_tests::network::Access;
use conclave_tests::seeds::each_seed;
use conclave_tests::{JoinOptions, Meeting};

use crate::{SECOND, begin, camera, voice};

const LOUD: u64 = 1;
const OTHER: u64 = 2;
const VIEWER: u64 = 9;

/// Nothing that has left the shard is longer on the way.
const ON_THE_WAY_MAX: Duration = Duration::from_millis(45);

/// So long a participant waits for a voice packet that is missing.
const VOICE_HELD_MAX: Duration = Duration::from_millis(60);

/// Two who publish, and a viewer whose line loses so much that resends are
/// always asked for. Pictures are large, so that the pacer has a queue.
fn lossy_room(seed: u64) -> Meeting {
    let mut meeting = Meeting::new(seed);
    meeting.join(LOUD, 1);
    meeting.join(OTHER, 1);
    let down = LinkConfig {
        delay: Duration::from_millis(40),
        jitter: Duration::from_millis(4),
        loss: Loss::Bernoulli(0.08),
        ..LinkConfig::default()
    };
    let access = Access {
        down,
        ..Access::default()
    };
    let options = JoinOptions {
        access,
        ..JoinOptions::default()
    };
    meeting.join_with(VIEWER, 1, options);
    begin(&mut meeting, &[LOUD, OTHER, VIEWER], 720);
    meeting.run_for(3 * SECOND);
    meeting
}

/// Slots on which the viewer got packets of a picture after an instant, late ones included.
fn packets_after(meeting: &Meeting, publisher: u64, source: Source, after: Instant) -> usize {
    let slots = meeting.observation(VIEWER).video;
    let runs = slots.values().flat_map(|slot| &slot.runs);
    runs.filter(|run| (run.publisher, run.source) == (publisher, source))
        .filter(|run| run.last_arrival > after)
        .count()
}

fn pictures_after(meeting: &Meeting, publisher: u64, after: Instant) -> usize {
    packets_after(meeting, publisher, Source::Camera, after)
}

/// Packets of a microphone that came after an instant. One behind a lost one is
/// noted later than it came.
fn voices_after(meeting: &Meeting, publisher: u64, after: Instant) -> usize {
    let from = after + VOICE_HELD_MAX;
    voice(meeting, VIEWER, publisher, from, meeting.now())
}

/// Waits for a barrier; returns from when on nothing may arrive.
fn wait_passed(meeting: &mut Meeting, number: u64) -> Instant {
    meeting.run_until("the barrier is passed", SECOND, |meeting| {
        meeting.passed_at(number).is_some()
    });
    meeting
        .passed_at(number)
        .map_or(meeting.now(), |at| at + ON_THE_WAY_MAX)
}

fn mute(source: Source, muted: bool) -> Command {
    Command::SetMuted {
        member: MemberKey(LOUD),
        source,
        muted,
    }
}

fn goes_on(meeting: &mut Meeting, publisher: u64) {
    let from = meeting.now();
    meeting.run_until("it is seen and heard", 3 * SECOND, |meeting| {
        pictures_after(meeting, publisher, from) > 0 && voices_after(meeting, publisher, from) > 0
    });
}

#[test]
fn after_a_mute_is_passed_nothing_leaves_and_after_unmuting_it_comes_back() {
    each_seed(|seed| {
        let mut meeting = lossy_room(seed);
        for round in 0..12_u64 {
            meeting.run_for(Duration::from_millis(200 + 13 * round));
            let picture = meeting.decide(LOUD, mute(Source::Camera, true));
            let sound = meeting.decide(LOUD, mute(Source::Microphone, true));
            let unseen = wait_passed(&mut meeting, picture);
            let unheard = wait_passed(&mut meeting, sound);
            meeting.run_for(Duration::from_millis(700));
            let late =
                pictures_after(&meeting, LOUD, unseen) + voices_after(&meeting, LOUD, unheard);
            assert_eq!(late, 0, "seed {seed}, round {round}");
            goes_on(&mut meeting, OTHER);
            meeting.decide(LOUD, mute(Source::Camera, false));
            meeting.decide(LOUD, mute(Source::Microphone, false));
            goes_on(&mut meeting, LOUD);
        }
        meeting.check_stopped(12);
    });
}

#[test]
fn what_was_muted_in_the_middle_of_a_switch_does_not_leave_either() {
    each_seed(|seed| {
        let mut meeting = lossy_room(seed);
        let both = [camera(OTHER, 720), camera(LOUD, 720)];
        for round in 0..8_u64 {
            // The slot is given away in the turn before its former source is muted.
            meeting.wish(VIEWER, vec![camera(OTHER, 720)]);
            meeting.run_for(Duration::from_millis(15));
            let number = meeting.decide(LOUD, mute(Source::Camera, true));
            let unseen = wait_passed(&mut meeting, number);
            meeting.run_for(Duration::from_millis(500));
            assert_eq!(
                pictures_after(&meeting, LOUD, unseen),
                0,
                "seed {seed}, round {round}"
            );
            meeting.decide(LOUD, mute(Source::Camera, false));
            meeting.wish(VIEWER, both.to_vec());
            goes_on(&mut meeting, LOUD);
        }
        meeting.check_stopped(8);
    });
}

/// The frames of a screen are so large that the pacer spreads each over a while.
#[test]
fn what_waits_in_the_pacer_is_dropped() {
    each_seed(|seed| {
        let mut meeting = lossy_room(seed);
        meeting.publish(LOUD, Source::Screen);
        let screen = View {
            source: Source::Screen,
            ..camera(LOUD, 1080)
        };
        meeting.wish(VIEWER, vec![screen, camera(OTHER, 180)]);
        for round in 0..12_u64 {
            let from = meeting.now();
            meeting.run_until("the screen is shown", 3 * SECOND, |meeting| {
                packets_after(meeting, LOUD, Source::Screen, from) > 0
            });
            meeting.run_for(Duration::from_millis(300 + 17 * round));
            let number = meeting.decide(LOUD, mute(Source::Screen, true));
            let unseen = wait_passed(&mut meeting, number);
            meeting.run_for(Duration::from_millis(700));
            assert_eq!(
                packets_after(&meeting, LOUD, Source::Screen, unseen),
                0,
                "seed {seed}, round {round}"
            );
            meeting.decide(LOUD, mute(Source::Screen, false));
        }
        goes_on(&mut meeting, OTHER);
        meeting.check_stopped(12);
    });
}

#[test]
fn after_an_end_is_passed_nothing_leaves() {
    each_seed(|seed| {
        let member = MemberKey(LOUD);
        let source = Source::Camera;
        let mut meeting = lossy_room(seed);
        let ended = meeting.decide(LOUD, Command::Unpublish { member, source });
        let unseen = wait_passed(&mut meeting, ended);
        meeting.run_for(SECOND);
        assert_eq!(pictures_after(&meeting, LOUD, unseen), 0, "seed {seed}");
        meeting.publish(LOUD, source);
        goes_on(&mut meeting, LOUD);

        let dropped = meeting.decide(LOUD, Command::Drop { member });
        let gone = wait_passed(&mut meeting, dropped);
        meeting.run_for(SECOND);
        let late = pictures_after(&meeting, LOUD, gone) + voices_after(&meeting, LOUD, gone);
        assert_eq!(late, 0, "seed {seed}");
        goes_on(&mut meeting, OTHER);
        meeting.check_stopped(2);
    });
}

#[test]
fn after_the_end_of_a_room_is_passed_nobody_sends() {
    each_seed(|seed| {
        let mut meeting = lossy_room(seed);
        let room = RoomKey(1);
        let closed = meeting.decide(LOUD, Command::CloseRoom { room });
        let silent = wait_passed(&mut meeting, closed);
        meeting.run_for(SECOND);
        for publisher in [LOUD, OTHER] {
            assert_eq!(pictures_after(&meeting, publisher, silent), 0);
            assert_eq!(voices_after(&meeting, publisher, silent), 0);
        }
    });
}

#[test]
fn each_try_to_publish_is_answered_with_its_number() {
    each_seed(|seed| {
        let mut meeting = Meeting::new(seed);
        meeting.gather(1, &[LOUD]);
        let member = MemberKey(LOUD);
        let source = Source::Camera;
        // All three are under way before the first is answered.
        meeting.publish(LOUD, source);
        meeting.unpublish(LOUD, source);
        meeting.publish(LOUD, source);
        meeting.publish(LOUD, source);
        meeting.run_for(SECOND);
        let answers: Vec<u32> = meeting
            .events()
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Published {
                    member: of,
                    attempt,
                    ..
                } if *of == member => Some(*attempt),
                _ => None,
            })
            .collect();
        assert_eq!(answers, [1, 2, 3], "seed {seed}");
    });
}

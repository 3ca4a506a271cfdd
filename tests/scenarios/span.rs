//! Rooms that span shards: the same as on one. SHARDS=4 runs the other
//! scenarios so as well.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Command, Event, MemberKey, Rid, RoomKey, Source, View};
use conclave_tests::link::{LinkConfig, Loss};
use conclave_tests::network::Access;
use conclave_tests::seeds::each_seed;
use conclave_tests::{JoinOptions, Meeting};

use crate::{SECOND, begin, camera, frames, freeze, voice};

/// Nothing that has left a shard is longer on the way.
const ON_THE_WAY_MAX: Duration = Duration::from_millis(45);

/// So long a participant waits for a voice packet that is missing.
const VOICE_HELD_MAX: Duration = Duration::from_millis(60);

/// Participants of one room on four shards, each at its number's, who see and
/// hear each other.
fn apart(seed: u64, members: &[u64], height: u16) -> Meeting {
    let mut meeting = Meeting::spanning(seed, 4);
    for member in members {
        meeting.join(*member, 1);
    }
    begin(&mut meeting, members, height);
    meeting
}

fn at_shard(shard: usize) -> JoinOptions {
    JoinOptions {
        shard: Some(shard),
        ..JoinOptions::default()
    }
}

/// What everybody sees and hears of everybody in five seconds: the fewest
/// frames, the longest freeze, the fewest packets of a voice.
fn worst(meeting: &mut Meeting, members: &[u64]) -> (usize, Duration, usize) {
    let from = meeting.now();
    meeting.run_for(5 * SECOND);
    let to = meeting.now();
    let mut worst = (usize::MAX, Duration::ZERO, usize::MAX);
    for viewer in members {
        for other in members.iter().filter(|other| *other != viewer) {
            worst.0 = worst
                .0
                .min(frames(meeting, *viewer, *other, from, to).len());
            worst.1 = worst.1.max(freeze(meeting, *viewer, *other, from, to));
            worst.2 = worst.2.min(voice(meeting, *viewer, *other, from, to));
        }
    }
    worst
}

/// Packets of a camera that came to a viewer after an instant, late ones included.
fn pictures_after(meeting: &Meeting, viewer: u64, publisher: u64, after: Instant) -> usize {
    let slots = meeting.observation(viewer).video;
    let runs = slots.values().flat_map(|slot| &slot.runs);
    runs.filter(|run| (run.publisher, run.source) == (publisher, Source::Camera))
        .filter(|run| run.last_arrival > after)
        .count()
}

/// Whether a viewer sees and hears somebody from now on.
fn goes_on(meeting: &mut Meeting, viewer: u64, publisher: u64) {
    let from = meeting.now();
    let what = format!("{viewer} sees and hears {publisher}");
    meeting.run_until(&what, 3 * SECOND, |meeting| {
        !frames(meeting, viewer, publisher, from, meeting.now()).is_empty()
            && voice(meeting, viewer, publisher, from, meeting.now()) > 0
    });
}

/// The encodings of a camera that its publisher was last told to send.
fn active(meeting: &Meeting, publisher: u64) -> Option<Vec<Rid>> {
    let events = meeting.events().iter().rev();
    events
        .filter_map(|(_, event)| match event {
            Event::Layers { member, active, .. } if *member == MemberKey(publisher) => {
                Some(active.clone())
            }
            _ => None,
        })
        .next()
}

/// How many keyframes of a camera its publisher was asked for.
fn asked_of(meeting: &Meeting, publisher: u64) -> usize {
    let asked = meeting
        .participant(publisher)
        .keyframes_asked(Source::Camera);
    asked.iter().map(|(_, at)| at.len()).sum()
}

fn mute(member: u64, source: Source, muted: bool) -> Command {
    Command::SetMuted {
        member: MemberKey(member),
        source,
        muted,
    }
}

#[test]
fn four_shards_show_what_one_shows() {
    each_seed(|seed| {
        let members = [1, 2, 3, 4, 5];
        let mut asked: Vec<usize> = Vec::new();
        for shards in [1, 4] {
            let mut meeting = Meeting::spanning(seed, shards);
            for member in members {
                meeting.join(member, 1);
            }
            begin(&mut meeting, &members, 180);
            meeting.run_for(SECOND);
            let (shown, froze, heard) = worst(&mut meeting, &members);
            assert!(
                shown >= 98 && heard >= 190 && froze < Duration::from_millis(200),
                "seed {seed}, {shards} shards: {shown} frames, {froze:?} frozen, {heard} packets"
            );
            let cameras = members.into_iter();
            asked.push(cameras.map(|member| asked_of(&meeting, member)).sum());
            meeting.check();
        }
        assert!(
            asked[1] <= 2 * asked[0],
            "seed {seed}: {asked:?} keyframes were asked for"
        );
    });
}

#[test]
fn after_a_mute_is_passed_nothing_leaves_any_shard() {
    each_seed(|seed| {
        let mut meeting = Meeting::spanning(seed, 4);
        // Resends are always asked for on the line of one of the viewers.
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
        let lossy = JoinOptions {
            access,
            ..at_shard(2)
        };
        meeting.join(1, 1);
        meeting.join_with(2, 1, lossy);
        meeting.join(3, 1);
        begin(&mut meeting, &[1, 2, 3], 720);
        meeting.run_for(2 * SECOND);
        for round in 0..6_u64 {
            meeting.run_for(Duration::from_millis(200 + 13 * round));
            let picture = meeting.decide(1, mute(1, Source::Camera, true));
            let sound = meeting.decide(1, mute(1, Source::Microphone, true));
            meeting.run_until("the barriers are passed", SECOND, |meeting| {
                meeting.passed_at(picture).is_some() && meeting.passed_at(sound).is_some()
            });
            let silent = meeting.now() + ON_THE_WAY_MAX;
            meeting.run_for(Duration::from_millis(700));
            for viewer in [2, 3] {
                let from = silent + VOICE_HELD_MAX;
                let late = pictures_after(&meeting, viewer, 1, silent)
                    + voice(&meeting, viewer, 1, from, meeting.now());
                assert_eq!(late, 0, "seed {seed}, round {round}, viewer {viewer}");
            }
            meeting.decide(1, mute(1, Source::Camera, false));
            meeting.decide(1, mute(1, Source::Microphone, false));
            goes_on(&mut meeting, 2, 1);
            goes_on(&mut meeting, 3, 1);
        }
        meeting.check_stopped(6);
    });
}

#[test]
fn a_barrier_waits_for_a_shard_that_is_behind() {
    each_seed(|seed| {
        let mut meeting = apart(seed, &[1, 2], 180);
        meeting.hold_crossings(true);
        let number = meeting.decide(1, mute(1, Source::Camera, true));
        meeting.run_for(SECOND);
        assert_eq!(meeting.passed_at(number), None, "seed {seed}");
        meeting.hold_crossings(false);
        meeting.run_until("the barrier is passed", SECOND, |meeting| {
            meeting.passed_at(number).is_some()
        });
        let unseen = meeting.now() + ON_THE_WAY_MAX;
        meeting.run_for(SECOND);
        assert_eq!(pictures_after(&meeting, 2, 1, unseen), 0, "seed {seed}");
    });
}

#[test]
fn a_barrier_is_passed_even_if_the_room_ends_meanwhile() {
    each_seed(|seed| {
        let mut meeting = apart(seed, &[1, 2, 3], 180);
        meeting.hold_crossings(true);
        let muted = meeting.decide(1, mute(1, Source::Camera, true));
        let room = RoomKey(1);
        let closed = meeting.decide(1, Command::CloseRoom { room });
        meeting.hold_crossings(false);
        meeting.run_until("both are passed", SECOND, |meeting| {
            meeting.passed_at(muted).is_some() && meeting.passed_at(closed).is_some()
        });
    });
}

#[test]
fn a_burst_of_viewers_on_other_shards_asks_for_one_keyframe() {
    each_seed(|seed| {
        let mut meeting = Meeting::spanning(seed, 4);
        let viewers: Vec<u64> = (2..=9).collect();
        meeting.gather(1, &[&[1], viewers.as_slice()].concat());
        meeting.publish(1, Source::Camera);
        meeting.run_for(4 * SECOND);
        let before = asked_of(&meeting, 1);
        let from = meeting.now();
        for viewer in &viewers {
            meeting.wish(*viewer, vec![camera(1, 180)]);
        }
        meeting.run_until("all see it", SECOND, |meeting| {
            let sees = |viewer: &u64| !frames(meeting, *viewer, 1, from, meeting.now()).is_empty();
            viewers.iter().all(sees)
        });
        let asked = asked_of(&meeting, 1) - before;
        assert!(asked <= 1, "seed {seed}: {asked} keyframes were asked for");
        meeting.check();
    });
}

#[test]
fn what_nobody_on_a_shard_wants_does_not_go_there() {
    each_seed(|seed| {
        let mut meeting = apart(seed, &[1, 2, 3], 180);
        for member in [1, 2, 3] {
            meeting.set_muted(member, Source::Microphone, true);
        }
        meeting.wish(1, Vec::new());
        meeting.wish(2, vec![camera(1, 180)]);
        meeting.wish(3, vec![camera(1, 720)]);
        meeting.run_until("both encodings are sent", 10 * SECOND, |meeting| {
            active(meeting, 1) == Some(vec![Rid::Q, Rid::F])
        });
        meeting.run_for(3 * SECOND);
        let encodings = |meeting: &Meeting, viewer| {
            let seen = meeting.observation(viewer).frames_of(1, Source::Camera);
            seen.last().and_then(|frame| frame.encoding)
        };
        assert_eq!(encodings(&meeting, 2), Some(Rid::Q), "seed {seed}");
        assert_eq!(encodings(&meeting, 3), Some(Rid::F), "seed {seed}");

        meeting.wish(3, vec![camera(1, 180)]);
        meeting.run_until("the small one is sent alone", 10 * SECOND, |meeting| {
            active(meeting, 1) == Some(vec![Rid::Q])
        });
        let (before, _) = meeting.crossed();
        let received = meeting.counters(1).received;
        meeting.run_for(2 * SECOND);
        let crossed = meeting.crossed().0 - before;
        let received = meeting.counters(1).received - received;
        assert!(
            crossed <= 2 * received && crossed > 0,
            "seed {seed}: {crossed} of {received} to two shards"
        );

        meeting.wish(2, Vec::new());
        meeting.wish(3, Vec::new());
        meeting.run_for(3 * SECOND);
        let (before, _) = meeting.crossed();
        meeting.run_for(2 * SECOND);
        assert_eq!(meeting.crossed().0, before, "seed {seed}: nobody wants any");
        assert_eq!(active(&meeting, 1), Some(Vec::new()), "seed {seed}");
        let from = meeting.now();
        meeting.wish(2, vec![camera(1, 180)]);
        meeting.run_until("it is seen again", SECOND, |meeting| {
            !frames(meeting, 2, 1, from, meeting.now()).is_empty()
        });
        meeting.check();
    });
}

#[test]
fn who_is_not_watched_costs_nothing_across_but_sound() {
    each_seed(|seed| {
        let mut meeting = Meeting::spanning(seed, 2);
        meeting.gather(1, &[1, 2]);
        meeting.publish(1, Source::Camera);
        meeting.run_for(5 * SECOND);
        assert_eq!(meeting.crossed(), (0, 0), "seed {seed}");
        meeting.publish(1, Source::Microphone);
        meeting.run_for(SECOND);
        assert!(meeting.crossed().0 >= 40, "seed {seed}");
        meeting.check();
    });
}

#[test]
fn what_a_far_viewer_lost_is_sent_again_by_its_shard() {
    each_seed(|seed| {
        let mut meeting = Meeting::spanning(seed, 2);
        let access = Access {
            down: LinkConfig {
                loss: Loss::Bernoulli(0.05),
                ..LinkConfig::default()
            },
            ..Access::default()
        };
        let lossy = JoinOptions {
            access,
            ..at_shard(1)
        };
        meeting.join_with(1, 1, at_shard(0));
        meeting.join_with(2, 1, lossy);
        begin(&mut meeting, &[1, 2], 180);
        meeting.run_for(2 * SECOND);
        let (from, before) = (meeting.now(), meeting.counters(2).resent);
        meeting.run_for(10 * SECOND);
        let shown = frames(&meeting, 2, 1, from, meeting.now()).len();
        assert!(shown >= 230, "seed {seed}: {shown} frames");
        let resent = meeting.counters(2).resent - before;
        assert!(resent >= 5, "seed {seed}: {resent} packets sent again");
        assert_eq!(
            meeting.counters(1).resent,
            0,
            "seed {seed}: by its shard alone"
        );
        meeting.check();
    });
}

#[test]
fn who_leaves_or_ends_is_gone_on_all_shards() {
    each_seed(|seed| {
        let mut meeting = apart(seed, &[1, 2, 3], 180);
        let source = Source::Camera;
        let member = MemberKey(1);
        let ended = meeting.decide(1, Command::Unpublish { member, source });
        meeting.run_until("the end is passed", SECOND, |meeting| {
            meeting.passed_at(ended).is_some()
        });
        let unseen = meeting.now() + ON_THE_WAY_MAX;
        meeting.run_for(SECOND);
        for viewer in [2, 3] {
            assert_eq!(pictures_after(&meeting, viewer, 1, unseen), 0);
            let last = meeting.assignments(viewer);
            let feeds = last.iter().rev().find(|one| one.slot == last[0].slot);
            assert!(feeds.is_some_and(|one| one.feed != Some((member, source))));
        }
        meeting.publish(1, source);
        goes_on(&mut meeting, 2, 1);

        // The last one there leaves, and so does its shard.
        let shard = meeting.shard_of(3);
        meeting.drop_member(3);
        meeting.leave_shard(1, shard);
        meeting.run_for(SECOND);
        let (from, before) = (meeting.now(), meeting.crossed().0);
        meeting.run_for(SECOND);
        assert_eq!(pictures_after(&meeting, 2, 3, from), 0, "seed {seed}");
        assert!(meeting.crossed().0 > before);
        goes_on(&mut meeting, 1, 2);

        // Somebody comes to it again, and is told of everything.
        meeting.join(7, 1);
        assert_eq!(meeting.shard_of(7), shard);
        meeting.wait_connected(&[7]);
        meeting.publish(7, source);
        meeting.publish(7, Source::Microphone);
        meeting.wish(7, vec![camera(1, 180), camera(2, 180)]);
        meeting.wish(1, vec![camera(7, 180)]);
        for (viewer, publisher) in [(7, 1), (7, 2), (1, 7)] {
            goes_on(&mut meeting, viewer, publisher);
        }
        meeting.check_stopped(3);
    });
}

#[test]
fn a_way_that_is_full_loses_media_alone() {
    each_seed(|seed| {
        let mut meeting = apart(seed, &[1, 2, 3], 720);
        meeting.run_until("the full picture goes across", 10 * SECOND, |meeting| {
            let seen = meeting.observation(2).frames_of(1, Source::Camera);
            seen.last().and_then(|frame| frame.encoding) == Some(Rid::F)
        });
        meeting.hold_crossings(true);
        // Until more has come than waits, and for a while longer.
        meeting.run_until("the ways are full", 120 * SECOND, |meeting| {
            meeting.crossed().1 > 0
        });
        let muted = meeting.decide(1, mute(1, Source::Microphone, true));
        meeting.publish(2, Source::Screen);
        meeting.run_for(SECOND);
        meeting.hold_crossings(false);
        meeting.run_until("the barrier is passed", SECOND, |meeting| {
            meeting.passed_at(muted).is_some()
        });
        let from = meeting.now() + ON_THE_WAY_MAX + VOICE_HELD_MAX;
        meeting.run_for(2 * SECOND);
        for viewer in [2, 3] {
            assert_eq!(voice(&meeting, viewer, 1, from, meeting.now()), 0);
            assert!(!frames(&meeting, viewer, 1, from, meeting.now()).is_empty());
        }
        let screen = View {
            source: Source::Screen,
            ..camera(2, 1080)
        };
        meeting.wish(1, vec![screen]);
        meeting.run_until("the screen is shown", 15 * SECOND, |meeting| {
            !meeting
                .observation(1)
                .frames_of(2, Source::Screen)
                .is_empty()
        });
        assert!(meeting.crossed().1 > 0);
    });
}

#[test]
fn the_home_shard_alone_tells_who_speaks() {
    each_seed(|seed| {
        let mut meeting = Meeting::spanning(seed, 3);
        for member in [1, 2, 3] {
            meeting.join_with(member, 1, at_shard(member as usize - 1));
        }
        meeting.wait_connected(&[1, 2, 3]);
        // Nobody is left on the home shard.
        meeting.drop_member(1);
        meeting.publish(2, Source::Microphone);
        meeting.set_level(2, 20);
        meeting.run_for(2 * SECOND);
        meeting.publish(3, Source::Microphone);
        meeting.set_level(3, 10);
        let from = meeting.now();
        meeting.run_for(2 * SECOND);
        let told: Vec<BTreeSet<u64>> = meeting
            .events()
            .iter()
            .filter(|(at, _)| *at >= from)
            .filter_map(|(_, event)| match event {
                Event::Speakers { speakers, .. } => {
                    Some(speakers.iter().map(|(member, _)| member.0).collect())
                }
                _ => None,
            })
            .collect();
        let last = BTreeSet::from([2, 3]);
        assert_eq!(told.last(), Some(&last), "seed {seed}");
        assert!(
            told.iter().all(|speakers| speakers.contains(&2)),
            "seed {seed}: {told:?} is told by a shard that hears one of them"
        );
    });
}

#[test]
fn a_new_peer_connection_is_seen_on_other_shards() {
    each_seed(|seed| {
        let mut meeting = apart(seed, &[1, 2], 180);
        meeting.run_for(SECOND);
        meeting.reconnect(1);
        meeting.wait_connected(&[1]);
        meeting.publish(1, Source::Camera);
        meeting.publish(1, Source::Microphone);
        goes_on(&mut meeting, 2, 1);
        goes_on(&mut meeting, 1, 2);
        meeting.check_stopped(1);
    });
}

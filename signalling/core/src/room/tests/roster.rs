//! Who sees whom.

use super::*;
use conclave_sfu_wire::control::{SlotState, Source as ShardSource};
use conclave_signalling_wire::objects::RosterMode;
use conclave_signalling_wire::push::{MediaQuality, MediaSlots, Speakers};
use conclave_signalling_wire::request::{Leave, MediaUnpublish, RoleSet, RoomUpdate, ScreenStart};

/// A room in which attendees see presenters and publishers only.
fn discreet() -> Stage {
    Stage::with(|_, record| record.settings.roster = RosterMode::Hosts)
}

fn names(joined: &Joined) -> Vec<&str> {
    let names = joined.roster.iter().map(|face| face.name.as_str());
    names.collect()
}

fn heard(stage: &mut Stage, link: LinkId) -> Vec<String> {
    let prefix = format!("{} push ", link.0);
    let done = stage.done().into_iter();
    done.filter_map(|done| Some(done.strip_prefix(&prefix)?.split_once(' ')?.1.to_owned()))
        .collect()
}

#[test]
fn who_may_not_see_the_roster_is_told_of_presenters_and_publishers() {
    let mut stage = discreet();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    stage.join_as("Eve", Role::Presenter);
    let (mia, joined) = stage.join("Mia");
    assert_eq!(names(&joined), ["Ada", "Eve"]);
    stage.done();
    let (eli, joined) = stage.join("Eli");
    assert_eq!(names(&joined), ["Ada", "Eve"]);

    stage.publish(bob, Source::Microphone, "0");
    let (member, source) = (stage.key(bob), ShardSource::Microphone);
    let attempt = stage.attempt(member, source);
    let accepted = Event::Published {
        member,
        attempt,
        source,
        rids: Vec::new(),
    };
    stage.room.handle_media(stage.now, accepted);
    let done = stage.done();
    // Whoever sees all of them, and Bob himself, hear of a change, the others of an arrival.
    assert!(
        done.contains(&"1 push 5 updated Bob 2".to_owned()),
        "{done:?}"
    );
    assert!(
        done.contains(&"2 push 2 updated Bob 2".to_owned()),
        "{done:?}"
    );
    assert!(done.contains(&"4 push 1 joined Bob".to_owned()), "{done:?}");
    assert!(done.contains(&"5 push 1 joined Bob".to_owned()), "{done:?}");

    stage.ask(
        bob,
        MediaUnpublish {
            source: Source::Microphone,
        },
    );
    assert_eq!(heard(&mut stage, mia), ["left Hidden"]);
    stage.ask(eli, Leave {});
    // That somebody went who was not seen is told as a number.
    let done = stage.done();
    assert!(done.contains(&"4 push - count 4".to_owned()), "{done:?}");
    assert!(!done.iter().any(|done| done.starts_with("4 push 3")));
    assert!(done.contains(&"1 push 7 left Left".to_owned()), "{done:?}");
    stage.ask(ada, Leave {});
    assert_eq!(heard(&mut stage, mia), ["left Left", "count 3"]);
}

#[test]
fn those_who_do_not_see_all_hear_how_many_there_are() {
    let mut stage = discreet();
    stage.join_as("Ada", Role::Host);
    let (_, is_in) = stage.try_join("Bob", 50, None);
    assert!(is_in);
    assert_eq!(
        stage.done().pop(),
        Some("2 push - count 2".to_owned()),
        "after the outcome of the join"
    );
    stage.try_join("Eve", 51, None);
    let done = stage.done();
    assert!(done.contains(&"2 push - count 3".to_owned()));
    assert!(!done.iter().any(|done| done.starts_with("1 push - count")));
}

#[test]
fn a_role_brings_others_into_sight_and_out_of_it() {
    let mut stage = discreet();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (mia, _) = stage.join_as("Mia", Role::Attendee);
    let set = |stage: &Stage, role| RoleSet {
        participant: bob_id,
        role,
        custom_role: None,
        rev: stage.face(bob_id).rev,
    };
    let request = set(&stage, Role::Presenter);
    stage.ask(ada, request);
    let done = stage.done();
    // Mia sees Bob, and Bob sees everybody.
    assert!(done.contains(&"3 push 1 joined Bob".to_owned()), "{done:?}");
    assert!(done.contains(&"2 push 3 joined Mia".to_owned()), "{done:?}");
    let request = set(&stage, Role::Attendee);
    stage.ask(ada, request);
    let done = stage.done();
    assert!(
        done.contains(&"3 push 2 left Hidden".to_owned()),
        "{done:?}"
    );
    assert!(
        done.contains(&"2 push 6 left Hidden".to_owned()),
        "{done:?}"
    );
    assert!(done.contains(&"2 push - count 3".to_owned()), "{done:?}");
    let _ = (bob, mia);
}

#[test]
fn a_policy_brings_everybody_into_sight_and_out_of_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    stage.join_as("Mia", Role::Attendee);
    let roster = |roster| RoomUpdate {
        roster: Some(roster),
        ..RoomUpdate::default()
    };
    stage.ask(ada, roster(RosterMode::Hosts));
    assert_eq!(
        heard(&mut stage, bob),
        [
            "room 2",
            "permissions Attendee 16",
            "left Hidden",
            "count 3"
        ]
    );
    stage.ask(ada, roster(RosterMode::All));
    assert_eq!(
        heard(&mut stage, bob),
        ["room 3", "permissions Attendee 18", "joined Mia"]
    );
}

#[test]
fn roles_that_are_no_secret_are_shown_and_others_look_alike() {
    let mut stage = discreet();
    stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let key = stage.key(bob);
    stage.published(bob, Source::Camera, "1");
    stage.room.members.get_mut(&key).unwrap().face.role = Role::Viewer;
    let (_, joined) = stage.join("Mia");
    let roles: Vec<_> = joined.roster.iter().map(|face| face.role).collect();
    assert_eq!(roles, [Role::Host, Role::Attendee]);
    assert_eq!(stage.face(bob_id).role, Role::Viewer);
}

#[test]
fn speakers_and_quality_name_those_in_sight_and_oneself() {
    let mut stage = discreet();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (mia, mia_id) = stage.join_as("Mia", Role::Attendee);
    let levels: Vec<_> = [ada, bob, mia]
        .into_iter()
        .map(|link| (stage.key(link), 3))
        .collect();
    let room = RoomKey(1);
    let quality = Event::Quality {
        room,
        levels: levels.clone(),
    };
    let speakers = Event::Speakers {
        room,
        speakers: levels,
    };
    stage.room.handle_media(stage.now, quality);
    stage.room.handle_media(stage.now, speakers);
    let mut named = Vec::new();
    for output in stage.outputs() {
        let Output::Push { link, notice, .. } = output else {
            panic!()
        };
        match notice.push() {
            Push::MediaQuality(MediaQuality { participants }) => {
                named.push((
                    link,
                    participants.iter().map(|one| one.participant).collect(),
                ));
            }
            Push::Speakers(Speakers { speakers }) => {
                named.push((link, speakers.iter().map(|one| one.participant).collect()));
            }
            other => panic!("{other:?}"),
        }
    }
    let told: [(LinkId, Vec<ParticipantId>); 3] = [
        (ada, vec![ada_id, bob_id, mia_id]),
        (bob, vec![ada_id, bob_id]),
        (mia, vec![ada_id, mia_id]),
    ];
    assert_eq!(named, [told.clone(), told].concat());
    // The same again after a resume or a join.
    stage.try_join("Eli", 77, None);
    let done = stage.done();
    assert!(done.contains(&"4 push - quality 1".to_owned()), "{done:?}");
}

#[test]
fn no_slot_names_somebody_out_of_sight() {
    let mut stage = discreet();
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    let (mia, _) = stage.join_as("Mia", Role::Attendee);
    stage.published(bob, Source::Camera, "1");
    let (member, other) = (stage.key(mia), stage.key(bob));
    let shows = |rev| Event::Slots {
        member,
        rev,
        slots: vec![SlotState {
            mid: mid("4"),
            feed: Some((other, ShardSource::Camera)),
            paused: None,
        }],
    };
    let label = |outputs: &[Output]| {
        let slots = outputs.iter().find_map(|output| match output {
            Output::Push { notice, .. } => match notice.push() {
                Push::MediaSlots(MediaSlots { slots, .. }) => Some(slots[0].clone()),
                _ => None,
            },
            _ => None,
        });
        slots.unwrap().participant
    };
    stage.room.handle_media(stage.now, shows(1));
    assert!(label(&stage.outputs()).is_some());
    stage.ask(
        bob,
        MediaUnpublish {
            source: Source::Camera,
        },
    );
    stage.done();
    // Said by the shard before it heard of the end.
    stage.room.handle_media(stage.now, shows(2));
    assert_eq!(label(&stage.outputs()), None);
}

#[test]
fn who_is_out_of_sight_is_not_named_by_other_ways() {
    let mut stage = discreet();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (mia, _) = stage.join_as("Mia", Role::Attendee);
    let start = ScreenStart {
        surface: None,
        audio: false,
        take_over: false,
    };
    stage.ask(bob, start.clone());
    stage.done();
    let by = |outputs: &[Output]| {
        let error = outputs.iter().find_map(|output| match output {
            Output::Refuse { error, .. } => Some(error.by),
            _ => None,
        });
        error.unwrap()
    };
    stage.ask(mia, start.clone());
    assert_eq!(by(&stage.outputs()), None);
    stage.ask(ada, start);
    assert_eq!(by(&stage.outputs()), Some(bob_id));
    // Nor by the allow-list of a lock.
    let device = stage.room.members[&stage.key(bob)].device;
    stage.room.settings.locks.camera.allow.insert(device);
    let (_, joined) = stage.join("Eli");
    assert!(joined.room.av_lock.camera.allow.is_empty());
    let (_, joined) = {
        stage.room.settings.default_role = Role::CoHost;
        stage.join("Cleo")
    };
    assert_eq!(joined.room.av_lock.camera.allow, [bob_id]);
}

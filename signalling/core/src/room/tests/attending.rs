//! Who took part, and how long each spoke.

use super::*;
use conclave_signalling_wire::request::{AttendanceGet, Leave, ParticipantRename};
use conclave_signalling_wire::session::Attendance;

fn attendance(stage: &mut Stage, link: LinkId, csv: bool) -> Attendance {
    stage.outputs();
    stage.ask(link, AttendanceGet { csv });
    let found = stage.outputs().into_iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match *ok {
            Reply::Attendance(attendance) => Some(attendance),
            _ => None,
        },
        _ => None,
    });
    found.unwrap()
}

fn speak(stage: &mut Stage, links: &[LinkId]) {
    let speakers = links.iter().map(|link| (stage.key(*link), 90)).collect();
    let room = RoomKey(1);
    stage
        .room
        .handle_media(stage.now, Event::Speakers { room, speakers });
}

#[test]
fn hosts_learn_who_was_there_and_spoke() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    stage.pass(Duration::from_secs(10));
    let (bob, is_in) = stage.try_join("Bob", 7, None);
    assert!(is_in);
    stage.pass(Duration::from_secs(5));
    speak(&mut stage, &[bob]);
    stage.pass(Duration::from_secs(1));
    speak(&mut stage, &[]);
    stage.ask(bob, Leave {});
    stage.pass(Duration::from_secs(4));
    let (bob, _) = stage.try_join("Bobby", 7, None);
    stage.ask(
        ada,
        ParticipantRename {
            participant: ada_id,
            name: DisplayName::new("Countess").unwrap(),
        },
    );
    stage.pass(Duration::from_secs(2));
    let list = attendance(&mut stage, ada, true);
    let start = Timestamp::from_unix_ms(START_MS);
    assert_eq!((list.since, list.more), (start, 0));
    let people: Vec<_> = list
        .people
        .iter()
        .map(|person| {
            let times = (person.present_s, person.talk_s, person.visits);
            (person.name.as_str(), person.role, times, person.left_at)
        })
        .collect();
    assert_eq!(
        people,
        [
            ("Countess", Role::Host, (22, 0, 1), None),
            ("Bobby", Role::Attendee, (8, 1, 2), None)
        ]
    );
    let csv = list.csv.unwrap();
    assert_eq!(csv.lines().count(), 3);
    assert!(csv.contains(
        "\"Bobby\",\"attendee\",\"guest\",\"2026-11-22T10:00:10Z\",\"\",\"8\",\"1\",\"2\""
    ));
    assert_eq!(attendance(&mut stage, ada, false).csv, None);
    let id = stage.ask(bob, AttendanceGet { csv: true });
    assert!(
        stage
            .done()
            .iter()
            .any(|line| line.ends_with(&format!("error {id} forbidden")))
    );
}

#[test]
fn whoever_keeps_its_place_is_there() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, joined) = stage.join("Bob");
    stage.room.handle_link_lost(stage.now, bob);
    stage.pass(Duration::from_secs(20));
    let (bob, is_in) = stage.resume(joined.resume_token, joined.seq, HOME);
    assert!(is_in);
    stage.pass(Duration::from_secs(20));
    let person = attendance(&mut stage, ada, false).people.remove(1);
    assert_eq!((person.present_s, person.visits), (40, 1));
    // Nobody is there whose place was given up.
    stage.room.handle_link_lost(stage.now, bob);
    stage.pass(Duration::from_secs(30));
    stage.pass(Duration::from_secs(30));
    let person = attendance(&mut stage, ada, false).people.remove(1);
    assert_eq!(person.present_s, 70);
    assert!(person.left_at.is_some());
}

#[test]
fn the_next_meeting_begins_with_nobody() {
    let mut stage = Stage::new();
    for name in ["Ada", "Bob"] {
        let (link, _) = stage.join_as(name, Role::Host);
        stage.pass(Duration::from_secs(60));
        let list = attendance(&mut stage, link, false);
        assert_eq!(list.people.len(), 1);
        assert_eq!(list.people[0].present_s, 60);
        stage.ask(link, Leave {});
    }
}

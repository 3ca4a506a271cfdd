//! Who is there: joining, leaving, losing a link and coming back.

use super::*;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::frame::Malformed;
use conclave_signalling_wire::limits::{PAGE_GONE_WINDOW, RESUME_PUSHES, RESUME_WINDOW};
use conclave_signalling_wire::objects::{Presence, Role};
use conclave_signalling_wire::reply::{HelloOutcome, MediaState, Resumed};
use conclave_signalling_wire::request::{Leave, ParticipantRename};

fn rename(participant: ParticipantId, name: &str) -> ParticipantRename {
    ParticipantRename {
        participant,
        name: DisplayName::new(name).unwrap(),
    }
}

fn resumed(outputs: &[Output]) -> Resumed {
    let found = outputs.iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match ok.as_ref() {
            Reply::Hello(HelloOutcome::Resumed(resumed)) => Some(resumed.as_ref().clone()),
            _ => None,
        },
        _ => None,
    });
    found.unwrap()
}

#[test]
fn the_first_to_come_opens_the_room_and_the_last_to_leave_closes_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.try_join("Ada", 1, None);
    assert_eq!(
        stage.done(),
        [
            "shard open 1",
            "shard admit 1",
            "token issued",
            "1 ok 2 joined 0"
        ]
    );
    let (bob, _) = stage.try_join("Bob", 2, None);
    assert_eq!(
        stage.done(),
        [
            "shard admit 2",
            "token issued",
            "1 push 1 joined Bob",
            "2 ok 2 joined 1"
        ]
    );
    let id = stage.ask(ada, Leave {});
    assert_eq!(
        stage.done(),
        [
            &format!("1 ok {id} done"),
            "1 close 1000",
            "token revoked",
            "shard drop 1",
            "2 push 1 left Left"
        ]
    );
    let id = stage.ask(bob, Leave {});
    assert_eq!(
        stage.done(),
        [
            &format!("2 ok {id} done"),
            "2 close 1000",
            "token revoked",
            "shard drop 2",
            "shard close 1"
        ]
    );
    assert_eq!(stage.room.participants(), 0);
}

#[test]
fn joined_tells_everything_about_the_room() {
    let mut stage = Stage::new();
    stage.pass(Duration::from_millis(1500));
    let (_, ada) = stage.join("Ada");
    let (_, bob) = stage.join("Bob");
    assert_eq!(bob.roster, std::slice::from_ref(&ada.own));
    assert_eq!(bob.own.role, Role::Attendee);
    assert_eq!(bob.own.joined_at.to_string(), "2026-11-22T10:00:01Z");
    assert_eq!(bob.seq, 0);
    assert!(bob.ice_servers.is_empty());
    assert_eq!(bob.room.slug.as_str(), "welcome");
    assert_ne!(bob.resume_token, ada.resume_token);
    assert_ne!(bob.session, ada.session);
}

#[test]
fn a_full_room_says_so() {
    let mut stage = Stage::with(|config, _| config.participants_max = 1);
    stage.join("Ada");
    let (_, is_in) = stage.try_join("Bob", 2, None);
    assert!(!is_in);
    assert_eq!(stage.done(), ["2 error 2 full"]);
}

#[test]
fn the_same_device_is_asked_what_to_do() {
    let mut stage = Stage::new();
    stage.try_join("Ada", 1, None);
    stage.done();
    let (_, is_in) = stage.try_join("Ada", 1, None);
    assert!(!is_in);
    assert_eq!(stage.done(), ["2 ok 2 duplicate"]);

    let (_, is_in) = stage.try_join("Ada", 1, Some(DuplicateChoice::JoinAsSecond));
    assert!(is_in);
    assert_eq!(
        stage.done(),
        [
            "shard admit 3",
            "token issued",
            "1 push 1 joined Ada",
            "3 ok 2 joined 1"
        ]
    );

    // The newest one of the device gives way.
    let (_, is_in) = stage.try_join("Ada", 1, Some(DuplicateChoice::TakeOver));
    assert!(is_in);
    assert_eq!(
        stage.done(),
        [
            "token revoked",
            "shard drop 3",
            "1 push 2 left Left",
            "3 close 4409",
            "shard admit 4",
            "token issued",
            "1 push 3 joined Ada",
            "4 ok 2 joined 1",
        ]
    );
}

#[test]
fn a_device_whose_link_broke_is_not_asked() {
    let mut stage = Stage::new();
    let (ada, _) = stage.try_join("Ada", 1, None);
    stage.room.handle_link_lost(stage.now, ada);
    stage.done();
    let (_, is_in) = stage.try_join("Ada", 1, None);
    assert!(is_in);
    assert_eq!(
        stage.done(),
        [
            "token revoked",
            "shard drop 1",
            "shard admit 2",
            "token issued",
            "2 ok 2 joined 0"
        ]
    );
}

#[test]
fn a_room_stays_open_while_its_only_participant_is_replaced() {
    // The place is free even in a room that is full with it.
    let mut stage = Stage::with(|config, _| config.participants_max = 1);
    stage.try_join("Ada", 1, None);
    stage.done();
    let (link, is_in) = stage.try_join("Ada", 1, Some(DuplicateChoice::TakeOver));
    assert!(is_in);
    assert_eq!(
        stage.done(),
        [
            "token revoked",
            "shard drop 1",
            "1 close 4409",
            "shard admit 2",
            "token issued",
            "2 ok 2 joined 0"
        ]
    );
    let id = stage.ask(link, Leave {});
    assert_eq!(
        stage.done(),
        [
            &format!("2 ok {id} done"),
            "2 close 1000",
            "token revoked",
            "shard drop 2",
            "shard close 1"
        ]
    );
}

#[test]
fn one_may_rename_oneself_only() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    let (bob, _) = stage.join("Bob");
    stage.done();
    let id = stage.ask(ada, rename(joined.own.id, "Ada L."));
    assert_eq!(
        stage.done(),
        [
            "1 push 2 updated Ada L. 2",
            "2 push 1 updated Ada L. 2",
            &format!("1 ok {id} renamed 2")
        ]
    );
    let id = stage.ask(bob, rename(joined.own.id, "Bob's"));
    assert_eq!(
        stage.done(),
        [
            "keep act participant.rename forbidden",
            &format!("2 error {id} forbidden")
        ]
    );
    let id = stage.ask(bob, rename(ParticipantId::new(1, [1; 10]), "Nobody"));
    assert_eq!(
        stage.done(),
        [
            "keep act participant.rename forbidden",
            &format!("2 error {id} forbidden")
        ]
    );
}

#[test]
fn a_dropped_participant_leaves_when_the_resume_window_ends() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    stage.join("Bob");
    stage.room.handle_link_lost(stage.now, ada);
    assert_eq!(
        stage.done(),
        ["shard link 1 false", "2 push 1 updated Ada 2"]
    );
    assert_eq!(
        stage.room.roster().next().map(|ada| ada.presence),
        Some(Presence::Reconnecting)
    );
    assert_eq!(stage.room.poll_timeout(), Some(stage.now + RESUME_WINDOW));
    stage.pass(RESUME_WINDOW - Duration::from_millis(1));
    assert!(stage.done().is_empty());
    stage.pass(Duration::from_millis(1));
    assert_eq!(
        stage.done(),
        [
            "token revoked",
            "shard drop 1",
            "2 push 2 left ConnectionLost"
        ]
    );
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn who_closes_the_page_leaves_sooner() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    stage.join("Bob");
    stage.room.handle_page_gone(stage.now, ada);
    assert_eq!(
        stage.done(),
        ["shard link 1 false", "2 push 1 updated Ada 2"]
    );
    stage.pass(PAGE_GONE_WINDOW);
    assert_eq!(
        stage.done(),
        [
            "token revoked",
            "shard drop 1",
            "2 push 2 left ConnectionLost"
        ]
    );
}

#[test]
fn a_resumed_link_is_told_what_it_missed() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    stage.room.handle_link_lost(stage.now, ada);
    stage.join("Bob");
    let (link, is_in) = stage.resume(joined.resume_token, 0, HOME);
    assert!(is_in);
    let outputs = stage.outputs();
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        [
            "token revoked",
            "token issued",
            "3 ok 1 resumed",
            "3 push 3 updated Ada 3",
            "2 push 1 updated Ada 3",
            "shard link 1 true",
        ]
    );
    let resumed = resumed(&outputs);
    assert_eq!(
        resumed
            .missed
            .iter()
            .map(|push| push.seq)
            .collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(resumed.snapshot, None);
    assert_eq!(resumed.media, MediaState::Lost);
    assert_eq!(
        stage.room.participant_of(link).map(|face| face.presence),
        Some(Presence::Connected)
    );
}

#[test]
fn a_token_works_once() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    stage.room.handle_link_lost(stage.now, ada);
    assert!(stage.resume(joined.resume_token, 1, HOME).1);
    stage.done();
    let (_, is_in) = stage.resume(joined.resume_token, 1, HOME);
    assert!(!is_in);
    assert_eq!(stage.done(), ["3 error 1 resume_failed"]);
}

#[test]
fn a_link_that_only_the_client_knows_to_be_dead_is_replaced() {
    let mut stage = Stage::new();
    let (old, joined) = stage.join("Ada");
    let (_, is_in) = stage.resume(joined.resume_token, 0, HOME);
    assert!(is_in);
    assert_eq!(
        stage.done(),
        [
            "token revoked",
            "token issued",
            "1 close 4409",
            "2 ok 1 resumed"
        ]
    );
    stage.room.handle_link_lost(stage.now, old);
    stage.ask(old, Leave {});
    assert!(stage.done().is_empty());
    assert_eq!(stage.room.participants(), 1);
}

#[test]
fn who_missed_too_much_gets_a_snapshot() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    let (bob, bobs) = stage.join("Bob");
    stage.room.handle_link_lost(stage.now, ada);
    for number in 0..RESUME_PUSHES {
        stage.pass(Duration::from_millis(100));
        stage.ask(bob, rename(bobs.own.id, &format!("Bob {number}")));
    }
    stage.outputs();
    stage.resume(joined.resume_token, 0, HOME);
    let resumed = resumed(&stage.outputs());
    assert!(resumed.missed.is_empty());
    let snapshot = resumed.snapshot.unwrap();
    assert_eq!(snapshot.roster[0].name.as_str(), "Bob 255");
    // Bob coming in, Ada's own loss, and 256 names.
    assert_eq!(snapshot.seq, 258);
    assert_eq!(snapshot.resume_token, resumed.resume_token);
}

#[test]
fn a_number_that_was_never_sent_is_answered_with_a_snapshot() {
    let mut stage = Stage::new();
    let (_, joined) = stage.join("Ada");
    stage.resume(joined.resume_token, 5, HOME);
    assert!(resumed(&stage.outputs()).snapshot.is_some());
}

#[test]
fn too_many_messages_close_the_link_but_keep_the_place() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    for _ in 0..60 {
        stage.ask(ada, rename(joined.own.id, "Ada"));
    }
    assert!(!stage.done().iter().any(|done| done.contains("close")));
    stage.ask(ada, rename(joined.own.id, "Ada"));
    assert_eq!(stage.done(), ["1 close 4429", "shard link 1 false"]);
    assert_eq!(stage.room.participants(), 1);
}

#[test]
fn a_message_that_is_none_closes_the_link_and_a_bad_request_does_not() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let error = Box::new(ErrorBody::from(ErrorCode::UnknownType));
    stage
        .room
        .handle_message(stage.now, ada, Err(Malformed::Refused { id: 5, error }));
    assert_eq!(stage.done(), ["1 error 5 unknown_type"]);
    stage
        .room
        .handle_message(stage.now, ada, Err(Malformed::Unreadable));
    assert_eq!(stage.done(), ["1 close 4400", "shard link 1 false"]);
}

#[test]
fn everybody_hears_that_the_server_stops() {
    let mut stage = Stage::new();
    stage.join("Ada");
    let (bob, joined) = stage.join("Bob");
    stage.room.handle_link_lost(stage.now, bob);
    stage.done();
    stage
        .room
        .announce_draining(Duration::from_secs(300), Duration::from_secs(10));
    assert_eq!(stage.done(), ["1 push 3 draining 300"]);
    stage.resume(joined.resume_token, 1, HOME);
    assert_eq!(resumed(&stage.outputs()).missed.len(), 1);
}

#[test]
fn a_room_that_failed_ends_for_everybody() {
    let mut stage = Stage::new();
    stage.join("Ada");
    stage.join("Bob");
    stage
        .room
        .handle_media(stage.now, Event::RoomFailed { room: RoomKey(2) });
    assert!(stage.done().is_empty());
    stage
        .room
        .handle_media(stage.now, Event::RoomFailed { room: RoomKey(1) });
    assert_eq!(
        stage.done(),
        [
            "1 push 2 ended",
            "2 push 1 ended",
            "1 close 4410",
            "2 close 4410",
            "token revoked",
            "token revoked",
            "shard close 1"
        ]
    );
    assert_eq!(stage.room.participants(), 0);
}

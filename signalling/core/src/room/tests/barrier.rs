//! Replies that wait for the media plane.

use super::*;
use conclave_signalling_wire::moderation::Target;
use conclave_signalling_wire::request::{MediaMute, MediaUnpublish};

/// A host who has muted somebody and waits for the reply.
fn waiting() -> (Stage, LinkId, u32) {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Microphone, "0");
    let mute = MediaMute {
        target: Target::Participant {
            participant: bob_id,
        },
        sources: vec![Source::Microphone],
    };
    let id = stage.ask(ada, mute);
    let done = stage.done();
    assert!(done.contains(&"shard barrier 1".to_owned()));
    assert!(!done.iter().any(|done| done.starts_with("1 ok")));
    (stage, ada, id)
}

#[test]
fn a_reply_waits_for_its_own_barrier() {
    let (mut stage, _, id) = waiting();
    for number in [0, 2] {
        stage.passed(number);
        assert!(stage.done().is_empty());
    }
    stage.room.handle_media(
        stage.now,
        Event::Passed {
            room: RoomKey(2),
            number: 1,
        },
    );
    assert!(stage.done().is_empty());
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} muted 1")]);
    stage.passed(1);
    assert!(stage.done().is_empty());
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn a_barrier_that_nobody_answers_is_given_up_and_the_act_stays() {
    let (mut stage, _, id) = waiting();
    assert_eq!(
        stage.room.poll_timeout(),
        Some(stage.now + Duration::from_secs(10))
    );
    stage.pass(Duration::from_secs(10));
    assert_eq!(stage.done(), [format!("1 error {id} not_available")]);
    let bob = stage.room.roster().last().unwrap();
    assert!(bob.sources.microphone.muted);
    stage.passed(1);
    assert!(stage.done().is_empty());
}

#[test]
fn a_reply_for_a_lost_link_goes_nowhere() {
    let (mut stage, ada, _) = waiting();
    stage.room.handle_link_lost(stage.now, ada);
    stage.done();
    stage.passed(1);
    assert!(stage.done().is_empty());
}

#[test]
fn a_room_that_failed_answers_nobody_any_more() {
    let (mut stage, _, _) = waiting();
    stage
        .room
        .handle_media(stage.now, Event::RoomFailed { room: RoomKey(1) });
    stage.done();
    stage.passed(1);
    assert!(stage.done().is_empty());
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn a_number_that_waits_for_a_barrier_is_not_used_twice() {
    let (mut stage, ada, id) = waiting();
    stage.request = id - 1;
    stage.ask(
        ada,
        MediaUnpublish {
            source: Source::Camera,
        },
    );
    assert_eq!(stage.done()[0], "1 close 4400");
}

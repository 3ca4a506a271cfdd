//! The end of a meeting, and what is told of it before.

use super::*;
use conclave_signalling_wire::chat::{ChatKeep, ChatTarget};
use conclave_signalling_wire::moderation::OverrideEffect;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::push::Ended;
use conclave_signalling_wire::request::{
    ChatSend, HostTransfer, Leave, PermOverride, RoomUpdate, SessionEnd, SessionEndCancel,
};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::session::{EndingReason, SessionEnding};
use conclave_signalling_wire::text::{ClientId, Prose, TypedText};

const SECOND: Duration = Duration::from_secs(1);

fn end_in(countdown_s: u32) -> SessionEnd {
    SessionEnd {
        countdown_s,
        message: Some(Prose::new("Thank you").unwrap()),
    }
}

fn lasting(max_duration_s: u32) -> Stage {
    Stage::with(|_, record| record.settings.max_duration_s = Some(max_duration_s))
}

fn at(stage: &Stage, later_s: u64) -> Timestamp {
    let time = stage.room.clock.at(stage.now);
    Timestamp::from_unix_ms(time.unix_ms() + 1000 * later_s)
}

/// What a link was told of the end, in order.
fn endings(outputs: &[Output], of: LinkId) -> Vec<SessionEnding> {
    let told = outputs.iter().filter_map(|output| match output {
        Output::Push { link, notice, .. } if *link == of => match notice.push() {
            Push::SessionEnding(ending) => Some(ending.clone()),
            _ => None,
        },
        _ => None,
    });
    told.collect()
}

fn ended(outputs: &[Output], of: LinkId) -> Option<Ended> {
    outputs.iter().find_map(|output| match output {
        Output::Push { link, notice, .. } if *link == of => match notice.push() {
            Push::Ended(ended) => Some(ended.clone()),
            _ => None,
        },
        _ => None,
    })
}

#[test]
fn a_host_ends_the_meeting_at_once_for_everybody() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join("Bob");
    stage.room.settings.lobby = LobbyMode::On;
    let (carl, is_in) = stage.try_join("Carl", 30, None);
    assert!(is_in);
    stage.outputs();
    let id = stage.ask(ada, end_in(0));
    let outputs = stage.outputs();
    let done: Vec<String> = outputs.iter().map(short).collect();
    assert_eq!(
        done,
        [
            "keep act session.end ok",
            &format!("1 ok {id} done"),
            "1 push 2 ended",
            "2 push 1 ended",
            "3 push 1 ended",
            "1 close 4410",
            "2 close 4410",
            "3 close 4410",
            "token revoked",
            "token revoked",
            "shard close 1",
        ]
    );
    let told = ended(&outputs, bob).unwrap();
    assert_eq!(told.by, Some(ada_id));
    assert_eq!(told.message.as_deref(), Some("Thank you"));
    // Who waits learns nothing of who is in.
    let told = ended(&outputs, carl).unwrap();
    assert_eq!(
        (told.by, told.message.as_deref()),
        (None, Some("Thank you"))
    );
    assert!(stage.room.is_idle());
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn a_countdown_is_told_to_everybody_and_then_it_ends() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::CoHost);
    let (bob, _) = stage.join("Bob");
    let id = stage.ask(ada, end_in(30));
    let ends_at = at(&stage, 30);
    let outputs = stage.outputs();
    let done: Vec<String> = outputs.iter().map(short).collect();
    assert_eq!(
        done,
        [
            "1 push 2 room 1",
            "2 push 1 room 1",
            "keep act session.end ok",
            &format!("1 ok {id} done"),
            "1 push - ending Some(Host)",
            "2 push - ending Some(Host)",
        ]
    );
    let told = endings(&outputs, bob);
    assert_eq!(
        told,
        [SessionEnding {
            ends_at: Some(ends_at),
            in_s: 30,
            reason: Some(EndingReason::Host),
            by: Some(ada_id),
            message: Some(Prose::new("Thank you").unwrap()),
        }]
    );
    assert_eq!(stage.room.describe().ends_at, Some(ends_at));
    stage.pass(10 * SECOND);
    let (_, joined) = stage.join("Carl");
    assert_eq!(joined.ending.map(|ending| ending.in_s), Some(20));
    assert_eq!(joined.room.ends_at, Some(ends_at));
    assert_eq!(stage.room.poll_timeout(), Some(stage.now + 20 * SECOND));
    stage.pass(20 * SECOND);
    let outputs = stage.outputs();
    assert_eq!(short(&outputs[0]), "keep act session.ended ok");
    assert_eq!(ended(&outputs, bob).unwrap().by, Some(ada_id));
    assert_eq!(stage.room.participants(), 0);
    let (_, joined) = stage.join("Dora");
    assert_eq!((joined.ending, joined.room.ends_at), (None, None));
}

#[test]
fn an_end_can_be_called_off_and_put_off() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, joined) = stage.join("Bob");
    stage.ask(ada, end_in(30));
    stage.pass(20 * SECOND);
    stage.outputs();
    // Another replaces it.
    stage.ask(ada, end_in(60));
    assert_eq!(endings(&stage.outputs(), bob)[0].in_s, 60);
    stage.pass(30 * SECOND);
    assert!(stage.done().is_empty());
    stage.room.handle_link_lost(stage.now, bob);
    stage.ask(ada, SessionEndCancel {});
    let told = endings(&stage.outputs(), ada);
    assert_eq!((told[0].ends_at, told[0].reason), (None, None));
    assert_eq!(stage.room.describe().ends_at, None);
    // Who was away hears of it.
    let (again, _) = stage.resume(joined.resume_token, 0, HOME);
    assert_eq!(endings(&stage.outputs(), again)[0].ends_at, None);
    let id = stage.ask(ada, SessionEndCancel {});
    assert_eq!(
        stage.done(),
        [
            "keep act session.end.cancel not_found".to_owned(),
            format!("1 error {id} not_found")
        ]
    );
    stage.pass(600 * SECOND);
    assert_eq!(stage.room.participants(), 2);
}

#[test]
fn only_who_may_ends_a_meeting() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let (bob, _) = stage.join_as("Bob", Role::CoHost);
    for request in [
        Request::from(end_in(0)),
        end_in(61).into(),
        SessionEndCancel {}.into(),
    ] {
        let id = stage.ask(ada, request);
        assert_eq!(stage.done().pop(), Some(format!("1 error {id} forbidden")));
    }
    let id = stage.ask(bob, end_in(61));
    assert_eq!(
        stage.done().pop(),
        Some(format!("2 error {id} bad_request countdown_s"))
    );
    stage.room.settings.cohosts_end = false;
    let id = stage.ask(bob, end_in(5));
    assert_eq!(stage.done().pop(), Some(format!("2 error {id} forbidden")));
}

#[test]
fn who_is_not_seen_is_not_named_as_the_one_who_ends_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (carl, _) = stage.join("Carl");
    let rev = stage.face(bob_id).rev;
    stage.ask(
        ada,
        PermOverride {
            participant: bob_id,
            key: Permission::SessionEnd,
            effect: OverrideEffect::Allow,
            ttl_s: None,
            rev,
        },
    );
    stage.ask(
        ada,
        RoomUpdate {
            roster: Some(conclave_signalling_wire::objects::RosterMode::Hosts),
            ..RoomUpdate::default()
        },
    );
    stage.outputs();
    stage.ask(bob, end_in(5));
    let outputs = stage.outputs();
    assert_eq!(endings(&outputs, carl)[0].by, None);
    assert_eq!(endings(&outputs, ada)[0].by, Some(bob_id));
    stage.pass(5 * SECOND);
    let outputs = stage.outputs();
    assert_eq!(ended(&outputs, carl).unwrap().by, None);
    assert_eq!(ended(&outputs, ada).unwrap().by, Some(bob_id));
}

#[test]
fn nobody_comes_back_to_a_meeting_that_ended() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, joined) = stage.join("Bob");
    stage.room.handle_link_lost(stage.now, bob);
    stage.ask(ada, end_in(0));
    stage.outputs();
    let (_, is_in) = stage.resume(joined.resume_token, 0, HOME);
    assert!(!is_in);
    assert_eq!(stage.done(), ["3 error 1 resume_failed"]);
}

#[test]
fn the_countdown_of_a_meeting_that_everybody_left_is_not_that_of_the_next() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.ask(ada, end_in(60));
    stage.ask(ada, Leave {});
    stage.outputs();
    assert_eq!(stage.room.poll_timeout(), None);
    stage.join("Bob");
    stage.pass(120 * SECOND);
    assert!(stage.done().is_empty());
    assert_eq!(stage.room.participants(), 1);
}

#[test]
fn a_meeting_lasts_no_longer_than_it_may_and_says_so_before() {
    let mut stage = lasting(1200);
    let (ada, joined) = stage.join("Ada");
    let ends_at = at(&stage, 1200);
    assert_eq!((joined.ending, joined.room.ends_at), (None, Some(ends_at)));
    for (wait_s, in_s) in [(600, 600), (300, 300), (240, 60)] {
        let wait = wait_s * SECOND;
        assert_eq!(stage.room.poll_timeout(), Some(stage.now + wait));
        stage.pass(wait - Duration::from_millis(1));
        assert!(stage.done().is_empty());
        stage.pass(Duration::from_millis(1));
        let outputs = stage.outputs();
        assert_eq!(outputs.len(), 1);
        assert_eq!(
            endings(&outputs, ada),
            [SessionEnding {
                ends_at: Some(ends_at),
                in_s,
                reason: Some(EndingReason::Duration),
                by: None,
                message: None,
            }]
        );
    }
    stage.pass(60 * SECOND);
    let outputs = stage.outputs();
    let done: Vec<String> = outputs.iter().map(short).collect();
    assert_eq!(
        done,
        [
            "keep act session.ended ok",
            "1 push 1 ended",
            "1 close 4410",
            "token revoked",
            "shard close 1",
        ]
    );
    let is_by_room = outputs.iter().any(|output| match output {
        Output::Persist(Change::Audit(entry)) => entry.actor == Actor::Room,
        _ => false,
    });
    assert!(is_by_room);
    // The next one lasts as long again.
    let (_, joined) = stage.join("Bob");
    assert_eq!(joined.room.ends_at, Some(at(&stage, 1200)));
}

#[test]
fn who_begins_a_short_meeting_knows_at_once_when_it_ends() {
    let mut stage = lasting(120);
    let (_, joined) = stage.join("Ada");
    let told = joined.ending.unwrap();
    assert_eq!(
        (told.in_s, told.reason),
        (120, Some(EndingReason::Duration))
    );
    stage.pass(60 * SECOND);
    assert_eq!(stage.done(), ["1 push - ending Some(Duration)"]);
}

#[test]
fn a_changed_duration_is_told_and_nobody_is_surprised_by_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let lasts = |seconds| RoomUpdate {
        max_duration_s: seconds,
        ..RoomUpdate::default()
    };
    stage.pass(3600 * SECOND);
    stage.outputs();
    stage.ask(ada, lasts(Patch::Set(4000)));
    let outputs = stage.outputs();
    assert_eq!(endings(&outputs, ada)[0].in_s, 400);
    assert_eq!(stage.room.describe().ends_at, Some(at(&stage, 400)));
    stage.ask(ada, lasts(Patch::Clear));
    assert_eq!(endings(&stage.outputs(), ada)[0].ends_at, None);
    // It has lasted longer already: a minute is left.
    stage.ask(ada, lasts(Patch::Set(60)));
    assert_eq!(endings(&stage.outputs(), ada)[0].in_s, 60);
    stage.pass(60 * SECOND);
    assert_eq!(stage.room.participants(), 0);
}

#[test]
fn the_earlier_end_is_the_one_that_comes() {
    let mut stage = lasting(620);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.pass(580 * SECOND);
    stage.outputs();
    stage.ask(ada, end_in(60));
    assert!(endings(&stage.outputs(), ada).is_empty());
    assert_eq!(stage.room.describe().ends_at, Some(at(&stage, 40)));
    stage.ask(ada, end_in(30));
    let told = endings(&stage.outputs(), ada);
    assert_eq!(
        (told[0].in_s, told[0].reason),
        (30, Some(EndingReason::Host))
    );
    // Called off, the other one is left.
    stage.ask(ada, SessionEndCancel {});
    let told = endings(&stage.outputs(), ada);
    assert_eq!(
        (told[0].in_s, told[0].reason),
        (40, Some(EndingReason::Duration))
    );
    stage.pass(40 * SECOND);
    assert_eq!(ended(&stage.outputs(), ada).unwrap().by, None);
}

#[test]
fn a_meeting_that_ends_while_it_is_handed_over_ends() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (_, bob) = stage.join("Bob");
    stage.ask(ada, end_in(10));
    stage.ask(
        ada,
        HostTransfer {
            participant: bob.own.id,
            permanent: false,
        },
    );
    stage.outputs();
    stage.pass(10 * SECOND);
    let done = stage.done();
    assert!(
        !done.iter().any(|line| line.contains("transfer")),
        "{done:?}"
    );
    assert_eq!(stage.room.poll_timeout(), None);
    assert!(stage.room.is_idle());
}

#[test]
fn whoever_is_late_by_a_moment_finds_the_meeting_ended() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join("Bob");
    stage.ask(ada, end_in(10));
    stage.outputs();
    // The room was not told of the time before somebody asked for something.
    stage.now += 10 * SECOND;
    stage.ask(bob, SessionEndCancel {});
    let done = stage.done();
    assert!(done.contains(&"2 push 2 ended".to_owned()), "{done:?}");
}

#[test]
fn what_was_agreed_to_is_written_down_by_its_hash() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let hash = crate::digest::consent_hash("We record nothing.");
    let details = |stage: &mut Stage| -> Vec<(String, Option<String>)> {
        let outputs = stage.outputs().into_iter();
        let entries = outputs.filter_map(|output| match output {
            Output::Persist(Change::Audit(entry)) => Some((entry.action, entry.detail)),
            _ => None,
        });
        entries.collect()
    };
    stage.ask(
        ada,
        RoomUpdate {
            consent_text: Patch::Set(Prose::new("We record nothing.").unwrap()),
            ..RoomUpdate::default()
        },
    );
    assert_eq!(
        details(&mut stage),
        [(
            "room.update".to_owned(),
            Some(format!("consent_text, consent {hash}"))
        )]
    );
    let mut entrant = stage.entrant("Bob", 30);
    entrant.consent_hash = Some(hash.clone());
    let (_, is_in) = stage.enter(entrant);
    assert!(is_in);
    assert_eq!(
        details(&mut stage),
        [("consent.given".to_owned(), Some(hash))]
    );
}

#[test]
fn who_may_not_end_the_meeting_does_not_let_it_end() {
    let mut stage = Stage::with(|_, record| record.settings.cohosts_end = false);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::CoHost);
    for update in [
        RoomUpdate {
            cohosts_end: Some(true),
            ..RoomUpdate::default()
        },
        RoomUpdate {
            max_duration_s: Patch::Set(60),
            ..RoomUpdate::default()
        },
    ] {
        let id = stage.ask(bob, update.clone());
        assert_eq!(stage.done().pop(), Some(format!("2 error {id} forbidden")));
        let rev = stage.room.settings.rev + 1;
        let id = stage.ask(ada, update);
        assert!(stage.done().contains(&format!("1 ok {id} room {rev}")));
        stage.room.settings.cohosts_end = false;
    }
}

#[test]
fn an_end_is_not_announced_again_and_again() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let mut told = 0;
    for _ in 0..15 {
        stage.ask(ada, end_in(60));
        stage.ask(ada, SessionEndCancel {});
        told += endings(&stage.outputs(), ada).len();
    }
    assert_eq!(told, 20);
    // At once it ends all the same.
    stage.ask(ada, end_in(0));
    assert_eq!(stage.room.participants(), 0);
}

#[test]
fn what_ends_with_the_meeting_is_forgotten_before_anybody_hears_of_its_end() {
    let mut stage = Stage::with(|_, record| record.settings.chat.keep = ChatKeep::Session);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.ask(
        ada,
        ChatSend {
            client_id: ClientId::new("c-1").unwrap(),
            to: ChatTarget::All {},
            text: TypedText::new("x"),
            reply_to: None,
            mentions: Vec::new(),
        },
    );
    stage.outputs();
    stage.ask(ada, end_in(0));
    let outputs = stage.outputs();
    let is_gone = |output: &Output| matches!(output, Output::Persist(Change::ChatGone { .. }));
    let is_told = |output: &Output| matches!(output, Output::Push { .. });
    let (gone, told) = (
        outputs.iter().position(is_gone),
        outputs.iter().position(is_told),
    );
    assert!(gone.is_some() && gone < told);
}

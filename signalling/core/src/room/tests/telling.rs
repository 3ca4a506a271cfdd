//! What webhooks are told, and what is kept of sessions and of who was there.

use super::*;
use conclave_signalling_wire::chat::ChatTarget;
use conclave_signalling_wire::limits::RESUME_WINDOW;
use conclave_signalling_wire::moderation::{BanOrder, BanScope};
use conclave_signalling_wire::request::{
    ChatClear, ChatSend, HandRaise, InviteRevoke, Leave, LobbyAdmit, LobbyDeny, MediaLock,
    PanicSuspend, ParticipantRemove, ParticipantRename, ParticipantToLobby, RoleSet, RoomUpdate,
    SessionEnd,
};
use conclave_signalling_wire::text::{ClientId, TypedText};
use serde_json::{Value, json};

use crate::event::EventKind;
use crate::record::{AttendanceRecord, EndReason, SessionRecord, Stay};

/// What was told since this was asked last: of whom, what, and the names.
type Told = (EventKind, Option<ParticipantId>, Value, Value);

fn take(stage: &mut Stage) -> Vec<Change> {
    stage.outputs();
    std::mem::take(&mut stage.told)
}

fn events(stage: &mut Stage) -> Vec<Told> {
    let told = take(stage).into_iter();
    told.filter_map(|change| match change {
        Change::Event(event) => {
            assert!(event.is_as_listed());
            let (data, personal) = (json!(event.data), json!(event.personal));
            Some((event.kind, event.participant, data, personal))
        }
        _ => None,
    })
    .collect()
}

fn sessions(changes: &[Change]) -> Vec<SessionRecord> {
    let kept = changes.iter().filter_map(|change| match change {
        Change::Session(session) => Some(session.as_ref().clone()),
        _ => None,
    });
    kept.collect()
}

fn attended(changes: &[Change]) -> Vec<AttendanceRecord> {
    let kept = changes.iter().filter_map(|change| match change {
        Change::Attended(record) => Some(record.as_ref().clone()),
        _ => None,
    });
    kept.collect()
}

fn by(who: ParticipantId) -> Value {
    json!({"kind": "participant", "id": who})
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_ms(START_MS + 1000 * seconds)
}

fn nameless() -> Value {
    json!({})
}

fn name(name: &str) -> Value {
    json!({"name": name})
}

fn update(stage: &mut Stage, link: LinkId, change: impl FnOnce(&mut RoomUpdate)) {
    let mut update = RoomUpdate::default();
    change(&mut update);
    stage.ask(link, update);
}

/// A room with a lobby, a guest who waits and a host, both by invite.
fn led() -> (Stage, LinkId, ParticipantId) {
    let mut stage = Stage::with(|_, record| {
        record.invites = vec![invite(1, Role::Host), invite(2, Role::Attendee)];
        record.invites[1].name = Some(DisplayName::new("Eve Smith").unwrap());
    });
    let (ada, _) = stage.try_invite("Ada", 1, 1);
    let id = stage.room.participant_of(ada).unwrap().id;
    (stage, ada, id)
}

#[test]
fn a_session_is_told_from_its_first_to_its_last() {
    let (mut stage, ada, ada_id) = led();
    let invite = stage.room.invites.newest_first().last().unwrap().id;
    assert_eq!(
        events(&mut stage),
        [
            (EventKind::SessionStarted, None, json!({}), nameless()),
            (
                EventKind::ParticipantJoined,
                Some(ada_id),
                json!({
                    "role": "host", "identity": "guest", "via": "door",
                    "invite": invite, "site": null,
                }),
                name("Ada"),
            ),
            (
                EventKind::InviteUsed,
                Some(ada_id),
                json!({"invite": invite, "uses": 1, "max_uses": null}),
                json!({"name": null}),
            ),
        ]
    );
    let (_, bob) = stage.join("Bob");
    stage.pass(Duration::from_secs(90));
    stage.ask(ada, Leave {});
    let end = SessionEnd {
        countdown_s: 0,
        message: None,
    };
    let told = events(&mut stage);
    let left = json!({"reason": "left", "role": "host", "duration_s": 90});
    let ada_left = (EventKind::ParticipantLeft, Some(ada_id), left, name("Ada"));
    assert_eq!(told.last(), Some(&ada_left));

    // The next host ends it for everybody.
    let (ada, _) = stage.try_invite("Ada", 1, 1);
    let again = stage.room.participant_of(ada).unwrap().id;
    take(&mut stage);
    stage.ask(ada, end);
    let gone = |role: &str, duration_s: u32| json!({"reason": "ended", "role": role, "duration_s": duration_s});
    let bob_gone = gone("attendee", 90);
    let ended = json!({
        "reason": "ended", "by": by(again), "duration_s": 90, "peak": 2, "people": 2,
    });
    assert_eq!(
        events(&mut stage),
        [
            (
                EventKind::ParticipantLeft,
                Some(bob.own.id),
                bob_gone,
                name("Bob")
            ),
            (
                EventKind::ParticipantLeft,
                Some(again),
                gone("host", 0),
                name("Ada")
            ),
            (EventKind::SessionEnded, None, ended, nameless()),
        ]
    );
}

#[test]
fn a_session_is_kept_when_it_begins_grows_and_ends() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let (bob, _) = stage.join("Bob");
    stage.pass(Duration::from_secs(5));
    let numbers = |kept: &[SessionRecord]| -> Vec<(u32, u32, Option<EndReason>)> {
        let kept = kept.iter();
        kept.map(|one| (one.peak, one.people, one.ended)).collect()
    };
    let kept = sessions(&take(&mut stage));
    assert_eq!(numbers(&kept), [(1, 1, None), (2, 2, None)]);
    assert_eq!(kept[0].started_at, at(0));
    // Nobody new, and no more than before.
    stage.ask(bob, Leave {});
    stage.try_join("Bob", 7, None);
    stage.pass(Duration::from_secs(5));
    let kept = sessions(&take(&mut stage));
    assert_eq!(numbers(&kept), [(2, 3, None)]);
    // The device of somebody who went is the same device.
    let (link, _) = stage.try_join("Bob", 7, Some(DuplicateChoice::TakeOver));
    assert_eq!(sessions(&take(&mut stage)), []);
    for link in [ada, link] {
        stage.ask(link, Leave {});
    }
    let kept = sessions(&take(&mut stage));
    assert_eq!(numbers(&kept), [(2, 3, Some(EndReason::Empty))]);
    assert_eq!(
        (kept[0].started_at, kept[0].ended_at),
        (at(0), Some(at(10)))
    );
}

#[test]
fn every_end_has_its_reason() {
    let reason = |stage: &mut Stage| {
        let kept = sessions(&take(stage));
        kept.last().and_then(|session| session.ended)
    };
    // The last one goes.
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    stage.ask(ada, Leave {});
    assert_eq!(reason(&mut stage), Some(EndReason::Empty));
    // The last one is lost.
    let (ada, _) = stage.join("Ada");
    stage.room.handle_link_lost(stage.now, ada);
    assert_eq!(reason(&mut stage), None);
    stage.pass(RESUME_WINDOW);
    assert_eq!(reason(&mut stage), Some(EndReason::Empty));
    // Its time is up.
    let mut stage = Stage::with(|_, record| record.settings.max_duration_s = Some(60));
    stage.join("Ada");
    stage.pass(Duration::from_secs(60));
    assert_eq!(reason(&mut stage), Some(EndReason::TimeUp));
    // A host counted down.
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let end = SessionEnd {
        countdown_s: 30,
        message: None,
    };
    stage.ask(ada, end);
    stage.pass(Duration::from_secs(30));
    assert_eq!(reason(&mut stage), Some(EndReason::Ended));
    // No host came back.
    let mut stage = Stage::with(|_, record| {
        record.settings.no_host = conclave_signalling_wire::objects::NoHost::End;
        record.settings.no_host_grace_s = 10;
    });
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.join("Bob");
    stage.ask(ada, Leave {});
    stage.pass(Duration::from_secs(10));
    assert_eq!(reason(&mut stage), Some(EndReason::NoHost));
    // The room is deleted.
    let mut stage = Stage::new();
    stage.join("Ada");
    let request = crate::room::OperatorRequest::Delete;
    stage
        .room
        .handle_operator(stage.now, 1, Actor::Operator, request);
    assert_eq!(reason(&mut stage), Some(EndReason::Deleted));
    // The media plane fails.
    let mut stage = Stage::new();
    stage.join("Ada");
    let room = RoomKey(1);
    stage
        .room
        .handle_media(stage.now, Event::RoomFailed { room });
    assert_eq!(reason(&mut stage), Some(EndReason::Failed));
}

#[test]
fn who_was_there_is_kept_when_it_comes_goes_or_is_another() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    take(&mut stage);
    let (bob, _) = stage.try_join("Bob", 7, None);
    let bob_id = stage.room.participant_of(bob).unwrap().id;
    let kept = attended(&take(&mut stage));
    let open = |from| Stay {
        from: at(from),
        to: None,
    };
    let [record] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert_eq!(
        (record.participant, record.name.as_str(), record.visits),
        (bob_id, "Bob", 1)
    );
    assert_eq!(record.stays, [open(0)]);

    stage.pass(Duration::from_secs(10));
    let rename = ParticipantRename {
        participant: bob_id,
        name: DisplayName::new("Robert").unwrap(),
    };
    stage.ask(bob, rename);
    let rev = stage.face(bob_id).rev;
    stage.ask(
        ada,
        RoleSet {
            participant: bob_id,
            role: Role::Presenter,
            custom_role: None,
            rev,
        },
    );
    let told = take(&mut stage);
    let faces: Vec<_> = attended(&told)
        .iter()
        .map(|one| (one.name.as_str().to_owned(), one.role))
        .collect();
    let robert = || "Robert".to_owned();
    assert_eq!(
        faces,
        [(robert(), Role::Attendee), (robert(), Role::Presenter)]
    );
    let Some(Change::Event(event)) = told.last() else {
        panic!("{told:?}")
    };
    assert_eq!(
        json!(event.data),
        json!({"from": "attendee", "to": "presenter", "by": by(ada_id)})
    );
    // A lost link is no going before its grace is over.
    stage.room.handle_link_lost(stage.now, bob);
    stage.pass(Duration::from_secs(10));
    assert_eq!(take(&mut stage), []);
    stage.pass(RESUME_WINDOW);
    let gone = 20 + RESUME_WINDOW.as_secs();
    let closed = Stay {
        from: at(0),
        to: Some(at(gone)),
    };
    assert_eq!(attended(&take(&mut stage))[0].stays, [closed]);
    stage.try_join("Bob", 7, None);
    let record = attended(&take(&mut stage)).remove(0);
    assert_eq!((record.stays, record.visits), (vec![closed, open(gone)], 2));
    // At the end of the session everybody goes.
    let end = SessionEnd {
        countdown_s: 0,
        message: None,
    };
    stage.ask(ada, end);
    let kept = attended(&take(&mut stage));
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|one| {
        let last = one.stays.last();
        last.is_some_and(|stay| stay.to == Some(at(gone)))
    }));
}

#[test]
fn the_lobby_is_told_and_leaves_no_attendance() {
    let (mut stage, ada, ada_id) = led();
    stage.room.settings.lobby = LobbyMode::On;
    take(&mut stage);
    let mut knocks = Vec::new();
    for (person, device) in [("Bob", 7), ("Eve", 8)] {
        stage.try_join(person, device, None);
        let outputs = stage.outputs();
        knocks.push(knock_of(&outputs));
        let told = take(&mut stage);
        assert_eq!(attended(&told), []);
        let Some(Change::Event(event)) = told.last() else {
            panic!("{told:?}")
        };
        assert_eq!(event.kind, EventKind::LobbyWaiting);
        assert_eq!(json!(event.personal), name(person));
        assert_eq!(
            json!(event.data),
            json!({
                "knock": knocks.last(), "state": "waiting", "identity": "guest",
                "previous_kick": false, "network_banned": false,
            })
        );
    }
    // Whoever asks again has the place that it has.
    stage.try_join("Bob", 7, None);
    assert_eq!(events(&mut stage), []);
    stage.ask(
        ada,
        LobbyDeny {
            knocks: Some(vec![knocks[1]]),
            block_s: 60,
            ..LobbyDeny::default()
        },
    );
    let data = json!({"knock": knocks[1], "by": by(ada_id), "block_s": 60});
    let denied = (EventKind::LobbyDenied, None, data, name("Eve"));
    assert_eq!(events(&mut stage), [denied]);
    stage.ask(
        ada,
        LobbyAdmit {
            knocks: Some(vec![knocks[0]]),
            ..LobbyAdmit::default()
        },
    );
    let bob = stage.room.roster().nth(1).unwrap().id;
    let told = events(&mut stage);
    let data = json!({"knock": knocks[0], "by": by(ada_id)});
    let admitted = (EventKind::LobbyAdmitted, Some(bob), data, name("Bob"));
    assert_eq!(told[0].2["via"], "lobby");
    assert_eq!(told[1..], [admitted]);
    // Back to where it came from.
    stage.ask(ada, ParticipantToLobby { participant: bob });
    let told = events(&mut stage);
    let kinds: Vec<_> = told.iter().map(|one| one.0).collect();
    assert_eq!(kinds, [EventKind::ParticipantLeft, EventKind::LobbyWaiting]);
    assert_eq!(told[0].2["reason"], "to_lobby");
    assert_eq!(told[1].2["previous_kick"], true);
}

#[test]
fn who_is_removed_and_banned_is_told_and_so_are_its_tries() {
    let (mut stage, ada, ada_id) = led();
    let (_, bob) = stage.join("Bob");
    let bob = bob.own.id;
    take(&mut stage);
    let order = ParticipantRemove {
        participant: bob,
        reason: None,
        message: None,
        ban: Some(BanOrder {
            scope: BanScope::Room,
            ttl_s: Some(3600),
            strict: false,
        }),
    };
    stage.ask(ada, order);
    let ban = stage.room.bans.list(at(0)).remove(0).id;
    assert_eq!(
        events(&mut stage),
        [
            (
                EventKind::ParticipantBanned,
                Some(bob),
                json!({
                    "by": by(ada_id), "ban": ban, "expires_at": at(3600), "strict": false,
                }),
                name("Bob"),
            ),
            (
                EventKind::ParticipantRemoved,
                Some(bob),
                json!({"by": by(ada_id), "role": "attendee", "removals": 1, "ban": ban}),
                name("Bob"),
            ),
            (
                EventKind::ParticipantLeft,
                Some(bob),
                json!({"reason": "removed", "role": "attendee", "duration_s": 0}),
                name("Bob"),
            ),
        ]
    );
    // Told as seldom as it is written down.
    let device = stage.keys as u8 + 99;
    for _ in 0..30 {
        stage.try_join("Robert", device, None);
    }
    let told = events(&mut stage);
    assert_eq!(told.len(), 10);
    let data = json!({"action": "join", "left_out": 0});
    assert_eq!(
        told[0],
        (EventKind::SecurityBanEvaded, None, data, nameless())
    );
    stage.pass(Duration::from_secs(1));
    stage.try_join("Robert", device, None);
    assert_eq!(events(&mut stage)[0].2["left_out"], 20);
}

#[test]
fn who_came_by_an_invite_that_is_taken_back_is_told() {
    let (mut stage, ada, ada_id) = led();
    let (bob, _) = stage.try_invite("Bob", 7, 2);
    let member = &stage.room.members[&stage.key(bob)];
    let (bob, invite) = (member.face.id, member.invite.unwrap());
    take(&mut stage);
    stage.ask(
        ada,
        InviteRevoke {
            invite,
            remove_holders: true,
        },
    );
    let told = events(&mut stage);
    let data = json!({"invite": invite, "by": by(ada_id), "uses": 1});
    let revoked = (EventKind::InviteRevoked, None, data, name("Eve Smith"));
    assert_eq!(told[0], revoked);
    let data = json!({"by": by(ada_id), "role": "attendee", "removals": 1, "ban": null});
    let removed = (EventKind::ParticipantRemoved, Some(bob), data, name("Bob"));
    assert_eq!(told[1], removed);
    assert_eq!(told[2].0, EventKind::ParticipantLeft);
}

#[test]
fn changes_of_policies_are_told_by_name() {
    let (mut stage, ada, ada_id) = led();
    take(&mut stage);
    let told = |kind, changed: Option<Value>, rev: u32| {
        let mut data = json!({"rev": rev, "by": by(ada_id)});
        if let Some(changed) = changed {
            data["changed"] = changed;
        }
        (kind, None, data, nameless())
    };
    let rev = stage.room.settings.rev;
    update(&mut stage, ada, |update| update.locked = Some(true));
    assert_eq!(
        events(&mut stage),
        [told(EventKind::RoomLocked, None, rev + 1)]
    );
    update(&mut stage, ada, |update| {
        update.locked = Some(false);
        update.lobby = Some(LobbyMode::On);
    });
    let changed = Some(json!(["lobby"]));
    assert_eq!(
        events(&mut stage),
        [
            told(EventKind::RoomUnlocked, None, rev + 2),
            told(EventKind::RoomUpdated, changed, rev + 2)
        ]
    );
    // What is as it was is no change.
    update(&mut stage, ada, |update| update.lobby = Some(LobbyMode::On));
    assert_eq!(events(&mut stage), []);
    let lock = MediaLock {
        sources: vec![Source::Camera],
        on: true,
        allow: Vec::new(),
    };
    stage.ask(ada, lock);
    assert_eq!(events(&mut stage)[0].2["changed"], json!(["locks"]));
    for (on, kind) in [
        (true, EventKind::RoomLocked),
        (false, EventKind::RoomUnlocked),
    ] {
        stage.ask(ada, PanicSuspend { on });
        let told = events(&mut stage);
        let kinds: Vec<_> = told.iter().map(|one| one.0).collect();
        assert_eq!(kinds, [kind, EventKind::RoomUpdated]);
    }
}

#[test]
fn hands_and_cleared_messages_are_told() {
    let (mut stage, ada, ada_id) = led();
    stage.ask(
        ada,
        ChatSend {
            client_id: ClientId::new("one").unwrap(),
            to: ChatTarget::All {},
            text: TypedText::new("Hello"),
            reply_to: None,
            mentions: Vec::new(),
        },
    );
    take(&mut stage);
    stage.ask(ada, HandRaise {});
    stage.ask(ada, HandRaise {});
    stage.ask(ada, ChatClear { up_to: None });
    stage.ask(ada, ChatClear { up_to: None });
    let hand = json!({"role": "host"});
    let cleared = json!({"up_to": 1, "by": by(ada_id)});
    assert_eq!(
        events(&mut stage),
        [
            (EventKind::HandRaised, Some(ada_id), hand, name("Ada")),
            (EventKind::ChatCleared, None, cleared, nameless()),
        ]
    );
}

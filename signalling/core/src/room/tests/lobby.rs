//! Waiting: what who waits is told, and what those do who admit.

use super::*;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::limits::{LOBBY_GONE_AFTER, LOBBY_PLACES_PER_SOURCE};
use conclave_signalling_wire::lobby::LobbyUpdate;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::request::{
    Leave, LobbyAdmit, LobbyDeny, LobbyNote, LobbyPing, ParticipantRename, ParticipantToLobby,
    RoomUpdate,
};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::text::Prose;

const HOST: u8 = 1;
const COHOST: u8 = 2;
const GUESTS: u8 = 3;
const SPEAKER: u8 = 4;

/// A room with a lobby and a host in it.
fn led() -> (Stage, LinkId) {
    let mut stage = Stage::with(|_, record| {
        record.settings.lobby = LobbyMode::On;
        record.settings.start_without_host = false;
        record.invites = vec![
            invite(HOST, Role::Host),
            Invite {
                max_uses: Some(1),
                ..invite(COHOST, Role::CoHost)
            },
            Invite {
                bypass_lobby: true,
                note: Some("From the office".to_owned()),
                ..invite(GUESTS, Role::Attendee)
            },
        ];
    });
    let (host, is_in) = stage.try_invite("Ada", 1, HOST);
    assert!(is_in);
    stage.outputs();
    (stage, host)
}

fn knock(stage: &mut Stage, name: &str, device: u8) -> (LinkId, KnockId) {
    let (link, is_in) = stage.try_join(name, device, None);
    assert!(is_in);
    (link, knock_of(&stage.outputs()))
}

fn admit(knock: KnockId) -> LobbyAdmit {
    LobbyAdmit {
        knocks: Some(vec![knock]),
        ..LobbyAdmit::default()
    }
}

fn all_up_to(rev: u32) -> LobbyAdmit {
    LobbyAdmit {
        all_up_to_rev: Some(rev),
        ..LobbyAdmit::default()
    }
}

fn deny(knock: KnockId, block_s: u32) -> LobbyDeny {
    LobbyDeny {
        knocks: Some(vec![knock]),
        reason: Some(Prose::new("Not today").unwrap()),
        block_s,
        ..LobbyDeny::default()
    }
}

fn update_of(outputs: &[Output]) -> LobbyUpdate {
    let newest = outputs.iter().rev().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::LobbyUpdate(update) => Some(update.clone()),
            _ => None,
        },
        _ => None,
    });
    newest.unwrap()
}

#[test]
fn who_waits_is_admitted_over_its_own_link() {
    let (mut stage, host) = led();
    let (bob, is_in) = stage.try_join("Bob", 2, None);
    assert!(is_in);
    let outputs = stage.outputs();
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        ["2 ok 2 lobby Waiting", "1 push - lobby 1 of 1"]
    );
    let knock = knock_of(&outputs);
    let entry = update_of(&outputs).entries[0].clone();
    assert_eq!((entry.knock, entry.name.as_str()), (knock, "Bob"));
    assert_eq!(stage.room.participants(), 1);
    let id = stage.ask(host, admit(knock));
    assert_eq!(
        stage.done(),
        [
            "shard admit 2",
            "token issued",
            "keep standing of None",
            "1 push 1 joined Bob",
            "2 push - admitted",
            "keep act lobby.admit ok",
            &format!("1 ok {id} Admitted"),
            "1 push - lobby 2 of 0",
        ]
    );
    assert_eq!(stage.room.participant_of(bob).unwrap().role, Role::Attendee);
    // It need not wait again in this meeting.
    stage.ask(bob, Leave {});
    stage.outputs();
    let (again, _) = stage.try_join("Bob", 2, None);
    assert!(stage.room.participant_of(again).is_some());
}

#[test]
fn an_admission_is_acknowledged_when_the_page_that_it_replaces_has_stopped() {
    let (mut stage, host) = led();
    let speaker = Invite {
        name: Some(DisplayName::new("Eve").unwrap()),
        ..invite(SPEAKER, Role::Attendee)
    };
    stage.room.settings.lobby = LobbyMode::Off;
    stage.room.invites.add(speaker).unwrap();
    let (first, is_in) = stage.try_invite("Eve", 5, SPEAKER);
    assert!(is_in);
    stage.outputs();
    let key = stage.room.key_of(first).unwrap();
    stage.room.settings.lobby = LobbyMode::On;
    let mut entrant = stage.entrant("Eve", 6);
    entrant.claim = Claim::Invite(InviteHash([SPEAKER; 32]));
    entrant.duplicate = Some(DuplicateChoice::TakeOver);
    stage.enter(entrant);
    let knock = knock_of(&stage.outputs());
    let id = stage.ask(host, admit(knock));
    let done = stage.done();
    assert!(done.contains(&format!("shard drop {}", key.0)), "{done:?}");
    assert!(done.contains(&"shard barrier 1".to_owned()), "{done:?}");
    let answer = format!("1 ok {id} ");
    assert!(!done.iter().any(|one| one.starts_with(&answer)), "{done:?}");
    stage.passed(1);
    assert!(stage.done()[0].starts_with(&answer));
}

#[test]
fn the_second_of_two_who_admit_hears_who_was_first() {
    let (mut stage, host) = led();
    let (carl, _) = stage.try_invite("Carl", 9, COHOST);
    let (_, knock) = knock(&mut stage, "Bob", 2);
    let first = stage.room.participant_of(host).unwrap().id;
    stage.ask(host, admit(knock));
    stage.outputs();
    for request in [Request::from(admit(knock)), Request::from(deny(knock, 0))] {
        stage.ask(carl, request);
        let outputs = stage.outputs();
        let result = outputs.iter().find_map(|output| match output {
            Output::Reply { ok, .. } => match ok.as_ref() {
                Reply::Lobby(results) => results.results.first().cloned(),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(result.unwrap().by, Some(first));
    }
    let id = stage.ask(carl, LobbyNote { knock, text: None });
    assert!(
        stage
            .done()
            .contains(&format!("2 error {id} already_handled"))
    );
}

#[test]
fn admitting_all_lets_in_those_who_were_seen() {
    let (mut stage, host) = led();
    knock(&mut stage, "Bob", 2);
    knock(&mut stage, "Carl", 3);
    let seen = 2;
    let (late, _) = knock(&mut stage, "Eve", 4);
    stage.ask(host, all_up_to(seen));
    stage.outputs();
    assert_eq!(stage.room.participants(), 3);
    assert!(stage.room.participant_of(late).is_none());
    let id = stage.ask(host, LobbyAdmit::default());
    assert!(
        stage
            .done()
            .contains(&format!("1 error {id} bad_request knocks"))
    );
}

#[test]
fn who_is_denied_may_try_again_after_a_while() {
    let (mut stage, host) = led();
    let (bob, knock_id) = knock(&mut stage, "Bob", 2);
    let id = stage.ask(host, deny(knock_id, 600));
    assert_eq!(
        stage.done(),
        [
            "keep ban strict false",
            &format!("{} push - denied 600", bob.0),
            &format!("{} released", bob.0),
            "keep act lobby.deny ok",
            &format!("1 ok {id} Denied"),
            "1 push - lobby 2 of 0",
        ]
    );
    // The room has forgotten the link.
    stage.ask(bob, LobbyPing {});
    assert!(stage.done().is_empty());
    stage.try_join("Bob", 2, None);
    let Some(Output::Refuse { error, .. }) = stage.outputs().pop() else {
        panic!("not refused")
    };
    assert_eq!(error.code, ErrorCode::Banned);
    assert_eq!(
        error.until,
        Some(Timestamp::from_unix_ms(START_MS + 600_000))
    );
    stage.pass(Duration::from_secs(600));
    knock(&mut stage, "Bob", 2);
    let id = stage.ask(host, deny(knock_id, 86_401));
    assert!(
        stage
            .done()
            .contains(&format!("1 error {id} bad_request block_s"))
    );
}

#[test]
fn only_those_who_may_see_the_lobby_do_anything_about_it() {
    let (mut stage, host) = led();
    let (bob, first) = knock(&mut stage, "Bob", 2);
    stage.ask(host, admit(first));
    stage.outputs();
    let (_, second) = knock(&mut stage, "Carl", 3);
    for request in [
        Request::from(admit(second)),
        deny(second, 0).into(),
        LobbyNote {
            knock: second,
            text: None,
        }
        .into(),
    ] {
        let id = stage.ask(bob, request);
        let done = stage.done();
        assert!(
            done.contains(&format!("2 error {id} forbidden")),
            "{done:?}"
        );
    }
}

#[test]
fn a_note_and_what_hosts_say_reach_who_waits() {
    let (mut stage, host) = led();
    let (bob, knock) = knock(&mut stage, "Bob", 2);
    let note = LobbyNote {
        knock,
        text: Some(Prose::new("You are next").unwrap()),
    };
    stage.ask(host, note);
    assert!(stage.done().contains(&format!("{} push - waiting", bob.0)));
    let update = RoomUpdate {
        lobby_message: Patch::Set(Prose::new("Back in five minutes").unwrap()),
        ..RoomUpdate::default()
    };
    stage.ask(host, update);
    let outputs = stage.outputs();
    let told = outputs.iter().find_map(|output| match output {
        Output::Push { link, notice, .. } if *link == bob => match notice.push() {
            Push::LobbyStatus(LobbyStatus::Waiting(waiting)) => Some(waiting.clone()),
            _ => None,
        },
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!(told.message.as_deref(), Some("Back in five minutes"));
    assert_eq!(told.note.as_deref(), Some("You are next"));
    // A change of the room that is nothing to it is not told.
    let update = RoomUpdate {
        title: Some(conclave_signalling_wire::text::Title::new("Other").unwrap()),
        ..RoomUpdate::default()
    };
    stage.ask(host, update);
    assert!(!stage.done().iter().any(|done| done.starts_with("2 ")));
}

#[test]
fn a_reload_takes_the_same_place() {
    let (mut stage, host) = led();
    let (bob, first) = knock(&mut stage, "Bob", 2);
    stage.pass(Duration::from_secs(9));
    stage.room.handle_page_gone(stage.now, bob);
    stage.pass(Duration::from_secs(9));
    let (again, second) = knock(&mut stage, "Bob", 2);
    assert_eq!(first, second);
    // A second tab of the same device takes it from the first.
    stage.try_join("Bob", 2, None);
    assert!(stage.done().contains(&format!("{} close 4409", again.0)));
    stage.ask(host, admit(first));
    stage.outputs();
    assert_eq!(stage.room.participants(), 2);
}

#[test]
fn who_says_nothing_gives_its_place_up() {
    let (mut stage, _) = led();
    let (bob, _) = knock(&mut stage, "Bob", 2);
    stage.pass(Duration::from_secs(20));
    stage.ask(bob, LobbyPing {});
    stage.outputs();
    assert_eq!(
        stage.room.poll_timeout(),
        Some(stage.now + LOBBY_GONE_AFTER)
    );
    stage.pass(LOBBY_GONE_AFTER);
    assert_eq!(stage.done(), ["2 close 4408", "1 push - lobby 2 of 0"]);
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn who_waits_asks_for_nothing_else_and_not_often() {
    let (mut stage, _) = led();
    let (bob, _) = knock(&mut stage, "Bob", 2);
    let participant = ParticipantId::new(1, [0; 10]);
    let name = DisplayName::new("Bob").unwrap();
    let id = stage.ask(bob, ParticipantRename { participant, name });
    assert_eq!(stage.done(), [format!("2 error {id} bad_request")]);
    for _ in 0..4 {
        stage.ask(bob, LobbyPing {});
    }
    stage.outputs();
    stage.ask(bob, LobbyPing {});
    assert_eq!(stage.done(), ["2 close 4429"]);
    // Its place is kept for who comes back in time.
    knock(&mut stage, "Bob", 2);
}

#[test]
fn who_leaves_the_lobby_is_gone() {
    let (mut stage, host) = led();
    let (bob, knock) = knock(&mut stage, "Bob", 2);
    let id = stage.ask(bob, Leave {});
    assert_eq!(
        stage.done(),
        [
            &format!("2 ok {id} done"),
            "2 close 1000",
            "1 push - lobby 2 of 0"
        ]
    );
    let id = stage.ask(host, admit(knock));
    assert!(stage.done().contains(&format!("1 ok {id} Gone")));
}

#[test]
fn who_is_admitted_while_its_page_reloads_comes_in_by_itself() {
    let (mut stage, host) = led();
    let (bob, knock) = knock(&mut stage, "Bob", 2);
    stage.room.handle_page_gone(stage.now, bob);
    stage.outputs();
    let id = stage.ask(host, admit(knock));
    let done = stage.done();
    assert!(done.contains(&"keep standing of None".to_owned()));
    assert!(done.contains(&format!("1 ok {id} Admitted")));
    let (again, _) = stage.try_join("Bob", 2, None);
    assert!(stage.room.participant_of(again).is_some());
}

#[test]
fn a_host_admits_as_a_role_below_its_own() {
    let (mut stage, host) = led();
    let (carl, _) = stage.try_invite("Carl", 9, COHOST);
    let (bob, knock) = knock(&mut stage, "Bob", 2);
    let as_role = |role| LobbyAdmit {
        as_role: Some(role),
        ..admit(knock)
    };
    // Bob is a guest, who is no co-host here.
    for (link, role) in [
        (carl, Role::CoHost),
        (host, Role::CoHost),
        (host, Role::Host),
    ] {
        let id = stage.ask(link, as_role(role));
        let done = stage.done();
        assert!(
            done.contains(&format!("{} error {id} forbidden as_role", link.0)),
            "{done:?}"
        );
    }
    stage.ask(carl, as_role(Role::Presenter));
    stage.outputs();
    assert_eq!(
        stage.room.participant_of(bob).unwrap().role,
        Role::Presenter
    );
    stage.ask(bob, Leave {});
    stage.outputs();
    let (again, _) = stage.try_join("Bob", 2, None);
    assert_eq!(
        stage.room.participant_of(again).unwrap().role,
        Role::Presenter
    );
}

#[test]
fn some_credentials_spare_the_lobby() {
    let (mut stage, _) = led();
    let (dora, _) = stage.try_invite("Dora", 4, GUESTS);
    assert!(stage.room.participant_of(dora).is_some());
    let (carl, _) = stage.try_invite("Carl", 9, COHOST);
    assert!(stage.room.participant_of(carl).is_some());
    stage.outputs();
    // A password does so only where the room says so, and not while it is guessed at.
    for (bypasses, distrusted, waits) in [
        (false, false, true),
        (true, true, true),
        (true, false, false),
    ] {
        stage.room.settings.password_bypasses_lobby = bypasses;
        let mut entrant = stage.entrant("Bob", 2);
        entrant.claim = Claim::Password { rev: 0 };
        entrant.to_lobby = distrusted;
        let (bob, _) = stage.enter(entrant);
        assert_eq!(stage.room.participant_of(bob).is_none(), waits);
    }
}

#[test]
fn one_network_does_not_fill_the_lobby() {
    let (mut stage, _) = led();
    for device in 0..LOBBY_PLACES_PER_SOURCE as u8 + 1 {
        let mut entrant = stage.entrant("Bob", 100 + device);
        entrant.networks = vec![network(1)];
        let (link, is_in) = stage.enter(entrant);
        let fits = usize::from(device) < LOBBY_PLACES_PER_SOURCE;
        assert_eq!(is_in, fits);
        let refused = format!("{} error 2 rate_limited 25s", link.0);
        assert_eq!(stage.done().contains(&refused), !fits);
    }
}

#[test]
fn a_flood_is_told_at_intervals() {
    let (mut stage, _) = led();
    for device in 0..10 {
        stage.try_join("Bob", 100 + device, None);
    }
    assert_eq!(
        stage
            .done()
            .iter()
            .filter(|done| done.contains("push - lobby"))
            .count(),
        10
    );
    for device in 10..60 {
        stage.try_join("Bob", 100 + device, None);
    }
    assert!(
        !stage
            .done()
            .iter()
            .any(|done| done.contains("push - lobby"))
    );
    stage.pass(Duration::from_secs(5));
    let update = update_of(&stage.outputs());
    assert_eq!((update.entries.len(), update.more), (50, 10));
}

#[test]
fn a_locked_room_admits_nobody() {
    let (mut stage, host) = led();
    let (_, knock) = knock(&mut stage, "Bob", 2);
    stage.room.settings.locked = true;
    let id = stage.ask(host, admit(knock));
    assert!(stage.done().contains(&format!("1 error {id} locked")));
}

#[test]
fn a_full_room_admits_nobody_and_says_so() {
    let (mut stage, host) = led();
    let (_, knock) = knock(&mut stage, "Bob", 2);
    stage.room.settings.caps.participants = Some(1);
    let id = stage.ask(host, admit(knock));
    assert!(stage.done().contains(&format!("1 ok {id} Full")));
    stage.room.settings.caps.participants = None;
    let id = stage.ask(host, admit(knock));
    assert!(stage.done().contains(&format!("1 ok {id} Admitted")));
}

#[test]
fn who_is_sent_back_loses_its_media_and_waits_whatever_it_shows() {
    let (mut stage, host) = led();
    let (dora, _) = stage.try_invite("Dora", 4, GUESTS);
    let participant = stage.room.participant_of(dora).unwrap().id;
    stage.outputs();
    let id = stage.ask(host, ParticipantToLobby { participant });
    let done = stage.done();
    assert_eq!(
        done,
        [
            "keep standing of None",
            "token revoked",
            "shard drop 2",
            "1 push 2 left ToLobby",
            "keep standing of None",
            "draw key",
            "2 push - waiting",
            "shard barrier 1",
            "keep act participant.to_lobby ok",
            "1 push - lobby 1 of 1",
        ]
    );
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} done")]);
    // Neither a reload nor a later try gets around it.
    stage.room.handle_page_gone(stage.now, dora);
    let (dora, _) = stage.try_invite("Dora", 4, GUESTS);
    assert!(stage.room.participant_of(dora).is_none());
    stage.pass(LOBBY_GONE_AFTER);
    stage.outputs();
    let (dora, _) = stage.try_invite("Dora", 4, GUESTS);
    let knock = knock_of(&stage.outputs());
    stage.ask(host, admit(knock));
    stage.outputs();
    assert!(stage.room.participant_of(dora).is_some());
    // Admitted, it is free to come and go again.
    stage.ask(dora, Leave {});
    stage.outputs();
    let (dora, _) = stage.try_invite("Dora", 4, GUESTS);
    assert!(stage.room.participant_of(dora).is_some());
}

#[test]
fn who_was_sent_back_comes_in_under_a_key_of_its_own() {
    let (mut stage, host) = led();
    let (dora, _) = stage.try_invite("Dora", 4, GUESTS);
    let participant = stage.room.participant_of(dora).unwrap().id;
    let before = stage.key(dora);
    stage.outputs();
    stage.ask(host, ParticipantToLobby { participant });
    stage.outputs();
    stage.ask(host, all_up_to(u32::MAX));
    stage.outputs();
    assert_ne!(stage.key(dora), before);
}

#[test]
fn who_begins_to_watch_over_the_lobby_is_shown_it() {
    let (mut stage, host) = led();
    let (bob, first) = knock(&mut stage, "Bob", 2);
    stage.ask(host, admit(first));
    knock(&mut stage, "Carl", 3);
    let face = stage.room.participant_of(bob).unwrap().clone();
    stage.outputs();
    stage.ask(
        host,
        conclave_signalling_wire::request::PermOverride {
            participant: face.id,
            key: Permission::LobbyManage,
            effect: conclave_signalling_wire::moderation::OverrideEffect::Allow,
            ttl_s: None,
            rev: face.rev,
        },
    );
    let done = stage.done();
    assert!(
        done.contains(&"2 push - lobby 3 of 1".to_owned()),
        "{done:?}"
    );
    assert!(!done.contains(&"1 push - lobby 3 of 1".to_owned()));
}

#[test]
fn a_host_who_resumes_is_shown_the_lobby_again() {
    let (mut stage, _) = led();
    let (carl, _) = stage.try_invite("Carl", 9, COHOST);
    let joined = stage.outputs().into_iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match *ok {
            Reply::Join(JoinOutcome::Joined(joined)) => Some(joined),
            _ => None,
        },
        _ => None,
    });
    stage.room.handle_link_lost(stage.now, carl);
    knock(&mut stage, "Bob", 2);
    let (link, _) = stage.resume(joined.unwrap().resume_token, 0, HOME);
    assert!(
        stage
            .done()
            .contains(&format!("{} push - lobby 1 of 1", link.0))
    );
}

#[test]
fn newcomers_wait_for_a_host_who_lets_those_in_who_need_not_wait_longer() {
    let (mut stage, host) = led();
    stage.ask(host, Leave {});
    stage.outputs();
    assert!(stage.room.is_idle());
    let (bob, _) = stage.try_join("Bob", 2, None);
    let (dora, _) = stage.try_invite("Dora", 4, GUESTS);
    assert_eq!(
        stage.done(),
        ["2 ok 2 lobby WaitingForHost", "3 ok 2 lobby WaitingForHost"]
    );
    stage.try_invite("Ada", 1, HOST);
    let done = stage.done();
    assert!(done.contains(&"2 push - waiting".to_owned()), "{done:?}");
    assert!(done.contains(&"3 push - admitted".to_owned()), "{done:?}");
    assert!(stage.room.participant_of(bob).is_none());
    assert!(stage.room.participant_of(dora).is_some());
}

#[test]
fn those_who_wait_are_not_let_in_by_an_open_door() {
    let (mut stage, host) = led();
    let (bob, _) = knock(&mut stage, "Bob", 2);
    let update = RoomUpdate {
        lobby: Some(LobbyMode::Off),
        ..RoomUpdate::default()
    };
    stage.ask(host, update);
    stage.outputs();
    assert!(stage.room.participant_of(bob).is_none());
    let (carl, _) = stage.try_join("Carl", 3, None);
    assert!(stage.room.participant_of(carl).is_some());
}

/// Writes down every byte that a link gets.
fn bytes_for(outputs: Vec<Output>, link: LinkId) -> Vec<String> {
    outputs
        .into_iter()
        .filter_map(|output| match output {
            Output::Reply { link: to, id, ok } if to == link => Some(ok.frame(id)),
            Output::Refuse {
                link: to,
                id,
                error,
            } if to == link => Some(crate::output::error_frame(id, &error)),
            Output::Push {
                link: to,
                seq,
                notice,
            } if to == link => Some(notice.frame(seq)),
            Output::Close { link: to, code } if to == link => Some(format!("{}", code.number())),
            _ => None,
        })
        .collect()
}

/// What one waiter is sent in a minute, in a room where nothing or much happens.
fn told_to_a_waiter(is_busy: bool) -> Vec<String> {
    let (mut stage, host) = led();
    stage.keys = 50;
    stage.room.rng = StdRng::seed_from_u64(7);
    let (bob, is_in) = stage.try_join("Bob", 2, None);
    assert!(is_in);
    let mut told = bytes_for(stage.outputs(), bob);
    let state = |text: &str| assert!(text.contains("waiting"), "{text}");
    told.iter().for_each(|text| state(text));
    for second in 0..60u8 {
        stage.pass(Duration::from_secs(1));
        if is_busy {
            match second % 6 {
                0 => {
                    stage.try_invite("Dora", 100 + second, GUESTS);
                }
                1 => {
                    let participant = stage.room.participant_of(host).unwrap().id;
                    let name = DisplayName::new(&format!("Ada {second}")).unwrap();
                    stage.ask(host, ParticipantRename { participant, name });
                }
                2 => stage.published(host, Source::Microphone, "1"),
                3 => {
                    stage.try_join("Eve", 200 + second % 50, None);
                }
                4 => {
                    let update = RoomUpdate {
                        locked: Some(second % 12 == 4),
                        ..RoomUpdate::default()
                    };
                    stage.ask(host, update);
                }
                _ => {
                    stage.ask(host, all_up_to(0));
                }
            }
        }
        if second % 10 == 9 {
            // The numbers of its own requests are its own.
            stage.request = 1000 + u32::from(second);
            stage.ask(bob, LobbyPing {});
        }
        told.extend(bytes_for(stage.outputs(), bob));
    }
    told
}

#[test]
fn who_waits_learns_nothing_from_number_or_size_of_what_it_is_told() {
    let (silent, busy) = (told_to_a_waiter(false), told_to_a_waiter(true));
    assert_eq!(silent.len(), 7);
    assert_eq!(silent, busy);
    let words = ["Ada", "roster", "participant", "ice_servers", "seq"];
    for text in &busy {
        assert!(!words.iter().any(|word| text.contains(word)), "{text}");
    }
}

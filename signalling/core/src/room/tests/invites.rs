//! Invites: made, listed, used and taken back.

use super::*;
use conclave_signalling_wire::invite::{InviteCreated, InviteInfo, InviteState};
use conclave_signalling_wire::objects::{CustomRole, Permission};
use conclave_signalling_wire::request::{InviteCreate, InviteList, InviteRevoke, Leave};
use conclave_signalling_wire::text::RoleName;

const HOST: u8 = 1;
const COHOST: u8 = 2;
const TWO: u8 = 3;

fn stage() -> (Stage, LinkId) {
    let mut stage = Stage::with(|_, record| {
        record.settings.custom_roles = vec![CustomRole {
            name: RoleName::new("Doorkeeper").unwrap(),
            base: Role::Attendee,
            allow: vec![Permission::LobbyManage],
            deny: Vec::new(),
        }];
        record.invites = vec![
            invite(HOST, Role::Host),
            Invite {
                max_uses: Some(1),
                ..invite(COHOST, Role::CoHost)
            },
            Invite {
                max_uses: Some(2),
                ..invite(TWO, Role::Attendee)
            },
        ];
    });
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    stage.outputs();
    (stage, host)
}

fn create(role: Role) -> InviteCreate {
    InviteCreate {
        role,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: None,
        not_before: None,
        expires_at: None,
        bypass_lobby: false,
        bind_device: false,
        note: None,
    }
}

/// What came of a request: the code of its refusal, or "ok".
fn outcome(stage: &mut Stage, link: LinkId, request: impl Into<Request>) -> String {
    let asked = stage.ask(link, request);
    let answers = stage
        .outputs()
        .into_iter()
        .filter_map(|output| match output {
            Output::Reply { link: to, id, .. } if (to, id) == (link, asked) => {
                Some("ok".to_owned())
            }
            Output::Refuse {
                link: to,
                id,
                error,
            } if (to, id) == (link, asked) => Some(refusal(&error)),
            _ => None,
        });
    answers.last().unwrap()
}

fn created(stage: &mut Stage, link: LinkId, order: InviteCreate) -> InviteCreated {
    stage.ask(link, order);
    let found = stage.outputs().into_iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match *ok {
            Reply::Invited(created) => Some(*created),
            _ => None,
        },
        _ => None,
    });
    found.unwrap()
}

fn listed(stage: &mut Stage, link: LinkId) -> Vec<InviteInfo> {
    stage.ask(link, InviteList {});
    let found = stage.outputs().into_iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match *ok {
            Reply::Invites(invites) => Some(invites.invites),
            _ => None,
        },
        _ => None,
    });
    found.unwrap()
}

fn revoke(number: u8, remove_holders: bool) -> InviteRevoke {
    InviteRevoke {
        invite: invite(number, Role::Viewer).id,
        remove_holders,
    }
}

fn in_s(seconds: u64) -> Option<Timestamp> {
    Some(Timestamp::from_unix_ms(START_MS + seconds * 1000))
}

#[test]
fn an_invite_that_was_made_lets_its_holder_in() {
    let (mut stage, host) = stage();
    let made = created(&mut stage, host, create(Role::Presenter));
    assert_eq!(made.invite.state, InviteState::Active);
    let mut entrant = stage.entrant("Bob", 2);
    entrant.claim = Claim::Invite(InviteHash::from(&made.secret));
    let (bob, _) = stage.enter(entrant);
    assert_eq!(
        stage.room.participant_of(bob).unwrap().role,
        Role::Presenter
    );
    let done = stage.done();
    assert!(done.contains(&"keep invite used 1".to_owned()), "{done:?}");
    assert!(done.contains(&"keep act invite.use ok".to_owned()));
    let list = listed(&mut stage, host);
    assert_eq!((list[0].id, list[0].uses), (made.invite.id, 1));
    assert_eq!(list.len(), 4);
}

#[test]
fn nobody_invites_above_itself_or_gives_what_it_has_not() {
    let (mut stage, host) = stage();
    let (cohost, _) = stage.try_invite("Carl", 2, COHOST);
    let (guest, _) = stage.try_join("Bob", 3, None);
    stage.outputs();
    let custom = InviteCreate {
        custom_role: Some(RoleName::new("Doorkeeper").unwrap()),
        ..create(Role::Attendee)
    };
    let bypass = InviteCreate {
        bypass_lobby: true,
        ..create(Role::Attendee)
    };
    for (link, order, expected) in [
        (host, create(Role::Host), "ok"),
        (host, create(Role::CoHost), "ok"),
        (cohost, create(Role::Host), "forbidden role"),
        (cohost, create(Role::CoHost), "forbidden role"),
        (cohost, create(Role::Presenter), "ok"),
        (cohost, custom.clone(), "ok"),
        (cohost, bypass.clone(), "ok"),
        (guest, create(Role::Viewer), "forbidden"),
    ] {
        assert_eq!(outcome(&mut stage, link, order), expected);
    }
    stage.room.settings.attendees.invite = true;
    for (order, expected) in [
        (create(Role::Presenter), "forbidden role"),
        (create(Role::Attendee), "ok"),
        (create(Role::Viewer), "ok"),
        (custom, "forbidden custom_role"),
        (bypass, "forbidden bypass_lobby"),
    ] {
        assert_eq!(outcome(&mut stage, guest, order), expected);
    }
}

#[test]
fn an_invite_that_cannot_be_is_not_made() {
    let (mut stage, host) = stage();
    let usual = || create(Role::Attendee);
    for (order, field) in [
        (
            InviteCreate {
                max_uses: Some(0),
                ..usual()
            },
            "max_uses",
        ),
        (
            InviteCreate {
                expires_at: in_s(0),
                ..usual()
            },
            "expires_at",
        ),
        (
            InviteCreate {
                not_before: in_s(60),
                expires_at: in_s(60),
                ..usual()
            },
            "expires_at",
        ),
        (
            InviteCreate {
                name_locked: true,
                ..usual()
            },
            "name_locked",
        ),
        (
            InviteCreate {
                custom_role: Some(RoleName::new("Nobody").unwrap()),
                ..usual()
            },
            "custom_role",
        ),
        (
            InviteCreate {
                custom_role: Some(RoleName::new("Doorkeeper").unwrap()),
                ..create(Role::Viewer)
            },
            "custom_role",
        ),
    ] {
        assert_eq!(
            outcome(&mut stage, host, order),
            format!("bad_request {field}")
        );
    }
}

#[test]
fn everybody_sees_its_own_and_hosts_see_all() {
    let (mut stage, host) = stage();
    stage.room.settings.attendees.invite = true;
    let (guest, _) = stage.try_join("Bob", 3, None);
    let own = created(&mut stage, guest, create(Role::Viewer)).invite.id;
    let list = listed(&mut stage, guest);
    assert_eq!(list.iter().map(|one| one.id).collect::<Vec<_>>(), [own]);
    assert_eq!(listed(&mut stage, host).len(), 4);
    let foreign = revoke(TWO, false);
    assert_eq!(outcome(&mut stage, guest, foreign), "not_found invite");
    let own = |remove_holders| InviteRevoke {
        invite: own,
        remove_holders,
    };
    assert_eq!(outcome(&mut stage, guest, own(true)), "forbidden");
    assert_eq!(outcome(&mut stage, guest, own(false)), "ok");
}

#[test]
fn a_co_host_does_not_shut_out_the_host() {
    let (mut stage, _) = stage();
    let (cohost, _) = stage.try_invite("Carl", 2, COHOST);
    stage.outputs();
    assert_eq!(
        outcome(&mut stage, cohost, revoke(HOST, false)),
        "forbidden"
    );
    assert_eq!(outcome(&mut stage, cohost, revoke(TWO, false)), "ok");
}

#[test]
fn what_is_used_up_by_some_is_refused_to_others() {
    let (mut stage, _) = stage();
    stage.try_invite("Bob", 2, TWO);
    stage.try_invite("Carl", 3, TWO);
    stage.outputs();
    let (eve, _) = stage.try_invite("Eve", 4, TWO);
    assert_eq!(
        stage.done(),
        [
            "keep act join invite_used_up",
            &format!("{} error 2 invite_used_up", eve.0)
        ]
    );
    // One of them comes again, for as long as the meeting goes on.
    stage.pass(Duration::from_secs(36_000));
    stage.ask(LinkId(2), Leave {});
    stage.outputs();
    assert!(stage.try_invite("Bob", 2, TWO).1);
}

#[test]
fn devices_of_a_used_up_invite_come_again_until_ten_minutes_after_the_meeting() {
    for (seconds, comes) in [(600, true), (601, false)] {
        let (mut stage, host) = stage();
        let (bob, _) = stage.try_invite("Bob", 2, TWO);
        let (carl, _) = stage.try_invite("Carl", 3, TWO);
        stage.pass(Duration::from_secs(3600));
        for link in [bob, carl, host] {
            stage.ask(link, Leave {});
        }
        let done = stage.done();
        assert!(done.contains(&"keep invite used 2".to_owned()), "{done:?}");
        stage.pass(Duration::from_secs(seconds));
        assert_eq!(stage.try_invite("Bob", 2, TWO).1, comes);
    }
}

#[test]
fn who_waits_has_not_used_its_invite() {
    let (mut stage, host) = stage();
    stage.room.settings.lobby = LobbyMode::On;
    stage.try_invite("Bob", 2, TWO);
    stage.try_invite("Carl", 3, TWO);
    stage.try_invite("Dora", 4, TWO);
    stage.outputs();
    let list = listed(&mut stage, host);
    assert!(list.iter().all(|invite| invite.uses <= 1));
    let admit = conclave_signalling_wire::request::LobbyAdmit {
        all_up_to_rev: Some(3),
        ..Default::default()
    };
    let id = stage.ask(host, admit);
    let done = stage.done();
    // The third finds it used up by the others.
    assert!(
        done.contains(&format!("1 ok {id} Admitted Admitted Denied")),
        "{done:?}"
    );
}

#[test]
fn revoking_ends_what_it_opened() {
    let (mut stage, host) = stage();
    let (bob, _) = stage.try_invite("Bob", 2, TWO);
    stage.room.settings.lobby = LobbyMode::On;
    let (carl, _) = stage.try_invite("Carl", 3, TWO);
    assert!(stage.room.participant_of(carl).is_none());
    let joined = stage.outputs().into_iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match *ok {
            Reply::Join(JoinOutcome::Joined(joined)) => Some(joined),
            _ => None,
        },
        _ => None,
    });
    let id = stage.ask(host, revoke(TWO, false));
    let done = stage.done();
    assert!(done.contains(&format!("{} push - denied 0", carl.0)));
    assert!(done.contains(&format!("1 ok {id} done")));
    // Who is in stays, but does not come back.
    assert!(stage.room.participant_of(bob).is_some());
    stage.room.handle_link_lost(stage.now, bob);
    stage.outputs();
    let (_, is_in) = stage.resume(joined.unwrap().resume_token, 0, HOME);
    assert!(!is_in);
    let (again, is_in) = stage.try_invite("Bob", 2, TWO);
    assert!(!is_in);
    assert!(
        stage
            .done()
            .contains(&format!("{} error 2 invite_revoked", again.0))
    );
}

#[test]
fn revoking_removes_holders_where_that_is_asked_for() {
    let (mut stage, host) = stage();
    let (bob, _) = stage.try_invite("Bob", 2, TWO);
    stage.outputs();
    let id = stage.ask(host, revoke(TWO, true));
    let done = stage.done();
    assert_eq!(
        done,
        [
            "keep invite used 1",
            "keep standing gone",
            "keep standing of None",
            "2 push 1 removed",
            "token revoked",
            "shard drop 2",
            "1 push 2 left Removed",
            "keep standing of None",
            &format!("{} close 4403", bob.0),
            "shard barrier 1",
            "keep act invite.revoke ok",
        ]
    );
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} done")]);
}

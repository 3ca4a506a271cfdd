//! Those who are not in the room and yet decide about it: stewards and the operator.

use super::*;
use crate::output::OperatorReply;
use crate::room::{Managing, OperatorRequest};
use crate::settings::PasswordHash;
use conclave_signalling_wire::request::{
    BanList, InviteCreate, InviteList, InviteRevoke, Leave, LobbyPing, RoleSet, RoomUpdate,
};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;
use conclave_signalling_wire::text::Title;

const HOST: u8 = 1;
const COHOST: u8 = 2;
const GUESTS: u8 = 3;

fn stage() -> Stage {
    Stage::with(|_, record| {
        record.invites = vec![
            invite(HOST, Role::Host),
            Invite {
                name: Some(DisplayName::new("Carl").unwrap()),
                ..invite(COHOST, Role::CoHost)
            },
            invite(GUESTS, Role::Presenter),
        ];
    })
}

fn manage(stage: &mut Stage, device: u8, invite: u8) -> (LinkId, bool) {
    stage.keys += 1;
    let link = LinkId(stage.keys);
    let managing = Managing {
        link,
        id: 3,
        invite: InviteHash([invite; 32]),
        device: DeviceHash::from(&DeviceKey::new([device; 16])),
        prefix: HOME,
        networks: vec![network(device)],
        address: IpAddr::from([192, 0, 2, 7]),
    };
    (link, stage.room.handle_manage(stage.now, managing))
}

fn titled(title: &str) -> RoomUpdate {
    RoomUpdate {
        title: Some(Title::new(title).unwrap()),
        ..RoomUpdate::default()
    }
}

fn operate(stage: &mut Stage, request: OperatorRequest) -> Vec<String> {
    stage
        .room
        .handle_operator(stage.now, 9, Actor::Operator, request);
    stage.done()
}

#[test]
fn who_manages_a_room_sees_no_end_of_a_meeting_that_is_over() {
    let mut stage = stage();
    stage.room.settings.max_duration_s = Some(600);
    let (link, _) = manage(&mut stage, 1, HOST);
    let (bob, _) = stage.join("Bob");
    stage.ask(bob, Leave {});
    let outputs = stage.outputs();
    let told = outputs.iter().rev().find_map(|output| match output {
        Output::Push {
            link: to, notice, ..
        } if *to == link => match notice.push() {
            Push::RoomUpdated(updated) => Some(updated.room.ends_at),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(told, Some(None));
}

#[test]
fn a_host_manages_the_room_from_outside() {
    let mut stage = stage();
    let (link, is_in) = manage(&mut stage, 1, HOST);
    assert!(is_in && !stage.room.is_idle());
    assert_eq!(
        stage.done(),
        ["keep act room.manage ok", "1 ok 3 managed as Host"]
    );
    stage.join("Bob");
    let id = stage.ask(link, titled("Renamed"));
    assert_eq!(
        stage.done(),
        [
            "keep settings 2",
            "1 push 1 room 2",
            "2 push 1 room 2",
            "keep act room.update ok",
            &format!("1 ok {id} room 2"),
        ]
    );
    // It is seen by nobody and hears of nobody.
    assert_eq!(stage.room.participants(), 1);
    stage.join("Carl");
    assert!(stage.done().is_empty());
    for (request, answer) in [
        (Request::from(InviteList {}), "invites 3"),
        (BanList {}.into(), "bans 0"),
    ] {
        let id = stage.ask(link, request);
        assert_eq!(stage.done(), [format!("1 ok {id} {answer}")]);
    }
    let id = stage.ask(link, LobbyPing {});
    assert_eq!(stage.done(), [format!("1 error {id} bad_request")]);
    let id = stage.ask(link, Leave {});
    assert_eq!(
        stage.done(),
        [format!("1 ok {id} done"), "1 close 1000".to_owned()]
    );
}

#[test]
fn only_hosts_and_co_hosts_manage_a_room() {
    let mut stage = stage();
    assert!(manage(&mut stage, 1, COHOST).1);
    stage.outputs();
    assert!(!manage(&mut stage, 1, GUESTS).1);
    assert_eq!(
        stage.done(),
        ["keep act room.manage forbidden", "2 error 3 forbidden"]
    );
    assert!(!manage(&mut stage, 1, 77).1);
    assert_eq!(
        stage.done(),
        [
            "keep act room.manage bad_credentials",
            "3 error 3 bad_credentials credential.secret"
        ]
    );
    // A co-host has no say about the password.
    let update = RoomUpdate {
        password: Patch::Clear,
        ..RoomUpdate::default()
    };
    let id = stage.ask(LinkId(1), update);
    assert!(stage.done().contains(&format!("1 error {id} forbidden")));
}

#[test]
fn a_few_manage_at_once() {
    let mut stage = stage();
    for device in 0..10 {
        assert!(manage(&mut stage, device, HOST).1);
    }
    stage.outputs();
    assert!(!manage(&mut stage, 10, HOST).1);
    assert_eq!(stage.done(), ["11 error 3 full"]);
    stage.room.handle_link_lost(stage.now, LinkId(1));
    assert!(manage(&mut stage, 10, HOST).1);
}

#[test]
fn whoever_loses_the_right_stops_managing() {
    let mut stage = stage();
    let (steward, _) = manage(&mut stage, 2, COHOST);
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    let (carl, _) = stage.try_invite("Carl", 2, COHOST);
    let face = stage.room.participant_of(carl).unwrap().clone();
    stage.outputs();
    stage.ask(
        host,
        RoleSet {
            participant: face.id,
            role: Role::Attendee,
            custom_role: None,
            rev: face.rev,
        },
    );
    let done = stage.done();
    assert!(
        done.contains(&format!("{} close 4403", steward.0)),
        "{done:?}"
    );
    assert!(!manage(&mut stage, 2, COHOST).1);
    // Nor under another device key; but who was made less may be made more again.
    assert!(!manage(&mut stage, 5, COHOST).1);
    let rev = stage.room.participant_of(carl).unwrap().rev;
    stage.ask(
        host,
        RoleSet {
            participant: face.id,
            role: Role::CoHost,
            custom_role: None,
            rev,
        },
    );
    // A revoked invite ends it too.
    let (steward, _) = manage(&mut stage, 5, COHOST);
    stage.outputs();
    stage.ask(
        host,
        InviteRevoke {
            invite: invite(COHOST, Role::CoHost).id,
            remove_holders: false,
        },
    );
    assert!(stage.done().contains(&format!("{} close 4403", steward.0)));
}

#[test]
fn the_operator_shows_and_changes_the_room() {
    let mut stage = stage();
    assert_eq!(
        operate(&mut stage, OperatorRequest::Show),
        ["operator 9 ok"]
    );
    assert_eq!(
        operate(&mut stage, OperatorRequest::Update(Box::new(titled("New")))),
        [
            "keep settings 2",
            "keep act room.update ok",
            "operator 9 ok"
        ]
    );
    let update = RoomUpdate {
        password: Patch::Set(SecretText::new("correct horse")),
        ..RoomUpdate::default()
    };
    assert_eq!(
        operate(&mut stage, OperatorRequest::Update(Box::new(update))),
        ["hash 1"]
    );
    assert!(!stage.room.is_idle());
    let hash = PasswordHash("$argon2id$".to_owned());
    stage.room.handle_hashed(stage.now, 1, Ok(hash));
    let done = stage.done();
    assert!(done.contains(&"operator 9 ok".to_owned()), "{done:?}");
    assert!(stage.room.is_idle());
}

#[test]
fn the_operator_makes_and_revokes_invites() {
    let mut stage = stage();
    let create = InviteCreate {
        role: Role::Host,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: None,
        not_before: None,
        expires_at: None,
        bypass_lobby: false,
        bind_device: false,
        note: None,
    };
    stage.room.handle_operator(
        stage.now,
        9,
        Actor::Operator,
        OperatorRequest::Invite(Box::new(create)),
    );
    let made = stage.outputs().into_iter().find_map(|output| match output {
        Output::Operator { answer, .. } => match *answer {
            Ok(OperatorReply::Invited(created)) => Some(created),
            _ => None,
        },
        _ => None,
    });
    let made = made.unwrap();
    let mut entrant = stage.entrant("Ada", 1);
    entrant.claim = Claim::Invite(InviteHash::from(&made.secret));
    assert!(stage.enter(entrant).1);
    assert_eq!(stage.room.roster().next().unwrap().role, Role::Host);
    stage.outputs();
    let revoke = OperatorRequest::RevokeInvite {
        invite: made.invite.id,
        remove_holders: true,
    };
    stage
        .room
        .handle_operator(stage.now, 9, Actor::Operator, revoke);
    stage.outputs();
    assert_eq!(
        stage.room.participants(),
        0,
        "the operator stands above hosts"
    );
}

#[test]
fn a_host_link_of_a_given_secret_is_made_once() {
    let mut stage = stage();
    let hash = InviteHash([42; 32]);
    let order = || OperatorRequest::MakeHostInvite { hash };
    assert_eq!(
        operate(&mut stage, order()),
        [
            "keep invite used 0",
            "keep act invite.create ok",
            "operator 9 ok"
        ]
    );
    assert_eq!(operate(&mut stage, order()), ["operator 9 ok"]);
    stage.try_invite("Ada", 1, 42);
    assert_eq!(stage.room.roster().next().unwrap().role, Role::Host);
    let hash = InviteHash([GUESTS; 32]);
    let other = OperatorRequest::MakeHostInvite { hash };
    let done = operate(&mut stage, other);
    assert!(done.contains(&"operator 9 conflict".to_owned()));
}

#[test]
fn a_room_that_is_deleted_ends_for_everybody() {
    let mut stage = stage();
    stage.room.settings.lobby = LobbyMode::On;
    stage.try_invite("Ada", 1, HOST);
    stage.try_join("Bob", 2, None);
    manage(&mut stage, 1, HOST);
    stage.outputs();
    assert_eq!(
        operate(&mut stage, OperatorRequest::Delete),
        [
            "3 close 4410",
            "1 push 1 ended",
            "2 push 1 ended",
            "1 close 4410",
            "2 close 4410",
            "token revoked",
            "operator 9 ok",
            "shard close 1",
        ]
    );
    assert!(stage.room.is_idle());
    stage.try_join("Bob", 2, None);
    assert_eq!(stage.done(), ["4 error 2 password_required"]);
    stage.try_invite("Ada", 1, HOST);
    assert!(
        stage
            .done()
            .contains(&"5 error 2 bad_credentials credential.secret".to_owned())
    );
}

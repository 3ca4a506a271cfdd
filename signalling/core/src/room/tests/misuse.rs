//! What somebody tries who has a right, or a place, and makes more of it.

use super::*;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::invite::InviteInfo;
use conclave_signalling_wire::limits::{
    INVITE_USES, INVITES_OWN, INVITES_OWN_PER_MINUTE, ROOM_CHANGES_BURST,
};
use conclave_signalling_wire::moderation::{BanOrder, BanScope, OverrideEffect, Target};
use conclave_signalling_wire::objects::{
    CustomRole, DuplicatePolicy, Effect, Identity, Permission, RosterMode,
};
use conclave_signalling_wire::request::{
    InviteCreate, InviteList, InviteRevoke, Leave, LobbyAdmit, MediaGrant, MediaLock, MediaMute,
    ParticipantRemove, ParticipantRename, ParticipantToLobby, PermOverride, RoleSet, RoomUpdate,
};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;
use conclave_signalling_wire::text::{RoleName, Title};

use crate::record::AuditEntry;
use crate::room::{Managing, OperatorRequest};
use crate::settings::PasswordHash;

const HOST: u8 = 1;
const SECOND: u8 = 2;
const COHOST: u8 = 3;

/// A room with the link of its owner, one of another host, and one for co-hosts.
fn owned() -> Stage {
    Stage::with(|_, record| {
        record.settings.guests_may_cohost = true;
        let maker = ParticipantId::new(1, [1; 10]);
        record.invites = vec![
            invite(HOST, Role::Host),
            Invite {
                created_by: Actor::Participant(maker),
                ..invite(SECOND, Role::Host)
            },
            invite(COHOST, Role::CoHost),
        ];
    })
}

/// What came of a request: the code of its refusal, or "ok".
fn outcome(stage: &mut Stage, link: LinkId, request: impl Into<Request>) -> String {
    let asked = stage.ask(link, request);
    answer_to(stage.outputs(), link, asked).unwrap()
}

fn answer_to(outputs: Vec<Output>, link: LinkId, asked: u32) -> Option<String> {
    let answers = outputs.into_iter().filter_map(|output| match output {
        Output::Reply { link: to, id, .. } if (to, id) == (link, asked) => Some("ok".to_owned()),
        Output::Refuse {
            link: to,
            id,
            error,
        } if (to, id) == (link, asked) => Some(refusal(&error)),
        _ => None,
    });
    answers.last()
}

fn entries(outputs: &[Output]) -> Vec<AuditEntry> {
    let kept = outputs.iter().filter_map(|output| match output {
        Output::Persist(Change::Audit(entry)) => Some(entry.as_ref().clone()),
        _ => None,
    });
    kept.collect()
}

fn revoke(number: u8) -> InviteRevoke {
    InviteRevoke {
        invite: invite(number, Role::Viewer).id,
        remove_holders: false,
    }
}

fn create() -> InviteCreate {
    InviteCreate {
        role: Role::Attendee,
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

fn titled(title: &str) -> RoomUpdate {
    RoomUpdate {
        title: Some(Title::new(title).unwrap()),
        ..RoomUpdate::default()
    }
}

fn custom(name: &str, base: Role, allow: &[Permission], deny: &[Permission]) -> CustomRole {
    CustomRole {
        name: RoleName::new(name).unwrap(),
        base,
        allow: allow.to_vec(),
        deny: deny.to_vec(),
    }
}

fn roles(custom_roles: Vec<CustomRole>) -> RoomUpdate {
    RoomUpdate {
        custom_roles: Some(custom_roles),
        ..RoomUpdate::default()
    }
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

fn make(stage: &mut Stage, link: LinkId, order: InviteCreate) -> InviteHash {
    stage.ask(link, order);
    let found = stage.outputs().into_iter().find_map(|output| match output {
        Output::Persist(Change::Invite(invite)) => Some(invite.hash),
        _ => None,
    });
    found.unwrap()
}

fn come(stage: &mut Stage, device: u8, hash: InviteHash) -> (LinkId, bool) {
    let mut entrant = stage.entrant("Eve", device);
    entrant.claim = Claim::Invite(hash);
    stage.enter(entrant)
}

#[test]
fn another_host_does_not_take_the_link_of_the_owner_back() {
    let mut stage = owned();
    let (owner, _) = stage.try_invite("Ada", 1, HOST);
    let (second, _) = stage.try_invite("Bea", 2, SECOND);
    let (steward, _) = manage(&mut stage, 3, SECOND);
    stage.outputs();
    for link in [second, steward] {
        assert_eq!(outcome(&mut stage, link, revoke(HOST)), "forbidden");
    }
    // The owner does so with both, and the operator may.
    assert_eq!(outcome(&mut stage, owner, revoke(SECOND)), "ok");
    assert_eq!(outcome(&mut stage, owner, revoke(HOST)), "ok");
    let mut stage = owned();
    let order = OperatorRequest::RevokeInvite {
        invite: invite(HOST, Role::Host).id,
        remove_holders: false,
    };
    stage
        .room
        .handle_operator(stage.now, 9, Actor::Operator, order);
    assert!(stage.done().contains(&"operator 9 ok".to_owned()));
}

#[test]
fn who_does_not_manage_invites_makes_few_and_vouches_for_nobody() {
    let mut stage = owned();
    stage.room.settings.attendees.invite = true;
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    let (mia, _) = stage.try_join("Mia", 2, None);
    stage.outputs();
    let personal = InviteCreate {
        name: Some(DisplayName::new("Eve").unwrap()),
        max_uses: Some(1),
        ..create()
    };
    let hash = make(&mut stage, mia, personal.clone());
    let (eve, _) = come(&mut stage, 3, hash);
    assert_eq!(
        stage.room.participant_of(eve).unwrap().identity,
        Identity::Guest
    );
    stage.outputs();
    let hash = make(&mut stage, host, personal);
    let (zoe, _) = come(&mut stage, 4, hash);
    assert_eq!(
        stage.room.participant_of(zoe).unwrap().identity,
        Identity::Invited
    );
    stage.outputs();
    for _ in 1..INVITES_OWN_PER_MINUTE {
        assert_eq!(outcome(&mut stage, mia, create()), "ok");
    }
    assert_eq!(outcome(&mut stage, mia, create()), "rate_limited 60s");
    stage.pass(Duration::from_secs(61));
    for _ in INVITES_OWN_PER_MINUTE as usize..INVITES_OWN {
        assert_eq!(outcome(&mut stage, mia, create()), "ok");
    }
    stage.pass(Duration::from_secs(61));
    assert_eq!(outcome(&mut stage, mia, create()), "conflict");
    assert_eq!(outcome(&mut stage, host, create()), "ok");
}

#[test]
fn what_others_make_does_not_hide_the_links_of_hosts() {
    let mut stage = owned();
    stage.room.settings.attendees.invite = true;
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    for device in 10..25 {
        let (guest, _) = stage.try_join("Mia", device, None);
        for _ in 0..INVITES_OWN {
            stage.pass(Duration::from_secs(7));
            assert_eq!(outcome(&mut stage, guest, create()), "ok");
        }
    }
    let list = listed(&mut stage, host);
    assert_eq!(list.len(), 250);
    assert!(list.is_sorted_by(|one, other| one.id > other.id));
    let own = [HOST, SECOND, COHOST].map(|number| invite(number, Role::Viewer).id);
    assert!(own.iter().all(|id| list.iter().any(|one| one.id == *id)));
}

#[test]
fn the_links_of_who_is_banned_open_nothing() {
    let mut stage = owned();
    stage.room.settings.attendees.invite = true;
    stage.room.settings.duplicate = DuplicatePolicy::Allow;
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    let (mia, _) = stage.try_join("Mia", 2, None);
    stage.outputs();
    let earlier = make(&mut stage, mia, create());
    stage.ask(mia, Leave {});
    let (mia, _) = stage.try_join("Mia", 2, None);
    stage.outputs();
    let later = make(&mut stage, mia, create());
    let participant = stage.room.participant_of(mia).unwrap().id;
    let removal = ParticipantRemove {
        participant,
        reason: None,
        message: None,
        ban: Some(BanOrder {
            scope: BanScope::Room,
            ttl_s: None,
            strict: false,
        }),
    };
    stage.ask(host, removal);
    let outputs = stage.outputs();
    // The entry names the ban.
    let entry = entries(&outputs).pop().unwrap();
    let ban = outputs.iter().find_map(|output| match output {
        Output::Persist(Change::Ban(ban)) => Some(ban.id),
        _ => None,
    });
    assert!(entry.detail.unwrap().ends_with(&ban.unwrap().to_string()));
    for hash in [earlier, later] {
        let (eve, is_in) = come(&mut stage, 3, hash);
        assert!(!is_in);
        assert!(
            stage
                .done()
                .contains(&format!("{} error 2 invite_revoked", eve.0))
        );
    }
}

#[test]
fn an_invite_has_no_more_uses_than_devices_are_remembered() {
    let mut stage = owned();
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    let of = |uses| InviteCreate {
        max_uses: Some(uses),
        ..create()
    };
    stage.outputs();
    assert_eq!(
        outcome(&mut stage, host, of(INVITE_USES + 1)),
        "bad_request max_uses"
    );
    assert_eq!(outcome(&mut stage, host, of(INVITE_USES)), "ok");
}

#[test]
fn taking_for_a_while_is_no_giving_after_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (carl, carl_id) = stage.join_as("Carl", Role::CoHost);
    let (_, bob_id) = stage.join_as("Bob", Role::Attendee);
    let deny = |stage: &Stage, participant, key| PermOverride {
        participant,
        key,
        effect: OverrideEffect::Deny,
        ttl_s: None,
        rev: stage.face(participant).rev,
    };
    for who in [bob_id, carl_id] {
        let order = deny(&stage, who, Permission::PublishVideo);
        stage.ask(ada, order);
    }
    stage.outputs();
    let off = |source| MediaGrant {
        participant: bob_id,
        source,
        on: false,
        ttl_s: Some(1),
    };
    stage.ask(carl, off(Source::Camera));
    // What it has itself it may take for as long as it likes.
    stage.ask(carl, off(Source::Microphone));
    stage.outputs();
    let ends = |stage: &Stage, key| {
        let (_, member) = stage.room.members.last_key_value().unwrap();
        let mut known = member.overrides.iter();
        let known = known.find(|known| known.key == key && known.effect == Effect::Deny);
        known.unwrap().expires_at
    };
    assert_eq!(ends(&stage, Permission::PublishVideo), None);
    assert!(ends(&stage, Permission::PublishAudio).is_some());
}

#[test]
fn nobody_gives_by_a_role_what_it_does_not_have() {
    let silent = custom("Silent", Role::Attendee, &[], &[Permission::PublishAudio]);
    let mut stage = Stage::with(|_, record| record.settings.custom_roles = vec![silent.clone()]);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (carl, carl_id) = stage.join_as("Carl", Role::CoHost);
    let (_, bob_id) = stage.join_as("Bob", Role::Viewer);
    let deny = PermOverride {
        participant: carl_id,
        key: Permission::PublishAudio,
        effect: OverrideEffect::Deny,
        ttl_s: None,
        rev: 1,
    };
    stage.ask(ada, deny);
    stage.outputs();
    let set = |stage: &Stage, custom_role| RoleSet {
        participant: bob_id,
        role: Role::Attendee,
        custom_role,
        rev: stage.face(bob_id).rev,
    };
    let plain = set(&stage, None);
    assert_eq!(outcome(&mut stage, carl, plain), "forbidden role");
    let order = set(&stage, Some(silent.name));
    assert_eq!(outcome(&mut stage, carl, order), "ok");
    // Nor by what a custom role denies no longer.
    let loud = custom("Silent", Role::Attendee, &[], &[]);
    for changed in [vec![loud], Vec::new()] {
        assert_eq!(
            outcome(&mut stage, carl, roles(changed)),
            "forbidden custom_roles"
        );
    }
    let stricter = custom(
        "Silent",
        Role::Attendee,
        &[],
        &[Permission::PublishAudio, Permission::PublishVideo],
    );
    assert_eq!(outcome(&mut stage, carl, roles(vec![stricter])), "ok");
}

#[test]
fn who_admits_assigns_no_roles_by_it() {
    let doorkeeper = custom(
        "Doorkeeper",
        Role::Presenter,
        &[Permission::LobbyManage],
        &[],
    );
    let mut stage = Stage::with(|_, record| {
        record.settings.lobby = LobbyMode::On;
        record.settings.custom_roles = vec![doorkeeper.clone()];
        record.invites = vec![Invite {
            bypass_lobby: true,
            custom_role: Some(doorkeeper.name.clone()),
            ..invite(7, Role::Presenter)
        }];
    });
    let (dora, _) = stage.try_invite("Dora", 1, 7);
    stage.try_join("Bob", 2, None);
    let knock = knock_of(&stage.outputs());
    let admit = |role| LobbyAdmit {
        knocks: Some(vec![knock]),
        as_role: Some(role),
        ..LobbyAdmit::default()
    };
    assert_eq!(
        outcome(&mut stage, dora, admit(Role::Viewer)),
        "forbidden as_role"
    );
    assert_eq!(outcome(&mut stage, dora, admit(Role::Attendee)), "ok");
}

#[test]
fn a_host_manages_a_room_that_others_fill() {
    let mut stage = owned();
    for device in 10..20 {
        assert!(manage(&mut stage, device, COHOST).1);
    }
    stage.outputs();
    assert!(!manage(&mut stage, 20, COHOST).1);
    let (host, is_in) = manage(&mut stage, 1, HOST);
    assert!(is_in);
    let outputs = stage.outputs();
    let done: Vec<String> = outputs.iter().map(short).collect();
    assert!(done.contains(&"1 close 4409".to_owned()), "{done:?}");
    assert!(done.contains(&format!("{} ok 3 managed as Host", host.0)));
    let entry = entries(&outputs).pop().unwrap();
    assert_eq!(
        (entry.action.as_str(), entry.outcome.as_str(), entry.actor),
        (
            "room.manage",
            "ok",
            Actor::Invite(invite(HOST, Role::Host).id)
        )
    );
}

#[test]
fn a_host_whose_link_broke_is_not_shut_out_by_itself() {
    let mut stage = owned();
    stage.room.settings.caps.participants = Some(1);
    stage.join("Bob");
    let (host, is_in) = stage.try_invite("Ada", 1, HOST);
    assert!(is_in);
    stage.room.handle_link_lost(stage.now, host);
    stage.outputs();
    // Another link of a host is another host.
    assert!(!stage.try_invite("Bea", 2, SECOND).1);
    assert!(stage.try_invite("Ada", 3, HOST).1);
    assert_eq!(stage.room.participants(), 2);
    let done = stage.done();
    let left = |one: &String| one.ends_with("left ConnectionLost");
    assert!(done.iter().any(left), "{done:?}");
}

#[test]
fn refusals_that_were_left_out_are_told_when_somebody_goes() {
    let mut stage = Stage::new();
    let (_, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    let rename = || ParticipantRename {
        participant: ada_id,
        name: DisplayName::new("Eve").unwrap(),
    };
    for _ in 0..15 {
        stage.ask(bob, rename());
    }
    stage.outputs();
    stage.ask(bob, Leave {});
    let entry = entries(&stage.outputs()).pop().unwrap();
    assert_eq!(entry.action, "participant.refused");
    assert_eq!(entry.detail.as_deref(), Some("5 refusals left out"));
}

#[test]
fn who_comes_back_from_elsewhere_is_known_there_and_asked_where_from() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, joined) = stage.join("Bob");
    stage.room.handle_link_lost(stage.now, bob);
    let returning = |address: [u8; 4], token: &ResumeToken| Returning {
        link: LinkId(50),
        prefix: CAFE,
        address: IpAddr::from(address),
        networks: vec![network(9)],
        id: 1,
        token: TokenHash::from(token),
        last_seq: 0,
        relay_host: Arc::from("meet.example.org"),
    };
    stage.room.settings.allowed_networks = vec!["198.51.100.0/24".parse().unwrap()];
    let far = returning([203, 0, 113, 1], &joined.resume_token);
    assert!(!stage.room.handle_resume(stage.now, &far));
    let near = returning([198, 51, 100, 1], &joined.resume_token);
    assert!(stage.room.handle_resume(stage.now, &near));
    stage.outputs();
    let removal = ParticipantRemove {
        participant: joined.own.id,
        reason: None,
        message: None,
        ban: Some(BanOrder {
            scope: BanScope::Room,
            ttl_s: None,
            strict: false,
        }),
    };
    stage.ask(ada, removal);
    let ban = stage.outputs().into_iter().find_map(|output| match output {
        Output::Persist(Change::Ban(ban)) => Some(ban),
        _ => None,
    });
    assert_eq!(ban.unwrap().network, Some(network(9)));
}

#[test]
fn who_is_sent_to_the_lobby_hears_nothing_of_what_it_asked_for() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (carl, carl_id) = stage.join_as("Carl", Role::CoHost);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Microphone, "0");
    let mute = MediaMute {
        target: Target::Participant {
            participant: bob_id,
        },
        sources: vec![Source::Microphone],
    };
    let asked = stage.ask(carl, mute);
    assert!(answer_to(stage.outputs(), carl, asked).is_none());
    stage.ask(
        ada,
        ParticipantToLobby {
            participant: carl_id,
        },
    );
    stage.outputs();
    stage.passed(1);
    assert!(stage.done().is_empty());
}

#[test]
fn who_manages_and_loses_a_right_while_a_password_is_hashed_sets_none() {
    let deputy = custom("Deputy", Role::CoHost, &[Permission::RoomPassword], &[]);
    let mut stage = owned();
    stage.room.settings.custom_roles = vec![deputy.clone()];
    let record = Invite {
        custom_role: Some(deputy.name),
        ..invite(9, Role::CoHost)
    };
    stage.room.invites.add(record).unwrap();
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    let (steward, is_in) = manage(&mut stage, 2, 9);
    assert!(is_in);
    let update = RoomUpdate {
        password: Patch::Set(SecretText::new("correct horse")),
        ..RoomUpdate::default()
    };
    let asked = stage.ask(steward, update);
    assert!(stage.done().contains(&"hash 1".to_owned()));
    stage.ask(host, roles(Vec::new()));
    stage.outputs();
    let hash = PasswordHash("$argon2id$".to_owned());
    stage.room.handle_hashed(stage.now, 1, Ok(hash));
    assert_eq!(
        answer_to(stage.outputs(), steward, asked).as_deref(),
        Some("forbidden")
    );
    assert_eq!(stage.room.settings.password, None);
}

#[test]
fn nobody_learns_from_a_refusal_who_is_there() {
    let bouncer = custom(
        "Bouncer",
        Role::Presenter,
        &[
            Permission::ParticipantRename,
            Permission::MediaMute,
            Permission::ParticipantRemove,
        ],
        &[Permission::RosterSee, Permission::RosterSeeRoles],
    );
    let mut stage = Stage::with(|_, record| {
        record.settings.roster = RosterMode::Hosts;
        record.settings.custom_roles = vec![bouncer.clone()];
        record.invites = vec![Invite {
            custom_role: Some(bouncer.name.clone()),
            ..invite(7, Role::Presenter)
        }];
    });
    let (_, hidden) = stage.join_as("Mia", Role::Attendee);
    let (eve, _) = stage.join_as("Eve", Role::Attendee);
    let (dora, _) = stage.try_invite("Dora", 1, 7);
    stage.outputs();
    let nobody = ParticipantId::new(1, [1; 10]);
    let rename = |participant| ParticipantRename {
        participant,
        name: DisplayName::new("Zoe").unwrap(),
    };
    for who in [hidden, nobody] {
        assert_eq!(outcome(&mut stage, eve, rename(who)), "forbidden");
        assert_eq!(outcome(&mut stage, dora, rename(who)), "not_found");
    }
}

#[test]
fn who_does_not_see_roles_does_not_see_what_others_may_not() {
    let mut stage = Stage::with(|_, record| record.settings.roster = RosterMode::Hosts);
    stage.room.settings.attendees.camera = true;
    let (viewer, _) = stage.join_as("Mia", Role::Viewer);
    let (_, other) = stage.join_as("Eve", Role::Viewer);
    // Everybody is shown who shows something.
    let allow = PermOverride {
        participant: other,
        key: Permission::PublishAudio,
        effect: OverrideEffect::Allow,
        ttl_s: None,
        rev: 1,
    };
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.ask(ada, allow);
    stage.outputs();
    let eve = LinkId(2);
    stage.publish(eve, Source::Microphone, "0");
    let member = stage.key(eve);
    let source = conclave_sfu_wire::control::Source::Microphone;
    let attempt = stage.attempt(member, source);
    let event = Event::Published {
        member,
        attempt,
        source,
        rids: Vec::new(),
    };
    stage.room.handle_media(stage.now, event);
    let seen = stage.outputs().into_iter().find_map(|output| match output {
        Output::Push { link, notice, .. } if link == viewer => match notice.push() {
            Push::ParticipantJoined(joined) => Some(joined.participant.clone()),
            _ => None,
        },
        _ => None,
    });
    let seen = seen.unwrap();
    assert_eq!(seen.role, Role::Attendee);
    assert!(!seen.sources.camera.locked);
    assert!(stage.face(other).sources.camera.locked);
}

#[test]
fn a_publication_that_is_refused_when_it_is_said_again_is_over() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(ada, Source::Microphone, "0");
    stage.published(bob, Source::Microphone, "0");
    stage.room.settings.caps.microphone = Some(1);
    let id = stage.publish(bob, Source::Microphone, "1");
    let done = stage.done();
    assert!(
        done.contains(&format!("2 error {id} full source")),
        "{done:?}"
    );
    assert!(done.contains(&"shard unpublish 2 Microphone".to_owned()));
    assert!(!stage.face(bob_id).sources.microphone.published);
}

#[test]
fn a_room_is_not_changed_as_fast_as_one_can_ask() {
    let mut stage = owned();
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    let (steward, _) = manage(&mut stage, 2, HOST);
    stage.outputs();
    for link in [host, steward] {
        for _ in 0..ROOM_CHANGES_BURST {
            assert_eq!(outcome(&mut stage, link, titled("Ours")), "ok");
        }
        let refused = outcome(&mut stage, link, titled("Ours"));
        assert_eq!(refused, format!("{} 1s", ErrorCode::RateLimited.name()));
    }
    let lock = MediaLock {
        sources: vec![Source::Camera],
        on: true,
        allow: Vec::new(),
    };
    assert_eq!(outcome(&mut stage, host, lock.clone()), "rate_limited 1s");
    stage.pass(Duration::from_millis(500));
    assert_eq!(outcome(&mut stage, host, lock), "ok");
}

#[test]
fn a_name_that_stays_the_same_is_told_to_nobody() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    stage.join("Bob");
    let rename = ParticipantRename {
        participant: joined.own.id,
        name: DisplayName::new("Ada").unwrap(),
    };
    let id = stage.ask(ada, rename);
    assert_eq!(stage.done(), [format!("1 ok {id} renamed 1")]);
}

#[test]
fn those_who_do_not_see_everybody_are_told_of_the_room_in_the_same_words() {
    let mut stage = Stage::with(|_, record| record.settings.roster = RosterMode::Hosts);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    for _ in 0..3 {
        stage.join("Mia");
    }
    stage.ask(ada, titled("Ours"));
    let told: Vec<_> = stage
        .outputs()
        .into_iter()
        .filter_map(|output| match output {
            Output::Push { link, notice, .. } if link != ada => Some(notice),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|one| std::sync::Arc::ptr_eq(one, &told[0])));
}

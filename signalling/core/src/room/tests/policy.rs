//! Policies of the room, and who may change them.

use super::*;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::moderation::{OverrideEffect, PermissionsReason};
use conclave_signalling_wire::objects::{
    Allowances, Caps, ChatUpdate, CustomRole, Permission, ScreenPolicy,
};
use conclave_signalling_wire::request::{PermOverride, RoleSet, RoomUpdate, ScreenStart};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;
use conclave_signalling_wire::text::{RoleName, Title};

use crate::room::OperatorRequest;
use crate::settings::PasswordHash;

fn lock(locked: bool) -> RoomUpdate {
    RoomUpdate {
        locked: Some(locked),
        ..RoomUpdate::default()
    }
}

fn title(text: &str) -> RoomUpdate {
    RoomUpdate {
        title: Some(Title::new(text).unwrap()),
        ..RoomUpdate::default()
    }
}

fn password(text: &str) -> RoomUpdate {
    RoomUpdate {
        password: Patch::Set(SecretText::new(text)),
        ..RoomUpdate::default()
    }
}

fn hash() -> PasswordHash {
    PasswordHash("$argon2id$".to_owned())
}

fn deny(stage: &Stage, participant: ParticipantId, key: Permission) -> PermOverride {
    PermOverride {
        participant,
        key,
        effect: OverrideEffect::Deny,
        ttl_s: None,
        rev: stage.face(participant).rev,
    }
}

#[test]
fn a_change_is_kept_and_told_to_everybody() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.join_as("Bob", Role::Attendee);
    let update = RoomUpdate {
        rev: Some(1),
        attendees: Some(Allowances {
            microphone: false,
            camera: true,
            screen: true,
            rename: true,
            invite: false,
        }),
        ..title("Monthly")
    };
    let id = stage.ask(ada, update.clone());
    let outputs = stage.outputs();
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        [
            "keep settings 2",
            "1 push 2 room 2",
            "2 push 1 room 2",
            "1 push 3 updated Bob 2",
            "2 push 2 updated Bob 2",
            "2 push 3 permissions Attendee 17",
            "keep act room.update ok",
            &format!("1 ok {id} room 2"),
        ]
    );
    let details = outputs.iter().find_map(|output| match output {
        Output::Persist(Change::Audit(entry)) => entry.detail.clone(),
        _ => None,
    });
    assert_eq!(details.as_deref(), Some("title attendees"));
    let reasons = outputs.iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::PermissionsChanged(changed) => Some(changed.reason),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(reasons, Some(PermissionsReason::RoomChanged));
    // Who saw the room as it was before changes nothing.
    let id = stage.ask(ada, update);
    assert_eq!(
        stage.done(),
        [
            "keep act room.update conflict",
            &format!("1 error {id} conflict rev")
        ]
    );
}

#[test]
fn each_member_of_an_update_asks_for_its_own_right() {
    let both = RoomUpdate {
        locked: Some(true),
        ..title("Mine")
    };
    // Who is denied what, and what it may not.
    let cases = [
        (Permission::RoomLock, lock(true), title("Mine")),
        (Permission::RoomSettings, title("Mine"), lock(true)),
        (Permission::RoomSettings, both, lock(true)),
        (Permission::RoomSettings, RoomUpdate::default(), lock(true)),
    ];
    for (key, refused, allowed) in cases {
        let mut stage = Stage::new();
        let (ada, _) = stage.join_as("Ada", Role::Host);
        let (cleo, cleo_id) = stage.join_as("Cleo", Role::CoHost);
        let request = deny(&stage, cleo_id, key);
        stage.ask(ada, request);
        stage.done();
        let before = stage.room.settings.clone();
        let id = stage.ask(cleo, refused);
        assert_eq!(stage.done().pop(), Some(format!("2 error {id} forbidden")));
        assert_eq!(stage.room.settings, before);
        let id = stage.ask(cleo, allowed);
        assert_eq!(stage.done().pop(), Some(format!("2 ok {id} room 2")));
    }
    for role in [Role::CoHost, Role::Presenter, Role::Attendee, Role::Viewer] {
        let mut stage = Stage::new();
        let (ada, _) = stage.join_as("Ada", role);
        let id = stage.ask(ada, password("correct horse"));
        assert_eq!(stage.done().pop(), Some(format!("1 error {id} forbidden")));
    }
}

#[test]
fn what_cannot_be_is_named() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let bad = RoomUpdate {
        default_role: Some(Role::Host),
        ..lock(true)
    };
    let id = stage.ask(ada, bad);
    assert_eq!(
        stage.done().pop(),
        Some(format!("1 error {id} bad_request default_role"))
    );
    let too_slow = RoomUpdate {
        chat: Some(ChatUpdate {
            slow_s: Some(3_601),
            ..ChatUpdate::default()
        }),
        ..lock(true)
    };
    let id = stage.ask(ada, too_slow);
    assert_eq!(
        stage.done().pop(),
        Some(format!("1 error {id} bad_request chat.slow_s"))
    );
    let too_short = RoomUpdate {
        max_duration_s: Patch::Set(59),
        ..lock(true)
    };
    let id = stage.ask(ada, too_short);
    assert_eq!(
        stage.done().pop(),
        Some(format!("1 error {id} bad_request max_duration_s"))
    );
    assert!(!stage.room.settings.locked);
    // Code points, not bytes.
    let short_one = "\u{e9}".repeat(7);
    let long = "\u{e9}".repeat(129);
    for text in [short_one, long] {
        let id = stage.ask(ada, password(&text));
        assert_eq!(
            stage.done().pop(),
            Some(format!("1 error {id} bad_request password"))
        );
    }
}

#[test]
fn a_password_is_hashed_before_anything_changes() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let update = RoomUpdate {
        locked: Some(true),
        ..password(&"\u{e9}".repeat(128))
    };
    let id = stage.ask(ada, update);
    assert_eq!(stage.done(), ["hash 1"]);
    assert!(!stage.room.settings.locked);
    // One at a time, and its number is taken.
    let busy = stage.ask(ada, password("correct horse"));
    assert_eq!(
        stage.done(),
        [
            "keep act room.update rate_limited",
            &format!("1 error {busy} rate_limited 1s")
        ]
    );
    stage.room.handle_hashed(stage.now, 1, Ok(hash()));
    let outputs = stage.outputs();
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        [
            "keep settings 2",
            "1 push 1 room 2",
            "keep act room.update ok",
            &format!("1 ok {id} room 2")
        ]
    );
    let Output::Persist(Change::Audit(entry)) = &outputs[2] else {
        panic!()
    };
    assert_eq!(entry.detail.as_deref(), Some("locked password"));
    let settings = &stage.room.settings;
    assert_eq!(settings.password, Some(hash()));
    assert_eq!((settings.locked, settings.password_rev), (true, 1));
    // It is over.
    stage.room.handle_hashed(stage.now, 1, Ok(hash()));
    assert!(stage.done().is_empty());

    let id = stage.ask(
        ada,
        RoomUpdate {
            password: Patch::Clear,
            ..RoomUpdate::default()
        },
    );
    assert_eq!(stage.done().pop(), Some(format!("1 ok {id} room 3")));
    assert_eq!(stage.room.settings.password, None);
}

#[test]
fn a_password_that_could_not_be_hashed_changes_nothing() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let id = stage.ask(ada, password("correct horse"));
    stage.done();
    let error = ErrorCode::NotAvailable.into();
    stage.room.handle_hashed(stage.now, 1, Err(error));
    assert_eq!(
        stage.done(),
        [
            "keep act room.update not_available",
            &format!("1 error {id} not_available")
        ]
    );
    assert_eq!(stage.room.settings.password, None);
}

#[test]
fn who_is_demoted_while_its_password_is_hashed_sets_none() {
    let mut stage = Stage::new();
    let (_, _) = stage.join_as("Host", Role::Host);
    let (cleo, cleo_id) = stage.join_as("Cleo", Role::CoHost);
    let key = stage.key(cleo);
    let member = stage.room.members.get_mut(&key).unwrap();
    member
        .overrides
        .push(conclave_signalling_wire::objects::Override {
            key: Permission::RoomPassword,
            effect: conclave_signalling_wire::objects::Effect::Allow,
            expires_at: None,
        });
    let id = stage.ask(cleo, password("correct horse"));
    assert_eq!(stage.done(), ["hash 1"]);
    let request = deny(&stage, cleo_id, Permission::RoomPassword);
    stage.ask(LinkId(1), request);
    stage.done();
    stage.room.handle_hashed(stage.now, 1, Ok(hash()));
    assert_eq!(
        stage.done(),
        [
            "keep act room.update forbidden",
            &format!("2 error {id} forbidden")
        ]
    );
    assert_eq!(stage.room.settings.password, None);
}

#[test]
fn who_goes_while_its_password_is_hashed_sets_none() {
    let mut stage = Stage::new();
    let (ada, joined) = {
        stage.room.settings.default_role = Role::Host;
        stage.join("Ada")
    };
    stage.ask(ada, password("correct horse"));
    stage.room.handle_link_lost(stage.now, ada);
    stage.resume(joined.resume_token, 0, HOME);
    stage.done();
    stage.room.handle_hashed(stage.now, 1, Ok(hash()));
    assert!(stage.done().is_empty());
    assert_eq!(stage.room.settings.password, None);
}

#[test]
fn screens_that_are_off_end_for_hosts_too() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.published(ada, Source::Screen, "2");
    let off = RoomUpdate {
        screen: Some(ScreenPolicy::Off),
        ..RoomUpdate::default()
    };
    let id = stage.ask(ada, off);
    let done = stage.done();
    assert!(done.contains(&"shard unpublish 1 Screen".to_owned()));
    assert!(
        done.contains(&"1 push 4 revoked Screen Locked".to_owned()),
        "{done:?}"
    );
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} room 2")]);
    let start = ScreenStart {
        surface: None,
        audio: false,
        take_over: false,
    };
    let id = stage.ask(ada, start);
    assert_eq!(stage.done(), [format!("1 error {id} forbidden")]);
}

#[test]
fn a_room_has_as_many_microphones_and_cameras_as_it_says() {
    let mut stage = Stage::with(|_, record| {
        record.settings.caps = Caps {
            participants: None,
            microphone: Some(1),
            camera: Some(2),
        };
    });
    let links = ["Ada", "Bob", "Eve"].map(|name| stage.join(name).0);
    for (link, source) in [
        (links[0], Source::Microphone),
        (links[0], Source::Camera),
        (links[1], Source::Camera),
    ] {
        stage.published(link, source, "1");
    }
    for (link, source) in [(links[1], Source::Microphone), (links[2], Source::Camera)] {
        let id = stage.publish(link, source, "1");
        let expected = format!("{} error {id} full source", link.0);
        assert_eq!(stage.done(), [expected]);
    }
    // Again is not one more.
    stage.publish(links[0], Source::Microphone, "0");
    assert_eq!(stage.done(), ["shard publish 1 0 Microphone false"]);
}

fn custom(base: Role, allow: &[Permission]) -> CustomRole {
    CustomRole {
        name: RoleName::new("Own").unwrap(),
        base,
        allow: allow.to_vec(),
        deny: Vec::new(),
    }
}

fn roles(custom_roles: Vec<CustomRole>) -> RoomUpdate {
    RoomUpdate {
        custom_roles: Some(custom_roles),
        ..RoomUpdate::default()
    }
}

#[test]
fn nobody_makes_a_role_that_may_more_than_itself() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (cleo, _) = stage.join_as("Cleo", Role::CoHost);
    let powerful = custom(Role::Attendee, &[Permission::RoomPassword]);
    let of_equals = custom(Role::CoHost, &[]);
    for role in [powerful.clone(), of_equals.clone()] {
        let id = stage.ask(cleo, roles(vec![role]));
        assert_eq!(
            stage.done().pop(),
            Some(format!("2 error {id} forbidden custom_roles"))
        );
    }
    let both = vec![
        powerful,
        CustomRole {
            name: RoleName::new("Deputy").unwrap(),
            ..of_equals
        },
    ];
    let id = stage.ask(ada, roles(both.clone()));
    assert_eq!(stage.done().pop(), Some(format!("1 ok {id} room 2")));
    // Those of equals are not unmade either; what stays is nobody's question.
    let id = stage.ask(cleo, roles(Vec::new()));
    assert_eq!(
        stage.done().pop(),
        Some(format!("2 error {id} forbidden custom_roles"))
    );
    let more = CustomRole {
        name: RoleName::new("Guide").unwrap(),
        ..custom(Role::Viewer, &[Permission::PublishAudio])
    };
    let id = stage.ask(cleo, roles([both, vec![more]].concat()));
    assert_eq!(stage.done().pop(), Some(format!("2 ok {id} room 3")));
}

#[test]
fn a_role_that_is_unmade_is_taken_from_who_has_it() {
    let role = custom(Role::Attendee, &[Permission::RoomLock]);
    let mut stage = Stage::with(|_, record| record.settings.custom_roles = vec![role.clone()]);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let set = RoleSet {
        participant: bob_id,
        role: Role::Attendee,
        custom_role: Some(role.name.clone()),
        rev: 1,
    };
    stage.ask(ada, set);
    stage.done();
    let id = stage.ask(bob, lock(true));
    assert_eq!(stage.done().pop(), Some(format!("2 ok {id} room 2")));
    let based_elsewhere = CustomRole {
        base: Role::Viewer,
        ..role
    };
    stage.ask(ada, roles(vec![based_elsewhere]));
    assert!(
        stage
            .done()
            .contains(&"2 push 6 permissions Attendee 18".to_owned())
    );
    assert_eq!(stage.face(bob_id).custom_role, None);
    let id = stage.ask(bob, lock(false));
    assert_eq!(stage.done().pop(), Some(format!("2 error {id} forbidden")));
}

fn operate(stage: &mut Stage, ticket: u64, update: RoomUpdate) {
    let request = OperatorRequest::Update(Box::new(update));
    let by = Actor::Operator;
    stage.room.handle_operator(stage.now, ticket, by, request);
}

#[test]
fn the_operator_is_answered_when_media_has_stopped() {
    let off = RoomUpdate {
        screen: Some(ScreenPolicy::Off),
        ..RoomUpdate::default()
    };
    let sharing = || {
        let mut stage = Stage::new();
        let (ada, _) = stage.join_as("Ada", Role::Host);
        stage.published(ada, Source::Screen, "2");
        stage
    };
    let mut stage = sharing();
    operate(&mut stage, 7, off.clone());
    let done = stage.done();
    assert!(done.contains(&"keep act room.update ok".to_owned()));
    assert!(!done.iter().any(|done| done.starts_with("operator")));
    stage.passed(1);
    assert_eq!(stage.done(), ["operator 7 ok"]);

    // And if the media plane fails meanwhile.
    let mut stage = sharing();
    operate(&mut stage, 8, off);
    stage.done();
    let failed = Event::RoomFailed { room: RoomKey(1) };
    stage.room.handle_media(stage.now, failed);
    assert!(
        stage
            .done()
            .contains(&"operator 8 not_available".to_owned())
    );
    assert!(stage.room.is_idle());
}

#[test]
fn the_operator_sets_a_password_of_an_empty_room() {
    let mut stage = Stage::new();
    operate(&mut stage, 7, password("correct horse"));
    assert_eq!(stage.done(), ["hash 1"]);
    assert!(!stage.room.is_idle());
    operate(&mut stage, 8, password("battery staple"));
    assert_eq!(
        stage.done(),
        [
            "keep act room.update rate_limited",
            "operator 8 rate_limited 1s"
        ]
    );
    stage.room.handle_hashed(stage.now, 1, Ok(hash()));
    assert_eq!(
        stage.done(),
        [
            "keep settings 2",
            "keep act room.update ok",
            "operator 7 ok"
        ]
    );
    assert!(stage.room.is_idle());
}

#[test]
fn only_the_operator_tags_a_room_and_nobody_in_it_sees_that() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let tags = RoomUpdate {
        tags: Some(vec!["school".to_owned()]),
        ..RoomUpdate::default()
    };
    let named = RoomUpdate {
        external_id: Patch::Set("b-7".to_owned()),
        ..RoomUpdate::default()
    };
    for (update, field) in [(&tags, "tags"), (&named, "external_id")] {
        let id = stage.ask(ada, update.clone());
        assert_eq!(
            stage.done(),
            [
                "keep act room.update forbidden".to_owned(),
                format!("1 error {id} forbidden {field}"),
            ]
        );
    }
    for (ticket, by) in [
        (1, Actor::Operator),
        (2, Actor::Key(KeyId::new(START_MS, [1; 10]))),
        (3, Actor::Configuration),
    ] {
        let request = OperatorRequest::Update(Box::new(RoomUpdate {
            external_id: named.external_id.clone(),
            ..tags.clone()
        }));
        stage.room.handle_operator(stage.now, ticket, by, request);
        let outputs = stage.outputs();
        let kept = outputs.iter().find_map(|output| match output {
            Output::Persist(Change::Settings(settings)) => Some(settings),
            _ => None,
        });
        let kept = kept.unwrap();
        assert_eq!(kept.tags, ["school"]);
        assert_eq!(kept.external_id.as_deref(), Some("b-7"));
        let pushed = outputs.iter().find_map(|output| match output {
            Output::Push { notice, .. } => Some(notice.frame(None)),
            _ => None,
        });
        let pushed = pushed.unwrap();
        assert!(!pushed.contains("school") && !pushed.contains("b-7"));
    }
}

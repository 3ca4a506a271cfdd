//! Who comes in, and what is said to who does not.

use super::*;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::{CustomRole, DuplicatePolicy, Identity, Permission};
use conclave_signalling_wire::request::Leave;
use conclave_signalling_wire::text::RoleName;

use crate::digest::consent_hash;
use crate::record::Standing;
use crate::settings::PasswordHash;

const HOST: u8 = 1;
const COHOST: u8 = 2;
const PERSONAL: u8 = 3;

fn with(change: impl FnOnce(&mut Settings)) -> Stage {
    Stage::with(|_, record| {
        change(&mut record.settings);
        record.invites = vec![
            invite(HOST, Role::Host),
            Invite {
                max_uses: Some(1),
                ..invite(COHOST, Role::CoHost)
            },
            Invite {
                name: Some(DisplayName::new("Grace").unwrap()),
                name_locked: true,
                ..invite(PERSONAL, Role::Presenter)
            },
        ];
    })
}

fn refusal_of(stage: &mut Stage, entrant: Entrant) -> String {
    let (link, is_in) = stage.enter(entrant);
    assert!(!is_in);
    let refused = stage.outputs().into_iter().find_map(|output| match output {
        Output::Refuse {
            link: to, error, ..
        } if to == link => Some(refusal(&error)),
        _ => None,
    });
    refused.unwrap()
}

fn try_open(stage: &mut Stage) -> String {
    let entrant = stage.entrant("Eve", 66);
    refusal_of(stage, entrant)
}

fn try_host(stage: &mut Stage) -> bool {
    let is_in = stage.try_invite("Ada", 77, HOST).1;
    stage.outputs();
    is_in
}

#[test]
fn a_password_that_was_changed_meanwhile_opens_nothing() {
    let mut stage = with(|settings| {
        settings.set_password(Some(PasswordHash("$argon2id$".to_owned())));
    });
    assert_eq!(try_open(&mut stage), "password_required");
    let mut entrant = stage.entrant("Bob", 2);
    entrant.claim = Claim::Password { rev: 0 };
    assert_eq!(
        refusal_of(&mut stage, entrant),
        "bad_credentials credential.password"
    );
    let mut entrant = stage.entrant("Bob", 2);
    entrant.claim = Claim::Password { rev: 1 };
    assert!(stage.enter(entrant).1);
    // It was taken back, so whoever knew it is welcome too.
    stage.room.settings.set_password(None);
    let mut entrant = stage.entrant("Carl", 3);
    entrant.claim = Claim::Password { rev: 1 };
    assert!(stage.enter(entrant).1);
}

#[test]
fn a_secret_that_nobody_gave_opens_nothing() {
    let mut stage = with(|_| {});
    let mut entrant = stage.entrant("Eve", 2);
    entrant.claim = Claim::Invite(InviteHash([99; 32]));
    assert_eq!(
        refusal_of(&mut stage, entrant),
        "bad_credentials credential.secret"
    );
}

#[test]
fn the_host_gets_past_lock_window_capacity_and_allow_list() {
    let later = Timestamp::from_unix_ms(START_MS + 3_600_000);
    let before = Timestamp::from_unix_ms(START_MS - 1000);
    type Close = fn(&mut Settings, Timestamp, Timestamp);
    let cases: [(&str, Close); 5] = [
        ("locked", |settings, _, _| settings.locked = true),
        ("not_open_yet", |settings, later, _| {
            settings.opens_at = Some(later);
        }),
        // Like a room that does not exist.
        ("password_required", |settings, _, before| {
            settings.closes_at = Some(before);
        }),
        ("banned", |settings, _, _| {
            settings.allowed_networks = vec!["203.0.113.0/24".parse().unwrap()];
        }),
        ("full", |settings, _, _| {
            settings.caps.participants = Some(1);
        }),
    ];
    for (code, change) in cases {
        let mut stage = with(|settings| change(settings, later, before));
        if code == "full" {
            stage.join("Bob");
        }
        assert_eq!(try_open(&mut stage), code);
        assert!(try_host(&mut stage), "{code}");
    }
}

#[test]
fn one_seat_beyond_the_last_is_kept_for_a_host() {
    let mut stage = with(|settings| settings.caps.participants = Some(2));
    stage.join("Bob");
    stage.join("Carl");
    assert_eq!(try_open(&mut stage), "full");
    assert!(try_host(&mut stage));
    assert_eq!(try_open(&mut stage), "full");
    let mut entrant = stage.entrant("Another", 78);
    entrant.claim = Claim::Invite(InviteHash([HOST; 32]));
    assert_eq!(refusal_of(&mut stage, entrant), "full");
}

#[test]
fn everybody_agrees_first_hosts_too() {
    let mut stage = with(|settings| settings.consent_text = Some("Be kind".to_owned()));
    let (link, _) = stage.try_join("Bob", 2, None);
    let outputs = stage.outputs();
    let Some(Output::Refuse {
        link: to, error, ..
    }) = outputs.last()
    else {
        panic!("not refused")
    };
    assert_eq!((*to, error.code), (link, ErrorCode::ConsentRequired));
    assert_eq!(error.text.as_deref(), Some("Be kind"));
    assert!(!try_host(&mut stage));
    let mut entrant = stage.entrant("Bob", 2);
    entrant.consent_hash.clone_from(&error.hash);
    assert_eq!(error.hash, Some(consent_hash("Be kind")));
    assert!(stage.enter(entrant).1);
}

#[test]
fn an_invite_says_as_what_and_as_whom() {
    let mut stage = with(|_| {});
    stage.try_invite("Somebody", 3, PERSONAL);
    stage.try_invite("Carl", 2, COHOST);
    stage.try_invite("Ada", 1, HOST);
    stage.join("Bob");
    let faces: Vec<_> = stage
        .room
        .roster()
        .map(|face| (face.name.as_str(), face.role, face.identity))
        .collect();
    assert_eq!(
        faces,
        [
            ("Grace", Role::Presenter, Identity::Invited),
            ("Carl", Role::CoHost, Identity::Invited),
            ("Ada", Role::Host, Identity::Guest),
            ("Bob", Role::Attendee, Identity::Guest),
        ]
    );
}

#[test]
fn a_guest_is_a_co_host_only_where_the_room_says_so() {
    for may in [false, true] {
        let mut stage = Stage::with(|_, record| {
            record.settings.guests_may_cohost = may;
            record.invites = vec![invite(COHOST, Role::CoHost)];
        });
        stage.try_invite("Carl", 2, COHOST);
        let role = stage.room.roster().next().unwrap().role;
        assert_eq!(role, if may { Role::CoHost } else { Role::Presenter });
    }
}

#[test]
fn a_custom_role_that_is_gone_leaves_its_base() {
    let name = RoleName::new("Interpreter").unwrap();
    let mut stage = Stage::with(|_, record| {
        record.settings.custom_roles = vec![CustomRole {
            name: name.clone(),
            base: Role::Viewer,
            allow: vec![Permission::PublishAudio],
            deny: Vec::new(),
        }];
        record.invites = vec![Invite {
            custom_role: Some(name.clone()),
            ..invite(1, Role::Viewer)
        }];
    });
    let (ada, _) = stage.try_invite("Ada", 1, 1);
    assert_eq!(
        stage.room.participant_of(ada).unwrap().custom_role,
        Some(name)
    );
    stage.room.settings.custom_roles.clear();
    let (bob, _) = stage.try_invite("Bob", 2, 1);
    let face = stage.room.participant_of(bob).unwrap();
    assert_eq!((face.role, &face.custom_role), (Role::Viewer, &None));
}

#[test]
fn a_locked_room_does_not_lock_out_who_is_in_it() {
    let mut stage = with(|_| {});
    let (ada, _) = stage.try_join("Ada", 1, None);
    stage.try_join("Bob", 2, None);
    stage.room.settings.locked = true;
    stage.room.handle_link_lost(stage.now, ada);
    stage.outputs();
    assert!(stage.try_join("Ada", 1, None).1);
    stage.outputs();
    let second = Some(DuplicateChoice::JoinAsSecond);
    let (_, is_in) = stage.try_join("Ada", 1, second);
    assert!(!is_in);
    assert_eq!(stage.done(), ["keep act join locked", "4 error 2 locked"]);
}

#[test]
fn what_the_room_says_about_a_second_tab() {
    use DuplicatePolicy::{Allow, Ask, RejectNew, Replace};
    let take_over = Some(DuplicateChoice::TakeOver);
    for (policy, choice, expected) in [
        (Ask, None, "2 ok 2 duplicate"),
        (RejectNew, None, "2 error 2 busy"),
        (RejectNew, take_over, "2 error 2 busy"),
        (Replace, None, "2 ok 2 joined 0"),
        (Allow, None, "2 ok 2 joined 1"),
        (Allow, take_over, "2 ok 2 joined 0"),
    ] {
        let mut stage = with(|settings| settings.duplicate = policy);
        stage.try_join("Ada", 1, None);
        stage.outputs();
        stage.try_join("Ada", 1, choice);
        let done = stage.done();
        assert!(done.contains(&expected.to_owned()), "{policy:?}: {done:?}");
    }
}

#[test]
fn a_personal_invite_is_not_lent_to_somebody_else() {
    let mut stage = with(|settings| settings.duplicate = DuplicatePolicy::RejectNew);
    let (grace, _) = stage.try_invite("Grace", 1, PERSONAL);
    stage.room.handle_link_lost(stage.now, grace);
    stage.outputs();
    stage.try_invite("Eve", 2, PERSONAL);
    assert_eq!(stage.done(), ["2 error 2 busy"]);
    // Its own device takes its place again.
    stage.try_invite("Grace", 1, PERSONAL);
    assert!(stage.done().contains(&"3 ok 2 joined 0".to_owned()));
}

#[test]
fn who_asks_for_a_second_place_of_a_personal_invite_is_asked_back() {
    let mut stage = with(|_| {});
    stage.try_invite("Grace", 1, PERSONAL);
    stage.outputs();
    stage.try_invite("Grace", 2, PERSONAL);
    assert_eq!(stage.done(), ["2 ok 2 duplicate"]);
    let mut entrant = stage.entrant("Grace", 2);
    entrant.claim = Claim::Invite(InviteHash([PERSONAL; 32]));
    entrant.duplicate = Some(DuplicateChoice::TakeOver);
    stage.enter(entrant);
    let done = stage.done();
    assert!(done.contains(&"1 close 4409".to_owned()), "{done:?}");
    assert_eq!(stage.room.participants(), 1);
}

#[test]
fn nobody_shuts_the_host_out() {
    let mut stage = with(|settings| settings.duplicate = DuplicatePolicy::RejectNew);
    stage.try_invite("Ada", 1, HOST);
    stage.outputs();
    stage.try_invite("Ada", 1, HOST);
    assert_eq!(stage.done(), ["2 ok 2 duplicate"]);
}

#[test]
fn a_role_that_was_given_is_given_again_but_makes_no_less_of_a_host() {
    let given = |device: u8, role| Standing {
        role: Some(role),
        ..Standing::new(DeviceHash::from(&DeviceKey::new([device; 16])))
    };
    // As after a crash: nobody is known to have left.
    let mut stage = Stage::with(|_, record| {
        record.invites = vec![
            invite(HOST, Role::Host),
            Invite {
                max_uses: Some(1),
                ..invite(COHOST, Role::CoHost)
            },
        ];
        record.standings = vec![
            given(1, Role::Presenter),
            given(2, Role::Attendee),
            given(3, Role::Presenter),
        ];
    });
    let role = |stage: &mut Stage, device, claim: Option<u8>| {
        let mut entrant = stage.entrant("Somebody", device);
        if let Some(number) = claim {
            entrant.claim = Claim::Invite(InviteHash([number; 32]));
        }
        let (link, _) = stage.enter(entrant);
        let role = stage.room.participant_of(link).unwrap().role;
        stage.outputs();
        role
    };
    assert_eq!(role(&mut stage, 1, Some(HOST)), Role::Host);
    assert_eq!(role(&mut stage, 2, Some(COHOST)), Role::Attendee);
    assert_eq!(role(&mut stage, 3, None), Role::Presenter);
    // The others leave; what was given counts while the meeting goes on.
    let third = LinkId(3);
    stage.ask(third, Leave {});
    assert!(
        stage
            .done()
            .contains(&"keep standing of Some(Presenter)".to_owned())
    );
    stage.pass(Duration::from_secs(3600));
    assert_eq!(role(&mut stage, 3, None), Role::Presenter);
}

#[test]
fn a_standing_ends_a_while_after_the_meeting() {
    let mut stage = Stage::with(|_, record| {
        record.standings = vec![Standing {
            role: Some(Role::Presenter),
            left_at: Some(Timestamp::from_unix_ms(START_MS - 300_000)),
            ..Standing::new(DeviceHash::from(&DeviceKey::new([1; 16])))
        }];
    });
    stage.try_join("Ada", 1, None);
    assert_eq!(
        stage.done(),
        [
            "shard open 1",
            "keep standing gone",
            "shard admit 1",
            "token issued",
            "1 ok 2 joined 0"
        ]
    );
    assert_eq!(stage.room.roster().next().unwrap().role, Role::Attendee);
}

#[test]
fn refusals_are_written_down_but_not_without_end() {
    let mut stage = with(|settings| settings.locked = true);
    for _ in 0..50 {
        stage.try_join("Eve", 6, None);
    }
    let written = |stage: &mut Stage| {
        let done = stage.done();
        done.iter()
            .filter(|done| done.starts_with("keep act"))
            .count()
    };
    assert_eq!(written(&mut stage), 10);
    stage.pass(Duration::from_secs(1));
    stage.try_join("Eve", 6, None);
    assert_eq!(written(&mut stage), 1);
}

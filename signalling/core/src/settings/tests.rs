use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::text::{Prose, Title};
use proptest::prelude::*;

use super::*;

fn meeting() -> Settings {
    Settings::new(Preset::Meeting, "Weekly")
}

fn refused(update: RoomUpdate) -> UpdateError {
    let mut settings = meeting();
    let error = settings.apply(&update).unwrap_err();
    assert_eq!(settings, meeting(), "nothing has changed");
    error
}

fn at(minutes: u64) -> Timestamp {
    Timestamp::from_unix_ms(minutes * 60_000)
}

#[test]
fn an_update_changes_what_it_names_and_counts_once() {
    let mut settings = meeting();
    let update = RoomUpdate {
        rev: Some(1),
        title: Some(Title::new("Monthly").unwrap()),
        locked: Some(true),
        lobby_message: Patch::Set(Prose::new("Soon").unwrap()),
        allowed_networks: Some(vec!["192.0.2.0/24".to_owned()]),
        screen: Some(ScreenPolicy::Off),
        ..RoomUpdate::default()
    };
    assert_eq!(settings.apply(&update), Ok(()));
    let expected = Settings {
        rev: 2,
        title: "Monthly".to_owned(),
        locked: true,
        lobby_message: Some("Soon".to_owned()),
        allowed_networks: vec!["192.0.2.0/24".parse().unwrap()],
        screen: ScreenPolicy::Off,
        ..meeting()
    };
    assert_eq!(settings, expected);
    let clear = RoomUpdate {
        lobby_message: Patch::Clear,
        allowed_networks: Some(Vec::new()),
        ..RoomUpdate::default()
    };
    assert_eq!(settings.apply(&clear), Ok(()));
    assert_eq!((settings.rev, settings.lobby_message), (3, None));
    assert!(settings.allowed_networks.is_empty());
}

#[test]
fn who_saw_an_older_room_changes_nothing() {
    let error = refused(RoomUpdate {
        rev: Some(7),
        locked: Some(true),
        ..RoomUpdate::default()
    });
    assert_eq!(error, UpdateError::Conflict);
}

#[test]
fn what_cannot_be_is_named() {
    let caps = |participants| Caps {
        participants: Some(participants),
        ..Caps::default()
    };
    let role = |name: &str, base, deny: &[Permission]| CustomRole {
        name: RoleName::new(name).unwrap(),
        base,
        allow: Vec::new(),
        deny: deny.to_vec(),
    };
    let roles = |custom_roles| RoomUpdate {
        custom_roles: Some(custom_roles),
        ..RoomUpdate::default()
    };
    let networks = |text: &str| RoomUpdate {
        allowed_networks: Some(vec![text.to_owned()]),
        ..RoomUpdate::default()
    };
    let default = RoomUpdate::default;
    let many = (0..=CUSTOM_ROLES).map(|number| role(&format!("R{number}"), Role::Viewer, &[]));
    let bad = [
        (
            RoomUpdate {
                default_role: Some(Role::Presenter),
                ..default()
            },
            "default_role",
        ),
        (
            RoomUpdate {
                no_host_grace_s: Some(3601),
                ..default()
            },
            "no_host_grace_s",
        ),
        (
            RoomUpdate {
                caps: Some(caps(0)),
                ..default()
            },
            "caps",
        ),
        (
            RoomUpdate {
                opens_at: Patch::Set(at(2)),
                closes_at: Patch::Set(at(2)),
                ..default()
            },
            "closes_at",
        ),
        (roles(many.collect()), "custom_roles"),
        (roles(vec![role("A", Role::Host, &[])]), "custom_roles"),
        (
            roles(vec![role("A", Role::Viewer, &[Permission::RoomJoin])]),
            "custom_roles",
        ),
        (
            roles(vec![
                role("A", Role::Viewer, &[]),
                role("A", Role::Attendee, &[]),
            ]),
            "custom_roles",
        ),
        (networks("192.0.2.0/33"), "allowed_networks"),
        (networks("example.org"), "allowed_networks"),
        (networks("2001:db8::/x"), "allowed_networks"),
        (
            RoomUpdate {
                allowed_networks: Some(vec!["192.0.2.1".to_owned(); NETWORKS + 1]),
                ..default()
            },
            "allowed_networks",
        ),
    ];
    for (update, field) in bad {
        assert_eq!(refused(update), UpdateError::Bad(field));
    }
}

#[test]
fn a_window_is_judged_as_it_will_be() {
    let mut settings = meeting();
    let opens = |opens_at| RoomUpdate {
        opens_at,
        ..RoomUpdate::default()
    };
    let closes = |closes_at| RoomUpdate {
        closes_at,
        ..RoomUpdate::default()
    };
    assert_eq!(settings.apply(&opens(Patch::Set(at(10)))), Ok(()));
    assert_eq!(
        settings.apply(&closes(Patch::Set(at(10)))),
        Err(UpdateError::Bad("closes_at"))
    );
    assert_eq!(settings.apply(&closes(Patch::Set(at(20)))), Ok(()));
    assert_eq!(
        settings.apply(&opens(Patch::Set(at(20)))),
        Err(UpdateError::Bad("opens_at"))
    );
    assert_eq!(settings.apply(&closes(Patch::Clear)), Ok(()));
    assert_eq!(settings.apply(&opens(Patch::Set(at(20)))), Ok(()));
}

#[test]
fn each_password_is_a_new_one() {
    let mut settings = meeting();
    settings.set_password(Some(PasswordHash("$argon2id$".to_owned())));
    assert_eq!((settings.password_rev, settings.rev), (1, 2));
    settings.set_password(None);
    assert_eq!((settings.password_rev, settings.password), (2, None));
    let hash = PasswordHash("$argon2id$".to_owned());
    assert_eq!(format!("{hash:?}"), "PasswordHash(redacted)");
}

#[test]
fn a_network_contains_its_addresses() {
    let cases = [
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.6", false),
        ("0.0.0.0/0", "203.0.113.1", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("192.0.2.0/24", "::ffff:192.0.2.9", true),
        ("2001:db8::/32", "2001:db8:1::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::/0", "2001:db8::1", true),
        ("2001:db8::1", "2001:db8::1", true),
    ];
    for (network, address, expected) in cases {
        let network: Network = network.parse().unwrap();
        let is = network.contains(address.parse().unwrap());
        assert_eq!(is, expected, "{network} {address}");
    }
}

#[test]
fn only_a_preset_for_few_speakers_silences_attendees() {
    let speaks = |preset| Settings::new(preset, "Room").attendees.microphone;
    assert!(!speaks(Preset::Webinar));
    for preset in [
        Preset::Meeting,
        Preset::Class,
        Preset::Interview,
        Preset::HighSecurity,
    ] {
        assert!(speaks(preset));
    }
}

proptest! {
    #[test]
    fn every_network_is_read_as_it_is_written(address: IpAddr, bits in 0u8..=128) {
        let width = if address.is_ipv4() { 32 } else { 128 };
        let network = Network { address, bits: bits.min(width) };
        prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
        prop_assert!(network.contains(address) || address != address.to_canonical());
    }

    #[test]
    fn any_text_is_answered(text in ".{0,40}", number in 0u16..300) {
        let _ = text.parse::<Network>();
        let _ = format!("192.0.2.0/{number}").parse::<Network>();
    }
}

#[test]
fn tags_are_few_short_and_in_order() {
    let tags = |tags: &[&str]| RoomUpdate {
        tags: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
        ..RoomUpdate::default()
    };
    let mut settings = meeting();
    settings
        .apply(&tags(&["school", "b-1", "school", "a_2"]))
        .unwrap();
    assert_eq!(settings.tags, ["a_2", "b-1", "school"]);
    settings.apply(&tags(&[])).unwrap();
    assert!(settings.tags.is_empty());
    let (longest, too_long) = ("a".repeat(32), "a".repeat(33));
    assert_eq!(meeting().apply(&tags(&[&longest])), Ok(()));
    let seventeen = ["a"; 17];
    for bad in [
        &[""][..],
        &["A"],
        &["a b"],
        &["é"],
        &[&too_long],
        &seventeen,
    ] {
        assert_eq!(refused(tags(bad)), UpdateError::Bad("tags"), "{bad:?}");
    }
}

#[test]
fn what_another_system_calls_a_room_is_one_visible_word() {
    let named = |id: &str| RoomUpdate {
        external_id: Patch::Set(id.to_owned()),
        ..RoomUpdate::default()
    };
    let mut settings = meeting();
    settings.apply(&named("urn:school/7#b")).unwrap();
    assert_eq!(settings.external_id.as_deref(), Some("urn:school/7#b"));
    let gone = RoomUpdate {
        external_id: Patch::Clear,
        ..RoomUpdate::default()
    };
    settings.apply(&gone).unwrap();
    assert_eq!(settings.external_id, None);
    assert_eq!(meeting().apply(&named(&"x".repeat(128))), Ok(()));
    for bad in ["", "a b", "ä", "a\n", &"x".repeat(129)] {
        assert_eq!(refused(named(bad)), UpdateError::Bad("external_id"));
    }
}

//! Rooms of the configuration.

use std::path::Path;

use conclave_signalling_wire::objects::{LobbyMode, Preset, Role};
use conclave_signalling_wire::room::Patch;

use super::*;
use crate::config::rooms::DEV_ROOM;

#[test]
fn rooms_are_of_the_file_or_of_the_environment_and_dev_adds_its_own() {
    let file = "[[rooms]]\nslug = \"standup\"\ntitle = \"Daily\"\n";
    let slugs = |config: Config| {
        config
            .rooms
            .into_iter()
            .map(|room| room.slug.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(slugs(from_file(file, true).unwrap()), [DEV_ROOM, "standup"]);

    let mut layers = Layers::default();
    layers
        .add_environment(variables(&[("CONCLAVE_ROOMS", "[{slug = \"welcome\"}]")]))
        .unwrap();
    add_defaults(&mut layers, DEV);
    assert_eq!(
        slugs(Config::from_layers(&layers, true).unwrap()),
        [DEV_ROOM]
    );

    for bad in [
        "slug = \"A\"",
        "slug = \"ab\"",
        "title = \"x\"",
        "slug = 1",
        "slug = \"abc\"\nslog = \"x\"",
    ] {
        assert!(
            from_file(&format!("[[rooms]]\n{bad}\n"), true).is_err(),
            "{bad}"
        );
    }
    assert!(
        from_file(
            "[[rooms]]\nslug = \"abc\"\n[[rooms]]\nslug = \"abc\"\n",
            true
        )
        .is_err()
    );
}

#[test]
fn a_room_has_every_setting_that_a_host_can_change() {
    let file = r#"
        [[rooms]]
        slug = "council"
        preset = "webinar"
        title = "Town council"
        locked = false
        lobby = "off"
        lobby_message = "We begin at eight."
        password_file = "council.password"
        password_bypasses_lobby = true
        start_without_host = true
        no_host = "end"
        no_host_grace_s = 300
        duplicate = "replace"
        default_role = "viewer"
        guests_may_cohost = true
        attendees = { screen = true }
        roster = "all"
        caps = { participants = 40 }
        opens_at = 2026-11-22T20:00:00Z
        closes_at = "2026-11-22T22:00:00Z"
        allowed_networks = ["192.0.2.0/24"]
        consent_text = "The session is public."
        custom_roles = [{ name = "Interpreter", base = "viewer", allow = ["publish.audio"] }]
        screen = "one_takeover"
        relay_only = true
        viewers = { hands = false }
        reactions = false
        hands = "first_timers_first"
        cohosts_end = false
        max_duration_s = 5400
        tags = ["council"]
        external_id = "hall-7"
        chat = { public = "hosts", private = "off", slow_s = 10, links = false, history = "kept", keep = "days", keep_days = 7 }
    "#;
    let config = from_file(file, false).err();
    assert!(config.is_some(), "there is no certificate");
    let config = from_file(file, true).unwrap();
    let room = &config.rooms[1];
    let update = &room.update;
    assert_eq!(
        (room.slug.as_str(), room.preset),
        ("council", Preset::Webinar)
    );
    assert_eq!(
        beside(&room.origin, room.password_file.as_deref().unwrap()),
        Path::new("council.password")
    );
    assert_eq!(update.lobby, Some(LobbyMode::Off));
    assert_eq!(update.default_role, Some(Role::Viewer));
    let attendees = update.attendees.unwrap();
    assert!(
        attendees.screen && attendees.rename && !attendees.microphone,
        "what is not said is as in the preset"
    );
    assert_eq!(update.caps.unwrap().participants, Some(40));
    let viewers = update.viewers.unwrap();
    assert!(viewers.chat && viewers.reactions && !viewers.hands);
    let chat = serde_json::to_value(&update.chat).unwrap();
    let said = chat.as_object().map(serde_json::Map::len);
    assert_eq!(said, Some(7), "every member of the chat policies is read");
    assert!(matches!(&update.opens_at, Patch::Set(at) if at.to_string() == "2026-11-22T20:00:00Z"));
    let written = serde_json::to_value(update).unwrap();
    let unsaid: Vec<_> = all_members()
        .into_iter()
        .filter(|member| written.get(member).is_none())
        .collect();
    assert_eq!(unsaid, ["rev", "password"]);
}

#[test]
fn the_room_of_dev_lets_everybody_in_at_once_unless_the_file_says_otherwise() {
    let config = from_file("", true).unwrap();
    let welcome = &config.rooms[0].update;
    assert_eq!(welcome.lobby, Some(LobbyMode::Off));
    assert_eq!(welcome.start_without_host, Some(true));
    let config = from_file("[[rooms]]\nslug = \"welcome\"\n", true).unwrap();
    assert_eq!(config.rooms.len(), 1);
    assert_eq!(config.rooms[0].update.lobby, None);
}

#[test]
fn a_room_does_not_insist_on_a_relay_that_is_off() {
    let file = |enabled: bool| {
        format!("[turn]\nenabled = {enabled}\n[[rooms]]\nslug = \"council\"\nrelay_only = true\n")
    };
    assert!(from_file(&file(true), true).is_ok());
    let error = from_file(&file(false), true).unwrap_err().to_string();
    assert!(
        error.starts_with("file c.toml: `rooms`: `relay_only` of `council` "),
        "{error}"
    );
}

#[test]
fn a_member_of_a_room_that_is_wrong_is_named() {
    for (member, expected) in [
        (
            "loby = \"on\"",
            "`loby`: there is no such member; the nearest is `lobby`",
        ),
        (
            "password_fil = \"x\"",
            "`password_fil`: there is no such member; the nearest is `password_file`",
        ),
        (
            "password = \"12345678\"",
            "`password`: write the password into a file",
        ),
        ("rev = 2", "`rev`: is counted by the server"),
        (
            "caps = { cameras = 2 }",
            "`caps.cameras`: there is no such member; the nearest is `camera`",
        ),
        ("caps = { camera = 0 }", "`caps`: each must be at least 1"),
        ("lobby = true", "`lobby`: "),
        (
            "default_role = \"host\"",
            "`default_role`: must be `attendee` or `viewer`",
        ),
        (
            "allowed_networks = [\"here\"]",
            "`allowed_networks`: must be",
        ),
        ("opens_at = \"soon\"", "`opens_at`: "),
        ("screen = \"two\"", "`screen`: unknown variant `two`"),
        (
            "chat = { keap = \"days\" }",
            "`chat.keap`: there is no such member; the nearest is `keep`",
        ),
        (
            "chat = { keep_days = 400 }",
            "`chat.keep_days`: must be 1 to 365",
        ),
        (
            "chat = { slow_s = 4000 }",
            "`chat.slow_s`: must be 0 to 3600",
        ),
        (
            "viewers = { hand = true }",
            "`viewers.hand`: there is no such member; the nearest is `hands`",
        ),
        (
            "max_duration_s = 10",
            "`max_duration_s`: must be 60 to 604800",
        ),
        (
            "preset = \"high_security\"",
            "`preset`: this version cannot do it yet",
        ),
        ("preset = \"party\"", "`preset`: unknown variant `party`"),
        ("slug = 1", "`slug`: must be text in quotes"),
    ] {
        let slug = if member.starts_with("slug") {
            ""
        } else {
            "slug = \"abc\"\n"
        };
        let error = from_file(&format!("[[rooms]]\n{slug}{member}\n"), true).unwrap_err();
        let expected = format!("file c.toml: `rooms`: rooms[0]: {expected}");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

/// Returns the members of [`RoomUpdate`](conclave_signalling_wire::room::RoomUpdate), out of what serde says of an unknown one.
fn all_members() -> Vec<String> {
    let unknown = serde_json::json!({"?": 0});
    let error = serde_json::from_value::<conclave_signalling_wire::room::RoomUpdate>(unknown);
    let text = error.unwrap_err().to_string();
    let names = text.split('`').skip(3).step_by(2);
    names.map(str::to_owned).collect()
}

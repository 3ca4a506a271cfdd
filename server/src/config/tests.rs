use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use std::num::NonZeroU8;

use conclave_signalling_wire::objects::{LobbyMode, Preset, Role};
use conclave_signalling_wire::room::Patch;

use super::rooms::DEV_ROOM;
use super::*;

const DEV: Surroundings = Surroundings {
    dev: true,
    cores: 4,
};

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file =
        "data_dir = \"/file\"\n[media]\nport_base = 1\nshards = 2\n[log]\nfilter = \"warn\"\n";
    let mut layers = Layers::default();
    layers.add_file(Path::new("c.toml"), file).unwrap();
    layers
        .add_environment(variables(&[
            ("CONCLAVE_MEDIA__PORT_BASE", "2"),
            ("CONCLAVE_MEDIA__SHARDS", "3"),
        ]))
        .unwrap();
    layers.add_flag("media.shards", "--shards", 4);
    add_defaults(&mut layers, DEV);
    let config = Config::from_layers(&layers, true).unwrap();

    assert_eq!(config.https, Listen::parse("[::]:8443").unwrap());
    assert_eq!(config.storage.data_dir, Path::new("/file"));
    assert_eq!(
        config.storage.master_key_file,
        Path::new("/file/master.key")
    );
    assert_eq!(
        config.media,
        Media {
            ips: vec![],
            port_base: 2,
            shards: NonZeroU8::new(4).unwrap()
        }
    );
    let origin = |path| layers.get(path).unwrap().origin.to_string();
    assert_eq!(origin("listen.https"), "default");
    assert_eq!(origin("data_dir"), "file c.toml");
    assert_eq!(
        origin("media.port_base"),
        "environment CONCLAVE_MEDIA__PORT_BASE"
    );
    assert_eq!(origin("media.shards"), "flag --shards");
}

#[test]
fn every_key_but_those_that_need_somebody_has_a_default() {
    let mut layers = Layers::default();
    add_defaults(&mut layers, DEV);
    let unset: Vec<_> = KEYS
        .iter()
        .map(|key| key.path)
        .filter(|path| layers.get(path).is_none())
        .collect();
    assert_eq!(
        unset,
        [
            "public_url",
            "tls.certificate_file",
            "tls.key_file",
            "acme.ca_file",
            "turn.realm",
            "turn.users_file",
            "turn.secret_file",
            "storage.master_key_file",
            "webhooks.ca_file"
        ]
    );
}

#[test]
fn unknown_keys_name_the_nearest_wherever_they_are() {
    let mut layers = Layers::default();
    let file = "publik_url = \"x\"\n[listen]\nhttsp = \"x\"\n[medai]\nshards = 1\n";
    let error = layers
        .add_file(Path::new("c.toml"), file)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "file c.toml: `listen.httsp` is not a setting; the nearest is `listen.https`\n\
         file c.toml: `medai` is not a setting; the nearest is `media.ips`\n\
         file c.toml: `publik_url` is not a setting; the nearest is `public_url`"
    );
    let error = layers
        .add_environment(variables(&[("CONCLAVE_LISTEN_HTTPS", "x")]))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "environment CONCLAVE_LISTEN_HTTPS: is not a setting; the nearest is CONCLAVE_LISTEN__HTTPS"
    );
}

#[test]
fn variables_that_a_container_platform_injects_are_no_settings() {
    let injected = [
        ("CONCLAVE_PORT", "tcp://10.0.0.1:443"),
        ("CONCLAVE_SERVICE_HOST", "x"),
        ("HOME", "/"),
    ];
    assert_eq!(
        Layers::default().add_environment(variables(&injected)),
        Ok(())
    );
}

#[test]
fn the_key_of_a_client_is_no_setting() {
    let mut layers = Layers::default();
    let key = [("CONCLAVE_KEY", "ck_one_two")];
    assert_eq!(layers.add_environment(variables(&key)), Ok(()));
    assert!(
        layers
            .add_environment(variables(&[("CONCLAVE_KEYS", "")]))
            .is_err()
    );
}

#[test]
fn values_of_the_wrong_kind_say_what_is_expected() {
    let mut layers = Layers::default();
    let error = layers
        .add_file(Path::new("c.toml"), "[media]\nshards = \"two\"\n")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "file c.toml: `media.shards` must be a whole number, not negative"
    );
    let error = layers
        .add_environment(variables(&[("CONCLAVE_TLS__TLS13_ONLY", "yes")]))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "environment CONCLAVE_TLS__TLS13_ONLY: must be true or false"
    );
    assert!(
        layers
            .add_file(Path::new("c.toml"), "= 1")
            .unwrap_err()
            .to_string()
            .contains("not valid TOML")
    );
}

#[test]
fn bytes_that_are_no_text_matter_in_our_own_variables_only() {
    let garbage = || OsStr::from_bytes(b"\xff").to_owned();
    let of = |name: &str| [(name.into(), garbage())].into_iter();
    assert_eq!(Layers::default().add_environment(of("HOME")), Ok(()));
    let nameless = [(garbage(), garbage())].into_iter();
    assert_eq!(Layers::default().add_environment(nameless), Ok(()));
    let error = Layers::default()
        .add_environment(of("CONCLAVE_DATA_DIR"))
        .unwrap_err()
        .to_string();
    assert_eq!(error, "environment CONCLAVE_DATA_DIR: must be UTF-8 text");
}

#[test]
fn ports_of_media_end_at_65535() {
    let base = |base: i64| from_file(&format!("[media]\nport_base = {base}\nshards = 2\n"), true);
    assert_eq!(base(65534).unwrap().media.port_base, 65534);
    for beyond in [65535, 65536, i64::MAX] {
        let error = base(beyond).unwrap_err().to_string();
        assert!(
            error.starts_with("file c.toml: `media.port_base`: "),
            "{error}"
        );
    }
}

#[test]
fn every_problem_of_the_values_is_told_at_once_with_its_place() {
    let file = "public_url = \"http://a\"\n[tls]\nkey_file = \"k\"\n[media]\nips = [\"0.0.0.0\"]\nshards = 0\n";
    let error = from_file(file, false).unwrap_err().to_string();
    let fields = ["public_url", "tls.key_file", "media.ips", "media.shards"];
    for field in fields {
        assert!(
            error.contains(&format!("file c.toml: `{field}`: ")),
            "{field} in {error}"
        );
    }
    assert_eq!(error.lines().count(), fields.len());
}

#[test]
fn without_dev_address_and_certificate_must_be_given() {
    let error = from_file("", false).unwrap_err().to_string();
    assert!(error.contains("`public_url` is missing"), "{error}");
    assert!(
        error.contains("`tls.certificate_file`") && error.contains("--dev"),
        "{error}"
    );
    let file = "public_url = \"https://a\"\n[tls]\ncertificate_file = \"c\"\nkey_file = \"k\"\n";
    assert!(from_file(file, false).unwrap().tls.files.is_some());
}

#[test]
fn a_certificate_comes_from_files_or_is_fetched_or_is_our_own_behind_a_proxy() {
    let file = |more: &str| {
        from_file(
            &format!("public_url = \"https://a.example\"\n{more}"),
            false,
        )
    };
    let fetched = file("[acme]\nterms_agreed = true\ncontact = [\"ada@example.org\"]\n").unwrap();
    let acme = fetched.acme.unwrap();
    assert_eq!(acme.name, "a.example");
    assert_eq!(acme.contact, ["mailto:ada@example.org"]);
    assert_eq!(acme.challenge, Challenge::TlsAlpn);
    assert!(
        acme.directory
            .starts_with("https://acme-v02.api.letsencrypt.org/")
    );
    let behind = file("[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n").unwrap();
    assert_eq!(behind.trusted_proxies.len(), 2);
    assert!(behind.acme.is_none() && behind.tls.files.is_none());

    let files = "[tls]\ncertificate_file = \"c\"\nkey_file = \"k\"\n";
    for (bad, says) in [
        (
            format!("{files}[acme]\nterms_agreed = true\n"),
            "only one of them",
        ),
        (
            format!("{files}[acme]\ncontact = [\"a@b.c\"]\n"),
            "acme.terms_agreed = true",
        ),
        (
            "[acme]\nterms_agreed = true\ncontact = [\"ada\"]\n".to_owned(),
            "no mail address",
        ),
        (
            "[acme]\nterms_agreed = true\nchallenge = \"dns-01\"\n".to_owned(),
            "neither",
        ),
        (
            "[acme]\nterms_agreed = true\ndirectory = \"http://a\"\n".to_owned(),
            "https://",
        ),
        (
            "[acme]\nterms_agreed = true\nchallenge = \"http-01\"\n[listen]\nhttp = \"off\"\n"
                .to_owned(),
            "which is off",
        ),
        (
            "[http]\ntrusted_proxies = [\"proxy\"]\n".to_owned(),
            "no network",
        ),
    ] {
        let error = file(&bad).unwrap_err().to_string();
        assert!(error.contains(says), "{bad}: {error}");
    }
    let address = "public_url = \"https://192.0.2.1\"\n[acme]\nterms_agreed = true\n";
    assert!(
        from_file(address, false)
            .unwrap_err()
            .to_string()
            .contains("are for names")
    );
    assert!(from_file("[acme]\nterms_agreed = true\n", true).is_err());
}

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
fn keys_of_a_relay_alone_are_not_for_a_server_with_meetings() {
    for said in [
        "peers = [\"192.0.2.7\"]",
        "open = true",
        "users = [\"ada:hunter22\"]",
    ] {
        let error = from_file(&format!("[turn]\n{said}\n"), true).unwrap_err();
        assert!(error.to_string().contains("stands alone"), "{error}");
    }
}

#[test]
fn a_relay_alone_says_whom_it_reaches_and_who_may_use_it() {
    let file = |turn: &str| format!("role = \"turn\"\n[turn]\n{turn}\n");
    let good = "peers = [\"192.0.2.7:10000-10063\"]\nusers = [\"ada:hunter22\"]";
    let crate::config::Role::Turn(alone) = from_file(&file(good), true).unwrap().role else {
        panic!("a relay");
    };
    assert!(matches!(alone.reach, Reach::List(_)));
    assert_eq!((alone.ports, alone.users.len()), (49_152..=65_535, 1));
    let open = "open = true\ni_know = true\nsecret_file = \"s\"";
    let crate::config::Role::Turn(alone) = from_file(&file(open), true).unwrap().role else {
        panic!("a relay");
    };
    assert!(matches!(alone.reach, Reach::Open));
    let (path, _) = alone.secret_file.unwrap();
    assert_eq!(path, Path::new("s"), "beside the file that names it");

    let users = "users = [\"ada:hunter22\"]\n";
    let peers = "peers = [\"192.0.2.7\"]\n";
    for (turn, key) in [
        (users.to_owned(), "turn.peers"),
        (peers.to_owned(), "turn.users"),
        (format!("{users}open = true"), "turn.open"),
        (
            format!("{users}{peers}open = true\ni_know = true"),
            "turn.peers",
        ),
        (format!("{users}peers = [\"192.0.2.0/33\"]"), "turn.peers"),
        (format!("{users}peers = [\"192.0.2.7:9-8\"]"), "turn.peers"),
        (format!("{users}peers = [\"127.0.0.1\"]"), "turn.peers"),
        (
            format!("{users}{peers}relay_ports = \"9-8\""),
            "turn.relay_ports",
        ),
        (
            format!("{users}{peers}relay_ips = [\"0.0.0.0=192.0.2.1\"]"),
            "turn.relay_ips",
        ),
        (format!("{users}{peers}enabled = false"), "turn.enabled"),
        (format!("{peers}users = [\"hunter22\"]"), "turn.users"),
        (format!("{users}{peers}mbit_per_s = 0"), "turn.mbit_per_s"),
        (format!("{users}{peers}listen = [\"x\"]"), "turn.listen"),
        (format!("{users}{peers}urls = [\"x\"]"), "turn.urls"),
    ] {
        let error = from_file(&file(&turn), true).unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}`: ")), "{turn}: {error}");
        assert!(!error.contains("hunter22"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let error = from_file("role = \"media\"", true).unwrap_err().to_string();
    assert!(error.contains("`all` and `turn`"), "{error}");
    let error = from_file("[turn]\npeer = []", true)
        .unwrap_err()
        .to_string();
    assert!(error.contains("the nearest is `turn.peers`"), "{error}");
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

#[test]
fn links_of_a_source_are_fewer_than_its_connections_so_that_the_answer_is_seen() {
    let pace = |file: &str| from_file(file, true).unwrap().pace.links_per_source;
    assert_eq!(pace(""), 256);
    assert_eq!(pace("[limits]\nconnections_per_source = 1000\n"), 800);
    assert_eq!(pace("[limits]\nlinks_per_source = 5\n"), 5);
}

#[test]
fn limits_and_hashing_have_ranges() {
    for (section, name, value) in [
        ("limits", "joins_per_source_burst", 0),
        ("limits", "password_failures_per_room_per_min", 0),
        ("passwords", "memory_mib", 8),
        ("passwords", "memory_mib", 4096),
    ] {
        let error = from_file(&format!("[{section}]\n{name} = {value}\n"), true).unwrap_err();
        let expected = format!("file c.toml: `{section}.{name}`: must be ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
    let error = from_file("[meetings]\ncreate = \"all\"\n", true).unwrap_err();
    assert!(
        error.to_string().contains("`all` is not admins or anyone"),
        "{error}"
    );
}

#[test]
fn a_command_needs_no_certificate_and_no_address() {
    let mut layers = Layers::default();
    let file = "data_dir = \"/d\"\n[storage]\nmaster_key_file = \"/k\"\n";
    layers.add_file(Path::new("c.toml"), file).unwrap();
    add_defaults(
        &mut layers,
        Surroundings {
            dev: false,
            cores: 1,
        },
    );
    let local = Local::from_layers(&layers).unwrap();
    assert_eq!(local.storage.data_dir, Path::new("/d"));
    assert_eq!(local.storage.master_key_file, Path::new("/k"));
    assert_eq!(local.public_url, None);
}

/// Returns the members of [`RoomUpdate`](conclave_signalling_wire::room::RoomUpdate), out of what serde says of an unknown one.
fn all_members() -> Vec<String> {
    let unknown = serde_json::json!({"?": 0});
    let error = serde_json::from_value::<conclave_signalling_wire::room::RoomUpdate>(unknown);
    let text = error.unwrap_err().to_string();
    let names = text.split('`').skip(3).step_by(2);
    names.map(str::to_owned).collect()
}

#[test]
fn the_configuration_beside_the_images_is_understood() {
    let config = from_file(include_str!("../../../docker/conclave.toml"), false).unwrap();
    assert_eq!(config.rooms.len(), 1);
}

pub(super) fn from_file(text: &str, dev: bool) -> Result<Config, ConfigError> {
    let mut layers = Layers::default();
    layers.add_file(Path::new("c.toml"), text)?;
    add_defaults(&mut layers, Surroundings { dev, cores: 4 });
    Config::from_layers(&layers, dev)
}

fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (OsString, OsString)> {
    pairs
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn a_reload_takes_what_the_table_of_keys_calls_live_and_nothing_else() {
    let live = r#"
        [admin]
        api_cidrs = ["192.0.2.0/24"]
        requests_per_minute = 60
        [http]
        trusted_proxies = ["198.51.100.1"]
        [drain]
        deadline_s = 7
        [log]
        filter = "warn"
        [meetings]
        create = "anyone"
        [limits]
        connections = 1000
        connections_per_source = 101
        half_open_per_source = 12
        relayed_per_source = 103
        links_per_source = 14
        joins_per_source_per_s = 5
        joins_per_source_burst = 16
        rooms_per_source_per_hour = 17
        password_failures_per_source_per_min = 18
        password_failures_per_source_and_room_per_min = 9
        password_failures_per_room_per_min = 110
        [[rooms]]
        slug = "council"
        [[embedders]]
        issuer = "school"
        kid = "school-1"
        public_key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
        role = "attendee"
        rooms = ["*"]
    "#;
    let fixed = r#"
        data_dir = "elsewhere"
        admin.listen = "off"
        listen.http = "off"
        tls.tls13_only = true
        http.hsts_preload = true
        media.port_base = 2000
        turn.mbit_per_s = 1
        passwords.memory_mib = 64
        log.format = "json"
    "#;
    let load = |text: &str| {
        let mut layers = Layers::default();
        layers.add_file(Path::new("c.toml"), text).unwrap();
        add_defaults(&mut layers, DEV);
        let config = Config::from_layers(&layers, true).unwrap();
        (config, layers)
    };
    let (base, defaults) = load("");
    let (all_live, layers) = load(live);
    let said: Vec<_> = layers.changed_from(&defaults).map(|key| key.path).collect();
    let known = KEYS.iter().filter(|key| key.is_live);
    assert_eq!(said, known.map(|key| key.path).collect::<Vec<_>>());
    let text = |config: &Config| format!("{config:?}");
    assert_eq!(text(&base.with_live_of(&all_live)), text(&all_live));
    let (all_fixed, layers) = load(fixed);
    assert!(layers.changed_from(&defaults).all(|key| !key.is_live));
    assert_eq!(text(&base.with_live_of(&all_fixed)), text(&base));
}

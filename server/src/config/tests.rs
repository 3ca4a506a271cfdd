mod relay;
mod rooms;

use std::ffi::{OsStr, OsString};
use std::num::NonZeroU8;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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
            shards: NonZeroU8::new(4).unwrap(),
            spill_above_percent: 70,
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
            "acme.profile",
            "acme.eab_key_id",
            "acme.eab_key_file",
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
    let file = "public_url = \"http://a\"\n[tls]\nkey_file = \"k\"\n[media]\nips = [\"0.0.0.0\"]\nshards = 0\nspill_above_percent = 101\n";
    let error = from_file(file, false).unwrap_err().to_string();
    let fields = [
        "public_url",
        "tls.key_file",
        "media.ips",
        "media.shards",
        "media.spill_above_percent",
    ];
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
        (
            "[listen]\nproxy_protocol = [\"10.0.0.1\", \"10.0.0.1:443\"]\n".to_owned(),
            "`listen.proxy_protocol`: `10.0.0.1:443` is no address",
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

#[test]
fn the_configuration_beside_the_images_is_understood() {
    let config = from_file(include_str!("../../../docker/conclave.toml"), false).unwrap();
    assert_eq!(config.rooms.len(), 1);
}

#[test]
fn a_reload_takes_what_the_table_of_keys_calls_live_and_nothing_else() {
    let live = r#"
        [admin]
        api_cidrs = ["192.0.2.0/24"]
        requests_per_minute = 60
        [listen]
        proxy_protocol = ["198.51.100.2"]
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

use std::ffi::{OsStr, OsString};
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
    assert_eq!(config.data_dir, Path::new("/file"));
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
fn every_key_but_the_three_that_need_somebody_has_a_default() {
    let mut layers = Layers::default();
    add_defaults(&mut layers, DEV);
    let unset: Vec<_> = KEYS
        .iter()
        .map(|key| key.path)
        .filter(|path| layers.get(path).is_none())
        .collect();
    assert_eq!(
        unset,
        ["public_url", "tls.certificate_file", "tls.key_file"]
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
fn the_configuration_beside_the_images_is_understood() {
    let config = from_file(include_str!("../../../docker/conclave.toml"), false).unwrap();
    assert_eq!(config.rooms.len(), 1);
}

fn from_file(text: &str, dev: bool) -> Result<Config, ConfigError> {
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

use std::path::Path;

use super::*;
use crate::config::{Config, Surroundings};

const AGREED: &str = "public_url = \"https://a.example\"\n[acme]\nterms_agreed = true\n";

fn read(more: &str) -> Result<Acme, String> {
    let mut layers = Layers::default();
    layers
        .add_file(
            Path::new("/etc/conclave/c.toml"),
            &format!("{AGREED}{more}"),
        )
        .map_err(|error| error.to_string())?;
    let surroundings = Surroundings {
        dev: false,
        cores: 4,
    };
    crate::config::add_defaults(&mut layers, surroundings);
    let config = Config::from_layers(&layers, false).map_err(|error| error.to_string())?;
    Ok(config.acme.expect("the terms are agreed to"))
}

#[test]
fn an_account_elsewhere_is_a_name_and_a_file_beside_the_configuration() {
    let binding = read("eab_key_id = \"kid-1\"\neab_key_file = \"eab.key\"\n")
        .unwrap()
        .binding
        .unwrap();
    assert_eq!(binding.key_id, "kid-1");
    assert_eq!(binding.key_file, Path::new("/etc/conclave/eab.key"));
    assert_eq!(read("").unwrap().binding, None);
}

#[test]
fn half_of_a_binding_names_the_other_half() {
    for (more, says) in [
        ("eab_key_id = \"kid-1\"\n", "`acme.eab_key_file`"),
        ("eab_key_file = \"eab.key\"\n", "`acme.eab_key_id`"),
        (
            "eab_key_id = \"kid 1\"\neab_key_file = \"eab.key\"\n",
            "name of a key",
        ),
        (
            "eab_key_id = \"\"\neab_key_file = \"eab.key\"\n",
            "name of a key",
        ),
    ] {
        let error = read(more).unwrap_err();
        assert!(error.contains(says), "{more}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_profile_is_a_name_or_left_to_the_directory() {
    let profile = |more: &str| read(more).map(|acme| acme.profile);
    assert_eq!(profile(""), Ok(None));
    assert_eq!(
        profile("profile = \"shortlived\"\n"),
        Ok(Some("shortlived".to_owned()))
    );
    for bad in ["", "a b", "a\\n"] {
        let error = profile(&format!("profile = \"{bad}\"\n")).unwrap_err();
        assert!(error.contains("`acme.profile`: is no name"), "{error}");
    }
}

//! The key of an account elsewhere that ours is bound to (RFC 8555, section 7.3.4).

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use instant_acme::ExternalAccountKey;
use zeroize::Zeroizing;

use crate::config::{Binding, ConfigError, Problem};
use crate::secret_file;

/// The alphabet is that of the RFC; some who give keys out pad them.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The shortest key of HMAC-SHA256 that is taken for one: what is shorter was cut off.
const KEY_BYTES_MIN: usize = 16;

/// Reads the key of a binding.
///
/// # Errors
/// When its file cannot be read, everybody may read it, or it holds no key.
/// Nothing of what it holds is in the text.
pub(super) fn key(binding: &Binding) -> Result<ExternalAccountKey, ConfigError> {
    let bytes = secret_file::read(&binding.key_file).and_then(|text| decoded(&text));
    let bytes = bytes.map_err(|why| {
        let file = binding.key_file.display();
        Problem::new(
            &binding.key_origin,
            format!("`acme.eab_key_file`: {file}: {why}"),
        )
    })?;
    Ok(ExternalAccountKey::new(binding.key_id.clone(), &bytes))
}

/// Reads base64url, and the plain alphabet as well, with or without padding.
fn decoded(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let urlsafe = |char| match char {
        '+' => '-',
        '/' => '_',
        other => other,
    };
    let text: Zeroizing<String> = Zeroizing::new(text.trim().chars().map(urlsafe).collect());
    match BASE64URL.decode(text.as_bytes()).map(Zeroizing::new) {
        Ok(bytes) if bytes.len() >= KEY_BYTES_MIN => Ok(bytes),
        Ok(_) => Err(format!(
            "the key is shorter than {KEY_BYTES_MIN} bytes: some of it is missing"
        )),
        Err(_) => Err("it is not one line of base64url, as keys are given out".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::config::Origin;

    const KEY: &str = "AAECAwQFBgcICQoLDA0OD_-_";

    fn written(test: &str, text: &str, mode: u32) -> Binding {
        let name = format!("conclave-eab-{test}-{}", std::process::id());
        let path: PathBuf = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Binding {
            key_id: "kid".to_owned(),
            key_file: path,
            key_origin: Origin::Default,
        }
    }

    #[test]
    fn a_key_is_read_as_different_signers_write_it() {
        let bytes = decoded(KEY).unwrap();
        assert_eq!(bytes.len(), 18);
        assert_eq!(&bytes[15..], [0x0f, 0xff, 0xbf]);
        for same in ["AAECAwQFBgcICQoLDA0OD/+/", "\n AAECAwQFBgcICQoLDA0OD_-_\n"] {
            assert_eq!(decoded(same).unwrap(), bytes);
        }
        let [padded, bare] = ["AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0ODw"];
        assert_eq!(decoded(padded).unwrap(), decoded(bare).unwrap());
    }

    #[test]
    fn a_file_without_a_good_key_is_named_and_nothing_of_it_is_said() {
        for (test, text, mode, says) in [
            ("open", KEY, 0o644, "everybody"),
            ("short", "AAECAwQF", 0o600, "shorter"),
            ("empty", "", 0o600, "shorter"),
            ("lines", &format!("{KEY}\n{KEY}\n"), 0o600, "base64url"),
            ("other", "hunter2 hunter2 hunter2", 0o600, "base64url"),
        ] {
            let binding = written(test, text, mode);
            let error = key(&binding).map(|_| ()).unwrap_err().to_string();
            assert!(
                error.contains("`acme.eab_key_file`") && error.contains(says),
                "{error}"
            );
            assert!(
                !error.contains("hunter") && !error.contains("AAEC"),
                "{error}"
            );
            fs::remove_file(binding.key_file).unwrap();
        }
        let binding = written("good", KEY, 0o640);
        assert!(key(&binding).is_ok(), "a group may read it");
        fs::remove_file(&binding.key_file).unwrap();
        assert!(key(&binding).is_err(), "it is gone");
    }
}

//! Files with what may use a relay that stands alone.

use std::path::Path;

use conclave_turn_core::auth::{RestSecrets, StaticUser};

use crate::config::{ConfigError, Origin, Problem};
use crate::secret_file::read;

/// Reads a file with one `name:password` a line; blank lines and those that begin with `#` say nothing.
///
/// # Errors
/// When it cannot be read, everybody may read it, or a line is none.
pub(super) fn users(path: &Path, origin: &Origin) -> Result<Vec<StaticUser>, ConfigError> {
    let complain = |text: String| problem("turn.users_file", path, origin, &text);
    let text = read(path).map_err(complain)?;
    let mut users = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let user = line.parse();
        // The line itself may be a password.
        users.push(user.map_err(|error| complain(format!("line {}: {error}", index + 1)))?);
    }
    if users.is_empty() {
        return Err(complain("there is no user in it".to_owned()));
    }
    Ok(users)
}

/// Reads a file with the secret in use and, in a second line, the one before.
///
/// # Errors
/// When it cannot be read, everybody may read it, or it has no good secret.
pub(super) fn rest(path: &Path, origin: &Origin) -> Result<RestSecrets, ConfigError> {
    let complain = |text: String| problem("turn.secret_file", path, origin, &text);
    let text = read(path).map_err(complain)?;
    RestSecrets::parse(&text).map_err(|error| complain(error.to_string()))
}

fn problem(key: &str, path: &Path, origin: &Origin, text: &str) -> ConfigError {
    Problem::new(origin, format!("`{key}`: {}: {text}", path.display())).into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    use std::path::PathBuf;

    use super::*;

    fn written(name: &str, text: &str, mode: u32) -> PathBuf {
        let path = std::env::temp_dir().join(format!("conclave-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }

    #[test]
    fn a_file_of_users_is_for_its_owner_and_names_the_line_that_is_wrong() {
        let path = written("users", "# them\n\nada:hunter22\nbob:a:b\n", 0o600);
        assert_eq!(users(&path, &Origin::Default).unwrap().len(), 2);
        let path = written("users-bad", "ada:x\nnobody-hunter2\n", 0o600);
        let error = users(&path, &Origin::Default).unwrap_err().to_string();
        assert!(
            error.contains("line 2") && !error.contains("hunter2"),
            "{error}"
        );
        let path = written("users-none", "# nobody\n", 0o600);
        assert!(users(&path, &Origin::Default).is_err());
    }

    #[test]
    fn a_secret_has_some_length_and_is_not_for_everybody() {
        for (text, is_good) in [
            ("an-old-and-long-secret\nanother-long-secret\n", true),
            ("", false),
            ("\n# none\n", false),
            ("short\n", false),
        ] {
            let path = written("secret", text, 0o600);
            assert_eq!(rest(&path, &Origin::Default).is_ok(), is_good, "{text:?}");
        }
        let path = written("secret-open", "an-old-and-long-secret\n", 0o644);
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let error = rest(&path, &Origin::Default).unwrap_err().to_string();
        assert!(error.contains("everybody"), "{error}");
    }
}

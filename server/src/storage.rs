//! The store as the configuration names it, and what the server keeps beside it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use conclave_signalling_store::{MasterKey, Store, StoreError, private_folder};
use conclave_signalling_wire::limits::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};
use conclave_signalling_wire::room::{Patch, RoomUpdate};
use conclave_signalling_wire::secret::{InviteSecret, SecretText};
use conclave_signalling_wire::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::{ConfigError, Problem, Room, Storage, beside};
use crate::run::Error;
use crate::secret_file;

/// The secret of the host link of `--dev`, so that a link that somebody keeps opens the next start too.
const DEV_HOST_SECRET: &str = "dev-host-secret";

/// Bytes of a database that its operator hears of: some three million audit
/// records of 300 bytes, which are all read to verify them.
const LARGE_BYTES: u64 = 1 << 30;

/// Returns where the database of a data folder is.
pub(crate) fn database_in(data_dir: &Path) -> PathBuf {
    data_dir.join("conclave.db")
}

/// Makes the data folder, unless it is there and nobody else changes what is in it.
///
/// # Errors
/// When it cannot be used, with words on what to do.
pub(crate) fn folder(storage: &Storage) -> anyhow::Result<()> {
    private_folder(&storage.data_dir).context("the data folder")
}

/// Returns the time of the wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Timestamp::from_unix_ms(u64::try_from(ms).unwrap_or(u64::MAX))
}

/// Opens the store, which nobody else does until it is closed.
///
/// # Errors
/// When the key or the database cannot be used, with words on what to do.
pub(crate) async fn open(storage: &Storage) -> Result<Store, Error> {
    let Storage {
        data_dir,
        master_key_file,
        master_key_origin,
    } = storage;
    folder(storage)?;
    // What another key sealed does not open again: a lost key is not made anew.
    let key = if database_in(data_dir).exists() {
        MasterKey::load(master_key_file)
    } else {
        MasterKey::load_or_create(master_key_file)
    };
    let key = key.map_err(|error| {
        let text = format!("`storage.master_key_file`: {error}");
        ConfigError::from(Problem::new(master_key_origin, text))
    })?;
    Store::open(data_dir, key).await.map_err(|error| {
        let hint = match &error {
            StoreError::WrongKey => format!(
                "; is `storage.master_key_file` ({}) the file that {} was begun with?",
                master_key_file.display(),
                data_dir.display()
            ),
            _ => String::new(),
        };
        Error::Failure(anyhow::anyhow!("{error}{hint}"))
    })
}

/// Says how large the database is if somebody should know: the audit log in it
/// grows for ever.
pub(crate) fn warn_of_size(storage: &Storage) {
    let file = fs::metadata(database_in(&storage.data_dir));
    let bytes = file.map_or(0, |file| file.len());
    if bytes > LARGE_BYTES {
        tracing::warn!(
            bytes,
            "the database is large, most of it the audit log; docs/moderation.md says how to begin a new one"
        );
    }
}

/// Returns the settings of a configured room with the password out of its file.
///
/// # Errors
/// When the file cannot be read, others may read it, or it holds no password.
pub(crate) fn with_password(room: &Room) -> Result<RoomUpdate, ConfigError> {
    let mut update = room.update.clone();
    if let Some(file) = &room.password_file {
        let path = beside(&room.origin, file);
        let password = read_password(&path).map_err(|error| {
            let slug = &room.slug;
            let path = path.display();
            let text = format!("`rooms`: `password_file` of `{slug}`: {path}: {error}");
            Problem::new(&room.origin, text)
        })?;
        update.password = Patch::Set(password);
    }
    Ok(update)
}

fn read_password(path: &Path) -> Result<SecretText, String> {
    let text = secret_file::read(path)?;
    // Editors end the last line.
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.contains(['\n', '\r']) {
        return Err("it has several lines; a password is one".to_owned());
    }
    let chars = password.chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return Err(format!(
            "a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters, this has {chars}"
        ));
    }
    Ok(SecretText::new(password))
}

/// Returns what tells whether the configuration of a room has changed since it
/// was applied. It covers the password and is kept in the database, so it is
/// keyed: nobody tries passwords on it without the master key.
///
/// # Errors
/// When the key cannot be read, which [`open`] has just done.
pub(crate) fn digest(
    storage: &Storage,
    room: &Room,
    update: &RoomUpdate,
) -> anyhow::Result<String> {
    let key = fs::read(&storage.master_key_file).context("cannot read the master key")?;
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key)
        .map_err(|_| anyhow::anyhow!("the master key has no length that can be"))?;
    mac.update(b"conclave configured room 1\0");
    let written = serde_json::to_vec(&(room.preset, update)).context("cannot write a room")?;
    mac.update(&written);
    let digest = mac.finalize().into_bytes();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the secret of the host link of `--dev`, made once for a data folder.
///
/// # Errors
/// When it can be neither read nor written.
pub(crate) fn dev_host_secret(data_dir: &Path) -> anyhow::Result<InviteSecret> {
    let path = data_dir.join(DEV_HOST_SECRET);
    match fs::read_to_string(&path) {
        Ok(text) => {
            if let Ok(secret) = InviteSecret::parse(text.trim_end()) {
                return Ok(secret);
            }
            tracing::warn!("the secret of the host link is damaged; a new one is made");
            fs::remove_file(&path).with_context(|| format!("cannot replace {}", path.display()))?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let secret = InviteSecret::new(rand::random());
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(secret.reveal().as_bytes())?;
        file.write_all(b"\n")
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use conclave_signalling_wire::room::Preset;
    use conclave_signalling_wire::text::Slug;

    use super::*;
    use crate::config::Origin;

    #[tokio::test]
    async fn a_lost_master_key_is_not_made_anew() {
        let data_dir = folder("lost-key");
        let storage = Storage {
            master_key_file: data_dir.join("master.key"),
            master_key_origin: Origin::Environment("CONCLAVE_KEY".to_owned()),
            data_dir: data_dir.clone(),
        };
        open(&storage).await.unwrap().close().await.unwrap();
        fs::remove_file(&storage.master_key_file).unwrap();
        let Err(Error::Config(refused)) = open(&storage).await else {
            panic!("it was opened");
        };
        let text = refused.to_string();
        assert!(text.contains("is not there"), "{text}");
        assert!(text.contains("CONCLAVE_KEY"), "{text}");
        assert!(!storage.master_key_file.exists());
        fs::remove_dir_all(data_dir).unwrap();
    }

    fn folder(test: &str) -> PathBuf {
        let name = format!("conclave-storage-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        private_folder(&folder).unwrap();
        folder
    }

    #[test]
    fn a_password_is_the_only_line_of_a_file_that_not_everybody_opens() {
        let folder = folder("password");
        let file = folder.join("password");
        let read = |text: &str, mode: u32| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            read_password(&file).map(|password| password.reveal().to_owned())
        };
        assert_eq!(read("pass word\n", 0o600), Ok("pass word".to_owned()));
        assert_eq!(read("pass word\r\n", 0o640), Ok("pass word".to_owned()));
        assert_eq!(read(" password", 0o400), Ok(" password".to_owned()));
        assert!(read("password", 0o644).unwrap_err().contains("mode 0644"));
        for (text, chars) in [("1234567\n", 7), ("", 0), (&"x".repeat(129), 129)] {
            let refused = read(text, 0o600).unwrap_err();
            assert!(refused.ends_with(&format!("this has {chars}")), "{refused}");
        }
        for text in ["pass word\n\n", "password\n# of the team\n", "pass\rword"] {
            assert!(read(text, 0o600).unwrap_err().contains("several lines"));
        }
        fs::remove_file(&file).unwrap();
        assert!(read_password(&file).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_digest_changes_with_settings_password_and_key() {
        let folder = folder("digest");
        let storage = Storage {
            data_dir: folder.clone(),
            master_key_file: folder.join("key"),
            master_key_origin: Origin::Default,
        };
        fs::write(&storage.master_key_file, [1; 32]).unwrap();
        let room = Room {
            slug: Slug::new("team").unwrap(),
            preset: Preset::Meeting,
            update: RoomUpdate::default(),
            password_file: None,
            origin: Origin::Default,
        };
        let of = |update: &RoomUpdate| digest(&storage, &room, update).unwrap();
        let plain = of(&RoomUpdate::default());
        assert_eq!(of(&RoomUpdate::default()), plain);
        let with_password = of(&RoomUpdate {
            password: Patch::Set(SecretText::new("password")),
            ..RoomUpdate::default()
        });
        let locked = of(&RoomUpdate {
            locked: Some(true),
            ..RoomUpdate::default()
        });
        fs::write(&storage.master_key_file, [2; 32]).unwrap();
        let other_key = of(&RoomUpdate::default());
        let all = [plain, with_password, locked, other_key];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one));
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_host_secret_is_made_once_and_anew_if_it_is_damaged() {
        let folder = folder("host");
        let first = dev_host_secret(&folder).unwrap();
        assert_eq!(dev_host_secret(&folder).unwrap(), first);
        let file = folder.join(DEV_HOST_SECRET);
        fs::write(&file, "short").unwrap();
        let second = dev_host_secret(&folder).unwrap();
        assert_ne!(second, first);
        assert_eq!(dev_host_secret(&folder).unwrap(), second);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }
}

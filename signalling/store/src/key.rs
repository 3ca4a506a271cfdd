//! Secrets in files: the master key and the seed of the audit key.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::fill;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::folder;

/// Bytes of every key here.
pub(crate) const KEY_BYTES: usize = 32;

/// The key under which fields are sealed. Overwritten when dropped, and never shown.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl MasterKey {
    /// Takes a key.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        MasterKey(Zeroizing::new(bytes))
    }

    /// Reads a key of 32 bytes from a file, or makes the file with a new random
    /// key and mode 0600. Blocks on the disk; the new file is there whole, and
    /// on the disk, or not at all.
    ///
    /// # Errors
    /// [`KeyFileError`], if the file can be read by others than its owner, is
    /// another user's, has another length, or cannot be read or made.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        load_or_create(path).map(MasterKey)
    }

    /// Reads a key that must be there: another one would open nothing that it sealed.
    ///
    /// # Errors
    /// [`KeyFileError`], above all [`KeyFileError::Missing`].
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        load(path).map(MasterKey).map_err(|error| match error {
            Loading::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = path.to_owned();
                KeyFileError::Missing { path }
            }
            Loading::Io(error) => broken(path, &error),
            Loading::Refused(error) => error,
        })
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// Why a key file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// Others than its owner may read it.
    #[error("{0} has mode {mode:04o}, so that others can read the key in it: chmod 600 {0}", .path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another user could change it.
    #[error("{} belongs to the user with the number {owner}, who could change the key in it", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It is not there.
    #[error("the key file {} is not there, and another key does not open what it sealed: restore it", .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It does not hold 32 bytes.
    #[error("{} is no key: it does not have exactly 32 bytes", .path.display())]
    Length {
        /// The file.
        path: PathBuf,
    },
    /// It can be neither read nor made.
    #[error("the key file {} cannot be used: {why}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

/// See [`MasterKey::load_or_create`].
pub(crate) fn load_or_create(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyFileError> {
    match load(path) {
        Err(Loading::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
        Err(Loading::Io(error)) => return Err(broken(path, &error)),
        Err(Loading::Refused(error)) => return Err(error),
        Ok(key) => return Ok(key),
    }
    match create(path) {
        // Another process was faster: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(broken(path, &error)),
        Ok(()) => {}
    }
    load(path).map_err(|error| match error {
        Loading::Io(error) => broken(path, &error),
        Loading::Refused(error) => error,
    })
}

fn broken(path: &Path, error: &io::Error) -> KeyFileError {
    KeyFileError::Io {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// Returns what is wrong with whose a key file is and who may open it.
fn judge(path: &Path, owner: u32, mode: u32, own: u32) -> Result<(), KeyFileError> {
    let path = path.to_owned();
    if !folder::is_trusted(owner, own) {
        return Err(KeyFileError::Foreign { path, owner });
    }
    if mode & 0o077 != 0 {
        return Err(KeyFileError::OpenToOthers { path, mode });
    }
    Ok(())
}

enum Loading {
    Io(io::Error),
    Refused(KeyFileError),
}

impl From<io::Error> for Loading {
    fn from(error: io::Error) -> Self {
        Loading::Io(error)
    }
}

fn load(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, Loading> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o7777;
    judge(path, metadata.uid(), mode, folder::own_user()).map_err(Loading::Refused)?;
    let length = |path: &Path| {
        Loading::Refused(KeyFileError::Length {
            path: path.to_owned(),
        })
    };
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    match file.read_exact(key.as_mut_slice()) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(length(path)),
        other => other?,
    }
    if file.read(&mut [0])? != 0 {
        return Err(length(path));
    }
    Ok(key)
}

/// Makes a key file under another name, then links it to its own: a link never
/// replaces a file, and a crash leaves no half of one.
fn create(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut random = [0; 8];
    fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
    let beside = folder.join(format!(".key-{:016x}.new", u64::from_be_bytes(random)));
    let made = write_key(&beside)
        .and_then(|()| std::fs::hard_link(&beside, path))
        .and_then(|()| File::open(folder)?.sync_all());
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => made.and(Err(error)),
        _ => made,
    }
}

fn write_key(path: &Path) -> io::Result<()> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    fill(key.as_mut_slice()).map_err(|_| io::Error::other("no random numbers"))?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(key.as_slice())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::tests::Folder;

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let folder = Folder::new();
        let path = folder.path().join("master.key");
        let first = MasterKey::load_or_create(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let second = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(first.bytes(), second.bytes());
        assert_eq!(std::fs::read(&path).unwrap(), first.bytes());
        let other = MasterKey::load_or_create(&folder.path().join("other.key")).unwrap();
        assert_ne!(first.bytes(), other.bytes());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn all_who_make_a_key_at_once_have_the_same_one() {
        let folder = Folder::new();
        let path = folder.path().join("master.key");
        let keys: Vec<MasterKey> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| MasterKey::load_or_create(&path).unwrap()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| key.bytes() == keys[0].bytes()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = Folder::new();
        let path = folder.path().join("master.key");
        MasterKey::load_or_create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = MasterKey::load_or_create(&path).unwrap_err();
        assert_eq!(refused, KeyFileError::OpenToOthers { path, mode: 0o640 });
        assert!(refused.to_string().contains("chmod 600"));
    }

    #[test]
    fn a_key_of_another_user_is_refused() {
        let path = Path::new("master.key");
        assert_eq!(judge(path, 1000, 0o600, 1000), Ok(()));
        assert_eq!(judge(path, 0, 0o400, 1000), Ok(()));
        for (owner, own) in [(1001, 1000), (1000, 0)] {
            let refused = judge(path, owner, 0o600, own);
            let path = path.to_owned();
            assert_eq!(refused, Err(KeyFileError::Foreign { path, owner }));
        }
    }

    #[test]
    fn a_key_that_must_be_there_is_not_made() {
        let folder = Folder::new();
        let path = folder.path().join("master.key");
        let missing = MasterKey::load(&path).unwrap_err();
        assert_eq!(missing, KeyFileError::Missing { path: path.clone() });
        assert!(!path.exists());
        let made = MasterKey::load_or_create(&path).unwrap();
        assert_eq!(MasterKey::load(&path).unwrap().bytes(), made.bytes());
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_left_alone() {
        let folder = Folder::new();
        let path = folder.path().join("master.key");
        for bytes in [0, 31, 33] {
            std::fs::write(&path, vec![7; bytes]).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            let refused = MasterKey::load_or_create(&path).unwrap_err();
            assert_eq!(refused, KeyFileError::Length { path: path.clone() });
            assert_eq!(std::fs::read(&path).unwrap(), vec![7; bytes]);
        }
    }

    #[test]
    fn a_key_in_a_folder_that_is_not_there_is_an_error() {
        let folder = Folder::new();
        let path = folder.path().join("absent/master.key");
        let refused = MasterKey::load_or_create(&path).unwrap_err();
        assert!(matches!(refused, KeyFileError::Io { .. }));
    }

    #[test]
    fn a_key_does_not_show() {
        let shown = format!("{:?}", MasterKey::new([7; 32]));
        assert_eq!(shown, "MasterKey(redacted)");
    }
}

//! The data folder: nobody but its owner changes what is in it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a folder cannot hold what the server keeps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FolderError {
    /// Another user could put other files into it.
    #[error(
        "the folder {} belongs to the user with the number {owner}, this runs as {own}: run it as that user, or chown the folder",
        .path.display()
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// As whom this process runs.
        own: u32,
    },
    /// Others than its owner may put files into it.
    #[error(
        "the folder {0} has mode {mode:04o}, so that others can put files into it: chmod 700 {0}",
        .path.display()
    )]
    OpenToOthers {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It can be neither looked at nor made.
    #[error("the folder {} cannot be used: {why}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
}

/// Makes a folder with mode 0700, unless it is there; then it has to be one
/// that nobody but this user and root can change.
///
/// # Errors
/// [`FolderError`]. A folder that is refused is left as it is.
pub fn private_folder(path: &Path) -> Result<(), FolderError> {
    let unusable = |error: io::Error| FolderError::Io {
        path: path.to_owned(),
        why: error.to_string(),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(unusable)?;
    let metadata = path.metadata().map_err(unusable)?;
    judge(path, metadata.uid(), metadata.mode() & 0o7777, own_user())
}

fn judge(path: &Path, owner: u32, mode: u32, own: u32) -> Result<(), FolderError> {
    let path = path.to_owned();
    if !is_trusted(owner, own) {
        return Err(FolderError::Foreign { path, owner, own });
    }
    if mode & 0o022 != 0 {
        return Err(FolderError::OpenToOthers { path, mode });
    }
    Ok(())
}

/// Returns whether a file of `owner` is as good as one of our own: root can change those too.
pub(crate) fn is_trusted(owner: u32, own: u32) -> bool {
    owner == own || owner == 0
}

/// Returns as whom this process runs.
pub(crate) fn own_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::tests::Folder;

    #[test]
    fn only_a_folder_that_nobody_else_changes_is_taken() {
        let path = Path::new("data");
        for (owner, mode, own) in [
            (1000, 0o700, 1000),
            (1000, 0o755, 1000),
            (0, 0o755, 1000),
            (0, 0o700, 0),
        ] {
            assert_eq!(judge(path, owner, mode, own), Ok(()));
        }
        for (owner, own) in [(1001, 1000), (1000, 0)] {
            let refused = judge(path, owner, 0o700, own).unwrap_err();
            assert!(matches!(refused, FolderError::Foreign { .. }), "{refused}");
        }
        for mode in [0o770, 0o707, 0o1777] {
            let refused = judge(path, 1000, mode, 1000).unwrap_err();
            assert!(refused.to_string().contains("chmod 700 data"), "{refused}");
        }
    }

    #[test]
    fn a_folder_is_made_for_its_owner_and_refused_once_others_write_to_it() {
        let folder = Folder::new();
        let path = folder.path().join("deep/data");
        private_folder(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o700);
        private_folder(&path).unwrap();
        set_permissions(&path, Permissions::from_mode(0o730)).unwrap();
        let refused = private_folder(&path).unwrap_err();
        assert_eq!(refused, FolderError::OpenToOthers { path, mode: 0o730 });
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let refused = private_folder(&file).unwrap_err();
        assert!(matches!(refused, FolderError::Io { .. }), "{refused}");
    }
}

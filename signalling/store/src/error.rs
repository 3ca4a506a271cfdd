//! Why the store could not do something.

use std::path::PathBuf;

use thiserror::Error;

use crate::folder::FolderError;
use crate::key::KeyFileError;

/// Why the store could not do something. None of them holds a value that was stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Another process has the data folder open.
    #[error("{} is in use by another process: a running server, or a command beside it", .path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The file is no database of ours. It was not touched.
    #[error("{} is not a database of this program, or it is damaged: it was left as it is", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a newer version. It was not touched.
    #[error("{} was written by a newer version of this program: use that one, or restore a backup", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
    /// The fields were sealed with another master key.
    #[error(
        "the master key is not the one that the database was sealed with: restore the old key file"
    )]
    WrongKey,
    /// The audit log was signed with another key.
    #[error(
        "the audit key is not the one that the audit log was signed with: restore the old audit.key"
    )]
    WrongAuditKey,
    /// A key file cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Another room has this slug.
    #[error("another room has this name")]
    SlugTaken,
    /// There is no such room.
    #[error("no such room")]
    UnknownRoom,
    /// Another invite of this room has this secret, or something else has this identifier.
    #[error("already there")]
    AlreadyThere,
    /// There is nothing of this identifier.
    #[error("not there")]
    NotFound,
    /// Somebody else changed it meanwhile.
    #[error("changed meanwhile")]
    Conflict,
    /// There is no space left; nothing was changed.
    #[error("no space is left for the database")]
    Full,
    /// A stored value cannot be read: what it is.
    #[error("a stored value cannot be read: {0}")]
    Damaged(String),
    /// The database did not do it; a later try may succeed. If it failed while
    /// the change was being written out, the change may be there after a restart.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// SQLite result codes that mean something to us (the primary ones, 8 bits).
mod code {
    pub(super) const FULL: u32 = 13;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const NOT_A_DATABASE: u32 = 26;
}

/// Returns the primary result code of SQLite, if it was SQLite that refused.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Returns whether the file is no database at all.
pub(crate) fn is_not_a_database(error: &sqlx::Error) -> bool {
    matches!(
        primary_code(error),
        Some(code::NOT_A_DATABASE | code::CORRUPT)
    )
}

impl From<sqlx::Error> for StoreError {
    /// SQLite names tables and columns in its messages, never values.
    fn from(error: sqlx::Error) -> Self {
        match (primary_code(&error), &error) {
            (Some(code::FULL), _) => StoreError::Full,
            (Some(code::CORRUPT | code::NOT_A_DATABASE), _) => {
                StoreError::Damaged("the database file".to_owned())
            }
            (_, sqlx::Error::PoolClosed) => StoreError::Closed,
            (_, sqlx::Error::ColumnDecode { index, .. }) => {
                StoreError::Damaged(format!("column {index}"))
            }
            (_, sqlx::Error::Database(refusal)) if refusal.is_unique_violation() => {
                StoreError::AlreadyThere
            }
            (_, sqlx::Error::Database(refusal)) if refusal.is_foreign_key_violation() => {
                StoreError::UnknownRoom
            }
            (_, sqlx::Error::Database(refusal)) => {
                StoreError::Unavailable(refusal.message().to_owned())
            }
            (_, other) => StoreError::Unavailable(other.to_string()),
        }
    }
}

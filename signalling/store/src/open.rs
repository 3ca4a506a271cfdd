//! From a folder to a running store.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use aws_lc_rs::rand::fill;
use sqlx::SqliteConnection;
use tokio::sync::watch;

use crate::audit::checkpoint::Signer;
use crate::error::StoreError;
use crate::folder::private_folder;
use crate::key::{self, MasterKey};
use crate::seal::Sealer;
use crate::sessions::KEPT;
use crate::sql::outbox::Bounds;
use crate::sql::{Portion, audit, connect};
use crate::store::Store;
use crate::writer::{Counters, Open, Tools};

/// The database in the data folder.
pub(crate) const DATABASE: &str = "conclave.db";
/// Held locked as long as a process has the folder open.
const LOCK: &str = "conclave.lock";
/// The seed of the key that signs the audit log.
const AUDIT_KEY: &str = "audit.key";

/// How the writer works; other than by default only in tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuning {
    /// For how long a group takes in what comes while it is being made.
    pub(crate) gather: Duration,
    /// Records after which the log is signed.
    pub(crate) sign_after_records: u64,
    /// Time after which it is signed if something was added.
    pub(crate) sign_after: Duration,
    /// Whether a commit waits for the disk.
    pub(crate) durable: bool,
    /// How long a connection waits for another program that has the file locked.
    pub(crate) busy_timeout: Duration,
    /// Deliveries that may wait.
    pub(crate) bounds: Bounds,
    /// What one transaction deletes of what is over.
    pub(crate) portion: Portion,
    /// Pages of 4 KiB that the file may have.
    pub(crate) pages_max: Option<u32>,
}

impl Default for Tuning {
    fn default() -> Self {
        Tuning {
            gather: Duration::from_millis(5),
            sign_after_records: 1000,
            sign_after: Duration::from_secs(600),
            durable: true,
            busy_timeout: Duration::from_secs(5),
            bounds: Bounds {
                each: 10_000,
                all: 100_000,
            },
            portion: Portion {
                rows: 1000,
                events: 1_000_000,
            },
            pages_max: None,
        }
    }
}

/// What is held until the writer has ended.
pub(crate) struct Held {
    _lock: File,
    _folder: Option<TemporaryFolder>,
}

impl Store {
    /// Opens the database in a data folder, or makes folder (mode 0700) and
    /// database (0600), beside it `audit.key` (0600). Brings older databases to
    /// the present form. Needs a Tokio runtime, on which its writer runs.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NotADatabase`], [`StoreError::Newer`],
    /// [`StoreError::WrongKey`], [`StoreError::WrongAuditKey`] (also if the key
    /// is not there any more), [`StoreError::Key`], [`StoreError::Folder`] or whatever SQLite says. A
    /// file that is refused is left as it is.
    pub async fn open(data_dir: &Path, key: MasterKey) -> Result<Store, StoreError> {
        open(data_dir, key, Tuning::default(), None).await
    }

    /// Opens a store in a new folder of the system's folder for temporary files,
    /// which is gone some time after the last handle is. For tests: its commits
    /// do not wait for the disk.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_temporary() -> Result<Store, StoreError> {
        let folder =
            TemporaryFolder::new().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let path = folder.path.clone();
        let tuning = Tuning {
            durable: false,
            ..Tuning::default()
        };
        let mut key = [0; 32];
        fill(&mut key).map_err(|_| StoreError::Unavailable("no random numbers".to_owned()))?;
        open(&path, MasterKey::new(key), tuning, Some(folder)).await
    }
}

pub(crate) async fn open(
    data_dir: &Path,
    key: MasterKey,
    tuning: Tuning,
    folder: Option<TemporaryFolder>,
) -> Result<Store, StoreError> {
    let unusable = |error: io::Error| {
        StoreError::Unavailable(format!("the data folder {}: {error}", data_dir.display()))
    };
    private_folder(data_dir)?;
    let held = Held {
        _lock: lock(data_dir.join(LOCK)).map_err(|error| match error {
            Locking::InUse(path) => StoreError::InUse { path },
            Locking::Io(error) => unusable(error),
        })?,
        _folder: folder,
    };
    let path = data_dir.join(DATABASE);
    let file = database(&path).map_err(unusable)?;
    if file.metadata().map_err(unusable)?.len() > 0 {
        connect::inspect(&path, &tuning).await?;
    }
    close_to_others(&file).map_err(unusable)?;
    // Before SQLite has it open for long: closing a file ends all locks that its process has on it.
    drop(file);
    let mut db = connect::writer(&path, &tuning).await?;
    connect::migrate(&mut db).await?;
    let sealer = Sealer::new(&key);
    connect::claim(&mut db, sealer.key_id()).await?;
    let signer = signer(&mut db, &data_dir.join(AUDIT_KEY)).await?;
    let tools = Tools {
        path: path.clone(),
        tuning,
        sealer,
        signer,
        counters: Counters::default(),
        newest: watch::Sender::new(None),
        deliveries: watch::Sender::new(0),
        sessions_kept_ms: AtomicU64::new(u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX)),
    };
    let open = Open::new(db, &tools).await?;
    Ok(Store::start(
        tools,
        open,
        held,
        connect::readers(&path, &tuning),
    ))
}

enum Locking {
    InUse(PathBuf),
    Io(io::Error),
}

/// The lock ends with the process, however that ends.
fn lock(path: PathBuf) -> Result<File, Locking> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(Locking::Io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Locking::InUse(path)),
        Err(TryLockError::Error(error)) => Err(Locking::Io(error)),
    }
}

/// Opens the file, or makes an empty one of mode 0600.
fn database(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Takes from a file that is ours what others may do with it: SQLite gives its
/// other files the mode of this one.
fn close_to_others(file: &File) -> io::Result<()> {
    if file.metadata()?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(0o600))
}

/// Reads the audit key. A new one is made only for a log that was never signed:
/// under another key the old signatures would prove nothing.
async fn signer(db: &mut SqliteConnection, path: &Path) -> Result<Signer, StoreError> {
    let last = audit::last_checkpoint(db).await?;
    if last.is_some() && !path.exists() {
        return Err(StoreError::WrongAuditKey);
    }
    let signer = Signer::new(&*key::load_or_create(path)?)?;
    match last {
        Some(last) if last.key != signer.key_id() => Err(StoreError::WrongAuditKey),
        _ => Ok(signer),
    }
}

/// A folder that goes when it is dropped.
pub(crate) struct TemporaryFolder {
    pub(crate) path: PathBuf,
}

impl TemporaryFolder {
    pub(crate) fn new() -> io::Result<Self> {
        let mut random = [0; 8];
        fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
        let name = format!("conclave-store-{:016x}", u64::from_be_bytes(random));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(TemporaryFolder { path })
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Nothing is lost but space if it stays.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

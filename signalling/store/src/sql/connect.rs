//! Connections, and what is checked before the first of them writes.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, SqlitePool};

use crate::error::{StoreError, is_not_a_database};
use crate::open::Tuning;
use crate::seal::KeyId;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Stands in the header of the file, see the first migration.
const APPLICATION_ID: i64 = 0x636e_6376;
/// Readers at once: reading is short, and whoever comes fifth waits for it.
const READERS: u32 = 4;
/// How long it waits before it is told that the database is not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

fn options(path: &Path, tuning: &Tuning) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(tuning.busy_timeout)
        .foreign_keys(true)
        .disable_statement_logging()
}

/// Opens the one connection that writes.
pub(crate) async fn writer(path: &Path, tuning: &Tuning) -> Result<SqliteConnection, StoreError> {
    let synchronous = if tuning.durable {
        SqliteSynchronous::Full
    } else {
        SqliteSynchronous::Off
    };
    let mut options = options(path, tuning)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        // Costs at most a tenth of the commits a second, less than the disk varies by itself.
        .pragma("secure_delete", "ON");
    if let Some(pages) = tuning.pages_max {
        options = options.pragma("max_page_count", pages.to_string());
    }
    Ok(options.connect().await?)
}

/// Returns connections for reading, made when they are needed.
pub(crate) fn readers(path: &Path, tuning: &Tuning) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(options(path, tuning).read_only(true))
}

/// Looks whether a file that has something in it may be opened, without changing it.
///
/// # Errors
/// [`StoreError::NotADatabase`], [`StoreError::Newer`].
pub(crate) async fn inspect(path: &Path, tuning: &Tuning) -> Result<(), StoreError> {
    let explain = |error: sqlx::Error| {
        if is_not_a_database(&error) {
            StoreError::NotADatabase {
                path: path.to_owned(),
            }
        } else {
            error.into()
        }
    };
    let mut db = options(path, tuning)
        .read_only(true)
        .connect()
        .await
        .map_err(explain)?;
    let verdict = judge(&mut db, path).await.map_err(explain)?;
    db.close().await.map_err(explain)?;
    verdict
}

async fn judge(
    db: &mut SqliteConnection,
    path: &Path,
) -> Result<Result<(), StoreError>, sqlx::Error> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&mut *db)
    .await?;
    let application_id: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *db)
        .await?;
    let begun = tables.iter().all(|table| table == "_sqlx_migrations");
    if application_id != APPLICATION_ID && !begun {
        return Ok(Err(StoreError::NotADatabase {
            path: path.to_owned(),
        }));
    }
    if !tables.is_empty() {
        let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
            .fetch_all(&mut *db)
            .await?;
        if applied
            .iter()
            .any(|version| !MIGRATIONS.version_exists(*version))
        {
            return Ok(Err(StoreError::Newer {
                path: path.to_owned(),
            }));
        }
    }
    Ok(Ok(()))
}

/// Brings the tables to the present form.
pub(crate) async fn migrate(db: &mut SqliteConnection) -> Result<(), StoreError> {
    MIGRATIONS
        .run_direct(None, db, false)
        .await
        .map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMismatch(version) => {
                StoreError::Damaged(format!("migration {version} was another one"))
            }
            other => StoreError::Unavailable(other.to_string()),
        })
}

/// Notes which key seals the fields, or compares.
///
/// # Errors
/// [`StoreError::WrongKey`].
pub(crate) async fn claim(db: &mut SqliteConnection, key: KeyId) -> Result<(), StoreError> {
    let known: Option<Vec<u8>> = sqlx::query_scalar("SELECT id FROM master_key")
        .fetch_optional(&mut *db)
        .await?;
    match known {
        Some(known) if known == key => Ok(()),
        Some(_) => Err(StoreError::WrongKey),
        None => {
            sqlx::query("INSERT INTO master_key (id) VALUES (?1)")
                .bind(key.as_slice())
                .execute(db)
                .await?;
            Ok(())
        }
    }
}

/// As [`empty_log`], unless somebody reads at that moment: nobody who writes
/// waits for whoever has the file open.
pub(crate) async fn try_to_empty_log(
    db: &mut SqliteConnection,
    tuning: &Tuning,
) -> Result<(), StoreError> {
    sqlx::query("PRAGMA busy_timeout = 0")
        .execute(&mut *db)
        .await?;
    let emptied = empty_log(db).await;
    let patience_ms = tuning.busy_timeout.as_millis();
    sqlx::query(AssertSqlSafe(format!(
        "PRAGMA busy_timeout = {patience_ms}"
    )))
    .execute(db)
    .await?;
    emptied
}

/// Moves everything from the write-ahead log into the file, and empties it.
pub(crate) async fn empty_log(db: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(db)
        .await?;
    Ok(())
}

/// Brings the tables of a new file to the form that they had after one of the migrations.
#[cfg(test)]
pub(crate) async fn migrate_to(db: &mut SqliteConnection, version: i64) -> Result<(), StoreError> {
    let former = MIGRATIONS.iter().filter(|one| one.version <= version);
    let migrator = Migrator {
        migrations: former.cloned().collect::<Vec<_>>().into(),
        ..Migrator::DEFAULT
    };
    let done = migrator.run_direct(None, db, false).await;
    done.map_err(|error| StoreError::Unavailable(error.to_string()))
}

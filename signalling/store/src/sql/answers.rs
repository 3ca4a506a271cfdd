//! The table of answers to requests that may come again.

use conclave_signalling_wire::time::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, SqliteConnection};

use super::rooms::place;
use super::values::{damaged, json, ms, number};
use super::{Portion, Swept, delete};
use crate::audit::hex;
use crate::error::StoreError;
use crate::idempotency::{IdempotencyKey, Reservation, StoredAnswer};
use crate::seal::Sealer;

/// How long an answer is given again: 24 hours.
const KEPT_MS: i64 = 24 * 3600 * 1000;
/// After this long without an answer whoever had the request is gone: 10 minutes. No request
/// takes so long.
const ANSWERED_WITHIN_MS: i64 = 10 * 60 * 1000;
/// Answers of one actor; the oldest go.
const EACH: u32 = 10_000;
/// Bytes of a body from which on an answer is a large one.
const LARGE_BYTES: usize = 16 * 1024;
/// Large answers of one actor that are kept.
const LARGE_EACH: u32 = 100;

#[derive(FromRow)]
struct Row {
    digest: Vec<u8>,
    at: i64,
    doubtful: bool,
    status: Option<i64>,
    headers: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
}

impl Row {
    fn answer(&self, sealer: &Sealer, row: &str, status: i64) -> Result<StoredAnswer, StoreError> {
        let open = |column: &'static str, sealed: &Option<Vec<u8>>| {
            let sealed = sealed.as_deref().ok_or_else(|| damaged("idempotency"))?;
            sealer.open(place(("idempotency", row, column)), sealed)
        };
        let headers = open("headers", &self.headers)?;
        Ok(StoredAnswer {
            status: number(status, "idempotency.status")?,
            headers: serde_json::from_slice(&headers)
                .map_err(|_| damaged("idempotency.headers"))?,
            body: open("body", &self.body)?,
        })
    }
}

/// Takes a request, or says what became of it when it came before.
pub(crate) async fn reserve(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    key: &IdempotencyKey,
    digest: &[u8; 32],
    now: Timestamp,
) -> Result<Reservation, StoreError> {
    if let Some(known) = find(db, sealer, key, digest, now).await? {
        return Ok(known);
    }
    // Replaces one whose time is over.
    sqlx::query(
        "INSERT OR REPLACE INTO idempotency (actor, name, digest, at) VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(&key.actor)
    .bind(name(key).as_slice())
    .bind(digest.as_slice())
    .bind(ms(now))
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "DELETE FROM idempotency WHERE seq IN (
             SELECT seq FROM idempotency WHERE actor = ?1 ORDER BY seq DESC LIMIT -1 OFFSET ?2)",
    )
    .bind(&key.actor)
    .bind(EACH)
    .execute(db)
    .await?;
    Ok(Reservation::Reserved)
}

/// Returns what became of a request that came before.
pub(crate) async fn find(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    key: &IdempotencyKey,
    digest: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Reservation>, StoreError> {
    let name = name(key);
    let row: Option<Row> = sqlx::query_as(
        "SELECT digest, at, doubtful, status, headers, body FROM idempotency
         WHERE actor = ?1 AND name = ?2 AND at > ?3",
    )
    .bind(&key.actor)
    .bind(name.as_slice())
    .bind(ms(now).saturating_sub(KEPT_MS))
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let waiting_ms = ms(now).saturating_sub(row.at);
    Ok(Some(match row.status {
        _ if row.digest != digest => Reservation::Mismatch,
        Some(status) => Reservation::Same(row.answer(sealer, &row_name(key, &name), status)?),
        None if row.doubtful || waiting_ms > ANSWERED_WITHIN_MS => Reservation::InDoubt,
        None => Reservation::InProgress,
    }))
}

/// Keeps the answer to a request that was taken.
pub(crate) async fn complete(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    key: &IdempotencyKey,
    answer: &StoredAnswer,
) -> Result<(), StoreError> {
    let name = name(key);
    let row = row_name(key, &name);
    let headers = json(&answer.headers)?;
    sqlx::query(
        "UPDATE idempotency SET status = ?3, headers = ?4, body = ?5, doubtful = FALSE
         WHERE actor = ?1 AND name = ?2 AND status IS NULL",
    )
    .bind(&key.actor)
    .bind(name.as_slice())
    .bind(answer.status)
    .bind(sealer.seal(place(("idempotency", &row, "headers")), headers.as_bytes())?)
    .bind(sealer.seal(place(("idempotency", &row, "body")), &answer.body)?)
    .execute(&mut *db)
    .await?;
    if answer.body.len() >= LARGE_BYTES {
        forget_large(db, &key.actor).await?;
    }
    Ok(())
}

/// Forgets what the oldest large answers of an actor said, and keeps that there were some: their
/// requests are not to be done again.
async fn forget_large(db: &mut SqliteConnection, actor: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE idempotency SET status = NULL, headers = NULL, body = NULL, doubtful = TRUE
         WHERE seq IN (
             SELECT seq FROM idempotency WHERE actor = ?1 AND length(body) >= ?2
             ORDER BY seq DESC LIMIT -1 OFFSET ?3)",
    )
    .bind(actor)
    .bind(i64::try_from(LARGE_BYTES).unwrap_or(i64::MAX))
    .bind(LARGE_EACH)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets a request that was taken and of which nothing was done.
pub(crate) async fn release(
    db: &mut SqliteConnection,
    key: &IdempotencyKey,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM idempotency WHERE actor = ?1 AND name = ?2 AND status IS NULL")
        .bind(&key.actor)
        .bind(name(key).as_slice())
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that nobody knows of what was not answered: whoever had it is gone.
pub(crate) async fn doubt_open(db: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("UPDATE idempotency SET doubtful = TRUE WHERE status IS NULL")
        .execute(db)
        .await?;
    Ok(())
}

/// Deletes a portion of what is given again no longer.
pub(super) async fn purge(
    db: &mut SqliteConnection,
    now: Timestamp,
    portion: Portion,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let answers = delete(
        db,
        "DELETE FROM idempotency WHERE seq IN (
             SELECT seq FROM idempotency WHERE at <= ?1 LIMIT ?2)",
        ms(now).saturating_sub(KEPT_MS),
        portion,
    )
    .await?;
    swept.purged.answers = swept.count(portion, answers);
    Ok(())
}

fn name(key: &IdempotencyKey) -> [u8; 32] {
    Sha256::digest(key.key.as_bytes()).into()
}

/// Names the row, whose key is made of two columns.
fn row_name(key: &IdempotencyKey, name: &[u8; 32]) -> String {
    format!("{}/{}", key.actor, hex(name))
}

//! The tables of the audit log.

use conclave_signalling_core::record::AuditEntry;
use sqlx::{FromRow, QueryBuilder, Row, Sqlite, SqliteConnection};

use super::values::{bytes, ms, number, time};
use crate::audit::canonical::RawRecord;
use crate::audit::checkpoint::{Checkpoint, SigningKeyId};
use crate::audit::{Anchor, AuditQuery};
use crate::error::StoreError;
use crate::query::Order;

/// Records that are in memory at once while the log is read whole.
pub(crate) const PAGE: i64 = 1000;

/// Appends an entry after `head`, and returns the new head.
pub(crate) async fn append(
    db: &mut SqliteConnection,
    head: Anchor,
    entry: &AuditEntry,
) -> Result<Anchor, StoreError> {
    let seq = i64::try_from(head.seq)
        .ok()
        .and_then(|seq| seq.checked_add(1))
        .ok_or_else(|| StoreError::Damaged("audit.seq".to_owned()))?;
    let record = RawRecord::new(seq, &head.hash, entry);
    sqlx::query(
        "INSERT INTO audit (seq, at, actor_kind, actor_id, action, target, room, session, prefix,
             outcome, detail, prev, hash, request_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )
    .bind(record.seq)
    .bind(record.at)
    .bind(&record.actor_kind)
    .bind(&record.actor_id)
    .bind(&record.action)
    .bind(&record.target)
    .bind(&record.room)
    .bind(&record.session)
    .bind(&record.prefix)
    .bind(&record.outcome)
    .bind(&record.detail)
    .bind(&record.prev)
    .bind(&record.hash)
    .bind(&record.request_id)
    .execute(db)
    .await?;
    Ok(Anchor {
        seq: head.seq + 1,
        hash: bytes(&record.hash, "audit.hash")?,
    })
}

/// Returns the end of the log. One that somebody damaged is gone on from all
/// the same, for a server without audit log would be worse; it stays to be found.
pub(crate) async fn head(db: &mut SqliteConnection) -> Result<Anchor, StoreError> {
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
            .fetch_optional(db)
            .await?;
    match row {
        None => Ok(Anchor::EMPTY),
        Some((seq, hash)) => Ok(Anchor {
            seq: number(seq, "audit.seq")?,
            hash: bytes(&hash, "audit.hash").unwrap_or_default(),
        }),
    }
}

/// Returns the hash of one record.
pub(crate) async fn hash_of(
    db: &mut SqliteConnection,
    seq: u64,
) -> Result<Option<Vec<u8>>, StoreError> {
    let hash = sqlx::query_scalar("SELECT hash FROM audit WHERE seq = ?1")
        .bind(i64::try_from(seq).unwrap_or(i64::MAX))
        .fetch_optional(db)
        .await?;
    Ok(hash)
}

/// Returns a page of the log as it is, from the first record after `after` on,
/// up to `until`. What cannot even be read is `None`.
pub(crate) async fn raw_page(
    db: &mut SqliteConnection,
    after: i64,
    until: u64,
) -> Result<Vec<(i64, Option<RawRecord>)>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM audit WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3")
            .bind(after)
            .bind(i64::try_from(until).unwrap_or(i64::MAX))
            .bind(PAGE)
            .fetch_all(db)
            .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("seq")?, RawRecord::from_row(row).ok())))
        .collect()
}

/// Returns the records that a query asks for, in its order.
pub(crate) async fn find(
    db: &mut SqliteConnection,
    query: &AuditQuery,
) -> Result<Vec<RawRecord>, StoreError> {
    let order = query.order.unwrap_or(match query.after {
        None => Order::NewestFirst,
        Some(_) => Order::OldestFirst,
    });
    let mut select: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT * FROM audit WHERE TRUE");
    if let Some(after) = query.after {
        select
            .push(order.after(" AND seq"))
            .push_bind(i64::try_from(after).unwrap_or(i64::MAX));
    }
    if let Some(action) = &query.action {
        select.push(" AND action = ").push_bind(action);
    }
    if let Some(actor) = &query.actor {
        // An identifier has its own index.
        let column = if actor.contains('_') {
            "actor_id"
        } else {
            "actor_kind"
        };
        select.push(format!(" AND {column} = ")).push_bind(actor);
    }
    if let Some(room) = query.room {
        select.push(" AND room = ").push_bind(room.to_string());
    }
    if let Some(target) = &query.target {
        select.push(" AND target = ").push_bind(target);
    }
    if let Some(from) = query.from {
        select.push(" AND at >= ").push_bind(ms(from));
    }
    if let Some(to) = query.to {
        select.push(" AND at < ").push_bind(ms(to));
    }
    select
        .push(order.by(" ORDER BY seq"))
        .push(" LIMIT ")
        .push_bind(i64::from(query.limit).min(PAGE));
    let mut records: Vec<RawRecord> = select.build_query_as().fetch_all(db).await?;
    if query.order.is_none() {
        records.sort_unstable_by_key(|record| record.seq);
    }
    Ok(records)
}

pub(crate) async fn save_checkpoint(
    db: &mut SqliteConnection,
    key: SigningKeyId,
    checkpoint: &Checkpoint,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit_checkpoint (seq, hash, at, key, signature) VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(i64::try_from(checkpoint.seq).unwrap_or(i64::MAX))
    .bind(checkpoint.hash.as_slice())
    .bind(ms(checkpoint.at))
    .bind(key.as_slice())
    .bind(checkpoint.signature.as_slice())
    .execute(db)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct CheckpointRow {
    seq: i64,
    hash: Vec<u8>,
    at: i64,
    key: Vec<u8>,
    signature: Vec<u8>,
}

impl CheckpointRow {
    fn read(&self) -> Result<Checkpoint, StoreError> {
        Ok(Checkpoint {
            seq: number(self.seq, "audit_checkpoint.seq")?,
            hash: bytes(&self.hash, "audit_checkpoint.hash")?,
            at: time(self.at),
            signature: bytes(&self.signature, "audit_checkpoint.signature")?,
        })
    }
}

/// The checkpoint that was made last.
pub(crate) struct LastCheckpoint {
    /// `None` if it cannot be read.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// The name of its key.
    pub(crate) key: Vec<u8>,
}

pub(crate) async fn last_checkpoint(
    db: &mut SqliteConnection,
) -> Result<Option<LastCheckpoint>, StoreError> {
    let row: Option<CheckpointRow> =
        sqlx::query_as("SELECT * FROM audit_checkpoint ORDER BY id DESC LIMIT 1")
            .fetch_optional(db)
            .await?;
    Ok(row.map(|row| LastCheckpoint {
        checkpoint: row.read().ok(),
        key: row.key,
    }))
}

/// Returns the highest number that any checkpoint is about; 0 without any.
pub(crate) async fn signed_until(db: &mut SqliteConnection) -> Result<u64, StoreError> {
    let seq: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM audit_checkpoint")
        .fetch_one(db)
        .await?;
    number(seq.unwrap_or(0), "audit_checkpoint.seq")
}

/// Returns the checkpoints about the records `from..=until` by their numbers.
/// What cannot even be read is `None`. There is at most one for each record,
/// so more than [`PAGE`] plus one are not read.
pub(crate) async fn checkpoint_page(
    db: &mut SqliteConnection,
    from: u64,
    until: u64,
) -> Result<Vec<(i64, Option<Checkpoint>)>, StoreError> {
    let rows: Vec<CheckpointRow> = sqlx::query_as(
        "SELECT * FROM audit_checkpoint WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq, id LIMIT ?3",
    )
    .bind(i64::try_from(from).unwrap_or(i64::MAX))
    .bind(i64::try_from(until).unwrap_or(i64::MAX))
    .bind(PAGE + 1)
    .fetch_all(db)
    .await?;
    Ok(rows.iter().map(|row| (row.seq, row.read().ok())).collect())
}

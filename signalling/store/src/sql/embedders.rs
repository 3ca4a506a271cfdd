//! The table of sites that embed meetings.

use sqlx::{FromRow, SqliteConnection};

use super::values::{bytes, from_json, from_json_if, from_word, json, ms, readable, time, word};
use crate::error::StoreError;
use crate::settings::EmbedderRecord;

#[derive(FromRow)]
struct EmbedderRow {
    kid: String,
    issuer: String,
    key: Vec<u8>,
    max_role: String,
    rooms: Option<String>,
    created_by: String,
    created_at: i64,
}

impl EmbedderRow {
    fn read(self) -> Result<EmbedderRecord, StoreError> {
        Ok(EmbedderRecord {
            key: bytes(&self.key, "embedder.key")?,
            max_role: from_word(self.max_role, "embedder.max_role")?,
            rooms: from_json_if(self.rooms.as_deref(), "embedder.rooms")?,
            created_by: from_json(&self.created_by, "embedder.created_by")?,
            created_at: time(self.created_at),
            kid: self.kid,
            issuer: self.issuer,
        })
    }
}

/// Returns all sites by their `kid`.
pub(crate) async fn all(db: &mut SqliteConnection) -> Result<Vec<EmbedderRecord>, StoreError> {
    let rows: Vec<EmbedderRow> = sqlx::query_as("SELECT * FROM embedder ORDER BY kid")
        .fetch_all(db)
        .await?;
    Ok(readable(
        "embedder",
        rows,
        |row| &row.kid,
        EmbedderRow::read,
    ))
}

/// # Errors
/// [`StoreError::AlreadyThere`].
pub(crate) async fn put(
    db: &mut SqliteConnection,
    embedder: &EmbedderRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO embedder (kid, issuer, key, max_role, rooms, created_by, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(&embedder.kid)
    .bind(&embedder.issuer)
    .bind(embedder.key.as_slice())
    .bind(word(&embedder.max_role))
    .bind(embedder.rooms.as_ref().map(json).transpose()?)
    .bind(json(&embedder.created_by)?)
    .bind(ms(embedder.created_at))
    .execute(db)
    .await?;
    Ok(())
}

/// # Errors
/// [`StoreError::NotFound`].
pub(crate) async fn delete(db: &mut SqliteConnection, kid: &str) -> Result<(), StoreError> {
    let deleted = sqlx::query("DELETE FROM embedder WHERE kid = ?1")
        .bind(kid)
        .execute(db)
        .await?;
    if deleted.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

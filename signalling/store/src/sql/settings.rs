//! The table of settings.

use serde_json::Value;
use sqlx::SqliteConnection;

use super::values::{check_rev, from_json, json, number};
use crate::error::StoreError;

pub(crate) async fn one(
    db: &mut SqliteConnection,
    name: &str,
) -> Result<Option<(Value, u32)>, StoreError> {
    let row: Option<(String, i64)> =
        sqlx::query_as("SELECT value, rev FROM setting WHERE name = ?1")
            .bind(name)
            .fetch_optional(db)
            .await?;
    row.map(|(value, rev)| {
        Ok((
            from_json(&value, "setting.value")?,
            number(rev, "setting.rev")?,
        ))
    })
    .transpose()
}

/// Writes a setting; returns its new revision.
pub(crate) async fn put(
    db: &mut SqliteConnection,
    name: &str,
    value: &Value,
    expected_rev: Option<u32>,
) -> Result<u32, StoreError> {
    let rev: Option<i64> = sqlx::query_scalar("SELECT rev FROM setting WHERE name = ?1")
        .bind(name)
        .fetch_optional(&mut *db)
        .await?;
    check_rev(rev, expected_rev)?;
    let rev: u32 = number(rev.unwrap_or(0).saturating_add(1), "setting.rev")?;
    sqlx::query("INSERT OR REPLACE INTO setting (name, value, rev) VALUES (?1, ?2, ?3)")
        .bind(name)
        .bind(json(value)?)
        .bind(rev)
        .execute(db)
        .await?;
    Ok(rev)
}

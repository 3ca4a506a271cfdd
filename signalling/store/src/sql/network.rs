//! The keys of network tags.

use aws_lc_rs::rand::fill;
use conclave_signalling_wire::time::Timestamp;
use sqlx::{FromRow, SqliteConnection};
use zeroize::Zeroizing;

use super::values::{bytes, ms, number, time};
use crate::error::StoreError;
use crate::network::NetworkKey;
use crate::seal::{Place, Sealer};

/// For how long a key makes the tags of those who come.
const USED_MS: i64 = 24 * 3600 * 1000;
/// How long a key is kept at least: who came in its last minute can be banned
/// by its network for a day more.
const KEPT_MS: i64 = 2 * USED_MS;

/// How far a clock is set back in its daily life. More is an error that was
/// mended; less than this would make keys whenever a clock is corrected.
const SET_BACK_MS: i64 = 3600 * 1000;

#[derive(FromRow)]
struct Row {
    id: i64,
    key: Vec<u8>,
    created_at: i64,
}

/// Returns all keys, the newest first.
pub(crate) async fn keys(
    db: &mut SqliteConnection,
    sealer: &Sealer,
) -> Result<Vec<NetworkKey>, StoreError> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT id, key, created_at FROM network_key ORDER BY id DESC")
            .fetch_all(db)
            .await?;
    rows.into_iter()
        .map(|row| {
            let id: u32 = number(row.id, "network_key.id")?;
            let opened = Zeroizing::new(sealer.open(place(&sealed_row(row.created_at)), &row.key)?);
            let key = Zeroizing::new(bytes(&opened, "network_key.key")?);
            Ok(NetworkKey::new(id, time(row.created_at), key))
        })
        .collect()
}

/// Returns whether these keys, the newest first, are what they should be at
/// `now`. A key that was made in the future is not: the clock was wrong then,
/// and the key would be used until that time comes.
pub(crate) fn are_fresh(keys: &[NetworkKey], now: Timestamp) -> bool {
    keys.first().is_some_and(|newest| {
        let age = ms(now).saturating_sub(ms(newest.created_at()));
        (-SET_BACK_MS..USED_MS).contains(&age)
    })
}

/// Makes a new key if the newest is too old.
pub(crate) async fn renew(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    now: Timestamp,
) -> Result<(), StoreError> {
    if are_fresh(&keys(db, sealer).await?, now) {
        return Ok(());
    }
    let mut key = Zeroizing::new([0; 32]);
    fill(key.as_mut_slice())
        .map_err(|_| StoreError::Unavailable("no random numbers".to_owned()))?;
    sqlx::query("INSERT INTO network_key (key, created_at) VALUES (?1, ?2)")
        .bind(sealer.seal(place(&sealed_row(ms(now))), key.as_slice())?)
        .bind(ms(now))
        .execute(&mut *db)
        .await?;
    drop_unused(db, now).await?;
    Ok(())
}

/// Deletes keys that are old, or from a time that is far ahead, and that no ban needs any more; returns how many.
pub(crate) async fn drop_unused(
    db: &mut SqliteConnection,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let dropped = sqlx::query(
        "DELETE FROM network_key
         WHERE (created_at <= ?1 OR created_at > ?3)
           AND id < (SELECT max(id) FROM network_key)
           AND NOT EXISTS (
               SELECT 1 FROM ban
               WHERE ban.network_key = network_key.id AND network_until > ?2 AND expires_at > ?2)",
    )
    .bind(ms(now).saturating_sub(KEPT_MS))
    .bind(ms(now))
    .bind(ms(now).saturating_add(KEPT_MS))
    .execute(db)
    .await?;
    Ok(dropped.rows_affected())
}

/// The number of a key is given by the insert that already holds the sealed
/// key, so its row is named by the time at which it was made.
fn sealed_row(created_at: i64) -> String {
    created_at.to_string()
}

fn place(row: &str) -> Place<'_> {
    Place {
        table: "network_key",
        row,
        column: "key",
    }
}

//! The table of API keys.

use conclave_server_core::access::record::{KeyHash, KeyRecord};
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::time::Timestamp;
use sqlx::{FromRow, SqliteConnection};

use super::rooms::place;
use super::values::{
    bytes, check_rev, former, from_json, from_json_if, json, ms, number, parse, readable, time,
};
use crate::error::StoreError;
use crate::seal::Sealer;

#[derive(FromRow)]
struct KeyRow {
    id: String,
    name: Vec<u8>,
    hash: Vec<u8>,
    former_hash: Option<Vec<u8>>,
    former_until: Option<i64>,
    scopes: String,
    rooms: Option<String>,
    networks: String,
    created_by: String,
    created_at: i64,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
    last_used_at: Option<i64>,
    last_used_prefix: Option<String>,
    rev: i64,
}

impl KeyRow {
    fn read(self, sealer: &Sealer) -> Result<KeyRecord, StoreError> {
        let hash = |hash: &[u8]| Ok::<_, StoreError>(KeyHash(bytes(hash, "api_key.hash")?));
        let former_hash = self.former_hash.as_deref();
        Ok(KeyRecord {
            id: parse(&self.id, "api_key.id")?,
            name: sealer.open_text(place(("api_key", &self.id, "name")), &self.name)?,
            hash: hash(&self.hash)?,
            former: former(former_hash, self.former_until, hash)?,
            scopes: from_json(&self.scopes, "api_key.scopes")?,
            rooms: from_json_if(self.rooms.as_deref(), "api_key.rooms")?,
            networks: from_json(&self.networks, "api_key.networks")?,
            created_by: from_json(&self.created_by, "api_key.created_by")?,
            created_at: time(self.created_at),
            expires_at: self.expires_at.map(time),
            revoked_at: self.revoked_at.map(time),
            last_used_at: self.last_used_at.map(time),
            last_used_prefix: self.last_used_prefix,
            rev: number(self.rev, "api_key.rev")?,
        })
    }
}

/// Returns all keys, the oldest first.
pub(crate) async fn all(
    db: &mut SqliteConnection,
    sealer: &Sealer,
) -> Result<Vec<KeyRecord>, StoreError> {
    let rows: Vec<KeyRow> = sqlx::query_as("SELECT * FROM api_key ORDER BY id")
        .fetch_all(db)
        .await?;
    let read = |row: KeyRow| row.read(sealer);
    Ok(readable("api_key", rows, |row| &row.id, read))
}

pub(crate) async fn one(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    id: KeyId,
) -> Result<Option<KeyRecord>, StoreError> {
    let row: Option<KeyRow> = sqlx::query_as("SELECT * FROM api_key WHERE id = ?1")
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.map(|row| row.read(sealer)).transpose()
}

/// Writes a key. Of one that is there already it leaves when it was used last: that is not the
/// business of whoever changes it.
pub(crate) async fn put(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    key: &KeyRecord,
    expected_rev: Option<u32>,
) -> Result<(), StoreError> {
    let id = key.id.to_string();
    let rev = sqlx::query_scalar("SELECT rev FROM api_key WHERE id = ?1")
        .bind(&id)
        .fetch_optional(&mut *db)
        .await?;
    check_rev(rev, expected_rev)?;
    let name = sealer.seal(place(("api_key", &id, "name")), key.name.as_bytes())?;
    sqlx::query(
        "INSERT INTO api_key (id, name, hash, former_hash, former_until, scopes, rooms, networks,
             created_by, created_at, expires_at, revoked_at, last_used_at, last_used_prefix, rev)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, hash = excluded.hash,
             former_hash = excluded.former_hash, former_until = excluded.former_until,
             scopes = excluded.scopes, rooms = excluded.rooms, networks = excluded.networks,
             created_by = excluded.created_by, created_at = excluded.created_at,
             expires_at = excluded.expires_at, revoked_at = excluded.revoked_at,
             rev = excluded.rev",
    )
    .bind(&id)
    .bind(name)
    .bind(key.hash.0.as_slice())
    .bind(key.former.as_ref().map(|(hash, _)| hash.0.as_slice()))
    .bind(key.former.map(|(_, until)| ms(until)))
    .bind(json(&key.scopes)?)
    .bind(key.rooms.as_ref().map(json).transpose()?)
    .bind(json(&key.networks)?)
    .bind(json(&key.created_by)?)
    .bind(ms(key.created_at))
    .bind(key.expires_at.map(ms))
    .bind(key.revoked_at.map(ms))
    .bind(key.last_used_at.map(ms))
    .bind(&key.last_used_prefix)
    .bind(key.rev)
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that a key was used, unless a later use is noted already.
pub(crate) async fn touch(
    db: &mut SqliteConnection,
    id: KeyId,
    at: Timestamp,
    prefix: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE api_key SET last_used_at = ?2, last_used_prefix = ?3
         WHERE id = ?1 AND (last_used_at IS NULL OR last_used_at <= ?2)",
    )
    .bind(id.to_string())
    .bind(ms(at))
    .bind(prefix)
    .execute(db)
    .await?;
    Ok(())
}

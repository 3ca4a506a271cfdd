//! The only place with SQL. Functions here take a connection, and a transaction
//! is whatever their caller made of it.

pub(crate) mod answers;
pub(crate) mod audit;
pub(crate) mod chat;
pub(crate) mod connect;
pub(crate) mod deliveries;
pub(crate) mod embedders;
pub(crate) mod keys;
pub(crate) mod network;
pub(crate) mod outbox;
pub(crate) mod records;
pub(crate) mod rooms;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod usage;
mod values;
pub(crate) mod webhooks;

use conclave_signalling_core::record::Invite;
use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::limits::STANDING_KEPT;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use sqlx::SqliteConnection;

use crate::error::StoreError;

/// How long an invite that is over is kept, so that hosts see who came by it: 90 days.
const INVITE_KEPT_MS: i64 = 90 * 24 * 3600 * 1000;

/// A room to be made.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// Its identifier.
    pub id: RoomId,
    /// Its name in links.
    pub slug: Slug,
    /// Its policies.
    pub settings: Settings,
    /// Its first invites.
    pub invites: Vec<Invite>,
    /// What the configuration file says about it, as a digest, if it is from there.
    pub config_digest: Option<String>,
    /// When it is made.
    pub created_at: Timestamp,
}

/// A room, as far as those have to know it who decide about strangers.
#[derive(Debug, Clone)]
pub struct DirectoryEntry {
    /// Its identifier.
    pub id: RoomId,
    /// Its name in links.
    pub slug: Slug,
    /// Its policies; `None` if they are damaged. Such a room can be deleted, and nothing else.
    pub settings: Option<Settings>,
}

/// What was deleted because its time was over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Bans.
    pub bans: u64,
    /// Invites.
    pub invites: u64,
    /// Standings.
    pub standings: u64,
    /// Messages.
    pub chat: u64,
    /// Keys of network tags.
    pub network_keys: u64,
    /// Sessions.
    pub sessions: u64,
    /// Deliveries to webhooks.
    pub deliveries: u64,
    /// Answers to requests that might have come again.
    pub answers: u64,
}

/// Lets the time of standings run that a crash left open.
pub(crate) async fn close_standings(
    db: &mut SqliteConnection,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE standing SET left_at = ?1 WHERE left_at IS NULL")
        .bind(values::ms(now))
        .execute(db)
        .await?;
    Ok(())
}

/// Deletes whatever is over at `now`; a session is some time after its end.
pub(crate) async fn purge(
    db: &mut SqliteConnection,
    now: Timestamp,
    sessions_kept_ms: u64,
) -> Result<Purged, StoreError> {
    let at = values::ms(now);
    let bans = sqlx::query("DELETE FROM ban WHERE expires_at <= ?1")
        .bind(at)
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "UPDATE ban SET network_key = NULL, network_tag = NULL
         WHERE network_until <= ?1 AND network_key IS NOT NULL",
    )
    .bind(at)
    .execute(&mut *db)
    .await?;
    let invites = sqlx::query("DELETE FROM invite WHERE min(coalesce(expires_at, revoked_at), coalesce(revoked_at, expires_at)) <= ?1")
        .bind(at.saturating_sub(INVITE_KEPT_MS))
        .execute(&mut *db)
        .await?;
    let kept_ms = i64::try_from(STANDING_KEPT.as_millis()).unwrap_or(i64::MAX);
    let standings = sqlx::query("DELETE FROM standing WHERE left_at <= ?1")
        .bind(at.saturating_sub(kept_ms))
        .execute(&mut *db)
        .await?;
    Ok(Purged {
        bans: bans.rows_affected(),
        invites: invites.rows_affected(),
        standings: standings.rows_affected(),
        chat: chat::purge(db, now).await?,
        network_keys: network::drop_unused(db, now).await?,
        sessions: sessions::purge(db, now, i64::try_from(sessions_kept_ms).unwrap_or(i64::MAX))
            .await?,
        deliveries: deliveries::purge(db, now).await?,
        answers: answers::purge(db, now).await?,
    })
}

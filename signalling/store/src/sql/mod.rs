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

impl std::ops::AddAssign for Purged {
    fn add_assign(&mut self, more: Purged) {
        let Purged {
            bans,
            invites,
            standings,
            chat,
            network_keys,
            sessions,
            deliveries,
            answers,
        } = more;
        self.bans += bans;
        self.invites += invites;
        self.standings += standings;
        self.chat += chat;
        self.network_keys += network_keys;
        self.sessions += sessions;
        self.deliveries += deliveries;
        self.answers += answers;
    }
}

/// How much is deleted at once, so that rooms need not wait for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Portion {
    /// Rows of a table in one transaction.
    pub(crate) rows: u32,
    /// Events that are kept, beside those that are still to be told: the newest.
    pub(crate) events: u32,
}

/// What a transaction deleted.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    pub(crate) purged: Purged,
    /// Whether there may be more.
    pub(crate) has_more: bool,
}

impl Swept {
    /// Takes account of rows that were deleted of `portion` at most; returns how many.
    pub(crate) fn count(&mut self, portion: Portion, rows: u64) -> u64 {
        self.has_more |= rows >= u64::from(portion.rows);
        rows
    }
}

/// Deletes a portion of what is over at `now`; a session is some time after its end.
pub(crate) async fn purge(
    db: &mut SqliteConnection,
    now: Timestamp,
    sessions_kept_ms: u64,
    portion: Portion,
) -> Result<Swept, StoreError> {
    let at = values::ms(now);
    let mut swept = Swept::default();
    let bans = delete(
        db,
        "DELETE FROM ban WHERE id IN (SELECT id FROM ban WHERE expires_at <= ?1 LIMIT ?2)",
        at,
        portion,
    )
    .await?;
    sqlx::query(
        "UPDATE ban SET network_key = NULL, network_tag = NULL
         WHERE network_until <= ?1 AND network_key IS NOT NULL",
    )
    .bind(at)
    .execute(&mut *db)
    .await?;
    let invites = delete(
        db,
        "DELETE FROM invite WHERE id IN (
             SELECT id FROM invite
             WHERE min(coalesce(expires_at, revoked_at), coalesce(revoked_at, expires_at)) <= ?1
             LIMIT ?2)",
        at.saturating_sub(INVITE_KEPT_MS),
        portion,
    )
    .await?;
    let kept_ms = i64::try_from(STANDING_KEPT.as_millis()).unwrap_or(i64::MAX);
    let standings = delete(
        db,
        "DELETE FROM standing WHERE (room, device) IN (
             SELECT room, device FROM standing WHERE left_at <= ?1 LIMIT ?2)",
        at.saturating_sub(kept_ms),
        portion,
    )
    .await?;
    let chat = delete(
        db,
        "DELETE FROM chat WHERE (room, number) IN (
             SELECT room, number FROM chat WHERE expires_at <= ?1 LIMIT ?2)",
        at,
        portion,
    )
    .await?;
    for rows in [bans, invites, standings, chat] {
        swept.count(portion, rows);
    }
    swept.purged = Purged {
        bans,
        invites,
        standings,
        chat,
        network_keys: network::drop_unused(db, now).await?,
        ..Purged::default()
    };
    let kept_ms = i64::try_from(sessions_kept_ms).unwrap_or(i64::MAX);
    sessions::purge(db, at.saturating_sub(kept_ms), portion, &mut swept).await?;
    deliveries::purge(db, now, portion, &mut swept).await?;
    answers::purge(db, now, portion, &mut swept).await?;
    Ok(swept)
}

/// Deletes a portion; `sql` has a time and the number of rows. Returns how many went.
async fn delete(
    db: &mut SqliteConnection,
    sql: &'static str,
    until_ms: i64,
    portion: Portion,
) -> Result<u64, StoreError> {
    let deleted = sqlx::query(sql).bind(until_ms).bind(portion.rows);
    Ok(deleted.execute(db).await?.rows_affected())
}

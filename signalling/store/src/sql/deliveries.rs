//! The tables of events and of their deliveries: how they are read, tried and forgotten.

use conclave_server_core::webhook::following::Following;
use conclave_server_core::webhook::record::{Delivery, DeliveryState};
use conclave_signalling_core::event::Event;
use conclave_signalling_wire::ids::{DeliveryId, WebhookId};
use conclave_signalling_wire::time::Timestamp;
use sqlx::{AssertSqlSafe, FromRow, QueryBuilder, Sqlite, SqliteConnection};
use tracing::error;

use super::rooms::place;
use super::values::{damaged, from_json, from_word, json, ms, number, parse, time, word};
use super::{Portion, Swept, delete};
use crate::error::StoreError;
use crate::hooks::{DeliveryCounts, DeliveryQuery, Outcome};
use crate::seal::Sealer;

/// Why a delivery is cancelled: its webhook does not want it any more.
const UNWANTED: &str = "unwanted";
/// How long what was taken or cancelled is kept, and an event that nobody is to be told of: 7 days.
const TAKEN_KEPT_MS: i64 = 7 * 24 * 3600 * 1000;
/// How long what was given up is kept, and what nobody tried: 30 days.
const DEAD_KEPT_MS: i64 = 30 * 24 * 3600 * 1000;

const SELECT: &str = "SELECT d.id, d.webhook, d.state, d.attempts, d.due_at, d.status, d.error,
        d.created_at, d.ended_at, e.id AS event, e.at, e.kind, e.room, e.session, e.participant,
        e.data, e.personal
    FROM delivery d JOIN event e ON e.seq = d.event ";

#[derive(FromRow)]
struct DeliveryRow {
    id: String,
    webhook: String,
    state: String,
    attempts: i64,
    due_at: i64,
    status: Option<i64>,
    error: Option<String>,
    created_at: i64,
    ended_at: Option<i64>,
    event: String,
    at: i64,
    kind: String,
    room: Option<String>,
    session: Option<String>,
    participant: Option<String>,
    data: String,
    personal: Option<Vec<u8>>,
}

impl DeliveryRow {
    fn read(self, sealer: &Sealer) -> Result<Delivery, StoreError> {
        let personal = match &self.personal {
            None => serde_json::Map::new(),
            Some(sealed) => {
                let opened = sealer.open(place(("event", &self.event, "personal")), sealed)?;
                // What stands in it is not told, not even by what is wrong with it.
                serde_json::from_slice(&opened).map_err(|_| damaged("event.personal"))?
            }
        };
        let event = Event {
            id: parse(&self.event, "event.id")?,
            at: time(self.at),
            kind: from_word(self.kind, "event.kind")?,
            room: optional(self.room, "event.room")?,
            session: optional(self.session, "event.session")?,
            participant: optional(self.participant, "event.participant")?,
            data: from_json(&self.data, "event.data")?,
            personal,
        };
        Ok(Delivery {
            id: parse(&self.id, "delivery.id")?,
            webhook: parse(&self.webhook, "delivery.webhook")?,
            event,
            state: from_word(self.state, "delivery.state")?,
            attempts: number(self.attempts, "delivery.attempts")?,
            due_at: time(self.due_at),
            status: self
                .status
                .map(|status| number(status, "delivery.status"))
                .transpose()?,
            error: self.error,
            created_at: time(self.created_at),
            ended_at: self.ended_at.map(time),
        })
    }
}

fn optional<T: std::str::FromStr>(
    text: Option<String>,
    column: &str,
) -> Result<Option<T>, StoreError> {
    text.map(|text| parse(&text, column)).transpose()
}

/// What is to be sent.
pub(crate) struct Due {
    /// It.
    pub(crate) deliveries: Vec<Delivery>,
    /// What cannot be, because it cannot be read.
    pub(crate) damaged: Vec<DeliveryId>,
}

/// Returns what is due at `now`, the oldest first, evenly of all webhooks that are called.
pub(crate) async fn due(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    now: Timestamp,
    limit: u32,
) -> Result<Due, StoreError> {
    let webhooks: Vec<String> =
        sqlx::query_scalar("SELECT id FROM webhook WHERE enabled AND pending > 0 ORDER BY id")
            .fetch_all(&mut *db)
            .await?;
    let count = u32::try_from(webhooks.len()).unwrap_or(u32::MAX);
    let of_each = (limit / count.max(1)).max(1);
    let mut due = Due {
        deliveries: Vec::new(),
        damaged: Vec::new(),
    };
    for webhook in webhooks {
        let select = format!(
            "{SELECT} WHERE d.webhook = ?1 AND d.state = 'pending' AND d.due_at <= ?2
             ORDER BY d.due_at, d.event LIMIT ?3"
        );
        let rows: Vec<DeliveryRow> = sqlx::query_as(AssertSqlSafe(select))
            .bind(webhook)
            .bind(ms(now))
            .bind(of_each)
            .fetch_all(&mut *db)
            .await?;
        for row in rows {
            let id = row.id.clone();
            match row.read(sealer) {
                Ok(delivery) => due.deliveries.push(delivery),
                Err(error) => {
                    error!(delivery = id, %error, "a damaged delivery is given up");
                    due.damaged.extend(id.parse::<DeliveryId>());
                }
            }
        }
    }
    // Stable: those of one webhook stay in the order in which things happened.
    due.deliveries.sort_by_key(|delivery| delivery.due_at);
    due.deliveries
        .truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(due)
}

/// Returns when the next delivery of a webhook that is called is due.
pub(crate) async fn next_due(db: &mut SqliteConnection) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = sqlx::query_scalar(
        "SELECT min((
             SELECT min(due_at) FROM delivery WHERE webhook = webhook.id AND state = 'pending'))
         FROM webhook WHERE enabled AND pending > 0",
    )
    .fetch_one(db)
    .await?;
    Ok(due.map(time))
}

/// Notes how an attempt went; nothing if the delivery is not pending any more.
pub(crate) async fn tried(
    db: &mut SqliteConnection,
    id: DeliveryId,
    at: Timestamp,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let (state, status, error, due_at) = match outcome {
        Outcome::Delivered { status } => (DeliveryState::Delivered, Some(*status), None, None),
        Outcome::Failed {
            status,
            error,
            due_at,
        } => (DeliveryState::Pending, *status, Some(error), Some(*due_at)),
        Outcome::Dead { status, error } => (DeliveryState::Dead, *status, Some(error), None),
    };
    let ended_at = match state {
        DeliveryState::Pending => None,
        DeliveryState::Delivered | DeliveryState::Dead | DeliveryState::Cancelled => Some(ms(at)),
    };
    sqlx::query(
        "UPDATE delivery SET state = ?2, attempts = attempts + 1, status = ?3, error = ?4,
             due_at = coalesce(?5, due_at), ended_at = ?6
         WHERE id = ?1 AND state = 'pending'",
    )
    .bind(id.to_string())
    .bind(word(&state))
    .bind(status)
    .bind(error)
    .bind(due_at.map(ms))
    .bind(ended_at)
    .execute(db)
    .await?;
    Ok(())
}

/// Does with what waits for a webhook what is to be done at `at`, when that has changed.
pub(crate) async fn follow(
    db: &mut SqliteConnection,
    webhook: WebhookId,
    at: Timestamp,
    following: Following<'_>,
) -> Result<(), StoreError> {
    let webhook = webhook.to_string();
    if let Some(kinds) = following.only_kinds {
        sqlx::query(
            "UPDATE delivery SET state = 'cancelled', error = ?3, ended_at = ?2
             WHERE webhook = ?1 AND state = 'pending' AND NOT EXISTS (
                 SELECT 1 FROM event
                 WHERE seq = delivery.event AND kind IN (SELECT value FROM json_each(?4)))",
        )
        .bind(&webhook)
        .bind(ms(at))
        .bind(UNWANTED)
        .bind(json(kinds)?)
        .execute(&mut *db)
        .await?;
    }
    if let Some(filter) = following.only_rooms {
        // By the tags that rooms have by now: a room that is gone has none.
        sqlx::query(
            "UPDATE delivery SET state = 'cancelled', error = ?3, ended_at = ?2
             WHERE webhook = ?1 AND state = 'pending' AND NOT EXISTS (
                 SELECT 1 FROM event
                 WHERE seq = delivery.event AND (
                     event.room IN (SELECT value FROM json_each(?4))
                     OR EXISTS (
                         SELECT 1 FROM room AS of, json_each(
                             CASE WHEN json_valid(of.settings) THEN of.settings ELSE '{}' END,
                             '$.tags'
                         ) AS tag
                         WHERE of.id = event.room
                           AND tag.value IN (SELECT value FROM json_each(?5)))))",
        )
        .bind(&webhook)
        .bind(ms(at))
        .bind(UNWANTED)
        .bind(json(&filter.rooms)?)
        .bind(json(&filter.tags)?)
        .execute(&mut *db)
        .await?;
    }
    if following.begin_anew {
        sqlx::query(
            "UPDATE delivery SET attempts = 0, due_at = ?2, status = NULL, error = NULL
             WHERE webhook = ?1 AND state = 'pending'",
        )
        .bind(&webhook)
        .bind(ms(at))
        .execute(db)
        .await?;
    }
    Ok(())
}

pub(crate) async fn find(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    query: &DeliveryQuery,
) -> Result<Vec<Delivery>, StoreError> {
    let mut select: QueryBuilder<Sqlite> = QueryBuilder::new(SELECT);
    select
        .push("WHERE d.webhook = ")
        .push_bind(query.webhook.to_string());
    if let Some(state) = query.state {
        select.push(" AND d.state = ").push_bind(word(&state));
    }
    if let Some(after) = query.after {
        select
            .push(query.order.after(" AND d.id"))
            .push_bind(after.to_string());
    }
    select
        .push(query.order.by(" ORDER BY d.id"))
        .push(" LIMIT ")
        .push_bind(query.limit);
    let rows: Vec<DeliveryRow> = select.build_query_as().fetch_all(db).await?;
    rows.into_iter().map(|row| row.read(sealer)).collect()
}

pub(crate) async fn one(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    id: DeliveryId,
) -> Result<Option<Delivery>, StoreError> {
    let row: Option<DeliveryRow> =
        sqlx::query_as(AssertSqlSafe(format!("{SELECT} WHERE d.id = ?1")))
            .bind(id.to_string())
            .fetch_optional(db)
            .await?;
    row.map(|row| row.read(sealer)).transpose()
}

pub(crate) async fn counts(
    db: &mut SqliteConnection,
    webhook: Option<WebhookId>,
) -> Result<DeliveryCounts, StoreError> {
    let (pending, dead): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT coalesce(sum(pending), 0) FROM webhook WHERE ?1 IS NULL OR id = ?1),
             (SELECT count(*) FROM delivery
              WHERE state = 'dead' AND ended_at IS NOT NULL AND (?1 IS NULL OR webhook = ?1))",
    )
    .bind(webhook.map(|webhook| webhook.to_string()))
    .fetch_one(db)
    .await?;
    Ok(DeliveryCounts {
        pending: number(pending, "webhook.pending")?,
        dead: number(dead, "delivery")?,
    })
}

/// Deletes a portion of what is kept no longer: what is too old, and what comes before the newest
/// events, whose number may be bounded by nothing else.
pub(super) async fn purge(
    db: &mut SqliteConnection,
    now: Timestamp,
    portion: Portion,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let taken = ms(now).saturating_sub(TAKEN_KEPT_MS);
    let dead = ms(now).saturating_sub(DEAD_KEPT_MS);
    let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM event")
        .fetch_one(&mut *db)
        .await?;
    let surplus = newest - i64::from(portion.events);
    let deliveries = [
        (
            "DELETE FROM delivery WHERE id IN (
                 SELECT id FROM delivery
                 WHERE state = 'delivered' AND ended_at <= ?1 AND ended_at IS NOT NULL LIMIT ?2)",
            taken,
        ),
        (
            "DELETE FROM delivery WHERE id IN (
                 SELECT id FROM delivery
                 WHERE state = 'dead' AND ended_at <= ?1 AND ended_at IS NOT NULL LIMIT ?2)",
            dead,
        ),
        (
            "DELETE FROM delivery WHERE id IN (
                 SELECT id FROM delivery
                 WHERE state = 'cancelled' AND ended_at <= ?1 AND ended_at IS NOT NULL LIMIT ?2)",
            taken,
        ),
        (
            "DELETE FROM delivery WHERE id IN (
                 SELECT id FROM delivery WHERE state = 'pending' AND created_at <= ?1 LIMIT ?2)",
            dead,
        ),
        (
            "DELETE FROM delivery WHERE id IN (
                 SELECT id FROM delivery WHERE event <= ?1 AND state <> 'pending' LIMIT ?2)",
            surplus,
        ),
    ];
    for (sql, until) in deliveries {
        let rows = delete(db, sql, until, portion).await?;
        swept.purged.deliveries += swept.count(portion, rows);
    }
    let events = [
        (
            "DELETE FROM event WHERE seq IN (
                 SELECT seq FROM event
                 WHERE at <= ?1
                   AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.seq)
                 LIMIT ?2)",
            taken,
        ),
        (
            "DELETE FROM event WHERE seq IN (
                 SELECT seq FROM event
                 WHERE seq <= ?1
                   AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.event = event.seq)
                 LIMIT ?2)",
            surplus,
        ),
    ];
    for (sql, until) in events {
        let rows = delete(db, sql, until, portion).await?;
        swept.count(portion, rows);
    }
    Ok(())
}

/// Deletes a portion of the deliveries to a webhook that is about to be deleted. Returns whether
/// there may be more.
pub(crate) async fn clear(
    db: &mut SqliteConnection,
    webhook: WebhookId,
    portion: Portion,
) -> Result<bool, StoreError> {
    let cleared = sqlx::query(
        "DELETE FROM delivery WHERE id IN (
             SELECT id FROM delivery WHERE webhook = ?1 ORDER BY id LIMIT ?2)",
    )
    .bind(webhook.to_string())
    .bind(portion.rows)
    .execute(db)
    .await?;
    Ok(cleared.rows_affected() >= u64::from(portion.rows))
}

//! The transactional outbox: what happened is written with what it tells of, once for each webhook
//! that is told.

use std::collections::BTreeSet;

use aws_lc_rs::rand::fill;
use conclave_server_core::access::record::RoomFilter;
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_wire::ids::{DeliveryId, RoomId, WebhookId};
use conclave_signalling_wire::time::Timestamp;
use serde::Deserialize;
use sqlx::{FromRow, SqliteConnection};
use tracing::error;

use super::rooms::place;
use super::values::{from_json, from_json_if, json, ms, number, parse};
use crate::error::StoreError;
use crate::seal::Sealer;

/// How many deliveries may be pending.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of one webhook.
    pub(crate) each: u32,
    /// Of all of them.
    pub(crate) all: u32,
}

/// What the writer knows of webhooks, and what became of them in one transaction.
pub(crate) struct Outbox {
    bounds: Bounds,
    /// The webhooks that are called; `None` until the next event asks.
    subscribers: Option<Vec<Subscriber>>,
    pub(crate) tally: Tally,
}

/// What one transaction did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Whether there may be something to send that nobody knew of.
    pub(crate) woken: bool,
    /// Deliveries that were given up because there were too many.
    pub(crate) overflowed: u64,
}

/// A webhook that is called.
struct Subscriber {
    id: WebhookId,
    events: BTreeSet<EventKind>,
    rooms: Option<RoomFilter>,
    include_pii: bool,
}

#[derive(FromRow)]
struct SubscriberRow {
    id: String,
    events: String,
    rooms: Option<String>,
    include_pii: bool,
}

impl SubscriberRow {
    fn read(&self) -> Result<Subscriber, StoreError> {
        Ok(Subscriber {
            id: parse(&self.id, "webhook.id")?,
            events: from_json(&self.events, "webhook.events")?,
            rooms: from_json_if(self.rooms.as_deref(), "webhook.rooms")?,
            include_pii: self.include_pii,
        })
    }
}

impl Subscriber {
    fn wants_kind(&self, kind: EventKind) -> bool {
        self.events.is_empty() || self.events.contains(&kind)
    }

    fn wants_room(&self, room: Option<RoomId>, tags: &BTreeSet<String>) -> bool {
        match (&self.rooms, room) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(filter), Some(room)) => {
                filter.rooms.contains(&room) || !filter.tags.is_disjoint(tags)
            }
        }
    }
}

impl Outbox {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Outbox {
            bounds,
            subscribers: None,
            tally: Tally::default(),
        }
    }

    /// To be called when a transaction begins.
    pub(crate) fn begin(&mut self) {
        self.tally = Tally::default();
    }

    /// To be called before webhooks change, and when a change was taken back.
    pub(crate) fn forget_subscribers(&mut self) {
        self.subscribers = None;
    }

    pub(crate) fn wake(&mut self) {
        self.tally.woken = true;
    }

    /// Writes an event for each webhook that is told; nothing without any. What is there
    /// already, by its identifier, stays as it is.
    pub(crate) async fn publish(
        &mut self,
        db: &mut SqliteConnection,
        sealer: &Sealer,
        event: &Event,
    ) -> Result<(), StoreError> {
        let subscribers = match &self.subscribers {
            Some(subscribers) => subscribers,
            None => self.subscribers.insert(subscribers(db).await?),
        };
        let wanting = subscribers.iter().filter(|one| one.wants_kind(event.kind));
        let mut wanting: Vec<&Subscriber> = wanting.collect();
        let by_tag = |one: &&Subscriber| one.rooms.as_ref().is_some_and(|of| !of.tags.is_empty());
        let tags = match event.room {
            Some(room) if wanting.iter().any(by_tag) => tags(db, room).await?,
            _ => BTreeSet::new(),
        };
        wanting.retain(|one| one.wants_room(event.room, &tags));
        if wanting.is_empty() {
            return Ok(());
        }
        let personal = wanting.iter().any(|one| one.include_pii);
        let told: Vec<WebhookId> = wanting.iter().map(|one| one.id).collect();
        let Some(seq) = save(db, sealer, event, personal).await? else {
            return Ok(());
        };
        for webhook in told {
            self.deliver(db, webhook, seq, event.at).await?;
        }
        Ok(())
    }

    /// Writes an event for one webhook, whatever it wants.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without such a webhook, [`StoreError::AlreadyThere`].
    pub(crate) async fn publish_to(
        &mut self,
        db: &mut SqliteConnection,
        sealer: &Sealer,
        webhook: WebhookId,
        event: &Event,
    ) -> Result<DeliveryId, StoreError> {
        let include_pii = sqlx::query_scalar("SELECT include_pii FROM webhook WHERE id = ?1")
            .bind(webhook.to_string())
            .fetch_optional(&mut *db)
            .await?
            .ok_or(StoreError::NotFound)?;
        let seq = save(db, sealer, event, include_pii)
            .await?
            .ok_or(StoreError::AlreadyThere)?;
        self.deliver(db, webhook, seq, event.at).await
    }

    /// Makes a new delivery of the event of another one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub(crate) async fn redeliver(
        &mut self,
        db: &mut SqliteConnection,
        delivery: DeliveryId,
        now: Timestamp,
    ) -> Result<DeliveryId, StoreError> {
        let former: Option<(String, i64)> =
            sqlx::query_as("SELECT webhook, event FROM delivery WHERE id = ?1")
                .bind(delivery.to_string())
                .fetch_optional(&mut *db)
                .await?;
        let (webhook, event) = former.ok_or(StoreError::NotFound)?;
        let webhook = parse(&webhook, "delivery.webhook")?;
        self.deliver(db, webhook, event, now).await
    }

    async fn deliver(
        &mut self,
        db: &mut SqliteConnection,
        webhook: WebhookId,
        event: i64,
        at: Timestamp,
    ) -> Result<DeliveryId, StoreError> {
        let id = DeliveryId::new(at.unix_ms(), random()?);
        sqlx::query(
            "INSERT INTO delivery (id, webhook, event, state, attempts, due_at, created_at)
             VALUES (?1, ?2, ?3, 'pending', 0, ?4, ?4)",
        )
        .bind(id.to_string())
        .bind(webhook.to_string())
        .bind(event)
        .bind(ms(at))
        .execute(&mut *db)
        .await?;
        self.tally.woken = true;
        self.bound(db, webhook, at).await?;
        Ok(id)
    }

    /// Gives the oldest deliveries up that are more than may wait.
    async fn bound(
        &mut self,
        db: &mut SqliteConnection,
        webhook: WebhookId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let webhook = webhook.to_string();
        let (each, all): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT pending FROM webhook WHERE id = ?1), (SELECT sum(pending) FROM webhook)",
        )
        .bind(&webhook)
        .fetch_one(&mut *db)
        .await?;
        let too_many = each - i64::from(self.bounds.each);
        if too_many > 0 {
            self.give_up(db, &webhook, too_many, at).await?;
        }
        let too_many = all - too_many.max(0) - i64::from(self.bounds.all);
        if too_many > 0 {
            let fullest: String =
                sqlx::query_scalar("SELECT id FROM webhook ORDER BY pending DESC, id LIMIT 1")
                    .fetch_one(&mut *db)
                    .await?;
            self.give_up(db, &fullest, too_many, at).await?;
        }
        Ok(())
    }

    async fn give_up(
        &mut self,
        db: &mut SqliteConnection,
        webhook: &str,
        count: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let dead = sqlx::query(
            "UPDATE delivery SET state = 'dead', error = 'overflow', ended_at = ?3
             WHERE id IN (
                 SELECT id FROM delivery WHERE webhook = ?1 AND state = 'pending'
                 ORDER BY event LIMIT ?2)",
        )
        .bind(webhook)
        .bind(count)
        .bind(ms(at))
        .execute(db)
        .await?;
        self.tally.overflowed += dead.rows_affected();
        Ok(())
    }
}

async fn subscribers(db: &mut SqliteConnection) -> Result<Vec<Subscriber>, StoreError> {
    let rows: Vec<SubscriberRow> =
        sqlx::query_as("SELECT id, events, rooms, include_pii FROM webhook WHERE enabled")
            .fetch_all(db)
            .await?;
    let subscribers = rows.iter().filter_map(|row| {
        row.read()
            .inspect_err(|error| error!(webhook = row.id, %error, "a damaged webhook is not told"))
            .ok()
    });
    Ok(subscribers.collect())
}

/// Returns the tags of a room as they are in this transaction; none if its settings are damaged.
async fn tags(db: &mut SqliteConnection, room: RoomId) -> Result<BTreeSet<String>, StoreError> {
    #[derive(Default, Deserialize)]
    struct Tagged {
        #[serde(default)]
        tags: BTreeSet<String>,
    }
    let settings: Option<String> = sqlx::query_scalar("SELECT settings FROM room WHERE id = ?1")
        .bind(room.to_string())
        .fetch_optional(db)
        .await?;
    let tagged = settings.and_then(|settings| serde_json::from_str::<Tagged>(&settings).ok());
    Ok(tagged.unwrap_or_default().tags)
}

/// Writes an event; returns its number, unless it is there already. Names are written only if
/// somebody is told them.
async fn save(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    event: &Event,
    personal: bool,
) -> Result<Option<i64>, StoreError> {
    let id = event.id.to_string();
    let personal = if personal && !event.personal.is_empty() {
        let plain = json(&event.personal)?;
        Some(sealer.seal(place(("event", &id, "personal")), plain.as_bytes())?)
    } else {
        None
    };
    let seq: Option<i64> = sqlx::query_scalar(
        "INSERT INTO event (id, at, kind, room, session, participant, data, personal)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO NOTHING RETURNING seq",
    )
    .bind(&id)
    .bind(ms(event.at))
    .bind(event.kind.name())
    .bind(event.room.map(|room| room.to_string()))
    .bind(event.session.map(|session| session.to_string()))
    .bind(event.participant.map(|participant| participant.to_string()))
    .bind(json(&event.data)?)
    .bind(personal)
    .fetch_optional(db)
    .await?;
    seq.map(|seq| number(seq, "event.seq")).transpose()
}

pub(crate) fn random() -> Result<[u8; 10], StoreError> {
    let mut random = [0; 10];
    fill(&mut random).map_err(|_| StoreError::Unavailable("no random numbers".to_owned()))?;
    Ok(random)
}

//! Webhooks, what happened, and what is on its way to them.

use conclave_server_core::webhook::record::{Delivery, DeliveryState, WebhookRecord};
use conclave_signalling_core::event::Event;
use conclave_signalling_core::record::AuditEntry;
use conclave_signalling_wire::ids::{DeliveryId, WebhookId};
use conclave_signalling_wire::time::Timestamp;
use tokio::sync::watch;

use crate::error::StoreError;
use crate::query::Order;
use crate::sql::{deliveries, webhooks};
use crate::store::Store;
use crate::writer::Act;

/// How an attempt at a delivery went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Delivered {
        /// The status of the answer.
        status: u16,
    },
    /// It is to be tried again.
    Failed {
        /// The status of the answer, if there was one.
        status: Option<u16>,
        /// Why: a stable word.
        error: String,
        /// When it is to be tried again.
        due_at: Timestamp,
    },
    /// It is given up.
    Dead {
        /// The status of the answer, if there was one.
        status: Option<u16>,
        /// Why: a stable word.
        error: String,
    },
}

/// Which deliveries are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Those to this webhook.
    pub webhook: WebhookId,
    /// Only those that are so far.
    pub state: Option<DeliveryState>,
    /// In the order in which they were made, forwards or backwards.
    pub order: Order,
    /// Those that come after this one in that order.
    pub after: Option<DeliveryId>,
    /// How many at most.
    pub limit: u32,
}

/// How many deliveries there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// To be tried.
    pub pending: u64,
    /// Given up, in the last 30 days.
    pub dead: u64,
}

impl Store {
    /// Returns all webhooks, the oldest first. A damaged one is logged and left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhooks(&self) -> Result<Vec<WebhookRecord>, StoreError> {
        let mut db = self.reader().await?;
        webhooks::all(&mut db, &self.tools.sealer).await
    }

    /// Returns a webhook.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn webhook(&self, id: WebhookId) -> Result<Option<WebhookRecord>, StoreError> {
        let mut db = self.reader().await?;
        webhooks::one(&mut db, &self.tools.sealer, id).await
    }

    /// Writes a webhook as it is given, its revision included, together with the record of who
    /// did it. What happens after that it is told. What waits for it stays, and is due again
    /// when it is enabled again; but what it wants no more is cancelled (`unwanted`), and with
    /// another URL the rest is due at once, as if it had not been tried. `expected_rev` is as
    /// for [`Store::put_key`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another revision is there, or another error.
    pub async fn put_webhook(
        &self,
        webhook: WebhookRecord,
        expected_rev: Option<u32>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let act = Act::PutWebhook {
            webhook,
            expected_rev,
            at: audit.at,
        };
        self.act(act, Some(audit)).await.map(drop)
    }

    /// Deletes a webhook with all its deliveries.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or another.
    pub async fn delete_webhook(&self, id: WebhookId, audit: AuditEntry) -> Result<(), StoreError> {
        // Most of them beforehand: rooms need not wait until all are gone.
        while self.act(Act::ClearDeliveries(id), None).await?.has_rest() {}
        let act = Act::DeleteWebhook(id);
        self.act(act, Some(audit)).await.map(drop)
    }

    /// Tells the webhooks that want it of something that happened in no commit of a room.
    /// Nothing is kept if none does, and names only if one of them is told names.
    ///
    /// At most 10,000 deliveries to one webhook are pending and 100,000 in all. Beyond that the
    /// oldest of that webhook, or of the one with the most, are dead with the error `overflow`;
    /// [`crate::Statistics::overflowed`] counts them. This holds for all events.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn event(&self, event: Event) -> Result<(), StoreError> {
        self.act(Act::Event(event), None).await.map(drop)
    }

    /// Makes a delivery of an event to one webhook, whatever that wants. It is due once the
    /// webhook is enabled.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without such a webhook, [`StoreError::AlreadyThere`] if the event
    /// is, or another.
    pub async fn event_to(
        &self,
        webhook: WebhookId,
        event: Event,
    ) -> Result<DeliveryId, StoreError> {
        self.act(Act::EventTo(webhook, event), None)
            .await?
            .delivery()
    }

    /// Returns a number that changes when there are new deliveries, on the disk, or when a
    /// webhook was changed: then [`Store::due_deliveries`] and [`Store::next_due`] may say
    /// something else.
    pub fn new_deliveries(&self) -> watch::Receiver<u64> {
        self.tools.deliveries.subscribe()
    }

    /// Returns at most `limit` deliveries to enabled webhooks that are due at `now`, the oldest
    /// due first. Of each webhook there are about as many: one that does not answer keeps no
    /// other waiting. What is being tried at this moment is among them until
    /// [`Store::delivery_tried`]. A damaged one is logged and becomes dead (`damaged`).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_deliveries(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut snapshot = self.readers.begin().await?;
        let due = deliveries::due(&mut snapshot, &self.tools.sealer, now, limit).await?;
        drop(snapshot);
        for damaged in due.damaged {
            let outcome = Outcome::Dead {
                status: None,
                error: "damaged".to_owned(),
            };
            self.delivery_tried(damaged, now, outcome).await?;
        }
        Ok(due.deliveries)
    }

    /// Returns when the next delivery to an enabled webhook is due, past or future; `None` if
    /// none is pending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut db = self.reader().await?;
        deliveries::next_due(&mut db).await
    }

    /// Notes how an attempt at `at` went, and counts it. Does nothing if the delivery is not
    /// pending any more, or gone with its webhook.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delivery_tried(
        &self,
        id: DeliveryId,
        at: Timestamp,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let act = Act::Tried { id, at, outcome };
        self.act(act, None).await.map(drop)
    }

    /// Returns deliveries to one webhook.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn deliveries(&self, query: &DeliveryQuery) -> Result<Vec<Delivery>, StoreError> {
        let mut db = self.reader().await?;
        deliveries::find(&mut db, &self.tools.sealer, query).await
    }

    /// Returns a delivery.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let mut db = self.reader().await?;
        deliveries::one(&mut db, &self.tools.sealer, id).await
    }

    /// Makes a new delivery of the same event to the same webhook, due at `now`, and returns it.
    /// The former one stays as it is: it says what became of it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without such a delivery, or another.
    pub async fn redeliver(
        &self,
        id: DeliveryId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<DeliveryId, StoreError> {
        self.act(Act::Redeliver(id, now), Some(audit))
            .await?
            .delivery()
    }

    /// Returns how many deliveries there are, to one webhook or to all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delivery_counts(
        &self,
        webhook: Option<WebhookId>,
    ) -> Result<DeliveryCounts, StoreError> {
        let mut db = self.reader().await?;
        deliveries::counts(&mut db, webhook).await
    }
}

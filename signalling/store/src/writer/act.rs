//! What administrators and their servers write, beside what rooms do.

use conclave_server_core::access::record::KeyRecord;
use conclave_server_core::webhook::record::WebhookRecord;
use conclave_signalling_core::event::Event;
use conclave_signalling_wire::ids::{DeliveryId, KeyId, WebhookId};
use conclave_signalling_wire::time::Timestamp;
use serde_json::Value;

use super::Done;
use super::group::Turn;
use crate::error::StoreError;
use crate::hooks::Outcome;
use crate::idempotency::{IdempotencyKey, StoredAnswer};
use crate::settings::EmbedderRecord;
use crate::sql::{answers, deliveries, embedders, keys, settings, webhooks};

/// One of them.
pub(crate) enum Act {
    PutKey {
        key: KeyRecord,
        expected_rev: Option<u32>,
    },
    TouchKey {
        id: KeyId,
        at: Timestamp,
        prefix: String,
    },
    PutWebhook {
        webhook: WebhookRecord,
        expected_rev: Option<u32>,
        at: Timestamp,
    },
    /// A portion of them.
    ClearDeliveries(WebhookId),
    DeleteWebhook(WebhookId),
    Event(Event),
    EventTo(WebhookId, Event),
    Tried {
        id: DeliveryId,
        at: Timestamp,
        outcome: Outcome,
    },
    Redeliver(DeliveryId, Timestamp),
    Reserve {
        key: IdempotencyKey,
        digest: [u8; 32],
        now: Timestamp,
    },
    Complete(IdempotencyKey, StoredAnswer),
    Release(IdempotencyKey),
    PutSetting {
        name: String,
        value: Value,
        expected_rev: Option<u32>,
    },
    PutEmbedder(EmbedderRecord),
    DeleteEmbedder(String),
}

/// Does one.
pub(super) async fn perform(turn: &mut Turn<'_>, act: &Act) -> Result<Done, StoreError> {
    let Turn { db, tools, outbox } = turn;
    let sealer = &tools.sealer;
    match act {
        Act::PutKey { key, expected_rev } => keys::put(db, sealer, key, *expected_rev).await?,
        Act::TouchKey { id, at, prefix } => keys::touch(db, *id, *at, prefix).await?,
        Act::PutWebhook {
            webhook,
            expected_rev,
            at,
        } => {
            outbox.forget_subscribers();
            // One that is damaged is replaced by what can be read.
            let former = match webhooks::one(db, sealer, webhook.id).await {
                Err(StoreError::Damaged(_)) => None,
                former => former?,
            };
            webhooks::put(db, sealer, webhook, *expected_rev).await?;
            let following = webhook.following(former.as_ref());
            deliveries::follow(db, webhook.id, *at, following).await?;
            outbox.wake();
        }
        Act::ClearDeliveries(id) => {
            let rest = deliveries::clear(db, *id, tools.tuning.portion).await?;
            return Ok(Done::Rest(rest));
        }
        Act::DeleteWebhook(id) => {
            outbox.forget_subscribers();
            webhooks::delete(db, *id).await?;
        }
        Act::Event(event) => outbox.publish(db, sealer, event).await?,
        Act::EventTo(webhook, event) => {
            let made = outbox.publish_to(db, sealer, *webhook, event).await?;
            return Ok(Done::Delivery(made));
        }
        Act::Tried { id, at, outcome } => deliveries::tried(db, *id, *at, outcome).await?,
        Act::Redeliver(id, now) => {
            return Ok(Done::Delivery(outbox.redeliver(db, *id, *now).await?));
        }
        Act::Reserve { key, digest, now } => {
            let reservation = answers::reserve(db, sealer, key, digest, *now).await?;
            return Ok(Done::Reservation(reservation));
        }
        Act::Complete(key, answer) => answers::complete(db, sealer, key, answer).await?,
        Act::Release(key) => answers::release(db, key).await?,
        Act::PutSetting {
            name,
            value,
            expected_rev,
        } => {
            return Ok(Done::Rev(
                settings::put(db, name, value, *expected_rev).await?,
            ));
        }
        Act::PutEmbedder(embedder) => embedders::put(db, embedder).await?,
        Act::DeleteEmbedder(kid) => embedders::delete(db, kid).await?,
    }
    Ok(Done::Nothing)
}

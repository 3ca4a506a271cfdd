//! Webhooks go out from here: what is due is taken from the store, sent, and
//! noted there. Nothing is lost by an end in between; it is sent once more.

mod client;
mod counters;
mod sender;

use std::sync::Arc;
use std::time::Instant;

use conclave_server_core::webhook::attempt::Outcome;
use conclave_server_core::webhook::guard::Guard;
use conclave_server_core::webhook::record::WebhookRecord;
use conclave_server_core::webhook::{payload, signature};
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_store::Store;
use conclave_signalling_wire::ids::EventId;
use conclave_signalling_wire::time::Timestamp;
use rustls::ClientConfig;
use serde_json::{Map, json};
use tokio::sync::watch;

pub use counters::Counts;

use crate::now;
use client::{Client, Message};
use counters::Counters;

/// What is on its way to receivers. A handle: copies are the same.
#[derive(Clone)]
pub struct Webhooks {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    client: Client,
    counters: Counters,
}

/// How a webhook was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tried {
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// Milliseconds from the name to the end of the answer.
    pub(crate) duration_ms: u64,
}

impl Webhooks {
    /// Sends what `store` keeps, to whom `guard` permits. Receivers are trusted as `tls` says;
    /// without it no https receiver is, and everything else still works.
    pub fn new(store: Store, tls: Option<ClientConfig>, guard: Guard) -> Self {
        Webhooks {
            shared: Arc::new(Shared {
                store,
                client: Client::new(tls, guard),
                counters: Counters::default(),
            }),
        }
    }

    /// Sends until `stop` is true. What is on its way then has two seconds to arrive.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        sender::run(self.shared, stop).await;
    }

    /// Returns what became of deliveries since the start. What is pending and dead is in the
    /// store: `Store::delivery_counts`.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Returns whom it may call.
    pub(crate) fn guard(&self) -> &Guard {
        self.shared.client.guard()
    }

    /// Sends a `webhook.test`, once, and keeps nothing of it.
    pub(crate) async fn test(&self, webhook: &WebhookRecord) -> Tried {
        let at = now();
        let mut data = Map::new();
        data.insert("webhook".to_owned(), json!(webhook.id));
        let event = Event {
            id: EventId::new(at.unix_ms(), rand::random()),
            at,
            kind: EventKind::WebhookTest,
            room: None,
            session: None,
            participant: None,
            data,
            personal: Map::new(),
        };
        let began = Instant::now();
        let outcome = self.shared.send(webhook, &event, at).await;
        Tried {
            outcome,
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Shared {
    /// Sends an event once, signed at `at`.
    async fn send(&self, webhook: &WebhookRecord, event: &Event, at: Timestamp) -> Outcome {
        let id = event.id.to_string();
        let body = payload::body(event, webhook.include_pii);
        let message = Message {
            timestamp: signature::seconds(at),
            signature: signature::sign(webhook.secrets(at), &id, at, body.as_bytes()),
            id,
            body,
        };
        self.client.call(&webhook.url, message).await
    }
}

#[cfg(test)]
mod tests;

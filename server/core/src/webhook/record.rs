//! Webhooks and deliveries as they are kept.

use std::collections::BTreeSet;

use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::ids::{DeliveryId, WebhookId};
use conclave_signalling_wire::time::Timestamp;

use crate::access::record::RoomFilter;

/// 256 random bits with which deliveries are signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SigningSecret(pub [u8; 32]);

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret(redacted)")
    }
}

/// Where events are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookRecord {
    /// Its identifier.
    pub id: WebhookId,
    /// The URL that is called. Sealed at rest: it may have a secret in it.
    pub url: String,
    /// What it is for. Sealed at rest.
    pub description: String,
    /// What it is told; empty for everything.
    pub events: BTreeSet<EventKind>,
    /// Of which rooms; `None` for every room, and for what concerns no room.
    pub rooms: Option<RoomFilter>,
    /// Whether names are told.
    pub include_pii: bool,
    /// Whether it is called.
    pub enabled: bool,
    /// Signs deliveries. Sealed at rest.
    pub secret: SigningSecret,
    /// The former secret, and until when deliveries are signed by it as well.
    pub former: Option<(SigningSecret, Timestamp)>,
    /// Who made it.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
    /// Rises by one with each change.
    pub rev: u32,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be tried, for the first time or again.
    Pending,
    /// Taken with a status of 2xx.
    Delivered,
    /// Given up.
    Dead,
    /// Not wanted any more by its webhook, which was narrowed before it was taken.
    Cancelled,
}

/// One event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its identifier.
    pub id: DeliveryId,
    /// To whom.
    pub webhook: WebhookId,
    /// What.
    pub event: Event,
    /// How far it is.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is due.
    pub due_at: Timestamp,
    /// The status of the last answer, if there was one.
    pub status: Option<u16>,
    /// Why the last attempt failed: a stable word.
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was taken, given up or cancelled.
    pub ended_at: Option<Timestamp>,
}

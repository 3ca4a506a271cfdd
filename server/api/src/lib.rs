//! The REST API of administration, and the webhooks that go out.
//!
//! A table of routes (`routes`) says for each what it takes, what it answers
//! and which scope it needs. `guard` stands before all of them, `openapi`
//! describes them. Handlers decide nothing: each calls one method of [`Rooms`]
//! or of the store and says what came of it.

#![forbid(unsafe_code)]

mod auth;
mod call;
mod codes;
mod conditional;
mod guard;
mod idempotency;
mod keyring;
mod lists;
mod openapi;
mod problem;
mod rate;
mod routes;
mod sparse;
mod strict_json;
mod table;
mod webhooks;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::middleware::from_fn;
use conclave_server_core::webhook::guard::Guard;
use conclave_signalling_core::settings::Network;
use conclave_signalling_node::{Origin, RoomEntry, Rooms};
use conclave_signalling_store::Store;
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use tokio::sync::watch;

use auth::{Caller, OperatorOnly};
use guard::Gate;
use keyring::Keyring;
use rate::Pace;

pub use guard::refuse_in_the_clear;
pub use webhooks::{Counts as WebhookCounts, Webhooks};

/// Requests of a key in a minute, unless another number is configured.
pub const REQUESTS_PER_MINUTE: u32 = 600;

/// Who may use the API with a key, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrance {
    /// From where; without any from everywhere.
    pub networks: Vec<Network>,
    /// Requests of each key in a minute, sustained; a sixth of them, but at
    /// least 100, may come at once.
    pub requests_per_minute: u32,
}

impl Default for Entrance {
    fn default() -> Self {
        Entrance {
            networks: Vec::new(),
            requests_per_minute: REQUESTS_PER_MINUTE,
        }
    }
}

/// What the handlers share.
#[derive(Clone)]
pub struct Admin {
    rooms: Rooms,
    store: Store,
    keyring: Keyring,
    public_url: Option<Arc<str>>,
    webhooks: Webhooks,
}

impl Admin {
    /// Works on `rooms`, which are kept in `store`. Links begin with `public_url`, or with `/r/` where it is not known.
    pub fn new(rooms: Rooms, store: Store, public_url: Option<String>) -> Self {
        Admin {
            webhooks: Webhooks::new(store.clone(), None, Guard::default()),
            keyring: Keyring::new(rooms.clone(), store.clone()),
            rooms,
            store,
            public_url: public_url.map(Arc::from),
        }
    }

    /// Returns the same for one request: what it does is written down with its origin.
    fn asked_by(&self, caller: &Caller) -> Self {
        let origin = Origin {
            prefix: caller.from,
            request_id: caller.request_id.clone(),
        };
        Admin {
            rooms: self.rooms.asked_from(origin),
            ..self.clone()
        }
    }

    /// Checks and tries webhooks by what `webhooks` may call. Without it only public hosts can be
    /// named, and no receiver is trusted.
    pub fn with_webhooks(self, webhooks: Webhooks) -> Self {
        Admin { webhooks, ..self }
    }

    /// Ends what API keys made whose time is over, until `stop` turns true.
    pub async fn tend_keys(self, stop: watch::Receiver<bool>) {
        self.keyring.tend(stop).await;
    }

    /// Finds a room by its id, by its name in links, or by what another system
    /// calls it. One that `sees` does not let through is as if it were not:
    /// what others call their rooms hides none.
    fn find(&self, name: &str, sees: impl Fn(&RoomEntry) -> bool) -> Option<RoomEntry> {
        let rooms = &self.rooms;
        let by_id = || rooms.find_id(name.parse().ok()?);
        let by_slug = || Slug::new(name).ok();
        let by_external_id = || rooms.find_external(name);
        let seen = |slug: Slug| rooms.entry(&slug).filter(&sees);
        by_id()
            .and_then(seen)
            .or_else(|| by_slug().and_then(seen))
            .or_else(|| by_external_id().and_then(seen))
    }

    fn guest_link(&self, slug: &Slug) -> String {
        let origin = self.public_url.as_deref().unwrap_or_default();
        format!("{origin}/r/{slug}")
    }

    fn invite_link(&self, slug: &Slug, secret: &InviteSecret) -> String {
        format!("{}#i={}", self.guest_link(slug), secret.reveal())
    }
}

/// Returns the routes for a socket that only operators can open: whoever asks may everything.
pub fn router(admin: Admin) -> Router {
    let gate = Gate {
        admin,
        door: Box::new(OperatorOnly),
        entrance: None,
        pace: Pace::default(),
    };
    Router::new()
        .fallback(guard::nowhere)
        .layer(from_fn(guard::document))
        .merge(guard::router(gate, routes::routes()))
}

/// Returns the routes for everybody else: whoever asks needs an API key, and
/// `entrance` to let them in. Without a fallback, as there are pages beside them.
pub fn key_router(admin: Admin, entrance: watch::Receiver<Entrance>) -> Router {
    let gate = Gate {
        door: Box::new(admin.keyring.clone()),
        admin,
        entrance: Some(entrance),
        pace: Pace::default(),
    };
    guard::router(gate, routes::routes())
}

/// Returns the time of the wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Timestamp::from_unix_ms(u64::try_from(ms).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod site;
#[cfg(test)]
mod tests;

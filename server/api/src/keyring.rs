//! All API keys, in memory and in the store: who sends a request is known
//! without a look at the disk, and a key that is ended is dead at once.
//!
//! One change is made at a time, and only what is in the store is in memory.
//! What a key started ends with it, or when it may only do less: `holding` cuts
//! its requests and streams, `winding` ends the invites and webhooks that it
//! made. `door` finds out whose key a request has.

mod door;
mod holding;
mod winding;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_server_core::access::guesses::{Guesses, Uses};
use conclave_server_core::access::keys::{Draft, KeyError, Keys, Patch, Seed, State};
use conclave_server_core::access::record::{KeyHash, KeyRecord};
use conclave_server_core::access::rights::Denied;
use conclave_server_core::access::text::{self, KeySecret};
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_node::Rooms;
use conclave_signalling_store::{Store, StoreError};
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::time::Timestamp;
use http::StatusCode;
use tokio::sync::{Mutex as Turn, OnceCell, OwnedMutexGuard, watch};

use crate::auth::Caller;
use crate::problem::Problem;

/// How often the clock on the wall is looked at: somebody may set it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All keys of the server. Copies are the same keyring.
#[derive(Clone)]
pub(crate) struct Keyring(Arc<Ring>);

struct Ring {
    store: Store,
    rooms: Rooms,
    read: OnceCell<()>,
    table: Mutex<Table>,
    /// Held over each change and its commit.
    turn: Arc<Turn<()>>,
    changed: watch::Sender<()>,
}

/// What is in memory. Held for microseconds, never over an await.
#[derive(Default)]
struct Table {
    keys: Keys,
    uses: Uses,
    /// Uses of keys that do not hold.
    refused: Uses,
    guesses: Guesses,
    /// Ended keys of which nothing is left.
    wound_up: BTreeSet<KeyId>,
}

/// A key, and how it stands.
pub(crate) struct Shown {
    pub(crate) record: KeyRecord,
    pub(crate) state: State,
}

/// A key with its text, which nobody sees again.
pub(crate) struct Made {
    pub(crate) shown: Shown,
    pub(crate) text: zeroize::Zeroizing<String>,
}

impl Keyring {
    /// Works on the keys of `store`, which are read when the first is asked for.
    pub(crate) fn new(rooms: Rooms, store: Store) -> Self {
        Keyring(Arc::new(Ring {
            store,
            rooms,
            read: OnceCell::new(),
            table: Mutex::default(),
            turn: Arc::default(),
            changed: watch::channel(()).0,
        }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the keys, the first time.
    async fn ready(&self) -> Result<(), StoreError> {
        let read = async {
            let keys = self.0.store.keys().await?;
            self.table().keys = Keys::new(keys);
            Ok(())
        };
        self.0.read.get_or_try_init(|| read).await.map(drop)
    }

    /// Returns the keys that `by` may see, the oldest first.
    pub(crate) async fn list(&self, by: Actor) -> Result<Vec<Shown>, Problem> {
        self.ready().await?;
        let (now, table) = (crate::now(), self.table());
        let shown = |record: &KeyRecord| table.shown(record.clone(), now);
        Ok(table.keys.list(by).map(shown).collect())
    }

    /// Returns a key.
    ///
    /// # Errors
    /// 404 if there is none, or none that `by` may see.
    pub(crate) async fn show(&self, by: Actor, id: KeyId) -> Result<Shown, Problem> {
        self.ready().await?;
        let table = self.table();
        let record = table.keys.show(by, id).map_err(of_key)?;
        Ok(table.shown(record.clone(), crate::now()))
    }

    /// Makes a key.
    ///
    /// # Errors
    /// 403 for more than `by` has, 422 for what cannot be.
    pub(crate) async fn make(&self, by: &Caller, draft: &Draft) -> Result<Made, Problem> {
        let turn = self.turn().await?;
        let now = crate::now();
        let secret = KeySecret::new(rand::random());
        let seed = Seed {
            id: KeyId::new(now.unix_ms(), rand::random()),
            hash: secret.hash(),
        };
        let made = self.table().keys.make(by.actor, seed, draft, now);
        let record = self.allowed(by, "key.create", None, made).await?;
        let text = text::write(record.id, &secret);
        let shown = self.keep(turn, by, "key.create", record).await?;
        Ok(Made { shown, text })
    }

    /// Changes a key, of which `check` is told the revision that it replaces.
    ///
    /// # Errors
    /// As [`Keyring::make`]; 404, 409 for one that has ended, and what `check` says.
    pub(crate) async fn change(
        &self,
        by: &Caller,
        id: KeyId,
        patch: &Patch,
        check: impl Fn(u32) -> Result<(), Problem>,
    ) -> Result<Shown, Problem> {
        let turn = self.turn().await?;
        self.check(by.actor, id, check)?;
        let changed = self.table().keys.change(by.actor, id, patch, crate::now());
        let record = self.allowed(by, "key.update", Some(id), changed).await?;
        self.keep(turn, by, "key.update", record).await
    }

    /// Gives a key a new secret; the one it has holds for `overlap` longer.
    ///
    /// # Errors
    /// As [`Keyring::change`].
    pub(crate) async fn rotate(
        &self,
        by: &Caller,
        id: KeyId,
        overlap: Duration,
        check: impl Fn(u32) -> Result<(), Problem>,
    ) -> Result<Made, Problem> {
        let turn = self.turn().await?;
        self.check(by.actor, id, check)?;
        let secret = KeySecret::new(rand::random());
        let hash: KeyHash = secret.hash();
        let rotated = self
            .table()
            .keys
            .rotate(by.actor, id, hash, overlap, crate::now());
        let record = self.allowed(by, "key.rotate", Some(id), rotated).await?;
        let text = text::write(id, &secret);
        let shown = self.keep(turn, by, "key.rotate", record).await?;
        Ok(Made { shown, text })
    }

    /// Ends a key, and with it all that it started. Done when invites and
    /// webhooks of it are ended too, or will be by [`Keyring::tend`].
    ///
    /// # Errors
    /// As [`Keyring::change`].
    pub(crate) async fn end(
        &self,
        by: &Caller,
        id: KeyId,
        check: impl Fn(u32) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let turn = self.turn().await?;
        self.check(by.actor, id, check)?;
        let ended = self.table().keys.end(by.actor, id, crate::now());
        let record = self.allowed(by, "key.revoke", Some(id), ended).await?;
        self.keep(turn, by, "key.revoke", record).await?;
        if let Err(error) = self.wind_up().await {
            tracing::error!(%error, "what an ended key made is not ended yet; it is tried again");
        }
        Ok(())
    }

    async fn turn(&self) -> Result<OwnedMutexGuard<()>, Problem> {
        self.ready().await?;
        Ok(Arc::clone(&self.0.turn).lock_owned().await)
    }

    fn check(
        &self,
        by: Actor,
        id: KeyId,
        check: impl Fn(u32) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let rev = self.table().keys.show(by, id).map_err(of_key)?.rev;
        check(rev)
    }

    /// Notes in the audit log who tried to give more than it has.
    async fn allowed(
        &self,
        by: &Caller,
        action: &str,
        target: Option<KeyId>,
        done: Result<KeyRecord, KeyError>,
    ) -> Result<KeyRecord, Problem> {
        let error = match done {
            Ok(record) => return Ok(record),
            Err(error) => error,
        };
        if let KeyError::Beyond(beyond) = &error {
            let entry = AuditEntry {
                outcome: "forbidden".to_owned(),
                detail: Some(beyond.member().to_owned()),
                ..by.did(action, target.map(|id| id.to_string()))
            };
            self.0.store.audit(entry).await?;
        }
        Err(of_key(error))
    }

    /// Keeps a record, then goes by it: also if whoever asked does not wait.
    async fn keep(
        &self,
        turn: OwnedMutexGuard<()>,
        by: &Caller,
        action: &str,
        record: KeyRecord,
    ) -> Result<Shown, Problem> {
        let entry = AuditEntry {
            detail: Some(about(&record)),
            ..by.did(action, Some(record.id.to_string()))
        };
        let ring = self.clone();
        let kept = tokio::spawn(async move {
            let before = record.rev.wrapping_sub(1);
            let put = ring.0.store.put_key(record.clone(), Some(before), entry);
            put.await?;
            let mut table = ring.table();
            table.keys.put(record.clone());
            let shown = table.shown(record, crate::now());
            drop(table);
            ring.0.changed.send_replace(());
            drop(turn);
            Ok::<_, StoreError>(shown)
        });
        Ok(kept.await.unwrap_or(Err(StoreError::Closed))?)
    }
}

impl Table {
    fn shown(&self, record: KeyRecord, now: Timestamp) -> Shown {
        Shown {
            state: self.keys.state(record.id, now),
            record,
        }
    }
}

fn entry(by: Actor, action: &str, target: Option<KeyId>) -> AuditEntry {
    AuditEntry {
        at: crate::now(),
        actor: by,
        action: action.to_owned(),
        target: target.map(|id| id.to_string()),
        room: None,
        session: None,
        prefix: None,
        request_id: None,
        outcome: "ok".to_owned(),
        detail: None,
    }
}

/// Returns what a key may do, in a few words.
fn about(record: &KeyRecord) -> String {
    let scopes: Vec<&str> = record.scopes.iter().map(|scope| scope.name()).collect();
    let places = match &record.rooms {
        None => String::new(),
        Some(filter) => format!(
            " of {} rooms and {} tags",
            filter.rooms.len(),
            filter.tags.len()
        ),
    };
    format!("{}{places}", scopes.join(" "))
}

fn code_of(denied: Denied) -> &'static str {
    match denied {
        Denied::Revoked => "key_revoked",
        Denied::Expired => "key_expired",
        Denied::Network => "network_not_allowed",
        Denied::Scope(_) => "insufficient_scope",
        Denied::Room => "not_found",
    }
}

/// Says why something is denied.
fn of_denied(denied: Denied) -> Problem {
    match denied {
        Denied::Revoked | Denied::Expired => Problem::unauthorized(denied.to_string()),
        Denied::Network => {
            Problem::new(StatusCode::FORBIDDEN, code_of(denied)).detail(denied.to_string())
        }
        Denied::Scope(scope) => Problem::insufficient(scope),
        Denied::Room => Problem::not_found("room"),
    }
}

fn of_key(error: KeyError) -> Problem {
    match error {
        KeyError::Unknown => Problem::not_found("key"),
        KeyError::Ended => {
            Problem::new(StatusCode::CONFLICT, "key_ended").detail(error.to_string())
        }
        KeyError::Beyond(beyond) => Problem::new(StatusCode::FORBIDDEN, "beyond_own_rights")
            .detail(format!("`{}`: {beyond}", beyond.member())),
        KeyError::Foreign => {
            Problem::new(StatusCode::FORBIDDEN, "beyond_own_rights").detail(error.to_string())
        }
        KeyError::Denied(denied) => of_denied(denied),
        KeyError::Invalid(bad) => bad.into(),
        KeyError::TooMany | KeyError::TooDeep => {
            Problem::new(StatusCode::CONFLICT, "too_many_keys").detail(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests;

//! All API keys, in memory and in the store: who sends a request is known
//! without a look at the disk, and a key that is ended is dead at once.
//!
//! One change is made at a time, and only what is in the store is in memory.
//! What a key started ends with it: its requests and streams after [`GRACE`],
//! also when it may only do less; the invites and webhooks that it made with
//! the change itself, and once more [`AGAIN_AFTER`] it for what was under way.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Body;
use conclave_server_core::access::guesses::{Guesses, Uses};
use conclave_server_core::access::keys::{Draft, KeyError, Keys, Patch, Seed, State};
use conclave_server_core::access::record::{KeyHash, KeyRecord};
use conclave_server_core::access::rights::{Denied, Rights};
use conclave_server_core::access::text::{self, KeySecret};
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_node::{Rooms, RoomsError};
use conclave_signalling_store::{Store, StoreError};
use conclave_signalling_wire::ids::{EventId, KeyId};
use conclave_signalling_wire::time::Timestamp;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex as Turn, OnceCell, OwnedMutexGuard, watch};

use crate::auth::{Authenticate, Caller, Knock};
use crate::problem::Problem;

/// For what is being answered when its key ends: also the answer to the request that ends it.
const GRACE: Duration = Duration::from_secs(1);
/// When nothing of the key is under way any more, whatever it was.
const AGAIN_AFTER: Duration = Duration::from_secs(3);
/// How often the clock on the wall is looked at: somebody may set it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long to wait after the store did not do it.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// Why something is not done to its end.
const OVER: &str = "the key has ended, or may do less by now";

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

    /// Ends what keys made whose time is over, when it is over, until `stop` turns true.
    pub(crate) async fn tend(&self, mut stop: watch::Receiver<bool>) {
        let work = async {
            let mut changed = self.0.changed.subscribe();
            loop {
                changed.mark_unchanged();
                if let Err(error) = self.ready().await {
                    tracing::error!(%error, "the keys cannot be read");
                    tokio::time::sleep(RETRY_AFTER).await;
                    continue;
                }
                let pause = match self.wind_up().await {
                    Ok(()) => self.until_next_end(),
                    Err(error) => {
                        tracing::error!(%error, "what an ended key made is not ended");
                        RETRY_AFTER
                    }
                };
                let _ = tokio::time::timeout(pause, changed.changed()).await;
            }
        };
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = work => {}
        }
    }

    /// Does something for a caller, unless its key meanwhile ends or may do less.
    ///
    /// # Errors
    /// 401 then, and what `work` says.
    pub(crate) async fn while_it_holds<T>(
        &self,
        by: &Caller,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let Actor::Key(id) = by.actor else {
            return work.await;
        };
        tokio::select! {
            biased;
            done = work => done,
            () = self.end_of(id, &by.rights) => Err(Problem::unauthorized(OVER)),
        }
    }

    /// Returns a body that breaks off when the key of its reader ends or may do less.
    pub(crate) fn cut(&self, by: Caller, body: Body) -> Body {
        let Actor::Key(id) = by.actor else {
            return body;
        };
        let ring = self.clone();
        let mut end: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(async move { ring.end_of(id, &by.rights).await });
        let mut pieces = body.into_data_stream();
        let mut is_cut = false;
        Body::from_stream(stream::poll_fn(move |context| {
            if is_cut {
                return Poll::Ready(None);
            }
            if end.poll_unpin(context).is_ready() {
                is_cut = true;
                let error = io::Error::other(OVER);
                return Poll::Ready(Some(Err(axum::Error::new(error))));
            }
            pieces.poll_next_unpin(context)
        }))
    }

    /// Waits until a key has ended, or may do less than `begun`, which was
    /// decided by, and then for [`GRACE`].
    async fn end_of(&self, id: KeyId, begun: &Rights) {
        let mut changed = self.0.changed.subscribe();
        let holds = || {
            let table = self.table();
            let rights = table.keys.rights(id);
            table.keys.state(id, crate::now()) == State::Active
                && rights.is_some_and(|rights| rights.cover(begun).is_ok())
        };
        while holds() {
            let _ = tokio::time::timeout(LOOK_EVERY, changed.changed()).await;
        }
        tokio::time::sleep(GRACE).await;
    }

    fn until_next_end(&self) -> Duration {
        let now = crate::now();
        match self.table().keys.next_end(now) {
            None => LOOK_EVERY,
            Some(end) => {
                let ms = end.unix_ms().saturating_sub(now.unix_ms());
                Duration::from_millis(ms).min(LOOK_EVERY)
            }
        }
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

    /// Ends what ended keys made: at once, and again when nothing of them is under way.
    async fn wind_up(&self) -> Result<(), RoomsError> {
        let ended: BTreeSet<KeyId> = {
            let table = self.table();
            let ended = table.keys.ended(crate::now());
            ended.filter(|id| !table.wound_up.contains(id)).collect()
        };
        if ended.is_empty() {
            return Ok(());
        }
        self.end_works(&ended).await?;
        let mut table = self.table();
        for id in &ended {
            table.uses.forget(*id);
        }
        table.wound_up.extend(&ended);
        drop(table);
        let ring = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGAIN_AFTER).await;
            if let Err(error) = ring.end_works(&ended).await {
                tracing::error!(%error, "what an ended key made at last is not ended");
            }
        });
        Ok(())
    }

    async fn end_works(&self, ended: &BTreeSet<KeyId>) -> Result<(), RoomsError> {
        for id in ended {
            let rooms = &self.0.rooms;
            rooms
                .revoke_made_by(Actor::Key(*id), Actor::Operator)
                .await?;
        }
        for mut webhook in self.0.store.webhooks().await.map_err(RoomsError::Store)? {
            let Actor::Key(maker) = webhook.created_by else {
                continue;
            };
            if !webhook.enabled || !ended.contains(&maker) {
                continue;
            }
            let entry = AuditEntry {
                target: Some(webhook.id.to_string()),
                detail: Some(format!("{maker} has ended")),
                ..entry(Actor::Room, "webhook.disable", None)
            };
            let before = webhook.rev;
            webhook.enabled = false;
            webhook.rev = before.wrapping_add(1);
            match self.0.store.put_webhook(webhook, Some(before), entry).await {
                // Somebody else was faster; it is looked at again.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(RoomsError::Store(error)),
            }
        }
        Ok(())
    }

    /// Finds out who sent a request.
    async fn identify(&self, knock: Knock<'_>) -> Result<Caller, Problem> {
        self.ready().await?;
        let address = knock.client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let prefix = Prefix::from(address).to_string();
        let Some(said) = bearer(knock.headers)? else {
            return Err(Problem::unauthorized(
                "an API key is needed: `Authorization: Bearer ck_…`",
            ));
        };
        let now = knock.now;
        let mut table = self.table();
        let key = text::parse(said).ok().and_then(|(id, secret)| {
            let record = table.keys.proven(id, &secret, now)?;
            let last = record.last_used_at.zip(record.last_used_prefix.clone());
            Some((id, table.keys.rights(id)?.clone(), last))
        });
        let Some((id, rights, last)) = key else {
            let verdict = table.guesses.handle_wrong(Instant::now(), address);
            drop(table);
            if let Some(times) = verdict.tell {
                self.tell_of_wrong(now, prefix, times);
            }
            return Err(match verdict.wait {
                Some(wait) => Problem::too_many(wait).detail("too many wrong keys came from there"),
                None => Problem::unauthorized("there is no such key"),
            });
        };
        if let Err(denied) = rights.holds(Some(address), now) {
            let noted = table.refused.handle_use(now, id, &prefix, None);
            drop(table);
            if noted.audit {
                self.tell_of_refused(now, id, prefix, denied);
            }
            return Err(of_denied(denied));
        }
        let last = last.as_ref().map(|(at, prefix)| (*at, prefix.as_str()));
        let noted = table.uses.handle_use(now, id, &prefix, last);
        if noted.keep {
            table.keys.touch(id, now, &prefix);
        }
        drop(table);
        if noted.keep || noted.audit {
            self.tell_of_use(now, id, prefix, noted.audit, noted.is_elsewhere);
        }
        Ok(Caller {
            actor: Actor::Key(id),
            rights,
            from: Some(Prefix::from(address)),
        })
    }

    /// Writes what is said of a use, while it is being answered. At most once a
    /// minute and key, and for each network that is new to it.
    fn tell_of_use(&self, now: Timestamp, id: KeyId, prefix: String, audit: bool, elsewhere: bool) {
        let store = self.0.store.clone();
        self.write("the use of a key", async move {
            store.touch_key(id, now, &prefix).await?;
            if audit {
                let entry = AuditEntry {
                    at: now,
                    prefix: Some(prefix.clone()),
                    ..entry(Actor::Key(id), "key.use", Some(id))
                };
                store.audit(entry).await?;
            }
            if elsewhere {
                let data = [("key", json!(id))];
                let kind = EventKind::SecurityKeyUsedNewIp;
                store.event(event(now, kind, data, prefix)).await?;
            }
            Ok(())
        });
    }

    fn tell_of_refused(&self, now: Timestamp, id: KeyId, prefix: String, denied: Denied) {
        let store = self.0.store.clone();
        self.write("the refusal of a key", async move {
            let entry = AuditEntry {
                at: now,
                prefix: Some(prefix),
                outcome: code_of(denied).to_owned(),
                ..entry(Actor::Key(id), "key.use", Some(id))
            };
            store.audit(entry).await
        });
    }

    fn tell_of_wrong(&self, now: Timestamp, prefix: String, times: u32) {
        let store = self.0.store.clone();
        self.write("wrong keys", async move {
            let entry = AuditEntry {
                at: now,
                prefix: Some(prefix.clone()),
                outcome: "unauthorized".to_owned(),
                detail: Some(format!("{times} times")),
                ..entry(Actor::Room, "key.use", None)
            };
            store.audit(entry).await?;
            let data = [("times", json!(times))];
            let kind = EventKind::SecurityLoginFailed;
            store.event(event(now, kind, data, prefix)).await
        });
    }

    fn write(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        tokio::spawn(async move {
            if let Err(error) = work.await {
                tracing::error!(%error, what, "the store does not write");
            }
        });
    }
}

impl Authenticate for Keyring {
    fn authenticate<'a>(&'a self, knock: Knock<'a>) -> BoxFuture<'a, Result<Caller, Problem>> {
        Box::pin(self.identify(knock))
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

/// Returns the credential of a request (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::malformed("there is more than one `Authorization`"));
    }
    let value = value.to_str().unwrap_or_default();
    let of_scheme = value.split_once(' ');
    let of_scheme = of_scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Ok(of_scheme.map(|(_, credential)| credential.trim()))
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

fn event<const N: usize>(
    at: Timestamp,
    kind: EventKind,
    data: [(&str, Value); N],
    prefix: String,
) -> Event {
    let member = |(name, value): (&str, Value)| (name.to_owned(), value);
    Event {
        id: EventId::new(at.unix_ms(), rand::random()),
        at,
        kind,
        room: None,
        session: None,
        participant: None,
        data: data.into_iter().map(member).collect(),
        personal: Map::from_iter([("network".to_owned(), json!(prefix))]),
    }
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

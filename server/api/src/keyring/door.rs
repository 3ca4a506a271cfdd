//! Who sends a request, and what is written down of keys that are used, refused or wrong.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use conclave_server_core::access::rights::Denied;
use conclave_server_core::access::text;
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::ids::{EventId, KeyId};
use conclave_signalling_wire::time::Timestamp;
use futures_util::future::BoxFuture;
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::{Keyring, code_of, entry, of_denied};
use crate::auth::{Authenticate, Caller, Knock};
use crate::problem::Problem;

impl Authenticate for Keyring {
    fn authenticate<'a>(&'a self, knock: Knock<'a>) -> BoxFuture<'a, Result<Caller, Problem>> {
        Box::pin(self.identify(knock))
    }
}

impl Keyring {
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
            request_id: None,
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

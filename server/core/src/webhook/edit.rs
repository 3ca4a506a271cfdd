//! How a webhook is made and changed, and for whom.
//!
//! A key that is for some rooms makes webhooks for those, and sees no others.
//! What a key made is called for as long as the key holds and could make it
//! again: nobody goes on listening after being shut out.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_signalling_core::event::EventKind;
use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::ids::{RoomId, WebhookId};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::time::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::guard::Guard;
use super::record::{SigningSecret, WebhookRecord};
use super::target::Target;
use crate::access::keys::{Keys, ROOMS_MAX, TAGS_MAX};
use crate::access::record::{RoomFilter, Scope};
use crate::access::rights::Rights;
use crate::members::BadMember;

/// Webhooks that there may be. Each is asked about with every event.
pub const WEBHOOKS_MAX: usize = 100;
/// Characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 200;
/// Seconds for which the former secret signs as well, unless somebody says otherwise: a day.
pub const OVERLAP_S: u32 = 24 * 3600;
/// The longest such time: a week.
pub const OVERLAP_S_MAX: u32 = 7 * 24 * 3600;

/// Rooms by their identifiers and tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rooms {
    /// These rooms.
    #[schemars(length(max = 100))]
    pub rooms: BTreeSet<RoomId>,
    /// Rooms with one of these tags.
    #[schemars(length(max = 16))]
    pub tags: BTreeSet<String>,
}

impl From<RoomFilter> for Rooms {
    fn from(filter: RoomFilter) -> Self {
        let RoomFilter { rooms, tags } = filter;
        Rooms { rooms, tags }
    }
}

/// A webhook as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WebhookCreate")]
pub struct Draft {
    /// What is called: https, a public host, no user and no fragment.
    #[schemars(length(min = 1, max = 2048), regex(pattern = "^https?://[^/]"))]
    pub url: String,
    /// What it is for.
    #[serde(default)]
    #[schemars(
        length(max = 200),
        regex(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub description: String,
    /// What it is told; an empty list for everything.
    #[serde(default)]
    #[schemars(schema_with = "kinds")]
    pub events: BTreeSet<EventKind>,
    /// Of which rooms; `null` for all that the caller may see, and, if those are all that there are, for what concerns no room.
    #[serde(default)]
    pub rooms: Option<Rooms>,
    /// Whether names are told. Needs `sessions:read` as well.
    #[serde(default)]
    pub include_pii: bool,
    /// Whether it is called.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// A change to a webhook. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "WebhookChange")]
pub struct Change {
    /// What is called.
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// What it is for.
    #[schemars(
        length(max = 200),
        regex(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub description: Option<String>,
    /// What it is told; an empty list for everything.
    #[schemars(schema_with = "optional_kinds")]
    pub events: Option<BTreeSet<EventKind>>,
    /// Of which rooms; `null` for all that the caller may see.
    pub rooms: Patch<Rooms>,
    /// Whether names are told. Needs `sessions:read` as well.
    pub include_pii: Option<bool>,
    /// Whether it is called. Whoever switches it on answers for it from then on.
    pub enabled: Option<bool>,
}

/// Why a webhook is not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// A member cannot be.
    #[error("{0}")]
    Invalid(BadMember),
    /// Who asks lacks a scope.
    #[error("the scope {} is needed", .0.name())]
    Scope(Scope),
}

/// What a new webhook is made of besides what is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Its identifier.
    pub id: WebhookId,
    /// Its secret.
    pub secret: SigningSecret,
    /// When it is made.
    pub at: Timestamp,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// In whose name.
    pub actor: Actor,
    /// With which rights.
    pub rights: &'a Rights,
}

impl WebhookRecord {
    /// Makes one.
    ///
    /// # Errors
    /// When it cannot be, or goes beyond the rights of who asks.
    pub fn make(draft: Draft, seed: Seed, by: By<'_>, guard: &Guard) -> Result<Self, EditError> {
        let record = WebhookRecord {
            id: seed.id,
            url: draft.url,
            description: draft.description,
            events: draft.events,
            rooms: filter(draft.rooms, by.rights),
            include_pii: draft.include_pii,
            enabled: draft.enabled,
            secret: seed.secret,
            former: None,
            created_by: by.actor,
            created_at: seed.at,
            rev: 1,
        };
        record.checked(by.rights, guard)
    }

    /// Returns it as it is after a change.
    ///
    /// # Errors
    /// When it cannot be, or goes beyond the rights of who asks.
    pub fn changed(
        &self,
        change: Change,
        by: By<'_>,
        guard: &Guard,
    ) -> Result<WebhookRecord, EditError> {
        let mut record = self.clone();
        record.rev = self.rev.saturating_add(1);
        if let Some(url) = change.url {
            // Who is called instead is told things for as long as whoever said so may do that.
            if url != record.url {
                record.created_by = by.actor;
            }
            record.url = url;
        }
        record.description = change.description.unwrap_or(record.description);
        record.events = change.events.unwrap_or(record.events);
        match change.rooms {
            Patch::Keep => {}
            Patch::Clear => record.rooms = filter(None, by.rights),
            Patch::Set(rooms) => record.rooms = filter(Some(rooms), by.rights),
        }
        record.include_pii = change.include_pii.unwrap_or(record.include_pii);
        if let Some(enabled) = change.enabled {
            record.enabled = enabled;
            if enabled {
                record.created_by = by.actor;
            }
        }
        record.checked(by.rights, guard)
    }

    /// Returns it with a new secret at `now`; the former signs as well for `overlap`.
    pub fn rotated(&self, secret: SigningSecret, now: Timestamp, overlap: Duration) -> Self {
        let ms = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
        let until = Timestamp::from_unix_ms(now.unix_ms().saturating_add(ms));
        WebhookRecord {
            secret,
            former: (!overlap.is_zero()).then_some((self.secret, until)),
            rev: self.rev.saturating_add(1),
            ..self.clone()
        }
    }

    /// Returns whether it exists for somebody with these rights: it is told of their rooms alone.
    pub fn is_seen_with(&self, rights: &Rights) -> bool {
        match (&rights.rooms, &self.rooms) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(outer), Some(inner)) => inner.is_within(outer),
        }
    }

    /// Returns whether who made it could make it at `now`.
    pub fn is_backed(&self, keys: &Keys, now: Timestamp) -> bool {
        let Actor::Key(maker) = self.created_by else {
            return true;
        };
        keys.rights(maker).is_some_and(|rights| {
            rights.lives(now).is_ok()
                && rights.allows(Scope::WebhooksWrite).is_ok()
                && (!self.include_pii || rights.allows(Scope::SessionsRead).is_ok())
                && self.is_seen_with(rights)
        })
    }

    fn checked(self, rights: &Rights, guard: &Guard) -> Result<Self, EditError> {
        let invalid = |member, text: &str| EditError::Invalid(BadMember::invalid(member, text));
        Target::parse(&self.url, guard).map_err(|bad| invalid("url", &bad.to_string()))?;
        let has_control = self.description.chars().any(char::is_control);
        if has_control || self.description.chars().count() > DESCRIPTION_CHARS_MAX {
            return Err(invalid(
                "description",
                "must be one line of at most 200 characters",
            ));
        }
        if let Some(filter) = &self.rooms {
            let is_empty = filter.rooms.is_empty() && filter.tags.is_empty();
            if is_empty || filter.rooms.len() > ROOMS_MAX || filter.tags.len() > TAGS_MAX {
                return Err(invalid(
                    "rooms",
                    "must name 1 to 100 rooms or 1 to 16 tags, or be null",
                ));
            }
        }
        if !self.is_seen_with(rights) {
            return Err(invalid("rooms", "must be among those of the key"));
        }
        if self.include_pii && rights.allows(Scope::SessionsRead).is_err() {
            return Err(EditError::Scope(Scope::SessionsRead));
        }
        Ok(self)
    }
}

/// Whoever is for some rooms means those where none are named.
fn filter(rooms: Option<Rooms>, rights: &Rights) -> Option<RoomFilter> {
    let said = rooms.map(|Rooms { rooms, tags }| RoomFilter { rooms, tags });
    said.or_else(|| rights.rooms.clone())
}

const fn yes() -> bool {
    true
}

/// Returns the schema of a kind of event.
pub fn kind(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    json_schema!({"type": "string", "enum": names})
}

/// Returns the schema of a set of kinds of events.
pub fn kinds(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "uniqueItems": true, "items": kind(generator)})
}

fn optional_kinds(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["array", "null"], "uniqueItems": true, "items": kind(generator)})
}

#[cfg(test)]
mod tests;

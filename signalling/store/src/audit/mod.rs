//! The audit log: records chained by hashes, signed now and then.
//!
//! Each record carries the hash of the one before it; its own hash is SHA-256 of
//! that and of its canonical bytes (see [`AuditRecord`]). A [`Checkpoint`] signs a
//! sequence number with its hash under a key outside the database, and so
//! everything up to there. Whoever can write to the database can change records
//! after the last checkpoint unseen, and with all later checkpoints also cut the
//! log there: against this, checkpoints or heads noted elsewhere help ([`Anchor`]).

pub(crate) mod canonical;
pub(crate) mod chain;
pub(crate) mod checkpoint;

use std::fmt;
use std::str::FromStr;

use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

pub use chain::{Broken, Verified};
pub use checkpoint::Checkpoint;

use crate::error::StoreError;
use crate::query::Order;
use canonical::RawRecord;

/// A SHA-256 digest.
pub(crate) type Hash = [u8; 32];

/// The end of the log at some time: a sequence number, and the hash of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Anchor {
    /// The number of the record, from 1 on; 0 for the empty log.
    pub seq: u64,
    /// Its hash; zeros for the empty log.
    pub hash: [u8; 32],
}

impl Anchor {
    /// The end of the empty log.
    pub const EMPTY: Anchor = Anchor {
        seq: 0,
        hash: [0; 32],
    };
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex(&self.hash))
    }
}

/// Text that is no [`Anchor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not of the form number:hash, with 64 hexadecimal digits")]
pub struct InvalidAnchor;

impl FromStr for Anchor {
    type Err = InvalidAnchor;

    fn from_str(text: &str) -> Result<Self, InvalidAnchor> {
        let (seq, digits) = text.split_once(':').ok_or(InvalidAnchor)?;
        if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidAnchor);
        }
        let mut hash = [0; 32];
        for (place, byte) in hash.iter_mut().enumerate() {
            let pair = digits.get(2 * place..2 * place + 2).ok_or(InvalidAnchor)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidAnchor)?;
        }
        let seq = seq.parse().map_err(|_| InvalidAnchor)?;
        Ok(Anchor { seq, hash })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One record of the log.
///
/// Its hash is SHA-256 of the hash of the record before it (32 bytes; zeros
/// before the first one) and its canonical bytes. These are, without anything between them:
///
/// 1. the 26 bytes `conclave: audit record, 1\n`,
/// 2. the number and the time in milliseconds since 1970, each as 8 bytes, the
///    most significant first,
/// 3. the texts kind of the actor, identifier of the actor, action, target,
///    room, session, prefix, outcome and detail, in this order: each one either the byte
///    0, if there is none, or the byte 1, its length in bytes as 4 bytes, the
///    most significant first, and its UTF-8,
/// 4. if there is a request, its id in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number, from 1 on, without gaps.
    pub seq: u64,
    /// What was done.
    pub entry: AuditEntry,
    /// The hash of the record before it.
    pub prev: [u8; 32],
    /// Its hash.
    pub hash: [u8; 32],
}

impl AuditRecord {
    /// Returns it as one line of JSON, without the line's end. The hash is not
    /// of this text but of the canonical bytes.
    pub fn to_json_line(&self) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            seq: u64,
            #[serde(flatten)]
            entry: &'a AuditEntry,
            prev: String,
            hash: String,
        }
        let line = Line {
            seq: self.seq,
            entry: &self.entry,
            prev: hex(&self.prev),
            hash: hex(&self.hash),
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

impl TryFrom<RawRecord> for AuditRecord {
    type Error = StoreError;

    fn try_from(raw: RawRecord) -> Result<Self, StoreError> {
        let damaged = |column: &str| StoreError::Damaged(format!("audit.{column}"));
        let mut actor = serde_json::Map::new();
        actor.insert("kind".to_owned(), Value::String(raw.actor_kind));
        if let Some(id) = raw.actor_id {
            actor.insert("id".to_owned(), Value::String(id));
        }
        let at = u64::try_from(raw.at).map_err(|_| damaged("at"))?;
        let entry = AuditEntry {
            at: Timestamp::from_unix_ms(at),
            actor: serde_json::from_value(Value::Object(actor)).map_err(|_| damaged("actor"))?,
            action: raw.action,
            target: raw.target,
            room: raw
                .room
                .map(|room| room.parse().map_err(|_| damaged("room")))
                .transpose()?,
            session: raw
                .session
                .map(|session| session.parse().map_err(|_| damaged("session")))
                .transpose()?,
            prefix: raw.prefix,
            request_id: raw.request_id,
            outcome: raw.outcome,
            detail: raw.detail,
        };
        Ok(AuditRecord {
            seq: u64::try_from(raw.seq).map_err(|_| damaged("seq"))?,
            entry,
            prev: raw.prev.try_into().map_err(|_| damaged("prev"))?,
            hash: raw.hash.try_into().map_err(|_| damaged("hash"))?,
        })
    }
}

/// Returns the kind of an actor and its identifier, as the log has them.
pub(crate) fn actor_parts(actor: Actor) -> (&'static str, Option<String>) {
    match actor {
        Actor::Participant(id) => ("participant", Some(id.to_string())),
        Actor::Link(id) => ("link", Some(id.to_string())),
        Actor::Invite(id) => ("invite", Some(id.to_string())),
        Actor::Operator => ("operator", None),
        Actor::Key(id) => ("key", Some(id.to_string())),
        Actor::Configuration => ("configuration", None),
        Actor::Room => ("room", None),
    }
}

/// Which records are wanted.
///
/// Without [`AuditQuery::order`] they come in the order of the log: the newest
/// [`AuditQuery::limit`], or the first ones after [`AuditQuery::after`]. With it they come from
/// one end of the log to the other, and `after` is the last one that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    /// Those that come after this number.
    pub after: Option<u64>,
    /// From which end of the log.
    pub order: Option<Order>,
    /// How many at most; never more than 1,000.
    pub limit: u32,
    /// Only this action.
    pub action: Option<String>,
    /// Only this actor: an identifier, or a kind such as `operator`.
    pub actor: Option<String>,
    /// Only this room.
    pub room: Option<RoomId>,
    /// Only this target.
    pub target: Option<String>,
    /// Only what was done at this time or later.
    pub from: Option<Timestamp>,
    /// Only what was done before.
    pub to: Option<Timestamp>,
}

impl Default for AuditQuery {
    fn default() -> Self {
        AuditQuery {
            after: None,
            order: None,
            limit: 100,
            action: None,
            actor: None,
            room: None,
            target: None,
            from: None,
            to: None,
        }
    }
}

/// Why the log was not found in order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// It was changed.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

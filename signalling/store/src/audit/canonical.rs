//! The bytes of a record that are hashed, as [`super::AuditRecord`] says.

use conclave_signalling_core::record::AuditEntry;
use sha2::{Digest, Sha256};

use super::{Hash, actor_parts};

const DOMAIN: &[u8] = b"conclave: audit record, 1\n";

/// A record as the table has it, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct RawRecord {
    pub(crate) seq: i64,
    pub(crate) at: i64,
    pub(crate) actor_kind: String,
    pub(crate) actor_id: Option<String>,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) room: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) outcome: String,
    pub(crate) detail: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) prev: Vec<u8>,
    pub(crate) hash: Vec<u8>,
}

impl RawRecord {
    /// Makes the record that comes after one with the hash `prev`.
    pub(crate) fn new(seq: i64, prev: &Hash, entry: &AuditEntry) -> Self {
        let (kind, id) = actor_parts(entry.actor);
        let mut record = RawRecord {
            seq,
            at: i64::try_from(entry.at.unix_ms()).unwrap_or(i64::MAX),
            actor_kind: kind.to_owned(),
            actor_id: id,
            action: entry.action.clone(),
            target: entry.target.clone(),
            room: entry.room.map(|room| room.to_string()),
            session: entry.session.map(|session| session.to_string()),
            prefix: entry.prefix.clone(),
            outcome: entry.outcome.clone(),
            detail: entry.detail.clone(),
            request_id: entry.request_id.clone(),
            prev: prev.to_vec(),
            hash: Vec::new(),
        };
        record.hash = record.expected_hash().to_vec();
        record
    }

    /// Returns the hash that it should have.
    pub(crate) fn expected_hash(&self) -> Hash {
        let mut digest = Sha256::new();
        digest.update(&self.prev);
        digest.update(self.canonical());
        digest.finalize().into()
    }

    fn canonical(&self) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.at.to_be_bytes());
        let texts = [
            Some(&self.actor_kind),
            self.actor_id.as_ref(),
            Some(&self.action),
            self.target.as_ref(),
            self.room.as_ref(),
            self.session.as_ref(),
            self.prefix.as_ref(),
            Some(&self.outcome),
            self.detail.as_ref(),
        ];
        // Records from before there was one have none, and the same bytes as ever.
        let request_id = self.request_id.as_ref().map(Some);
        for text in texts.into_iter().chain(request_id) {
            match text {
                None => bytes.push(0),
                Some(text) => {
                    bytes.push(1);
                    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                    bytes.extend(length.to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        bytes
    }
}

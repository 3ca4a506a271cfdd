//! Settings of the server, and sites that embed meetings.

use std::collections::BTreeSet;

use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use serde_json::Value;

use crate::error::StoreError;
use crate::sql::{embedders, settings};
use crate::store::Store;
use crate::writer::Act;

/// A site that signs join tokens: one key of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedderRecord {
    /// What its tokens say in `kid`. No two have the same.
    pub kid: String,
    /// What they say in `iss`.
    pub issuer: String,
    /// Its public key (Ed25519, RFC 8032).
    pub key: [u8; 32],
    /// The highest role that it may give.
    pub max_role: Role,
    /// Which rooms it may open, whether there are such rooms or not; `None` for all there are.
    pub rooms: Option<BTreeSet<Slug>>,
    /// Who made it known.
    pub created_by: Actor,
    /// When.
    pub created_at: Timestamp,
}

impl Store {
    /// Returns a setting and its revision; `None` if it was never written.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn setting(&self, name: &str) -> Result<Option<(Value, u32)>, StoreError> {
        let mut db = self.reader().await?;
        settings::one(&mut db, name).await
    }

    /// Writes a setting, together with the record of who did it; returns its new revision, from 1
    /// on. `expected_rev` is as for [`Store::put_key`]. Settings are not sealed: they are no place
    /// for secrets.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another revision is there, or another error.
    pub async fn put_setting(
        &self,
        name: &str,
        value: Value,
        expected_rev: Option<u32>,
        audit: AuditEntry,
    ) -> Result<u32, StoreError> {
        let act = Act::PutSetting {
            name: name.to_owned(),
            value,
            expected_rev,
        };
        self.act(act, Some(audit)).await?.rev()
    }

    /// Returns the sites that were made known here, by their `kid`. A damaged one is logged and
    /// left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn embedders(&self) -> Result<Vec<EmbedderRecord>, StoreError> {
        let mut db = self.reader().await?;
        embedders::all(&mut db).await
    }

    /// Makes a site known.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] if one has its `kid`, or another.
    pub async fn put_embedder(
        &self,
        embedder: EmbedderRecord,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let act = Act::PutEmbedder(embedder);
        self.act(act, Some(audit)).await.map(drop)
    }

    /// Forgets a site.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or another.
    pub async fn delete_embedder(&self, kid: &str, audit: AuditEntry) -> Result<(), StoreError> {
        let act = Act::DeleteEmbedder(kid.to_owned());
        self.act(act, Some(audit)).await.map(drop)
    }
}

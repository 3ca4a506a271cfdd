//! API keys.

use conclave_server_core::access::record::KeyRecord;
use conclave_signalling_core::record::AuditEntry;
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::time::Timestamp;

use crate::error::StoreError;
use crate::sql::keys;
use crate::store::Store;
use crate::writer::Act;

impl Store {
    /// Returns all API keys, those that ended included, the oldest first. A damaged one is logged
    /// and left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let mut db = self.reader().await?;
        keys::all(&mut db, &self.tools.sealer).await
    }

    /// Returns an API key, ended or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        let mut db = self.reader().await?;
        keys::one(&mut db, &self.tools.sealer, id).await
    }

    /// Writes an API key as it is given, its revision included, together with the record of who
    /// did it. When and from where a key was used last stays as it is once the key is there:
    /// that is for [`Store::touch_key`].
    ///
    /// `expected_rev` is the revision that is to be replaced: 0 for a key that is not there yet,
    /// `None` whatever is there.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another revision is there, or another error.
    pub async fn put_key(
        &self,
        key: KeyRecord,
        expected_rev: Option<u32>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let act = Act::PutKey { key, expected_rev };
        self.act(act, Some(audit)).await.map(drop)
    }

    /// Notes that a key was used at `at` from a network (a /24 or a /48), unless a later use is
    /// noted. Waits for the disk, so it is for once a minute and key, not for each request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn touch_key(
        &self,
        id: KeyId,
        at: Timestamp,
        prefix: &str,
    ) -> Result<(), StoreError> {
        let prefix = prefix.to_owned();
        let act = Act::TouchKey { id, at, prefix };
        self.act(act, None).await.map(drop)
    }
}

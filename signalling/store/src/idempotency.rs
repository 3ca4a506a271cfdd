//! Answers to requests that may come again: what was done once is not done twice.
//!
//! Whoever does a request reserves it first, on the disk, and keeps the answer afterwards. If the
//! server ends in between, nobody knows whether it was done: it is [`Reservation::InDoubt`] from then on.

use conclave_signalling_wire::time::Timestamp;

use crate::error::StoreError;
use crate::sql::answers;
use crate::store::Store;
use crate::writer::Act;

/// What makes a request the same as another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who asks: a kind, or an identifier.
    pub actor: String,
    /// What the caller chose; only its hash is kept.
    pub key: String,
}

/// An answer as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// Its status.
    pub status: u16,
    /// Those of its headers that are to be given again. Sealed at rest.
    pub headers: Vec<(String, String)>,
    /// Its body. Sealed at rest: it may have secrets in it that are shown once.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredAnswer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// It is new: do it, and then [`Store::complete`] or [`Store::release`].
    Reserved,
    /// It was answered.
    Same(StoredAnswer),
    /// Another request had this key.
    Mismatch,
    /// It is being done.
    InProgress,
    /// The server ended while it was being done, or whoever did it went: perhaps it was done. Or
    /// it was, and its answer was too large to be kept for long.
    InDoubt,
}

impl Store {
    /// Takes a request at `now`, on the disk, or says what became of it when it came before.
    /// `digest` is SHA-256 of method, path and body. Holds for 24 hours, for the last 10,000 of
    /// an actor. Without an answer for 10 minutes, or after the next [`Store::begin`], it is in
    /// doubt.
    ///
    /// # Errors
    /// [`StoreError`]; it is not to be done then.
    pub async fn reserve(
        &self,
        key: &IdempotencyKey,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<Reservation, StoreError> {
        let key = key.clone();
        let act = Act::Reserve { key, digest, now };
        self.act(act, None).await?.reservation()
    }

    /// Keeps the answer to a request that was reserved. Does nothing if that is forgotten. Of
    /// answers of 16 KiB or more the last 100 of an actor are kept; older ones are in doubt.
    ///
    /// # Errors
    /// [`StoreError`]; the request stays reserved.
    pub async fn complete(
        &self,
        key: &IdempotencyKey,
        answer: StoredAnswer,
    ) -> Result<(), StoreError> {
        let act = Act::Complete(key.clone(), answer);
        self.act(act, None).await.map(drop)
    }

    /// Forgets a request that was reserved and of which nothing was done, so that it may come again.
    ///
    /// # Errors
    /// [`StoreError`]; the request stays reserved.
    pub async fn release(&self, key: &IdempotencyKey) -> Result<(), StoreError> {
        self.act(Act::Release(key.clone()), None).await.map(drop)
    }

    /// Returns what became of a request at `now` without taking it; [`Reservation::Reserved`] never.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn idempotent(
        &self,
        key: &IdempotencyKey,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Reservation>, StoreError> {
        let mut db = self.reader().await?;
        answers::find(&mut db, &self.tools.sealer, key, &digest, now).await
    }
}

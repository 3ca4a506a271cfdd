//! The handle.

use std::sync::Arc;

use conclave_signalling_core::digest::InviteHash;
use conclave_signalling_core::record::{AuditEntry, Change, RoomRecord};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};
use tokio::sync::{mpsc, oneshot, watch};

use crate::audit::chain::Chain;
use crate::audit::{Anchor, AuditQuery, AuditRecord, Broken, Checkpoint, Verified, VerifyError};
use crate::error::StoreError;
use crate::network::NetworkKey;
use crate::open::Held;
use crate::sql::{DirectoryEntry, NewRoom, Purged, audit, network, records};
use crate::writer::{self, Act, Call, Job, Open, Statistics, Tools, Work};

/// A handle to the database: cheap to clone, and all clones are the same store.
///
/// Writes are answered when they are on the disk, all of one call or nothing of
/// it; many calls at once share one transaction. A call that is given up after
/// it began may still take effect.
#[derive(Clone)]
pub struct Store {
    pub(crate) tools: Arc<Tools>,
    queue: mpsc::Sender<Call>,
    pub(crate) readers: SqlitePool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.tools.path)
            .finish_non_exhaustive()
    }
}

impl Store {
    pub(crate) fn start(tools: Tools, open: Open, held: Held, readers: SqlitePool) -> Self {
        let tools = Arc::new(tools);
        let (queue, calls) = mpsc::channel(writer::QUEUE);
        tokio::spawn(writer::run(Arc::clone(&tools), calls, open, held));
        Store {
            tools,
            queue,
            readers,
        }
    }

    /// Keeps the changes of one act. The room has to be there; an empty list is kept at once.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of it was kept, but see [`StoreError::Unavailable`].
    pub async fn commit(&self, room: RoomId, changes: Vec<Change>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.write(Work::Commit { room, changes }).await.map(drop)
    }

    /// Makes a room. Webhooks are told.
    ///
    /// # Errors
    /// [`StoreError::SlugTaken`], [`StoreError::AlreadyThere`], or another.
    pub async fn create_room(&self, room: NewRoom, audit: AuditEntry) -> Result<(), StoreError> {
        let (room, audit) = (Box::new(room), Box::new(audit));
        self.write(Work::Create { room, audit }).await.map(drop)
    }

    /// Deletes a room with its invites, bans, standings and messages. Its sessions are known
    /// until their time is over; those that go on end. Webhooks are told.
    ///
    /// # Errors
    /// [`StoreError::UnknownRoom`], or another.
    pub async fn delete_room(&self, room: RoomId, audit: AuditEntry) -> Result<(), StoreError> {
        let audit = Box::new(audit);
        self.write(Work::Delete { room, audit }).await.map(drop)
    }

    /// Notes what the configuration file said about a room when it was applied.
    ///
    /// # Errors
    /// [`StoreError::UnknownRoom`], or another.
    pub async fn set_config_digest(&self, room: RoomId, digest: &str) -> Result<(), StoreError> {
        let digest = digest.to_owned();
        self.write(Work::SetConfigDigest { room, digest })
            .await
            .map(drop)
    }

    /// Appends to the audit log what belongs to no commit of a room. Its room need not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.write(Work::Audit(Box::new(entry))).await.map(drop)
    }

    /// To be called once by a server, before its first room runs: standings
    /// that a crash left open begin to run out at `now`, sessions end then as
    /// [`conclave_signalling_core::record::EndReason::Failed`] (which webhooks are told), requests
    /// that were not answered are in doubt, and then as [`Store::purge`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin(&self, now: Timestamp) -> Result<Purged, StoreError> {
        self.sweep(Work::Begin(now), now).await
    }

    /// Deletes what is over at `now`: expired bans, invites 90 days after they
    /// expired or were revoked, standings of those who are away for too long,
    /// messages whose time is over, tags and keys of networks that no ban
    /// needs, sessions that ended some time ago ([`Store::keep_sessions_for`]), deliveries 7 days
    /// after they were taken or 30 days after they were given up, answers to requests after 24
    /// hours. To be called every hour, for so long a message outlives its time. What was deleted
    /// or changed before is then in the files of the database no more, not even sealed, unless
    /// somebody reads them at that moment: the next call finishes it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn purge(&self, now: Timestamp) -> Result<Purged, StoreError> {
        self.sweep(Work::Purge(now), now).await
    }

    /// Deletes portion by portion, and lets others write in between.
    async fn sweep(&self, first: Work, now: Timestamp) -> Result<Purged, StoreError> {
        let mut swept = self.write(first).await?.swept();
        let mut purged = swept.purged;
        while swept.has_more {
            swept = self.write(Work::Purge(now)).await?.swept();
            purged += swept.purged;
        }
        Ok(purged)
    }

    /// Ends the store for all its handles: does what was asked before, signs
    /// the audit log, and frees the data folder. What is asked later is answered with
    /// [`StoreError::Closed`]. Closing twice does nothing.
    ///
    /// # Errors
    /// [`StoreError`], if the end of the audit log could not be signed or the
    /// file not be closed in order. It is closed nevertheless, and nothing is lost.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.readers.close().await;
        let (answer, closed) = oneshot::channel();
        if self.queue.send(Call::Close(answer)).await.is_err() {
            return Ok(());
        }
        closed.await.unwrap_or(Ok(()))
    }

    /// Returns what the writer did so far.
    pub fn statistics(&self) -> Statistics {
        self.tools.counters.read()
    }

    /// Does an act, together with the record of who did it.
    pub(crate) async fn act(&self, act: Act, audit: Option<AuditEntry>) -> writer::Answer {
        let (act, audit) = (Box::new(act), audit.map(Box::new));
        self.write(Work::Act { act, audit }).await
    }

    pub(crate) async fn write(&self, work: Work) -> writer::Answer {
        let (answer, answered) = oneshot::channel();
        let job = Job { work, answer };
        self.queue
            .send(Call::Write(job))
            .await
            .map_err(|_| StoreError::Closed)?;
        match answered.await {
            Ok(answer) => answer,
            Err(_) if self.queue.is_closed() => Err(StoreError::Closed),
            Err(_) => Err(StoreError::Unavailable("the writer stopped".to_owned())),
        }
    }

    pub(crate) async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// Returns all rooms, by their slugs. What is damaged is logged; a room
    /// whose very names are is left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn directory(&self) -> Result<Vec<DirectoryEntry>, StoreError> {
        let mut db = self.reader().await?;
        records::directory(&mut db, &self.tools.sealer).await
    }

    /// Returns a room with all that belongs to it, as it was at one moment; of
    /// its messages those that are kept at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn room(&self, id: RoomId, now: Timestamp) -> Result<Option<RoomRecord>, StoreError> {
        let mut snapshot = self.readers.begin().await?;
        records::room(&mut snapshot, &self.tools.sealer, id, now).await
    }

    /// Returns whether a room has an invite with this secret, usable or not. Takes as long
    /// without a room (`None`, or one that is not there) as with one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_invite(
        &self,
        room: Option<RoomId>,
        hash: &InviteHash,
    ) -> Result<bool, StoreError> {
        let mut db = self.reader().await?;
        records::has_invite(&mut db, room, hash).await
    }

    /// Returns what the configuration file said about a room when it was
    /// applied last; `None` without such a room, and for one that is not from there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn config_digest(&self, slug: &Slug) -> Result<Option<String>, StoreError> {
        let mut db = self.reader().await?;
        records::config_digest(&mut db, slug).await
    }

    /// Returns the keys of network tags at `now`, the newest first, and at
    /// least one. A key makes tags for 24 hours and is kept for 24 hours more,
    /// and then as long as a ban needs it. Ask again now and then: within the hour is good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn network_keys(&self, now: Timestamp) -> Result<Vec<NetworkKey>, StoreError> {
        let keys = self.read_network_keys().await?;
        if network::are_fresh(&keys, now) {
            return Ok(keys);
        }
        self.write(Work::RenewNetworkKeys(now)).await?;
        self.read_network_keys().await
    }

    async fn read_network_keys(&self) -> Result<Vec<NetworkKey>, StoreError> {
        let mut db = self.reader().await?;
        network::keys(&mut db, &self.tools.sealer).await
    }

    /// Returns records of the audit log, as [`AuditQuery`] says.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_tail(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        let mut db = self.reader().await?;
        let records = audit::find(&mut db, query).await?;
        records.into_iter().map(AuditRecord::try_from).collect()
    }

    /// Reads the whole audit log and checks that nothing of it was changed,
    /// moved, added or taken away, as far as it is signed, and that it agrees
    /// with what was noted elsewhere. Needs memory for a thousand records.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn audit_verify(&self, anchors: &[Anchor]) -> Result<Verified, VerifyError> {
        // In this order: a checkpoint never comes before what it signs.
        let signed_until = audit::signed_until(&mut *self.reader().await?).await?;
        let until = audit::head(&mut *self.reader().await?).await?.seq;
        let mut chain = Chain::new(&self.tools.signer, anchors);
        let mut place = i64::MIN;
        loop {
            let mut db = self.reader().await?;
            let page = audit::raw_page(&mut db, place, until).await?;
            let Some((last, _)) = page.last() else {
                return Ok(chain.finish(signed_until)?);
            };
            place = *last;
            let last = u64::try_from(place).unwrap_or(0);
            let checkpoints = audit::checkpoint_page(&mut db, chain.due(), last).await?;
            let mut checkpoints = checkpoints.into_iter().peekable();
            for (seq, record) in page {
                let record = record.ok_or(Broken::unreadable(chain.due()))?;
                chain.record(&record)?;
                while let Some((_, checkpoint)) = checkpoints.next_if(|(about, _)| *about == seq) {
                    let checkpoint = checkpoint.ok_or(Broken::unreadable(chain.due() - 1))?;
                    chain.checkpoint(&checkpoint)?;
                }
            }
        }
    }

    /// Returns the end of the audit log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_head(&self) -> Result<Anchor, StoreError> {
        let mut db = self.reader().await?;
        audit::head(&mut db).await
    }

    /// Returns a view of the newest checkpoint of the audit log, to be written
    /// to another place whenever it changes. `None` until there is one.
    pub fn checkpoints(&self) -> watch::Receiver<Option<Checkpoint>> {
        self.tools.newest.subscribe()
    }

    /// Returns the key with which checkpoints can be checked: Ed25519, 32 bytes.
    pub fn audit_public_key(&self) -> [u8; 32] {
        self.tools.signer.public_key()
    }
}

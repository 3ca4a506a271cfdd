//! Sessions, who was in them, and what was written there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use conclave_signalling_core::record::{AttendanceRecord, ChatRecord, EndReason, SessionRecord};
use conclave_signalling_wire::ids::{RoomId, SessionId};
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;

use crate::error::StoreError;
use crate::query::Order;
use crate::sql::{chat, sessions};
use crate::store::Store;
use crate::writer::Work;

/// For how long a session is known after its end, unless [`Store::keep_sessions_for`] says
/// otherwise.
pub(crate) const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A session with its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// Of which room; that may be deleted.
    pub room: RoomId,
    /// The name of the room in links when the session began.
    pub slug: Slug,
    /// The session.
    pub session: SessionRecord,
}

/// Which sessions are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// Only those that go on, or only those that do not.
    pub live: Option<bool>,
    /// Only those of these rooms.
    pub rooms: Option<Vec<RoomId>>,
    /// Only those that began at this time or later.
    pub from: Option<Timestamp>,
    /// Only those that began before.
    pub to: Option<Timestamp>,
    /// In the order in which they began, forwards or backwards.
    pub order: Order,
    /// Those that come after this one in that order, whether it is there or not.
    pub after: Option<SessionId>,
    /// How many at most.
    pub limit: u32,
}

/// Which messages are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatQuery {
    /// Of which room.
    pub room: RoomId,
    /// Only those of one session.
    pub session: Option<SessionId>,
    /// Only those with a greater number.
    pub after: u32,
    /// How many at most.
    pub limit: u32,
    /// The time: what is kept no longer then is not there.
    pub now: Timestamp,
}

impl Store {
    /// Returns sessions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions(&self, query: &SessionQuery) -> Result<Vec<KeptSession>, StoreError> {
        let mut db = self.reader().await?;
        sessions::find(&mut db, query).await
    }

    /// Returns how many sessions there are, whatever `after` and `limit` say.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_sessions(&self, query: &SessionQuery) -> Result<u64, StoreError> {
        let mut db = self.reader().await?;
        sessions::count(&mut db, query).await
    }

    /// Returns a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn session(&self, id: SessionId) -> Result<Option<KeptSession>, StoreError> {
        let mut db = self.reader().await?;
        sessions::one(&mut db, id).await
    }

    /// Returns who was in a session, in the order in which they came first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attendance(&self, id: SessionId) -> Result<Vec<AttendanceRecord>, StoreError> {
        let mut db = self.reader().await?;
        sessions::attendance(&mut db, &self.tools.sealer, id).await
    }

    /// Ends sessions of which no room will say that they are over, of one room or of all, and
    /// the stays in them. Webhooks are told. To be called when nothing in these rooms is going
    /// to be kept any more; what is nevertheless holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_sessions(
        &self,
        room: Option<RoomId>,
        at: Timestamp,
        reason: EndReason,
    ) -> Result<(), StoreError> {
        self.write(Work::EndSessions { room, at, reason })
            .await
            .map(drop)
    }

    /// Says for how long after its end a session is known, with who was in it, from the next
    /// [`Store::purge`] on: 7 days unless somebody says so. Deleting its room changes nothing.
    pub fn keep_sessions_for(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.tools.sessions_kept_ms.store(ms, Ordering::Relaxed);
    }

    /// Returns messages that are kept, in the order of their numbers. A damaged one is logged
    /// and left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn chat(&self, query: &ChatQuery) -> Result<Vec<ChatRecord>, StoreError> {
        let mut db = self.reader().await?;
        chat::page(&mut db, &self.tools.sealer, query).await
    }
}

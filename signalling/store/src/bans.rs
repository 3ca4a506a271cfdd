//! Bans of several rooms at once.

use conclave_signalling_core::record::Ban;
use conclave_signalling_wire::ids::{BanId, RoomId};
use conclave_signalling_wire::time::Timestamp;

use crate::error::StoreError;
use crate::query::Order;
use crate::sql::records;
use crate::store::Store;

/// Which bans are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanQuery {
    /// Only those of these rooms.
    pub rooms: Option<Vec<RoomId>>,
    /// In the order in which they were made, forwards or backwards.
    pub order: Order,
    /// Those that come after this one in that order, whether it is there or not.
    pub after: Option<BanId>,
    /// How many at most.
    pub limit: u32,
    /// The time: what has ended then is not there.
    pub now: Timestamp,
}

impl Store {
    /// Returns bans with their rooms. A damaged one is logged and left out.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bans(&self, query: &BanQuery) -> Result<Vec<(RoomId, Ban)>, StoreError> {
        let mut db = self.reader().await?;
        records::bans_that_hold(&mut db, &self.tools.sealer, query).await
    }

    /// Returns how many there are, on all pages.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_bans(&self, query: &BanQuery) -> Result<u64, StoreError> {
        let mut db = self.reader().await?;
        records::count_bans(&mut db, query).await
    }

    /// Returns the room of a ban.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn room_of_ban(&self, ban: BanId) -> Result<Option<RoomId>, StoreError> {
        let mut db = self.reader().await?;
        records::room_of_ban(&mut db, ban).await
    }
}

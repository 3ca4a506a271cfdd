//! How much rooms were used.

use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::time::Timestamp;

use crate::error::StoreError;
use crate::sql::usage;
use crate::store::Store;

/// How much one room was used in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomUsage {
    /// Which; it may be deleted.
    pub room: RoomId,
    /// Sessions of which some part was in that time.
    pub sessions: u32,
    /// The most participants at once in one of them.
    pub peak: u32,
    /// Milliseconds that devices were there, all together.
    pub stayed_ms: u64,
}

impl Store {
    /// Returns how much rooms were used from `from` to `now`, as far as their sessions are known
    /// still ([`Store::keep_sessions_for`]).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(
        &self,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<RoomUsage>, StoreError> {
        let mut db = self.reader().await?;
        usage::since(&mut db, from, now).await
    }
}

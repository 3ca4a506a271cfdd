//! What somebody has made in rooms, whoever is in them.

use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::ids::RoomId;

use crate::error::StoreError;
use crate::sql::records;
use crate::store::Store;

impl Store {
    /// Returns the rooms that have an invite of a maker that was not taken back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rooms_with_invites_by(&self, maker: Actor) -> Result<Vec<RoomId>, StoreError> {
        let mut db = self.reader().await?;
        records::rooms_with_invites_by(&mut db, maker).await
    }
}

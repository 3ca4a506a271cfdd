//! What hosts change about the room.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::{MediaLock, RoomUpdate};

use crate::room::Room;
use crate::room::requests::{Answer, Asker, ReplyTo};
use crate::room::rights::Authority;

impl Room {
    pub(super) fn update_room(&mut self, asker: Asker, update: RoomUpdate) -> Answer {
        let authority = self.authority_of(asker.key)?;
        let to = ReplyTo::Link {
            link: asker.link,
            id: asker.id,
        };
        self.change_room(&authority, to, update)
    }

    /// Changes the policies of the room on anybody's authority. Whoever has to
    /// wait until a password is hashed is answered later by [`Room::answer`].
    pub(super) fn change_room(&mut self, _: &Authority, _: ReplyTo, _: RoomUpdate) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn lock_sources(&mut self, _: Asker, _: MediaLock) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }
}

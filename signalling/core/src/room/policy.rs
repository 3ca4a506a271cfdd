//! What hosts change about the room.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::{MediaLock, RoomUpdate};

use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn update_room(&mut self, _: Asker, _: RoomUpdate) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn lock_sources(&mut self, _: Asker, _: MediaLock) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }
}

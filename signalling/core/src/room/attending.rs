//! Who took part, and how long each spoke.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::AttendanceGet;

use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn list_attendance(&mut self, _asker: Asker, _get: AttendanceGet) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }
}

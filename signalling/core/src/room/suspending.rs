//! Everything stopped at once, and restored.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::PanicSuspend;

use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn suspend(&mut self, _asker: Asker, _order: PanicSuspend) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }
}

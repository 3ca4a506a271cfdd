//! The end of a meeting.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::SessionEnd;

use crate::room::Room;
use crate::room::requests::{Answer, Asker};
use conclave_signalling_wire::session::SessionEnding;

impl Room {
    pub(super) fn end_session(&mut self, _asker: Asker, _end: SessionEnd) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn cancel_end(&mut self, _asker: Asker) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    /// Returns the end that is announced.
    pub(super) fn ending(&self) -> Option<SessionEnding> {
        None
    }
}

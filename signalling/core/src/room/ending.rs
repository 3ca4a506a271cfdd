//! Handing over, and the end.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::{HostTransfer, HostTransferReply, SessionEnd};

use crate::room::Room;
use crate::room::requests::{Answer, Asker};
use conclave_signalling_wire::session::SessionEnding;

impl Room {
    pub(super) fn offer_host(&mut self, _asker: Asker, _transfer: HostTransfer) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn answer_host_offer(&mut self, _asker: Asker, _reply: HostTransferReply) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

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

//! Invites and bans.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::{BanLift, InviteCreate, InviteRevoke};

use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn create_invite(&mut self, _: Asker, _: InviteCreate) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn list_invites(&mut self, _: Asker) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn revoke_invite(&mut self, _: Asker, _: InviteRevoke) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn list_bans(&mut self, _: Asker) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn lift_ban(&mut self, _: Asker, _: BanLift) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }
}

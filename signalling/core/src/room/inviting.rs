//! Invites and bans.

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::request::{BanLift, BanOrder, InviteCreate, InviteRevoke};
use conclave_signalling_wire::text::Prose;

use crate::digest::{DeviceHash, NetworkTag};
use crate::member::Member;
use crate::record::{Actor, Ban};
use crate::room::Room;
use crate::room::requests::{Answer, Asker};

/// By what a ban knows somebody.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) name: String,
    pub(super) device: DeviceHash,
    pub(super) networks: Vec<NetworkTag>,
    pub(super) invite: Option<InviteId>,
}

impl From<&Member> for Facts {
    fn from(member: &Member) -> Self {
        Facts {
            name: member.face.name.as_str().to_owned(),
            device: member.device,
            networks: member.networks.clone(),
            invite: member.invite,
        }
    }
}

impl Room {
    /// Bans a participant, who is still there or was just removed.
    ///
    /// # Errors
    /// `conflict` where the room has as many bans as it may.
    pub(super) fn make_ban(
        &mut self,
        _: Actor,
        _: &Facts,
        _: &BanOrder,
        _: Option<&Prose>,
    ) -> Result<Ban, ErrorBody> {
        Err(ErrorCode::NotAvailable.into())
    }

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

//! What hosts do to participants.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::{
    MediaGrant, MediaMute, MediaRequest, MediaRequestReply, ParticipantRemove, PermOverride,
    RoleSet,
};

use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn set_role(&mut self, _: Asker, _: RoleSet) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn override_permission(&mut self, _: Asker, _: PermOverride) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn mute_others(&mut self, _: Asker, _: MediaMute) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn request_media(&mut self, _: Asker, _: MediaRequest) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn answer_request(&mut self, _: Asker, _: MediaRequestReply) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn grant_source(&mut self, _: Asker, _: MediaGrant) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn remove_participant(&mut self, _: Asker, _: ParticipantRemove) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn barrier_passed(&mut self, _: u64) {}
}

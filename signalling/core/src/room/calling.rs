//! Hands, reactions, the spotlight, announcements.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::{
    HandLower, HandNext, ReactionSend, SessionAnnounce, SpotlightSet,
};

use crate::member::Member;
use crate::room::Room;
use crate::room::requests::{Answer, Asker};
use conclave_signalling_wire::hands::HandQueue;

impl Room {
    pub(super) fn raise_hand(&mut self, _asker: Asker) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn lower_hand(&mut self, _asker: Asker, _lower: HandLower) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn lower_all_hands(&mut self, _asker: Asker) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn call_next(&mut self, _asker: Asker, _next: HandNext) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn send_reaction(&mut self, _asker: Asker, _send: ReactionSend) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn set_spotlight(&mut self, _asker: Asker, _set: SpotlightSet) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn announce(&mut self, _asker: Asker, _announce: SessionAnnounce) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    /// Returns the raised hands that a participant sees.
    pub(super) fn hands_for(&self, _member: &Member) -> HandQueue {
        HandQueue { hands: Vec::new() }
    }
}

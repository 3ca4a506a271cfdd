//! What hosts do about the lobby.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::{LobbyAdmit, LobbyDeny, LobbyNote, ParticipantToLobby};

use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn admit_waiting(&mut self, _: Asker, _: LobbyAdmit) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn deny_waiting(&mut self, _: Asker, _: LobbyDeny) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn note_waiting(&mut self, _: Asker, _: LobbyNote) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn send_to_lobby(&mut self, _: Asker, _: ParticipantToLobby) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    /// Tells a participant who waits, if it may know: to be called when it gains
    /// `lobby.manage`.
    pub(super) fn tell_lobby(&mut self, _: MemberKey) {}

    /// Returns whether newcomers wait because no host is there.
    pub(super) fn is_waiting_for_host(&self) -> bool {
        false
    }
}

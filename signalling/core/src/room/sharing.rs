//! Screens: who shares, who takes over.

use conclave_signalling_wire::error::ErrorCode;
use std::time::Instant;

use conclave_signalling_wire::request::{ScreenPause, ScreenTakeoverReply};

use crate::room::Room;
use crate::room::requests::{Answer, Asker};

impl Room {
    pub(super) fn pause_screen(&mut self, _asker: Asker, _pause: ScreenPause) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn answer_takeover(
        &mut self,
        _now: Instant,
        _asker: Asker,
        _reply: ScreenTakeoverReply,
    ) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }
}

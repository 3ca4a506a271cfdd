//! What is written in the room.

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::request::{
    ChatClear, ChatDelete, ChatEdit, ChatExport, ChatPin, ChatReact, ChatSend,
};

use crate::member::Member;
use crate::room::Room;
use crate::room::requests::{Answer, Asker};
use conclave_signalling_wire::chat::ChatMessage;

impl Room {
    pub(super) fn send_chat(&mut self, _asker: Asker, _send: ChatSend) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn edit_chat(&mut self, _asker: Asker, _edit: ChatEdit) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn delete_chat(&mut self, _asker: Asker, _delete: ChatDelete) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn react_in_chat(&mut self, _asker: Asker, _react: ChatReact) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn pin_chat(&mut self, _asker: Asker, _pin: ChatPin) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn clear_chat(&mut self, _asker: Asker, _clear: ChatClear) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    pub(super) fn export_chat(&mut self, _asker: Asker, _export: ChatExport) -> Answer {
        Err(ErrorCode::NotAvailable.into())
    }

    /// Returns the earlier messages that a participant is shown.
    pub(super) fn chat_for(&self, _member: &Member) -> Vec<ChatMessage> {
        Vec::new()
    }
}

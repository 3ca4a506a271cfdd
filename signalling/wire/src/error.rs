//! What goes wrong, as a client is told: error codes of replies and close codes of links.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::ParticipantId;
use crate::time::Timestamp;

/// Why a request was refused. The set is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The message does not have its form, or does not fit the state of the sender; `field` names the place.
    BadRequest,
    /// There is no request of this type.
    UnknownType,
    /// The message, or a part of it, has too many bytes.
    TooLarge,
    /// Too often; `retry_after_s` says when again.
    RateLimited,
    /// The permission for it is missing.
    Forbidden,
    /// What it speaks of does not exist.
    NotFound,
    /// Somebody else changed it first.
    Conflict,
    /// Somebody else did it first; `by` names who.
    AlreadyHandled,
    /// The meeting asks for a password, or does not exist.
    PasswordRequired,
    /// The credential is wrong, or the meeting does not exist.
    BadCredentials,
    /// This guest may not come in.
    Banned,
    /// The meeting lets nobody in.
    Locked,
    /// The meeting has as many participants as it may.
    Full,
    /// The meeting has not begun.
    NotOpenYet,
    /// A text has to be agreed to.
    ConsentRequired,
    /// The server does not speak this version of the protocol.
    VersionUnsupported,
    /// The place was given up; `rejoin` is true where a new `join` helps.
    ResumeFailed,
    /// The server cannot do it at present.
    NotAvailable,
    /// Somebody else has what only one can have; `by` names who.
    Busy,
    /// Chat is off.
    ChatDisabled,
    /// Private chat is off.
    PrivateDisabled,
    /// Chat is slowed down.
    SlowMode,
    /// A text has too many characters.
    TooLong,
    /// No codec in common.
    CodecUnsupported,
    /// The SDP cannot be used.
    SdpInvalid,
    /// The invite has expired.
    InviteExpired,
    /// The invite was taken back.
    InviteRevoked,
    /// The invite was used as often as it may.
    InviteUsedUp,
    /// The invite is for later.
    InviteNotYet,
}

impl ErrorCode {
    /// All codes, in the order of the document.
    pub const ALL: [ErrorCode; 29] = [
        ErrorCode::BadRequest,
        ErrorCode::UnknownType,
        ErrorCode::TooLarge,
        ErrorCode::RateLimited,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::Conflict,
        ErrorCode::AlreadyHandled,
        ErrorCode::PasswordRequired,
        ErrorCode::BadCredentials,
        ErrorCode::Banned,
        ErrorCode::Locked,
        ErrorCode::Full,
        ErrorCode::NotOpenYet,
        ErrorCode::ConsentRequired,
        ErrorCode::VersionUnsupported,
        ErrorCode::ResumeFailed,
        ErrorCode::NotAvailable,
        ErrorCode::Busy,
        ErrorCode::ChatDisabled,
        ErrorCode::PrivateDisabled,
        ErrorCode::SlowMode,
        ErrorCode::TooLong,
        ErrorCode::CodecUnsupported,
        ErrorCode::SdpInvalid,
        ErrorCode::InviteExpired,
        ErrorCode::InviteRevoked,
        ErrorCode::InviteUsedUp,
        ErrorCode::InviteNotYet,
    ];

    /// Returns the code as messages write it.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorCode::BadRequest => "bad_request",
            ErrorCode::UnknownType => "unknown_type",
            ErrorCode::TooLarge => "too_large",
            ErrorCode::RateLimited => "rate_limited",
            ErrorCode::Forbidden => "forbidden",
            ErrorCode::NotFound => "not_found",
            ErrorCode::Conflict => "conflict",
            ErrorCode::AlreadyHandled => "already_handled",
            ErrorCode::PasswordRequired => "password_required",
            ErrorCode::BadCredentials => "bad_credentials",
            ErrorCode::Banned => "banned",
            ErrorCode::Locked => "locked",
            ErrorCode::Full => "full",
            ErrorCode::NotOpenYet => "not_open_yet",
            ErrorCode::ConsentRequired => "consent_required",
            ErrorCode::VersionUnsupported => "version_unsupported",
            ErrorCode::ResumeFailed => "resume_failed",
            ErrorCode::NotAvailable => "not_available",
            ErrorCode::Busy => "busy",
            ErrorCode::ChatDisabled => "chat_disabled",
            ErrorCode::PrivateDisabled => "private_disabled",
            ErrorCode::SlowMode => "slow_mode",
            ErrorCode::TooLong => "too_long",
            ErrorCode::CodecUnsupported => "codec_unsupported",
            ErrorCode::SdpInvalid => "sdp_invalid",
            ErrorCode::InviteExpired => "invite_expired",
            ErrorCode::InviteRevoked => "invite_revoked",
            ErrorCode::InviteUsedUp => "invite_used_up",
            ErrorCode::InviteNotYet => "invite_not_yet",
        }
    }

    /// Returns an English sentence for whoever reads messages; clients show texts of their own.
    pub const fn message(self) -> &'static str {
        match self {
            ErrorCode::BadRequest => "This message cannot be used",
            ErrorCode::UnknownType => "There is no such request",
            ErrorCode::TooLarge => "Too large",
            ErrorCode::RateLimited => "Too often",
            ErrorCode::Forbidden => "Not allowed",
            ErrorCode::NotFound => "There is no such thing",
            ErrorCode::Conflict => "Changed by somebody else",
            ErrorCode::AlreadyHandled => "Done by somebody else",
            ErrorCode::PasswordRequired => "A password is needed, or this meeting does not exist",
            ErrorCode::BadCredentials => "Wrong password, or this meeting does not exist",
            ErrorCode::Banned => "You may not come in",
            ErrorCode::Locked => "The meeting is locked",
            ErrorCode::Full => "The meeting is full",
            ErrorCode::NotOpenYet => "The meeting has not begun",
            ErrorCode::ConsentRequired => "Agreement is needed",
            ErrorCode::VersionUnsupported => "This version of the protocol is not spoken here",
            ErrorCode::ResumeFailed => "The place was given up",
            ErrorCode::NotAvailable => "Not possible at present",
            ErrorCode::Busy => "Somebody else has it",
            ErrorCode::ChatDisabled => "Chat is off",
            ErrorCode::PrivateDisabled => "Private chat is off",
            ErrorCode::SlowMode => "Chat is slowed down",
            ErrorCode::TooLong => "Too long",
            ErrorCode::CodecUnsupported => "No codec in common",
            ErrorCode::SdpInvalid => "This session description cannot be used",
            ErrorCode::InviteExpired => "The invite has expired",
            ErrorCode::InviteRevoked => "The invite was taken back",
            ErrorCode::InviteUsedUp => "The invite was used up",
            ErrorCode::InviteNotYet => "The invite is for later",
        }
    }
}

/// The `error` of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ErrorBody {
    /// What to act upon.
    pub code: ErrorCode,
    /// What to read.
    pub message: String,
    /// The member of `data` that is wrong, as a path: `credential.password`, `views[3].source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub field: Option<String>,
    /// Seconds after which another try makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry_after_s: Option<u32>,
    /// Who was first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub by: Option<ParticipantId>,
    /// Whether a new `join` on the same link makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub rejoin: Option<bool>,
    /// Until when a ban holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub until: Option<Timestamp>,
    /// When the room opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub opens_at: Option<Timestamp>,
    /// What to agree to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub text: Option<String>,
    /// The `consent_hash` of who agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub hash: Option<String>,
}

impl From<ErrorCode> for ErrorBody {
    fn from(code: ErrorCode) -> Self {
        ErrorBody {
            code,
            message: code.message().to_owned(),
            field: None,
            retry_after_s: None,
            by: None,
            rejoin: None,
            until: None,
            opens_at: None,
            text: None,
            hash: None,
        }
    }
}

impl ErrorBody {
    /// Returns `bad_request` for a member of `data`.
    pub fn bad(field: impl Into<String>) -> Self {
        ErrorBody::from(ErrorCode::BadRequest).field(field)
    }

    /// Names the member that is wrong.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says after how many seconds to try again.
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Says who was first.
    pub fn by(mut self, who: ParticipantId) -> Self {
        self.by = Some(who);
        self
    }

    /// Says until when a ban holds.
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Says when the room opens.
    pub fn opens_at(mut self, opens_at: Timestamp) -> Self {
        self.opens_at = Some(opens_at);
        self
    }

    /// Says what to agree to, and what a join then carries.
    pub fn consent(mut self, text: impl Into<String>, hash: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self.hash = Some(hash.into());
        self
    }

    /// Says that a new `join` on the same link makes sense.
    pub fn rejoin(mut self) -> Self {
        self.rejoin = Some(true);
        self
    }
}

/// Why the server closed a link (RFC 6455, section 7.4.2: 4000-4999 are private).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// After `leave` was answered (RFC 6455, section 7.4.1).
    Normal,
    /// The client broke the protocol.
    Protocol,
    /// No `hello`, or no outcome of `join`, in time.
    TooLate,
    /// Removed from the meeting.
    Removed,
    /// Silent for too long.
    Idle,
    /// Another link took the place over.
    TakenOver,
    /// The meeting ended.
    Ended,
    /// Too many messages or links.
    Rate,
    /// The client reads too slowly.
    SlowConsumer,
    /// The server is stopping, or a room has to begin anew from what was kept.
    Draining,
}

impl CloseCode {
    /// All codes, in order.
    pub const ALL: [CloseCode; 10] = [
        CloseCode::Normal,
        CloseCode::Protocol,
        CloseCode::TooLate,
        CloseCode::Removed,
        CloseCode::Idle,
        CloseCode::TakenOver,
        CloseCode::Ended,
        CloseCode::Rate,
        CloseCode::SlowConsumer,
        CloseCode::Draining,
    ];

    /// Returns the number in the close frame.
    pub const fn number(self) -> u16 {
        match self {
            CloseCode::Normal => 1000,
            CloseCode::Protocol => 4400,
            CloseCode::TooLate => 4401,
            CloseCode::Removed => 4403,
            CloseCode::Idle => 4408,
            CloseCode::TakenOver => 4409,
            CloseCode::Ended => 4410,
            CloseCode::Rate => 4429,
            CloseCode::SlowConsumer => 4430,
            CloseCode::Draining => 4503,
        }
    }

    /// Returns the words in the close frame.
    pub const fn reason(self) -> &'static str {
        match self {
            CloseCode::Normal => "left",
            CloseCode::Protocol => "protocol error",
            CloseCode::TooLate => "no hello or join in time",
            CloseCode::Removed => "removed",
            CloseCode::Idle => "no pong",
            CloseCode::TakenOver => "taken over",
            CloseCode::Ended => "ended",
            CloseCode::Rate => "rate",
            CloseCode::SlowConsumer => "slow consumer",
            CloseCode::Draining => "draining",
        }
    }

    /// Returns whether a client may come back by itself.
    pub const fn may_reconnect(self) -> bool {
        !matches!(
            self,
            CloseCode::Normal
                | CloseCode::Protocol
                | CloseCode::Removed
                | CloseCode::TakenOver
                | CloseCode::Ended
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_name() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::json!(code), code.name());
        }
    }
}

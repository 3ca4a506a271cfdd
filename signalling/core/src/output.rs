//! What a room wants done.

use std::fmt;
use std::sync::Arc;

use conclave_sfu_wire::control::Command;
use conclave_signalling_wire::chat::{ChatExported, ChatSent};
use conclave_signalling_wire::error::{CloseCode, ErrorBody};
use conclave_signalling_wire::frame::{encode_error, encode_push, encode_reply};
use conclave_signalling_wire::hands::HandCalled;
use conclave_signalling_wire::ids::KnockId;
use conclave_signalling_wire::invite::{InviteCreated, Invites, Managed};
use conclave_signalling_wire::lobby::{LobbyResults, LobbyUpdate};
use conclave_signalling_wire::moderation::{
    Bans, MediaRequestSent, Muted, RemovedOk, Revised, RoomRevised,
};
use conclave_signalling_wire::objects::Room;
use conclave_signalling_wire::push::Push;
use conclave_signalling_wire::reply::{
    AckedSlots, Done, HelloOutcome, JoinOutcome, MediaAnswer, Published, Renamed, TurnRefreshed,
    Wished,
};
use conclave_signalling_wire::screen::ScreenOutcome;
use conclave_signalling_wire::secret::SecretText;
use conclave_signalling_wire::session::{Attendance, HostTransferAsked, HostTransferred};

use crate::digest::TokenHash;
use crate::record::Change;
use crate::room::{ChatPage, LiveSession};

/// One WebSocket, as the node calls it. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Something to be done, in order.
#[derive(Clone)]
pub enum Output {
    /// Answer a request.
    Reply {
        /// To whom.
        link: LinkId,
        /// The number of the request.
        id: u32,
        /// The body.
        ok: Box<Reply>,
    },
    /// Refuse a request.
    Refuse {
        /// To whom.
        link: LinkId,
        /// The number of the request.
        id: u32,
        /// The body.
        error: Box<ErrorBody>,
    },
    /// Tell something.
    Push {
        /// To whom.
        link: LinkId,
        /// Its number, for the sequenced ones.
        seq: Option<u32>,
        /// What.
        notice: Arc<Notice>,
    },
    /// Close a link after what was sent before. The room has forgotten it.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        code: CloseCode,
    },
    /// Give a link back to its gate: the room has forgotten it, but it stays
    /// open and may `join` again ([`crate::gate::Gate::again`]).
    Release {
        /// Which.
        link: LinkId,
    },
    /// Draw a key for somebody who was sent back to the lobby, and tell
    /// [`crate::room::Room::handle_key`] at once: it will not be in the room
    /// under its old one again.
    DrawKey {
        /// For whom.
        knock: KnockId,
    },
    /// Tell the shard of the room.
    Media(Command),
    /// From here on this token leads to this room.
    TokenIssued(TokenHash),
    /// From here on this token leads nowhere.
    TokenRevoked(TokenHash),
    /// Keep this. What is said to links after it waits until it is kept,
    /// together with all other changes of the same step.
    Persist(Change),
    /// Hash a password and tell [`crate::room::Room::handle_hashed`].
    Hash {
        /// Told back.
        ticket: u64,
        /// The password.
        password: SecretText,
    },
    /// Answer the operator.
    Operator {
        /// The number of the order.
        ticket: u64,
        /// The answer.
        answer: Box<Result<OperatorReply, ErrorBody>>,
    },
}

/// An answer to the operator of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorReply {
    /// It was done.
    Done,
    /// The room, as participants see it.
    Room(Box<Room>),
    /// An invite was made.
    Invited(Box<InviteCreated>),
    /// Its invites.
    Invites(Invites),
    /// Its bans.
    Bans(Bans),
    /// The meeting that goes on; `None` while nobody is in the room.
    Live(Option<Box<LiveSession>>),
    /// Who waits in the lobby.
    Lobby(LobbyUpdate),
    /// Messages.
    Chat(Box<ChatPage>),
    /// What a host would have been told.
    Said(Box<Reply>),
}

/// The body of a good reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To `hello`.
    Hello(HelloOutcome),
    /// To `join`.
    Join(JoinOutcome),
    /// To what has nothing to say.
    Done,
    /// To `participant.rename`.
    Renamed(Renamed),
    /// To `media.offer`.
    Answer(MediaAnswer),
    /// To `turn.refresh`.
    TurnRefreshed(TurnRefreshed),
    /// To `media.publish`.
    Published(Published),
    /// To `media.wish`.
    Wished(Wished),
    /// To `media.slots.ack`.
    Acked(AckedSlots),
    /// To `screen.start`.
    Screen(ScreenOutcome),
    /// To `chat.send`.
    ChatSent(ChatSent),
    /// To `chat.export`.
    ChatExported(ChatExported),
    /// To `hand.next`.
    Called(HandCalled),
    /// To `host.transfer`.
    TransferAsked(HostTransferAsked),
    /// To `host.transfer.reply`.
    Transferred(HostTransferred),
    /// To `attendance.get`.
    Attendance(Attendance),
    /// To `room.manage`.
    Managed(Box<Managed>),
    /// To what changes the room.
    RoomRevised(RoomRevised),
    /// To what changes a participant.
    Revised(Revised),
    /// To `lobby.admit` and `lobby.deny`.
    Lobby(LobbyResults),
    /// To `media.mute`.
    Muted(Muted),
    /// To `media.request`.
    Requested(MediaRequestSent),
    /// To `participant.remove`.
    Removed(RemovedOk),
    /// To `ban.list`.
    Bans(Bans),
    /// To `invite.create`.
    Invited(Box<InviteCreated>),
    /// To `invite.list`.
    Invites(Invites),
}

impl Reply {
    /// Writes the message.
    pub fn frame(&self, id: u32) -> String {
        match self {
            Reply::Hello(ok) => encode_reply(id, ok),
            Reply::Join(ok) => encode_reply(id, ok),
            Reply::Done => encode_reply(id, &Done {}),
            Reply::Renamed(ok) => encode_reply(id, ok),
            Reply::Answer(ok) => encode_reply(id, ok),
            Reply::TurnRefreshed(ok) => encode_reply(id, ok),
            Reply::Published(ok) => encode_reply(id, ok),
            Reply::Wished(ok) => encode_reply(id, ok),
            Reply::Acked(ok) => encode_reply(id, ok),
            Reply::Screen(ok) => encode_reply(id, ok),
            Reply::ChatSent(ok) => encode_reply(id, ok),
            Reply::ChatExported(ok) => encode_reply(id, ok),
            Reply::Called(ok) => encode_reply(id, ok),
            Reply::TransferAsked(ok) => encode_reply(id, ok),
            Reply::Transferred(ok) => encode_reply(id, ok),
            Reply::Attendance(ok) => encode_reply(id, ok),
            Reply::Managed(ok) => encode_reply(id, ok),
            Reply::RoomRevised(ok) => encode_reply(id, ok),
            Reply::Revised(ok) => encode_reply(id, ok),
            Reply::Lobby(ok) => encode_reply(id, ok),
            Reply::Muted(ok) => encode_reply(id, ok),
            Reply::Requested(ok) => encode_reply(id, ok),
            Reply::Removed(ok) => encode_reply(id, ok),
            Reply::Bans(ok) => encode_reply(id, ok),
            Reply::Invited(ok) => encode_reply(id, ok),
            Reply::Invites(ok) => encode_reply(id, ok),
        }
    }
}

/// Writes a bad reply.
pub fn error_frame(id: u32, error: &ErrorBody) -> String {
    encode_error(id, error)
}

/// A push that is written once for everybody who gets it.
#[derive(PartialEq, Eq)]
pub struct Notice {
    push: Push,
    /// The message without a number.
    json: String,
}

/// The JSON may carry a resume token.
impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notice").field(&self.push).finish()
    }
}

impl Notice {
    /// Writes a push.
    pub fn new(push: impl Into<Push>) -> Arc<Self> {
        let push = push.into();
        let json = encode_push(None, &push);
        Arc::new(Notice { push, json })
    }

    /// Returns what it says.
    pub fn push(&self) -> &Push {
        &self.push
    }

    /// Returns its bytes, but for the number.
    pub(crate) fn bytes(&self) -> usize {
        self.json.len()
    }

    /// Writes the message with the number that it has for one receiver.
    pub fn frame(&self, seq: Option<u32>) -> String {
        match seq {
            None => self.json.clone(),
            // The JSON of a push begins with its brace.
            Some(seq) => format!("{{\"seq\":{seq},{}", self.json.get(1..).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_signalling_wire::push::ServerDraining;

    #[test]
    fn a_notice_is_written_like_a_push() {
        let push = Push::from(ServerDraining {
            deadline_s: 1,
            retry_after_s: 2,
        });
        let notice = Notice::new(push.clone());
        for seq in [None, Some(0), Some(77)] {
            assert_eq!(notice.frame(seq), encode_push(seq, &push));
        }
    }
}

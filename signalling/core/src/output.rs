//! What a room wants done.

use std::sync::Arc;

use conclave_sfu_wire::control::Command;
use conclave_signalling_wire::error::{CloseCode, ErrorBody};
use conclave_signalling_wire::frame::{encode_error, encode_push, encode_reply};
use conclave_signalling_wire::push::Push;
use conclave_signalling_wire::reply::{
    AckedSlots, Done, HelloOutcome, JoinOutcome, MediaAnswer, Published, Renamed, ScreenStarted,
    Wished,
};
use conclave_signalling_wire::secret::ResumeToken;

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
    /// Tell the shard of the room.
    Media(Command),
    /// From here on this token leads to this room.
    TokenIssued(ResumeToken),
    /// From here on this token leads nowhere.
    TokenRevoked(ResumeToken),
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
    /// To `media.publish`.
    Published(Published),
    /// To `media.wish`.
    Wished(Wished),
    /// To `media.slots.ack`.
    Acked(AckedSlots),
    /// To `screen.start`.
    ScreenStarted(ScreenStarted),
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
            Reply::Published(ok) => encode_reply(id, ok),
            Reply::Wished(ok) => encode_reply(id, ok),
            Reply::Acked(ok) => encode_reply(id, ok),
            Reply::ScreenStarted(ok) => encode_reply(id, ok),
        }
    }
}

/// Writes a bad reply.
pub fn error_frame(id: u32, error: &ErrorBody) -> String {
    encode_error(id, error)
}

/// A push that is written once for everybody who gets it.
#[derive(Debug, PartialEq, Eq)]
pub struct Notice {
    push: Push,
    /// The message without a number.
    json: String,
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

//! A link before it is in a room: `hello`, then `join`.

use std::time::Instant;

use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::frame::{Malformed, RequestFrame};
use conclave_signalling_wire::limits::{
    CHAT_CHARS, HELLO_BYTES, HELLO_WITHIN, JOIN_WITHIN, MESSAGE_BYTES, MESSAGES_BEFORE_JOIN,
    NAME_CHARS, OFFER_BYTES, PROTOCOL, WISHES_PER_S,
};
use conclave_signalling_wire::objects::{Codec, Rid};
use conclave_signalling_wire::reply::{Encoding, Feature, Limits, MediaParameters, Welcome};
use conclave_signalling_wire::request::{
    Hello, Join, Request, Resume, RoomCreate, RoomInfo, RoomManage,
};
use conclave_signalling_wire::time::Timestamp;

/// Where a link stands. Both deadlines are of the same kind: 4401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    AwaitsHello,
    AwaitsJoin { messages: u32 },
}

/// Judges the messages of a link until it is in a room.
#[derive(Debug)]
pub struct Gate {
    stage: Stage,
    deadline: Instant,
}

/// What to do about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Answer `hello` with [`welcome`].
    Welcome {
        /// The number of the request.
        id: u32,
    },
    /// Give the link its old place back, or refuse with `resume_failed`.
    Resume {
        /// The number of the request.
        id: u32,
        /// Which place.
        resume: Resume,
    },
    /// Describe a room.
    Describe {
        /// The number of the request.
        id: u32,
        /// Which.
        info: RoomInfo,
    },
    /// Let the link manage a room, or refuse it.
    Manage {
        /// The number of the request.
        id: u32,
        /// How.
        manage: Box<RoomManage>,
    },
    /// Make a room, or refuse to.
    Create {
        /// The number of the request.
        id: u32,
        /// Which.
        create: Box<RoomCreate>,
    },
    /// Try to bring the link into a room.
    Join {
        /// The number of the request.
        id: u32,
        /// How.
        join: Box<Join>,
    },
    /// Refuse the request.
    Refuse {
        /// The number of the request.
        id: u32,
        /// Why.
        error: Box<ErrorBody>,
    },
    /// Refuse the request and close.
    RefuseAndClose {
        /// The number of the request.
        id: u32,
        /// Why it is refused.
        error: Box<ErrorBody>,
        /// Why the link is closed.
        code: CloseCode,
    },
    /// Close the link.
    Close(CloseCode),
}

impl Gate {
    /// Begins with a link that was upgraded at `now`.
    pub fn new(now: Instant) -> Self {
        Gate {
            stage: Stage::AwaitsHello,
            deadline: now + HELLO_WITHIN,
        }
    }

    /// Begins with a link that a room gave back at `now`: it has greeted, and may
    /// join again.
    pub fn again(now: Instant) -> Self {
        Gate {
            stage: Stage::AwaitsJoin { messages: 0 },
            deadline: now + JOIN_WITHIN,
        }
    }

    /// Judges a message of `bytes` bytes.
    pub fn handle_message(
        &mut self,
        now: Instant,
        bytes: usize,
        message: Result<RequestFrame, Malformed>,
    ) -> Step {
        match &mut self.stage {
            Stage::AwaitsHello if bytes > HELLO_BYTES => return Step::Close(CloseCode::Protocol),
            Stage::AwaitsHello => {}
            Stage::AwaitsJoin { messages } if *messages >= MESSAGES_BEFORE_JOIN => {
                return Step::Close(CloseCode::Rate);
            }
            Stage::AwaitsJoin { messages } => *messages += 1,
        }
        let RequestFrame { id, request } = match message {
            Ok(frame) => frame,
            Err(Malformed::Unreadable) => return Step::Close(CloseCode::Protocol),
            Err(Malformed::Refused { id, error }) => return self.refuse(id, *error),
        };
        match (self.stage, request) {
            (Stage::AwaitsHello, Request::Hello(hello)) => self.greet(now, id, hello),
            (Stage::AwaitsJoin { .. }, Request::RoomInfo(info)) => Step::Describe { id, info },
            (Stage::AwaitsJoin { .. }, Request::Join(join)) => Step::Join {
                id,
                join: Box::new(join),
            },
            (Stage::AwaitsJoin { .. }, Request::RoomManage(manage)) => Step::Manage {
                id,
                manage: Box::new(manage),
            },
            (Stage::AwaitsJoin { .. }, Request::RoomCreate(create)) => Step::Create {
                id,
                create: Box::new(create),
            },
            _ => self.refuse(id, ErrorCode::BadRequest.into()),
        }
    }

    /// Whoever does not begin with a good `hello` does not get a second try.
    fn refuse(&self, id: u32, error: ErrorBody) -> Step {
        let error = Box::new(error);
        match self.stage {
            Stage::AwaitsHello => Step::RefuseAndClose {
                id,
                error,
                code: CloseCode::Protocol,
            },
            Stage::AwaitsJoin { .. } => Step::Refuse { id, error },
        }
    }

    fn greet(&mut self, now: Instant, id: u32, hello: Hello) -> Step {
        if hello.protocol != PROTOCOL {
            return self.refuse(
                id,
                ErrorBody::from(ErrorCode::VersionUnsupported).field("protocol"),
            );
        }
        self.stage = Stage::AwaitsJoin { messages: 0 };
        self.deadline = now + JOIN_WITHIN;
        match hello.resume {
            None => Step::Welcome { id },
            Some(resume) => Step::Resume { id, resume },
        }
    }

    /// Closes the link if it is too late.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Step> {
        (self.deadline <= now).then_some(Step::Close(CloseCode::TooLate))
    }

    /// Returns the instant at which [`Gate::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Instant {
        self.deadline
    }
}

/// Returns the outcome `welcome`.
///
/// `anybody_makes_rooms` says whether `room.create` is served.
pub fn welcome(
    server_time: Timestamp,
    codecs: Vec<Codec>,
    video_slots: u16,
    audio_slots: u16,
    anybody_makes_rooms: bool,
) -> Welcome {
    // Camera at 720p; lower sources scale down with them.
    let encoding = |rid, scale, max_bps| Encoding {
        rid,
        scale,
        max_bps,
    };
    Welcome {
        server_time,
        limits: Limits {
            name_chars: NAME_CHARS as u32,
            chat_chars: CHAT_CHARS as u32,
            message_bytes: MESSAGE_BYTES as u32,
            offer_bytes: OFFER_BYTES as u32,
            wish_per_s: WISHES_PER_S,
        },
        features: [Feature::Screen, Feature::Lobby]
            .into_iter()
            .chain(anybody_makes_rooms.then_some(Feature::RoomCreate))
            .collect(),
        media: MediaParameters {
            codecs,
            video_slots,
            audio_slots,
            rids: vec![
                encoding(Rid::Q, 4, 150_000),
                encoding(Rid::H, 2, 500_000),
                encoding(Rid::F, 1, 1_700_000),
            ],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::epoch;
    use conclave_signalling_wire::frame::{encode_request, parse_request};
    use conclave_signalling_wire::request::Leave;
    use conclave_signalling_wire::text::{ClientLabel, Slug};
    use std::time::Duration;

    fn say(gate: &mut Gate, now: Instant, request: impl Into<Request>) -> Step {
        let text = encode_request(7, &request.into());
        gate.handle_message(now, text.len(), parse_request(&text))
    }

    fn hello(protocol: u32) -> Hello {
        Hello {
            protocol,
            client: ClientLabel::new("test/1").unwrap(),
            resume: None,
        }
    }

    fn info() -> RoomInfo {
        RoomInfo {
            room: Slug::new("welcome").unwrap(),
            connection_test: false,
        }
    }

    #[test]
    fn hello_comes_first() {
        let now = epoch();
        assert_eq!(
            say(&mut Gate::new(now), now, hello(1)),
            Step::Welcome { id: 7 }
        );
        let Step::RefuseAndClose {
            error,
            code: CloseCode::Protocol,
            ..
        } = say(&mut Gate::new(now), now, info())
        else {
            panic!("not closed")
        };
        assert_eq!(error.code, ErrorCode::BadRequest);
    }

    #[test]
    fn another_version_is_refused() {
        let now = epoch();
        let Step::RefuseAndClose { error, .. } = say(&mut Gate::new(now), now, hello(2)) else {
            panic!("not closed")
        };
        assert_eq!(error.code, ErrorCode::VersionUnsupported);
    }

    #[test]
    fn a_long_hello_closes_the_link() {
        let now = epoch();
        let text = encode_request(1, &hello(1).into());
        let step = Gate::new(now).handle_message(now, HELLO_BYTES + 1, parse_request(&text));
        assert_eq!(step, Step::Close(CloseCode::Protocol));
    }

    #[test]
    fn before_a_join_nothing_else_is_answered_well() {
        let now = epoch();
        let mut gate = Gate::new(now);
        say(&mut gate, now, hello(1));
        assert_eq!(
            say(&mut gate, now, info()),
            Step::Describe {
                id: 7,
                info: info()
            }
        );
        for request in [Request::from(Leave {}), hello(1).into()] {
            assert!(matches!(
                say(&mut gate, now, request),
                Step::Refuse { id: 7, .. }
            ));
        }
    }

    #[test]
    fn a_link_that_was_given_back_may_join_but_not_greet_again() {
        let now = epoch();
        let mut gate = Gate::again(now);
        assert_eq!(gate.poll_timeout(), now + Duration::from_secs(600));
        assert!(matches!(say(&mut gate, now, info()), Step::Describe { .. }));
        assert!(matches!(
            say(&mut gate, now, hello(1)),
            Step::Refuse { id: 7, .. }
        ));
    }

    #[test]
    fn both_deadlines_hold() {
        let now = epoch();
        let mut gate = Gate::new(now);
        assert_eq!(gate.poll_timeout(), now + Duration::from_secs(5));
        say(&mut gate, now + Duration::from_secs(4), hello(1));
        assert_eq!(gate.handle_timeout(now + Duration::from_secs(603)), None);
        let late = now + Duration::from_secs(604);
        assert_eq!(gate.poll_timeout(), late);
        assert_eq!(
            gate.handle_timeout(late),
            Some(Step::Close(CloseCode::TooLate))
        );
    }

    #[test]
    fn the_twenty_first_message_is_one_too_many() {
        let now = epoch();
        let mut gate = Gate::new(now);
        say(&mut gate, now, hello(1));
        for _ in 0..20 {
            assert!(matches!(say(&mut gate, now, info()), Step::Describe { .. }));
        }
        assert_eq!(say(&mut gate, now, info()), Step::Close(CloseCode::Rate));
    }
}

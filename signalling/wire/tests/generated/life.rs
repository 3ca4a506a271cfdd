//! Examples of the messages about chat, hands, screens and the course of a meeting.

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{MessageId, RequestId, TrackId};
use conclave_signalling_wire::objects::*;
use conclave_signalling_wire::push::*;
use conclave_signalling_wire::reply::Done;
use conclave_signalling_wire::request::*;
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::{ClientId, DisplayName, Prose, TypedText};
use conclave_signalling_wire::time::Timestamp;

use crate::examples::{START_MS, ada, answer, ask, bob, refuse};
use crate::moderation;

fn at_s(seconds: u64) -> Timestamp {
    Timestamp::from_unix_ms(START_MS + seconds * 1000)
}

fn message_id() -> MessageId {
    MessageId::new(START_MS + 60_120, [16; 10])
}

fn request_id() -> RequestId {
    RequestId::new(START_MS + 50_000, [15; 10])
}

fn share_id() -> TrackId {
    TrackId::new(START_MS + 7000, [10; 10])
}

fn prose(text: &str) -> Prose {
    Prose::new(text).unwrap()
}

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).unwrap()
}

fn client_id() -> ClientId {
    ClientId::new("c-17").unwrap()
}

fn send(to: ChatTarget) -> ChatSend {
    ChatSend {
        client_id: client_id(),
        to,
        text: TypedText::new("Hello @Bob"),
        reply_to: None,
        mentions: vec![bob()],
    }
}

fn written() -> ChatMessage {
    ChatMessage {
        id: message_id(),
        number: 5,
        client_id: client_id(),
        from: ChatAuthor {
            participant: ada(),
            name: name("Ada"),
            role: Role::Attendee,
        },
        to: ChatTarget::All {},
        text: "Hello @Bob".to_owned(),
        reply_to: None,
        mentions: vec![bob()],
        ts: at_s(60),
        edited_at: None,
        pinned: false,
        deleted_by: None,
        reactions: Vec::new(),
    }
}

/// Returns the exchange of a request: the request, its reply, perhaps a refusal.
pub(crate) fn of_request(verb: &str) -> Vec<String> {
    match verb {
        "screen.pause" => vec![ask(60, ScreenPause { on: true }), answer(60, &Done {})],
        "screen.takeover.reply" => vec![
            ask(
                61,
                ScreenTakeoverReply {
                    request: request_id(),
                    answer: RequestAnswer::Accept,
                },
            ),
            answer(61, &Done {}),
        ],
        "chat.send" => vec![
            ask(62, send(ChatTarget::All {})),
            answer(
                62,
                &ChatSent {
                    id: message_id(),
                    ts: at_s(60),
                },
            ),
            ask(63, send(ChatTarget::Participant { participant: bob() })),
            refuse(63, ErrorCode::PrivateDisabled.into()),
            ask(64, send(ChatTarget::Hosts {})),
            refuse(64, ErrorBody::from(ErrorCode::SlowMode).retry_after_s(4)),
        ],
        "chat.edit" => vec![
            ask(
                65,
                ChatEdit {
                    id: message_id(),
                    text: TypedText::new("Hello Bob"),
                },
            ),
            answer(65, &Done {}),
        ],
        "chat.delete" => vec![
            ask(66, ChatDelete { id: message_id() }),
            answer(66, &Done {}),
            refuse(66, ErrorCode::Forbidden.into()),
        ],
        "chat.react" => vec![
            ask(
                67,
                ChatReact {
                    id: message_id(),
                    emoji: Emoji::ThumbsUp,
                    on: true,
                },
            ),
            answer(67, &Done {}),
        ],
        "chat.pin" => vec![
            ask(
                68,
                ChatPin {
                    id: message_id(),
                    on: true,
                },
            ),
            answer(68, &Done {}),
        ],
        "chat.clear" => vec![
            ask(69, ChatClear { up_to: Some(5) }),
            answer(69, &Done {}),
        ],
        "chat.export" => vec![
            ask(
                70,
                ChatExport {
                    format: ChatFormat::Csv,
                    after: None,
                },
            ),
            answer(
                70,
                &ChatExported {
                    text: "number,time,from,role,to,text\r\n5,2026-11-22T10:01:00Z,Ada,attendee,all,Hello @Bob\r\n"
                        .to_owned(),
                    next: None,
                },
            ),
        ],
        "hand.raise" => vec![ask(71, HandRaise {}), answer(71, &Done {})],
        "hand.lower" => vec![
            ask(
                72,
                HandLower {
                    participant: Some(bob()),
                },
            ),
            answer(72, &Done {}),
        ],
        "hand.lower_all" => vec![ask(73, HandLowerAll {}), answer(73, &Done {})],
        "hand.next" => vec![
            ask(74, HandNext { ttl_s: Some(120) }),
            answer(
                74,
                &HandCalled {
                    participant: Some(bob()),
                },
            ),
        ],
        other => of_meeting(other),
    }
}

fn of_meeting(verb: &str) -> Vec<String> {
    match verb {
        "reaction.send" => vec![
            ask(
                75,
                ReactionSend {
                    emoji: Emoji::Party,
                },
            ),
            answer(75, &Done {}),
        ],
        "spotlight.set" => vec![
            ask(
                76,
                SpotlightSet {
                    participants: vec![bob()],
                },
            ),
            answer(76, &RoomRevised { rev: 4 }),
        ],
        "panic.suspend" => vec![
            ask(77, PanicSuspend { on: true }),
            answer(77, &RoomRevised { rev: 5 }),
        ],
        "session.announce" => vec![
            ask(
                78,
                SessionAnnounce {
                    message: prose("A break of ten minutes"),
                },
            ),
            answer(78, &Done {}),
        ],
        "host.transfer" => vec![
            ask(
                79,
                HostTransfer {
                    participant: bob(),
                    permanent: false,
                },
            ),
            answer(
                79,
                &HostTransferAsked {
                    request: request_id(),
                },
            ),
        ],
        "host.transfer.reply" => vec![
            ask(
                80,
                HostTransferReply {
                    request: request_id(),
                    answer: RequestAnswer::Accept,
                },
            ),
            answer(
                80,
                &HostTransferred {
                    secret: Some(InviteSecret::new([7; 16])),
                },
            ),
        ],
        "session.end" => vec![
            ask(
                81,
                SessionEnd {
                    countdown_s: 30,
                    message: Some(prose("Thank you")),
                },
            ),
            answer(81, &Done {}),
        ],
        "session.end.cancel" => vec![ask(82, SessionEndCancel {}), answer(82, &Done {})],
        "attendance.get" => vec![
            ask(83, AttendanceGet { csv: false }),
            answer(
                83,
                &Attendance {
                    since: at_s(0),
                    people: vec![Attendee {
                        name: name("Ada"),
                        role: Role::Attendee,
                        identity: Identity::Guest,
                        joined_at: at_s(5),
                        left_at: None,
                        present_s: 1795,
                        talk_s: 214,
                        visits: 1,
                    }],
                    more: 0,
                    csv: None,
                },
            ),
        ],
        other => moderation::of_request(other),
    }
}

/// Returns the examples of a push.
pub(crate) fn of_push(name: &str) -> Vec<Push> {
    match name {
        "screen.takeover.requested" => vec![
            ScreenTakeoverRequested {
                request: request_id(),
                by: Some(bob()),
                expires_s: 60,
            }
            .into(),
        ],
        "screen.takeover.answered" => [Some(share_id()), None]
            .into_iter()
            .map(|share_id| {
                ScreenTakeoverAnswered {
                    request: request_id(),
                    share_id,
                }
                .into()
            })
            .collect(),
        "screen.viewers" => vec![ScreenViewers { count: 12 }.into()],
        "chat.message" => vec![ChatWritten(written()).into()],
        "chat.edited" => vec![
            ChatEdited {
                id: message_id(),
                text: "Hello Bob".to_owned(),
                edited_at: at_s(90),
            }
            .into(),
        ],
        "chat.deleted" => vec![
            ChatDeleted {
                id: message_id(),
                by_role: Role::Host,
            }
            .into(),
        ],
        "chat.reacted" => vec![
            ChatReacted {
                id: message_id(),
                reactions: vec![ChatReaction {
                    emoji: Emoji::ThumbsUp,
                    participants: vec![bob()],
                    count: 1,
                }],
            }
            .into(),
        ],
        "chat.pinned" => vec![
            ChatPinned {
                id: message_id(),
                on: true,
            }
            .into(),
        ],
        "chat.cleared" => vec![
            ChatCleared {
                up_to: 5,
                by_role: Role::Host,
            }
            .into(),
        ],
        "hand.queue" => vec![
            HandQueue {
                hands: vec![QueuedHand {
                    participant: bob(),
                    position: 1,
                    raised_at: at_s(40),
                    round: 0,
                    called_until: None,
                }],
            }
            .into(),
        ],
        "reaction" => vec![
            Reaction {
                participant: Some(bob()),
                emoji: Emoji::Party,
            }
            .into(),
        ],
        "announcement" => vec![
            Announcement {
                by: Some(ada()),
                message: prose("A break of ten minutes"),
                ts: at_s(600),
            }
            .into(),
        ],
        "host.transfer.requested" => vec![
            HostTransferRequested {
                request: request_id(),
                by: ada(),
                permanent: false,
                expires_s: 60,
            }
            .into(),
        ],
        "host.transfer.answered" => vec![
            HostTransferAnswered {
                request: request_id(),
                answer: Some(RequestAnswer::Accept),
            }
            .into(),
        ],
        "session.ending" => vec![
            SessionEnding {
                ends_at: Some(at_s(3600)),
                in_s: 300,
                reason: Some(EndingReason::Duration),
                by: None,
                message: None,
            }
            .into(),
            SessionEnding {
                ends_at: None,
                in_s: 0,
                reason: None,
                by: None,
                message: None,
            }
            .into(),
        ],
        other => moderation::of_push(other),
    }
}

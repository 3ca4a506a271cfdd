//! One example of each message, written by the real serialiser.

use std::fmt::Debug;

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::frame::{
    RequestFrame, ServerFrame, encode_error, encode_push, encode_reply, encode_request,
    parse_request, parse_server_frame, read_ok,
};
use conclave_signalling_wire::ids::{KnockId, ParticipantId, RoomId, SessionId, TrackId};
use conclave_signalling_wire::limits;
use conclave_signalling_wire::objects::*;
use conclave_signalling_wire::push::*;
use conclave_signalling_wire::reply::*;
use conclave_signalling_wire::request::*;
use conclave_signalling_wire::secret::{DeviceKey, InviteSecret, ResumeToken};
use conclave_signalling_wire::text::{ClientLabel, DisplayName, Mid, Slug};
use conclave_signalling_wire::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::life;

/// 2026-11-22T10:00:00Z.
pub(crate) const START_MS: u64 = 1_795_341_600_000;

pub(crate) fn ada() -> ParticipantId {
    ParticipantId::new(START_MS + 5000, [1; 10])
}

pub(crate) fn bob() -> ParticipantId {
    ParticipantId::new(START_MS + 9000, [2; 10])
}

fn mid(text: &str) -> Mid {
    Mid::new(text).unwrap()
}

pub(crate) fn participant(id: ParticipantId, name: &str, rev: u32) -> Participant {
    let off = SourceState {
        published: false,
        muted: true,
        muted_by: None,
        locked: false,
    };
    Participant {
        id,
        rev,
        name: DisplayName::new(name).unwrap(),
        role: Role::Attendee,
        custom_role: None,
        identity: Identity::Guest,
        presence: Presence::Connected,
        joined_at: Timestamp::from_unix_ms(START_MS + 5000),
        hand: None,
        sources: Sources {
            microphone: SourceState {
                published: true,
                muted: false,
                ..off.clone()
            },
            camera: off,
            screen: None,
            screen_audio: None,
        },
    }
}

pub(crate) fn room() -> Room {
    let unlocked = SourceLock {
        on: false,
        allow: Vec::new(),
    };
    Room {
        id: RoomId::new(START_MS, [3; 10]),
        slug: Slug::new("welcome").unwrap(),
        title: "Welcome".to_owned(),
        rev: 1,
        preset: Preset::Meeting,
        locked: false,
        lobby: LobbyMode::Off,
        lobby_message: None,
        password_set: false,
        password_bypasses_lobby: false,
        start_without_host: true,
        no_host: NoHost::Continue,
        no_host_grace_s: 300,
        waiting_for_host: false,
        duplicate: DuplicatePolicy::Ask,
        default_role: Role::Attendee,
        guests_may_cohost: false,
        attendees: Allowances {
            microphone: true,
            camera: true,
            screen: true,
            rename: true,
            invite: false,
        },
        roster: RosterMode::All,
        caps: Caps::default(),
        opens_at: None,
        closes_at: None,
        consent_text: None,
        custom_roles: Vec::new(),
        av_lock: AvLock {
            microphone: unlocked.clone(),
            camera: unlocked.clone(),
            screen: unlocked,
        },
        chat: ChatPolicy::default(),
        viewers: ViewerAllowances::default(),
        reactions: true,
        hands: HandOrder::Fifo,
        cohosts_end: true,
        max_duration_s: None,
        screen: ScreenPolicy::One,
        relay_only: false,
        suspended: false,
        ends_at: None,
        spotlight: Vec::new(),
    }
}

pub(crate) fn joined() -> Joined {
    Joined {
        session: SessionId::new(START_MS + 5000, [4; 10]),
        room: room(),
        own: participant(ada(), "Ada", 1),
        permissions: vec![
            Permission::RoomJoin,
            Permission::PublishAudio,
            Permission::PublishVideo,
        ],
        overrides: Vec::new(),
        roster: vec![participant(bob(), "Bob", 3)],
        hands: HandQueue { hands: Vec::new() },
        ending: None,
        chat: Vec::new(),
        ice_servers: vec![relay(START_MS + 5000, 600)],
        seq: 0,
        resume_token: ResumeToken::new([5; 32]),
    }
}

fn relay(now_ms: u64, ttl_s: u32) -> IceServer {
    let expires_s = now_ms / 1000 + u64::from(ttl_s);
    IceServer {
        urls: [
            "turn:%?transport=udp",
            "turn:%?transport=tcp",
            "turns:%?transport=tcp",
        ]
        .map(|url| url.replace('%', "meet.example.org:443"))
        .into(),
        username: format!("{expires_s}:…"),
        credential: "…".to_owned(),
        ttl_s,
    }
}

fn welcome() -> Welcome {
    let encoding = |rid, scale, max_bps| Encoding {
        rid,
        scale,
        max_bps,
    };
    Welcome {
        server_time: Timestamp::from_unix_ms(START_MS),
        limits: Limits {
            name_chars: limits::NAME_CHARS as u32,
            chat_chars: limits::CHAT_CHARS as u32,
            message_bytes: limits::MESSAGE_BYTES as u32,
            offer_bytes: limits::OFFER_BYTES as u32,
            wish_per_s: limits::WISHES_PER_S,
        },
        features: vec![Feature::Screen, Feature::Lobby],
        media: MediaParameters {
            codecs: vec![Codec::Vp8, Codec::H264],
            video_slots: limits::VIDEO_SLOTS,
            audio_slots: limits::AUDIO_SLOTS,
            rids: vec![
                encoding(Rid::Q, 4, 150_000),
                encoding(Rid::H, 2, 500_000),
                encoding(Rid::F, 1, 1_700_000),
            ],
        },
    }
}

fn joining(duplicate: Option<DuplicateChoice>) -> Request {
    Request::from(Join {
        room: Slug::new("welcome").unwrap(),
        credential: Credential::Invite {
            secret: InviteSecret::new([6; 16]),
        },
        name: DisplayName::new("Ada").unwrap(),
        device_key: DeviceKey::new([7; 16]),
        consent_hash: None,
        duplicate,
    })
}

fn hello(resume: Option<Resume>) -> Request {
    Request::from(Hello {
        protocol: limits::PROTOCOL,
        client: ClientLabel::new("conclave-web/0.1.0").unwrap(),
        resume,
    })
}

pub(crate) fn ask(id: u32, request: impl Into<Request>) -> String {
    let request = request.into();
    let text = encode_request(id, &request);
    assert_eq!(parse_request(&text), Ok(RequestFrame { id, request }));
    format!("> {text}")
}

pub(crate) fn answer<T>(id: u32, ok: &T) -> String
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let text = encode_reply(id, ok);
    match parse_server_frame(&text) {
        Ok(ServerFrame::Ok { body, .. }) => assert_eq!(read_ok::<T>(&body).as_ref(), Ok(ok)),
        other => panic!("{other:?} of {text}"),
    }
    told(text)
}

pub(crate) fn refuse(id: u32, error: ErrorBody) -> String {
    told(encode_error(id, &error))
}

fn told(text: String) -> String {
    assert!(parse_server_frame(&text).is_ok(), "{text}");
    format!("< {text}")
}

/// Returns the examples of a request: it and its replies.
pub(crate) fn of_request(name: &str) -> Vec<String> {
    match name {
        "hello" => vec![
            ask(1, hello(None)),
            answer(1, &HelloOutcome::Welcome(Box::new(welcome()))),
            ask(
                1,
                hello(Some(Resume {
                    token: ResumeToken::new([5; 32]),
                    last_seq: 17,
                })),
            ),
            answer(
                1,
                &HelloOutcome::Resumed(Box::new(Resumed {
                    missed: vec![SequencedPush {
                        seq: 18,
                        push: ParticipantLeft {
                            participant: bob(),
                            reason: LeftReason::Left,
                        }
                        .into(),
                    }],
                    snapshot: None,
                    resume_token: ResumeToken::new([8; 32]),
                    media: MediaState::Kept,
                })),
            ),
            refuse(1, ErrorBody::from(ErrorCode::ResumeFailed).rejoin()),
        ],
        "room.info" => vec![
            ask(
                2,
                RoomInfo {
                    room: Slug::new("welcome").unwrap(),
                    connection_test: true,
                },
            ),
            answer(
                2,
                &RoomSummary {
                    title: Some("Welcome".to_owned()),
                    consent_text: None,
                    needs: Needs::None,
                    lobby: false,
                    recording: false,
                    name_chars: 64,
                    relay: true,
                    connection_test: Some(relay(START_MS, 60)),
                },
            ),
            answer(
                2,
                &RoomSummary {
                    title: None,
                    consent_text: None,
                    needs: Needs::Password,
                    lobby: false,
                    recording: false,
                    name_chars: 64,
                    relay: true,
                    connection_test: None,
                },
            ),
        ],
        "join" => vec![
            ask(3, joining(None)),
            answer(3, &JoinOutcome::Joined(Box::new(joined()))),
            answer(
                3,
                &JoinOutcome::Lobby(InLobby {
                    knock: KnockId::new(START_MS + 5000, [11; 10]),
                    state: WaitingState::Waiting,
                    message: Some("Back in five minutes".to_owned()),
                    heartbeat_s: 10,
                }),
            ),
            answer(
                3,
                &JoinOutcome::Duplicate(Duplicate {
                    participant: ada(),
                    options: vec![
                        DuplicateOption::TakeOver,
                        DuplicateOption::JoinAsSecond,
                        DuplicateOption::Cancel,
                    ],
                }),
            ),
            refuse(3, ErrorCode::PasswordRequired.into()),
            refuse(
                3,
                ErrorBody::from(ErrorCode::BadCredentials).field("credential.secret"),
            ),
            refuse(
                3,
                ErrorBody::from(ErrorCode::NotOpenYet)
                    .opens_at(Timestamp::from_unix_ms(START_MS + 3_600_000)),
            ),
            refuse(
                3,
                ErrorBody::from(ErrorCode::ConsentRequired)
                    .consent("This meeting is for members.", "kYb2tVnQw0s"),
            ),
            ask(4, joining(Some(DuplicateChoice::TakeOver))),
        ],
        "leave" => vec![ask(5, Leave {}), answer(5, &Done {})],
        "participant.rename" => vec![
            ask(
                6,
                ParticipantRename {
                    participant: ada(),
                    name: DisplayName::new("Ada L.").unwrap(),
                },
            ),
            answer(6, &Renamed { rev: 2 }),
        ],
        "track.state" => vec![
            ask(
                7,
                TrackState {
                    source: Source::Camera,
                    muted: true,
                },
            ),
            answer(7, &Done {}),
        ],
        "media.offer" => vec![
            ask(
                8,
                MediaOffer {
                    generation: 1,
                    sdp: "v=0\r\n…".to_owned(),
                    relay_only: false,
                },
            ),
            answer(
                8,
                &MediaAnswer {
                    generation: 1,
                    sdp: "v=0\r\n…".to_owned(),
                    slots: SlotMids {
                        video: vec![mid("4"), mid("5"), mid("6")],
                        audio: vec![mid("16"), mid("17")],
                    },
                },
            ),
            refuse(8, ErrorBody::from(ErrorCode::RateLimited).retry_after_s(41)),
        ],
        "turn.refresh" => vec![
            ask(15, TurnRefresh {}),
            answer(
                15,
                &TurnRefreshed {
                    ice_servers: vec![relay(START_MS + 545_000, 600)],
                },
            ),
        ],
        "media.publish" => vec![
            ask(
                9,
                MediaPublish {
                    mid: mid("1"),
                    source: Source::Camera,
                    muted: false,
                },
            ),
            answer(
                9,
                &Published {
                    track: TrackId::new(START_MS + 6000, [9; 10]),
                    rids: vec![Rid::Q, Rid::H, Rid::F],
                },
            ),
        ],
        "media.unpublish" => vec![
            ask(
                10,
                MediaUnpublish {
                    source: Source::Screen,
                },
            ),
            answer(10, &Done {}),
        ],
        "media.wish" => vec![
            ask(
                11,
                MediaWish {
                    rev: 7,
                    views: vec![
                        View {
                            participant: bob(),
                            source: PictureSource::Screen,
                            max_height_px: 1080,
                            min_fps: Some(5),
                            priority: Priority::Pinned,
                        },
                        View {
                            participant: bob(),
                            source: PictureSource::Camera,
                            max_height_px: 180,
                            min_fps: None,
                            priority: Priority::Gallery,
                        },
                    ],
                },
            ),
            answer(11, &Wished { rev: 7 }),
        ],
        "media.slots.ack" => vec![
            ask(12, MediaSlotsAck { rev: 31 }),
            answer(
                12,
                &AckedSlots {
                    first_rtp_timestamp: [(mid("4"), 2_883_991_234)].into(),
                },
            ),
        ],
        "screen.start" => vec![
            ask(
                13,
                ScreenStart {
                    surface: Some(Surface::Window),
                    audio: false,
                    take_over: false,
                },
            ),
            answer(
                13,
                &ScreenOutcome::Granted {
                    share_id: TrackId::new(START_MS + 7000, [10; 10]),
                },
            ),
            refuse(13, ErrorBody::from(ErrorCode::Busy).by(bob())),
        ],
        other => life::of_request(other),
    }
}

/// Returns the examples of a push.
pub(crate) fn of_push(name: &str) -> Vec<String> {
    let pushes: Vec<Push> = match name {
        "participant.joined" => vec![
            ParticipantJoined {
                participant: participant(bob(), "Bob", 1),
            }
            .into(),
        ],
        "participant.updated" => vec![
            ParticipantUpdated {
                participant: participant(bob(), "Bob", 2),
            }
            .into(),
        ],
        "participant.left" => {
            vec![
                ParticipantLeft {
                    participant: bob(),
                    reason: LeftReason::ConnectionLost,
                }
                .into(),
            ]
        }
        "media.slots" => vec![
            MediaSlots {
                rev: 31,
                slots: vec![
                    Slot {
                        mid: mid("4"),
                        participant: Some(bob()),
                        source: Some(PictureSource::Camera),
                        paused: false,
                        reason: None,
                    },
                    Slot {
                        mid: mid("5"),
                        participant: None,
                        source: None,
                        paused: true,
                        reason: Some(PauseReason::SourceEnded),
                    },
                ],
            }
            .into(),
        ],
        "media.layers" => vec![
            MediaLayers {
                source: PictureSource::Camera,
                active: vec![Rid::Q, Rid::H],
                codec: Codec::Vp8,
            }
            .into(),
        ],
        "speakers" => vec![
            Speakers {
                speakers: vec![Speaker {
                    participant: bob(),
                    level: 71,
                }],
            }
            .into(),
        ],
        "media.quality" => vec![
            MediaQuality {
                participants: vec![Quality {
                    participant: bob(),
                    level: 3,
                }],
            }
            .into(),
        ],
        "media.reset" => vec![
            MediaReset {
                reason: ResetReason::DtlsFailed,
            }
            .into(),
            MediaReset {
                reason: ResetReason::RelayOnly,
            }
            .into(),
            MediaReset {
                reason: ResetReason::GivenUp,
            }
            .into(),
        ],
        "media.restart" => vec![
            MediaRestart {
                reason: RestartReason::Network,
            }
            .into(),
        ],
        "server.draining" => vec![
            ServerDraining {
                deadline_s: 300,
                retry_after_s: 10,
            }
            .into(),
        ],
        "ended" => vec![
            Ended {
                by: None,
                message: None,
                countdown_s: 0,
            }
            .into(),
        ],
        other => life::of_push(other),
    };
    pushes
        .into_iter()
        .enumerate()
        .map(|(place, push)| {
            let seq = push.is_sequenced().then_some(14 + place as u32);
            let text = encode_push(seq, &push);
            match parse_server_frame(&text) {
                Ok(ServerFrame::Push {
                    seq: read,
                    push: same,
                }) => {
                    assert_eq!((read, *same), (seq, push), "{text}");
                }
                other => panic!("{other:?} of {text}"),
            }
            told(text)
        })
        .collect()
}

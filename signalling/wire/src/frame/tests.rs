use proptest::prelude::*;

use super::*;
use crate::ids::{KnockId, ParticipantId};
use crate::objects::{Patch, Permission, PictureSource, Role, Source};
use crate::push::{LobbyStatus, SequencedPush, ServerDraining};
use crate::reply::HelloOutcome;
use crate::request::{
    BanOrder, BanScope, Credential, DuplicateChoice, Hello, InviteCreate, Join, LobbyAdmit,
    LobbyNote, MediaLock, MediaMute, MediaOffer, MediaPublish, MediaWish, OverrideEffect,
    ParticipantRemove, ParticipantRename, PermOverride, Priority, Resume, RoomManage, RoomUpdate,
    Target, TrackState, View, Waiting,
};
use crate::secret::{DeviceKey, InviteSecret, ResumeToken, SecretText};
use crate::text::{ClientLabel, DisplayName, Mid, Prose, Slug};
use crate::time::Timestamp;

fn refusal(text: &str) -> (u32, ErrorCode, Option<String>) {
    match parse_request(text) {
        Err(Malformed::Refused { id, error }) => (id, error.code, error.field),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_list_is_no_object_though_its_values_fit_the_members() {
    assert_eq!(
        parse_request(r#"[9,"leave",{}]"#),
        Err(Malformed::Unreadable)
    );
    for text in [
        r#"{"id":9,"type":"leave","data":[]}"#,
        r#"{"id":9,"type":"media.slots.ack","data":[7]}"#,
    ] {
        let refused = Malformed::refused(9, ErrorCode::BadRequest);
        assert_eq!(parse_request(text), Err(refused), "{text}");
    }
}

#[test]
fn nor_is_a_list_an_object_inside_of_another() {
    let id = ParticipantId::new(1, [0; 10]);
    for (data, field) in [
        (
            format!(r#"{{"participant":"{id}","ban":["room",60,true]}}"#),
            "ban",
        ),
        (
            format!(r#"{{"participant":"{id}","ban":{{"scope":"room"}}}}"#),
            "",
        ),
    ] {
        let text = format!(r#"{{"id":9,"type":"participant.remove","data":{data}}}"#);
        match field {
            "" => assert!(parse_request(&text).is_ok(), "{text}"),
            field => assert_eq!(
                refusal(&text),
                (9, ErrorCode::BadRequest, Some(field.to_owned()))
            ),
        }
    }
    let views = format!(r#"[["{id}","camera",720,null,"gallery"]]"#);
    let text = format!(r#"{{"id":9,"type":"media.wish","data":{{"rev":1,"views":{views}}}}}"#);
    assert_eq!(
        refusal(&text),
        (9, ErrorCode::BadRequest, Some("views[0]".to_owned()))
    );
}

#[test]
fn a_join_is_read_as_the_protocol_writes_it() {
    let text = r#"{"id":2,"type":"join","data":{"room":"welcome","credential":{"kind":"invite","secret":"AQEBAQEBAQEBAQEBAQEBAQ"},"name":"Ada","device_key":"AgICAgICAgICAgICAgICAg","consent_hash":null}}"#;
    let expected = Join {
        room: Slug::new("welcome").unwrap(),
        credential: Credential::Invite {
            secret: InviteSecret::new([1; 16]),
        },
        name: DisplayName::new("Ada").unwrap(),
        device_key: DeviceKey::new([2; 16]),
        consent_hash: None,
        duplicate: None,
    };
    assert_eq!(
        parse_request(text),
        Ok(RequestFrame {
            id: 2,
            request: expected.into()
        })
    );
}

#[test]
fn a_message_without_a_number_is_unreadable() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"id":-1,"type":"leave","data":{}}"#,
        r#"{"id":1.5,"type":"leave","data":{}}"#,
        r#"{"id":4294967296,"type":"leave","data":{}}"#,
        r#"{"id":1,"id":2,"type":"leave","data":{}}"#,
        r#"{"id":1,"type":"leave","data":{}} {}"#,
        &format!(
            r#"{{"id":1,"type":"leave","data":{}{}}}"#,
            "[".repeat(16),
            "]".repeat(16)
        ),
        &format!(
            r#"{{"id":1,"type":"media.offer","data":{{"generation":1,"sdp":"{}"}}}}"#,
            "v".repeat(OFFER_BYTES)
        ),
    ] {
        assert_eq!(
            parse_request(text),
            Err(Malformed::Unreadable),
            "{}",
            &text[..text.len().min(80)]
        );
    }
}

#[test]
fn a_refusal_carries_the_number_and_names_the_member() {
    for (text, code, field) in [
        (
            r#"{"id":7,"type":"poll.vote","data":{}}"#,
            ErrorCode::UnknownType,
            None,
        ),
        (
            r#"{"id":7,"type":"leave","data":{},"more":1}"#,
            ErrorCode::BadRequest,
            Some("more"),
        ),
        (
            r#"{"id":7,"type":"leave"}"#,
            ErrorCode::BadRequest,
            Some("data"),
        ),
        (
            r#"{"id":7,"type":"leave","data":{"x":1}}"#,
            ErrorCode::BadRequest,
            Some("x"),
        ),
        (
            r#"{"id":7,"type":"leave","data":null}"#,
            ErrorCode::BadRequest,
            None,
        ),
        (
            r#"{"id":7,"type":"room.info","data":{"room":"A"}}"#,
            ErrorCode::BadRequest,
            Some("room"),
        ),
        (
            r#"{"id":7,"type":"room.info","data":{}}"#,
            ErrorCode::BadRequest,
            Some("room"),
        ),
        (
            r#"{"id":7,"type":"room.info","data":{"room":"abc","room":"abc"}}"#,
            ErrorCode::BadRequest,
            Some("room"),
        ),
        (
            r#"{"id":7,"type":"hello","data":{"protocol":1,"client":"x","resume":{"token":"rt_"}}}"#,
            ErrorCode::BadRequest,
            Some("resume.token"),
        ),
        (
            r#"{"id":7,"type":"hello","data":{"protocol":1,"client":"x","resume":{"last_seq":1}}}"#,
            ErrorCode::BadRequest,
            Some("resume.token"),
        ),
        (
            r#"{"id":7,"type":"media.wish","data":{"rev":1,"views":[{"participant":"par_x"}]}}"#,
            ErrorCode::BadRequest,
            Some("views[0].participant"),
        ),
        (
            r#"{"id":7,"type":"join","data":{"room":"abc","credential":{"kind":"none","password":"x"},"name":"A","device_key":"AgICAgICAgICAgICAgICAg"}}"#,
            ErrorCode::BadRequest,
            Some("credential.password"),
        ),
        (
            r#"{"id":7,"type":"room.update","data":{"rev":1,"slug":"abc"}}"#,
            ErrorCode::BadRequest,
            Some("slug"),
        ),
        (
            r#"{"id":7,"type":"room.update","data":{"lobby_message":"\u200b"}}"#,
            ErrorCode::BadRequest,
            Some("lobby_message"),
        ),
        (
            r#"{"id":7,"type":"media.mute","data":{"target":{"kind":"all_except"},"sources":["microphone"]}}"#,
            ErrorCode::BadRequest,
            Some("target.participants"),
        ),
        (
            r#"{"id":7,"type":"join","data":{"room":"abc","credential":{"kind":"none","kind":"none"},"name":"A","device_key":"AgICAgICAgICAgICAgICAg"}}"#,
            ErrorCode::BadRequest,
            Some("credential.kind"),
        ),
    ] {
        assert_eq!(refusal(text), (7, code, field.map(str::to_owned)), "{text}");
    }
}

#[test]
fn only_an_offer_may_be_long() {
    let offer = encode_request(
        1,
        &MediaOffer {
            generation: 1,
            sdp: "v".repeat(MESSAGE_BYTES),
            relay_only: false,
        }
        .into(),
    );
    assert!(parse_request(&offer).is_ok());
    let name = format!(
        r#"{{"id":1,"type":"room.info","data":{{"room":"{}"}}}}"#,
        "v".repeat(MESSAGE_BYTES)
    );
    assert_eq!(refusal(&name), (1, ErrorCode::TooLarge, None));
}

#[test]
fn a_chosen_name_does_not_fill_the_reply() {
    let text = format!(
        r#"{{"id":1,"type":"leave","data":{{"{}":1}}}}"#,
        "x".repeat(10_000)
    );
    let (_, _, field) = refusal(&text);
    assert_eq!(field.map(|field| field.len()), Some(128));
}

#[test]
fn nothing_secret_is_in_the_debug_text_of_a_request() {
    let join = Join {
        room: Slug::new("welcome").unwrap(),
        credential: Credential::Password {
            password: SecretText::new("hunter2"),
        },
        name: DisplayName::new("Ada").unwrap(),
        device_key: DeviceKey::new([2; 16]),
        consent_hash: None,
        duplicate: Some(DuplicateChoice::TakeOver),
    };
    let debug = format!(
        "{:?} {:?}",
        Request::from(join),
        MediaOffer {
            generation: 1,
            sdp: "v=0".to_owned(),
            relay_only: true,
        }
    );
    for secret in ["hunter2", "Ada", "AgICA", "v=0"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

#[test]
fn a_resumed_link_reads_what_it_missed() {
    let missed = SequencedPush {
        seq: 9,
        push: ServerDraining {
            deadline_s: 300,
            retry_after_s: 10,
        }
        .into(),
    };
    let outcome = HelloOutcome::Resumed(Box::new(crate::reply::Resumed {
        missed: vec![missed],
        snapshot: None,
        resume_token: ResumeToken::new([3; 32]),
        media: crate::reply::MediaState::Kept,
    }));
    let text = encode_reply(1, &outcome);
    let Ok(ServerFrame::Ok { id: 1, body }) = parse_server_frame(&text) else {
        panic!("{text}")
    };
    assert_eq!(read_ok::<HelloOutcome>(&body), Ok(outcome));
}

#[test]
fn a_state_push_is_read_by_its_state() {
    let push: Push = LobbyStatus::WaitingForHost(Waiting {
        knock: KnockId::new(1, [1; 10]),
        message: None,
        note: None,
        since: Timestamp::from_unix_ms(0),
    })
    .into();
    let text = encode_push(None, &push);
    match parse_server_frame(&text) {
        Ok(ServerFrame::Push {
            seq: None,
            push: read,
        }) => assert_eq!(*read, push),
        other => panic!("{other:?}"),
    }
    let again = SequencedPush { seq: 3, push };
    let text = serde_json::to_string(&again).unwrap();
    assert_eq!(serde_json::from_str::<SequencedPush>(&text).unwrap(), again);
}

#[test]
fn a_push_of_an_unknown_type_is_known_as_such() {
    let text = r#"{"seq":4,"type":"poll.opened","data":{"poll":1}}"#;
    assert!(matches!(
        parse_server_frame(text),
        Ok(ServerFrame::Unknown { seq: Some(4) })
    ));
}

prop_compose! {
    fn participant()(unix_ms in 0u64..1 << 48, random: [u8; 10]) -> ParticipantId {
        ParticipantId::new(unix_ms, random)
    }
}

fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![
        Just(Credential::None {}),
        any::<String>().prop_map(|text| Credential::Password {
            password: SecretText::new(text)
        }),
        any::<[u8; 16]>().prop_map(|bytes| Credential::Invite {
            secret: InviteSecret::new(bytes)
        }),
        any::<String>().prop_map(|text| Credential::Token {
            jwt: SecretText::new(text)
        }),
        Just(Credential::Account {}),
    ]
}

fn view() -> impl Strategy<Value = View> {
    let priority = prop_oneof![
        Just(Priority::Pinned),
        Just(Priority::Speaker),
        Just(Priority::Gallery)
    ];
    (
        participant(),
        any::<bool>(),
        any::<u16>(),
        any::<Option<u8>>(),
        priority,
    )
        .prop_map(
            |(participant, screen, max_height_px, min_fps, priority)| View {
                participant,
                source: if screen {
                    PictureSource::Screen
                } else {
                    PictureSource::Camera
                },
                max_height_px,
                min_fps,
                priority,
            },
        )
}

fn moderation() -> impl Strategy<Value = Request> {
    let prose = any::<String>().prop_map(|text| Prose::new(&text).ok());
    let name = any::<String>().prop_map(|text| DisplayName::new(&text).ok());
    let role = proptest::sample::select(&Role::ALL[..]);
    let sources = proptest::sample::subsequence(&Source::ALL[..], 0..=4);
    let people = || proptest::collection::vec(participant(), 0..4);
    let time = any::<Option<u64>>().prop_map(|at| at.map(Timestamp::from_unix_ms));
    prop_oneof![
        (any::<Option<u32>>(), prose.clone(), any::<Option<bool>>()).prop_map(
            |(rev, message, locked)| RoomUpdate {
                rev,
                locked,
                lobby_message: message.map_or(Patch::Clear, Patch::Set),
                ..RoomUpdate::default()
            }
            .into()
        ),
        ("[a-z0-9][a-z0-9-]{2,62}", credential(), any::<[u8; 16]>()).prop_map(
            |(room, credential, key)| RoomManage {
                room: Slug::new(&room).unwrap(),
                credential,
                device_key: DeviceKey::new(key),
            }
            .into()
        ),
        (
            any::<Option<Vec<[u8; 10]>>>(),
            any::<Option<u32>>(),
            proptest::option::of(role.clone())
        )
            .prop_map(|(knocks, all_up_to_rev, as_role)| LobbyAdmit {
                knocks: knocks.map(|knocks| {
                    let knock = |random: &[u8; 10]| KnockId::new(0, *random);
                    knocks.iter().map(knock).collect()
                }),
                all_up_to_rev,
                as_role,
            }
            .into()),
        (any::<[u8; 10]>(), prose.clone()).prop_map(|(random, text)| LobbyNote {
            knock: KnockId::new(0, random),
            text
        }
        .into()),
        (participant(), prose.clone(), any::<Option<(u32, bool)>>()).prop_map(
            |(participant, reason, ban)| ParticipantRemove {
                participant,
                reason,
                message: None,
                ban: ban.map(|(ttl_s, strict)| BanOrder {
                    scope: BanScope::Room,
                    ttl_s: Some(ttl_s),
                    strict,
                }),
            }
            .into()
        ),
        (
            role,
            name,
            prose,
            time,
            any::<[bool; 3]>(),
            any::<Option<u32>>()
        )
            .prop_map(
                |(role, name, note, expires_at, flags, max_uses)| InviteCreate {
                    role,
                    custom_role: None,
                    name,
                    name_locked: flags[0],
                    max_uses,
                    not_before: None,
                    expires_at,
                    bypass_lobby: flags[1],
                    bind_device: flags[2],
                    note,
                }
                .into()
            ),
        (
            participant(),
            proptest::sample::select(Permission::ALL),
            any::<Option<u32>>(),
            any::<u32>()
        )
            .prop_map(|(participant, key, ttl_s, rev)| PermOverride {
                participant,
                key,
                effect: OverrideEffect::Clear,
                ttl_s,
                rev,
            }
            .into()),
        (people(), sources.clone()).prop_map(|(participants, sources)| MediaMute {
            target: match participants.as_slice() {
                [one] => Target::Participant { participant: *one },
                _ => Target::AllExcept { participants },
            },
            sources,
        }
        .into()),
        (people(), sources, any::<bool>()).prop_map(|(allow, sources, on)| MediaLock {
            sources,
            on,
            allow
        }
        .into()),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let name = any::<String>().prop_filter_map("a name", |text| DisplayName::new(&text).ok());
    let source = proptest::sample::select(&Source::ALL[..]);
    prop_oneof![
        (any::<u32>(), any::<Option<([u8; 32], u32)>>()).prop_map(|(protocol, resume)| {
            let resume = resume.map(|(token, last_seq)| Resume {
                token: ResumeToken::new(token),
                last_seq,
            });
            Hello {
                protocol,
                client: ClientLabel::new("test/1").unwrap(),
                resume,
            }
            .into()
        }),
        (
            "[a-z0-9][a-z0-9-]{2,62}",
            credential(),
            name.clone(),
            any::<[u8; 16]>(),
            any::<Option<bool>>()
        )
            .prop_map(|(room, credential, name, key, second)| {
                let duplicate = second.map(|second| match second {
                    true => DuplicateChoice::JoinAsSecond,
                    false => DuplicateChoice::TakeOver,
                });
                let room = Slug::new(&room).unwrap();
                Join {
                    room,
                    credential,
                    name,
                    device_key: DeviceKey::new(key),
                    consent_hash: None,
                    duplicate,
                }
                .into()
            }),
        (participant(), name).prop_map(|(participant, name)| ParticipantRename {
            participant,
            name
        }
        .into()),
        (source.clone(), any::<bool>())
            .prop_map(|(source, muted)| TrackState { source, muted }.into()),
        ("[a-zA-Z0-9_-]{1,16}", source, any::<bool>()).prop_map(|(mid, source, muted)| {
            MediaPublish {
                mid: Mid::new(&mid).unwrap(),
                source,
                muted,
            }
            .into()
        }),
        (any::<u32>(), any::<String>(), any::<bool>()).prop_map(|(generation, sdp, relay_only)| {
            MediaOffer {
                generation,
                sdp,
                relay_only,
            }
            .into()
        }),
        Just(crate::request::TurnRefresh {}.into()),
        (any::<u32>(), proptest::collection::vec(view(), 0..12))
            .prop_map(|(rev, views)| MediaWish { rev, views }.into()),
        moderation(),
    ]
}

proptest! {
    #[test]
    fn every_request_round_trips(id: u32, request in request()) {
        let text = encode_request(id, &request);
        prop_assert_eq!(parse_request(&text), Ok(RequestFrame { id, request }));
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = parse_request(&text);
        let _ = parse_server_frame(&text);
    }

    #[test]
    fn a_damaged_request_is_answered(request in request(), at: prop::sample::Index, byte in 0x20u8..0x7f) {
        let mut text = encode_request(7, &request).into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let _ = parse_request(&String::from_utf8_lossy(&text));
    }

    #[test]
    fn a_cut_request_is_unreadable(request in request(), at: prop::sample::Index) {
        let text = encode_request(7, &request);
        let at = at.index(text.len());
        let cut = String::from_utf8_lossy(&text.as_bytes()[..at]).into_owned();
        prop_assert_eq!(parse_request(&cut), Err(Malformed::Unreadable));
    }
}

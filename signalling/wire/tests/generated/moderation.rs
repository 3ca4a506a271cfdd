//! Examples of the messages about rooms, lobbies, invites and moderation.

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{BanId, InviteId, KnockId, RequestId};
use conclave_signalling_wire::objects::*;
use conclave_signalling_wire::push::Push;
use conclave_signalling_wire::reply::Done;
use conclave_signalling_wire::request::*;
use conclave_signalling_wire::secret::{DeviceKey, InviteSecret, SecretText};
use conclave_signalling_wire::text::{DisplayName, Prose, RoleName, Slug, Title};
use conclave_signalling_wire::time::Timestamp;

use crate::examples::{START_MS, ada, answer, ask, bob, joined, refuse, room};

fn at_s(seconds: u64) -> Timestamp {
    Timestamp::from_unix_ms(START_MS + seconds * 1000)
}

fn slug() -> Slug {
    Slug::new("welcome").unwrap()
}

fn prose(text: &str) -> Prose {
    Prose::new(text).unwrap()
}

fn knock() -> KnockId {
    KnockId::new(START_MS + 3000, [11; 10])
}

fn other_knock() -> KnockId {
    KnockId::new(START_MS + 4000, [12; 10])
}

fn invite_id() -> InviteId {
    InviteId::new(START_MS, [13; 10])
}

fn ban_id() -> BanId {
    BanId::new(START_MS + 60_000, [14; 10])
}

fn request_id() -> RequestId {
    RequestId::new(START_MS + 50_000, [15; 10])
}

fn role_name() -> RoleName {
    RoleName::new("Interpreter").unwrap()
}

fn managing_credential() -> Credential {
    Credential::Invite {
        secret: InviteSecret::new([6; 16]),
    }
}

fn invite(state: InviteState) -> InviteInfo {
    let used = state == InviteState::UsedUp;
    InviteInfo {
        id: invite_id(),
        role: Role::Presenter,
        custom_role: None,
        name: Some(DisplayName::new("Grace").unwrap()),
        name_locked: true,
        max_uses: Some(1),
        uses: u32::from(used),
        not_before: None,
        expires_at: Some(at_s(86_400)),
        bypass_lobby: true,
        bind_device: true,
        note: Some("Speaker of the second part".to_owned()),
        state,
        created_at: at_s(0),
        created_by: Some(ada()),
        last_used_at: used.then(|| at_s(30)),
    }
}

/// Returns the examples of a request: it and its replies.
pub(crate) fn of_request(name: &str) -> Vec<String> {
    let group = name.split_once('.').map_or(name, |(group, _)| group);
    match group {
        "room" => of_rooms(name),
        "lobby" => of_lobby(name),
        "participant" | "ban" => of_removal(name),
        "invite" => of_invites(name),
        _ => of_rights(name),
    }
}

fn of_rooms(name: &str) -> Vec<String> {
    match name {
        "room.create" => vec![
            ask(
                20,
                RoomCreate {
                    title: Title::new("Reading circle").unwrap(),
                    password: None,
                },
            ),
            answer(
                20,
                &RoomCreated {
                    slug: Slug::generated([16; 10]),
                    secret: InviteSecret::new([17; 16]),
                },
            ),
            refuse(20, ErrorCode::NotAvailable.into()),
        ],
        "room.manage" => vec![
            ask(
                21,
                RoomManage {
                    room: slug(),
                    credential: managing_credential(),
                    device_key: DeviceKey::new([7; 16]),
                },
            ),
            answer(
                21,
                &Managed {
                    room: room(),
                    role: Role::Host,
                    permissions: vec![Permission::RoomSettings, Permission::InviteCreate],
                },
            ),
            refuse(
                21,
                ErrorBody::from(ErrorCode::BadCredentials).field("credential.secret"),
            ),
        ],
        "room.update" => vec![
            ask(
                22,
                RoomUpdate {
                    rev: Some(1),
                    lobby: Some(LobbyMode::On),
                    lobby_message: Patch::Set(prose("Back in five minutes")),
                    password: Patch::Clear,
                    ..RoomUpdate::default()
                },
            ),
            answer(22, &RoomRevised { rev: 2 }),
            refuse(22, ErrorCode::Conflict.into()),
            ask(
                23,
                RoomUpdate {
                    password: Patch::Set(SecretText::new("correct horse")),
                    caps: Some(Caps {
                        participants: Some(50),
                        ..Caps::default()
                    }),
                    opens_at: Patch::Set(at_s(3600)),
                    allowed_networks: Some(vec!["192.0.2.0/24".to_owned()]),
                    custom_roles: Some(vec![CustomRole {
                        name: role_name(),
                        base: Role::Viewer,
                        allow: vec![Permission::PublishAudio],
                        deny: Vec::new(),
                    }]),
                    ..RoomUpdate::default()
                },
            ),
            refuse(23, ErrorBody::bad("allowed_networks")),
        ],
        other => panic!("no example for {other}"),
    }
}

fn of_lobby(name: &str) -> Vec<String> {
    match name {
        "lobby.ping" => vec![ask(24, LobbyPing {}), answer(24, &Done {})],
        "lobby.admit" => vec![
            ask(
                25,
                LobbyAdmit {
                    knocks: Some(vec![knock(), other_knock()]),
                    all_up_to_rev: None,
                    as_role: Some(Role::Attendee),
                },
            ),
            answer(
                25,
                &LobbyResults {
                    results: vec![
                        LobbyResult {
                            knock: knock(),
                            result: LobbyOutcome::Admitted,
                            by: None,
                        },
                        LobbyResult {
                            knock: other_knock(),
                            result: LobbyOutcome::AlreadyHandled,
                            by: Some(bob()),
                        },
                    ],
                },
            ),
            ask(
                26,
                LobbyAdmit {
                    all_up_to_rev: Some(5),
                    ..LobbyAdmit::default()
                },
            ),
        ],
        "lobby.deny" => vec![
            ask(
                27,
                LobbyDeny {
                    knocks: Some(vec![knock()]),
                    all_up_to_rev: None,
                    reason: Some(prose("This meeting is for members")),
                    block_s: 600,
                },
            ),
            answer(
                27,
                &LobbyResults {
                    results: vec![LobbyResult {
                        knock: knock(),
                        result: LobbyOutcome::Denied,
                        by: None,
                    }],
                },
            ),
        ],
        "lobby.note" => vec![
            ask(
                28,
                LobbyNote {
                    knock: knock(),
                    text: Some(prose("You are next")),
                },
            ),
            answer(28, &Done {}),
            ask(
                29,
                LobbyNote {
                    knock: knock(),
                    text: None,
                },
            ),
        ],
        other => panic!("no example for {other}"),
    }
}

fn of_removal(name: &str) -> Vec<String> {
    match name {
        "participant.to_lobby" => vec![
            ask(30, ParticipantToLobby { participant: bob() }),
            answer(30, &Done {}),
        ],
        "participant.remove" => vec![
            ask(
                31,
                ParticipantRemove {
                    participant: bob(),
                    reason: Some(prose("Disruptive")),
                    message: None,
                    ban: Some(BanOrder {
                        scope: BanScope::Room,
                        ttl_s: Some(86_400),
                        strict: false,
                    }),
                },
            ),
            answer(
                31,
                &RemovedOk {
                    ban: Some(ban_id()),
                    removals: 2,
                },
            ),
            refuse(31, ErrorCode::Forbidden.into()),
        ],
        "ban.list" => vec![
            ask(32, BanList {}),
            answer(
                32,
                &Bans {
                    bans: vec![BanInfo {
                        id: ban_id(),
                        keys: vec![BanKey::Device, BanKey::Network],
                        name: Some("Bob".to_owned()),
                        reason: Some("Disruptive".to_owned()),
                        strict: false,
                        created_at: at_s(60),
                        expires_at: at_s(60 + 86_400),
                        by: Some(ada()),
                    }],
                },
            ),
        ],
        "ban.lift" => vec![
            ask(33, BanLift { ban: ban_id() }),
            answer(33, &Done {}),
            refuse(33, ErrorCode::NotFound.into()),
        ],
        other => panic!("no example for {other}"),
    }
}

fn of_invites(name: &str) -> Vec<String> {
    match name {
        "invite.create" => vec![
            ask(
                34,
                InviteCreate {
                    role: Role::Presenter,
                    custom_role: None,
                    name: Some(DisplayName::new("Grace").unwrap()),
                    name_locked: true,
                    max_uses: Some(1),
                    not_before: None,
                    expires_at: Some(at_s(86_400)),
                    bypass_lobby: true,
                    bind_device: true,
                    note: Some(prose("Speaker of the second part")),
                },
            ),
            answer(
                34,
                &InviteCreated {
                    invite: invite(InviteState::Active),
                    secret: InviteSecret::new([18; 16]),
                },
            ),
        ],
        "invite.list" => vec![
            ask(35, InviteList {}),
            answer(
                35,
                &Invites {
                    invites: vec![invite(InviteState::UsedUp)],
                },
            ),
        ],
        "invite.revoke" => vec![
            ask(
                36,
                InviteRevoke {
                    invite: invite_id(),
                    remove_holders: true,
                },
            ),
            answer(36, &Done {}),
        ],
        other => panic!("no example for {other}"),
    }
}

fn of_rights(name: &str) -> Vec<String> {
    match name {
        "role.set" => vec![
            ask(
                37,
                RoleSet {
                    participant: bob(),
                    role: Role::Presenter,
                    custom_role: None,
                    rev: 2,
                },
            ),
            answer(37, &Revised { rev: 3 }),
            refuse(37, ErrorCode::Conflict.into()),
        ],
        "perm.override" => vec![
            ask(
                38,
                PermOverride {
                    participant: bob(),
                    key: Permission::PublishAudio,
                    effect: OverrideEffect::Allow,
                    ttl_s: Some(300),
                    rev: 3,
                },
            ),
            answer(38, &Revised { rev: 4 }),
        ],
        "media.mute" => vec![
            ask(
                39,
                MediaMute {
                    target: Target::Participant { participant: bob() },
                    sources: vec![Source::Microphone, Source::Camera],
                },
            ),
            answer(
                39,
                &Muted {
                    participants: vec![bob()],
                },
            ),
            ask(
                40,
                MediaMute {
                    target: Target::AllExcept {
                        participants: vec![ada()],
                    },
                    sources: vec![Source::Microphone],
                },
            ),
        ],
        "media.request" => vec![
            ask(
                41,
                MediaRequest {
                    participant: bob(),
                    source: Source::Microphone,
                },
            ),
            answer(
                41,
                &MediaRequestSent {
                    request: request_id(),
                },
            ),
            refuse(
                41,
                ErrorBody::from(ErrorCode::RateLimited).retry_after_s(20),
            ),
        ],
        "media.request.reply" => vec![
            ask(
                42,
                MediaRequestReply {
                    request: request_id(),
                    answer: RequestAnswer::Accept,
                },
            ),
            answer(42, &Done {}),
        ],
        "media.grant" => vec![
            ask(
                43,
                MediaGrant {
                    participant: bob(),
                    source: Source::Screen,
                    on: true,
                    ttl_s: Some(600),
                },
            ),
            answer(43, &Revised { rev: 5 }),
        ],
        "media.lock" => vec![
            ask(
                44,
                MediaLock {
                    sources: vec![Source::Microphone],
                    on: true,
                    allow: vec![bob()],
                },
            ),
            answer(44, &RoomRevised { rev: 3 }),
        ],
        other => panic!("no example for {other}"),
    }
}

/// Returns the examples of a push.
pub(crate) fn of_push(name: &str) -> Vec<Push> {
    match name {
        "roster.count" => vec![RosterCount { participants: 240 }.into()],
        "permissions" => vec![
            PermissionsChanged {
                role: Role::Presenter,
                custom_role: None,
                permissions: vec![Permission::RoomJoin, Permission::PublishAudio],
                overrides: vec![Override {
                    key: Permission::PublishVideo,
                    effect: Effect::Deny,
                    expires_at: Some(at_s(300)),
                }],
                by: Some(ada()),
                reason: PermissionsReason::RoleChanged,
            }
            .into(),
        ],
        "room.updated" => vec![
            RoomUpdated {
                room: Box::new(Room {
                    rev: 2,
                    locked: true,
                    ..room()
                }),
                by: Some(ada()),
            }
            .into(),
        ],
        "lobby.status" => of_lobby_status().into_iter().map(Push::from).collect(),
        "lobby.update" => vec![
            LobbyUpdate {
                lobby_rev: 5,
                entries: vec![LobbyEntry {
                    knock: knock(),
                    name: DisplayName::new("Bob").unwrap(),
                    identity: Identity::Guest,
                    since: at_s(3),
                    state: WaitingState::Waiting,
                    invite_note: None,
                    previous_kick: false,
                    network_banned: false,
                    note: Some("You are next".to_owned()),
                }],
                more: 0,
                flood: false,
            }
            .into(),
        ],
        "media.revoked" => vec![
            MediaRevoked {
                source: Source::Microphone,
                reason: RevokedReason::Muted,
                by: Some(ada()),
            }
            .into(),
            MediaRevoked {
                source: Source::Screen,
                reason: RevokedReason::PermissionRevoked,
                by: None,
            }
            .into(),
        ],
        "media.requested" => vec![
            MediaRequested {
                request: request_id(),
                source: Source::Microphone,
                by: ada(),
                expires_s: 60,
            }
            .into(),
        ],
        "media.request.answered" => [Some(RequestAnswer::Later), None]
            .into_iter()
            .map(|answer| {
                MediaRequestAnswered {
                    request: request_id(),
                    participant: bob(),
                    source: Source::Microphone,
                    answer,
                }
                .into()
            })
            .collect(),
        "removed" => vec![
            Removed {
                reason: Some("Disruptive".to_owned()),
                message: None,
                banned_until: Some(at_s(60 + 86_400)),
            }
            .into(),
        ],
        other => panic!("no example for {other}"),
    }
}

fn of_lobby_status() -> Vec<LobbyStatus> {
    let waiting = Waiting {
        knock: knock(),
        message: Some("Back in five minutes".to_owned()),
        note: Some("You are next".to_owned()),
        since: at_s(3),
    };
    vec![
        LobbyStatus::Waiting(waiting.clone()),
        LobbyStatus::WaitingForHost(Waiting {
            note: None,
            ..waiting
        }),
        LobbyStatus::Admitted {
            knock: knock(),
            joined: Box::new(joined()),
        },
        LobbyStatus::Denied {
            knock: knock(),
            reason: Some("This meeting is for members".to_owned()),
            block_s: 600,
        },
    ]
}

//! What the operator and keys of the API do in a room.

use super::*;
use conclave_signalling_wire::chat::{ChatFormat, ChatTarget};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::moderation::BanScope;
use conclave_signalling_wire::moderation::{OverrideEffect, Target};
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::request::{
    AttendanceGet, BanOrder, ChatDelete, ChatExport, ChatSend, InviteCreate, LobbyAdmit, LobbyDeny,
    MediaMute, ParticipantRemove, ParticipantRename, ParticipantToLobby, PermOverride, RoleSet,
    SessionAnnounce, SessionEnd,
};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::text::{ClientId, Prose, TypedText};

use crate::output::OperatorReply;
use crate::record::AuditEntry;
use crate::room::{BanOn, InvitePatch, LiveSession, NewBan, OperatorRequest};

fn key() -> Actor {
    Actor::Key(KeyId::new(START_MS, [9; 10]))
}

fn ask(stage: &mut Stage, request: OperatorRequest) {
    stage.room.handle_operator(stage.now, 7, key(), request);
}

fn act(stage: &mut Stage, verb: impl Into<Request>) {
    ask(stage, OperatorRequest::act(verb));
}

/// Everything that is to be done, and the answer, once the shard has stopped
/// what it was to stop.
fn settled(stage: &mut Stage) -> (Vec<Output>, Result<OperatorReply, ErrorBody>) {
    let mut all = stage.outputs();
    let barrier = all.iter().find_map(|output| match output {
        Output::Media(Command::Barrier { number, .. }) => Some(*number),
        _ => None,
    });
    if let Some(number) = barrier {
        assert!(answer_of(&all).is_none(), "answered before media stopped");
        stage.passed(number);
        all.extend(stage.outputs());
    }
    let answer = answer_of(&all).expect("the operator is answered");
    (all, answer)
}

fn answer_of(outputs: &[Output]) -> Option<Result<OperatorReply, ErrorBody>> {
    outputs.iter().find_map(|output| match output {
        Output::Operator { ticket: 7, answer } => Some((**answer).clone()),
        _ => None,
    })
}

fn code(answer: Result<OperatorReply, ErrorBody>) -> ErrorCode {
    answer.expect_err("it was refused").code
}

fn said(answer: Result<OperatorReply, ErrorBody>) -> Reply {
    match answer.expect("it was done") {
        OperatorReply::Said(reply) => *reply,
        other => panic!("{other:?}"),
    }
}

fn live(stage: &mut Stage) -> Option<LiveSession> {
    ask(stage, OperatorRequest::Live);
    match settled(stage).1 {
        Ok(OperatorReply::Live(live)) => live.map(|live| *live),
        other => panic!("{other:?}"),
    }
}

fn audited(outputs: &[Output]) -> Vec<AuditEntry> {
    let entries = outputs.iter().filter_map(|output| match output {
        Output::Persist(Change::Audit(entry)) => Some((**entry).clone()),
        _ => None,
    });
    entries.collect()
}

/// What others than `link` hear, what the shard is told and what is kept, but
/// for who did it.
fn effects(outputs: &[Output], link: LinkId) -> Vec<String> {
    let lines = outputs.iter().filter(|output| match output {
        Output::Push { link: to, .. } => *to != link,
        Output::Reply { .. } | Output::Operator { .. } => false,
        _ => true,
    });
    lines.map(short).collect()
}

fn text(words: &str) -> Option<Prose> {
    Prose::new(words).ok()
}

fn removal(participant: ParticipantId, ban: bool) -> ParticipantRemove {
    ParticipantRemove {
        participant,
        reason: None,
        message: None,
        ban: ban.then_some(BanOrder {
            scope: BanScope::Room,
            ttl_s: None,
            strict: false,
        }),
    }
}

#[test]
fn a_key_and_a_host_do_the_same_by_the_same_words() {
    let acts: [fn(ParticipantId) -> Request; 6] = [
        |participant| {
            let sources = vec![Source::Microphone];
            let target = Target::Participant { participant };
            MediaMute { target, sources }.into()
        },
        |participant| {
            let name = DisplayName::new("Robert").unwrap();
            ParticipantRename { participant, name }.into()
        },
        |participant| {
            RoleSet {
                participant,
                role: Role::Presenter,
                custom_role: None,
                rev: 2,
            }
            .into()
        },
        |participant| {
            PermOverride {
                participant,
                key: Permission::ChatSend,
                effect: OverrideEffect::Deny,
                ttl_s: Some(60),
                rev: 2,
            }
            .into()
        },
        |participant| removal(participant, true).into(),
        |participant| ParticipantToLobby { participant }.into(),
    ];
    for verb in acts {
        let mut done = Vec::new();
        for by_host in [true, false] {
            let mut stage = Stage::new();
            let (ada, _) = stage.join_as("Ada", Role::Host);
            let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
            stage.join_as("Eve", Role::Attendee);
            stage.published(bob, Source::Microphone, "2");
            assert_eq!(stage.face(bob_id).rev, 2);
            let verb = verb(bob_id);
            if by_host {
                stage.ask(ada, verb);
            } else {
                act(&mut stage, verb);
            }
            let outputs = stage.outputs();
            let entries = audited(&outputs).into_iter();
            let words = entries.map(|entry| (entry.action, entry.target, entry.outcome));
            let bans = outputs
                .iter()
                .filter(|output| matches!(output, Output::Persist(Change::Ban(_))));
            done.push((
                effects(&outputs, ada),
                words.collect::<Vec<_>>(),
                bans.count(),
            ));
        }
        assert_eq!(done[0], done[1]);
        let (effects, acts, _) = &done[0];
        assert!(effects.len() > 1 && acts.len() == 1, "{done:?}");
    }
}

#[test]
fn the_operator_stands_above_hosts_and_is_named_only_in_the_audit_log() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (_, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(ada, Source::Microphone, "2");
    let sources = vec![Source::Microphone];
    let target = Target::Participant {
        participant: ada_id,
    };
    act(&mut stage, MediaMute { target, sources });
    let (outputs, answer) = settled(&mut stage);
    let Reply::Muted(muted) = said(answer) else {
        panic!("it was muted")
    };
    assert_eq!(muted.participants, [ada_id]);
    let revoked = outputs.iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::MediaRevoked(revoked) => Some(revoked.by),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(revoked, Some(None));
    let [entry] = &audited(&outputs)[..] else {
        panic!("one entry")
    };
    assert_eq!((entry.actor, entry.action.as_str()), (key(), "media.mute"));

    // It makes hosts, and whoever is one it makes something else.
    for (who, role) in [(bob_id, Role::Host), (ada_id, Role::Viewer)] {
        ask(
            &mut stage,
            OperatorRequest::SetRole {
                participant: who,
                role,
                custom_role: None,
                rev: None,
            },
        );
        assert!(matches!(said(settled(&mut stage).1), Reply::Revised(_)));
        assert_eq!(stage.face(who).role, role);
    }
    let stale = OperatorRequest::SetRole {
        participant: bob_id,
        role: Role::Attendee,
        custom_role: None,
        rev: Some(1),
    };
    ask(&mut stage, stale);
    assert_eq!(code(settled(&mut stage).1), ErrorCode::Conflict);
    act(&mut stage, removal(bob_id, true));
    let (outputs, answer) = settled(&mut stage);
    assert!(matches!(said(answer), Reply::Removed(removed) if removed.ban.is_some()));
    let banned = outputs.iter().find_map(|output| match output {
        Output::Persist(Change::Ban(ban)) => Some(ban.by),
        _ => None,
    });
    assert_eq!(banned, Some(key()));
    assert_eq!(stage.room.participants(), 1);
}

#[test]
fn where_nobody_is_there_is_nobody_to_act_on() {
    let mut stage = Stage::new();
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    assert!(live(&mut stage).is_some());
    stage.ask(bob, conclave_signalling_wire::request::Leave {});
    stage.outputs();
    assert_eq!(live(&mut stage), None);
    let name = DisplayName::new("Robert").unwrap();
    let end = SessionEnd {
        countdown_s: 0,
        message: None,
    };
    let verbs: [Request; 6] = [
        removal(bob_id, false).into(),
        ParticipantToLobby {
            participant: bob_id,
        }
        .into(),
        ParticipantRename {
            participant: bob_id,
            name,
        }
        .into(),
        end.into(),
        SessionAnnounce {
            message: text("Hello").unwrap(),
        }
        .into(),
        AttendanceGet { csv: false }.into(),
    ];
    for verb in verbs {
        act(&mut stage, verb);
        let (outputs, answer) = settled(&mut stage);
        assert_eq!(code(answer), ErrorCode::NotFound);
        assert_eq!(audited(&outputs)[0].outcome, "not_found");
    }
    ask(&mut stage, OperatorRequest::Lobby);
    let Ok(OperatorReply::Lobby(list)) = settled(&mut stage).1 else {
        panic!("an empty list")
    };
    assert_eq!((list.entries.len(), list.more), (0, 0));
    // A verb that is no host's is none here.
    act(&mut stage, conclave_signalling_wire::request::Leave {});
    assert_eq!(code(settled(&mut stage).1), ErrorCode::BadRequest);
}

#[test]
fn the_live_list_shows_what_hosts_see() {
    let mut stage = Stage::new();
    let (_, ada) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Camera, "2");
    ask(
        &mut stage,
        OperatorRequest::Override {
            participant: bob_id,
            key: Permission::ChatSend,
            effect: OverrideEffect::Deny,
            ttl_s: None,
            rev: None,
        },
    );
    assert!(matches!(said(settled(&mut stage).1), Reply::Revised(_)));
    let live = live(&mut stage).unwrap();
    assert_eq!(Some(live.session.id), stage.room.session());
    assert_eq!((live.session.peak, live.waiting), (2, 0));
    let faces = live.participants.iter().map(|one| one.face.id);
    assert_eq!(faces.collect::<Vec<_>>(), [ada, bob_id]);
    let bob = &live.participants[1];
    assert_eq!(&bob.face, stage.face(bob_id));
    assert_eq!(bob.overrides[0].key, Permission::ChatSend);
    assert_eq!(bob.prefix, "192.0.2.0/24");
}

#[test]
fn the_operator_admits_and_denies() {
    let mut stage = Stage::with(|_, record| record.settings.lobby = LobbyMode::On);
    stage.try_join("Bob", 1, None);
    let bob = knock_of(&stage.outputs());
    stage.try_join("Eve", 2, None);
    stage.outputs();
    let admit = LobbyAdmit {
        knocks: Some(vec![bob]),
        all_up_to_rev: None,
        as_role: Some(Role::Host),
    };
    act(&mut stage, admit);
    let (outputs, answer) = settled(&mut stage);
    assert!(matches!(said(answer), Reply::Lobby(results) if results.results.len() == 1));
    // It was admitted by somebody: it need not wait again.
    let admitted = outputs.iter().any(
        |output| matches!(output, Output::Persist(Change::Standing(standing)) if standing.admitted),
    );
    assert!(admitted);
    let mut roster = stage.room.roster();
    assert_eq!(roster.next().map(|face| face.role), Some(Role::Host));
    drop(roster);
    let deny = LobbyDeny {
        knocks: None,
        all_up_to_rev: Some(u32::MAX),
        reason: None,
        block_s: 60,
    };
    act(&mut stage, deny);
    let (outputs, answer) = settled(&mut stage);
    assert!(matches!(said(answer), Reply::Lobby(results) if results.results.len() == 1));
    let blocked = outputs.iter().find_map(|output| match output {
        Output::Persist(Change::Ban(ban)) => Some(ban.by),
        _ => None,
    });
    assert_eq!(blocked, Some(key()));
}

#[test]
fn an_end_at_once_is_answered_when_the_shard_has_let_everybody_go() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let end = SessionEnd {
        countdown_s: 0,
        message: None,
    };
    act(&mut stage, end);
    let lines = stage.done();
    assert!(lines.contains(&format!("{} close 4410", ada.0)));
    let place = |line: &str| lines.iter().position(|known| known == line);
    assert!(place("shard drop 1").unwrap() < place("shard barrier 1").unwrap());
    assert!(!lines.iter().any(|line| line.starts_with("operator")));
    assert!(!stage.room.is_idle());
    stage.passed(1);
    let lines = stage.done();
    assert!(lines.contains(&"operator 7 ok".to_owned()));
    assert!(lines.contains(&"shard close 1".to_owned()));
    assert!(stage.room.is_idle());
}

#[test]
fn the_chat_is_read_exported_and_deleted_from_outside() {
    let mut stage = Stage::new();
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    for number in 0..3u8 {
        stage.ask(
            bob,
            ChatSend {
                client_id: ClientId::new(&format!("m{number}")).unwrap(),
                to: ChatTarget::All {},
                text: TypedText::new(format!("word {number}")),
                reply_to: None,
                mentions: Vec::new(),
            },
        );
    }
    stage.outputs();
    ask(&mut stage, OperatorRequest::Chat { after: 1, limit: 1 });
    let (outputs, answer) = settled(&mut stage);
    let Ok(OperatorReply::Chat(page)) = answer else {
        panic!("a page")
    };
    assert!(page.has_more);
    let [message] = &page.messages[..] else {
        panic!("one message")
    };
    assert_eq!((message.number, message.text.as_str()), (2, "word 1"));
    let [entry] = &audited(&outputs)[..] else {
        panic!("one entry")
    };
    assert_eq!((entry.actor, entry.action.as_str()), (key(), "chat.read"));
    assert!(!format!("{entry:?}").contains("word"));
    act(&mut stage, ChatDelete { id: message.id });
    let (outputs, answer) = settled(&mut stage);
    assert_eq!(answer, Ok(OperatorReply::Done));
    assert!(
        outputs
            .iter()
            .any(|output| short(output).ends_with("deleted by Host"))
    );
    let export = ChatExport {
        format: ChatFormat::Jsonl,
        after: None,
    };
    act(&mut stage, export);
    let Reply::ChatExported(piece) = said(settled(&mut stage).1) else {
        panic!("a piece")
    };
    assert_eq!((piece.text.lines().count(), piece.next), (3, None));
    assert!(!piece.text.contains("word 1"));
}

#[test]
fn bans_are_made_on_networks_and_invites() {
    let mut stage = Stage::with(|_, record| {
        let mut personal = invite(1, Role::Attendee);
        personal.max_uses = Some(1);
        record.invites = vec![personal, invite(2, Role::Attendee)];
    });
    let (personal, open) = (invite(1, Role::Attendee).id, invite(2, Role::Attendee).id);
    let (_, is_in) = stage.try_invite("Bob", 1, 1);
    assert!(is_in);
    stage.outputs();
    let new = |on, ttl_s| {
        OperatorRequest::Ban(Box::new(NewBan {
            on,
            name: text("Bob"),
            reason: None,
            ttl_s,
            strict: true,
        }))
    };
    ask(&mut stage, new(BanOn::Invite(open), None));
    assert_eq!(code(settled(&mut stage).1), ErrorCode::BadRequest);
    ask(&mut stage, new(BanOn::Network(network(5)), Some(86_401)));
    assert_eq!(code(settled(&mut stage).1), ErrorCode::BadRequest);
    ask(&mut stage, new(BanOn::Invite(personal), None));
    let (outputs, answer) = settled(&mut stage);
    let Reply::Removed(removed) = said(answer) else {
        panic!("a ban")
    };
    let entry = audited(&outputs).pop().unwrap();
    assert_eq!(entry.action, "ban.create");
    assert_eq!(entry.target, Some(personal.to_string()));
    assert!(
        entry
            .detail
            .unwrap()
            .contains(&removed.ban.unwrap().to_string())
    );
    assert_eq!(stage.room.participants(), 0);
    ask(&mut stage, new(BanOn::Network(network(5)), None));
    assert!(matches!(said(settled(&mut stage).1), Reply::Removed(_)));
    let mut entrant = stage.entrant("Eve", 3);
    entrant.networks = vec![network(5)];
    assert!(!stage.enter(entrant).1);
}

#[test]
fn an_invite_is_changed_until_it_is_taken_back() {
    let mut stage = Stage::with(|_, record| record.invites = vec![invite(1, Role::Attendee)]);
    let id = invite(1, Role::Attendee).id;
    let change = |patch| OperatorRequest::ChangeInvite {
        invite: id,
        patch: Box::new(patch),
    };
    let patch = InvitePatch {
        name: Patch::Set(DisplayName::new("Bob").unwrap()),
        name_locked: Some(true),
        note: Patch::Set(Prose::new("The new one").unwrap()),
        max_uses: Patch::Set(1),
        ..InvitePatch::default()
    };
    ask(&mut stage, change(patch));
    let (outputs, answer) = settled(&mut stage);
    let Ok(OperatorReply::Invites(changed)) = answer else {
        panic!("the invite")
    };
    let changed = &changed.invites[0];
    assert_eq!((changed.max_uses, changed.name_locked), (Some(1), true));
    let entry = &audited(&outputs)[0];
    assert_eq!(entry.action, "invite.update");
    assert_eq!(
        entry.detail.as_deref(),
        Some("name name_locked note max_uses")
    );
    let nameless = InvitePatch {
        name: Patch::Clear,
        ..InvitePatch::default()
    };
    let unused = InvitePatch {
        max_uses: Patch::Set(0),
        ..InvitePatch::default()
    };
    let past = InvitePatch {
        expires_at: Patch::Set(Timestamp::from_unix_ms(START_MS)),
        ..InvitePatch::default()
    };
    for bad in [nameless, unused, past] {
        ask(&mut stage, change(bad));
        assert_eq!(code(settled(&mut stage).1), ErrorCode::BadRequest);
    }
    let revoke = OperatorRequest::RevokeInvite {
        invite: id,
        remove_holders: false,
    };
    ask(&mut stage, revoke);
    settled(&mut stage).1.unwrap();
    ask(&mut stage, change(InvitePatch::default()));
    assert_eq!(code(settled(&mut stage).1), ErrorCode::Conflict);
    ask(
        &mut stage,
        OperatorRequest::ShowInvite(invite(9, Role::Viewer).id),
    );
    assert_eq!(code(settled(&mut stage).1), ErrorCode::NotFound);
}

#[test]
fn what_a_key_made_goes_with_it() {
    let mut stage = Stage::with(|_, record| record.invites = vec![invite(2, Role::Attendee)]);
    let create = InviteCreate {
        role: Role::Host,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: None,
        not_before: None,
        expires_at: None,
        bypass_lobby: false,
        bind_device: false,
        note: None,
    };
    act(&mut stage, create);
    let Ok(OperatorReply::Invited(made)) = settled(&mut stage).1 else {
        panic!("an invite")
    };
    let mut entrant = stage.entrant("Ada", 1);
    entrant.claim = Claim::Invite(InviteHash::from(&made.secret));
    assert!(stage.enter(entrant).1);
    assert!(stage.try_invite("Bob", 2, 2).1);
    stage.outputs();
    let revoke = OperatorRequest::RevokeMadeBy(key());
    stage
        .room
        .handle_operator(stage.now, 7, Actor::Operator, revoke.clone());
    let (outputs, answer) = settled(&mut stage);
    let Ok(OperatorReply::Invites(revoked)) = answer else {
        panic!("what was revoked")
    };
    assert_eq!(revoked.invites.len(), 1);
    assert_eq!(revoked.invites[0].id, made.invite.id);
    assert_eq!(stage.room.roster().count(), 1, "others' guests stay");
    let entry = &audited(&outputs)[0];
    assert_eq!(
        (entry.actor, entry.action.as_str()),
        (Actor::Operator, "invite.revoke")
    );
    ask(&mut stage, revoke);
    assert!(
        matches!(settled(&mut stage).1, Ok(OperatorReply::Invites(none)) if none.invites.is_empty())
    );
}

//! From the numbers of a history to requests about whom and what there is.

use conclave_signalling_core::output::LinkId;
use conclave_signalling_core::room::OperatorRequest;
use conclave_signalling_wire::hands::HandOrder;
use conclave_signalling_wire::ids::{BanId, KnockId, MessageId, ParticipantId, RequestId};
use conclave_signalling_wire::moderation::{OverrideEffect, RequestAnswer, Target};
use conclave_signalling_wire::objects::{
    Allowances, Caps, ChatFormat, ChatHistory, ChatTarget, ChatUpdate, DuplicatePolicy, Emoji,
    LobbyMode, NoHost, Permission, PrivateChat, PublicChat, Role, RosterMode, ScreenPolicy, Source,
    ViewerAllowances,
};
use conclave_signalling_wire::request::{
    BanLift, BanList, BanOrder, BanScope, ChatClear, ChatDelete, ChatEdit, ChatExport, ChatPin,
    ChatReact, ChatSend, HandLower, HandLowerAll, HandNext, HandRaise, HostTransfer,
    HostTransferReply, InviteCreate, InviteList, InviteRevoke, Leave, LobbyAdmit, LobbyDeny,
    LobbyNote, LobbyPing, MediaGrant, MediaLock, MediaMute, MediaPublish, MediaRequest,
    MediaRequestReply, MediaUnpublish, PanicSuspend, ParticipantRemove, ParticipantRename,
    ParticipantToLobby, PermOverride, ReactionSend, Request, RoleSet, RoomUpdate, ScreenPause,
    ScreenStart, ScreenTakeoverReply, SessionAnnounce, SessionEnd, SessionEndCancel, TrackState,
    TurnRefresh,
};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;
use conclave_signalling_wire::text::{ClientId, DisplayName, Mid, Prose, RoleName, TypedText};

use crate::history::Verb;
use crate::model::at;
use crate::scene;
use crate::world::{NAMES, World, pick};

pub(crate) fn ping() -> Request {
    LobbyPing {}.into()
}

pub(crate) fn reading() -> Request {
    BanList {}.into()
}

fn source(number: u8) -> Source {
    Source::ALL[usize::from(number) % 4]
}

fn role(number: u8) -> Role {
    Role::ALL[usize::from(number) % 5]
}

fn prose(text: &str) -> Prose {
    Prose::new(text).expect("a text")
}

/// The bits of a number, as a choice among these.
fn chosen<T: Clone>(bits: u8, list: &[T]) -> Vec<T> {
    let chosen = list.iter().enumerate();
    let chosen = chosen.filter(|(place, _)| bits & 1 << (place % 8) != 0);
    chosen.map(|(_, one)| one.clone()).collect()
}

fn ttl(number: u8) -> Option<u32> {
    [
        None,
        None,
        Some(1),
        Some(20),
        Some(300),
        Some(300),
        Some(0),
        Some(86_401),
    ][usize::from(number) % 8]
}

/// Somebody, now and then somebody who is gone or never was.
fn whom(world: &World, number: u16) -> ParticipantId {
    let present: Vec<ParticipantId> = world.model.people.values().map(|one| one.id).collect();
    let one = match number % 16 {
        0 => pick(&world.people, number / 16),
        _ => pick(&present, number / 16),
    };
    one.copied()
        .unwrap_or_else(|| ParticipantId::new(1, [1; 10]))
}

fn rev(world: &World, who: ParticipantId, is_stale: bool) -> u32 {
    let rev = world.model.revs.get(&who).copied().unwrap_or(1);
    if is_stale { rev + 1 } else { rev }
}

fn knock(world: &World, number: u16) -> KnockId {
    let waiting: Vec<KnockId> = world.model.waiting.keys().copied().collect();
    let one = match number % 8 {
        0 => pick(&world.knocks, number / 8),
        _ => pick(&waiting, number / 8),
    };
    one.copied().unwrap_or_else(|| KnockId::new(1, [1; 10]))
}

/// Some who wait, by name or by the list that somebody saw.
fn knocks(
    world: &World,
    link: LinkId,
    all: bool,
    which: u16,
) -> (Option<Vec<KnockId>>, Option<u32>) {
    if all {
        let client = world.clients.get(&link);
        let list = client.and_then(|client| client.lobby.as_ref());
        let told = world.model.lists.keys().rev().nth(usize::from(which % 3));
        let rev = list.map(|list| list.lobby_rev).filter(|_| which % 2 == 0);
        return (None, Some(rev.or(told.copied()).unwrap_or(0)));
    }
    let mut knocks = vec![knock(world, which)];
    if which % 3 == 0 {
        knocks.push(knock(world, which.rotate_left(5)));
        knocks.sort_unstable();
        knocks.dedup();
    }
    if which % 50 == 0 {
        return (Some(knocks), Some(1));
    }
    (Some(knocks), None)
}

fn custom(number: u8) -> Option<RoleName> {
    let roles = scene::custom_roles();
    roles.get(usize::from(number)).map(|role| role.name.clone())
}

pub(crate) fn request(world: &World, link: LinkId, verb: &Verb) -> Request {
    match verb {
        Verb::Ping => ping(),
        Verb::Leave => Leave {}.into(),
        Verb::Rename { whom: who, name } => ParticipantRename {
            participant: match world.model.of_link(link) {
                Some(key) if who % 3 == 0 => world.model.people[&key].id,
                _ => whom(world, *who),
            },
            name: DisplayName::new(NAMES[usize::from(*name)]).expect("a name"),
        }
        .into(),
        Verb::Track { source: one, muted } => TrackState {
            source: source(*one),
            muted: *muted,
        }
        .into(),
        Verb::Publish { source: one, muted } => MediaPublish {
            mid: Mid::new(&one.to_string()).expect("a mid"),
            source: source(*one),
            muted: *muted,
        }
        .into(),
        Verb::Unpublish { source: one } => MediaUnpublish {
            source: source(*one),
        }
        .into(),
        Verb::Screen { audio, take_over } => ScreenStart {
            surface: None,
            audio: *audio,
            take_over: *take_over,
        }
        .into(),
        Verb::Update {
            kind,
            value,
            is_stale,
        } => update(world, *kind, *value, *is_stale).into(),
        Verb::Admit {
            all,
            which,
            role: as_role,
        } => {
            let (knocks, all_up_to_rev) = knocks(world, link, *all, *which);
            LobbyAdmit {
                knocks,
                all_up_to_rev,
                as_role: (*as_role < 5).then(|| role(*as_role)),
            }
            .into()
        }
        Verb::Deny { all, which, block } => {
            let (knocks, all_up_to_rev) = knocks(world, link, *all, *which);
            LobbyDeny {
                knocks,
                all_up_to_rev,
                reason: None,
                block_s: [0, 0, 30, 600, 86_400, 86_401][usize::from(*block)],
            }
            .into()
        }
        Verb::Note { which, text } => LobbyNote {
            knock: knock(world, *which),
            text: [None, Some("Soon"), Some("You are next")][usize::from(*text)].map(prose),
        }
        .into(),
        Verb::ToLobby { whom: who } => ParticipantToLobby {
            participant: whom(world, *who),
        }
        .into(),
        Verb::Remove { whom: who, ban } => ParticipantRemove {
            participant: whom(world, *who),
            reason: Some(prose("Noise")),
            message: None,
            ban: (*ban < 7).then(|| BanOrder {
                scope: BanScope::Room,
                ttl_s: [
                    None,
                    Some(60),
                    Some(60),
                    Some(300),
                    Some(100_000),
                    Some(59),
                    Some(300),
                ][usize::from(*ban)],
                strict: ban % 2 == 1,
            }),
        }
        .into(),
        Verb::Bans => BanList {}.into(),
        Verb::LiftBan { which } => BanLift {
            ban: ban(world, *which),
        }
        .into(),
        Verb::Invite {
            kind,
            role: as_role,
            uses,
        } => invite(world, *kind, role(*as_role), *uses).into(),
        Verb::Invites => InviteList {}.into(),
        Verb::RevokeInvite { which, holders } => InviteRevoke {
            invite: invite_of(world, *which),
            remove_holders: *holders,
        }
        .into(),
        Verb::Role {
            whom: who,
            role: as_role,
            custom: name,
            is_stale,
        } => {
            let participant = whom(world, *who);
            let custom_role = custom(*name);
            let roles = scene::custom_roles();
            let based = roles
                .iter()
                .find(|one| Some(&one.name) == custom_role.as_ref());
            RoleSet {
                participant,
                role: match based {
                    Some(custom) if who % 4 > 0 => custom.base,
                    _ => role(*as_role),
                },
                custom_role,
                rev: rev(world, participant, *is_stale),
            }
            .into()
        }
        Verb::Override {
            whom: who,
            key,
            effect,
            ttl: seconds,
            is_stale,
        } => {
            let participant = whom(world, *who);
            PermOverride {
                participant,
                // What changes what waits for its hash, more often than its share.
                key: match key {
                    236.. => Permission::RoomPassword,
                    key => Permission::ALL[usize::from(*key) % Permission::ALL.len()],
                },
                effect: [
                    OverrideEffect::Allow,
                    OverrideEffect::Deny,
                    OverrideEffect::Clear,
                ][usize::from(*effect)],
                ttl_s: ttl(*seconds),
                rev: rev(world, participant, *is_stale),
            }
            .into()
        }
        Verb::Mute { whom: who, sources } => MediaMute {
            target: match who {
                Some(who) => Target::Participant {
                    participant: whom(world, *who),
                },
                None => Target::AllExcept {
                    participants: vec![whom(world, u16::from(*sources) * 7 + 1)],
                },
            },
            sources: chosen(*sources, &Source::ALL),
        }
        .into(),
        Verb::Request {
            whom: who,
            source: one,
        } => MediaRequest {
            participant: whom(world, *who),
            source: source(*one),
        }
        .into(),
        Verb::Reply { which, answer } => MediaRequestReply {
            request: prompt(world, link, *which),
            answer: [
                RequestAnswer::Accept,
                RequestAnswer::Decline,
                RequestAnswer::Later,
            ][usize::from(*answer)],
        }
        .into(),
        Verb::Grant {
            whom: who,
            source: one,
            on,
            ttl: seconds,
        } => MediaGrant {
            participant: whom(world, *who),
            source: source(*one),
            on: *on,
            ttl_s: ttl(*seconds),
        }
        .into(),
        Verb::Chat {
            to,
            whom: who,
            text: one,
            reply,
            again,
        } => ChatSend {
            client_id: client_id(world, *again),
            to: match to {
                0..4 => ChatTarget::All {},
                4 => ChatTarget::Hosts {},
                _ => ChatTarget::Participant {
                    participant: whom(world, *who),
                },
            },
            text: text(world, *one),
            reply_to: reply.map(|which| message(world, which)),
            mentions: Vec::new(),
        }
        .into(),
        Verb::EditChat { which, text: one } => ChatEdit {
            id: message(world, *which),
            text: text(world, *one),
        }
        .into(),
        Verb::DeleteChat { which } => ChatDelete {
            id: message(world, *which),
        }
        .into(),
        Verb::ReactChat { which, emoji, on } => ChatReact {
            id: message(world, *which),
            emoji: Emoji::ALL[usize::from(*emoji)],
            on: *on,
        }
        .into(),
        Verb::PinChat { which, on } => ChatPin {
            id: message(world, *which),
            on: *on,
        }
        .into(),
        Verb::ClearChat { up_to } => ChatClear {
            up_to: up_to.map(u32::from),
        }
        .into(),
        Verb::ExportChat { format } => ChatExport {
            format: [ChatFormat::Jsonl, ChatFormat::Txt, ChatFormat::Csv][usize::from(*format)],
            after: None,
        }
        .into(),
        Verb::React { emoji } => ReactionSend {
            emoji: Emoji::ALL[usize::from(*emoji)],
        }
        .into(),
        Verb::Refresh => TurnRefresh {}.into(),
        Verb::Announce => SessionAnnounce {
            message: prose("Lunch is at noon"),
        }
        .into(),
        Verb::Offer {
            whom: who,
            permanent,
        } => HostTransfer {
            participant: whom(world, *who),
            permanent: *permanent,
        }
        .into(),
        Verb::AnswerOffer { which, answer } => HostTransferReply {
            request: offer(world, link, *which),
            answer: match answer {
                0..3 => RequestAnswer::Accept,
                3 => RequestAnswer::Decline,
                _ => RequestAnswer::Later,
            },
        }
        .into(),
        Verb::Raise => HandRaise {}.into(),
        Verb::LowerHand { whom: who } => HandLower {
            participant: who.map(|who| whom(world, who)),
        }
        .into(),
        Verb::LowerAll => HandLowerAll {}.into(),
        Verb::NextHand { ttl } => HandNext {
            ttl_s: [None, Some(10), Some(60), Some(60), Some(9), Some(3600)][usize::from(*ttl)],
        }
        .into(),
        Verb::Pause { on } => ScreenPause { on: *on }.into(),
        Verb::AnswerTakeover { which, answer } => ScreenTakeoverReply {
            request: takeover(world, *which),
            answer: match answer {
                0..3 => RequestAnswer::Accept,
                3 => RequestAnswer::Decline,
                _ => RequestAnswer::Later,
            },
        }
        .into(),
        Verb::Suspend { on } => PanicSuspend { on: *on }.into(),
        Verb::End { countdown } => SessionEnd {
            countdown_s: [0, 1, 5, 20, 30, 60, 60, 61][usize::from(*countdown)],
            message: None,
        }
        .into(),
        Verb::CancelEnd => SessionEndCancel {}.into(),
        Verb::Lock { sources, on, allow } => {
            let present: Vec<_> = world.model.people.values().map(|one| one.id).collect();
            MediaLock {
                sources: chosen(*sources, &Source::ALL),
                on: *on,
                allow: chosen(allow & allow.rotate_left(3), &present),
            }
            .into()
        }
    }
}

/// A message, now and then one that nobody wrote.
fn message(world: &World, which: u16) -> MessageId {
    let ids: Vec<MessageId> = world.model.chat.log.iter().map(|one| one.id).collect();
    let newest = ids.len().saturating_sub(6);
    let one = match which % 4 {
        0 => pick(&ids, which / 4),
        _ => pick(&ids[newest..], which / 4),
    };
    one.copied().unwrap_or_else(|| MessageId::new(1, [1; 10]))
}

/// Each text is a word of its own, but for those that cannot be.
fn text(world: &World, kind: u8) -> TypedText {
    let text = match kind {
        0 => String::new(),
        1 => "x".repeat(4001),
        _ => format!("word{}", world.said()),
    };
    TypedText::new(text)
}

fn client_id(world: &World, again: bool) -> ClientId {
    let number = world.said();
    let number = if again {
        number.saturating_sub(7)
    } else {
        number
    };
    ClientId::new(&format!("c-{number}")).expect("a name")
}

fn takeover(world: &World, which: u16) -> RequestId {
    let pending: Vec<RequestId> = world.model.takeovers.iter().map(|one| one.id).collect();
    let one = pick(&pending, which).copied();
    one.unwrap_or_else(|| RequestId::new(1, [1; 10]))
}

fn offer(world: &World, link: LinkId, which: u16) -> RequestId {
    let own = world.model.of_link(link);
    let offers = world.model.offers.iter();
    let asked = offers.filter(|offer| which % 5 == 0 || Some(offer.asked) == own);
    let asked: Vec<RequestId> = asked.map(|offer| offer.id).collect();
    let one = pick(&asked, which).copied();
    one.unwrap_or_else(|| RequestId::new(1, [1; 10]))
}

/// The same from the command line, where there is such an order.
pub(crate) fn order(world: &World, verb: &Verb) -> Option<OperatorRequest> {
    Some(match verb {
        Verb::Update {
            kind,
            value,
            is_stale,
        } => OperatorRequest::Update(Box::new(update(world, *kind, *value, *is_stale))),
        Verb::Invite {
            kind,
            role: as_role,
            uses,
        } => OperatorRequest::Invite(Box::new(invite(world, *kind, role(*as_role), *uses))),
        Verb::RevokeInvite { which, holders } => OperatorRequest::RevokeInvite {
            invite: invite_of(world, *which),
            remove_holders: *holders,
        },
        Verb::LiftBan { which } => OperatorRequest::LiftBan(ban(world, *which)),
        _ => return None,
    })
}

fn ban(world: &World, which: u16) -> BanId {
    let bans: Vec<BanId> = world.model.bans.iter().map(|ban| ban.id).collect();
    let one = pick(&bans, which).filter(|_| which % 7 > 0);
    one.copied().unwrap_or_else(|| BanId::new(1, [1; 10]))
}

fn invite_of(world: &World, which: u16) -> conclave_signalling_wire::ids::InviteId {
    let ids: Vec<_> = world.model.invites.keys().copied().collect();
    match which % 24 {
        0 => crate::world::invite_id(200),
        // The host link is taken back now and then.
        1 => crate::world::invite_id(0),
        _ => *pick(&ids[1..], which / 24).unwrap_or(&ids[0]),
    }
}

fn prompt(world: &World, link: LinkId, which: u16) -> RequestId {
    let own = world.model.of_link(link);
    let prompts = world.model.prompts.iter();
    let asked = prompts.filter(|prompt| which % 5 == 0 || Some(prompt.asked) == own);
    let asked: Vec<RequestId> = asked.map(|prompt| prompt.id).collect();
    pick(&asked, which)
        .or(pick(&world.requests, which))
        .copied()
        .unwrap_or_else(|| RequestId::new(1, [1; 10]))
}

fn invite(world: &World, kind: u8, role: Role, uses: u8) -> InviteCreate {
    let now = world.model.now;
    let mut create = InviteCreate {
        role,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: [None, Some(0), Some(1), Some(2), None][usize::from(uses)],
        not_before: None,
        expires_at: None,
        bypass_lobby: false,
        bind_device: false,
        note: None,
    };
    match kind % 9 {
        0 => create.bypass_lobby = true,
        1 => create.bind_device = true,
        2 => create.name_locked = true,
        3 => {
            create.name = DisplayName::new("Guest of honour").ok();
            create.name_locked = kind % 2 == 0;
        }
        4 => create.expires_at = Some(at(now + 60_000)),
        5 => create.expires_at = Some(at(now)),
        6 => {
            create.not_before = Some(at(now + 5_000));
            create.expires_at = Some(at(now + u64::from(kind) * 100));
        }
        7 => create.custom_role = custom(kind % 4),
        _ => {}
    }
    create
}

/// One change, now and then one that cannot be, seldom two.
fn update(world: &World, kind: u8, value: u8, is_stale: bool) -> RoomUpdate {
    let mut update = one_change(world, kind, value);
    update.rev = match (is_stale, value % 3) {
        (true, _) => Some(world.model.room.rev + 1),
        (false, 0) => Some(world.model.room.rev),
        _ => None,
    };
    update
}

fn chat(value: u8) -> ChatUpdate {
    let mut chat = ChatUpdate::default();
    let public = [PublicChat::All, PublicChat::Hosts, PublicChat::Off];
    let private = [PrivateChat::All, PrivateChat::Hosts, PrivateChat::Off];
    let place = usize::from(value / 8);
    match value % 8 {
        0..3 => chat.public = Some(public[place % 3]),
        3..6 => chat.private = Some(private[place % 3]),
        6 => chat.slow_s = Some([0, 0, 5, 30, 3_601][place % 5]),
        _ => {
            let all = [ChatHistory::None, ChatHistory::Session, ChatHistory::Kept];
            chat.history = Some(all[place % 3]);
        }
    }
    if value > 250 {
        chat.public = Some(PublicChat::Off);
        chat.private = Some(PrivateChat::Off);
    }
    chat
}

fn one_change(world: &World, kind: u8, value: u8) -> RoomUpdate {
    let yes = value % 2 == 0;
    let now = world.model.now;
    let mut update = RoomUpdate::default();
    match kind % 37 {
        0 | 1 => update.locked = Some(value % 4 == 0),
        2 | 3 => update.lobby = Some(if yes { LobbyMode::On } else { LobbyMode::Off }),
        4 => {
            update.lobby_message = match value % 3 {
                0 => Patch::Clear,
                1 => Patch::Set(prose("Back in five minutes")),
                _ => Patch::Set(prose("Please wait")),
            }
        }
        5..8 => {
            update.password = match value % 5 {
                0 => Patch::Clear,
                1 => Patch::Set(SecretText::new("short")),
                _ => Patch::Set(SecretText::new("correct horse")),
            };
            update.locked = (value % 16 == 2).then_some(false);
        }
        8 => update.password_bypasses_lobby = Some(yes),
        9 => update.start_without_host = Some(yes),
        10 => {
            let all = [NoHost::Wait, NoHost::Continue, NoHost::End];
            update.no_host = Some(all[usize::from(value % 3)]);
        }
        11 => update.no_host_grace_s = Some([0, 5, 60, 3601][usize::from(value % 4)]),
        12 => {
            let all = [
                DuplicatePolicy::Ask,
                DuplicatePolicy::RejectNew,
                DuplicatePolicy::Replace,
                DuplicatePolicy::Allow,
            ];
            update.duplicate = Some(all[usize::from(value % 4)]);
        }
        13 => {
            let all = [Role::Attendee, Role::Viewer, Role::Presenter];
            update.default_role = Some(all[usize::from(value % 3)]);
        }
        14 => update.guests_may_cohost = Some(yes),
        15..18 => {
            update.attendees = Some(Allowances {
                microphone: value & 1 == 0,
                camera: value & 2 == 0,
                screen: value & 4 == 0,
                rename: value & 8 == 0,
                invite: value & 16 == 0,
            })
        }
        18 | 19 => {
            update.roster = Some(if yes {
                RosterMode::All
            } else {
                RosterMode::Hosts
            })
        }
        20 => {
            update.caps = Some(Caps {
                participants: [None, Some(0), Some(1), Some(3), Some(6)][usize::from(value % 5)],
                microphone: [None, Some(1)][usize::from(value % 2)],
                camera: None,
            })
        }
        21 => {
            update.opens_at = match value % 3 {
                0 => Patch::Clear,
                1 => Patch::Set(at(now + 20_000)),
                _ => Patch::Set(at(now.saturating_sub(1))),
            }
        }
        22 => {
            update.closes_at = match value % 3 {
                0 => Patch::Set(at(now)),
                1 => Patch::Set(at(now + 90_000)),
                _ => Patch::Clear,
            }
        }
        23 => {
            let lists: [&[&str]; 4] = [&[], &[], &["10.0.1.0/24"], &["nowhere"]];
            let list = lists[usize::from(value % 3)];
            update.allowed_networks = Some(list.iter().map(|one| (*one).to_owned()).collect());
        }
        24 => {
            update.consent_text = match value % 3 {
                0 => Patch::Set(prose("This meeting is observed")),
                _ => Patch::Clear,
            }
        }
        28..31 => update.chat = Some(chat(value)),
        31 => {
            update.viewers = Some(ViewerAllowances {
                chat: value & 1 == 0,
                hands: value & 2 == 0,
                reactions: value & 4 == 0,
            })
        }
        34 | 35 => {
            let all = [
                Patch::Clear,
                Patch::Set(60),
                Patch::Set(600),
                Patch::Set(59),
            ];
            update.max_duration_s = all[usize::from(value % 4)];
        }
        36 => {
            let all = [HandOrder::Fifo, HandOrder::FirstTimersFirst];
            update.hands = Some(all[usize::from(value % 2)]);
        }
        27 if value & 64 != 0 => update.relay_only = Some(yes),
        32 => update.reactions = Some(yes),
        33 => update.cohosts_end = Some(yes),
        25 | 26 => {
            let mut roles = chosen(value, &scene::custom_roles());
            if let (true, Some(first)) = (value & 8 != 0, roles.first_mut()) {
                first.allow.push(Permission::RoomPassword);
            }
            if let (true, Some(last)) = (value & 48 == 48, roles.last_mut()) {
                last.base = Role::Presenter;
            }
            update.custom_roles = Some(roles);
        }
        _ => {
            let all = [
                ScreenPolicy::One,
                ScreenPolicy::Off,
                ScreenPolicy::OneTakeover,
                ScreenPolicy::Many,
            ];
            update.screen = Some(all[usize::from(value % 4)]);
        }
    }
    update
}

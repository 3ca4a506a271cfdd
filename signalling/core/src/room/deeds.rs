//! Requests in the words of the audit log: on whom, and a few words of detail.
//! Identifiers, roles, sources, numbers and names of members; never a name of
//! a person, never a text that somebody typed.

use std::fmt::Display;

use conclave_signalling_wire::ids::{KnockId, ParticipantId};
use conclave_signalling_wire::moderation::{OverrideEffect, RequestAnswer, Target};
use conclave_signalling_wire::objects::{ChatFormat, Role, Source};
use conclave_signalling_wire::request::{
    InviteCreate, LobbyAdmit, LobbyDeny, MediaGrant, MediaLock, MediaMute, ParticipantRemove,
    PermOverride, Request, RoleSet, RoomUpdate,
};

/// Knocks of one entry that are named; of more only the number is told.
const NAMED: usize = 8;

/// A request, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) action: &'static str,
    pub(super) target: Option<String>,
    pub(super) detail: Option<String>,
    /// Whether it changes nothing: only its refusal is worth an entry.
    pub(super) is_reading: bool,
}

/// Describes a request of `own`. `None` for what concerns nobody but its sender.
pub(super) fn deed_of(request: &Request, own: Option<ParticipantId>) -> Option<Deed> {
    let (target, detail) = match request {
        Request::Hello(_)
        | Request::RoomInfo(_)
        | Request::Join(_)
        | Request::RoomCreate(_)
        | Request::RoomManage(_)
        | Request::LobbyPing(_)
        | Request::Leave(_)
        | Request::TrackState(_)
        | Request::MediaOffer(_)
        | Request::TurnRefresh(_)
        | Request::MediaPublish(_)
        | Request::MediaUnpublish(_)
        | Request::MediaWish(_)
        | Request::MediaSlotsAck(_)
        | Request::ScreenStart(_)
        | Request::ScreenPause(_)
        | Request::ScreenTakeoverReply(_)
        | Request::ChatSend(_)
        | Request::ChatEdit(_)
        | Request::ChatReact(_)
        | Request::HandRaise(_)
        | Request::ReactionSend(_) => return None,
        Request::ChatDelete(delete) => (id(delete.id), None),
        Request::ChatPin(pin) => (id(pin.id), Some(on_off(pin.on).to_owned())),
        Request::ChatClear(clear) => {
            let up_to = clear.up_to.map(|number| format!("up to {number}"));
            (None, up_to)
        }
        Request::ChatExport(export) => (None, Some(export_format(export.format).to_owned())),
        Request::HandLower(lower) if lower.participant.is_none_or(|whose| own == Some(whose)) => {
            return None;
        }
        Request::HandLower(lower) => (lower.participant.and_then(id), None),
        Request::HandLowerAll(_) | Request::HandNext(_) => (None, None),
        Request::SpotlightSet(set) => (None, Some(format!("{} shown", set.participants.len()))),
        Request::PanicSuspend(order) => (None, Some(on_off(order.on).to_owned())),
        Request::SessionAnnounce(_) | Request::SessionEndCancel(_) | Request::AttendanceGet(_) => {
            (None, None)
        }
        Request::HostTransfer(transfer) => {
            let permanent = transfer.permanent.then(|| "permanent".to_owned());
            (id(transfer.participant), permanent)
        }
        Request::HostTransferReply(reply) => {
            (id(reply.request), Some(answer(reply.answer).to_owned()))
        }
        Request::SessionEnd(end) => (None, Some(format!("in {} s", end.countdown_s))),
        Request::ParticipantRename(rename) if own == Some(rename.participant) => return None,
        Request::ParticipantRename(rename) => (id(rename.participant), None),
        Request::LobbyAdmit(admit) => admission(admit),
        Request::LobbyDeny(deny) => denial(deny),
        Request::LobbyNote(note) => (id(note.knock), None),
        Request::ParticipantToLobby(order) => (id(order.participant), None),
        Request::ParticipantRemove(order) => (id(order.participant), removal(order)),
        Request::BanList(_) | Request::InviteList(_) => (None, None),
        Request::BanLift(lift) => (id(lift.ban), None),
        Request::InviteCreate(create) => (None, Some(invitation(create))),
        Request::InviteRevoke(revoke) => {
            let holders = revoke.remove_holders.then(|| "with its holders".to_owned());
            (id(revoke.invite), holders)
        }
        Request::RoleSet(set) => (id(set.participant), Some(assignment(set))),
        Request::PermOverride(order) => (id(order.participant), Some(exception(order))),
        Request::MediaMute(mute) => muting(mute),
        Request::MediaRequest(ask) => (id(ask.participant), Some(source(ask.source).to_owned())),
        Request::MediaRequestReply(reply) => {
            (id(reply.request), Some(answer(reply.answer).to_owned()))
        }
        Request::MediaGrant(grant) => (id(grant.participant), Some(granting(grant))),
        Request::MediaLock(lock) => (None, Some(locking(lock))),
        Request::RoomUpdate(update) => (None, Some(members_of(update))),
    };
    Some(Deed {
        action: request.name(),
        target,
        detail,
        is_reading: matches!(request, Request::BanList(_) | Request::InviteList(_)),
    })
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn answer(answer: RequestAnswer) -> &'static str {
    match answer {
        RequestAnswer::Accept => "accept",
        RequestAnswer::Decline => "decline",
        RequestAnswer::Later => "later",
    }
}

fn export_format(format: ChatFormat) -> &'static str {
    match format {
        ChatFormat::Jsonl => "jsonl",
        ChatFormat::Txt => "txt",
        ChatFormat::Csv => "csv",
    }
}

fn id(id: impl Display) -> Option<String> {
    Some(id.to_string())
}

pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Host => "host",
        Role::CoHost => "co_host",
        Role::Presenter => "presenter",
        Role::Attendee => "attendee",
        Role::Viewer => "viewer",
    }
}

pub(super) fn source(source: Source) -> &'static str {
    match source {
        Source::Microphone => "microphone",
        Source::Camera => "camera",
        Source::Screen => "screen",
        Source::ScreenAudio => "screen_audio",
    }
}

/// The first few: a list of a hostile client may be long.
fn sources(list: &[Source]) -> String {
    let names: Vec<&str> = list.iter().take(4).copied().map(source).collect();
    names.join(" ")
}

fn for_s(ttl_s: Option<u32>) -> String {
    ttl_s.map_or_else(String::new, |ttl_s| format!(" for {ttl_s} s"))
}

fn knocks(knocks: Option<&[KnockId]>, up_to: Option<u32>) -> (Option<String>, Vec<String>) {
    let mut words = Vec::new();
    let listed = knocks.unwrap_or_default();
    let named: Vec<String> = listed.iter().take(NAMED).map(KnockId::to_string).collect();
    if listed.len() > NAMED {
        words.push(format!("{} knocks", listed.len()));
    }
    words.extend(up_to.map(|rev| format!("all up to {rev}")));
    ((!named.is_empty()).then(|| named.join(" ")), words)
}

fn admission(admit: &LobbyAdmit) -> (Option<String>, Option<String>) {
    let (target, mut words) = knocks(admit.knocks.as_deref(), admit.all_up_to_rev);
    words.extend(admit.as_role.map(|as_role| role(as_role).to_owned()));
    (target, (!words.is_empty()).then(|| words.join(", ")))
}

fn denial(deny: &LobbyDeny) -> (Option<String>, Option<String>) {
    let (target, mut words) = knocks(deny.knocks.as_deref(), deny.all_up_to_rev);
    if deny.block_s > 0 {
        words.push(format!("blocked for {} s", deny.block_s));
    }
    (target, (!words.is_empty()).then(|| words.join(", ")))
}

fn removal(order: &ParticipantRemove) -> Option<String> {
    let ban = order.ban.as_ref()?;
    let strict = if ban.strict { " strict" } else { "" };
    Some(format!("ban{}{strict}", for_s(ban.ttl_s)))
}

fn invitation(create: &InviteCreate) -> String {
    let uses = match create.max_uses {
        None => "any number".to_owned(),
        Some(uses) => format!("{uses} uses"),
    };
    format!("{}, {uses}", role(create.role))
}

fn assignment(set: &RoleSet) -> String {
    let custom = if set.custom_role.is_some() {
        " with a custom role"
    } else {
        ""
    };
    format!("{}{custom}", role(set.role))
}

fn exception(order: &PermOverride) -> String {
    let effect = match order.effect {
        OverrideEffect::Allow => "allow",
        OverrideEffect::Deny => "deny",
        OverrideEffect::Clear => "clear",
    };
    format!("{} {effect}{}", order.key.name(), for_s(order.ttl_s))
}

fn muting(mute: &MediaMute) -> (Option<String>, Option<String>) {
    let what = sources(&mute.sources);
    match &mute.target {
        Target::Participant { participant } => (id(participant), Some(what)),
        Target::AllExcept { participants } => {
            let detail = format!("{what} of all but {}", participants.len());
            (None, Some(detail))
        }
    }
}

fn granting(grant: &MediaGrant) -> String {
    let on = if grant.on { "on" } else { "off" };
    format!("{} {on}{}", source(grant.source), for_s(grant.ttl_s))
}

fn locking(lock: &MediaLock) -> String {
    let on = if lock.on { "on" } else { "off" };
    format!("{} {on} but {}", sources(&lock.sources), lock.allow.len())
}

/// Names the members that an update has.
fn members_of(update: &RoomUpdate) -> String {
    // Destructured whole, so that a new member cannot be forgotten here.
    let RoomUpdate {
        rev: _,
        title,
        locked,
        lobby,
        lobby_message,
        password,
        password_bypasses_lobby,
        start_without_host,
        no_host,
        no_host_grace_s,
        duplicate,
        default_role,
        guests_may_cohost,
        attendees,
        viewers,
        reactions,
        hands,
        cohosts_end,
        max_duration_s,
        chat,
        roster,
        caps,
        opens_at,
        closes_at,
        allowed_networks,
        consent_text,
        custom_roles,
        screen,
        relay_only,
        tags,
        external_id,
    } = update;
    let locked = locked.map(|locked| if locked { "locked" } else { "unlocked" });
    let names = [
        title.as_ref().map(|_| "title"),
        locked,
        lobby.map(|_| "lobby"),
        (!lobby_message.is_keep()).then_some("lobby_message"),
        (!password.is_keep()).then_some("password"),
        password_bypasses_lobby.map(|_| "password_bypasses_lobby"),
        start_without_host.map(|_| "start_without_host"),
        no_host.map(|_| "no_host"),
        no_host_grace_s.map(|_| "no_host_grace_s"),
        duplicate.map(|_| "duplicate"),
        default_role.map(|_| "default_role"),
        guests_may_cohost.map(|_| "guests_may_cohost"),
        attendees.map(|_| "attendees"),
        viewers.map(|_| "viewers"),
        reactions.map(|_| "reactions"),
        hands.map(|_| "hands"),
        cohosts_end.map(|_| "cohosts_end"),
        (!max_duration_s.is_keep()).then_some("max_duration_s"),
        chat.as_ref().map(|_| "chat"),
        roster.map(|_| "roster"),
        caps.map(|_| "caps"),
        (!opens_at.is_keep()).then_some("opens_at"),
        (!closes_at.is_keep()).then_some("closes_at"),
        allowed_networks.as_ref().map(|_| "allowed_networks"),
        (!consent_text.is_keep()).then_some("consent_text"),
        custom_roles.as_ref().map(|_| "custom_roles"),
        screen.map(|_| "screen"),
        relay_only.map(|_| "relay_only"),
        tags.as_ref().map(|_| "tags"),
        (!external_id.is_keep()).then_some("external_id"),
    ];
    names.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

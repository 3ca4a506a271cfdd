//! `spec/permissions.md`, sections 3 and 5, written down once more: a table and
//! a few rules, naive on purpose. Nothing here asks the product.

use std::collections::BTreeSet;

/// The roles, the highest first.
pub(crate) const ROLES: [&str; 5] = ["host", "co_host", "presenter", "attendee", "viewer"];

/// The presets that are tried.
pub(crate) const PRESETS: [&str; 2] = ["meeting", "webinar"];

/// Who holds a permission: `h`ost, `c`o-host, `p`resenter, `a`ttendee of a
/// meeting, `w`: attendee of a webinar, `v`iewer of a meeting, `u`: viewer of a
/// webinar.
const TABLE: [(&str, &str); 49] = [
    ("room.join", "hcpawvu"),
    ("lobby.bypass", "hcp"),
    ("lobby.manage", "hc"),
    ("room.lock", "hc"),
    ("session.start", "hc"),
    ("room.settings", "hc"),
    ("room.password", "h"),
    ("invite.create", "hc"),
    // "Own" for a co-host, says the specification; the product gives it those below its rank.
    ("invite.manage", "hc"),
    ("publish.audio", "hcpa"),
    ("publish.video", "hcpa"),
    ("publish.screen", "hcpa"),
    ("publish.screen_audio", "hcpa"),
    ("receive.media", "hcpawvu"),
    ("receive.screen", "hcpawvu"),
    ("media.mute", "hc"),
    ("media.request", "hc"),
    ("media.grant", "hc"),
    ("media.lock_all", "hc"),
    // In a webinar the room setting hides attendees from each other.
    ("roster.see", "hcpa"),
    ("roster.see_roles", "hcpa"),
    ("participant.remove", "hc"),
    ("participant.ban", "hc"),
    ("ban.manage", "hc"),
    ("participant.to_lobby", "hc"),
    ("participant.rename", "hc"),
    ("self.rename", "hcpaw"),
    ("role.assign", "hc"),
    ("session.end", "hc"),
    ("session.announce", "hc"),
    ("screen.takeover", "hc"),
    ("spotlight.set", "hc"),
    ("panic.suspend", "hc"),
    ("attendance.export", "hc"),
    ("chat.read", "hcpawvu"),
    // A webinar lets its viewers take part by writing and by hands.
    ("chat.send", "hcpawu"),
    ("chat.private_hosts", "hcpawu"),
    // Rooms begin with private messages to hosts, who answer anybody.
    ("chat.private_any", "hc"),
    ("chat.delete_own", "hcpawvu"),
    ("chat.edit_own", "hcpawvu"),
    ("chat.delete_any", "hc"),
    ("chat.clear", "hc"),
    ("chat.configure", "hc"),
    ("chat.pin", "hc"),
    ("chat.react", "hcpawu"),
    ("chat.export", "hc"),
    ("hand.raise", "hcpawu"),
    ("hand.manage", "hc"),
    ("reaction.send", "hcpawu"),
];

/// Returns whether a role holds a permission in a room of a preset.
pub(crate) fn holds(preset: &str, role: &str, permission: &str) -> bool {
    let letter = match (role, preset) {
        ("host", _) => 'h',
        ("co_host", _) => 'c',
        ("presenter", _) => 'p',
        ("attendee", "meeting") => 'a',
        ("attendee", "webinar") => 'w',
        ("viewer", "meeting") => 'v',
        ("viewer", "webinar") => 'u',
        _ => panic!("no role or preset: {role} {preset}"),
    };
    let row = TABLE.iter().find(|(name, _)| *name == permission);
    row.unwrap_or_else(|| panic!("no permission: {permission}"))
        .1
        .contains(letter)
}

/// Returns everything that a role may do in a room of a preset.
pub(crate) fn permissions(preset: &str, role: &str) -> BTreeSet<String> {
    TABLE
        .iter()
        .filter(|(name, _)| holds(preset, role, name))
        .map(|(name, _)| (*name).to_owned())
        .collect()
}

/// Returns whether the first role stands above the second.
pub(crate) fn outranks(one: &str, other: &str) -> bool {
    let place = |role| ROLES.iter().position(|known| *known == role).unwrap();
    place(one) < place(other)
}

/// Returns what publishing a source asks for.
pub(crate) fn to_publish(source: &str) -> &'static str {
    match source {
        "microphone" => "publish.audio",
        "camera" => "publish.video",
        "screen" => "publish.screen",
        _ => "publish.screen_audio",
    }
}

/// Returns whether somebody of one role sees somebody of another, who publishes
/// whatever it may: a room that hides people hides neither those who lead nor
/// those who are heard and seen.
pub(crate) fn sees(preset: &str, role: &str, other: &str) -> bool {
    let is_prominent = outranks(other, "attendee");
    let publishes = |source| holds(preset, other, to_publish(source));
    let is_heard = publishes("microphone") || publishes("camera");
    holds(preset, role, "roster.see") || is_prominent || is_heard
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// Somebody in the room, of a role.
    In(&'static str),
    /// Somebody in the lobby.
    Waiting,
    /// Somebody who was removed and has a link again.
    Removed,
    /// Who manages the room from outside, by an invite of a role.
    Steward(&'static str),
}

/// Whom a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Nobody in particular.
    None,
    /// Another participant of a role.
    Other(&'static str),
    /// The asker.
    Itself,
    /// A participant that there never was.
    Unknown,
    /// A participant that left.
    Gone,
}

/// What a request asks for, beyond being well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A permission, or several; about the room.
    Needs(&'static [&'static str]),
    /// The same, and the target is below the asker.
    On(&'static [&'static str]),
    /// To give the target a role.
    Assign(&'static str),
    /// To make an exception about a permission.
    Except(&'static str),
    /// To change a name.
    Rename,
    /// To make an invite for a role.
    Invite(&'static str),
    /// To take back an invite of a role that somebody else made.
    RevokeOfOthers(&'static str),
    /// To be in the room.
    BeIn,
    /// To write to the target alone.
    Whisper,
    /// To change what the target has written.
    Edit,
    /// To delete what the target has written.
    Delete,
    /// A permission about what the target has written.
    OnMessage(&'static str),
    /// A permission about the target, whatever its rank.
    OnAny(&'static str),
    /// The same, but everybody may do it to itself.
    OnOther(&'static str),
    /// To be the host, above the target.
    HandOver,
    /// To share a screen.
    Share,
    /// A permission, which does not help: it is refused with this.
    Vain(&'static str, &'static str),
    /// Nothing helps: it is refused with this.
    Never(&'static str),
}

/// What has to come of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done.
    Done,
    /// It is refused, with one of these codes.
    Refused(&'static [&'static str]),
}

const FORBIDDEN: Outcome = Outcome::Refused(&["forbidden"]);
const NOT_FOUND: Outcome = Outcome::Refused(&["not_found"]);
/// The message does not fit the state of its sender.
const OUT_OF_PLACE: Outcome = Outcome::Refused(&["bad_request"]);

/// Returns what has to come of a request of `verb` in a room of `preset`.
pub(crate) fn outcome(
    preset: &str,
    actor: Actor,
    verb: &str,
    rule: Rule,
    target: Target,
) -> Outcome {
    let role = match actor {
        Actor::In(role) => role,
        Actor::Waiting | Actor::Removed => return OUT_OF_PLACE,
        Actor::Steward(role) => {
            let takes = ["room.update", "invite.", "ban.", "session.end"];
            if !takes.iter().any(|start| verb.starts_with(start)) {
                return OUT_OF_PLACE;
            }
            role
        }
    };
    let holds = |permission| holds(preset, role, permission);
    match rule {
        Rule::BeIn => Outcome::Done,
        Rule::Never(code) => refused(code),
        Rule::Vain(permission, code) if holds(permission) => refused(code),
        Rule::Vain(..) => FORBIDDEN,
        Rule::Whisper => whisper(preset, role, target),
        // Messages are seen by everybody who is there.
        Rule::Edit | Rule::Delete | Rule::OnMessage(_) if !has_written(preset, role, target) => {
            let may = !matches!(rule, Rule::OnMessage(permission) if !holds(permission));
            if may { NOT_FOUND } else { FORBIDDEN }
        }
        Rule::Edit => done_if(target == Target::Itself && holds("chat.edit_own")),
        Rule::Delete if target == Target::Itself => done_if(holds("chat.delete_own")),
        Rule::Delete => done_if(holds("chat.delete_any") && outranks(role, author(role, target))),
        Rule::OnMessage(permission) => done_if(holds(permission)),
        Rule::OnOther(_) if target == Target::Itself => Outcome::Done,
        Rule::OnAny(permission) | Rule::OnOther(permission) if holds(permission) => match target {
            Target::Unknown | Target::Gone => NOT_FOUND,
            Target::Other(_) | Target::Itself | Target::None => Outcome::Done,
        },
        Rule::OnAny(_) | Rule::OnOther(_) => FORBIDDEN,
        Rule::HandOver if role == "host" => on(role, target, Outcome::Done),
        Rule::HandOver => FORBIDDEN,
        Rule::Share if holds("publish.screen") => Outcome::Done,
        Rule::Share => NOT_FOUND,
        Rule::Needs(permissions) => done_if(permissions.iter().all(|name| holds(name))),
        Rule::On(permissions) if permissions.iter().all(|name| holds(name)) => {
            on(role, target, Outcome::Done)
        }
        Rule::On(_) => FORBIDDEN,
        Rule::Assign(given) if holds("role.assign") => {
            on(role, target, done_if(outranks(role, given)))
        }
        Rule::Assign(_) => FORBIDDEN,
        // About being there nobody makes exceptions.
        Rule::Except("room.join" | "receive.media" | "receive.screen") if holds("role.assign") => {
            on(
                role,
                target,
                Outcome::Refused(&["bad_request", "forbidden"]),
            )
        }
        Rule::Except(permission) => {
            let is_publishing = permission.starts_with("publish.");
            let may = holds("role.assign") || is_publishing && holds("media.grant");
            match may {
                true => on(role, target, done_if(holds(permission))),
                false => FORBIDDEN,
            }
        }
        Rule::Rename if target == Target::Itself => done_if(holds("self.rename")),
        Rule::Rename if holds("participant.rename") => on(role, target, Outcome::Done),
        Rule::Rename => Outcome::Refused(match target {
            Target::Unknown | Target::Gone => &["forbidden", "not_found"],
            _ => &["forbidden"],
        }),
        // A host makes more hosts; everybody else only what is below.
        Rule::Invite(given) => done_if(
            holds("invite.create") && (outranks(role, given) || role == "host" && given == "host"),
        ),
        // The host link that was made with the room is its holder's and the operator's to take back.
        Rule::RevokeOfOthers(given) if holds("invite.manage") => {
            done_if(given != "host" && (role == "host" || outranks(role, given)))
        }
        Rule::RevokeOfOthers(_) => Outcome::Refused(&["forbidden", "not_found"]),
    }
}

fn refused(code: &str) -> Outcome {
    match code {
        "bad_request" => OUT_OF_PLACE,
        "not_found" => NOT_FOUND,
        "conflict" => Outcome::Refused(&["conflict"]),
        _ => panic!("no such code: {code}"),
    }
}

/// Returns the role of who wrote the message in question. Who left was an attendee.
fn author(asker: &'static str, target: Target) -> &'static str {
    match target {
        Target::Other(role) => role,
        Target::Itself => asker,
        Target::None | Target::Unknown | Target::Gone => "attendee",
    }
}

/// Returns whether there is a message in question: its author wrote if it may.
fn has_written(preset: &str, asker: &'static str, target: Target) -> bool {
    target != Target::Unknown && holds(preset, author(asker, target), "chat.send")
}

/// Whom one does not see is not there. The room lets people write to hosts and
/// hosts to anybody; who may not write at all may not write to hosts either.
fn whisper(preset: &str, role: &str, target: Target) -> Outcome {
    let other = match target {
        Target::Other(other) if sees(preset, role, other) => other,
        Target::Itself => return OUT_OF_PLACE,
        Target::Other(_) | Target::Unknown | Target::Gone | Target::None => return NOT_FOUND,
    };
    let is_to_host = outranks(other, "presenter");
    if holds(preset, role, "chat.private_any") {
        Outcome::Done
    } else if !is_to_host {
        // Nobody of its role may, says the room.
        Outcome::Refused(&["private_disabled"])
    } else {
        done_if(holds(preset, role, "chat.private_hosts"))
    }
}

fn done_if(may: bool) -> Outcome {
    if may { Outcome::Done } else { FORBIDDEN }
}

/// Somebody who is not there is not found; nobody acts on an equal, on a
/// higher role or on itself.
fn on(actor: &str, target: Target, otherwise: Outcome) -> Outcome {
    match target {
        Target::Other(role) if outranks(actor, role) => otherwise,
        Target::Other(_) | Target::Itself | Target::None => FORBIDDEN,
        Target::Unknown | Target::Gone => NOT_FOUND,
    }
}

//! Who may do what: the one place that decides, asked by every verb.
//!
//! The first rule that says anything wins: the hard policies of the room, then
//! the exceptions of the participant, its custom role, the table of its role;
//! what nothing allows is denied. Whether somebody may act *on* somebody else
//! is a question of rank on top of it.

mod preset;
mod set;

use conclave_signalling_wire::objects::{
    Effect, Identity, Override, Permission, PrivateChat, PublicChat, Role, ScreenPolicy, Source,
};
use conclave_signalling_wire::text::RoleName;
use conclave_signalling_wire::time::Timestamp;

pub use set::PermissionSet;

use crate::digest::DeviceHash;
use crate::settings::Settings;

/// What never depends on anything but being in the room.
const FIXED: [Permission; 3] = [
    Permission::RoomJoin,
    Permission::ReceiveMedia,
    Permission::ReceiveScreen,
];

/// Somebody about whom is decided.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its role; that on which its custom role is based.
    pub role: Role,
    /// Its custom role.
    pub custom_role: Option<&'a RoleName>,
    /// Its exceptions, expired ones perhaps included.
    pub overrides: &'a [Override],
    /// Its device, for the allow-lists of locks; `None` for who is not in the room.
    pub device: Option<&'a DeviceHash>,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A policy of the room that no exception overcomes.
    RoomPolicy,
    /// A lock on sources.
    Lock,
    /// An exception of the participant.
    Override,
    /// Its custom role.
    CustomRole,
    /// The table of its role.
    Role,
}

/// A decision and what made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allowed: bool,
    /// What decided.
    pub rule: Rule,
}

/// Decides about one permission at `now`.
pub fn decide(
    settings: &Settings,
    subject: &Subject<'_>,
    now: Timestamp,
    permission: Permission,
) -> Decision {
    let decision = |allowed, rule| Decision { allowed, rule };
    if FIXED.contains(&permission) {
        return decision(true, Rule::Role);
    }
    if let Some(source) = permission.publishes() {
        let is_screen = matches!(source, Source::Screen | Source::ScreenAudio);
        if is_screen && settings.screen == ScreenPolicy::Off {
            return decision(false, Rule::RoomPolicy);
        }
        let lock = settings.locks.of(source);
        let is_exempt = subject.role.is_host()
            || subject
                .device
                .is_some_and(|device| lock.allow.contains(device));
        if lock.on && !is_exempt {
            return decision(false, Rule::Lock);
        }
    }
    if is_silenced(settings, subject.role, permission) {
        return decision(false, Rule::RoomPolicy);
    }
    if let Some(exception) = subject
        .overrides
        .iter()
        .find(|exception| exception.key == permission && is_live(exception, now))
    {
        return decision(exception.effect == Effect::Allow, Rule::Override);
    }
    if let Some(custom) = subject
        .custom_role
        .and_then(|name| settings.custom_role(name))
    {
        if custom.deny.contains(&permission) {
            return decision(false, Rule::CustomRole);
        }
        if custom.allow.contains(&permission) {
            return decision(true, Rule::CustomRole);
        }
    }
    decision(
        preset::allows(settings, subject.role, permission),
        Rule::Role,
    )
}

/// Returns whether the room's policies for chat and reactions forbid something
/// to a role. Hosts are exempt from what is for hosts only, nobody from `off`.
fn is_silenced(settings: &Settings, role: Role, permission: Permission) -> bool {
    let chat = &settings.chat;
    match permission {
        Permission::ChatSend => match chat.public {
            PublicChat::Off => true,
            PublicChat::Hosts => !role.is_host(),
            PublicChat::All => false,
        },
        Permission::ChatPrivateHosts => chat.private == PrivateChat::Off,
        Permission::ChatPrivateAny => match chat.private {
            PrivateChat::Off => true,
            PrivateChat::Hosts => !role.is_host(),
            PrivateChat::All => false,
        },
        Permission::ChatReact => chat.public == PublicChat::Off && chat.private == PrivateChat::Off,
        Permission::ReactionSend => !settings.reactions && !role.is_host(),
        _ => false,
    }
}

/// Returns everything that somebody may do at `now`.
pub fn permissions_of(settings: &Settings, subject: &Subject<'_>, now: Timestamp) -> PermissionSet {
    Permission::ALL
        .iter()
        .copied()
        .filter(|permission| decide(settings, subject, now, *permission).allowed)
        .collect()
}

/// Returns whether an exception has not ended at `now`.
pub fn is_live(exception: &Override, now: Timestamp) -> bool {
    exception.expires_at.is_none_or(|until| now < until)
}

/// Returns whether an exception can be made about a permission at all.
pub fn can_be_overridden(permission: Permission) -> bool {
    !FIXED.contains(&permission)
}

/// Returns whether somebody of role `actor` may act on somebody of role `target`:
/// only on lower ranks, hosts on hosts neither.
pub fn may_act_on(actor: Role, target: Role) -> bool {
    actor.outranks(target)
}

/// Returns whether somebody of role `actor` may give the role `role` to
/// somebody of role `target`: only a role below the own one, to a lower rank.
pub fn may_assign(actor: Role, target: Role, role: Role) -> bool {
    may_act_on(actor, target) && actor.outranks(role)
}

/// Returns whether somebody known as well as `identity` may have a role in this room.
pub fn may_hold(settings: &Settings, identity: Identity, role: Role) -> bool {
    role != Role::CoHost || identity != Identity::Guest || settings.guests_may_cohost
}

#[cfg(test)]
mod tests;

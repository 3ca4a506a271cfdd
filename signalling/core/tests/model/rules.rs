//! Who may do what, once more: the table and the order of rules as the
//! specification has them, without a look at the engine.

use std::collections::BTreeSet;

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_wire::objects::{
    Effect, Identity, LobbyMode, Override, Permission, PrivateChat, PublicChat, Role, Room,
    RosterMode, ScreenPolicy, Source,
};
use conclave_signalling_wire::text::RoleName;

/// Rank, 0 highest.
pub(crate) fn rank(role: Role) -> u8 {
    match role {
        Role::Host => 0,
        Role::CoHost => 1,
        Role::Presenter => 2,
        Role::Attendee => 3,
        Role::Viewer => 4,
    }
}

pub(crate) fn outranks(actor: Role, target: Role) -> bool {
    rank(actor) < rank(target)
}

/// The lowest rank that has a permission in this room by its role alone.
fn lowest(room: &Room, permission: Permission) -> u8 {
    use Permission::*;
    let attendees = room.attendees;
    let if_allowed = |allowed: bool| if allowed { 3 } else { 2 };
    match permission {
        RoomJoin | ReceiveMedia | ReceiveScreen | ChatRead | ChatDeleteOwn | ChatEditOwn => 4,
        LobbyBypass => 2,
        RoomPassword => 0,
        SessionEnd => u8::from(room.cohosts_end),
        SessionStart | LobbyManage | RoomLock | RoomSettings | InviteManage | MediaMute
        | MediaRequest | MediaGrant | MediaLockAll | ParticipantRemove | ParticipantBan
        | BanManage | ParticipantToLobby | ParticipantRename | RoleAssign | SessionAnnounce
        | ScreenTakeover | SpotlightSet | PanicSuspend | AttendanceExport | ChatDeleteAny
        | ChatClear | ChatConfigure | ChatPin | ChatExport | HandManage => 1,
        ChatPrivateAny => 3,
        ChatSend | ChatPrivateHosts | ChatReact => 3 + u8::from(room.viewers.chat),
        HandRaise => 3 + u8::from(room.viewers.hands),
        ReactionSend => 3 + u8::from(room.viewers.reactions),
        InviteCreate if attendees.invite => 3,
        InviteCreate => 1,
        PublishAudio => if_allowed(attendees.microphone),
        PublishVideo => if_allowed(attendees.camera),
        PublishScreen | PublishScreenAudio => if_allowed(attendees.screen),
        SelfRename => if_allowed(attendees.rename),
        RosterSee | RosterSeeRoles => if_allowed(room.roster == RosterMode::All),
    }
}

/// What says no or yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Policy,
    Lock,
    Right,
}

/// The locks of a room, by device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LockState {
    pub(crate) on: bool,
    pub(crate) allow: BTreeSet<DeviceHash>,
}

/// 0 for voices, 1 for pictures, 2 for screens with their sound.
pub(crate) fn lock_of(source: Source) -> usize {
    match source {
        Source::Microphone => 0,
        Source::Camera => 1,
        Source::Screen | Source::ScreenAudio => 2,
    }
}

/// Somebody about whom is decided.
pub(crate) struct Who<'a> {
    pub(crate) role: Role,
    pub(crate) custom: Option<&'a RoleName>,
    pub(crate) overrides: &'a [Override],
    pub(crate) device: &'a DeviceHash,
}

pub(crate) const FIXED: [Permission; 3] = [
    Permission::RoomJoin,
    Permission::ReceiveMedia,
    Permission::ReceiveScreen,
];

pub(crate) fn is_live(known: &Override, now: u64) -> bool {
    known.expires_at.is_none_or(|until| now < until.unix_ms())
}

/// What the room has switched off: `off` for everybody, what is for hosts for all others.
pub(crate) fn is_silenced(room: &Room, role: Role, permission: Permission) -> bool {
    let is_host = rank(role) <= 1;
    let (public, private) = (room.chat.public, room.chat.private);
    match permission {
        Permission::ChatSend => {
            public == PublicChat::Off || public == PublicChat::Hosts && !is_host
        }
        Permission::ChatPrivateHosts => private == PrivateChat::Off,
        Permission::ChatPrivateAny => {
            private == PrivateChat::Off || private == PrivateChat::Hosts && !is_host
        }
        Permission::ChatReact => public == PublicChat::Off && private == PrivateChat::Off,
        Permission::ReactionSend => !room.reactions && !is_host,
        _ => false,
    }
}

/// Hard policy, lock, override, custom role, role, no.
pub(crate) fn decide(
    room: &Room,
    locks: &[LockState; 3],
    who: &Who<'_>,
    now: u64,
    permission: Permission,
) -> (bool, Why) {
    if FIXED.contains(&permission) {
        return (true, Why::Right);
    }
    if let Some(source) = permission.publishes() {
        let lock = &locks[lock_of(source)];
        if lock_of(source) == 2 && room.screen == ScreenPolicy::Off {
            return (false, Why::Policy);
        }
        if lock.on && rank(who.role) > 1 && !lock.allow.contains(who.device) {
            return (false, Why::Lock);
        }
    }
    if is_silenced(room, who.role, permission) {
        return (false, Why::Policy);
    }
    let mut overrides = who.overrides.iter();
    if let Some(known) = overrides.find(|known| known.key == permission && is_live(known, now)) {
        return (known.effect == Effect::Allow, Why::Right);
    }
    let mut customs = room.custom_roles.iter();
    if let Some(custom) = customs.find(|custom| Some(&custom.name) == who.custom) {
        if custom.deny.contains(&permission) {
            return (false, Why::Right);
        }
        if custom.allow.contains(&permission) {
            return (true, Why::Right);
        }
    }
    (rank(who.role) <= lowest(room, permission), Why::Right)
}

pub(crate) fn all(
    room: &Room,
    locks: &[LockState; 3],
    who: &Who<'_>,
    now: u64,
) -> BTreeSet<Permission> {
    let every = Permission::ALL.iter().copied();
    every
        .filter(|permission| decide(room, locks, who, now, *permission).0)
        .collect()
}

pub(crate) fn may_hold(room: &Room, identity: Identity, role: Role) -> bool {
    !(role == Role::CoHost && identity == Identity::Guest && !room.guests_may_cohost)
}

pub(crate) fn has_lobby(room: &Room) -> bool {
    room.lobby == LobbyMode::On
}

/// So many at once, and one more each interval.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    every_ns: u64,
    size: u64,
    /// Until when it drips, in nanoseconds since 1970.
    wet_until: u128,
    /// How many were too many since the last that was not.
    pub(crate) missed: u32,
}

impl Bucket {
    pub(crate) fn new(per_s: u64, size: u64) -> Self {
        Bucket {
            every_ns: 1_000_000_000 / per_s,
            size,
            wet_until: 0,
            missed: 0,
        }
    }

    pub(crate) fn take(&mut self, now_ms: u64) -> bool {
        let now = u128::from(now_ms) * 1_000_000;
        let wet = self.wet_until.max(now);
        let every = u128::from(self.every_ns);
        if wet - now > every * u128::from(self.size - 1) {
            self.missed += 1;
            return false;
        }
        self.missed = 0;
        self.wet_until = wet + every;
        true
    }
}

//! What a room is by its policies: everything that hosts and operators set,
//! and that survives a restart.

mod suspension;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use conclave_signalling_wire::limits::{
    CHAT_KEEP_DAYS_MAX, CHAT_SLOW_S_MAX, CUSTOM_ROLES, DURATION_S, EXTERNAL_ID_CHARS, NETWORKS,
    TAG_CHARS, TAGS,
};
use conclave_signalling_wire::objects::{
    Allowances, Caps, ChatPolicy, ChatUpdate, CustomRole, DuplicatePolicy, HandOrder, LobbyMode,
    NoHost, Preset, Role, RosterMode, ScreenPolicy, Source, ViewerAllowances,
};
use conclave_signalling_wire::room::{Patch, RoomUpdate};
use conclave_signalling_wire::text::RoleName;
use conclave_signalling_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::DeviceHash;
use crate::permission::can_be_overridden;

/// The grace after the last host has gone, where nobody says otherwise.
const NO_HOST_GRACE_S: u32 = 120;
/// An hour: who waits longer for a host wants another policy.
const NO_HOST_GRACE_S_MAX: u32 = 3600;

/// A lock on one kind of source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Whether it is locked for everybody below the hosts.
    pub on: bool,
    /// Devices that it does not bind. By device, so that it survives a new join.
    pub allow: BTreeSet<DeviceHash>,
}

/// The locks of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locks {
    /// On voices.
    pub microphone: Lock,
    /// On pictures.
    pub camera: Lock,
    /// On screens and their sound.
    pub screen: Lock,
}

impl Locks {
    /// Returns the lock that binds a source.
    pub fn of(&self, source: Source) -> &Lock {
        match source {
            Source::Microphone => &self.microphone,
            Source::Camera => &self.camera,
            Source::Screen | Source::ScreenAudio => &self.screen,
        }
    }

    /// Returns the lock that binds a source, to be changed.
    pub fn of_mut(&mut self, source: Source) -> &mut Lock {
        match source {
            Source::Microphone => &mut self.microphone,
            Source::Camera => &mut self.camera,
            Source::Screen | Source::ScreenAudio => &mut self.screen,
        }
    }
}

/// A network, written `192.0.2.0/24` or `2001:db8::/32`; a single address is one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Returns whether an address is in it. IPv4 addresses written as IPv6 ones count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                a.to_bits() & mask == b.to_bits() & mask
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.bits))
                    .unwrap_or(0);
                a.to_bits() & mask == b.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// Text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidNetwork;

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(bits) => bits.parse().map_err(|_| InvalidNetwork)?,
        };
        if bits > width {
            return Err(InvalidNetwork);
        }
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|InvalidNetwork| serde::de::Error::custom("not a network"))
    }
}

/// The policies of a room. Changes only by [`Settings::apply`] and by locks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Rises by one with each change.
    pub rev: u32,
    /// Which defaults it began with.
    pub preset: Preset,
    /// Its name for people.
    pub title: String,
    /// Whether it lets nobody in but hosts.
    pub locked: bool,
    /// Whether a lobby stands before it.
    pub lobby: LobbyMode,
    /// What those in the lobby read.
    pub lobby_message: Option<String>,
    /// The argon2id hash of its password, as PHC string.
    pub password: Option<PasswordHash>,
    /// Rises by one with each new password: who was checked against an older one was not.
    pub password_rev: u32,
    /// Whether who knows the password need not wait in the lobby.
    pub password_bypasses_lobby: bool,
    /// Whether it begins before a host is there.
    pub start_without_host: bool,
    /// What happens when the last host is gone.
    pub no_host: NoHost,
    /// Seconds after which it happens.
    pub no_host_grace_s: u32,
    /// What happens when somebody comes a second time.
    pub duplicate: DuplicatePolicy,
    /// The role of who comes without an invite.
    pub default_role: Role,
    /// Whether a guest may be a co-host.
    pub guests_may_cohost: bool,
    /// What attendees may do.
    pub attendees: Allowances,
    /// Whom those without special rights see.
    pub roster: RosterMode,
    /// How many at once.
    pub caps: Caps,
    /// When it opens.
    pub opens_at: Option<Timestamp>,
    /// When it closes for newcomers.
    pub closes_at: Option<Timestamp>,
    /// From where it may be entered; empty for everywhere.
    pub allowed_networks: Vec<Network>,
    /// What everybody has to agree to.
    pub consent_text: Option<String>,
    /// Its own roles.
    pub custom_roles: Vec<CustomRole>,
    /// Its locks on sources.
    pub locks: Locks,
    /// Its chat policies.
    pub chat: ChatPolicy,
    /// Who may share a screen.
    pub screen: ScreenPolicy,
    /// What viewers may do.
    #[serde(default)]
    pub viewers: ViewerAllowances,
    /// Whether anybody below the hosts may send reactions.
    #[serde(default = "yes")]
    pub reactions: bool,
    /// In which order hands are called.
    #[serde(default = "as_raised")]
    pub hands: HandOrder,
    /// Whether co-hosts may end the meeting for everybody.
    #[serde(default = "yes")]
    pub cohosts_end: bool,
    /// Seconds after which the meeting ends by itself.
    #[serde(default)]
    pub max_duration_s: Option<u32>,
    /// Whether media is taken only through the relay.
    #[serde(default)]
    pub relay_only: bool,
    /// Words by which the operator finds it. Nobody in the room sees them.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What another system calls it; of all rooms only this one. Nobody in the
    /// room sees it.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The policies from before everything was suspended; `None` while it is not.
    #[serde(default)]
    pub suspended: Option<Box<Snapshot>>,
}

/// What rooms allow that were kept before they could say so.
const fn yes() -> bool {
    true
}

const fn as_raised() -> HandOrder {
    HandOrder::Fifo
}

/// What `panic.suspend` changes, as it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// See [`Settings::locked`].
    pub locked: bool,
    /// See [`Settings::lobby`].
    pub lobby: LobbyMode,
    /// See [`Settings::locks`].
    pub locks: Locks,
    /// See [`Settings::chat`].
    pub chat: ChatPolicy,
}

/// An argon2id hash as PHC string. Not shown, though it is not the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("rev", &self.rev)
            .field("preset", &self.preset)
            .finish_non_exhaustive()
    }
}

/// Why an update was refused; `&str` is the member of [`RoomUpdate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateError {
    /// The value cannot be.
    Bad(&'static str),
    /// Somebody else changed the room first.
    Conflict,
}

impl Settings {
    /// Returns what another room with the same policies begins with: not suspended, with no lock,
    /// and with no name in another system.
    pub fn copied(&self) -> Self {
        let mut copy = self.clone();
        copy.restore();
        Settings {
            rev: 1,
            locked: false,
            locks: Locks::default(),
            external_id: None,
            ..copy
        }
    }

    /// Returns what a new room of a preset begins with: no password, hence the lobby on.
    pub fn new(preset: Preset, title: impl Into<String>) -> Self {
        let speaks = !matches!(preset, Preset::Webinar);
        let shows = matches!(preset, Preset::Meeting | Preset::Interview);
        Settings {
            rev: 1,
            preset,
            title: title.into(),
            locked: false,
            lobby: LobbyMode::On,
            lobby_message: None,
            password: None,
            password_rev: 0,
            password_bypasses_lobby: false,
            start_without_host: false,
            no_host: NoHost::Wait,
            no_host_grace_s: NO_HOST_GRACE_S,
            duplicate: DuplicatePolicy::Ask,
            default_role: Role::Attendee,
            guests_may_cohost: false,
            attendees: Allowances {
                microphone: speaks,
                camera: speaks,
                screen: shows,
                rename: true,
                invite: false,
            },
            roster: match preset {
                Preset::Webinar | Preset::HighSecurity => RosterMode::Hosts,
                Preset::Meeting | Preset::Class | Preset::Interview => RosterMode::All,
            },
            caps: Caps::default(),
            opens_at: None,
            closes_at: None,
            allowed_networks: Vec::new(),
            consent_text: None,
            custom_roles: Vec::new(),
            locks: Locks::default(),
            chat: ChatPolicy::default(),
            screen: ScreenPolicy::One,
            viewers: ViewerAllowances {
                chat: preset == Preset::Webinar,
                hands: preset == Preset::Webinar,
                reactions: preset == Preset::Webinar,
            },
            reactions: true,
            hands: HandOrder::Fifo,
            cohosts_end: true,
            max_duration_s: None,
            relay_only: false,
            tags: Vec::new(),
            external_id: None,
            suspended: None,
        }
    }

    /// Changes what an update names, all of it or nothing. Its password is not
    /// looked at: it has to be hashed first, see [`Settings::set_password`].
    ///
    /// # Errors
    /// [`UpdateError`], and nothing has changed.
    pub fn apply(&mut self, update: &RoomUpdate) -> Result<(), UpdateError> {
        if update.rev.is_some_and(|rev| rev != self.rev) {
            return Err(UpdateError::Conflict);
        }
        check(update)?;
        self.check_window(update)?;
        let networks = match &update.allowed_networks {
            None => None,
            Some(texts) => Some(parse_networks(texts)?),
        };
        // Destructured whole, so that a new member cannot be forgotten here.
        let RoomUpdate {
            rev: _,
            password: _,
            allowed_networks: _,
            title,
            locked,
            lobby,
            lobby_message,
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
            consent_text,
            custom_roles,
            screen,
            relay_only,
            tags,
            external_id,
        } = update.clone();
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(
            &mut self.title,
            title.map(|title| title.as_str().to_owned()),
        );
        set(&mut self.locked, locked);
        set(&mut self.lobby, lobby);
        text_of(lobby_message).apply(&mut self.lobby_message);
        set(&mut self.password_bypasses_lobby, password_bypasses_lobby);
        set(&mut self.start_without_host, start_without_host);
        set(&mut self.no_host, no_host);
        set(&mut self.no_host_grace_s, no_host_grace_s);
        set(&mut self.duplicate, duplicate);
        set(&mut self.default_role, default_role);
        set(&mut self.guests_may_cohost, guests_may_cohost);
        set(&mut self.attendees, attendees);
        set(&mut self.roster, roster);
        set(&mut self.caps, caps);
        opens_at.apply(&mut self.opens_at);
        closes_at.apply(&mut self.closes_at);
        set(&mut self.allowed_networks, networks);
        text_of(consent_text).apply(&mut self.consent_text);
        set(&mut self.custom_roles, custom_roles.map(each_once));
        set(&mut self.screen, screen);
        set(&mut self.relay_only, relay_only);
        set(&mut self.tags, tags.map(sorted));
        external_id.apply(&mut self.external_id);
        set(&mut self.viewers, viewers);
        set(&mut self.reactions, reactions);
        set(&mut self.hands, hands);
        set(&mut self.cohosts_end, cohosts_end);
        max_duration_s.apply(&mut self.max_duration_s);
        if let Some(ChatUpdate {
            public,
            private,
            slow_s,
            links,
            history,
            keep,
            keep_days,
        }) = chat
        {
            set(&mut self.chat.public, public);
            set(&mut self.chat.private, private);
            set(&mut self.chat.slow_s, slow_s);
            set(&mut self.chat.links, links);
            set(&mut self.chat.history, history);
            set(&mut self.chat.keep, keep);
            set(&mut self.chat.keep_days, keep_days);
        }
        self.rev += 1;
        Ok(())
    }

    /// Returns whether the room would be open at any time at all.
    fn check_window(&self, update: &RoomUpdate) -> Result<(), UpdateError> {
        let (mut opens_at, mut closes_at) = (self.opens_at, self.closes_at);
        update.opens_at.apply(&mut opens_at);
        update.closes_at.apply(&mut closes_at);
        let is_never =
            matches!((opens_at, closes_at), (Some(opens), Some(closes)) if opens >= closes);
        if is_never && !update.closes_at.is_keep() {
            return Err(UpdateError::Bad("closes_at"));
        }
        if is_never && !update.opens_at.is_keep() {
            return Err(UpdateError::Bad("opens_at"));
        }
        Ok(())
    }

    /// Sets the hash of a new password, or asks for none.
    pub fn set_password(&mut self, password: Option<PasswordHash>) {
        self.password = password;
        self.password_rev += 1;
        self.rev += 1;
    }

    /// Returns a custom role by its name.
    pub fn custom_role(&self, name: &RoleName) -> Option<&CustomRole> {
        self.custom_roles.iter().find(|role| role.name == *name)
    }
}

fn check(update: &RoomUpdate) -> Result<(), UpdateError> {
    if update
        .default_role
        .is_some_and(|role| !matches!(role, Role::Attendee | Role::Viewer))
    {
        return Err(UpdateError::Bad("default_role"));
    }
    if update
        .no_host_grace_s
        .is_some_and(|seconds| seconds > NO_HOST_GRACE_S_MAX)
    {
        return Err(UpdateError::Bad("no_host_grace_s"));
    }
    if update
        .caps
        .is_some_and(|caps| [caps.participants, caps.microphone, caps.camera].contains(&Some(0)))
    {
        return Err(UpdateError::Bad("caps"));
    }
    if matches!(update.max_duration_s, Patch::Set(seconds) if !DURATION_S.contains(&seconds)) {
        return Err(UpdateError::Bad("max_duration_s"));
    }
    if let Some(chat) = &update.chat {
        if chat.slow_s.is_some_and(|seconds| seconds > CHAT_SLOW_S_MAX) {
            return Err(UpdateError::Bad("chat.slow_s"));
        }
        let days = 1..=CHAT_KEEP_DAYS_MAX;
        if chat.keep_days.is_some_and(|keep| !days.contains(&keep)) {
            return Err(UpdateError::Bad("chat.keep_days"));
        }
    }
    if update.tags.as_deref().is_some_and(|tags| !are_tags(tags)) {
        return Err(UpdateError::Bad("tags"));
    }
    if matches!(&update.external_id, Patch::Set(id) if !is_external_id(id)) {
        return Err(UpdateError::Bad("external_id"));
    }
    match &update.custom_roles {
        Some(roles) if !are_roles(roles) => Err(UpdateError::Bad("custom_roles")),
        _ => Ok(()),
    }
}

/// Returns whether a list of custom roles can be: not too many, each name once,
/// none that is a host, none that may not even be there.
fn are_roles(roles: &[CustomRole]) -> bool {
    let names: BTreeSet<&RoleName> = roles.iter().map(|role| &role.name).collect();
    roles.len() <= CUSTOM_ROLES
        && names.len() == roles.len()
        && roles
            .iter()
            .all(|role| role.base != Role::Host && role.deny.iter().copied().all(can_be_overridden))
}

fn are_tags(tags: &[String]) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    tags.len() <= TAGS
        && tags
            .iter()
            .all(|tag| (1..=TAG_CHARS).contains(&tag.len()) && tag.bytes().all(is_allowed))
}

/// It is said in addresses and in logs: nothing in it looks like something else.
fn is_external_id(id: &str) -> bool {
    (1..=EXTERNAL_ID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Two rooms with the same tags have them in the same order, each once.
fn sorted(tags: Vec<String>) -> Vec<String> {
    let tags: BTreeSet<String> = tags.into_iter().collect();
    tags.into_iter().collect()
}

/// Names each permission of each role once: it is kept and told as often as it is named.
fn each_once(mut roles: Vec<CustomRole>) -> Vec<CustomRole> {
    for role in &mut roles {
        for keys in [&mut role.allow, &mut role.deny] {
            let mut known = BTreeSet::new();
            keys.retain(|key| known.insert(*key));
        }
    }
    roles
}

fn parse_networks(texts: &[String]) -> Result<Vec<Network>, UpdateError> {
    let bad = UpdateError::Bad("allowed_networks");
    if texts.len() > NETWORKS {
        return Err(bad);
    }
    texts
        .iter()
        .map(|text| text.parse().map_err(|InvalidNetwork| bad))
        .collect()
}

fn text_of(patch: Patch<conclave_signalling_wire::text::Prose>) -> Patch<String> {
    match patch {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(text) => Patch::Set(text.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests;

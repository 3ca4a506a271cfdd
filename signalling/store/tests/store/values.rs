//! Any values that a room can have.

use conclave_signalling_core::digest::{DeviceHash, InviteHash, NetworkTag};
use conclave_signalling_core::record::{Actor, Ban, ChatRecord, Invite, Standing};
use conclave_signalling_core::settings::{Lock, PasswordHash, Settings};
use conclave_signalling_wire::chat::{ChatAuthor, ChatMessage, ChatReaction, ChatTarget, Emoji};
use conclave_signalling_wire::ids::{BanId, InviteId, MessageId, ParticipantId, SessionId};
use conclave_signalling_wire::objects::{
    Allowances, Caps, ChatHistory, ChatKeep, CustomRole, DuplicatePolicy, HandOrder, LobbyMode,
    NoHost, Permission, Preset, PrivateChat, PublicChat, Role, RosterMode, ScreenPolicy,
};
use conclave_signalling_wire::permission::{Effect, Override};
use conclave_signalling_wire::text::{ClientId, DisplayName, RoleName};
use conclave_signalling_wire::time::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::NOW_MS;

pub(crate) fn time() -> impl Strategy<Value = Timestamp> {
    (0u64..253_402_300_800_000).prop_map(Timestamp::from_unix_ms)
}

fn device() -> impl Strategy<Value = DeviceHash> {
    any::<[u8; 32]>().prop_map(DeviceHash)
}

fn id() -> impl Strategy<Value = (u64, [u8; 10])> {
    (0u64..1 << 48, any::<[u8; 10]>())
}

fn invite_id() -> impl Strategy<Value = InviteId> {
    id().prop_map(|(ms, random)| InviteId::new(ms, random))
}

pub(crate) fn actor() -> impl Strategy<Value = Actor> {
    prop_oneof![
        id().prop_map(|(ms, random)| Actor::Participant(ParticipantId::new(ms, random))),
        id().prop_map(|(ms, random)| Actor::Link(SessionId::new(ms, random))),
        invite_id().prop_map(Actor::Invite),
        Just(Actor::Operator),
        Just(Actor::Configuration),
        Just(Actor::Room),
    ]
}

fn role() -> impl Strategy<Value = Role> {
    select(Role::ALL.to_vec())
}

fn role_name() -> impl Strategy<Value = RoleName> {
    "[\\PC ]{0,16}x".prop_filter_map("a name", |text| RoleName::new(&text).ok())
}

fn display_name() -> impl Strategy<Value = DisplayName> {
    "[\\PC ]{0,31}x".prop_filter_map("a name", |text| DisplayName::new(&text).ok())
}

fn permissions() -> impl Strategy<Value = Vec<Permission>> {
    vec(select(Permission::ALL.to_vec()), 0..4)
}

prop_compose! {
    fn custom_role()(
        name in role_name(), base in role(), allow in permissions(), deny in permissions(),
    ) -> CustomRole {
        CustomRole { name, base, allow, deny }
    }
}

prop_compose! {
    fn lock()(on: bool, allow in btree_set(device(), 0..3)) -> Lock {
        Lock { on, allow }
    }
}

prop_compose! {
    fn policies()(
        lobby in select(vec![LobbyMode::On, LobbyMode::Off]),
        no_host in select(vec![NoHost::Wait, NoHost::Continue, NoHost::End]),
        duplicate in select(vec![
            DuplicatePolicy::Ask, DuplicatePolicy::RejectNew,
            DuplicatePolicy::Replace, DuplicatePolicy::Allow,
        ]),
        roster in select(vec![RosterMode::All, RosterMode::Hosts]),
        screen in select(vec![ScreenPolicy::One, ScreenPolicy::OneTakeover, ScreenPolicy::Many, ScreenPolicy::Off]),
        public in select(vec![PublicChat::All, PublicChat::Hosts, PublicChat::Off]),
        private in select(vec![PrivateChat::All, PrivateChat::Hosts, PrivateChat::Off]),
        history in select(vec![ChatHistory::None, ChatHistory::Session, ChatHistory::Kept]),
        keep in select(vec![ChatKeep::None, ChatKeep::Session, ChatKeep::Days]),
        hands in select(vec![HandOrder::Fifo, HandOrder::FirstTimersFirst]),
        max_duration_s: Option<u32>,
        flags: [bool; 15],
        caps: (Option<u32>, Option<u32>, Option<u32>),
        numbers: (u32, u32, u32, u32, u32),
        preset in select(vec![
            Preset::Meeting, Preset::Webinar, Preset::Class, Preset::Interview, Preset::HighSecurity,
        ]),
    ) -> Settings {
        let mut settings = Settings::new(preset, "");
        settings.lobby = lobby;
        settings.no_host = no_host;
        settings.duplicate = duplicate;
        settings.roster = roster;
        settings.screen = screen;
        settings.chat.public = public;
        settings.chat.private = private;
        settings.chat.history = history;
        settings.chat.keep = keep;
        settings.chat.slow_s = numbers.0;
        settings.chat.keep_days = numbers.4;
        settings.hands = hands;
        settings.max_duration_s = max_duration_s;
        settings.no_host_grace_s = numbers.1;
        settings.rev = numbers.2;
        settings.password_rev = numbers.3;
        let [microphone, camera, screen, rename, invite, rest @ ..] = flags;
        settings.attendees = Allowances { microphone, camera, screen, rename, invite };
        [
            settings.locked, settings.password_bypasses_lobby, settings.start_without_host,
            settings.guests_may_cohost, settings.chat.links, settings.reactions,
            settings.cohosts_end, settings.viewers.chat, settings.viewers.reactions,
            settings.viewers.hands,
        ] = rest;
        let (participants, microphone, camera) = caps;
        settings.caps = Caps { participants, microphone, camera };
        settings
    }
}

prop_compose! {
    pub(crate) fn settings()(
        policies in policies(),
        title: String,
        texts: (Option<String>, Option<String>, Option<String>),
        default_role in role(),
        times in (of(time()), of(time())),
        networks in vec(prop_oneof![Just("192.0.2.0/24"), Just("2001:db8::/32"), Just("::1")], 0..3),
        custom_roles in vec(custom_role(), 0..3),
        locks in (lock(), lock(), lock()),
    ) -> Settings {
        let mut settings = policies;
        settings.title = title;
        (settings.lobby_message, settings.consent_text) = (texts.0, texts.1);
        settings.password = texts.2.map(PasswordHash);
        settings.default_role = default_role;
        (settings.opens_at, settings.closes_at) = times;
        settings.allowed_networks = networks.iter().map(|text| text.parse().unwrap()).collect();
        settings.custom_roles = custom_roles;
        (settings.locks.microphone, settings.locks.camera, settings.locks.screen) = locks;
        settings
    }
}

prop_compose! {
    pub(crate) fn invite()(
        id in invite_id(),
        hash: [u8; 32],
        roles in (role(), of(role_name())),
        name in of(display_name()),
        flags: [bool; 4],
        maker in of(device()),
        uses: (Option<u32>, u32),
        devices in vec(device(), 0..5),
        times in (of(time()), of(time()), time(), of(time()), of(time())),
        note: Option<String>,
        created_by in actor(),
    ) -> Invite {
        let [name_locked, bypass_lobby, bind_device, vouched] = flags;
        Invite {
            id, hash: InviteHash(hash), role: roles.0, custom_role: roles.1, name, name_locked,
            max_uses: uses.0, devices, uses: uses.1, not_before: times.0, expires_at: times.1,
            bypass_lobby, bind_device, note, created_by, created_at: times.2,
            last_used_at: times.3, revoked_at: times.4, maker, vouched,
        }
    }
}

prop_compose! {
    pub(crate) fn ban()(
        id in id(),
        invite in of(invite_id()),
        device in of(device()),
        network: Option<(u32, [u8; 16])>,
        strict: bool,
        texts: (Option<String>, Option<String>),
        by in actor(),
        times in (time(), time(), time()),
    ) -> Ban {
        Ban {
            id: BanId::new(id.0, id.1), invite, device,
            network: network.map(|(key, tag)| NetworkTag { key, tag }),
            network_until: times.0, strict, name: texts.0, reason: texts.1, by,
            created_at: times.1, expires_at: times.2,
        }
    }
}

prop_compose! {
    fn exception()(
        key in select(Permission::ALL.to_vec()),
        effect in select(vec![Effect::Allow, Effect::Deny]),
        expires_at in of(time()),
    ) -> Override {
        Override { key, effect, expires_at }
    }
}

prop_compose! {
    pub(crate) fn standing()(
        device in device(),
        role in of(role()),
        custom_role in of(role_name()),
        overrides in vec(exception(), 0..4),
        name in of(display_name()),
        (admitted, sent_back, removals) in any::<(bool, bool, u32)>(),
        invite in of(invite_id()),
        network in of((any::<u32>(), any::<[u8; 16]>())),
        left_at in of(time()),
    ) -> Standing {
        let network = network.map(|(key, tag)| NetworkTag { key, tag });
        Standing {
            device, role, custom_role, overrides, name, admitted, removals, sent_back, invite,
            network, left_at,
        }
    }
}

fn participant() -> impl Strategy<Value = ParticipantId> {
    id().prop_map(|(ms, random)| ParticipantId::new(ms, random))
}

fn target() -> impl Strategy<Value = ChatTarget> {
    prop_oneof![
        Just(ChatTarget::All {}),
        Just(ChatTarget::Hosts {}),
        participant().prop_map(|participant| ChatTarget::Participant { participant }),
    ]
}

prop_compose! {
    fn reaction()(
        emoji in select(Emoji::ALL.to_vec()),
        participants in vec(participant(), 0..3),
        count: u32,
    ) -> ChatReaction {
        ChatReaction { emoji, participants, count }
    }
}

prop_compose! {
    pub(crate) fn message()(
        ids in (id(), of(id()), id()),
        number: u32,
        client_id in "[a-zA-Z0-9_-]{1,64}",
        author in (participant(), display_name(), role()),
        to in target(),
        text: String,
        mentions in vec(participant(), 0..3),
        times in (time(), of(time()), time()),
        pinned: bool,
        deleted_by in of(role()),
        reactions in vec(reaction(), 0..3),
        device in device(),
    ) -> ChatRecord {
        let (participant, name, role) = author;
        // The store gives out what is kept at the moment of the test.
        let expires_at = Timestamp::from_unix_ms(times.2.unix_ms().max(NOW_MS + 1));
        let message_id = |(ms, random)| MessageId::new(ms, random);
        ChatRecord {
            message: ChatMessage {
                id: message_id(ids.0), number, client_id: ClientId::new(&client_id).unwrap(),
                from: ChatAuthor { participant, name, role }, to, text,
                reply_to: ids.1.map(message_id), mentions, ts: times.0, edited_at: times.1, pinned,
                deleted_by, reactions,
            },
            device, session: SessionId::new(ids.2.0, ids.2.1), expires_at,
        }
    }
}

//! With what a history begins: a room of some policies, with invites of all
//! kinds.

use std::collections::BTreeMap;

use conclave_signalling_core::digest::InviteHash;
use conclave_signalling_core::record::{Actor, Invite, RoomRecord};
use conclave_signalling_core::settings::{PasswordHash, Settings};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::objects::{
    AvLock, Caps, CustomRole, DuplicatePolicy, LobbyMode, NoHost, Permission, Preset, Role, Room,
    RosterMode, ScreenPolicy, SourceLock,
};
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::{DisplayName, RoleName, Slug};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::history::Verb;
use crate::model::{Lead, Model, at, refusals};
use crate::seen::Expected;
use crate::world::{START_MS, invite_id};

/// Draws a room, as the store has it and as the model has it.
pub(crate) fn set(rng: &mut StdRng) -> (RoomRecord, Model) {
    let presets = [
        Preset::Meeting,
        Preset::Meeting,
        Preset::Webinar,
        Preset::Class,
        Preset::Interview,
    ];
    let mut settings = Settings::new(presets[rng.random_range(0..5)], "Welcome");
    if rng.random_bool(0.6) {
        settings.lobby = LobbyMode::Off;
    }
    settings.start_without_host = rng.random_bool(0.5);
    settings.no_host = [NoHost::Wait, NoHost::Continue, NoHost::End][rng.random_range(0..3)];
    settings.no_host_grace_s = [0, 20, 120][rng.random_range(0..3)];
    settings.duplicate = [
        DuplicatePolicy::Ask,
        DuplicatePolicy::Ask,
        DuplicatePolicy::RejectNew,
        DuplicatePolicy::Replace,
        DuplicatePolicy::Allow,
    ][rng.random_range(0..5)];
    if rng.random_bool(0.3) {
        settings.password = Some(PasswordHash("$argon2id$".to_owned()));
        settings.password_rev = 1;
    }
    if rng.random_bool(0.3) {
        settings.roster = RosterMode::Hosts;
    }
    if rng.random_bool(0.2) {
        settings.default_role = Role::Viewer;
    }
    if rng.random_bool(0.3) {
        settings.caps = Caps {
            participants: Some(rng.random_range(2..6)),
            microphone: Some(2),
            camera: None,
        };
    }
    settings.guests_may_cohost = rng.random_bool(0.3);
    settings.screen = [
        ScreenPolicy::One,
        ScreenPolicy::OneTakeover,
        ScreenPolicy::OneTakeover,
        ScreenPolicy::Many,
    ][rng.random_range(0..4)];
    settings.custom_roles = custom_roles();
    let record = RoomRecord {
        id: RoomId::new(START_MS, [0; 10]),
        slug: Slug::new("welcome").expect("a slug"),
        invites: invites(),
        bans: Vec::new(),
        standings: Vec::new(),
        chat: Vec::new(),
        settings,
    };
    let participants_max = rng.random_range(4..9);
    let model = model(&record, participants_max);
    (record, model)
}

pub(crate) fn custom_roles() -> Vec<CustomRole> {
    let role = |name: &str, base, allow: &[Permission], deny: &[Permission]| CustomRole {
        name: RoleName::new(name).expect("a name"),
        base,
        allow: allow.to_vec(),
        deny: deny.to_vec(),
    };
    use Permission::*;
    vec![
        role("Interpreter", Role::Viewer, &[PublishAudio, RosterSee], &[]),
        role(
            "Doorkeeper",
            Role::Attendee,
            &[LobbyManage],
            &[PublishScreen],
        ),
        role(
            "Usher",
            Role::CoHost,
            &[],
            &[SessionStart, MediaMute, RoomSettings],
        ),
    ]
}

fn invites() -> Vec<Invite> {
    let blank = |number: u8, role| Invite {
        id: invite_id(number),
        hash: InviteHash::from(&InviteSecret::new([number + 1; 16])),
        role,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: None,
        devices: Vec::new(),
        uses: 0,
        not_before: None,
        expires_at: None,
        bypass_lobby: false,
        bind_device: false,
        note: None,
        created_by: Actor::Operator,
        created_at: at(START_MS),
        last_used_at: None,
        maker: None,
        vouched: true,
        revoked_at: None,
    };
    let named = |text: &str| Some(DisplayName::new(text).expect("a name"));
    vec![
        blank(0, Role::Host),
        Invite {
            max_uses: Some(1),
            ..blank(1, Role::CoHost)
        },
        blank(2, Role::CoHost),
        Invite {
            max_uses: Some(2),
            ..blank(3, Role::Presenter)
        },
        Invite {
            bypass_lobby: true,
            ..blank(4, Role::Attendee)
        },
        Invite {
            bind_device: true,
            custom_role: Some(RoleName::new("Interpreter").expect("a name")),
            ..blank(5, Role::Viewer)
        },
        Invite {
            name: named("Professor"),
            name_locked: true,
            ..blank(6, Role::Presenter)
        },
        Invite {
            expires_at: Some(at(START_MS + 400_000)),
            not_before: Some(at(START_MS + 20_000)),
            ..blank(7, Role::Attendee)
        },
        Invite {
            custom_role: Some(RoleName::new("Usher").expect("a name")),
            name: named("Usher"),
            ..blank(8, Role::CoHost)
        },
    ]
}

fn model(record: &RoomRecord, participants_max: usize) -> Model {
    let settings = &record.settings;
    let open = || SourceLock {
        on: false,
        allow: Vec::new(),
    };
    let room = Room {
        id: record.id,
        slug: record.slug.clone(),
        title: settings.title.clone(),
        rev: settings.rev,
        preset: settings.preset,
        locked: settings.locked,
        lobby: settings.lobby,
        lobby_message: None,
        password_set: settings.password.is_some(),
        password_bypasses_lobby: settings.password_bypasses_lobby,
        start_without_host: settings.start_without_host,
        no_host: settings.no_host,
        no_host_grace_s: settings.no_host_grace_s,
        waiting_for_host: false,
        duplicate: settings.duplicate,
        default_role: settings.default_role,
        guests_may_cohost: settings.guests_may_cohost,
        attendees: settings.attendees,
        viewers: settings.viewers,
        reactions: settings.reactions,
        hands: settings.hands,
        cohosts_end: settings.cohosts_end,
        max_duration_s: settings.max_duration_s,
        roster: settings.roster,
        caps: settings.caps,
        opens_at: None,
        closes_at: None,
        consent_text: None,
        custom_roles: settings.custom_roles.clone(),
        av_lock: AvLock {
            microphone: open(),
            camera: open(),
            screen: open(),
        },
        chat: settings.chat.clone(),
        screen: settings.screen,
        relay_only: settings.relay_only,
        suspended: false,
        ends_at: None,
        spotlight: Vec::new(),
    };
    let invites = record.invites.iter().cloned();
    Model {
        now: START_MS,
        step: 0,
        room,
        locks: Default::default(),
        allowed_networks: Vec::new(),
        password_rev: settings.password_rev,
        people: BTreeMap::new(),
        waiting: BTreeMap::new(),
        handled: BTreeMap::new(),
        arrivals: 0,
        by_will: false,
        recent_knocks: Vec::new(),
        flood_until: 0,
        invites: invites.map(|invite| (invite.id, invite)).collect(),
        bans: Vec::new(),
        standings: BTreeMap::new(),
        stewards: BTreeMap::new(),
        session_since: None,
        lead: Lead::NotBegun,
        shares: Vec::new(),
        share_count: 0,
        takeovers: Vec::new(),
        taken: BTreeMap::new(),
        late: BTreeMap::new(),
        prompts: Vec::new(),
        prompted: BTreeMap::new(),
        held: BTreeMap::new(),
        hashing: BTreeMap::new(),
        door: refusals(),
        is_deleted: false,
        chat: Default::default(),
        hands: Default::default(),
        offers: Vec::new(),
        offered: BTreeMap::new(),
        snapshot: None,
        countdown: None,
        not_before: 0,
        participants_max,
        revs: BTreeMap::new(),
        lists: BTreeMap::new(),
        expected: Expected::default(),
    }
}

/// What hosts do, so that histories let them do it more often than others try.
pub(crate) fn is_of_hosts(verb: &Verb) -> bool {
    !matches!(
        verb,
        Verb::Ping
            | Verb::Leave
            | Verb::Track { .. }
            | Verb::Publish { .. }
            | Verb::Unpublish { .. }
            | Verb::Screen { .. }
            | Verb::Reply { .. }
            | Verb::Pause { .. }
            | Verb::AnswerTakeover { .. }
            | Verb::AnswerOffer { .. }
            | Verb::Chat { .. }
            | Verb::EditChat { .. }
            | Verb::ReactChat { .. }
            | Verb::React { .. }
            | Verb::Raise
    )
}

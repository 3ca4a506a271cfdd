//! The table of roles, pinned; and the rules on top of it, for any room.

use std::collections::BTreeSet;

use conclave_signalling_wire::objects::{
    Allowances, CustomRole, LobbyMode, Preset, RosterMode, Source, ViewerAllowances,
};
use conclave_signalling_wire::secret::DeviceKey;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const PRESETS: [(Preset, char); 5] = [
    (Preset::Meeting, 'm'),
    (Preset::Webinar, 'w'),
    (Preset::Class, 'c'),
    (Preset::Interview, 'i'),
    (Preset::HighSecurity, 'h'),
];

/// Which presets allow what, per role: `*` all of them, `-` none, else their
/// letters: (m)eeting, (w)ebinar, (c)lass, (i)nterview, (h)igh security.
const TABLE: &str = "
                        host    co_host presenter attendee viewer
room.join               *       *       *         *        *
lobby.bypass            *       *       *         -        -
lobby.manage            *       *       -         -        -
room.lock               *       *       -         -        -
session.start           *       *       -         -        -
session.end             *       *       -         -        -
session.announce        *       *       -         -        -
room.settings           *       *       -         -        -
room.password           *       -       -         -        -
invite.create           *       *       -         -        -
invite.manage           *       *       -         -        -
publish.audio           *       *       *         mcih     -
publish.video           *       *       *         mcih     -
publish.screen          *       *       *         mi       -
publish.screen_audio    *       *       *         mi       -
receive.media           *       *       *         *        *
receive.screen          *       *       *         *        *
media.mute              *       *       -         -        -
media.request           *       *       -         -        -
media.grant             *       *       -         -        -
media.lock_all          *       *       -         -        -
screen.takeover         *       *       -         -        -
spotlight.set           *       *       -         -        -
panic.suspend           *       *       -         -        -
roster.see              *       *       *         mci      -
roster.see_roles        *       *       *         mci      -
participant.remove      *       *       -         -        -
participant.ban         *       *       -         -        -
ban.manage              *       *       -         -        -
participant.to_lobby    *       *       -         -        -
participant.rename      *       *       -         -        -
self.rename             *       *       *         *        -
role.assign             *       *       -         -        -
attendance.export       *       *       -         -        -
chat.read               *       *       *         *        *
chat.send               *       *       *         *        w
chat.private_hosts      *       *       *         *        w
chat.private_any        *       *       -         -        -
chat.delete_own         *       *       *         *        *
chat.edit_own           *       *       *         *        *
chat.delete_any         *       *       -         -        -
chat.clear              *       *       -         -        -
chat.configure          *       *       -         -        -
chat.pin                *       *       -         -        -
chat.react              *       *       *         *        w
chat.export             *       *       -         -        -
hand.raise              *       *       *         *        w
hand.manage             *       *       -         -        -
reaction.send           *       *       *         *        w
";

const NOON: Timestamp = Timestamp::from_unix_ms(1_795_348_800_000);

fn plain(role: Role) -> Subject<'static> {
    Subject {
        role,
        custom_role: None,
        overrides: &[],
        device: None,
    }
}

fn room(preset: Preset) -> Settings {
    Settings::new(preset, "Room")
}

fn allows(settings: &Settings, subject: &Subject<'_>, permission: Permission) -> bool {
    decide(settings, subject, NOON, permission).allowed
}

#[test]
fn each_role_may_what_the_table_says() {
    let mut rows = TABLE.trim().lines();
    let roles: Vec<&str> = rows.next().unwrap().split_whitespace().collect();
    assert_eq!(
        roles,
        ["host", "co_host", "presenter", "attendee", "viewer"]
    );
    let mut named = Vec::new();
    for row in rows {
        let mut cells = row.split_whitespace();
        let name = cells.next().unwrap();
        let permission = Permission::ALL.iter().find(|known| known.name() == name);
        let permission = *permission.unwrap();
        named.push(permission);
        for (role, cell) in Role::ALL.into_iter().zip(cells) {
            for (preset, letter) in PRESETS {
                let expected = cell == "*" || cell.contains(letter);
                let is = allows(&room(preset), &plain(role), permission);
                assert_eq!(is, expected, "{name} of {role:?} in {preset:?}");
            }
        }
    }
    assert_eq!(named, Permission::ALL);
}

/// Returns what an attendee and a viewer gain or lose by a change of the room.
fn moved(change: impl Fn(&mut Settings)) -> Vec<(Role, Permission, bool)> {
    let before = room(Preset::Meeting);
    let mut after = before.clone();
    change(&mut after);
    let mut moved = Vec::new();
    for role in Role::ALL {
        for permission in Permission::ALL.iter().copied() {
            let is = allows(&after, &plain(role), permission);
            if is != allows(&before, &plain(role), permission) {
                moved.push((role, permission, is));
            }
        }
    }
    moved
}

#[test]
fn each_setting_moves_its_own_cells() {
    use Permission::*;
    use Role::*;
    assert_eq!(
        moved(|room| room.attendees.microphone = false),
        [(Attendee, PublishAudio, false)]
    );
    assert_eq!(
        moved(|room| room.attendees.camera = false),
        [(Attendee, PublishVideo, false)]
    );
    assert_eq!(
        moved(|room| room.attendees.screen = false),
        [
            (Attendee, PublishScreen, false),
            (Attendee, PublishScreenAudio, false)
        ]
    );
    assert_eq!(
        moved(|room| room.attendees.rename = false),
        [(Attendee, SelfRename, false)]
    );
    assert_eq!(
        moved(|room| room.attendees.invite = true),
        [
            (Presenter, InviteCreate, true),
            (Attendee, InviteCreate, true)
        ]
    );
    assert_eq!(
        moved(|room| room.roster = RosterMode::Hosts),
        [
            (Attendee, RosterSee, false),
            (Attendee, RosterSeeRoles, false)
        ]
    );
    let no_screens: Vec<_> = [Host, CoHost, Presenter, Attendee]
        .into_iter()
        .flat_map(|role| {
            [PublishScreen, PublishScreenAudio].map(|permission| (role, permission, false))
        })
        .collect();
    assert_eq!(moved(|room| room.screen = ScreenPolicy::Off), no_screens);
    assert_eq!(
        moved(|room| room.locks.microphone.on = true),
        [
            (Presenter, PublishAudio, false),
            (Attendee, PublishAudio, false)
        ]
    );
    assert_eq!(moved(|room| room.lobby = LobbyMode::Off), []);
    assert_eq!(
        moved(|room| room.cohosts_end = false),
        [(CoHost, SessionEnd, false)]
    );
}

#[test]
fn what_viewers_may_is_a_setting_of_the_room() {
    use Permission::*;
    use Role::Viewer;
    assert_eq!(
        moved(|room| room.viewers.chat = true),
        [ChatSend, ChatPrivateHosts, ChatReact].map(|key| (Viewer, key, true))
    );
    assert_eq!(
        moved(|room| room.viewers.hands = true),
        [(Viewer, HandRaise, true)]
    );
    assert_eq!(
        moved(|room| room.viewers.reactions = true),
        [(Viewer, ReactionSend, true)]
    );
}

#[test]
fn the_modes_of_the_chat_move_their_own_cells() {
    use Permission::*;
    use Role::*;
    let each = |roles: &[Role], keys: &[Permission], is: bool| -> Vec<(Role, Permission, bool)> {
        let cells = roles
            .iter()
            .flat_map(|role| keys.iter().map(move |key| (*role, *key, is)));
        cells.collect()
    };
    let hosts = [Host, CoHost];
    let below = [Presenter, Attendee];
    // Hosts are exempt from what is for hosts, and from nothing that is off.
    assert_eq!(
        moved(|room| room.chat.public = PublicChat::Hosts),
        each(&below, &[ChatSend], false)
    );
    assert_eq!(
        moved(|room| room.chat.public = PublicChat::Off),
        each(&[Host, CoHost, Presenter, Attendee], &[ChatSend], false)
    );
    assert_eq!(
        moved(|room| room.chat.private = PrivateChat::All),
        each(&below, &[ChatPrivateAny], true)
    );
    let mut off = each(&hosts, &[ChatPrivateHosts, ChatPrivateAny], false);
    off.extend(each(&below, &[ChatPrivateHosts], false));
    assert_eq!(moved(|room| room.chat.private = PrivateChat::Off), off);
    let all_off = moved(|room| {
        room.chat.public = PublicChat::Off;
        room.chat.private = PrivateChat::Off;
    });
    let silent = [ChatSend, ChatPrivateHosts, ChatPrivateAny, ChatReact];
    let mut off = each(&hosts, &silent, false);
    off.extend(each(
        &below,
        &[ChatSend, ChatPrivateHosts, ChatReact],
        false,
    ));
    assert_eq!(all_off, off);
    assert_eq!(
        moved(|room| room.reactions = false),
        each(&below, &[ReactionSend], false)
    );
}

#[test]
fn no_exception_and_no_custom_role_speaks_where_the_room_is_silent() {
    use Permission::*;
    let keys = [
        ChatSend,
        ChatPrivateHosts,
        ChatPrivateAny,
        ChatReact,
        ReactionSend,
    ];
    let overrides = keys.map(|key| Override {
        key,
        effect: Effect::Allow,
        expires_at: None,
    });
    let name = RoleName::new("Own").unwrap();
    let mut room = room(Preset::Meeting);
    room.custom_roles = vec![CustomRole {
        name: name.clone(),
        base: Role::Attendee,
        allow: keys.to_vec(),
        deny: Vec::new(),
    }];
    let subject = Subject {
        custom_role: Some(&name),
        overrides: &overrides,
        ..plain(Role::Attendee)
    };
    let is_silent = |room: &Settings, key| {
        let decision = decide(room, &subject, NOON, key);
        !decision.allowed && decision.rule == Rule::RoomPolicy
    };
    let silent = |room: &Settings| keys.map(|key| is_silent(room, key));
    assert_eq!(silent(&room), [false, false, true, false, false]);
    room.chat.private = PrivateChat::All;
    assert_eq!(silent(&room), [false; 5]);
    room.chat.public = PublicChat::Hosts;
    room.reactions = false;
    assert_eq!(silent(&room), [true, false, false, false, true]);
    room.chat.public = PublicChat::Off;
    room.chat.private = PrivateChat::Off;
    assert_eq!(silent(&room), [true; 5]);
}

#[test]
fn the_first_rule_that_says_anything_decides() {
    let mut room = room(Preset::Meeting);
    let name = RoleName::new("Interpreter").unwrap();
    let deny = [Override {
        key: Permission::PublishScreen,
        effect: Effect::Deny,
        expires_at: None,
    }];
    let device = DeviceHash::from(&DeviceKey::new([1; 16]));
    room.custom_roles = vec![CustomRole {
        name: name.clone(),
        base: Role::Viewer,
        allow: vec![Permission::PublishScreen],
        deny: Vec::new(),
    }];
    let mut subject = plain(Role::Viewer);
    let rule = |room: &Settings, subject: &Subject<'_>| {
        let decision = decide(room, subject, NOON, Permission::PublishScreen);
        (decision.allowed, decision.rule)
    };
    assert_eq!(rule(&room, &subject), (false, Rule::Role));
    subject.custom_role = Some(&name);
    assert_eq!(rule(&room, &subject), (true, Rule::CustomRole));
    subject.overrides = &deny;
    assert_eq!(rule(&room, &subject), (false, Rule::Override));
    room.locks.screen.on = true;
    assert_eq!(rule(&room, &subject), (false, Rule::Lock));
    subject.device = Some(&device);
    room.locks.screen.allow = BTreeSet::from([device]);
    assert_eq!(rule(&room, &subject), (false, Rule::Override));
    subject.overrides = &[];
    assert_eq!(rule(&room, &subject), (true, Rule::CustomRole));
    room.screen = ScreenPolicy::Off;
    assert_eq!(rule(&room, &subject), (false, Rule::RoomPolicy));
}

#[test]
fn guests_are_no_co_hosts_unless_the_room_says_so() {
    let mut room = room(Preset::Meeting);
    for role in Role::ALL {
        assert_eq!(
            may_hold(&room, Identity::Guest, role),
            role != Role::CoHost,
            "{role:?}"
        );
        assert!(may_hold(&room, Identity::Invited, role));
        assert!(may_hold(&room, Identity::Verified, role));
    }
    room.guests_may_cohost = true;
    assert!(may_hold(&room, Identity::Guest, Role::CoHost));
}

fn any_permissions() -> impl Strategy<Value = Vec<Permission>> {
    proptest::sample::subsequence(Permission::ALL, 0..Permission::ALL.len())
}

fn any_override() -> impl Strategy<Value = Override> {
    (
        select(Permission::ALL),
        any::<bool>(),
        proptest::option::of(0u64..2 * NOON.unix_ms()),
    )
        .prop_map(|(key, allow, until)| Override {
            key,
            effect: if allow { Effect::Allow } else { Effect::Deny },
            expires_at: until.map(Timestamp::from_unix_ms),
        })
}

prop_compose! {
    fn any_room()(
        (preset, _) in select(&PRESETS[..]),
        (microphone, camera, screen, rename, invite) in any::<(bool, bool, bool, bool, bool)>(),
        is_open in any::<bool>(),
        no_screens in any::<bool>(),
        public in select(&[PublicChat::All, PublicChat::Hosts, PublicChat::Off][..]),
        private in select(&[PrivateChat::All, PrivateChat::Hosts, PrivateChat::Off][..]),
        (chat, hands, viewers_react, reactions, cohosts_end) in any::<(bool, bool, bool, bool, bool)>(),
        locks in any::<[bool; 3]>(),
        allow in any_permissions(),
        deny in any_permissions(),
        base in select(&Role::ALL[1..]),
        allowed_devices in proptest::collection::btree_set(0u8..4, 0..3),
    ) -> Settings {
        let mut room = room(preset);
        room.attendees = Allowances { microphone, camera, screen, rename, invite };
        room.roster = if is_open { RosterMode::All } else { RosterMode::Hosts };
        if no_screens {
            room.screen = ScreenPolicy::Off;
        }
        (room.chat.public, room.chat.private) = (public, private);
        room.viewers = ViewerAllowances { chat, hands, reactions: viewers_react };
        (room.reactions, room.cohosts_end) = (reactions, cohosts_end);
        let names = [Source::Microphone, Source::Camera, Source::Screen];
        for (source, on) in names.into_iter().zip(locks) {
            let lock = room.locks.of_mut(source);
            lock.on = on;
            lock.allow = allowed_devices.iter().copied().map(device).collect();
        }
        room.custom_roles = vec![CustomRole {
            name: RoleName::new("Own").unwrap(),
            base,
            allow,
            deny: deny.into_iter().filter(|key| can_be_overridden(*key)).collect(),
        }];
        room
    }
}

fn device(number: u8) -> DeviceHash {
    DeviceHash::from(&DeviceKey::new([number; 16]))
}

/// Somebody, owned.
#[derive(Debug, Clone)]
struct Somebody {
    role: Role,
    custom_role: Option<RoleName>,
    overrides: Vec<Override>,
    device: DeviceHash,
}

impl Somebody {
    fn subject(&self) -> Subject<'_> {
        Subject {
            role: self.role,
            custom_role: self.custom_role.as_ref(),
            overrides: &self.overrides,
            device: Some(&self.device),
        }
    }
}

prop_compose! {
    fn anybody()(
        role in select(&Role::ALL[..]),
        has_custom in any::<bool>(),
        overrides in proptest::collection::vec(any_override(), 0..6),
        number in 0u8..6,
    ) -> Somebody {
        let mut keys = BTreeSet::new();
        Somebody {
            role,
            custom_role: has_custom.then(|| RoleName::new("Own").unwrap()),
            overrides: overrides.into_iter().filter(|one| keys.insert(one.key)).collect(),
            device: device(number),
        }
    }
}

proptest! {
    #[test]
    fn what_nothing_allows_is_denied(room in any_room(), who in anybody(), key in select(Permission::ALL)) {
        let decision = decide(&room, &who.subject(), NOON, key);
        if decision.allowed {
            let by_override = who.overrides.iter().any(|one| {
                one.key == key && one.effect == Effect::Allow && is_live(one, NOON)
            });
            let by_custom = who.custom_role.is_some() && room.custom_roles[0].allow.contains(&key);
            let by_role = preset::allows(&room, who.role, key);
            prop_assert!(by_override || by_custom || by_role);
        }
    }

    #[test]
    fn off_is_off_for_hosts_too(mut room in any_room(), who in anybody()) {
        room.screen = ScreenPolicy::Off;
        for key in [Permission::PublishScreen, Permission::PublishScreenAudio] {
            let decision = decide(&room, &who.subject(), NOON, key);
            prop_assert_eq!(decision, Decision { allowed: false, rule: Rule::RoomPolicy });
        }
    }

    #[test]
    fn a_chat_that_is_off_is_off_for_hosts_too(mut room in any_room(), who in anybody()) {
        room.chat.public = PublicChat::Off;
        room.chat.private = PrivateChat::Off;
        let keys = [
            Permission::ChatSend,
            Permission::ChatPrivateHosts,
            Permission::ChatPrivateAny,
            Permission::ChatReact,
        ];
        for key in keys {
            let decision = decide(&room, &who.subject(), NOON, key);
            prop_assert_eq!(decision, Decision { allowed: false, rule: Rule::RoomPolicy });
        }
    }

    #[test]
    fn a_lock_binds_everybody_but_hosts_and_those_allowed(room in any_room(), who in anybody(), source in select(&Source::ALL[..])) {
        let lock = room.locks.of(source);
        let is_bound = lock.on && !who.role.is_host() && !lock.allow.contains(&who.device);
        let rule = decide(&room, &who.subject(), NOON, Permission::to_publish(source)).rule;
        let is_off = rule == Rule::RoomPolicy;
        prop_assert!(is_off || (rule == Rule::Lock) == is_bound);
    }

    #[test]
    fn an_exception_beats_roles_until_it_ends(room in any_room(), who in anybody(), key in select(Permission::ALL)) {
        let decision = decide(&room, &who.subject(), NOON, key);
        let live = who.overrides.iter().find(|one| one.key == key && is_live(one, NOON));
        match decision.rule {
            Rule::RoomPolicy | Rule::Lock => {}
            Rule::Override => prop_assert_eq!(Some(decision.allowed), live.map(|one| one.effect == Effect::Allow)),
            Rule::CustomRole | Rule::Role => prop_assert!(live.is_none() || !can_be_overridden(key)),
        }
        // What has ended is as if it had never been.
        let mut after = who.clone();
        after.overrides.retain(|one| is_live(one, NOON));
        prop_assert_eq!(decide(&room, &after.subject(), NOON, key), decision);
    }

    #[test]
    fn a_custom_role_beats_the_role_it_is_based_on(room in any_room(), who in anybody(), key in select(Permission::ALL)) {
        let decision = decide(&room, &who.subject(), NOON, key);
        let custom = who.custom_role.as_ref().and_then(|name| room.custom_role(name));
        if decision.rule == Rule::Role && can_be_overridden(key) {
            let is_named = custom.is_some_and(|custom| custom.allow.contains(&key) || custom.deny.contains(&key));
            prop_assert!(!is_named);
        }
        if decision.rule == Rule::CustomRole {
            // A refusal wins where a role both allows and denies.
            prop_assert_eq!(Some(decision.allowed), custom.map(|custom| !custom.deny.contains(&key)));
        }
    }

    #[test]
    fn nobody_in_a_room_is_shut_off(room in any_room(), who in anybody()) {
        let may = permissions_of(&room, &who.subject(), NOON);
        for key in [Permission::RoomJoin, Permission::ReceiveMedia, Permission::ReceiveScreen] {
            prop_assert!(may.contains(key));
        }
    }

    #[test]
    fn a_higher_role_may_whatever_a_lower_one_may(mut room in any_room(), key in select(Permission::ALL)) {
        room.custom_roles.clear();
        for pair in Role::ALL.windows(2) {
            prop_assert!(!allows(&room, &plain(pair[1]), key) || allows(&room, &plain(pair[0]), key));
        }
    }

    #[test]
    fn the_whole_set_is_what_each_question_says(room in any_room(), who in anybody()) {
        let may = permissions_of(&room, &who.subject(), NOON);
        for key in Permission::ALL.iter().copied() {
            prop_assert_eq!(may.contains(key), decide(&room, &who.subject(), NOON, key).allowed);
        }
    }

    #[test]
    fn rank_is_a_strict_order(a in select(&Role::ALL[..]), b in select(&Role::ALL[..]), c in select(&Role::ALL[..])) {
        prop_assert!(!may_act_on(a, a));
        prop_assert!(!(may_act_on(a, b) && may_act_on(b, a)));
        prop_assert!(a == b || may_act_on(a, b) || may_act_on(b, a));
        prop_assert!(!(may_act_on(a, b) && may_act_on(b, c)) || may_act_on(a, c));
    }

    #[test]
    fn nobody_makes_anybody_an_equal(actor in select(&Role::ALL[..]), target in select(&Role::ALL[..]), role in select(&Role::ALL[..])) {
        if may_assign(actor, target, role) {
            prop_assert!(may_act_on(actor, target));
            prop_assert!(actor.outranks(role));
            prop_assert!(role != Role::Host);
        }
        prop_assert!(may_assign(Role::Host, Role::Attendee, Role::CoHost));
    }

    #[test]
    fn a_set_holds_what_was_put_into_it(keys in any_permissions(), more in select(Permission::ALL)) {
        let mut set: PermissionSet = keys.iter().copied().collect();
        prop_assert_eq!(&set.to_vec(), &keys);
        prop_assert_eq!(set.contains(more), keys.contains(&more));
        set.insert(more);
        prop_assert!(set.contains(more));
        let known = keys.contains(&more);
        prop_assert_eq!(set.iter().count(), keys.len() + usize::from(!known));
        prop_assert!(Permission::ALL.iter().all(|key| PermissionSet::all().contains(*key)));
    }
}

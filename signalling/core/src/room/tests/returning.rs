//! Coming back after a removal, a demotion, an admission or a meeting.

use super::*;
use conclave_signalling_wire::lobby::LobbyEntry;
use conclave_signalling_wire::moderation::{BanOrder, BanScope, OverrideEffect};
use conclave_signalling_wire::objects::{DuplicatePolicy, Permission};
use conclave_signalling_wire::request::{
    BanLift, InviteRevoke, Leave, LobbyAdmit, LobbyDeny, ParticipantRemove, ParticipantRename,
    ParticipantToLobby, PermOverride, RoleSet,
};

use crate::digest::consent_hash;
use crate::room::Managing;

const HOST: u8 = 1;
const PANEL: u8 = 2;
const ONCE: u8 = 3;
const COHOST: u8 = 4;
/// The networks of most, of whoever is removed, and of others.
const OFFICE: u8 = 7;
const ELSEWHERE: u8 = 8;

fn record(record: &mut RoomRecord) {
    record.invites = vec![
        invite(HOST, Role::Host),
        Invite {
            bypass_lobby: true,
            ..invite(PANEL, Role::Presenter)
        },
        Invite {
            max_uses: Some(1),
            bypass_lobby: true,
            ..invite(ONCE, Role::Attendee)
        },
        Invite {
            max_uses: Some(1),
            ..invite(COHOST, Role::CoHost)
        },
    ];
}

/// A room with a host in it.
fn led(lobby: LobbyMode) -> (Stage, LinkId) {
    let mut stage = Stage::with(|_, kept| {
        kept.settings.lobby = lobby;
        record(kept);
    });
    let host = come(&mut stage, 1, Some(HOST), OFFICE);
    stage.outputs();
    (stage, host)
}

fn come(stage: &mut Stage, device: u8, invite: Option<u8>, from: u8) -> LinkId {
    come_as(stage, device, invite, from, None)
}

fn come_as(
    stage: &mut Stage,
    device: u8,
    invite: Option<u8>,
    from: u8,
    choice: Option<DuplicateChoice>,
) -> LinkId {
    let mut entrant = stage.entrant("Bob", device);
    entrant.networks = vec![network(from)];
    entrant.duplicate = choice;
    if let Some(number) = invite {
        entrant.claim = Claim::Invite(InviteHash([number; 32]));
    }
    stage.enter(entrant).0
}

fn comes_in(stage: &mut Stage, device: u8, invite: Option<u8>, from: u8) -> bool {
    let link = come(stage, device, invite, from);
    is_in(stage, link)
}

fn is_in(stage: &Stage, link: LinkId) -> bool {
    stage.room.participant_of(link).is_some()
}

fn role_of(stage: &Stage, link: LinkId) -> Option<Role> {
    stage.room.participant_of(link).map(|face| face.role)
}

fn id_of(stage: &Stage, link: LinkId) -> ParticipantId {
    stage.room.participant_of(link).unwrap().id
}

fn waiting(stage: &Stage) -> Vec<LobbyEntry> {
    stage.room.lobby.list(stage.now).entries
}

/// What came of a request: the code of its refusal, or "ok".
fn ask(stage: &mut Stage, link: LinkId, request: impl Into<Request>) -> String {
    let asked = stage.ask(link, request);
    let done = stage.done();
    let refused = format!("{} error {asked} ", link.0);
    let mut refusals = done.iter().filter_map(|done| done.strip_prefix(&refused));
    refusals.next().unwrap_or("ok").to_owned()
}

fn remove(stage: &mut Stage, host: LinkId, who: LinkId) {
    let order = ParticipantRemove {
        participant: id_of(stage, who),
        reason: None,
        message: None,
        ban: None,
    };
    assert_eq!(ask(stage, host, order), "ok");
}

fn send_back(stage: &mut Stage, host: LinkId, who: LinkId) {
    let participant = id_of(stage, who);
    assert_eq!(ask(stage, host, ParticipantToLobby { participant }), "ok");
}

fn set_role(stage: &mut Stage, host: LinkId, who: LinkId, role: Role) {
    let face = stage.room.participant_of(who).unwrap();
    let set = RoleSet {
        participant: face.id,
        role,
        custom_role: None,
        rev: face.rev,
    };
    assert_eq!(ask(stage, host, set), "ok");
}

fn admit_all(stage: &mut Stage, host: LinkId, as_role: Option<Role>) -> Vec<Output> {
    let knocks = waiting(stage).iter().map(|entry| entry.knock).collect();
    stage.ask(
        host,
        LobbyAdmit {
            knocks: Some(knocks),
            as_role,
            ..LobbyAdmit::default()
        },
    );
    stage.outputs()
}

fn leave(stage: &mut Stage, who: LinkId) {
    stage.ask(who, Leave {});
    stage.outputs();
}

fn revoke(number: u8, remove_holders: bool) -> InviteRevoke {
    InviteRevoke {
        invite: invite(number, Role::Viewer).id,
        remove_holders,
    }
}

/// Ends the server and starts it with what was kept.
fn restarted(kept: Vec<Change>) -> Stage {
    let mut stage = Stage::with(|_, opened| {
        record(opened);
        for change in kept {
            match change {
                Change::Ban(ban) => opened.bans.push(*ban),
                Change::Standing(standing) => {
                    let others = &mut opened.standings;
                    others.retain(|other| other.device != standing.device);
                    others.push(*standing);
                }
                _ => {}
            }
        }
    });
    stage.keys = 50;
    stage
}

fn changes(outputs: Vec<Output>) -> Vec<Change> {
    let kept = outputs.into_iter().filter_map(|output| match output {
        Output::Persist(change) => Some(change),
        _ => None,
    });
    kept.collect()
}

#[test]
fn who_is_removed_with_its_invite_waits_without_it() {
    for number in [PANEL, ONCE] {
        let (mut stage, host) = led(LobbyMode::Off);
        let bob = come(&mut stage, 2, Some(number), ELSEWHERE);
        let second = Some(DuplicateChoice::JoinAsSecond);
        let tab = come_as(&mut stage, 2, None, ELSEWHERE, second);
        assert!(is_in(&stage, bob) && is_in(&stage, tab));
        assert_eq!(ask(&mut stage, host, revoke(number, true)), "ok");
        assert!(!is_in(&stage, bob) && !is_in(&stage, tab));
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        assert!(!is_in(&stage, bob));
        assert!(waiting(&stage)[0].previous_kick);
    }
}

#[test]
fn what_an_invite_spared_is_over_with_it() {
    let (mut stage, host) = led(LobbyMode::On);
    let bob = come(&mut stage, 2, Some(ONCE), ELSEWHERE);
    assert!(is_in(&stage, bob));
    assert_eq!(ask(&mut stage, host, revoke(ONCE, false)), "ok");
    assert!(is_in(&stage, bob));
    leave(&mut stage, bob);
    let bob = come(&mut stage, 2, None, ELSEWHERE);
    assert!(!is_in(&stage, bob));
}

#[test]
fn an_invite_used_up_on_monday_opens_no_meeting_on_wednesday() {
    let (mut stage, host) = led(LobbyMode::On);
    let bob = come(&mut stage, 2, Some(ONCE), ELSEWHERE);
    stage.pass(Duration::from_secs(3600));
    leave(&mut stage, bob);
    leave(&mut stage, host);
    stage.pass(Duration::from_secs(601));
    come(&mut stage, 1, Some(HOST), OFFICE);
    stage.outputs();
    let bob = come(&mut stage, 2, Some(ONCE), ELSEWHERE);
    assert_eq!(
        stage.done(),
        [
            "keep act join invite_used_up",
            &format!("{} error 2 invite_used_up", bob.0)
        ]
    );
}

#[test]
fn who_was_removed_waits_under_another_device_key() {
    for (invite, from, comes_in) in [
        (Some(PANEL), ELSEWHERE, false),
        (None, OFFICE, false),
        (Some(ONCE), OFFICE, false),
        (None, ELSEWHERE, true),
        (Some(ONCE), ELSEWHERE, true),
        (Some(HOST), OFFICE, true),
    ] {
        for is_removed in [true, false] {
            let (mut stage, host) = led(LobbyMode::Off);
            let bob = come(&mut stage, 2, Some(PANEL), OFFICE);
            match is_removed {
                true => remove(&mut stage, host, bob),
                false => send_back(&mut stage, host, bob),
            }
            let known: Vec<_> = waiting(&stage).iter().map(|entry| entry.knock).collect();
            let other = come(&mut stage, 3, invite, from);
            assert_eq!(is_in(&stage, other), comes_in, "{invite:?} {from}");
            if !comes_in {
                let mut waiting = waiting(&stage).into_iter();
                let entry = waiting.find(|entry| !known.contains(&entry.knock)).unwrap();
                assert_eq!(entry.previous_kick, invite == Some(PANEL));
                assert_eq!(entry.network_banned, from == OFFICE);
                // Once somebody has looked at it, it is as good as any other.
                admit_all(&mut stage, host, None);
                leave(&mut stage, other);
                let other = come(&mut stage, 3, invite, from);
                assert!(is_in(&stage, other));
            }
        }
    }
}

#[test]
fn who_was_made_less_is_not_more_under_another_device_key() {
    let (mut stage, host) = led(LobbyMode::Off);
    let bob = come(&mut stage, 2, Some(PANEL), OFFICE);
    set_role(&mut stage, host, bob, Role::Viewer);
    leave(&mut stage, bob);
    let bob = come(&mut stage, 3, Some(PANEL), ELSEWHERE);
    assert!(!is_in(&stage, bob));
    // Nor by showing something else in between.
    let bob = come(&mut stage, 2, None, OFFICE);
    assert_eq!(role_of(&stage, bob), Some(Role::Viewer));
    leave(&mut stage, bob);
    let bob = come(&mut stage, 2, Some(PANEL), OFFICE);
    assert_eq!(role_of(&stage, bob), Some(Role::Viewer));
    let bob = come(&mut stage, 4, Some(PANEL), ELSEWHERE);
    assert!(!is_in(&stage, bob));
}

#[test]
fn who_was_removed_does_not_manage_the_room_under_another_device_key() {
    let (mut stage, host) = led(LobbyMode::Off);
    let carl = come(&mut stage, 2, Some(COHOST), ELSEWHERE);
    assert_eq!(role_of(&stage, carl), Some(Role::CoHost));
    remove(&mut stage, host, carl);
    for (invite, device, expected) in [(COHOST, 2, false), (HOST, 2, true), (HOST, 9, true)] {
        stage.keys += 1;
        let managing = Managing {
            link: LinkId(stage.keys),
            id: 3,
            invite: InviteHash([invite; 32]),
            device: DeviceHash::from(&DeviceKey::new([device; 16])),
            prefix: HOME,
            networks: vec![network(ELSEWHERE)],
            address: IpAddr::from([192, 0, 2, 7]),
        };
        assert_eq!(stage.room.handle_manage(stage.now, managing), expected);
    }
}

#[test]
fn nothing_is_left_of_what_was_given_to_who_is_removed() {
    let (mut stage, host) = led(LobbyMode::On);
    let bob = come(&mut stage, 2, None, ELSEWHERE);
    admit_all(&mut stage, host, Some(Role::Presenter));
    for (key, effect) in [
        (Permission::LobbyManage, OverrideEffect::Allow),
        (Permission::PublishVideo, OverrideEffect::Deny),
    ] {
        let face = stage.room.participant_of(bob).unwrap();
        let order = PermOverride {
            participant: face.id,
            key,
            effect,
            ttl_s: None,
            rev: face.rev,
        };
        assert_eq!(ask(&mut stage, host, order), "ok");
    }
    remove(&mut stage, host, bob);
    let bob = come(&mut stage, 2, None, ELSEWHERE);
    admit_all(&mut stage, host, None);
    assert_eq!(role_of(&stage, bob), Some(Role::Attendee));
    let may = |key| {
        let member = &stage.room.members[&stage.key(bob)];
        member.permissions.contains(key)
    };
    assert!(!may(Permission::LobbyManage));
    assert!(!may(Permission::PublishVideo));
    assert!(may(Permission::PublishAudio));
}

#[test]
fn a_role_that_was_taken_at_a_removal_is_not_given_back_by_it() {
    let (mut stage, host) = led(LobbyMode::Off);
    let bob = come(&mut stage, 2, Some(PANEL), ELSEWHERE);
    set_role(&mut stage, host, bob, Role::Viewer);
    remove(&mut stage, host, bob);
    let bob = come(&mut stage, 2, Some(PANEL), ELSEWHERE);
    admit_all(&mut stage, host, None);
    assert_eq!(role_of(&stage, bob), Some(Role::Viewer));
}

#[test]
fn as_what_somebody_was_admitted_it_comes_again() {
    for is_away in [false, true] {
        let (mut stage, host) = led(LobbyMode::On);
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        admit_all(&mut stage, host, Some(Role::Presenter));
        send_back(&mut stage, host, bob);
        if is_away {
            stage.room.handle_link_lost(stage.now, bob);
        }
        admit_all(&mut stage, host, Some(Role::Attendee));
        if !is_away {
            assert_eq!(role_of(&stage, bob), Some(Role::Attendee));
            leave(&mut stage, bob);
        }
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        assert_eq!(role_of(&stage, bob), Some(Role::Attendee), "{is_away}");
    }
}

#[test]
fn one_admission_is_for_one() {
    let second = Some(DuplicateChoice::JoinAsSecond);
    let (mut stage, host) = led(LobbyMode::On);
    come(&mut stage, 2, None, ELSEWHERE);
    admit_all(&mut stage, host, None);
    let tab = come_as(&mut stage, 2, None, ELSEWHERE, second);
    assert!(!is_in(&stage, tab));
    admit_all(&mut stage, host, None);
    assert!(is_in(&stage, tab));
    let third = come_as(&mut stage, 2, None, ELSEWHERE, second);
    let done = stage.done();
    assert!(
        done.contains(&format!("{} error 2 busy", third.0)),
        "{done:?}"
    );
    assert!(waiting(&stage).is_empty());
}

#[test]
fn a_device_has_two_seats_whatever_spares_it_the_lobby() {
    let (mut stage, _) = led(LobbyMode::Off);
    stage.room.settings.duplicate = DuplicatePolicy::Allow;
    for _ in 0..4 {
        come(&mut stage, 2, Some(PANEL), ELSEWHERE);
    }
    assert_eq!(stage.room.participants(), 3);
}

#[test]
fn all_pages_of_a_device_go_together() {
    for is_removed in [true, false] {
        let (mut stage, host) = led(LobbyMode::Off);
        let first = come(&mut stage, 2, None, ELSEWHERE);
        let second = Some(DuplicateChoice::JoinAsSecond);
        let tab = come_as(&mut stage, 2, None, ELSEWHERE, second);
        assert!(is_in(&stage, tab));
        match is_removed {
            true => remove(&mut stage, host, first),
            false => send_back(&mut stage, host, first),
        }
        assert!(!is_in(&stage, first) && !is_in(&stage, tab));
        assert_eq!(stage.room.participants(), 1);
        // Nor does another page get it back in.
        let again = come(&mut stage, 2, None, ELSEWHERE);
        assert!(!is_in(&stage, again));
        assert_eq!(waiting(&stage).len(), 1);
        // Who was removed is admitted for one page: its next is looked at too.
        admit_all(&mut stage, host, None);
        assert!(is_in(&stage, again));
        let tab = come_as(&mut stage, 2, None, ELSEWHERE, second);
        assert_eq!(is_in(&stage, tab), !is_removed);
    }
}

#[test]
fn admitting_all_admits_nobody_who_was_not_on_the_list() {
    let (mut stage, host) = led(LobbyMode::On);
    for device in 0..60 {
        let mut entrant = stage.entrant("Bob", 100 + device);
        entrant.networks = vec![network(100 + device)];
        entrant.prefix = Prefix::V4([10, 0, device]);
        stage.enter(entrant);
        stage.outputs();
    }
    let list = stage.room.lobby.list(stage.now);
    assert_eq!((list.entries.len(), list.more), (50, 10));
    let all = LobbyAdmit {
        all_up_to_rev: Some(list.lobby_rev),
        ..LobbyAdmit::default()
    };
    assert_eq!(ask(&mut stage, host, all.clone()), "ok");
    assert_eq!(stage.room.participants(), 51);
    // Those behind them are on the list that is told next.
    assert_eq!(ask(&mut stage, host, all), "ok");
    assert_eq!(stage.room.participants(), 51);
    let all = LobbyAdmit {
        all_up_to_rev: Some(stage.room.lobby.list(stage.now).lobby_rev),
        ..LobbyAdmit::default()
    };
    assert_eq!(ask(&mut stage, host, all), "ok");
    assert_eq!(stage.room.participants(), 61);
}

#[test]
fn a_ban_on_a_device_keeps_no_host_out() {
    let (mut stage, host) = led(LobbyMode::Off);
    let bob = come(&mut stage, 2, None, OFFICE);
    let order = ParticipantRemove {
        participant: id_of(&stage, bob),
        reason: None,
        message: None,
        ban: Some(BanOrder {
            scope: BanScope::Room,
            ttl_s: None,
            strict: true,
        }),
    };
    assert_eq!(ask(&mut stage, host, order), "ok");
    assert!(!comes_in(&mut stage, 2, None, OFFICE));
    let link = come(&mut stage, 2, Some(HOST), OFFICE);
    assert_eq!(role_of(&stage, link), Some(Role::Host));
}

#[test]
fn who_is_sent_away_for_a_while_is_so_after_a_restart_and_until_it_is_lifted() {
    let (mut stage, host) = led(LobbyMode::On);
    come(&mut stage, 2, None, ELSEWHERE);
    stage.outputs();
    let deny = LobbyDeny {
        knocks: Some(vec![waiting(&stage)[0].knock]),
        block_s: 600,
        ..LobbyDeny::default()
    };
    stage.ask(host, deny);
    let kept = changes(stage.outputs());
    let mut later = restarted(kept);
    let link = come(&mut later, 2, None, ELSEWHERE);
    assert!(later.done().contains(&format!("{} error 2 banned", link.0)));
    // Neither its network nor its invite: that of a whole school.
    assert!(comes_in(&mut later, 3, None, ELSEWHERE));
    later.pass(Duration::from_secs(600));
    assert!(comes_in(&mut later, 2, None, ELSEWHERE));
    let ban = stage.room.bans.list(stage.room.time())[0].id;
    assert_eq!(ask(&mut stage, host, BanLift { ban }), "ok");
    come(&mut stage, 2, None, ELSEWHERE);
    assert_eq!(waiting(&stage).len(), 1);
}

#[test]
fn who_was_sent_back_waits_after_a_restart_too() {
    let (mut stage, host) = led(LobbyMode::Off);
    let bob = come(&mut stage, 2, Some(PANEL), ELSEWHERE);
    stage.outputs();
    let participant = id_of(&stage, bob);
    stage.ask(host, ParticipantToLobby { participant });
    let mut later = restarted(changes(stage.outputs()));
    assert!(!comes_in(&mut later, 2, Some(PANEL), OFFICE));
    assert!(!comes_in(&mut later, 3, Some(PANEL), OFFICE));
    assert!(comes_in(&mut later, 4, None, OFFICE));
}

#[test]
fn a_name_that_a_host_gave_stays_where_people_do_not_name_themselves() {
    for may_rename in [false, true] {
        let (mut stage, host) = led(LobbyMode::Off);
        stage.room.settings.attendees.rename = may_rename;
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        let rename = |stage: &mut Stage, asker, who, name| {
            let order = ParticipantRename {
                participant: id_of(stage, who),
                name: DisplayName::new(name).unwrap(),
            };
            ask(stage, asker, order)
        };
        assert_eq!(rename(&mut stage, host, bob, "Robert"), "ok");
        leave(&mut stage, bob);
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        let name = stage.face(id_of(&stage, bob)).name.clone();
        assert_eq!(name.as_str(), if may_rename { "Bob" } else { "Robert" });
        stage.room.settings.attendees.rename = true;
        assert_eq!(rename(&mut stage, bob, bob, "Rob"), "ok");
        stage.room.settings.attendees.rename = false;
        leave(&mut stage, bob);
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        assert_eq!(stage.face(id_of(&stage, bob)).name.as_str(), "Bob");
    }
}

#[test]
fn who_was_admitted_to_a_meeting_that_was_ended_waits_for_the_next() {
    for (is_left, waits) in [(true, true), (false, false)] {
        let (mut stage, host) = led(LobbyMode::On);
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        admit_all(&mut stage, host, Some(Role::Presenter));
        leave(&mut stage, bob);
        match is_left {
            true => leave(&mut stage, host),
            false => {
                stage.room.handle_link_lost(stage.now, host);
                stage.pass(Duration::from_secs(60));
                assert_eq!(stage.room.participants(), 0);
            }
        }
        stage.pass(Duration::from_secs(60));
        let host = come(&mut stage, 1, Some(HOST), OFFICE);
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        assert_eq!(!is_in(&stage, bob), waits);
        admit_all(&mut stage, host, None);
        let role = if waits {
            Role::Attendee
        } else {
            Role::Presenter
        };
        assert_eq!(role_of(&stage, bob), Some(role));
    }
}

#[test]
fn whoever_is_admitted_is_asked_again_what_has_changed() {
    type Alter = fn(&mut Settings);
    let cases: [(&str, Alter); 4] = [
        ("closed", |settings| {
            settings.closes_at = Some(Timestamp::from_unix_ms(START_MS - 1));
        }),
        ("consent", |settings| {
            settings.consent_text = Some("Be kind".to_owned());
        }),
        ("networks", |settings| {
            settings.allowed_networks = vec!["203.0.113.0/24".parse().unwrap()];
        }),
        ("nothing", |_| {}),
    ];
    for (what, change) in cases {
        let (mut stage, host) = led(LobbyMode::On);
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        stage.outputs();
        let mut settings = stage.room.settings.clone();
        change(&mut settings);
        stage.room.settings = settings;
        admit_all(&mut stage, host, None);
        assert_eq!(is_in(&stage, bob), what == "nothing", "{what}");
        assert!(waiting(&stage).is_empty());
    }
    // Who agreed at the door has agreed.
    let (mut stage, host) = led(LobbyMode::On);
    stage.room.settings.consent_text = Some("Be kind".to_owned());
    let mut entrant = stage.entrant("Bob", 2);
    entrant.consent_hash = Some(consent_hash("Be kind"));
    let (bob, _) = stage.enter(entrant);
    admit_all(&mut stage, host, None);
    assert!(is_in(&stage, bob));
    // And who is sent back has, too.
    send_back(&mut stage, host, bob);
    admit_all(&mut stage, host, None);
    assert!(is_in(&stage, bob));
}

#[test]
fn who_waits_only_for_a_host_is_let_in_only_while_the_room_is_open() {
    for is_closed in [false, true] {
        let mut stage = Stage::with(|_, kept| {
            kept.settings.start_without_host = false;
            record(kept);
        });
        let bob = come(&mut stage, 2, None, ELSEWHERE);
        stage.outputs();
        if is_closed {
            stage.room.settings.closes_at = Some(Timestamp::from_unix_ms(START_MS - 1));
        }
        come(&mut stage, 1, Some(HOST), OFFICE);
        assert_eq!(is_in(&stage, bob), !is_closed);
    }
}

#[test]
fn who_takes_over_by_way_of_the_lobby_takes_over() {
    let (mut stage, host) = led(LobbyMode::On);
    stage.room.settings.duplicate = DuplicatePolicy::Replace;
    let personal = Invite {
        name: Some(DisplayName::new("Grace").unwrap()),
        ..invite(9, Role::Attendee)
    };
    stage.room.invites.add(personal).unwrap();
    let first = come(&mut stage, 2, Some(9), ELSEWHERE);
    admit_all(&mut stage, host, None);
    let other = come(&mut stage, 3, Some(9), ELSEWHERE);
    assert!(is_in(&stage, first) && !is_in(&stage, other));
    admit_all(&mut stage, host, None);
    assert!(!is_in(&stage, first) && is_in(&stage, other));
}

#[test]
fn the_roster_is_in_the_order_in_which_people_came_in() {
    let (mut stage, host) = led(LobbyMode::On);
    let bob = come(&mut stage, 2, None, ELSEWHERE);
    let carl = come(&mut stage, 3, Some(PANEL), ELSEWHERE);
    let second = Some(DuplicateChoice::JoinAsSecond);
    let order = [host, carl, bob];
    let outputs = admit_all(&mut stage, host, None);
    let expected: Vec<_> = order.iter().map(|link| id_of(&stage, *link)).collect();
    let roster: Vec<_> = stage.room.roster().map(|face| face.id).collect();
    assert_eq!(roster, expected);
    let joined = outputs.into_iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::LobbyStatus(LobbyStatus::Admitted { joined, .. }) => Some(joined.clone()),
            _ => None,
        },
        _ => None,
    });
    let others: Vec<_> = joined.unwrap().roster.iter().map(|face| face.id).collect();
    assert_eq!(others, expected[..2]);
    // The newest of two pages is the one that came in last, not the one with the greater key.
    let tab = come_as(&mut stage, 3, None, ELSEWHERE, second);
    let third = come_as(&mut stage, 4, Some(PANEL), ELSEWHERE, None);
    admit_all(&mut stage, host, None);
    let roster: Vec<_> = stage.room.roster().map(|face| face.id).collect();
    assert_eq!(roster.last(), Some(&id_of(&stage, tab)));
    assert!(is_in(&stage, third));
}

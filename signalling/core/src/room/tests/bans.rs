//! Bans: who is kept out, for how long, and by what.

use super::*;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::limits::STANDING_KEPT;
use conclave_signalling_wire::lobby::LobbyEntry;
use conclave_signalling_wire::moderation::{BanInfo, BanKey, BanOrder, BanScope};
use conclave_signalling_wire::request::{BanLift, BanList, Leave, ParticipantRemove};

const HOST: u8 = 1;
const PERSONAL: u8 = 2;
const COHOST: u8 = 3;
const DAY_S: u64 = 86_400;

fn stage() -> (Stage, LinkId) {
    let mut stage = Stage::with(|_, record| {
        record.invites = vec![
            invite(HOST, Role::Host),
            Invite {
                max_uses: Some(3),
                name: Some(DisplayName::new("Bob").unwrap()),
                ..invite(PERSONAL, Role::Attendee)
            },
            Invite {
                max_uses: Some(1),
                ..invite(COHOST, Role::CoHost)
            },
        ];
    });
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    stage.outputs();
    (stage, host)
}

fn come(stage: &mut Stage, device: u8, invite: Option<u8>, from: u8) -> (LinkId, bool) {
    let mut entrant = stage.entrant("Bob", device);
    entrant.networks = vec![network(from)];
    if let Some(number) = invite {
        entrant.claim = Claim::Invite(InviteHash([number; 32]));
    }
    stage.enter(entrant)
}

fn remove(stage: &mut Stage, host: LinkId, target: LinkId, ban: Option<BanOrder>) -> u32 {
    let participant = stage.room.participant_of(target).unwrap().id;
    stage.ask(
        host,
        ParticipantRemove {
            participant,
            reason: None,
            message: None,
            ban,
        },
    )
}

fn order(ttl_s: Option<u32>, strict: bool) -> Option<BanOrder> {
    Some(BanOrder {
        scope: BanScope::Room,
        ttl_s,
        strict,
    })
}

/// A room from which Bob was banned: device 2, the personal invite, network 9.
fn banned(ttl_s: Option<u32>, strict: bool) -> (Stage, LinkId) {
    let (mut stage, host) = stage();
    let (bob, _) = come(&mut stage, 2, Some(PERSONAL), 9);
    stage.outputs();
    remove(&mut stage, host, bob, order(ttl_s, strict));
    let done = stage.done();
    assert!(
        done.contains(&format!("keep ban strict {strict}")),
        "{done:?}"
    );
    (stage, host)
}

fn until(stage: &mut Stage) -> Option<Timestamp> {
    let refused = stage.outputs().into_iter().find_map(|output| match output {
        Output::Refuse { error, .. } => Some(error),
        _ => None,
    });
    let refused = refused.unwrap();
    assert_eq!(refused.code, ErrorCode::Banned);
    refused.until
}

fn listed(stage: &mut Stage, host: LinkId) -> Vec<BanInfo> {
    stage.ask(host, BanList {});
    let found = stage.outputs().into_iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match *ok {
            Reply::Bans(bans) => Some(bans.bans),
            _ => None,
        },
        _ => None,
    });
    found.unwrap()
}

fn entries(stage: &Stage) -> Vec<LobbyEntry> {
    stage.room.lobby.list(stage.now).entries
}

#[test]
fn a_ban_holds_for_device_and_invite_until_it_ends() {
    let (mut stage, _) = banned(Some(3600), false);
    let end = Timestamp::from_unix_ms(START_MS + 3_600_000);
    for (device, invite) in [(2, None), (2, Some(PERSONAL)), (3, Some(PERSONAL))] {
        assert!(!come(&mut stage, device, invite, 8).1);
        assert_eq!(until(&mut stage), Some(end));
    }
    // Whoever shows neither comes in.
    let (other, _) = come(&mut stage, 4, None, 8);
    assert!(stage.room.participant_of(other).is_some());
    stage.pass(Duration::from_secs(3600));
    // Then it is as with anybody who was removed: it waits, for this meeting.
    let (again, is_in) = come(&mut stage, 3, Some(PERSONAL), 8);
    assert!(is_in && stage.room.participant_of(again).is_none());
}

#[test]
fn a_neighbour_of_the_banned_waits_marked_and_a_host_does_not() {
    let (mut stage, _) = banned(None, false);
    let (neighbour, is_in) = come(&mut stage, 5, None, 9);
    assert!(is_in && stage.room.participant_of(neighbour).is_none());
    assert!(entries(&stage)[0].network_banned);
    assert!(!entries(&stage)[0].previous_kick);
    let (host, _) = come(&mut stage, 6, Some(HOST), 9);
    assert!(stage.room.participant_of(host).is_some());
}

#[test]
fn a_strict_ban_keeps_neighbours_out_but_the_host() {
    let (mut stage, _) = banned(Some(2 * DAY_S as u32), true);
    assert!(!come(&mut stage, 5, None, 9).1);
    // On the network it ends after a day.
    let end = Timestamp::from_unix_ms(START_MS + DAY_S * 1000);
    assert_eq!(until(&mut stage), Some(end));
    let (host, _) = come(&mut stage, 6, Some(HOST), 9);
    assert!(stage.room.participant_of(host).is_some());
    stage.pass(Duration::from_secs(DAY_S));
    stage.outputs();
    let (neighbour, is_in) = come(&mut stage, 5, None, 9);
    assert!(is_in && stage.room.participant_of(neighbour).is_none());
    assert!(!come(&mut stage, 2, None, 8).1);
}

#[test]
fn an_invite_for_many_or_for_hosts_is_not_banned_with_who_used_it() {
    let (mut stage, host) = stage();
    stage.room.invites = crate::invites::InviteList::new(vec![
        invite(HOST, Role::Host),
        invite(PERSONAL, Role::Attendee),
    ]);
    let (bob, _) = come(&mut stage, 2, Some(PERSONAL), 9);
    stage.outputs();
    remove(&mut stage, host, bob, order(None, false));
    assert_eq!(
        listed(&mut stage, host)[0].keys,
        [BanKey::Device, BanKey::Network]
    );
    // It waits in this meeting, for it may be Bob; in the next one it does not.
    let (carl, is_in) = come(&mut stage, 3, Some(PERSONAL), 8);
    assert!(is_in && stage.room.participant_of(carl).is_none());
    stage.ask(carl, Leave {});
    stage.ask(host, Leave {});
    stage.pass(STANDING_KEPT);
    let (carl, _) = come(&mut stage, 3, Some(PERSONAL), 8);
    assert!(stage.room.participant_of(carl).is_some());
}

#[test]
fn bans_are_listed_and_lifted_by_those_who_may() {
    let (mut stage, host) = banned(None, false);
    let (guest, _) = come(&mut stage, 4, None, 8);
    stage.outputs();
    let id = stage.ask(guest, BanList {});
    assert!(
        stage
            .done()
            .contains(&format!("{} error {id} forbidden", guest.0))
    );
    let bans = listed(&mut stage, host);
    assert_eq!(bans.len(), 1);
    assert_eq!(
        bans[0].keys,
        [BanKey::Invite, BanKey::Device, BanKey::Network]
    );
    assert_eq!(bans[0].name.as_deref(), Some("Bob"));
    assert_eq!(
        bans[0].by,
        stage.room.participant_of(host).map(|face| face.id)
    );
    let lift = BanLift { ban: bans[0].id };
    let id = stage.ask(host, lift.clone());
    assert_eq!(
        stage.done(),
        [
            "keep ban lifted",
            "keep act ban.lift ok",
            &format!("1 ok {id} done")
        ]
    );
    let id = stage.ask(host, lift);
    assert!(
        stage
            .done()
            .contains(&format!("1 error {id} not_found ban"))
    );
    // Removed before, it still waits for somebody to admit it.
    let (bob, is_in) = come(&mut stage, 2, None, 8);
    assert!(is_in && stage.room.participant_of(bob).is_none());
    assert!(entries(&stage)[0].previous_kick);
}

#[test]
fn who_was_removed_waits_whatever_it_shows() {
    let (mut stage, host) = stage();
    let (carl, _) = come(&mut stage, 2, Some(COHOST), 9);
    assert!(stage.room.participant_of(carl).is_some());
    stage.outputs();
    remove(&mut stage, host, carl, None);
    stage.outputs();
    let (carl, is_in) = come(&mut stage, 2, Some(COHOST), 9);
    assert!(is_in && stage.room.participant_of(carl).is_none());
    assert!(entries(&stage)[0].previous_kick);
}

#[test]
fn a_ban_sends_away_who_waits_by_the_same_invite() {
    let (mut stage, host) = stage();
    let (bob, _) = come(&mut stage, 2, Some(PERSONAL), 9);
    stage.room.settings.lobby = LobbyMode::On;
    stage.room.settings.duplicate = conclave_signalling_wire::objects::DuplicatePolicy::Allow;
    let (waits, is_in) = come(&mut stage, 3, Some(PERSONAL), 8);
    assert!(is_in && stage.room.participant_of(waits).is_none());
    stage.outputs();
    remove(&mut stage, host, bob, order(None, false));
    let done = stage.done();
    assert!(done.contains(&format!("{} push - denied 0", waits.0)));
    assert!(done.contains(&format!("{} released", waits.0)));
    assert!(stage.room.lobby.is_empty());
}

#[test]
fn a_ban_has_bounds() {
    let (mut stage, host) = stage();
    let (bob, _) = come(&mut stage, 2, None, 9);
    stage.outputs();
    for ttl_s in [59, 31_536_001] {
        let id = remove(&mut stage, host, bob, order(Some(ttl_s), false));
        let done = stage.done();
        assert!(
            done.contains(&format!("1 error {id} bad_request ban.ttl_s")),
            "{done:?}"
        );
    }
}

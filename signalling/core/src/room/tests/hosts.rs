//! What happens without a host: nobody becomes one by being there.

use super::*;
use conclave_signalling_wire::objects::NoHost;
use conclave_signalling_wire::request::{Leave, RoleSet, RoomUpdate};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;

const HOST: u8 = 1;
const COHOST: u8 = 2;
const GRACE: Duration = Duration::from_secs(120);

fn stage(no_host: NoHost, start_without_host: bool) -> Stage {
    Stage::with(|_, record| {
        record.settings.no_host = no_host;
        record.settings.start_without_host = start_without_host;
        record.invites = vec![
            invite(HOST, Role::Host),
            Invite {
                max_uses: Some(1),
                ..invite(COHOST, Role::CoHost)
            },
        ];
    })
}

/// A meeting with a host, Bob, and a host who leaves.
fn abandoned(no_host: NoHost) -> Stage {
    let mut stage = stage(no_host, false);
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    stage.join("Bob");
    stage.ask(host, Leave {});
    stage.outputs();
    stage
}

fn waits(stage: &mut Stage, device: u8) -> bool {
    let (link, is_in) = stage.try_join("Carl", device, None);
    stage.outputs();
    is_in && stage.room.participant_of(link).is_none()
}

#[test]
fn a_meeting_begins_with_a_host_unless_the_room_says_otherwise() {
    let mut closed = stage(NoHost::Wait, false);
    assert!(waits(&mut closed, 2));
    assert_eq!(closed.room.participants(), 0);
    // A co-host begins it as well.
    closed.try_invite("Dora", 3, COHOST);
    let done = closed.done();
    assert!(done.contains(&"1 push - admitted".to_owned()), "{done:?}");
    assert_eq!(closed.room.participants(), 2);
    let mut open = stage(NoHost::Wait, true);
    assert!(!waits(&mut open, 2));
    open.pass(Duration::from_secs(3600));
    assert!(!waits(&mut open, 3));
}

#[test]
fn the_room_says_truly_whether_newcomers_wait() {
    let mut stage = stage(NoHost::Wait, false);
    let (_, is_in) = stage.try_invite("Ada", 1, HOST);
    assert!(is_in);
    let outputs = stage.outputs();
    let joined = outputs.iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match ok.as_ref() {
            Reply::Join(JoinOutcome::Joined(joined)) => Some(joined),
            _ => None,
        },
        _ => None,
    });
    assert!(!joined.unwrap().room.waiting_for_host);
    assert!(
        !outputs
            .iter()
            .any(|output| short(output).contains("push 1 room"))
    );
}

#[test]
fn newcomers_wait_when_the_grace_is_over() {
    let mut stage = abandoned(NoHost::Wait);
    assert_eq!(stage.room.poll_timeout(), Some(stage.now + GRACE));
    assert!(!waits(&mut stage, 20));
    stage.pass(GRACE);
    let done = stage.done();
    assert_eq!(
        done,
        [
            "keep act room.no_host ok",
            "2 push 3 room 1",
            "3 push 1 room 1",
        ]
    );
    assert!(waits(&mut stage, 21));
    assert_eq!(stage.room.participants(), 2);
    assert!(stage.room.roster().all(|face| face.role == Role::Attendee));
    stage.try_invite("Ada", 1, HOST);
    let done = stage.done();
    assert!(done.contains(&"4 push - admitted".to_owned()), "{done:?}");
    assert!(!waits(&mut stage, 22));
}

#[test]
fn a_host_whose_link_broke_is_there_until_its_place_is_given_up() {
    let mut stage = stage(NoHost::Wait, false);
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    stage.join("Bob");
    stage.room.handle_link_lost(stage.now, host);
    stage.pass(Duration::from_secs(30));
    stage.outputs();
    stage.pass(GRACE - Duration::from_millis(1));
    assert!(!waits(&mut stage, 20));
    stage.pass(Duration::from_millis(1));
    assert!(waits(&mut stage, 21));
}

#[test]
fn a_host_who_comes_back_in_time_changes_nothing() {
    let mut stage = abandoned(NoHost::End);
    stage.pass(GRACE - Duration::from_secs(1));
    stage.try_invite("Ada", 1, HOST);
    stage.outputs();
    stage.pass(GRACE);
    assert!(stage.done().is_empty());
    assert_eq!(stage.room.participants(), 2);
}

#[test]
fn a_meeting_may_go_on_without_a_host() {
    let mut stage = abandoned(NoHost::Continue);
    stage.pass(GRACE);
    assert_eq!(stage.done(), ["keep act room.no_host ok"]);
    assert!(!waits(&mut stage, 20));
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn a_meeting_may_end_without_a_host() {
    let mut stage = abandoned(NoHost::End);
    stage.room.settings.lobby = LobbyMode::On;
    stage.pass(GRACE - Duration::from_secs(1));
    assert!(waits(&mut stage, 20));
    stage.pass(Duration::from_secs(1));
    assert_eq!(
        stage.done(),
        [
            "keep act room.no_host ok",
            "2 push 2 ended",
            "3 push 1 ended",
            "2 close 4410",
            "3 close 4410",
            "token revoked",
            "shard close 1",
        ]
    );
    assert!(stage.room.is_idle());
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn a_meeting_that_ends_ends_in_the_media_plane_even_if_a_password_is_still_hashed() {
    let mut stage = stage(NoHost::End, false);
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    stage.join("Bob");
    let update = RoomUpdate {
        password: Patch::Set(SecretText::new("correct horse")),
        ..RoomUpdate::default()
    };
    stage.ask(host, update);
    stage.ask(host, Leave {});
    stage.outputs();
    stage.pass(GRACE);
    let done = stage.done();
    assert!(done.contains(&"shard drop 2".to_owned()), "{done:?}");
    assert!(!stage.room.is_idle());
}

#[test]
fn the_last_host_who_is_made_less_leaves_no_host() {
    let mut stage = stage(NoHost::Wait, false);
    let (host, _) = stage.try_invite("Ada", 1, HOST);
    let (carl, _) = stage.try_invite("Carl", 2, COHOST);
    let face = stage.room.participant_of(carl).unwrap().clone();
    stage.outputs();
    stage.ask(
        host,
        RoleSet {
            participant: face.id,
            role: Role::Attendee,
            custom_role: None,
            rev: face.rev,
        },
    );
    stage.ask(host, Leave {});
    stage.outputs();
    assert_eq!(
        stage
            .room
            .poll_timeout()
            .map(|due| due <= stage.now + GRACE),
        Some(true)
    );
    stage.pass(GRACE);
    stage.outputs();
    assert!(waits(&mut stage, 20));
}

#[test]
fn an_empty_room_begins_anew() {
    let mut stage = abandoned(NoHost::Continue);
    stage.pass(GRACE);
    stage.ask(LinkId(2), Leave {});
    stage.outputs();
    assert!(stage.room.is_idle());
    // Nobody continues a meeting that is over.
    assert!(waits(&mut stage, 20));
}

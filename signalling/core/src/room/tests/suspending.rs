//! Everything stopped at once, and restored.

use super::*;
use conclave_signalling_wire::moderation::RevokedReason;
use conclave_signalling_wire::objects::{Permission, PrivateChat, PublicChat};
use conclave_signalling_wire::request::{
    HandNext, HandRaise, Leave, MediaLock, PanicSuspend, RoomUpdate, TrackState,
};

const ON: PanicSuspend = PanicSuspend { on: true };
const OFF: PanicSuspend = PanicSuspend { on: false };

fn revoked(outputs: &[Output], to: LinkId) -> Vec<(Source, RevokedReason)> {
    let told = outputs.iter().filter_map(|output| match output {
        Output::Push { link, notice, .. } if *link == to => match notice.push() {
            Push::MediaRevoked(revoked) => Some((revoked.source, revoked.reason)),
            _ => None,
        },
        _ => None,
    });
    told.collect()
}

#[test]
fn everything_below_the_hosts_stops_before_the_reply() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (eve, _) = stage.join_as("Eve", Role::CoHost);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    for link in [ada, bob] {
        stage.published(link, Source::Microphone, "0");
    }
    stage.published(bob, Source::Camera, "1");
    stage.published(bob, Source::Screen, "2");
    let before = stage.room.settings.clone();
    let id = stage.ask(eve, ON);
    let outputs = stage.outputs();
    let reason = RevokedReason::Suspended;
    assert_eq!(
        revoked(&outputs, bob),
        [
            (Source::Microphone, reason),
            (Source::Camera, reason),
            (Source::Screen, reason)
        ]
    );
    assert_eq!(revoked(&outputs, ada), []);
    let done: Vec<_> = outputs.iter().map(short).collect();
    assert!(done.contains(&"shard barrier 1".to_owned()));
    assert!(!done.iter().any(|line| line.contains(&format!("ok {id}"))));
    stage.passed(1);
    assert_eq!(stage.done(), [format!("2 ok {id} room 2")]);
    let room = stage.room.describe();
    assert!(room.suspended && room.locked && room.lobby == LobbyMode::On);
    assert!(room.av_lock.microphone.on && room.av_lock.camera.on && room.av_lock.screen.on);
    assert_eq!(
        (room.chat.public, room.chat.private),
        (PublicChat::Off, PrivateChat::Off)
    );
    // Not even hosts write: off is off.
    let authority = stage.room.authority_of(stage.key(ada)).unwrap();
    assert!(!authority.permissions.contains(Permission::ChatSend));
    assert!(authority.permissions.contains(Permission::PublishAudio));

    // Said again, it is nothing.
    let id = stage.ask(ada, ON);
    assert_eq!(
        stage.done(),
        ["keep act panic.suspend ok", &format!("1 ok {id} room 2")]
    );

    stage.ask(ada, OFF);
    let outputs = stage.outputs();
    let restored = crate::settings::Settings { rev: 3, ..before };
    assert!(stage.room.settings == restored);
    let kept = outputs.iter().find_map(|output| match output {
        Output::Persist(Change::Settings(settings)) => Some(settings.as_ref()),
        _ => None,
    });
    assert!(kept == Some(&restored));
    // Nobody is unmuted by that, but may unmute.
    assert!(stage.face(bob_id).sources.microphone.muted);
    let unmute = TrackState {
        source: Source::Microphone,
        muted: false,
    };
    stage.ask(bob, unmute);
    assert!(
        stage
            .done()
            .contains(&"shard mute 3 Microphone false".to_owned())
    );
    let id = stage.ask(ada, OFF);
    assert_eq!(
        stage.done(),
        ["keep act panic.suspend ok", &format!("1 ok {id} room 3")]
    );
}

#[test]
fn only_hosts_suspend() {
    let mut stage = Stage::new();
    let (bob, _) = stage.join_as("Bob", Role::Presenter);
    for order in [ON, OFF] {
        let id = stage.ask(bob, order);
        assert!(stage.done().contains(&format!("1 error {id} forbidden")));
    }
}

#[test]
fn what_hosts_change_meanwhile_is_not_undone() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.ask(ada, ON);
    stage.ask(
        ada,
        RoomUpdate {
            locked: Some(false),
            ..RoomUpdate::default()
        },
    );
    stage.ask(
        ada,
        MediaLock {
            sources: vec![Source::Camera],
            on: false,
            allow: Vec::new(),
        },
    );
    stage.room.settings.lobby = LobbyMode::Off;
    stage.ask(ada, OFF);
    let room = stage.room.describe();
    assert!(!room.locked && room.lobby == LobbyMode::Off && !room.suspended);
    assert!(!room.av_lock.camera.on && !room.av_lock.microphone.on);
}

#[test]
fn a_suspension_outlasts_the_meeting() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.ask(ada, ON);
    stage.ask(ada, Leave {});
    stage.outputs();
    assert!(stage.room.describe().suspended);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.ask(ada, OFF);
    assert!(!stage.room.describe().locked);
}

#[test]
fn whoever_was_called_is_silent_and_nobody_is_called() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.room.settings.locks.microphone.on = true;
    stage.ask(bob, HandRaise {});
    stage.ask(ada, HandNext { ttl_s: None });
    stage.outputs();
    stage.published(bob, Source::Microphone, "0");
    stage.ask(ada, ON);
    assert!(
        stage
            .done()
            .contains(&"shard mute 2 Microphone true".to_owned())
    );
    assert_eq!(stage.face(bob_id).hand, None);
    stage.ask(bob, HandRaise {});
    stage.outputs();
    let id = stage.ask(ada, HandNext { ttl_s: None });
    assert!(stage.done().contains(&format!("1 error {id} locked")));
    stage.ask(ada, OFF);
    let lock = &stage.room.settings.locks.microphone;
    assert!(lock.on && lock.allow.is_empty());
}

#[test]
fn the_newcomers_of_a_suspended_room_are_refused() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.ask(ada, ON);
    stage.outputs();
    let (_, is_in) = stage.try_join("Bob", 9, None);
    assert!(!is_in);
    assert_eq!(stage.done(), ["keep act join locked", "2 error 2 locked"]);
}

//! Rights in time: who gives and takes them, and what becomes of media.

use super::*;
use conclave_sfu_wire::control::Source as ShardSource;
use conclave_signalling_wire::limits::RESUME_WINDOW;
use conclave_signalling_wire::moderation::{OverrideEffect, PermissionsChanged};
use conclave_signalling_wire::objects::{CustomRole, Identity, Permission};
use conclave_signalling_wire::reply::HelloOutcome;
use conclave_signalling_wire::request::{
    MediaGrant, MediaLock, PermOverride, RoleSet, ScreenStart, TrackState,
};
use conclave_signalling_wire::text::RoleName;

fn lock(sources: &[Source], on: bool, allow: &[ParticipantId]) -> MediaLock {
    MediaLock {
        sources: sources.to_vec(),
        on,
        allow: allow.to_vec(),
    }
}

fn unmute(source: Source) -> TrackState {
    TrackState {
        source,
        muted: false,
    }
}

fn set(stage: &Stage, participant: ParticipantId, role: Role) -> RoleSet {
    RoleSet {
        participant,
        role,
        custom_role: None,
        rev: stage.face(participant).rev,
    }
}

fn exception(
    stage: &Stage,
    participant: ParticipantId,
    key: Permission,
    effect: OverrideEffect,
    ttl_s: Option<u32>,
) -> PermOverride {
    PermOverride {
        participant,
        key,
        effect,
        ttl_s,
        rev: stage.face(participant).rev,
    }
}

fn told(outputs: &[Output]) -> Vec<PermissionsChanged> {
    let pushes = outputs.iter().filter_map(|output| match output {
        Output::Push { notice, .. } => Some(notice.push()),
        _ => None,
    });
    pushes
        .filter_map(|push| match push {
            Push::PermissionsChanged(changed) => Some(changed.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_lock_mutes_and_its_end_unmutes_nobody() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(ada, Source::Microphone, "0");
    stage.published(bob, Source::Microphone, "0");
    let id = stage.ask(ada, lock(&[Source::Microphone], true, &[]));
    assert_eq!(
        stage.done(),
        [
            "keep settings 2",
            "1 push 4 room 2",
            "2 push 3 room 2",
            "shard mute 2 Microphone true",
            "2 push 4 revoked Microphone Locked",
            "1 push 5 updated Bob 3",
            "2 push 5 updated Bob 3",
            "2 push 6 permissions Attendee 17",
            "shard barrier 1",
            "keep act media.lock ok",
        ]
    );
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} room 2")]);
    let microphone = &stage.face(bob_id).sources.microphone;
    assert!(microphone.published && microphone.muted && microphone.locked);
    assert_eq!(microphone.muted_by, Some(ada_id));
    // The host is exempt.
    assert!(!stage.face(ada_id).sources.microphone.muted);

    let id = stage.ask(bob, unmute(Source::Microphone));
    assert_eq!(stage.done(), [format!("2 error {id} forbidden")]);
    let id = stage.ask(ada, lock(&[Source::Microphone], false, &[]));
    let done = stage.done();
    assert!(!done.iter().any(|done| done.starts_with("shard")));
    assert_eq!(done.last(), Some(&format!("1 ok {id} room 3")));
    let microphone = &stage.face(bob_id).sources.microphone;
    assert!(microphone.muted && !microphone.locked);
    stage.ask(bob, unmute(Source::Microphone));
    assert!(
        stage
            .done()
            .contains(&"shard mute 2 Microphone false".to_owned())
    );
    assert_eq!(stage.face(bob_id).sources.microphone.muted_by, None);

    // Nothing changes twice.
    let id = stage.ask(ada, lock(&[Source::Microphone], false, &[]));
    assert_eq!(
        stage.done(),
        ["keep act media.lock ok", &format!("1 ok {id} room 3")]
    );
}

#[test]
fn what_is_locked_does_not_begin() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::CoHost);
    let (bob, bob_id) = stage.join_as("Bob", Role::Presenter);
    let (eve, _) = stage.join_as("Eve", Role::Attendee);
    let all = [Source::Microphone, Source::Camera, Source::Screen];
    stage.ask(
        ada,
        lock(&all, true, &[bob_id, ParticipantId::new(1, [9; 10])]),
    );
    assert!(!stage.done().iter().any(|done| done.contains("barrier")));
    let sources = &stage
        .face(stage.room.participant_of(eve).unwrap().id)
        .sources;
    assert!(sources.microphone.locked && sources.camera.locked);
    assert!(!stage.face(bob_id).sources.microphone.locked);
    for source in Source::ALL {
        let id = stage.publish(eve, source, "1");
        assert_eq!(stage.done(), [format!("3 error {id} forbidden")]);
    }
    let start = ScreenStart {
        surface: None,
        audio: false,
        take_over: false,
    };
    let id = stage.ask(eve, start.clone());
    assert_eq!(stage.done(), [format!("3 error {id} forbidden")]);
    // Those allowed, by their devices, and hosts.
    let id = stage.ask(bob, start);
    assert_eq!(stage.done(), [format!("2 ok {id} screen granted")]);
    stage.publish(bob, Source::Microphone, "0");
    stage.publish(ada, Source::Camera, "1");
    assert_eq!(
        stage.done(),
        [
            "shard publish 2 0 Microphone false",
            "shard publish 1 1 Camera false"
        ]
    );
    for bad in [
        lock(&[], true, &[]),
        lock(&[Source::ScreenAudio], true, &[]),
        lock(&[Source::Camera; 4], true, &[]),
    ] {
        let id = stage.ask(ada, bad);
        assert_eq!(
            stage.done().last(),
            Some(&format!("1 error {id} bad_request sources"))
        );
    }
}

#[test]
fn a_lock_ends_shares_and_refuses_what_is_asked_for() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Screen, "2");
    stage.published(bob, Source::ScreenAudio, "3");
    let pending = stage.publish(bob, Source::Camera, "1");
    stage.done();
    stage.ask(ada, lock(&[Source::Camera, Source::Screen], true, &[]));
    let done = stage.done();
    for expected in [
        "shard unpublish 2 Camera",
        &format!("2 error {pending} forbidden"),
        "shard unpublish 2 Screen",
        "shard unpublish 2 ScreenAudio",
        "shard barrier 1",
    ] {
        assert!(done.contains(&expected.to_owned()), "{expected} {done:?}");
    }
    let revoked: Vec<_> = done
        .iter()
        .filter(|done| done.contains("revoked"))
        .collect();
    assert_eq!(revoked.len(), 2, "{revoked:?}");
    assert_eq!(stage.face(bob_id).sources.screen, None);
    // What the shard still accepts is undone.
    let (member, source) = (stage.key(bob), ShardSource::Camera);
    let accepted = Event::Published {
        member,
        attempt: 1,
        source,
        rids: Vec::new(),
    };
    stage.room.handle_media(stage.now, accepted);
    assert_eq!(stage.done(), ["shard unpublish 2 Camera"]);
}

#[test]
fn a_publication_said_again_under_a_lock_is_over() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Microphone, "0");
    stage.ask(ada, lock(&[Source::Microphone], true, &[]));
    stage.done();
    let id = stage.publish(bob, Source::Microphone, "0");
    let done = stage.done();
    assert_eq!(done[0], "shard unpublish 2 Microphone");
    assert_eq!(done.last(), Some(&format!("2 error {id} forbidden")));
    assert!(!stage.face(bob_id).sources.microphone.published);
}

#[test]
fn who_loses_a_role_loses_what_came_with_it() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Microphone, "0");
    let pending = stage.publish(bob, Source::Camera, "1");
    stage.done();
    let request = set(&stage, bob_id, Role::Viewer);
    let id = stage.ask(ada, request);
    let outputs = stage.outputs();
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        [
            "keep standing of Some(Viewer)",
            "1 push 3 updated Bob 3",
            "2 push 2 updated Bob 3",
            "shard unpublish 2 Microphone",
            "1 push 4 updated Bob 4",
            "2 push 3 updated Bob 4",
            "2 push 4 revoked Microphone PermissionRevoked",
            "shard unpublish 2 Camera",
            &format!("2 error {pending} forbidden"),
            "2 push 5 permissions Viewer 6",
            "2 push - count 2",
            "shard barrier 1",
            "keep act role.set ok",
        ]
    );
    let changed = &told(&outputs)[0];
    assert_eq!((changed.role, changed.by), (Role::Viewer, Some(ada_id)));
    assert_eq!(
        changed.permissions,
        [
            Permission::RoomJoin,
            Permission::ReceiveMedia,
            Permission::ReceiveScreen,
            Permission::ChatRead,
            Permission::ChatDeleteOwn,
            Permission::ChatEditOwn,
        ]
    );
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} revised 4")]);
}

#[test]
fn nobody_gives_a_role_above_its_own_or_to_somebody_above() {
    for actor in Role::ALL {
        for target in Role::ALL {
            for role in Role::ALL {
                let mut stage = Stage::with(|_, record| record.settings.guests_may_cohost = true);
                let (ada, _) = stage.join_as("Ada", actor);
                let (_, bob) = stage.join_as("Bob", target);
                let request = set(&stage, bob, role);
                let id = stage.ask(ada, request);
                let done = stage.done();
                let may = actor.is_host() && actor.outranks(target) && actor.outranks(role);
                let refused = done
                    .last()
                    .unwrap()
                    .starts_with(&format!("1 error {id} forb"));
                assert_eq!(refused, !may, "{actor:?} {target:?} {role:?} {done:?}");
                let now = if may { role } else { target };
                assert_eq!(stage.face(bob).role, now);
            }
        }
    }
}

#[test]
fn nobody_changes_the_own_role_or_rights() {
    for role in Role::ALL {
        let mut stage = Stage::new();
        let (ada, own) = stage.join_as("Ada", role);
        for other in Role::ALL {
            let request = set(&stage, own, other);
            let id = stage.ask(ada, request);
            let last = stage.done().pop();
            assert_eq!(last, Some(format!("1 error {id} forbidden")));
        }
        let request = exception(
            &stage,
            own,
            Permission::PublishScreen,
            OverrideEffect::Allow,
            None,
        );
        let id = stage.ask(ada, request);
        let last = stage.done().pop();
        assert_eq!(last, Some(format!("1 error {id} forbidden")));
    }
}

#[test]
fn two_hosts_do_not_overwrite_each_other() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (cleo, _) = stage.join_as("Cleo", Role::CoHost);
    let (_, bob) = stage.join_as("Bob", Role::Attendee);
    let (first, second) = (
        set(&stage, bob, Role::Presenter),
        set(&stage, bob, Role::Viewer),
    );
    stage.ask(ada, first);
    stage.done();
    let id = stage.ask(cleo, second);
    assert_eq!(
        stage.done(),
        [
            "keep act role.set conflict",
            &format!("2 error {id} conflict rev")
        ]
    );
    let mut late = exception(
        &stage,
        bob,
        Permission::PublishVideo,
        OverrideEffect::Deny,
        None,
    );
    late.rev -= 1;
    let id = stage.ask(cleo, late);
    assert_eq!(
        stage.done().pop(),
        Some(format!("2 error {id} conflict rev"))
    );
    // The same once more is no change.
    let again = set(&stage, bob, Role::Presenter);
    let id = stage.ask(ada, again);
    assert_eq!(
        stage.done(),
        ["keep act role.set ok", &format!("1 ok {id} revised 2")]
    );
}

#[test]
fn a_guest_is_no_co_host_by_default() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (_, bob) = stage.join_as("Bob", Role::Attendee);
    assert_eq!(stage.face(bob).identity, Identity::Guest);
    let request = set(&stage, bob, Role::CoHost);
    let id = stage.ask(ada, request);
    assert_eq!(
        stage.done().pop(),
        Some(format!("1 error {id} forbidden role"))
    );
}

fn interpreter(base: Role, allow: &[Permission]) -> CustomRole {
    CustomRole {
        name: RoleName::new("Interpreter").unwrap(),
        base,
        allow: allow.to_vec(),
        deny: vec![Permission::PublishVideo],
    }
}

#[test]
fn a_custom_role_is_given_by_who_may_all_of_it() {
    let allow = [Permission::RoomPassword];
    let mut stage = Stage::with(|_, record| {
        record.settings.custom_roles = vec![interpreter(Role::Attendee, &allow)];
    });
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (cleo, _) = stage.join_as("Cleo", Role::CoHost);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let request = |stage: &Stage, role, name: &str| RoleSet {
        custom_role: Some(RoleName::new(name).unwrap()),
        ..set(stage, bob_id, role)
    };
    let refusals = [
        (ada, Role::Attendee, "Nobody", "bad_request custom_role"),
        (ada, Role::Viewer, "Interpreter", "bad_request custom_role"),
        (cleo, Role::Attendee, "Interpreter", "forbidden custom_role"),
    ];
    for (link, role, name, error) in refusals {
        let ask = request(&stage, role, name);
        let id = stage.ask(link, ask);
        let expected = format!("{} error {id} {error}", link.0);
        assert_eq!(stage.done().pop(), Some(expected));
    }
    stage.published(bob, Source::Camera, "1");
    let ask = request(&stage, Role::Attendee, "Interpreter");
    stage.ask(ada, ask);
    let outputs = stage.outputs();
    let changed = &told(&outputs)[0];
    assert!(changed.permissions.contains(&Permission::RoomPassword));
    assert!(!changed.permissions.contains(&Permission::PublishVideo));
    assert!(!stage.face(bob_id).sources.camera.published);
    assert!(stage.face(bob_id).custom_role.is_some());
}

#[test]
fn an_exception_ends_by_itself() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Viewer);
    let allow = exception(
        &stage,
        bob_id,
        Permission::PublishAudio,
        OverrideEffect::Allow,
        Some(300),
    );
    let id = stage.ask(ada, allow);
    let outputs = stage.outputs();
    assert_eq!(
        outputs.last().map(short),
        Some(format!("1 ok {id} revised 2"))
    );
    let changed = &told(&outputs)[0];
    assert!(changed.permissions.contains(&Permission::PublishAudio));
    let until = stage.room.clock.at(stage.now + Duration::from_secs(300));
    assert_eq!(changed.overrides[0].expires_at, Some(until));
    assert!(!stage.face(bob_id).sources.microphone.locked);

    stage.published(bob, Source::Microphone, "0");
    let end = stage.now + Duration::from_secs(300);
    assert_eq!(stage.room.poll_timeout(), Some(end));
    stage.pass(Duration::from_millis(299_999));
    assert!(stage.done().is_empty());
    stage.pass(Duration::from_millis(1));
    assert_eq!(
        stage.done(),
        [
            "shard unpublish 2 Microphone",
            "1 push 4 updated Bob 4",
            "2 push 4 updated Bob 4",
            "2 push 5 revoked Microphone PermissionRevoked",
            "2 push 6 permissions Viewer 6",
        ]
    );
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn an_exception_that_has_ended_does_not_wait_for_its_timer() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Viewer);
    let allow = exception(
        &stage,
        bob_id,
        Permission::PublishAudio,
        OverrideEffect::Allow,
        Some(1),
    );
    stage.ask(ada, allow);
    stage.done();
    stage.now += Duration::from_secs(1);
    let id = stage.publish(bob, Source::Microphone, "0");
    assert_eq!(stage.done(), [format!("2 error {id} forbidden")]);
}

#[test]
fn an_exception_ends_while_its_owner_reconnects() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.room.settings.default_role = Role::Viewer;
    let (bob, joined) = stage.join("Bob");
    let allow = exception(
        &stage,
        joined.own.id,
        Permission::PublishAudio,
        OverrideEffect::Allow,
        Some(10),
    );
    stage.ask(ada, allow);
    stage.published(bob, Source::Microphone, "0");
    stage.room.handle_link_lost(stage.now, bob);
    stage.done();
    stage.pass(Duration::from_secs(10));
    assert_eq!(
        stage.done(),
        ["shard unpublish 2 Microphone", "1 push 5 updated Bob 5"]
    );
    stage.resume(joined.resume_token, joined.seq, HOME);
    let outputs = stage.outputs();
    let missed = outputs.iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match ok.as_ref() {
            Reply::Hello(HelloOutcome::Resumed(resumed)) => Some(resumed.missed.clone()),
            _ => None,
        },
        _ => None,
    });
    let missed: Vec<String> = missed.unwrap().iter().map(|one| push(&one.push)).collect();
    assert_eq!(
        missed[missed.len() - 2..],
        [
            "revoked Microphone PermissionRevoked",
            "permissions Viewer 6"
        ]
    );
}

#[test]
fn a_role_changes_while_its_owner_is_away() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, joined) = stage.join("Bob");
    let bob_id = joined.own.id;
    stage.published(bob, Source::Camera, "1");
    stage.room.handle_link_lost(stage.now, bob);
    stage.done();
    let request = set(&stage, bob_id, Role::Viewer);
    stage.ask(ada, request);
    let done = stage.done();
    assert!(done.contains(&"shard unpublish 2 Camera".to_owned()));
    assert!(!done.iter().any(|done| done.starts_with("2 ")));
    let (link, is_in) = stage.resume(joined.resume_token, joined.seq, HOME);
    assert!(is_in);
    stage.done();
    let id = stage.publish(link, Source::Camera, "1");
    assert_eq!(stage.done(), [format!("3 error {id} forbidden")]);
    stage.pass(RESUME_WINDOW);
    assert_eq!(stage.face(bob_id).role, Role::Viewer);
}

#[test]
fn exceptions_have_their_rules() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (cleo, cleo_id) = stage.join_as("Cleo", Role::CoHost);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let allow =
        |stage: &Stage, who, key, ttl_s| exception(stage, who, key, OverrideEffect::Allow, ttl_s);
    let refusals = [
        (
            ada,
            allow(&stage, bob_id, Permission::RoomJoin, None),
            "bad_request key",
        ),
        (
            ada,
            allow(&stage, bob_id, Permission::RoomLock, Some(0)),
            "bad_request ttl_s",
        ),
        (
            ada,
            allow(&stage, bob_id, Permission::RoomLock, Some(86_401)),
            "bad_request ttl_s",
        ),
        (
            cleo,
            allow(&stage, bob_id, Permission::RoomPassword, None),
            "forbidden key",
        ),
        (
            cleo,
            allow(&stage, cleo_id, Permission::RoomPassword, None),
            "forbidden",
        ),
        (
            bob,
            allow(&stage, bob_id, Permission::RoomLock, None),
            "forbidden",
        ),
    ];
    for (link, request, error) in refusals {
        let id = stage.ask(link, request);
        let expected = format!("{} error {id} {error}", link.0);
        assert_eq!(stage.done().pop(), Some(expected));
    }
    // Who may grant but not assign makes exceptions about publishing only.
    let deny = exception(
        &stage,
        cleo_id,
        Permission::RoleAssign,
        OverrideEffect::Deny,
        None,
    );
    stage.ask(ada, deny);
    let key = Permission::PublishVideo;
    let deny = exception(&stage, bob_id, key, OverrideEffect::Deny, None);
    stage.ask(cleo, deny);
    stage.done();
    assert!(stage.face(bob_id).sources.camera.locked);
    let request = allow(&stage, bob_id, Permission::RoomLock, None);
    let id = stage.ask(cleo, request);
    assert_eq!(stage.done().pop(), Some(format!("2 error {id} forbidden")));
    let clear = exception(&stage, bob_id, key, OverrideEffect::Clear, None);
    stage.ask(cleo, clear);
    let outputs = stage.outputs();
    assert!(told(&outputs)[0].overrides.is_empty());
    assert!(!stage.face(bob_id).sources.camera.locked);
}

#[test]
fn a_grant_is_about_one_source_and_a_screen_has_sound() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::CoHost);
    let (bob, bob_id) = stage.join_as("Bob", Role::Viewer);
    let grant = |source, on| MediaGrant {
        participant: bob_id,
        source,
        on,
        ttl_s: None,
    };
    stage.ask(ada, grant(Source::Screen, true));
    let outputs = stage.outputs();
    let keys: Vec<_> = told(&outputs)[0]
        .overrides
        .iter()
        .map(|known| known.key)
        .collect();
    assert_eq!(
        keys,
        [Permission::PublishScreen, Permission::PublishScreenAudio]
    );
    stage.published(bob, Source::Screen, "2");
    let id = stage.ask(ada, grant(Source::Screen, false));
    let done = stage.done();
    assert!(done.contains(&"shard unpublish 2 Screen".to_owned()));
    assert!(
        done.contains(&"2 push 6 revoked Screen PermissionRevoked".to_owned()),
        "{done:?}"
    );
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} revised 5")]);
    let id = stage.ask(bob, grant(Source::Camera, true));
    assert_eq!(stage.done().pop(), Some(format!("2 error {id} forbidden")));
}

#[test]
fn nobody_grants_what_it_may_not_itself() {
    let mut stage = Stage::new();
    let (host, _) = stage.join_as("Host", Role::Host);
    let (ada, ada_id) = stage.join_as("Ada", Role::CoHost);
    let (_, bob_id) = stage.join_as("Bob", Role::Viewer);
    let deny = exception(
        &stage,
        ada_id,
        Permission::PublishVideo,
        OverrideEffect::Deny,
        None,
    );
    stage.ask(host, deny);
    stage.done();
    let grant = |on| MediaGrant {
        participant: bob_id,
        source: Source::Camera,
        on,
        ttl_s: None,
    };
    let id = stage.ask(ada, grant(true));
    assert_eq!(
        stage.done().pop(),
        Some(format!("2 error {id} forbidden source"))
    );
    // Taking is another thing.
    let id = stage.ask(ada, grant(false));
    assert_eq!(stage.done().pop(), Some(format!("2 ok {id} revised 2")));
}

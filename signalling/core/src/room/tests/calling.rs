//! Hands and who is called, reactions, the spotlight, announcements.

use super::*;
use conclave_sfu_wire::control::Source as ShardSource;
use conclave_signalling_wire::hands::HandOrder;
use conclave_signalling_wire::ids::RequestId;
use conclave_signalling_wire::moderation::{OverrideEffect, PermissionsReason, RequestAnswer};
use conclave_signalling_wire::objects::{Effect, Emoji, Override, Permission, RosterMode};
use conclave_signalling_wire::request::{
    HandLower, HandLowerAll, HandNext, HandRaise, Leave, MediaLock, MediaRequestReply,
    MediaUnpublish, PermOverride, ReactionSend, RoleSet, RoomUpdate, SessionAnnounce, SpotlightSet,
    TrackState,
};
use conclave_signalling_wire::text::Prose;

use crate::room::OperatorRequest;

/// A room in which attendees speak only when they are called.
fn panel() -> Stage {
    Stage::with(|_, record| record.settings.attendees.microphone = false)
}

fn next(ttl_s: Option<u32>) -> HandNext {
    HandNext { ttl_s }
}

fn lower(participant: Option<ParticipantId>) -> HandLower {
    HandLower { participant }
}

fn set_muted(muted: bool) -> TrackState {
    TrackState {
        source: Source::Microphone,
        muted,
    }
}

/// The queue as it was last told to a link: positions, and whether called.
fn told(outputs: &[Output], to: LinkId) -> Option<Vec<(ParticipantId, u32, u32)>> {
    let mut queues = outputs.iter().filter_map(|output| match output {
        Output::Push { link, notice, seq } if *link == to => match notice.push() {
            Push::HandQueue(queue) => {
                assert_eq!(*seq, None);
                Some(queue)
            }
            _ => None,
        },
        _ => None,
    });
    let hands = queues.next_back()?.hands.iter();
    Some(
        hands
            .map(|hand| {
                assert_eq!(hand.called_until.is_some(), hand.position == 0);
                (hand.participant, hand.position, hand.round)
            })
            .collect(),
    )
}

fn requested(outputs: &[Output]) -> Option<RequestId> {
    outputs.iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::MediaRequested(requested) => Some(requested.request),
            _ => None,
        },
        _ => None,
    })
}

/// Exceptions that were told to a link last, with why.
fn overrides(outputs: &[Output], to: LinkId) -> Option<(Vec<Override>, PermissionsReason)> {
    let mut told = outputs.iter().filter_map(|output| match output {
        Output::Push { link, notice, .. } if *link == to => match notice.push() {
            Push::PermissionsChanged(changed) => Some((changed.overrides.clone(), changed.reason)),
            _ => None,
        },
        _ => None,
    });
    told.next_back()
}

fn shorts(outputs: &[Output]) -> Vec<String> {
    outputs.iter().map(short).collect()
}

#[test]
fn a_raised_hand_is_told_to_everybody_once() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let id = stage.ask(bob, HandRaise {});
    let outputs = stage.outputs();
    assert_eq!(
        shorts(&outputs),
        [
            "1 push 2 updated Bob 2".to_owned(),
            "2 push 1 updated Bob 2".to_owned(),
            format!("2 ok {id} done"),
            "1 push - hands 1".to_owned(),
            "2 push - hands 1".to_owned(),
        ]
    );
    for link in [ada, bob] {
        assert_eq!(told(&outputs, link), Some(vec![(bob_id, 1, 0)]));
    }
    assert!(stage.face(bob_id).hand.is_some());
    let id = stage.ask(bob, HandRaise {});
    assert_eq!(stage.done(), [format!("2 ok {id} done")]);

    let id = stage.ask(bob, lower(None));
    let outputs = stage.outputs();
    assert!(shorts(&outputs).contains(&format!("2 ok {id} done")));
    assert_eq!(told(&outputs, ada), Some(vec![]));
    assert_eq!(stage.face(bob_id).hand, None);
    // Lowering one that is down is nothing.
    let id = stage.ask(bob, lower(Some(bob_id)));
    assert_eq!(stage.done(), [format!("2 ok {id} done")]);
}

#[test]
fn who_raises_too_often_waits() {
    let mut stage = Stage::new();
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    for _ in 0..5 {
        stage.ask(bob, HandRaise {});
        stage.ask(bob, lower(None));
    }
    stage.outputs();
    let id = stage.ask(bob, HandRaise {});
    assert_eq!(stage.done(), [format!("1 error {id} rate_limited 1s")]);
}

#[test]
fn only_who_manages_hands_lowers_those_of_others() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, _) = stage.join_as("Eve", Role::CoHost);
    stage.ask(ada, HandRaise {});
    stage.ask(bob, HandRaise {});
    stage.outputs();
    let refused = [
        stage.ask(bob, lower(Some(ada_id))),
        stage.ask(bob, HandLowerAll {}),
        stage.ask(bob, next(None)),
    ];
    let outputs = stage.outputs();
    for id in refused {
        assert!(shorts(&outputs).contains(&format!("2 error {id} forbidden")));
    }
    let nobody = ParticipantId::new(1, [9; 10]);
    let id = stage.ask(eve, lower(Some(nobody)));
    assert!(stage.done().contains(&format!("3 error {id} not_found")));
    // A co-host lowers the hand of a host.
    stage.ask(eve, lower(Some(ada_id)));
    assert_eq!(told(&stage.outputs(), eve), Some(vec![(bob_id, 1, 0)]));
    stage.ask(ada, HandRaise {});
    stage.outputs();
    stage.ask(eve, HandLowerAll {});
    let outputs = stage.outputs();
    assert_eq!(told(&outputs, bob), Some(vec![]));
    assert!(shorts(&outputs).contains(&"keep act hand.lower_all ok".to_owned()));
}

#[test]
fn who_may_not_raise_a_hand_has_none() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.ask(bob, HandRaise {});
    let rev = stage.face(bob_id).rev;
    stage.outputs();
    stage.ask(
        ada,
        RoleSet {
            participant: bob_id,
            role: Role::Viewer,
            custom_role: None,
            rev,
        },
    );
    assert_eq!(told(&stage.outputs(), ada), Some(vec![]));
    assert_eq!(stage.face(bob_id).hand, None);
    let id = stage.ask(bob, HandRaise {});
    assert_eq!(stage.done(), [format!("2 error {id} forbidden")]);
}

#[test]
fn a_hand_outlasts_a_lost_link_and_goes_with_its_owner() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, joined) = stage.join("Bob");
    let bob_id = joined.own.id;
    stage.ask(bob, HandRaise {});
    stage.outputs();
    stage.room.handle_link_lost(stage.now, bob);
    assert_eq!(told(&stage.outputs(), ada), None);
    stage.ask(ada, HandRaise {});
    stage.outputs();
    let (bob, is_in) = stage.resume(joined.resume_token, joined.seq, HOME);
    assert!(is_in);
    let hands = told(&stage.outputs(), bob).unwrap();
    assert_eq!(hands.len(), 2);
    assert_eq!(hands[0], (bob_id, 1, 0));
    // Whoever comes finds them in its `joined`, and is not told again.
    let (eve, joined) = stage.join("Eve");
    assert_eq!(joined.hands.hands.len(), 2);
    stage.ask(bob, Leave {});
    let outputs = stage.outputs();
    assert_eq!(told(&outputs, eve).unwrap().len(), 1);
    assert_eq!(told(&outputs, ada).unwrap()[0].1, 1);
}

#[test]
fn who_comes_back_hears_that_all_hands_are_down() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, joined) = stage.join("Bob");
    stage.ask(ada, HandRaise {});
    stage.outputs();
    stage.room.handle_link_lost(stage.now, bob);
    stage.ask(ada, lower(None));
    stage.outputs();
    let (bob, is_in) = stage.resume(joined.resume_token, 0, HOME);
    assert!(is_in);
    assert_eq!(told(&stage.outputs(), bob), Some(Vec::new()));
}

#[test]
fn the_next_speaker_may_speak_until_it_has_finished() {
    let mut stage = panel();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.ask(bob, HandRaise {});
    stage.outputs();
    let id = stage.ask(ada, next(Some(60)));
    let outputs = stage.outputs();
    let until = Timestamp::from_unix_ms(START_MS + 60_000);
    let given = Override {
        key: Permission::PublishAudio,
        effect: Effect::Allow,
        expires_at: Some(until),
    };
    assert_eq!(
        overrides(&outputs, bob),
        Some((vec![given], PermissionsReason::Called))
    );
    assert_eq!(told(&outputs, ada), Some(vec![(bob_id, 0, 0)]));
    let request = requested(&outputs).unwrap();
    assert!(shorts(&outputs).contains(&format!("1 ok {id} called true")));
    let entry = outputs.iter().find_map(|output| match output {
        Output::Persist(Change::Audit(entry)) => Some(entry),
        // Nothing of a call is kept: after a restart it is over.
        Output::Persist(other) => panic!("{}", kept(other)),
        _ => None,
    });
    let detail = entry.unwrap().detail.clone();
    assert_eq!(detail, Some(format!("{bob_id} for 60 s")));

    // It accepts, speaks and mutes itself.
    stage.ask(
        bob,
        MediaRequestReply {
            request,
            answer: RequestAnswer::Accept,
        },
    );
    stage.published(bob, Source::Microphone, "0");
    assert!(stage.face(bob_id).hand.is_some());
    stage.ask(bob, set_muted(true));
    let outputs = stage.outputs();
    assert_eq!(told(&outputs, ada), Some(vec![]));
    assert_eq!(stage.face(bob_id).hand, None);
    assert_eq!(
        overrides(&outputs, bob),
        Some((vec![], PermissionsReason::Called))
    );
    assert!(shorts(&outputs).contains(&"shard unpublish 2 Microphone".to_owned()));
    let id = stage.ask(bob, set_muted(false));
    assert_eq!(stage.done(), [format!("2 error {id} forbidden")]);
    assert!(stage.room.is_known_to(stage.key(bob), ada_id));
}

#[test]
fn the_next_call_ends_the_one_before_and_says_so_when_it_is_silent() {
    let mut stage = panel();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, eve_id) = stage.join_as("Eve", Role::Attendee);
    stage.ask(bob, HandRaise {});
    stage.ask(eve, HandRaise {});
    stage.ask(ada, next(None));
    stage.outputs();
    stage.published(bob, Source::Microphone, "0");
    let id = stage.ask(ada, next(None));
    let outputs = stage.outputs();
    let done = shorts(&outputs);
    assert!(done.contains(&"shard unpublish 2 Microphone".to_owned()));
    assert!(
        done.iter()
            .any(|line| line.ends_with("revoked Microphone PermissionRevoked"))
    );
    assert!(done.contains(&"shard barrier 1".to_owned()));
    assert!(!done.iter().any(|line| line.contains("called")));
    assert_eq!(told(&outputs, ada), Some(vec![(eve_id, 0, 0)]));
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} called true")]);

    // Bob raises again and is called; then nobody is left.
    stage.ask(bob, HandRaise {});
    assert_eq!(
        told(&stage.outputs(), ada),
        Some(vec![(eve_id, 0, 0), (bob_id, 1, 1)])
    );
    stage.ask(ada, next(None));
    assert_eq!(told(&stage.outputs(), ada), Some(vec![(bob_id, 0, 1)]));
    let id = stage.ask(ada, next(None));
    let outputs = stage.outputs();
    assert_eq!(told(&outputs, ada), Some(vec![]));
    assert!(shorts(&outputs).contains(&format!("1 ok {id} called false")));
    assert!(
        !stage.room.members[&stage.key(bob)]
            .subject()
            .overrides
            .iter()
            .any(|_| true)
    );
}

#[test]
fn a_call_ends_when_its_time_is_over() {
    let mut stage = panel();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    stage.ask(bob, HandRaise {});
    for ttl_s in [0, 9, 3601] {
        let id = stage.ask(ada, next(Some(ttl_s)));
        assert!(
            stage
                .done()
                .contains(&format!("1 error {id} bad_request ttl_s"))
        );
    }
    stage.ask(ada, next(Some(10)));
    stage.outputs();
    stage.published(bob, Source::Microphone, "0");
    assert_eq!(
        stage.room.poll_timeout(),
        Some(stage.now + Duration::from_secs(10))
    );
    stage.pass(Duration::from_secs(10));
    let outputs = stage.outputs();
    assert_eq!(told(&outputs, bob), Some(vec![]));
    assert_eq!(
        overrides(&outputs, bob),
        Some((vec![], PermissionsReason::Called))
    );
    assert!(shorts(&outputs).contains(&"shard unpublish 2 Microphone".to_owned()));
    // Nobody answered the question either, which is over.
    assert!(
        shorts(&outputs)
            .iter()
            .any(|line| line.ends_with("answered None"))
    );
}

#[test]
fn a_called_host_needs_no_exception() {
    let mut stage = panel();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (eve, eve_id) = stage.join_as("Eve", Role::CoHost);
    stage.ask(eve, HandRaise {});
    stage.ask(ada, HandRaise {});
    stage.outputs();
    stage.ask(ada, next(None));
    let outputs = stage.outputs();
    assert_eq!(overrides(&outputs, eve), None);
    assert!(requested(&outputs).is_some());
    assert_eq!(told(&outputs, ada).unwrap()[0], (eve_id, 0, 0));
    // Nor is whoever calls itself asked.
    stage.ask(ada, next(None));
    let outputs = stage.outputs();
    assert_eq!(overrides(&outputs, ada), None);
    assert_eq!(requested(&outputs), None);
    assert!(
        shorts(&outputs)
            .iter()
            .any(|line| line.ends_with("answered None"))
    );
}

#[test]
fn whoever_lowers_the_hand_of_the_speaker_ends_the_call() {
    let mut stage = panel();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    for way in 0..4 {
        stage.pass(Duration::from_secs(20));
        stage.ask(bob, HandRaise {});
        stage.ask(ada, next(None));
        stage.outputs();
        stage.published(bob, Source::Microphone, "0");
        match way {
            0 => stage.ask(ada, lower(Some(bob_id))),
            1 => stage.ask(bob, lower(None)),
            2 => stage.ask(ada, HandLowerAll {}),
            _ => stage.ask(
                bob,
                MediaUnpublish {
                    source: Source::Microphone,
                },
            ),
        };
        let outputs = stage.outputs();
        assert_eq!(told(&outputs, ada), Some(vec![]), "way {way}");
        assert!(shorts(&outputs).contains(&"shard unpublish 2 Microphone".to_owned()));
        let waits = shorts(&outputs)
            .iter()
            .any(|line| line.starts_with("shard barrier"));
        assert_eq!(waits, way < 3);
    }
}

#[test]
fn what_somebody_else_decided_about_the_speaker_stays() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let except = |stage: &mut Stage, effect| {
        let rev = stage.face(bob_id).rev;
        stage.ask(
            ada,
            PermOverride {
                participant: bob_id,
                key: Permission::PublishAudio,
                effect,
                ttl_s: None,
                rev,
            },
        );
        stage.outputs()
    };
    // Denied before: denied after, and kept as denied.
    except(&mut stage, OverrideEffect::Deny);
    stage.ask(bob, HandRaise {});
    stage.ask(ada, next(None));
    stage.outputs();
    stage.published(bob, Source::Microphone, "0");
    let rev = stage.face(bob_id).rev;
    stage.ask(
        ada,
        RoleSet {
            participant: bob_id,
            role: Role::Presenter,
            custom_role: None,
            rev,
        },
    );
    let outputs = stage.outputs();
    let standing = outputs.iter().find_map(|output| match output {
        Output::Persist(Change::Standing(standing)) => Some(standing),
        _ => None,
    });
    assert_eq!(standing.unwrap().overrides[0].effect, Effect::Deny);
    stage.ask(ada, next(None));
    let outputs = stage.outputs();
    let (after, _) = overrides(&outputs, bob).unwrap();
    assert_eq!((after.len(), after[0].effect), (1, Effect::Deny));
    assert!(shorts(&outputs).contains(&"shard unpublish 2 Microphone".to_owned()));

    // Denied meanwhile: the call is over, and it stays denied.
    except(&mut stage, OverrideEffect::Clear);
    stage.ask(bob, HandRaise {});
    stage.ask(ada, next(None));
    stage.outputs();
    let outputs = except(&mut stage, OverrideEffect::Deny);
    assert_eq!(told(&outputs, ada), Some(vec![]));
    let (after, _) = overrides(&outputs, bob).unwrap();
    assert_eq!((after.len(), after[0].effect), (1, Effect::Deny));
}

#[test]
fn a_call_opens_a_locked_microphone_for_its_time() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let lock = |allow| MediaLock {
        sources: vec![Source::Microphone],
        on: true,
        allow,
    };
    stage.ask(ada, lock(vec![]));
    stage.ask(bob, HandRaise {});
    stage.outputs();
    stage.ask(ada, next(None));
    let outputs = stage.outputs();
    // Kept without the exemption: after a restart the call is over.
    let settings: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Persist(Change::Settings(settings)) => Some(settings),
            _ => None,
        })
        .collect();
    assert_eq!(settings.len(), 1);
    assert!(settings[0].locks.microphone.allow.is_empty());
    assert_eq!(settings[0].rev, stage.room.settings.rev);
    assert_eq!(stage.room.describe().av_lock.microphone.allow, [bob_id]);
    stage.published(bob, Source::Microphone, "0");
    stage.ask(ada, next(None));
    let done = stage.done();
    assert!(done.contains(&"shard mute 2 Microphone true".to_owned()));
    assert!(stage.room.describe().av_lock.microphone.allow.is_empty());

    // What is locked meanwhile is locked for the speaker too.
    stage.ask(bob, HandRaise {});
    stage.ask(ada, next(None));
    stage.ask(bob, set_muted(false));
    stage.outputs();
    assert!(!stage.face(bob_id).sources.microphone.muted);
    stage.ask(ada, lock(vec![]));
    assert!(
        stage
            .done()
            .contains(&"shard mute 2 Microphone true".to_owned())
    );
    assert_eq!(stage.face(bob_id).hand, None);

    // Whom somebody allows meanwhile stays allowed.
    stage.ask(bob, HandRaise {});
    stage.ask(ada, next(None));
    stage.ask(
        ada,
        MediaLock {
            sources: vec![Source::Microphone, Source::Camera],
            on: true,
            allow: vec![bob_id],
        },
    );
    stage.ask(ada, next(None));
    stage.outputs();
    assert_eq!(stage.room.describe().av_lock.camera.allow, [bob_id]);
}

#[test]
fn the_exemption_of_somebody_who_goes_is_not_left_behind() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    stage.room.settings.locks.microphone.on = true;
    stage.ask(bob, HandRaise {});
    stage.ask(ada, next(None));
    assert_eq!(stage.room.settings.locks.microphone.allow.len(), 1);
    stage.ask(bob, Leave {});
    assert!(stage.room.settings.locks.microphone.allow.is_empty());
    let outputs = stage.outputs();
    assert_eq!(told(&outputs, ada), Some(vec![]));
    assert!(stage.room.hands.is_empty());
}

#[test]
fn nobody_gives_by_a_call_what_it_may_not_give() {
    let mut stage = panel();
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, eve_id) = stage.join_as("Eve", Role::Attendee);
    let manages = Override {
        key: Permission::HandManage,
        effect: Effect::Allow,
        expires_at: None,
    };
    let key = stage.key(eve);
    stage.room.members.get_mut(&key).unwrap().overrides = vec![manages];
    stage.ask(bob, HandRaise {});
    stage.outputs();
    let id = stage.ask(eve, next(None));
    assert!(stage.done().contains(&format!("2 error {id} forbidden")));
    // Where all may speak, it is called without anything.
    stage.room.settings.attendees.microphone = true;
    stage.ask(eve, next(None));
    let outputs = stage.outputs();
    assert_eq!(overrides(&outputs, bob), None);
    assert_eq!(told(&outputs, eve), Some(vec![(bob_id, 0, 0)]));
    // Nor does it open a lock that it may not open.
    stage.room.settings.locks.microphone.on = true;
    let device = stage.room.members[&key].device;
    stage.room.settings.locks.microphone.allow.insert(device);
    stage.ask(eve, HandLowerAll {});
    stage.ask(bob, HandRaise {});
    stage.outputs();
    let id = stage.ask(eve, next(None));
    assert!(stage.done().contains(&format!("2 error {id} locked")));
    assert_eq!(stage.face(eve_id).hand, None);
}

#[test]
fn those_who_do_not_see_everybody_see_the_hands_of_those_they_see() {
    let mut stage = Stage::with(|_, record| record.settings.roster = RosterMode::Hosts);
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, _) = stage.join_as("Eve", Role::Attendee);
    stage.ask(bob, HandRaise {});
    let outputs = stage.outputs();
    assert_eq!(told(&outputs, ada), Some(vec![(bob_id, 1, 0)]));
    assert_eq!(told(&outputs, bob), Some(vec![(bob_id, 1, 0)]));
    assert_eq!(told(&outputs, eve), None);
    stage.ask(ada, HandRaise {});
    let outputs = stage.outputs();
    // Places are those among all.
    assert_eq!(told(&outputs, eve), Some(vec![(ada_id, 2, 0)]));
    assert_eq!(told(&outputs, bob).unwrap().len(), 2);
    // Whoever publishes is seen.
    stage.publish(bob, Source::Camera, "1");
    let key = stage.key(bob);
    let attempt = stage.attempt(key, ShardSource::Camera);
    stage.room.handle_media(
        stage.now,
        Event::Published {
            member: key,
            attempt,
            source: ShardSource::Camera,
            rids: Vec::new(),
        },
    );
    let outputs = stage.outputs();
    assert_eq!(told(&outputs, eve).unwrap().len(), 2);
    assert_eq!(told(&outputs, ada), None);
}

#[test]
fn the_order_of_the_queue_is_a_policy() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, eve_id) = stage.join_as("Eve", Role::Attendee);
    stage.ask(bob, HandRaise {});
    stage.ask(ada, next(None));
    stage.ask(ada, next(None));
    stage.ask(bob, HandRaise {});
    stage.ask(eve, HandRaise {});
    assert_eq!(
        told(&stage.outputs(), ada),
        Some(vec![(bob_id, 1, 1), (eve_id, 2, 0)])
    );
    stage.ask(
        ada,
        RoomUpdate {
            hands: Some(HandOrder::FirstTimersFirst),
            ..RoomUpdate::default()
        },
    );
    assert_eq!(
        told(&stage.outputs(), ada),
        Some(vec![(eve_id, 1, 0), (bob_id, 2, 1)])
    );
}

#[test]
fn the_next_meeting_begins_without_hands() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    stage.room.settings.default_role = Role::Host;
    let (link, _) = stage.try_join("Bob", 7, None);
    stage.ask(link, HandRaise {});
    stage.ask(ada, next(None));
    stage.ask(link, Leave {});
    stage.ask(ada, Leave {});
    stage.outputs();
    let (link, _) = stage.try_join("Bob", 7, None);
    stage.ask(link, HandRaise {});
    assert_eq!(told(&stage.outputs(), link).unwrap()[0].2, 0);
}

#[test]
fn a_reaction_names_its_author_to_those_who_see_it() {
    let mut stage = Stage::with(|_, record| record.settings.roster = RosterMode::Hosts);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, _) = stage.join_as("Eve", Role::Attendee);
    let clap = ReactionSend { emoji: Emoji::Clap };
    stage.ask(bob, clap.clone());
    let told: Vec<_> = stage
        .outputs()
        .iter()
        .filter_map(|output| match output {
            Output::Push { link, seq, notice } => match notice.push() {
                Push::Reaction(reaction) => Some((*link, *seq, reaction.participant)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            (ada, None, Some(bob_id)),
            (bob, None, Some(bob_id)),
            (eve, None, None)
        ]
    );
    for _ in 1..10 {
        stage.ask(bob, clap.clone());
    }
    stage.outputs();
    let id = stage.ask(bob, clap.clone());
    assert_eq!(stage.done(), [format!("2 error {id} rate_limited 1s")]);
    // What is not allowed is not counted.
    stage.room.settings.reactions = false;
    let id = stage.ask(eve, clap);
    assert_eq!(stage.done(), [format!("3 error {id} forbidden")]);
}

#[test]
fn the_spotlight_is_part_of_the_room() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let set = |participants: &[ParticipantId]| SpotlightSet {
        participants: participants.to_vec(),
    };
    let id = stage.ask(bob, set(&[bob_id]));
    assert!(stage.done().contains(&format!("2 error {id} forbidden")));
    let nobody = ParticipantId::new(1, [9; 10]);
    let id = stage.ask(ada, set(&[bob_id, nobody]));
    assert!(stage.done().contains(&format!("1 error {id} not_found")));
    let id = stage.ask(ada, set(&[bob_id; 7]));
    assert!(
        stage
            .done()
            .contains(&format!("1 error {id} bad_request participants"))
    );
    let id = stage.ask(ada, set(&[bob_id, ada_id, bob_id]));
    assert_eq!(
        stage.done(),
        [
            "keep settings 2",
            "1 push 2 room 2",
            "2 push 1 room 2",
            "keep act spotlight.set ok",
            &format!("1 ok {id} room 2"),
        ]
    );
    assert_eq!(stage.room.describe().spotlight, [bob_id, ada_id]);
    let id = stage.ask(ada, set(&[bob_id, ada_id]));
    assert_eq!(
        stage.done(),
        ["keep act spotlight.set ok", &format!("1 ok {id} room 2")]
    );
    // Who is gone is in it no longer.
    stage.ask(bob, Leave {});
    assert!(stage.done().contains(&"1 push 4 room 3".to_owned()));
    assert_eq!(stage.room.describe().spotlight, [ada_id]);
}

#[test]
fn those_in_the_spotlight_whom_one_does_not_see_are_not_named() {
    let mut stage = Stage::with(|_, record| record.settings.roster = RosterMode::Hosts);
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, _) = stage.join_as("Eve", Role::Attendee);
    let spotlight = |outputs: &[Output], to| {
        let mut rooms = outputs.iter().filter_map(|output| match output {
            Output::Push { link, notice, .. } if *link == to => match notice.push() {
                Push::RoomUpdated(updated) => Some(updated.room.spotlight.clone()),
                _ => None,
            },
            _ => None,
        });
        rooms.next_back()
    };
    stage.ask(
        ada,
        SpotlightSet {
            participants: vec![ada_id, bob_id],
        },
    );
    let outputs = stage.outputs();
    assert_eq!(spotlight(&outputs, eve), Some(vec![ada_id]));
    assert_eq!(spotlight(&outputs, bob), Some(vec![ada_id, bob_id]));
    stage.publish(bob, Source::Camera, "1");
    let key = stage.key(bob);
    let attempt = stage.attempt(key, ShardSource::Camera);
    stage.room.handle_media(
        stage.now,
        Event::Published {
            member: key,
            attempt,
            source: ShardSource::Camera,
            rids: Vec::new(),
        },
    );
    let outputs = stage.outputs();
    assert_eq!(spotlight(&outputs, eve), Some(vec![ada_id, bob_id]));
}

#[test]
fn an_announcement_reaches_the_room_and_not_the_lobby() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    stage.room.settings.lobby = LobbyMode::On;
    stage.try_join("Eve", 9, None);
    stage.outputs();
    let announce = SessionAnnounce {
        message: Prose::new("Five minutes").unwrap(),
    };
    let id = stage.ask(bob, announce.clone());
    assert!(stage.done().contains(&format!("2 error {id} forbidden")));
    stage.ask(ada, announce.clone());
    let outputs = stage.outputs();
    let told: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Push { link, seq, notice } => match notice.push() {
                Push::Announcement(said) => {
                    assert!(seq.is_some());
                    assert_eq!(said.ts, Timestamp::from_unix_ms(START_MS));
                    Some((*link, said.by, said.message.as_str().to_owned()))
                }
                _ => None,
            },
            _ => None,
        })
        .collect();
    let text = "Five minutes".to_owned();
    assert_eq!(
        told,
        [(ada, Some(ada_id), text.clone()), (bob, Some(ada_id), text)]
    );
    for _ in 1..6 {
        stage.ask(ada, announce.clone());
    }
    stage.outputs();
    let id = stage.ask(ada, announce.clone());
    assert!(
        stage
            .done()
            .contains(&format!("1 error {id} rate_limited 60s"))
    );

    let order = OperatorRequest::Announce(announce.message);
    stage
        .room
        .handle_operator(stage.now, 5, Actor::Operator, order);
    let done = stage.done();
    assert!(done.contains(&"keep act session.announce ok".to_owned()));
    assert!(done.contains(&"operator 5 ok".to_owned()));
    let heard = done.iter().filter(|line| line.ends_with("announcement"));
    assert_eq!(heard.count(), 2);
}

#[test]
fn who_was_denied_to_speak_is_called_by_who_may_lift_that() {
    let mut stage = panel();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, _) = stage.join_as("Eve", Role::Presenter);
    let exception = |key, effect| Override {
        key,
        effect,
        expires_at: None,
    };
    let key = stage.key(eve);
    let manages = exception(Permission::HandManage, Effect::Allow);
    stage.room.members.get_mut(&key).unwrap().overrides = vec![manages];
    let key = stage.key(bob);
    let denied = exception(Permission::PublishAudio, Effect::Deny);
    stage.room.members.get_mut(&key).unwrap().overrides = vec![denied.clone()];
    stage.ask(bob, HandRaise {});
    stage.outputs();
    let id = stage.ask(eve, next(None));
    assert!(stage.done().contains(&format!("3 error {id} forbidden")));
    stage.ask(ada, next(Some(60)));
    assert_eq!(told(&stage.outputs(), ada), Some(vec![(bob_id, 0, 0)]));
    // After the call it is denied as before.
    stage.pass(Duration::from_secs(60));
    assert_eq!(stage.room.members[&key].overrides, [denied]);
}

#[test]
fn who_comes_to_see_more_sees_all_of_the_spotlight() {
    let mut stage = Stage::with(|_, record| record.settings.roster = RosterMode::Hosts);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (_, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, eve_id) = stage.join_as("Eve", Role::Attendee);
    let participants = vec![bob_id];
    stage.ask(ada, SpotlightSet { participants });
    stage.outputs();
    let rev = stage.face(eve_id).rev;
    let promote = |role, rev| RoleSet {
        participant: eve_id,
        role,
        custom_role: None,
        rev,
    };
    let seen = |stage: &mut Stage| {
        let outputs = stage.outputs();
        outputs.iter().find_map(|output| match output {
            Output::Push { link, notice, .. } if *link == eve => match notice.push() {
                Push::RoomUpdated(updated) => Some(updated.room.spotlight.clone()),
                _ => None,
            },
            _ => None,
        })
    };
    stage.ask(ada, promote(Role::Presenter, rev));
    assert_eq!(seen(&mut stage), Some(vec![bob_id]));
    let rev = stage.face(eve_id).rev;
    stage.ask(ada, promote(Role::Attendee, rev));
    assert_eq!(seen(&mut stage), Some(vec![]));
}

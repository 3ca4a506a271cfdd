//! Muting, asking, removing; and what is written down about it.

use super::*;
use conclave_sfu_wire::control::Source as ShardSource;
use conclave_signalling_wire::ids::RequestId;
use conclave_signalling_wire::limits::REQUEST_WITHIN;
use conclave_signalling_wire::moderation::{
    BanOrder, BanScope, MediaRequestAnswered, OverrideEffect, RequestAnswer, Target,
};
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::request::{
    Leave, MediaLock, MediaMute, MediaRequest, MediaRequestReply, ParticipantRemove,
    ParticipantRename, PermOverride, ScreenStart, TrackState,
};
use conclave_signalling_wire::text::Prose;

use crate::record::AuditEntry;

fn mute(participant: ParticipantId, sources: &[Source]) -> MediaMute {
    MediaMute {
        target: Target::Participant { participant },
        sources: sources.to_vec(),
    }
}

fn mute_all_but(participants: &[ParticipantId], sources: &[Source]) -> MediaMute {
    MediaMute {
        target: Target::AllExcept {
            participants: participants.to_vec(),
        },
        sources: sources.to_vec(),
    }
}

fn remove(participant: ParticipantId) -> ParticipantRemove {
    ParticipantRemove {
        participant,
        reason: Some(Prose::new("Disruptive").unwrap()),
        message: None,
        ban: None,
    }
}

fn entries(outputs: &[Output]) -> Vec<AuditEntry> {
    let kept = outputs.iter().filter_map(|output| match output {
        Output::Persist(Change::Audit(entry)) => Some(entry.as_ref().clone()),
        _ => None,
    });
    kept.collect()
}

fn requested(outputs: &[Output]) -> RequestId {
    let found = outputs.iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::MediaRequested(requested) => Some(requested.request),
            _ => None,
        },
        _ => None,
    });
    found.unwrap()
}

fn answered(outputs: &[Output]) -> Vec<MediaRequestAnswered> {
    let found = outputs.iter().filter_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::MediaRequestAnswered(answered) => Some(answered.clone()),
            _ => None,
        },
        _ => None,
    });
    found.collect()
}

#[test]
fn a_muted_microphone_is_silent_before_the_reply_and_its_owner_may_open_it() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Microphone, "0");
    let id = stage.ask(ada, mute(bob_id, &[Source::Microphone]));
    let outputs = stage.outputs();
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        [
            "shard mute 2 Microphone true",
            "2 push 2 revoked Microphone Muted",
            "1 push 3 updated Bob 3",
            "2 push 3 updated Bob 3",
            "shard barrier 1",
            "keep act media.mute ok",
        ]
    );
    let entry = &entries(&outputs)[0];
    assert_eq!(entry.actor, Actor::Participant(ada_id));
    assert_eq!(entry.target, Some(bob_id.to_string()));
    assert_eq!(entry.detail.as_deref(), Some("microphone, 1 muted"));
    assert_eq!(entry.prefix.as_deref(), Some("192.0.2.0/24"));
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} muted 1")]);
    assert_eq!(stage.face(bob_id).sources.microphone.muted_by, Some(ada_id));

    // Once more there is nothing to do.
    let id = stage.ask(ada, mute(bob_id, &[Source::Microphone]));
    assert_eq!(
        stage.done(),
        ["keep act media.mute ok", &format!("1 ok {id} muted 0")]
    );
    // A mute is no lock.
    stage.ask(
        bob,
        TrackState {
            source: Source::Microphone,
            muted: false,
        },
    );
    assert!(
        stage
            .done()
            .contains(&"shard mute 2 Microphone false".to_owned())
    );
    assert_eq!(stage.face(bob_id).sources.microphone.muted_by, None);
}

#[test]
fn who_muted_itself_is_not_said_to_be_muted_by_another() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Microphone, "0");
    stage.ask(
        bob,
        TrackState {
            source: Source::Microphone,
            muted: true,
        },
    );
    stage.ask(ada, mute(bob_id, &[Source::Microphone]));
    assert_eq!(stage.face(bob_id).sources.microphone.muted_by, None);
}

#[test]
fn what_is_muted_while_it_is_asked_for_begins_muted() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.publish(bob, Source::Microphone, "0");
    stage.ask(ada, mute(bob_id, &[Source::Microphone]));
    let (member, source) = (stage.key(bob), ShardSource::Microphone);
    let attempt = stage.attempt(member, source);
    stage.room.handle_media(
        stage.now,
        Event::Published {
            member,
            attempt,
            source,
            rids: Vec::new(),
        },
    );
    let done = stage.done();
    assert!(done.contains(&"shard mute 2 Microphone true".to_owned()));
    let microphone = &stage.face(bob_id).sources.microphone;
    assert!(microphone.published && microphone.muted);
    assert_eq!(microphone.muted_by, Some(ada_id));
}

#[test]
fn mute_and_lock_meet_an_unmute_that_is_under_way() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Microphone, "0");
    let unmute = TrackState {
        source: Source::Microphone,
        muted: false,
    };
    stage.ask(ada, mute(bob_id, &[Source::Microphone]));
    let lock = MediaLock {
        sources: vec![Source::Microphone],
        on: true,
        allow: Vec::new(),
    };
    stage.ask(ada, lock);
    stage.done();
    // Sent before the lock was heard of.
    let id = stage.ask(bob, unmute);
    assert_eq!(stage.done(), [format!("2 error {id} forbidden")]);
    assert!(stage.face(bob_id).sources.microphone.muted);
}

#[test]
fn all_but_some_are_muted_and_nobody_above() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::CoHost);
    let (host, host_id) = stage.join_as("Host", Role::Host);
    let (cleo, cleo_id) = stage.join_as("Cleo", Role::CoHost);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let (eve, eve_id) = stage.join_as("Eve", Role::Presenter);
    let (mia, mia_id) = stage.join_as("Mia", Role::Attendee);
    for link in [ada, host, cleo, bob, eve, mia] {
        stage.published(link, Source::Microphone, "0");
    }
    stage.published(eve, Source::Screen, "2");
    stage.published(eve, Source::ScreenAudio, "3");
    let id = stage.ask(
        ada,
        mute_all_but(&[bob_id], &[Source::Microphone, Source::Screen]),
    );
    let done = stage.done();
    assert!(
        done.contains(&"5 push 12 revoked Screen Stopped".to_owned()),
        "{done:?}"
    );
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} muted 2")]);
    let muted = |who| stage.face(who).sources.microphone.muted;
    assert_eq!(
        [ada_id, host_id, cleo_id, bob_id, eve_id, mia_id].map(muted),
        [false, false, false, false, true, true]
    );
    assert_eq!(stage.face(eve_id).sources.screen_audio, None);
    // One above is refused, where it is named.
    let id = stage.ask(ada, mute(host_id, &[Source::Microphone]));
    assert_eq!(stage.done().pop(), Some(format!("1 error {id} forbidden")));
    let id = stage.ask(bob, mute(mia_id, &[Source::Microphone]));
    assert_eq!(stage.done().pop(), Some(format!("4 error {id} forbidden")));
    let id = stage.ask(ada, mute(mia_id, &[]));
    assert_eq!(
        stage.done().pop(),
        Some(format!("1 error {id} bad_request sources"))
    );
    let many = vec![mia_id; 501];
    let id = stage.ask(ada, mute_all_but(&many, &[Source::Camera]));
    assert_eq!(
        stage.done().pop(),
        Some(format!("1 error {id} bad_request target.participants"))
    );
}

#[test]
fn a_request_is_prompted_and_answered_and_unmutes_nobody() {
    let mut stage = Stage::new();
    let (ada, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    stage.published(bob, Source::Microphone, "0");
    stage.ask(ada, mute(bob_id, &[Source::Microphone]));
    stage.outputs();
    let ask = MediaRequest {
        participant: bob_id,
        source: Source::Microphone,
    };
    let id = stage.ask(ada, ask.clone());
    let outputs = stage.outputs();
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        [
            "2 push 4 requested Microphone",
            "keep act media.request ok",
            &format!("1 ok {id} requested")
        ]
    );
    let request = requested(&outputs);
    let Output::Push { notice, .. } = &outputs[0] else {
        panic!()
    };
    let Push::MediaRequested(told) = notice.push() else {
        panic!()
    };
    assert_eq!((told.by, told.expires_s), (ada_id, 60));

    // One at a time.
    let id = stage.ask(ada, ask);
    assert_eq!(stage.done().pop(), Some(format!("1 error {id} conflict")));
    // Nobody answers for another.
    let reply = MediaRequestReply {
        request,
        answer: RequestAnswer::Accept,
    };
    let id = stage.ask(ada, reply.clone());
    assert_eq!(
        stage.done().pop(),
        Some(format!("1 error {id} not_found request"))
    );
    let id = stage.ask(bob, reply.clone());
    let outputs = stage.outputs();
    assert_eq!(
        outputs.iter().map(short).collect::<Vec<_>>(),
        [
            "1 push 4 answered Some(Accept)",
            "keep act media.request.reply ok",
            &format!("2 ok {id} done")
        ]
    );
    assert_eq!(answered(&outputs)[0].participant, bob_id);
    assert!(stage.face(bob_id).sources.microphone.muted);
    let id = stage.ask(bob, reply);
    assert_eq!(
        stage.done().pop(),
        Some(format!("2 error {id} not_found request"))
    );
}

#[test]
fn a_request_without_an_answer_is_told_to_who_asked() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let ask = |source| MediaRequest {
        participant: bob_id,
        source,
    };
    stage.ask(ada, ask(Source::Microphone));
    stage.done();
    assert_eq!(stage.room.poll_timeout(), Some(stage.now + REQUEST_WITHIN));
    stage.pass(REQUEST_WITHIN);
    assert_eq!(stage.done(), ["1 push 2 answered None"]);
    // Likewise if it goes away.
    stage.ask(ada, ask(Source::Camera));
    stage.done();
    stage.ask(bob, Leave {});
    let outputs = stage.outputs();
    assert_eq!(answered(&outputs)[0].answer, None);
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn who_asked_and_left_is_told_nothing() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (_, bob_id) = stage.join_as("Bob", Role::Attendee);
    let ask = MediaRequest {
        participant: bob_id,
        source: Source::Camera,
    };
    stage.ask(ada, ask);
    stage.ask(ada, Leave {});
    stage.done();
    stage.pass(REQUEST_WITHIN);
    assert!(stage.done().is_empty());
}

#[test]
fn nobody_is_asked_more_than_three_times_a_minute_by_the_same() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (cleo, _) = stage.join_as("Cleo", Role::CoHost);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let ask = MediaRequest {
        participant: bob_id,
        source: Source::Microphone,
    };
    for _ in 0..3 {
        stage.ask(ada, ask.clone());
        let request = requested(&stage.outputs());
        let answer = RequestAnswer::Later;
        stage.ask(bob, MediaRequestReply { request, answer });
    }
    stage.done();
    let id = stage.ask(ada, ask.clone());
    assert_eq!(
        stage.done().pop(),
        Some(format!("1 error {id} rate_limited 60s"))
    );
    let id = stage.ask(cleo, ask.clone());
    assert_eq!(stage.done().pop(), Some(format!("2 ok {id} requested")));
    stage.pass(Duration::from_secs(60));
    stage.done();
    let id = stage.ask(ada, ask);
    assert_eq!(stage.done().pop(), Some(format!("1 ok {id} requested")));
}

#[test]
fn who_is_removed_hears_so_and_is_out_before_the_reply() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::CoHost);
    let (bob, joined) = stage.join("Bob");
    stage.published(bob, Source::Microphone, "0");
    let id = stage.ask(ada, remove(joined.own.id));
    let outputs = stage.outputs();
    let done: Vec<String> = outputs
        .iter()
        .map(short)
        .filter(|done| !done.starts_with("keep standing"))
        .collect();
    assert_eq!(
        done,
        [
            "2 push 2 removed",
            "2 close 4403",
            "token revoked",
            "shard drop 2",
            "1 push 3 left Removed",
            "shard barrier 1",
            "keep act participant.remove ok",
        ]
    );
    let entry = entries(&outputs).pop().unwrap();
    assert_eq!(entry.target, Some(joined.own.id.to_string()));
    assert_eq!(entry.detail, None, "what was said is nobody's business");
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} removed 1 ban false")]);
    let (_, is_in) = stage.resume(joined.resume_token, joined.seq, HOME);
    assert!(!is_in);
    assert_eq!(stage.done(), ["3 error 1 resume_failed"]);
}

#[test]
fn who_is_removed_while_its_link_is_lost_does_not_come_back() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, joined) = stage.join("Bob");
    stage.room.handle_link_lost(stage.now, bob);
    stage.done();
    stage.ask(ada, remove(joined.own.id));
    let done = stage.done();
    assert!(done.contains(&"shard drop 2".to_owned()));
    assert!(!done.iter().any(|done| done.starts_with("2 ")));
    let (_, is_in) = stage.resume(joined.resume_token, joined.seq, HOME);
    assert!(!is_in);
    stage.done();
    stage.pass(Duration::from_secs(60));
    let done = stage.done();
    assert!(!done.iter().any(|done| done.contains("left")), "{done:?}");
}

#[test]
fn nobody_acts_on_somebody_of_the_same_rank_or_above() {
    for actor in Role::ALL {
        for target in Role::ALL {
            let mut stage = Stage::new();
            let (ada, _) = stage.join_as("Ada", actor);
            let (_, bob) = stage.join_as("Bob", target);
            let name = DisplayName::new("Robert").unwrap();
            let requests: [Request; 4] = [
                ParticipantRename {
                    participant: bob,
                    name,
                }
                .into(),
                mute(bob, &[Source::Camera]).into(),
                MediaRequest {
                    participant: bob,
                    source: Source::Camera,
                }
                .into(),
                remove(bob).into(),
            ];
            let may = actor.is_host() && actor.outranks(target);
            for request in requests {
                let name = request.name();
                let id = stage.ask(ada, request);
                let done = stage.done();
                let refused = done.contains(&format!("1 error {id} forbidden"));
                assert_eq!(refused, !may, "{name} {actor:?} {target:?} {done:?}");
            }
            assert_eq!(stage.room.participants(), if may { 1 } else { 2 });
        }
    }
}

#[test]
fn what_concerns_nobody_there_is_not_found() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let nobody = ParticipantId::new(1, [1; 10]);
    for request in [
        Request::from(remove(nobody)),
        mute(nobody, &[Source::Camera]).into(),
    ] {
        let id = stage.ask(ada, request);
        assert_eq!(stage.done().pop(), Some(format!("1 error {id} not_found")));
    }
}

#[test]
fn refusals_are_written_down_until_they_are_too_many() {
    let mut stage = Stage::new();
    let (_, ada_id) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    for _ in 0..15 {
        stage.ask(bob, remove(ada_id));
    }
    let written = entries(&stage.outputs());
    assert_eq!(written.len(), 10);
    assert!(written.iter().all(|entry| entry.outcome == "forbidden"));
    stage.pass(Duration::from_secs(1));
    stage.ask(bob, remove(ada_id));
    let written = entries(&stage.outputs());
    assert_eq!(
        written[0].detail.as_deref(),
        Some("5 refusals left out"),
        "{written:?}"
    );
}

#[test]
fn who_may_not_rename_itself_is_renamed_by_hosts() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, bob_id) = stage.join_as("Bob", Role::Attendee);
    let rename = ParticipantRename {
        participant: bob_id,
        name: DisplayName::new("Robert").unwrap(),
    };
    stage.room.settings.attendees.rename = false;
    let id = stage.ask(bob, rename.clone());
    assert_eq!(stage.done(), [format!("2 error {id} forbidden")]);
    let id = stage.ask(ada, rename);
    let done = stage.done();
    assert_eq!(done.last(), Some(&format!("1 ok {id} renamed 2")));
    assert!(done.contains(&"keep act participant.rename ok".to_owned()));
}

#[test]
fn a_name_that_an_invite_fixes_is_changed_by_hosts_only() {
    let mut stage = Stage::with(|_, record| {
        record.invites = vec![Invite {
            name: Some(DisplayName::new("Bob").unwrap()),
            name_locked: true,
            ..invite(1, Role::Presenter)
        }];
    });
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, is_in) = stage.try_invite("Anybody", 9, 1);
    assert!(is_in);
    stage.done();
    let participant = stage.room.participant_of(bob).unwrap().id;
    let rename = ParticipantRename {
        participant,
        name: DisplayName::new("Robert").unwrap(),
    };
    let id = stage.ask(bob, rename.clone());
    assert_eq!(stage.done(), [format!("2 error {id} forbidden")]);
    let id = stage.ask(ada, rename);
    assert_eq!(stage.done().pop(), Some(format!("1 ok {id} renamed 2")));
}

#[test]
fn a_ban_is_on_all_that_a_device_has_in_the_room() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.try_join("Bob", 9, None);
    let (_, is_in) = stage.try_join("Bob", 9, Some(DuplicateChoice::JoinAsSecond));
    assert!(is_in);
    let (_, eve) = stage.join_as("Eve", Role::Attendee);
    stage.done();
    let participant = stage.room.participant_of(bob).unwrap().id;
    let order = ParticipantRemove {
        ban: Some(BanOrder {
            scope: BanScope::Room,
            ttl_s: Some(3600),
            strict: false,
        }),
        ..remove(participant)
    };
    let id = stage.ask(ada, order);
    let outputs = stage.outputs();
    let done: Vec<String> = outputs.iter().map(short).collect();
    for expected in [
        "keep ban strict false",
        "2 close 4403",
        "3 close 4403",
        "shard drop 2",
        "shard drop 3",
    ] {
        assert!(done.contains(&expected.to_owned()), "{expected} {done:?}");
    }
    let entry = entries(&outputs).pop().unwrap();
    let detail = entry.detail.unwrap();
    assert!(detail.starts_with("ban for 3600 s, as ban_"), "{detail}");
    let until = outputs.iter().find_map(|output| match output {
        Output::Push { notice, .. } => match notice.push() {
            Push::Removed(removed) => Some(removed.banned_until),
            _ => None,
        },
        _ => None,
    });
    let ends = stage.room.clock.at(stage.now + Duration::from_secs(3600));
    assert_eq!(until, Some(Some(ends)));
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} removed 1 ban true")]);
    assert_eq!(stage.room.participants(), 2);
    assert_eq!(stage.face(eve).name.as_str(), "Eve");
    let (_, is_in) = stage.try_join("Bob", 9, None);
    assert!(!is_in);
}

#[test]
fn who_may_remove_but_not_ban_does_neither_where_a_ban_is_asked_for() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (cleo, cleo_id) = stage.join_as("Cleo", Role::CoHost);
    let (_, bob_id) = stage.join_as("Bob", Role::Attendee);
    let deny = PermOverride {
        participant: cleo_id,
        key: Permission::ParticipantBan,
        effect: OverrideEffect::Deny,
        ttl_s: None,
        rev: stage.face(cleo_id).rev,
    };
    stage.ask(ada, deny);
    stage.done();
    let order = ParticipantRemove {
        ban: Some(BanOrder {
            scope: BanScope::Room,
            ttl_s: None,
            strict: true,
        }),
        ..remove(bob_id)
    };
    let id = stage.ask(cleo, order);
    assert_eq!(stage.done().pop(), Some(format!("2 error {id} forbidden")));
    assert_eq!(stage.room.participants(), 3);
}

#[test]
fn who_asks_again_for_the_screen_gets_no_more_time() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join_as("Ada", Role::Attendee);
    let (bob, _) = stage.join_as("Bob", Role::Attendee);
    let start = ScreenStart {
        surface: None,
        audio: false,
        take_over: false,
    };
    for _ in 0..6 {
        stage.ask(ada, start.clone());
        stage.pass(Duration::from_secs(10));
    }
    stage.done();
    let id = stage.ask(bob, start);
    assert_eq!(stage.done(), [format!("2 ok {id} screen granted")]);
}

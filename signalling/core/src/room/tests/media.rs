//! Media as the room sees it: requests, what the shard says, and what is told.

use super::*;
use conclave_sfu_wire::control::{
    Codec, OfferError, PauseReason, Priority, PublishError, SlotState, Source as ShardSource,
    TransportFailure, View,
};
use conclave_signalling_wire::limits::SDP_BYTES;
use conclave_signalling_wire::objects::{Effect, Override, Permission, PictureSource};
use conclave_signalling_wire::request::{
    self, MediaSlotsAck, MediaUnpublish, MediaWish, ScreenStart, TrackState,
};

fn fail(stage: &mut Stage, member: MemberKey, generation: u32) {
    let failed = Event::TransportFailed {
        member,
        generation,
        failure: TransportFailure::Dtls,
    };
    stage.room.handle_media(stage.now, failed);
}

fn slots(stage: &mut Stage, member: MemberKey, rev: u32, slots: Vec<SlotState>) {
    stage
        .room
        .handle_media(stage.now, Event::Slots { member, rev, slots });
}

fn shows(on: &str, member: MemberKey) -> SlotState {
    SlotState {
        mid: mid(on),
        feed: Some((member, ShardSource::Camera)),
        paused: None,
    }
}

#[test]
fn an_offer_is_answered_by_the_shard() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let id = stage.offer(ada, 1);
    assert_eq!(stage.done(), ["shard offer 1 1"]);
    let member = stage.key(ada);
    stage.answer(member, 1);
    assert_eq!(stage.done(), [format!("1 ok {id} answer 1")]);
    stage.answer(member, 1);
    assert!(stage.done().is_empty());
}

#[test]
fn one_offer_at_a_time_and_six_in_a_minute() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let member = stage.key(ada);
    stage.offer(ada, 1);
    stage.done();
    let id = stage.offer(ada, 1);
    assert_eq!(stage.done(), [format!("1 error {id} conflict")]);
    stage.answer(member, 1);
    for _ in 0..5 {
        stage.offer(ada, 1);
        stage.answer(member, 1);
    }
    stage.done();
    let id = stage.offer(ada, 1);
    assert_eq!(stage.done(), [format!("1 error {id} rate_limited 60s")]);
}

#[test]
fn an_offer_has_bounds() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let id = stage.ask(
        ada,
        MediaOffer {
            generation: 1,
            sdp: "v".repeat(SDP_BYTES + 1),
            relay_only: false,
        },
    );
    assert_eq!(stage.done(), [format!("1 error {id} too_large sdp")]);
    let id = stage.ask(
        ada,
        MediaOffer {
            generation: 0,
            sdp: "v=0".to_owned(),
            relay_only: false,
        },
    );
    assert_eq!(
        stage.done(),
        [format!("1 error {id} bad_request generation")]
    );
    stage.offer(ada, 2);
    let member = stage.key(ada);
    stage.answer(member, 2);
    stage.done();
    let id = stage.offer(ada, 1);
    assert_eq!(
        stage.done(),
        [format!("1 error {id} bad_request generation")]
    );
}

#[test]
fn the_reasons_of_a_refused_offer_are_told() {
    for (error, told) in [
        (OfferError::Invalid("m-lines"), "sdp_invalid sdp"),
        (OfferError::CodecUnsupported, "codec_unsupported sdp"),
        (OfferError::Stale, "bad_request generation"),
        (OfferError::UnknownMember, "not_available"),
    ] {
        let mut stage = Stage::new();
        let (ada, _) = stage.join("Ada");
        let id = stage.offer(ada, 1);
        stage.done();
        let member = stage.key(ada);
        stage.room.handle_media(
            stage.now,
            Event::OfferRefused {
                member,
                generation: 1,
                error,
            },
        );
        assert_eq!(stage.done(), [format!("1 error {id} {told}")]);
    }
}

#[test]
fn a_shard_that_does_not_answer_is_given_up() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let member = stage.key(ada);
    slots(&mut stage, member, 1, Vec::new());
    let offer = stage.offer(ada, 1);
    let publish = stage.publish(ada, Source::Camera, "1");
    let ack = stage.ask(ada, MediaSlotsAck { rev: 1 });
    stage.done();
    stage.pass(Duration::from_secs(10));
    assert_eq!(
        stage.done(),
        [
            format!("1 error {offer} not_available"),
            format!("1 error {ack} not_available"),
            "shard unpublish 1 Camera".to_owned(),
            format!("1 error {publish} not_available"),
        ]
    );
    assert_eq!(stage.room.poll_timeout(), None);
    // What comes too late is undone.
    stage.room.handle_media(
        stage.now,
        Event::Published {
            member,
            attempt: 1,
            source: ShardSource::Camera,
            rids: Vec::new(),
        },
    );
    assert_eq!(stage.done(), ["shard unpublish 1 Camera"]);
}

#[test]
fn an_answer_for_a_lost_link_goes_nowhere() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    let member = stage.key(ada);
    stage.offer(ada, 1);
    stage.room.handle_link_lost(stage.now, ada);
    let (again, _) = stage.resume(joined.resume_token, 0, HOME);
    let id = stage.offer(again, 1);
    stage.done();
    // The first answer belongs to the offer of the lost link.
    stage.answer(member, 1);
    assert!(stage.done().is_empty());
    stage.answer(member, 1);
    assert_eq!(stage.done(), [format!("2 ok {id} answer 1")]);
}

#[test]
fn two_requests_of_one_number_are_a_protocol_error() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let id = stage.offer(ada, 1);
    stage.request = id - 1;
    stage.done();
    stage.publish(ada, Source::Camera, "1");
    assert_eq!(stage.done(), ["1 close 4400", "shard link 1 false"]);
}

#[test]
fn a_publication_is_told_to_everybody_once_the_shard_accepts_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    stage.join("Bob");
    stage.done();
    let id = stage.publish(ada, Source::Camera, "1");
    assert_eq!(stage.done(), ["shard publish 1 1 Camera false"]);
    let member = stage.key(ada);
    let source = ShardSource::Camera;
    let attempt = stage.attempt(member, source);
    stage.room.handle_media(
        stage.now,
        Event::Published {
            member,
            attempt,
            source,
            rids: Rid::ALL.to_vec(),
        },
    );
    assert_eq!(
        stage.done(),
        [
            &format!("1 ok {id} published 3"),
            "1 push 2 updated Ada 2",
            "2 push 1 updated Ada 2"
        ]
    );
    let camera = &stage.room.participant_of(ada).unwrap().sources.camera;
    assert!(camera.published && !camera.muted);

    // Said again, as after a resume.
    let id = stage.publish(ada, Source::Camera, "1");
    assert_eq!(stage.done(), ["shard publish 1 1 Camera false"]);
    let attempt = stage.attempt(member, source);
    stage.room.handle_media(
        stage.now,
        Event::Published {
            member,
            attempt,
            source,
            rids: Rid::ALL.to_vec(),
        },
    );
    assert_eq!(stage.done(), [format!("1 ok {id} published 3")]);

    let id = stage.ask(
        ada,
        TrackState {
            source: Source::Camera,
            muted: true,
        },
    );
    assert_eq!(
        stage.done(),
        [
            "shard mute 1 Camera true",
            "1 push 3 updated Ada 3",
            "2 push 2 updated Ada 3",
            &format!("1 ok {id} done")
        ]
    );

    let id = stage.ask(
        ada,
        MediaUnpublish {
            source: Source::Camera,
        },
    );
    assert_eq!(
        stage.done(),
        [
            "shard unpublish 1 Camera",
            "1 push 4 updated Ada 4",
            "2 push 3 updated Ada 4",
            &format!("1 ok {id} done")
        ]
    );
    let id = stage.ask(
        ada,
        MediaUnpublish {
            source: Source::Camera,
        },
    );
    assert_eq!(stage.done(), [format!("1 error {id} not_found source")]);
}

#[test]
fn a_publication_that_the_shard_refuses_to_go_on_with_is_over() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    stage.published(ada, Source::Camera, "1");
    let id = stage.publish(ada, Source::Camera, "9");
    assert_eq!(stage.done(), ["shard publish 1 9 Camera false"]);
    let member = stage.key(ada);
    let (source, error) = (ShardSource::Camera, PublishError::UnknownMid);
    let refused = Event::PublishRefused {
        member,
        attempt: stage.attempt(member, source),
        source,
        error,
    };
    stage.room.handle_media(stage.now, refused);
    assert_eq!(
        stage.done(),
        [
            &format!("1 error {id} bad_request mid"),
            "shard unpublish 1 Camera",
            "1 push 2 updated Ada 3"
        ]
    );
    assert!(
        !stage
            .room
            .participant_of(ada)
            .unwrap()
            .sources
            .camera
            .published
    );
}

#[test]
fn what_is_muted_while_it_is_asked_for_again_stays_muted() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    stage.published(ada, Source::Microphone, "0");
    stage.publish(ada, Source::Microphone, "0");
    stage.ask(
        ada,
        TrackState {
            source: Source::Microphone,
            muted: true,
        },
    );
    let (member, source) = (stage.key(ada), ShardSource::Microphone);
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
    assert!(
        stage
            .done()
            .contains(&"shard mute 1 Microphone true".to_owned())
    );
    assert!(
        stage
            .room
            .participant_of(ada)
            .unwrap()
            .sources
            .microphone
            .muted
    );
}

#[test]
fn a_publication_taken_back_before_the_answer_is_undone() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let first = stage.publish(ada, Source::Microphone, "0");
    stage.done();
    let second = stage.ask(
        ada,
        MediaUnpublish {
            source: Source::Microphone,
        },
    );
    assert_eq!(
        stage.done(),
        [
            "shard unpublish 1 Microphone",
            &format!("1 error {first} conflict"),
            &format!("1 ok {second} done")
        ]
    );
}

#[test]
fn nothing_is_left_of_what_a_lost_link_asked_for_when_it_is_asked_again() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    stage.publish(ada, Source::Microphone, "0");
    stage.room.handle_link_lost(stage.now, ada);
    let (again, _) = stage.resume(joined.resume_token, 0, HOME);
    stage.done();
    // The shard may accept the first and refuse the second.
    let id = stage.publish(again, Source::Microphone, "9");
    assert_eq!(
        stage.done(),
        [
            "shard unpublish 1 Microphone",
            "shard publish 1 9 Microphone false"
        ]
    );
    let (member, source) = (stage.key(again), ShardSource::Microphone);
    stage.room.handle_media(
        stage.now,
        Event::PublishRefused {
            member,
            attempt: stage.attempt(member, source),
            source,
            error: PublishError::UnknownMid,
        },
    );
    assert_eq!(stage.done(), [format!("2 error {id} bad_request mid")]);
}

#[test]
fn the_sound_of_a_screen_asks_for_the_right_to_its_picture_too() {
    let mut stage = Stage::new();
    let (bob, _) = stage.join("Bob");
    let key = stage.key(bob);
    let deny = Override {
        key: Permission::PublishScreen,
        effect: Effect::Deny,
        expires_at: None,
    };
    stage.room.members.get_mut(&key).unwrap().overrides = vec![deny];
    stage.done();
    let id = stage.publish(bob, Source::ScreenAudio, "3");
    assert_eq!(stage.done(), [format!("1 error {id} forbidden")]);
}

#[test]
fn a_wish_names_participants_by_their_keys() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let (bob, bobs) = stage.join("Bob");
    stage.done();
    let view = |participant, max_height_px| request::View {
        participant,
        source: PictureSource::Camera,
        max_height_px,
        min_fps: None,
        priority: request::Priority::Speaker,
    };
    let own = stage.room.participant_of(ada).unwrap().id;
    let views = vec![
        view(bobs.own.id, 180),
        view(bobs.own.id, 90),
        view(own, 180),
        view(ParticipantId::new(1, [1; 10]), 9),
    ];
    let id = stage.ask(ada, MediaWish { rev: 7, views });
    let outputs = stage.outputs();
    let Output::Media(Command::Wish { views, .. }) = &outputs[0] else {
        panic!("{:?}", short(&outputs[0]))
    };
    let member = stage.key(bob);
    let priority = Priority::Speaker;
    assert_eq!(
        views,
        &[View {
            member,
            source: ShardSource::Camera,
            max_height_px: 180,
            priority
        }]
    );
    assert_eq!(short(&outputs[1]), format!("1 ok {id} wished 7"));

    let id = stage.ask(
        ada,
        MediaWish {
            rev: 8,
            views: vec![view(bobs.own.id, 1), view(bobs.own.id, 0)],
        },
    );
    assert_eq!(
        stage.done(),
        [format!("1 error {id} bad_request views[1].max_height_px")]
    );
    let id = stage.ask(
        ada,
        MediaWish {
            rev: 8,
            views: vec![view(bobs.own.id, 1); 13],
        },
    );
    assert_eq!(stage.done(), [format!("1 error {id} bad_request views")]);
    for _ in 0..2 {
        stage.ask(
            ada,
            MediaWish {
                rev: 8,
                views: Vec::new(),
            },
        );
    }
    stage.done();
    let id = stage.ask(
        ada,
        MediaWish {
            rev: 8,
            views: Vec::new(),
        },
    );
    assert_eq!(stage.done(), [format!("1 error {id} rate_limited 1s")]);
}

#[test]
fn slots_are_told_acknowledged_and_told_again_whole_after_a_resume() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    let (bob, bobs) = stage.join("Bob");
    let (member, other) = (stage.key(ada), stage.key(bob));
    slots(
        &mut stage,
        member,
        1,
        vec![
            shows("4", other),
            SlotState {
                mid: mid("5"),
                feed: None,
                paused: None,
            },
        ],
    );
    let outputs = stage.outputs();
    let Output::Push {
        seq: None, notice, ..
    } = &outputs[0]
    else {
        panic!("{}", short(&outputs[0]))
    };
    let Push::MediaSlots(told) = notice.push() else {
        panic!("{:?}", notice.push())
    };
    assert_eq!(told.slots[0].participant, Some(bobs.own.id));
    assert!(!told.slots[0].paused && told.slots[1].paused);

    let id = stage.ask(ada, MediaSlotsAck { rev: 2 });
    assert_eq!(stage.done(), [format!("1 error {id} bad_request rev")]);
    let id = stage.ask(ada, MediaSlotsAck { rev: 1 });
    assert_eq!(stage.done(), ["shard ack 1 1"]);
    let first_rtp_timestamps = vec![(mid("4"), 77)];
    stage.room.handle_media(
        stage.now,
        Event::SlotsAcked {
            member,
            rev: 1,
            first_rtp_timestamps,
        },
    );
    assert_eq!(stage.done(), [format!("1 ok {id} acked 1")]);

    stage.room.handle_link_lost(stage.now, ada);
    let paused = SlotState {
        paused: Some(PauseReason::Muted),
        ..shows("5", other)
    };
    slots(&mut stage, member, 2, vec![paused]);
    stage.done();
    stage.resume(joined.resume_token, 2, HOME);
    let done = stage.done();
    assert!(
        done.contains(&"3 push - slots 2 of 2".to_owned()),
        "{done:?}"
    );
    assert_eq!(done.last().map(String::as_str), Some("shard link 1 true"));
}

#[test]
fn slots_of_a_peer_connection_that_is_gone_are_forgotten() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    let member = stage.key(ada);
    stage.offer(ada, 1);
    stage.answer(member, 1);
    slots(
        &mut stage,
        member,
        1,
        vec![SlotState {
            mid: mid("4"),
            feed: None,
            paused: None,
        }],
    );
    fail(&mut stage, member, 1);
    stage.offer(ada, 2);
    stage.done();
    stage.resume(joined.resume_token, 0, HOME);
    assert!(!stage.done().iter().any(|done| done.contains("slots")));
}

#[test]
fn publishers_hear_which_layers_are_wanted() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    stage.published(ada, Source::Camera, "1");
    let member = stage.key(ada);
    let layers = |source, codec| Event::Layers {
        member,
        source,
        active: vec![Rid::Q, Rid::H],
        codec,
    };
    stage
        .room
        .handle_media(stage.now, layers(ShardSource::Camera, Codec::Vp8));
    assert_eq!(stage.done(), ["1 push - layers 2"]);
    stage
        .room
        .handle_media(stage.now, layers(ShardSource::Microphone, Codec::Opus));
    stage
        .room
        .handle_media(stage.now, layers(ShardSource::Screen, Codec::Vp8));
    assert!(stage.done().is_empty());
    stage.resume(joined.resume_token, 1, HOME);
    assert!(stage.done().contains(&"2 push - layers 2".to_owned()));
}

#[test]
fn speakers_and_quality_are_told_to_all_and_to_who_comes_later() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let member = stage.key(ada);
    let room = RoomKey(1);
    stage.room.handle_media(
        stage.now,
        Event::Speakers {
            room,
            speakers: vec![(member, 71), (MemberKey(99), 3)],
        },
    );
    stage.room.handle_media(
        stage.now,
        Event::Quality {
            room,
            levels: vec![(member, 3)],
        },
    );
    assert_eq!(stage.done(), ["1 push - speakers 1", "1 push - quality 1"]);
    stage.try_join("Bob", 2, None);
    let done = stage.done();
    assert_eq!(
        done[done.len() - 2..],
        ["2 push - speakers 1", "2 push - quality 1"]
    );
}

#[test]
fn a_failed_transport_is_rebuilt_three_times_a_minute() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let member = stage.key(ada);
    for generation in 1..=4 {
        stage.offer(ada, generation);
        stage.answer(member, generation);
        stage.done();
        fail(&mut stage, member, generation);
        let reason = if generation < 4 {
            "DtlsFailed"
        } else {
            "GivenUp"
        };
        assert_eq!(stage.done(), [format!("1 push - reset {reason}")]);
        // It is told once.
        fail(&mut stage, member, generation);
        assert!(stage.done().is_empty());
    }
    let id = stage.offer(ada, 5);
    assert_eq!(stage.done(), [format!("1 error {id} not_available 60s")]);
    stage.pass(Duration::from_secs(60));
    stage.offer(ada, 5);
    assert_eq!(stage.done(), ["shard offer 1 5"]);
}

#[test]
fn after_a_failure_the_generation_has_to_rise() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let member = stage.key(ada);
    stage.offer(ada, 1);
    stage.answer(member, 1);
    fail(&mut stage, member, 1);
    stage.done();
    let id = stage.offer(ada, 1);
    assert_eq!(
        stage.done(),
        [format!("1 error {id} bad_request generation")]
    );
}

#[test]
fn who_comes_back_from_another_network_restarts_ice() {
    let mut stage = Stage::new();
    let (ada, joined) = stage.join("Ada");
    let member = stage.key(ada);
    stage.offer(ada, 1);
    stage.answer(member, 1);
    stage.done();
    stage.resume(joined.resume_token, 0, CAFE);
    assert_eq!(
        stage.done().last().map(String::as_str),
        Some("2 push - restart")
    );
}

#[test]
fn one_screen_at_a_time() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let (bob, _) = stage.join("Bob");
    stage.done();
    let start = ScreenStart {
        surface: None,
        audio: true,
        take_over: false,
    };
    let id = stage.ask(ada, start.clone());
    assert_eq!(stage.done(), [format!("1 ok {id} screen granted")]);
    let id = stage.ask(bob, start.clone());
    assert_eq!(stage.done(), [format!("2 error {id} busy")]);
    stage.published(ada, Source::Screen, "2");
    stage.published(ada, Source::ScreenAudio, "3");
    stage.pass(Duration::from_secs(3600));
    let id = stage.publish(bob, Source::Screen, "2");
    assert_eq!(stage.done(), [format!("2 error {id} busy")]);
    assert!(
        stage
            .room
            .participant_of(ada)
            .unwrap()
            .sources
            .screen
            .is_some()
    );

    stage.ask(
        ada,
        MediaUnpublish {
            source: Source::Screen,
        },
    );
    let done = stage.done();
    assert_eq!(
        done[..2],
        ["shard unpublish 1 Screen", "shard unpublish 1 ScreenAudio"]
    );
    assert_eq!(
        stage.room.participant_of(ada).unwrap().sources.screen_audio,
        None
    );
    let id = stage.ask(bob, start);
    assert_eq!(stage.done(), [format!("2 ok {id} screen granted")]);
}

#[test]
fn a_grant_without_a_screen_is_taken_back() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    let (bob, _) = stage.join("Bob");
    let start = ScreenStart {
        surface: None,
        audio: false,
        take_over: false,
    };
    stage.ask(ada, start.clone());
    stage.done();
    stage.pass(Duration::from_secs(60));
    let id = stage.ask(bob, start.clone());
    assert_eq!(stage.done(), [format!("2 ok {id} screen granted")]);
    let id = stage.ask(
        bob,
        MediaUnpublish {
            source: Source::Screen,
        },
    );
    assert_eq!(stage.done(), [format!("2 ok {id} done")]);
    stage.ask(bob, start.clone());
    stage.room.handle_link_lost(stage.now, bob);
    stage.pass(Duration::from_secs(30));
    stage.done();
    let id = stage.ask(ada, start);
    assert_eq!(stage.done(), [format!("1 ok {id} screen granted")]);
}

//! Who shares a screen, who takes over, who looks.

use super::*;
use conclave_signalling_wire::moderation::RequestAnswer;
use conclave_signalling_wire::objects::{
    Effect, Override, Permission, PictureSource, ScreenPolicy,
};
use conclave_signalling_wire::request::{
    self, Leave, MediaLock, MediaUnpublish, MediaWish, RoomUpdate, ScreenPause, ScreenStart,
    ScreenTakeoverReply, TrackState, View,
};

const MINUTE: Duration = Duration::from_secs(60);

fn stage(policy: ScreenPolicy) -> Stage {
    Stage::with(|_, record| record.settings.screen = policy)
}

fn start(take_over: bool) -> ScreenStart {
    ScreenStart {
        surface: None,
        audio: false,
        take_over,
    }
}

fn pause(on: bool) -> ScreenPause {
    ScreenPause { on }
}

fn see(whose: &[ParticipantId]) -> MediaWish {
    let views = whose.iter().map(|participant| View {
        participant: *participant,
        source: PictureSource::Screen,
        max_height_px: 1080,
        min_fps: None,
        priority: request::Priority::Pinned,
    });
    MediaWish {
        rev: 1,
        views: views.collect(),
    }
}

/// Ada shares and Bob has asked for it. Returns their links and how Ada answers.
fn asked(
    holder: Role,
) -> (
    Stage,
    [LinkId; 2],
    impl Fn(RequestAnswer) -> ScreenTakeoverReply,
) {
    let mut stage = stage(ScreenPolicy::OneTakeover);
    let (ada, _) = stage.join_as("Ada", holder);
    let (bob, _) = stage.join("Bob");
    stage.published(ada, Source::Screen, "2");
    stage.published(ada, Source::ScreenAudio, "3");
    stage.ask(bob, start(true));
    let request = stage.outputs().iter().find_map(|output| match output {
        Output::Reply { ok, .. } => match ok.as_ref() {
            Reply::Screen(ScreenOutcome::Asked { request }) => Some(*request),
            _ => None,
        },
        _ => None,
    });
    let request = request.unwrap();
    (stage, [ada, bob], move |answer| ScreenTakeoverReply {
        request,
        answer,
    })
}

#[test]
fn several_share_where_the_room_lets_them_and_no_more_than_that() {
    let mut stage = stage(ScreenPolicy::Many);
    let mut links = Vec::new();
    for name in ["Ada", "Bob", "Carl", "Dora"] {
        let (link, _) = stage.join(name);
        let id = stage.ask(link, start(false));
        assert_eq!(stage.done(), [format!("{} ok {id} screen granted", link.0)]);
        stage.published(link, Source::Screen, "2");
        links.push(link);
    }
    let (eve, _) = stage.join("Eve");
    // There is nobody in particular who stands in the way, nor to be taken over.
    let id = stage.ask(eve, start(true));
    let refused = stage.outputs().into_iter().find_map(|output| match output {
        Output::Refuse { id: of, error, .. } if of == id => Some(error),
        _ => None,
    });
    assert_eq!(refused.unwrap().by, None);
    stage.ask(links[1], Leave {});
    stage.outputs();
    let id = stage.ask(eve, start(false));
    assert_eq!(stage.done(), [format!("5 ok {id} screen granted")]);
}

#[test]
fn shares_that_run_go_on_when_only_one_is_allowed_any_more() {
    let mut stage = stage(ScreenPolicy::Many);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join("Bob");
    let (carl, _) = stage.join("Carl");
    stage.published(ada, Source::Screen, "2");
    stage.published(bob, Source::Screen, "2");
    stage.ask(
        ada,
        RoomUpdate {
            screen: Some(ScreenPolicy::OneTakeover),
            ..RoomUpdate::default()
        },
    );
    let done = stage.done();
    assert!(
        !done.iter().any(|line| line.contains("unpublish")),
        "{done:?}"
    );
    let id = stage.ask(carl, start(true));
    assert_eq!(stage.done(), [format!("3 error {id} busy")]);
    // Who shares may say so again.
    let id = stage.ask(bob, start(false));
    assert_eq!(stage.done(), [format!("2 ok {id} screen granted")]);
    stage.ask(ada, Leave {});
    stage.outputs();
    let id = stage.ask(carl, start(false));
    assert_eq!(stage.done(), [format!("3 error {id} busy")]);
}

#[test]
fn who_may_takes_the_share_of_a_lower_role_at_once() {
    let mut stage = stage(ScreenPolicy::OneTakeover);
    let (ada, _) = stage.join_as("Ada", Role::CoHost);
    let (bob, _) = stage.join("Bob");
    stage.published(bob, Source::Screen, "2");
    let id = stage.ask(ada, start(false));
    assert_eq!(stage.done(), [format!("1 error {id} busy")]);
    let id = stage.ask(ada, start(true));
    assert_eq!(
        stage.done(),
        [
            "keep act screen.takeover ok",
            "shard unpublish 2 Screen",
            "1 push 3 updated Bob 3",
            "2 push 2 updated Bob 3",
            "2 push 3 revoked Screen TakenOver",
            "shard barrier 1",
        ]
    );
    stage.passed(1);
    assert_eq!(stage.done(), [format!("1 ok {id} screen granted")]);
    let id = stage.publish(bob, Source::Screen, "2");
    assert_eq!(stage.done(), [format!("2 error {id} busy")]);
    stage.published(ada, Source::Screen, "2");
}

#[test]
fn nobody_takes_over_where_the_room_does_not_say_so() {
    let mut stage = stage(ScreenPolicy::One);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join("Bob");
    stage.published(bob, Source::Screen, "2");
    let id = stage.ask(ada, start(true));
    assert_eq!(stage.done(), [format!("1 error {id} busy")]);
}

#[test]
fn a_holder_of_equal_rank_is_asked_and_gives_way_before_anybody_hears_of_it() {
    let (mut stage, [ada, _], reply) = asked(Role::Attendee);
    let id = stage.ask(ada, reply(RequestAnswer::Accept));
    assert_eq!(
        stage.done(),
        [
            "keep act screen.takeover ok",
            "shard unpublish 1 Screen",
            "shard unpublish 1 ScreenAudio",
            "1 push 5 updated Ada 4",
            "2 push 3 updated Ada 4",
            "1 push 6 revoked Screen TakenOver",
            "1 push 7 revoked ScreenAudio TakenOver",
            "shard barrier 1",
            "shard barrier 2",
        ]
    );
    stage.passed(1);
    stage.passed(2);
    assert_eq!(
        stage.done(),
        [
            "2 push 4 takeover answered true".to_owned(),
            format!("1 ok {id} done")
        ]
    );
    let again = stage.ask(ada, start(false));
    assert_eq!(stage.done(), [format!("1 error {again} busy")]);
}

#[test]
fn who_takes_over_hears_of_it_even_if_the_holder_is_gone_meanwhile() {
    let (mut stage, [ada, _], reply) = asked(Role::Attendee);
    stage.ask(ada, reply(RequestAnswer::Accept));
    stage.room.handle_link_lost(stage.now, ada);
    stage.done();
    stage.passed(1);
    stage.passed(2);
    assert_eq!(stage.done(), ["2 push 5 takeover answered true"]);
}

#[test]
fn a_co_host_asks_a_host() {
    let mut stage = stage(ScreenPolicy::OneTakeover);
    let (ada, _) = stage.join_as("Ada", Role::Host);
    let (bob, _) = stage.join_as("Bob", Role::CoHost);
    stage.published(ada, Source::Screen, "2");
    let id = stage.ask(bob, start(true));
    assert_eq!(
        stage.done(),
        [
            "1 push 3 takeover requested".to_owned(),
            format!("2 ok {id} screen asked")
        ]
    );
}

#[test]
fn a_no_leaves_the_share_where_it_is() {
    for answer in [RequestAnswer::Decline, RequestAnswer::Later] {
        let (mut stage, [ada, bob], reply) = asked(Role::Presenter);
        let id = stage.ask(ada, reply(answer));
        assert_eq!(
            stage.done(),
            [
                "2 push 3 takeover answered false".to_owned(),
                format!("1 ok {id} done")
            ]
        );
        let id = stage.ask(ada, reply(RequestAnswer::Accept));
        assert_eq!(stage.done(), [format!("1 error {id} not_found request")]);
        assert!(
            stage
                .room
                .participant_of(ada)
                .unwrap()
                .sources
                .screen
                .is_some()
        );
        // Not again and again.
        for _ in 0..2 {
            stage.ask(bob, start(true));
            stage.pass(Duration::from_millis(1));
            stage.pass(Duration::ZERO);
            let request = stage.room.takeovers.iter().next().unwrap().0;
            stage.ask(ada, ScreenTakeoverReply { request, answer });
        }
        stage.outputs();
        let id = stage.ask(bob, start(true));
        let done = stage.done();
        assert!(
            done[0].starts_with(&format!("2 error {id} rate_limited")),
            "{done:?}"
        );
    }
}

#[test]
fn one_question_at_a_time_about_a_share() {
    let (mut stage, [_, bob], _) = asked(Role::Presenter);
    let (carl, _) = stage.join("Carl");
    let id = stage.ask(carl, start(true));
    assert_eq!(stage.done(), [format!("3 error {id} busy")]);
    let id = stage.ask(bob, start(true));
    assert_eq!(stage.done(), [format!("2 error {id} conflict")]);
}

#[test]
fn who_gets_no_answer_is_told_so() {
    let (mut stage, [ada, _], reply) = asked(Role::Presenter);
    assert_eq!(stage.room.poll_timeout(), Some(stage.now + MINUTE));
    stage.pass(MINUTE);
    assert_eq!(stage.done(), ["2 push 3 takeover answered false"]);
    let id = stage.ask(ada, reply(RequestAnswer::Accept));
    assert_eq!(stage.done(), [format!("1 error {id} not_found request")]);
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn an_answer_that_comes_too_late_is_none_even_before_the_room_looks() {
    let (mut stage, [ada, _], reply) = asked(Role::Presenter);
    stage.now += MINUTE;
    let id = stage.ask(ada, reply(RequestAnswer::Accept));
    assert_eq!(
        stage.done(),
        [
            format!("1 error {id} not_found request"),
            "2 push 3 takeover answered false".to_owned()
        ]
    );
}

#[test]
fn nobody_takes_over_who_is_gone() {
    let (mut stage, [ada, bob], reply) = asked(Role::Presenter);
    stage.ask(bob, Leave {});
    stage.outputs();
    let id = stage.ask(ada, reply(RequestAnswer::Accept));
    assert_eq!(stage.done(), [format!("1 error {id} not_found request")]);
    assert!(
        stage
            .room
            .participant_of(ada)
            .unwrap()
            .sources
            .screen
            .is_some()
    );
}

#[test]
fn nothing_is_taken_over_that_is_gone() {
    let (mut stage, [ada, _], _) = asked(Role::Presenter);
    stage.ask(
        ada,
        MediaUnpublish {
            source: Source::Screen,
        },
    );
    let done = stage.done();
    assert_eq!(done.last().unwrap(), "2 push 4 takeover answered false");
    let (mut stage, [ada, _], _) = asked(Role::Presenter);
    stage.ask(ada, Leave {});
    let done = stage.done();
    assert_eq!(done.last().unwrap(), "2 push 4 takeover answered false");
}

#[test]
fn nobody_takes_over_who_may_not_share_any_more() {
    let (mut stage, _, _) = asked(Role::Presenter);
    let (host, _) = stage.join_as("Hanna", Role::Host);
    stage.ask(
        host,
        MediaLock {
            sources: vec![Source::Screen],
            on: true,
            allow: Vec::new(),
        },
    );
    let done = stage.done();
    assert!(
        done.iter()
            .any(|line| line.ends_with("takeover answered false")),
        "{done:?}"
    );
}

#[test]
fn a_holder_whose_link_broke_is_asked_when_it_is_back() {
    let mut stage = stage(ScreenPolicy::OneTakeover);
    let (ada, joined) = stage.join("Ada");
    let (bob, _) = stage.join("Bob");
    stage.published(ada, Source::Screen, "2");
    stage.outputs();
    stage.room.handle_link_lost(stage.now, ada);
    stage.ask(bob, start(true));
    stage.outputs();
    let (again, is_in) = stage.resume(joined.resume_token, 2, HOME);
    assert!(is_in);
    stage.outputs();
    let request = stage.room.takeovers.iter().next().unwrap().0;
    let answer = RequestAnswer::Accept;
    stage.ask(again, ScreenTakeoverReply { request, answer });
    let done = stage.done();
    assert!(
        done.contains(&"shard unpublish 1 Screen".to_owned()),
        "{done:?}"
    );
    stage.passed(1);
    assert!(stage.done()[0].ends_with("takeover answered true"));
}

#[test]
fn a_holder_who_does_not_come_back_answers_no() {
    let (mut stage, [ada, _], _) = asked(Role::Presenter);
    stage.room.handle_link_lost(stage.now, ada);
    stage.outputs();
    stage.pass(Duration::from_secs(30));
    let done = stage.done();
    assert!(
        done.iter()
            .any(|line| line.ends_with("takeover answered false")),
        "{done:?}"
    );
}

#[test]
fn a_pause_silences_and_hides_and_everybody_sees_that_it_is_one() {
    let mut stage = Stage::new();
    let (ada, own) = stage.join("Ada");
    stage.published(ada, Source::Screen, "2");
    stage.published(ada, Source::ScreenAudio, "3");
    let id = stage.ask(ada, pause(true));
    assert_eq!(
        stage.done(),
        [
            "shard mute 1 Screen true",
            "shard mute 1 ScreenAudio true",
            "1 push 3 updated Ada 4",
            &format!("1 ok {id} done")
        ]
    );
    let sources = &stage.face(own.own.id).sources;
    assert!(sources.screen.as_ref().unwrap().muted);
    let id = stage.ask(ada, pause(true));
    assert_eq!(stage.done(), [format!("1 ok {id} done")]);
    let id = stage.ask(ada, pause(false));
    assert_eq!(
        stage.done(),
        [
            "shard mute 1 Screen false",
            "shard mute 1 ScreenAudio false",
            "1 push 4 updated Ada 5",
            &format!("1 ok {id} done")
        ]
    );
    let (bob, _) = stage.join("Bob");
    let id = stage.ask(bob, pause(true));
    assert_eq!(stage.done(), [format!("2 error {id} not_found source")]);
}

#[test]
fn sound_that_was_off_before_a_pause_stays_off_after_it() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    stage.published(ada, Source::Screen, "2");
    stage.published(ada, Source::ScreenAudio, "3");
    stage.ask(
        ada,
        TrackState {
            source: Source::ScreenAudio,
            muted: true,
        },
    );
    stage.ask(ada, pause(true));
    stage.outputs();
    stage.ask(ada, pause(false));
    let done = stage.done();
    assert_eq!(done[0], "shard mute 1 Screen false");
    assert!(
        !done.iter().any(|line| line.contains("ScreenAudio")),
        "{done:?}"
    );
}

#[test]
fn a_share_goes_on_only_for_who_may_share() {
    let mut stage = Stage::new();
    let (ada, _) = stage.join("Ada");
    stage.published(ada, Source::Screen, "2");
    stage.ask(ada, pause(true));
    stage.outputs();
    stage.room.settings.attendees.screen = false;
    let id = stage.ask(ada, pause(false));
    assert_eq!(stage.done(), [format!("1 error {id} forbidden")]);
}

#[test]
fn who_shares_is_told_how_many_look_at_most_once_a_second() {
    let mut stage = Stage::new();
    let (ada, own) = stage.join("Ada");
    let (bob, _) = stage.join("Bob");
    let (carl, _) = stage.join("Carl");
    let ada_id = own.own.id;
    stage.published(ada, Source::Screen, "2");
    let wish = stage.ask(bob, see(&[ada_id]));
    assert_eq!(
        stage.done(),
        [
            "shard wish 2 1",
            &format!("2 ok {wish} wished 1"),
            "1 push - viewers 1"
        ]
    );
    stage.pass(Duration::from_millis(300));
    stage.ask(carl, see(&[ada_id]));
    assert_eq!(stage.done().len(), 2);
    let rest = Duration::from_millis(700);
    assert_eq!(stage.room.poll_timeout(), Some(stage.now + rest));
    stage.pass(rest);
    assert_eq!(stage.done(), ["1 push - viewers 2"]);
    stage.pass(Duration::from_secs(1));
    assert!(stage.done().is_empty());
    stage.ask(bob, see(&[]));
    stage.ask(carl, Leave {});
    let done = stage.done();
    assert!(done.contains(&"1 push - viewers 1".to_owned()), "{done:?}");
    stage.pass(Duration::from_secs(1));
    assert_eq!(stage.done(), ["1 push - viewers 0"]);
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn who_shares_is_told_again_how_many_look_when_it_is_back() {
    let mut stage = Stage::new();
    let (ada, own) = stage.join("Ada");
    let (bob, _) = stage.join("Bob");
    stage.published(ada, Source::Screen, "2");
    stage.ask(bob, see(&[own.own.id]));
    stage.room.handle_link_lost(stage.now, ada);
    stage.outputs();
    stage.resume(own.resume_token, 3, HOME);
    let done = stage.done();
    assert!(done.contains(&"3 push - viewers 1".to_owned()), "{done:?}");
}

#[test]
fn sound_that_may_not_be_shared_any_more_does_not_go_on_with_its_picture() {
    let mut stage = stage(ScreenPolicy::One);
    let (ada, _) = stage.join_as("Ada", Role::Presenter);
    stage.published(ada, Source::Screen, "2");
    stage.published(ada, Source::ScreenAudio, "3");
    stage.ask(ada, pause(true));
    stage.outputs();
    let key = stage.key(ada);
    stage.room.members.get_mut(&key).unwrap().overrides = vec![Override {
        key: Permission::PublishScreenAudio,
        effect: Effect::Deny,
        expires_at: None,
    }];
    stage.ask(ada, pause(false));
    stage.outputs();
    let publications = &stage.room.members[&key].publications;
    assert_eq!(publications.is_muted(Source::Screen), Some(false));
    assert_eq!(publications.is_muted(Source::ScreenAudio), Some(true));
}

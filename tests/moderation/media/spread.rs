//! The same where the victim, the speaker and the attacker are on three shards:
//! what stops stops on all of them before the host is told so.

use std::num::NonZeroU8;

use conclave_sfu_wire::control::Source;
use serde_json::json;

use super::life::suspended;
use super::{
    Meeting, camera_off, muted_voice, removed, right_taken, sent_to_the_lobby, share_stopped,
};
use crate::rtc::Peer;
use crate::stage::Stage;

/// As [`Meeting::begin_with`], everybody on a shard of their own.
async fn apart(speaker: &str) -> Meeting {
    let stage = Stage::with_media(NonZeroU8::new(4).unwrap()).await;
    Meeting::begin_on(stage, "meeting", speaker, "one").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_was_left_hears_and_is_heard_when_somebody_comes_again() {
    let Meeting {
        stage,
        room,
        mut host,
        ears,
        speaker: _speaker,
        voice,
        mut attacker,
        weapon,
    } = apart("presenter").await;
    ears.hears(&voice).await;
    assert!(stage.crossed() > 0, "they are apart");
    // Each time it is the shard that has been left just before, or the one that never was used.
    for id in [10, 11, 12] {
        let mut guest = stage.invited(&room, "attendee").await;
        let peer = Peer::connect(&mut guest, id).await;
        let publication = peer.publication(Source::Microphone);
        guest.link.ok("media.publish", publication).await;
        peer.send(Source::Microphone, true);
        peer.hears(&voice).await;
        ears.hears(&peer).await;
        weapon.hears(&peer).await;
        guest.link.ok("leave", json!({})).await;
        let left = guest.id.clone();
        host.link
            .push_where("participant.left", |data| {
                data["participant"] == left.as_str()
            })
            .await;
        // Its client goes on sending, and nobody hears it.
        ears.hears(&voice).await;
        let before = (
            ears.heard(&peer, Source::Microphone),
            weapon.heard(&peer, Source::Microphone),
        );
        ears.hears(&voice).await;
        let after = (
            ears.heard(&peer, Source::Microphone),
            weapon.heard(&peer, Source::Microphone),
        );
        assert_eq!(before, after);
    }
    // The same for the home, which stays.
    attacker.link.ok("leave", json!({})).await;
    host.link.ok("leave", json!({})).await;
    let mut host = stage.host(&room).await;
    let ears = Peer::connect(&mut host, 20).await;
    ears.hears(&voice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_muted_voice_is_not_heard_on_any_shard() {
    muted_voice(apart("presenter").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_taken_stops_what_it_carried_on_every_shard() {
    right_taken(apart("presenter").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_participant_reaches_no_shard() {
    removed(apart("presenter").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_sent_to_the_lobby_is_gone_from_every_shard() {
    sent_to_the_lobby(apart("presenter").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_was_switched_off_is_not_seen_on_any_shard() {
    camera_off(apart("presenter").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_a_host_stopped_is_not_seen_on_any_shard() {
    share_stopped(apart("presenter").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_everything_is_suspended_nothing_comes_from_any_shard() {
    suspended(apart("co_host").await).await;
}

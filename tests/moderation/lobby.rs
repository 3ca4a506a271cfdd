//! Attempts to reach a room from its lobby, and to learn what happens in it.

use serde_json::{Value, json};

use crate::link::Link;
use crate::person::Person;
use crate::stage::{Room, Stage};

async fn guarded(stage: &Stage) -> Room {
    let update = json!({"lobby": "on", "start_without_host": true, "title": "Old"});
    stage.room("meeting", update).await
}

/// Knocks, and returns the link and the knock.
async fn wait(stage: &Stage, room: &Room, name: &str) -> (Link, String) {
    let (link, reply) = stage.knock(&stage.entry(room).named(name)).await;
    assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
    let knock = reply["ok"]["knock"].as_str().unwrap().to_owned();
    (link, knock)
}

/// Waits until a host has a list with this knock on it.
async fn listed(host: &mut Person, knock: &str) -> Value {
    host.link
        .push_where("lobby.update", |update| {
            let entries = update["entries"].as_array().unwrap();
            entries.iter().any(|entry| entry["knock"] == knock)
        })
        .await
}

#[tokio::test]
async fn whoever_waits_cannot_tell_a_silent_meeting_from_a_busy_one() {
    let stage = Stage::start().await;
    let mut heard = Vec::new();
    for is_busy in [false, true] {
        let room = guarded(&stage).await;
        let mut host = stage.host(&room).await;
        let (mut link, knock) = wait(&stage, &room, "Mallory").await;
        if is_busy {
            bustle(&stage, &room, &mut host).await;
        }
        link.ok("lobby.ping", json!({})).await;
        let note = json!({"knock": knock, "text": "You are next"});
        host.link.ok("lobby.note", note).await;
        link.push_where("lobby.status", |status| status["note"] == "You are next")
            .await;
        link.ok("lobby.ping", json!({})).await;
        heard.push((link.bytes.clone(), link.heard.len()));
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0].1, 1, "the note alone was pushed");
}

/// Does in a meeting whatever can be done in it.
async fn bustle(stage: &Stage, room: &Room, host: &mut Person) {
    for _ in 0..3 {
        let mut guest = stage.invited(room, "attendee").await;
        guest.publish("microphone").await;
        guest.publish("camera").await;
        let rename = json!({"participant": guest.id, "name": "A rather long name for a guest"});
        guest.link.ok("participant.rename", rename).await;
        guest.settle().await;
        let rev = guest.mirror.own()["rev"].clone();
        let set = json!({"participant": guest.id, "role": "presenter", "rev": rev});
        host.link.ok("role.set", set).await;
        let mute = json!({"target": {"kind": "all_except", "participants": []}, "sources": ["microphone", "camera"]});
        host.link.ok("media.mute", mute).await;
        let order = json!({"participant": guest.id, "ban": {"scope": "room"}});
        host.link.ok("participant.remove", order).await;
    }
    for on in [true, false] {
        let lock = json!({"sources": ["microphone", "camera", "screen"], "on": on});
        host.link.ok("media.lock", lock).await;
    }
    host.publish("microphone").await;
    host.link
        .ok("room.update", json!({"title": "A very much longer title"}))
        .await;
    host.link
        .ok("invite.create", json!({"role": "viewer"}))
        .await;
    let (mut other, knock) = wait(stage, room, "Somebody else").await;
    host.link
        .ok("lobby.admit", json!({"knocks": [knock]}))
        .await;
    other
        .push_where("lobby.status", |status| status["state"] == "admitted")
        .await;
    let (_gone, knock) = wait(stage, room, "One more").await;
    host.link.ok("lobby.deny", json!({"knocks": [knock]})).await;
    let invited = stage.invited(room, "viewer").await;
    invited.leave().await;
}

#[tokio::test]
async fn whoever_waits_is_told_nothing_of_the_room() {
    let stage = Stage::start().await;
    let room = guarded(&stage).await;
    let host = stage.host(&room).await;
    let (link, reply) = stage.knock(&stage.entry(&room)).await;
    let members: Vec<_> = reply["ok"].as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["heartbeat_s", "knock", "message", "outcome", "state"]
    );
    for secret in [&host.id, &host.token, &room.host_secret] {
        assert!(!reply.to_string().contains(secret.as_str()));
    }
    assert!(link.heard.is_empty(), "{:?}", link.heard);
}

#[tokio::test]
async fn nothing_said_in_the_lobby_reaches_the_room() {
    let stage = Stage::start().await;
    let room = guarded(&stage).await;
    let mut host = stage.host(&room).await;
    let verbs = [
        ("media.offer", json!({"generation": 1, "sdp": "v=0"})),
        (
            "media.publish",
            json!({"mid": "0", "source": "microphone", "muted": false}),
        ),
        ("media.wish", json!({"rev": 1, "views": []})),
        ("screen.start", json!({"audio": false})),
        (
            "participant.rename",
            json!({"participant": host.id, "name": "Mallory"}),
        ),
        (
            "media.request",
            json!({"participant": host.id, "source": "camera"}),
        ),
        ("lobby.admit", json!({"all_up_to_rev": u32::MAX})),
        ("hello", json!({"protocol": 1, "client": "again/1"})),
        ("join", stage.entry(&room).data()),
    ];
    for verbs in verbs.chunks(3) {
        let (mut link, knock) = wait(&stage, &room, "Mallory").await;
        listed(&mut host, &knock).await;
        host.settle().await;
        for (verb, data) in verbs {
            let mut data = data.clone();
            if *verb == "lobby.admit" {
                data = json!({"knocks": [knock]});
            }
            assert_eq!(link.refused(verb, data).await, "bad_request", "{verb}");
        }
        assert!(host.settle().await.is_empty());
        assert!(link.heard.is_empty(), "{:?}", link.heard);
    }
    let shard = stage.shard.as_ref().unwrap();
    assert!(shard.published().is_empty());
}

#[tokio::test]
async fn of_two_who_admit_the_same_knock_one_is_first_and_it_comes_in_once() {
    let stage = Stage::start().await;
    for round in 0..15 {
        let room = guarded(&stage).await;
        let mut host = stage.host(&room).await;
        let mut one = stage.invited(&room, "co_host").await;
        let mut other = stage.invited(&room, "co_host").await;
        let (mut link, knock) = wait(&stage, &room, "Bob").await;
        listed(&mut host, &knock).await;
        let admit = json!({"knocks": [knock]});
        let second = if round % 3 == 2 {
            "lobby.deny"
        } else {
            "lobby.admit"
        };
        let (first, second) = tokio::join!(
            one.link.ok("lobby.admit", admit.clone()),
            other.link.ok(second, admit)
        );
        let (first, second) = (&first["results"][0], &second["results"][0]);
        let (winner, loser) = if first["result"] == "already_handled" {
            (second, first)
        } else {
            (first, second)
        };
        assert_eq!(loser["result"], "already_handled", "{first} {second}");
        assert_ne!(winner["result"], "already_handled", "{first} {second}");
        let by = if std::ptr::eq(winner, first) {
            &one.id
        } else {
            &other.id
        };
        assert_eq!(loser["by"], by.as_str());
        let state = &winner["result"];
        link.push_where("lobby.status", |status| status["state"] == *state)
            .await;
        host.settle().await;
        let came = if state == "admitted" { 1 } else { 0 };
        assert_eq!(host.mirror.people.len(), 3 + came, "round {round}");
        let told = link.all("lobby.status");
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

#[tokio::test]
async fn an_admission_is_for_the_one_who_knocked_and_for_no_other_socket() {
    let stage = Stage::start().await;
    let room = guarded(&stage).await;
    let mut host = stage.host(&room).await;
    let (mut bob, knock) = wait(&stage, &room, "Bob").await;
    // Same name, same credential, another socket.
    let (mut mallory, other) = wait(&stage, &room, "Bob").await;
    assert_ne!(knock, other);
    host.link
        .ok("lobby.admit", json!({"knocks": [knock]}))
        .await;
    let status = bob.push("lobby.status").await;
    assert_eq!(status["state"], "admitted");
    mallory.ok("lobby.ping", json!({})).await;
    assert!(mallory.heard.is_empty(), "{:?}", mallory.heard);
    // The token that came with it works once, for its own place only.
    let token = status["joined"]["resume_token"].as_str().unwrap();
    drop(bob);
    let (_bob, reply) = stage.resume(stage.fresh_source(), token, 0).await;
    assert_eq!(reply["ok"]["outcome"], "resumed", "{reply}");
    let (_, reply) = stage.resume(stage.fresh_source(), token, 0).await;
    assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
    // The knock is over: admitting it again admits nobody.
    let again = host
        .link
        .ok("lobby.admit", json!({"knocks": [knock]}))
        .await;
    assert_eq!(again["results"][0]["result"], "already_handled");
    host.settle().await;
    assert_eq!(host.mirror.people.len(), 2);
}

#[tokio::test]
async fn everybody_who_was_seen_does_not_mean_who_came_since() {
    let stage = Stage::start().await;
    let room = guarded(&stage).await;
    let mut host = stage.host(&room).await;
    let (mut seen, knock) = wait(&stage, &room, "Bob").await;
    let rev = listed(&mut host, &knock).await["lobby_rev"].clone();
    let (mut late, _) = wait(&stage, &room, "Mallory").await;
    host.link
        .ok("lobby.admit", json!({"all_up_to_rev": rev}))
        .await;
    assert_eq!(seen.push("lobby.status").await["state"], "admitted");
    late.ok("lobby.ping", json!({})).await;
    assert!(late.heard.is_empty(), "{:?}", late.heard);
}

#[tokio::test]
async fn whoever_was_refused_for_a_while_does_not_knock_again_meanwhile() {
    let stage = Stage::start().await;
    let room = guarded(&stage).await;
    let mut host = stage.host(&room).await;
    let entry = stage.entry(&room).named("Mallory");
    let (mut link, reply) = stage.knock(&entry).await;
    let deny = json!({"knocks": [reply["ok"]["knock"]], "block_s": 600});
    host.link.ok("lobby.deny", deny).await;
    assert_eq!(link.push("lobby.status").await["state"], "denied");
    host.settle().await;
    for name in ["Mallory", "Alice"] {
        let entry = entry.clone().named(name).from(stage.fresh_source());
        let (_, reply) = stage.knock(&entry).await;
        assert!(reply["error"]["code"].is_string(), "{reply}");
    }
    let news = host.settle().await;
    assert!(
        news.iter().all(|push| push["type"] != "lobby.update"),
        "{news:?}"
    );
}

#[tokio::test]
async fn one_network_does_not_fill_the_lobby() {
    let stage = Stage::start().await;
    let room = guarded(&stage).await;
    let _host = stage.host(&room).await;
    let from = stage.fresh_source();
    let mut waiting = Vec::new();
    let mut refused = 0;
    for _ in 0..25 {
        let (link, reply) = stage.knock(&stage.entry(&room).from(from)).await;
        match reply["ok"]["outcome"].as_str() {
            Some("lobby") => waiting.push(link),
            _ => {
                assert_eq!(reply["error"]["code"], "rate_limited", "{reply}");
                refused += 1;
            }
        }
    }
    assert_eq!((waiting.len(), refused), (20, 5));
    wait(&stage, &room, "Somebody of another network").await;
}

#[tokio::test]
async fn whoever_is_sent_back_waits_and_has_nothing_left_of_the_room() {
    let stage = Stage::start().await;
    let room = guarded(&stage).await;
    let mut host = stage.host(&room).await;
    let mut person = stage.invited(&room, "presenter").await;
    person.publish("microphone").await;
    let order = json!({"participant": person.id});
    host.link.ok("participant.to_lobby", order).await;
    let shard = stage.shard.as_ref().unwrap();
    assert!(shard.published().is_empty(), "{:?}", shard.published());
    let status = person.link.push("lobby.status").await;
    assert_eq!(status["state"], "waiting");
    for (verb, data) in [
        (
            "track.state",
            json!({"source": "microphone", "muted": false}),
        ),
        (
            "media.publish",
            json!({"mid": "0", "source": "microphone", "muted": false}),
        ),
    ] {
        assert_eq!(person.link.refused(verb, data).await, "bad_request");
    }
    // The invite that let it pass the lobby does so no more.
    let (_, reply) = stage.resume(person.entry.from, &person.token, 0).await;
    assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
    let (_, reply) = stage.knock(&person.entry).await;
    assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
    host.settle().await;
    assert_eq!(host.mirror.people.len(), 1);
}

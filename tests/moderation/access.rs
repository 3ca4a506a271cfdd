//! Attempts to come in: by guessing, by being first, by another's place. And the
//! host, who always comes in.

use serde_json::{Value, json};

use crate::person::fresh_device;
use crate::stage::Stage;

/// Guesses of one link: twenty messages before a join, and the first is free.
const GUESSES: usize = 15;

/// Returns an answer without what depends on the moment.
fn timeless(mut reply: Value) -> Value {
    if let Some(error) = reply.get_mut("error").and_then(Value::as_object_mut) {
        error.remove("retry_after_s");
    }
    reply
}

#[tokio::test]
async fn guessing_the_password_looks_alike_for_a_room_and_for_none() {
    let stage = Stage::start().await;
    let update = json!({"password": "correct horse", "lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut transcripts = Vec::new();
    for slug in [room.slug.as_str(), "no-such"] {
        let mut transcript = Vec::new();
        let entry = stage.entry(&room);
        let mut link = stage.greeted(entry.from).await;
        let info = link.ask("room.info", json!({"room": slug})).await;
        transcript.push(info);
        let credentials = [
            json!({"kind": "none"}),
            json!({"kind": "invite", "secret": "AAAAAAAAAAAAAAAAAAAAAA"}),
            json!({"kind": "token", "jwt": "a.b.c"}),
            json!({"kind": "account"}),
        ];
        let guesses =
            (0..GUESSES).map(|n| json!({"kind": "password", "password": format!("guess {n:04}")}));
        for credential in credentials.into_iter().chain(guesses) {
            let mut join = entry.data();
            join["room"] = json!(slug);
            join["credential"] = credential;
            transcript.push(timeless(link.ask("join", join).await));
        }
        transcripts.push(transcript);
    }
    assert_eq!(transcripts[0], transcripts[1]);
    let last = transcripts[0].last().unwrap();
    assert_eq!(last["error"]["code"], "rate_limited", "{last}");
}

#[tokio::test]
async fn the_right_password_is_not_answered_to_who_has_guessed_too_often() {
    let stage = Stage::start().await;
    let update = json!({"password": "correct horse", "lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let entry = stage.entry(&room);
    let mut link = stage.greeted(entry.from).await;
    let mut codes = Vec::new();
    for guess in 0..GUESSES {
        let join = entry.clone().password(&format!("guess {guess:04}")).data();
        codes.push(link.refused("join", join).await);
    }
    assert_eq!(codes[0], "bad_credentials");
    assert_eq!(codes[GUESSES - 1], "rate_limited");
    let right = entry.clone().password("correct horse").data();
    assert_eq!(link.refused("join", right).await, "rate_limited");
    // It is the guesser who waits, nobody else.
    let honest = stage.entry(&room).password("correct horse");
    stage.join(&honest).await;
}

#[tokio::test]
async fn guessing_from_many_networks_shuts_nobody_out_who_has_an_invite() {
    let stage = Stage::start().await;
    let update = json!({"password": "correct horse", "lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let _host = stage.host(&room).await;
    let secret = stage
        .invite(&room, json!({"role": "attendee", "max_uses": 1}))
        .await;
    // Sixty a minute are taken from a room, four at once from one network.
    for _ in 0..20 {
        let entry = stage.entry(&room);
        let mut link = stage.greeted(entry.from).await;
        for guess in 0..4 {
            let join = entry.clone().password(&format!("guess {guess:04}")).data();
            link.refused("join", join).await;
        }
    }
    // Who knows the password waits for a host; it is not refused.
    let (_, reply) = stage
        .knock(&stage.entry(&room).password("correct horse"))
        .await;
    assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
    stage.join(&stage.entry(&room).invite(&secret)).await;
    stage.host(&room).await;
}

#[tokio::test]
async fn the_host_who_lost_everything_comes_in_by_the_host_link_whatever_stands_in_the_way() {
    let stage = Stage::start().await;
    let update = json!({"password": "correct horse", "lobby": "on", "start_without_host": true, "caps": {"participants": 2, "microphone": null, "camera": null}});
    let room = stage.room("meeting", update).await;
    let mut usurper = stage.invited(&room, "co_host").await;
    let mut other = stage.invited(&room, "attendee").await;
    usurper
        .link
        .ok("room.update", json!({"locked": true}))
        .await;
    let (_, reply) = stage
        .knock(&stage.entry(&room).password("correct horse"))
        .await;
    assert_eq!(reply["error"]["code"], "locked", "{reply}");
    // The window is over, too.
    let window = json!({"opens_at": "2020-01-01T00:00:00Z", "closes_at": "2020-01-02T00:00:00Z"});
    usurper.link.ok("room.update", window).await;
    let mut host = stage.host(&room).await;
    assert_eq!(host.mirror.own()["role"], "host");
    let set = json!({"participant": usurper.id, "role": "viewer", "rev": 1});
    host.link.ok("role.set", set).await;
    assert_eq!(
        usurper
            .link
            .refused("room.update", json!({"locked": true}))
            .await,
        "forbidden"
    );
    other.settle().await;
    assert_eq!(other.mirror.people[&usurper.id]["role"], "viewer");
    // Who is there stays there; the seat was kept free.
    assert_eq!(other.mirror.people.len(), 3);
}

#[tokio::test]
async fn a_guest_who_is_first_in_the_room_of_an_absent_host_is_a_guest() {
    let stage = Stage::start().await;
    let room = stage.room("meeting", json!({"lobby": "off"})).await;
    let entry = stage.entry(&room);
    let (mut first, reply) = stage.knock(&entry).await;
    assert_eq!(reply["ok"]["state"], "waiting_for_host", "{reply}");
    for verb in ["room.update", "invite.create", "lobby.admit"] {
        let data = match verb {
            "invite.create" => json!({"role": "host"}),
            "lobby.admit" => json!({"knocks": [reply["ok"]["knock"]]}),
            _ => json!({"start_without_host": true}),
        };
        assert_eq!(first.refused(verb, data).await, "bad_request", "{verb}");
    }
    // Coming again changes nothing.
    drop(first);
    let (mut first, reply) = stage.knock(&entry).await;
    assert_eq!(reply["ok"]["state"], "waiting_for_host", "{reply}");
    let mut host = stage.host(&room).await;
    let status = first
        .push_where("lobby.status", |status| status["state"] == "admitted")
        .await;
    let own = &status["joined"]["self"];
    assert_eq!(own["role"], "attendee");
    // The host goes: nobody inherits.
    host.settle().await;
    host.leave().await;
    let left = first.push("participant.left").await;
    assert_eq!(left["reason"], "left");
    first.fence().await;
    for push in &first.heard {
        if push["type"] == "permissions" || push["type"] == "participant.updated" {
            assert_ne!(push["data"]["role"], "host", "{push}");
            assert_ne!(push["data"]["participant"]["role"], "host", "{push}");
        }
    }
    assert_eq!(first.refused("ban.list", json!({})).await, "forbidden");
}

#[tokio::test]
async fn a_place_is_not_taken_over_without_its_device_key() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut victim = stage.join(&stage.entry(&room).named("Ada")).await;
    // Same name, same network, and the wish to take over.
    let thief = victim
        .entry
        .clone()
        .device(&fresh_device())
        .choosing("take_over");
    let thief = stage.join(&thief).await;
    assert_ne!(thief.id, victim.id);
    victim.settle().await;
    assert_eq!(victim.mirror.people.len(), 2);
    // With the key it is asked first, and the first tab hears why it ends.
    let second = victim.entry.clone();
    let (mut link, reply) = stage.knock(&second).await;
    assert_eq!(reply["ok"]["outcome"], "duplicate", "{reply}");
    let taken = link.ok("join", second.choosing("take_over").data()).await;
    assert_eq!(taken["outcome"], "joined");
    assert_eq!(victim.link.closed().await, 4409);
}

#[tokio::test]
async fn a_resume_token_works_once_and_only_its_newest() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut witness = stage.host(&room).await;
    let victim = stage.join(&stage.entry(&room)).await;
    let stolen = victim.token.clone();
    let from = victim.entry.from;
    let id = victim.id.clone();
    drop(victim);
    let (mut back, reply) = stage.resume(from, &stolen, 0).await;
    assert_eq!(reply["ok"]["outcome"], "resumed", "{reply}");
    for forged in [
        stolen.as_str(),
        "rt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let (_, reply) = stage.resume(stage.fresh_source(), forged, 0).await;
        assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
    }
    back.fence().await;
    witness.settle().await;
    assert_eq!(witness.mirror.people[&id]["presence"], "connected");
}

#[tokio::test]
async fn neither_a_password_nor_a_cap_nor_a_network_nor_a_consent_is_passed_by_claiming_it() {
    let stage = Stage::start().await;
    let update = json!({"password": "correct horse", "lobby": "on", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    // The password opens the door, not the lobby.
    let (_, reply) = stage
        .knock(&stage.entry(&room).password("correct horse"))
        .await;
    assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
    let update = json!({"password": null, "lobby": "off", "consent_text": "Be kind"});
    host.link.ok("room.update", update).await;
    for hash in [
        json!(null),
        json!(""),
        json!("Be kind"),
        json!("0".repeat(64)),
    ] {
        let entry = stage.entry(&room);
        let mut link = stage.greeted(entry.from).await;
        let mut join = entry.data();
        join["consent_hash"] = hash;
        assert_eq!(link.refused("join", join).await, "consent_required");
    }
    let update = json!({"consent_text": null, "caps": {"participants": 2, "microphone": null, "camera": null}});
    host.link.ok("room.update", update).await;
    let mut codes = Vec::new();
    let mut links = Vec::new();
    for _ in 0..4 {
        let (link, reply) = stage.knock(&stage.entry(&room)).await;
        links.push(link);
        codes.push(
            reply["error"]["code"]
                .as_str()
                .unwrap_or("joined")
                .to_owned(),
        );
    }
    assert_eq!(
        codes.iter().filter(|code| *code == "joined").count(),
        1,
        "{codes:?}"
    );
    assert_eq!(codes[3], "full");
    // Nobody was put out for anybody.
    host.settle().await;
    assert_eq!(host.mirror.people.len(), 2);
    let update = json!({"caps": {"participants": null, "microphone": null, "camera": null}, "allowed_networks": ["192.0.2.0/24"]});
    host.link.ok("room.update", update).await;
    let (_, reply) = stage.knock(&stage.entry(&room)).await;
    assert_eq!(reply["error"]["code"], "banned", "{reply}");
    stage.host(&room).await;
}

//! Attempts to be too much: too many messages, too many questions, too slow an ear.

use serde_json::json;

use crate::link::Closed;
use crate::stage::Stage;

#[tokio::test]
async fn whoever_says_too_much_is_cut_off_and_the_others_hear_of_it_once() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut victim = stage.host(&room).await;
    let mut flooder = stage.join(&stage.entry(&room)).await;
    for n in 0..400 {
        let rename = json!({"participant": flooder.id, "name": format!("Name {n}")});
        flooder.link.feed("participant.rename", rename).await;
    }
    flooder.link.flush().await;
    assert_eq!(flooder.link.closed().await, 4429);
    // The victim is served, and heard of no more than was let through.
    let rename = json!({"participant": victim.id, "name": "Ada"});
    victim.link.ok("participant.rename", rename).await;
    victim.settle().await;
    let told = victim.link.all("participant.updated").len();
    assert!(told <= 80, "{told} updates");
}

#[tokio::test]
async fn nobody_is_asked_to_unmute_more_often_than_three_times_a_minute() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut pest = stage.invited(&room, "co_host").await;
    let mut victim = stage.invited(&room, "attendee").await;
    let mut codes = Vec::new();
    for n in 0..20 {
        let source = ["microphone", "camera", "screen", "screen_audio"][n % 4];
        let ask = json!({"participant": victim.id, "source": source});
        let reply = pest.link.ask("media.request", ask).await;
        let code = reply["error"]["code"].as_str().unwrap_or("ok").to_owned();
        codes.push(code);
    }
    assert_eq!(
        codes.iter().filter(|code| *code == "ok").count(),
        3,
        "{codes:?}"
    );
    assert!(
        codes[3..]
            .iter()
            .all(|code| code == "rate_limited" || code == "conflict")
    );
    victim.settle().await;
    assert_eq!(victim.link.all("media.requested").len(), 3);
    let own = victim.mirror.own();
    assert_eq!(own["sources"]["microphone"]["published"], false);
}

#[tokio::test]
async fn nobody_answers_a_question_that_was_put_to_somebody_else() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    let mut asked = stage.invited(&room, "attendee").await;
    let mut forger = stage.invited(&room, "attendee").await;
    let ask = json!({"participant": asked.id, "source": "microphone"});
    let sent = host.link.ok("media.request", ask).await;
    let accept = json!({"request": sent["request"], "answer": "accept"});
    assert_eq!(
        forger
            .link
            .refused("media.request.reply", accept.clone())
            .await,
        "not_found"
    );
    host.settle().await;
    assert!(host.link.all("media.request.answered").is_empty());
    asked.link.ok("media.request.reply", accept.clone()).await;
    let answered = host.link.push("media.request.answered").await;
    assert_eq!(answered["participant"], asked.id.as_str());
    // Once, and accepting opens nothing by itself.
    assert_eq!(
        asked.link.refused("media.request.reply", accept).await,
        "not_found"
    );
    host.settle().await;
    let seen = &host.mirror.people[&asked.id]["sources"]["microphone"];
    assert_eq!(seen["published"], false);
}

#[tokio::test]
async fn whoever_waits_says_little_or_loses_its_place() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "on", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    let (mut link, reply) = stage.knock(&stage.entry(&room)).await;
    assert_eq!(reply["ok"]["outcome"], "lobby");
    for _ in 0..40 {
        link.feed("lobby.ping", json!({})).await;
    }
    link.flush().await;
    assert_eq!(link.closed().await, 4429);
    host.link.ok("ban.list", json!({})).await;
}

#[tokio::test]
async fn a_link_that_has_not_joined_says_twenty_things() {
    let stage = Stage::start().await;
    let room = stage.room("meeting", json!({})).await;
    let mut link = stage.greeted(stage.fresh_source()).await;
    let mut answered = 0;
    let closed = loop {
        match link.try_ask("room.info", json!({"room": room.slug})).await {
            Ok(_) => answered += 1,
            Err(Closed(code)) => break code,
        }
    };
    assert_eq!((answered, closed), (20, 4429));
}

/// Updates that one host sends before another one comes: sixty would be one too many.
const UPDATES: usize = 50;
/// Hosts after which the server must have noticed: some 28 MiB have been said then,
/// a multiple of what both kernels and the server hold for one link.
const WAVES: usize = 40;

#[tokio::test]
async fn whoever_does_not_listen_is_cut_off_and_holds_nobody_up() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut listener = stage.host(&room).await;
    // Joins, and never reads a byte again.
    let deaf = stage.invited(&room, "attendee").await;
    let roles: Vec<_> = (0..16)
        .map(|n| {
            let name = format!("Role {n}");
            json!({"name": name, "base": "viewer", "allow": OF_ATTENDEES, "deny": OF_HOSTS})
        })
        .collect();
    for wave in 0..WAVES {
        let mut host = stage.host(&room).await;
        for n in 0..UPDATES {
            let title = format!("Wave {wave}, update {n}");
            let update = json!({"title": title, "custom_roles": roles});
            host.link.ok("room.update", update).await;
        }
        host.leave().await;
        listener.settle().await;
        listener.link.forget();
        let seen = listener.mirror.people.get(&deaf.id);
        if seen.is_none_or(|person| person["presence"] == "reconnecting") {
            println!("deaf: cut off after {} updates", (wave + 1) * UPDATES);
            return;
        }
    }
    panic!("it never was cut off");
}

const OF_ATTENDEES: [&str; 8] = [
    "publish.audio",
    "publish.video",
    "publish.screen",
    "publish.screen_audio",
    "roster.see",
    "roster.see_roles",
    "self.rename",
    "lobby.bypass",
];
const OF_HOSTS: [&str; 14] = [
    "lobby.manage",
    "room.lock",
    "session.start",
    "room.settings",
    "invite.create",
    "media.mute",
    "media.request",
    "media.grant",
    "media.lock_all",
    "participant.remove",
    "participant.ban",
    "ban.manage",
    "participant.to_lobby",
    "participant.rename",
];

//! The end of a meeting.

use serde_json::{Value, json};

use super::open_room;
use crate::person::Person;
use crate::stage::Stage;

#[tokio::test]
async fn after_the_end_everybody_is_out_and_nothing_of_it_opens_the_next_meeting() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "on", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    let mut raised = stage.invited(&room, "attendee").await;
    let mut dropped = stage.invited(&room, "presenter").await;
    let (mut waiter, reply) = stage.knock(&stage.entry(&room)).await;
    assert_eq!(reply["ok"]["outcome"], "lobby");
    // Somebody was made more than its link makes it.
    let set = json!({"participant": raised.id, "role": "co_host", "rev": 1});
    host.link.ok("role.set", set).await;
    let link = std::mem::replace(&mut dropped.link, stage.open(stage.fresh_source()).await);
    drop(link);
    let chat = json!({"client_id": "c", "to": {"kind": "all"}, "text": "Goodbye"});
    host.link.ok("chat.send", chat).await;
    raised.link.ok("hand.raise", json!({})).await;
    let end = json!({"message": "See you"});
    host.link.ok("session.end", end).await;
    for link in [&mut host.link, &mut raised.link, &mut waiter] {
        assert_eq!(link.closed().await, 4410);
        let told = link.all("ended");
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["data"]["message"], "See you");
        // Nobody is told how the others go.
        assert!(link.all("participant.left").is_empty());
    }
    assert!(waiter.all("ended")[0]["data"]["by"].is_null());
    for person in [&host, &raised, &dropped] {
        let (_, reply) = stage.resume(person.entry.from, &person.token, 0).await;
        assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
    }
    assert!(stage.shard.as_ref().unwrap().published().is_empty());
    let mut host = stage.host(&room).await;
    let again = stage.join(&raised.entry).await;
    assert_eq!(again.mirror.own()["role"], "attendee");
    assert!(again.mirror.chat.is_empty());
    assert_eq!(again.mirror.hands, json!([]));
    host.settle().await;
    let people = host.link.ok("attendance.get", json!({})).await;
    assert_eq!(people["people"].as_array().unwrap().len(), 2, "{people}");
}

#[tokio::test]
async fn a_countdown_is_called_off_by_who_may_end_the_meeting_alone() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    let mut pupil = stage.invited(&room, "attendee").await;
    for countdown_s in [json!(61), json!(-1), json!(1.5), json!("10")] {
        let end = json!({"countdown_s": countdown_s});
        assert_eq!(host.link.refused("session.end", end).await, "bad_request");
    }
    host.link
        .ok("session.end", json!({"countdown_s": 60}))
        .await;
    for verb in ["session.end", "session.end.cancel"] {
        assert_eq!(pupil.link.refused(verb, json!({})).await, "forbidden");
    }
    // Where co-hosts do not end it, they do not keep it from ending.
    let update = json!({"cohosts_end": false});
    host.link.ok("room.update", update).await;
    for verb in ["session.end", "session.end.cancel"] {
        assert_eq!(helper.link.refused(verb, json!({})).await, "forbidden");
    }
    pupil.settle().await;
    let told = pupil.link.all("session.ending");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"]["by"], host.id.as_str());
    assert!(!pupil.mirror.room["ends_at"].is_null());
    // Somebody who comes now is told.
    let late = stage.knock(&stage.entry(&room)).await.1;
    assert!(late["ok"]["ending"]["ends_at"].is_string(), "{late}");
    host.link.ok("session.end.cancel", json!({})).await;
    assert_eq!(
        host.link.refused("session.end.cancel", json!({})).await,
        "not_found"
    );
    pupil.settle().await;
    let told = pupil.link.all("session.ending");
    assert_eq!(told.last().unwrap()["data"]["ends_at"], Value::Null);
    assert!(pupil.mirror.room["ends_at"].is_null());
}

#[tokio::test]
async fn a_countdown_that_runs_out_ends_the_meeting_for_all() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut people: Vec<Person> = Vec::new();
    for role in ["co_host", "presenter", "attendee", "viewer"] {
        people.push(stage.invited(&room, role).await);
    }
    let end = json!({"countdown_s": 1, "message": "Time is up"});
    host.link.ok("session.end", end).await;
    people.push(host);
    for mut person in people {
        assert_eq!(person.link.closed().await, 4410);
        let told = person.link.all("ended");
        assert_eq!(told[0]["data"]["message"], "Time is up");
        let (_, reply) = stage.resume(person.entry.from, &person.token, 0).await;
        assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
    }
}

#[tokio::test]
async fn who_took_part_is_told_to_nobody_below_the_hosts_and_with_no_formula() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let entry = stage.entry(&room).named("=cmd|' /C calc'!A0");
    let guest = stage.join(&entry).await;
    let device = guest.entry.device.clone();
    guest.leave().await;
    let mut again = stage.join(&entry).await;
    assert_eq!(
        again
            .link
            .refused("attendance.get", json!({"csv": true}))
            .await,
        "forbidden"
    );
    let list = host.link.ok("attendance.get", json!({"csv": true})).await;
    let people = list["people"].as_array().unwrap();
    assert_eq!(people.len(), 2, "{list}");
    assert_eq!(people[1]["visits"], 2, "{list}");
    assert!(!list.to_string().contains(&device));
    assert!(!list.to_string().contains(&entry.from.to_string()));
    let csv = list["csv"].as_str().unwrap();
    for cell in csv.split([',', '\n', '\r']) {
        let inner = cell.trim_start_matches('"');
        assert!(!inner.starts_with('='), "a formula: {cell} in {csv}");
    }
}

#[tokio::test]
async fn whatever_crosses_the_end_is_in_the_next_meeting_or_out() {
    let stage = Stage::start().await;
    for round in 0..8 {
        let room = open_room(&stage).await;
        let mut host = stage.host(&room).await;
        let mut people = Vec::new();
        for _ in 0..3 {
            people.push(stage.invited(&room, "attendee").await);
        }
        let lost = stage.invited(&room, "presenter").await;
        let mut newcomers = Vec::new();
        for _ in 0..3 {
            let entry = stage.entry(&room);
            newcomers.push((stage.greeted(entry.from).await, entry));
        }
        let mut returning = stage.open(lost.entry.from).await;
        // All of it is under way at once, the end at another place each time.
        let mut joins = Vec::new();
        for (n, (link, entry)) in newcomers.iter_mut().enumerate() {
            if n + 1 == round % 4 {
                host.link.send("session.end", json!({})).await;
            }
            joins.push(link.send("join", entry.data()).await);
            let chat = json!({"client_id": "c", "to": {"kind": "all"}, "text": "Am I late?"});
            people[n].link.send("chat.send", chat).await;
            people[n].link.send("hand.raise", json!({})).await;
        }
        let mut resume = crate::stage::hello();
        resume["resume"] = json!({"token": lost.token, "last_seq": 0});
        let resumed = returning.send("hello", resume).await;
        if round % 4 == 0 {
            host.link.send("session.end", json!({})).await;
        }
        assert_eq!(host.link.closed().await, 4410);
        for person in &mut people {
            assert_eq!(person.link.closed().await, 4410);
        }
        // The place is taken back in the old meeting, or there is none.
        match returning.reply(resumed).await {
            Ok(reply) if reply.get("ok").is_some() => assert_eq!(returning.closed().await, 4410),
            Ok(reply) => assert_eq!(reply["error"]["code"], "resume_failed", "{reply}"),
            Err(closed) => assert_eq!(closed.0, 4410),
        }
        let mut next = stage.host(&room).await;
        let mut there = vec![next.id.clone()];
        for ((mut link, _), id) in newcomers.into_iter().zip(joins) {
            let Ok(reply) = link.reply(id).await else {
                continue;
            };
            assert_eq!(reply["ok"]["outcome"], "joined", "{reply}");
            let is_in = link
                .try_ask(crate::link::FENCE, crate::link::fence())
                .await
                .is_ok();
            if is_in {
                let own = reply["ok"]["self"]["id"].as_str().unwrap();
                there.push(own.to_owned());
                assert!(reply["ok"]["chat"].as_array().unwrap().is_empty());
            }
        }
        next.settle().await;
        there.sort();
        let seen: Vec<_> = next.mirror.people.keys().cloned().collect();
        assert_eq!(seen, there, "round {round}");
        assert_eq!(next.mirror.hands, json!([]));
    }
}

#[tokio::test]
async fn what_is_announced_is_text_of_a_decent_length() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut pupil = stage.invited(&room, "attendee").await;
    for text in ["", " \u{200b} ", &"a".repeat(501)] {
        for (verb, data) in [
            ("session.announce", json!({"message": text})),
            ("session.end", json!({"countdown_s": 60, "message": text})),
        ] {
            assert_eq!(host.link.refused(verb, data).await, "bad_request");
        }
    }
    let text = "<svg/onload=alert(1)> \u{202e}__proto__";
    let announce = json!({"message": text});
    host.link.ok("session.announce", announce).await;
    let told = pupil.link.push("announcement").await;
    assert_eq!(told["message"], "<svg/onload=alert(1)> __proto__");
    assert_eq!(told["by"], host.id.as_str());
    for data in [
        json!({"message": "Hi", "by": null}),
        json!({"message": "Hi", "__proto__": {}}),
        json!({}),
    ] {
        let code = host.link.refused("session.announce", data).await;
        assert_eq!(code, "bad_request");
    }
    assert_eq!(pupil.settle().await.len(), 1);
}

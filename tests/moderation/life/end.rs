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

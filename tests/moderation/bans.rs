//! Attempts to stay after a removal and to come back in spite of a ban.

use serde_json::{Value, json};

use crate::person::{Entry, Person, fresh_device};
use crate::stage::{Room, Stage};

async fn open_room(stage: &Stage) -> Room {
    let update = json!({"lobby": "off", "start_without_host": true});
    stage.room("meeting", update).await
}

async fn remove(host: &mut Person, person: &mut Person, ban: Value) -> Value {
    let order = json!({"participant": person.id, "reason": "Disruptive", "ban": ban});
    let done = host.link.ok("participant.remove", order).await;
    assert_eq!(person.link.closed().await, 4403);
    host.settle().await;
    assert!(!host.mirror.people.contains_key(&person.id));
    done
}

async fn outcome(stage: &Stage, entry: &Entry) -> String {
    let (_, reply) = stage.knock(entry).await;
    let outcome = reply["ok"]["outcome"].as_str();
    let code = reply["error"]["code"].as_str();
    outcome.or(code).unwrap().to_owned()
}

#[tokio::test]
async fn a_removed_participant_has_neither_link_nor_place_nor_token() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut person = stage.invited(&room, "presenter").await;
    person.publish("camera").await;
    remove(&mut host, &mut person, Value::Null).await;
    assert!(stage.shard.as_ref().unwrap().published().is_empty());
    let removed = person.link.all("removed");
    assert_eq!(removed[0]["data"]["reason"], "Disruptive");
    for from in [person.entry.from, stage.fresh_source()] {
        let (mut link, reply) = stage.resume(from, &person.token, 0).await;
        assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
        let unmute = json!({"source": "camera", "muted": false});
        assert_eq!(link.refused("track.state", unmute).await, "bad_request");
    }
    // What was shouted into the closed link is heard by nobody.
    person
        .link
        .send(
            "participant.rename",
            json!({"participant": host.id, "name": "X"}),
        )
        .await;
    assert!(host.settle().await.is_empty());
}

#[tokio::test]
async fn one_who_is_removed_while_its_link_is_down_does_not_come_back_by_its_token() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let person = stage.invited(&room, "presenter").await;
    let Person {
        link,
        id,
        token,
        entry,
        ..
    } = person;
    drop(link);
    host.link
        .push_where("participant.updated", |data| {
            data["participant"]["presence"] == "reconnecting"
        })
        .await;
    host.link
        .ok("participant.remove", json!({"participant": id}))
        .await;
    let (_, reply) = stage.resume(entry.from, &token, 0).await;
    assert_eq!(reply["error"]["code"], "resume_failed", "{reply}");
    assert_eq!(outcome(&stage, &entry).await, "lobby");
}

#[tokio::test]
async fn who_was_removed_waits_whatever_would_have_let_it_pass() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut person = stage.invited(&room, "presenter").await;
    let done = remove(&mut host, &mut person, Value::Null).await;
    assert_eq!(done["removals"], 1);
    // The invite bypasses the lobby, and there is none.
    let named = person.entry.clone().named("Nobody you know");
    for entry in [
        person.entry.clone(),
        named,
        person.entry.clone().without_credential(),
    ] {
        let (link, reply) = stage.knock(&entry).await;
        assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
        let knock = reply["ok"]["knock"].clone();
        let update = host.link.push_where("lobby.update", |update| {
            let entries = update["entries"].as_array().unwrap();
            entries
                .iter()
                .any(|entry| entry["knock"] == knock && entry["previous_kick"] == true)
        });
        update.await;
        drop(link);
    }
    // Nor does a new invite help the device that was removed.
    let invite = json!({"role": "presenter", "max_uses": 1, "bypass_lobby": true});
    let fresh = stage.invite(&room, invite).await;
    let entry = person.entry.clone().invite(&fresh);
    assert_eq!(outcome(&stage, &entry).await, "lobby");
    // Nor does the personal invite let another device of its in.
    let other = person.entry.clone().device(&fresh_device());
    assert_eq!(outcome(&stage, &other).await, "invite_used_up");
    // Admitted by a host it is in, and a second removal is counted.
    let (mut link, reply) = stage.knock(&person.entry).await;
    host.link
        .ok("lobby.admit", json!({"knocks": [reply["ok"]["knock"]]}))
        .await;
    let status = link
        .push_where("lobby.status", |status| status["state"] == "admitted")
        .await;
    let mut again = Person::new(link, &status["joined"], person.entry.clone());
    let done = remove(&mut host, &mut again, Value::Null).await;
    assert_eq!(done["removals"], 2);
}

#[tokio::test]
async fn a_ban_holds_against_another_name_another_network_and_no_credential() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut person = stage.invited(&room, "attendee").await;
    remove(&mut host, &mut person, json!({"scope": "room"})).await;
    let entry = person.entry.clone();
    let elsewhere = entry.clone().from(stage.fresh_source());
    let fresh_invite = stage
        .invite(
            &room,
            json!({"role": "presenter", "max_uses": 1, "bypass_lobby": true}),
        )
        .await;
    for (what, entry) in [
        ("as it was", entry.clone()),
        ("another name", entry.clone().named("Grace")),
        ("another network", elsewhere.clone()),
        ("no credential", elsewhere.clone().without_credential()),
        ("another invite", elsewhere.clone().invite(&fresh_invite)),
    ] {
        assert_eq!(outcome(&stage, &entry).await, "banned", "{what}");
    }
    // Its invite was for one.
    let lent = elsewhere.clone().device(&fresh_device());
    assert_eq!(outcome(&stage, &lent).await, "invite_used_up");
    // A new device from the same network waits, and the hosts see why.
    let from_home = stage.entry(&room).from(entry.from);
    let (_link, reply) = stage.knock(&from_home).await;
    assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
    let knock = reply["ok"]["knock"].clone();
    host.link
        .push_where("lobby.update", |update| {
            let entries = update["entries"].as_array().unwrap();
            entries
                .iter()
                .any(|entry| entry["knock"] == knock && entry["network_banned"] == true)
        })
        .await;
    // A neighbour of another network is not concerned.
    assert_eq!(outcome(&stage, &stage.entry(&room)).await, "joined");
}

#[tokio::test]
async fn a_strict_ban_holds_against_another_device_of_the_same_network() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut person = stage.invited(&room, "attendee").await;
    remove(
        &mut host,
        &mut person,
        json!({"scope": "room", "strict": true}),
    )
    .await;
    let from_home = stage.entry(&room).from(person.entry.from);
    assert_eq!(outcome(&stage, &from_home).await, "banned");
    // Not against the host, whose device is another.
    let host_at_home = from_home.invite(&room.host_secret);
    assert_eq!(outcome(&stage, &host_at_home).await, "joined");
}

#[tokio::test]
async fn a_ban_is_lifted_by_who_may_and_by_nobody_else() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut friend = stage.invited(&room, "presenter").await;
    let mut person = stage.invited(&room, "attendee").await;
    let done = remove(&mut host, &mut person, json!({"scope": "room"})).await;
    let lift = json!({"ban": done["ban"]});
    assert_eq!(
        friend.link.refused("ban.lift", lift.clone()).await,
        "forbidden"
    );
    assert_eq!(outcome(&stage, &person.entry).await, "banned");
    let listed = host.link.ok("ban.list", json!({})).await.to_string();
    assert!(!listed.contains(&person.entry.device), "{listed}");
    assert!(!listed.contains(&person.entry.from.to_string()), "{listed}");
    host.link.ok("ban.lift", lift.clone()).await;
    assert_eq!(host.link.refused("ban.lift", lift).await, "not_found");
    // Still somebody who was removed from this meeting.
    assert_eq!(outcome(&stage, &person.entry).await, "lobby");
}

#[tokio::test]
async fn a_ban_takes_every_place_of_the_device_with_it() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut first = stage.join(&stage.entry(&room)).await;
    let mut second = stage
        .join(&first.entry.clone().choosing("join_as_second"))
        .await;
    remove(&mut host, &mut first, json!({"scope": "room"})).await;
    assert_eq!(second.link.closed().await, 4403);
    host.settle().await;
    assert_eq!(host.mirror.people.len(), 1);
}

#[tokio::test]
async fn a_ban_in_one_room_says_nothing_in_another() {
    let stage = Stage::start().await;
    let (room, other) = (open_room(&stage).await, open_room(&stage).await);
    let mut host = stage.host(&room).await;
    let mut person = stage.join(&stage.entry(&room)).await;
    remove(
        &mut host,
        &mut person,
        json!({"scope": "room", "strict": true}),
    )
    .await;
    let mut entry = person.entry.clone();
    assert_eq!(outcome(&stage, &entry).await, "banned");
    entry.room = other.slug;
    assert_eq!(outcome(&stage, &entry).await, "joined");
}

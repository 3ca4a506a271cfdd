//! Handing the meeting over.

use serde_json::{Value, json};

use super::open_room;
use crate::person::Person;
use crate::rules::permissions;
use crate::stage::Stage;

/// Offers the meeting. Returns the request.
async fn offer(host: &mut Person, to: &Person, permanent: bool) -> Value {
    let transfer = json!({"participant": to.id, "permanent": permanent});
    let asked = host.link.ok("host.transfer", transfer).await;
    asked["request"].clone()
}

async fn accept(person: &mut Person, request: &Value) -> Value {
    let reply = json!({"request": request, "answer": "accept"});
    person.link.ok("host.transfer.reply", reply).await
}

async fn is_what_it_is_told(person: &mut Person, role: &str) {
    person.settle().await;
    assert_eq!(person.mirror.own()["role"], role);
    assert_eq!(person.mirror.permissions, permissions("meeting", role));
}

/// What only a host does, on somebody who is a co-host.
async fn host_things_are_refused(person: &mut Person, on: &str) {
    let password = json!({"password": "correct horse"});
    assert_eq!(
        person.link.refused("room.update", password).await,
        "forbidden"
    );
    let set = json!({"participant": on, "role": "viewer", "rev": 1});
    assert_eq!(person.link.refused("role.set", set).await, "forbidden");
    let order = json!({"participant": on});
    for verb in [
        "participant.remove",
        "participant.to_lobby",
        "host.transfer",
    ] {
        let code = person.link.refused(verb, order.clone()).await;
        assert_eq!(code, "forbidden", "{verb}");
    }
    for role in ["host", "co_host"] {
        let invite = json!({"role": role});
        assert_eq!(
            person.link.refused("invite.create", invite).await,
            "forbidden"
        );
    }
}

#[tokio::test]
async fn the_old_host_does_no_host_things_after_a_hand_over() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut old = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    // A guest of the open link, too.
    let mut new = stage.join(&stage.entry(&room)).await;
    let request = offer(&mut old, &new, false).await;
    // Nothing has changed yet.
    is_what_it_is_told(&mut old, "host").await;
    is_what_it_is_told(&mut new, "attendee").await;
    let told = accept(&mut new, &request).await;
    assert_eq!(told["secret"], Value::Null);
    host_things_are_refused(&mut old, &new.id).await;
    host_things_are_refused(&mut old, &helper.id).await;
    is_what_it_is_told(&mut old, "co_host").await;
    is_what_it_is_told(&mut new, "host").await;
    helper.settle().await;
    assert_eq!(helper.mirror.people[&new.id]["role"], "host");
    assert_eq!(helper.mirror.people[&old.id]["role"], "co_host");
    // Not by losing its link, and not by its old question either.
    let (entry, token) = (old.entry.clone(), old.token.clone());
    drop(old);
    let (mut again, resumed) = stage.resume(entry.from, &token, 0).await;
    assert_eq!(resumed["ok"]["outcome"], "resumed", "{resumed}");
    let password = json!({"password": "correct horse"});
    assert_eq!(again.refused("room.update", password).await, "forbidden");
    let reply = json!({"request": request, "answer": "accept"});
    assert_eq!(
        new.link.refused("host.transfer.reply", reply).await,
        "not_found"
    );
    let order = json!({"participant": helper.id});
    new.link.ok("participant.remove", order).await;
    assert_eq!(helper.link.closed().await, 4403);
}

#[tokio::test]
async fn an_offer_is_answered_once_by_the_one_it_was_made_to() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut asked = stage.invited(&room, "attendee").await;
    let mut thief = stage.invited(&room, "co_host").await;
    let request = offer(&mut host, &asked, false).await;
    let yes = json!({"request": request, "answer": "accept"});
    for person in [&mut thief, &mut host] {
        let code = person.link.refused("host.transfer.reply", yes.clone());
        assert_eq!(code.await, "not_found");
    }
    // A second one waits for the first, and no others ask for it themselves.
    let second = json!({"participant": thief.id});
    assert_eq!(host.link.refused("host.transfer", second).await, "conflict");
    let own = json!({"participant": thief.id});
    assert_eq!(thief.link.refused("host.transfer", own).await, "forbidden");
    // Another kind of question is answered by its own verb.
    for verb in ["media.request.reply", "screen.takeover.reply"] {
        assert_eq!(
            asked.link.refused(verb, yes.clone()).await,
            "not_found",
            "{verb}"
        );
    }
    let no = json!({"request": request, "answer": "later"});
    asked.link.ok("host.transfer.reply", no).await;
    assert_eq!(
        asked.link.refused("host.transfer.reply", yes).await,
        "not_found"
    );
    let answered = host.link.push("host.transfer.answered").await;
    assert_eq!(answered["answer"], "later");
    is_what_it_is_told(&mut asked, "attendee").await;
    is_what_it_is_told(&mut host, "host").await;
}

#[tokio::test]
async fn an_offer_is_void_when_either_is_not_what_it_was() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut first = stage.host(&room).await;
    let mut asked = stage.invited(&room, "attendee").await;
    let other = stage.invited(&room, "attendee").await;
    // Who offers has handed it to somebody else meanwhile: not while one waits,
    // so it leaves.
    let request = offer(&mut first, &asked, false).await;
    let entry = first.entry.clone();
    first.leave().await;
    let yes = json!({"request": request, "answer": "accept"});
    assert_eq!(
        asked.link.refused("host.transfer.reply", yes).await,
        "not_found"
    );
    is_what_it_is_told(&mut asked, "attendee").await;
    // Who is asked leaves and comes again.
    let mut first = stage.join(&entry).await;
    is_what_it_is_told(&mut first, "host").await;
    let request = offer(&mut first, &other, false).await;
    let entry = other.entry.clone();
    other.leave().await;
    let mut other = stage.join(&entry).await;
    let yes = json!({"request": request, "answer": "accept"});
    assert_eq!(
        other.link.refused("host.transfer.reply", yes).await,
        "not_found"
    );
    let answered = first.link.push("host.transfer.answered").await;
    assert_eq!(answered["answer"], Value::Null);
    is_what_it_is_told(&mut other, "attendee").await;
}

#[tokio::test]
async fn a_room_that_was_given_away_for_good_is_not_entered_by_the_old_key() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut old = stage.host(&room).await;
    let mut new = stage.invited(&room, "attendee").await;
    let request = offer(&mut old, &new, true).await;
    let told = accept(&mut new, &request).await;
    let secret = told["secret"].as_str().unwrap().to_owned();
    assert_ne!(secret, room.host_secret);
    // Not the one who offered it sees the secret.
    old.settle().await;
    for push in &old.link.heard {
        assert!(!push.to_string().contains(&secret));
    }
    host_things_are_refused(&mut old, &new.id).await;
    let stranger = stage.entry(&room).invite(&room.host_secret);
    let (_, reply) = stage.knock(&stranger).await;
    assert_eq!(reply["error"]["code"], "invite_revoked", "{reply}");
    let entry = old.entry.clone();
    old.leave().await;
    let (_, reply) = stage.knock(&entry).await;
    let is_host = reply["ok"]["self"]["role"] == "host";
    assert!(!is_host, "{reply}");
    // From outside neither.
    let mut link = stage.greeted(entry.from).await;
    let manage = json!({
        "room": room.slug,
        "credential": {"kind": "invite", "secret": room.host_secret},
        "device_key": entry.device,
    });
    assert!(link.ask("room.manage", manage).await.get("error").is_some());
    // The new key opens, from whatever device.
    let anew = stage.join(&stage.entry(&room).invite(&secret)).await;
    assert_eq!(anew.mirror.own()["role"], "host");
}

#[tokio::test]
async fn only_the_holder_of_the_key_gives_the_room_away_for_good() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut first = stage.host(&room).await;
    let mut second = stage.join(&stage.entry(&room)).await;
    let mut third = stage.invited(&room, "attendee").await;
    let request = offer(&mut first, &second, false).await;
    accept(&mut second, &request).await;
    is_what_it_is_told(&mut second, "host").await;
    // It is a host by what was lent to it for this meeting.
    let transfer = json!({"participant": third.id, "permanent": true});
    assert_eq!(
        second.link.refused("host.transfer", transfer).await,
        "forbidden"
    );
    third.settle().await;
    assert!(third.link.all("host.transfer.requested").is_empty());
    let request = offer(&mut second, &third, false).await;
    accept(&mut third, &request).await;
    is_what_it_is_told(&mut second, "co_host").await;
    is_what_it_is_told(&mut third, "host").await;
}

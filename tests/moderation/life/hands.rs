//! The queue of hands, reactions, the spotlight.

use serde_json::{Value, json};

use super::open_room;
use crate::person::Person;
use crate::stage::Stage;

fn queue(person: &Person) -> Vec<(&Value, u64)> {
    let hands = person.mirror.hands.as_array().unwrap().iter();
    hands
        .map(|hand| (&hand["participant"], hand["position"].as_u64().unwrap()))
        .collect()
}

#[tokio::test]
async fn hands_are_called_in_the_order_of_the_server_and_nobody_jumps_the_queue() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut people = Vec::new();
    for _ in 0..4 {
        people.push(stage.invited(&room, "attendee").await);
    }
    for person in &mut people {
        person.link.ok("hand.raise", json!({})).await;
    }
    // To raise it again is not to be there earlier, to lower that of another is not possible.
    people[0].link.ok("hand.raise", json!({})).await;
    let other = json!({"participant": people[0].id});
    assert_eq!(
        people[3].link.refused("hand.lower", other).await,
        "forbidden"
    );
    for verb in ["hand.next", "hand.lower_all"] {
        assert_eq!(people[3].link.refused(verb, json!({})).await, "forbidden");
    }
    people[1].link.ok("hand.lower", json!({})).await;
    people[1].link.ok("hand.raise", json!({})).await;
    let ids: Vec<Value> = people.iter().map(|person| json!(person.id)).collect();
    let expected = [(&ids[0], 1), (&ids[2], 2), (&ids[3], 3), (&ids[1], 4)];
    host.settle().await;
    assert_eq!(queue(&host), expected);
    for person in &mut people {
        person.settle().await;
        assert_eq!(queue(person), expected);
    }
    let called = host.link.ok("hand.next", json!({})).await;
    assert_eq!(called["participant"], ids[0]);
    // Who is called and leaves makes room for the next.
    let first = people.remove(0);
    first.leave().await;
    host.settle().await;
    assert_eq!(queue(&host), [(&ids[2], 1), (&ids[3], 2), (&ids[1], 3)]);
    for ttl_s in [json!(0), json!(9), json!(3601), json!(-1), json!("300")] {
        let next = json!({"ttl_s": ttl_s});
        assert_eq!(host.link.refused("hand.next", next).await, "bad_request");
    }
    assert_eq!(queue(&host).len(), 3);
    host.link.ok("hand.lower_all", json!({})).await;
    host.settle().await;
    assert!(queue(&host).is_empty());
}

#[tokio::test]
async fn what_a_call_gave_ends_with_its_time() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("webinar", update).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    ada.link.ok("hand.raise", json!({})).await;
    host.link.ok("hand.next", json!({"ttl_s": 10})).await;
    ada.publish("microphone").await;
    ada.settle().await;
    assert!(ada.mirror.may("publish.audio"));
    // Asked again in vain: it gets no more time by it.
    let over = ada
        .link
        .push_where("permissions", |told| {
            !told["permissions"].to_string().contains("publish.audio")
        })
        .await;
    assert_eq!(over["overrides"], json!([]));
    let publish = json!({"mid": "0", "source": "microphone", "muted": false});
    assert_eq!(
        ada.link.refused("media.publish", publish).await,
        "forbidden"
    );
    assert!(stage.shard.as_ref().unwrap().published().is_empty());
    host.settle().await;
    assert!(queue(&host).is_empty());
    assert_eq!(host.mirror.people[&ada.id]["hand"], Value::Null);
}

#[tokio::test]
async fn a_call_does_not_outlive_its_owner_by_leaving_and_coming_again() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("webinar", update).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    ada.link.ok("hand.raise", json!({})).await;
    host.link.ok("hand.next", json!({"ttl_s": 3600})).await;
    let entry = ada.entry.clone();
    ada.leave().await;
    let mut again = stage.join(&entry).await;
    assert!(!again.mirror.may("publish.audio"));
    assert_eq!(again.mirror.overrides, json!([]));
    // Under a lock that was on before the call neither.
    let lock = json!({"sources": ["microphone"], "on": true});
    host.link.ok("media.lock", lock).await;
    again.link.ok("hand.raise", json!({})).await;
    host.link.ok("hand.next", json!({"ttl_s": 3600})).await;
    again.settle().await;
    assert!(again.mirror.may("publish.audio"));
    again.publish("microphone").await;
    again.leave().await;
    let mut third = stage.join(&entry).await;
    assert!(!third.mirror.may("publish.audio"));
    let publish = json!({"mid": "0", "source": "microphone", "muted": false});
    assert_eq!(
        third.link.refused("media.publish", publish).await,
        "forbidden"
    );
    host.settle().await;
    let allowed = &host.mirror.room["av_lock"]["microphone"]["allow"];
    assert_eq!(*allowed, json!([]));
}

#[tokio::test]
async fn hands_and_reactions_do_not_tell_of_people_whom_one_does_not_see() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("webinar", update).await;
    let mut host = stage.host(&room).await;
    let mut hidden = stage.invited(&room, "attendee").await;
    let mut peeper = stage.invited(&room, "attendee").await;
    hidden.link.ok("hand.raise", json!({})).await;
    peeper.link.ok("hand.raise", json!({})).await;
    hidden
        .link
        .ok("reaction.send", json!({"emoji": "🔥"}))
        .await;
    let spotlight = json!({"participants": [hidden.id]});
    host.link.ok("spotlight.set", spotlight).await;
    peeper.settle().await;
    // Its own place among all, and nobody else's.
    assert_eq!(queue(&peeper), [(&json!(peeper.id), 2)]);
    let reactions = peeper.link.all("reaction");
    assert_eq!(reactions.len(), 1);
    assert_eq!(
        reactions[0]["data"],
        json!({"participant": null, "emoji": "🔥"})
    );
    for message in &peeper.link.heard {
        assert!(!message.to_string().contains(&hidden.id), "{message}");
    }
    assert_eq!(peeper.mirror.room["spotlight"], json!([]));
    host.settle().await;
    assert_eq!(host.mirror.room["spotlight"], json!([hidden.id]));
    assert_eq!(queue(&host).len(), 2);
}

#[tokio::test]
async fn too_many_reactions_and_announcements_are_refused() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut pest = stage.invited(&room, "attendee").await;
    let began = std::time::Instant::now();
    let mut asked = Vec::new();
    for _ in 0..40 {
        let emoji = json!({"emoji": "🎉"});
        asked.push(pest.link.feed("reaction.send", emoji).await);
    }
    pest.link.flush().await;
    let mut sent = 0;
    for id in asked {
        let reply = pest.link.reply(id).await.unwrap();
        match reply.get("ok") {
            Some(_) => sent += 1,
            None => assert_eq!(reply["error"]["code"], "rate_limited", "{reply}"),
        }
    }
    let most = 10 + 2 * (began.elapsed().as_secs() + 1);
    assert!((10..=most).contains(&sent), "{sent} of {most}");
    host.settle().await;
    assert_eq!(host.link.all("reaction").len() as u64, sent);
    let mut announced = 0;
    for _ in 0..20 {
        let announce = json!({"message": "Listen"});
        let reply = host.link.ask("session.announce", announce).await;
        announced += usize::from(reply.get("ok").is_some());
    }
    assert!((6..=8).contains(&announced), "{announced}");
}

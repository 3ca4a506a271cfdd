//! Screens that change hands.

use serde_json::{Value, json};

use crate::person::Person;
use crate::stage::{Room, Stage};

async fn meeting(stage: &Stage, screen: &str) -> Room {
    let update = json!({"lobby": "off", "start_without_host": true, "screen": screen});
    stage.room("meeting", update).await
}

fn start() -> Value {
    json!({"audio": false, "take_over": true})
}

fn share_of<'a>(host: &'a Person, of: &Person) -> &'a Value {
    &host.mirror.people[&of.id]["sources"]["screen"]
}

#[tokio::test]
async fn a_share_is_not_taken_from_an_equal_or_a_higher_role_without_being_asked() {
    let stage = Stage::start().await;
    let room = meeting(&stage, "one_takeover").await;
    let mut host = stage.host(&room).await;
    let mut holder = stage.invited(&room, "presenter").await;
    let mut taker = stage.invited(&room, "presenter").await;
    let mut thief = stage.invited(&room, "attendee").await;
    holder.publish("screen").await;
    // Not without saying so.
    let plain = json!({"audio": false});
    let busy = taker.link.ask("screen.start", plain).await;
    assert_eq!(busy["error"]["code"], "busy");
    assert_eq!(busy["error"]["by"], holder.id.as_str());
    let publish = json!({"mid": "2", "source": "screen", "muted": false});
    assert_eq!(
        taker.link.refused("media.publish", publish.clone()).await,
        "busy"
    );
    let asked = taker.link.ok("screen.start", start()).await;
    assert_eq!(asked["outcome"], "asked");
    let told = holder.link.push("screen.takeover.requested").await;
    assert_eq!(told["by"], taker.id.as_str());
    // To have asked is not to have it, nobody else answers, nobody asks twice.
    assert_eq!(
        taker.link.refused("media.publish", publish.clone()).await,
        "busy"
    );
    let yes = json!({"request": asked["request"], "answer": "accept"});
    for person in [&mut taker, &mut thief, &mut host] {
        let code = person.link.refused("screen.takeover.reply", yes.clone());
        assert_eq!(code.await, "not_found");
    }
    assert_eq!(
        taker.link.refused("screen.start", start()).await,
        "conflict"
    );
    assert_eq!(thief.link.refused("screen.start", start()).await, "busy");
    let no = json!({"request": asked["request"], "answer": "decline"});
    holder.link.ok("screen.takeover.reply", no).await;
    let answered = taker.link.push("screen.takeover.answered").await;
    assert_eq!(answered["share_id"], Value::Null);
    host.settle().await;
    assert_eq!(share_of(&host, &holder)["published"], true);
    // With a yes it is the other's, at once.
    let asked = taker.link.ok("screen.start", start()).await;
    let yes = json!({"request": asked["request"], "answer": "accept"});
    holder.link.ok("screen.takeover.reply", yes).await;
    let answered = taker.link.push("screen.takeover.answered").await;
    assert!(answered["share_id"].is_string());
    assert_eq!(
        holder.link.refused("media.publish", publish.clone()).await,
        "busy"
    );
    taker.link.ok("media.publish", publish).await;
    host.settle().await;
    assert_eq!(*share_of(&host, &holder), Value::Null);
    assert_eq!(share_of(&host, &taker)["published"], true);
}

#[tokio::test]
async fn a_share_is_not_taken_over_where_the_room_does_not_let_it() {
    let stage = Stage::start().await;
    let room = meeting(&stage, "one").await;
    let mut host = stage.host(&room).await;
    let mut holder = stage.invited(&room, "attendee").await;
    holder.publish("screen").await;
    let refused = host.link.ask("screen.start", start()).await;
    assert_eq!(refused["error"]["code"], "busy");
    holder.settle().await;
    assert!(holder.link.all("screen.takeover.requested").is_empty());
    // Off is off for hosts too.
    let off = json!({"screen": "off"});
    host.link.ok("room.update", off).await;
    for person in [&mut host, &mut holder] {
        assert_eq!(
            person.link.refused("screen.start", start()).await,
            "forbidden"
        );
    }
    host.settle().await;
    assert_eq!(*share_of(&host, &holder), Value::Null);
}

#[tokio::test]
async fn whoever_may_not_share_does_not_get_a_share_by_asking_for_that_of_another() {
    let stage = Stage::start().await;
    let room = meeting(&stage, "one_takeover").await;
    let mut host = stage.host(&room).await;
    let mut holder = stage.invited(&room, "attendee").await;
    let mut taker = stage.invited(&room, "attendee").await;
    let mut viewer = stage.invited(&room, "viewer").await;
    holder.publish("screen").await;
    assert_eq!(
        viewer.link.refused("screen.start", start()).await,
        "forbidden"
    );
    // Who loses the right while it waits for the answer does not get it either.
    let asked = taker.link.ok("screen.start", start()).await;
    let revoke = json!({"participant": taker.id, "source": "screen", "on": false});
    host.link.ok("media.grant", revoke).await;
    let answered = taker.link.push("screen.takeover.answered").await;
    assert_eq!(answered["share_id"], Value::Null);
    let yes = json!({"request": asked["request"], "answer": "accept"});
    assert_eq!(
        holder.link.refused("screen.takeover.reply", yes).await,
        "not_found"
    );
    host.settle().await;
    assert_eq!(share_of(&host, &holder)["published"], true);
}

#[tokio::test]
async fn several_screens_are_four_and_each_is_paused_by_its_owner() {
    let stage = Stage::start().await;
    let room = meeting(&stage, "many").await;
    let mut host = stage.host(&room).await;
    let mut people = Vec::new();
    for _ in 0..5 {
        people.push(stage.invited(&room, "attendee").await);
    }
    for person in &mut people[..4] {
        person.publish("screen").await;
    }
    let refused = people[4].link.ask("screen.start", start()).await;
    assert_eq!(refused["error"]["code"], "busy", "{refused}");
    people[0].link.ok("screen.pause", json!({"on": true})).await;
    let code = people[4].link.refused("screen.pause", json!({"on": true}));
    assert_eq!(code.await, "not_found");
    host.settle().await;
    let muted: Vec<_> = people[..4]
        .iter()
        .map(|person| share_of(&host, person)["muted"] == true)
        .collect();
    assert_eq!(muted, [true, false, false, false]);
    let first = people.remove(0);
    first.leave().await;
    people[3].publish("screen").await;
}

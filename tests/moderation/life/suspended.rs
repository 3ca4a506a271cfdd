//! A meeting in which everything was stopped.

use serde_json::{Value, json};

use super::open_room;
use crate::stage::Stage;

#[tokio::test]
async fn nothing_gets_in_or_on_while_everything_is_suspended() {
    let stage = Stage::start().await;
    let room = open_room(&stage).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    let mut pupil = stage.invited(&room, "attendee").await;
    for source in ["microphone", "camera", "screen"] {
        pupil.publish(source).await;
    }
    pupil.link.ok("hand.raise", json!({})).await;
    host.link.ok("hand.next", json!({})).await;
    let suspended = helper.link.ok("panic.suspend", json!({"on": true})).await;
    // Said twice it is done once.
    let again = host.link.ok("panic.suspend", json!({"on": true})).await;
    assert_eq!(again["rev"], suspended["rev"]);
    pupil.settle().await;
    for key in [
        "publish.audio",
        "publish.video",
        "publish.screen",
        "chat.send",
    ] {
        assert!(!pupil.mirror.may(key), "{key}");
    }
    for (source, mid) in [("microphone", "0"), ("camera", "1"), ("screen", "2")] {
        let publish = json!({"mid": mid, "source": source, "muted": false});
        assert_eq!(
            pupil.link.refused("media.publish", publish).await,
            "forbidden"
        );
    }
    let chat = json!({"client_id": "c", "to": {"kind": "all"}, "text": "Help"});
    for person in [&mut pupil, &mut helper, &mut host] {
        let code = person.link.refused("chat.send", chat.clone());
        assert_eq!(code.await, "chat_disabled");
    }
    // Nobody new, nor by an invite that would pass a lobby.
    let (_, reply) = stage.knock(&stage.entry(&room)).await;
    assert_eq!(reply["error"]["code"], "locked", "{reply}");
    let invite = json!({"role": "presenter", "max_uses": 1, "bypass_lobby": true});
    let secret = stage.invite(&room, invite).await;
    let (_, reply) = stage.knock(&stage.entry(&room).invite(&secret)).await;
    assert!(reply.get("ok").is_none(), "{reply}");
    // A call does not open what is shut.
    pupil.link.ok("hand.raise", json!({})).await;
    let reply = host.link.ask("hand.next", json!({})).await;
    assert!(reply.get("error").is_some(), "{reply}");
    assert_eq!(
        pupil
            .link
            .refused("panic.suspend", json!({"on": false}))
            .await,
        "forbidden"
    );
    let open: Vec<_> = stage.shard.as_ref().unwrap().published();
    assert!(open.iter().all(|(_, muted)| *muted), "{open:?}");
}

#[tokio::test]
async fn undoing_it_restores_what_was_and_not_what_was_changed_since() {
    let stage = Stage::start().await;
    let update = json!({
        "lobby": "off",
        "start_without_host": true,
        "chat": {"public": "hosts", "private": "all", "slow_s": 7},
    });
    let room = stage.room("meeting", update).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let mut bob = stage.invited(&room, "attendee").await;
    let lock = json!({"sources": ["camera"], "on": true, "allow": [ada.id]});
    host.link.ok("media.lock", lock).await;
    host.settle().await;
    let before = host.mirror.room.clone();
    ada.publish("camera").await;
    for on in [true, false, true, false] {
        let order = json!({"on": on});
        host.link.ok("panic.suspend", order).await;
    }
    host.settle().await;
    let mut after = host.mirror.room.clone();
    assert!(after["rev"].as_u64() > before["rev"].as_u64());
    after["rev"] = before["rev"].clone();
    assert_eq!(after, before);
    // Each may again what it might, and nobody is unmuted.
    for person in [&mut ada, &mut bob] {
        person.settle().await;
    }
    assert!(ada.mirror.may("publish.video") && !bob.mirror.may("publish.video"));
    assert_eq!(ada.mirror.own()["sources"]["camera"]["muted"], true);
    // What somebody opens while it is suspended stays open.
    host.link.ok("panic.suspend", json!({"on": true})).await;
    let update = json!({"chat": {"public": "all"}, "locked": false});
    host.link.ok("room.update", update).await;
    host.link.ok("panic.suspend", json!({"on": false})).await;
    host.settle().await;
    assert_eq!(host.mirror.room["chat"]["public"], "all");
    assert_eq!(host.mirror.room["chat"]["private"], "all");
    assert_eq!(host.mirror.room["locked"], Value::Bool(false));
}

//! Who may write to whom.

use serde_json::{Value, json};

use super::{all, chat_heard, hosts, meeting, message, only, texts_of, try_write, write};
use crate::stage::Stage;

#[tokio::test]
async fn a_chat_that_is_off_is_off_for_hosts_too() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let mut host = stage.host(&room).await;
    let early = write(&mut host, all(), "Before").await;
    let off = json!({"chat": {"public": "off", "private": "off"}});
    host.link.ok("room.update", off).await;
    let mut others = Vec::new();
    for role in ["co_host", "presenter", "attendee"] {
        others.push(stage.invited(&room, role).await);
    }
    let listener = stage.invited(&room, "attendee").await;
    others.push(host);
    for person in &mut others {
        assert_eq!(try_write(person, all()).await, "chat_disabled");
        assert_eq!(try_write(person, hosts()).await, "private_disabled");
        assert_eq!(try_write(person, only(&listener)).await, "private_disabled");
        let react = json!({"id": early, "emoji": "👍", "on": true});
        assert_eq!(
            person.link.refused("chat.react", react).await,
            "chat_disabled"
        );
        person.settle().await;
        for key in ["chat.send", "chat.private_hosts", "chat.private_any"] {
            assert!(!person.mirror.may(key), "{key}");
        }
    }
    // Nobody makes an exception about what nobody may.
    let mut host = others.pop().unwrap();
    let order =
        json!({"participant": listener.id, "key": "chat.send", "effect": "allow", "rev": 1});
    assert_eq!(host.link.refused("perm.override", order).await, "forbidden");
    for mut person in others.into_iter().chain([listener, host]) {
        assert!(
            chat_heard(&mut person)
                .await
                .iter()
                .all(|push| push["data"]["text"] != "Hello")
        );
    }
}

#[tokio::test]
async fn a_chat_for_hosts_is_written_by_hosts_alone_and_read_by_all() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"public": "hosts"})).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    let mut pupil = stage.invited(&room, "attendee").await;
    let mut presenter = stage.invited(&room, "presenter").await;
    write(&mut host, all(), "From the host").await;
    write(&mut helper, all(), "From the helper").await;
    for person in [&mut pupil, &mut presenter] {
        assert_eq!(try_write(person, all()).await, "chat_disabled");
    }
    // An exception does not overcome it.
    let order = json!({"participant": pupil.id, "key": "chat.send", "effect": "allow", "rev": 1});
    host.link.ok("perm.override", order).await;
    assert_eq!(try_write(&mut pupil, all()).await, "chat_disabled");
    // Nor does a role of the room's own.
    let roles =
        json!({"custom_roles": [{"name": "Scribe", "base": "attendee", "allow": ["chat.send"]}]});
    host.link.ok("room.update", roles).await;
    pupil.settle().await;
    let rev = pupil.mirror.own()["rev"].clone();
    let set =
        json!({"participant": pupil.id, "role": "attendee", "custom_role": "Scribe", "rev": rev});
    host.link.ok("role.set", set).await;
    assert_eq!(try_write(&mut pupil, all()).await, "chat_disabled");
    let expected = ["From the host", "From the helper"];
    for person in [&mut pupil, &mut presenter, &mut host] {
        assert_eq!(texts_of(person).await, expected);
    }
}

#[tokio::test]
async fn private_messages_that_are_off_are_off_for_hosts_too() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "off"})).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    let mut pupil = stage.invited(&room, "attendee").await;
    for (to_host, to_pupil) in [(only(&host), only(&pupil))] {
        assert_eq!(
            try_write(&mut host, to_pupil.clone()).await,
            "private_disabled"
        );
        assert_eq!(
            try_write(&mut helper, to_host.clone()).await,
            "private_disabled"
        );
        assert_eq!(try_write(&mut helper, to_pupil).await, "private_disabled");
        assert_eq!(try_write(&mut pupil, to_host).await, "private_disabled");
    }
    for person in [&mut host, &mut helper, &mut pupil] {
        assert_eq!(try_write(person, hosts()).await, "private_disabled");
        write(person, all(), "To all").await;
    }
    assert_eq!(texts_of(&mut pupil).await, ["To all"; 3]);
}

#[tokio::test]
async fn where_private_messages_go_to_hosts_they_go_to_nobody_else() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "hosts"})).await;
    let mut host = stage.host(&room).await;
    let mut helper = stage.invited(&room, "co_host").await;
    let mut presenter = stage.invited(&room, "presenter").await;
    let mut pupil = stage.invited(&room, "attendee").await;
    let mut other = stage.invited(&room, "attendee").await;
    for to in [only(&other), only(&presenter)] {
        assert_eq!(try_write(&mut pupil, to).await, "private_disabled");
    }
    assert_eq!(
        try_write(&mut presenter, only(&pupil)).await,
        "private_disabled"
    );
    // An exception does not help against the policy of the room.
    let order =
        json!({"participant": pupil.id, "key": "chat.private_any", "effect": "allow", "rev": 1});
    host.link.ok("perm.override", order).await;
    assert_eq!(
        try_write(&mut pupil, only(&other)).await,
        "private_disabled"
    );
    write(&mut pupil, only(&host), "To one host").await;
    write(&mut pupil, hosts(), "To the hosts").await;
    write(&mut host, only(&pupil), "An answer").await;
    write(&mut host, hosts(), "Among us").await;
    assert_eq!(
        texts_of(&mut pupil).await,
        ["To one host", "To the hosts", "An answer"]
    );
    assert_eq!(
        texts_of(&mut host).await,
        ["To one host", "To the hosts", "An answer", "Among us"]
    );
    assert_eq!(texts_of(&mut helper).await, ["To the hosts", "Among us"]);
    for person in [&mut presenter, &mut other] {
        assert!(chat_heard(person).await.is_empty());
    }
    // It is a right that can be taken from one alone.
    pupil.settle().await;
    let rev = pupil.mirror.own()["rev"].clone();
    let deny =
        json!({"participant": pupil.id, "key": "chat.private_hosts", "effect": "deny", "rev": rev});
    host.link.ok("perm.override", deny).await;
    assert_eq!(try_write(&mut pupil, hosts()).await, "forbidden");
    assert_eq!(try_write(&mut pupil, only(&host)).await, "forbidden");
}

#[tokio::test]
async fn private_messages_reach_their_two_ends_alone() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all"})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let mut bob = stage.invited(&room, "attendee").await;
    let secret = write(&mut ada, only(&bob), "Only for you").await;
    let edit = json!({"id": secret, "text": "Really only for you"});
    ada.link.ok("chat.edit", edit).await;
    let react = json!({"id": secret, "emoji": "🎉", "on": true});
    bob.link.ok("chat.react", react).await;
    for person in [&mut ada, &mut bob] {
        assert_eq!(texts_of(person).await, ["Really only for you"]);
        let shown = person.mirror.chat.values().next().unwrap();
        assert_eq!(shown["reactions"][0]["count"], 1);
    }
    let delete = json!({"id": secret});
    ada.link.ok("chat.delete", delete).await;
    assert_eq!(texts_of(&mut bob).await, [""]);
    assert!(chat_heard(&mut host).await.is_empty());
    // Nobody writes to itself, to who is not there, or to several.
    for (to, code) in [
        (only(&ada), "bad_request"),
        (
            json!({"kind": "participant", "participant": "par_01m81b7bv0fr78w3ge1r70w3ge"}),
            "not_found",
        ),
        (json!({"kind": "participant"}), "bad_request"),
        (json!({"kind": "everybody"}), "bad_request"),
        (json!({"kind": "all", "participant": bob.id}), "bad_request"),
        (
            json!({"kind": "participant", "participant": [bob.id, host.id]}),
            "bad_request",
        ),
    ] {
        assert_eq!(try_write(&mut ada, to).await, code);
    }
}

#[tokio::test]
async fn what_is_taken_from_one_is_forbidden_to_it_alone() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let mut host = stage.host(&room).await;
    let mut loud = stage.invited(&room, "attendee").await;
    let mut other = stage.invited(&room, "attendee").await;
    let old = write(&mut loud, all(), "Before").await;
    for (key, rev) in [("chat.send", 1), ("chat.react", 2), ("chat.delete_own", 3)] {
        let deny = json!({"participant": loud.id, "key": key, "effect": "deny", "rev": rev});
        host.link.ok("perm.override", deny).await;
    }
    assert_eq!(try_write(&mut loud, all()).await, "forbidden");
    // Nor does it write by changing what it wrote.
    let edit = json!({"id": old, "text": "After"});
    assert_eq!(loud.link.refused("chat.edit", edit).await, "forbidden");
    let react = json!({"id": old, "emoji": "👎", "on": true});
    assert_eq!(loud.link.refused("chat.react", react).await, "forbidden");
    let delete = json!({"id": old});
    assert_eq!(loud.link.refused("chat.delete", delete).await, "forbidden");
    write(&mut other, all(), "Still possible").await;
    assert_eq!(texts_of(&mut loud).await, ["Before", "Still possible"]);
}

#[tokio::test]
async fn a_viewer_writes_only_where_the_room_lets_viewers() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all"})).await;
    let mut host = stage.host(&room).await;
    let mut viewer = stage.invited(&room, "viewer").await;
    let seen = write(&mut host, all(), "Welcome").await;
    let react = json!({"id": seen, "emoji": "👍", "on": true});
    assert_eq!(try_write(&mut viewer, all()).await, "forbidden");
    assert_eq!(try_write(&mut viewer, hosts()).await, "forbidden");
    assert_eq!(try_write(&mut viewer, only(&host)).await, "forbidden");
    assert_eq!(
        viewer.link.refused("chat.react", react.clone()).await,
        "forbidden"
    );
    assert_eq!(
        viewer.link.refused("hand.raise", json!({})).await,
        "forbidden"
    );
    let emoji = json!({"emoji": "👍"});
    assert_eq!(
        viewer.link.refused("reaction.send", emoji.clone()).await,
        "forbidden"
    );
    let allow = json!({"viewers": {"chat": true, "hands": true, "reactions": true}});
    host.link.ok("room.update", allow).await;
    write(&mut viewer, all(), "Thank you").await;
    write(&mut viewer, hosts(), "A question").await;
    write(&mut viewer, only(&host), "Another").await;
    viewer.link.ok("chat.react", react).await;
    viewer.link.ok("hand.raise", json!({})).await;
    viewer.link.ok("reaction.send", emoji).await;
    // Never to somebody who is no host.
    let mut pupil = stage.invited(&room, "attendee").await;
    pupil.publish("camera").await;
    assert_eq!(try_write(&mut viewer, only(&pupil)).await, "forbidden");
    assert_eq!(
        texts_of(&mut host).await,
        ["Welcome", "Thank you", "A question", "Another"]
    );
}

#[tokio::test]
async fn slow_mode_slows_everybody_below_the_hosts_and_is_not_escaped_by_coming_again() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"slow_s": 600})).await;
    let mut host = stage.host(&room).await;
    let mut pupil = stage.invited(&room, "attendee").await;
    write(&mut pupil, all(), "First").await;
    let is_slow = |reply: &Value| {
        let wait = reply["error"]["retry_after_s"].as_u64().unwrap();
        assert_eq!(reply["error"]["code"], "slow_mode", "{reply}");
        assert!((1..=600).contains(&wait), "{reply}");
    };
    for to in [all(), hosts()] {
        is_slow(&pupil.link.ask("chat.send", message(to, "Second")).await);
    }
    // What is refused anyway says nothing of time.
    let long = message(all(), &"a".repeat(4001));
    assert_eq!(pupil.link.refused("chat.send", long).await, "too_long");
    let entry = pupil.entry.clone();
    let token = pupil.token.clone();
    let from = entry.from;
    drop(pupil);
    let (mut again, resumed) = stage.resume(from, &token, 0).await;
    assert_eq!(resumed["ok"]["outcome"], "resumed", "{resumed}");
    is_slow(&again.ask("chat.send", message(all(), "Third")).await);
    again.ok("leave", json!({})).await;
    let mut anew = stage.join(&entry).await;
    is_slow(&anew.link.ask("chat.send", message(all(), "Fourth")).await);
    let second = entry.clone().choosing("join_as_second");
    let mut second = stage.join(&second).await;
    is_slow(&second.link.ask("chat.send", message(all(), "Fifth")).await);
    for _ in 0..3 {
        write(&mut host, all(), "As fast as I like").await;
    }
    let update = json!({"chat": {"slow_s": 0}});
    host.link.ok("room.update", update).await;
    write(&mut anew, all(), "Free").await;
}

#[tokio::test]
async fn whoever_writes_too_fast_is_told_when_to_go_on() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let mut host = stage.host(&room).await;
    let mut flooder = stage.invited(&room, "attendee").await;
    let began = std::time::Instant::now();
    let mut asked = Vec::new();
    for n in 0..40 {
        let text = format!("Message {n}");
        asked.push(flooder.link.feed("chat.send", message(all(), &text)).await);
    }
    flooder.link.flush().await;
    let mut written = 0;
    for (n, id) in asked.into_iter().enumerate() {
        let reply = flooder.link.reply(id).await.unwrap();
        match reply.get("ok") {
            Some(_) => written += 1,
            None => {
                assert!(n >= 10, "message {n}: {reply}");
                assert_eq!(reply["error"]["code"], "rate_limited", "{reply}");
                assert!(reply["error"]["retry_after_s"].as_u64().unwrap() >= 1);
            }
        }
    }
    // Ten at once and two a second, however long the machine took.
    let most = 10 + 2 * (began.elapsed().as_secs() + 1);
    assert!((10..=most).contains(&written), "{written} of {most}");
    host.settle().await;
    assert_eq!(host.mirror.chat.len() as u64, written);
    // Who may not write anyway is not told how fast it may.
    let off = json!({"chat": {"public": "off"}});
    host.link.ok("room.update", off).await;
    assert_eq!(try_write(&mut flooder, all()).await, "chat_disabled");
}

#[tokio::test]
async fn what_was_sent_twice_is_written_once_even_after_a_lost_link_or_a_new_coming() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let mut host = stage.host(&room).await;
    let mut pupil = stage.invited(&room, "attendee").await;
    let send = json!({"client_id": "__proto__", "to": all(), "text": "Once"});
    let first = pupil.link.ok("chat.send", send.clone()).await;
    let other_words = json!({"client_id": "__proto__", "to": hosts(), "text": "Twice"});
    assert_eq!(pupil.link.ok("chat.send", send.clone()).await, first);
    assert_eq!(pupil.link.ok("chat.send", other_words).await, first);
    let (entry, token) = (pupil.entry.clone(), pupil.token.clone());
    drop(pupil);
    let (mut again, resumed) = stage.resume(entry.from, &token, 0).await;
    assert_eq!(resumed["ok"]["outcome"], "resumed", "{resumed}");
    assert_eq!(again.ok("chat.send", send.clone()).await, first);
    again.ok("leave", json!({})).await;
    let mut anew = stage.join(&entry).await;
    assert_eq!(anew.link.ok("chat.send", send.clone()).await, first);
    // Also when it was deleted meanwhile.
    let delete = json!({"id": first["id"]});
    anew.link.ok("chat.delete", delete).await;
    assert_eq!(anew.link.ok("chat.send", send.clone()).await, first);
    assert_eq!(texts_of(&mut host).await, [""]);
    // What another calls the same is another message.
    let mut other = stage.invited(&room, "attendee").await;
    let second = other.link.ok("chat.send", send).await;
    assert_ne!(second["id"], first["id"]);
    assert_eq!(texts_of(&mut host).await, ["", "Once"]);
}

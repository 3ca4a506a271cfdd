//! Texts and members that are not what they should be.

use serde_json::{Value, json};

use super::{all, chat_heard, meeting, message, texts_of, write};
use crate::stage::Stage;

#[tokio::test]
async fn a_message_has_one_to_four_thousand_characters() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let longest = "😀".repeat(4000);
    for (text, code) in [
        ("a".repeat(4001), "too_long"),
        ("ä".repeat(4001), "too_long"),
        (String::new(), "bad_request"),
        (" \n\t ".to_owned(), "bad_request"),
        ("\u{200b}\u{202e}\u{feff}".to_owned(), "bad_request"),
    ] {
        let send = message(all(), &text);
        assert_eq!(ada.link.refused("chat.send", send).await, code);
    }
    let id = write(&mut ada, all(), &longest).await;
    for (text, code) in [
        ("a".repeat(4001), "too_long"),
        (String::new(), "bad_request"),
    ] {
        let edit = json!({"id": id, "text": text});
        assert_eq!(ada.link.refused("chat.edit", edit).await, code);
    }
    assert_eq!(texts_of(&mut host).await, [longest]);
}

#[tokio::test]
async fn what_is_written_arrives_as_text_whatever_it_looks_like() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let texts = [
        "__proto__",
        "{\"__proto__\": {\"role\": \"host\"}}",
        "<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "%00%0d%0a",
        "$(reboot) `id` ${7*7} {{7*7}}",
        "line one\nline two",
    ];
    for text in texts {
        write(&mut ada, all(), text).await;
    }
    assert_eq!(texts_of(&mut host).await, texts);
    // What turns the direction of the text after it, or is not seen, is taken out.
    write(&mut ada, all(), "a\u{202e}b\u{2066}c\u{0007}d\u{200b}e").await;
    assert_eq!(texts_of(&mut host).await[7], "abcde");
}

#[tokio::test]
async fn a_message_with_anything_else_in_it_is_refused() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let id = write(&mut ada, all(), "Hello").await;
    host.settle().await;
    let send = |member: &str, value: Value| {
        let mut send = message(all(), "Hello");
        send[member] = value;
        ("chat.send", send)
    };
    let many: Vec<_> = (0..21).map(|_| json!(host.id)).collect();
    let wrong = [
        send("__proto__", json!({"role": "host"})),
        send("constructor", json!({})),
        send("from", json!({"participant": host.id})),
        send("number", json!(1)),
        send("ts", json!("2026-01-01T00:00:00Z")),
        send("pinned", json!(true)),
        send("client_id", json!("")),
        send("client_id", json!("a".repeat(65))),
        send("client_id", json!("a b")),
        send("client_id", json!("ä")),
        send("client_id", json!(7)),
        send("client_id", Value::Null),
        send("text", json!(7)),
        send("text", Value::Null),
        send("text", json!(["Hello"])),
        send("to", json!("all")),
        send("to", Value::Null),
        send("to", json!({"kind": "all", "__proto__": {}})),
        send("reply_to", json!(host.id)),
        send("reply_to", json!("__proto__")),
        send("mentions", json!(many)),
        send("mentions", json!(["everybody"])),
        send("mentions", json!({"0": host.id})),
        (
            "chat.edit",
            json!({"id": id, "text": "Hi", "from": host.id}),
        ),
        ("chat.edit", json!({"id": "__proto__", "text": "Hi"})),
        ("chat.delete", json!({"id": id, "by_role": "host"})),
        ("chat.delete", json!({"id": [id]})),
        ("chat.react", json!({"id": id, "emoji": "💩", "on": true})),
        ("chat.react", json!({"id": id, "emoji": "👍👍", "on": true})),
        ("chat.react", json!({"id": id, "emoji": "👍🏽", "on": true})),
        (
            "chat.react",
            json!({"id": id, "emoji": "ThumbsUp", "on": true}),
        ),
        ("chat.react", json!({"id": id, "emoji": "<b>", "on": true})),
        (
            "chat.react",
            json!({"id": id, "emoji": "__proto__", "on": true}),
        ),
        ("chat.react", json!({"id": id, "emoji": "👍", "on": 1})),
        ("chat.react", json!({"id": id, "emoji": "👍"})),
        ("reaction.send", json!({"emoji": "💩"})),
        (
            "reaction.send",
            json!({"emoji": "👍", "participant": host.id}),
        ),
        ("hand.raise", json!({"participant": host.id})),
        ("hand.lower", json!({"participant": "me"})),
        ("chat.clear", json!({"private": true})),
        ("chat.fly", json!({})),
    ];
    for (verb, data) in wrong {
        let code = ada.link.refused(verb, data.clone()).await;
        let expected = if verb == "chat.fly" {
            "unknown_type"
        } else {
            "bad_request"
        };
        assert_eq!(code, expected, "{verb} {data}");
    }
    // Twice the same member is none of them.
    let twice = r#"{"id":9001,"type":"chat.delete","data":{"id":"msg_01m81b7bv0fr78w3ge1r70w3ge","id":"msg_01m81b7bv0fr78w3ge1r70w3ge"}}"#;
    ada.link.send_text(twice).await;
    let reply = ada.link.reply(9001).await.unwrap();
    assert_eq!(reply["error"]["code"], "bad_request", "{reply}");
    for update in [
        json!({"slow_s": 3601}),
        json!({"keep_days": 0}),
        json!({"keep_days": 366}),
        json!({"mode": "off"}),
        json!({"public": "some"}),
        json!({"__proto__": {"public": "all"}}),
    ] {
        let update = json!({"chat": update});
        let code = host.link.refused("room.update", update.clone()).await;
        assert_eq!(code, "bad_request", "{update}");
    }
    assert!(chat_heard(&mut host).await.is_empty());
    assert_eq!(texts_of(&mut host).await, ["Hello"]);
}

#[tokio::test]
async fn a_mention_names_those_alone_whom_its_author_sees() {
    let stage = Stage::start().await;
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("webinar", update).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let mut hidden = stage.invited(&room, "attendee").await;
    let mut send = message(all(), "Hello you");
    send["mentions"] = json!([
        hidden.id,
        host.id,
        host.id,
        "par_01m81b7bv0fr78w3ge1r70w3ge"
    ]);
    ada.link.ok("chat.send", send).await;
    let leader = host.id.clone();
    for person in [&mut host, &mut ada, &mut hidden] {
        person.settle().await;
        let message = person.mirror.public()[0];
        assert_eq!(message["mentions"], json!([leader]), "{message}");
    }
    // Who writes is no secret, but who only reacts is.
    let id = host.mirror.public()[0]["id"].clone();
    let react = json!({"id": id, "emoji": "👍", "on": true});
    hidden.link.ok("chat.react", react).await;
    ada.settle().await;
    let seen = &ada.mirror.public()[0]["reactions"][0];
    assert_eq!(
        (&seen["participants"], &seen["count"]),
        (&json!([]), &json!(1))
    );
    host.settle().await;
    let seen = &host.mirror.public()[0]["reactions"][0];
    assert_eq!(seen["participants"], json!([hidden.id]));
}

//! Messages that a client of ours would never send.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::link::Closed;
use crate::person::Person;
use crate::stage::{Room, Stage};

async fn meeting(stage: &Stage) -> (Room, Person, Person) {
    let update = json!({"lobby": "off", "start_without_host": true});
    let room = stage.room("meeting", update).await;
    let victim = stage.host(&room).await;
    let forger = stage.join(&stage.entry(&room)).await;
    (room, victim, forger)
}

#[tokio::test]
async fn nobody_speaks_in_the_name_of_another() {
    let stage = Stage::start().await;
    let (_, mut victim, mut forger) = meeting(&stage).await;
    victim.settle().await;
    let id = victim.id.clone();
    let mut messages = Vec::new();
    for member in [
        "from",
        "sender",
        "participant",
        "by",
        "as",
        "actor",
        "session",
        "ts",
    ] {
        for (verb, data) in [
            (
                "track.state",
                json!({"source": "microphone", "muted": false}),
            ),
            (
                "media.publish",
                json!({"mid": "0", "source": "microphone", "muted": false}),
            ),
            ("media.unpublish", json!({"source": "microphone"})),
            ("media.lock", json!({"sources": ["microphone"], "on": true})),
            ("leave", json!({})),
        ] {
            let mut data = data;
            data[member] = json!(id);
            messages.push((verb, data));
        }
    }
    for (verb, data) in messages {
        let code = forger.link.refused(verb, data.clone()).await;
        assert_eq!(code, "bad_request", "{verb} {data}");
    }
    // Beside the data it is no better.
    for member in ["from", "participant", "seq", "ok", "role"] {
        let mut message =
            json!({"id": 7000, "type": "media.unpublish", "data": {"source": "camera"}});
        message[member] = json!(id);
        forger.link.send_text(message.to_string()).await;
        let reply = forger.link.reply(7000).await;
        let refused = matches!(&reply, Ok(reply) if reply["error"]["code"] == "bad_request");
        assert!(refused || reply == Err(Closed(4400)), "{member}: {reply:?}");
        if reply.is_err() {
            break;
        }
    }
    let news = victim.settle().await;
    let about_victim = news
        .iter()
        .filter(|push| push["data"]["participant"]["id"] == id.as_str());
    assert_eq!(about_victim.count(), 0, "{news:?}");
}

#[tokio::test]
async fn data_of_a_wrong_form_is_refused_and_seen_by_nobody() {
    let stage = Stage::start().await;
    let (_, mut victim, mut forger) = meeting(&stage).await;
    victim.settle().await;
    let id = victim.id.clone();
    let foreign = "room_01m81b5t18e81840g2081040g2";
    let cases: Vec<(&str, Value)> = vec![
        (
            "participant.remove",
            json!({"participant": id, "participants": [id]}),
        ),
        ("participant.remove", json!({"participant": [id]})),
        ("participant.remove", json!({"participant": {"id": id}})),
        ("participant.remove", json!({"participant": foreign})),
        (
            "participant.remove",
            json!({"participant": id.to_uppercase()}),
        ),
        (
            "participant.remove",
            json!({"participant": format!("{id} ")}),
        ),
        ("participant.remove", json!({"participant": "par_"})),
        ("participant.remove", json!({"participant": null})),
        ("participant.remove", json!({})),
        ("participant.remove", json!([id])),
        ("participant.remove", json!(null)),
        (
            "role.set",
            json!({"participant": id, "role": "owner", "rev": 1}),
        ),
        (
            "role.set",
            json!({"participant": id, "role": "Host", "rev": 1}),
        ),
        ("role.set", json!({"participant": id, "role": 0, "rev": 1})),
        (
            "role.set",
            json!({"participant": id, "role": "viewer", "rev": -1}),
        ),
        (
            "role.set",
            json!({"participant": id, "role": "viewer", "rev": 1.5}),
        ),
        (
            "role.set",
            json!({"participant": id, "role": "viewer", "rev": 4_294_967_296_u64}),
        ),
        (
            "role.set",
            json!({"participant": id, "role": "viewer", "rev": "1"}),
        ),
        (
            "perm.override",
            json!({"participant": id, "key": "everything", "effect": "allow", "rev": 1}),
        ),
        (
            "perm.override",
            json!({"participant": id, "key": "*", "effect": "allow", "rev": 1}),
        ),
        (
            "media.mute",
            json!({"target": "all", "sources": ["microphone"]}),
        ),
        (
            "media.mute",
            json!({"target": {"kind": "everybody"}, "sources": ["microphone"]}),
        ),
        (
            "media.mute",
            json!({"target": {"kind": "all_except"}, "sources": ["microphone"]}),
        ),
        ("media.lock", json!({"sources": "microphone", "on": true})),
        (
            "track.state",
            json!({"source": "microphone", "muted": "false"}),
        ),
        ("track.state", json!({"source": "microphone", "muted": 0})),
        ("room.update", json!({"id": foreign})),
        ("room.update", json!({"password_hash": "x"})),
        (
            "participant.rename",
            json!({"participant": id, "name": "\u{202e}\u{200b}"}),
        ),
        (
            "participant.rename",
            json!({"participant": id, "name": "x".repeat(65)}),
        ),
        (
            "media.publish",
            json!({"mid": "0\r\na=x", "source": "microphone", "muted": false}),
        ),
    ];
    for (verb, data) in cases {
        let code = forger.link.refused(verb, data.clone()).await;
        assert_eq!(code, "bad_request", "{verb} {data}");
    }
    assert_eq!(
        forger.link.refused("participant.promote", json!({})).await,
        "unknown_type"
    );
    assert_eq!(
        forger
            .link
            .refused("media.unmute", json!({"participant": id}))
            .await,
        "unknown_type"
    );
    assert!(victim.settle().await.is_empty());
}

#[tokio::test]
async fn texts_that_readers_could_understand_in_two_ways_are_not_understood_at_all() {
    let stage = Stage::start().await;
    let (room, mut victim, forger) = meeting(&stage).await;
    let id = victim.id.clone();
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let named = |name: &str| {
        format!(
            r#"{{"id":9,"type":"participant.rename","data":{{"participant":"{}","name":"{name}"}}}}"#,
            forger.id
        )
    };
    let texts = vec![
        r#"{"id":9,"id":10,"type":"leave","data":{}}"#.to_owned(),
        r#"{"id":9,"type":"media.wish","type":"leave","data":{}}"#.to_owned(),
        format!(r#"{{"id":9,"type":"participant.rename","data":{{"participant":"{}","participant":"{id}","name":"X"}}}}"#, forger.id),
        r#"{"id":9,"type":"track.state","data":{"source":"camera","muted":true,"muted":false}}"#.to_owned(),
        r#"{"id":9,"type":"track.state","data":{"source":"camera","mut\u0065d":true,"muted":false}}"#.to_owned(),
        named("\\ud800"),
        named("\\udc00\\ud800"),
        named("\\u0000\\u0001"),
        r#"{"id":"9","type":"leave","data":{}}"#.to_owned(),
        r#"{"id":-1,"type":"leave","data":{}}"#.to_owned(),
        r#"{"id":9.0,"type":"leave","data":{}}"#.to_owned(),
        r#"{"id":1e3,"type":"leave","data":{}}"#.to_owned(),
        r#"{"id":4294967296,"type":"leave","data":{}}"#.to_owned(),
        r#"{"id":99999999999999999999999999,"type":"leave","data":{}}"#.to_owned(),
        r#"{"id":null,"type":"leave","data":{}}"#.to_owned(),
        r#"{"type":"leave","data":{}}"#.to_owned(),
        r#"{"id":9,"data":{}}"#.to_owned(),
        r#"{"id":9,"type":"leave"}"#.to_owned(),
        r#"{"id":9,"type":7,"data":{}}"#.to_owned(),
        r#"[{"id":9,"type":"leave","data":{}}]"#.to_owned(),
        r#"[9,"leave",{}]"#.to_owned(),
        r#"{"id":9,"type":"leave","data":[]}"#.to_owned(),
        r#"{"id":9,"type":"leave","data":{}} {}"#.to_owned(),
        r#"{"id":9,"type":"leave","data":{},}"#.to_owned(),
        r#"{"id":9,"type":"leave","data":{"a":NaN}}"#.to_owned(),
        format!(r#"{{"id":9,"type":"leave","data":{}}}"#, deep(17)),
        format!(r#"{{"id":9,"type":"leave","data":{}}}"#, deep(8000)),
        format!(r#"{{"id":9,"type":"media.wish","data":{{"rev":1,"views":[{}]}}}}"#, "0,".repeat(5000) + "0"),
        String::new(),
        "null".to_owned(),
        "\u{feff}{}".to_owned(),
    ];
    drop(forger);
    victim.link.push("participant.updated").await;
    victim.settle().await;
    for text in texts {
        let mut one = stage.join(&stage.entry(&room)).await;
        victim.link.push("participant.joined").await;
        one.link.send_text(text.clone()).await;
        let shown: String = text.chars().take(100).collect();
        match one.link.reply(9).await {
            Ok(reply) => {
                let code = &reply["error"]["code"];
                assert!(
                    code == "bad_request" || code == "too_large",
                    "{shown}: {reply}"
                );
                one.leave().await;
            }
            Err(closed) => assert_eq!(closed, Closed(4400), "{shown}"),
        }
        // Nothing but that it came and went.
        victim.link.fence().await;
        for push in victim.link.take_pushes() {
            let kind = push["type"].as_str().unwrap();
            let is_presence = kind == "participant.updated"
                && push["data"]["participant"]["presence"] == "reconnecting";
            let is_coming = ["participant.joined", "participant.left"].contains(&kind);
            assert!(is_presence || is_coming, "{shown}: {push}");
        }
    }
}

#[tokio::test]
async fn frames_that_are_no_text_and_messages_without_end_close_the_link_alone() {
    let stage = Stage::start().await;
    let (room, mut victim, _forger) = meeting(&stage).await;
    let mut binary = stage.join(&stage.entry(&room)).await;
    binary
        .link
        .send_message(Message::binary(
            br#"{"id":9,"type":"leave","data":{}}"#.to_vec(),
        ))
        .await;
    assert_eq!(binary.link.closed().await, 4400);
    let mut long = stage.join(&stage.entry(&room)).await;
    let name = "x".repeat(20 * 1024);
    let rename = json!({"participant": long.id, "name": name});
    let asked = long.link.try_ask("participant.rename", rename).await;
    let is_refused = match &asked {
        Ok(reply) => reply["error"]["code"] == "too_large",
        Err(Closed(code)) => *code == 4400,
    };
    assert!(is_refused, "{asked:?}");
    let mut longer = stage.join(&stage.entry(&room)).await;
    longer.link.send_text(" ".repeat(512 * 1024)).await;
    longer.link.closed().await;
    victim.settle().await;
    let own = victim.mirror.own();
    assert_eq!(own["rev"], 1);
}

#[tokio::test]
async fn a_picture_or_a_voice_is_not_published_on_an_m_line_of_somebody_else() {
    let stage = Stage::start().await;
    let (_, mut victim, mut forger) = meeting(&stage).await;
    victim.publish("camera").await;
    // Whatever the m-line is called, it is one of the forger's own.
    forger.publish("camera").await;
    let done = forger
        .link
        .ok("media.unpublish", json!({"source": "camera"}))
        .await;
    assert_eq!(done, json!({}));
    victim.settle().await;
    let own = &victim.mirror.own()["sources"]["camera"];
    assert_eq!(own["published"], true);
    let stop = json!({"source": "camera"});
    assert_eq!(
        forger.link.refused("media.unpublish", stop).await,
        "not_found"
    );
}

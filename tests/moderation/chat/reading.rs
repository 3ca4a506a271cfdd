//! Who reads what: in the lobby, without the right to read, coming late, exporting.

use serde_json::{Value, json};

use super::{all, chat_heard, hosts, meeting, message, only, texts_of, write};
use crate::link::Link;
use crate::person::Person;
use crate::stage::{Room, Stage};

/// Does in a chat whatever can be done in it.
async fn bustle(host: &mut Person, guest: &mut Person) {
    for n in 0..3 {
        let id = write(guest, all(), &format!("Message {n} of many")).await;
        write(guest, hosts(), "To the hosts").await;
        write(host, only(guest), "To one").await;
        let edit = json!({"id": id, "text": "Otherwise"});
        guest.link.ok("chat.edit", edit).await;
        let react = json!({"id": id, "emoji": "🎉", "on": true});
        host.link.ok("chat.react", react).await;
        host.link
            .ok("chat.pin", json!({"id": id, "on": true}))
            .await;
        if n % 2 == 0 {
            host.link.ok("chat.delete", json!({"id": id})).await;
        }
    }
    guest.link.ok("hand.raise", json!({})).await;
    host.link.ok("hand.next", json!({})).await;
    let spotlight = json!({"participants": [guest.id]});
    host.link.ok("spotlight.set", spotlight).await;
    let announce = json!({"message": "Five more minutes"});
    host.link.ok("session.announce", announce).await;
    guest.link.ok("reaction.send", json!({"emoji": "🔥"})).await;
    host.link.ok("chat.clear", json!({})).await;
    for countdown in ["session.end", "session.end.cancel"] {
        let data = match countdown {
            "session.end" => json!({"countdown_s": 60, "message": "Goodbye"}),
            _ => json!({}),
        };
        host.link.ok(countdown, data).await;
    }
}

async fn wait(stage: &Stage, room: &Room) -> (Link, String) {
    let (link, reply) = stage.knock(&stage.entry(room).named("Mallory")).await;
    assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
    (link, reply["ok"]["knock"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn whoever_waits_cannot_tell_a_meeting_that_writes_from_a_silent_one() {
    let stage = Stage::start().await;
    let mut heard = Vec::new();
    for is_busy in [false, true] {
        let update =
            json!({"lobby": "on", "start_without_host": true, "chat": {"history": "session"}});
        let room = stage.room("meeting", update).await;
        let mut host = stage.host(&room).await;
        let mut guest = stage.invited(&room, "attendee").await;
        let (mut link, knock) = wait(&stage, &room).await;
        if is_busy {
            bustle(&mut host, &mut guest).await;
        }
        let note = json!({"knock": knock, "text": "You are next"});
        host.link.ok("lobby.note", note).await;
        link.push_where("lobby.status", |status| status["note"] == "You are next")
            .await;
        link.ok("lobby.ping", json!({})).await;
        heard.push((link.bytes.clone(), link.heard.len()));
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0].1, 1, "the note alone was pushed");
}

#[tokio::test]
async fn whoever_was_sent_to_the_lobby_reads_no_more_and_on_coming_back_what_it_may() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let mut host = stage.host(&room).await;
    let mut guest = stage.invited(&room, "attendee").await;
    write(&mut host, all(), "Before").await;
    guest.settle().await;
    let order = json!({"participant": guest.id});
    host.link.ok("participant.to_lobby", order).await;
    guest.link.push("lobby.status").await;
    let before = guest.link.bytes.len();
    write(&mut host, all(), "About you").await;
    write(&mut host, hosts(), "Among us").await;
    guest.link.ok("lobby.ping", json!({})).await;
    assert_eq!(guest.link.bytes.len(), before + 1);
    let send = message(all(), "Let me in");
    assert_eq!(guest.link.refused("chat.send", send).await, "bad_request");
}

#[tokio::test]
async fn whoever_may_not_read_is_told_nothing() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all", "history": "session"})).await;
    let mut host = stage.host(&room).await;
    let mut deaf = stage.invited(&room, "attendee").await;
    let mut other = stage.invited(&room, "attendee").await;
    let seen = write(&mut host, all(), "Before").await;
    let deny = json!({"participant": deaf.id, "key": "chat.read", "effect": "deny", "rev": 1});
    host.link.ok("perm.override", deny).await;
    deaf.settle().await;
    bustle(&mut host, &mut other).await;
    write(&mut other, only(&deaf), "Can you read this?").await;
    // It may write, and reads not even that.
    let own = write(&mut deaf, all(), "I can write").await;
    let heard = chat_heard(&mut deaf).await;
    assert!(heard.is_empty(), "{heard:?}");
    for id in [&seen, &own] {
        for (verb, data) in [
            ("chat.react", json!({"id": id, "emoji": "👍", "on": true})),
            ("chat.edit", json!({"id": id, "text": "Otherwise"})),
            ("chat.delete", json!({"id": id})),
        ] {
            assert_eq!(deaf.link.refused(verb, data).await, "not_found", "{verb}");
        }
    }
    // Not by losing its link, not by coming anew.
    let (entry, token) = (deaf.entry.clone(), deaf.token.clone());
    drop(deaf);
    let (mut again, resumed) = stage.resume(entry.from, &token, 0).await;
    assert_eq!(resumed["ok"]["outcome"], "resumed", "{resumed}");
    for push in resumed["ok"]["missed"].as_array().into_iter().flatten() {
        let is_of_chat = push["type"].as_str().unwrap().starts_with("chat.");
        // What it was told when it still might, emptied as the chat was cleared since.
        let is_known = push["data"]["id"] == seen && push["data"]["text"] == "";
        assert!(!is_of_chat || is_known, "{push}");
    }
    let snapshot = &resumed["ok"]["snapshot"];
    assert!(snapshot.is_null() || snapshot["chat"] == json!([]));
    again.ok("leave", json!({})).await;
    let anew = stage.join(&entry).await;
    assert!(!anew.mirror.may("chat.read"));
    assert!(anew.mirror.chat.is_empty(), "{:?}", anew.mirror.chat);
    // A host who may not read does not export either.
    let mut helper = stage.invited(&room, "co_host").await;
    let deny = json!({"participant": helper.id, "key": "chat.read", "effect": "deny", "rev": 1});
    host.link.ok("perm.override", deny).await;
    let export = json!({"format": "jsonl"});
    assert_eq!(
        helper.link.refused("chat.export", export).await,
        "forbidden"
    );
}

#[tokio::test]
async fn newcomers_see_what_the_room_shows_them_and_who_comes_again_what_it_saw() {
    let stage = Stage::start().await;
    for (history, shown) in [("none", 0), ("session", 2), ("kept", 2)] {
        let room = meeting(&stage, json!({"private": "all", "history": history})).await;
        let mut host = stage.host(&room).await;
        let early = stage.invited(&room, "attendee").await;
        write(&mut host, all(), "One").await;
        let gone = write(&mut host, all(), "Two").await;
        write(&mut host, only(&early), "Only for you").await;
        write(&mut host, hosts(), "Among us").await;
        host.link.ok("chat.delete", json!({"id": gone})).await;
        let mut late = stage.invited(&room, "attendee").await;
        let all_texts = ["One", ""];
        assert_eq!(texts_of(&mut late).await, all_texts[..shown], "{history}");
        let mut helper = stage.invited(&room, "co_host").await;
        let for_hosts = usize::from(shown > 0);
        assert_eq!(
            texts_of(&mut helper).await.len(),
            shown + for_hosts,
            "{history}"
        );
        write(&mut host, all(), "Three").await;
        // The same devices, with and without a break.
        for (person, expected) in [
            (early, vec!["One", "", "Only for you", "Three"]),
            (late, [&all_texts[..shown], &["Three"]].concat()),
        ] {
            let (entry, token) = (person.entry.clone(), person.token.clone());
            let mut person = person;
            assert_eq!(texts_of(&mut person).await, expected, "{history}");
            drop(person);
            // A number that is too old for the missed pushes alone.
            let (mut again, resumed) = stage.resume(entry.from, &token, 0).await;
            assert_eq!(resumed["ok"]["outcome"], "resumed", "{resumed}");
            again.ok("leave", json!({})).await;
            let mut anew = stage.join(&entry).await;
            assert_eq!(texts_of(&mut anew).await, expected, "{history}");
        }
        // Another device of nobody in particular saw nothing before.
        let mut stranger = stage.join(&stage.entry(&room)).await;
        let count = if shown > 0 { shown + 1 } else { 0 };
        assert_eq!(texts_of(&mut stranger).await.len(), count, "{history}");
    }
}

#[tokio::test]
async fn an_export_has_what_is_for_its_reader_and_no_private_messages() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all", "history": "session"})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let mut bob = stage.invited(&room, "attendee").await;
    write(&mut ada, all(), "=HYPERLINK(\"https://example.org\")").await;
    write(&mut ada, only(&bob), "A private matter").await;
    write(&mut ada, only(&host), "A private question").await;
    write(&mut ada, hosts(), "A word with you").await;
    let gone = write(&mut ada, all(), "A slip of the tongue").await;
    ada.link.ok("chat.delete", json!({"id": gone})).await;
    write(&mut bob, all(), "@SUM(1+1)\n-2\n+3").await;
    for format in ["jsonl", "txt", "csv"] {
        let export = json!({"format": format});
        assert_eq!(
            ada.link.refused("chat.export", export.clone()).await,
            "forbidden"
        );
        let exported = host.link.ok("chat.export", export).await;
        let text = exported["text"].as_str().unwrap();
        assert_eq!(exported["next"], Value::Null);
        // Not even those that the host itself was written.
        for secret in ["private", "slip"] {
            assert!(!text.contains(secret), "{format}: {text}");
        }
        for shared in ["HYPERLINK", "A word with you", "SUM"] {
            assert!(text.contains(shared), "{format}: {text}");
        }
        if format == "csv" {
            for cell in text.split([',', '\n', '\r']) {
                let inner = cell.trim_start_matches('"');
                assert!(
                    !inner.starts_with(['=', '@', '\t']),
                    "a formula: {cell} in {text}"
                );
            }
        }
    }
    for wrong in [
        json!({"format": "pdf"}),
        json!({}),
        json!({"format": "txt", "after": -1}),
        json!({"format": "txt", "private": true}),
    ] {
        assert_eq!(host.link.refused("chat.export", wrong).await, "bad_request");
    }
    // Whoever was lent the right and is no host is not shown what is for hosts.
    let allow = json!({"participant": bob.id, "key": "chat.export", "effect": "allow", "rev": 1});
    host.link.ok("perm.override", allow).await;
    let exported = bob.link.ok("chat.export", json!({"format": "jsonl"})).await;
    let text = exported["text"].as_str().unwrap();
    assert!(
        text.contains("SUM") && !text.contains("A word with you"),
        "{text}"
    );
    assert!(!text.contains("private"), "{text}");
}

#[tokio::test]
async fn everybody_hears_what_ten_write_at_once_in_the_same_order() {
    const WRITERS: usize = 10;
    const EACH: usize = 8;
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all"})).await;
    let mut host = stage.host(&room).await;
    let mut people = Vec::new();
    for _ in 0..WRITERS {
        people.push(stage.invited(&room, "attendee").await);
    }
    let mut asked = Vec::new();
    let to_host = only(&host);
    for n in 0..EACH {
        for (who, person) in people.iter_mut().enumerate() {
            // Some of it is for others.
            let to = if n == 3 { to_host.clone() } else { all() };
            let text = format!("{who} says {n}");
            asked.push((who, person.link.feed("chat.send", message(to, &text)).await));
        }
    }
    let flushes = people.iter_mut().map(|person| person.link.flush());
    futures_util::future::join_all(flushes).await;
    for (who, id) in asked {
        let reply = people[who].link.reply(id).await.unwrap();
        assert!(reply.get("ok").is_some(), "{reply}");
    }
    // That the numbers rise is asserted where pushes are taken.
    host.settle().await;
    let expected: Vec<(u64, String)> = numbered(&host);
    assert_eq!(expected.len(), WRITERS * (EACH - 1));
    for person in &mut people {
        person.settle().await;
        assert_eq!(numbered(person), expected);
        assert_eq!(person.mirror.chat.len(), expected.len() + 1);
    }
}

fn numbered(person: &Person) -> Vec<(u64, String)> {
    let shown = person.mirror.public().into_iter();
    shown
        .map(|message| {
            let text = message["text"].as_str().unwrap().to_owned();
            (message["number"].as_u64().unwrap(), text)
        })
        .collect()
}

#[tokio::test]
async fn whoever_is_made_a_host_reads_what_is_written_to_hosts_from_then_on() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"history": "session"})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let mut bob = stage.invited(&room, "attendee").await;
    let early = write(&mut ada, hosts(), "Before").await;
    let promote = json!({"participant": bob.id, "role": "co_host", "rev": 1});
    host.link.ok("role.set", promote).await;
    let react = json!({"id": early, "emoji": "👍", "on": true});
    host.link.ok("chat.react", react).await;
    write(&mut ada, hosts(), "After").await;
    assert_eq!(texts_of(&mut bob).await, ["After"]);
    bob.settle().await;
    let rev = bob.mirror.own()["rev"].clone();
    let demote = json!({"participant": bob.id, "role": "attendee", "rev": rev});
    host.link.ok("role.set", demote).await;
    write(&mut ada, hosts(), "Among the others").await;
    let edit = json!({"id": early, "text": "Otherwise"});
    ada.link.ok("chat.edit", edit).await;
    let react = json!({"id": early, "emoji": "🎉", "on": true});
    host.link.ok("chat.react", react.clone()).await;
    assert_eq!(bob.link.refused("chat.react", react).await, "not_found");
    // Nothing of it, not even that there is something.
    assert!(chat_heard(&mut bob).await.is_empty());
    assert_eq!(texts_of(&mut bob).await, ["After"]);
}

//! Changing what is written: own messages, those of others, those one cannot see.

use serde_json::{Value, json};

use super::{NO_MESSAGE, all, chat_heard, hosts, meeting, message, only, texts_of, write};
use crate::person::Person;
use crate::stage::Stage;

#[tokio::test]
async fn nobody_changes_what_somebody_else_has_written() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all"})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let mut bob = stage.invited(&room, "attendee").await;
    let public = write(&mut ada, all(), "To all").await;
    let private = write(&mut ada, only(&bob), "To Bob").await;
    for person in [&mut host, &mut bob] {
        let edit = json!({"id": public, "text": "I am a fool"});
        assert_eq!(person.link.refused("chat.edit", edit).await, "forbidden");
    }
    let edit = json!({"id": private, "text": "I am a fool"});
    assert_eq!(bob.link.refused("chat.edit", edit).await, "forbidden");
    let delete = json!({"id": private});
    assert_eq!(bob.link.refused("chat.delete", delete).await, "forbidden");
    assert_eq!(texts_of(&mut bob).await, ["To all", "To Bob"]);
    let edit = json!({"id": public, "text": "To everybody"});
    ada.link.ok("chat.edit", edit.clone()).await;
    // Nothing new is told to nobody.
    ada.link.ok("chat.edit", edit).await;
    let told = chat_heard(&mut bob).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(texts_of(&mut host).await, ["To everybody"]);
}

#[tokio::test]
async fn what_is_deleted_leaves_its_place_and_nothing_else() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"history": "session"})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let id = write(&mut ada, all(), "A slip of the tongue").await;
    let react = json!({"id": id, "emoji": "😂", "on": true});
    host.link.ok("chat.react", react.clone()).await;
    let pin = json!({"id": id, "on": true});
    host.link.ok("chat.pin", pin.clone()).await;
    let mut quote = message(all(), "What did you say?");
    quote["reply_to"] = json!(id);
    quote["mentions"] = json!([ada.id]);
    host.link.ok("chat.send", quote).await;
    ada.link.ok("chat.delete", json!({"id": id})).await;
    ada.link.ok("chat.delete", json!({"id": id})).await;
    for (verb, data) in [
        ("chat.edit", json!({"id": id, "text": "Otherwise"})),
        ("chat.react", react),
        ("chat.pin", pin),
    ] {
        let person = if verb == "chat.edit" {
            &mut ada
        } else {
            &mut host
        };
        assert_eq!(person.link.refused(verb, data).await, "not_found", "{verb}");
    }
    let mut late = stage.invited(&room, "viewer").await;
    for person in [&mut host, &mut ada, &mut late] {
        assert_eq!(texts_of(person).await, ["", "What did you say?"]);
        let place = person.mirror.chat.values().next().unwrap();
        assert_eq!(place["deleted_by"], "attendee");
        assert_eq!(place["pinned"], false);
        assert_eq!(place["reactions"], json!([]));
        assert!(!place.to_string().contains("slip"));
    }
}

#[tokio::test]
async fn a_message_is_deleted_by_its_author_or_from_above() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({})).await;
    let roles = ["host", "co_host", "presenter", "attendee"];
    let mut people: Vec<Person> = Vec::new();
    let mut equals: Vec<Person> = Vec::new();
    for role in roles {
        people.push(stage.invited(&room, role).await);
        equals.push(stage.invited(&room, role).await);
    }
    let mut lent = equals.pop().unwrap();
    let allow =
        json!({"participant": lent.id, "key": "chat.delete_any", "effect": "allow", "rev": 1});
    people[0].link.ok("perm.override", allow).await;
    for author in 0..roles.len() {
        for deleter in 0..roles.len() {
            let id = write(&mut people[author], all(), "Hello").await;
            let may = author == deleter || deleter < 2 && deleter < author;
            let delete = json!({"id": id});
            let reply = people[deleter]
                .link
                .ask("chat.delete", delete.clone())
                .await;
            let place = format!("{} deletes of {}", roles[deleter], roles[author]);
            if may {
                assert!(reply.get("ok").is_some(), "{place}: {reply}");
            } else {
                assert_eq!(reply["error"]["code"], "forbidden", "{place}: {reply}");
                // Nor its equal, nor who was lent the right without the rank.
                if let Some(equal) = equals.get_mut(author) {
                    assert_eq!(
                        equal.link.refused("chat.delete", delete.clone()).await,
                        "forbidden"
                    );
                }
                assert_eq!(lent.link.refused("chat.delete", delete).await, "forbidden");
            }
        }
    }
    // The rank of who is gone counts as it was: a helper does not delete what a host said.
    let said = write(&mut people[0], all(), "Rules").await;
    people.remove(0).leave().await;
    let code = people[0]
        .link
        .refused("chat.delete", json!({"id": said}))
        .await;
    assert_eq!(code, "forbidden");
}

#[tokio::test]
async fn what_one_does_not_see_is_not_there() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all"})).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let early = write(&mut ada, all(), "Before you came").await;
    let mut host = stage.host(&room).await;
    let mut bob = stage.invited(&room, "attendee").await;
    let mut eve = stage.invited(&room, "attendee").await;
    let private = write(&mut ada, only(&bob), "Only for you").await;
    let to_hosts = write(&mut ada, hosts(), "Only for hosts").await;
    let cleared = write(&mut ada, all(), "Soon gone").await;
    let number = {
        host.settle().await;
        host.mirror.chat.keys().next_back().copied().unwrap()
    };
    let mut helper = stage.invited(&room, "co_host").await;
    helper.link.ok("chat.clear", json!({"up_to": number})).await;
    eve.settle().await;
    // The host is no exception.
    let hidden = [
        (&mut eve, vec![&private, &to_hosts, &early, &cleared]),
        (&mut host, vec![&private, &early, &cleared]),
    ];
    for (person, ids) in hidden {
        for id in ids {
            let verbs = [
                ("chat.edit", json!({"id": id, "text": "Otherwise"})),
                ("chat.delete", json!({"id": id})),
                ("chat.react", json!({"id": id, "emoji": "👍", "on": true})),
                ("chat.pin", json!({"id": id, "on": true})),
                ("chat.send", {
                    let mut reply = message(all(), "An answer");
                    reply["reply_to"] = json!(id);
                    reply
                }),
            ];
            for (verb, data) in verbs {
                if verb == "chat.pin" && !person.mirror.may("chat.pin") {
                    continue;
                }
                let mut unknown = data.clone();
                let member = if verb == "chat.send" {
                    "reply_to"
                } else {
                    "id"
                };
                unknown[member] = json!(NO_MESSAGE);
                let found = person.link.ask(verb, data).await["error"].clone();
                assert_eq!(found["code"], "not_found", "{verb}: {found}");
                // To the last member as if it had never been.
                assert_eq!(found, person.link.ask(verb, unknown).await["error"]);
            }
        }
    }
    assert_eq!(texts_of(&mut bob).await, ["Only for you"]);
}

#[tokio::test]
async fn an_answer_goes_to_those_who_have_the_question() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all"})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let mut bob = stage.invited(&room, "attendee").await;
    let mut eve = stage.invited(&room, "attendee").await;
    let private = write(&mut ada, only(&bob), "Only for you").await;
    let public = write(&mut ada, all(), "To all").await;
    let answer = |to: Value, id: &str| {
        let mut answer = message(to, "An answer");
        answer["reply_to"] = json!(id);
        answer
    };
    for (to, id) in [
        (all(), &private),
        (hosts(), &private),
        (only(&eve), &private),
        (only(&ada), &public),
    ] {
        let code = bob.link.refused("chat.send", answer(to, id)).await;
        assert_eq!(code, "bad_request");
    }
    bob.link.ok("chat.send", answer(only(&ada), &private)).await;
    bob.link.ok("chat.send", answer(all(), &public)).await;
    assert_eq!(texts_of(&mut eve).await, ["To all", "An answer"]);
    assert_eq!(texts_of(&mut host).await, ["To all", "An answer"]);
}

#[tokio::test]
async fn ten_messages_to_everybody_are_pinned_and_no_others() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all"})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    for to in [hosts(), only(&ada)] {
        let id = write(&mut host, to, "Not for all").await;
        let pin = json!({"id": id, "on": true});
        assert_eq!(host.link.refused("chat.pin", pin).await, "bad_request");
    }
    let mut ids = Vec::new();
    for n in 0..8 {
        ids.push(write(&mut host, all(), &format!("Host {n}")).await);
    }
    for n in 0..3 {
        ids.push(write(&mut ada, all(), &format!("Ada {n}")).await);
    }
    for (n, id) in ids.iter().enumerate() {
        let pin = json!({"id": id, "on": true});
        assert_eq!(ada.link.refused("chat.pin", pin.clone()).await, "forbidden");
        let reply = host.link.ask("chat.pin", pin).await;
        assert_eq!(reply.get("ok").is_some(), n < 10, "{n}: {reply}");
    }
    host.link
        .ok("chat.pin", json!({"id": ids[0], "on": false}))
        .await;
    host.link
        .ok("chat.pin", json!({"id": ids[10], "on": true}))
        .await;
    ada.settle().await;
    let shown = ada.mirror.public();
    let pinned: Vec<_> = shown
        .iter()
        .map(|message| message["pinned"] == true)
        .collect();
    assert_eq!(pinned.iter().filter(|pinned| **pinned).count(), 10);
    assert!(!pinned[0] && pinned[10]);
}

#[tokio::test]
async fn a_chat_that_is_cleared_is_gone_for_all_but_those_who_wrote_privately() {
    let stage = Stage::start().await;
    let room = meeting(&stage, json!({"private": "all", "history": "session"})).await;
    let mut host = stage.host(&room).await;
    let mut ada = stage.invited(&room, "attendee").await;
    let mut bob = stage.invited(&room, "attendee").await;
    write(&mut ada, all(), "One").await;
    write(&mut ada, only(&bob), "Only for you").await;
    write(&mut ada, hosts(), "Two").await;
    write(&mut ada, all(), "Three").await;
    for (verb, data) in [
        ("chat.clear", json!({})),
        ("chat.clear", json!({"up_to": 1})),
        ("chat.export", json!({"format": "txt"})),
    ] {
        assert_eq!(bob.link.refused(verb, data).await, "forbidden");
    }
    for up_to in [
        json!(-1),
        json!(1.5),
        json!("all"),
        json!(4_294_967_296_u64),
    ] {
        let clear = json!({"up_to": up_to});
        assert_eq!(host.link.refused("chat.clear", clear).await, "bad_request");
    }
    host.settle().await;
    let third = *host.mirror.chat.keys().next_back().unwrap();
    host.link
        .ok("chat.clear", json!({"up_to": third - 1}))
        .await;
    assert_eq!(texts_of(&mut ada).await, ["Only for you", "Three"]);
    assert_eq!(texts_of(&mut host).await, ["Three"]);
    host.link.ok("chat.clear", json!({})).await;
    assert_eq!(texts_of(&mut bob).await, ["Only for you"]);
    let mut late = stage.invited(&room, "attendee").await;
    assert!(texts_of(&mut late).await.is_empty());
    // What comes after it has a higher number.
    write(&mut ada, all(), "Four").await;
    assert_eq!(texts_of(&mut ada).await, ["Only for you", "Four"]);
}

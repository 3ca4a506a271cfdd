//! What of a chat outlives its meeting.

use serde_json::json;

use super::{all, hosts, meeting, only, texts_of, write};
use crate::person::Person;
use crate::stage::{Room, Stage};

/// Writes in a meeting, and ends it.
async fn hold(stage: &Stage, room: &Room) {
    let mut host = stage.host(room).await;
    let mut ada = stage.invited(room, "attendee").await;
    write(&mut ada, all(), "To all").await;
    write(&mut ada, hosts(), "To the hosts").await;
    write(&mut ada, only(&host), "To one").await;
    end(&mut host).await;
    assert_eq!(ada.link.closed().await, 4410);
}

async fn end(host: &mut Person) {
    host.link.ok("session.end", json!({})).await;
    assert_eq!(host.link.closed().await, 4410);
}

#[tokio::test]
async fn the_next_meeting_sees_what_is_kept_and_shown_and_nothing_else() {
    let stage = Stage::start().await;
    for (keep, history, shown) in [
        ("none", "kept", false),
        ("session", "kept", false),
        ("days", "kept", true),
        ("days", "session", false),
        ("days", "none", false),
    ] {
        let policy = json!({"private": "all", "keep": keep, "keep_days": 1, "history": history});
        let room = meeting(&stage, policy).await;
        hold(&stage, &room).await;
        let mut host = stage.host(&room).await;
        let mut ada = stage.invited(&room, "attendee").await;
        let place = format!("{keep} {history}");
        let expected: &[&str] = if shown {
            &["To all", "To the hosts"]
        } else {
            &[]
        };
        assert_eq!(texts_of(&mut host).await, expected, "{place}");
        let expected: &[&str] = if shown { &["To all"] } else { &[] };
        assert_eq!(texts_of(&mut ada).await, expected, "{place}");
        let exported = host.link.ok("chat.export", json!({"format": "txt"})).await;
        let text = exported["text"].as_str().unwrap();
        assert!(!text.contains("To one"), "{place}: {text}");
        // What was kept is cleared with the rest, and stays so.
        host.link.ok("chat.clear", json!({})).await;
        end(&mut host).await;
        let mut host = stage.host(&room).await;
        assert!(texts_of(&mut host).await.is_empty(), "{place}");
    }
}

#[tokio::test]
async fn a_chat_that_is_to_be_kept_no_more_is_not() {
    let stage = Stage::start().await;
    let policy = json!({"keep": "days", "keep_days": 30, "history": "kept"});
    let room = meeting(&stage, policy).await;
    hold(&stage, &room).await;
    let mut host = stage.host(&room).await;
    assert_eq!(texts_of(&mut host).await, ["To all", "To the hosts"]);
    let update = json!({"chat": {"keep": "none"}});
    host.link.ok("room.update", update).await;
    let update = json!({"chat": {"keep": "days"}});
    host.link.ok("room.update", update).await;
    let mut ada = stage.invited(&room, "attendee").await;
    assert!(texts_of(&mut ada).await.is_empty());
    end(&mut host).await;
    let mut host = stage.host(&room).await;
    assert!(texts_of(&mut host).await.is_empty());
}

//! The verbs of a meeting that goes on: what is written, whose turn it is, who
//! leads, how it ends.

use serde_json::json;

use super::rows::{Effect, Prepare, Row, on, room};
use crate::rules::Rule;

pub(super) fn about_chat() -> Vec<Row> {
    use Effect::{
        Chat, Cleared, Deleted, Edited, Exported, Liked, Nothing, Pinned, Whispered, Written,
    };
    use Rule::{Delete, Edit, Needs, Never, OnMessage, Whisper};
    macro_rules! policy {
        ($member:literal, $value:literal) => {
            room(
                concat!("chat ", $member),
                "room.update",
                Needs(&["chat.configure"]),
                Chat($member, $value),
                |_| {
                    let value: serde_json::Value = serde_json::from_str($value).unwrap();
                    json!({"chat": {$member: value}})
                },
            )
        };
    }
    vec![
        policy!("public", r#""off""#),
        policy!("private", r#""all""#),
        policy!("slow_s", "30"),
        policy!("links", "false"),
        policy!("history", r#""none""#),
        policy!("keep", r#""days""#),
        room(
            "chat and title",
            "room.update",
            Needs(&["chat.configure", "room.settings"]),
            Chat("slow_s", "30"),
            |_| json!({"title": "New", "chat": {"slow_s": 30}}),
        ),
        room(
            "to all",
            "chat.send",
            Needs(&["chat.send"]),
            Written("all"),
            |_| json!({"client_id": "c-1", "to": {"kind": "all"}, "text": "Hello"}),
        ),
        room(
            "to the hosts",
            "chat.send",
            Needs(&["chat.private_hosts"]),
            Written("hosts"),
            |_| json!({"client_id": "c-1", "to": {"kind": "hosts"}, "text": "Hello"}),
        ),
        on("to one", "chat.send", Whisper, Whispered, |facts| {
            let to = json!({"kind": "participant", "participant": facts.target});
            json!({"client_id": "c-1", "to": to, "text": "Hello"})
        }),
        on(
            "one",
            "chat.edit",
            Edit,
            Edited,
            |facts| json!({"id": facts.message, "text": "What do you not think?"}),
        ),
        on(
            "one",
            "chat.delete",
            Delete,
            Deleted,
            |facts| json!({"id": facts.message}),
        ),
        on(
            "one",
            "chat.react",
            OnMessage("chat.react"),
            Liked,
            |facts| json!({"id": facts.message, "emoji": "👍", "on": true}),
        ),
        on(
            "what was not given",
            "chat.react",
            OnMessage("chat.react"),
            Nothing,
            |facts| json!({"id": facts.message, "emoji": "👍", "on": false}),
        ),
        on(
            "one",
            "chat.pin",
            OnMessage("chat.pin"),
            Pinned,
            |facts| json!({"id": facts.message, "on": true}),
        ),
        room("all", "chat.clear", Needs(&["chat.clear"]), Cleared, |_| {
            json!({})
        }),
        room(
            "up to nothing",
            "chat.clear",
            Needs(&["chat.clear"]),
            Nothing,
            |_| json!({"up_to": 0}),
        ),
        room(
            "lines",
            "chat.export",
            Needs(&["chat.export"]),
            Exported,
            |_| json!({"format": "jsonl"}),
        ),
        room(
            "a sheet",
            "chat.export",
            Needs(&["chat.export"]),
            Exported,
            |_| json!({"format": "csv"}),
        ),
        room(
            "without a name of its own",
            "chat.send",
            Never("bad_request"),
            Nothing,
            |_| json!({"client_id": "", "to": {"kind": "all"}, "text": "Hello"}),
        ),
    ]
}

pub(super) fn about_hands() -> Vec<Row> {
    use Effect::{Called, HandDown, Nothing, OwnHand, Paused, Reacted, Spotlit, TakenOver};
    use Rule::{BeIn, Needs, Never, OnAny, OnOther, Share};
    let raised = |row| Row {
        prepare: Prepare::Raise,
        ..row
    };
    let sharing = |prepare, row| Row { prepare, ..row };
    vec![
        room(
            "own",
            "hand.raise",
            Needs(&["hand.raise"]),
            OwnHand(true),
            |_| json!({}),
        ),
        room("own", "hand.lower", BeIn, OwnHand(false), |_| json!({})),
        raised(on(
            "one",
            "hand.lower",
            OnOther("hand.manage"),
            HandDown,
            |facts| json!({"participant": facts.target}),
        )),
        raised(room(
            "all",
            "hand.lower_all",
            Needs(&["hand.manage"]),
            HandDown,
            |_| json!({}),
        )),
        raised(on(
            "one",
            "hand.next",
            Needs(&["hand.manage"]),
            Called,
            |_| json!({"ttl_s": 60}),
        )),
        raised(room(
            "an attendee",
            "hand.next",
            Needs(&["hand.manage"]),
            Called,
            |_| json!({}),
        )),
        room(
            "one",
            "reaction.send",
            Needs(&["reaction.send"]),
            Reacted,
            |_| json!({"emoji": "🎉"}),
        ),
        on(
            "one",
            "spotlight.set",
            OnAny("spotlight.set"),
            Spotlit,
            |facts| json!({"participants": [facts.target]}),
        ),
        room(
            "nobody",
            "spotlight.set",
            Needs(&["spotlight.set"]),
            Nothing,
            |_| json!({"participants": []}),
        ),
        sharing(
            Prepare::Share,
            on(
                "over",
                "screen.start",
                Needs(&["publish.screen"]),
                TakenOver,
                |_| json!({"audio": false, "take_over": true}),
            ),
        ),
        sharing(
            Prepare::OwnShare,
            room(
                "own",
                "screen.pause",
                Share,
                Paused,
                |_| json!({"on": true}),
            ),
        ),
        room(
            "to nobody",
            "screen.takeover.reply",
            Never("not_found"),
            Nothing,
            |_| json!({"request": "req_01m81b5t18e81840g2081040g2", "answer": "accept"}),
        ),
    ]
}

pub(super) fn about_the_end() -> Vec<Row> {
    use Effect::{Announced, Attended, Ended, Ending, Nothing, Offered, Suspended};
    use Rule::{HandOver, Needs, Never, Vain};
    vec![
        room(
            "on",
            "panic.suspend",
            Needs(&["panic.suspend"]),
            Suspended(true),
            |_| json!({"on": true}),
        ),
        room(
            "off without it",
            "panic.suspend",
            Needs(&["panic.suspend"]),
            Suspended(false),
            |_| json!({"on": false}),
        ),
        Row {
            prepare: Prepare::Suspend,
            ..room(
                "off",
                "panic.suspend",
                Needs(&["panic.suspend"]),
                Suspended(false),
                |_| json!({"on": false}),
            )
        },
        room(
            "one",
            "session.announce",
            Needs(&["session.announce"]),
            Announced,
            |_| json!({"message": "Five more minutes"}),
        ),
        on(
            "for now",
            "host.transfer",
            HandOver,
            Offered,
            |facts| json!({"participant": facts.target}),
        ),
        on(
            "for good",
            "host.transfer",
            HandOver,
            Offered,
            |facts| json!({"participant": facts.target, "permanent": true}),
        ),
        room(
            "to nobody",
            "host.transfer.reply",
            Never("not_found"),
            Nothing,
            |_| json!({"request": "req_01m81b5t18e81840g2081040g2", "answer": "accept"}),
        ),
        room(
            "at once",
            "session.end",
            Needs(&["session.end"]),
            Ended,
            |_| json!({"message": "Goodbye"}),
        ),
        room(
            "in a minute",
            "session.end",
            Needs(&["session.end"]),
            Ending(true),
            |_| json!({"countdown_s": 60}),
        ),
        room(
            "nothing",
            "session.end.cancel",
            Vain("session.end", "not_found"),
            Nothing,
            |_| json!({}),
        ),
        Row {
            prepare: Prepare::Countdown,
            ..room(
                "the countdown",
                "session.end.cancel",
                Needs(&["session.end"]),
                Ending(false),
                |_| json!({}),
            )
        },
        room(
            "all",
            "attendance.get",
            Needs(&["attendance.export"]),
            Attended,
            |_| json!({"csv": true}),
        ),
    ]
}

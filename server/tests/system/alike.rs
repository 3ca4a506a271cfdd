//! The same act, done by a host in the meeting, by a program with a key, and
//! at the command line: others see the same, the audit log says the same, and
//! the same is refused in the same words.

use serde_json::{Value, json};

use crate::caller::{Answer, Caller};
use crate::link::Guest;
use crate::server::{Server, errors};

/// Who does it.
const WAYS: [Way; 3] = [Way::Host, Way::Key, Way::Line];

/// Acts that everybody in the meeting sees.
const SEEN: [&str; 6] = ["remove", "role", "lock", "announce", "end", "admit"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Host,
    Key,
    Line,
}

/// How something is done, each way.
struct Act {
    /// Its name in the audit log.
    action: &'static str,
    /// A message of a host.
    message: (&'static str, Value),
    /// A request to the API.
    request: (&'static str, String, Value),
    /// A command.
    command: Vec<String>,
}

#[tokio::test]
async fn removing() {
    alike("remove", |stage| Act {
        action: "participant.remove",
        message: (
            "participant.remove",
            json!({"participant": stage.bob, "reason": "Noise"}),
        ),
        request: ("POST", stage.person("/remove"), json!({"reason": "Noise"})),
        command: stage.line(&["session", "remove", "ROOM", &stage.bob, "--reason", "Noise"]),
    })
    .await;
}

#[tokio::test]
async fn muting() {
    alike("mute", |stage| Act {
        action: "media.mute",
        message: (
            "media.mute",
            json!({"target": {"kind": "participant", "participant": stage.bob}, "sources": ["microphone"]}),
        ),
        request: (
            "POST",
            stage.person("/mute"),
            json!({"sources": ["microphone"]}),
        ),
        command: stage.line(&["session", "mute", "ROOM", &stage.bob]),
    })
    .await;
}

#[tokio::test]
async fn giving_a_role() {
    alike("role", |stage| Act {
        action: "role.set",
        message: (
            "role.set",
            json!({"participant": stage.bob, "role": "presenter", "rev": stage.bob_rev}),
        ),
        request: ("PATCH", stage.person(""), json!({"role": "presenter"})),
        command: stage.line(&["session", "role", "ROOM", &stage.bob, "presenter"]),
    })
    .await;
}

#[tokio::test]
async fn locking() {
    alike("lock", |stage| Act {
        action: "room.update",
        message: (
            "room.update",
            json!({"locked": true, "rev": stage.room_rev}),
        ),
        request: ("POST", stage.session("/lock"), json!({"locked": true})),
        command: stage.line(&["session", "lock", "ROOM"]),
    })
    .await;
}

#[tokio::test]
async fn announcing() {
    alike("announce", |stage| Act {
        action: "session.announce",
        message: ("session.announce", json!({"message": "Soon"})),
        request: ("POST", stage.session("/announce"), json!({"text": "Soon"})),
        command: stage.line(&["session", "announce", "ROOM", "Soon"]),
    })
    .await;
}

#[tokio::test]
async fn ending() {
    alike("end", |stage| Act {
        action: "session.end",
        message: ("session.end", json!({"countdown_s": 30, "message": "Bye"})),
        request: (
            "POST",
            stage.session("/end"),
            json!({"countdown_s": 30, "message": "Bye"}),
        ),
        command: stage.line(&["session", "end", "ROOM", "--in", "30s", "--message", "Bye"]),
    })
    .await;
}

#[tokio::test]
async fn inviting() {
    alike("invite", |stage| Act {
        action: "invite.create",
        message: (
            "invite.create",
            json!({"role": "presenter", "name": "Eve", "max_uses": 1}),
        ),
        request: (
            "POST",
            stage.in_room("/invites"),
            json!({"role": "presenter", "name": "Eve", "max_uses": 1}),
        ),
        command: stage.line(&[
            "invite",
            "create",
            "ROOM",
            "--role",
            "presenter",
            "--name",
            "Eve",
            "--max-uses",
            "1",
        ]),
    })
    .await;
}

#[tokio::test]
async fn taking_an_invite_back() {
    alike("revoke", |stage| Act {
        action: "invite.revoke",
        message: ("invite.revoke", json!({"invite": stage.invite})),
        request: (
            "DELETE",
            stage.in_room(&format!("/invites/{}", stage.invite)),
            Value::Null,
        ),
        command: stage.line(&["invite", "revoke", "ROOM", &stage.invite]),
    })
    .await;
}

#[tokio::test]
async fn lifting_a_ban() {
    alike("ban", |stage| Act {
        action: "ban.lift",
        message: ("ban.lift", json!({"ban": stage.ban})),
        request: (
            "DELETE",
            stage.in_room(&format!("/bans/{}", stage.ban)),
            Value::Null,
        ),
        command: stage.line(&["ban", "lift", "ROOM", &stage.ban]),
    })
    .await;
}

#[tokio::test]
async fn admitting() {
    alike("admit", |stage| Act {
        action: "lobby.admit",
        message: ("lobby.admit", json!({"knocks": [stage.knock]})),
        request: (
            "POST",
            stage.in_room("/lobby/admit"),
            json!({"knocks": [stage.knock]}),
        ),
        command: stage.line(&["lobby", "admit", "ROOM", &stage.knock]),
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_alike() {
    let server = Server::start("alike-refused");
    let admin = Caller::new(&server, "admin", &[]);
    let mut stage = Stage::new(&server, &admin, "refused").await;
    let nobody = "par_01h455vb4pex5vsknk084sn02q";
    let person = |rest: &str| stage.session(&format!("/participants/{nobody}{rest}"));
    let no_invite = "inv_01h455vb4pex5vsknk084sn02q";
    let no_ban = "ban_01h455vb4pex5vsknk084sn02q";
    let long = "x".repeat(501);
    let mute = json!({"target": {"kind": "participant", "participant": nobody}, "sources": ["microphone"]});
    let act = |message, data, method, path, body, command: &[&str]| Act {
        action: "",
        message: (message, data),
        request: (method, path, body),
        command: stage.line(command),
    };
    let acts = [
        act(
            "participant.remove",
            json!({"participant": nobody}),
            "POST",
            person("/remove"),
            Value::Null,
            &["session", "remove", "ROOM", nobody],
        ),
        act(
            "media.mute",
            mute,
            "POST",
            person("/mute"),
            json!({"sources": ["microphone"]}),
            &["session", "mute", "ROOM", nobody],
        ),
        act(
            "role.set",
            json!({"participant": nobody, "role": "viewer", "rev": 1}),
            "PATCH",
            person(""),
            json!({"role": "viewer"}),
            &["session", "role", "ROOM", nobody, "viewer"],
        ),
        act(
            "participant.to_lobby",
            json!({"participant": nobody}),
            "POST",
            person("/to-lobby"),
            Value::Null,
            &["session", "to-lobby", "ROOM", nobody],
        ),
        act(
            "session.announce",
            json!({"message": long}),
            "POST",
            stage.session("/announce"),
            json!({"text": long}),
            &["session", "announce", "ROOM", &long],
        ),
        act(
            "participant.remove",
            json!({"participant": stage.bob, "reason": long}),
            "POST",
            stage.person("/remove"),
            json!({"reason": long}),
            &["session", "remove", "ROOM", &stage.bob, "--reason", &long],
        ),
        act(
            "session.end",
            json!({"countdown_s": 61}),
            "POST",
            stage.session("/end"),
            json!({"countdown_s": 61}),
            &["session", "end", "ROOM", "--in", "61s"],
        ),
        act(
            "role.set",
            json!({"participant": stage.bob, "role": "co_host", "rev": stage.bob_rev}),
            "PATCH",
            stage.person(""),
            json!({"role": "co_host"}),
            &["session", "role", "ROOM", &stage.bob, "co_host"],
        ),
        act(
            "invite.revoke",
            json!({"invite": no_invite}),
            "DELETE",
            stage.in_room(&format!("/invites/{no_invite}")),
            Value::Null,
            &["invite", "revoke", "ROOM", no_invite],
        ),
        act(
            "ban.lift",
            json!({"ban": no_ban}),
            "DELETE",
            stage.in_room(&format!("/bans/{no_ban}")),
            Value::Null,
            &["ban", "lift", "ROOM", no_ban],
        ),
    ];
    let (reader, stranger) = outsiders(&server);
    stage.cleo.pushes().await;
    for act in acts {
        let said = stage.host.ask(act.message.0, act.message.1.clone()).await;
        let of_host = said["error"]["code"].as_str().unwrap_or("none").to_owned();
        let answer = ask(&admin, &act);
        let what = format!("{} {}: {said} {answer:?}", act.message.0, act.message.1);
        assert_ne!(of_host, "none", "{what}");
        // The API has a word of its own for what has a wrong form.
        let expected = match of_host.as_str() {
            "bad_request" => "invalid",
            other => other,
        };
        assert_eq!(answer.code(), expected, "{what}");
        let output = server.cli(&act.command.iter().map(String::as_str).collect::<Vec<_>>());
        let code = output.status.code().unwrap();
        assert!(
            code == 1 || code == 2 && answer.status == 422,
            "{what} {output:?}"
        );
        assert!(!errors(&output).is_empty(), "{what}");
        refused_to_outsiders(&reader, &stranger, &act);
    }
    assert_eq!(stage.cleo.pushes().await, Vec::<Value>::new());
}

/// Does an act each way, each in a room of its own, and compares what came of it.
async fn alike(name: &str, act: impl Fn(&Stage) -> Act) {
    let server = Server::start(&format!("alike-{name}"));
    let admin = Caller::new(&server, "admin", &[]);
    let (reader, stranger) = outsiders(&server);
    let mut outcomes = Vec::new();
    for way in WAYS {
        let room = format!("{name}-{way:?}").to_lowercase();
        let mut stage = Stage::new(&server, &admin, &room).await;
        let act = act(&stage);
        refused_to_outsiders(&reader, &stranger, &act);
        stage.cleo.pushes().await;
        match way {
            Way::Host => {
                let said = stage.host.ask(act.message.0, act.message.1.clone()).await;
                assert!(said["error"].is_null(), "{said}");
            }
            Way::Key => {
                let answer = ask(&admin, &act);
                assert!(answer.status < 300, "{answer:?}");
            }
            Way::Line => {
                let words: Vec<&str> = act.command.iter().map(String::as_str).collect();
                let output = server.cli(&words);
                assert!(output.status.success(), "{output:?}");
            }
        }
        let seen = (stage.cleo.pushes().await, stage.bobs.pushes().await);
        let seen = json!([plain(&json!(seen.0)), plain(&json!(seen.1))]);
        let audit = admin.get(&format!("/audit?room={room}&limit=100"));
        let records = audit.body["data"].as_array().unwrap().iter();
        let of_act = records
            .filter(|record| record["action"] == act.action && record["actor"]["kind"] != "room");
        let record = of_act.max_by_key(|record| record["seq"].as_u64()).cloned();
        let record = record.unwrap_or_else(|| panic!("{way:?}: {}", audit.body));
        let kind = match way {
            Way::Host => "participant",
            Way::Key => "key",
            Way::Line => "operator",
        };
        let told = json!({
            "outcome": record["outcome"],
            "target": plain(&record["target"]),
            "detail": plain(&record["detail"]),
        });
        assert_eq!(record["actor"]["kind"], kind, "{record}");
        outcomes.push((way, seen, told));
    }
    let (_, seen, told) = &outcomes[0];
    for (way, other_seen, other_told) in &outcomes[1..] {
        assert_eq!(other_seen, seen, "{way:?}: what others see");
        assert_eq!(other_told, told, "{way:?}: the audit log");
    }
    assert_eq!(told["outcome"], "ok");
    let is_seen = seen[0].as_array().is_some_and(|pushes| !pushes.is_empty());
    assert_eq!(is_seen, SEEN.contains(&name), "{seen}");
}

/// Returns who may only look, and who may everything in other rooms.
fn outsiders(server: &Server) -> (Caller, Caller) {
    let reader = Caller::new(server, "read-only", &["--all-rooms"]);
    let stranger = Caller::new(server, "user", &["--tag", "elsewhere"]);
    (reader, stranger)
}

fn refused_to_outsiders(reader: &Caller, stranger: &Caller, act: &Act) {
    let read = ask(reader, act);
    assert_eq!(
        (read.status, read.code()),
        (403, "insufficient_scope"),
        "{read:?}"
    );
    let strange = ask(stranger, act);
    assert!(
        strange.status == 404 && strange.code() == "not_found" || strange.status == 422,
        "{strange:?}"
    );
}

fn ask(caller: &Caller, act: &Act) -> Answer {
    let (method, path, body) = &act.request;
    caller.ask(method, path, Some(body).filter(|body| !body.is_null()))
}

/// A meeting with a host, somebody on whom is acted, and somebody who looks on.
struct Stage {
    room: String,
    room_rev: u64,
    session_id: String,
    host: Guest,
    bobs: Guest,
    cleo: Guest,
    /// Somebody who waits in the lobby.
    _dan: Guest,
    bob: String,
    bob_rev: u64,
    invite: String,
    ban: String,
    knock: String,
}

impl Stage {
    async fn new(server: &Server, admin: &Caller, room: &str) -> Self {
        let http = server.ready()["http"].as_str().unwrap().to_owned();
        let body = json!({"slug": room, "lobby": "off"});
        let made = admin.ask("POST", "/rooms", Some(&body));
        let link = made.body["host_link"].as_str().unwrap();
        let secret = link.split_once("#i=").unwrap().1;
        let nobody = || json!({"kind": "none"});
        let mut host = Guest::open(&http).await;
        let credential = json!({"kind": "invite", "secret": secret});
        let hosting = host.join(room, credential, "Ada").await;
        assert_eq!(hosting["ok"]["self"]["role"], "host", "{hosting}");
        let mut bobs = Guest::open(&http).await;
        let joined = bobs.join(room, nobody(), "Bob").await;
        let bob = text(&joined["ok"]["self"]["id"]);
        let mut cleo = Guest::open(&http).await;
        cleo.join(room, nobody(), "Cleo").await;

        let at = |rest: &str| format!("/rooms/{room}{rest}");
        let invite = json!({"role": "attendee"});
        let invite = admin.ask("POST", &at("/invites"), Some(&invite));
        let ban = json!({"network": "192.0.2.7"});
        let ban = admin.ask("POST", &at("/bans"), Some(&ban));
        assert_eq!(ban.status, 201, "{ban:?}");
        let changed = admin.ask("PATCH", &at(""), Some(&json!({"lobby": "on"})));
        let mut dan = Guest::open(&http).await;
        let waits = dan.join(room, nobody(), "Dan").await;
        assert_eq!(waits["ok"]["outcome"], "lobby", "{waits}");
        let lobby = admin.get(&at("/lobby"));
        let sessions = admin.get(&format!("/sessions?state=live&room={room}"));
        let session_id = text(&sessions.body["data"][0]["id"]);
        let shown = admin.get(&format!("/sessions/{session_id}/participants/{bob}"));
        Stage {
            room: room.to_owned(),
            room_rev: changed.body["rev"].as_u64().unwrap(),
            host,
            bobs,
            cleo,
            _dan: dan,
            bob_rev: shown.body["rev"].as_u64().unwrap(),
            bob,
            invite: text(&invite.body["id"]),
            ban: text(&ban.body["id"]),
            knock: text(&lobby.body["entries"][0]["knock"]),
            session_id,
        }
    }

    fn in_room(&self, rest: &str) -> String {
        format!("/rooms/{}{rest}", self.room)
    }

    fn session(&self, rest: &str) -> String {
        format!("/sessions/{}{rest}", self.session_id)
    }

    fn person(&self, rest: &str) -> String {
        self.session(&format!("/participants/{}{rest}", self.bob))
    }

    /// Returns a command about this room.
    fn line(&self, words: &[&str]) -> Vec<String> {
        let word = |word: &&str| match *word {
            "ROOM" => self.room.clone(),
            word => word.to_owned(),
        };
        words.iter().map(word).collect()
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

/// Leaves out what differs from room to room and from doer to doer: identifiers, times, who.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(words(text)),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => {
            let known = members.iter().filter(|(name, _)| *name != "seq");
            let member = |(name, value): (&String, &Value)| {
                let value = match name.as_str() {
                    "by" | "muted_by" | "slug" | "title" | "host_link" => json!("…"),
                    _ => plain(value),
                };
                (name.clone(), value)
            };
            Value::Object(known.map(member).collect())
        }
        other => other.clone(),
    }
}

fn words(text: &str) -> String {
    let word = |word: &str| match word.split_once('_') {
        Some((kind, rest)) if rest.len() == 26 => kind.to_owned(),
        _ if word.ends_with('Z') && word.len() >= 20 => "TIME".to_owned(),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

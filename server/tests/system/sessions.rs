//! A meeting as a program with a key sees it, acts in it and ends it.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::link::Guest;
use crate::server::{Server, connect};

#[tokio::test]
async fn a_program_with_a_key_leads_a_meeting() {
    let server = Server::start("sessions");
    let words = [
        "--level",
        "user",
        "--tag",
        "desk",
        "--scope",
        "content:read",
    ];
    let desk = Desk::of(&server, &words);
    let room = json!({
        "slug": "standup",
        "tags": ["desk"],
        "lobby": "off",
        "start_without_host": true,
        "chat": {"keep": "days"},
    });
    assert_eq!(desk.post("/rooms", room).0, 201);
    assert_eq!(desk.get("/sessions").1["data"], json!([]));

    let mut ada = Guest::open(&desk.http).await;
    let joined = ada.join("standup", nobody(), "Ada").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    let mut mallory = Guest::open(&desk.http).await;
    mallory.join("standup", nobody(), "=Mallory").await;
    // The list comes from what is kept, which nobody who joins waits for.
    let sessions = loop {
        let (_, sessions) = desk.get("/sessions?state=live&room=standup&include=total");
        if sessions["data"] != json!([]) {
            break sessions;
        }
    };
    assert_eq!(sessions["total"], 1, "{sessions}");
    let session = &sessions["data"][0];
    assert_eq!(
        (&session["state"], &session["ended_at"]),
        (&json!("live"), &Value::Null),
    );
    let id = session["id"].as_str().unwrap().to_owned();
    let at = |rest: &str| format!("/sessions/{id}{rest}");
    let shown = desk.get(&at("")).1;
    assert_eq!(
        (&shown["participants"], &shown["people"], &shown["waiting"]),
        (&json!(2), &json!(2), &json!(0)),
        "{shown}"
    );

    // Whoever leads sees who is there, in the order of their coming and in pages.
    let (_, page) = desk.get(&at("/participants?limit=1"));
    assert_eq!(page["data"][0]["name"], "Ada", "{page}");
    assert_eq!(page["data"][0]["prefix"], "127.0.0.0/24");
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, page) = desk.get(&at(&format!("/participants?limit=1&cursor={cursor}")));
    assert_eq!(page["data"][0]["name"], "=Mallory", "{page}");
    let of = |page: &Value| page["data"][0]["id"].as_str().unwrap().to_owned();
    let (first, second) = (cursor.to_owned(), of(&page));

    // Ada becomes a presenter who may share, under another name, in one request.
    let person = at(&format!("/participants/{first}"));
    let (status, changed) = desk.ask(
        "PATCH",
        &person,
        Some(json!({
            "role": "presenter",
            "name": "Ada L",
            "overrides": [{"key": "chat.pin", "effect": "allow", "ttl_s": 600}],
        })),
    );
    assert_eq!(status, 200, "{changed}");
    assert_eq!(
        (&changed["role"], &changed["name"]),
        (&json!("presenter"), &json!("Ada L"))
    );
    assert_eq!(changed["overrides"][0]["key"], "chat.pin", "{changed}");
    let updated = ada.push("permissions").await;
    assert_eq!(updated["role"], "presenter", "{updated}");
    let (_, changed) = desk.ask("PATCH", &person, Some(json!({"overrides": []})));
    assert_eq!(
        (&changed["overrides"], &changed["role"]),
        (&json!([]), &json!("presenter")),
        "{changed}"
    );
    let (status, muted) = desk.post(
        &format!("{person}/mute"),
        json!({"sources": ["microphone"]}),
    );
    assert_eq!((status, muted), (200, json!({"muted": false})));
    let (status, problem) = desk.post(&format!("{person}/mute"), json!({"sources": []}));
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (422, &json!("/sources"))
    );

    let (status, muted) = desk.post(&at("/mute"), json!({"except": [first]}));
    assert_eq!((status, muted), (200, json!({"muted": []})));
    let (status, problem) = desk.ask("DELETE", &at("/end"), None);
    assert_eq!((status, &problem["code"]), (409, &json!("not_ending")));
    assert_eq!(desk.post(&at("/end"), json!({"countdown_s": 60})).0, 204);
    assert!(desk.get(&at("")).1["ends_at"].is_string());
    assert_eq!(desk.ask("DELETE", &at("/end"), None).0, 204);
    assert_eq!(desk.get(&at("")).1["ends_at"], Value::Null);

    for path in ["/announce", "/chat"] {
        assert_eq!(desk.post(&at(path), json!({"text": path})).0, 204);
        assert_eq!(ada.push("announcement").await["message"], path);
    }

    // What is written is read with the scope for it alone, and exported.
    for (number, text) in ["=1+1", "Good morning"].iter().enumerate() {
        let written = json!({
            "client_id": format!("m{number}"),
            "to": {"kind": "all"},
            "text": text,
        });
        let sent = ada.ask("chat.send", written).await;
        assert!(sent["error"].is_null(), "{sent}");
    }
    let (_, chat) = desk.get(&at("/chat"));
    assert_eq!(chat["data"][1]["text"], "Good morning", "{chat}");
    let (_, newest) = desk.get(&at("/chat?order=desc&limit=1&include=total"));
    assert_eq!(
        (&newest["data"][0]["text"], &newest["total"]),
        (&json!("Good morning"), &json!(2))
    );
    let (_, csv) = desk.text(&at("/chat/export?format=csv"));
    assert!(
        csv.starts_with("\"number\",\"id\",") && csv.contains("\"'=1+1\""),
        "{csv}"
    );
    let blind = Desk::of(&server, &["--level", "admin"]);
    let (status, problem) = blind.get(&at("/chat"));
    assert_eq!(
        (status, &problem["required"]),
        (403, &json!("content:read"))
    );
    let message = chat["data"][0]["id"].as_str().unwrap();
    let path = at(&format!("/chat/{message}"));
    assert_eq!(desk.ask("DELETE", &path, None).0, 204);
    let (_, text) = desk.text(&at("/chat/export?format=txt"));
    assert!(
        text.contains("(deleted)") && !text.contains("=1+1"),
        "{text}"
    );

    // Somebody waits outside, is let in again, and then removed for good.
    let person = at(&format!("/participants/{second}"));
    assert_eq!(desk.ask("POST", &format!("{person}/to-lobby"), None).0, 204);
    let lobby = loop {
        let (_, lobby) = desk.get("/rooms/standup/lobby");
        if lobby["entries"] != json!([]) {
            break lobby;
        }
        let back = mallory.again(&desk.http).await;
        mallory = back;
        mallory.join("standup", nobody(), "=Mallory").await;
    };
    let knock = &lobby["entries"][0]["knock"];
    let (status, results) = desk.post("/rooms/standup/lobby/admit", json!({"knocks": [knock]}));
    assert_eq!(
        (status, &results["results"][0]["result"]),
        (200, &json!("admitted")),
        "{results}"
    );
    let (status, problem) = desk.post("/rooms/standup/lobby/admit", json!({}));
    assert_eq!((status, &problem["code"]), (422, &json!("invalid")));
    let (_, page) = desk.get(&at("/participants?order=desc&limit=1"));
    let person = at(&format!("/participants/{}", of(&page)));
    let (status, removed) = desk.post(
        &format!("{person}/remove"),
        json!({"reason": "Music", "ban": {"ttl_s": 3600}}),
    );
    assert_eq!(status, 200, "{removed}");
    assert!(removed["ban"].is_string(), "{removed}");
    assert_eq!(desk.get(&person).0, 404);
    assert_eq!(mallory.push("removed").await["reason"], "Music");

    assert_eq!(desk.ask("POST", &at("/lock"), None).0, 204);
    assert_eq!(desk.get("/rooms/standup").1["locked"], true);
    assert_eq!(desk.post(&at("/lock"), json!({"locked": false})).0, 204);

    // A key for other rooms knows of nothing.
    server.cli_json(&["room", "create", "board"]);
    let other = Desk::of(&server, &["--level", "user", "--room", "board"]);
    assert_eq!(other.get("/sessions").1["data"], json!([]));
    assert_eq!(other.get("/sessions?room=standup").0, 404);
    for rest in ["", "/participants", "/attendance"] {
        assert_eq!(other.get(&at(rest)).0, 404, "{rest}");
    }
    assert_eq!(other.ask("POST", &at("/end"), None).0, 404);

    let (_, live) = desk.get(&at("/attendance"));
    assert_eq!(live["people"][0]["left_at"], Value::Null, "{live}");
    assert_eq!(desk.post(&at("/end"), json!({"countdown_s": 0})).0, 204);
    let (_, ended) = desk.get(&at(""));
    assert_eq!(
        (&ended["state"], &ended["ended"], &ended["participants"]),
        (&json!("ended"), &json!("ended"), &Value::Null),
        "{ended}"
    );
    assert_eq!(desk.get(&at("/participants")).1["data"], json!([]));
    for (path, body) in [
        ("/end", json!({})),
        ("/announce", json!({"text": "Hello"})),
        (
            "/participants/par_01h455vb4pex5vsknk084sn02q/remove",
            json!({}),
        ),
    ] {
        let (status, problem) = desk.post(&at(path), body);
        assert_eq!(
            (status, &problem["code"]),
            (409, &json!("not_live")),
            "{path}"
        );
    }
    let (_, csv) = desk.text(&at("/attendance?format=csv"));
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(rows.len(), 4, "a head, two people and an end: {csv}");
    assert!(
        rows[1].contains(",\"Ada L\",\"presenter\",\"guest\","),
        "{csv}"
    );
    assert!(rows[2].contains(",\"'=Mallory\","), "{csv}");
    let (_, attendance) = desk.get(&at("/attendance"));
    let mallory = &attendance["people"][1];
    assert_eq!(mallory["visits"], 2, "{attendance}");
    assert!(mallory["stays"][1]["to"].is_string(), "{attendance}");

    // Its chat is there for as long as the room keeps it, or somebody deletes it.
    let (_, chat) = desk.get(&at("/chat"));
    assert_eq!(chat["data"][1]["text"], "Good morning", "{chat}");
    assert_eq!(desk.ask("DELETE", &at("/chat"), None).0, 204);
    for path in ["/chat", "/chat/export"] {
        let (status, problem) = desk.get(&at(path));
        assert_eq!((status, &problem["code"]), (409, &json!("not_stored")));
    }
    let audit = server.cli(&["audit", "tail", "--limit", "100"]);
    let audit = String::from_utf8(audit.stdout).unwrap();
    for action in ["chat.read", "chat.export", "chat.clear", "session.end"] {
        assert!(
            audit.contains(&format!("  {action}  ")),
            "{action}: {audit}"
        );
    }
}

fn nobody() -> Value {
    json!({"kind": "none"})
}

/// A program with a key.
struct Desk {
    http: String,
    key: String,
}

impl Desk {
    /// Makes a key as `words` say.
    fn of(server: &Server, words: &[&str]) -> Self {
        let made = server.cli_json(&[&["key", "create", "Desk"], words].concat());
        Desk {
            http: server.ready()["http"].as_str().unwrap().to_owned(),
            key: made["text"].as_str().unwrap().to_owned(),
        }
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, None)
    }

    fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, Some(body))
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let (status, text) = self.send(method, path, body);
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    fn text(&self, path: &str) -> (u16, String) {
        self.send("GET", path, None)
    }

    fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
        let mut stream = connect(&self.http);
        let host = self.http.trim_start_matches("http://");
        let (kind, body) = match body {
            Some(body) => ("content-type: application/json\r\n", body.to_string()),
            None => ("", String::new()),
        };
        // An answer of HTTP/1.0 comes without marks between its pieces.
        write!(
            stream,
            "{method} /api/v1{path} HTTP/1.0\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
             {kind}content-length: {}\r\n\r\n{body}",
            self.key,
            body.len(),
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        (status, body.to_owned())
    }
}

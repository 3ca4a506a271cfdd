//! API keys, from the command line to the API and back.

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::server::{Server, connect, folder};

#[tokio::test]
async fn a_key_of_the_command_line_is_let_in_until_it_is_revoked() {
    let server = Server::start("keys");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    for room in ["desk", "board"] {
        server.cli_json(&["room", "create", room]);
    }
    let made = server.cli_json(&[
        "key",
        "create",
        "Desk",
        "--level",
        "user",
        "--room",
        "desk",
        "--expires",
        "90d",
    ]);
    let (id, first) = (made["id"].as_str().unwrap(), made["text"].as_str().unwrap());
    assert_eq!(made["level"], "user");
    assert_eq!(get(&http, "/rooms/desk", first).0, 200);
    assert_eq!(get(&http, "/rooms/board", first).0, 404);
    let (status, problem) = get(&http, "/api-keys", first);
    assert_eq!(
        (status, &problem["code"]),
        (403, &json!("insufficient_scope"))
    );
    let (_, rooms) = get(&http, "/rooms", first);
    assert_eq!(rooms["data"][0]["slug"], "desk");
    assert_eq!(rooms["data"][1], Value::Null, "{rooms}");

    let rotated = server.cli_json(&["key", "rotate", id, "--overlap", "1h"]);
    let second = rotated["text"].as_str().unwrap();
    assert_eq!(get(&http, "/rooms/desk", first).0, 200);
    assert_eq!(get(&http, "/rooms/desk", second).0, 200);
    let rotated = server.cli_json(&["key", "rotate", id, "--overlap", "0"]);
    let third = rotated["text"].as_str().unwrap();
    assert_eq!(get(&http, "/rooms/desk", second).0, 401);
    assert_eq!(get(&http, "/rooms/desk", third).0, 200);

    let set = server.cli_json(&["key", "set", id, "--network", "192.0.2.0/24"]);
    assert_eq!(set["networks"], json!(["192.0.2.0/24"]));
    let (status, problem) = get(&http, "/rooms/desk", third);
    assert_eq!(
        (status, &problem["code"]),
        (403, &json!("network_not_allowed"))
    );
    server.cli_json(&["key", "set", id, "--all-networks"]);
    assert_eq!(get(&http, "/rooms/desk", third).0, 200);

    let revoked = server.cli(&["key", "revoke", id]);
    assert!(revoked.status.success(), "{revoked:?}");
    assert_eq!(get(&http, "/rooms/desk", third).0, 401);
    let shown = server.cli_json(&["key", "show", id]);
    assert_eq!(shown["state"], "revoked");
    let audit = server.cli(&["audit", "tail", "--limit", "100"]);
    let audit = String::from_utf8(audit.stdout).unwrap();
    for action in [
        "key.create",
        "key.rotate",
        "key.update",
        "key.use",
        "key.revoke",
    ] {
        assert!(
            audit.contains(&format!("  {action}  ")),
            "{action}: {audit}"
        );
    }
    assert!(!audit.contains(third));
}

#[test]
fn a_key_is_made_without_a_server_and_printed_once() {
    let folder = folder("keys-offline");
    let mut server = Server::start_in(folder.clone());
    server.signal("TERM");
    server.process.wait().unwrap();
    let made = server.cli(&["key", "create", "Ops", "--level", "instance-admin"]);
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(text.contains("not shown again"), "{text}");
    let key = text
        .lines()
        .find_map(|line| line.strip_prefix("key "))
        .unwrap()
        .trim();
    let list = server.cli(&["key", "list"]);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(
        list.contains("Ops") && list.contains("admin") && !list.contains(key),
        "{list}"
    );

    let server = Server::start_in(folder);
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    assert_eq!(get(&http, "/api-keys", key).0, 200);
    let refused = server.cli(&["key", "create", "Desk", "--level", "user"]);
    assert_eq!(
        refused.status.code(),
        Some(2),
        "a user key needs rooms: {refused:?}"
    );
}

/// Asks the API over plain HTTP, as a program with a key does.
fn get(http: &str, path: &str, key: &str) -> (u16, Value) {
    let mut stream = connect(http);
    let host = http.trim_start_matches("http://");
    write!(
        stream,
        "GET /api/v1{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         authorization: Bearer {key}\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or_default())
}

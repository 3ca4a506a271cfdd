//! The commands of an operator, asked of a server elsewhere with a key.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use super::host;
use crate::link::Guest;
use crate::server::{Server, conclave, errors};

/// Somebody with a key, and the certificates of the server.
struct Remote {
    url: String,
    ca: String,
    key: String,
}

impl Remote {
    fn of(server: &Server, key: &Value) -> Self {
        let https = server.ready()["https"].as_str().unwrap().to_owned();
        let port = https.rsplit(':').next().unwrap();
        let ca = server.folder.join("data/dev-certificate.pem");
        Remote {
            url: format!("https://localhost:{port}"),
            ca: ca.to_str().unwrap().to_owned(),
            key: key["text"].as_str().unwrap().to_owned(),
        }
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut command = conclave();
        command.args(words).args(["--server", &self.url]);
        command
            .args(["--ca", &self.ca])
            .env("CONCLAVE_KEY", &self.key);
        command.output().unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--output", "json"]].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_key_moderates_its_rooms_from_elsewhere() {
    let server = Server::start("cli-remote");
    let http = server.ready()["http"].as_str().unwrap().to_owned();
    let made = server.cli_json(&["room", "create", "club", "lobby=off"]);
    server.cli_json(&["room", "create", "board"]);
    let key = ["key", "create", "Desk", "--level", "user", "--room", "club"];
    let remote = Remote::of(&server, &server.cli_json(&key));
    let nobody = || json!({"kind": "none"});
    let mut ada = host(&http, &made).await;
    let mut bob = Guest::open(&http).await;
    let joined = bob.join("club", nobody(), "Bob").await;
    let bob_id = joined["ok"]["self"]["id"].as_str().unwrap();

    let rooms = remote.json(&["room", "list"]);
    assert_eq!(rooms.as_array().unwrap().len(), 1, "{rooms}");
    let live = remote.json(&["session", "list", "--live"]);
    assert_eq!(live[0]["slug"], "club", "{live}");
    let people = remote.json(&["session", "people", "club"]);
    assert_eq!(people[1]["name"], "Bob", "{people}");
    remote.json(&["session", "remove", "club", bob_id, "--reason", "Music"]);
    assert_eq!(bob.close_code().await, Some(4403));
    let people = remote.json(&["session", "people", "club"]);
    assert_eq!(people.as_array().unwrap().len(), 1);

    let foreign = remote.run(&["room", "show", "board"]);
    assert_eq!(foreign.status.code(), Some(1), "{foreign:?}");
    let beyond = remote.run(&["key", "list"]);
    assert_eq!(beyond.status.code(), Some(1), "{beyond:?}");
    let table = server.folder.join("people.csv");
    fs::write(&table, "name\nGrace\n").unwrap();
    let made = remote.json(&["invite", "bulk", "club", table.to_str().unwrap()]);
    assert_eq!(made["count"], 1);

    let ended = remote.run(&["session", "end", "club"]);
    assert!(ended.status.success(), "{ended:?}");
    assert!(ada.close_code().await.is_some());
    let audit = server.cli(&["audit", "tail", "--limit", "100"]);
    let audit = String::from_utf8(audit.stdout).unwrap();
    let line = audit
        .lines()
        .find(|line| line.contains("participant.remove"));
    assert!(line.unwrap().contains("  key_"), "{audit}");
}

#[test]
fn nobody_gets_the_key_who_is_not_the_server() {
    let server = Server::start("cli-trust");
    let key = server.cli_json(&["key", "create", "Wall", "--level", "admin"]);
    let remote = Remote::of(&server, &key);
    let file = server.folder.join("key");
    fs::write(&file, format!("{}\n", remote.key)).unwrap();
    let file = file.to_str().unwrap();
    let run = |words: &[&str]| {
        let mut command = conclave();
        command.args(["room", "list"]).args(words).output().unwrap()
    };
    let (url, ca) = (remote.url.as_str(), remote.ca.as_str());
    let http = server.ready()["http"].as_str().unwrap().to_owned();

    let by_file = run(&["--server", url, "--ca", ca, "--key-file", file]);
    assert!(by_file.status.success(), "{by_file:?}");
    let in_the_clear = run(&["--server", &http, "--key-file", file]);
    assert!(in_the_clear.status.success(), "{in_the_clear:?}");
    let unknown = run(&["--server", url, "--key-file", file]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    let unreachable = ["--server", "https://localhost:1", "--ca", ca];
    let unreachable = run(&[&unreachable[..], &["--key-file", file]].concat());
    assert_eq!(unreachable.status.code(), Some(1), "{unreachable:?}");
    for (words, why) in [
        (&["--server", url, "--ca", ca][..], "CONCLAVE_KEY"),
        (
            &["--server", "http://192.0.2.1", "--key-file", file],
            "https://",
        ),
        (&["--server", url, "--key-file", ca], "no API key"),
        (&["--key-file", file], "--server"),
        (&["--server", url, "--data-dir", "x"], "--data-dir"),
    ] {
        let refused = run(words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {refused:?}");
        assert!(errors(&refused).contains(why), "{words:?}: {refused:?}");
    }

    // The key is no setting, for commands on this machine neither.
    let data = server.folder.join("data");
    let mut local = conclave();
    local.args(["room", "list", "--data-dir"]).arg(data);
    let local = local.env("CONCLAVE_KEY", &remote.key).output().unwrap();
    assert!(local.status.success(), "{local:?}");
}

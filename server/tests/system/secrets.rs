//! What is secret is neither in the log nor readable in the database.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::link::Guest;
use crate::server::{Server, conclave, folder};

#[tokio::test]
async fn a_log_of_everything_holds_no_secret_and_no_name() {
    let folder = folder("secrets");
    let log = folder.join("log");
    let mut command = conclave();
    command
        .env("CONCLAVE_LOG__FILTER", "trace,tungstenite::protocol=trace")
        .stderr(fs::File::create(&log).unwrap());
    let mut server = Server::spawn(folder.clone(), command);
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();

    let made = with_password(
        &server,
        &["room", "create", "vault"],
        "correct horse battery",
    );
    let host_secret = secret_of(made["host_link"].as_str().unwrap());
    with_password(&server, &["room", "set", "vault"], "staple of the battery");
    let invite = [
        "invite",
        "create",
        "vault",
        "--name",
        "Grace Hopper",
        "--max-uses",
        "1",
    ];
    let invite = [&invite[..], &["--note", "Brings her moth"]].concat();
    let invite = server.cli_json(&invite);
    let invite_secret = secret_of(invite["link"].as_str().unwrap());
    server.cli_json(&["room", "set", "vault", "lobby_message=Mind the step"]);

    let by_invite = |secret: &str| json!({"kind": "invite", "secret": secret});
    let by_password = |password: &str| json!({"kind": "password", "password": password});
    let mut host = Guest::open(http).await;
    let hosting = host
        .join("vault", by_invite(&host_secret), "Ada Lovelace")
        .await;
    assert_eq!(hosting["ok"]["self"]["role"], "host", "{hosting}");
    let mut guest = Guest::open(http).await;
    let wrong = by_password("incorrect horse battery");
    let refused = guest.join("vault", wrong, "Charles Babbage").await;
    assert_eq!(refused["error"]["code"], "bad_credentials", "{refused}");
    let right = by_password("staple of the battery");
    let joined = guest.join("vault", right, "Charles Babbage").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    let mut invited = Guest::open(http).await;
    let admitted = invited
        .join("vault", by_invite(&invite_secret), "Grace Hopper")
        .await;
    assert!(admitted["error"].is_null(), "{admitted}");
    for words in [
        &["room", "show", "vault"][..],
        &["invite", "list", "vault"],
        &["ban", "list", "vault"],
    ] {
        server.cli_json(words);
    }
    let verified = server.cli_json(&["audit", "verify"]);
    assert_eq!(verified["intact"], true, "{verified}");
    let audit = server.cli(&["audit", "export"]);
    let audit = String::from_utf8(audit.stdout).unwrap();

    server.signal("TERM");
    host.close_code().await;
    server.process.wait().unwrap();

    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("\"message\":\"ended\""), "{text}");
    assert!(text.contains("audit checkpoint"), "{text}");
    let tokens = [&hosting, &joined].map(|joined| &joined["ok"]["resume_token"]);
    let tokens = tokens.map(|token| token.as_str().unwrap());
    let secrets = [
        "correct horse battery",
        "staple of the battery",
        host_secret.as_str(),
        invite_secret.as_str(),
        host.device_key.as_str(),
        guest.device_key.as_str(),
        tokens[0],
        tokens[1],
        "Ada Lovelace",
        "Charles Babbage",
        "Grace Hopper",
        "Brings her moth",
    ];
    for secret in secrets.into_iter().chain(["Mind the step"]) {
        assert!(!text.contains(secret), "the log holds {secret}");
        assert!(!audit.contains(secret), "the audit log holds {secret}");
    }
    for file in fs::read_dir(folder.join("data")).unwrap() {
        let path = file.unwrap().path();
        if path
            .file_name()
            .is_some_and(|name| name == "dev-host-secret")
        {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for secret in secrets {
            let is_there = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!is_there, "{} holds {secret}", path.display());
        }
    }
}

/// Runs a command that reads a password, and returns what it prints for programs.
fn with_password(server: &Server, words: &[&str], password: &str) -> serde_json::Value {
    let mut process = conclave()
        .args(words)
        .args(["--password-stdin", "--output", "json", "--data-dir"])
        .arg(server.folder.join("data"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    writeln!(input, "{password}").unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn secret_of(link: &str) -> String {
    link.split_once("#i=").unwrap().1.to_owned()
}

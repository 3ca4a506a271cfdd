//! Webhooks of a whole server: made at the command line, called on loopback, which the test allows on purpose.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use conclave_server_core::webhook::record::SigningSecret;
use conclave_server_core::webhook::signature::verify;
use conclave_signalling_wire::time::Timestamp;
use serde_json::{Value, json};

use crate::link::Guest;
use crate::server::{Server, conclave, errors, folder};

#[tokio::test]
async fn who_comes_is_told_though_the_receiver_and_the_server_fail_at_first() {
    let receiver = Receiver::new();
    let folder = folder("webhooks");
    let mut server = start(folder.clone());
    let made = server.cli_json(&[
        "webhook",
        "create",
        &receiver.url,
        "--event",
        "participant.joined",
        "--include-pii",
        "true",
    ]);
    let (id, secret) = (text(&made["id"]), text(&made["secret"]));
    let shown = server.cli_json(&["webhook", "show", &id]);
    assert!(shown["secret"].is_null(), "{shown}");

    let http = text(&server.ready()["http"]);
    let mut guest = Guest::open(&http).await;
    let joined = guest.join("welcome", json!({"kind": "none"}), "Ada").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");

    // The receiver fails; before it is tried again the server is killed.
    let first = receiver.answer(500, &secret);
    assert_eq!(first["type"], "participant.joined");
    assert_eq!(first["data"]["name"], "Ada");
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let killed = server;
    let server = start(folder);
    std::mem::forget(killed);

    let again = receiver.answer(204, &secret);
    assert_eq!(again, first, "the same event, byte by byte");
    let delivered = until(&server, &id, "delivered");
    assert_eq!(delivered[0]["event"]["id"], first["id"]);

    // A new secret signs with the former one for a while.
    let rotated = server.cli_json(&["webhook", "rotate", &id, "--overlap-s", "60"]);
    let new = text(&rotated["secret"]);
    assert_ne!(new, secret);
    let delivery = text(&delivered[0]["id"]);
    let once_more = server.cli_json(&["webhook", "redeliver", &delivery]);
    assert_eq!(once_more["state"], "pending");
    let request = receiver.take(204);
    assert!(request.is_by(&secret) && request.is_by(&new));

    // A test is answered at once, whatever the receiver says.
    let (status, tested) = std::thread::scope(|scope| {
        let test = scope.spawn(|| server.cli(&["webhook", "test", &id, "--output", "json"]));
        let request = receiver.take(302);
        assert!(request.is_by(&new));
        let output = test.join().unwrap();
        let tested: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status, tested)
    });
    assert!(status.success());
    assert_eq!(
        (&tested["ok"], &tested["error"]),
        (&json!(false), &json!("redirect"))
    );

    let off = server.cli_json(&["webhook", "set", &id, "--enabled", "false"]);
    assert_eq!(off["enabled"], false);
    assert!(server.cli(&["webhook", "delete", &id]).status.success());
    assert_eq!(server.cli_json(&["webhook", "list"]), json!([]));
}

#[tokio::test]
async fn an_end_is_told_of_before_it_and_what_it_ends_after_the_next_start() {
    let receiver = Receiver::new();
    let folder = folder("webhooks-end");
    let mut server = start(folder.clone());
    let made = server.cli_json(&[
        "webhook",
        "create",
        &receiver.url,
        "--event",
        "system.drain",
        "--event",
        "session.ended",
    ]);
    let secret = text(&made["secret"]);
    let mut guest = Guest::open(&text(&server.ready()["http"])).await;
    let joined = guest.join("welcome", json!({"kind": "none"}), "Ada").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");

    server.signal("TERM");
    let drain = receiver.answer(204, &secret);
    assert_eq!(drain["type"], "system.drain");
    assert_eq!(drain["data"], json!({"deadline_s": 0}));
    assert_eq!(server.process.wait().unwrap().code(), Some(0));

    let ended = server;
    let _server = start(folder);
    std::mem::forget(ended);
    let session = receiver.answer(204, &secret);
    assert_eq!(session["type"], "session.ended");
    let data = &session["data"];
    let (reason, by, people) = (&data["reason"], &data["by"], &data["people"]);
    assert_eq!(
        (reason, by, people),
        (&json!("drained"), &json!(null), &json!(1))
    );
}

#[test]
fn private_targets_are_refused_by_default() {
    let server = Server::start("webhook-targets");
    for url in [
        "http://127.0.0.1:9/",
        "https://127.0.0.1/",
        "https://192.168.1.1/",
        "https://[::1]/",
        "http://example.org/",
    ] {
        let refused = server.cli(&["webhook", "create", url]);
        assert_eq!(refused.status.code(), Some(2), "{url}");
        assert!(errors(&refused).contains("`url`"), "{}", errors(&refused));
    }
    // A name is looked at when it is called.
    let made = server.cli_json(&["webhook", "create", "https://localhost/"]);
    let tested = server.cli_json(&["webhook", "test", &text(&made["id"])]);
    assert_eq!(tested["error"], "target_refused");
}

fn start(folder: std::path::PathBuf) -> Server {
    let config = folder.join("webhooks.toml");
    std::fs::write(&config, "[webhooks]\nallow = [\"127.0.0.1\"]\n").unwrap();
    let log = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command: Command = conclave();
    command.stderr(log);
    let config = config.to_str().unwrap().to_owned();
    Server::spawn_with(folder, command, &["--config", &config])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Waits until the newest delivery is in a state. Each look is a process, so this is no busy loop.
fn until(server: &Server, id: &str, state: &str) -> Value {
    loop {
        let deliveries = server.cli_json(&["webhook", "deliveries", id]);
        if deliveries[0]["state"] == state {
            return deliveries;
        }
    }
}

/// Whoever is called.
struct Receiver {
    listener: TcpListener,
    url: String,
}

struct Request {
    head: String,
    body: String,
}

impl Receiver {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        Receiver { listener, url }
    }

    /// Waits for a call, answers it with a status, and returns it.
    fn take(&self, status: u16) -> Request {
        let (mut stream, _) = self.listener.accept().unwrap();
        let request = Request::read(&mut stream);
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            self.url
        )
        .unwrap();
        request
    }

    /// As [`Receiver::take`]; the signature must be right. Returns the body.
    fn answer(&self, status: u16, secret: &str) -> Value {
        let request = self.take(status);
        assert!(request.is_by(secret), "{}", request.head);
        serde_json::from_str(&request.body).unwrap()
    }
}

impl Request {
    fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "the request broke off");
            bytes.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&bytes);
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let request = Request {
                head: head.to_owned(),
                body: body.to_owned(),
            };
            let length: usize = request.header("content-length").parse().unwrap();
            if request.body.len() >= length {
                return request;
            }
        }
    }

    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(other, _)| *other == name).unwrap().1
    }

    fn is_by(&self, secret: &str) -> bool {
        let headers = (
            self.header("webhook-id"),
            self.header("webhook-timestamp"),
            self.header("webhook-signature"),
        );
        let secret = SigningSecret::parse(secret).unwrap();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = Timestamp::from_unix_ms(since.as_millis() as u64);
        verify(&secret, headers, self.body.as_bytes(), now).is_ok()
    }
}

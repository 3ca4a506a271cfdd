//! The end of a server while people meet.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::link::Guest;
use crate::server::{Server, conclave, folder, get_clear};

const DEADLINE_S: u64 = 600;

fn start(test: &str) -> Server {
    let folder = folder(test);
    let mut command = conclave();
    command
        .env("CONCLAVE_DRAIN__DEADLINE_S", DEADLINE_S.to_string())
        .stderr(fs::File::create(folder.join("log")).unwrap());
    Server::spawn(folder, command)
}

#[tokio::test]
async fn a_meeting_goes_on_after_the_order_to_end_and_no_other_begins() {
    let mut server = start("drain");
    let ready = server.ready();
    let (http, admin) = (ready["http"].as_str().unwrap(), &ready["admin"]);
    let made = server.cli(&[
        "room",
        "create",
        "second",
        "lobby=off",
        "start_without_host=true",
    ]);
    assert!(made.status.success(), "{made:?}");
    let nothing = || json!({"kind": "none"});
    let mut ada = Guest::open(http).await;
    ada.join("welcome", nothing(), "Ada").await;
    let mut bob = Guest::open(http).await;
    bob.join("welcome", nothing(), "Bob").await;

    let told = Instant::now();
    server.signal("TERM");
    for guest in [&mut ada, &mut bob] {
        let draining = guest.push("server.draining").await;
        assert_eq!(draining["deadline_s"], DEADLINE_S);
    }
    let readiness = get_clear(admin.as_str().unwrap(), "/readyz");
    assert!(readiness.starts_with("HTTP/1.1 503"), "{readiness}");
    assert!(readiness.contains("draining"), "{readiness}");
    let metrics = get_clear(admin.as_str().unwrap(), "/metrics");
    assert!(metrics.contains("\nconclave_draining 1\n"), "{metrics}");

    let mut cem = Guest::open(http).await;
    let refused = cem.join("second", nothing(), "Cem").await;
    assert_eq!(refused["error"]["code"], "not_available", "{refused}");
    let joined = cem.join("welcome", nothing(), "Cem").await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    assert_eq!(
        bob.push("participant.joined").await["participant"]["name"],
        "Cem"
    );
    assert!(server.process.try_wait().unwrap().is_none());

    for mut guest in [ada, bob, cem] {
        let left = guest.ask("leave", json!({})).await;
        assert!(left.get("ok").is_some(), "{left}");
    }
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(DEADLINE_S));
}

#[tokio::test]
async fn whoever_says_it_twice_does_not_wait_for_the_meeting() {
    let mut server = start("drain-twice");
    let ready = server.ready();
    let mut ada = Guest::open(ready["http"].as_str().unwrap()).await;
    ada.join("welcome", json!({"kind": "none"}), "Ada").await;
    server.signal("TERM");
    ada.push("server.draining").await;
    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(1));
}

#[test]
fn the_service_manager_hears_of_the_start_and_of_the_end() {
    let folder = folder("notify");
    let socket = folder.join("manager");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let mut command = conclave();
    command
        .env("NOTIFY_SOCKET", &socket)
        .env("CONCLAVE_DRAIN__DEADLINE_S", "7")
        .stderr(fs::File::create(folder.join("log")).unwrap());
    let mut server = Server::spawn(folder, command);
    let hear = || {
        let mut heard = [0; 256];
        let length = manager.recv(&mut heard).unwrap();
        String::from_utf8_lossy(&heard[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1\n");
    server.signal("TERM");
    assert_eq!(hear(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=27000000\n");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}

//! Where the relay is, and who gets a credential for it.

use std::sync::Arc;

use axum::http::HeaderValue;
use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::relay::Relay;
use conclave_signalling_wire::objects::IceServer;
use serde_json::json;
use tokio::time::Duration;

use crate::stage::{ORIGIN, Server, join};

/// A relay that says with what it was asked, but for the random part.
#[derive(Debug)]
struct Plain;

fn server(host: &str, whose: &str, unix_s: u64) -> IceServer {
    IceServer {
        urls: vec![format!("turn:{host}")],
        username: format!("{whose}:{unix_s}"),
        credential: String::new(),
        ttl_s: 600,
    }
}

impl Relay for Plain {
    fn member(&self, _: MemberKey, host: &str, unix_s: u64, _: [u8; 8]) -> Vec<IceServer> {
        vec![server(host, "member", unix_s)]
    }

    fn test(&self, host: &str, unix_s: u64, _: [u8; 8]) -> Option<IceServer> {
        Some(server(host, "test", unix_s))
    }
}

const OFFICE: &str = "https://office.example.org:8443";

async fn with_relay() -> Server {
    Server::with(|config| {
        config.relay = Some(Arc::new(Plain));
        config.origin_allowed = Arc::new(|origin| [ORIGIN, OFFICE].contains(&origin));
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_test_gets_one_whether_there_is_such_a_room_or_not() {
    let server = with_relay().await;
    let mut client = server.greeted().await;
    let mut tests = Vec::new();
    for room in ["welcome", "nowhere"] {
        let summary = client.ask("room.info", json!({"room": room})).await;
        assert_eq!(summary["ok"]["relay"], true);
        assert_eq!(
            summary["ok"]["connection_test"],
            json!(null),
            "nobody asked for it"
        );
        let asked = json!({"room": room, "connection_test": true});
        let summary = client.ask("room.info", asked).await;
        assert_eq!(summary["ok"]["relay"], true);
        tests.push(summary["ok"]["connection_test"].clone());
    }
    assert_eq!(tests[0], tests[1]);
    assert_eq!(tests[0]["urls"], json!(["turn:meet.example.org"]));
    assert_eq!(tests[0]["username"], "test:1700000000");
    let refused = client.ask("turn.refresh", json!({})).await;
    assert_eq!(refused["error"]["code"], "bad_request");
}

#[tokio::test(start_paused = true)]
async fn the_relay_is_named_by_the_host_of_the_page() {
    let server = with_relay().await;
    let (mut ada, joined) = server.joined("welcome", "Ada", 1).await;
    let told = json!([{
        "urls": ["turn:meet.example.org"], "username": "member:1700000000", "credential": "", "ttl_s": 600
    }]);
    assert_eq!(joined["ice_servers"], told);
    let office = HeaderValue::from_static(OFFICE);
    let mut bob = server
        .open(|request| drop(request.headers_mut().insert("origin", office)))
        .await
        .ok()
        .unwrap();
    bob.ask("hello", json!({"protocol": 1, "client": "test/1"}))
        .await;
    let joined = bob.ask("join", join("welcome", "Bob", 2)).await;
    let of_bob = &joined["ok"]["ice_servers"][0]["urls"];
    assert_eq!(*of_bob, json!(["turn:office.example.org"]));
    server.sleep(Duration::from_secs(9)).await;
    let fresh = ada.ask("turn.refresh", json!({})).await;
    assert_eq!(
        fresh["ok"]["ice_servers"][0]["username"],
        "member:1700000009"
    );
}

//! What a link may not do, and what happens then.

use conclave_sfu_wire::control::Event;
use futures_util::SinkExt;
use serde_json::json;
use tokio::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use crate::stage::{Server, join};

#[tokio::test(start_paused = true)]
async fn only_pages_of_an_allowed_origin_open_a_link() {
    let server = Server::start().await;
    let missing = server
        .open(|request| drop(request.headers_mut().remove("origin")))
        .await;
    assert_eq!(missing.err(), Some(403));
    for origin in [
        "https://evil.example",
        "null",
        "https://meet.example.org.evil.example",
        "\u{e4}",
    ] {
        let value = HeaderValue::from_bytes(origin.as_bytes()).unwrap();
        let refused = server
            .open(|request| drop(request.headers_mut().insert("origin", value)))
            .await;
        assert_eq!(refused.err(), Some(403), "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_subprotocol_has_to_be_offered() {
    let server = Server::start().await;
    let without = server
        .open(|request| drop(request.headers_mut().remove("sec-websocket-protocol")))
        .await;
    assert_eq!(without.err(), Some(400));
    let among = HeaderValue::from_static("soap, conclave.v1");
    let client = server
        .open(|request| {
            drop(
                request
                    .headers_mut()
                    .insert("sec-websocket-protocol", among),
            )
        })
        .await;
    assert!(client.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_source_has_so_many_links() {
    let server = Server::with(|config| config.links_per_source = 2).await;
    let first = server.link().await;
    let _second = server.link().await;
    assert_eq!(server.open(|_| {}).await.err(), Some(429));
    drop(first);
    server.sleep(Duration::from_secs(2)).await;
    assert!(server.open(|_| {}).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_source_joins_so_often() {
    let server = Server::with(|config| {
        config.joins_per_source_per_s = 1;
        config.joins_per_source_burst = 2;
    })
    .await;
    drop(server.joined("welcome", "Ghost", 1).await);
    drop(server.joined("welcome", "Ghost", 2).await);
    let mut ada = server.greeted().await;
    for room in ["welcome", "nowhere"] {
        let refused = ada.ask("join", join(room, "Ada", 3)).await;
        assert_eq!(refused["error"]["code"], "rate_limited");
        assert_eq!(refused["error"]["retry_after_s"], 1);
    }
    assert_eq!(server.node.stats().participants, 2);
    server.sleep(Duration::from_secs(1)).await;
    let joined = ada.ask("join", join("welcome", "Ada", 3)).await;
    assert_eq!(joined["ok"]["outcome"], "joined");
}

#[tokio::test(start_paused = true)]
async fn the_server_has_so_many_links() {
    let server = Server::with(|config| config.links_max = 1).await;
    let _first = server.link().await;
    assert_eq!(server.open(|_| {}).await.err(), Some(503));
}

#[tokio::test(start_paused = true)]
async fn hello_is_due_within_five_seconds() {
    let server = Server::start().await;
    let start = Instant::now();
    let mut client = server.link().await;
    assert_eq!(server.later(client.closed()).await, 4401);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_join_is_due_within_ten_minutes() {
    let server = Server::start().await;
    let start = Instant::now();
    // Reading answers the pings meanwhile.
    let mut client = server.greeted().await;
    assert_eq!(server.later(client.closed()).await, 4401);
    assert_eq!(start.elapsed().as_secs(), 600);
}

#[tokio::test(start_paused = true)]
async fn before_a_join_there_are_twenty_messages() {
    let server = Server::start().await;
    let mut client = server.greeted().await;
    for _ in 0..20 {
        assert!(
            client
                .ask("room.info", json!({"room": "welcome"}))
                .await
                .get("ok")
                .is_some()
        );
    }
    client.send("room.info", json!({"room": "welcome"})).await;
    assert_eq!(client.closed().await, 4429);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_closes_the_link() {
    let server = Server::start().await;
    for message in [
        Message::text("hello"),
        Message::text(r#"{"type":"leave","data":{}}"#),
        Message::binary(vec![1, 2, 3]),
        Message::text(format!(
            r#"{{"id":1,"type":"hello","data":{}1{}}}"#,
            "[".repeat(20),
            "]".repeat(20)
        )),
    ] {
        let mut client = server.greeted().await;
        client.socket.send(message).await.unwrap();
        assert_eq!(client.closed().await, 4400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_hello_closes_the_link() {
    let server = Server::start().await;
    let mut client = server.link().await;
    client
        .send("hello", json!({"protocol": 1, "client": "x".repeat(4096)}))
        .await;
    assert_eq!(client.closed().await, 4400);
}

#[tokio::test(start_paused = true)]
async fn another_version_is_refused_and_closed() {
    let server = Server::start().await;
    let mut client = server.link().await;
    let refused = client
        .ask("hello", json!({"protocol": 2, "client": "test/1"}))
        .await;
    assert_eq!(refused["error"]["code"], "version_unsupported");
    assert_eq!(client.closed().await, 4400);
}

#[tokio::test(start_paused = true)]
async fn long_messages_are_refused_and_longer_ones_close_the_link() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let long = ada
        .ask("participant.rename", json!({"name": "x".repeat(20_000)}))
        .await;
    assert_eq!(long["error"]["code"], "too_large");
    let offer = ada
        .ask(
            "media.offer",
            json!({"generation": 1, "sdp": "v".repeat(60_000)}),
        )
        .await;
    assert!(offer.get("ok").is_some());
    let text = json!({"id": 99, "type": "media.offer", "data": {"generation": 1, "sdp": "v".repeat(140_000)}});
    // The server stops reading in the middle of it.
    let _ = ada.socket.send(Message::text(text.to_string())).await;
    assert_eq!(ada.closed().await, 4400);
}

#[tokio::test(start_paused = true)]
async fn unknown_requests_and_bad_data_are_answered() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    assert_eq!(
        ada.ask("poll.vote", json!({"text": "hi"})).await["error"]["code"],
        "unknown_type"
    );
    let bad = ada
        .ask("track.state", json!({"source": "camera", "muted": "yes"}))
        .await;
    assert_eq!(
        (&bad["error"]["code"], &bad["error"]["field"]),
        (&json!("bad_request"), &json!("muted"))
    );
    assert_eq!(
        ada.ask("join", join("welcome", "Ada", 1)).await["error"]["code"],
        "bad_request"
    );
}

#[tokio::test(start_paused = true)]
async fn too_many_messages_close_the_link() {
    let server = Server::start().await;
    let (mut ada, joined) = server.joined("welcome", "Ada", 1).await;
    for _ in 0..61 {
        let rename = json!({"participant": joined["self"]["id"], "name": "Ada"});
        ada.send("participant.rename", rename).await;
    }
    assert_eq!(ada.closed().await, 4429);
    assert_eq!(server.node.stats().participants, 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_link_is_closed_and_a_listening_one_is_not() {
    let server = Server::start().await;
    let (mut silent, _) = server.joined("welcome", "Ada", 1).await;
    let (mut listening, _) = server.joined("welcome", "Bob", 2).await;
    let listener = tokio::spawn(async move { listening.push_of("participant.left").await });
    server.sleep(Duration::from_secs(61)).await;
    assert_eq!(silent.closed().await, 4408);
    let left = server.later(listener).await.unwrap();
    assert_eq!(left["data"]["reason"], "connection_lost");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_is_closed() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let room = server.shard.room.lock().unwrap().unwrap();
    for _ in 0..6000 {
        let levels = Vec::new();
        server.shard.say(Event::Quality { room, levels }).await;
    }
    assert_eq!(ada.closed().await, 4430);
    assert_eq!(server.node.stats().participants, 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_link_whose_peer_does_not_read_is_soon_gone() {
    let server = Server::start().await;
    let (mut ada, joined) = server.joined("welcome", "Ada", 1).await;
    let room = server.shard.room.lock().unwrap().unwrap();
    // More than the stream holds, less than may wait.
    for _ in 0..3000 {
        let levels = Vec::new();
        server.shard.say(Event::Quality { room, levels }).await;
    }
    for _ in 0..61 {
        let rename = json!({"participant": joined["self"]["id"], "name": "Ada"});
        ada.send("participant.rename", rename).await;
    }
    for _ in 0..30 {
        // The server no longer listens in the end.
        let _ = ada.socket.send(Message::Pong(Vec::new().into())).await;
        server.sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.node.stats().links, 0);
    // The close never found its way through what was not read.
    assert_eq!(server.later(ada.closed()).await, 0);
}

#[tokio::test(start_paused = true)]
async fn too_many_control_frames_close_the_link() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    for _ in 0..20 {
        ada.socket
            .send(Message::Ping(Vec::new().into()))
            .await
            .unwrap();
    }
    server.sleep(Duration::from_millis(200)).await;
    let pong = Message::Pong(Vec::new().into());
    ada.socket.send(pong.clone()).await.unwrap();
    assert!(ada.ask("leave", json!({})).await.get("ok").is_some());
    let (mut bob, _) = server.joined("welcome", "Bob", 2).await;
    for _ in 0..21 {
        bob.socket.send(pong.clone()).await.unwrap();
    }
    assert_eq!(bob.closed().await, 4429);
}

#[tokio::test(start_paused = true)]
async fn pings_do_not_hold_a_link_that_answers_none() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    for _ in 0..12 {
        server.sleep(Duration::from_millis(4900)).await;
        ada.socket
            .send(Message::Ping(Vec::new().into()))
            .await
            .unwrap();
    }
    server.sleep(Duration::from_secs(2)).await;
    assert_eq!(ada.closed().await, 4408);
}

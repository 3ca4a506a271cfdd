//! Waiting, and being let in or not.

use conclave_signalling_wire::objects::LobbyMode;
use serde_json::{Value, json};

use crate::stage::{Client, Server, join};

/// A room with a lobby, and its host in it.
async fn hosted(server: &Server) -> (Client, Value) {
    let room = server
        .room("guarded", |update| update.lobby = Some(LobbyMode::On))
        .await;
    let mut data = join("guarded", "Ada", 1);
    data["credential"] = json!({"kind": "invite", "secret": room.host_secret.reveal()});
    let mut host = server.greeted().await;
    let joined = host.ask("join", data).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    (host, joined["ok"].clone())
}

async fn knocking(server: &Server, name: &str, device: u8) -> (Client, Value) {
    let mut client = server.greeted().await;
    let reply = client.ask("join", join("guarded", name, device)).await;
    assert_eq!(reply["ok"]["outcome"], "lobby", "{reply}");
    (client, reply["ok"]["knock"].clone())
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_let_in_over_the_same_link() {
    let server = Server::start().await;
    let (mut ada, _) = hosted(&server).await;
    let (mut bob, knock) = knocking(&server, "Bob", 2).await;
    let update = ada.push_of("lobby.update").await;
    assert_eq!(update["data"]["entries"][0]["knock"], knock);
    let admitted = ada.ask("lobby.admit", json!({"knocks": [knock]})).await;
    assert_eq!(admitted["ok"]["results"][0]["result"], "admitted");
    loop {
        let status = bob.push_of("lobby.status").await;
        if status["data"]["state"] == "admitted" {
            assert_eq!(status["data"]["joined"]["roster"][0]["name"], "Ada");
            break;
        }
    }
    let offer = json!({"generation": 1, "sdp": "v=0"});
    assert!(bob.ask("media.offer", offer).await.get("ok").is_some());
}

#[tokio::test(start_paused = true)]
async fn who_is_denied_may_try_another_room_over_the_same_link() {
    let server = Server::start().await;
    let (mut ada, _) = hosted(&server).await;
    let (mut bob, knock) = knocking(&server, "Bob", 2).await;
    let denial = json!({"knocks": [knock], "reason": "Who are you?", "block_s": 60});
    let denied = ada.ask("lobby.deny", denial).await;
    assert_eq!(denied["ok"]["results"][0]["result"], "denied");
    loop {
        let status = bob.push_of("lobby.status").await;
        if status["data"]["state"] == "denied" {
            assert_eq!(status["data"]["reason"], "Who are you?");
            break;
        }
    }
    let refused = bob.ask("join", join("guarded", "Bob", 2)).await;
    assert!(refused.get("error").is_some(), "{refused}");
    let joined = bob.ask("join", join("welcome", "Bob", 2)).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_is_closed_and_does_not_come_back() {
    let server = Server::start().await;
    let (mut ada, _) = hosted(&server).await;
    let (mut bob, knock) = knocking(&server, "Bob", 2).await;
    ada.ask("lobby.admit", json!({"knocks": [knock]})).await;
    let status = bob.push_of("lobby.status").await;
    let bobs = &status["data"]["joined"];
    let ban = json!({"scope": "room", "ttl_s": 3600});
    let order = json!({"participant": bobs["self"]["id"], "reason": "disruptive", "ban": ban});
    let removed = ada.ask("participant.remove", order).await;
    assert!(removed.get("ok").is_some(), "{removed}");
    assert_eq!(bob.push_of("removed").await["data"]["reason"], "disruptive");
    assert_eq!(bob.closed().await, 4403);
    let resume = json!({"token": bobs["resume_token"], "last_seq": 0});
    let hello = json!({"protocol": 1, "client": "test/1", "resume": resume});
    let mut again = server.link().await;
    let refused = again.ask("hello", hello).await;
    assert_eq!(refused["error"]["code"], "resume_failed");
    let banned = again.ask("join", join("guarded", "Bob", 2)).await;
    assert_eq!(banned["error"]["code"], "banned", "{banned}");
}

#[tokio::test(start_paused = true)]
async fn a_link_need_not_wait_for_its_refusal() {
    let server = Server::start().await;
    let (mut ada, _) = hosted(&server).await;
    let locked = ada.ask("room.update", json!({"locked": true})).await;
    assert!(locked.get("ok").is_some(), "{locked}");
    let mut bob = server.greeted().await;
    let refused = bob.send("join", join("guarded", "Bob", 2)).await;
    let joined = bob.ask("join", join("welcome", "Bob", 2)).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    let first = bob.push().await;
    assert_eq!(first["id"], refused);
    assert_eq!(first["error"]["code"], "locked");
    let name = json!({"participant": joined["ok"]["self"]["id"], "name": "B."});
    let renamed = bob.ask("participant.rename", name).await;
    assert!(renamed.get("ok").is_some(), "{renamed}");
}

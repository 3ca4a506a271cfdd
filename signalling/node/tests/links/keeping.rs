//! What is kept, and that nothing is said before it is.

use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;
use serde_json::{Value, json};

use crate::stage::{Client, Server, join};

async fn host(server: &Server, room: &str, secret: &str) -> (Client, Value) {
    let mut data = join(room, "Ada", 1);
    data["credential"] = json!({"kind": "invite", "secret": secret});
    let mut host = server.greeted().await;
    let joined = host.ask("join", data).await;
    assert_eq!(joined["ok"]["self"]["role"], "host", "{joined}");
    (host, joined["ok"].clone())
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_not_acknowledged() {
    let server = Server::start().await;
    let room = server.room("third", |_| {}).await;
    let (mut ada, _) = host(&server, "third", &room.host_secret.reveal()).await;
    let (mut bob, _) = server.joined("third", "Bob", 2).await;
    server.store.close().await.unwrap();
    let refused = ada.ask("room.update", json!({"title": "Fourth"})).await;
    assert_eq!(refused["error"]["code"], "not_available", "{refused}");
    assert_eq!((ada.closed().await, bob.closed().await), (4410, 4410));
    assert_eq!(bob.kept_push("room.updated"), None);
    server.until(|stats| stats.rooms == 0).await;
    let stats = server.node.stats();
    assert_eq!((stats.participants, stats.commits_failed_total), (0, 1));
    let mut late = server.greeted().await;
    let refused = late.ask("join", join("third", "Bob", 2)).await;
    assert_eq!(refused["error"]["code"], "not_available");
}

#[tokio::test(start_paused = true)]
async fn a_restart_changes_nothing_that_was_said() {
    let server = Server::start().await;
    let room = server
        .room("third", |update| {
            update.password = Patch::Set(SecretText::new("correct horse"));
        })
        .await;
    let secret = room.host_secret.reveal();
    let (mut ada, _) = host(&server, "third", &secret).await;
    let mut data = join("third", "Bob", 2);
    data["credential"] = json!({"kind": "password", "password": "correct horse"});
    // From elsewhere: a ban reaches all of its network, if only into the lobby.
    let mut bob = server.link_from("198.51.100.7").await.greeted().await;
    let bobs = bob.ask("join", data.clone()).await["ok"]["self"]["id"].clone();
    let mut cem = server.greeted().await;
    data["device_key"] = join("third", "Cem", 3)["device_key"].clone();
    let cems = cem.ask("join", data.clone()).await["ok"]["self"].clone();
    for (verb, order) in [
        (
            "role.set",
            json!({"participant": cems["id"], "role": "presenter", "rev": cems["rev"]}),
        ),
        ("media.lock", json!({"sources": ["camera"], "on": true})),
        (
            "participant.remove",
            json!({"participant": bobs, "reason": "disruptive", "ban": {"scope": "room", "ttl_s": 3600}}),
        ),
        ("room.update", json!({"password": "battery staple"})),
    ] {
        let done = ada.ask(verb, order).await;
        assert!(done.get("ok").is_some(), "{verb}: {done}");
    }
    drop((ada, bob, cem));
    let server = server.again().await;
    let mut client = server.greeted().await;
    let refused = client.ask("join", data.clone()).await;
    assert_eq!(refused["error"]["code"], "bad_credentials");
    data["credential"]["password"] = json!("battery staple");
    let cems = client.ask("join", data.clone()).await;
    assert_eq!(cems["ok"]["self"]["role"], "presenter", "{cems}");
    assert_eq!(cems["ok"]["room"]["av_lock"]["camera"]["on"], true);
    let mut bob = server.greeted().await;
    data["device_key"] = join("third", "Bob", 2)["device_key"].clone();
    let banned = bob.ask("join", data).await;
    assert_eq!(banned["error"]["code"], "banned", "{banned}");
    let _ada = host(&server, "third", &secret).await;
}

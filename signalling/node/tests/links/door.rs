//! Who gets to a room, and what it costs to try.

use conclave_signalling_store::AuditQuery;
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;
use serde_json::{Value, json};
use tokio::time::Duration;

use crate::stage::{Client, Server, join};

const PASSWORD: &str = "correct horse";

/// Makes the room `secret`, which asks for [`PASSWORD`].
async fn with_password(server: &Server) {
    server
        .room("secret", |update| {
            update.password = Patch::Set(SecretText::new(PASSWORD));
        })
        .await;
}

fn with_credential(room: &str, credential: Value) -> Value {
    let mut data = join(room, "Ada", 1);
    data["credential"] = credential;
    data
}

fn password(room: &str, password: &str) -> Value {
    with_credential(room, json!({"kind": "password", "password": password}))
}

async fn code(client: &mut Client, data: Value) -> Value {
    client.ask("join", data).await["error"]["code"].clone()
}

#[tokio::test(start_paused = true)]
async fn an_unknown_room_answers_like_one_with_a_password_byte_for_byte() {
    let server = Server::start().await;
    with_password(&server).await;
    let credentials = [
        json!({"kind": "none"}),
        json!({"kind": "password", "password": "wrong guess"}),
        json!({"kind": "invite", "secret": "AAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"kind": "token", "jwt": "x.y.z"}),
        json!({"kind": "account"}),
    ];
    let mut answers = [Vec::new(), Vec::new()];
    for (room, answers) in ["secret", "nowhere"].into_iter().zip(&mut answers) {
        let mut client = server.link_from(&format!("192.0.2.{}", room.len())).await;
        client = client.greeted().await;
        answers.push(client.ask_raw("room.info", json!({"room": room})).await);
        for credential in &credentials {
            let data = with_credential(room, credential.clone());
            answers.push(client.ask_raw("join", data).await);
            let mut manage = json!({"room": room, "credential": credential});
            manage["device_key"] = join(room, "Ada", 1)["device_key"].clone();
            answers.push(client.ask_raw("room.manage", manage).await);
        }
    }
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0][3].contains("bad_credentials"), "{answers:?}");
    assert_eq!(server.node.stats().hashes_total, 2 + 1);
}

#[tokio::test(start_paused = true)]
async fn only_wrong_passwords_count() {
    let server = Server::start().await;
    with_password(&server).await;
    let mut clients = Vec::new();
    for device in 1..=15 {
        let mut client = server.greeted().await;
        let mut data = password("secret", PASSWORD);
        data["device_key"] = join("secret", "Ada", device)["device_key"].clone();
        let joined = client.ask("join", data).await;
        assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
        clients.push(client);
    }
    let mut eve = server.greeted().await;
    for pause in [None, None, None, Some(1), Some(2)] {
        let refused = eve.ask("join", password("secret", "wrong guess")).await;
        assert_eq!(refused["error"]["code"], "bad_credentials");
        assert_eq!(refused["error"]["field"], "credential.password");
        assert_eq!(refused["error"]["retry_after_s"], json!(pause));
        if let Some(pause) = pause {
            let early = eve.ask("join", password("secret", PASSWORD)).await;
            assert_eq!(early["error"]["code"], "rate_limited");
            assert_eq!(early["error"]["retry_after_s"], pause);
            server.sleep(Duration::from_secs(pause)).await;
        }
    }
    assert_eq!(server.node.stats().hashes_total, 1 + 15 + 5);
    server.sleep(Duration::from_secs(61)).await;
    let joins = AuditQuery {
        action: Some("join".to_owned()),
        ..AuditQuery::default()
    };
    let mut refused = Vec::new();
    while refused.len() < 2 {
        let audit = server.store.audit_tail(&joins).await.unwrap();
        let entries = audit.into_iter().map(|record| record.entry);
        let entries = entries
            .filter(|entry| entry.outcome != "ok")
            .inspect(|entry| {
                assert_eq!(entry.prefix.as_deref(), Some("192.0.2.0/24"));
                assert!(entry.room.is_some());
            });
        refused = entries
            .map(|entry| (entry.outcome, entry.detail.unwrap_or_default()))
            .collect();
    }
    let [wrong, early] = [("bad_credentials", "times=5"), ("rate_limited", "times=2")]
        .map(|(outcome, detail)| (outcome.to_owned(), detail.to_owned()));
    assert_eq!(refused, [wrong, early]);
}

#[tokio::test(start_paused = true)]
async fn many_wrong_passwords_send_right_ones_to_the_lobby() {
    let server = Server::start().await;
    with_password(&server).await;
    for number in 0..60 {
        let mut client = server.link_from(&format!("198.51.100.{number}")).await;
        client = client.greeted().await;
        let refused = code(&mut client, password("secret", "wrong guess")).await;
        assert_eq!(refused, "bad_credentials");
    }
    let mut ada = server.greeted().await;
    let joined = ada.ask("join", password("secret", PASSWORD)).await;
    assert_eq!(joined["ok"]["outcome"], "lobby", "{joined}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_wrong_passwords_does_not_stop_a_meeting() {
    let server = Server::with(|config| {
        config.joins_per_source_burst = 1000;
        config.hashing.m_kib = 4096;
    })
    .await;
    with_password(&server).await;
    let (mut ada, joined) = server.joined("welcome", "Ada", 1).await;
    let mut guessers = Vec::new();
    for _ in 0..200 {
        let mut eve = server.link_from("198.51.100.9").await.greeted().await;
        eve.send("join", password("secret", "wrong guess")).await;
        guessers.push(eve);
    }
    let rename = json!({"participant": joined["self"]["id"], "name": "Ada L."});
    let renamed = ada.ask("participant.rename", rename).await;
    assert!(renamed.get("ok").is_some(), "{renamed}");
    let mut codes = std::collections::BTreeMap::new();
    for mut eve in guessers {
        let code = eve.hear().await.unwrap()["error"]["code"].to_string();
        *codes.entry(code).or_insert(0) += 1;
    }
    let stats = server.node.stats();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(stats.hashes_at_once_max <= (cores / 2).max(1), "{stats:?}");
    // The room's own password, and those that were wrong before the source had to pause.
    assert!(stats.hashes_total <= 1 + 4 + cores / 2, "{stats:?}");
    assert_eq!(codes["\"bad_credentials\""] + 1, stats.hashes_total);
    assert_eq!(codes.values().sum::<usize>(), 200);
    assert!(codes.contains_key("\"rate_limited\""), "{codes:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_hash_is_limited() {
    let server = Server::with(|config| {
        config.joins_per_source_burst = 1000;
        config.hashing.m_kib = 65_536;
    })
    .await;
    with_password(&server).await;
    let mut guessers = Vec::new();
    for number in 0..200 {
        // Each from its own network: only the queue is in the way.
        let eve = server.link_from(&format!("198.51.100.{number}")).await;
        guessers.push(eve.greeted().await);
    }
    for eve in &mut guessers {
        eve.send("join", password("secret", "wrong guess")).await;
    }
    let mut busy = 0;
    for mut eve in guessers {
        let heard = eve.hear().await.unwrap();
        if heard["error"]["code"] == "not_available" {
            assert_eq!(heard["error"]["retry_after_s"], 2);
            busy += 1;
        }
    }
    assert!(busy > 0);
    let stats = server.node.stats();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(stats.hashes_at_once_max <= (cores / 2).max(1), "{stats:?}");
    assert_eq!(stats.hashes_total, 1 + 200 - busy);
}

#[tokio::test(start_paused = true)]
async fn an_invite_leads_where_it_was_made_for() {
    let server = Server::start().await;
    with_password(&server).await;
    let host = server.room("third", |_| {}).await;
    let secret = host.host_secret.reveal();
    let invite = json!({"kind": "invite", "secret": secret});
    let mut ada = server.greeted().await;
    for room in ["welcome", "secret", "nowhere"] {
        let refused = code(&mut ada, with_credential(room, invite.clone())).await;
        assert_eq!(refused, "bad_credentials", "{room}");
    }
    let joined = ada.ask("join", with_credential("third", invite)).await;
    assert_eq!(joined["ok"]["self"]["role"], "host", "{joined}");
    let create = json!({"role": "presenter", "name": "Bob", "max_uses": 1});
    let created = ada.ask("invite.create", create).await;
    let secret = &created["ok"]["secret"];
    let mut bob = server.greeted().await;
    let mut data = join("third", "Robert", 2);
    data["credential"] = json!({"kind": "invite", "secret": secret});
    let joined = bob.ask("join", data.clone()).await;
    assert_eq!(joined["ok"]["self"]["role"], "presenter", "{joined}");
    assert_eq!(joined["ok"]["self"]["identity"], "invited");
    let mut eve = server.greeted().await;
    data["device_key"] = join("third", "Eve", 3)["device_key"].clone();
    assert_eq!(code(&mut eve, data).await, "invite_used_up");
}

//! Join tokens of embedding sites, from the outside.

use std::collections::BTreeSet;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use conclave_signalling_core::record::Actor;
use conclave_signalling_node::{Config, Embedder, SiteKey, SiteRooms};
use conclave_signalling_store::{AuditQuery, EmbedderRecord};
use conclave_signalling_wire::objects::{LobbyMode, Role};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;
use conclave_signalling_wire::text::{Prose, Slug};
use conclave_signalling_wire::time::Timestamp;
use serde_json::{Value, json};
use tokio::time::Duration;

use crate::stage::{Client, ORIGIN, Server, join};

/// What the wall clock of a server shows when it starts.
const START_S: u64 = 1_700_000_000;

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

fn embedding(config: &mut Config) {
    config.embedders = vec![Embedder {
        issuer: "https://school.example".to_owned(),
        kid: "school-1".to_owned(),
        key: SiteKey(pair().public_key().as_ref().try_into().unwrap()),
        role: Role::Host,
        rooms: SiteRooms::All,
        audience: ORIGIN.to_owned(),
    }];
}

/// A server with the room `class`, which nobody enters without a token.
async fn server() -> Server {
    let server = Server::with(embedding).await;
    server
        .room("class", |update| {
            update.lobby = Some(LobbyMode::On);
            update.password = Patch::Set(SecretText::new("correct horse"));
            update.start_without_host = Some(true);
        })
        .await;
    server
}

fn claims(room: &str, jti: &str) -> Value {
    json!({
        "iss": "https://school.example",
        "aud": ORIGIN,
        "iat": START_S,
        "exp": START_S + 60,
        "jti": jti,
        "room": room,
        "role": "presenter",
        "name": "Grace",
    })
}

fn sign(claims: &Value) -> String {
    let header = encode(br#"{"alg":"EdDSA","typ":"JWT","kid":"school-1"}"#);
    let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let signature = pair().sign(signed.as_bytes());
    format!("{signed}.{}", encode(signature.as_ref()))
}

fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..=chunk.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}

fn with_token(room: &str, device: u8, token: &str) -> Value {
    let mut data = join(room, "Typed", device);
    data["credential"] = json!({"kind": "token", "jwt": token});
    data
}

async fn come(client: &mut Client, device: u8, token: &str) -> Value {
    client.ask("join", with_token("class", device, token)).await
}

fn is_refused(reply: &Value) -> bool {
    let error = &reply["error"];
    error["code"] == "bad_credentials" && error["field"] == "credential.jwt"
}

#[tokio::test(start_paused = true)]
async fn a_token_brings_its_holder_in_once() {
    let server = server().await;
    let token = sign(&claims("class", "one"));
    let mut grace = server.greeted().await;
    let joined = come(&mut grace, 1, &token).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    let own = &joined["ok"]["self"];
    assert_eq!(own["role"], "presenter");
    assert_eq!(own["identity"], "verified");
    assert_eq!(own["name"], "Grace");
    // Not for anybody else, not for the same device, not in another room.
    for (device, room) in [(2, "class"), (1, "class"), (1, "welcome")] {
        let mut other = server.greeted().await;
        let reply = other.ask("join", with_token(room, device, &token)).await;
        assert!(is_refused(&reply), "{reply}");
    }
    let uses = AuditQuery {
        action: Some("token.use".to_owned()),
        ..AuditQuery::default()
    };
    let uses = server.store.audit_tail(&uses).await.unwrap();
    let targets: Vec<_> = uses.iter().map(|record| &record.entry.target).collect();
    assert_eq!(targets, [&Some("school-1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn its_link_may_say_more_with_it_until_it_is_in() {
    let server = server().await;
    let text = "We are recorded by nobody.";
    server
        .room("careful", |update| {
            update.consent_text = Patch::Set(Prose::new(text).unwrap());
        })
        .await;
    let token = sign(&claims("careful", "one"));
    let mut grace = server.greeted().await;
    let mut data = with_token("careful", 1, &token);
    let asked = grace.ask("join", data.clone()).await;
    assert_eq!(asked["error"]["code"], "consent_required", "{asked}");
    let mut thief = server.greeted().await;
    data["consent_hash"] = asked["error"]["hash"].clone();
    assert!(is_refused(&thief.ask("join", data.clone()).await));
    let joined = grace.ask("join", data.clone()).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    // Another tab of the same device asks what is to be done, and does it.
    data["credential"]["jwt"] = json!(sign(&claims("careful", "two")));
    let mut tab = server.greeted().await;
    let asked = tab.ask("join", data.clone()).await;
    assert_eq!(asked["ok"]["outcome"], "duplicate", "{asked}");
    data["duplicate"] = json!("take_over");
    let joined = tab.ask("join", data).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    assert_eq!(grace.closed().await, 4409);
}

#[tokio::test(start_paused = true)]
async fn a_good_token_for_no_room_is_answered_as_a_bad_one_byte_for_byte() {
    let server = server().await;
    let mut answers = Vec::new();
    let mut other = claims("class", "two");
    other["role"] = json!("emperor");
    for (number, room, token) in [
        (1, "nowhere", sign(&claims("nowhere", "one"))),
        (2, "nowhere", sign(&other)),
        (3, "class", sign(&other)),
        (4, "class", "x.y.z".to_owned()),
        (5, "class", sign(&claims("welcome", "three"))),
        (6, "class", "x".repeat(5000)),
    ] {
        let client = server.link_from(&format!("192.0.2.{number}")).await;
        let mut client = client.greeted().await;
        answers.push(client.ask_raw("join", with_token(room, 1, &token)).await);
    }
    assert!(answers[0].contains("bad_credentials"), "{answers:?}");
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn bad_tokens_count_as_wrong_passwords_do() {
    let server = server().await;
    let mut eve = server.greeted().await;
    for pause in [Value::Null, Value::Null, Value::Null, json!(1)] {
        let refused = come(&mut eve, 1, "x.y.z").await;
        assert!(is_refused(&refused), "{refused}");
        assert_eq!(refused["error"]["retry_after_s"], pause);
    }
    let token = sign(&claims("class", "one"));
    let early = come(&mut eve, 1, &token).await;
    assert_eq!(early["error"]["code"], "rate_limited", "{early}");
    let mut guess = join("class", "Eve", 1);
    guess["credential"] = json!({"kind": "password", "password": "wrong guess"});
    let early = eve.ask("join", guess).await;
    assert_eq!(early["error"]["code"], "rate_limited", "{early}");
    // Somebody else is not held up.
    let mut grace = server.link_from("198.51.100.1").await.greeted().await;
    let joined = come(&mut grace, 2, &token).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_clock_that_is_ahead_waits_for_ours() {
    let server = server().await;
    let mut ahead = claims("class", "one");
    ahead["iat"] = json!(START_S + 4);
    let token = sign(&ahead);
    let mut grace = server.greeted().await;
    let asked = grace.send("join", with_token("class", 1, &token)).await;
    let mut other = server.greeted().await;
    let joined = come(&mut other, 2, &sign(&claims("class", "two"))).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    assert_eq!(server.node.stats().participants, 1, "it waits");
    server.sleep(Duration::from_secs(4)).await;
    let joined = grace.hear().await.unwrap();
    assert_eq!(joined["id"], asked);
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_makes_no_token_good_again() {
    let server = server().await;
    server.sleep(Duration::from_secs(9)).await;
    let made = |jti: &str, after_s: u64| {
        let mut claims = claims("class", jti);
        claims["iat"] = json!(START_S + after_s);
        sign(&claims)
    };
    let used = made("one", 9);
    let mut grace = server.greeted().await;
    let joined = come(&mut grace, 1, &used).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    drop(grace);
    let (start, begun_s) = (tokio::time::Instant::now(), START_S + 10);
    let server = server.again_with(|config| {
        embedding(config);
        let since_start = move || u64::try_from(start.elapsed().as_millis()).unwrap();
        config.wall_clock_ms = std::sync::Arc::new(move || begun_s * 1000 + since_start());
    });
    let server = server.await;
    for token in [&used, &made("two", 9)] {
        let mut again = server.greeted().await;
        let reply = come(&mut again, 2, token).await;
        assert!(is_refused(&reply), "{reply}");
    }
    let mut fresh = server.greeted().await;
    let joined = come(&mut fresh, 2, &made("three", 10)).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_made_known_while_the_server_runs_sends_people_until_it_is_forgotten() {
    let server = Server::with(|config| config.audience = ORIGIN.to_owned()).await;
    server.room("class", |_| {}).await;
    server.room("elsewhere", |_| {}).await;
    let site = EmbedderRecord {
        kid: "school-1".to_owned(),
        issuer: "https://school.example".to_owned(),
        key: pair().public_key().as_ref().try_into().unwrap(),
        max_role: Role::Host,
        rooms: Some(BTreeSet::from([Slug::new("class").unwrap()])),
        created_by: Actor::Operator,
        created_at: Timestamp::from_unix_ms(START_S * 1000),
    };
    let later = |room: &str, jti: &str| {
        let mut claims = claims(room, jti);
        // Nobody waited for the next second at the start, as there was no site.
        claims["iat"] = json!(START_S + 1);
        claims["role"] = json!("host");
        sign(&claims)
    };
    // The clock stands still otherwise, and a token of the next second would wait for ever.
    server.sleep(Duration::from_secs(1)).await;
    let mut early = server.greeted().await;
    assert!(is_refused(
        &come(&mut early, 1, &later("class", "zero")).await
    ));
    let rooms = server.node.rooms();
    let known = rooms
        .embedder_add(site.clone(), Actor::Operator)
        .await
        .unwrap();
    assert_eq!(
        (known.kid.as_str(), known.audience.as_str()),
        ("school-1", ORIGIN)
    );
    assert!(
        rooms
            .embedder_add(site.clone(), Actor::Operator)
            .await
            .is_err()
    );

    let mut grace = server.greeted().await;
    let joined = come(&mut grace, 1, &later("class", "one")).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
    let mut elsewhere = server.greeted().await;
    let data = with_token("elsewhere", 2, &later("elsewhere", "two"));
    assert!(is_refused(&elsewhere.ask("join", data).await));

    // One more is on its way in: its token is of a second that has not come yet.
    let mut ahead = claims("class", "ahead");
    ahead["iat"] = json!(START_S + 4);
    let mut late = server.greeted().await;
    let asked = late
        .send("join", with_token("class", 3, &sign(&ahead)))
        .await;
    let before = tokio::time::Instant::now();
    rooms
        .embedder_delete("school-1", Actor::Operator)
        .await
        .unwrap();
    assert_eq!(grace.closed().await, 4403);
    assert_eq!(before.elapsed(), Duration::ZERO, "well within 5 s");
    server.sleep(Duration::from_secs(4)).await;
    let refused = late.hear().await.unwrap();
    assert!(refused["id"] == asked && is_refused(&refused), "{refused}");
    let mut again = server.greeted().await;
    assert!(is_refused(
        &come(&mut again, 1, &later("class", "three")).await
    ));
    assert_eq!(rooms.embedders().await.unwrap(), []);
    assert!(
        rooms
            .embedder_delete("school-1", Actor::Operator)
            .await
            .is_err()
    );
}

//! What is kept, and that nothing is said before it is.

use conclave_signalling_core::record::{Actor, EndReason};
use conclave_signalling_node::RoomsError;
use conclave_signalling_store::{AuditQuery, SessionQuery};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::secret::SecretText;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::stage::{Client, Database, Server, join};

/// A little more than the pause before a commit is tried again.
const RETRY: Duration = Duration::from_millis(260);

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
    // They come back by themselves, to what was kept.
    assert_eq!((ada.closed().await, bob.closed().await), (4503, 4503));
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

/// Starts a meeting in the room `third` with Ada, who is host, and Bob.
async fn met() -> (Server, Database, Client, Client) {
    let (server, database) = Server::with_database().await;
    let room = server.room("third", |_| {}).await;
    let (ada, _) = host(&server, "third", &room.host_secret.reveal()).await;
    let (bob, _) = server.joined("third", "Bob", 2).await;
    (server, database, ada, bob)
}

async fn title(server: &Server) -> Value {
    let mut client = server.greeted().await;
    let info = client.ask("room.info", json!({"room": "third"})).await;
    info["ok"]["title"].clone()
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_for_a_moment_is_tried_again() {
    let (server, mut database, mut ada, mut bob) = met().await;
    database
        .does("CREATE TRIGGER no BEFORE UPDATE ON room BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await;
    ada.send("room.update", json!({"title": "Fourth"})).await;
    server.until(|stats| stats.commits_retried_total == 1).await;
    database.does("DROP TRIGGER no").await;
    server.sleep(RETRY).await;
    let updated = bob.push_of("room.updated").await;
    assert_eq!(updated["data"]["room"]["title"], "Fourth");
    assert_eq!(server.node.stats().commits_failed_total, 0);
    assert_eq!(title(&server).await, "Fourth");
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_for_long_is_undone_and_all_may_come_back() {
    let (server, mut database, mut ada, mut bob) = met().await;
    database
        .does("CREATE TRIGGER no BEFORE UPDATE ON room BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await;
    let start = Instant::now();
    ada.send("room.update", json!({"title": "Fourth"})).await;
    for tries in 0.. {
        let is_further = |tries| {
            move |stats: conclave_signalling_node::Stats| {
                stats.commits_retried_total > tries || stats.commits_failed_total > 0
            }
        };
        server.until(is_further(tries)).await;
        if server.node.stats().commits_failed_total > 0 {
            break;
        }
        server.sleep(RETRY).await;
    }
    let waited = start.elapsed().as_secs();
    assert!((9..=11).contains(&waited), "{waited} s");
    assert_eq!((ada.closed().await, bob.closed().await), (4503, 4503));
    assert_eq!(bob.kept_push("room.updated"), None);
    database.does("DROP TRIGGER no").await;
    server.until(|stats| stats.rooms == 0).await;
    assert_eq!(title(&server).await, "The third");
    // Its core could not say that it is over.
    let sessions = SessionQuery {
        limit: 2,
        ..SessionQuery::default()
    };
    let sessions = server.store.sessions(&sessions).await.unwrap();
    let ended: Vec<_> = sessions.iter().map(|it| it.session.ended).collect();
    assert_eq!(ended, [Some(EndReason::Failed)]);
    let (_bob, joined) = server.joined("third", "Bob", 2).await;
    assert_eq!(joined["room"]["title"], "The third");
}

#[tokio::test(start_paused = true)]
async fn a_record_of_a_refusal_that_is_not_kept_ends_no_meeting() {
    let (server, mut database, mut ada, mut bob) = met().await;
    database
        .does("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await;
    bob.send("room.update", json!({"title": "Mine"})).await;
    for tries in 1..=4 {
        let is_further = move |stats: conclave_signalling_node::Stats| {
            stats.commits_retried_total >= tries || stats.commits_failed_total > 0
        };
        server.until(is_further).await;
        server.sleep(RETRY).await;
    }
    let refused = loop {
        let heard = bob.hear().await.unwrap();
        if heard.get("error").is_some() {
            break heard;
        }
    };
    assert_eq!(refused["error"]["code"], "forbidden");
    assert_eq!(server.node.stats().commits_failed_total, 0);
    database.does("DROP TRIGGER no").await;
    // Its record comes late, with the next.
    let changed = ada.ask("room.update", json!({"title": "Fourth"})).await;
    assert!(changed.get("ok").is_some(), "{changed}");
    let query = AuditQuery {
        action: Some("room.update".to_owned()),
        ..AuditQuery::default()
    };
    let records = server.store.audit_tail(&query).await.unwrap();
    let outcomes: Vec<_> = records
        .iter()
        .map(|one| one.entry.outcome.as_str())
        .collect();
    assert_eq!(outcomes, ["forbidden", "ok"]);
}

async fn set_password(ada: &mut Client) {
    let password = json!({"password": "correct horse"});
    ada.send("room.update", password).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_at_the_last_moment_is_answered_and_known() {
    let (server, mut database, mut ada, _bob) = met().await;
    database.does("BEGIN IMMEDIATE").await;
    let hashed = server.node.stats().hashes_total + 1;
    set_password(&mut ada).await;
    server.until(|stats| stats.hashes_total == hashed).await;
    while server.node.stats().commits_failed_total == 0 {
        server.sleep(Duration::from_secs(1)).await;
    }
    database.does("ROLLBACK").await;
    let reply = loop {
        let heard = ada.hear().await.unwrap();
        if heard.get("id").is_some() {
            break heard;
        }
    };
    assert!(reply.get("ok").is_some(), "{reply}");
    assert_eq!(ada.closed().await, 4503);
    joins_by_password_only(&server).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_later_still_is_known_and_nobody_enters_before() {
    let (server, mut database, mut ada, _bob) = met().await;
    database.does("BEGIN IMMEDIATE").await;
    let hashed = server.node.stats().hashes_total + 1;
    set_password(&mut ada).await;
    server.until(|stats| stats.hashes_total == hashed).await;
    while server.node.stats().commits_failed_total == 0 {
        server.sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(server.later(ada.closed()).await, 4503);
    let mut early = server.greeted().await;
    let refused = early.ask("join", join("third", "Cem", 3)).await;
    assert_eq!(refused["error"]["code"], "not_available", "{refused}");
    database.does("ROLLBACK").await;
    server.until(|stats| stats.rooms == 0).await;
    joins_by_password_only(&server).await;
}

async fn joins_by_password_only(server: &Server) {
    server.until(|stats| stats.rooms == 0).await;
    let mut client = server.greeted().await;
    let mut data = join("third", "Cem", 3);
    let refused = client.ask("join", data.clone()).await;
    assert_eq!(refused["error"]["code"], "password_required", "{refused}");
    data["credential"] = json!({"kind": "password", "password": "correct horse"});
    let joined = client.ask("join", data).await;
    assert_eq!(joined["ok"]["outcome"], "joined", "{joined}");
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_what_is_being_kept_and_no_link_waits_with_it() {
    let (server, mut database, mut ada, _bob) = met().await;
    let locked = ada.ask("room.update", json!({"locked": true})).await;
    assert!(locked.get("ok").is_some(), "{locked}");
    database.does("BEGIN IMMEDIATE").await;
    ada.send("room.update", json!({"title": "Fourth"})).await;
    let mut cem = server.greeted().await;
    cem.send("join", join("third", "Cem", 3)).await;
    server.sleep(Duration::from_millis(10)).await;
    let start = Instant::now();
    let node = server.node.clone();
    let draining = tokio::spawn(async move { node.drain().await });
    assert_eq!(server.later(cem.closed()).await, 4503);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    server.until(|stats| stats.links < 3).await;
    server.sleep(Duration::from_secs(3)).await;
    assert!(!draining.is_finished());
    database.does("ROLLBACK").await;
    draining.await.unwrap();
    let id = server.node.rooms().list()[0].id;
    let kept = server
        .store
        .room(id, Timestamp::from_unix_ms(0))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.settings.title, "Fourth");
}

#[tokio::test(start_paused = true)]
async fn a_room_is_known_even_if_who_made_it_is_gone() {
    let server = Server::start().await;
    let rooms = server.node.rooms();
    let room = conclave_signalling_node::NewRoom {
        slug: Slug::new("third").ok(),
        preset: conclave_signalling_wire::objects::Preset::Meeting,
        update: conclave_signalling_wire::room::RoomUpdate::default(),
    };
    tokio::select! {
        biased;
        _ = rooms.create(room, Actor::Operator) => panic!("nothing is kept at once"),
        () = std::future::ready(()) => {}
    }
    server.until(|stats| stats.rooms_known == 3).await;
    let (_ada, joined) = server.joined("other", "Ada", 1).await;
    assert_eq!(joined["room"]["title"], "The other");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_cannot_be_read_can_be_deleted_with_one_record_of_it() {
    let (server, mut database) = Server::with_database().await;
    server.room("third", |_| {}).await;
    database.does("UPDATE room SET settings = '{'").await;
    let mut ada = server.greeted().await;
    let refused = ada.ask("join", join("third", "Ada", 1)).await;
    assert_eq!(refused["error"]["code"], "not_available", "{refused}");
    let (rooms, slug) = (server.node.rooms(), Slug::new("third").unwrap());
    rooms.delete(&slug, Actor::Operator).await.unwrap();
    let gone = rooms.delete(&slug, Actor::Operator).await;
    assert!(matches!(gone, Err(RoomsError::UnknownRoom)), "{gone:?}");
    assert_eq!(deletions(&server).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_one_record() {
    let (server, _database, _ada, mut bob) = met().await;
    let slug = Slug::new("third").unwrap();
    server
        .node
        .rooms()
        .delete(&slug, Actor::Operator)
        .await
        .unwrap();
    assert_eq!(bob.closed().await, 4410);
    assert_eq!(deletions(&server).await, 1);
}

async fn deletions(server: &Server) -> usize {
    let query = AuditQuery {
        action: Some("room.delete".to_owned()),
        ..AuditQuery::default()
    };
    server.store.audit_tail(&query).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_the_store_failed_is_kept_by_and_by() {
    let (server, mut database, mut ada, mut bob) = met().await;
    let attendance = |server: &Server| {
        let store = server.store.clone();
        async move {
            let all = SessionQuery {
                limit: 10,
                ..SessionQuery::default()
            };
            let session = store.sessions(&all).await.unwrap().remove(0).session;
            let people = store.attendance(session.id).await.unwrap();
            (session, people.len())
        }
    };
    // Nobody waited for this to be kept, and it is not what the store is to refuse.
    while attendance(&server).await.1 < 2 {}
    let refusing =
        "CREATE TRIGGER no BEFORE INSERT ON attendance BEGIN SELECT RAISE(ABORT, 'no'); END";
    database.does(refusing).await;
    let (mut cem, _) = server.joined("third", "Cem", 3).await;
    server.sleep(Duration::from_secs(5)).await;
    assert_eq!(attendance(&server).await.1, 2);
    assert_eq!(server.node.stats().commits_failed_total, 0);
    // What is done is done all the same, once it takes what waits along.
    database.does("DROP TRIGGER no").await;
    let locked = ada.ask("room.update", json!({"locked": true})).await;
    assert!(locked.get("ok").is_some(), "{locked}");
    while attendance(&server).await.1 < 3 {
        server.sleep(Duration::from_secs(1)).await;
    }
    // The last go while it fails again: the end of the session is kept though the room is over.
    database.does(refusing).await;
    for client in [&mut ada, &mut bob, &mut cem] {
        client.send("leave", json!({})).await;
    }
    while server.node.stats().rooms > 0 {
        server.sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(attendance(&server).await.0.ended_at, None);
    database.does("DROP TRIGGER no").await;
    while attendance(&server).await.0.ended_at.is_none() {
        server.sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(server.node.stats().commits_failed_total, 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_what_is_only_told_of_a_meeting() {
    let (server, mut database, mut ada, mut bob) = met().await;
    database.does("BEGIN IMMEDIATE").await;
    let start = Instant::now();
    let raised = bob.ask("hand.raise", json!({})).await;
    assert!(raised.get("ok").is_some(), "{raised}");
    let (mut cem, _) = server.joined("third", "Cem", 3).await;
    let left = cem.ask("leave", json!({})).await;
    assert!(left.get("ok").is_some(), "{left}");
    assert!(start.elapsed() < Duration::from_secs(1));
    // What is to be kept before it is answered still is.
    ada.send("room.update", json!({"title": "Fourth"})).await;
    server.sleep(Duration::from_millis(10)).await;
    assert_eq!(ada.kept_push("room.updated"), None);
    database.does("ROLLBACK").await;
    ada.push_of("room.updated").await;
    assert_eq!(server.node.stats().commits_failed_total, 0);
}

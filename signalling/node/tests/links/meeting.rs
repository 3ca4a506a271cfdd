//! What happens in a meeting.

use std::sync::atomic::Ordering;

use conclave_sfu_wire::control::Admission;
use conclave_signalling_core::record::Actor;
use conclave_signalling_node::{Config, RoomsCreate, Tuning};
use serde_json::json;
use tokio::time::Duration;

use crate::stage::{Server, join};

#[tokio::test(start_paused = true)]
async fn two_people_meet() {
    let server = Server::start().await;
    let (mut ada, ada_joined) = server.joined("welcome", "Ada", 1).await;
    assert_eq!(ada_joined["roster"], json!([]));
    assert_eq!(ada_joined["room"]["title"], "The welcome");
    let (mut bob, bob_joined) = server.joined("welcome", "Bob", 2).await;
    assert_eq!(bob_joined["roster"][0]["name"], "Ada");
    let joined = ada.push().await;
    assert_eq!(
        (&joined["seq"], &joined["type"]),
        (&json!(1), &json!("participant.joined"))
    );
    assert_eq!(joined["data"]["participant"], bob_joined["self"]);

    let answer = ada
        .ask("media.offer", json!({"generation": 1, "sdp": "v=0"}))
        .await;
    assert_eq!(
        answer["ok"],
        json!({"generation": 1, "sdp": "v=0", "slots": {"video": ["4"], "audio": ["16"]}})
    );
    let published = ada
        .ask(
            "media.publish",
            json!({"mid": "1", "source": "camera", "muted": false}),
        )
        .await;
    assert_eq!(published["ok"]["rids"], json!(["q", "h", "f"]));
    let updated = bob.push().await;
    assert_eq!(updated["type"], "participant.updated");
    assert_eq!(
        updated["data"]["participant"]["sources"]["camera"]["published"],
        true
    );

    let ada_id = &ada_joined["self"]["id"];
    let view = json!({"participant": ada_id, "source": "camera", "max_height_px": 360, "priority": "gallery"});
    bob.ask("media.wish", json!({"rev": 1, "views": [view]}))
        .await;
    let slots = bob.push_of("media.slots").await;
    assert_eq!(slots["data"]["slots"][0]["participant"], *ada_id);
    assert!(slots.get("seq").is_none());
    let acked = bob.ask("media.slots.ack", json!({"rev": 1})).await;
    assert_eq!(acked["ok"], json!({"first_rtp_timestamp": {"4": 77}}));

    assert_eq!(server.node.stats().participants, 2);
    let done = ada.ask("leave", json!({})).await;
    assert_eq!(done["ok"], json!({}));
    assert_eq!(ada.closed().await, 1000);
    let left = bob.push_of("participant.left").await;
    assert_eq!(
        left["data"],
        json!({"participant": ada_id, "reason": "left"})
    );
    bob.ask("leave", json!({})).await;
    assert_eq!(bob.closed().await, 1000);
    server.until(|stats| stats.rooms == 0).await;
    let stats = server.node.stats();
    assert_eq!((stats.participants, stats.room_panics_total), (0, 0));
    assert_eq!(
        server.shard.said(),
        [
            "0 open",
            "0 admit",
            "0 admit",
            "0 offer",
            "0 publish",
            "0 wish",
            "0 ack",
            "0 drop",
            "0 drop",
            "0 close"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_link_gets_its_place_back() {
    let server = Server::start().await;
    let (ada, joined) = server.joined("welcome", "Ada", 1).await;
    let (mut bob, _) = server.joined("welcome", "Bob", 2).await;
    drop(ada);
    let updated = bob.push().await;
    assert_eq!(updated["data"]["participant"]["presence"], "reconnecting");

    let token = joined["resume_token"].as_str().unwrap();
    let resume =
        json!({"protocol": 1, "client": "test/1", "resume": {"token": token, "last_seq": 0}});
    let mut again = server.link().await;
    let resumed = again.ask("hello", resume.clone()).await;
    assert_eq!(resumed["ok"]["outcome"], "resumed", "{resumed}");
    let missed = resumed["ok"]["missed"].as_array().unwrap();
    assert_eq!(missed.len(), 2);
    assert_eq!(
        (&missed[0]["seq"], &missed[0]["type"]),
        (&json!(1), &json!("participant.joined"))
    );
    assert_eq!(again.push().await["seq"], 3);
    assert_eq!(
        bob.push().await["data"]["participant"]["presence"],
        "connected"
    );
    // The link is in the room.
    let id = &joined["self"]["id"];
    let renamed = again
        .ask(
            "participant.rename",
            json!({"participant": id, "name": "Ada L."}),
        )
        .await;
    assert_eq!(renamed["ok"], json!({"rev": 4}));

    // A duplicated tab presents the same token, and then is asked.
    let mut tab = server.link().await;
    let refused = tab.ask("hello", resume).await;
    assert_eq!(refused["error"]["code"], "resume_failed");
    assert_eq!(refused["error"]["rejoin"], true);
    let duplicate = tab.ask("join", join("welcome", "Ada", 1)).await;
    assert_eq!(duplicate["ok"]["outcome"], "duplicate");
    let mut take_over = join("welcome", "Ada", 1);
    take_over["duplicate"] = json!("take_over");
    let taken = tab.ask("join", take_over).await;
    assert_eq!(taken["ok"]["outcome"], "joined");
    assert_eq!(again.closed().await, 4409);
    assert_eq!(server.node.stats().participants, 2);
}

#[tokio::test(start_paused = true)]
async fn a_place_is_given_up_after_thirty_seconds() {
    let server = Server::start().await;
    let (ada, joined) = server.joined("welcome", "Ada", 1).await;
    drop(ada);
    server.sleep(Duration::from_secs(31)).await;
    server.until(|stats| stats.rooms == 0).await;
    let resume = json!({"token": joined["resume_token"], "last_seq": 0});
    let hello = json!({"protocol": 1, "client": "test/1", "resume": resume});
    let mut again = server.link().await;
    assert_eq!(
        again.ask("hello", hello).await["error"]["code"],
        "resume_failed"
    );
    // The link may still join; the room begins anew.
    assert_eq!(
        again.ask("join", join("welcome", "Ada", 1)).await["ok"]["outcome"],
        "joined"
    );
    assert_eq!(
        server.shard.said(),
        [
            "0 open", "0 admit", "0 down", "0 drop", "0 close", "0 open", "0 admit"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_room_that_does_not_exist_does_not_show_it() {
    let server = Server::start().await;
    let mut client = server.greeted().await;
    let known = client.ask("room.info", json!({"room": "welcome"})).await;
    assert_eq!(
        known["ok"],
        json!({"title": "The welcome", "needs": "none", "recording": false, "name_chars": 64, "relay": false, "connection_test": null})
    );
    let unknown = client.ask("room.info", json!({"room": "nowhere"})).await;
    assert_eq!(
        unknown["ok"],
        json!({"needs": "password", "recording": false, "name_chars": 64, "relay": false, "connection_test": null})
    );
    assert_eq!(
        client.ask("join", join("nowhere", "Ada", 1)).await["error"]["code"],
        "password_required"
    );
    for credential in [
        json!({"kind": "password", "password": "guess"}),
        json!({"kind": "invite", "secret": "AAAAAAAAAAAAAAAAAAAAAA"}),
        json!({"kind": "token", "jwt": "x.y.z"}),
    ] {
        let mut data = join("nowhere", "Ada", 1);
        data["credential"] = credential;
        assert_eq!(
            client.ask("join", data).await["error"]["code"],
            "bad_credentials"
        );
    }
    let mut data = join("welcome", "Ada", 1);
    data["credential"] = json!({"kind": "account"});
    assert_eq!(
        client.ask("join", data.clone()).await["error"]["code"],
        "bad_request"
    );
    data["credential"] = json!({"kind": "invite", "secret": "AAAAAAAAAAAAAAAAAAAAAA"});
    let unknown = client.ask("join", data.clone()).await;
    assert_eq!(unknown["error"]["code"], "bad_credentials");
    data["credential"] = json!({"kind": "password", "password": "left over"});
    assert_eq!(client.ask("join", data).await["ok"]["outcome"], "joined");
}

#[tokio::test(start_paused = true)]
async fn rooms_are_spread_over_the_shards() {
    let server = Server::start().await;
    let _first = server.joined("welcome", "Ada", 1).await;
    let _second = server.joined("other", "Bob", 2).await;
    assert_eq!(
        server.shard.said(),
        ["0 open", "0 admit", "1 open", "1 admit"]
    );
}

#[tokio::test(start_paused = true)]
async fn commands_wait_in_order_for_a_busy_shard() {
    let server = Server::start().await;
    server.shard.is_busy.store(true, Ordering::Relaxed);
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    ada.send("media.offer", json!({"generation": 1, "sdp": "v=0"}))
        .await;
    server.sleep(Duration::from_millis(50)).await;
    assert_eq!(server.shard.said(), Vec::<String>::new());
    server.shard.is_busy.store(false, Ordering::Relaxed);
    let answer = server.later(ada.push()).await;
    assert_eq!(answer["ok"]["generation"], 1);
    assert_eq!(server.shard.said(), ["0 open", "0 admit", "0 offer"]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_and_goes_is_heard_at_once_and_once_while_a_shard_is_busy() {
    let server = Server::start().await;
    server.shard.is_busy.store(true, Ordering::Relaxed);
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let _bob = server.joined("welcome", "Bob", 2).await;
    ada.ask("leave", json!({})).await;
    let heard = || server.shard.heard.lock().unwrap().clone();
    assert_eq!(heard(), ["admit", "admit", "drop"]);
    assert_eq!(server.shard.said(), Vec::<String>::new());
    server.shard.is_busy.store(false, Ordering::Relaxed);
    server.sleep(Duration::from_millis(20)).await;
    assert_eq!(
        server.shard.said(),
        ["0 open", "0 admit", "0 admit", "0 drop"]
    );
    assert_eq!(heard(), ["admit", "admit", "drop"]);
    server.shard.is_busy.store(true, Ordering::Relaxed);
    let slug = conclave_signalling_wire::text::Slug::new("welcome").unwrap();
    server
        .node
        .rooms()
        .delete(&slug, Actor::Operator)
        .await
        .unwrap();
    assert_eq!(heard().last(), Some(&"close"));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_takes_nothing_is_given_up_with_its_room() {
    let server = Server::start().await;
    server.shard.is_busy.store(true, Ordering::Relaxed);
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let ended = server.later(ada.push_of("ended")).await;
    assert_eq!(ended["data"]["by"], json!(null));
    assert_eq!(ada.closed().await, 4410);
    // Another ten seconds for the end of the room, then nothing is left of it.
    server.sleep(Duration::from_secs(11)).await;
    server.shard.is_busy.store(false, Ordering::Relaxed);
    let _again = server.joined("welcome", "Ada", 1).await;
    assert_eq!(server.shard.said(), ["0 open", "0 admit"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_room_and_nothing_else() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let (mut eve, _) = server.joined("welcome", "Eve", 3).await;
    let (mut bob, bobs) = server.joined("other", "Bob", 2).await;
    ada.send("media.offer", json!({"generation": 1, "sdp": "panic"}))
        .await;
    assert_eq!((ada.closed().await, eve.closed().await), (4410, 4410));
    let renamed = bob
        .ask(
            "participant.rename",
            json!({"participant": bobs["self"]["id"], "name": "B."}),
        )
        .await;
    assert_eq!(renamed["ok"]["rev"], 2);
    // Its links are closed before the store has heard of the end of its session.
    server
        .until(|stats| (stats.rooms, stats.participants, stats.room_panics_total) == (1, 1, 1))
        .await;
    let (_again, joined) = server.joined("welcome", "Ada", 1).await;
    assert_eq!(joined["roster"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_says_so_first() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let mut waiting = server.greeted().await;
    assert!(!server.node.is_draining());
    let node = server.node.clone();
    let draining = tokio::spawn(async move { node.drain().await });
    let push = ada.push().await;
    assert_eq!(
        (&push["type"], &push["data"]),
        (
            &json!("server.draining"),
            &json!({"deadline_s": 1, "retry_after_s": 2})
        )
    );
    let closed = async { (ada.closed().await, waiting.closed().await) };
    assert_eq!(server.later(closed).await, (4503, 4503));
    assert_eq!(server.open(|_| {}).await.err(), Some(503));
    drop((ada, waiting));
    draining.await.unwrap();
    assert_eq!(server.node.stats().links, 0);
}

#[tokio::test(start_paused = true)]
async fn a_meeting_goes_on_while_the_server_waits_for_its_end_and_no_other_begins() {
    let hour = Duration::from_secs(3600);
    let server = Server::with(|config| {
        config.drain = hour;
        config.rooms_create = RoomsCreate::Anyone;
    })
    .await;
    let start = tokio::time::Instant::now();
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let (mut bob, joined) = server.joined("welcome", "Bob", 2).await;
    let node = server.node.clone();
    let draining = tokio::spawn(async move { node.drain().await });
    let push = ada.push_of("server.draining").await;
    assert_eq!(push["data"]["deadline_s"], 3600);
    assert!(server.node.is_draining());

    let mut cem = server.greeted().await;
    let refused = cem.ask("join", join("other", "Cem", 3)).await;
    assert_eq!(refused["error"]["code"], "not_available", "{refused}");
    let refused = cem.ask("room.create", json!({"title": "New"})).await;
    assert_eq!(refused["error"]["code"], "not_available", "{refused}");
    let came = cem.ask("join", join("welcome", "Cem", 3)).await;
    assert_eq!(came["ok"]["outcome"], "joined", "{came}");
    cem.ask("leave", json!({})).await;

    // A link that breaks is found again.
    drop(bob);
    let mut back = server.link().await;
    let resume = json!({"token": joined["resume_token"], "last_seq": 0});
    let hello = json!({"protocol": 1, "client": "test/1", "resume": resume});
    let resumed = back.ask("hello", hello).await;
    assert_eq!(resumed["ok"]["outcome"], "resumed", "{resumed}");
    bob = back;

    bob.ask("leave", json!({})).await;
    server.sleep(Duration::from_secs(5)).await;
    assert!(!draining.is_finished());
    ada.ask("leave", json!({})).await;
    draining.await.unwrap();
    assert!(start.elapsed() < hour);
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_people_meet() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    let mut bob = server.greeted().await;
    let create = json!({"title": "New"});
    let refused = bob.ask("room.create", create.clone()).await;
    assert_eq!(refused["error"]["code"], "forbidden", "{refused}");
    server.node.tune(Tuning {
        rooms_create: RoomsCreate::Anyone,
        links_per_source: 2,
        ..Tuning::from(&Config::default())
    });
    let made = bob.ask("room.create", create).await;
    assert!(made.get("ok").is_some(), "{made}");
    assert_eq!(server.open(|_| {}).await.err(), Some(429));
    let pong = ada.ask("room.update", json!({"title": "Changed"})).await;
    assert!(pong.get("ok").or(pong.get("error")).is_some(), "{pong}");
    let joins = server.node.stats().joins;
    assert_eq!((joins.taken_total, joins.turned_away_total), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_without_links_stops_at_once() {
    let server = Server::with(|config| config.drain = Duration::from_secs(300)).await;
    let start = tokio::time::Instant::now();
    server.node.drain().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_busy_shard_is_told_later_that_a_room_ended() {
    let server = Server::start().await;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    server.shard.is_busy.store(true, Ordering::Relaxed);
    let slug = conclave_signalling_wire::text::Slug::new("welcome").unwrap();
    server
        .node
        .rooms()
        .delete(&slug, Actor::Operator)
        .await
        .unwrap();
    assert_eq!(ada.closed().await, 4410);
    assert!(
        !server
            .shard
            .said()
            .iter()
            .any(|said| said.ends_with("close"))
    );
    server.shard.is_busy.store(false, Ordering::Relaxed);
    server.sleep(Duration::from_millis(20)).await;
    let said = server.shard.said();
    assert!(
        said.last().is_some_and(|said| said.ends_with("close")),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn shards_with_much_to_do_take_no_rooms_and_then_nobody_and_keep_who_is_in() {
    let server = Server::start().await;
    let admit = |whom| *server.shard.admission.lock().unwrap() = whom;
    let (mut ada, _) = server.joined("welcome", "Ada", 1).await;
    admit(Admission::NoRooms);
    let mut cem = server.greeted().await;
    let refused = cem.ask("join", join("other", "Cem", 3)).await;
    assert_eq!(refused["error"]["code"], "not_available", "{refused}");
    assert_eq!(refused["error"]["retry_after_s"], 1);
    let (mut bob, _) = server.joined("welcome", "Bob", 2).await;
    admit(Admission::Nobody);
    let refused = cem.ask("join", join("welcome", "Cem", 3)).await;
    assert_eq!(refused["error"]["code"], "not_available", "{refused}");
    for (offerer, generation) in [(&mut ada, 1), (&mut bob, 1)] {
        let offer = json!({"generation": generation, "sdp": "v=0"});
        let answer = offerer.ask("media.offer", offer).await;
        assert_eq!(answer["ok"]["generation"], 1, "{answer}");
    }
    admit(Admission::All);
    let came = cem.ask("join", join("other", "Cem", 3)).await;
    assert_eq!(came["ok"]["outcome"], "joined", "{came}");
}

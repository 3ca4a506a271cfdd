//! The built binary is killed in the middle of moderation, again and again: what
//! it had acknowledged holds afterwards, what it had not is whole or absent, and
//! the audit log is intact.
//!
//! Ten rounds, two hundred with `CONCLAVE_SOAK=1`; `SEED=7` plays other ones. The
//! moment of the kill is a number of acknowledgements, not a time.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

#[path = "crash/acts.rs"]
mod acts;
#[path = "crash/client.rs"]
mod client;
#[allow(
    dead_code,
    reason = "the other test of the binary uses what this one does not"
)]
#[path = "system/server.rs"]
mod server;
#[path = "crash/truth.rs"]
mod truth;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use server::{Server, folder};
use truth::{Totals, Truth};

/// Acknowledgements after which the server is killed, at most. Ten links send at once,
/// each at most sixty messages without waiting.
const ACKNOWLEDGED_MAX: u32 = 120;

/// Rounds after which it goes on in another room: lists of more than 250 invites leave
/// out those that were taken back.
const ROUNDS_OF_ROOM: usize = 20;

#[test]
fn what_was_acknowledged_survives_the_death_of_the_process() {
    let rounds = match std::env::var_os("CONCLAVE_SOAK") {
        Some(_) => 200,
        None => 10,
    };
    let seed = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let folder = folder("crash");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();

    let mut server = Server::start_in(folder.clone());
    let mut truth = Truth::new(&made_room(&server, 0), Totals::default());
    for round in 0..rounds {
        if round % ROUNDS_OF_ROOM == ROUNDS_OF_ROOM - 1 {
            let made = made_room(&server, round);
            truth = Truth::new(&made, truth.totals);
        }
        let goal = random.random_range(1..=ACKNOWLEDGED_MAX);
        let killed = runtime.block_on(moderate(&mut truth, server, goal));
        // Its folder goes with it, so it stays until the next one is there.
        server = Server::start_in(folder.clone());
        std::mem::forget(killed);
        let place = format!("seed {seed}, round {round}, killed after {goal}");
        runtime.block_on(look(&mut truth, &server, &place));
        agree(&truth, &server, &place);
    }
    println!(
        "crash: {rounds} rounds, {} acts acknowledged, {} not; of those {} were kept",
        truth.totals.acknowledged, truth.totals.unacknowledged, truth.totals.kept_unacknowledged
    );
    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    is_intact(&server, "after the end");
}

/// Makes the room in which it happens. Returns it with its host link.
fn made_room(server: &Server, number: usize) -> Value {
    server.cli_json(&[
        "room",
        "create",
        &format!("crash-{number}"),
        "title=T 0",
        "lobby_message=T 0",
        "lobby=off",
        "start_without_host=true",
        "no_host=continue",
        "chat.keep=session",
        "chat.history=session",
    ])
}

/// Lets everybody act until so many acts are acknowledged, and kills the server.
async fn moderate(truth: &mut Truth, server: Server, goal: u32) -> Server {
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    let actors = truth.actors(http).await;
    let process = Arc::new(Mutex::new(server));
    let count = Arc::new(AtomicU32::new(0));
    let acknowledged = {
        let (process, count) = (Arc::clone(&process), Arc::clone(&count));
        move || {
            if count.fetch_add(1, Ordering::Relaxed) + 1 == goal {
                process.lock().unwrap().process.kill().unwrap();
            }
        }
    };
    let mut running = tokio::task::JoinSet::new();
    for actor in actors {
        let acknowledged = acknowledged.clone();
        running.spawn(actor.act(acknowledged));
    }
    while let Some(log) = running.join_next().await {
        truth.learn(log.unwrap());
    }
    drop(acknowledged);
    let count = count.load(Ordering::Relaxed);
    assert!(count >= goal, "all links ended after {count} of {goal}");
    let process = Arc::into_inner(process).expect("all who could kill it are done");
    let mut server = process.into_inner().unwrap();
    server.process.wait().unwrap();
    server
}

/// Holds what the server says after its death against what it said before.
async fn look(truth: &mut Truth, server: &Server, place: &str) {
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    if let Err(wrong) = truth.compare(http).await {
        panic!("{place}: {wrong}");
    }
}

/// The operator's commands say the same, and the audit log is intact.
fn agree(truth: &Truth, server: &Server, place: &str) {
    let shown = server.cli_json(&["room", "show", &truth.slug]);
    for member in ["title", "lobby_message", "locked"] {
        assert_eq!(shown[member], truth.room[member], "{place}: {member}");
    }
    let bans = server.cli_json(&["ban", "list", &truth.slug]);
    assert_eq!(bans.as_array().unwrap().len(), truth.bans.len(), "{place}");
    let invites = server.cli_json(&["invite", "list", &truth.slug]);
    for (id, state) in &truth.invites {
        let listed = invites.as_array().unwrap().iter();
        let mut same = listed.filter(|invite| invite["id"] == id.as_str());
        assert_eq!(same.next().unwrap()["state"], *state, "{place}: {id}");
    }
    let export = server.cli(&["audit", "export"]);
    let export = String::from_utf8(export.stdout).unwrap();
    let records: Vec<Value> = export
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (verb, asked) in &truth.totals.asked {
        let same = |record: &&Value| record["action"] == *verb && record["outcome"] == "ok";
        let count = records.iter().filter(same).count() as u32;
        assert!(
            (asked.acknowledged..=asked.sent).contains(&count),
            "{place}: {count} records of {verb}, {asked:?}"
        );
    }
    is_intact(server, place);
}

fn is_intact(server: &Server, place: &str) {
    let verified = server.cli(&["audit", "verify"]);
    let text = String::from_utf8_lossy(&verified.stdout);
    assert!(
        verified.status.success() && text.starts_with("intact: "),
        "{place}: {verified:?}"
    );
}

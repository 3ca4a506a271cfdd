//! What was acknowledged is there after `kill -9`.
//!
//! The test runs itself as a child that commits from several tasks at once and
//! says on its standard output what was acknowledged. It is killed in the
//! middle, without warning.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::record::Change;
use conclave_signalling_wire::ids::EventId;
use serde_json::json;

use crate::hooks::webhook;
use crate::{Folder, NOW_MS, ban, entry, new_room, now, random, room_id};

const DATA_DIR: &str = "CONCLAVE_STORE_CRASH_TEST";
const ROUNDS: u64 = 5;
const WRITERS: u64 = 8;

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let folder = Folder::new();
    let store = folder.open().await;
    store
        .create_room(new_room(1, "welcome"), entry("room.create"))
        .await
        .unwrap();
    let audit = entry("webhook.create");
    store.put_webhook(webhook(1), None, audit).await.unwrap();
    store.close().await.unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        acknowledged.extend(run_and_kill(&folder, round));
        let store = folder.open().await;
        let room = store.room(room_id(1), now()).await.unwrap().unwrap();
        let kept: BTreeSet<String> = room.bans.iter().map(|ban| ban.id.to_string()).collect();
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?}");
        // Each ban came with one record, and the room and the webhook with another.
        let verified = store.audit_verify(&[]).await.unwrap();
        assert_eq!(verified.records, 2 + kept.len() as u64, "round {round}");
        // What was done is told, and nothing else.
        let due = store.due_deliveries(now(), u32::MAX).await.unwrap();
        let told = due
            .iter()
            .map(|delivery| delivery.event.data["ban"].as_str());
        let told: Vec<String> = told.map(|ban| ban.unwrap().to_owned()).collect();
        assert_eq!(told.len(), kept.len(), "round {round}");
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), kept);
        store.close().await.unwrap();
    }
}

fn banned(number: u64) -> Event {
    let id = EventId::new(NOW_MS, random(number));
    let ban = ban(number);
    let data = json!({
        "by": ban.by,
        "ban": ban.id,
        "expires_at": ban.expires_at,
        "strict": ban.strict,
    });
    let personal = json!({"name": ban.name});
    Event {
        room: Some(room_id(1)),
        ..Event::new(id, now(), EventKind::ParticipantBanned, data, personal)
    }
}

/// Returns what a child acknowledged before it was killed.
fn run_and_kill(folder: &Folder, round: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(DATA_DIR, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut random = [0; 1];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    let enough = 1 + 40 * round as usize + usize::from(random[0]);
    let mut acknowledged = Vec::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The last line may have been cut; the first one has a word of the test harness before it.
        if let Some(place) = line.find("ban_")
            && line.ends_with('.')
        {
            acknowledged.push(line[place..line.len() - 1].to_owned());
        }
        if acknowledged.len() >= enough && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed, "the child ended by itself");
    acknowledged
}

/// The child; does nothing unless it was started as one.
#[test]
fn child() {
    let Some(data_dir) = std::env::var_os(DATA_DIR) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = conclave_signalling_store::Store::open(&PathBuf::from(data_dir), crate::key())
            .await
            .unwrap();
        let there = store
            .room(room_id(1), now())
            .await
            .unwrap()
            .unwrap()
            .bans
            .len() as u64;
        let writers = (0..WRITERS).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    // More than all earlier rounds can have used.
                    let number = (there << 32) + number * WRITERS + writer;
                    let ban = ban(number);
                    let id = ban.id;
                    let changes = vec![
                        Change::Ban(Box::new(ban)),
                        Change::Audit(Box::new(entry("participant.ban"))),
                        Change::Event(Box::new(banned(number))),
                    ];
                    store.commit(room_id(1), changes).await.unwrap();
                    let line = format!("{id}.\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

//! How many commits a second this disk allows: `cargo test -p
//! conclave-signalling-store --test store -- --ignored --nocapture speed`.

use std::time::{Duration, Instant};

use conclave_signalling_core::record::Change;

use crate::{Folder, entry, message, room_id, standing, with_room};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and takes some seconds"]
async fn commits_a_second() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    for (writers, is_chat) in [(1u32, false), (100, false), (1, true), (100, true)] {
        let what = if is_chat {
            "messages"
        } else {
            "standings with audit"
        };
        let before = store.statistics();
        let begun = Instant::now();
        let tasks = (0..writers).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    if begun.elapsed() >= Duration::from_secs(4) {
                        break;
                    }
                    let changes = match is_chat {
                        true => vec![Change::Chat(Box::new(message(writer << 16 | number)))],
                        false => vec![
                            Change::Standing(Box::new(standing(writer.into()))),
                            Change::Audit(Box::new(entry("role.assign"))),
                        ],
                    };
                    store.commit(room_id(1), changes).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let seconds = begun.elapsed().as_secs_f64();
        let after = store.statistics();
        println!(
            "{writers} writers, {what}: {:.0} commits/s in {:.0} transactions/s",
            (after.jobs - before.jobs) as f64 / seconds,
            (after.transactions - before.transactions) as f64 / seconds
        );
    }
    let begun = Instant::now();
    let verified = store.audit_verify(&[]).await.unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    println!("verified {} records in {seconds:.2} s", verified.records);
}

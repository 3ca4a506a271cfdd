//! The audit log: what it says, and that every way to change it is found.

use conclave_signalling_core::record::{Actor, AuditEntry, Change};
use conclave_signalling_store::{
    Anchor, AuditQuery, AuditRecord, Broken, Order, Store, Verified, VerifyError,
};

use crate::{Folder, entry, room_id, values, with_room};
use proptest::prelude::*;

/// Leaves a log of `records` behind, all signed.
async fn log_of(folder: &Folder, records: u64) {
    let store = with_room(folder).await;
    for number in 1..records {
        let entry = entry(&format!("test.{number}"));
        store
            .commit(room_id(1), vec![Change::Audit(Box::new(entry))])
            .await
            .unwrap();
    }
    store.close().await.unwrap();
}

async fn found(folder: &Folder) -> Broken {
    let store = folder.open().await;
    let found = store.audit_verify(&[]).await;
    store.close().await.unwrap();
    match found {
        Err(VerifyError::Broken(broken)) => broken,
        other => panic!("not found: {other:?}"),
    }
}

async fn tail(store: &Store) -> Vec<AuditRecord> {
    store.audit_tail(&AuditQuery::default()).await.unwrap()
}

#[tokio::test]
async fn an_empty_log_is_in_order() {
    let folder = Folder::new();
    let store = folder.open().await;
    let empty = Verified {
        records: 0,
        checkpoints: 0,
        unsigned: 0,
        head: Anchor::EMPTY,
    };
    assert_eq!(store.audit_verify(&[]).await, Ok(empty));
    assert_eq!(*store.checkpoints().borrow(), None);
}

#[tokio::test]
async fn a_log_that_nobody_touched_is_in_order_over_restarts() {
    let folder = Folder::new();
    log_of(&folder, 20).await;
    let store = folder.open().await;
    store.audit(entry("server.start")).await.unwrap();
    let verified = store.audit_verify(&[]).await.unwrap();
    let newest = tail(&store).await.pop().unwrap();
    let head = Anchor {
        seq: 21,
        hash: newest.hash,
    };
    let expected = Verified {
        records: 21,
        checkpoints: 1,
        unsigned: 1,
        head,
    };
    assert_eq!(verified, expected);
    store.close().await.unwrap();
    let store = folder.open().await;
    let verified = store.audit_verify(&[head]).await.unwrap();
    assert_eq!((verified.checkpoints, verified.unsigned), (2, 0));
    let checkpoint = store.checkpoints().borrow().unwrap();
    assert_eq!(checkpoint.anchor(), head);
}

#[tokio::test]
async fn a_hash_of_a_log_without_records_is_the_one_that_it_has() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    assert!(store.audit_verify(&[Anchor::EMPTY]).await.is_ok());
    let invented = Anchor {
        seq: 0,
        hash: [1; 32],
    };
    let found = store.audit_verify(&[invented]).await;
    assert!(
        matches!(found, Err(VerifyError::Broken(Broken { seq: 0, .. }))),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_log_of_thousands_is_signed_on_the_way() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let mut checkpoints = store.checkpoints();
    for _ in 0..25 {
        let change = Change::Audit(Box::new(entry("test.many")));
        store.commit(room_id(1), vec![change; 100]).await.unwrap();
    }
    let verified = store.audit_verify(&[]).await.unwrap();
    assert_eq!(verified.records, 2501);
    assert_eq!(verified.checkpoints, 2);
    assert!(checkpoints.has_changed().unwrap());
    let newest = checkpoints.borrow_and_update().unwrap();
    assert_eq!(newest.seq, verified.records - verified.unsigned);
}

/// Each way to change a signed log of 20 records, and where it shows.
const TAMPERINGS: &[(&str, u64)] = &[
    ("UPDATE audit SET outcome = 'forbidden' WHERE seq = 7", 7),
    ("UPDATE audit SET detail = '' WHERE seq = 7", 7),
    ("UPDATE audit SET at = at + 1 WHERE seq = 20", 20),
    (
        "UPDATE audit SET target = 'a', detail = NULL WHERE seq = 1",
        1,
    ),
    ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 7", 7),
    ("UPDATE audit SET prev = zeroblob(32) WHERE seq = 7", 7),
    ("UPDATE audit SET hash = x'00' WHERE seq = 7", 7),
    ("UPDATE audit SET hash = x'00' WHERE seq = 20", 20),
    ("DELETE FROM audit WHERE seq = 7", 7),
    ("DELETE FROM audit WHERE seq = 1", 1),
    ("DELETE FROM audit WHERE seq = 20", 20),
    ("DELETE FROM audit WHERE seq > 10", 11),
    ("DELETE FROM audit", 1),
    ("UPDATE audit SET seq = -seq WHERE seq = 7", 1),
    (
        "UPDATE audit SET action = (SELECT b.action FROM audit b WHERE b.seq = 25 - audit.seq)
         WHERE seq IN (12, 13)",
        12,
    ),
    (
        "INSERT INTO audit SELECT 21, at, actor_kind, actor_id, action, target, room, session,
             prefix, outcome, detail, hash, hash, request_id FROM audit WHERE seq = 20",
        21,
    ),
    (
        "INSERT INTO audit SELECT 0, at, actor_kind, actor_id, action, target, room, session,
             prefix, outcome, detail, prev, hash, request_id FROM audit WHERE seq = 1",
        1,
    ),
    ("UPDATE audit_checkpoint SET at = at + 1", 20),
    ("UPDATE audit_checkpoint SET seq = 19", 19),
    (
        "UPDATE audit_checkpoint SET seq = 19, hash = (SELECT hash FROM audit WHERE seq = 19)",
        19,
    ),
    ("UPDATE audit_checkpoint SET signature = x'00'", 20),
];

#[tokio::test]
async fn every_way_to_change_the_log_is_found() {
    let folder = Folder::new();
    log_of(&folder, 20).await;
    let pristine = std::fs::read(folder.file("conclave.db")).unwrap();
    for (statement, seq) in TAMPERINGS {
        std::fs::write(folder.file("conclave.db"), &pristine).unwrap();
        folder.tamper(statement).await;
        let broken = found(&folder).await;
        assert_eq!(broken.seq, *seq, "{statement}: {broken}");
    }
    std::fs::write(folder.file("conclave.db"), &pristine).unwrap();
    let store = folder.open().await;
    assert!(store.audit_verify(&[]).await.is_ok());
}

#[tokio::test]
async fn swapped_records_are_found() {
    let folder = Folder::new();
    log_of(&folder, 20).await;
    folder
        .tamper("UPDATE audit SET seq = 100 WHERE seq = 7")
        .await;
    folder
        .tamper("UPDATE audit SET seq = 7 WHERE seq = 8")
        .await;
    folder
        .tamper("UPDATE audit SET seq = 8 WHERE seq = 100")
        .await;
    assert_eq!(found(&folder).await.seq, 7);
}

#[tokio::test]
async fn a_log_whose_hashes_were_made_anew_is_found_by_its_signatures() {
    let folder = Folder::new();
    log_of(&folder, 20).await;
    // What an intruder gets who has our code but not our key: the same acts
    // but one, chained correctly.
    let other = Folder::new();
    let store = with_room(&other).await;
    for number in 1..20 {
        let mut entry = entry(&format!("test.{number}"));
        if number == 10 {
            entry.actor = Actor::Room;
        }
        store.audit(entry).await.unwrap();
    }
    assert!(store.audit_verify(&[]).await.is_ok());
    store.close().await.unwrap();
    let path = other.file("conclave.db");
    let mut db = folder.raw().await;
    sqlx::query("ATTACH ?1 AS other")
        .bind(path.to_str().unwrap())
        .execute(&mut db)
        .await
        .unwrap();
    for statement in [
        "DELETE FROM main.audit",
        "INSERT INTO main.audit SELECT * FROM other.audit",
    ] {
        sqlx::query(statement).execute(&mut db).await.unwrap();
    }
    sqlx::Connection::close(db).await.unwrap();
    let broken = found(&folder).await;
    assert_eq!(broken.seq, 20, "{broken}");
}

#[tokio::test]
async fn a_log_that_was_cut_and_continued_is_found() {
    let folder = Folder::new();
    log_of(&folder, 20).await;
    folder.tamper("DELETE FROM audit WHERE seq > 10").await;
    let store = folder.open().await;
    for _ in 0..20 {
        store.audit(entry("test.continued")).await.unwrap();
    }
    store.close().await.unwrap();
    assert_eq!(found(&folder).await.seq, 20);
}

#[tokio::test]
async fn a_log_that_was_cut_with_its_signatures_is_found_by_what_was_noted() {
    let folder = Folder::new();
    log_of(&folder, 20).await;
    let store = folder.open().await;
    let noted = store.audit_verify(&[]).await.unwrap().head;
    store.close().await.unwrap();
    folder.tamper("DELETE FROM audit WHERE seq > 10").await;
    folder.tamper("DELETE FROM audit_checkpoint").await;
    let store = folder.open().await;
    let noted: Anchor = noted.to_string().parse().unwrap();
    assert!(store.audit_verify(&[]).await.is_ok());
    let cut = store.audit_verify(&[noted]).await.unwrap_err();
    assert!(matches!(cut, VerifyError::Broken(Broken { seq: 11, .. })));
    for _ in 0..10 {
        store.audit(entry("test.continued")).await.unwrap();
    }
    let replaced = store.audit_verify(&[noted]).await.unwrap_err();
    assert!(matches!(
        replaced,
        VerifyError::Broken(Broken { seq: 20, .. })
    ));
}

#[tokio::test]
async fn the_tail_is_what_was_asked_for() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    for number in 2..=9 {
        let mut entry = entry(if number % 2 == 0 { "even" } else { "odd" });
        if number > 5 {
            entry.actor = Actor::Configuration;
            entry.room = None;
        }
        store.audit(entry).await.unwrap();
    }
    let numbers = async |query: AuditQuery| -> Vec<u64> {
        let records = store.audit_tail(&query).await.unwrap();
        records.iter().map(|record| record.seq).collect()
    };
    let all = AuditQuery::default();
    let limited = |limit, after| AuditQuery {
        limit,
        after,
        ..AuditQuery::default()
    };
    assert_eq!(numbers(all.clone()).await, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(numbers(limited(2, None)).await, [8, 9]);
    assert_eq!(numbers(limited(2, Some(4))).await, [5, 6]);
    assert_eq!(numbers(limited(2, Some(9))).await, [0u64; 0]);
    let even = AuditQuery {
        action: Some("even".to_owned()),
        ..limited(2, None)
    };
    assert_eq!(numbers(even).await, [6, 8]);
    let configuration = AuditQuery {
        actor: Some("configuration".to_owned()),
        ..all.clone()
    };
    assert_eq!(numbers(configuration).await, [6, 7, 8, 9]);
    let room = AuditQuery {
        room: Some(room_id(1)),
        ..all
    };
    assert_eq!(numbers(room).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn pages_have_every_record_in_order() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let change = Change::Audit(Box::new(entry("test.many")));
    for _ in 0..11 {
        store
            .commit(room_id(1), vec![change.clone(); 100])
            .await
            .unwrap();
    }
    let mut lines: Vec<serde_json::Value> = Vec::new();
    let mut query = AuditQuery {
        after: Some(0),
        limit: 500,
        ..AuditQuery::default()
    };
    loop {
        let page = store.audit_tail(&query).await.unwrap();
        let Some(last) = page.last() else { break };
        query.after = Some(last.seq);
        let page = page.iter().map(AuditRecord::to_json_line);
        lines.extend(page.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap()));
    }
    assert_eq!(lines.len(), 1101);
    for (place, line) in lines.iter().enumerate() {
        assert_eq!(line["seq"], place + 1);
        if place > 0 {
            assert_eq!(line["prev"], lines[place - 1]["hash"]);
        }
    }
    assert_eq!(
        lines[0]["prev"],
        "0000000000000000000000000000000000000000000000000000000000000000"
    );
    let first = serde_json::json!({
        "seq": 1, "at": "2026-11-22T10:00:00Z", "actor": { "kind": "operator" },
        "action": "room.create", "target": null, "room": room_id(1).to_string(), "session": null,
        "prefix": "192.0.2.0/24", "request_id": null, "outcome": "ok", "detail": null,
        "prev": lines[0]["prev"], "hash": lines[0]["hash"],
    });
    assert_eq!(lines[0], first);
}

#[tokio::test]
async fn the_hash_of_a_record_does_not_change_between_versions() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    // Made from the document of `AuditRecord` by another program.
    let known = "1:16c1deed83028e842a25bfa6b1a5fb9681fb34001abcdcddfa4298a6cd023792";
    let head = store.audit_verify(&[]).await.unwrap().head;
    assert_eq!(head.to_string(), known);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_entry_round_trips(
        actors in proptest::collection::vec((values::actor(), values::time()), 1..5),
        texts: (String, Option<String>, Option<String>, String, Option<String>, Option<String>),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let entries: Vec<_> = actors.into_iter().map(|(actor, at)| {
            conclave_signalling_core::record::AuditEntry {
                at, actor, action: texts.0.clone(), target: texts.1.clone(),
                room: None, session: None, prefix: texts.2.clone(),
                request_id: texts.5.clone(),
                outcome: texts.3.clone(), detail: texts.4.clone(),
            }
        }).collect();
        runtime.block_on(async {
            let store = Store::open_temporary().await.unwrap();
            for entry in &entries {
                store.audit(entry.clone()).await.unwrap();
            }
            let found: Vec<_> = tail(&store).await.into_iter().map(|record| record.entry).collect();
            assert_eq!(found, entries);
            assert!(store.audit_verify(&[]).await.is_ok());
            store.close().await.unwrap();
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// One value of one record of a signed log, replaced by any other.
    #[test]
    fn a_value_that_was_replaced_is_found(seq in 1i64..=12, column in 0usize..12, bytes: [u8; 8]) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let folder = Folder::new();
            log_of(&folder, 12).await;
            let mut db = folder.raw().await;
            sqlx::query(REPLACE[column])
                .bind(seq)
                .bind(i64::from_be_bytes(bytes) | 1 << 40)
                .execute(&mut db)
                .await
                .unwrap();
            sqlx::Connection::close(db).await.unwrap();
            // A number that is not its own leaves a gap, and may come first.
            let broken = found(&folder).await;
            assert!(broken.seq <= seq as u64, "{broken}");
        });
    }
}

const REPLACE: [&str; 13] = [
    "UPDATE audit SET seq = ?2 WHERE seq = ?1",
    "UPDATE audit SET at = ?2 WHERE seq = ?1",
    "UPDATE audit SET actor_kind = ?2 WHERE seq = ?1",
    "UPDATE audit SET actor_id = ?2 WHERE seq = ?1",
    "UPDATE audit SET action = ?2 WHERE seq = ?1",
    "UPDATE audit SET target = ?2 WHERE seq = ?1",
    "UPDATE audit SET room = ?2 WHERE seq = ?1",
    "UPDATE audit SET session = ?2 WHERE seq = ?1",
    "UPDATE audit SET prefix = ?2 WHERE seq = ?1",
    "UPDATE audit SET outcome = ?2 WHERE seq = ?1",
    "UPDATE audit SET detail = ?2 WHERE seq = ?1",
    "UPDATE audit SET request_id = ?2 WHERE seq = ?1",
    "UPDATE audit SET hash = CAST(?2 AS BLOB) WHERE seq = ?1",
];

#[tokio::test]
async fn the_log_is_searched_by_target_and_time_from_both_ends() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    for number in 2..=6u64 {
        let entry = AuditEntry {
            at: crate::after(number),
            target: Some(format!("t{}", number % 2)),
            ..entry("room.update")
        };
        store.audit(entry).await.unwrap();
    }
    let any = AuditQuery::default;
    let backwards = || AuditQuery {
        order: Some(Order::NewestFirst),
        ..any()
    };
    let forwards = || AuditQuery {
        order: Some(Order::OldestFirst),
        ..any()
    };
    let target = || Some("t0".to_owned());
    let (from, to) = (Some(crate::after(3)), Some(crate::after(5)));
    let cases = [
        (any(), &[1, 2, 3, 4, 5, 6][..]),
        (AuditQuery { limit: 2, ..any() }, &[5, 6]),
        (
            AuditQuery {
                limit: 2,
                ..forwards()
            },
            &[1, 2],
        ),
        (
            AuditQuery {
                limit: 2,
                after: Some(2),
                ..forwards()
            },
            &[3, 4],
        ),
        (
            AuditQuery {
                limit: 2,
                ..backwards()
            },
            &[6, 5],
        ),
        (
            AuditQuery {
                limit: 2,
                after: Some(5),
                ..backwards()
            },
            &[4, 3],
        ),
        (
            AuditQuery {
                target: target(),
                ..any()
            },
            &[2, 4, 6],
        ),
        (
            AuditQuery {
                target: target(),
                limit: 1,
                ..backwards()
            },
            &[6],
        ),
        (AuditQuery { from, to, ..any() }, &[3, 4]),
        (
            AuditQuery {
                from,
                ..backwards()
            },
            &[6, 5, 4, 3],
        ),
        (
            AuditQuery {
                actor: Some("operator".to_owned()),
                limit: 1,
                ..any()
            },
            &[6],
        ),
        (
            AuditQuery {
                action: Some("room.create".to_owned()),
                ..any()
            },
            &[1],
        ),
    ];
    for (query, expected) in cases {
        let found = store.audit_tail(&query).await.unwrap();
        let found: Vec<u64> = found.iter().map(|record| record.seq).collect();
        assert_eq!(found, expected, "{query:?}");
    }
    let last = tail(&store).await.pop().unwrap();
    let head = store.audit_head().await.unwrap();
    assert_eq!((head.seq, head.hash), (6, last.hash));
}

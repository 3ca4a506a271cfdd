//! The writer under conditions that only its own crate can make.

mod migration;
mod outbox;
mod portions;

use std::path::Path;
use std::time::Duration;

use conclave_signalling_core::digest::{DeviceHash, InviteHash};
use conclave_signalling_core::record::{Actor, AuditEntry, Change, Invite};
use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::ids::{InviteId, RoomId};
use conclave_signalling_wire::objects::{Preset, Role};
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;

use crate::key::MasterKey;
use crate::open::{TemporaryFolder, Tuning, open};
use crate::writer::Work;
use crate::{NewRoom, Store, StoreError};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_341_600_000);

/// A folder of a test, gone at its end.
pub(crate) struct Folder(TemporaryFolder);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(TemporaryFolder::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    async fn open(&self, tuning: Tuning) -> Store {
        let key = MasterKey::new([7; 32]);
        open(self.path(), key, tuning, None).await.unwrap()
    }

    async fn with_room(&self, tuning: Tuning) -> Store {
        let store = self.open(tuning).await;
        let room = NewRoom {
            id: room(),
            slug: Slug::new("welcome").unwrap(),
            settings: Settings::new(Preset::Meeting, "Welcome"),
            invites: Vec::new(),
            config_digest: None,
            created_at: NOW,
        };
        store.create_room(room, entry()).await.unwrap();
        store
    }
}

fn room() -> RoomId {
    RoomId::new(NOW.unix_ms(), [0; 10])
}

fn entry() -> AuditEntry {
    AuditEntry {
        at: NOW,
        actor: Actor::Operator,
        action: "test".to_owned(),
        target: None,
        room: None,
        session: None,
        prefix: None,
        request_id: None,
        outcome: "ok".to_owned(),
        detail: None,
    }
}

/// `number` is its identifier, `secret` must be there once.
fn invite(number: u8, secret: u8) -> Invite {
    Invite {
        id: InviteId::new(NOW.unix_ms(), [number; 10]),
        hash: InviteHash([secret; 32]),
        role: Role::Attendee,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: None,
        devices: Vec::new(),
        uses: 0,
        not_before: None,
        expires_at: None,
        bypass_lobby: false,
        bind_device: false,
        note: None,
        created_by: Actor::Operator,
        maker: None,
        vouched: true,
        created_at: NOW,
        last_used_at: None,
        revoked_at: None,
    }
}

fn both(invite: Invite) -> Vec<Change> {
    vec![
        Change::Audit(Box::new(entry())),
        Change::Invite(Box::new(invite)),
    ]
}

/// Commits all at once; returns the answers in order.
async fn at_once(store: &Store, batches: Vec<Vec<Change>>) -> Vec<Result<(), StoreError>> {
    let tasks: Vec<_> = batches
        .into_iter()
        .map(|changes| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(room(), changes).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_and_what_is_deleted_is_overwritten() {
    let folder = Folder::new();
    let _store = folder.open(Tuning::default()).await;
    let path = folder.path().join(crate::open::DATABASE);
    let mut db = crate::sql::connect::writer(&path, &Tuning::default())
        .await
        .unwrap();
    // 2 is FULL.
    for (pragma, expected) in [
        ("PRAGMA synchronous", 2i64),
        ("PRAGMA foreign_keys", 1),
        ("PRAGMA secure_delete", 1),
        ("PRAGMA busy_timeout", 5000),
    ] {
        let value: i64 = sqlx::query_scalar(pragma).fetch_one(&mut db).await.unwrap();
        assert_eq!(value, expected, "{pragma}");
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn commits_at_once_share_transactions_and_are_all_there_after_a_restart() {
    let folder = Folder::new();
    let store = folder.with_room(Tuning::default()).await;
    let before = store.statistics();
    let batches = (0..100).map(|number| both(invite(number, number)));
    let answers = at_once(&store, batches.collect()).await;
    assert_eq!(answers, vec![Ok(()); 100]);
    let after = store.statistics();
    assert_eq!(after.jobs - before.jobs, 100);
    let transactions = after.transactions - before.transactions;
    assert!(transactions < 100, "{transactions} transactions");
    store.close().await.unwrap();
    let store = folder.open(Tuning::default()).await;
    let record = store.room(room(), NOW).await.unwrap().unwrap();
    assert_eq!(record.invites.len(), 100);
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 101);
}

#[tokio::test]
async fn a_commit_that_fails_fails_alone() {
    let folder = Folder::new();
    let store = folder.with_room(Tuning::default()).await;
    // Every third one has a secret that is already there.
    store.commit(room(), both(invite(255, 255))).await.unwrap();
    let batches = (0..60).map(|number| {
        let secret = if number % 3 == 0 { 255 } else { number };
        both(invite(number, secret))
    });
    for (number, answer) in at_once(&store, batches.collect()).await.iter().enumerate() {
        let expected = if number % 3 == 0 {
            Err(StoreError::AlreadyThere)
        } else {
            Ok(())
        };
        assert_eq!(*answer, expected, "{number}");
    }
    let record = store.room(room(), NOW).await.unwrap().unwrap();
    assert_eq!(record.invites.len(), 41);
    let verified = store.audit_verify(&[]).await.unwrap();
    assert_eq!(verified.records, 42);
    assert_eq!(store.statistics().failed, 20);
}

#[tokio::test]
async fn without_space_a_commit_fails_and_smaller_ones_go_on() {
    let folder = Folder::new();
    let tuning = Tuning {
        pages_max: Some(80),
        ..Tuning::default()
    };
    let store = folder.with_room(tuning).await;
    let huge = |number| Invite {
        devices: vec![DeviceHash([number; 32]); 40_000],
        ..invite(number, number)
    };
    let mut batches: Vec<_> = (0..20).map(|number| both(invite(number, number))).collect();
    batches.insert(5, both(huge(100)));
    batches.insert(15, both(huge(101)));
    let answers = at_once(&store, batches).await;
    for (place, answer) in answers.iter().enumerate() {
        let expected = if [5, 15].contains(&place) {
            Err(StoreError::Full)
        } else {
            Ok(())
        };
        assert_eq!(*answer, expected, "{place}");
    }
    let record = store.room(room(), NOW).await.unwrap().unwrap();
    assert_eq!(record.invites.len(), 20);
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 21);
}

#[tokio::test]
async fn a_panic_of_the_writer_ends_only_what_it_was_doing() {
    let folder = Folder::new();
    let store = folder.with_room(Tuning::default()).await;
    let lost = store.write(Work::Panic).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    store.commit(room(), both(invite(1, 1))).await.unwrap();
    let record = store.room(room(), NOW).await.unwrap().unwrap();
    assert_eq!(record.invites.len(), 1);
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 2);
    store.close().await.unwrap();
    folder.open(Tuning::default()).await;
}

#[tokio::test]
async fn a_database_that_somebody_else_holds_locked_is_not_available_until_it_is_free() {
    let folder = Folder::new();
    let tuning = Tuning {
        busy_timeout: Duration::ZERO,
        ..Tuning::default()
    };
    let store = folder.with_room(tuning).await;
    let path = folder.path().join(crate::open::DATABASE);
    let mut other = crate::sql::connect::writer(&path, &tuning).await.unwrap();
    sqlx::Executor::execute(&mut other, "BEGIN IMMEDIATE")
        .await
        .unwrap();
    let refused = store.commit(room(), both(invite(1, 1))).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    sqlx::Executor::execute(&mut other, "ROLLBACK")
        .await
        .unwrap();
    store.commit(room(), both(invite(1, 1))).await.unwrap();
}

#[tokio::test]
async fn the_log_is_signed_some_time_after_something_was_added() {
    let folder = Folder::new();
    let tuning = Tuning {
        sign_after: Duration::from_millis(1),
        ..Tuning::default()
    };
    let store = folder.open(tuning).await;
    let mut checkpoints = store.checkpoints();
    for seq in 1..=3 {
        store.audit(entry()).await.unwrap();
        let newest = checkpoints.wait_for(|newest| newest.is_some_and(|newest| newest.seq == seq));
        assert!(newest.await.is_ok());
    }
    let verified = store.audit_verify(&[]).await.unwrap();
    assert_eq!((verified.checkpoints, verified.unsigned), (3, 0));
}

#[tokio::test]
async fn a_log_left_unsigned_by_a_crash_is_signed_after_the_next_start() {
    let folder = Folder::new();
    let copy = Folder::new();
    let store = folder.with_room(Tuning::default()).await;
    // What a crash leaves: the files as they are at some moment.
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    store.close().await.unwrap();
    let tuning = Tuning {
        sign_after: Duration::from_millis(1),
        ..Tuning::default()
    };
    let store = copy.open(tuning).await;
    let mut checkpoints = store.checkpoints();
    let newest = checkpoints.wait_for(|newest| newest.is_some_and(|newest| newest.seq == 1));
    assert!(newest.await.is_ok());
}

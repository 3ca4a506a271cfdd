//! Opening and closing, and files that are not what they should be.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use conclave_signalling_core::record::Change;
use conclave_signalling_store::{MasterKey, Store, StoreError};
use sqlx::Connection;

use crate::{Folder, ban, entry, key, new_room, now, room_id, with_room};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_new_folder_is_for_its_owner_only() {
    let folder = Folder::new();
    let data = folder.file("deep/data");
    let store = Store::open(&data, key()).await.unwrap();
    store.audit(entry("server.start")).await.unwrap();
    assert_eq!(mode(&data), 0o700);
    let mut names = Vec::new();
    for file in std::fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_owned());
    }
    names.sort();
    let expected = [
        "audit.key",
        "conclave.db",
        "conclave.db-shm",
        "conclave.db-wal",
        "conclave.lock",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_database_that_others_can_read_is_closed_to_them() {
    let folder = Folder::new();
    with_room(&folder).await.close().await.unwrap();
    let database = folder.file("conclave.db");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = folder.open().await;
    assert_eq!(mode(&database), 0o600);
    store.audit(entry("server.start")).await.unwrap();
    assert_eq!(mode(&folder.file("conclave.db-wal")), 0o600);
}

#[tokio::test]
async fn a_second_one_is_told_that_the_folder_is_in_use() {
    let folder = Folder::new();
    let store = folder.open().await;
    let refused = folder.try_open().await.unwrap_err();
    let path = folder.file("conclave.lock");
    assert_eq!(refused, StoreError::InUse { path });
    store.close().await.unwrap();
    folder.open().await;
}

#[tokio::test]
async fn a_closed_store_answers_so_and_leaves_one_file() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let other = store.clone();
    store.close().await.unwrap();
    other.close().await.unwrap();
    assert_eq!(
        other.audit(entry("room.lock")).await,
        Err(StoreError::Closed)
    );
    assert_eq!(
        other.room(room_id(1), now()).await.unwrap_err(),
        StoreError::Closed
    );
    assert!(!folder.file("conclave.db-wal").exists());
    assert!(
        folder
            .open()
            .await
            .room(room_id(1), now())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn what_was_asked_before_the_end_is_done() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let commits = (0..50).map(|number| {
        let store = store.clone();
        let changes = vec![Change::Ban(Box::new(ban(number)))];
        tokio::spawn(async move { store.commit(room_id(1), changes).await })
    });
    let commits: Vec<_> = commits.collect();
    let closer = store.clone();
    let closing = tokio::spawn(async move { closer.close().await });
    let mut done = 0;
    for commit in commits {
        match commit.await.unwrap() {
            Ok(()) => done += 1,
            Err(error) => assert_eq!(error, StoreError::Closed),
        }
    }
    closing.await.unwrap().unwrap();
    let room = folder
        .open()
        .await
        .room(room_id(1), now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(room.bans.len(), done);
}

#[tokio::test]
async fn another_master_key_is_refused() {
    let folder = Folder::new();
    with_room(&folder).await.close().await.unwrap();
    let other = Store::open(folder.path(), MasterKey::new([8; 32])).await;
    assert_eq!(other.unwrap_err(), StoreError::WrongKey);
    folder.open().await;
}

#[tokio::test]
async fn another_audit_key_is_refused_once_something_was_signed() {
    let folder = Folder::new();
    with_room(&folder).await.close().await.unwrap();
    let path = folder.file("audit.key");
    let seed = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        folder.try_open().await.unwrap_err(),
        StoreError::WrongAuditKey
    );
    assert!(!path.exists());
    std::fs::write(&path, [9; 32]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        folder.try_open().await.unwrap_err(),
        StoreError::WrongAuditKey
    );
    std::fs::write(&path, seed).unwrap();
    folder.open().await;
}

#[tokio::test]
async fn an_audit_key_that_others_can_read_is_refused() {
    let folder = Folder::new();
    with_room(&folder).await.close().await.unwrap();
    let path = folder.file("audit.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = folder.try_open().await.unwrap_err();
    assert!(matches!(refused, StoreError::Key(_)), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let mut page = b"SQLite format 3\0".to_vec();
    page.resize(8192, 0x5a);
    for garbage in [b"no database".to_vec(), vec![0x5a; 8192], page] {
        let folder = Folder::new();
        let path = folder.file("conclave.db");
        std::fs::write(&path, &garbage).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = folder.try_open().await.unwrap_err();
        assert_eq!(refused, StoreError::NotADatabase { path: path.clone() });
        assert_eq!(std::fs::read(&path).unwrap(), garbage);
        assert_eq!(mode(&path), 0o644);
    }
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_alone() {
    let folder = Folder::new();
    let path = folder.file("conclave.db");
    std::fs::write(&path, "").unwrap();
    folder.tamper("CREATE TABLE theirs (a INTEGER)").await;
    let before = std::fs::read(&path).unwrap();
    let refused = folder.try_open().await.unwrap_err();
    assert_eq!(refused, StoreError::NotADatabase { path: path.clone() });
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let folder = Folder::new();
    with_room(&folder).await.close().await.unwrap();
    folder
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'from the future', TRUE, x'00', 0)",
        )
        .await;
    let path = folder.file("conclave.db");
    let before = std::fs::read(&path).unwrap();
    let refused = folder.try_open().await.unwrap_err();
    assert_eq!(refused, StoreError::Newer { path: path.clone() });
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn an_unfinished_first_start_is_taken_up_again() {
    let folder = Folder::new();
    std::fs::write(folder.file("conclave.db"), "").unwrap();
    folder
        .tamper(
            "CREATE TABLE _sqlx_migrations (
                 version BIGINT PRIMARY KEY, description TEXT NOT NULL,
                 installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
                 success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)",
        )
        .await;
    with_room(&folder).await;
}

#[tokio::test]
async fn somebody_who_reads_the_file_meanwhile_stops_nothing() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let mut reader = folder.raw().await;
    let mut snapshot = reader.begin().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM room")
        .fetch_one(&mut *snapshot)
        .await
        .unwrap();
    assert_eq!(count, 1);
    store
        .create_room(new_room(2, "another"), entry("room.create"))
        .await
        .unwrap();
    snapshot.rollback().await.unwrap();
}

#[tokio::test]
async fn a_temporary_store_is_gone_when_it_is_closed() {
    let store = Store::open_temporary().await.unwrap();
    store
        .create_room(new_room(1, "welcome"), entry("room.create"))
        .await
        .unwrap();
    let shown = format!("{store:?}");
    let path = shown.split('"').nth(1).unwrap().to_owned();
    assert!(Path::new(&path).exists());
    store.close().await.unwrap();
    assert!(!Path::new(&path).exists());
}

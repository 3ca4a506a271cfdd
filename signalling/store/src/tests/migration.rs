//! Databases of older versions.

use conclave_signalling_core::record::AuditEntry;
use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::objects::Preset;
use conclave_signalling_wire::text::Slug;
use sqlx::{Connection, SqliteConnection};

use super::{Folder, NOW, entry, invite, room};
use crate::NewRoom;
use crate::audit::canonical::RawRecord;
use crate::audit::{Anchor, AuditQuery};
use crate::key::MasterKey;
use crate::open::{DATABASE, Tuning};
use crate::seal::Sealer;
use crate::sql::{connect, rooms};

#[tokio::test]
async fn a_database_from_before_the_api_opens_with_what_is_in_it() {
    let folder = Folder::new();
    let path = folder.path().join(DATABASE);
    std::fs::write(&path, "").unwrap();
    let tuning = Tuning::default();
    let mut db = connect::writer(&path, &tuning).await.unwrap();
    connect::migrate_to(&mut db, 4).await.unwrap();
    let sealer = Sealer::new(&MasterKey::new([7; 32]));
    connect::claim(&mut db, sealer.key_id()).await.unwrap();
    let old = NewRoom {
        id: room(),
        slug: Slug::new("welcome").unwrap(),
        settings: Settings::new(Preset::Meeting, "Welcome"),
        invites: vec![invite(1, 1)],
        config_digest: None,
        created_at: NOW,
    };
    rooms::create(&mut db, &sealer, &old).await.unwrap();
    let head = append(&mut db, &entry()).await;
    // Of a version that knew no tags.
    sqlx::query("UPDATE room SET settings = json_remove(settings, '$.tags', '$.external_id')")
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
    let store = folder.open(tuning).await;
    let record = store.room(room(), NOW).await.unwrap().unwrap();
    assert_eq!(record.settings, old.settings);
    assert_eq!(record.invites, old.invites);
    assert_eq!(store.audit_head().await.unwrap(), head);
    store.begin(NOW).await.unwrap();
    assert_eq!(store.keys().await.unwrap(), []);
    store.delete_room(room(), entry()).await.unwrap();
    let asked = AuditEntry {
        request_id: Some("order-66".to_owned()),
        ..entry()
    };
    store.audit(asked.clone()).await.unwrap();
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 3);
    let records = store.audit_tail(&AuditQuery::default()).await.unwrap();
    assert_eq!(records[0].entry, entry());
    assert_eq!(records[2].entry, asked);
}

/// Writes the first record as it was written when it could not say by which request.
async fn append(db: &mut SqliteConnection, entry: &AuditEntry) -> Anchor {
    let record = RawRecord::new(1, &Anchor::EMPTY.hash, entry);
    sqlx::query(
        "INSERT INTO audit (seq, at, actor_kind, actor_id, action, target, room, session, prefix,
             outcome, detail, prev, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )
    .bind(record.seq)
    .bind(record.at)
    .bind(&record.actor_kind)
    .bind(&record.actor_id)
    .bind(&record.action)
    .bind(&record.target)
    .bind(&record.room)
    .bind(&record.session)
    .bind(&record.prefix)
    .bind(&record.outcome)
    .bind(&record.detail)
    .bind(&record.prev)
    .bind(&record.hash)
    .execute(db)
    .await
    .unwrap();
    Anchor {
        seq: 1,
        hash: record.expected_hash(),
    }
}

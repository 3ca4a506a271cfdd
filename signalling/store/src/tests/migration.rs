//! Databases of older versions.

use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::objects::Preset;
use conclave_signalling_wire::text::Slug;
use sqlx::Connection;

use super::{Folder, NOW, entry, invite, room};
use crate::NewRoom;
use crate::audit::Anchor;
use crate::key::MasterKey;
use crate::open::{DATABASE, Tuning};
use crate::seal::Sealer;
use crate::sql::{audit, connect, rooms};

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
    let head = audit::append(&mut db, Anchor::EMPTY, &entry())
        .await
        .unwrap();
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
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 2);
}

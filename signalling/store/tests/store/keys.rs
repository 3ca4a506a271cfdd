//! API keys, settings, and sites that embed meetings.

use std::collections::BTreeSet;

use conclave_server_core::access::record::{KeyHash, KeyRecord, RoomFilter, Scope};
use conclave_signalling_core::record::Actor;
use conclave_signalling_store::{AuditQuery, EmbedderRecord, StoreError};
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::Slug;
use serde_json::json;
use sqlx::Connection;

use crate::{DAY_MS, Folder, after, entry, hash, is_in_files, now, random, room_id};

fn key(number: u64) -> KeyRecord {
    KeyRecord {
        id: KeyId::new(crate::NOW_MS, random(number)),
        name: "Timetable of the faculty".to_owned(),
        hash: KeyHash(hash(number)),
        former: Some((KeyHash(hash(number + 1)), after(DAY_MS))),
        scopes: BTreeSet::from([Scope::RoomsRead, Scope::SessionsAct]),
        rooms: Some(RoomFilter {
            rooms: BTreeSet::from([room_id(1)]),
            tags: BTreeSet::from(["lectures".to_owned()]),
        }),
        networks: vec!["192.0.2.0/24".parse().unwrap()],
        created_by: Actor::Operator,
        created_at: now(),
        expires_at: Some(after(90 * DAY_MS)),
        revoked_at: None,
        last_used_at: None,
        last_used_prefix: None,
        rev: 1,
    }
}

#[tokio::test]
async fn keys_are_the_same_after_a_restart() {
    let folder = Folder::new();
    let store = folder.open().await;
    let wide = KeyRecord {
        former: None,
        rooms: None,
        networks: Vec::new(),
        expires_at: None,
        revoked_at: Some(now()),
        last_used_at: Some(now()),
        last_used_prefix: Some("2001:db8::/48".to_owned()),
        ..key(2)
    };
    for key in [&wide, &key(1)] {
        let audit = entry("key.create");
        store.put_key(key.clone(), Some(0), audit).await.unwrap();
    }
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(store.keys().await.unwrap(), [key(1), wide.clone()]);
    assert_eq!(store.key(wide.id).await.unwrap(), Some(wide));
    assert_eq!(store.key(key(3).id).await.unwrap(), None);
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 2);
    assert!(!is_in_files(&folder, "Timetable"));
}

#[tokio::test]
async fn a_key_that_changed_meanwhile_is_left_alone() {
    let folder = Folder::new();
    let store = folder.open().await;
    let put = |rev, expected_rev| {
        let changed = KeyRecord { rev, ..key(1) };
        store.put_key(changed, expected_rev, entry("key.update"))
    };
    assert_eq!(put(2, Some(1)).await, Err(StoreError::Conflict));
    put(1, Some(0)).await.unwrap();
    assert_eq!(put(1, Some(0)).await, Err(StoreError::Conflict));
    put(2, Some(1)).await.unwrap();
    assert_eq!(put(2, Some(1)).await, Err(StoreError::Conflict));
    put(7, None).await.unwrap();
    assert_eq!(store.key(key(1).id).await.unwrap().unwrap().rev, 7);
    // What was refused is not in the log.
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 3);
}

#[tokio::test]
async fn the_last_use_of_a_key_outlives_its_changes() {
    let folder = Folder::new();
    let store = folder.open().await;
    let put = |rev| store.put_key(KeyRecord { rev, ..key(1) }, None, entry("key.update"));
    put(1).await.unwrap();
    let id = key(1).id;
    store.touch_key(id, after(5), "192.0.2.0/24").await.unwrap();
    store
        .touch_key(id, after(4), "198.51.100.0/24")
        .await
        .unwrap();
    store
        .touch_key(key(2).id, after(4), "192.0.2.0/24")
        .await
        .unwrap();
    put(2).await.unwrap();
    let kept = store.key(id).await.unwrap().unwrap();
    assert_eq!(kept.last_used_at, Some(after(5)));
    assert_eq!(kept.last_used_prefix.as_deref(), Some("192.0.2.0/24"));
    assert_eq!(kept.rev, 2);
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 2);
}

#[tokio::test]
async fn a_damaged_key_keeps_nobody_from_the_others() {
    let folder = Folder::new();
    let store = folder.open().await;
    for number in 1..=2 {
        let audit = entry("key.create");
        store.put_key(key(number), None, audit).await.unwrap();
    }
    let mut db = folder.raw().await;
    sqlx::query("UPDATE api_key SET scopes = '[\"rooms:fly\"]' WHERE id = ?1")
        .bind(key(1).id.to_string())
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
    assert_eq!(store.keys().await.unwrap(), [key(2)]);
    let refused = store.key(key(1).id).await.unwrap_err();
    assert_eq!(refused, StoreError::Damaged("api_key.scopes".to_owned()));
}

#[tokio::test]
async fn a_setting_has_a_revision() {
    let folder = Folder::new();
    let store = folder.open().await;
    let put =
        |value, expected| store.put_setting("limits", value, expected, entry("settings.update"));
    assert_eq!(store.setting("limits").await.unwrap(), None);
    assert_eq!(put(json!({"rooms": 5}), Some(0)).await, Ok(1));
    assert_eq!(
        put(json!({"rooms": 6}), Some(0)).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(put(json!({"rooms": 7}), Some(1)).await, Ok(2));
    assert_eq!(put(json!(null), None).await, Ok(3));
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(
        store.setting("limits").await.unwrap(),
        Some((json!(null), 3))
    );
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 3);
}

#[tokio::test]
async fn a_site_is_known_until_it_is_forgotten() {
    let folder = Folder::new();
    let store = folder.open().await;
    let site = |kid: &str, rooms| EmbedderRecord {
        kid: kid.to_owned(),
        issuer: "https://campus.example".to_owned(),
        key: hash(1),
        max_role: Role::CoHost,
        rooms,
        created_by: Actor::Operator,
        created_at: now(),
    };
    let everywhere = site("b", None);
    let somewhere = site("a", Some(BTreeSet::from([Slug::new("lecture").unwrap()])));
    for site in [&everywhere, &somewhere] {
        let audit = entry("embedder.create");
        store.put_embedder(site.clone(), audit).await.unwrap();
    }
    let taken = store.put_embedder(site("a", None), entry("embedder.create"));
    assert_eq!(taken.await, Err(StoreError::AlreadyThere));
    let known = store.embedders().await.unwrap();
    assert_eq!(known, [somewhere, everywhere.clone()]);
    let forget = |kid| store.delete_embedder(kid, entry("embedder.delete"));
    forget("a").await.unwrap();
    assert_eq!(forget("a").await, Err(StoreError::NotFound));
    assert_eq!(store.embedders().await.unwrap(), [everywhere]);
    let log = store.audit_tail(&AuditQuery::default()).await.unwrap();
    assert_eq!(log.len(), 3);
}

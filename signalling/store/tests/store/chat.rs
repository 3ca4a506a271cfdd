//! Messages that a room keeps.

use std::path::Path;

use conclave_signalling_core::record::{Change, ChatRecord};
use conclave_signalling_store::Store;
use conclave_signalling_wire::limits::CHAT_MESSAGES;
use conclave_signalling_wire::objects::Role;
use proptest::prelude::*;
use sqlx::Connection;

use crate::{
    DAY_MS, Folder, after, entry, message, new_room, now, room_id, session, values, with_room,
};

async fn keep(store: &Store, records: impl IntoIterator<Item = ChatRecord>) {
    let changes = records.into_iter().map(Box::new).map(Change::Chat);
    store.commit(room_id(1), changes.collect()).await.unwrap();
}

async fn kept(store: &Store) -> Vec<ChatRecord> {
    store.room(room_id(1), now()).await.unwrap().unwrap().chat
}

async fn numbers(store: &Store) -> Vec<u32> {
    let kept = kept(store).await;
    kept.iter().map(|record| record.message.number).collect()
}

#[tokio::test]
async fn messages_are_there_in_their_order_when_it_is_opened_again() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    keep(&store, [message(300), message(2), message(1)]).await;
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(kept(&store).await, [message(1), message(2), message(300)]);
}

#[tokio::test]
async fn a_tombstone_takes_the_place_of_its_message() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    keep(&store, [message(1), message(2)]).await;
    let mut tombstone = message(1);
    tombstone.message.text.clear();
    tombstone.message.deleted_by = Some(Role::Host);
    tombstone.session = session(2);
    tombstone.expires_at = after(2 * DAY_MS);
    keep(&store, [tombstone.clone()]).await;
    assert_eq!(kept(&store).await, [tombstone, message(2)]);
}

#[tokio::test]
async fn messages_go_by_session_and_number_in_their_own_room() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    store
        .create_room(new_room(2, "another"), entry("room.create"))
        .await
        .unwrap();
    let earlier = [1, 2].map(message);
    let later = [3, 4, 5].map(|number| ChatRecord {
        session: session(2),
        ..message(number)
    });
    keep(&store, earlier.into_iter().chain(later)).await;
    let forget = async |room, session, up_to| {
        let gone = Change::ChatGone { session, up_to };
        store.commit(room_id(room), vec![gone]).await.unwrap();
        numbers(&store).await
    };
    assert_eq!(forget(2, None, u32::MAX).await, [1, 2, 3, 4, 5]);
    assert_eq!(forget(1, Some(session(2)), 3).await, [1, 2, 4, 5]);
    assert_eq!(forget(1, Some(session(3)), u32::MAX).await, [1, 2, 4, 5]);
    assert_eq!(forget(1, None, 1).await, [2, 4, 5]);
    assert_eq!(forget(1, Some(session(1)), u32::MAX).await, [4, 5]);
    assert_eq!(forget(1, None, u32::MAX).await, [] as [u32; 0]);
}

#[tokio::test]
async fn what_is_over_is_not_given_out_and_then_purged() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let mut over = message(1);
    over.expires_at = now();
    let mut nearly = message(2);
    nearly.expires_at = after(1);
    keep(&store, [over, nearly]).await;
    assert_eq!(numbers(&store).await, [2]);
    assert_eq!(store.purge(now()).await.unwrap().chat, 1);
    assert_eq!(numbers(&store).await, [2]);
    assert_eq!(store.begin(after(1)).await.unwrap().chat, 1);
    assert_eq!(numbers(&store).await, [] as [u32; 0]);
}

#[tokio::test]
async fn no_more_is_given_out_than_a_room_holds() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let most = u32::try_from(CHAT_MESSAGES).unwrap();
    keep(&store, (1..=most + 3).map(message)).await;
    let newest: Vec<u32> = (4..=most + 3).collect();
    assert_eq!(numbers(&store).await, newest);
}

#[tokio::test]
async fn a_damaged_message_is_left_out_alone() {
    let swap = "UPDATE chat SET body = (SELECT body FROM chat AS other WHERE other.number = 1)
                WHERE number = 2";
    for damage in [
        "UPDATE chat SET body = x'00' WHERE number = 2",
        "UPDATE chat SET number = 7 WHERE number = 2",
        "UPDATE chat SET session = 'ses_other' WHERE number = 2",
        swap,
    ] {
        let folder = Folder::new();
        let store = with_room(&folder).await;
        keep(&store, [1, 2, 3].map(message)).await;
        store.close().await.unwrap();
        folder.tamper(damage).await;
        let store = folder.open().await;
        assert_eq!(numbers(&store).await, [1, 3], "{damage}");
    }
}

#[tokio::test]
async fn of_what_was_purged_not_even_the_sealed_bytes_are_left() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    keep(&store, [1, 2].map(message)).await;
    let mut db = folder.raw().await;
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar("SELECT body FROM chat ORDER BY number")
        .fetch_all(&mut db)
        .await
        .unwrap();
    assert_eq!(
        bodies
            .iter()
            .map(|body| holds(folder.path(), body))
            .collect::<Vec<_>>(),
        [true; 2]
    );
    let gone = Change::ChatGone {
        session: None,
        up_to: 1,
    };
    store.commit(room_id(1), vec![gone]).await.unwrap();
    // While somebody reads, it waits for the next time, and nobody waits for it.
    let mut reading = db.begin().await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM chat")
        .fetch_one(&mut *reading)
        .await
        .unwrap();
    assert_eq!(rows, 1);
    store.purge(now()).await.unwrap();
    assert!(holds(folder.path(), &bodies[0]));
    reading.rollback().await.unwrap();
    store.purge(now()).await.unwrap();
    assert!(!holds(folder.path(), &bodies[0]));
    assert!(holds(folder.path(), &bodies[1]));
}

fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|file| {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_message_round_trips(records in proptest::collection::vec(values::message(), 0..6)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(round_trip(records));
    }
}

async fn round_trip(mut records: Vec<ChatRecord>) {
    records.sort_by_key(|record| record.message.number);
    records.dedup_by_key(|record| record.message.number);
    let store = Store::open_temporary().await.unwrap();
    store
        .create_room(new_room(1, "welcome"), entry("room.create"))
        .await
        .unwrap();
    keep(&store, records.clone()).await;
    assert_eq!(kept(&store).await, records);
    store.close().await.unwrap();
}

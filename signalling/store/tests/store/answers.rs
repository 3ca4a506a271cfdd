//! Requests that come again.

use conclave_signalling_store::{IdempotencyKey, Reservation, Store, StoredAnswer};
use sqlx::Connection;

use crate::{DAY_MS, Folder, HOUR_MS, after, hash, is_in_files, now};

fn key(actor: &str, key: &str) -> IdempotencyKey {
    IdempotencyKey {
        actor: actor.to_owned(),
        key: key.to_owned(),
    }
}

fn answer() -> StoredAnswer {
    StoredAnswer {
        status: 201,
        headers: vec![("location".to_owned(), "/api/v1/rooms/Pantheon".to_owned())],
        body: br#"{"secret":"ck_Rosebud"}"#.to_vec(),
    }
}

async fn reserve(store: &Store, key: &IdempotencyKey, digest: u64, ms: u64) -> Reservation {
    store.reserve(key, hash(digest), after(ms)).await.unwrap()
}

#[tokio::test]
async fn a_request_that_comes_again_has_the_same_answer_for_a_day() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mine = key("operator", "Wednesday's room");
    assert_eq!(store.idempotent(&mine, hash(1), now()).await, Ok(None));
    assert_eq!(reserve(&store, &mine, 1, 0).await, Reservation::Reserved);
    assert_eq!(reserve(&store, &mine, 1, 1).await, Reservation::InProgress);
    assert_eq!(reserve(&store, &mine, 2, 1).await, Reservation::Mismatch);
    store.complete(&mine, answer()).await.unwrap();
    store.close().await.unwrap();
    let store = folder.open().await;
    store.begin(after(2)).await.unwrap();
    let same = Reservation::Same(answer());
    assert_eq!(reserve(&store, &mine, 1, 3).await, same);
    assert_eq!(reserve(&store, &mine, 2, 3).await, Reservation::Mismatch);
    // Another one has keys of its own.
    let other = key("key_other", "Wednesday's room");
    assert_eq!(reserve(&store, &other, 2, 3).await, Reservation::Reserved);
    // The first answer counts.
    let late = StoredAnswer {
        status: 500,
        ..answer()
    };
    store.complete(&mine, late).await.unwrap();
    assert_eq!(reserve(&store, &mine, 1, DAY_MS - 1).await, same);
    for word in ["Rosebud", "Pantheon", "Wednesday"] {
        assert!(!is_in_files(&folder, word), "{word}");
    }
    assert_eq!(
        reserve(&store, &mine, 2, DAY_MS).await,
        Reservation::Reserved
    );
    assert_eq!(store.purge(after(2 * DAY_MS)).await.unwrap().answers, 2);
}

#[tokio::test]
async fn a_request_that_was_not_done_may_come_again() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mine = key("operator", "a");
    assert_eq!(reserve(&store, &mine, 1, 0).await, Reservation::Reserved);
    store.release(&mine).await.unwrap();
    assert_eq!(reserve(&store, &mine, 2, 0).await, Reservation::Reserved);
    store.complete(&mine, answer()).await.unwrap();
    store.release(&mine).await.unwrap();
    let kept = reserve(&store, &mine, 2, 1).await;
    assert_eq!(kept, Reservation::Same(answer()));
}

#[tokio::test]
async fn what_a_crash_caught_is_in_doubt() {
    let folder = Folder::new();
    let store = folder.open().await;
    let mine = key("operator", "a");
    assert_eq!(reserve(&store, &mine, 1, 0).await, Reservation::Reserved);
    store.close().await.unwrap();
    let store = folder.open().await;
    // A command beside a server that goes on would not make it so.
    assert_eq!(reserve(&store, &mine, 1, 1).await, Reservation::InProgress);
    store.begin(after(1)).await.unwrap();
    assert_eq!(reserve(&store, &mine, 1, 2).await, Reservation::InDoubt);
    assert_eq!(reserve(&store, &mine, 2, 2).await, Reservation::Mismatch);
    // So is what nobody answers.
    let other = key("operator", "b");
    assert_eq!(reserve(&store, &other, 1, 2).await, Reservation::Reserved);
    let later = reserve(&store, &other, 1, HOUR_MS).await;
    assert_eq!(later, Reservation::InDoubt);
}

#[tokio::test]
async fn the_oldest_answers_of_one_actor_go_first() {
    let folder = Folder::new();
    let store = folder.open().await;
    let other = key("key_other", "first");
    reserve(&store, &other, 1, 0).await;
    reserve(&store, &key("operator", "first"), 1, 0).await;
    let mut db = folder.raw().await;
    sqlx::query(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10000)
         INSERT INTO idempotency (actor, name, digest, at)
         SELECT 'operator', CAST('name ' || n AS BLOB), x'00', ?1 FROM number",
    )
    .bind(i64::try_from(now().unix_ms()).unwrap())
    .execute(&mut db)
    .await
    .unwrap();
    db.close().await.unwrap();
    reserve(&store, &key("operator", "last"), 1, 0).await;
    let first = reserve(&store, &key("operator", "first"), 1, 1).await;
    assert_eq!(first, Reservation::Reserved);
    assert_eq!(reserve(&store, &other, 1, 1).await, Reservation::InProgress);
}

#[tokio::test]
async fn large_answers_are_kept_in_a_bounded_number_and_nothing_is_done_twice() {
    let folder = Folder::new();
    let store = folder.open().await;
    let named = |number: u64| key("key_bulk", &number.to_string());
    let large = StoredAnswer {
        body: vec![b'x'; 16 * 1024],
        ..answer()
    };
    let small = key("key_bulk", "small");
    assert_eq!(reserve(&store, &small, 1, 0).await, Reservation::Reserved);
    store.complete(&small, answer()).await.unwrap();
    for number in 0..102 {
        let mine = named(number);
        assert_eq!(reserve(&store, &mine, 1, 0).await, Reservation::Reserved);
        store.complete(&mine, large.clone()).await.unwrap();
    }
    for number in [0, 1] {
        let known = reserve(&store, &named(number), 1, 1).await;
        assert_eq!(known, Reservation::InDoubt);
    }
    let known = reserve(&store, &named(2), 1, 1).await;
    assert_eq!(known, Reservation::Same(large));
    let known = reserve(&store, &small, 1, 1).await;
    assert_eq!(known, Reservation::Same(answer()));
}

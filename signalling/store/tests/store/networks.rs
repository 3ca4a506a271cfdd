//! The keys of network tags: when they come and go.

use conclave_signalling_core::record::{Ban, Change};
use conclave_signalling_store::{NetworkKey, Store};

use crate::{DAY_MS, Folder, HOUR_MS, after, ban, now, room_id, with_room};

fn ids(keys: &[NetworkKey]) -> Vec<u32> {
    keys.iter().map(NetworkKey::id).collect()
}

async fn ids_at(store: &Store, ms: u64) -> Vec<u32> {
    ids(&store.network_keys(after(ms)).await.unwrap())
}

#[tokio::test]
async fn a_key_is_new_every_day_and_kept_for_one_more() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    assert_eq!(ids_at(&store, 0).await, [1]);
    assert_eq!(ids_at(&store, DAY_MS - 1).await, [1]);
    assert_eq!(ids_at(&store, DAY_MS).await, [2, 1]);
    assert_eq!(ids_at(&store, 2 * DAY_MS).await, [3, 2]);
    // Numbers are not given again.
    assert_eq!(ids_at(&store, 9 * DAY_MS).await, [4]);
}

#[tokio::test]
async fn a_key_is_the_same_after_a_restart() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let address = "192.0.2.1".parse().unwrap();
    let tag = store.network_keys(now()).await.unwrap()[0].tag(address);
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(
        store.network_keys(now()).await.unwrap()[0].tag(address),
        tag
    );
}

#[tokio::test]
async fn a_key_stays_as_long_as_a_ban_needs_it() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let key = store.network_keys(now()).await.unwrap().remove(0);
    let network = key.tag("192.0.2.1".parse().unwrap());
    let banned = Ban {
        network: Some(network),
        network_until: after(5 * DAY_MS),
        expires_at: after(30 * DAY_MS),
        ..ban(1)
    };
    let changes = vec![Change::Ban(Box::new(banned))];
    store.commit(room_id(1), changes).await.unwrap();
    assert_eq!(ids_at(&store, 4 * DAY_MS).await, [2, 1]);
    assert_eq!(
        store.purge(after(4 * DAY_MS)).await.unwrap().network_keys,
        0
    );
    let room = store.room(room_id(1), now()).await.unwrap().unwrap();
    assert_eq!(room.bans[0].network, Some(network));
    let purged = store.purge(after(5 * DAY_MS)).await.unwrap();
    assert_eq!((purged.bans, purged.network_keys), (0, 1));
    assert_eq!(ids_at(&store, 5 * DAY_MS - HOUR_MS).await, [2]);
    let room = store.room(room_id(1), now()).await.unwrap().unwrap();
    assert_eq!(room.bans[0].network, None);
}

#[tokio::test]
async fn a_lifted_ban_needs_no_key() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let key = store.network_keys(now()).await.unwrap().remove(0);
    let banned = Ban {
        network: Some(key.tag("192.0.2.1".parse().unwrap())),
        network_until: after(9 * DAY_MS),
        expires_at: after(9 * DAY_MS),
        ..ban(1)
    };
    let lifted = Change::BanLifted(banned.id);
    for change in [Change::Ban(Box::new(banned)), lifted] {
        store.commit(room_id(1), vec![change]).await.unwrap();
    }
    assert_eq!(ids_at(&store, 3 * DAY_MS).await, [2]);
}

#[tokio::test]
async fn a_clock_that_is_corrected_makes_no_key() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    assert_eq!(ids_at(&store, HOUR_MS).await, [1]);
    assert_eq!(ids_at(&store, 0).await, [1]);
}

#[tokio::test]
async fn a_key_from_a_wrong_future_is_replaced_at_once() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    assert_eq!(ids_at(&store, 900 * DAY_MS).await, [1]);
    assert_eq!(ids_at(&store, 0).await, [2]);
    assert_eq!(ids_at(&store, DAY_MS).await, [3, 2]);
}

#[tokio::test]
async fn a_key_from_tomorrow_lasts_as_long_as_another() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    assert_eq!(ids_at(&store, DAY_MS).await, [1]);
    assert_eq!(ids_at(&store, 0).await, [2, 1]);
    assert_eq!(ids_at(&store, 2 * DAY_MS).await, [3, 1]);
    assert_eq!(ids_at(&store, 3 * DAY_MS).await, [4, 3]);
}

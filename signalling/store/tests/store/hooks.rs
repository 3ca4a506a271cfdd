//! Webhooks, and the outbox of what they are told.

use std::collections::BTreeSet;

use conclave_server_core::access::record::RoomFilter;
use conclave_server_core::webhook::record::{
    Delivery, DeliveryState, SigningSecret, WebhookRecord,
};
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::record::{Actor, Change};
use conclave_signalling_store::{DeliveryCounts, DeliveryQuery, Order, Outcome, Store, StoreError};
use conclave_signalling_wire::ids::{DeliveryId, EventId, ParticipantId, WebhookId};
use conclave_signalling_wire::time::Timestamp;
use serde_json::json;

use crate::{
    DAY_MS, Folder, HOUR_MS, NOW_MS, after, entry, hash, invite, is_in_files, new_room, now,
    random, room_id, session, with_room,
};

pub(crate) fn webhook(number: u64) -> WebhookRecord {
    WebhookRecord {
        id: WebhookId::new(NOW_MS, random(number)),
        url: "https://hooks.example/Marmalade".to_owned(),
        description: "Doorbell of the secretariat".to_owned(),
        events: BTreeSet::new(),
        rooms: None,
        include_pii: true,
        enabled: true,
        secret: SigningSecret(*b"Thirty-two bytes of a secret...."),
        former: Some((SigningSecret(hash(number)), after(DAY_MS))),
        created_by: Actor::Operator,
        created_at: now(),
        rev: 1,
    }
}

pub(crate) fn raised(number: u64) -> Event {
    let id = EventId::new(NOW_MS, random(number));
    let data = json!({"role": "attendee"});
    Event {
        room: Some(room_id(1)),
        session: Some(session(1)),
        participant: Some(ParticipantId::new(NOW_MS, random(number))),
        ..Event::new(
            id,
            now(),
            EventKind::HandRaised,
            data,
            json!({"name": "Ada Lovelace"}),
        )
    }
}

async fn put(store: &Store, webhook: &WebhookRecord) {
    let audit = entry("webhook.update");
    store
        .put_webhook(webhook.clone(), None, audit)
        .await
        .unwrap();
}

async fn commit(store: &Store, event: Event) {
    let changes = vec![Change::Event(Box::new(event))];
    store.commit(room_id(1), changes).await.unwrap();
}

fn all(number: u64) -> DeliveryQuery {
    DeliveryQuery {
        webhook: webhook(number).id,
        state: None,
        order: Order::OldestFirst,
        after: None,
        limit: 100,
    }
}

async fn told(store: &Store, number: u64) -> Vec<Delivery> {
    store.deliveries(&all(number)).await.unwrap()
}

async fn kinds(store: &Store, number: u64) -> Vec<EventKind> {
    let told = told(store, number).await;
    let mut kinds: Vec<_> = told.iter().map(|delivery| delivery.event.kind).collect();
    kinds.sort_by_key(|kind| kind.name());
    kinds
}

/// Returns how many events there are, whoever is told of them.
async fn events(folder: &Folder) -> i64 {
    let mut db = folder.raw().await;
    let count = sqlx::query_scalar("SELECT count(*) FROM event");
    count.fetch_one(&mut db).await.unwrap()
}

#[tokio::test]
async fn a_webhook_is_the_same_after_a_restart_and_nowhere_to_be_read() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let plain = WebhookRecord {
        events: BTreeSet::from([EventKind::HandRaised]),
        rooms: Some(RoomFilter::default()),
        include_pii: false,
        enabled: false,
        former: None,
        ..webhook(2)
    };
    put(&store, &webhook(1)).await;
    put(&store, &plain).await;
    commit(&store, raised(1)).await;
    store.close().await.unwrap();
    let store = folder.open().await;
    assert_eq!(store.webhooks().await.unwrap(), [webhook(1), plain.clone()]);
    assert_eq!(store.webhook(plain.id).await.unwrap(), Some(plain));
    let told = told(&store, 1).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].event, raised(1));
    assert_eq!(told[0].event.personal, raised(1).personal);
    for word in ["Marmalade", "Doorbell", "Thirty-two", "Lovelace"] {
        assert!(!is_in_files(&folder, word), "{word}");
    }
}

#[tokio::test]
async fn a_webhook_that_changed_meanwhile_is_left_alone() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let put = |rev, expected| {
        let changed = WebhookRecord { rev, ..webhook(1) };
        store.put_webhook(changed, expected, entry("webhook.update"))
    };
    put(1, Some(0)).await.unwrap();
    assert_eq!(put(3, Some(2)).await, Err(StoreError::Conflict));
    put(2, Some(1)).await.unwrap();
    let delete = |number| store.delete_webhook(webhook(number).id, entry("webhook.delete"));
    commit(&store, raised(1)).await;
    delete(1).await.unwrap();
    assert_eq!(delete(1).await, Err(StoreError::NotFound));
    assert_eq!(told(&store, 1).await, []);
    commit(&store, raised(2)).await;
    let counts = store.delivery_counts(None).await.unwrap();
    assert_eq!(counts, DeliveryCounts::default());
    assert_eq!(store.audit_verify(&[]).await.unwrap().records, 4);
}

#[tokio::test]
async fn a_webhook_is_told_what_it_wants() {
    let folder = Folder::new();
    let store = folder.open().await;
    let of = |rooms: Option<RoomFilter>, events: &[EventKind], number| WebhookRecord {
        rooms,
        events: events.iter().copied().collect(),
        ..webhook(number)
    };
    let tagged = RoomFilter {
        tags: BTreeSet::from(["exam".to_owned()]),
        ..RoomFilter::default()
    };
    let named = RoomFilter {
        rooms: BTreeSet::from([room_id(2)]),
        ..RoomFilter::default()
    };
    put(&store, &of(None, &[], 1)).await;
    put(&store, &of(Some(tagged), &[], 2)).await;
    put(&store, &of(Some(named), &[EventKind::RoomCreated], 3)).await;
    put(&store, &of(None, &[EventKind::SystemDrain], 4)).await;
    put(
        &store,
        &WebhookRecord {
            enabled: false,
            ..webhook(5)
        },
    )
    .await;
    for (number, tags) in [(1, &["exam"][..]), (2, &["lecture"])] {
        let mut room = new_room(number, &format!("room-{number}"));
        room.settings.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        store.create_room(room, entry("room.create")).await.unwrap();
    }
    commit(&store, raised(1)).await;
    let id = EventId::new(NOW_MS, random(2));
    let drain = Event::new(
        id,
        now(),
        EventKind::SystemDrain,
        EventKind::SystemDrain
            .data()
            .iter()
            .map(|member| (member.name, 0))
            .collect(),
        json!({}),
    );
    store.event(drain).await.unwrap();
    for number in 1..=2 {
        let audit = entry("room.delete");
        store.delete_room(room_id(number), audit).await.unwrap();
    }
    use EventKind::{HandRaised, RoomCreated, RoomDeleted, SystemDrain};
    let everything = [
        HandRaised,
        RoomCreated,
        RoomCreated,
        RoomDeleted,
        RoomDeleted,
        SystemDrain,
    ];
    assert_eq!(kinds(&store, 1).await, everything);
    assert_eq!(
        kinds(&store, 2).await,
        [HandRaised, RoomCreated, RoomDeleted]
    );
    assert_eq!(kinds(&store, 3).await, [RoomCreated]);
    assert_eq!(kinds(&store, 4).await, [SystemDrain]);
    assert_eq!(kinds(&store, 5).await, []);
    assert_eq!(events(&folder).await, 6);
    let made = told(&store, 3).await.remove(0).event;
    let data = json!({"slug": "room-2", "by": {"kind": "operator"}});
    assert_eq!(json!(made.data), data);
    assert_eq!(made.room, Some(room_id(2)));
}

#[tokio::test]
async fn what_waits_follows_a_webhook_that_wants_less() {
    let folder = Folder::new();
    let store = folder.open().await;
    put(&store, &webhook(1)).await;
    put(&store, &webhook(2)).await;
    for (number, tags) in [(1, &["exam"][..]), (2, &["lecture"]), (3, &[])] {
        let mut room = new_room(number, &format!("room-{number}"));
        room.settings.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        store.create_room(room, entry("room.create")).await.unwrap();
    }
    commit(&store, raised(1)).await;
    let told = told(&store, 1).await;
    let hand = |one: &&Delivery| one.event.kind == EventKind::HandRaised;
    let taken = told.iter().find(hand).unwrap().id;
    tried(&store, taken, now(), Outcome::Delivered { status: 200 }).await;
    let waiting = |number: u64| {
        let query = DeliveryQuery {
            state: Some(DeliveryState::Pending),
            ..all(number)
        };
        let store = &store;
        async move {
            let waiting = store.deliveries(&query).await.unwrap();
            let what = waiting.iter().map(|one| (one.event.kind, one.event.room));
            what.collect::<BTreeSet<_>>()
        }
    };
    let made = |number| (EventKind::RoomCreated, Some(room_id(number)));
    assert_eq!(waiting(1).await, [1, 2, 3].map(made).into());
    let of_rooms = WebhookRecord {
        rooms: Some(RoomFilter {
            rooms: BTreeSet::from([room_id(3)]),
            tags: BTreeSet::from(["exam".to_owned()]),
        }),
        ..webhook(1)
    };
    put(&store, &of_rooms).await;
    assert_eq!(waiting(1).await, [1, 3].map(made).into());
    assert_eq!(waiting(2).await.len(), 4);
    let of_kinds = WebhookRecord {
        events: BTreeSet::from([EventKind::HandRaised]),
        ..webhook(2)
    };
    put(&store, &of_kinds).await;
    let hand = (EventKind::HandRaised, Some(room_id(1)));
    assert_eq!(waiting(2).await, [hand].into());
    let cancelled = DeliveryQuery {
        state: Some(DeliveryState::Cancelled),
        ..all(2)
    };
    let cancelled = store.deliveries(&cancelled).await.unwrap();
    assert_eq!(cancelled.len(), 3);
    for delivery in &cancelled {
        assert_eq!(delivery.error.as_deref(), Some("unwanted"));
        assert!(delivery.ended_at.is_some());
    }
    let counts = store.delivery_counts(None).await.unwrap();
    assert_eq!((counts.pending, counts.dead), (3, 0));
    // What was taken before stays so, and nothing comes back.
    put(&store, &webhook(2)).await;
    assert_eq!(waiting(2).await, [hand].into());
    let taken = store.delivery(taken).await.unwrap().unwrap();
    assert_eq!(taken.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn what_waits_for_another_receiver_has_not_been_tried() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    put(&store, &webhook(1)).await;
    commit(&store, raised(1)).await;
    let id = told(&store, 1).await.remove(0).id;
    let failed = Outcome::Failed {
        status: Some(503),
        error: "status".to_owned(),
        due_at: after(HOUR_MS),
    };
    let failed = tried(&store, id, after(10), failed).await;
    let renamed = WebhookRecord {
        description: String::new(),
        ..webhook(1)
    };
    put(&store, &renamed).await;
    assert_eq!(told(&store, 1).await, std::slice::from_ref(&failed));
    let moved = WebhookRecord {
        url: "https://other.example/".to_owned(),
        ..webhook(1)
    };
    put(&store, &moved).await;
    let fresh = Delivery {
        attempts: 0,
        due_at: now(),
        status: None,
        error: None,
        ..failed
    };
    assert_eq!(told(&store, 1).await, [fresh]);
    assert_eq!(store.due_deliveries(now(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_is_kept_that_nobody_is_told() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    commit(&store, raised(1)).await;
    assert_eq!(events(&folder).await, 0);
    let silent = WebhookRecord {
        include_pii: false,
        ..webhook(1)
    };
    put(&store, &silent).await;
    commit(&store, raised(2)).await;
    let kept = told(&store, 1).await.remove(0).event;
    assert_eq!(kept.data, raised(2).data);
    assert!(kept.personal.is_empty());
}

#[tokio::test]
async fn a_commit_that_fails_leaves_no_event_and_one_that_comes_twice_leaves_one() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    put(&store, &webhook(1)).await;
    let taken = |number| Change::Invite(Box::new(invite(number)));
    store.commit(room_id(1), vec![taken(1)]).await.unwrap();
    let mut twin = invite(2);
    twin.hash = invite(1).hash;
    let changes = vec![
        Change::Event(Box::new(raised(1))),
        Change::Invite(Box::new(twin)),
    ];
    let refused = store.commit(room_id(1), changes).await;
    assert_eq!(refused, Err(StoreError::AlreadyThere));
    assert_eq!(events(&folder).await, 0);
    assert_eq!(told(&store, 1).await, []);
    let counts = store.delivery_counts(None).await.unwrap();
    assert_eq!(counts.pending, 0);
    commit(&store, raised(1)).await;
    commit(&store, raised(1)).await;
    assert_eq!(told(&store, 1).await.len(), 1);
}

#[tokio::test]
async fn a_sender_is_woken_by_what_is_on_the_disk() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let mut new = store.new_deliveries();
    put(
        &store,
        &WebhookRecord {
            enabled: false,
            ..webhook(1)
        },
    )
    .await;
    assert!(new.has_changed().unwrap());
    new.mark_unchanged();
    commit(&store, raised(1)).await;
    assert!(!new.has_changed().unwrap());
    put(&store, &webhook(1)).await;
    new.changed().await.unwrap();
    let waiting = tokio::spawn(async move {
        new.changed().await.unwrap();
    });
    commit(&store, raised(2)).await;
    waiting.await.unwrap();
    assert_eq!(store.due_deliveries(now(), 10).await.unwrap().len(), 1);
}

async fn tried(store: &Store, id: DeliveryId, at: Timestamp, outcome: Outcome) -> Delivery {
    store.delivery_tried(id, at, outcome).await.unwrap();
    store.delivery(id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_delivery_is_tried_until_it_is_taken_or_given_up() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    put(&store, &webhook(1)).await;
    assert_eq!(store.next_due().await.unwrap(), None);
    commit(&store, raised(1)).await;
    let fresh = store.due_deliveries(now(), 10).await.unwrap().remove(0);
    let expected = Delivery {
        id: fresh.id,
        webhook: webhook(1).id,
        event: raised(1),
        state: DeliveryState::Pending,
        attempts: 0,
        due_at: now(),
        status: None,
        error: None,
        created_at: now(),
        ended_at: None,
    };
    assert_eq!(fresh, expected);
    assert_eq!(store.next_due().await.unwrap(), Some(now()));
    let failed = Outcome::Failed {
        status: Some(503),
        error: "status".to_owned(),
        due_at: after(5000),
    };
    let failed = tried(&store, fresh.id, after(10), failed).await;
    let expected = Delivery {
        attempts: 1,
        due_at: after(5000),
        status: Some(503),
        error: Some("status".to_owned()),
        ..expected
    };
    assert_eq!(failed, expected);
    assert_eq!(store.due_deliveries(after(4999), 10).await.unwrap(), []);
    assert_eq!(
        store.due_deliveries(after(5000), 10).await.unwrap(),
        [failed]
    );
    assert_eq!(store.next_due().await.unwrap(), Some(after(5000)));
    let taken = tried(
        &store,
        fresh.id,
        after(5001),
        Outcome::Delivered { status: 204 },
    )
    .await;
    let expected = Delivery {
        state: DeliveryState::Delivered,
        attempts: 2,
        status: Some(204),
        error: None,
        ended_at: Some(after(5001)),
        ..expected
    };
    assert_eq!(taken, expected);
    assert_eq!(store.next_due().await.unwrap(), None);
    // Whoever comes late changes nothing.
    let dead = || Outcome::Dead {
        status: None,
        error: "timeout".to_owned(),
    };
    assert_eq!(tried(&store, fresh.id, after(6000), dead()).await, expected);
    let again = store.redeliver(fresh.id, after(7000), entry("webhook.redeliver"));
    let again = again.await.unwrap();
    let given_up = tried(&store, again, after(7001), dead()).await;
    assert_eq!(given_up.state, DeliveryState::Dead);
    assert_eq!(given_up.event, raised(1));
    assert_eq!((given_up.attempts, given_up.created_at), (1, after(7000)));
    assert_eq!(store.delivery(fresh.id).await.unwrap(), Some(expected));
    let counts = store.delivery_counts(Some(webhook(1).id)).await.unwrap();
    assert_eq!(
        counts,
        DeliveryCounts {
            pending: 0,
            dead: 1
        }
    );
    let unknown = DeliveryId::new(NOW_MS, random(99));
    let refused = store
        .redeliver(unknown, now(), entry("webhook.redeliver"))
        .await;
    assert_eq!(refused, Err(StoreError::NotFound));
}

#[tokio::test]
async fn deliveries_are_listed_in_pages_and_by_their_state() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    put(&store, &webhook(1)).await;
    put(&store, &webhook(2)).await;
    for number in 0..5 {
        let at = after(number);
        commit(
            &store,
            Event {
                at,
                ..raised(number)
            },
        )
        .await;
    }
    let whole = told(&store, 1).await;
    let times: Vec<_> = whole.iter().map(|delivery| delivery.created_at).collect();
    assert_eq!(times, [0, 1, 2, 3, 4].map(after));
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut query = DeliveryQuery {
            order,
            limit: 2,
            ..all(1)
        };
        let mut found = Vec::new();
        loop {
            let page = store.deliveries(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.after = Some(last.id);
            found.extend(page);
        }
        if order == Order::NewestFirst {
            found.reverse();
        }
        assert_eq!(found, whole);
    }
    tried(
        &store,
        whole[3].id,
        now(),
        Outcome::Delivered { status: 200 },
    )
    .await;
    let taken = DeliveryQuery {
        state: Some(DeliveryState::Delivered),
        ..all(1)
    };
    let taken = store.deliveries(&taken).await.unwrap();
    assert_eq!(
        taken.iter().map(|one| one.id).collect::<Vec<_>>(),
        [whole[3].id]
    );
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_keeps_no_other_waiting() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    put(&store, &webhook(1)).await;
    for number in 0..20 {
        commit(&store, raised(number)).await;
    }
    put(&store, &webhook(2)).await;
    commit(
        &store,
        Event {
            at: after(1),
            ..raised(20)
        },
    )
    .await;
    let due = store.due_deliveries(after(1), 10).await.unwrap();
    let second = |delivery: &&Delivery| delivery.webhook == webhook(2).id;
    assert_eq!(due.iter().filter(second).count(), 1);
    assert_eq!(due.len(), 6);
    assert_eq!(store.due_deliveries(after(1), 1).await.unwrap().len(), 1);
    // What waits for one that is not called is due when it is called again.
    put(
        &store,
        &WebhookRecord {
            enabled: false,
            ..webhook(1)
        },
    )
    .await;
    assert_eq!(store.due_deliveries(now(), 100).await.unwrap(), []);
    assert_eq!(store.next_due().await.unwrap(), Some(after(1)));
    put(&store, &webhook(1)).await;
    assert_eq!(store.due_deliveries(now(), 100).await.unwrap().len(), 20);
    assert_eq!(store.next_due().await.unwrap(), Some(now()));
}

#[tokio::test]
async fn one_webhook_is_tried_whatever_it_wants() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let off = WebhookRecord {
        enabled: false,
        events: BTreeSet::from([EventKind::RoomLocked]),
        ..webhook(1)
    };
    put(&store, &off).await;
    put(&store, &webhook(2)).await;
    let id = store.event_to(off.id, raised(1)).await.unwrap();
    assert_eq!(store.delivery(id).await.unwrap().unwrap().event, raised(1));
    assert_eq!(told(&store, 2).await, []);
    let again = store.event_to(off.id, raised(1)).await;
    assert_eq!(again, Err(StoreError::AlreadyThere));
    let unknown = store.event_to(webhook(3).id, raised(2)).await;
    assert_eq!(unknown, Err(StoreError::NotFound));
}

#[tokio::test]
async fn a_delivery_that_cannot_be_read_holds_nothing_up() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    put(&store, &webhook(1)).await;
    commit(&store, raised(1)).await;
    commit(&store, raised(2)).await;
    store.close().await.unwrap();
    folder
        .tamper("UPDATE event SET personal = x'00' WHERE seq = 1")
        .await;
    let store = folder.open().await;
    let due = store.due_deliveries(now(), 1).await.unwrap();
    assert_eq!(due, []);
    let due = store.due_deliveries(now(), 1).await.unwrap();
    assert_eq!(due[0].event, raised(2));
    let counts = store.delivery_counts(None).await.unwrap();
    assert_eq!(
        counts,
        DeliveryCounts {
            pending: 1,
            dead: 1
        }
    );
}

#[tokio::test]
async fn what_was_sent_is_forgotten_after_a_week_and_what_was_not_after_a_month() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    put(&store, &webhook(1)).await;
    for number in 1..=3 {
        commit(&store, raised(number)).await;
    }
    let due = store.due_deliveries(now(), 10).await.unwrap();
    let dead = Outcome::Dead {
        status: None,
        error: "timeout".to_owned(),
    };
    tried(&store, due[0].id, now(), Outcome::Delivered { status: 200 }).await;
    tried(&store, due[1].id, now(), dead).await;
    let week = store.purge(after(7 * DAY_MS - HOUR_MS)).await.unwrap();
    assert_eq!(week.deliveries, 0);
    assert_eq!(store.purge(after(7 * DAY_MS)).await.unwrap().deliveries, 1);
    assert_eq!(events(&folder).await, 2);
    let month = store.purge(after(30 * DAY_MS - HOUR_MS)).await.unwrap();
    assert_eq!(month.deliveries, 0);
    assert_eq!(store.purge(after(30 * DAY_MS)).await.unwrap().deliveries, 2);
    assert_eq!(events(&folder).await, 0);
    let counts = store.delivery_counts(None).await.unwrap();
    assert_eq!(counts, DeliveryCounts::default());
}

//! The bounds of the outbox, and that a transaction that is given up leaves nothing of it.

use std::collections::BTreeSet;

use conclave_server_core::webhook::record::{
    Delivery, DeliveryState, SigningSecret, WebhookRecord,
};
use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::record::{Actor, Change, Invite};
use conclave_signalling_wire::ids::{EventId, WebhookId};
use conclave_signalling_wire::time::Timestamp;
use serde_json::json;

use super::{Folder, NOW, entry, invite};
use crate::open::Tuning;
use crate::sql::outbox::Bounds;
use crate::{DeliveryCounts, DeliveryQuery, Order, Store, StoreError};

pub(super) fn webhook(number: u8) -> WebhookRecord {
    WebhookRecord {
        id: WebhookId::new(NOW.unix_ms(), [number; 10]),
        url: "https://hooks.example/".to_owned(),
        description: String::new(),
        events: BTreeSet::new(),
        rooms: None,
        include_pii: false,
        enabled: true,
        secret: SigningSecret([number; 32]),
        former: None,
        created_by: Actor::Operator,
        created_at: NOW,
        rev: 1,
    }
}

pub(super) fn raised(number: u8) -> Event {
    let at = Timestamp::from_unix_ms(NOW.unix_ms() + u64::from(number));
    let id = EventId::new(at.unix_ms(), [number; 10]);
    let (data, personal) = (json!({"role": "attendee"}), json!({"name": "Ada"}));
    Event::new(id, at, EventKind::HandRaised, data, personal)
}

pub(super) async fn put(store: &Store, webhook: WebhookRecord) {
    store.put_webhook(webhook, None, entry()).await.unwrap();
}

pub(super) async fn of(store: &Store, number: u8) -> Vec<Delivery> {
    let query = DeliveryQuery {
        webhook: webhook(number).id,
        state: None,
        order: Order::OldestFirst,
        after: None,
        limit: 1000,
    };
    store.deliveries(&query).await.unwrap()
}

fn overflowed(deliveries: &[Delivery]) -> Vec<bool> {
    deliveries
        .iter()
        .map(|delivery| match delivery.state {
            DeliveryState::Dead => {
                assert_eq!(delivery.error.as_deref(), Some("overflow"));
                assert!(delivery.ended_at.is_some());
                true
            }
            _ => false,
        })
        .collect()
}

#[tokio::test]
async fn the_oldest_deliveries_of_a_webhook_are_given_up_for_new_ones() {
    let folder = Folder::new();
    let tuning = Tuning {
        bounds: Bounds { each: 3, all: 100 },
        ..Tuning::default()
    };
    let store = folder.with_room(tuning).await;
    put(&store, webhook(1)).await;
    for number in 0..5 {
        store.event(raised(number)).await.unwrap();
    }
    let there = of(&store, 1).await;
    assert_eq!(overflowed(&there), [true, true, false, false, false]);
    assert_eq!(store.statistics().overflowed, 2);
    let counts = store.delivery_counts(None).await.unwrap();
    assert_eq!(
        counts,
        DeliveryCounts {
            pending: 3,
            dead: 2
        }
    );
}

#[tokio::test]
async fn the_webhook_that_has_most_waiting_makes_room_for_all() {
    let folder = Folder::new();
    let tuning = Tuning {
        bounds: Bounds { each: 100, all: 4 },
        ..Tuning::default()
    };
    let store = folder.with_room(tuning).await;
    put(&store, webhook(1)).await;
    for number in 0..4 {
        store.event(raised(number)).await.unwrap();
    }
    put(&store, webhook(2)).await;
    let two = [raised(4), raised(5)].map(|event| store.event_to(webhook(2).id, event));
    for one in two {
        one.await.unwrap();
    }
    assert_eq!(overflowed(&of(&store, 1).await), [true, true, false, false]);
    assert_eq!(overflowed(&of(&store, 2).await), [false, false]);
    assert_eq!(store.statistics().overflowed, 2);
}

#[tokio::test]
async fn a_transaction_that_is_given_up_leaves_no_event_of_the_one_to_blame() {
    let folder = Folder::new();
    let tuning = Tuning {
        pages_max: Some(140),
        ..Tuning::default()
    };
    let store = folder.with_room(tuning).await;
    let huge = Invite {
        devices: vec![DeviceHash([9; 32]); 40_000],
        ..invite(100, 100)
    };
    let mut batches: Vec<_> = (0..20)
        .map(|number| vec![Change::Event(Box::new(raised(number)))])
        .collect();
    batches[7].push(Change::Invite(Box::new(huge)));
    // In the transaction that is given up, or near it.
    let put = {
        let store = store.clone();
        tokio::spawn(async move { put(&store, webhook(1)).await })
    };
    put.await.unwrap();
    let answers = super::at_once(&store, batches).await;
    for (place, answer) in answers.iter().enumerate() {
        let expected = if place == 7 {
            Err(StoreError::Full)
        } else {
            Ok(())
        };
        assert_eq!(*answer, expected, "{place}");
    }
    let told = of(&store, 1).await;
    let told: BTreeSet<_> = told.iter().map(|delivery| delivery.event.id).collect();
    let expected = (0..20).filter(|number| *number != 7);
    assert_eq!(told, expected.map(|number| raised(number).id).collect());
    let counts = store.delivery_counts(None).await.unwrap();
    assert_eq!(
        counts,
        DeliveryCounts {
            pending: 19,
            dead: 0
        }
    );
}

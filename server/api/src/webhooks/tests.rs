//! The sender on a store of its own, with a receiver on loopback.

use std::collections::BTreeSet;

use conclave_server_core::webhook::record::{DeliveryState, SigningSecret};
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_store::{DeliveryQuery, Order};
use conclave_signalling_wire::ids::{KeyId, RoomId, WebhookId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

#[tokio::test]
async fn what_happens_is_delivered_once_to_each_who_wants_it() {
    let mut stage = Stage::new(204).await;
    let all = stage.webhook(1, &[]).await;
    let rooms = stage.webhook(2, &[EventKind::RoomDeleted]).await;
    stage.run();
    let event = event(EventKind::RoomCreated);
    stage.store.event(event.clone()).await.unwrap();
    let body = stage.received().await;
    assert_eq!(body, payload::body(&event, false));
    stage.until(all, 1, DeliveryState::Delivered).await;
    assert!(stage.deliveries(rooms).await.is_empty());
    assert_eq!(stage.webhooks.counts().delivered, 1);

    // Once more on demand, and the receiver sees that it is the same.
    let former = stage.deliveries(all).await[0].id;
    let at = now();
    stage
        .store
        .redeliver(former, at, audit("webhook.redeliver"))
        .await
        .unwrap();
    assert_eq!(stage.received().await, body);
    stage.until(all, 2, DeliveryState::Delivered).await;
    stage.end().await;
}

#[tokio::test]
async fn what_was_due_before_the_start_is_delivered_in_its_order() {
    let mut stage = Stage::new(200).await;
    let webhook = stage.webhook(1, &[]).await;
    let mut expected = Vec::new();
    for kind in [
        EventKind::RoomCreated,
        EventKind::RoomLocked,
        EventKind::RoomUnlocked,
    ] {
        let event = event(kind);
        expected.push(payload::body(&event, false));
        stage.store.event(event).await.unwrap();
    }
    stage.run();
    let received = [
        stage.received().await,
        stage.received().await,
        stage.received().await,
    ];
    assert_eq!(received.as_slice(), expected);
    stage.until(webhook, 3, DeliveryState::Delivered).await;
    stage.end().await;
}

#[tokio::test]
async fn who_is_gone_is_not_called_again() {
    let mut stage = Stage::new(410).await;
    let webhook = stage.webhook(1, &[]).await;
    stage.run();
    stage
        .store
        .event(event(EventKind::RoomCreated))
        .await
        .unwrap();
    stage.received().await;
    stage.until(webhook, 1, DeliveryState::Dead).await;
    stage.until_off(webhook).await;
    let delivery = stage.deliveries(webhook).await.remove(0);
    assert_eq!(
        (delivery.status, delivery.error.as_deref()),
        (Some(410), Some("gone"))
    );
    let counts = stage.webhooks.counts();
    assert_eq!((counts.failed, counts.dead), (1, 1));
    stage.end().await;
}

#[tokio::test]
async fn what_fails_is_due_again_with_its_reason() {
    let mut stage = Stage::new(500).await;
    let webhook = stage.webhook(1, &[]).await;
    stage.run();
    stage
        .store
        .event(event(EventKind::RoomCreated))
        .await
        .unwrap();
    stage.received().await;
    let delivery = loop {
        let delivery = stage.deliveries(webhook).await.remove(0);
        if delivery.attempts == 1 {
            break delivery;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(delivery.state, DeliveryState::Pending);
    assert_eq!(
        (delivery.status, delivery.error.as_deref()),
        (Some(500), Some("status"))
    );
    let pause_ms = delivery.due_at.unix_ms() - delivery.created_at.unix_ms();
    assert!((4_000..=16_000).contains(&pause_ms), "{pause_ms}");
    stage.end().await;
}

#[tokio::test]
async fn a_webhook_of_a_key_that_is_no_more_is_switched_off_uncalled() {
    let mut stage = Stage::new(204).await;
    let id = stage.webhook(1, &[]).await;
    let webhook = stage.store.webhook(id).await.unwrap().unwrap();
    let orphan = WebhookRecord {
        created_by: Actor::Key(KeyId::new(1, [1; 10])),
        rev: 2,
        ..webhook
    };
    let kept = stage
        .store
        .put_webhook(orphan, Some(1), audit("webhook.update"));
    kept.await.unwrap();
    stage.run();
    stage
        .store
        .event(event(EventKind::RoomCreated))
        .await
        .unwrap();
    stage.until_off(id).await;
    assert_eq!(stage.deliveries(id).await[0].attempts, 0);
    stage.end().await;
}

#[tokio::test]
async fn what_waits_for_a_receiver_that_moved_goes_to_the_new_one() {
    let mut stage = Stage::new(500).await;
    let mut elsewhere = Stage::new(204).await;
    let id = stage.webhook(1, &[]).await;
    stage.run();
    stage
        .store
        .event(event(EventKind::RoomCreated))
        .await
        .unwrap();
    let body = stage.received().await;
    while stage.deliveries(id).await[0].attempts == 0 {
        tokio::task::yield_now().await;
    }
    let url = elsewhere.url.clone();
    stage
        .change(id, |webhook| WebhookRecord { url, ..webhook })
        .await;
    assert_eq!(elsewhere.received().await, body);
    stage.until(id, 1, DeliveryState::Delivered).await;
    let delivery = stage.deliveries(id).await.remove(0);
    assert_eq!((delivery.attempts, delivery.error), (1, None));
    stage.end().await;
}

#[tokio::test]
async fn what_a_webhook_no_longer_wants_is_not_sent_though_it_was_due() {
    let mut stage = Stage::new(204).await;
    let id = stage.webhook(1, &[]).await;
    let kind = EventKind::RoomCreated;
    stage.store.event(event(kind)).await.unwrap();
    let due = stage.deliveries(id).await.remove(0);
    stage
        .change(id, |webhook| WebhookRecord {
            events: BTreeSet::from([EventKind::RoomDeleted]),
            ..webhook
        })
        .await;
    assert!(sender::attempt(Arc::clone(&stage.webhooks.shared), due).await);
    assert!(stage.bodies.try_recv().is_err());
    let cancelled = stage.deliveries(id).await.remove(0);
    assert_eq!(
        (cancelled.state, cancelled.error.as_deref()),
        (DeliveryState::Cancelled, Some("unwanted"))
    );
    assert_eq!(
        (cancelled.attempts, cancelled.ended_at.is_some()),
        (0, true)
    );
}

/// A store, a sender, and a receiver that answers everything with one status.
struct Stage {
    store: Store,
    webhooks: Webhooks,
    url: String,
    bodies: mpsc::Receiver<String>,
    stop: watch::Sender<bool>,
    running: Option<JoinHandle<()>>,
}

impl Stage {
    async fn new(status: u16) -> Self {
        let store = Store::open_temporary().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (sender, bodies) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\"}") && stream.read_buf(&mut request).await.unwrap() > 0
                {
                }
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                let request = String::from_utf8(request).unwrap();
                let (_, body) = request.split_once("\r\n\r\n").unwrap();
                sender.send(body.to_owned()).await.unwrap();
            }
        });
        let guard = Guard::new(["127.0.0.1"], []).unwrap();
        Stage {
            webhooks: Webhooks::new(store.clone(), None, guard),
            store,
            url,
            bodies,
            stop: watch::Sender::new(false),
            running: None,
        }
    }

    fn run(&mut self) {
        let running = self.webhooks.clone().run(self.stop.subscribe());
        self.running = Some(tokio::spawn(running));
    }

    async fn end(mut self) {
        self.stop.send(true).unwrap();
        self.running.take().unwrap().await.unwrap();
    }

    async fn received(&mut self) -> String {
        self.bodies.recv().await.unwrap()
    }

    async fn webhook(&self, number: u64, events: &[EventKind]) -> WebhookId {
        let webhook = WebhookRecord {
            id: WebhookId::new(number, [0; 10]),
            url: self.url.clone(),
            description: String::new(),
            events: BTreeSet::from_iter(events.iter().copied()),
            rooms: None,
            include_pii: false,
            enabled: true,
            secret: SigningSecret([1; 32]),
            former: None,
            created_by: Actor::Operator,
            created_at: now(),
            rev: 1,
        };
        let id = webhook.id;
        let kept = self
            .store
            .put_webhook(webhook, None, audit("webhook.create"));
        kept.await.unwrap();
        id
    }

    async fn change(&self, id: WebhookId, change: impl FnOnce(WebhookRecord) -> WebhookRecord) {
        let webhook = self.store.webhook(id).await.unwrap().unwrap();
        let rev = webhook.rev;
        let changed = WebhookRecord {
            rev: rev + 1,
            ..change(webhook)
        };
        let kept = self
            .store
            .put_webhook(changed, Some(rev), audit("webhook.update"));
        kept.await.unwrap();
    }

    async fn deliveries(
        &self,
        webhook: WebhookId,
    ) -> Vec<conclave_server_core::webhook::record::Delivery> {
        let query = DeliveryQuery {
            webhook,
            state: None,
            order: Order::OldestFirst,
            after: None,
            limit: 100,
        };
        self.store.deliveries(&query).await.unwrap()
    }

    /// Waits until so many deliveries are all in a state.
    async fn until(&self, webhook: WebhookId, count: usize, state: DeliveryState) {
        loop {
            let deliveries = self.deliveries(webhook).await;
            if deliveries.len() == count && deliveries.iter().all(|one| one.state == state) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn until_off(&self, webhook: WebhookId) {
        while self.store.webhook(webhook).await.unwrap().unwrap().enabled {
            tokio::task::yield_now().await;
        }
    }
}

fn event(kind: EventKind) -> Event {
    let at = now();
    Event {
        id: EventId::new(at.unix_ms(), rand::random()),
        at,
        kind,
        room: Some(RoomId::new(1, [0; 10])),
        session: None,
        participant: None,
        data: Map::new(),
        personal: Map::new(),
    }
}

fn audit(action: &str) -> AuditEntry {
    AuditEntry {
        at: now(),
        actor: Actor::Operator,
        action: action.to_owned(),
        target: None,
        room: None,
        session: None,
        prefix: None,
        request_id: None,
        outcome: "ok".to_owned(),
        detail: None,
    }
}

//! The loop that sends: one thing wakes it, it looks what is due, it starts calls.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_server_core::access::keys::Keys;
use conclave_server_core::webhook::attempt::{Trouble, Verdict};
use conclave_server_core::webhook::desk::{Desk, Due};
use conclave_server_core::webhook::record::{Delivery, DeliveryState, WebhookRecord};
use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_store::{Outcome as Noted, StoreError};
use conclave_signalling_wire::ids::{DeliveryId, WebhookId};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::Shared;
use crate::now;

/// Deliveries that are looked at together; the store takes them evenly of all webhooks.
const LOOK_MAX: u32 = 256;
/// The pause after the store failed, and while something that is due has to wait for its turn.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest sleep: the clock of a machine may be set, or have stood still.
const NAP: Duration = Duration::from_secs(60);
/// What is on its way when the server ends has so long to arrive.
const GRACE: Duration = Duration::from_secs(2);

/// What is known while it runs.
struct Sender {
    shared: Arc<Shared>,
    desk: Desk,
    /// What was due at the last look.
    known: BTreeMap<DeliveryId, Delivery>,
    calls: JoinSet<bool>,
    /// Whom a call is for. As many as there are calls.
    callees: HashMap<Id, WebhookId>,
}

/// Sends until `stop` is true.
pub(super) async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut news = shared.store.new_deliveries();
    let mut sender = Sender {
        shared,
        desk: Desk::default(),
        known: BTreeMap::new(),
        calls: JoinSet::new(),
        callees: HashMap::new(),
    };
    let mut is_stale = true;
    loop {
        let pause = if is_stale || !sender.start() {
            let pause = sender.look().await;
            sender.start();
            is_stale = false;
            pause
        } else {
            PAUSE
        };
        tokio::select! {
            Some(ended) = sender.calls.join_next_with_id() => sender.handle_ended(ended),
            changed = news.changed() => {
                // The store is closed.
                if changed.is_err() {
                    break;
                }
                is_stale = true;
            }
            () = sleep(pause) => is_stale = true,
            // An error is a server that ended without saying so.
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    let _ = timeout(GRACE, async {
        while sender.calls.join_next().await.is_some() {}
    })
    .await;
}

impl Sender {
    /// Looks what is due. Returns how long nothing else is.
    async fn look(&mut self) -> Duration {
        let now_ms = now();
        let store = &self.shared.store;
        let found = async {
            let due = store.due_deliveries(now_ms, LOOK_MAX).await?;
            Ok::<_, StoreError>((due, store.next_due().await?))
        };
        let (due, next_due) = match found.await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "cannot read which webhooks are due");
                return PAUSE;
            }
        };
        self.desk.handle_due(due.iter().map(|delivery| Due {
            delivery: delivery.id,
            webhook: delivery.webhook,
        }));
        let by_id = due.into_iter().map(|delivery| (delivery.id, delivery));
        self.known = by_id.collect();
        let until_due = match next_due {
            None => NAP,
            // It is on its way, or its webhook rests, or there are too many: others may be due.
            Some(due_at) if due_at <= now_ms => PAUSE,
            Some(due_at) => Duration::from_millis(due_at.unix_ms() - now_ms.unix_ms()),
        };
        until_due.min(NAP)
    }

    /// Starts what may start. Returns whether there was anything.
    fn start(&mut self) -> bool {
        let mut is_any = false;
        while let Some(due) = self.desk.poll_start(Instant::now()) {
            let Some(delivery) = self.known.remove(&due.delivery) else {
                self.desk.handle_ended(Instant::now(), due.webhook, true);
                continue;
            };
            let attempt = attempt(Arc::clone(&self.shared), delivery);
            let call = self.calls.spawn(attempt);
            self.callees.insert(call.id(), due.webhook);
            is_any = true;
        }
        self.shared.counters.set_in_flight(self.desk.in_flight());
        is_any
    }

    fn handle_ended(&mut self, ended: Result<(Id, bool), JoinError>) {
        let (id, was_taken) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "a delivery ended in a defect");
            (error.id(), false)
        });
        if let Some(webhook) = self.callees.remove(&id) {
            self.desk.handle_ended(Instant::now(), webhook, was_taken);
        }
        self.shared.counters.set_in_flight(self.desk.in_flight());
    }
}

/// Tries a delivery once, and notes how it went. Returns whether the next one of its webhook may follow at once.
pub(super) async fn attempt(shared: Arc<Shared>, delivery: Delivery) -> bool {
    let store = &shared.store;
    // Since the look the webhook may have been narrowed, and told to go elsewhere.
    let looked_up = async {
        let delivery = store.delivery(delivery.id).await?;
        let delivery = delivery.filter(|delivery| delivery.state == DeliveryState::Pending);
        let webhook = called(&shared, delivery.as_ref().map(|one| one.webhook)).await?;
        Ok::<_, StoreError>((delivery, webhook))
    };
    let (delivery, webhook) = match looked_up.await {
        Ok((Some(delivery), Some(webhook))) => (delivery, webhook),
        Ok((None, _)) => return true,
        // It was deleted or switched off meanwhile, and with that nothing of it is due. It rests,
        // for if that could not be kept, the same would be due again at once.
        Ok((Some(_), None)) => return false,
        Err(error) => {
            tracing::error!(%error, webhook = %delivery.webhook, "cannot read a webhook");
            return false;
        }
    };
    let outcome = shared.send(&webhook, &delivery.event, now()).await;
    if outcome.trouble().is_some() && is_elsewhere(&shared, &webhook).await {
        // What failed was the receiver before.
        return false;
    }
    let (at, attempts) = (now(), delivery.attempts.saturating_add(1));
    let verdict = outcome.verdict(attempts, at, rand::random());
    let status = outcome.status();
    let counters = &shared.counters;
    let noted = match verdict {
        Verdict::Delivered => {
            counters.add_delivered();
            Noted::Delivered {
                status: status.unwrap_or_default(),
            }
        }
        Verdict::Again { due_at, trouble } => {
            counters.add_failed();
            tracing::debug!(webhook = %webhook.id, delivery = %delivery.id, attempts, error = trouble.name(), "a delivery failed");
            Noted::Failed {
                status,
                error: trouble.name().to_owned(),
                due_at,
            }
        }
        Verdict::Dead { trouble } => {
            counters.add_failed();
            counters.add_dead();
            tracing::warn!(webhook = %webhook.id, delivery = %delivery.id, attempts, error = trouble.name(), "a delivery is given up");
            Noted::Dead {
                status,
                error: trouble.name().to_owned(),
            }
        }
    };
    if let Err(error) = store.delivery_tried(delivery.id, at, noted).await {
        // It is sent once more: that is what its identifier is for.
        tracing::error!(%error, delivery = %delivery.id, "cannot note how a delivery went");
        return false;
    }
    if outcome.trouble() == Some(Trouble::Gone) {
        switch_off(&shared, webhook, "gone").await;
    }
    verdict == Verdict::Delivered
}

/// Returns a webhook if it is to be called. What a key started ends with the key.
async fn called(
    shared: &Shared,
    id: Option<WebhookId>,
) -> Result<Option<WebhookRecord>, StoreError> {
    let Some(id) = id else {
        return Ok(None);
    };
    let webhook = shared.store.webhook(id).await?;
    let Some(webhook) = webhook.filter(|webhook| webhook.enabled) else {
        return Ok(None);
    };
    if matches!(webhook.created_by, Actor::Key(_)) {
        let keys = Keys::new(shared.store.keys().await?);
        if !webhook.is_backed(&keys, now()) {
            switch_off(shared, webhook, "key_ended").await;
            return Ok(None);
        }
    }
    Ok(Some(webhook))
}

/// Returns whether a webhook has another URL by now.
async fn is_elsewhere(shared: &Shared, called: &WebhookRecord) -> bool {
    let webhook = shared.store.webhook(called.id).await;
    matches!(webhook, Ok(Some(webhook)) if webhook.url != called.url)
}

async fn switch_off(shared: &Shared, webhook: WebhookRecord, why: &str) {
    let (id, rev) = (webhook.id, webhook.rev);
    let audit = AuditEntry {
        at: now(),
        actor: Actor::Room,
        action: "webhook.disable".to_owned(),
        target: Some(id.to_string()),
        room: None,
        session: None,
        prefix: None,
        request_id: None,
        outcome: "ok".to_owned(),
        detail: Some(why.to_owned()),
    };
    let off = WebhookRecord {
        enabled: false,
        rev: rev.saturating_add(1),
        ..webhook
    };
    tracing::warn!(webhook = %id, why, "a webhook is switched off");
    match shared.store.put_webhook(off, Some(rev), audit).await {
        // Whoever changed it meanwhile knows better; the next answer decides.
        Ok(()) | Err(StoreError::Conflict) => {}
        Err(error) => tracing::error!(%error, webhook = %id, "cannot switch a webhook off"),
    }
}

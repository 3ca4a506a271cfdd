//! `/webhooks`, `/deliveries`, `/events`: who is told of what, and how that went.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::BadMember;
use conclave_server_core::webhook::edit::{
    self, By, Change, Draft, EditError, OVERLAP_S, OVERLAP_S_MAX, Rooms, Seed, WEBHOOKS_MAX,
};
use conclave_server_core::webhook::record::{
    Delivery, DeliveryState, SigningSecret, WebhookRecord,
};
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_core::record::Actor;
use conclave_signalling_node::RoomEntry;
use conclave_signalling_store::{DeliveryQuery, Order, StoreError};
use conclave_signalling_wire::ids::{
    DeliveryId, EventId, ParticipantId, RoomId, SessionId, WebhookId,
};
use conclave_signalling_wire::time::Timestamp;
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::call::{Answer, Call};
use crate::conditional;
use crate::lists::{List, cut};
use crate::now;
use crate::problem::Problem;
use crate::table::{Example, Route};

/// A webhook.
#[derive(Debug, Serialize, JsonSchema)]
struct Webhook {
    /// Its identifier.
    id: WebhookId,
    /// What is called.
    url: String,
    /// What it is for.
    description: String,
    /// What it is told; an empty list for everything.
    #[schemars(schema_with = "edit::kinds")]
    events: BTreeSet<EventKind>,
    /// Of which rooms; `null` for every room, and for what concerns no room.
    rooms: Option<Rooms>,
    /// Whether names are told.
    include_pii: bool,
    /// Whether it is called.
    enabled: bool,
    /// Until when deliveries are signed by the former secret as well.
    former_secret_until: Option<Timestamp>,
    /// Who answers for it: who made it, or switched it on last.
    #[schemars(schema_with = "actor")]
    created_by: Actor,
    /// When it was made.
    created_at: Timestamp,
    /// Rises by one with each change.
    rev: u32,
}

/// A webhook with its new secret.
#[derive(Debug, Serialize, JsonSchema)]
struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    /// The secret that signs deliveries: `whsec_` and 32 bytes in base64. It is never shown again.
    secret: String,
}

/// How the secret is changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    /// Seconds for which deliveries are signed by the former secret as well; 0 for not at all.
    #[schemars(range(max = 604_800))]
    overlap_s: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Rotation {
            overlap_s: OVERLAP_S,
        }
    }
}

/// How a webhook answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Tested {
    /// Whether it took the delivery.
    ok: bool,
    /// The status of its answer, if there was one.
    status: Option<u16>,
    /// Milliseconds from the name to the end of the answer.
    duration_ms: u64,
    /// What was wrong: a stable word.
    error: Option<&'static str>,
}

/// What happened, as a delivery tells it.
#[derive(Debug, Serialize, JsonSchema)]
struct Told {
    /// The identifier of the event, the same however often it is delivered.
    id: EventId,
    /// What kind of thing.
    #[serde(rename = "type")]
    #[schemars(schema_with = "edit::kind")]
    kind: EventKind,
    /// When.
    timestamp: Timestamp,
    /// Identifiers, words and numbers. Names are left out here.
    data: Data,
}

/// Whom an event concerns, and what else belongs to its kind: see `/events`.
#[derive(Debug, Serialize, JsonSchema)]
struct Data {
    /// In which room.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    /// Whom it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    participant_id: Option<ParticipantId>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// One event on its way to one webhook.
#[derive(Debug, Serialize, JsonSchema)]
struct DeliveryView {
    /// Its identifier.
    id: DeliveryId,
    /// To whom.
    webhook_id: WebhookId,
    /// What.
    event: Told,
    /// How far it is.
    #[schemars(schema_with = "state")]
    state: DeliveryState,
    /// How often it was tried.
    attempts: u32,
    /// When it is tried next, if it is pending.
    due_at: Option<Timestamp>,
    /// The status of the last answer, if there was one.
    status: Option<u16>,
    /// Why the last attempt failed: a stable word.
    error: Option<String>,
    /// When it was made.
    created_at: Timestamp,
    /// When it was taken, given up or cancelled.
    ended_at: Option<Timestamp>,
}

/// A kind of event.
#[derive(Debug, Serialize, JsonSchema)]
struct Kind {
    /// Its name.
    #[serde(rename = "type")]
    #[schemars(schema_with = "edit::kind")]
    kind: EventKind,
    /// What it means.
    about: &'static str,
    /// What its `data` has, always all of it.
    data: Vec<Member>,
    /// What its `data` has as well where `include_pii` is set.
    personal: Vec<Member>,
}

/// A member of the data of an event.
#[derive(Debug, Serialize, JsonSchema)]
struct Member {
    /// Its name.
    name: &'static str,
    /// What it holds.
    about: &'static str,
}

fn actor(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {"kind": {"type": "string"}, "id": {"type": "string"}},
        "required": ["kind"],
    })
}

fn state(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["pending", "delivered", "dead", "cancelled"]})
}

pub(crate) fn routes() -> Vec<Route> {
    [of_webhooks(), of_deliveries()].concat()
}

fn of_webhooks() -> Vec<Route> {
    vec![
        Route::get("/webhooks", "listWebhooks")
            .scope(Scope::WebhooksRead)
            .summary("List webhooks")
            .about("The oldest first. A key for some rooms sees those that are for no others.")
            .list_of::<Webhook>()
            .by::<WebhookId>()
            .handler(list),
        Route::post("/webhooks", "createWebhook")
            .etag()
            .scope(Scope::WebhooksWrite)
            .summary("Make a webhook")
            .about(
                "`secret` is shown this once. Deliveries are signed as Standard Webhooks says. What \
                 a key made is called for as long as the key holds.",
            )
            .body::<Draft>()
            .creates::<WebhookWithSecret>("The webhook, with its secret.")
            .problem(StatusCode::CONFLICT, "too_many")
            .example(Example::new("Tell who comes and goes").body(json!({
                "url": "https://example.org/hooks/conclave",
                "description": "Attendance of the board",
                "events": ["participant.joined", "participant.left"],
                "rooms": {"tags": ["internal"]},
            })))
            .handler(create),
        Route::get("/webhooks/{webhook}", "showWebhook")
            .etag()
            .scope(Scope::WebhooksRead)
            .summary("Show a webhook")
            .returns::<Webhook>("The webhook.")
            .example(Example::new("Show a webhook").at("webhook", "{createWebhook/id}"))
            .handler(show),
        Route::patch("/webhooks/{webhook}", "updateWebhook")
            .scope(Scope::WebhooksWrite)
            .summary("Change a webhook")
            .about(
                "Takes a merge patch (RFC 7396). One that is switched off is not called; what waited \
                 for it then is delivered once it is switched on. What waits is cancelled if the \
                 webhook no longer wants it. The rest goes to a new URL at once, as if it had not \
                 been tried.",
            )
            .conditional()
            .body::<Change>()
            .returns::<Webhook>("The webhook as it is then.")
            .problem(StatusCode::CONFLICT, "conflict")
            .example(
                Example::new("Switch a webhook off")
                    .at("webhook", "{createWebhook/id}")
                    .body(json!({"enabled": false})),
            )
            .handler(update),
        Route::delete("/webhooks/{webhook}", "deleteWebhook")
            .scope(Scope::WebhooksWrite)
            .summary("Delete a webhook")
            .about("With all its deliveries, those that wait included.")
            .no_content()
            .example(Example::new("Delete a webhook").at("webhook", "{createWebhook/id}"))
            .handler(delete),
        Route::post("/webhooks/{webhook}/rotate-secret", "rotateWebhookSecret")
            .scope(Scope::WebhooksWrite)
            .summary("Change the secret of a webhook")
            .about(
                "`secret` is shown this once. For `overlap_s` deliveries have two signatures, one by \
                 each secret.",
            )
            .optional_body::<Rotation>()
            .returns::<WebhookWithSecret>("The webhook, with its new secret.")
            .problem(StatusCode::CONFLICT, "conflict")
            .example(
                Example::new("Change the secret within an hour")
                    .at("webhook", "{createWebhook/id}")
                    .body(json!({"overlap_s": 3600})),
            )
            .handler(rotate),
        Route::post("/webhooks/{webhook}/test", "testWebhook")
            .scope(Scope::WebhooksWrite)
            .summary("Try a webhook")
            .about(
                "Sends a `webhook.test` at once, also if it is switched off, and waits up to ten \
                 seconds for the answer. It is not tried again.",
            )
            .returns::<Tested>("What came of it, be it good or not.")
            .shows(json!({"ok": true, "status": 204, "duration_ms": 41, "error": null}))
            .example(Example::new("Try a webhook").at("webhook", "{createWebhook/id}"))
            .handler(test),
    ]
}

fn of_deliveries() -> Vec<Route> {
    vec![
        Route::get("/webhooks/{webhook}/deliveries", "listDeliveries")
            .scope(Scope::WebhooksRead)
            .summary("List the deliveries to a webhook")
            .about(
                "The newest first. What was taken or cancelled is kept for 7 days, what was given up \
                 for 30. \
                 `include=total` counts those that are pending or dead, if only those are asked for.",
            )
            .list_of::<DeliveryView>()
            .by::<DeliveryId>()
            .param("state", "Only those that are so far.", state)
            .example(
                Example::new("What could not be delivered")
                    .at("webhook", "{createWebhook/id}")
                    .query("state=dead"),
            )
            .handler(deliveries),
        Route::get("/deliveries/{delivery}", "showDelivery")
            .scope(Scope::WebhooksRead)
            .summary("Show a delivery")
            .returns::<DeliveryView>("The delivery.")
            .example(
                Example::new("Look for a delivery that is long gone")
                    .at("delivery", "dlv_01h455vb4pex5vsknk084sn02q")
                    .answers(StatusCode::NOT_FOUND),
            )
            .handler(delivery),
        Route::post("/deliveries/{delivery}/redeliver", "redeliver")
            .scope(Scope::WebhooksWrite)
            .summary("Deliver an event once more")
            .about(
                "As a new delivery of the same event, whatever became of the former one. The \
                 receiver knows it by `webhook-id`.",
            )
            .answers::<DeliveryView>(StatusCode::ACCEPTED, "The new delivery, which is due now.")
            .example(
                Example::new("Deliver once more what is long gone")
                    .at("delivery", "dlv_01h455vb4pex5vsknk084sn02q")
                    .answers(StatusCode::NOT_FOUND),
            )
            .handler(redeliver),
        Route::get("/events", "listEvents")
            .scope(Scope::WebhooksRead)
            .summary("List the kinds of events")
            .about("By name: what each means, and which data it has.")
            .list_of::<Kind>()
            .handler(events),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let mut entries = call.admin.store.webhooks().await?;
    entries.retain(|webhook| webhook.is_seen_with(&call.caller.rights));
    let list = List {
        entries,
        key: |webhook| webhook.id,
        newest_first: false,
    };
    list.page(&call.query, |webhook| json!(view(webhook)))
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let draft: Draft = call.body()?;
    let at = now();
    let seed = Seed {
        id: WebhookId::new(at.unix_ms(), rand::random()),
        secret: SigningSecret(rand::random()),
        at,
    };
    let guard = call.admin.webhooks.guard();
    let made = WebhookRecord::make(draft, seed, by(&call), guard).map_err(refused)?;
    let store = &call.admin.store;
    if store.webhooks().await?.len() >= WEBHOOKS_MAX {
        return Err(Problem::new(StatusCode::CONFLICT, "too_many")
            .detail(format!("there are {WEBHOOKS_MAX} webhooks already")));
    }
    let audit = call.caller.did("webhook.create", Some(made.id.to_string()));
    store.put_webhook(made.clone(), None, audit).await?;
    let place = format!("/webhooks/{}", made.id);
    Ok(Answer::created(with_secret(&made))
        .rev(made.rev)
        .location(&place))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let webhook = found(&call).await?;
    Ok(Answer::ok(view(&webhook)).rev(webhook.rev))
}

async fn update(call: Call) -> Result<Answer, Problem> {
    let change: Change = call.body()?;
    let before = found(&call).await?;
    let guard = call.admin.webhooks.guard();
    let after = before.changed(change, by(&call), guard).map_err(refused)?;
    put(&call, &before, &after, "webhook.update").await?;
    Ok(Answer::ok(view(&after)).rev(after.rev))
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    let webhook = found(&call).await?;
    let audit = call
        .caller
        .did("webhook.delete", Some(webhook.id.to_string()));
    match call.admin.store.delete_webhook(webhook.id, audit).await {
        Ok(()) => Ok(Answer::nothing()),
        Err(StoreError::NotFound) => Err(Problem::not_found("webhook")),
        Err(error) => Err(error.into()),
    }
}

async fn rotate(call: Call) -> Result<Answer, Problem> {
    let Rotation { overlap_s } = call.body()?;
    if overlap_s > OVERLAP_S_MAX {
        return Err(BadMember::invalid("overlap_s", "must be 0 to 604800").into());
    }
    let before = found(&call).await?;
    let overlap = Duration::from_secs(overlap_s.into());
    let after = before.rotated(SigningSecret(rand::random()), now(), overlap);
    put(&call, &before, &after, "webhook.rotate").await?;
    Ok(Answer::ok(with_secret(&after)).rev(after.rev))
}

async fn test(call: Call) -> Result<Answer, Problem> {
    let webhook = found(&call).await?;
    let audit = call
        .caller
        .did("webhook.test", Some(webhook.id.to_string()));
    call.admin.store.audit(audit).await?;
    let tried = call.admin.webhooks.test(&webhook).await;
    let trouble = tried.outcome.trouble();
    Ok(Answer::ok(Tested {
        ok: trouble.is_none(),
        status: tried.outcome.status(),
        duration_ms: tried.duration_ms,
        error: trouble.map(|trouble| trouble.name()),
    }))
}

async fn deliveries(call: Call) -> Result<Answer, Problem> {
    let limit = call.query.limit()?;
    let wanted = call.query.parsed("state", |text| match text {
        "pending" => Some(DeliveryState::Pending),
        "delivered" => Some(DeliveryState::Delivered),
        "dead" => Some(DeliveryState::Dead),
        "cancelled" => Some(DeliveryState::Cancelled),
        _ => None,
    })?;
    let order = match call.query.ascending(false)? {
        true => Order::OldestFirst,
        false => Order::NewestFirst,
    };
    let wants_total = call.query.wants_total()?;
    let after = call.query.parsed("cursor", |text| text.parse().ok())?;
    let webhook = found(&call).await?;
    let store = &call.admin.store;
    let query = DeliveryQuery {
        webhook: webhook.id,
        state: wanted,
        order,
        after,
        // One more shows whether there are more.
        limit: u32::try_from(limit).unwrap_or(u32::MAX).saturating_add(1),
    };
    let mut page = store.deliveries(&query).await?;
    let next_cursor = cut(&mut page, limit, |delivery| delivery.id.to_string());
    let total = if wants_total {
        let counts = store.delivery_counts(Some(webhook.id)).await?;
        match wanted {
            Some(DeliveryState::Pending) => Some(counts.pending),
            Some(DeliveryState::Dead) => Some(counts.dead),
            Some(DeliveryState::Delivered | DeliveryState::Cancelled) | None => None,
        }
    } else {
        None
    };
    let seen = page.iter().filter(|one| is_told(&call, &one.event));
    let data = seen.map(|delivery| json!(told(delivery))).collect();
    Ok(Answer::page(data, next_cursor, total))
}

async fn delivery(call: Call) -> Result<Answer, Problem> {
    Ok(Answer::ok(told(&found_delivery(&call).await?)))
}

async fn redeliver(call: Call) -> Result<Answer, Problem> {
    let former = found_delivery(&call).await?;
    let store = &call.admin.store;
    let audit = call
        .caller
        .did("webhook.redeliver", Some(former.id.to_string()));
    let gone = || Problem::not_found("delivery");
    let made = match store.redeliver(former.id, now(), audit).await {
        Err(StoreError::NotFound) => return Err(gone()),
        made => made?,
    };
    let made = store.delivery(made).await?.ok_or_else(gone)?;
    let place = format!("/deliveries/{}", made.id);
    Ok(Answer::json(StatusCode::ACCEPTED, told(&made)).location(&place))
}

async fn events(call: Call) -> Result<Answer, Problem> {
    let list = List {
        entries: EventKind::ALL.to_vec(),
        key: |kind| kind.name().to_owned(),
        newest_first: false,
    };
    list.page(&call.query, |kind| json!(catalogued(*kind)))
}

/// Finds the webhook of the path.
async fn found(call: &Call) -> Result<WebhookRecord, Problem> {
    let unknown = || Problem::not_found("webhook");
    let id = call.id("webhook", "webhook")?;
    let webhook = call.admin.store.webhook(id).await?;
    webhook
        .filter(|webhook| webhook.is_seen_with(&call.caller.rights))
        .ok_or_else(unknown)
}

/// Finds the delivery of the path.
async fn found_delivery(call: &Call) -> Result<Delivery, Problem> {
    let unknown = || Problem::not_found("delivery");
    let id = call.id("delivery", "delivery")?;
    let store = &call.admin.store;
    let delivery = store.delivery(id).await?.ok_or_else(unknown)?;
    let webhook = store.webhook(delivery.webhook).await?;
    webhook
        .filter(|webhook| webhook.is_seen_with(&call.caller.rights))
        .map(|_| delivery)
        .filter(|delivery| is_told(call, &delivery.event))
        .ok_or_else(unknown)
}

/// Returns whether the caller may know of an event. A webhook that is for its rooms by now may
/// have been for others; of rooms that are deleted who sees every room knows.
fn is_told(call: &Call, event: &Event) -> bool {
    let rights = &call.caller.rights;
    match event.room {
        _ if rights.rooms.is_none() => true,
        None => false,
        Some(room) => {
            // By its identifier alone: others may be called so.
            let is_seen = |entry: &RoomEntry| entry.id == room && call.caller.sees(entry);
            rights.reaches::<&str>(room, &[])
                || call.admin.find(&room.to_string(), is_seen).is_some()
        }
    }
}

/// Keeps a change, unless somebody else was faster.
async fn put(
    call: &Call,
    before: &WebhookRecord,
    after: &WebhookRecord,
    action: &str,
) -> Result<(), Problem> {
    let condition = call.if_match()?;
    condition.check(before.rev)?;
    let audit = call.caller.did(action, Some(after.id.to_string()));
    let store = &call.admin.store;
    let kept = store.put_webhook(after.clone(), Some(before.rev), audit);
    match kept.await {
        Ok(()) => Ok(()),
        Err(StoreError::Conflict) if condition.rev().is_some() => Err(conditional::failed()),
        Err(StoreError::Conflict) => Err(Problem::new(StatusCode::CONFLICT, "conflict")
            .detail("somebody else changed it at the same time")),
        Err(error) => Err(error.into()),
    }
}

fn by(call: &Call) -> By<'_> {
    By {
        actor: call.caller.actor,
        rights: &call.caller.rights,
    }
}

fn refused(error: EditError) -> Problem {
    match error {
        EditError::Invalid(bad) => bad.into(),
        EditError::Scope(scope) => Problem::insufficient(scope),
    }
}

fn view(webhook: &WebhookRecord) -> Webhook {
    let until = webhook.former.map(|(_, until)| until);
    Webhook {
        id: webhook.id,
        url: webhook.url.clone(),
        description: webhook.description.clone(),
        events: webhook.events.clone(),
        rooms: webhook.rooms.clone().map(Rooms::from),
        include_pii: webhook.include_pii,
        enabled: webhook.enabled,
        former_secret_until: until.filter(|until| now() < *until),
        created_by: webhook.created_by,
        created_at: webhook.created_at,
        rev: webhook.rev,
    }
}

fn with_secret(webhook: &WebhookRecord) -> WebhookWithSecret {
    WebhookWithSecret {
        webhook: view(webhook),
        secret: webhook.secret.text().to_string(),
    }
}

fn told(delivery: &Delivery) -> DeliveryView {
    let Event {
        id,
        at,
        kind,
        room,
        session,
        participant,
        ref data,
        ..
    } = delivery.event;
    DeliveryView {
        id: delivery.id,
        webhook_id: delivery.webhook,
        event: Told {
            id,
            kind,
            timestamp: at,
            data: Data {
                room_id: room,
                session_id: session,
                participant_id: participant,
                rest: data.clone(),
            },
        },
        state: delivery.state,
        attempts: delivery.attempts,
        due_at: Some(delivery.due_at).filter(|_| delivery.state == DeliveryState::Pending),
        status: delivery.status,
        error: delivery.error.clone(),
        created_at: delivery.created_at,
        ended_at: delivery.ended_at,
    }
}

fn catalogued(kind: EventKind) -> Kind {
    let members = |members: &[conclave_signalling_core::event::EventMember]| {
        let member = |member: &conclave_signalling_core::event::EventMember| Member {
            name: member.name,
            about: member.about,
        };
        members.iter().map(member).collect()
    };
    Kind {
        kind,
        about: kind.about(),
        data: members(kind.data()),
        personal: members(kind.personal()),
    }
}

//! `/deliveries`, `/events`: what webhooks were told, and what there is to tell.

use conclave_server_core::access::record::Scope;
use conclave_server_core::webhook::edit;
use conclave_server_core::webhook::record::{Delivery, DeliveryState};
use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_node::RoomEntry;
use conclave_signalling_store::{DeliveryQuery, Order, StoreError};
use conclave_signalling_wire::ids::{
    DeliveryId, EventId, ParticipantId, RoomId, SessionId, WebhookId,
};
use conclave_signalling_wire::time::Timestamp;
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::webhooks::found;
use crate::call::{Answer, Call};
use crate::lists::{List, cut};
use crate::now;
use crate::problem::Problem;
use crate::table::{Example, Route};

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

fn state(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["pending", "delivered", "dead", "cancelled"]})
}

pub(crate) fn routes() -> Vec<Route> {
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

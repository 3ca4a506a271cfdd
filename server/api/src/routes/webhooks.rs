//! `/webhooks`: who is told of what.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::BadMember;
use conclave_server_core::webhook::edit::{
    self, By, Change, Draft, EditError, OVERLAP_S, OVERLAP_S_MAX, Rooms, Seed, WEBHOOKS_MAX,
};
use conclave_server_core::webhook::record::{SigningSecret, WebhookRecord};
use conclave_signalling_core::event::EventKind;
use conclave_signalling_core::record::Actor;
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::ids::WebhookId;
use conclave_signalling_wire::time::Timestamp;
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::conditional;
use crate::lists::List;
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

fn actor(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {"kind": {"type": "string"}, "id": {"type": "string"}},
        "required": ["kind"],
    })
}

pub(crate) fn routes() -> Vec<Route> {
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

/// Finds the webhook of the path.
pub(super) async fn found(call: &Call) -> Result<WebhookRecord, Problem> {
    let unknown = || Problem::not_found("webhook");
    let id = call.id("webhook", "webhook")?;
    let webhook = call.admin.store.webhook(id).await?;
    webhook
        .filter(|webhook| webhook.is_seen_with(&call.caller.rights))
        .ok_or_else(unknown)
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

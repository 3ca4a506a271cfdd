//! `/api-keys`, and what keys, roles and permissions there are.

use std::time::Duration;

use conclave_server_core::access::keys::{Draft, OVERLAP, Patch};
use conclave_server_core::access::level::{Level, RoomsOf};
use conclave_server_core::access::record::{RoomFilter, Scope};
use conclave_signalling_core::permission::{Subject, permissions_of};
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::objects::{Permission, Role};
use conclave_signalling_wire::room::Preset;
use conclave_signalling_wire::time::Timestamp;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::keyring::{Made, Shown};
use crate::lists::List;
use crate::problem::Problem;
use crate::table::{Count, Example, Route};

/// An API key, without its secret.
#[derive(Debug, Serialize, JsonSchema)]
struct ApiKey {
    id: KeyId,
    /// What it is for.
    name: String,
    /// `active`, `expired` or `revoked`. A key ends with the one that made it.
    state: &'static str,
    /// The level that has exactly its scopes, if one has.
    level: Option<Level>,
    /// What it may do, unless the key that made it may not.
    scopes: Vec<Scope>,
    /// For which rooms it is; null for every room.
    rooms: Option<RoomFilter>,
    /// From where it may be used; empty for everywhere.
    networks: Vec<String>,
    /// Who made it: `operator`, or a key.
    created_by: String,
    created_at: Timestamp,
    /// Until when it holds; null for ever.
    expires_at: Option<Timestamp>,
    /// When it was ended.
    revoked_at: Option<Timestamp>,
    /// Until when the secret that it had before holds as well.
    former_until: Option<Timestamp>,
    /// When it was used last, to the minute.
    last_used_at: Option<Timestamp>,
    /// From where it was used last.
    last_used_prefix: Option<String>,
    /// Rises by one with each change; the ETag of the key.
    rev: u32,
}

/// An API key that was just made, or given a new secret.
#[derive(Debug, Serialize, JsonSchema)]
struct ApiKeyMade {
    #[serde(flatten)]
    key: ApiKey,
    /// The key as it is sent. It is not kept and never shown again.
    text: String,
}

/// What is asked for when a key is to have a new secret.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "KeyRotate")]
struct Rotate {
    /// Seconds for which the secret that it has holds as well; 0 for not at all. [default: 86400]
    #[schemars(range(max = 2_592_000))]
    overlap_s: Option<u32>,
}

/// What there is to be allowed.
#[derive(Debug, Serialize, JsonSchema)]
struct Permissions {
    /// What participants of a meeting may do.
    permissions: Vec<PermissionAbout>,
    /// What API keys may do.
    scopes: Vec<ScopeAbout>,
    /// Sets of scopes with names.
    levels: Vec<LevelAbout>,
}

/// A permission in a meeting.
#[derive(Debug, Serialize, JsonSchema)]
struct PermissionAbout {
    key: Permission,
    about: &'static str,
}

/// A scope of API keys.
#[derive(Debug, Serialize, JsonSchema)]
struct ScopeAbout {
    scope: Scope,
    about: &'static str,
    /// Whether it is about the whole server, so that a key for some rooms cannot have it.
    of_server: bool,
}

/// A level of API keys.
#[derive(Debug, Serialize, JsonSchema)]
struct LevelAbout {
    level: Level,
    about: &'static str,
    scopes: Vec<Scope>,
    /// Whether rooms must be said: `optional`, `required`, or `required_or_null`.
    rooms: &'static str,
}

/// A role in meetings.
#[derive(Debug, Serialize, JsonSchema)]
struct RoleAbout {
    role: Role,
    /// What it may do in a new room of the preset `meeting`. Rooms may say otherwise.
    permissions: Vec<Permission>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api-keys", "listKeys")
            .scope(Scope::KeysRead)
            .summary("List the API keys")
            .about(
                "Those that ended included. A key with a filter sees itself and those whose \
                 rooms are among its own.",
            )
            .list_of::<ApiKey>()
            .by::<KeyId>()
            .handler(list),
        Route::post("/api-keys", "createKey")
            .etag()
            .scope(Scope::KeysWrite)
            .summary("Make an API key")
            .about(
                "`text` is the key as it is sent, shown this once. A key gives no scope, room, \
                 network or time beyond its own; what is not said is as of its maker.",
            )
            .body::<Draft>()
            .creates::<ApiKeyMade>("The key.")
            .problem(StatusCode::FORBIDDEN, "beyond_own_rights")
            .problem(StatusCode::CONFLICT, "too_many_keys")
            .example(
                Example::new("A key for the rooms of a department").body(json!({
                    "name": "Front desk",
                    "level": "user",
                    "rooms": {"tags": ["desk"]},
                })),
            )
            .example(Example::new("A key that looks, for a year").body(json!({
                "name": "Dashboard",
                "level": "read_only",
                "rooms": null,
                "expires_at": "2099-01-01T00:00:00Z",
            })))
            .handler(create),
        Route::get("/api-keys/{key}", "getKey")
            .etag()
            .scope(Scope::KeysRead)
            .summary("Get an API key")
            .returns::<ApiKey>("The key, without its secret.")
            .example(Example::new("One key").at("key", "{createKey/id}"))
            .handler(show),
        Route::patch("/api-keys/{key}", "updateKey")
            .scope(Scope::KeysWrite)
            .summary("Change an API key")
            .about("No key gives itself, or another, more than it has.")
            .conditional()
            .body::<Patch>()
            .returns::<ApiKey>("The key as it is by then.")
            .problem(StatusCode::FORBIDDEN, "beyond_own_rights")
            .problem(StatusCode::CONFLICT, "key_ended")
            .example(
                Example::new("Only from the office")
                    .at("key", "{createKey/id}")
                    .body(json!({"networks": ["192.0.2.0/24"]})),
            )
            .handler(update),
        Route::post("/api-keys/{key}/rotate", "rotateKey")
            .scope(Scope::KeysWrite)
            .summary("Give an API key a new secret")
            .about("The secret that it has holds for a day longer, or as `overlap_s` says.")
            .conditional()
            .optional_body::<Rotate>()
            .returns::<ApiKeyMade>("The key.")
            .problem(StatusCode::FORBIDDEN, "beyond_own_rights")
            .problem(StatusCode::CONFLICT, "key_ended")
            .example(
                Example::new("At once: the old one was seen by somebody")
                    .at("key", "{createKey/id}")
                    .body(json!({"overlap_s": 0})),
            )
            .handler(rotate),
        Route::delete("/api-keys/{key}", "revokeKey")
            .scope(Scope::KeysWrite)
            .summary("End an API key")
            .about(
                "With it end within five seconds the keys, invites and webhooks that it made, \
                 what it is being answered, and the stay of those who came by its invites. It \
                 stays in the list.",
            )
            .conditional()
            .no_content()
            .problem(StatusCode::FORBIDDEN, "beyond_own_rights")
            .problem(StatusCode::CONFLICT, "key_ended")
            .example(Example::new("A key that is not needed any more").at("key", "{createKey/id}"))
            .handler(end),
        Route::get("/permissions", "listPermissions")
            .summary("List permissions, scopes and levels")
            .returns::<Permissions>("What there is to be allowed.")
            .handler(permissions),
        Route::get("/roles", "listRoles")
            .summary("List the roles in meetings")
            .about("The highest first, with what each may do where a room says nothing else.")
            .list_of::<RoleAbout>()
            .by::<Count>()
            .handler(roles),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let list = List {
        entries: call.admin.keyring.list(call.caller.actor).await?,
        key: |shown| shown.record.id,
        newest_first: true,
    };
    list.page(&call.query, |shown| json!(ApiKey::of(shown)))
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let draft: Draft = call.body()?;
    let made = call.admin.keyring.make(&call.caller, &draft).await?;
    let place = format!("/api-keys/{}", made.shown.record.id);
    Ok(Answer::created(ApiKeyMade::of(&made))
        .rev(made.shown.record.rev)
        .location(&place))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let id = call.id("key", "key")?;
    let shown = call.admin.keyring.show(call.caller.actor, id).await?;
    Ok(Answer::ok(ApiKey::of(&shown)).rev(shown.record.rev))
}

async fn update(call: Call) -> Result<Answer, Problem> {
    let (id, condition) = (call.id("key", "key")?, call.if_match()?);
    let patch: Patch = call.body()?;
    let by = &call.caller;
    let check = |rev| condition.check(rev);
    let shown = call.admin.keyring.change(by, id, &patch, check).await?;
    Ok(Answer::ok(ApiKey::of(&shown)).rev(shown.record.rev))
}

async fn rotate(call: Call) -> Result<Answer, Problem> {
    let (id, condition) = (call.id("key", "key")?, call.if_match()?);
    let asked: Rotate = call.body()?;
    let overlap = asked.overlap_s.map(|s| Duration::from_secs(u64::from(s)));
    let by = &call.caller;
    let check = |rev| condition.check(rev);
    let keyring = &call.admin.keyring;
    let made = keyring
        .rotate(by, id, overlap.unwrap_or(OVERLAP), check)
        .await?;
    Ok(Answer::ok(ApiKeyMade::of(&made)).rev(made.shown.record.rev))
}

async fn end(call: Call) -> Result<Answer, Problem> {
    let (id, condition) = (call.id("key", "key")?, call.if_match()?);
    let check = |rev| condition.check(rev);
    call.admin.keyring.end(&call.caller, id, check).await?;
    Ok(Answer::nothing())
}

async fn permissions(_: Call) -> Result<Answer, Problem> {
    let permission = |key: &Permission| PermissionAbout {
        key: *key,
        about: key.about(),
    };
    let scope = |scope: &Scope| ScopeAbout {
        scope: *scope,
        about: scope.about(),
        of_server: scope.is_of_server(),
    };
    let level = |level: Level| LevelAbout {
        level,
        about: level.about(),
        scopes: level.scopes().to_vec(),
        rooms: match level.rooms() {
            RoomsOf::All => "optional",
            RoomsOf::Named => "required",
            RoomsOf::Said => "required_or_null",
        },
    };
    Ok(Answer::ok(Permissions {
        permissions: Permission::ALL.iter().map(permission).collect(),
        scopes: Scope::ALL.iter().map(scope).collect(),
        levels: Level::ALL.into_iter().map(level).collect(),
    }))
}

async fn roles(call: Call) -> Result<Answer, Problem> {
    let (settings, now) = (Settings::new(Preset::Meeting, ""), crate::now());
    let about = |(rank, role)| {
        let subject = Subject {
            role,
            custom_role: None,
            overrides: &[],
            device: None,
        };
        let permissions = permissions_of(&settings, &subject, now).to_vec();
        (rank, RoleAbout { role, permissions })
    };
    let roles = [
        Role::Host,
        Role::CoHost,
        Role::Presenter,
        Role::Attendee,
        Role::Viewer,
    ];
    let list = List {
        entries: (0..).map(Count).zip(roles).map(about).collect(),
        key: |(rank, _)| *rank,
        newest_first: false,
    };
    list.page(&call.query, |(_, about)| json!(about))
}

impl ApiKey {
    fn of(shown: &Shown) -> Self {
        let record = &shown.record;
        ApiKey {
            id: record.id,
            name: record.name.clone(),
            state: shown.state.name(),
            level: Level::of(&record.scopes),
            scopes: record.scopes.iter().copied().collect(),
            rooms: record.rooms.clone(),
            networks: record.networks.iter().map(ToString::to_string).collect(),
            created_by: match record.created_by {
                Actor::Key(id) => id.to_string(),
                _ => "operator".to_owned(),
            },
            created_at: record.created_at,
            expires_at: record.expires_at,
            revoked_at: record.revoked_at,
            former_until: record.former.map(|(_, until)| until),
            last_used_at: record.last_used_at,
            last_used_prefix: record.last_used_prefix.clone(),
            rev: record.rev,
        }
    }
}

impl ApiKeyMade {
    fn of(made: &Made) -> Self {
        ApiKeyMade {
            key: ApiKey::of(&made.shown),
            text: made.text.to_string(),
        }
    }
}

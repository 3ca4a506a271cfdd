//! `/embedders`: sites that sign join tokens themselves.

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::BadMember;
use conclave_signalling_core::record::Actor;
use conclave_signalling_node::{KnownEmbedder, RoomsError, SiteKey, SiteRooms};
use conclave_signalling_store::EmbedderRecord;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::lists::List;
use crate::problem::Problem;
use crate::table::{Example, Route};

/// Characters of a name of a key, which is a step of a path.
const KID_CHARS: usize = 64;
/// Characters of a name of a site.
const ISSUER_CHARS: usize = 256;
/// Rooms that one may name.
const ROOMS: usize = 1000;

/// A key of a site that signs join tokens.
#[derive(Debug, Serialize, JsonSchema)]
struct EmbedderView {
    /// What its tokens say in `kid`.
    kid: String,
    /// What they say in `iss`.
    issuer: String,
    /// What they say in `aud`.
    audience: String,
    /// Its Ed25519 public key, in base64url.
    public_key: String,
    /// The highest role that it may give.
    max_role: Role,
    /// The rooms that it may open, by their names in links; null for all.
    rooms: Option<Vec<Slug>>,
    /// Where it is from.
    source: Source,
    /// When it was made known; null for one of the configuration.
    created_at: Option<Timestamp>,
    /// By whom: `operator`, or a key.
    created_by: Option<String>,
}

/// Where a site is from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EmbedderSource")]
enum Source {
    /// The configuration file: it is changed there alone.
    Configuration,
    /// This API.
    Api,
}

/// A key of a site that is to be trusted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EmbedderCreate {
    /// What its tokens say in `kid`: letters, digits, `-`, `_` and `.`.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9._-]+$"))]
    kid: String,
    /// What they say in `iss`: printable ASCII without spaces; as `kid`, without it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256), regex(pattern = "^[!-~]+$"))]
    issuer: Option<String>,
    /// Its Ed25519 public key: 32 bytes in base64url without padding, as `x` of a JWK.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"))]
    public_key: String,
    /// The highest role that it may give.
    max_role: Role,
    /// The rooms that it may open, by their names in links, whether there are such rooms or not;
    /// all, without it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1000))]
    rooms: Option<Vec<Slug>>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/embedders", "listEmbedders")
            .scope(Scope::SystemRead)
            .summary("List the sites that sign join tokens")
            .about("By `kid`, those of the configuration included.")
            .list_of::<EmbedderView>()
            .handler(list),
        Route::post("/embedders", "createEmbedder")
            .scope(Scope::SystemWrite)
            .summary("Trust a site to sign join tokens")
            .about(
                "From then on it opens rooms with JSON Web Tokens (RFC 7519, `EdDSA`) of at most 5 \
                 minutes. What a key made is trusted for as long as the key holds.",
            )
            .body::<EmbedderCreate>()
            .creates::<EmbedderView>("The site.")
            .problem(StatusCode::CONFLICT, "conflict")
            .problem(StatusCode::CONFLICT, "too_many")
            .example(Example::new("A school, for one room").body(json!({
                "kid": "school-1",
                "issuer": "https://school.example",
                "public_key": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "max_role": "presenter",
                "rooms": ["standup"],
            })))
            .handler(create),
        Route::delete("/embedders/{kid}", "deleteEmbedder")
            .scope(Scope::SystemWrite)
            .summary("Trust a site no longer")
            .about(
                "Its tokens open nothing from then on, and who came by one is removed. One of the \
                 configuration is deleted there.",
            )
            .no_content()
            .problem(StatusCode::CONFLICT, "conflict")
            .example(Example::new("Trust a site no longer").at("kid", "{createEmbedder/kid}"))
            .handler(delete),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let list = List {
        entries: call.admin.rooms.embedders().await?,
        key: |site| site.kid.clone(),
        newest_first: false,
    };
    list.page(&call.query, |site| json!(view(site)))
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let EmbedderCreate {
        kid,
        issuer,
        public_key,
        max_role,
        rooms,
    } = call.body()?;
    let is_step = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !(1..=KID_CHARS).contains(&kid.len()) || !kid.bytes().all(is_step) {
        let rule = "must be 1 to 64 letters, digits, `-`, `_` and `.`";
        return Err(BadMember::invalid("kid", rule).into());
    }
    let issuer = issuer.unwrap_or_else(|| kid.clone());
    let is_plain = issuer.bytes().all(|byte| byte.is_ascii_graphic());
    if !(1..=ISSUER_CHARS).contains(&issuer.len()) || !is_plain {
        let rule = "must be 1 to 256 printable ASCII characters without spaces";
        return Err(BadMember::invalid("issuer", rule).into());
    }
    let key = SiteKey::from_base64url(&public_key).ok_or_else(|| {
        let rule = "must be the 32 bytes of an Ed25519 public key in base64url without padding";
        BadMember::invalid("public_key", rule)
    })?;
    if rooms
        .as_ref()
        .is_some_and(|rooms| !(1..=ROOMS).contains(&rooms.len()))
    {
        let rule = "must name 1 to 1000 rooms, or be absent for all";
        return Err(BadMember::invalid("rooms", rule).into());
    }
    let by = call.caller.actor;
    let site = EmbedderRecord {
        kid,
        issuer,
        key: key.0,
        max_role,
        rooms: rooms.map(|rooms| rooms.into_iter().collect()),
        created_by: by,
        created_at: crate::now(),
    };
    match call.admin.rooms.embedder_add(site, by).await {
        Ok(made) => {
            let place = format!("/embedders/{}", made.kid);
            Ok(Answer::created(view(&made)).location(&place))
        }
        Err(error) => Err(refused(error, "there is a site with this `kid`")),
    }
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    let (kid, by) = (call.path("kid"), call.caller.actor);
    let deleted = call.admin.rooms.embedder_delete(kid, by).await;
    let configured = "it is one of the configuration, and is deleted there";
    deleted.map_err(|error| refused(error, configured))?;
    Ok(Answer::nothing())
}

fn refused(error: RoomsError, conflict: &str) -> Problem {
    match error {
        RoomsError::Refused(body) => match body.code {
            ErrorCode::Conflict => Problem::new(StatusCode::CONFLICT, "conflict").detail(conflict),
            ErrorCode::Full => Problem::new(StatusCode::CONFLICT, "too_many")
                .detail("there are as many sites as there may be"),
            ErrorCode::NotFound => Problem::not_found("site"),
            _ => RoomsError::Refused(body).into(),
        },
        error => error.into(),
    }
}

fn view(site: &KnownEmbedder) -> EmbedderView {
    EmbedderView {
        kid: site.kid.clone(),
        issuer: site.issuer.clone(),
        audience: site.audience.clone(),
        public_key: site.key.to_base64url(),
        max_role: site.max_role,
        rooms: match &site.rooms {
            SiteRooms::All => None,
            SiteRooms::These(slugs) => Some(slugs.iter().cloned().collect()),
        },
        source: match site.added {
            Some(_) => Source::Api,
            None => Source::Configuration,
        },
        created_at: site.added.map(|(_, at)| at),
        created_by: site.added.map(|(by, _)| match by {
            Actor::Key(key) => key.to_string(),
            _ => "operator".to_owned(),
        }),
    }
}

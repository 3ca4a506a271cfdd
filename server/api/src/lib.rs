//! The REST routes of administration. They decide nothing: each calls one
//! method of [`Rooms`] and says what came of it. Served on the control socket
//! alone, where the file's permissions say who is an operator.

#![forbid(unsafe_code)]

mod audit;
mod bans;
mod invites;
mod lists;
mod problem;
mod rooms;

use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use conclave_signalling_node::Rooms;
use conclave_signalling_store::Store;
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use problem::Problem;

/// Bytes of a body (`spec/security.md` 2.3).
const BODY_BYTES_MAX: usize = 64 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of an id that the caller chose.
const REQUEST_ID_MAX: usize = 64;

/// What the handlers share.
#[derive(Clone)]
pub struct Admin {
    rooms: Rooms,
    store: Store,
    public_url: Option<Arc<str>>,
}

impl Admin {
    /// Works on `rooms`, which are kept in `store`. Links begin with `public_url`, or with `/r/` where it is not known.
    pub fn new(rooms: Rooms, store: Store, public_url: Option<String>) -> Self {
        Admin {
            rooms,
            store,
            public_url: public_url.map(Arc::from),
        }
    }

    /// Finds a room by its name in links or by its id.
    fn slug_of(&self, name: &str) -> Result<Slug, Problem> {
        let unknown =
            || Problem::new(StatusCode::NOT_FOUND, "not_found").detail("there is no such room");
        match RoomId::from_str(name) {
            Err(_) => Slug::new(name).map_err(|_| unknown()),
            Ok(id) => {
                let entry = self.rooms.list().into_iter().find(|entry| entry.id == id);
                entry.map(|entry| entry.slug).ok_or_else(unknown)
            }
        }
    }

    fn guest_link(&self, slug: &Slug) -> String {
        let origin = self.public_url.as_deref().unwrap_or_default();
        format!("{origin}/r/{slug}")
    }

    fn invite_link(&self, slug: &Slug, secret: &InviteSecret) -> String {
        format!("{}#i={}", self.guest_link(slug), secret.reveal())
    }
}

/// Returns the routes under `/api/v1`.
pub fn router(admin: Admin) -> Router {
    let routes = Router::new()
        .route("/rooms", get(rooms::list).post(rooms::create))
        .route(
            "/rooms/{room}",
            get(rooms::show).patch(rooms::update).delete(rooms::delete),
        )
        .route(
            "/rooms/{room}/invites",
            get(invites::list).post(invites::create),
        )
        .route("/rooms/{room}/invites/{invite}", delete(invites::revoke))
        .route("/rooms/{room}/bans", get(bans::list))
        .route("/rooms/{room}/bans/{ban}", delete(bans::lift))
        .route("/audit", get(audit::list))
        .route("/audit/verify", get(audit::verify))
        .route("/audit/export", get(audit::export))
        .with_state(admin);
    Router::new()
        .nest("/api/v1", routes)
        .fallback(|| async { Problem::of_status(StatusCode::NOT_FOUND) })
        .layer(from_fn(guard))
}

/// Gives each request an id, and each refusal its document.
async fn guard(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let said = response.extensions_mut().remove::<Problem>();
        let problem = said.unwrap_or_else(|| Problem::of_status(status));
        let document = problem.document(id.to_str().unwrap_or_default());
        let (mut parts, _) = response.into_parts();
        parts.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        parts.headers.remove(header::CONTENT_LENGTH);
        response = Response::from_parts(parts, Body::from(document.to_string()));
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Takes the caller's id if it is one that a log line bears, else makes one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |value: &&HeaderValue| {
        (1..=REQUEST_ID_MAX).contains(&value.len())
            && value
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    let said = headers.get(REQUEST_ID).filter(is_plain).cloned();
    said.unwrap_or_else(|| {
        let made = HeaderValue::from_str(&format!("{:032x}", rand::random::<u128>()));
        made.expect("digits of base 16 are a header value")
    })
}

/// Reads a body that is a JSON object.
async fn object(headers: &HeaderMap, body: Body) -> Result<Value, Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !matches!(kind, "application/json" | "application/merge-patch+json") {
        return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail("the body must be application/json"));
    }
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE))?;
    match serde_json::from_slice(&bytes) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(Problem::malformed("the body must be a JSON object")),
        // Its text may quote a value, and that may be a password.
        Err(error) => Err(Problem::malformed(format!(
            "the body is not JSON: line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}

/// Returns the time of the wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let ms = since.map_or(0, |since| since.as_millis());
    Timestamp::from_unix_ms(u64::try_from(ms).unwrap_or(u64::MAX))
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}

#[cfg(test)]
mod tests;

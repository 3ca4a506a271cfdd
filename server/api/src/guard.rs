//! What stands before every handler, and after it.
//!
//! ```text
//! request id ─ network ─ credential ─ pace ─ scope ─ query ─ body ─ repetition ─ handler ─ fields
//!               403        401, 403   429    403     400   400…422    409, 422
//! ```

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{RequestExt, Router};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_core::record::Actor;
use conclave_signalling_node::ClientAddr;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::auth::{Authenticate, Caller, Knock};
use crate::call::{Answer, Call, Given, Received};
use crate::idempotency::name_of;
use crate::lists::Query;
use crate::problem::Problem;
use crate::rate::{Pace, Quota};
use crate::sparse::Fields;
use crate::table::{Access, JSON, Route};
use crate::{Admin, Entrance, REQUESTS_PER_MINUTE, idempotency, strict_json};

/// Bytes of a body (`spec/security.md` 2.3).
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a body of a route for many things at once.
const BULK_BYTES_MAX: usize = 1024 * 1024;
/// For all of a body: a bulk one takes a slow line this long, and nobody keeps
/// a connection, or what was decided of its key, for longer.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The name under which requests are logged.
const LOG: &str = "conclave::api";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of an id that the caller chose.
const REQUEST_ID_MAX: usize = 64;

/// What all routes of one entrance share.
pub(crate) struct Gate {
    pub(crate) admin: Admin,
    /// Who knows callers here.
    pub(crate) door: Box<dyn Authenticate>,
    /// What is configured at the moment of callers from elsewhere.
    pub(crate) entrance: Option<watch::Receiver<Entrance>>,
    pub(crate) pace: Pace,
}

impl Gate {
    fn is_open_to(&self, client: Option<IpAddr>) -> bool {
        let Some(entrance) = &self.entrance else {
            return true;
        };
        let networks = &entrance.borrow().networks;
        let is_in = |address| networks.iter().any(|network| network.contains(address));
        networks.is_empty() || client.is_some_and(is_in)
    }

    fn quota(&self) -> Quota {
        let entrance = self.entrance.as_ref().map(|entrance| entrance.borrow());
        Quota::per_minute(entrance.map_or(REQUESTS_PER_MINUTE, |now| now.requests_per_minute))
    }
}

/// Puts routes behind the gate. The router knows nothing outside `/api`, and has no fallback of its own.
pub(crate) fn router(gate: Gate, routes: Vec<Route>) -> Router {
    let gate = Arc::new(gate);
    let mut paths: Vec<(&'static str, MethodRouter)> = Vec::new();
    for route in routes {
        let (gate, path) = (Arc::clone(&gate), route.path);
        let filter = filter_of(&route.method);
        let route = Arc::new(route);
        let handler = move |request: Request| {
            let (gate, route) = (Arc::clone(&gate), Arc::clone(&route));
            async move { serve(&gate, &route, request).await }
        };
        match paths.iter().position(|(known, _)| *known == path) {
            Some(place) => {
                let (path, methods) = paths.swap_remove(place);
                paths.push((path, methods.on(filter, handler)));
            }
            None => paths.push((path, on(filter, handler))),
        }
    }
    let mut router = Router::new();
    for (path, methods) in paths {
        router = router.route(&format!("/api/v1{path}"), methods);
    }
    router
        .route("/api/v1/{*rest}", axum::routing::any(nowhere))
        .layer(from_fn(document))
}

/// Answers what no route is for.
pub(crate) async fn nowhere() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND).detail("there is no such route")
}

fn filter_of(method: &Method) -> MethodFilter {
    match *method {
        Method::POST => MethodFilter::POST,
        Method::PATCH => MethodFilter::PATCH,
        Method::DELETE => MethodFilter::DELETE,
        Method::PUT => MethodFilter::PUT,
        _ => MethodFilter::GET,
    }
}

/// Gives each request an id, and each refusal its document.
pub(crate) async fn document(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    documented(next.run(request).await, id)
}

/// Answers a request for the API, by its headers, that came over an open line: its key was to be
/// read there, and would be once more if the caller were sent elsewhere with it.
pub fn refuse_in_the_clear(headers: &HeaderMap) -> Response {
    let problem = Problem::new(StatusCode::FORBIDDEN, "tls_required").detail(
        "the API is only for https; a key that was sent without it may be known to others: \
         rotate it",
    );
    documented(problem.into_response(), request_id(headers))
}

fn documented(mut response: Response, id: HeaderValue) -> Response {
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

/// Answers a request for a route.
async fn serve(gate: &Gate, route: &Route, request: Request) -> Response {
    let client = request.extensions().get().map(|ClientAddr(peer)| peer.ip());
    if !gate.is_open_to(client) {
        return Problem::new(StatusCode::FORBIDDEN, "network_not_allowed")
            .detail("the API is not for this network")
            .into_response();
    }
    let mut caller = match route.access {
        // Nobody in particular, who may nothing; such a route asks for nothing.
        Access::Public => Caller::nobody(),
        Access::AnyKey | Access::Scope(_) => {
            let knock = Knock {
                headers: request.headers(),
                client,
                now: crate::now(),
            };
            match gate.door.authenticate(knock).await {
                Ok(caller) => caller,
                Err(problem) => return problem.into_response(),
            }
        }
    };
    caller.from = client.map(Prefix::from);
    let (actor, begun) = (caller.actor, Instant::now());
    let request_id = request.headers().get(REQUEST_ID).cloned();
    let named = request_id.as_ref().and_then(|id| id.to_str().ok());
    caller.request_id = named.map(Arc::from);
    let left = gate.pace.take(begun, actor, gate.quota());
    let keyring = &gate.admin.keyring;
    let mut response = match left.and_then(|left| left.wait) {
        Some(wait) => Problem::too_many(wait).into_response(),
        None => {
            let work = admitted(gate, route, caller.clone(), request);
            match keyring.while_it_holds(&caller, work).await {
                Ok(answer) => answer
                    .map_stream(|body| keyring.cut(caller, body))
                    .into_response(),
                Err(problem) => problem.into_response(),
            }
        }
    };
    if let Some(left) = left {
        left.write(response.headers_mut());
    }
    note(route, actor, request_id, response.status(), begun);
    response
}

/// Writes into the log what was asked for: not where, nor with what, as paths, queries and bodies
/// hold names.
fn note(
    route: &Route,
    actor: Actor,
    request_id: Option<HeaderValue>,
    status: StatusCode,
    begun: Instant,
) {
    let id = request_id.as_ref().and_then(|id| id.to_str().ok());
    let request_id = id.unwrap_or_default();
    let (actor, method, path) = (name_of(actor), route.method.as_str(), route.path);
    let (status, ms) = (status.as_u16(), begun.elapsed().as_millis() as u64);
    // What is only read is many lines, and in the audit log where it matters.
    if route.method == Method::GET {
        tracing::debug!(target: LOG, request_id, actor, method, route = path, status, ms, "read");
    } else {
        tracing::info!(target: LOG, request_id, actor, method, route = path, status, ms, "change");
    }
}

/// As [`serve`], of a caller who is known and in time.
async fn admitted(
    gate: &Gate,
    route: &Route,
    caller: Caller,
    mut request: Request,
) -> Result<Answer, Problem> {
    if let Access::Scope(scope) = route.access
        && !caller.may(scope)
    {
        return Err(Problem::insufficient(scope));
    }
    if route.is_beginning && gate.admin.rooms.is_draining() {
        return Err(Problem::draining());
    }
    let known = route.known_query();
    let query = Query::of(request.uri(), &known)?;
    let fields = query.get("fields").map(Fields::read).transpose()?;
    let path = request
        .extract_parts::<RawPathParams>()
        .await
        .map_err(|_| Problem::malformed("the path is not UTF-8"))?;
    let path = path
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (parts, body) = request.into_parts();
    let bytes = bytes(route, &parts.headers, body).await?;
    let repetition = idempotency::Repetition::of(route, &caller, &parts, &bytes)?;
    let content = content(route, &parts.headers, &bytes)?;
    let call = Call {
        admin: gate.admin.asked_by(&caller),
        caller,
        query,
        headers: parts.headers,
        content,
        path,
    };
    let doing = (route.handler)(call);
    let answer = match repetition {
        Some(repetition) => repetition.once(&gate.admin, doing).await?,
        None if route.method == Method::GET => doing.await?,
        None => to_its_end(doing).await?,
    };
    Ok(match (fields, answer.content) {
        (Some(fields), Given::Json(value)) if answer.status.is_success() => Answer {
            content: Given::Json(fields.select(value)),
            ..answer
        },
        (_, content) => Answer { content, ..answer },
    })
}

/// Does something to its end even if whoever asked hangs up, or loses its key: nothing is done by half.
pub(crate) async fn to_its_end(
    doing: impl Future<Output = Result<Answer, Problem>> + Send + 'static,
) -> Result<Answer, Problem> {
    let done = tokio::spawn(doing).await;
    done.unwrap_or_else(|_| Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)))
}

/// Reads all of a body.
async fn bytes(route: &Route, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let limit = match (route.contents.is_empty(), route.is_bulk) {
        (true, _) => 0,
        (false, false) => BODY_BYTES_MAX,
        (false, true) => BULK_BYTES_MAX,
    };
    let too_large = || match limit {
        0 => Problem::malformed("this takes no body"),
        _ => Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE)
            .detail(format!("the body has more than {limit} bytes")),
    };
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > limit) {
        return Err(too_large());
    }
    let bytes = timeout(BODY_TIMEOUT, axum::body::to_bytes(body, limit)).await;
    let bytes = bytes.map_err(|_| {
        Problem::of_status(StatusCode::REQUEST_TIMEOUT).detail("the body did not come in time")
    })?;
    bytes.map(Vec::from).map_err(|_| too_large())
}

/// Reads a body as one of the types that the route takes.
fn content(route: &Route, headers: &HeaderMap, bytes: &[u8]) -> Result<Received, Problem> {
    if bytes.is_empty() && !route.needs_body {
        return Ok(Received::Nothing);
    }
    let said = headers.get(header::CONTENT_TYPE);
    let said = said.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let said = said.split(';').next().unwrap_or_default().trim();
    let is_json = said.eq_ignore_ascii_case(JSON)
        || said.eq_ignore_ascii_case("application/merge-patch+json");
    let of_type = route.contents.iter().find(|content| {
        content.media_type.eq_ignore_ascii_case(said) || is_json && content.media_type == JSON
    });
    let Some(of_type) = of_type else {
        let known: Vec<_> = route.contents.iter().map(|c| c.media_type).collect();
        return Err(Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail(format!("the body must be {}", known.join(" or "))));
    };
    if of_type.media_type != JSON {
        let text =
            std::str::from_utf8(bytes).map_err(|_| Problem::malformed("the body must be UTF-8"))?;
        return Ok(Received::Text(text.to_owned()));
    }
    match strict_json::read(bytes) {
        Ok(object @ Value::Object(_)) => Ok(Received::Json(object)),
        Ok(_) => Err(Problem::malformed("the body must be a JSON object")),
        Err(strict_json::Refused(why)) => Err(Problem::malformed(why)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let routes = crate::routes::routes();
        let ids = ["createRoom", "createInvites", "listRooms"];
        let of_test = routes.iter().filter(|route| ids.contains(&route.id));
        assert_eq!(of_test.clone().count(), ids.len());
        for route in of_test {
            let never = stream::pending::<std::io::Result<&str>>();
            let (headers, body) = (HeaderMap::new(), Body::from_stream(never));
            let problem = bytes(route, &headers, body).await.unwrap_err();
            assert_eq!(problem.status(), StatusCode::REQUEST_TIMEOUT);
        }
    }
}

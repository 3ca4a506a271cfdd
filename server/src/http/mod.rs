//! What is answered over HTTP: pages, health, and the signalling routes of
//! the node behind the same guard.

pub(crate) mod admin;
mod assets;
mod docs;
mod headers;
mod health;

use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use conclave_signalling_node::ClientAddr;
use http::{HeaderMap, Method, StatusCode, Uri, header};

pub(crate) use headers::SecurityHeaders;
pub(crate) use health::Readiness;

use crate::listen::{Contradiction, Proxies, Via};
use crate::site::Site;
use crate::tls::Challenges;
use headers::refusal;

/// The sum of names and values that a request header may have (`spec/security.md` 2.3).
pub(crate) const HEADER_BYTES_MAX: usize = 16 * 1024;

/// What the handlers share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// Our names.
    pub(crate) site: Arc<Site>,
    /// Headers of every response.
    pub(crate) headers: SecurityHeaders,
    /// What `/readyz` answers.
    pub(crate) readiness: Arc<Readiness>,
    /// Proofs for whoever signs our certificate.
    pub(crate) challenges: Arc<Challenges>,
    /// Whose word is taken for the address of a client.
    pub(crate) proxies: Arc<Proxies>,
}

/// Returns everything that is served, on every listener.
pub(crate) fn router(shared: Shared, signalling: Router) -> Router {
    let own = Router::new()
        .route("/", get(page))
        .route("/r/{slug}", get(page))
        .route("/assets/{*path}", get(hashed_asset))
        .route("/{file}", get(root_file))
        .route("/api/docs", get(docs::page))
        .route("/api/docs/{file}", get(docs::file))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND) })
        .with_state(shared.clone());
    own.merge(signalling)
        .layer(from_fn_with_state(shared, guard))
}

/// Returns what a relay serves that stands alone: its health.
pub(crate) fn without_pages(shared: Shared) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND) })
        .with_state(shared.clone())
        .layer(from_fn_with_state(shared, guard))
}

async fn page(request: HeaderMap) -> Response {
    assets::page(&request)
}

async fn hashed_asset(Path(path): Path<String>, request: HeaderMap) -> Response {
    assets::asset(&format!("assets/{path}"), &request)
}

async fn root_file(Path(file): Path<String>, request: HeaderMap) -> Response {
    assets::asset(&file, &request)
}

async fn readyz(State(shared): State<Shared>) -> Response {
    shared.readiness.answer(SystemTime::now())
}

/// Stands before every route: refuses, sends elsewhere, or lets through; then
/// writes the headers that every response has.
async fn guard(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let forwarded = forwarded(&shared.proxies, &mut request);
    let via = request
        .extensions()
        .get::<Via>()
        .copied()
        .unwrap_or(Via::Clear);
    let host = host_of(&request).map(str::to_owned);
    let instead = match forwarded {
        Ok(()) => proof(&shared.challenges, &request)
            .or_else(|| check(&shared.site, via, host.as_deref(), &request)),
        Err(Contradiction) => Some(refusal(StatusCode::BAD_REQUEST).into_response()),
    };
    let mut response = match instead {
        Some(instead) => instead,
        None => next.run(request).await,
    };
    // The API says so in a document of its own.
    let said = response.headers().get(header::CONTENT_TYPE);
    let is_of_api = said.is_some_and(|kind| kind == "application/problem+json");
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && !is_of_api {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = refusal(StatusCode::METHOD_NOT_ALLOWED).into_response();
        response
            .headers_mut()
            .extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    shared
        .headers
        .write(response.headers_mut(), &shared.site, via, host.as_deref());
    response
}

/// Puts the client in the place of a trusted proxy.
fn forwarded(proxies: &Proxies, request: &mut Request) -> Result<(), Contradiction> {
    let Some(ClientAddr(peer)) = request.extensions().get().copied() else {
        return Ok(());
    };
    let Some(client) = proxies.client(peer, request.headers())? else {
        return Ok(());
    };
    request.extensions_mut().insert(ClientAddr(client.address));
    if client.came_by_https {
        request.extensions_mut().insert(Via::Tls);
    }
    Ok(())
}

/// Answers whoever validates our name (RFC 8555, section 8.3), on any listener.
fn proof(challenges: &Challenges, request: &Request) -> Option<Response> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let proof = challenges.http(request.uri().path())?;
    let content_type = [(header::CONTENT_TYPE, "application/octet-stream")];
    Some((content_type, proof).into_response())
}

/// Returns what is answered before any route is looked at.
fn check(site: &Site, via: Via, host: Option<&str>, request: &Request) -> Option<Response> {
    let header_bytes: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    if header_bytes + request.uri().to_string().len() > HEADER_BYTES_MAX {
        return Some(refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).into_response());
    }
    if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
        return Some(refusal(StatusCode::METHOD_NOT_ALLOWED).into_response());
    }
    let url = elsewhere(site, via, host, request.uri())?;
    if is_api(request.uri().path()) {
        return Some(conclave_server_api::refuse_in_the_clear(request.headers()));
    }
    // Browsers remember a permanent one for ever; ports of a development server change.
    let redirect = if site.local.is_some() {
        Redirect::temporary(&url)
    } else {
        Redirect::permanent(&url)
    };
    Some(redirect.into_response())
}

/// Returns whether a path is of the API. Its description is for browsers, which bring no key.
fn is_api(path: &str) -> bool {
    path == "/api/v1" || path.starts_with("/api/v1/")
}

/// Returns the URL at which a request belongs, if it is not this one.
fn elsewhere(site: &Site, via: Via, host: Option<&str>, uri: &Uri) -> Option<String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match (via, site.loopback_url()) {
        (Via::Tls, _) => None,
        // How the server is must be heard on its own machine while there is no certificate.
        (Via::Loopback, _) if uri.path() == "/readyz" => None,
        (Via::Loopback, Some(loopback)) => {
            // One origin on loopback: what a browser keeps for it (permissions, devices) is kept once.
            let is_localhost = host.is_some_and(|host| {
                loopback.ends_with(&format!("//{}", host.to_ascii_lowercase()))
            });
            let is_page = path == "/" || path.starts_with("/r/");
            (is_page && !is_localhost).then(|| format!("{loopback}{path}"))
        }
        _ => {
            let own = host
                .filter(|_| site.local.is_some())
                .and_then(|host| site.own_authority(host));
            Some(match own {
                Some(authority) => format!("https://{authority}{path}"),
                None => format!("{}{path}", site.public_url),
            })
        }
    }
}

/// Returns the name by which a request calls the server.
fn host_of(request: &Request) -> Option<&str> {
    let of_uri = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    of_uri.or_else(|| request.headers().get(header::HOST)?.to_str().ok())
}

#[cfg(test)]
mod tests;

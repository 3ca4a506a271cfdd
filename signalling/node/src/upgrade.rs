//! `GET /api/v1/signal`: who may open a link.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::http::header::{ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_wire::limits::{OFFER_BYTES, SUBPROTOCOL};
use tracing::warn;

use crate::link;
use crate::node::{Phase, Shared};

/// Read at once from a socket: more would be memory that a silent link holds.
const READ_BUFFER: usize = 8 * 1024;
/// Written at once; what waits longer waits in the outbox, where it is counted.
const WRITE_BUFFER: usize = 8 * 1024;

/// The address of the client, which the accept loop puts into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddr(pub SocketAddr);

/// Checks the origin, the subprotocol and the caps, in this order, and upgrades.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(ClientAddr(address)): Extension<ClientAddr>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let registry = &shared.registry;
    let prefix = Prefix::from(address.ip());
    match headers.get(ORIGIN).map(HeaderValue::to_str) {
        Some(Ok(origin)) if (registry.config.origin_allowed)(origin) => {}
        Some(origin) => {
            if shared.refusals.may_log() {
                let origin =
                    origin.map_or_else(|_| String::new(), |text| text.chars().take(128).collect());
                warn!(%prefix, ?origin, option = "public_url", "a link from a page of another origin was refused");
            }
            return StatusCode::FORBIDDEN.into_response();
        }
        None => {
            if shared.refusals.may_log() {
                warn!(
                    %prefix,
                    option = "public_url",
                    "a link without an Origin header was refused: native clients send that of public_url"
                );
            }
            return StatusCode::FORBIDDEN.into_response();
        }
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if !offers_subprotocol(&headers) {
        return answer(StatusCode::BAD_REQUEST, SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    }
    let retry_after = registry.config.retry_after.as_secs().max(1).to_string();
    let phase = shared.phase.subscribe();
    let draining = *phase.borrow() != Phase::Running;
    if draining || shared.phase.receiver_count() > registry.config.links_max {
        return answer(StatusCode::SERVICE_UNAVAILABLE, RETRY_AFTER, &retry_after);
    }
    let Some(place) = registry
        .sources
        .enter(address.ip(), registry.config.links_per_source)
    else {
        return answer(StatusCode::TOO_MANY_REQUESTS, RETRY_AFTER, &retry_after);
    };
    let registry = Arc::clone(registry);
    upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(OFFER_BYTES)
        .max_frame_size(OFFER_BYTES)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .on_upgrade(move |socket| async move {
            link::run(socket, registry, address, phase).await;
            drop(place);
        })
}

fn offers_subprotocol(headers: &HeaderMap) -> bool {
    let offered = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    offered
        .flat_map(|value| value.split(','))
        .any(|name| name.trim() == SUBPROTOCOL)
}

fn answer(status: StatusCode, name: HeaderName, value: &str) -> Response {
    match HeaderValue::from_str(value) {
        Ok(value) => (status, [(name, value)]).into_response(),
        Err(_) => status.into_response(),
    }
}

//! `GET /api/v1/signal`: who may open a link.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::http::header::{
    CONNECTION, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use conclave_signalling_core::origin::Prefix;
use conclave_signalling_wire::limits::{OFFER_BYTES, SUBPROTOCOL};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::{debug, warn};

use crate::link;
use crate::node::{Phase, Shared};
use crate::screened::{Greeted, Screened};
use crate::source::Source;

/// Read at once from a socket: more would be memory that a silent link holds.
const READ_BUFFER: usize = 4 * 1024;
/// Written at once; what waits longer waits in the outbox, where it is counted.
const WRITE_BUFFER: usize = 8 * 1024;
/// The version of the protocol (RFC 6455, section 4.1).
const VERSION: &str = "13";

/// The address of the client, which the accept loop puts into the request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddr(pub SocketAddr);

/// The WebSocket of a link.
pub(crate) type Socket = WebSocketStream<Screened<TokioIo<Upgraded>>>;

/// Checks the origin, the handshake, the subprotocol and the caps, in this
/// order, and upgrades.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(ClientAddr(address)): Extension<ClientAddr>,
    mut request: Request,
) -> Response {
    let registry = &shared.registry;
    let headers = request.headers();
    let host = match check_origin(&shared, Prefix::from(address.ip()), headers) {
        Ok(origin) => Arc::from(host_of(origin)),
        Err(refusal) => return *refusal,
    };
    let accept = match accept_key(headers) {
        Ok(accept) => accept,
        Err(refusal) => return *refusal,
    };
    if !names(headers, SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return answer(StatusCode::BAD_REQUEST, SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    }
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return StatusCode::UPGRADE_REQUIRED.into_response();
    };
    let retry_after = registry.config.retry_after.as_secs().max(1).to_string();
    let phase = shared.phase.subscribe();
    // Until they close, whoever lost a link may come back to a meeting that goes on.
    let closing = *phase.borrow() == Phase::Closing;
    let tuning = registry.tuning();
    if closing || shared.phase.receiver_count() > tuning.links_max {
        return answer(StatusCode::SERVICE_UNAVAILABLE, RETRY_AFTER, &retry_after);
    }
    let Some(place) = registry
        .sources
        .enter(Source::from(address.ip()), tuning.links_per_source)
    else {
        return answer(StatusCode::TOO_MANY_REQUESTS, RETRY_AFTER, &retry_after);
    };
    let registry = Arc::clone(registry);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => {
                let greeted = Greeted::default();
                let socket = websocket(stream, greeted.clone()).await;
                link::run(socket, greeted, registry, address, host, phase).await;
            }
            Err(error) => debug!(%error, "a link was given up before it was open"),
        }
        drop(place);
    });
    let switch = [
        (CONNECTION, HeaderValue::from_static("upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_ACCEPT, accept),
        (
            SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(SUBPROTOCOL),
        ),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, switch).into_response()
}

async fn websocket(stream: Upgraded, greeted: Greeted) -> Socket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(OFFER_BYTES))
        .max_frame_size(Some(OFFER_BYTES))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER);
    let screened = Screened::new(TokioIo::new(stream), greeted);
    WebSocketStream::from_raw_socket(screened, Role::Server, Some(config)).await
}

/// Returns the host of an origin, an IPv6 address in brackets.
fn host_of(origin: &str) -> &str {
    let host = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => host,
    }
}

/// Refuses pages of other origins, and whoever does not say from where it comes.
/// Returns the origin.
fn check_origin<'a>(
    shared: &Shared,
    prefix: Prefix,
    headers: &'a HeaderMap,
) -> Result<&'a str, Box<Response>> {
    let allowed = &shared.registry.config.origin_allowed;
    match headers.get(ORIGIN).map(HeaderValue::to_str) {
        Some(Ok(origin)) if allowed(origin) => return Ok(origin),
        Some(origin) => {
            if shared.refusals.may_log() {
                let origin =
                    origin.map_or_else(|_| String::new(), |text| text.chars().take(128).collect());
                warn!(%prefix, ?origin, option = "public_url", "a link from a page of another origin was refused");
            }
        }
        None => {
            if shared.refusals.may_log() {
                warn!(
                    %prefix,
                    option = "public_url",
                    "a link without an Origin header was refused: native clients send that of public_url"
                );
            }
        }
    }
    Err(Box::new(StatusCode::FORBIDDEN.into_response()))
}

/// Returns what answers the handshake of the client (RFC 6455, section 4.2.1).
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Box<Response>> {
    if !names(headers, CONNECTION, "upgrade") || !names(headers, UPGRADE, "websocket") {
        let refusal = answer(StatusCode::UPGRADE_REQUIRED, UPGRADE, "websocket");
        return Err(Box::new(refusal));
    }
    if !names(headers, SEC_WEBSOCKET_VERSION, VERSION) {
        let refusal = answer(StatusCode::BAD_REQUEST, SEC_WEBSOCKET_VERSION, VERSION);
        return Err(Box::new(refusal));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let accept = key.and_then(|key| HeaderValue::try_from(derive_accept_key(key)).ok());
    accept.ok_or_else(|| Box::new(StatusCode::BAD_REQUEST.into_response()))
}

/// Returns whether a list of names in headers has this one, in whatever case.
fn names(headers: &HeaderMap, header: HeaderName, name: &str) -> bool {
    let values = headers.get_all(header);
    let mut names = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    names.any(|known| known.trim().eq_ignore_ascii_case(name))
}

fn answer(status: StatusCode, name: HeaderName, value: &str) -> Response {
    match HeaderValue::from_str(value) {
        Ok(value) => (status, [(name, value)]).into_response(),
        Err(_) => status.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_origin_has_neither_scheme_nor_port() {
        for (origin, host) in [
            ("https://meet.example.org", "meet.example.org"),
            ("https://localhost:8443", "localhost"),
            ("https://192.0.2.7:8443", "192.0.2.7"),
            ("https://[2001:db8::7]", "[2001:db8::7]"),
            ("https://[2001:db8::7]:8443", "[2001:db8::7]"),
        ] {
            assert_eq!(host_of(origin), host, "{origin}");
        }
    }
}

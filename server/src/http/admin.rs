//! What is answered to who watches the server, on a listener of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use tokio::net::TcpListener;

use super::headers::refusal;
use crate::config::{Config, Limits, Listen};
use crate::listen::{self, Counters, Listener, Proxies, Sources};
use crate::metrics::{self, Metrics};

/// Whoever watches opens a few connections; more are a mistake.
const CONNECTIONS: usize = 64;

/// Binds the listener, unless it is off. With `--dev` a taken port is no
/// reason to end: another server of the same machine has it most likely.
///
/// # Errors
/// When an address cannot be bound.
pub(crate) fn bind(config: &Config) -> anyhow::Result<Vec<TcpListener>> {
    let Some(listen) = config.admin.listen else {
        return Ok(Vec::new());
    };
    let bound = listen::bind(listen);
    let bound = match bound {
        Err(error) if config.dev => {
            tracing::warn!("`admin.listen`: {error:#}; a free port is taken");
            listen::bind(Listen::Address(SocketAddr::from(([127, 0, 0, 1], 0))))
        }
        bound => bound,
    };
    bound.context("`admin.listen`")
}

/// Returns the listener, with limits and counts of its own: a scrape takes no
/// connection from a meeting.
pub(crate) fn listener(metrics: Metrics) -> Listener {
    Listener {
        tls: None,
        relay: None,
        router: router(metrics),
        sources: Sources::new(Limits {
            connections: CONNECTIONS,
            connections_per_source: CONNECTIONS,
            half_open_per_source: CONNECTIONS,
            relayed_per_source: 1,
        }),
        proxies: Arc::new(Proxies::default()),
        announcing: Arc::default(),
        counters: Arc::<Counters>::default(),
    }
}

fn router(metrics: Metrics) -> Router {
    Router::new()
        .route("/metrics", get(page))
        .route("/readyz", get(readyz))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND) })
        .layer(map_response(plain))
        .with_state(Arc::new(metrics))
}

async fn page(State(metrics): State<Arc<Metrics>>) -> Response {
    let content_type = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    (content_type, metrics.page(SystemTime::now()).await).into_response()
}

async fn readyz(State(metrics): State<Arc<Metrics>>) -> Response {
    metrics.readiness.answer(SystemTime::now())
}

/// None of it is a page, and none of it holds for long.
async fn plain(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

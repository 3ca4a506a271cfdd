//! The API on an empty store of its own, for tests.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use conclave_signalling_node::{Config, Hashing, NoMedia, Node};
use conclave_signalling_store::Store;
use http::{HeaderMap, StatusCode, request};
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt;

/// What is answered, whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// Null if the text is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// Returns a header that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns a header that is there and a number.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.header(name).unwrap().parse().unwrap()
    }
}

/// Starts a node without media, on an empty store, that hashes quickly.
pub(crate) async fn node() -> (Node, Store) {
    let store = Store::open_temporary().await.unwrap();
    let config = Config {
        hashing: Hashing {
            m_kib: 64,
            t: 1,
            p: 1,
        },
        ..Config::default()
    };
    let (_, events) = mpsc::channel(1);
    let node = Node::start(config, store.clone(), Arc::new(NoMedia), events);
    (node.await.unwrap(), store)
}

/// Sends a request.
pub(crate) async fn send(
    router: &Router,
    request: request::Builder,
    body: impl Into<Body>,
) -> Answer {
    let request = request.body(body.into()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.into()).unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}

use std::net::IpAddr;

use axum::body::Body;
use http::HeaderValue;
use tower::ServiceExt;

use super::*;
use crate::config::{Hsts, PublicUrl};
use crate::site::LocalNames;
use crate::tls;

const CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self' wss://meet.example.org; \
    font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

#[tokio::test]
async fn every_response_carries_the_security_headers_whatever_its_status() {
    let long = "x".repeat(HEADER_BYTES_MAX);
    let requests = [
        (get_request("/"), None),
        (get_request("/r/standup"), None),
        (get_request("/healthz"), Some(StatusCode::OK)),
        (get_request("/readyz"), Some(StatusCode::OK)),
        (get_request("/nowhere/at/all"), Some(StatusCode::NOT_FOUND)),
        (get_request("/assets/none.js"), Some(StatusCode::NOT_FOUND)),
        (
            request("POST", "/", &[]),
            Some(StatusCode::METHOD_NOT_ALLOWED),
        ),
        (
            request("TRACE", "/", &[]),
            Some(StatusCode::METHOD_NOT_ALLOWED),
        ),
        (
            request("GET", "/", &[("x-long", &long)]),
            Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        ),
        (get_request("/api/v1/fails"), Some(StatusCode::FORBIDDEN)),
    ];
    for (request, status) in requests {
        let what = format!("{} {}", request.method(), request.uri());
        let response = answer(production(), Via::Tls, request).await;
        assert!(
            status.is_none_or(|status| status == response.status()),
            "{what}: {}",
            response.status()
        );
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap())
        };
        assert_eq!(header("content-security-policy"), Some(CSP), "{what}");
        assert_eq!(
            header("strict-transport-security"),
            Some("max-age=63072000"),
            "{what}"
        );
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{what}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{what}");
        assert_eq!(
            header("cross-origin-opener-policy"),
            Some("same-origin"),
            "{what}"
        );
        assert_eq!(
            header("cross-origin-embedder-policy"),
            Some("require-corp"),
            "{what}"
        );
        assert_eq!(
            header("cross-origin-resource-policy"),
            Some("same-origin"),
            "{what}"
        );
        assert_eq!(header("cache-control"), Some("no-store"), "{what}");
        assert!(
            header("permissions-policy")
                .unwrap()
                .starts_with("camera=(self), microphone=(self)"),
            "{what}"
        );
        assert_eq!(header("server"), None, "{what}");
    }
}

#[tokio::test]
async fn hsts_grows_by_configuration_and_is_absent_with_dev() {
    let all = Hsts {
        include_subdomains: true,
        preload: true,
    };
    let shared = Shared {
        headers: SecurityHeaders::new(false, all),
        ..production()
    };
    let response = answer(shared, Via::Tls, get_request("/")).await;
    let hsts = "max-age=63072000; includeSubDomains; preload";
    assert_eq!(response.headers()["strict-transport-security"], hsts);
    let response = answer(development(), Via::Tls, get_request("/")).await;
    assert!(!response.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn with_dev_the_policy_names_the_socket_of_the_page_that_was_asked_for() {
    for (via, host, socket) in [
        (Via::Loopback, "localhost:8080", "ws://localhost:8080;"),
        (Via::Tls, "192.0.2.7:8443", "wss://192.0.2.7:8443;"),
        (
            Via::Tls,
            "evil.example; script-src *",
            "wss://localhost:8443;",
        ),
    ] {
        let response = answer(development(), via, request("GET", "/", &[("host", host)])).await;
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(
            policy.contains(&format!("connect-src 'self' {socket}")),
            "{host}: {policy}"
        );
    }
}

#[tokio::test]
async fn readiness_is_told_to_this_machine_in_the_clear_and_to_nobody_else() {
    for (via, status) in [
        (Via::Loopback, StatusCode::OK),
        (Via::Clear, StatusCode::PERMANENT_REDIRECT),
    ] {
        let response = answer(production(), via, get_request("/readyz")).await;
        assert_eq!(response.status(), status, "{via:?}");
    }
}

#[tokio::test]
async fn a_proof_is_answered_in_the_clear_as_long_as_it_is_asked_for() {
    let shared = production();
    let path = "/.well-known/acme-challenge/abc";
    let ask = || answer(shared.clone(), Via::Clear, get_request(path));
    let proof = shared.challenges.answer("abc", "abc.print");
    let response = ask().await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = axum::body::to_bytes(response.into_body(), 100)
        .await
        .unwrap();
    assert_eq!(body, "abc.print");
    drop(proof);
    assert_eq!(ask().await.status(), StatusCode::PERMANENT_REDIRECT);
}

#[tokio::test]
async fn plain_http_only_redirects_without_dev() {
    for path in ["/", "/r/standup?x=1", "/healthz", "/api/docs"] {
        let response = answer(production(), Via::Loopback, get_request(path)).await;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(
            response.headers()["location"],
            format!("https://meet.example.org{path}")
        );
        assert!(!response.headers().contains_key("strict-transport-security"));
    }
}

#[tokio::test]
async fn a_key_that_came_in_the_clear_is_sent_nowhere_else() {
    let key = [("authorization", "Bearer ck_1_2"), ("x-request-id", "r-1")];
    for (site, via) in [
        (production(), Via::Clear),
        (production(), Via::Loopback),
        (development(), Via::Clear),
    ] {
        for path in ["/api/v1/rooms", "/api/v1", "/api/v1/signal"] {
            let response = answer(site.clone(), via, request("GET", path, &key)).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
            let headers = response.headers();
            assert!(!headers.contains_key("location"), "{path}");
            assert_eq!(headers["content-type"], "application/problem+json");
            let body = axum::body::to_bytes(response.into_body(), 1000).await;
            let problem: serde_json::Value = serde_json::from_slice(&body.unwrap()).unwrap();
            assert_eq!(problem["code"], "tls_required");
            assert_eq!(problem["request_id"], "r-1");
        }
    }
    let response = answer(production(), Via::Tls, request("GET", "/api/v1/fails", &[])).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn with_dev_loopback_has_the_same_pages_under_one_name() {
    for (host, path, location) in [
        ("localhost:8080", "/r/welcome", None),
        ("127.0.0.1:8080", "/healthz", None),
        (
            "127.0.0.1:8080",
            "/r/welcome?x=1",
            Some("http://localhost:8080/r/welcome?x=1"),
        ),
        ("[::1]:8080", "/", Some("http://localhost:8080/")),
    ] {
        let response = answer(
            development(),
            Via::Loopback,
            request("GET", path, &[("host", host)]),
        )
        .await;
        let found = response
            .headers()
            .get("location")
            .map(HeaderValue::as_bytes);
        assert_eq!(found, location.map(str::as_bytes), "{host}{path}");
    }
}

#[tokio::test]
async fn plain_http_from_elsewhere_is_sent_to_tls_under_the_name_it_used() {
    for (host, location) in [
        ("192.0.2.7:8443", "https://192.0.2.7:8443/r/welcome"),
        ("evil.example", "https://localhost:8443/r/welcome"),
    ] {
        let response = answer(
            development(),
            Via::Clear,
            request("GET", "/r/welcome", &[("host", host)]),
        )
        .await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(response.headers()["location"], location);
    }
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_clients_and_nobody_else_does() {
    let says = [
        ("x-forwarded-for", "203.0.113.5"),
        ("x-forwarded-proto", "https"),
    ];
    let from = |peer: &str, headers: &[(&str, &str)]| {
        let mut request = request("GET", "/api/v1/who", headers);
        let peer = ClientAddr(peer.parse().unwrap());
        request.extensions_mut().insert(peer);
        answer(production(), Via::Clear, request)
    };
    let response = from("192.0.2.1:4000", &says).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("strict-transport-security"));
    let body = axum::body::to_bytes(response.into_body(), 100)
        .await
        .unwrap();
    assert_eq!(body, "203.0.113.5 Tls");

    // Whoever is no proxy came in the clear, whatever it says.
    let response = from("198.51.100.1:4000", &says).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let two = [says[0], ("forwarded", "for=1.2.3.4")];
    let response = from("192.0.2.1:4000", &two).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(response.headers().contains_key("content-security-policy"));
}

fn production() -> Shared {
    let public_url = PublicUrl::parse("https://meet.example.org").unwrap();
    shared(
        Site {
            public_url,
            local: None,
        },
        false,
    )
}

fn development() -> Shared {
    let local = LocalNames::new(&[IpAddr::from([192, 0, 2, 7])], None, 8443, Some(8080));
    shared(
        Site {
            public_url: PublicUrl::new("localhost", 8443),
            local: Some(local),
        },
        true,
    )
}

fn shared(site: Site, dev: bool) -> Shared {
    let readiness = Readiness::new(tls::Live::for_tests());
    readiness.set_serving();
    Shared {
        site: Arc::new(site),
        headers: SecurityHeaders::new(dev, Hsts::default()),
        readiness: Arc::new(readiness),
        challenges: tls::Challenges::new(),
        proxies: Arc::new(Proxies::new(vec!["192.0.2.0/24".parse().unwrap()])),
    }
}

async fn answer(shared: Shared, via: Via, mut request: Request) -> Response {
    let signalling = Router::new()
        .route("/api/v1/fails", get(|| async { StatusCode::FORBIDDEN }))
        .route("/api/v1/who", get(who));
    request.extensions_mut().insert(via);
    router(shared, signalling).oneshot(request).await.unwrap()
}

async fn who(request: Request) -> String {
    let ClientAddr(client) = *request.extensions().get().unwrap();
    let via: &Via = request.extensions().get().unwrap();
    format!("{} {via:?}", client.ip())
}

fn get_request(path: &str) -> Request {
    request("GET", path, &[])
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let builder = http::Request::builder().method(method).uri(path);
    let builder = headers.iter().fold(builder, |builder, (name, value)| {
        builder.header(*name, *value)
    });
    builder.body(Body::empty()).unwrap()
}

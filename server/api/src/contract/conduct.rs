//! What the gate does of every request, whatever the route does.

use axum::Router;
use axum::extract::Request;
use conclave_signalling_node::{ClientAddr, Node};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::conforms::conforms;
use crate::routes::routes;
use crate::site::{self, Answer};
use crate::{Admin, Entrance, openapi};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_request_that_comes_again_gets_the_answer_of_the_first() {
    let site = Site::start().await;
    let (body, once) = (r#"{"slug":"team"}"#, ("idempotency-key", "once"));
    let first = site.send(Method::POST, "/rooms", &[JSON, once], body).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = site.send(Method::POST, "/rooms", &[JSON, once], body).await;
    assert_eq!((again.status.as_u16(), &again.body), (201, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    for name in ["location", "etag", "content-type"] {
        assert!(again.header(name).is_some(), "{name}");
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    let other = r#"{"slug":"crew"}"#;
    let other = site
        .send(Method::POST, "/rooms", &[JSON, once], other)
        .await;
    assert_eq!(other.status, 422);
    assert_eq!(other.body["code"], "idempotency_mismatch");
    // Without the header it is another request.
    let bare = site.send(Method::POST, "/rooms", &[JSON], body).await;
    assert_eq!(
        (bare.status.as_u16(), &bare.body["code"]),
        (409, &json!("slug_taken"))
    );
}

#[tokio::test]
async fn what_was_refused_may_be_sent_anew_by_the_same_key() {
    let site = Site::start().await;
    let once = ("idempotency-key", "once");
    let refused = site
        .send(Method::POST, "/rooms", &[JSON, once], r#"{"slug":"T"}"#)
        .await;
    assert_eq!(refused.status, 422);
    let mended = site
        .send(Method::POST, "/rooms", &[JSON, once], r#"{"slug":"team"}"#)
        .await;
    assert_eq!(mended.status, 201, "{}", mended.body);
    for bad in ["", "a b", &"x".repeat(256)] {
        let said = [JSON, ("idempotency-key", bad)];
        let refused = site.send(Method::POST, "/rooms", &said, "{}").await;
        assert_eq!(refused.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn of_two_requests_at_once_one_is_done_and_nobody_is_answered_otherwise() {
    let site = Site::start().await;
    let (body, once) = (r#"{"slug":"team"}"#, ("idempotency-key", "once"));
    let said = [JSON, once];
    let tries = (0..8).map(|_| site.send(Method::POST, "/rooms", &said, body));
    let answers = futures_util::future::join_all(tries).await;
    let made: Vec<&Answer> = answers.iter().filter(|a| a.status == 201).collect();
    assert!(!made.is_empty());
    for answer in &answers {
        match answer.status.as_u16() {
            201 => assert_eq!(answer.body, made[0].body),
            status => {
                assert_eq!((status, answer.header("retry-after")), (409, Some("1")));
                assert_eq!(answer.body["code"], "idempotency_in_progress");
            }
        }
    }
    let fresh = made
        .iter()
        .filter(|a| a.header("idempotent-replayed").is_none());
    assert_eq!(fresh.count(), 1);
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_when_to_ask_again() {
    let site = Site::start().await;
    site.entrance
        .send_modify(|now| now.requests_per_minute = 600_000);
    let answer = site.get("/version").await;
    assert_eq!(answer.header("ratelimit-limit"), Some("100000"));

    let site = Site::start().await;
    site.entrance.send_modify(|now| now.requests_per_minute = 1);
    for left in (0..100).rev() {
        let answer = site.get("/version").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-limit"), Some("100"));
        assert_eq!(answer.number("ratelimit-remaining"), left);
    }
    let refused = site.get("/version").await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limited"))
    );
    assert_eq!(refused.number("ratelimit-remaining"), 0);
    assert!((50..=60).contains(&refused.number("retry-after")));
}

#[tokio::test]
async fn the_api_is_for_the_networks_that_are_named() {
    let site = Site::start().await;
    for (network, status) in [("198.51.100.0/24", 403), ("192.0.2.0/24", 200)] {
        site.entrance
            .send_modify(|now| now.networks = vec![network.parse().unwrap()]);
        let answer = site.get("/version").await;
        assert_eq!(answer.status, status, "{network}");
        let document = site.get("/openapi.json").await;
        assert_eq!(document.status, status, "{network}");
    }
    site.entrance
        .send_modify(|now| now.networks = vec!["198.51.100.0/24".parse().unwrap()]);
    let refused = site.get("/rooms").await;
    assert_eq!(refused.body["code"], "network_not_allowed");
}

#[tokio::test]
async fn methods_bodies_and_parameters_that_are_not_for_a_route_are_refused() {
    let site = Site::start().await;
    let head = site.send(Method::HEAD, "/rooms", &[], "").await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.header("content-type"), Some("application/json"));
    for method in [Method::OPTIONS, Method::TRACE, Method::PUT] {
        let answer = site.send(method.clone(), "/rooms", &[], "").await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.body["code"], "method_not_allowed");
        let allowed = answer.header("allow").unwrap_or_default();
        assert!(
            allowed.contains("GET") && allowed.contains("POST"),
            "{allowed}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let with_body = site.send(Method::GET, "/rooms", &[JSON], "{}").await;
    assert_eq!(with_body.status, 400);
    for query in [
        "colour=red",
        "fields=",
        "fields=a..b",
        "fields=Id",
        "cursor=",
    ] {
        let refused = site.get(&format!("/rooms?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.body["code"], "bad_request", "{query}");
    }
}

#[tokio::test]
async fn the_audit_log_is_filtered_ordered_and_counted() {
    let site = Site::start().await;
    for slug in ["alpha", "bravo", "charlie"] {
        let body = json!({"slug": slug}).to_string();
        let made = site.send(Method::POST, "/rooms", &[JSON], &body).await;
        assert_eq!(made.status, 201);
    }
    let seqs = |answer: &Answer| -> Vec<u64> {
        let entries = answer.body["data"].as_array().unwrap().iter();
        entries
            .map(|entry| entry["seq"].as_u64().unwrap())
            .collect()
    };
    let made = "action=room.create&include=total";
    let down = site.get(&format!("/audit?{made}&order=desc&limit=2")).await;
    assert_eq!(down.body["total"], 3, "{}", down.body);
    let newest = seqs(&down);
    assert!(newest.len() == 2 && newest[0] > newest[1]);
    let cursor = down.body["next_cursor"].as_str().unwrap();
    let rest = format!("/audit?{made}&order=desc&limit=2&cursor={cursor}");
    let rest = site.get(&rest).await;
    assert_eq!(
        (seqs(&rest).len(), &rest.body["has_more"]),
        (1, &json!(false))
    );
    let up = site.get(&format!("/audit?{made}&order=asc")).await;
    let mut all = seqs(&up);
    assert!(all.is_sorted());
    all.reverse();
    assert_eq!(all, [newest, seqs(&rest)].concat());
    let none = site.get("/audit?to=2000-01-01T00:00:00Z").await;
    assert_eq!(none.body["data"], json!([]));
    let since = format!("/audit?{made}&from=2000-01-01T00:00:00Z");
    assert_eq!(site.get(&since).await.body["total"], 3);
    let target = up.body["data"][0]["target"].as_str().unwrap();
    let of_target = site.get(&format!("/audit?{made}&target={target}")).await;
    assert_eq!(of_target.body["total"], 1);
    assert_eq!(site.get("/audit?room=nowhere").await.status, 404);

    let head = site.get("/audit/head").await.body;
    let anchor = head["head"].as_str().unwrap();
    assert!(anchor.starts_with(&format!("{}:", head["seq"])), "{head}");
    let verified = site.get(&format!("/audit/verify?anchor={anchor}")).await;
    assert_eq!(verified.body["intact"], true);
}

#[tokio::test]
async fn sparse_answers_are_parts_of_what_the_schema_says() {
    let site = Site::start().await;
    site.send(Method::POST, "/rooms", &[JSON], r#"{"slug":"team"}"#)
        .await;
    let document = openapi::document(&routes());
    let path = "/responses/200/content/application~1json/schema";
    for (of, place, asked) in [
        (
            "/paths/~1rooms~1{room}/get",
            "/rooms/team",
            "id,caps.camera",
        ),
        ("/paths/~1rooms/get", "/rooms", "slug"),
        ("/paths/~1audit/get", "/audit", "seq,actor.kind"),
    ] {
        let mut schema = document.pointer(&format!("{of}{path}")).unwrap().clone();
        let whole = site.get(place).await;
        assert_eq!(conforms(&document, &schema, &whole.body), Ok(()), "{of}");
        let sparse = site.get(&format!("{place}?fields={asked}")).await.body;
        assert_ne!(sparse, whole.body);
        let mut parts = document.clone();
        require_nothing(&mut parts);
        require_nothing(&mut schema);
        assert_eq!(conforms(&parts, &schema, &sparse), Ok(()), "{of}");
    }
}

#[tokio::test]
async fn a_server_that_drains_begins_nothing() {
    let site = Site::start().await;
    site.node.drain().await;
    let body = r#"{"slug":"team"}"#;
    let refused = site.send(Method::POST, "/rooms", &[JSON], body).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("draining"))
    );
    assert!(refused.number("retry-after") > 0);
    assert_eq!(site.get("/rooms").await.status, 200);
}

/// Takes out of schemas what has to be there.
fn require_nothing(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| name != "required" || !value.is_array());
            members.values_mut().for_each(require_nothing);
        }
        Value::Array(items) => items.iter_mut().for_each(require_nothing),
        _ => {}
    }
}

/// The API on an empty store, by the door for keys.
struct Site {
    node: Node,
    router: Router,
    key: String,
    entrance: watch::Sender<Entrance>,
}

impl Site {
    async fn start() -> Self {
        let (node, store) = site::node().await;
        let admin = Admin::new(node.rooms(), store, None);
        let (entrance, now) = watch::channel(Entrance::default());
        let mut site = Site {
            node,
            router: crate::router(admin.clone()),
            key: String::new(),
            entrance,
        };
        let body = r#"{"name":"test","level":"admin"}"#;
        let made = site.send(Method::POST, "/api-keys", &[JSON], body).await;
        site.key = made.body["text"].as_str().unwrap().to_owned();
        site.router = crate::key_router(admin, now);
        site
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", self.key))
            .extension(ClientAddr("192.0.2.7:4000".parse().unwrap()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        site::send(&self.router, request, body.to_owned()).await
    }
}

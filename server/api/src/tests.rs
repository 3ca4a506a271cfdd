use axum::extract::Request;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::guard::BODY_BYTES_MAX;
use crate::site::Answer;

#[tokio::test]
async fn a_room_is_made_read_changed_and_deleted() {
    let api = Api::start().await;
    let made = api
        .ask(
            Method::POST,
            "/rooms",
            Some(json!({"slug": "team", "title": "Team"})),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.header("location"), Some("/api/v1/rooms/team"));
    let link = made.body["host_link"].as_str().unwrap();
    assert!(
        link.starts_with("https://meet.example.org/r/team#i="),
        "{link}"
    );
    let tag = made.header("etag").unwrap().to_owned();

    let id = made.body["id"].as_str().unwrap();
    let shown = api.ask(Method::GET, &format!("/rooms/{id}"), None).await;
    assert_eq!(shown.body["slug"], "team");
    assert_eq!(shown.header("etag"), Some(tag.as_str()));
    assert_eq!(shown.body["host_link"], Value::Null);

    let patch = json!({
        "attendees": {"screen": false},
        "lobby_message": "Soon",
        "title": null,
        "allowed_networks": ["192.0.2.0/24"],
    });
    let changed = api.ask(Method::PATCH, "/rooms/team", Some(patch)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(changed.body["attendees"]["screen"], false);
    assert_eq!(changed.body["attendees"]["camera"], true);
    assert_eq!(changed.body["title"], "Team");
    assert_eq!(changed.body["allowed_networks"], json!(["192.0.2.0/24"]));
    assert_ne!(changed.header("etag"), Some(tag.as_str()));

    let stale = api
        .send(
            Method::PATCH,
            "/rooms/team",
            &[("if-match", &tag), ("content-type", "application/json")],
            r#"{"lobby":"off"}"#,
        )
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(stale.body["code"], "conflict");

    let gone = api.ask(Method::DELETE, "/rooms/team", None).await;
    assert_eq!(
        (gone.status, gone.body),
        (StatusCode::NO_CONTENT, Value::Null)
    );
    let gone = api.ask(Method::DELETE, "/rooms/team", None).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_refused_says_where_and_why_by_stable_codes() {
    let api = Api::start().await;
    api.ask(Method::POST, "/rooms", Some(json!({"slug": "team"})))
        .await;
    for (body, status, code, pointer) in [
        (json!({"slug": "team"}), 409, "slug_taken", "/slug"),
        (json!({"slug": "T"}), 422, "invalid", "/slug"),
        (json!({"slug": 1}), 422, "invalid", "/slug"),
        (json!({"preset": "party"}), 422, "invalid", "/preset"),
        (
            json!({"preset": "high_security"}),
            422,
            "invalid",
            "/preset",
        ),
        (json!({"slog": "team"}), 422, "invalid", "/slog"),
        (json!({"caps": {"camera": 0}}), 422, "invalid", "/caps"),
        (
            json!({"caps": {"camera": "a"}}),
            422,
            "invalid",
            "/caps/camera",
        ),
        (json!({"password": "short"}), 422, "invalid", "/password"),
    ] {
        let refused = api.ask(Method::POST, "/rooms", Some(body.clone())).await;
        let problem = &refused.body;
        assert_eq!(refused.status.as_u16(), status, "{body}: {problem}");
        assert_eq!(
            refused.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(problem["status"], status, "{body}");
        assert_eq!(problem["code"], code, "{body}: {problem}");
        assert_eq!(
            problem["errors"][0]["pointer"], pointer,
            "{body}: {problem}"
        );
        assert!(!problem.to_string().contains("short"), "{problem}");
    }
}

#[tokio::test]
async fn a_list_of_people_is_invited_to_its_end_though_the_caller_hangs_up() {
    let api = Api::start().await;
    let room = json!({"slug": "team"});
    api.ask(Method::POST, "/rooms", Some(room)).await;
    let before = api.invites("team").await;
    let people: Vec<_> = (0..20)
        .map(|number| json!({"name": format!("Person {number}")}))
        .collect();
    let body = json!({"people": people});
    let asking = api.ask(Method::POST, "/rooms/team/invites/bulk", Some(body));
    let first_is_made = async {
        while api.invites("team").await == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = first_is_made => {}
        answer = asking => panic!("{}", answer.body),
    }
    while api.invites("team").await < before + people.len() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_done_is_found_in_the_audit_log_by_its_request() {
    let api = Api::start().await;
    let headers = [
        ("x-request-id", "order-66"),
        ("content-type", "application/json"),
    ];
    for (path, body) in [
        ("/rooms", r#"{"slug":"team"}"#),
        ("/rooms/team/invites", r#"{"role":"presenter"}"#),
        ("/webhooks", r#"{"url":"https://93.184.215.14/"}"#),
    ] {
        let made = api.send(Method::POST, path, &headers, body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{path} {}", made.body);
    }
    let audit = api.ask(Method::GET, "/audit", None).await;
    let records = audit.body["data"].as_array().unwrap();
    for action in ["room.create", "invite.create", "webhook.create"] {
        let of_action = |record: &&Value| record["action"] == action;
        let record = records.iter().find(of_action).unwrap();
        assert_eq!(record["request_id"], "order-66", "{record}");
    }
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request() {
    let api = Api::start().await;
    let said = [("x-request-id", "order-66")];
    let answer = api.send(Method::GET, "/nowhere", &said, "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.header("x-request-id"), Some("order-66"));
    assert_eq!(answer.body["request_id"], "order-66");
    let bad = [("x-request-id", "a b")];
    let answer = api.send(Method::GET, "/rooms", &bad, "").await;
    assert_eq!(answer.header("x-request-id").map(str::len), Some(32));

    let json = ("content-type", "application/json");
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
    for (method, path, header, body, status) in [
        (Method::PUT, "/rooms", json, "{}", 405),
        (
            Method::POST,
            "/rooms",
            ("content-type", "text/plain"),
            "{}",
            415,
        ),
        (Method::POST, "/rooms", json, "{", 400),
        (Method::POST, "/rooms", json, "[]", 400),
        (Method::POST, "/rooms", json, long.as_str(), 413),
        (Method::GET, "/rooms?order=up", json, "", 400),
        (Method::GET, "/rooms?limit=0", json, "", 400),
        (Method::GET, "/rooms?cursor=x", json, "", 400),
        (Method::GET, "/rooms/UP", json, "", 404),
        (Method::GET, "/audit?cursor=x", json, "", 400),
    ] {
        let answer = api.send(method, path, &[header], body).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {}", answer.body);
        assert_eq!(answer.body["status"], status);
        assert!(answer.body["request_id"].is_string());
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::start().await;
    for slug in ["aaa", "bbb", "ccc"] {
        api.ask(Method::POST, "/rooms", Some(json!({"slug": slug})))
            .await;
    }
    let first = api.ask(Method::GET, "/rooms?limit=2", None).await.body;
    let slugs = |page: &Value| {
        let rooms = page["data"].as_array().unwrap().iter();
        rooms.map(|room| room["slug"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(slugs(&first), ["aaa", "bbb"]);
    assert_eq!(first["has_more"], true);
    let cursor = first["next_cursor"].as_str().unwrap();
    let path = format!("/rooms?limit=2&cursor={cursor}");
    let second = api.ask(Method::GET, &path, None).await.body;
    assert_eq!(slugs(&second), ["ccc"]);
    assert_eq!(second["has_more"], false);
    assert_eq!(second["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_page_follows_a_cursor_whose_entry_is_gone() {
    let api = Api::start().await;
    for slug in ["aaa", "bbb", "ccc"] {
        api.ask(Method::POST, "/rooms", Some(json!({"slug": slug})))
            .await;
    }
    api.ask(Method::DELETE, "/rooms/bbb", None).await;
    let rest = api.ask(Method::GET, "/rooms?cursor=bbb", None).await;
    assert_eq!(rest.status, StatusCode::OK, "{}", rest.body);
    assert_eq!(rest.body["data"][0]["slug"], "ccc");
    assert_eq!(rest.body["data"][1], Value::Null);

    // Of invites the newest is first.
    for _ in 0..3 {
        api.ask(
            Method::POST,
            "/rooms/aaa/invites",
            Some(json!({"role": "viewer"})),
        )
        .await;
    }
    let path = "/rooms/aaa/invites?limit=3";
    let first = api.ask(Method::GET, path, None).await.body;
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(first["data"][2]["id"], cursor);
    let path = format!("{path}&cursor={cursor}");
    let second = api.ask(Method::GET, &path, None).await.body;
    assert_eq!(second["data"][0]["role"], "host", "{second}");
    assert_eq!(second["data"][1], Value::Null);
}

#[tokio::test]
async fn a_page_of_records_says_whether_there_are_more() {
    let api = Api::start().await;
    for slug in ["aaa", "bbb", "ccc"] {
        api.ask(Method::POST, "/rooms", Some(json!({"slug": slug})))
            .await;
    }
    let all = api.ask(Method::GET, "/audit?cursor=0", None).await.body;
    let records = all["data"].as_array().unwrap().len();
    for (query, more) in [
        ("limit=1".to_owned(), false),
        ("limit=1&cursor=0".to_owned(), true),
        (format!("limit={records}&cursor=0"), false),
        (format!("limit={}&cursor=0", records - 1), true),
    ] {
        let page = api.ask(Method::GET, &format!("/audit?{query}"), None).await;
        assert_eq!(page.body["has_more"], more, "{query}: {}", page.body);
        assert_eq!(page.body["next_cursor"].is_string(), more, "{query}");
    }
}

#[tokio::test]
async fn what_was_done_is_said_even_if_the_store_then_cannot_be_read() {
    let closed = Store::open_temporary().await.unwrap();
    closed.close().await.unwrap();
    let api = Api::reading(Some(closed)).await;
    let body = json!({"slug": "team"});
    let made = api.ask(Method::POST, "/rooms", Some(body)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert!(made.body["host_link"].is_string(), "{}", made.body);
    let body = json!({"lobby": "off"});
    let changed = api.ask(Method::PATCH, "/rooms/team", Some(body)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(changed.body["lobby"], "off");
    assert_eq!(changed.body["allowed_networks"], Value::Null);
    let shown = api.ask(Method::GET, "/rooms/team", None).await;
    assert_eq!(shown.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_invite_shows_its_secret_once() {
    let api = Api::start().await;
    api.ask(Method::POST, "/rooms", Some(json!({"slug": "team"})))
        .await;
    let body = json!({"role": "viewer", "max_uses": 3});
    let made = api
        .ask(Method::POST, "/rooms/team/invites", Some(body))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let secret = made.body["secret"].as_str().unwrap();
    assert_eq!(
        made.body["link"],
        format!("https://meet.example.org/r/team#i={secret}")
    );
    let list = api.ask(Method::GET, "/rooms/team/invites", None).await.body;
    assert!(!list.to_string().contains(secret));
    let path = format!("/rooms/team/invites/{}", made.body["id"].as_str().unwrap());
    let revoked = api.ask(Method::DELETE, &path, None).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    let list = api.ask(Method::GET, "/rooms/team/invites", None).await.body;
    assert_eq!(list["data"][0]["state"], "revoked");
}

#[tokio::test]
async fn the_audit_log_is_listed_verified_and_exported_whole() {
    let api = Api::start().await;
    for slug in ["aaa", "bbb"] {
        api.ask(Method::POST, "/rooms", Some(json!({"slug": slug})))
            .await;
    }
    let all = api.ask(Method::GET, "/audit?cursor=0", None).await.body;
    let records = all["data"].as_array().unwrap();
    assert!(records.len() >= 2, "{all}");
    let of_room = api.ask(Method::GET, "/audit?room=bbb", None).await.body;
    let of_room = of_room["data"].as_array().unwrap();
    assert!(!of_room.is_empty() && of_room.len() < records.len());

    let verified = api.ask(Method::GET, "/audit/verify", None).await.body;
    assert_eq!(verified["intact"], true);
    assert_eq!(verified["records"], records.len());
    let head = verified["head"].as_str().unwrap();
    let path = format!("/audit/verify?anchor={head}");
    assert_eq!(api.ask(Method::GET, &path, None).await.body["intact"], true);

    let export = api.send(Method::GET, "/audit/export", &[], "").await;
    assert_eq!(export.header("content-type"), Some("application/jsonl"));
    let lines: Vec<Value> = export
        .text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(&lines, records);
}

/// The API on an empty store of its own.
struct Api {
    router: Router,
}

impl Api {
    async fn start() -> Self {
        Api::reading(None).await
    }

    /// As [`Api::start`], but what only operators see is read from another store.
    async fn reading(other: Option<Store>) -> Self {
        let (node, store) = site::node().await;
        let url = "https://meet.example.org".to_owned();
        Api {
            router: router(Admin::new(node.rooms(), other.unwrap_or(store), Some(url))),
        }
    }

    /// Returns how many invites a room has.
    async fn invites(&self, room: &str) -> usize {
        let path = format!("/rooms/{room}/invites");
        let list = self.ask(Method::GET, &path, None).await;
        list.body["data"].as_array().unwrap().len()
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let headers = [("content-type", "application/json")];
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(method, path, &headers, &body).await
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
            .uri(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        site::send(&self.router, request, body.to_owned()).await
    }
}

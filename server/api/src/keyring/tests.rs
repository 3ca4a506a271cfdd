use std::io;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use conclave_server_core::webhook::record::{SigningSecret, WebhookRecord};
use conclave_signalling_node::ClientAddr;
use conclave_signalling_wire::ids::WebhookId;
use futures_util::{StreamExt, stream};
use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::{Admin, site};

/// How long a key may be felt after its end (`spec/permissions.md`, invariant 20).
const ENDED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_key_does_what_it_may_and_nothing_once_it_is_ended() {
    let site = Site::start().await;
    for (slug, tag) in [("desk", "desk"), ("board", "board")] {
        let body = json!({"slug": slug, "tags": [tag]});
        assert_eq!(site.operator(Method::POST, "/rooms", body).await.0, 201);
    }
    let body = json!({"name": "Desk", "level": "read_only", "rooms": {"tags": ["desk"]}});
    let (status, made) = site.operator(Method::POST, "/api-keys", body).await;
    assert_eq!(status, 201, "{made}");
    let text = made["text"].as_str().unwrap();
    assert!(text::parse(text).is_ok(), "{text}");

    assert_eq!(site.get(text, "/rooms/desk").await.0, 200);
    let (status, problem) = site.get(text, "/rooms/board").await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    let (status, problem) = site.get(text, "/api-keys").await;
    assert_eq!((status, &problem["required"]), (403, &json!("keys:read")));

    let path = format!("/api-keys/{}", made["id"].as_str().unwrap());
    let (_, shown) = site.operator(Method::GET, &path, Value::Null).await;
    assert!(shown["last_used_at"].is_string(), "{shown}");
    assert!(shown["text"].is_null() && shown["hash"].is_null());
    assert_eq!(
        site.operator(Method::DELETE, &path, Value::Null).await.0,
        204
    );
    assert_eq!(site.get(text, "/rooms/desk").await.0, 401);
    let (_, shown) = site.operator(Method::GET, &path, Value::Null).await;
    assert_eq!(shown["state"], "revoked");
    assert_eq!(
        site.operator(Method::DELETE, &path, Value::Null).await.0,
        409
    );
}

#[tokio::test]
async fn what_others_call_their_rooms_hides_none_of_a_key() {
    let site = Site::start().await;
    for body in [
        json!({"slug": "desk", "tags": ["desk"], "external_id": "board"}),
        json!({"slug": "board", "tags": ["board"]}),
    ] {
        assert_eq!(site.operator(Method::POST, "/rooms", body).await.0, 201);
    }
    let body = json!({"name": "Desk", "level": "read_only", "rooms": {"tags": ["desk"]}});
    let desk = site.key(body).await;
    let (status, room) = site.get(&desk, "/rooms/board").await;
    assert_eq!((status, &room["slug"]), (200, &json!("desk")));
    let (_, room) = site
        .operator(Method::GET, "/rooms/board", Value::Null)
        .await;
    assert_eq!(room["slug"], "board");
}

#[tokio::test]
async fn a_key_for_some_rooms_takes_no_name_by_which_others_find_theirs() {
    let site = Site::start().await;
    let body = json!({"slug": "board", "tags": ["board"], "external_id": "crm-1"});
    assert_eq!(site.operator(Method::POST, "/rooms", body).await.0, 201);
    let scopes = ["rooms:read", "rooms:write"];
    let body = json!({"name": "Desk", "scopes": scopes, "rooms": {"tags": ["desk"]}});
    let desk = site.key(body).await;
    let own = json!({"slug": "desk", "tags": ["desk"], "external_id": "desk"});
    for (method, path, body, status, code) in [
        (Method::POST, "/rooms", own, 201, Value::Null),
        (
            Method::POST,
            "/rooms",
            json!({"slug": "crm-1", "tags": ["desk"]}),
            409,
            json!("slug_taken"),
        ),
        (
            Method::POST,
            "/rooms/desk/duplicate",
            json!({"slug": "crm-1"}),
            409,
            json!("slug_taken"),
        ),
        (
            Method::PATCH,
            "/rooms/desk",
            json!({"external_id": "board"}),
            409,
            json!("external_id_taken"),
        ),
        (
            Method::PATCH,
            "/rooms/desk",
            json!({"external_id": "desk"}),
            200,
            Value::Null,
        ),
    ] {
        let asked = site.ask(&site.keys, method, path, &desk, body.to_string());
        let (said, answer) = asked.await;
        assert_eq!((said, &answer["code"]), (status, &code), "{path} {body}");
    }
}

#[tokio::test]
async fn what_is_given_again_is_what_was_given_and_to_nobody_else() {
    let site = Site::start().await;
    let keys = [
        site.key(json!({"name": "a", "level": "admin"})).await,
        site.key(json!({"name": "b", "level": "admin"})).await,
    ];
    let ask = async |key: &str| {
        let request = Request::post("/api/v1/api-keys")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {key}"))
            .header("idempotency-key", "once");
        let body = r#"{"name": "c", "level": "admin"}"#;
        let answer = site::send(&site.keys, request, body).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        answer.body
    };
    let first = ask(&keys[0]).await;
    assert_eq!(ask(&keys[0]).await, first);
    assert_ne!(ask(&keys[1]).await["id"], first["id"]);
}

#[tokio::test]
async fn an_unknown_key_and_a_wrong_one_are_refused_alike() {
    let site = Site::start().await;
    let made = site.key(json!({"name": "a", "level": "admin"})).await;
    let (id, _) = text::parse(&made).unwrap();
    let wrong = text::write(id, &KeySecret::new([1; 32]));
    let unknown = text::write(KeyId::new(1, [1; 10]), &KeySecret::new([1; 32]));
    let mut problems = Vec::new();
    for text in [wrong.as_str(), unknown.as_str(), "ck_", ""] {
        let (status, mut problem) = site.get(text, "/api-keys").await;
        problem["request_id"] = Value::Null;
        problems.push((status, problem));
    }
    assert!(
        problems.iter().all(|problem| *problem == problems[0]),
        "{problems:?}"
    );
    assert_eq!(problems[0].0, 401);
    for _ in problems.len()..30 {
        assert_eq!(site.get(&wrong, "/api-keys").await.0, 401);
    }
    assert_eq!(site.get(&wrong, "/api-keys").await.0, 429);
    assert_eq!(
        site.get(&made, "/api-keys").await.0,
        200,
        "who guesses shuts out nobody"
    );
}

#[tokio::test]
async fn both_secrets_hold_while_they_overlap() {
    let site = Site::start().await;
    let first = site.key(json!({"name": "a", "level": "admin"})).await;
    let (id, _) = text::parse(&first).unwrap();
    let path = format!("/api-keys/{id}/rotate");
    let (_, rotated) = site.operator(Method::POST, &path, json!({})).await;
    let second = rotated["text"].as_str().unwrap();
    assert!(rotated["former_until"].is_string());
    assert_eq!(site.get(&first, "/rooms").await.0, 200);
    assert_eq!(site.get(second, "/rooms").await.0, 200);
    let (_, rotated) = site
        .operator(Method::POST, &path, json!({"overlap_s": 0}))
        .await;
    let third = rotated["text"].as_str().unwrap();
    assert_eq!(site.get(&first, "/rooms").await.0, 401);
    assert_eq!(site.get(second, "/rooms").await.0, 401);
    assert_eq!(site.get(third, "/rooms").await.0, 200);
}

#[tokio::test]
async fn what_a_key_is_being_answered_breaks_off_when_it_expires() {
    let site = Site::start().await;
    let end = Timestamp::from_unix_ms(crate::now().unix_ms() + 300);
    let made = site
        .key(json!({"name": "a", "level": "admin", "expires_at": end}))
        .await;
    let (id, _) = text::parse(&made).unwrap();
    let ring = &site.admin.keyring;
    let (by, began) = (site.caller(id), Instant::now());
    let never = std::future::pending::<Result<(), Problem>>();
    let problem = ring.while_it_holds(&by, never).await.unwrap_err();
    assert_eq!(problem.status(), StatusCode::UNAUTHORIZED);
    let endless = stream::repeat_with(|| Ok::<_, io::Error>("line\n")).then(|line| async {
        tokio::task::yield_now().await;
        line
    });
    let body = ring.cut(by, Body::from_stream(endless));
    let read = axum::body::to_bytes(body, usize::MAX).await;
    assert!(read.is_err(), "who reads sees that it was not all");
    assert!(began.elapsed() < ENDED_WITHIN);
    assert_eq!(site.get(&made, "/rooms").await.0, 401);
    // An operator has no end.
    let operator = Caller::operator();
    let done = ring.while_it_holds(&operator, async { Ok(7) }).await;
    assert_eq!(done, Ok(7));
}

#[tokio::test]
async fn what_was_begun_with_more_rights_is_not_done_with_fewer() {
    let site = Site::start().await;
    let made = site.key(json!({"name": "a", "level": "admin"})).await;
    let (id, _) = text::parse(&made).unwrap();
    let ring = &site.admin.keyring;
    let (by, path) = (site.caller(id), format!("/api-keys/{id}"));

    let body = json!({"scopes": ["rooms:read"]});
    assert_eq!(site.operator(Method::PATCH, &path, body).await.0, 200);
    let began = Instant::now();
    let never = std::future::pending::<Result<(), Problem>>();
    let problem = ring.while_it_holds(&by, never).await.unwrap_err();
    assert_eq!(problem.status(), StatusCode::UNAUTHORIZED);
    let body = ring.cut(by, Body::from_stream(stream::pending::<io::Result<&str>>()));
    assert!(axum::body::to_bytes(body, usize::MAX).await.is_err());
    assert!(began.elapsed() < ENDED_WITHIN);
    assert_eq!(site.get(&made, "/rooms").await.0, 200, "what it still may");
}

#[tokio::test]
async fn what_a_key_made_ends_when_the_maker_of_the_key_ends() {
    let site = Site::start().await;
    let maker = site.key(json!({"name": "a", "level": "admin"})).await;
    let body = json!({"name": "b", "level": "admin"}).to_string();
    let (status, made) = site
        .ask(&site.keys, Method::POST, "/api-keys", &maker, body)
        .await;
    assert_eq!(status, 201, "{made}");
    let of_made: KeyId = made["id"].as_str().unwrap().parse().unwrap();
    let text = made["text"].as_str().unwrap();
    site.operator(Method::POST, "/rooms", json!({"slug": "team"}))
        .await;
    let path = "/rooms/team/invites";
    let body = json!({"role": "viewer"}).to_string();
    let (status, invite) = site.ask(&site.keys, Method::POST, path, text, body).await;
    assert_eq!(status, 201, "{invite}");
    let webhook = WebhookRecord {
        id: WebhookId::new(1, [1; 10]),
        url: "https://example.org/".to_owned(),
        description: String::new(),
        events: BTreeSet::new(),
        rooms: None,
        include_pii: false,
        enabled: true,
        secret: SigningSecret([1; 32]),
        former: None,
        created_by: Actor::Key(of_made),
        created_at: crate::now(),
        rev: 1,
    };
    let id = webhook.id;
    let store = site.admin.store.clone();
    let entry = entry(Actor::Operator, "webhook.create", None);
    store.put_webhook(webhook, Some(0), entry).await.unwrap();

    let (maker_id, _) = text::parse(&maker).unwrap();
    let path = format!("/api-keys/{maker_id}");
    assert_eq!(
        site.operator(Method::DELETE, &path, Value::Null).await.0,
        204
    );
    assert!(!store.webhook(id).await.unwrap().unwrap().enabled);
    let (_, invites) = site
        .operator(Method::GET, "/rooms/team/invites", Value::Null)
        .await;
    let invites = invites["data"].as_array().unwrap();
    let of_key = invites.iter().find(|other| other["id"] == invite["id"]);
    assert_eq!(of_key.unwrap()["state"], "revoked", "{invites:?}");
    assert_eq!(
        site.get(made["text"].as_str().unwrap(), "/rooms").await.0,
        401
    );
}

#[tokio::test]
async fn a_key_of_tags_takes_gives_and_loses_no_room() {
    let site = Site::start().await;
    let of_tags = json!({"name": "a", "level": "user", "rooms": {"tags": ["sales", "law"]}});
    let of_tags = site.key(of_tags).await;
    let made = json!({"slug": "others", "tags": ["hr"]});
    let (_, others) = site.operator(Method::POST, "/rooms", made).await;
    let made = json!({"slug": "shared", "tags": ["hr", "sales"]});
    site.operator(Method::POST, "/rooms", made).await;
    let one = json!({"name": "b", "level": "user", "rooms": {"rooms": [others["id"]]}});
    let of_one = site.key(one).await;
    let patch = async |key: &str, room: &str, body: Value| {
        let path = format!("/rooms/{room}");
        let text = body.to_string();
        site.ask(&site.keys, Method::PATCH, &path, key, text).await
    };
    let make = async |key: &str, body: Value| {
        let text = body.to_string();
        site.ask(&site.keys, Method::POST, "/rooms", key, text)
            .await
    };

    let mut refused = 0;
    for (key, body) in [
        (&of_tags, json!({})),
        (&of_tags, json!({"tags": null})),
        (&of_tags, json!({"tags": []})),
        (&of_tags, json!({"tags": ["hr"]})),
        (&of_tags, json!({"tags": ["sales", "hr"]})),
        (&of_one, json!({})),
        (&of_one, json!({"tags": ["sales"]})),
    ] {
        let (status, problem) = make(key, body).await;
        assert_eq!(status, 403, "{problem}");
        assert_eq!(problem["code"], "rooms_out_of_reach", "{problem}");
        refused += 1;
    }
    let (status, made) = make(&of_tags, json!({"slug": "own", "tags": ["law"]})).await;
    assert_eq!((status, &made["tags"]), (201, &json!(["law"])), "{made}");

    for (key, room, tags) in [
        (&of_tags, "own", json!([])),
        (&of_tags, "own", json!(["hr"])),
        (&of_tags, "own", json!(["law", "hr"])),
        (&of_tags, "shared", json!(["sales"])),
        (&of_tags, "shared", json!(["hr"])),
        (&of_tags, "shared", json!([])),
        (&of_one, "others", json!([])),
        (&of_one, "others", json!(["hr", "sales"])),
    ] {
        let (status, problem) = patch(key, room, json!({"tags": tags})).await;
        assert_eq!(status, 403, "{room} {tags}: {problem}");
        assert_eq!(problem["code"], "rooms_out_of_reach", "{room} {tags}");
        refused += 1;
    }
    for (key, room, tags) in [
        (&of_tags, "own", json!(["sales"])),
        (&of_tags, "own", json!(["law", "sales"])),
        (&of_tags, "shared", json!(["hr", "law"])),
        (&of_one, "others", json!(["hr"])),
    ] {
        let (status, room) = patch(key, room, json!({"tags": tags})).await;
        assert_eq!((status, &room["tags"]), (200, &tags), "{room}");
    }
    for body in [json!({"tags": null}), json!({"title": "Ours"})] {
        let (status, room) = patch(&of_tags, "own", body).await;
        let tags = &room["tags"];
        assert_eq!((status, tags), (200, &json!(["law", "sales"])), "{room}");
    }
    let ahead = json!({"tags": ["law"], "rev": 4000});
    assert_eq!(patch(&of_tags, "own", ahead).await.0, 409);
    assert_eq!(patch(&of_tags, "others", json!({"tags": []})).await.0, 404);

    let (_, records) = site
        .operator(Method::GET, "/audit?limit=100", Value::Null)
        .await;
    let records = records["data"].as_array().unwrap().iter();
    let told = records.filter(|record| record["outcome"] == "rooms_out_of_reach");
    let told: Vec<_> = told.map(|record| record["prefix"].as_str()).collect();
    assert_eq!(told, vec![Some("192.0.2.0/24"); refused]);
}

/// The API on an empty store of its own, by both its doors.
struct Site {
    admin: Admin,
    operators: Router,
    keys: Router,
}

impl Site {
    async fn start() -> Self {
        let (node, store) = site::node().await;
        let admin = Admin::new(node.rooms(), store, None);
        Site {
            operators: crate::router(admin.clone()),
            keys: crate::key_router(admin.clone(), watch::channel(crate::Entrance::default()).1),
            admin,
        }
    }

    /// Makes a key as the operator and returns its text.
    async fn key(&self, body: Value) -> String {
        let (status, made) = self.operator(Method::POST, "/api-keys", body).await;
        assert_eq!(status, 201, "{made}");
        made["text"].as_str().unwrap().to_owned()
    }

    /// Returns a key as the guard knows it.
    fn caller(&self, id: KeyId) -> Caller {
        let table = self.admin.keyring.table();
        Caller {
            actor: Actor::Key(id),
            rights: table.keys.rights(id).unwrap().clone(),
            from: None,
            request_id: None,
        }
    }

    async fn operator(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.ask(&self.operators, method, path, "", body).await
    }

    async fn get(&self, key: &str, path: &str) -> (u16, Value) {
        self.ask(&self.keys, Method::GET, path, key, String::new())
            .await
    }

    async fn ask(
        &self,
        router: &Router,
        method: Method,
        path: &str,
        key: &str,
        body: String,
    ) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {key}"))
            .extension(ClientAddr("192.0.2.7:4000".parse().unwrap()));
        let answer = site::send(router, request, body).await;
        (answer.status.as_u16(), answer.body)
    }
}

#[tokio::test]
async fn a_key_for_some_rooms_is_shown_no_delivery_that_tells_of_others() {
    let site = Site::start().await;
    let hook = json!({"url": "https://hooks.example/", "events": ["room.created"]});
    let (status, hook) = site.operator(Method::POST, "/webhooks", hook).await;
    assert_eq!(status, 201, "{hook}");
    for tag in ["desk", "board"] {
        let body = json!({"slug": tag, "tags": [tag]});
        assert_eq!(site.operator(Method::POST, "/rooms", body).await.0, 201);
    }
    let path = format!("/webhooks/{}", hook["id"].as_str().unwrap());
    let narrow = json!({"rooms": {"tags": ["desk"]}});
    assert_eq!(site.operator(Method::PATCH, &path, narrow).await.0, 200);
    let scopes = ["webhooks:read", "webhooks:write"];
    let body = json!({"name": "Desk", "scopes": scopes, "rooms": {"tags": ["desk"]}});
    let desk = site.key(body).await;
    let path = format!("{path}/deliveries");
    let (_, all) = site.operator(Method::GET, &path, Value::Null).await;
    let (status, own) = site.get(&desk, &path).await;
    assert_eq!(status, 200, "{own}");
    let ids = |list: &Value| -> Vec<String> {
        let data = list["data"].as_array().unwrap();
        let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
        data.iter().map(id).collect()
    };
    assert_eq!((ids(&all).len(), ids(&own).len()), (2, 1));
    for id in ids(&all) {
        let status = site.get(&desk, &format!("/deliveries/{id}")).await.0;
        let expected = if ids(&own).contains(&id) { 200 } else { 404 };
        assert_eq!(status, expected);
    }
}

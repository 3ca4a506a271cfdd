//! What holds of every route, whatever it does: that is told by the table, and
//! is what the server does.

mod bodies;
mod conduct;
mod conforms;
mod examples;
mod matrix;

use std::fs;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use conclave_server_core::access::record::Scope;
use conclave_server_core::access::rights::Rights;
use conclave_signalling_core::record::Actor;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode, header};
use serde_json::Value;

use crate::auth::{Authenticate, Caller, Knock};
use crate::guard::{self, Gate};
use crate::openapi;
use crate::openapi::responses::refusals;
use crate::problem::Problem;
use crate::rate::Pace;
use crate::routes::routes;
use crate::site::{self, Answer};
use crate::table::{Access, Route};
use crate::{Admin, codes};

/// Where generated tables of the documents are.
const BEGIN: &str = "<!-- begin: routes -->";
const END: &str = "<!-- end: routes -->";
const BEGIN_CODES: &str = "<!-- begin: codes -->";
const END_CODES: &str = "<!-- end: codes -->";

#[test]
fn no_state_changes_on_a_get_and_every_change_needs_a_scope_for_it() {
    for route in routes() {
        let is_write = match route.access {
            Access::Public | Access::AnyKey => false,
            Access::Scope(scope) => matches!(
                scope,
                Scope::RoomsWrite
                    | Scope::SessionsAct
                    | Scope::KeysWrite
                    | Scope::WebhooksWrite
                    | Scope::SystemWrite
            ),
        };
        assert_eq!(is_write, route.method != Method::GET, "{}", route.id);
    }
}

#[test]
fn every_route_is_described() {
    let mut ids = Vec::new();
    for route in routes() {
        let id = route.id;
        assert!(!ids.contains(&id), "{id} is there twice");
        ids.push(id);
        assert!(
            !route.summary.is_empty() && !route.summary.ends_with('.'),
            "{id}"
        );
        assert!(!route.tag.is_empty() && !route.outcomes.is_empty(), "{id}");
        assert!(!route.examples.is_empty(), "{id} has no example");
        if route.needs_body {
            let has_body = |e: &crate::table::Example| e.body.is_some() || e.text.is_some();
            assert!(
                route.examples.iter().any(has_body),
                "{id} has no example with a body"
            );
        }
        for name in route.path_params() {
            assert_ne!(
                openapi::example_of(name),
                "example",
                "{id}: nobody knows {{{name}}}"
            );
        }
        for codes in refusals(&route).into_values() {
            for code in codes {
                assert!(codes::about(code).is_some(), "{id}: nobody knows `{code}`");
            }
        }
    }
}

#[test]
fn the_document_is_openapi_and_the_committed_one() {
    let document = openapi::document(&routes());
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with('/'), "{path}");
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            assert!(["get", "post", "patch", "delete"].contains(&method.as_str()));
            assert!(operation["operationId"].is_string() && operation["responses"].is_object());
            let none = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&none);
            let named = parameters.iter().filter(|p| p["in"] == "path").count();
            assert_eq!(named, path.matches('{').count(), "{path}");
        }
    }
    assert_eq!(operations, routes().len());
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
    let path = repository("docs/openapi.json");
    if std::env::var_os("CONCLAVE_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&document).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(committed == document, "docs/openapi.json is stale: {BLESS}");
}

const BLESS: &str = "run `CONCLAVE_BLESS=1 cargo test -p conclave-server-api contract`";

#[test]
fn the_page_about_the_api_lists_its_routes_and_codes() {
    let path = repository("docs/admin-api.md");
    let page = fs::read_to_string(&path).unwrap();
    let written = replaced(&page, (BEGIN, END), &table_of_routes());
    let written = replaced(&written, (BEGIN_CODES, END_CODES), &table_of_codes());
    if std::env::var_os("CONCLAVE_BLESS").is_some() {
        fs::write(&path, &written).unwrap();
        return;
    }
    assert!(page == written, "docs/admin-api.md is stale: {BLESS}");
}

fn table_of_routes() -> String {
    let mut text = "| route | operation | scope | what it does |\n|---|---|---|---|\n".to_owned();
    for route in routes() {
        let scope = match route.access {
            Access::Public => "none, no key either".to_owned(),
            Access::AnyKey => "any key".to_owned(),
            Access::Scope(scope) => format!("`{}`", scope.name()),
        };
        text += &format!(
            "| `{} {}` | `{}` | {scope} | {} |\n",
            route.method, route.path, route.id, route.summary
        );
    }
    text
}

fn table_of_codes() -> String {
    let mut text = "| code | meaning |\n|---|---|\n".to_owned();
    for (code, about) in codes::CODES {
        text += &format!("| `{code}` | {about} |\n");
    }
    text
}

fn replaced(page: &str, (begin, end): (&str, &str), text: &str) -> String {
    let (before, rest) = page.split_once(begin).expect("the page has its marks");
    let (_, after) = rest.split_once(end).expect("the page has its marks");
    format!("{before}{begin}\n{text}{end}{after}")
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => found.push(text.clone()),
                    member => collect_references(member, found),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

/// Knows callers by the scopes that they claim to have: `Bearer rooms:read`.
struct AsClaimed;

impl Authenticate for AsClaimed {
    fn authenticate<'a>(&'a self, knock: Knock<'a>) -> BoxFuture<'a, Result<Caller, Problem>> {
        Box::pin(async move {
            let said = knock.headers.get(header::AUTHORIZATION);
            let said = said.and_then(|said| said.to_str().ok()?.strip_prefix("Bearer "));
            let claimed = said.ok_or_else(|| Problem::unauthorized("there is no key"))?;
            let rights = Rights::of_operator();
            Ok(Caller {
                actor: Actor::Operator,
                rights: match claimed {
                    "*" => rights,
                    name => Rights {
                        scopes: Scope::ALL
                            .iter()
                            .copied()
                            .filter(|scope| scope.name() == name)
                            .collect(),
                        ..rights
                    },
                },
                from: None,
                request_id: None,
            })
        })
    }
}

/// Returns the API on an empty store.
async fn fresh() -> Router {
    let (node, store) = site::node().await;
    let url = "https://meet.example.org".to_owned();
    let gate = Gate {
        admin: Admin::new(node.rooms(), store, Some(url)),
        door: Box::new(AsClaimed),
        entrance: None,
        pace: Pace::default(),
    };
    guard::router(gate, routes())
}

/// Sends a request with the scopes that `claim` names.
async fn send(
    router: &Router,
    claim: Option<&str>,
    method: &Method,
    path: &str,
    body: Option<(&str, String)>,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"));
    if let Some(claim) = claim {
        request = request.header(header::AUTHORIZATION, format!("Bearer {claim}"));
    }
    let body = match body {
        Some((kind, text)) => {
            request = request.header(header::CONTENT_TYPE, kind);
            Body::from(text)
        }
        None => Body::empty(),
    };
    site::send(router, request, body).await
}

fn filled(route: &Route, value: impl Fn(&str) -> String) -> String {
    let steps = route.path.split('/').map(|step| {
        let name = step.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
        name.map_or_else(|| step.to_owned(), &value)
    });
    steps.collect::<Vec<_>>().join("/")
}

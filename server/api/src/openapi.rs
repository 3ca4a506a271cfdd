//! The document of the API (OpenAPI 3.1), out of the table of routes.

pub(crate) mod responses;
mod schemas;

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Map, Value, json};

use crate::codes;
use crate::table::{Access, Content, Example, Route};

use responses::{headers, responses};
use schemas::{Schemas, loosen};

/// What the groups of the document are about. A group that is not here is described by its name.
const GROUPS: [(&str, &str); 8] = [
    ("rooms", "Rooms and their policies."),
    ("invites", "Links for one person or for many."),
    ("bans", "Who may not come in."),
    (
        "sessions",
        "Meetings: who is in them or waits, what was written there, and what is done with them.",
    ),
    ("embedders", "Sites that sign join tokens themselves."),
    ("webhooks", "Events that are sent to other systems."),
    ("audit", "What was done, by whom."),
    ("server", "The server itself, and this document."),
];

/// The parameters of paths: what they are called, what they are, and an example.
const PATH_PARAMS: [(&str, &str, &str); 14] = [
    (
        "room",
        "A room, by its name in links, its identifier, or what another system calls it.",
        "standup",
    ),
    ("invite", "An invite.", "inv_01h455vb4pex5vsknk084sn02q"),
    ("ban", "A ban.", "ban_01h455vb4pex5vsknk084sn02q"),
    ("session", "A session.", "ses_01h455vb4pex5vsknk084sn02q"),
    (
        "participant",
        "A participant.",
        "par_01h455vb4pex5vsknk084sn02q",
    ),
    (
        "message",
        "A chat message.",
        "msg_01h455vb4pex5vsknk084sn02q",
    ),
    ("key", "An API key.", "key_01h455vb4pex5vsknk084sn02q"),
    ("webhook", "A webhook.", "whk_01h455vb4pex5vsknk084sn02q"),
    ("delivery", "A delivery.", "dlv_01h455vb4pex5vsknk084sn02q"),
    (
        "knock",
        "A knock at a lobby.",
        "knk_01h455vb4pex5vsknk084sn02q",
    ),
    ("role", "The name of a role.", "attendee"),
    ("kid", "The name of an embedding site's key.", "site-1"),
    ("embedder", "The name of an embedding site's key.", "site-1"),
    ("name", "A name.", "name"),
];

/// Returns the document.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for route in routes {
        let item = paths
            .entry(route.path)
            .or_insert_with(|| Value::Object(Map::new()));
        item[route.method.as_str().to_ascii_lowercase()] = operation(route, &mut schemas);
    }
    let tags: BTreeSet<&str> = routes.iter().map(|route| route.tag).collect();
    let of_group = |tag: &&str| GROUPS.iter().position(|(name, _)| name == tag);
    let mut tags: Vec<&str> = tags.into_iter().collect();
    tags.sort_by_key(|tag| of_group(tag).unwrap_or(GROUPS.len()));
    let tags: Vec<Value> = tags
        .into_iter()
        .map(|tag| {
            let about = GROUPS.iter().find(|(name, _)| *name == tag);
            json!({"name": tag, "description": about.map_or(tag, |(_, about)| about)})
        })
        .collect();
    let codes: BTreeMap<&str, &str> = codes::CODES.iter().copied().collect();
    let document = json!({
        "x-problem-codes": codes,
        "openapi": "3.1.0",
        "info": {
            "title": "Conclave",
            "version": "1",
            "summary": "Administration of a Conclave server",
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "ck_<id>_<secret>",
                    "description": "An API key: `conclave key create` makes the first one.",
                },
            },
            "headers": headers(),
        },
    });
    let mut document = schemas.join(document);
    loosen(&mut document);
    document
}

const ABOUT: &str = "Machines configure rooms and act in meetings with an API key, \
`Authorization: Bearer ck_…`. Times are RFC 3339 in UTC. Errors are problem documents (RFC 9457) \
with a stable `code`. Lists come in pages: follow `next_cursor`. Resources with an `ETag` take \
`If-Match`. Every POST takes an `Idempotency-Key`: a request that is sent again within 24 hours \
gets the answer of the first, with `Idempotent-Replayed: true`.";

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag],
        "summary": route.summary,
        "security": match route.access {
            Access::Public => json!([]),
            Access::AnyKey => json!([{"key": []}]),
            Access::Scope(scope) => json!([{"key": [scope.name()]}]),
        },
        "responses": responses(route, schemas),
    });
    if !route.about.is_empty() {
        operation["description"] = json!(route.about);
    }
    let parameters = parameters(route, schemas);
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if !route.contents.is_empty() {
        let contents = route.contents.iter().map(|content| {
            let mut described = json!({"schema": schemas.input(content)});
            let examples = examples(route, content);
            if !examples.is_empty() {
                described["examples"] = json!(examples);
            }
            (content.media_type.to_owned(), described)
        });
        let contents: Map<String, Value> = contents.collect();
        operation["requestBody"] = json!({"required": route.needs_body, "content": contents});
    }
    operation["x-requests"] = route.examples.iter().map(request).collect();
    operation
}

/// Returns the bodies that are shown, by a key that no other has.
fn examples(route: &Route, content: &Content) -> Map<String, Value> {
    let shown = route.examples.iter().enumerate();
    let shown = shown.filter_map(|(number, example)| {
        let value = match (&example.text, &example.body) {
            (Some((media_type, text)), _) if *media_type == content.media_type => json!(text),
            (None, Some(body)) if content.media_type == crate::table::JSON => body.clone(),
            _ => return None,
        };
        let shown = json!({"summary": example.name, "value": value});
        Some((format!("example{}", number + 1), shown))
    });
    shown.collect()
}

/// Returns a request as the viewer shows it.
fn request(example: &Example) -> Value {
    let mut request = json!({"summary": example.name});
    for (name, value) in &example.path {
        // What another operation answered is not known here.
        let value = match value.starts_with('{') {
            true => example_of(name),
            false => value,
        };
        request["path"][*name] = json!(value);
    }
    if !example.query.is_empty() {
        request["query"] = json!(example.query);
    }
    if let Some(body) = &example.body {
        request["body"] = body.clone();
    }
    if let Some((media_type, text)) = &example.text {
        request["text"] = json!(text);
        request["contentType"] = json!(media_type);
    }
    request
}

/// Returns what a parameter of a path may be.
pub(crate) fn example_of(name: &str) -> &'static str {
    let known = PATH_PARAMS.iter().find(|(known, ..)| *known == name);
    known.map_or("example", |(_, _, example)| example)
}

fn parameters(route: &Route, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in route.path_params() {
        let about = PATH_PARAMS.iter().find(|(known, ..)| *known == name);
        parameters.push(json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": about.map_or("Which.", |(_, about, _)| about),
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            "example": example_of(name),
        }));
    }
    for param in route.known_query() {
        parameters.push(json!({
            "name": param.name,
            "in": "query",
            "required": false,
            "description": param.about,
            "schema": schemas.param(&param),
        }));
    }
    if route.is_conditional {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "The `ETag` of the state that is to be changed: refused with 412 if it is another.",
            "schema": {"type": "string", "minLength": 1, "pattern": "^([*]|\"[0-9]{1,9}\")$"},
        }));
    }
    if route.method == Method::POST {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "Any text, the same when this request is sent again.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }));
    }
    parameters
}

//! The document of the API (OpenAPI 3.1), out of the table of routes.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::codes;
use crate::table::{Access, Content, Example, Outcome, Param, Route};

/// Where schemas of requests and of answers are while they are collected: a
/// type may be read in another form than it is written in.
const INPUTS: &str = "#/components/inputs/";
const SCHEMAS: &str = "#/components/schemas/";

/// The headers that say how often a key may ask.
const PACE: [&str; 3] = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];

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

/// Takes back that entries of a set must differ: one that is there twice is there, and no reason to
/// refuse a request.
fn loosen(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("uniqueItems");
            members.values_mut().for_each(loosen);
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        _ => {}
    }
}

const ABOUT: &str = "Machines configure rooms and act in meetings with an API key, \
`Authorization: Bearer ck_…`. Times are RFC 3339 in UTC. Errors are problem documents (RFC 9457) \
with a stable `code`. Lists come in pages: follow `next_cursor`. Resources with an `ETag` take \
`If-Match`. Every POST takes an `Idempotency-Key`: a request that is sent again within 24 hours \
gets the answer of the first, with `Idempotent-Replayed: true`.";

/// Schemas by name, those of requests apart from those of answers.
struct Schemas {
    inputs: SchemaGenerator,
    outputs: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let generator = |path: &'static str, settings: SchemaSettings| {
            let settings = settings.with(|settings| settings.definitions_path = path.into());
            settings.into_generator()
        };
        let settings = SchemaSettings::draft2020_12;
        let mut schemas = Schemas {
            inputs: generator("/components/inputs", settings().for_deserialize()),
            outputs: generator("/components/schemas", settings().for_serialize()),
        };
        schemas.outputs.subschema_for::<codes::ProblemDocument>();
        schemas
    }

    fn input(&mut self, content: &Content) -> Value {
        (content.schema)(&mut self.inputs).to_value()
    }

    fn param(&mut self, param: &Param) -> Value {
        (param.schema)(&mut self.inputs).to_value()
    }

    fn output(&mut self, content: &Content) -> Value {
        (content.schema)(&mut self.outputs).to_value()
    }

    /// Puts the schemas into the document: one where both are the same, else
    /// that of requests under a name of its own.
    fn join(mut self, mut document: Value) -> Value {
        let mut outputs = self.outputs.take_definitions(true);
        let inputs = self.inputs.take_definitions(true);
        let same = |name: &str, apart: &BTreeSet<String>| {
            let (Some(input), Some(output)) = (inputs.get(name), outputs.get(name)) else {
                return true;
            };
            let mut renamed = input.clone();
            rename(&mut renamed, apart);
            renamed == *output
        };
        let mut apart = BTreeSet::new();
        loop {
            let more: Vec<String> = inputs
                .keys()
                .filter(|name| !apart.contains(*name) && !same(name, &apart))
                .cloned()
                .collect();
            if more.is_empty() {
                break;
            }
            apart.extend(more);
        }
        for (name, schema) in inputs {
            let name = match apart.contains(&name) {
                true => format!("{name}Input"),
                false => name,
            };
            outputs.insert(name, schema);
        }
        // By name, so that a new route moves no others.
        let sorted: BTreeMap<String, Value> = outputs.into_iter().collect();
        document["components"]["schemas"] = json!(sorted);
        rename(&mut document, &apart);
        document
    }
}

/// Lets references to schemas of requests point to where those are in the end.
fn rename(value: &mut Value, apart: &BTreeSet<String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix(INPUTS) {
                let end = if apart.contains(name) { "Input" } else { "" };
                *text = format!("{SCHEMAS}{name}{end}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, apart)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| rename(member, apart)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

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

fn headers() -> Value {
    let header = |about: &str, schema: Value| json!({"description": about, "schema": schema});
    let number = || json!({"type": "integer", "minimum": 0});
    json!({
        "X-Request-Id": header("The identifier of the request, the caller's if it sent one.", json!({"type": "string"})),
        "ETag": header("The state of the resource, for `If-Match`.", json!({"type": "string"})),
        "Location": header("Where the resource is.", json!({"type": "string"})),
        "Retry-After": header("Seconds to wait.", number()),
        "RateLimit-Limit": header("Requests that a key may send at once: a sixth of those of a minute, at least 100.", number()),
        "RateLimit-Remaining": header("Requests that may be sent at once by now.", number()),
        "RateLimit-Reset": header("Seconds until `RateLimit-Limit` may be.", number()),
        "Idempotent-Replayed": header("`true` if this was answered before.", json!({"const": "true"})),
        "WWW-Authenticate": header("`Bearer`.", json!({"type": "string"})),
    })
}

fn responses(route: &Route, schemas: &mut Schemas) -> Value {
    let mut responses = Map::new();
    for outcome in &route.outcomes {
        let described = outcome_of(route, outcome, schemas);
        responses.insert(outcome.status.as_str().to_owned(), described);
    }
    for (status, codes) in refusals(route) {
        let told = |code: &str| match codes::about(code) {
            Some(about) => format!("`{code}`: {about}"),
            None => format!("`{code}`"),
        };
        let codes: Vec<String> = codes.into_iter().map(told).collect();
        let mut names = vec!["X-Request-Id"];
        match status {
            StatusCode::UNAUTHORIZED => names.push("WWW-Authenticate"),
            _ if route.access == Access::Public => {}
            _ => names.extend(PACE),
        }
        if [409, 429, 503].contains(&status.as_u16()) {
            names.push("Retry-After");
        }
        let described = json!({
            "description": codes.join("\n\n"),
            "headers": named_headers(&names),
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}},
            },
        });
        responses.insert(status.as_str().to_owned(), described);
    }
    // In the order of the statuses, as a map that is printed keeps the one of insertion or of the alphabet.
    let sorted: BTreeMap<String, Value> = responses.into_iter().collect();
    json!(sorted)
}

fn outcome_of(route: &Route, outcome: &Outcome, schemas: &mut Schemas) -> Value {
    let mut names = vec!["X-Request-Id"];
    if route.access != Access::Public {
        names.extend(PACE);
    }
    if route.has_etag && !outcome.contents.is_empty() {
        names.push("ETag");
    }
    if outcome.status == StatusCode::CREATED {
        names.push("Location");
    }
    if route.method == Method::POST {
        names.push("Idempotent-Replayed");
    }
    let mut described = json!({
        "description": outcome.about,
        "headers": named_headers(&names),
    });
    if !outcome.contents.is_empty() {
        let contents = outcome.contents.iter().map(|content| {
            let schema = schemas.output(content);
            let schema = if outcome.is_page {
                page_of(&schema)
            } else {
                schema
            };
            let mut of_type = json!({"schema": schema});
            if let Some(shown) = &outcome.shown {
                of_type["example"] = shown.clone();
            }
            (content.media_type.to_owned(), of_type)
        });
        described["content"] = Value::Object(contents.collect());
    }
    described
}

fn page_of(entry: &Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": entry, "maxItems": 100},
            "has_more": {"type": "boolean", "description": "Whether there are entries after these."},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "The `cursor` of the next page.",
            },
            "total": {
                "type": "integer",
                "minimum": 0,
                "description": "All entries, with `include=total`.",
            },
        },
        "required": ["data", "has_more", "next_cursor"],
    })
}

fn named_headers(names: &[&str]) -> Value {
    let reference = |name: &&str| {
        let place = format!("#/components/headers/{name}");
        ((*name).to_owned(), json!({"$ref": place}))
    };
    Value::Object(names.iter().map(reference).collect())
}

/// Returns by which statuses and codes a route refuses: those that all of its
/// kind have, and its own.
pub(crate) fn refusals(route: &Route) -> BTreeMap<StatusCode, BTreeSet<&'static str>> {
    let changes = route.method != Method::GET;
    let of_kind = [
        (true, 400, "bad_request"),
        (true, 403, "network_not_allowed"),
        (route.access != Access::Public, 401, "unauthorized"),
        (
            matches!(route.access, Access::Scope(_)),
            403,
            "insufficient_scope",
        ),
        (route.access != Access::Public, 429, "rate_limited"),
        (route.access != Access::Public, 503, "store_unavailable"),
        (route.access != Access::Public, 503, "draining"),
        (route.path.contains('{'), 404, "not_found"),
        (!route.contents.is_empty(), 413, "too_large"),
        (!route.contents.is_empty(), 415, "unsupported_media_type"),
        (!route.contents.is_empty(), 422, "invalid"),
        (changes, 409, "conflict"),
        (changes, 507, "store_full"),
        (route.is_conditional, 412, "conflict"),
        (route.method == Method::POST, 409, "idempotency_in_progress"),
        (route.method == Method::POST, 409, "idempotency_in_doubt"),
        (route.method == Method::POST, 422, "idempotency_mismatch"),
    ];
    let mut refusals: BTreeMap<StatusCode, BTreeSet<&'static str>> = BTreeMap::new();
    let own = route.problems.iter().copied();
    let of_kind = of_kind.into_iter().filter(|(applies, ..)| *applies);
    let of_kind = of_kind.filter_map(|(_, status, code)| {
        let status = StatusCode::from_u16(status).ok()?;
        Some((status, code))
    });
    for (status, code) in of_kind.chain(own) {
        refusals.entry(status).or_default().insert(code);
    }
    refusals
}

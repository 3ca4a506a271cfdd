//! What routes answer, when all is well and when not.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::codes;
use crate::table::{Access, Outcome, Route};

/// The headers that say how often a key may ask.
const PACE: [&str; 3] = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];

pub(super) fn headers() -> Value {
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

pub(super) fn responses(route: &Route, schemas: &mut Schemas) -> Value {
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

//! The codes by which the API refuses: part of its contract.

use conclave_signalling_wire::error::ErrorCode;
use schemars::JsonSchema;

/// Every code of the API's own, and what it means. Beside them are the codes
/// by which meetings refuse, see [`about`].
pub(crate) const CODES: &[(&str, &str)] = &[
    (
        "bad_request",
        "The request cannot be read, or a parameter cannot be.",
    ),
    ("unauthorized", "There is no API key, or none that holds."),
    (
        "insufficient_scope",
        "The key lacks the scope that `required` names.",
    ),
    (
        "network_not_allowed",
        "The API, or the key, is not for use from this network.",
    ),
    (
        "tls_required",
        "The request came without https, and its key with it: rotate the key.",
    ),
    (
        "rooms_out_of_reach",
        "The key is for some rooms, and this would not be one of them.",
    ),
    ("beyond_own_rights", "A key cannot give more than it has."),
    ("key_ended", "The key was ended, and stays so."),
    ("too_many", "There are as many of them as there may be."),
    ("too_many_keys", "There are as many keys as there may be."),
    ("not_found", "There is no such thing, or none for this key."),
    ("method_not_allowed", "The path is not for this method."),
    ("slug_taken", "Another room has this name."),
    ("external_id_taken", "Another room has this external id."),
    (
        "conflict",
        "Somebody else changed it first, or it is not as `If-Match` says.",
    ),
    (
        "idempotency_in_progress",
        "The request with this `Idempotency-Key` is being done.",
    ),
    (
        "idempotency_in_doubt",
        "The server does not know any more what became of it: look before sending it anew.",
    ),
    (
        "idempotency_mismatch",
        "Another request had this `Idempotency-Key`.",
    ),
    ("not_live", "The session is over."),
    (
        "not_ending",
        "No countdown to the end of the session is going on.",
    ),
    (
        "not_stored",
        "Nothing is kept of what was written in the session.",
    ),
    ("too_large", "The body has too many bytes."),
    (
        "unsupported_media_type",
        "The body is of a type that the route does not take.",
    ),
    (
        "invalid",
        "A member of the body cannot be; `errors` names it.",
    ),
    (
        "unknown_member",
        "In `errors`: there is no member of this name.",
    ),
    ("missing", "In `errors`: the member has to be there."),
    ("repeated", "In `errors`: the member is there twice."),
    ("rate_limited", "Too often; `Retry-After` says when again."),
    (
        "not_available",
        "This version, or the server at present, cannot do it.",
    ),
    (
        "store_unavailable",
        "The database did not do it; perhaps later.",
    ),
    ("store_full", "The disk is full."),
    ("draining", "The server is about to end."),
    ("internal", "The server failed."),
];

/// Returns what a code means.
pub(crate) fn about(code: &str) -> Option<&'static str> {
    let own = CODES.iter().find(|(known, _)| *known == code);
    let of_meetings = || {
        ErrorCode::ALL
            .into_iter()
            .find(|known| known.name() == code)
    };
    own.map(|(_, about)| *about)
        .or_else(|| of_meetings().map(ErrorCode::message))
}

/// Why a request was refused (RFC 9457).
#[derive(JsonSchema)]
#[schemars(rename = "Problem")]
#[expect(dead_code, reason = "describes what `problem` writes")]
pub(crate) struct ProblemDocument {
    /// Always `about:blank`: `code` says more.
    r#type: String,
    /// The name of the status.
    title: String,
    /// The status.
    status: u16,
    /// A stable word.
    code: String,
    /// The request's identifier, also in `X-Request-Id`.
    request_id: String,
    /// What is wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    detail: Option<String>,
    /// The scope that the key lacks, with `insufficient_scope`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    required: Option<String>,
    /// Which members of the body are wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<BadMember>")]
    errors: Option<Vec<BadMember>>,
}

/// A member of a body that is wrong.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes what `problem` writes")]
struct BadMember {
    /// Where it is (RFC 6901).
    pointer: String,
    /// A stable word.
    code: String,
    /// What is wrong, for people.
    message: String,
}

//! What went wrong, as the API says it (RFC 9457).

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use conclave_signalling_node::RoomsError;
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::{self, BadMember};

/// Seconds after which a server that ends, or whose disk stalls, may be another.
const RETRY_S: u32 = 10;

/// One member of a body that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    pointer: String,
    code: &'static str,
    message: String,
}

/// A refusal. The guard of the router writes it, since it knows the id of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Option<String>,
    member: Option<Member>,
    retry_after_s: Option<u32>,
    /// The scope that is lacked.
    required: Option<Scope>,
}

impl Problem {
    /// Says no more than a status and a stable code.
    pub(crate) fn new(status: StatusCode, code: &'static str) -> Self {
        Problem {
            status,
            code,
            detail: None,
            member: None,
            retry_after_s: None,
            required: None,
        }
    }

    /// Returns the one for a status that some other layer chose.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => "not_found",
            StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
            status if status.is_server_error() => "internal",
            _ => "bad_request",
        };
        Problem::new(status, code)
    }

    /// Says that a body or a query cannot be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request").detail(detail)
    }

    /// Says that there is none of what is asked for, or none for this caller.
    pub(crate) fn not_found(what: &str) -> Self {
        Problem::new(StatusCode::NOT_FOUND, "not_found").detail(format!("there is no such {what}"))
    }

    /// Says that it is not known who asks.
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized").detail(detail)
    }

    /// Says that the caller lacks a scope.
    pub(crate) fn insufficient(required: Scope) -> Self {
        Problem {
            required: Some(required),
            ..Problem::new(StatusCode::FORBIDDEN, "insufficient_scope")
                .detail(format!("the key lacks the scope `{}`", required.name()))
        }
    }

    /// Says that the caller asks too often.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1000);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited")
            .detail("this key asks too often")
            .retry_after(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Says that the server is about to end; what comes up in its place may do it.
    pub(crate) fn draining() -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "draining")
            .detail("the server is about to end, and begins nothing")
            .retry_after(RETRY_S)
    }

    /// Says after how many seconds to ask again.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Says that what is wrong is inside a member of the body, by the pointer to that.
    pub(crate) fn within(mut self, pointer: &str) -> Self {
        let member = self.member.take().unwrap_or_else(|| Member {
            pointer: String::new(),
            code: self.code,
            message: self.detail.clone().unwrap_or_default(),
        });
        self.member = Some(Member {
            pointer: format!("{pointer}{}", member.pointer),
            ..member
        });
        self
    }

    /// Returns its status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Says it in words.
    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Returns the document.
    pub(crate) fn document(&self, request_id: &str) -> Value {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Refused"),
            "status": self.status.as_u16(),
            "code": self.code,
            "request_id": request_id,
        });
        if let Some(detail) = &self.detail {
            document["detail"] = json!(detail);
        }
        if let Some(required) = self.required {
            document["required"] = json!(required);
        }
        if let Some(member) = &self.member {
            document["errors"] = json!([{
                "pointer": member.pointer,
                "code": member.code,
                "message": member.message,
            }]);
        }
        document
    }

    /// Returns the response without its document.
    fn head(&self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_s {
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.head();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<BadMember> for Problem {
    fn from(bad: BadMember) -> Self {
        let member = Member {
            pointer: bad.pointer(),
            code: bad.fault.code(),
            message: bad.text.clone(),
        };
        Problem {
            member: Some(member),
            ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid").detail(bad.to_string())
        }
    }
}

impl From<RoomsError> for Problem {
    fn from(error: RoomsError) -> Self {
        match error {
            RoomsError::UnknownRoom => {
                Problem::new(StatusCode::NOT_FOUND, "not_found").detail("there is no such room")
            }
            RoomsError::SlugTaken => Problem {
                member: Some(Member {
                    pointer: "/slug".to_owned(),
                    code: "slug_taken",
                    message: "another room has this name".to_owned(),
                }),
                ..Problem::new(StatusCode::CONFLICT, "slug_taken")
                    .detail("another room has this name")
            },
            RoomsError::ExternalIdTaken => Problem {
                member: Some(Member {
                    pointer: "/external_id".to_owned(),
                    code: "external_id_taken",
                    message: "another room has this external id".to_owned(),
                }),
                ..Problem::new(StatusCode::CONFLICT, "external_id_taken")
                    .detail("another room has this external id")
            },
            RoomsError::Full => {
                Problem::new(StatusCode::CONFLICT, "too_many").detail(error.to_string())
            }
            RoomsError::Refused(body) => of_refusal(*body),
            RoomsError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let (status, code) = match error {
            StoreError::Full => (StatusCode::INSUFFICIENT_STORAGE, "store_full"),
            StoreError::Closed => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        };
        tracing::error!(%error, "the store did not do what the operator asked for");
        let problem = Problem::new(status, code).detail(error.to_string());
        match status {
            StatusCode::SERVICE_UNAVAILABLE => problem.retry_after(RETRY_S),
            _ => problem,
        }
    }
}

fn of_refusal(body: ErrorBody) -> Problem {
    let status = match body.code {
        ErrorCode::BadRequest | ErrorCode::TooLong => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::NotAvailable if body.field.is_some() => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::NotAvailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::CONFLICT,
    };
    let member = body.field.as_deref().map(|field| Member {
        pointer: pointer_of(field),
        code: match body.code {
            ErrorCode::BadRequest => "invalid",
            code => code.name(),
        },
        message: match body.code {
            ErrorCode::BadRequest => members::about(field).to_owned(),
            _ => body.message.clone(),
        },
    });
    let detail = match &member {
        Some(member) => format!(
            "`{}`: {}",
            body.field.as_deref().unwrap_or_default(),
            member.message
        ),
        None => body.message.clone(),
    };
    let code = match body.code {
        ErrorCode::BadRequest => "invalid",
        code => code.name(),
    };
    Problem {
        member,
        retry_after_s: body.retry_after_s,
        ..Problem::new(status, code).detail(detail)
    }
}

/// Turns `custom_roles[1].base` into a JSON pointer (RFC 6901).
fn pointer_of(path: &str) -> String {
    let steps = path.split(['.', '[']);
    steps
        .map(|step| format!("/{}", step.trim_end_matches(']')))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_room_names_the_member_by_a_pointer() {
        let body = ErrorBody::bad("custom_roles[1].base");
        let problem = Problem::from(RoomsError::Refused(Box::new(body)));
        let document = problem.document("r");
        assert_eq!(document["status"], 422);
        assert_eq!(document["code"], "invalid");
        assert_eq!(document["request_id"], "r");
        assert_eq!(document["errors"][0]["pointer"], "/custom_roles/1/base");
        assert_eq!(document["detail"], "`custom_roles[1].base`: cannot be");
    }

    #[test]
    fn who_has_to_wait_is_told_how_long() {
        let body = ErrorBody::from(ErrorCode::RateLimited).retry_after_s(7);
        let response = Problem::from(RoomsError::Refused(Box::new(body))).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    }
}

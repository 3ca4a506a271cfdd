//! What a handler is given, and what it gives.

use std::str::FromStr;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use conclave_server_core::members;
use conclave_signalling_wire::text::Slug;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Admin;
use crate::auth::Caller;
use crate::conditional::Condition;
use crate::lists::Query;
use crate::problem::Problem;

/// A request that may be answered: its caller has the scope, its parameters
/// are known ones, its body is of a form that the route takes.
pub(crate) struct Call {
    /// What handlers share.
    pub(crate) admin: Admin,
    /// Who calls.
    pub(crate) caller: Caller,
    /// The parameters behind `?`.
    pub(crate) query: Query,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) content: Received,
    /// The parameters of the path.
    pub(crate) path: Vec<(String, String)>,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum Received {
    /// There is none.
    Nothing,
    /// An object in JSON.
    Json(Value),
    /// Text of the other type that the route takes.
    Text(String),
}

impl Call {
    /// Returns a parameter of the path. Empty for one that the route does not have.
    pub(crate) fn path(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    /// Returns a parameter of the path that is an identifier.
    ///
    /// # Errors
    /// 404 if it is none: there is no such `what`.
    pub(crate) fn id<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Problem> {
        self.path(name)
            .parse()
            .map_err(|_| Problem::not_found(what))
    }

    /// Finds the room of the path by slug, id or external id.
    ///
    /// # Errors
    /// 404 if there is none, or none for this caller.
    pub(crate) fn room(&self) -> Result<Slug, Problem> {
        self.room_named(self.path("room"))
    }

    /// As [`Call::room`], of a name from elsewhere.
    ///
    /// # Errors
    /// 404 if there is none, or none for this caller.
    pub(crate) fn room_named(&self, name: &str) -> Result<Slug, Problem> {
        let entry = self.admin.find(name, |entry| self.caller.sees(entry));
        entry
            .map(|entry| entry.slug)
            .ok_or_else(|| Problem::not_found("room"))
    }

    /// Reads the body. A route whose body may be absent gets what an empty object is read as.
    ///
    /// # Errors
    /// 422 with the member that is wrong.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        Ok(members::read(self.object(), &[])?)
    }

    /// Returns the body as it was sent, an empty object if there was none.
    pub(crate) fn object(&self) -> Value {
        match &self.content {
            Received::Json(value) => value.clone(),
            Received::Nothing | Received::Text(_) => json!({}),
        }
    }

    /// Returns which state of the resource the caller insists on.
    ///
    /// # Errors
    /// 400 if `If-Match` is no ETag of ours.
    pub(crate) fn if_match(&self) -> Result<Condition, Problem> {
        Condition::of(&self.headers)
    }

    /// Returns whether the caller only wants to know what would be done.
    ///
    /// # Errors
    /// 400 unless the parameter is `true` or `false`.
    pub(crate) fn dry_run(&self) -> Result<bool, Problem> {
        self.query.flag("dry_run")
    }
}

/// What a handler answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Given,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Given {
    /// None.
    Nothing,
    /// JSON.
    Json(Value),
    /// Something of another type, perhaps as it is made.
    Stream(Body),
}

impl Answer {
    fn new(status: StatusCode, content: Given) -> Self {
        Answer {
            status,
            headers: HeaderMap::new(),
            content,
        }
    }

    /// 200 with a resource.
    pub(crate) fn ok(value: impl Serialize) -> Self {
        Answer::json(StatusCode::OK, value)
    }

    /// 201 with the resource that was made.
    pub(crate) fn created(value: impl Serialize) -> Self {
        Answer::json(StatusCode::CREATED, value)
    }

    /// Any status with JSON.
    pub(crate) fn json(status: StatusCode, value: impl Serialize) -> Self {
        Answer::new(status, Given::Json(json!(value)))
    }

    /// 204.
    pub(crate) fn nothing() -> Self {
        Answer::new(StatusCode::NO_CONTENT, Given::Nothing)
    }

    /// 200 with a body of another type than JSON.
    pub(crate) fn stream(kind: &'static str, body: impl Into<Body>) -> Self {
        Answer::new(StatusCode::OK, Given::Stream(body.into())).header(header::CONTENT_TYPE, kind)
    }

    /// A page of a list; see [`crate::lists`].
    pub(crate) fn page(data: Vec<Value>, next_cursor: Option<String>, total: Option<u64>) -> Self {
        let mut page = json!({
            "data": data,
            "has_more": next_cursor.is_some(),
            "next_cursor": next_cursor,
        });
        if let Some(total) = total {
            page["total"] = json!(total);
        }
        Answer::ok(page)
    }

    /// With the ETag of a resource.
    pub(crate) fn rev(self, rev: u32) -> Self {
        self.header(header::ETAG, &format!("\"{rev}\""))
    }

    /// With where the resource is, a path under `/api/v1`.
    pub(crate) fn location(self, path: &str) -> Self {
        self.header(header::LOCATION, &format!("/api/v1{path}"))
    }

    /// With another body, if its body is sent as it is made.
    pub(crate) fn map_stream(mut self, map: impl FnOnce(Body) -> Body) -> Self {
        self.content = match self.content {
            Given::Stream(body) => Given::Stream(map(body)),
            content => content,
        };
        self
    }

    /// With a header; a value that cannot be one is left out.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = match self.content {
            Given::Nothing => Body::empty(),
            Given::Json(value) => Body::from(value.to_string()),
            Given::Stream(body) => {
                let mut response = (self.status, body).into_response();
                response.headers_mut().extend(self.headers);
                return response;
            }
        };
        let mut response = (self.status, body).into_response();
        if self.status != StatusCode::NO_CONTENT {
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response.headers_mut().extend(self.headers);
        response
    }
}

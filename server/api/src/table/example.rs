//! Requests that the document shows and a test sends.

use http::StatusCode;
use serde_json::Value;

/// A request that the document shows and a test sends.
///
/// Texts may be `{operation/pointer}`: what that operation's first example was answered.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    /// What it shows, in words.
    pub(crate) name: &'static str,
    pub(crate) path: Vec<(&'static str, &'static str)>,
    pub(crate) query: &'static str,
    pub(crate) body: Option<Value>,
    /// The text of a body that is not JSON, and its type.
    pub(crate) text: Option<(&'static str, &'static str)>,
    /// What is answered; `None` for the first outcome of the route.
    pub(crate) status: Option<StatusCode>,
}

impl Example {
    /// Shows something: a name of a few words.
    pub(crate) fn new(name: &'static str) -> Self {
        Example {
            name,
            path: Vec::new(),
            query: "",
            body: None,
            text: None,
            status: None,
        }
    }

    /// With a parameter of the path. `room` is `standup`, which exists, unless this says otherwise.
    pub(crate) fn at(mut self, name: &'static str, value: &'static str) -> Self {
        self.path.push((name, value));
        self
    }

    /// With parameters: what stands behind `?`.
    pub(crate) fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    /// With a body in JSON.
    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// With a body of another type.
    pub(crate) fn text(mut self, media_type: &'static str, text: &'static str) -> Self {
        self.text = Some((media_type, text));
        self
    }

    /// That is answered by another status than the first outcome of its route.
    pub(crate) fn answers(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }
}

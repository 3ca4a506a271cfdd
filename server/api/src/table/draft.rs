//! A route as it is declared.

use std::sync::Arc;

use conclave_server_core::access::record::Scope;
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::params::{cursor_schema, text_schema};
use super::{Access, Content, Example, JSON, Outcome, Param, Route, SchemaOf};
use crate::call::{Answer, Call};
use crate::problem::Problem;

/// A route that still needs its handler.
pub(crate) struct Draft(Route);

impl Draft {
    pub(super) fn new(method: Method, path: &'static str, id: &'static str) -> Self {
        Draft(Route {
            method,
            path,
            id,
            tag: "",
            summary: "",
            about: "",
            access: Access::AnyKey,
            query: Vec::new(),
            contents: Vec::new(),
            needs_body: false,
            is_bulk: false,
            outcomes: Vec::new(),
            problems: Vec::new(),
            examples: Vec::new(),
            is_conditional: false,
            has_etag: false,
            cursor: cursor_schema,
            is_beginning: false,
            handler: Arc::new(|_| Box::pin(async { Err(Problem::not_found("route")) })),
        })
    }

    /// For callers with this scope. Without it any key will do.
    pub(crate) fn scope(mut self, scope: Scope) -> Self {
        self.0.access = Access::Scope(scope);
        self
    }

    /// For everybody.
    pub(crate) fn public(mut self) -> Self {
        self.0.access = Access::Public;
        self
    }

    /// Says in half a sentence what it does.
    pub(crate) fn summary(mut self, summary: &'static str) -> Self {
        self.0.summary = summary;
        self
    }

    /// Says more, in Markdown.
    pub(crate) fn about(mut self, about: &'static str) -> Self {
        self.0.about = about;
        self
    }

    /// Takes a parameter behind `?`.
    pub(crate) fn query<T: JsonSchema>(self, name: &'static str, about: &'static str) -> Self {
        self.param(name, about, |generator| generator.subschema_for::<T>())
    }

    /// As [`Draft::query`], with a schema by hand.
    pub(crate) fn param(
        mut self,
        name: &'static str,
        about: &'static str,
        schema: SchemaOf,
    ) -> Self {
        self.0.query.push(Param {
            name,
            about,
            schema,
        });
        self
    }

    /// Takes `?dry_run=true`, see [`Call::dry_run`].
    pub(crate) fn dry_run(self) -> Self {
        self.query::<bool>(
            "dry_run",
            "Whether only to say what would be done, and do nothing.",
        )
    }

    /// Takes `If-Match`, see [`Call::if_match`].
    pub(crate) fn conditional(mut self) -> Self {
        self.0.is_conditional = true;
        self.etag()
    }

    /// Answers with an `ETag`, see [`Answer::rev`].
    pub(crate) fn etag(mut self) -> Self {
        self.0.has_etag = true;
        self
    }

    /// Says what the entries of its list are known by, and so what cursors look like.
    pub(crate) fn by<K: JsonSchema>(mut self) -> Self {
        self.0.cursor = |generator| generator.subschema_for::<K>();
        self
    }

    /// Is refused while the server drains: it makes what would not be seen through.
    pub(crate) fn begins(mut self) -> Self {
        self.0.is_beginning = true;
        self
    }

    /// Takes an object in JSON.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        self.0.contents.push(Content {
            media_type: JSON,
            schema: |generator| generator.subschema_for::<T>(),
        });
        self.0.needs_body = true;
        self
    }

    /// Takes an object in JSON, or nothing.
    pub(crate) fn optional_body<T: JsonSchema>(self) -> Self {
        let mut draft = self.body::<T>();
        draft.0.needs_body = false;
        draft
    }

    /// Takes text of another type as well.
    pub(crate) fn text_body(mut self, media_type: &'static str) -> Self {
        self.0.contents.push(Content {
            media_type,
            schema: text_schema,
        });
        self
    }

    /// Takes bodies of 1 MiB.
    pub(crate) fn bulk(mut self) -> Self {
        self.0.is_bulk = true;
        self
    }

    fn outcome(mut self, status: StatusCode, about: &'static str, contents: Vec<Content>) -> Self {
        self.0.outcomes.push(Outcome {
            status,
            about,
            contents,
            is_page: false,
            shown: None,
        });
        self
    }

    /// Answers 200 with a value in JSON.
    pub(crate) fn returns<T: JsonSchema>(self, about: &'static str) -> Self {
        self.answers::<T>(StatusCode::OK, about)
    }

    /// Answers 201 with what was made.
    pub(crate) fn creates<T: JsonSchema>(self, about: &'static str) -> Self {
        self.answers::<T>(StatusCode::CREATED, about)
    }

    /// Answers a status with a value in JSON.
    pub(crate) fn answers<T: JsonSchema>(self, status: StatusCode, about: &'static str) -> Self {
        let content = Content {
            media_type: JSON,
            schema: |generator| generator.subschema_for::<T>(),
        };
        self.outcome(status, about, vec![content])
    }

    /// Answers 200 with a page of a list, see [`crate::lists`].
    pub(crate) fn list_of<T: JsonSchema>(self) -> Self {
        let mut draft = self.answers::<T>(StatusCode::OK, "A page of the list.");
        if let Some(outcome) = draft.0.outcomes.last_mut() {
            outcome.is_page = true;
        }
        draft
    }

    /// Answers 204.
    pub(crate) fn no_content(self) -> Self {
        self.outcome(StatusCode::NO_CONTENT, "It is done.", Vec::new())
    }

    /// Answers 200 with text of another type than JSON; of several, by what the query asks for.
    pub(crate) fn returns_text(self, media_types: &[&'static str], about: &'static str) -> Self {
        let content = |media_type: &&'static str| Content {
            media_type,
            schema: text_schema,
        };
        let contents = media_types.iter().map(content).collect();
        self.outcome(StatusCode::OK, about, contents)
    }

    /// Answers the outcome that was named last as text of another type, if the query asks for that.
    pub(crate) fn or_text(mut self, media_type: &'static str) -> Self {
        if let Some(outcome) = self.0.outcomes.last_mut() {
            outcome.contents.push(Content {
                media_type,
                schema: text_schema,
            });
        }
        self
    }

    /// Shows what the outcome that was named last may look like.
    pub(crate) fn shows(mut self, value: Value) -> Self {
        if let Some(outcome) = self.0.outcomes.last_mut() {
            outcome.shown = Some(match outcome.is_page {
                true => json!({"data": [value], "has_more": false, "next_cursor": null}),
                false => value,
            });
        }
        self
    }

    /// Refuses with a code of its own.
    pub(crate) fn problem(mut self, status: StatusCode, code: &'static str) -> Self {
        self.0.problems.push((status, code));
        self
    }

    /// Shows a request. Without any there is one without parameters, query and body.
    pub(crate) fn example(mut self, example: Example) -> Self {
        self.0.examples.push(example);
        self
    }

    /// Makes it a route.
    pub(crate) fn handler<F, A>(mut self, handler: F) -> Route
    where
        F: Fn(Call) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        if self.0.examples.is_empty() {
            self.0.examples.push(Example::new(self.0.summary));
        }
        self.0.handler = Arc::new(move |call| Box::pin(handler(call)));
        self.0
    }
}

//! What a route is: one declaration gives the handler its place, says who may
//! use it, and is its part of the OpenAPI document.
//!
//! ```ignore
//! Route::get("/rooms/{room}/bans", "listBans")
//!     .scope(Scope::RoomsRead)
//!     .summary("List the bans of a room")
//!     .list_of::<BanInfo>()
//!     .handler(list)
//! ```

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use conclave_server_core::access::record::Scope;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::problem::Problem;

/// Makes the schema of a type.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;
/// What answers.
pub(crate) type Handler =
    Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Answer, Problem>> + Send + Sync>;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody, without a key.
    Public,
    /// Who has any key that holds.
    AnyKey,
    /// Who has the scope.
    Scope(Scope),
}

/// A parameter behind `?`.
#[derive(Clone)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) schema: SchemaOf,
}

/// What a body may be.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) media_type: &'static str,
    pub(crate) schema: SchemaOf,
}

/// What is answered when all is well.
#[derive(Clone)]
pub(crate) struct Outcome {
    pub(crate) status: StatusCode,
    pub(crate) about: &'static str,
    /// Empty for an answer without a body.
    pub(crate) contents: Vec<Content>,
    /// Whether the schema is that of an entry, and the answer a page of them.
    pub(crate) is_page: bool,
    /// What an answer may look like.
    pub(crate) shown: Option<Value>,
}

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

/// Everything about a route but its handler.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// Under `/api/v1`, with parameters in braces.
    pub(crate) path: &'static str,
    /// The name of the operation.
    pub(crate) id: &'static str,
    /// What the document groups it with.
    pub(crate) tag: &'static str,
    /// Half a sentence.
    pub(crate) summary: &'static str,
    /// More, if there is more to say.
    pub(crate) about: &'static str,
    pub(crate) access: Access,
    pub(crate) query: Vec<Param>,
    /// What it takes; empty for a route without a body.
    pub(crate) contents: Vec<Content>,
    pub(crate) needs_body: bool,
    /// Whether its body may be large.
    pub(crate) is_bulk: bool,
    pub(crate) outcomes: Vec<Outcome>,
    /// Refusals of its own; see [`crate::openapi`] for those of all.
    pub(crate) problems: Vec<(StatusCode, &'static str)>,
    pub(crate) examples: Vec<Example>,
    /// Whether it takes `If-Match`.
    pub(crate) is_conditional: bool,
    /// Whether its answers have an `ETag`.
    pub(crate) has_etag: bool,
    /// What the entries of its list are known by.
    pub(crate) cursor: SchemaOf,
    /// Whether it makes something that a server which is about to end would not see through.
    pub(crate) is_beginning: bool,
    pub(crate) handler: Handler,
}

impl Route {
    /// Declares a route that changes nothing.
    pub(crate) fn get(path: &'static str, id: &'static str) -> Draft {
        Draft::new(Method::GET, path, id)
    }

    /// Declares a route that makes something, or acts.
    pub(crate) fn post(path: &'static str, id: &'static str) -> Draft {
        Draft::new(Method::POST, path, id)
    }

    /// Declares a route that changes what a merge patch names (RFC 7396).
    pub(crate) fn patch(path: &'static str, id: &'static str) -> Draft {
        Draft::new(Method::PATCH, path, id)
    }

    /// Declares a route that deletes.
    pub(crate) fn delete(path: &'static str, id: &'static str) -> Draft {
        Draft::new(Method::DELETE, path, id)
    }

    /// Puts it into a group of the document.
    pub(crate) fn tagged(self, tag: &'static str) -> Self {
        Route { tag, ..self }
    }

    /// Returns the names of the parameters of a path.
    pub(crate) fn path_params(&self) -> impl Iterator<Item = &'static str> {
        let steps = self.path.split('/');
        steps.filter_map(|step| step.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Returns whether its answers are pages of a list.
    pub(crate) fn is_list(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.is_page)
    }

    /// Returns whether `?fields=` can be asked of it.
    pub(crate) fn is_sparse(&self) -> bool {
        let mut contents = self.outcomes.iter().flat_map(|outcome| &outcome.contents);
        self.method == Method::GET
            && self.access != Access::Public
            && contents.any(|content| content.media_type == JSON)
    }

    /// Returns all parameters behind `?` that it takes.
    pub(crate) fn known_query(&self) -> Vec<Param> {
        let mut known = self.query.clone();
        let common = |name, about, schema| Param {
            name,
            about,
            schema,
        };
        if self.is_list() {
            known.push(common("limit", "Entries of a page.", limit_schema));
            known.push(common(
                "cursor",
                "Where the page begins: `next_cursor` of the page before.",
                self.cursor,
            ));
            known.push(common(
                "order",
                "Whether the list goes up or down from its beginning.",
                order_schema,
            ));
            known.push(common(
                "include",
                "What is told besides: `total`, the number of all entries, which may cost time.",
                include_schema,
            ));
        }
        if self.is_sparse() {
            known.push(common(
                "fields",
                "Which members are answered, such as `id,caps.camera`; of a list, members of its \
                 entries. Others are left out, even those that are always there otherwise.",
                fields_schema,
            ));
        }
        known
    }
}

/// The type of bodies.
pub(crate) const JSON: &str = "application/json";

fn limit_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 100, "default": 100})
}

fn cursor_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string", "minLength": 1, "maxLength": 200})
}

fn order_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string", "enum": ["asc", "desc"]})
}

fn include_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string", "enum": ["total"]})
}

fn fields_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "string",
        "maxLength": 500,
        "pattern": "^[a-z0-9_]+([.][a-z0-9_]+)*(,[a-z0-9_]+([.][a-z0-9_]+)*)*$",
    })
}

/// A number of something that is counted: as many as all readers of JSON can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Count(pub(crate) u64);

impl FromStr for Count {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = text.parse().map_err(|_| ())?;
        (number <= COUNT_MAX).then_some(Count(number)).ok_or(())
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": "integer", "minimum": 0, "maximum": COUNT_MAX})
    }
}

/// The greatest of them.
const COUNT_MAX: u64 = (1 << 53) - 1;

fn text_schema(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"type": "string"})
}

/// A route that still needs its handler.
pub(crate) struct Draft(Route);

impl Draft {
    fn new(method: Method, path: &'static str, id: &'static str) -> Self {
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

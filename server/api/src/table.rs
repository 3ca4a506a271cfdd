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

mod draft;
mod example;
mod params;

use std::sync::Arc;

use conclave_server_core::access::record::Scope;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use crate::call::{Answer, Call};
use crate::problem::Problem;

use draft::Draft;
use params::{fields_schema, include_schema, limit_schema, order_schema};

pub(crate) use example::Example;
pub(crate) use params::Count;

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

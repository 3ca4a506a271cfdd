//! `/version`, and `/openapi.json`, the document of all routes.

use std::sync::OnceLock;

use axum::body::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::call::{Answer, Call};
use crate::openapi;
use crate::problem::Problem;
use crate::table::{JSON, Route};

/// What runs.
#[derive(Debug, Serialize, JsonSchema)]
struct Version {
    /// The version of the server.
    version: &'static str,
    /// The version of this API.
    api: &'static str,
}

/// Any OpenAPI document.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes what `openapi` writes")]
struct OpenApi {
    /// The version of its form.
    openapi: String,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/version", "showVersion")
            .summary("Tell the version of the server")
            .about("Any key will do: it is a way to try one.")
            .returns::<Version>("The versions.")
            .handler(version),
        Route::get("/openapi.json", "showDocument")
            .public()
            .summary("Describe this API")
            .about("In OpenAPI 3.1. Rendered at `/api/docs`.")
            .returns::<OpenApi>("The document.")
            .handler(document),
    ]
}

async fn version(_: Call) -> Result<Answer, Problem> {
    Ok(Answer::ok(Version {
        version: env!("CARGO_PKG_VERSION"),
        api: "1",
    }))
}

async fn document(_: Call) -> Result<Answer, Problem> {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let document = DOCUMENT
        .get_or_init(|| Bytes::from(openapi::document(&super::routes()).to_string()))
        .clone();
    Ok(Answer::stream(JSON, document))
}

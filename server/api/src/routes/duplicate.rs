//! `/rooms/{room}/duplicate`: another room with the same policies.

use conclave_server_core::access::record::Scope;
use conclave_signalling_node::RoomCopy;
use conclave_signalling_wire::text::{Slug, Title};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::routes::rooms::{RoomMade, created, may_make};
use crate::table::{Example, Route};

/// What a copy of a room has of its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct RoomDuplicate {
    /// Its name in links; one that nobody guesses, without it.
    slug: Option<Slug>,
    /// Its name for people; that of the other, without it.
    title: Option<Title>,
    /// Words by which it is found; those of the other, without them.
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 32), regex(pattern = "^[a-z0-9_-]+$"))
    )]
    tags: Option<Vec<String>>,
    /// What another system calls it; nothing, without it.
    #[schemars(length(min = 1, max = 128))]
    external_id: Option<String>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post("/rooms/{room}/duplicate", "duplicateRoom")
            .begins()
            .scope(Scope::RoomsWrite)
            .summary("Make a room like another")
            .about(
                "With the same policies, the password, custom roles and networks included. Its \
                 invites, bans, chat and locks stay with the other. `host_link` is shown this \
                 once. A key for some rooms makes one only with one of the key's tags.",
            )
            .begins()
            .etag()
            .optional_body::<RoomDuplicate>()
            .creates::<RoomMade>("The new room.")
            .problem(StatusCode::CONFLICT, "slug_taken")
            .problem(StatusCode::CONFLICT, "external_id_taken")
            .problem(StatusCode::CONFLICT, "too_many")
            .example(
                Example::new("The same for another team")
                    .body(json!({"slug": "standup-b", "title": "Stand-up B"})),
            )
            .example(Example::new("The same under a name that nobody guesses"))
            .handler(duplicate),
    ]
}

async fn duplicate(call: Call) -> Result<Answer, Problem> {
    let model = call.room()?;
    let RoomDuplicate {
        slug,
        title,
        tags,
        external_id,
    } = call.body()?;
    let (rooms, by) = (&call.admin.rooms, call.caller.actor);
    // Said, so that the copy has the tags that were looked at, whatever becomes of the other's.
    let tags = tags.or_else(|| rooms.entry(&model).map(|entry| entry.tags));
    may_make(&call, tags.as_deref().unwrap_or_default()).await?;
    let copy = RoomCopy {
        slug,
        title,
        tags,
        external_id,
    };
    let made = rooms.duplicate(&model, copy, by).await?;
    let shown = rooms.show(&made.slug, by).await;
    Ok(created(&call.admin, &made, shown.ok()).await)
}

//! `/rooms/{room}/lobby`: who waits, let in or sent away from outside.

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::BadMember;
use conclave_signalling_node::Knocks;
use conclave_signalling_wire::ids::KnockId;
use conclave_signalling_wire::lobby::{LobbyResults, LobbyUpdate};
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::Prose;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::table::{Example, Route};

const KNOCK: &str = "knk_01h455vb4pex5vsknk084sn02q";

/// Whom of those who wait to admit: either `knocks`, or `all`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Admit {
    /// These.
    #[serde(default)]
    #[schemars(length(max = 200))]
    knocks: Option<Vec<KnockId>>,
    /// Everybody who waits.
    #[serde(default)]
    all: bool,
    /// As what; without it as what they come with.
    #[serde(default)]
    as_role: Option<Role>,
}

/// Whom of those who wait to send away: either `knocks`, or `all`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Deny {
    /// These.
    #[serde(default)]
    #[schemars(length(max = 200))]
    knocks: Option<Vec<KnockId>>,
    /// Everybody who waits.
    #[serde(default)]
    all: bool,
    /// Why, as they read it.
    #[serde(default)]
    reason: Option<Prose>,
    /// Seconds for which their devices are refused.
    #[serde(default)]
    #[schemars(range(max = 86_400))]
    block_s: u32,
}

pub(crate) fn routes() -> Vec<Route> {
    let results = json!({"results": [{"knock": KNOCK, "result": "admitted"}]});
    vec![
        Route::get("/rooms/{room}/lobby", "showLobby")
            .scope(Scope::SessionsRead)
            .summary("Show who waits in the lobby of a room")
            .about("Who waits the longest comes first: 50 at most, and how many more there are.")
            .returns::<LobbyUpdate>("Who waits.")
            .handler(show),
        Route::post("/rooms/{room}/lobby/admit", "admitFromLobby")
            .scope(Scope::SessionsAct)
            .summary("Let in who waits")
            .about("What came of each is in the answer: some may have gone, or be in already.")
            .body::<Admit>()
            .returns::<LobbyResults>("What came of each.")
            .shows(results)
            .problem(StatusCode::CONFLICT, "locked")
            .problem(StatusCode::FORBIDDEN, "forbidden")
            .example(
                Example::new("Let everybody in")
                    .at("room", "{createRoom/id}")
                    .body(json!({"all": true})),
            )
            .example(
                Example::new("Let somebody in who gave up")
                    .at("room", "{createRoom/id}")
                    .body(json!({
                        "knocks": [KNOCK],
                        "as_role": "viewer",
                    })),
            )
            .handler(admit),
        Route::post("/rooms/{room}/lobby/deny", "denyInLobby")
            .scope(Scope::SessionsAct)
            .summary("Send away who waits")
            .body::<Deny>()
            .returns::<LobbyResults>("What came of each.")
            .example(Example::new("Send somebody away for an hour").body(json!({
                "knocks": [KNOCK],
                "reason": "This meeting is for the team",
                "block_s": 3600,
            })))
            .handler(deny),
    ]
}

/// Returns whom the two members name together.
fn whom(knocks: Option<Vec<KnockId>>, all: bool) -> Result<Knocks, Problem> {
    match (knocks, all) {
        (Some(knocks), false) => Ok(Knocks::These(knocks)),
        (None, true) => Ok(Knocks::All),
        (Some(_), true) => Err(BadMember::invalid("all", "cannot be true beside `knocks`").into()),
        (None, false) => {
            Err(BadMember::invalid("knocks", "is missing, and `all` is not true").into())
        }
    }
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let by = call.caller.actor;
    Ok(Answer::ok(call.admin.rooms.lobby(&slug, by).await?))
}

async fn admit(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let Admit {
        knocks,
        all,
        as_role,
    } = call.body()?;
    let knocks = whom(knocks, all)?;
    let by = call.caller.actor;
    let results = call.admin.rooms.lobby_admit(&slug, knocks, as_role, by);
    Ok(Answer::ok(results.await?))
}

async fn deny(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let Deny {
        knocks,
        all,
        reason,
        block_s,
    } = call.body()?;
    let knocks = whom(knocks, all)?;
    let by = call.caller.actor;
    let results = call
        .admin
        .rooms
        .lobby_deny(&slug, knocks, (reason, block_s), by);
    Ok(Answer::ok(results.await?))
}

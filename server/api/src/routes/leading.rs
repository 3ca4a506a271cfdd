//! What is done in a meeting about everybody at once, beside `sessions`: all are muted, an end is called off.

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::BadMember;
use conclave_signalling_node::RoomsError;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::objects::Source;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::routes::sessions::{Found, of_nobody};
use crate::table::Route;

/// Participants that are left out.
const EXCEPT_MAX: usize = 100;

/// What to mute of everybody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct MuteAll {
    /// Microphones and cameras are muted, shares are ended.
    #[schemars(length(min = 1, max = 4))]
    sources: Vec<Source>,
    /// But not of these.
    #[schemars(length(max = 100))]
    except: Vec<ParticipantId>,
}

impl Default for MuteAll {
    fn default() -> Self {
        MuteAll {
            sources: vec![Source::Microphone],
            except: Vec::new(),
        }
    }
}

/// Who was muted.
#[derive(Debug, Serialize, JsonSchema)]
struct AllMuted {
    /// Those of whom something was open.
    muted: Vec<ParticipantId>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post("/sessions/{session}/mute", "muteAll")
            .scope(Scope::SessionsAct)
            .summary("Mute everybody in a session, or end what they share")
            .about(
                "Without a body the microphones. Whoever may unmutes again by itself: nobody can be \
                 unmuted by another.",
            )
            .optional_body::<MuteAll>()
            .returns::<AllMuted>("It is done.")
            .problem(StatusCode::CONFLICT, "not_live")
            .problem(StatusCode::SERVICE_UNAVAILABLE, "not_available")
            .example(of_nobody("Silence"))
            .example(of_nobody("Nothing but the one who speaks").body(json!({
                "sources": ["microphone", "camera"],
                "except": ["par_01h455vb4pex5vsknk084sn02q"],
            })))
            .handler(mute_all),
        Route::delete("/sessions/{session}/end", "cancelEnd")
            .scope(Scope::SessionsAct)
            .summary("Call off the end of a session")
            .about("That of a countdown; an end that a policy of the room sets stays.")
            .no_content()
            .problem(StatusCode::CONFLICT, "not_live")
            .problem(StatusCode::CONFLICT, "not_ending")
            .example(of_nobody("Go on"))
            .handler(cancel_end),
    ]
}

async fn mute_all(call: Call) -> Result<Answer, Problem> {
    let MuteAll { sources, except } = call.body()?;
    if except.len() > EXCEPT_MAX {
        return Err(BadMember::invalid("except", "must be at most 100").into());
    }
    let found = Found::of(&call).await?;
    let (rooms, by) = (&call.admin.rooms, call.caller.actor);
    let muted = rooms
        .mute_all(found.acted_in()?, except, sources, by)
        .await?;
    Ok(Answer::ok(AllMuted { muted }))
}

async fn cancel_end(call: Call) -> Result<Answer, Problem> {
    let found = Found::of(&call).await?;
    let (rooms, by) = (&call.admin.rooms, call.caller.actor);
    match rooms.end_cancel(found.acted_in()?, by).await {
        Err(RoomsError::Refused(body)) if body.code == ErrorCode::NotFound => {
            Err(Problem::new(StatusCode::CONFLICT, "not_ending")
                .detail("no countdown to the end of the session is going on"))
        }
        called_off => {
            called_off?;
            Ok(Answer::nothing())
        }
    }
}

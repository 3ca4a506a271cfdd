//! `/rooms/{room}/bans`: list, lift.

use conclave_server_core::access::record::Scope;
use conclave_signalling_wire::moderation::{BanInfo, BanLift};
use http::StatusCode;
use serde_json::json;

use crate::call::{Answer, Call};
use crate::lists::List;
use crate::problem::Problem;
use crate::table::{Example, Route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/rooms/{room}/bans", "listBans")
            .scope(Scope::RoomsRead)
            .summary("List the bans of a room")
            .about(
                "The newest first. By what a ban knows somebody is told by kind, never by value.",
            )
            .list_of::<BanInfo>()
            .shows(json!({
                "id": "ban_01h455vb4pex5vsknk084sn02q",
                "keys": ["device", "network"],
                "name": "Mallory",
                "reason": "Played music",
                "strict": false,
                "created_at": "2026-11-22T10:00:00Z",
                "expires_at": "2026-11-23T10:00:00Z",
                "by": "par_01h455vb4pex5vsknk084sn02q",
            }))
            .handler(list),
        Route::delete("/rooms/{room}/bans/{ban}", "liftBan")
            .scope(Scope::RoomsWrite)
            .summary("Lift a ban")
            .no_content()
            .example(
                Example::new("Lift a ban that is over")
                    .at("ban", "ban_01h455vb4pex5vsknk084sn02q")
                    .answers(StatusCode::NOT_FOUND),
            )
            .handler(lift),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let list = List {
        entries: call.admin.rooms.bans(&slug, call.caller.actor).await?.bans,
        key: |ban| ban.id,
        newest_first: true,
    };
    list.page(&call.query, |ban| json!(ban))
}

async fn lift(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let lift = BanLift {
        ban: call.id("ban", "ban")?,
    };
    let by = call.caller.actor;
    call.admin.rooms.lift_ban(&slug, lift, by).await?;
    Ok(Answer::nothing())
}

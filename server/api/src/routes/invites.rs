//! `/rooms/{room}/invites`: make, list, revoke.

use conclave_server_core::access::record::Scope;
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::invite::{InviteCreate, InviteInfo, InviteRevoke};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::lists::List;
use crate::problem::Problem;
use crate::routes::links::InviteMade;
use crate::table::{Example, Route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/rooms/{room}/invites", "listInvites")
            .scope(Scope::RoomsRead)
            .summary("List the invites of a room")
            .about("The newest first, revoked ones included, all without their secrets.")
            .list_of::<InviteInfo>()
            .by::<InviteId>()
            .handler(list),
        Route::post("/rooms/{room}/invites", "createInvite")
            .scope(Scope::RoomsWrite)
            .summary("Make an invite")
            .about("`secret` and `link` are shown this once.")
            .body::<InviteCreate>()
            .creates::<InviteMade>("The invite.")
            .example(
                Example::new("A link for one person")
                    .body(json!({"role": "attendee", "name": "Ada", "max_uses": 1})),
            )
            .example(
                Example::new("A link for a co-host who does not wait")
                    .body(json!({"role": "co_host", "bypass_lobby": true})),
            )
            .handler(create),
        Route::delete("/rooms/{room}/invites/{invite}", "revokeInvite")
            .scope(Scope::RoomsWrite)
            .summary("Revoke an invite")
            .query::<bool>(
                "remove_holders",
                "Whether who came in by it is removed from the meeting.",
            )
            .no_content()
            .example(
                Example::new("Take back a link that was sent to the wrong person")
                    .at("invite", "{createInvite/id}")
                    .query("remove_holders=true"),
            )
            .handler(revoke),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let list = List {
        entries: call
            .admin
            .rooms
            .invites(&slug, call.caller.actor)
            .await?
            .invites,
        key: |invite| invite.id,
        newest_first: true,
    };
    list.page(&call.query, |invite| json!(invite))
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let invite: InviteCreate = call.body()?;
    let by = call.caller.actor;
    let made = call.admin.rooms.invite(&slug, invite, by).await?;
    Ok(Answer::created(InviteMade::new(&call.admin, &slug, made)))
}

async fn revoke(call: Call) -> Result<Answer, Problem> {
    let remove_holders = call.query.flag("remove_holders")?;
    let slug = call.room()?;
    let revoke = InviteRevoke {
        invite: call.id("invite", "invite")?,
        remove_holders,
    };
    let by = call.caller.actor;
    call.admin.rooms.revoke_invite(&slug, revoke, by).await?;
    Ok(Answer::nothing())
}

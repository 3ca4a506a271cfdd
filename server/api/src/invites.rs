//! `/rooms/{room}/invites`: make, list, revoke.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::invite::{InviteCreate, InviteRevoke};
use http::{HeaderMap, StatusCode, Uri};
use serde_json::json;

use crate::lists::{List, Query};
use crate::{Admin, Problem, json_response, object};
use conclave_server_core::members;

pub(super) async fn list(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["limit", "cursor"])?;
    let slug = admin.slug_of(&name)?;
    let list = List {
        entries: admin.rooms.invites(&slug, Actor::Operator).await?.invites,
        key: |invite| invite.id,
        parse: |text| text.parse().ok(),
        order: |one, other| other.cmp(one),
    };
    list.page(&query, |invite| json!(invite))
}

pub(super) async fn create(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let slug = admin.slug_of(&name)?;
    let invite: InviteCreate = members::read(object(&headers, body).await?, &[])?;
    let made = admin.rooms.invite(&slug, invite, Actor::Operator).await?;
    let mut resource = json!(made.invite);
    resource["secret"] = json!(made.secret);
    resource["link"] = json!(admin.invite_link(&slug, &made.secret));
    Ok(json_response(StatusCode::CREATED, &resource))
}

pub(super) async fn revoke(
    State(admin): State<Admin>,
    Path((name, invite)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["remove_holders"])?;
    let remove_holders = query.parsed("remove_holders", |text| text.parse().ok())?;
    let slug = admin.slug_of(&name)?;
    let revoke = InviteRevoke {
        invite: invite.parse().map_err(|_| {
            Problem::new(StatusCode::NOT_FOUND, "not_found").detail("there is no such invite")
        })?,
        remove_holders: remove_holders.unwrap_or(false),
    };
    admin
        .rooms
        .revoke_invite(&slug, revoke, Actor::Operator)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

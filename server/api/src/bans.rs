//! `/rooms/{room}/bans`: list, lift.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::moderation::BanLift;
use http::{StatusCode, Uri};
use serde_json::json;

use crate::lists::{List, Query};
use crate::{Admin, Problem};

pub(super) async fn list(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["limit", "cursor"])?;
    let slug = admin.slug_of(&name)?;
    let list = List {
        entries: admin.rooms.bans(&slug, Actor::Operator).await?.bans,
        key: |ban| ban.id,
        parse: |text| text.parse().ok(),
        order: |one, other| other.cmp(one),
    };
    list.page(&query, |ban| json!(ban))
}

pub(super) async fn lift(
    State(admin): State<Admin>,
    Path((name, ban)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let slug = admin.slug_of(&name)?;
    let lift = BanLift {
        ban: ban.parse().map_err(|_| {
            Problem::new(StatusCode::NOT_FOUND, "not_found").detail("there is no such ban")
        })?,
    };
    admin.rooms.lift_ban(&slug, lift, Actor::Operator).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

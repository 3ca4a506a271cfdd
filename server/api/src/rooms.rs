//! `/rooms`: make, list, show, change, delete.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::settings::Settings;
use conclave_signalling_node::{CreatedRoom, NewRoom, RoomsError};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::Room;
use conclave_signalling_wire::room::{Preset, RoomUpdate};
use conclave_signalling_wire::text::Slug;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Value, json};

use crate::lists::{List, Query};
use crate::{Admin, Problem, json_response, object};
use conclave_server_core::members::{self, BadMember};

/// How often a change is tried anew that names no `rev`, when somebody else was faster.
const TRIES: usize = 4;

pub(super) async fn list(State(admin): State<Admin>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["limit", "cursor"])?;
    let list = List {
        entries: admin.rooms.list(),
        key: |entry| entry.slug.clone(),
        parse: |text| Slug::new(text).ok(),
        order: Ord::cmp,
    };
    list.page(&query, |entry| {
        json!({
            "id": entry.id,
            "slug": entry.slug,
            "title": entry.title,
            "password_set": entry.password,
            "lobby": if entry.lobby { "on" } else { "off" },
            "is_live": entry.is_live,
            "guest_link": admin.guest_link(&entry.slug),
        })
    })
}

pub(super) async fn create(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut said = object(&headers, body).await?;
    let own = |said: &mut Value, name: &str| said.as_object_mut().and_then(|o| o.remove(name));
    let slug = match own(&mut said, "slug") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(slug(&text)?),
        Some(_) => return Err(BadMember::invalid("slug", "must be a string").into()),
    };
    let preset = match own(&mut said, "preset") {
        None | Some(Value::Null) => Preset::Meeting,
        Some(name) => {
            members::read(name, &[]).map_err(|bad| BadMember::invalid("preset", bad.text))?
        }
    };
    let defaults = Settings::new(preset, "");
    members::complete(
        &mut said,
        &defaults.attendees,
        &defaults.viewers,
        &defaults.caps,
    );
    let update: RoomUpdate = members::read(said, &["slug", "preset"])?;
    members::check(preset, &update)?;
    let new = NewRoom {
        slug,
        preset,
        update,
    };
    let made = admin.rooms.create(new, Actor::Operator).await?;
    let shown = admin.rooms.show(&made.slug, Actor::Operator).await;
    Ok(created(&admin, &made, shown.ok()).await)
}

/// Answers that a room was made, even if it cannot be shown at the moment:
/// nobody ever sees its host link again.
async fn created(admin: &Admin, made: &CreatedRoom, shown: Option<Room>) -> Response {
    let (mut resource, rev) = match &shown {
        Some(room) => (changed(admin, room).await, Some(room.rev)),
        None => {
            let link = admin.guest_link(&made.slug);
            let known = json!({"id": made.id, "slug": made.slug, "guest_link": link});
            (known, None)
        }
    };
    resource["host_link"] = json!(admin.invite_link(&made.slug, &made.host_secret));
    let mut response = tagged(StatusCode::CREATED, rev, &resource);
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/rooms/{}", made.slug)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let slug = admin.slug_of(&name)?;
    let room = admin.rooms.show(&slug, Actor::Operator).await?;
    let resource = resource(&admin, &room).await?;
    Ok(tagged(StatusCode::OK, Some(room.rev), &resource))
}

/// Changes what a merge patch (RFC 7396) names.
pub(super) async fn update(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let slug = admin.slug_of(&name)?;
    let said = object(&headers, body).await?;
    let if_match = if_match(&headers)?;
    let mut tries = 0;
    loop {
        let seen = admin.rooms.show(&slug, Actor::Operator).await?;
        let mut patch = said.clone();
        members::complete(&mut patch, &seen.attendees, &seen.viewers, &seen.caps);
        let mut update: RoomUpdate = members::read(patch, &[])?;
        let expected = if_match.or(update.rev);
        // What was completed out of `seen` must not undo what came after it.
        update.rev = expected.or(Some(seen.rev));
        tries += 1;
        match admin.rooms.update(&slug, update, Actor::Operator).await {
            Ok(room) => {
                let resource = changed(&admin, &room).await;
                return Ok(tagged(StatusCode::OK, Some(room.rev), &resource));
            }
            Err(RoomsError::Refused(refusal)) if refusal.code == ErrorCode::Conflict => {
                if if_match.is_some() {
                    return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "conflict")
                        .detail("the room is not as `If-Match` says any more"));
                }
                if expected.is_some() || tries == TRIES {
                    return Err(RoomsError::Refused(refusal).into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) async fn delete(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let slug = admin.slug_of(&name)?;
    admin.rooms.delete(&slug, Actor::Operator).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn slug(text: &str) -> Result<Slug, BadMember> {
    Slug::new(text).map_err(|_| {
        let rule = "must be 3 to 63 of a-z, 0-9 and -, and not begin with -";
        BadMember::invalid("slug", rule)
    })
}

/// Returns a room as hosts see it, and what only operators see of it.
async fn resource(admin: &Admin, room: &Room) -> Result<Value, Problem> {
    let mut resource = as_hosts_see(admin, room);
    if let Some(record) = admin.store.room(room.id, crate::now()).await? {
        resource["allowed_networks"] = json!(record.settings.allowed_networks);
    }
    Ok(resource)
}

/// As [`resource`], of a room that was just changed: that this was done is
/// said even if part of what it is by now cannot be read.
async fn changed(admin: &Admin, room: &Room) -> Value {
    let whole = resource(admin, room).await;
    whole.unwrap_or_else(|_| as_hosts_see(admin, room))
}

fn as_hosts_see(admin: &Admin, room: &Room) -> Value {
    let mut resource = json!(room);
    resource["guest_link"] = json!(admin.guest_link(&room.slug));
    resource
}

/// Returns a room with its `rev` as ETag.
fn tagged(status: StatusCode, rev: Option<u32>, resource: &Value) -> Response {
    let mut response = json_response(status, resource);
    let tag = rev.and_then(|rev| HeaderValue::from_str(&format!("\"{rev}\"")).ok());
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Returns the `rev` that the caller insists on.
fn if_match(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    match value.to_str().unwrap_or_default() {
        "*" => Ok(None),
        tag => {
            let rev = tag.trim_matches('"').parse();
            rev.map(Some)
                .map_err(|_| Problem::malformed("`If-Match` must be an ETag of this room"))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use conclave_signalling_node::{Config, NoMedia, Node};
    use conclave_signalling_store::Store;
    use conclave_signalling_wire::ids::RoomId;
    use conclave_signalling_wire::secret::InviteSecret;
    use std::sync::Arc;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_host_link_is_answered_if_nothing_else_can_be() {
        let store = Store::open_temporary().await.unwrap();
        let (_, events) = mpsc::channel(1);
        let node = Node::start(Config::default(), store.clone(), Arc::new(NoMedia), events);
        let rooms = node.await.unwrap().rooms();
        let admin = Admin::new(rooms, store, None);
        let made = CreatedRoom {
            id: RoomId::new(0, [0; 10]),
            slug: Slug::new("team").unwrap(),
            host_secret: InviteSecret::new([7; 16]),
        };
        let answer = created(&admin, &made, None).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert!(!answer.headers().contains_key(header::ETAG));
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let secret = made.host_secret.reveal();
        assert_eq!(body["host_link"], format!("/r/team#i={secret}"));
        assert_eq!(body["slug"], "team");
    }
}

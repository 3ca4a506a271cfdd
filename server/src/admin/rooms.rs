//! `/rooms`: make, list, show, change, delete.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use conclave_signalling_core::record::Actor;
use conclave_signalling_core::settings::Settings;
use conclave_signalling_node::{NewRoom, RoomsError};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::Room;
use conclave_signalling_wire::room::{Preset, RoomUpdate};
use conclave_signalling_wire::text::Slug;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde_json::{Value, json};

use super::lists::{self, Query};
use super::{Admin, Problem, json_response, object};
use crate::members::{self, BadMember};

/// How often a change is tried anew that names no `rev`, when somebody else was faster.
const TRIES: usize = 4;

pub(super) async fn list(State(admin): State<Admin>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["limit", "cursor"])?;
    let entries = admin.rooms.list().into_iter();
    let entries = entries.map(|entry| {
        json!({
            "id": entry.id,
            "slug": entry.slug,
            "title": entry.title,
            "password_set": entry.password,
            "lobby": if entry.lobby { "on" } else { "off" },
            "is_live": entry.is_live,
            "guest_link": admin.guest_link(&entry.slug),
        })
    });
    lists::page(entries.collect(), "slug", &query)
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
    members::complete(&mut said, &defaults.attendees, &defaults.caps);
    let update: RoomUpdate = members::read(said, &["slug", "preset"])?;
    members::check(preset, &update)?;
    let new = NewRoom {
        slug,
        preset,
        update,
    };
    let made = admin.rooms.create(new, Actor::Operator).await?;
    let room = admin.rooms.show(&made.slug).await?;
    let mut resource = resource(&admin, &room).await?;
    resource["host_link"] = json!(admin.invite_link(&made.slug, &made.host_secret));
    let mut response = tagged(StatusCode::CREATED, &room, &resource);
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/rooms/{}", room.slug)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let slug = admin.slug_of(&name)?;
    let room = admin.rooms.show(&slug).await?;
    let resource = resource(&admin, &room).await?;
    Ok(tagged(StatusCode::OK, &room, &resource))
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
        let seen = admin.rooms.show(&slug).await?;
        let mut patch = said.clone();
        members::complete(&mut patch, &seen.attendees, &seen.caps);
        let mut update: RoomUpdate = members::read(patch, &[])?;
        let expected = if_match.or(update.rev);
        // What was completed out of `seen` must not undo what came after it.
        update.rev = expected.or(Some(seen.rev));
        tries += 1;
        match admin.rooms.update(&slug, update).await {
            Ok(room) => {
                let resource = resource(&admin, &room).await?;
                return Ok(tagged(StatusCode::OK, &room, &resource));
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
    admin.rooms.delete(&slug).await?;
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
    let mut resource = json!(room);
    resource["guest_link"] = json!(admin.guest_link(&room.slug));
    if let Some(record) = admin.store.room(room.id).await? {
        resource["allowed_networks"] = json!(record.settings.allowed_networks);
    }
    Ok(resource)
}

/// Returns a room with its `rev` as ETag.
fn tagged(status: StatusCode, room: &Room, resource: &Value) -> Response {
    let mut response = json_response(status, resource);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", room.rev)) {
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

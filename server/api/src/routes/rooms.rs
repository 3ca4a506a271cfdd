//! `/rooms`: make, list, show, change, delete.

use std::borrow::Cow;

use conclave_server_core::access::record::Scope;
use conclave_server_core::access::tagging::{self, TagFault};
use conclave_server_core::members::{self, BadMember};
use conclave_signalling_core::record::AuditEntry;
use conclave_signalling_core::settings::{Network, Settings};
use conclave_signalling_node::{CreatedRoom, NewRoom, RoomEntry, RoomsError};
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::RoomId;
use conclave_signalling_wire::objects::{LobbyMode, Room};
use conclave_signalling_wire::room::{Allowances, Caps, Preset, RoomUpdate, ViewerAllowances};
use conclave_signalling_wire::text::Slug;
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::Admin;
use crate::call::{Answer, Call};
use crate::conditional::{self, Condition};
use crate::lists::List;
use crate::problem::Problem;
use crate::table::{Example, Route};

/// How often a change is tried anew that names no `rev`, when somebody else was faster.
const TRIES: usize = 4;

/// A room in a list.
#[derive(Debug, Serialize, JsonSchema)]
struct RoomSummary {
    /// Its identifier.
    id: RoomId,
    /// Its name in links.
    slug: Slug,
    /// Its name for people.
    title: String,
    /// Words by which it is found.
    tags: Vec<String>,
    /// What another system calls it.
    external_id: Option<String>,
    /// Whether it asks for a password.
    password_set: bool,
    /// Whether a lobby stands before it.
    lobby: LobbyMode,
    /// Whether somebody is in it, waits for it or manages it.
    is_live: bool,
    /// Its link for guests.
    guest_link: String,
}

/// A room, and what only administration sees of it.
#[derive(Debug, Serialize, JsonSchema)]
struct RoomView {
    #[serde(flatten)]
    room: Room,
    /// Words by which it is found.
    tags: Vec<String>,
    /// What another system calls it.
    external_id: Option<String>,
    /// Networks from which it may be entered; an empty list for all. Absent if
    /// it cannot be read right after a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_networks: Option<Vec<String>>,
    /// Its link for guests.
    guest_link: String,
}

/// A room that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RoomMade {
    #[serde(flatten)]
    room: RoomView,
    /// A link for hosts, with its secret. It is not kept and never shown again.
    host_link: String,
}

/// The body of a change to a room: [`RoomUpdate`], of whose objects some members may be absent.
struct RoomChange;

impl JsonSchema for RoomChange {
    fn schema_name() -> Cow<'static, str> {
        "RoomChange".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RoomUpdate::json_schema(generator);
        let partial = [
            ("attendees", Allowances::json_schema(generator)),
            ("viewers", ViewerAllowances::json_schema(generator)),
            ("caps", Caps::json_schema(generator)),
        ];
        for (name, mut whole) in partial {
            whole.remove("required");
            let member = schema.pointer_mut(&format!("/properties/{name}"));
            if let Some(Value::Object(member)) = member {
                member.insert("anyOf".to_owned(), json!([whole, {"type": "null"}]));
            }
        }
        schema.insert(
            "description".to_owned(),
            json!("Members that are absent stay as they are."),
        );
        schema
    }
}

/// The body of a new room: a change to what it otherwise begins as, and what cannot be changed.
struct RoomCreate;

impl JsonSchema for RoomCreate {
    fn schema_name() -> Cow<'static, str> {
        "RoomCreate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RoomChange::json_schema(generator);
        let slug = generator.subschema_for::<Option<Slug>>();
        let preset = json_schema!({
            "description": "The defaults that it begins with.",
            "enum": ["meeting", "webinar", "class", "interview", null],
            "default": "meeting",
        });
        if let Some(Value::Object(members)) = schema.get_mut("properties") {
            members.insert("slug".to_owned(), slug.to_value());
            members.insert("preset".to_owned(), preset.to_value());
            members.remove("rev");
        }
        schema.insert(
            "description".to_owned(),
            json!("Members that are absent are as the preset has them. A room without `slug` gets one that nobody guesses."),
        );
        schema
    }
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/rooms", "listRooms")
            .scope(Scope::RoomsRead)
            .summary("List rooms")
            .about("By slug. A key for some rooms sees those.")
            .list_of::<RoomSummary>()
            .by::<Slug>()
            .query::<String>("tag", "Only rooms with this tag.")
            .query::<String>("external_id", "Only the room that another system calls so.")
            .query::<bool>("live", "Only rooms in which somebody is, or only the others.")
            .handler(list),
        Route::post("/rooms", "createRoom")
            .begins()
            .etag()
            .scope(Scope::RoomsWrite)
            .summary("Make a room")
            .about(
                "`host_link` is shown this once. A room without a password begins with the lobby \
                 on, one with a password with it off, unless `lobby` says otherwise. A key for \
                 some rooms makes none, unless the room gets one of the key's tags.",
            )
            .body::<RoomCreate>()
            .creates::<RoomMade>("The room.")
            .problem(StatusCode::CONFLICT, "slug_taken")
            .problem(StatusCode::CONFLICT, "external_id_taken")
            .problem(StatusCode::CONFLICT, "too_many")
            .example(Example::new("A room with a name").body(json!({
                "slug": "board",
                "title": "Board meeting",
                "lobby": "on",
                "tags": ["internal"],
            })))
            .example(
                Example::new("A webinar under a name that nobody guesses").body(json!({
                    "preset": "webinar",
                    "title": "Ask the authors",
                    "password": "correct horse",
                    "caps": {"participants": 200},
                })),
            )
            .handler(create),
        Route::get("/rooms/{room}", "showRoom")
            .etag()
            .scope(Scope::RoomsRead)
            .summary("Show a room")
            .returns::<RoomView>("The room.")
            .handler(show),
        Route::patch("/rooms/{room}", "updateRoom")
            .scope(Scope::RoomsWrite)
            .summary("Change a room")
            .about(
                "Takes a merge patch (RFC 7396): members that are absent stay as they are. Who is \
                 in the room hears of it at once.",
            )
            .conditional()
            .body::<RoomChange>()
            .returns::<RoomView>("The room as it is then.")
            .problem(StatusCode::CONFLICT, "conflict")
            .problem(StatusCode::CONFLICT, "external_id_taken")
            .example(
                Example::new("Lock it, and let attendees no longer share screens")
                    .body(json!({"locked": true, "attendees": {"screen": false}})),
            )
            .handler(update),
        Route::delete("/rooms/{room}", "deleteRoom")
            .scope(Scope::RoomsWrite)
            .summary("Delete a room")
            .about("With its invites, bans and chat. Whoever is in it is sent away. The audit log stays.")
            .no_content()
            .example(Example::new("Delete a room").at("room", "{createRoom/slug}"))
            .handler(delete),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let (tag, external_id) = (call.query.get("tag"), call.query.get("external_id"));
    let live = call
        .query
        .parsed("live", |text| text.parse::<bool>().ok())?;
    let is_wanted = |entry: &RoomEntry| {
        call.caller.sees(entry)
            && tag.is_none_or(|tag| entry.tags.iter().any(|other| other == tag))
            && external_id.is_none_or(|id| entry.external_id.as_deref() == Some(id))
            && live.is_none_or(|live| entry.is_live == live)
    };
    let list = List {
        entries: call
            .admin
            .rooms
            .list()
            .into_iter()
            .filter(is_wanted)
            .collect(),
        key: |entry| entry.slug.clone(),
        newest_first: false,
    };
    list.page(&call.query, |entry| json!(summary(&call.admin, entry)))
}

fn summary(admin: &Admin, entry: &RoomEntry) -> RoomSummary {
    RoomSummary {
        id: entry.id,
        slug: entry.slug.clone(),
        title: entry.title.clone(),
        tags: entry.tags.clone(),
        external_id: entry.external_id.clone(),
        password_set: entry.password,
        lobby: if entry.lobby {
            LobbyMode::On
        } else {
            LobbyMode::Off
        },
        is_live: entry.is_live,
        guest_link: admin.guest_link(&entry.slug),
    }
}

async fn create(call: Call) -> Result<Answer, Problem> {
    let mut said = call.object();
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
    if said.get("rev").is_some() {
        return Err(BadMember::invalid("rev", "is counted by the server").into());
    }
    let defaults = Settings::new(preset, "");
    members::complete(
        &mut said,
        &defaults.attendees,
        &defaults.viewers,
        &defaults.caps,
    );
    let update: RoomUpdate = members::read(said, &["slug", "preset"])?;
    members::check(preset, &update)?;
    let tags = update.tags.as_deref().unwrap_or_default();
    may_make(&call, tags).await?;
    let new = NewRoom {
        slug,
        preset,
        update,
    };
    let by = call.caller.actor;
    let made = call.admin.rooms.create(new, by).await?;
    let shown = call.admin.rooms.show(&made.slug, by).await;
    Ok(created(&call.admin, &made, shown.ok()).await)
}

/// Lets a key make a room with these tags, if that is for it to do.
pub(super) async fn may_make(call: &Call, tags: &[String]) -> Result<(), Problem> {
    let filter = call.caller.rights.rooms.as_ref();
    match tagging::of_new_room(filter, tags) {
        Ok(()) => Ok(()),
        Err(fault) => Err(out_of_reach(call, "room.create", None, &fault).await?),
    }
}

/// Lets a key give a room that it sees these tags, if that is for it to do.
/// `expected` is the revision that it believes to change.
async fn may_tag(
    call: &Call,
    room: RoomId,
    tags: &[String],
    expected: Option<u32>,
) -> Result<(), Problem> {
    let Some(filter) = &call.caller.rights.rooms else {
        return Ok(());
    };
    let record = call.admin.store.room(room, crate::now()).await?;
    let known = record.ok_or(RoomsError::UnknownRoom)?.settings;
    if expected.is_some_and(|rev| rev > known.rev) {
        // The tags of a revision yet to come may be others than those looked at here.
        let conflict = ErrorBody::from(ErrorCode::Conflict).field("rev");
        return Err(RoomsError::from(conflict).into());
    }
    match tagging::of_room(Some(filter), room, &known.tags, tags) {
        Ok(()) => Ok(()),
        Err(fault) => Err(out_of_reach(call, "room.update", Some(room), &fault).await?),
    }
}

/// Says that the key may not, to who asks and to the audit log.
async fn out_of_reach(
    call: &Call,
    action: &str,
    room: Option<RoomId>,
    fault: &TagFault,
) -> Result<Problem, Problem> {
    let entry = AuditEntry {
        room,
        outcome: "rooms_out_of_reach".to_owned(),
        detail: Some("tags".to_owned()),
        ..call.caller.did(action, room.map(|room| room.to_string()))
    };
    call.admin.store.audit(entry).await?;
    let problem = Problem::new(StatusCode::FORBIDDEN, "rooms_out_of_reach");
    Ok(problem.detail(fault.to_string()))
}

/// Answers that a room was made, even if it cannot be shown at the moment:
/// nobody ever sees its host link again.
pub(super) async fn created(admin: &Admin, made: &CreatedRoom, shown: Option<Room>) -> Answer {
    let host_link = admin.invite_link(&made.slug, &made.host_secret);
    let place = format!("/rooms/{}", made.slug);
    match shown {
        Some(room) => {
            let rev = room.rev;
            let room = changed(admin, room).await;
            let made = RoomMade { room, host_link };
            Answer::created(made).rev(rev).location(&place)
        }
        None => Answer::created(json!({
            "id": made.id,
            "slug": made.slug,
            "guest_link": admin.guest_link(&made.slug),
            "host_link": host_link,
        }))
        .location(&place),
    }
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let room = call.admin.rooms.show(&slug, call.caller.actor).await?;
    let rev = room.rev;
    Ok(Answer::ok(view(&call.admin, room).await?).rev(rev))
}

/// Changes what a merge patch (RFC 7396) names.
async fn update(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    let condition = call.if_match()?;
    let rooms = &call.admin.rooms;
    let by = call.caller.actor;
    let mut tries = 0;
    loop {
        let seen = rooms.show(&slug, by).await?;
        let mut patch = call.object();
        members::complete(&mut patch, &seen.attendees, &seen.viewers, &seen.caps);
        let mut update: RoomUpdate = members::read(patch, &[])?;
        let expected = condition.rev().or(update.rev);
        if let Some(tags) = &update.tags {
            condition.check(seen.rev)?;
            may_tag(&call, seen.id, tags, expected).await?;
        }
        // What was completed out of `seen` must not undo what came after it.
        update.rev = expected.or(Some(seen.rev));
        tries += 1;
        match rooms.update(&slug, update, by).await {
            Ok(room) => {
                let rev = room.rev;
                return Ok(Answer::ok(changed(&call.admin, room).await).rev(rev));
            }
            Err(RoomsError::Refused(refusal)) if refusal.code == ErrorCode::Conflict => {
                if matches!(condition, Condition::Rev(_)) {
                    return Err(conditional::failed());
                }
                if expected.is_some() || tries == TRIES {
                    return Err(RoomsError::Refused(refusal).into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn delete(call: Call) -> Result<Answer, Problem> {
    let slug = call.room()?;
    call.admin.rooms.delete(&slug, call.caller.actor).await?;
    Ok(Answer::nothing())
}

fn slug(text: &str) -> Result<Slug, BadMember> {
    Slug::new(text).map_err(|_| {
        let rule = "must be 3 to 63 of a-z, 0-9 and -, and not begin with -";
        BadMember::invalid("slug", rule)
    })
}

/// Returns a room as hosts see it, and what only administration sees of it.
async fn view(admin: &Admin, room: Room) -> Result<RoomView, Problem> {
    let record = admin.store.room(room.id, crate::now()).await?;
    let networks = record.map(|record| record.settings.allowed_networks);
    let mut view = as_hosts_see(admin, room);
    view.allowed_networks =
        networks.map(|networks| networks.iter().map(Network::to_string).collect());
    Ok(view)
}

/// As [`view`], of a room that was just changed: that this was done is said
/// even if part of what it is by now cannot be read.
async fn changed(admin: &Admin, room: Room) -> RoomView {
    let whole = view(admin, room.clone()).await;
    whole.unwrap_or_else(|_| as_hosts_see(admin, room))
}

fn as_hosts_see(admin: &Admin, room: Room) -> RoomView {
    let entry = admin.rooms.entry(&room.slug);
    let (tags, external_id) =
        entry.map_or_else(Default::default, |entry| (entry.tags, entry.external_id));
    RoomView {
        guest_link: admin.guest_link(&room.slug),
        tags,
        external_id,
        allowed_networks: None,
        room,
    }
}

#[cfg(test)]
mod tests {
    use conclave_signalling_node::{Config, NoMedia, Node};
    use conclave_signalling_store::Store;
    use conclave_signalling_wire::ids::RoomId;
    use conclave_signalling_wire::secret::InviteSecret;
    use std::sync::Arc;
    use tokio::sync::mpsc;

    use super::*;
    use crate::call::Given;
    use http::header;

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
        assert_eq!(answer.status, StatusCode::CREATED);
        assert!(!answer.headers.contains_key(header::ETAG));
        let Given::Json(body) = answer.content else {
            panic!("not JSON")
        };
        let secret = made.host_secret.reveal();
        assert_eq!(body["host_link"], format!("/r/team#i={secret}"));
        assert_eq!(body["slug"], "team");
    }
}

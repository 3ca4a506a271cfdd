//! `/sessions`: meetings that go on and those that are over, and what is done with one as a whole.

use conclave_server_core::access::record::Scope;
use conclave_signalling_core::record::EndReason;
use conclave_signalling_node::{RoomEntry, RoomsError};
use conclave_signalling_store::{KeptSession, Order, SessionQuery};
use conclave_signalling_wire::ids::{RoomId, SessionId};
use conclave_signalling_wire::room::RoomUpdate;
use conclave_signalling_wire::session::SessionEnd;
use conclave_signalling_wire::text::{Prose, Slug};
use conclave_signalling_wire::time::Timestamp;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::lists::cut;
use crate::problem::Problem;
use crate::table::{Example, Route};

/// A session of the examples, which is none of any server.
pub(super) const NOBODYS: &str = "ses_01h455vb4pex5vsknk084sn02q";

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum SessionState {
    /// It goes on.
    Live,
    /// It is over.
    Ended,
}

impl SessionState {
    fn named(name: &str) -> Option<Self> {
        match name {
            "live" => Some(SessionState::Live),
            "ended" => Some(SessionState::Ended),
            _ => None,
        }
    }
}

/// Why a session was over.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "EndReason")]
#[expect(dead_code, reason = "describes what the core writes")]
enum EndReasonShown {
    /// Everybody had gone.
    Empty,
    /// Somebody ended it.
    Ended,
    /// No host came back in time.
    NoHost,
    /// Its time was up.
    TimeUp,
    /// Its room was deleted.
    Deleted,
    /// The server was ended while it went on.
    Drained,
    /// The room or the server failed.
    Failed,
}

/// A meeting in a room: from the first who comes in to the last who goes.
#[derive(Debug, Serialize, JsonSchema)]
struct Session {
    /// Its identifier.
    id: SessionId,
    /// Of which room, which may be deleted.
    room: RoomId,
    /// The name of the room in links when it began.
    slug: Slug,
    /// Whether it goes on.
    state: SessionState,
    /// When it began.
    started_at: Timestamp,
    /// When it was over.
    ended_at: Option<Timestamp>,
    /// Why.
    #[schemars(with = "Option<EndReasonShown>")]
    ended: Option<EndReason>,
    /// The most participants at once.
    peak: u32,
    /// Devices that came, each once.
    people: u32,
}

impl From<KeptSession> for Session {
    fn from(kept: KeptSession) -> Self {
        let session = kept.session;
        Session {
            id: session.id,
            room: kept.room,
            slug: kept.slug,
            state: match session.ended_at {
                None => SessionState::Live,
                Some(_) => SessionState::Ended,
            },
            started_at: session.started_at,
            ended_at: session.ended_at,
            ended: session.ended,
            peak: session.peak,
            people: session.people,
        }
    }
}

/// A session, and how it goes on.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionShown {
    #[serde(flatten)]
    session: Session,
    /// How many are there; of a session that is over null, like what follows.
    participants: Option<usize>,
    /// How many wait in the lobby.
    waiting: Option<u32>,
    /// When it ends, if that is known.
    ends_at: Option<Timestamp>,
}

/// How to end a session.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct End {
    /// Seconds until it ends; everybody is told.
    #[serde(default)]
    #[schemars(range(max = 60))]
    countdown_s: u32,
    /// What everybody reads.
    #[serde(default)]
    message: Option<Prose>,
}

/// Whether others may come in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lock {
    /// False to unlock.
    #[serde(default = "yes")]
    locked: bool,
}

const fn yes() -> bool {
    true
}

/// Something for everybody in a meeting.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Announce {
    /// What they read.
    pub(super) text: Prose,
}

/// A session of which the caller may know.
pub(super) struct Found {
    /// What is kept of it.
    pub(super) kept: KeptSession,
    /// Its room, while that exists.
    pub(super) room: Option<RoomEntry>,
    /// Whether it goes on.
    is_live: bool,
}

impl Found {
    /// Finds the session of the path.
    ///
    /// # Errors
    /// 404 if there is none, or none for this caller.
    pub(super) async fn of(call: &Call) -> Result<Self, Problem> {
        let id: SessionId = call.id("session", "session")?;
        let missing = || Problem::not_found("session");
        let rooms = &call.admin.rooms;
        // Of a room that it may not see, a caller does not even disturb the room.
        let live = match rooms.find_session(id) {
            Some((_, slug))
                if rooms
                    .entry(&slug)
                    .is_none_or(|room| !call.caller.sees(&room)) =>
            {
                return Err(missing());
            }
            Some((room, slug)) => Found::told_by_room(call, id, (room, slug)).await?,
            None => None,
        };
        let is_live = live.is_some();
        let kept = match live {
            Some(kept) => kept,
            None => call.admin.store.session(id).await?.ok_or_else(missing)?,
        };
        let slug = rooms.find_id(kept.room);
        let room = slug.and_then(|slug| rooms.entry(&slug));
        let is_seen = match &room {
            Some(room) => call.caller.sees(room),
            None => call.caller.rights.reaches::<&str>(kept.room, &[]),
        };
        match is_seen {
            true => Ok(Found {
                is_live,
                kept,
                room,
            }),
            false => Err(missing()),
        }
    }

    /// Asks the room of a session that goes on: what is kept of it may lag behind.
    async fn told_by_room(
        call: &Call,
        id: SessionId,
        (room, slug): (RoomId, Slug),
    ) -> Result<Option<KeptSession>, Problem> {
        let rooms = &call.admin.rooms;
        let live = match rooms.participants(&slug, call.caller.actor).await {
            // It was deleted meanwhile, which ended the session.
            Err(RoomsError::UnknownRoom) => None,
            live => live?,
        };
        let session = live.map(|live| live.session);
        let session = session.filter(|session| session.id == id);
        Ok(session.map(|session| KeptSession {
            room,
            slug,
            session,
        }))
    }

    /// Returns the identifier.
    pub(super) fn id(&self) -> SessionId {
        self.kept.session.id
    }

    /// Returns the name of the room in which it goes on, if it does.
    pub(super) fn live(&self) -> Option<&Slug> {
        let room = self.room.as_ref().filter(|_| self.is_live);
        room.map(|room| &room.slug)
    }

    /// Returns the name of the room in which it goes on.
    ///
    /// # Errors
    /// 409 if it is over.
    pub(super) fn acted_in(&self) -> Result<&Slug, Problem> {
        self.live().ok_or_else(not_live)
    }
}

/// Returns the refusal of an act in a session that is over.
pub(super) fn not_live() -> Problem {
    Problem::new(StatusCode::CONFLICT, "not_live").detail("the session is over")
}

/// Returns an example of a session that there is not: a request that does nothing.
pub(super) fn of_nobody(name: &'static str) -> Example {
    Example::new(name)
        .at("session", NOBODYS)
        .answers(StatusCode::NOT_FOUND)
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/sessions", "listSessions")
            .scope(Scope::SessionsRead)
            .summary("List sessions")
            .about(
                "Those that go on, and those that ended in the last days; the newest first. What \
                 began or ended a moment ago may not be in the list yet. A key for some rooms sees the sessions of these: of a deleted room only where it names \
                 the room itself.",
            )
            .list_of::<Session>()
            .by::<SessionId>()
            .problem(StatusCode::NOT_FOUND, "not_found")
            .by::<SessionId>()
            .shows(json!({
                "id": NOBODYS,
                "room": "room_01h455vb4pex5vsknk084sn02q",
                "slug": "standup",
                "state": "ended",
                "started_at": "2026-11-22T10:00:00Z",
                "ended_at": "2026-11-22T10:14:07.250Z",
                "ended": "empty",
                "peak": 7,
                "people": 8,
            }))
            .query::<SessionState>(
                "state",
                "Only those that go on, or only those that are over.",
            )
            .query::<String>(
                "room",
                "Only of this room: by its identifier also after it was deleted.",
            )
            .query::<Timestamp>("from", "Only those that began at this time or later.")
            .query::<Timestamp>("to", "Only those that began before this time.")
            .example(Example::new("Meetings that go on").query("state=live"))
            .example(
                Example::new("The meetings of a room on a day")
                    .query("room=standup&from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z"),
            )
            .handler(list),
        Route::get("/sessions/{session}", "showSession")
            .scope(Scope::SessionsRead)
            .summary("Show a session")
            .returns::<SessionShown>("The session.")
            .example(of_nobody("A session that is forgotten"))
            .handler(show),
        Route::post("/sessions/{session}/end", "endSession")
            .scope(Scope::SessionsAct)
            .summary("End a session")
            .about(
                "At once, or after a countdown that everybody sees. Ended at once, everybody has \
                 left when it is answered.",
            )
            .optional_body::<End>()
            .no_content()
            .problem(StatusCode::CONFLICT, "not_live")
            .example(of_nobody("End in half a minute").body(json!({
                "countdown_s": 30,
                "message": "The next class begins",
            })))
            .handler(end),
        Route::post("/sessions/{session}/lock", "lockSession")
            .scope(Scope::SessionsAct)
            .summary("Lock or unlock the room of a session")
            .about("Nobody comes into a locked room. It stays locked until it is unlocked.")
            .optional_body::<Lock>()
            .no_content()
            .problem(StatusCode::CONFLICT, "not_live")
            .example(of_nobody("Let nobody else in"))
            .example(of_nobody("Let others in again").body(json!({"locked": false})))
            .handler(lock),
        Route::post("/sessions/{session}/announce", "announce")
            .scope(Scope::SessionsAct)
            .summary("Tell everybody in a session something")
            .body::<Announce>()
            .no_content()
            .problem(StatusCode::CONFLICT, "not_live")
            .example(of_nobody("Tell of an end").body(json!({"text": "We close in five minutes"})))
            .handler(announce),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let query = &call.query;
    let limit = query.limit()?;
    let state = query.parsed("state", SessionState::named)?;
    let wanted = SessionQuery {
        live: state.map(|state| state == SessionState::Live),
        rooms: rooms_of(&call)?,
        from: query.parsed("from", |text| text.parse().ok())?,
        to: query.parsed("to", |text| text.parse().ok())?,
        order: match query.ascending(false)? {
            true => Order::OldestFirst,
            false => Order::NewestFirst,
        },
        after: query.parsed("cursor", |text| text.parse().ok())?,
        // One more shows whether there are more.
        limit: u32::try_from(limit + 1).unwrap_or(u32::MAX),
    };
    let wants_total = query.wants_total()?;
    let mut found = call.admin.store.sessions(&wanted).await?;
    // Afterwards: what begins in between is not on the page, but no page has more than there are.
    let total = match wants_total {
        false => None,
        true => Some(call.admin.store.count_sessions(&wanted).await?),
    };
    let next_cursor = cut(&mut found, limit, |last| last.session.id.to_string());
    let data: Vec<Value> = found
        .into_iter()
        .map(|kept| json!(Session::from(kept)))
        .collect();
    Ok(Answer::page(data, next_cursor, total))
}

/// Returns of which rooms sessions are listed; `None` for all.
fn rooms_of(call: &Call) -> Result<Option<Vec<RoomId>>, Problem> {
    let rights = &call.caller.rights;
    if let Some(name) = call.query.get("room") {
        let entry = call.admin.find(name, |entry| call.caller.sees(entry));
        let missing = || Problem::not_found("room");
        let id = match (entry, name.parse::<RoomId>()) {
            (Some(entry), _) => Some(entry.id),
            // The room is gone; what is known of its sessions is not.
            (None, Ok(id)) => Some(id).filter(|id| rights.reaches::<&str>(*id, &[])),
            (None, Err(_)) => None,
        };
        return Ok(Some(vec![id.ok_or_else(missing)?]));
    }
    let Some(filter) = &rights.rooms else {
        return Ok(None);
    };
    let seen = call.admin.rooms.list().into_iter();
    let seen = seen.filter(|entry| call.caller.sees(entry));
    let mut rooms: Vec<RoomId> = seen.map(|entry| entry.id).collect();
    rooms.extend(&filter.rooms);
    rooms.sort_unstable();
    rooms.dedup();
    Ok(Some(rooms))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let found = Found::of(&call).await?;
    let by = call.caller.actor;
    let live = match found.live() {
        Some(slug) => call.admin.rooms.participants(slug, by).await?,
        None => None,
    };
    let live = live.filter(|live| live.session.id == found.id());
    let mut kept = found.kept;
    if let Some(live) = &live {
        kept.session = live.session.clone();
    }
    Ok(Answer::ok(SessionShown {
        session: kept.into(),
        participants: live.as_ref().map(|live| live.participants.len()),
        waiting: live.as_ref().map(|live| live.waiting),
        ends_at: live.and_then(|live| live.ends_at),
    }))
}

async fn end(call: Call) -> Result<Answer, Problem> {
    let End {
        countdown_s,
        message,
    } = call.body()?;
    let found = Found::of(&call).await?;
    let end = SessionEnd {
        countdown_s,
        message,
    };
    let by = call.caller.actor;
    let ended = call.admin.rooms.end(found.acted_in()?, end, by).await;
    ended.map_err(|error| over_meanwhile(error.into()))?;
    Ok(Answer::nothing())
}

async fn lock(call: Call) -> Result<Answer, Problem> {
    let Lock { locked } = call.body()?;
    let found = Found::of(&call).await?;
    let update = RoomUpdate {
        locked: Some(locked),
        ..RoomUpdate::default()
    };
    let by = call.caller.actor;
    let slug = found.acted_in()?;
    call.admin.rooms.update(slug, update, by).await?;
    Ok(Answer::nothing())
}

pub(super) async fn announce(call: Call) -> Result<Answer, Problem> {
    let Announce { text } = call.body()?;
    let found = Found::of(&call).await?;
    let by = call.caller.actor;
    let told = call.admin.rooms.announce(found.acted_in()?, text, by).await;
    told.map_err(|error| over_meanwhile(error.into()))?;
    Ok(Answer::nothing())
}

/// Says of a room in which nobody is any more that the session is over.
fn over_meanwhile(problem: Problem) -> Problem {
    match problem.status() {
        StatusCode::NOT_FOUND => not_live(),
        _ => problem,
    }
}

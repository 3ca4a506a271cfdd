//! `/sessions/{session}/participants`: who is in a meeting, and acts on one of them.

use conclave_server_core::access::record::Scope;
use conclave_signalling_core::room::LiveParticipant;
use conclave_signalling_node::RoomsError;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::{InviteId, ParticipantId};
use conclave_signalling_wire::moderation::{
    BanOrder, BanScope, OverrideEffect, ParticipantRemove, RemovedOk,
};
use conclave_signalling_wire::objects::{Effect, Override, Participant, Permission, Role, Source};
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::text::{DisplayName, Prose, RoleName, Slug};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::conditional::{self, Condition};
use crate::lists::List;
use crate::problem::Problem;
use crate::routes::sessions::{Found, NOBODYS};
use crate::table::{Example, Route};

const PARTICIPANT: &str = "par_01h455vb4pex5vsknk084sn02q";

/// Somebody in a meeting.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "LiveParticipant")]
struct Present {
    #[serde(flatten)]
    face: Participant,
    /// What it may or may not do, whatever its role.
    overrides: Vec<Override>,
    /// The invite by which it came in.
    invite: Option<InviteId>,
    /// From where, as a /24 or a /48.
    prefix: String,
}

impl From<&LiveParticipant> for Present {
    fn from(live: &LiveParticipant) -> Self {
        Present {
            face: live.face.clone(),
            overrides: live.overrides.clone(),
            invite: live.invite,
            prefix: live.prefix.clone(),
        }
    }
}

/// Changes to a participant: absent members stay as they are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Its name.
    #[serde(default)]
    name: Option<DisplayName>,
    /// Its role. With it a custom role ends, unless one is said.
    #[serde(default)]
    role: Option<Role>,
    /// Its custom role, which is based on its role; null for none.
    #[serde(default)]
    custom_role: Patch<RoleName>,
    /// Its exceptions, all of them: those that are not named end.
    #[serde(default)]
    #[schemars(length(max = 64))]
    overrides: Option<Vec<Exception>>,
}

/// What somebody may or may not do, whatever its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Exception {
    /// What.
    key: Permission,
    /// Which way.
    effect: Effect,
    /// Seconds that it lasts; for as long as the meeting goes on, without it.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86_400))]
    ttl_s: Option<u32>,
}

/// What to mute.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Mute {
    /// Microphones and cameras are muted, shares are ended.
    #[schemars(length(min = 1, max = 4))]
    sources: Vec<Source>,
}

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
struct MuteDone {
    /// Whether any of the sources was open.
    muted: bool,
}

/// How to remove somebody.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Remove {
    /// Why, as the removed reads it.
    #[serde(default)]
    reason: Option<Prose>,
    /// More to read.
    #[serde(default)]
    message: Option<Prose>,
    /// To keep it out as well.
    #[serde(default)]
    ban: Option<BanToo>,
}

/// How to keep somebody out of the room.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BanToo {
    /// Seconds that it lasts; a day without it. That on the network lasts a day at most.
    #[serde(default)]
    #[schemars(range(min = 60, max = 31_536_000))]
    ttl_s: Option<u32>,
    /// Whether who shares only the network is refused too; else it waits in the lobby.
    #[serde(default)]
    strict: bool,
}

pub(crate) fn routes() -> Vec<Route> {
    let of_nobody = |name| {
        Example::new(name)
            .at("session", NOBODYS)
            .at("participant", PARTICIPANT)
            .answers(StatusCode::NOT_FOUND)
    };
    vec![
        Route::get("/sessions/{session}/participants", "listParticipants")
            .scope(Scope::SessionsRead)
            .summary("List who is in a session")
            .about(
                "In the order in which they came. Those whose link broke a moment ago are among \
                 them. A session that is over has none: see its attendance.",
            )
            .list_of::<Present>()
            .by::<ParticipantId>()
            .by::<ParticipantId>()
            .shows(json!({
                "id": PARTICIPANT,
                "rev": 3,
                "name": "Ada",
                "role": "presenter",
                "identity": "invited",
                "presence": "connected",
                "joined_at": "2026-11-22T10:00:00Z",
                "hand": null,
                "sources": {
                    "microphone": {"published": true, "muted": false, "muted_by": null, "locked": false},
                    "camera": {"published": false, "muted": true, "muted_by": null, "locked": false},
                },
                "overrides": [],
                "invite": "inv_01h455vb4pex5vsknk084sn02q",
                "prefix": "192.0.2.0/24",
            }))
            .example(
                Example::new("Of a session that is forgotten")
                    .at("session", NOBODYS)
                    .answers(StatusCode::NOT_FOUND),
            )
            .handler(list),
        Route::get(
            "/sessions/{session}/participants/{participant}",
            "showParticipant",
        )
        .scope(Scope::SessionsRead)
        .summary("Show a participant")
        .returns::<Present>("The participant.")
        .etag()
        .example(of_nobody("Somebody who is gone"))
        .handler(show),
        Route::patch(
            "/sessions/{session}/participants/{participant}",
            "changeParticipant",
        )
        .scope(Scope::SessionsAct)
        .summary("Give a participant a role, a name, or exceptions")
        .about(
            "Each member is an act of its own, done in the order role, exceptions, name. When \
             one is refused, those before it stay done. `overrides` are all exceptions that the \
             participant has then.",
        )
        .conditional()
        .body::<Change>()
        .returns::<Present>("The participant as it is then.")
        .problem(StatusCode::CONFLICT, "not_live")
        .problem(StatusCode::FORBIDDEN, "forbidden")
        .example(of_nobody("Let somebody present").body(json!({"role": "presenter"})))
        .example(
            of_nobody("Let somebody share a screen for ten minutes").body(json!({
                "overrides": [{"key": "publish.screen", "effect": "allow", "ttl_s": 600}],
            })),
        )
        .handler(change),
        Route::post(
            "/sessions/{session}/participants/{participant}/mute",
            "muteParticipant",
        )
        .scope(Scope::SessionsAct)
        .summary("Mute a participant, or end what it shares")
        .about("Nobody can be unmuted by another.")
        .body::<Mute>()
        .returns::<MuteDone>("It is done.")
        .problem(StatusCode::CONFLICT, "not_live")
        .problem(StatusCode::SERVICE_UNAVAILABLE, "not_available")
        .example(of_nobody("Mute a microphone").body(json!({"sources": ["microphone"]})))
        .handler(mute),
        Route::post(
            "/sessions/{session}/participants/{participant}/remove",
            "removeParticipant",
        )
        .scope(Scope::SessionsAct)
        .summary("Remove a participant, and ban it perhaps")
        .optional_body::<Remove>()
        .returns::<RemovedOk>("It is gone, with all its pages.")
        .problem(StatusCode::CONFLICT, "not_live")
        .example(of_nobody("Remove somebody for a day").body(json!({
            "reason": "Played music",
            "ban": {"ttl_s": 86_400},
        })))
        .handler(remove),
        Route::post(
            "/sessions/{session}/participants/{participant}/to-lobby",
            "sendParticipantToLobby",
        )
        .scope(Scope::SessionsAct)
        .summary("Send a participant back to the lobby")
        .no_content()
        .problem(StatusCode::CONFLICT, "not_live")
        .example(of_nobody("Let somebody wait outside"))
        .handler(to_lobby),
    ]
}

/// Returns who is in the session of the path.
async fn everybody(call: &Call) -> Result<Vec<LiveParticipant>, Problem> {
    let found = Found::of(call).await?;
    let Some(slug) = found.live() else {
        return Ok(Vec::new());
    };
    let by = call.caller.actor;
    let live = call.admin.rooms.participants(slug, by).await?;
    let live = live.filter(|live| live.session.id == found.id());
    Ok(live.map_or_else(Vec::new, |live| live.participants))
}

/// Returns the participant of the path, of a meeting in a room.
async fn one(call: &Call) -> Result<LiveParticipant, Problem> {
    let missing = || Problem::not_found("participant");
    let id: ParticipantId = call.id("participant", "participant")?;
    let mut everybody = everybody(call).await?.into_iter();
    everybody
        .find(|other| other.face.id == id)
        .ok_or_else(missing)
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let list = List {
        entries: everybody(&call).await?,
        key: |participant| participant.face.id,
        newest_first: false,
    };
    list.page(&call.query, |participant| json!(Present::from(participant)))
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let participant = one(&call).await?;
    Ok(shown(&participant))
}

fn shown(participant: &LiveParticipant) -> Answer {
    Answer::ok(Present::from(participant)).rev(participant.face.rev)
}

/// An act on the participant of the path.
struct Act {
    slug: Slug,
    participant: ParticipantId,
}

impl Act {
    /// Finds where it is done. Whether the participant is there, the room says.
    async fn of(call: &Call) -> Result<Self, Problem> {
        let found = Found::of(call).await?;
        Ok(Act {
            slug: found.acted_in()?.clone(),
            participant: call.id("participant", "participant")?,
        })
    }
}

async fn change(call: Call) -> Result<Answer, Problem> {
    let condition = call.if_match()?;
    let change: Change = call.body()?;
    let Act { slug, participant } = Act::of(&call).await?;
    let seen = one(&call).await?;
    condition.check(seen.face.rev)?;
    let rooms = &call.admin.rooms;
    let by = call.caller.actor;
    // Whoever insists on a state insists on it for the first act; the others follow from that.
    let mut rev = condition.rev();
    if let Some(role) = change.wanted_role(&seen.face) {
        let set = rooms.participant_role(&slug, participant, role, rev.take(), by);
        set.await.map_err(|error| refused(condition, error))?;
    }
    if let Some(wanted) = &change.overrides {
        for order in steps(&seen.overrides, wanted) {
            let set = rooms.participant_override(&slug, participant, order, rev.take(), by);
            set.await.map_err(|error| refused(condition, error))?;
        }
    }
    if let Some(name) = change.name.filter(|name| *name != seen.face.name) {
        rooms
            .participant_rename(&slug, participant, name, by)
            .await?;
    }
    let participant = one(&call).await?;
    Ok(shown(&participant))
}

impl Change {
    /// Returns the role and the custom role that are wanted, if they are others.
    fn wanted_role(&self, face: &Participant) -> Option<(Role, Option<RoleName>)> {
        let role = self.role.unwrap_or(face.role);
        let custom_role = match &self.custom_role {
            Patch::Set(name) => Some(name.clone()),
            Patch::Keep if self.role.is_none() => face.custom_role.clone(),
            Patch::Keep | Patch::Clear => None,
        };
        let is_new = (role, &custom_role) != (face.role, &face.custom_role);
        is_new.then_some((role, custom_role))
    }
}

/// Returns what makes the exceptions `wanted` out of those there are.
fn steps(
    there: &[Override],
    wanted: &[Exception],
) -> Vec<(Permission, OverrideEffect, Option<u32>)> {
    let gone = there
        .iter()
        .filter(|old| wanted.iter().all(|new| new.key != old.key));
    let gone = gone.map(|old| (old.key, OverrideEffect::Clear, None));
    let is_there = |new: &Exception| {
        let mut same = there.iter();
        new.ttl_s.is_none()
            && same.any(|old| (old.key, old.effect, old.expires_at) == (new.key, new.effect, None))
    };
    let new = wanted.iter().filter(|new| !is_there(new)).map(|new| {
        let effect = match new.effect {
            Effect::Allow => OverrideEffect::Allow,
            Effect::Deny => OverrideEffect::Deny,
        };
        (new.key, effect, new.ttl_s)
    });
    gone.chain(new).collect()
}

/// Says of a change that came second what its caller asked to be told.
fn refused(condition: Condition, error: RoomsError) -> Problem {
    match &error {
        RoomsError::Refused(body)
            if body.code == ErrorCode::Conflict && condition != Condition::Any =>
        {
            conditional::failed()
        }
        _ => error.into(),
    }
}

async fn mute(call: Call) -> Result<Answer, Problem> {
    let Mute { sources } = call.body()?;
    let Act { slug, participant } = Act::of(&call).await?;
    let by = call.caller.actor;
    let rooms = &call.admin.rooms;
    let muted = rooms
        .participant_mute(&slug, participant, sources, by)
        .await?;
    Ok(Answer::ok(MuteDone { muted }))
}

async fn remove(call: Call) -> Result<Answer, Problem> {
    let Remove {
        reason,
        message,
        ban,
    } = call.body()?;
    let Act { slug, participant } = Act::of(&call).await?;
    let order = ParticipantRemove {
        participant,
        reason,
        message,
        ban: ban.map(|BanToo { ttl_s, strict }| BanOrder {
            scope: BanScope::Room,
            ttl_s,
            strict,
        }),
    };
    let by = call.caller.actor;
    let removed = call.admin.rooms.participant_remove(&slug, order, by);
    Ok(Answer::ok(removed.await?))
}

async fn to_lobby(call: Call) -> Result<Answer, Problem> {
    let Act { slug, participant } = Act::of(&call).await?;
    let by = call.caller.actor;
    let rooms = &call.admin.rooms;
    rooms.participant_to_lobby(&slug, participant, by).await?;
    Ok(Answer::nothing())
}

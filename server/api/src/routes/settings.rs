//! `/settings`, which administrators change while the server runs, and `/limits`, which they do not.

use conclave_server_core::access::record::Scope;
use conclave_server_core::members::BadMember;
use conclave_signalling_node::{KeptSettings, RoomsCreate, ServerSettings};
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::limits;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::conditional::{self, Condition};
use crate::guard::BODY_BYTES_MAX;
use crate::problem::Problem;
use crate::table::{Example, Route};

/// How often a change without `If-Match` is tried anew when somebody else was faster.
const TRIES: usize = 4;
/// Ten years.
const KEEP_DAYS_MAX: u32 = 3650;
const ROOMS_PER_HOUR_MAX: u32 = 100_000;

/// Who may make rooms over a link.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WhoMakesRooms")]
enum MayCreate {
    /// Administrators alone.
    Admins,
    /// Everybody who opens the page.
    Anyone,
}

impl From<RoomsCreate> for MayCreate {
    fn from(may: RoomsCreate) -> Self {
        match may {
            RoomsCreate::Admins => MayCreate::Admins,
            RoomsCreate::Anyone => MayCreate::Anyone,
        }
    }
}

impl From<MayCreate> for RoomsCreate {
    fn from(may: MayCreate) -> Self {
        match may {
            MayCreate::Admins => RoomsCreate::Admins,
            MayCreate::Anyone => RoomsCreate::Anyone,
        }
    }
}

/// Settings that hold at present.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
struct SettingsView {
    /// Rises by one with each change; the ETag of the settings.
    rev: u32,
    /// Days for which a session is known after its end, with who was in it.
    session_keep_days: u32,
    /// Who may make rooms without an API key.
    rooms_create: MayCreate,
    /// Rooms an hour that one source may make then.
    rooms_per_source_per_hour: u32,
    /// Those of them that were set here; the others are as the configuration says.
    set: Vec<&'static str>,
}

/// A change to settings: members that are absent stay as they are, with `null` they are as the
/// configuration says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct SettingsChange {
    /// Days for which a session is known after its end, with who was in it. Those that are older
    /// are forgotten within the hour.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "Option<u32>", range(min = 1, max = 3650))]
    session_keep_days: Option<Option<u32>>,
    /// Who may make rooms without an API key.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "Option<MayCreate>")]
    rooms_create: Option<Option<MayCreate>>,
    /// Rooms an hour that one source may make then.
    #[serde(deserialize_with = "said")]
    #[schemars(with = "Option<u32>", range(min = 1, max = 100_000))]
    rooms_per_source_per_hour: Option<Option<u32>>,
}

/// Tells a member that is `null` from one that is absent.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// How much there may be of what. It is set by the configuration, or part of the protocol.
#[derive(Debug, Serialize, JsonSchema)]
struct Limits {
    rooms: RoomLimits,
    links: LinkLimits,
    messages: MessageLimits,
    api: ApiLimits,
    /// Seconds for which meetings go on at most after the order to end the server.
    drain_s: u64,
}

/// Of rooms.
#[derive(Debug, Serialize, JsonSchema)]
struct RoomLimits {
    /// Rooms beyond which only administrators make more.
    rooms_max: usize,
    /// Rooms an hour that one source may make, where everybody may.
    per_source_per_hour: u32,
    /// Participants of one room, whatever it says itself.
    participants_max: usize,
    /// Invites of one room.
    invites_max: usize,
    /// Bans of one room.
    bans_max: usize,
    /// People who wait in one lobby.
    lobby_max: usize,
    /// Messages of one chat that are remembered.
    chat_messages_max: usize,
    /// Custom roles of one room.
    custom_roles_max: usize,
}

/// Of connections of browsers.
#[derive(Debug, Serialize, JsonSchema)]
struct LinkLimits {
    /// All there may be.
    links_max: usize,
    /// Of one IPv4 address or IPv6 /64.
    per_source: u32,
    /// Joins a second of one such source, sustained.
    joins_per_source_per_s: u32,
    /// Joins of one such source at once.
    joins_per_source_burst: u32,
}

/// Of messages of one participant.
#[derive(Debug, Serialize, JsonSchema)]
struct MessageLimits {
    /// Bytes of one.
    bytes_max: usize,
    /// Characters of one in the chat.
    chat_chars_max: usize,
    /// A second, sustained.
    per_s: u32,
    /// At once.
    burst: u32,
    /// Those that change the room, a second, sustained.
    room_changes_per_s: u32,
    /// Those that change the room, at once.
    room_changes_burst: u32,
}

/// Of this API.
#[derive(Debug, Serialize, JsonSchema)]
struct ApiLimits {
    /// Bytes of a body, but for routes that take many things at once.
    body_bytes_max: usize,
    /// Entries of a page.
    page_max: usize,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/settings", "showSettings")
            .etag()
            .scope(Scope::SystemRead)
            .summary("Show the settings")
            .about("Those that can be changed while the server runs.")
            .etag()
            .returns::<SettingsView>("What holds.")
            .handler(show),
        Route::patch("/settings", "updateSettings")
            .scope(Scope::SystemWrite)
            .summary("Change settings")
            .about(
                "Takes a merge patch (RFC 7396). What is set here holds at once and after a \
                 restart, whatever the configuration says; `null` gives it back to that.",
            )
            .conditional()
            .body::<SettingsChange>()
            .returns::<SettingsView>("What holds then.")
            .problem(StatusCode::CONFLICT, "conflict")
            .example(
                Example::new("Forget after a day who was in a meeting")
                    .body(json!({"session_keep_days": 1})),
            )
            .example(
                Example::new("Let everybody make rooms, but few")
                    .body(json!({"rooms_create": "anyone", "rooms_per_source_per_hour": 3})),
            )
            .example(Example::new("As the configuration says").body(json!({
                "session_keep_days": null,
                "rooms_create": null,
                "rooms_per_source_per_hour": null,
            })))
            .handler(update),
        Route::get("/limits", "showLimits")
            .scope(Scope::SystemRead)
            .summary("Show the limits")
            .about("How much there may be of what.")
            .returns::<Limits>("The limits.")
            .handler(limits),
    ]
}

async fn show(call: Call) -> Result<Answer, Problem> {
    Ok(answer(call.admin.rooms.settings().await?))
}

async fn update(call: Call) -> Result<Answer, Problem> {
    let change: SettingsChange = call.body()?;
    let within = |name, value: Option<Option<u32>>, most: u32| match value.flatten() {
        Some(value) if !(1..=most).contains(&value) => {
            Err(BadMember::invalid(name, format!("must be 1 to {most}")))
        }
        _ => Ok(()),
    };
    within("session_keep_days", change.session_keep_days, KEEP_DAYS_MAX)?;
    within(
        "rooms_per_source_per_hour",
        change.rooms_per_source_per_hour,
        ROOMS_PER_HOUR_MAX,
    )?;
    let condition = call.if_match()?;
    let (rooms, by) = (&call.admin.rooms, call.caller.actor);
    let mut tries = 0;
    loop {
        let ServerSettings { kept, rev, .. } = rooms.settings().await?;
        condition.check(rev)?;
        let kept = KeptSettings {
            session_keep_days: change.session_keep_days.unwrap_or(kept.session_keep_days),
            rooms_create: match change.rooms_create {
                Some(may) => may.map(RoomsCreate::from),
                None => kept.rooms_create,
            },
            rooms_per_source_per_hour: change
                .rooms_per_source_per_hour
                .unwrap_or(kept.rooms_per_source_per_hour),
        };
        tries += 1;
        match rooms.change_settings(kept, rev, by).await {
            Ok(holding) => return Ok(answer(holding)),
            Err(StoreError::Conflict) => {
                if matches!(condition, Condition::Rev(_)) {
                    return Err(conditional::failed());
                }
                if tries == TRIES {
                    return Err(Problem::new(StatusCode::CONFLICT, "conflict")
                        .detail("somebody else changes the settings"));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn answer(holding: ServerSettings) -> Answer {
    let kept = holding.kept;
    let set = [
        ("session_keep_days", kept.session_keep_days.is_some()),
        ("rooms_create", kept.rooms_create.is_some()),
        (
            "rooms_per_source_per_hour",
            kept.rooms_per_source_per_hour.is_some(),
        ),
    ];
    let set = set.into_iter().filter(|(_, is_set)| *is_set);
    Answer::ok(SettingsView {
        rev: holding.rev,
        session_keep_days: holding.session_keep_days,
        rooms_create: holding.rooms_create.into(),
        rooms_per_source_per_hour: holding.rooms_per_source_per_hour,
        set: set.map(|(name, _)| name).collect(),
    })
    .rev(holding.rev)
}

async fn limits(call: Call) -> Result<Answer, Problem> {
    let server = call.admin.rooms.limits();
    Ok(Answer::ok(Limits {
        rooms: RoomLimits {
            rooms_max: server.rooms_max,
            per_source_per_hour: server.rooms_per_source_per_hour,
            participants_max: server.participants_max,
            invites_max: limits::INVITES,
            bans_max: limits::BANS,
            lobby_max: limits::LOBBY_PLACES,
            chat_messages_max: limits::CHAT_MESSAGES,
            custom_roles_max: limits::CUSTOM_ROLES,
        },
        links: LinkLimits {
            links_max: server.links_max,
            per_source: server.links_per_source,
            joins_per_source_per_s: server.joins_per_source_per_s,
            joins_per_source_burst: server.joins_per_source_burst,
        },
        messages: MessageLimits {
            bytes_max: limits::MESSAGE_BYTES,
            chat_chars_max: limits::CHAT_CHARS,
            per_s: limits::MESSAGES_PER_S,
            burst: limits::MESSAGES_BURST,
            room_changes_per_s: server.room_changes_per_s,
            room_changes_burst: server.room_changes_burst,
        },
        api: ApiLimits {
            body_bytes_max: BODY_BYTES_MAX,
            page_max: crate::lists::PAGE_MAX,
        },
        drain_s: server.drain.as_secs(),
    }))
}

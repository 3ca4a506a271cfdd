//! `/sessions/{session}/attendance`: who took part, and for how long each was there and spoke.

use std::collections::HashMap;

use conclave_server_core::access::record::Scope;
use conclave_signalling_core::csv;
use conclave_signalling_core::record::AttendanceRecord;
use conclave_signalling_wire::ids::{InviteId, ParticipantId, SessionId};
use conclave_signalling_wire::objects::{Identity, Role};
use conclave_signalling_wire::session::Attendee;
use conclave_signalling_wire::text::DisplayName;
use conclave_signalling_wire::time::Timestamp;
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::routes::sessions::{Found, NOBODYS};
use crate::table::{Example, Route};

const CSV: &str = "text/csv";
/// The head of a CSV file.
const COLUMNS: [&str; 10] = [
    "participant",
    "name",
    "role",
    "identity",
    "invite",
    "joined_at",
    "left_at",
    "present_s",
    "talk_s",
    "visits",
];

/// How attendance is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// With each stay of everybody.
    Json,
    /// For spreadsheets; no cell begins a formula.
    Csv,
}

/// Who took part in a session.
#[derive(Serialize, JsonSchema)]
struct Attendance {
    /// Which session.
    session: SessionId,
    /// Since when.
    started_at: Timestamp,
    /// Until when; null while it goes on.
    ended_at: Option<Timestamp>,
    /// Who, in the order in which they first came; the stays of one device are merged.
    people: Vec<Person>,
    /// How many more there were than are listed.
    more: u32,
}

/// Somebody who took part.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AttendancePerson")]
struct Person {
    /// As whom it was there last.
    participant: ParticipantId,
    /// Its name, as it was last.
    name: DisplayName,
    /// Its role, as it was last.
    role: Role,
    /// How well it is known.
    identity: Identity,
    /// The invite by which it came.
    invite: Option<InviteId>,
    /// When it first came.
    joined_at: Timestamp,
    /// When it last left; null while it is there.
    left_at: Option<Timestamp>,
    /// Seconds that it was there.
    present_s: u64,
    /// Seconds that it was among those who speak.
    talk_s: u64,
    /// How often it came.
    visits: u32,
    /// When it was there.
    stays: Vec<Stay>,
}

/// From a coming to a going.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AttendanceStay")]
struct Stay {
    /// When it came.
    from: Timestamp,
    /// When it went; null while it is there.
    to: Option<Timestamp>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/sessions/{session}/attendance", "showAttendance")
            .scope(Scope::SessionsRead)
            .summary("Tell who took part in a session")
            .about(
                "For how long each was there and spoke, up to now where the session goes on. The \
                 stays of one device are one person; of one that came very often the first 63 \
                 stays and the last are told apart.",
            )
            .query::<Format>("format", "How it is written: `json`, unless it says `csv`.")
            .returns::<Attendance>("Who took part.")
            .or_text(CSV)
            .example(
                Example::new("Of a session that is forgotten")
                    .at("session", NOBODYS)
                    .query("format=csv")
                    .answers(StatusCode::NOT_FOUND),
            )
            .handler(show),
    ]
}

async fn show(call: Call) -> Result<Answer, Problem> {
    let format = call.query.parsed("format", |text| match text {
        "json" => Some(Format::Json),
        "csv" => Some(Format::Csv),
        _ => None,
    })?;
    let found = Found::of(&call).await?;
    let spoken = match found.live() {
        Some(slug) => {
            let by = call.caller.actor;
            let live = call.admin.rooms.attendance_live(slug, false, by).await;
            // It may have ended meanwhile: then what is kept says all.
            live.map_or_else(|_| Spoken::default(), |live| Spoken::of(live.people))
        }
        None => Spoken::default(),
    };
    let now = found.kept.session.ended_at.unwrap_or_else(crate::now);
    let records = call.admin.store.attendance(found.id()).await?;
    let listed = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let people = records.into_iter();
    let people: Vec<Person> = people.map(|record| spoken.person(now, record)).collect();
    let session = &found.kept.session;
    Ok(match format.unwrap_or(Format::Json) {
        Format::Json => Answer::ok(Attendance {
            session: session.id,
            started_at: session.started_at,
            ended_at: session.ended_at,
            people,
            more: session.people.saturating_sub(listed),
        }),
        Format::Csv => {
            let file = format!("attachment; filename=\"attendance-{}.csv\"", session.id);
            Answer::stream(CSV, table(&people)).header(header::CONTENT_DISPOSITION, &file)
        }
    })
}

/// For how long those have spoken who are there still: a room keeps it when they go.
#[derive(Default)]
struct Spoken(HashMap<(Timestamp, String), u64>);

impl Spoken {
    fn of(people: Vec<Attendee>) -> Self {
        let people = people.into_iter().map(|person| {
            let name = person.name.as_str().to_owned();
            ((person.joined_at, name), u64::from(person.talk_s))
        });
        Spoken(people.collect())
    }

    fn person(&self, now: Timestamp, record: AttendanceRecord) -> Person {
        let came = record.stays.first().map_or(now, |stay| stay.from);
        let known = (came, record.name.as_str().to_owned());
        let talk_s = record.talk_ms / 1000;
        let present_ms: u64 = record
            .stays
            .iter()
            .map(|stay| {
                let to = stay.to.unwrap_or(now);
                to.unix_ms().saturating_sub(stay.from.unix_ms())
            })
            .sum();
        let stays = record.stays.iter().map(|stay| Stay {
            from: stay.from,
            to: stay.to,
        });
        Person {
            participant: record.participant,
            role: record.role,
            identity: record.identity,
            invite: record.invite,
            joined_at: came,
            left_at: record.stays.last().and_then(|stay| stay.to),
            present_s: present_ms / 1000,
            talk_s: self.0.get(&known).copied().unwrap_or(talk_s).max(talk_s),
            visits: record.visits,
            stays: stays.collect(),
            name: record.name,
        }
    }
}

fn table(people: &[Person]) -> String {
    let mut out = String::new();
    csv::row(&mut out, COLUMNS);
    for person in people {
        let maybe = |text: Option<String>| text.unwrap_or_default();
        let cells = [
            person.participant.to_string(),
            person.name.as_str().to_owned(),
            word(person.role),
            word(person.identity),
            maybe(person.invite.map(|invite| invite.to_string())),
            person.joined_at.to_string(),
            maybe(person.left_at.map(|at| at.to_string())),
            person.present_s.to_string(),
            person.talk_s.to_string(),
            person.visits.to_string(),
        ];
        csv::row(&mut out, cells.iter().map(String::as_str));
    }
    out
}

/// Returns a value as it is in JSON, where it is a word there.
fn word(value: impl Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

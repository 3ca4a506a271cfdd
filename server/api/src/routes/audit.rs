//! `/audit`: what was done, whether the record of it is whole, and all of it to keep elsewhere.

use std::borrow::Cow;
use std::io;

use axum::body::Body;
use conclave_server_core::access::record::Scope;
use conclave_server_core::cef;
use conclave_signalling_node::Rooms;
use conclave_signalling_store::{Anchor, AuditQuery, AuditRecord, Order, VerifyError};
use conclave_signalling_wire::ids::{RoomId, SessionId};
use conclave_signalling_wire::time::Timestamp;
use futures_util::stream;
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::table::{Count, Example, Route};

/// Records of an export that are read at once: some 200 KiB.
const EXPORT_PAGE: u32 = 500;
const JSON_LINES: &str = "application/jsonl";
const CEF_LINES: &str = "text/plain";

/// Who did something.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "describes what the store writes")]
struct AuditActor {
    /// Such as `operator`, `key` or `participant`.
    kind: String,
    /// Which, if there are several of the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// A record of the audit log.
#[derive(JsonSchema)]
#[schemars(rename = "AuditRecord")]
#[expect(dead_code, reason = "describes what the store writes")]
struct RecordShown {
    /// Its number; each is one more than that before.
    seq: u64,
    /// When.
    at: Timestamp,
    /// Who.
    actor: AuditActor,
    /// What, such as `room.create`.
    action: String,
    /// To whom or what, an identifier.
    target: Option<String>,
    /// In which room.
    room: Option<RoomId>,
    /// In which session of the room.
    session: Option<SessionId>,
    /// From where, as a /24 or a /48.
    prefix: Option<String>,
    /// By which request to the API: its `X-Request-Id`.
    request_id: Option<String>,
    /// `ok`, or the code of the refusal.
    outcome: String,
    /// A few words; never what somebody wrote.
    detail: Option<String>,
    /// The hash of the record before, SHA-256 in hexadecimal digits.
    prev: String,
    /// Its own hash.
    hash: String,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// One object in JSON.
    Jsonl,
    /// The Common Event Format, CEF:0.
    Cef,
}

/// The end of the audit log.
#[derive(Debug, Serialize, JsonSchema)]
struct Head {
    /// The number of the last record; 0 if there is none.
    #[schemars(with = "Count")]
    seq: u64,
    /// The last record, as `anchor` takes it: `SEQ:HASH`.
    #[schemars(with = "AnchorText")]
    head: String,
}

/// A record's number and its hash.
struct AnchorText;

impl JsonSchema for AnchorText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Anchor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^(0|[1-9][0-9]{0,14}):[0-9a-f]{64}$"})
    }
}

/// What came of reading all of the audit log.
#[derive(Debug, Serialize, JsonSchema)]
struct Verification {
    /// Whether each record follows the one before, and all anchors are in it.
    intact: bool,
    /// How many records there are, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    /// How many signed checkpoints hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoints: Option<u64>,
    /// Records after the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    unsigned: Option<u64>,
    /// The last record, to be kept elsewhere: `SEQ:HASH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    /// Which record is not right.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/audit", "listAudit")
            .scope(Scope::AuditRead)
            .summary("List records of the audit log")
            .about(
                "Without `order` the oldest first: without `cursor` the newest records, with one \
                 what comes after it.",
            )
            .list_of::<RecordShown>()
            .by::<Count>()
            .query::<String>("action", "Only this action.")
            .query::<String>("actor", "Only this actor: an identifier, or a kind such as `operator`.")
            .query::<String>("target", "Only what was done to this: an identifier, or a name.")
            .query::<String>("room", "Only this room: its identifier, or its name while it exists.")
            .query::<Timestamp>("from", "Only what was done at this time or later.")
            .query::<Timestamp>("to", "Only what was done before this time.")
            .problem(StatusCode::NOT_FOUND, "not_found")
            .example(Example::new("What was done first").query("cursor=0&limit=10"))
            .example(
                Example::new("What was done last, and how much in all")
                    .query("order=desc&limit=10&include=total"),
            )
            .handler(list),
        Route::get("/audit/head", "showAuditHead")
            .scope(Scope::AuditRead)
            .summary("Show the last record's hash")
            .about("To be kept elsewhere: `verifyAudit` finds out whether it is still in the log.")
            .returns::<Head>("The end of the audit log.")
            .handler(head),
        Route::get("/audit/verify", "verifyAudit")
            .scope(Scope::AuditRead)
            .summary("Verify the audit log")
            .about("Reads the chain of hashes from its beginning.")
            .query::<Vec<AnchorText>>(
                "anchor",
                "A head that was kept elsewhere, `SEQ:HASH`, and must still be in it. Perhaps several times.",
            )
            .returns::<Verification>("What was found.")
            .handler(verify),
        Route::get("/audit/export", "exportAudit")
            .scope(Scope::AuditRead)
            .summary("Export the audit log")
            .about(
                "One record a line, the oldest first: in JSON, or in the Common Event Format that \
                 systems read which gather logs.",
            )
            .query::<Count>("after", "Only what comes after this number.")
            .query::<Format>("format", "How a record is written; `jsonl` if nothing is said.")
            .returns_text(&[JSON_LINES, CEF_LINES], "The records.")
            .example(Example::new("All of it"))
            .example(Example::new("For a system that gathers logs").query("format=cef&after=1"))
            .handler(export),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let query = &call.query;
    let limit = query.limit()?;
    let cursor = query.parsed("cursor", count)?;
    let order = query.parsed("order", |text| match text {
        "asc" => Some(Order::OldestFirst),
        "desc" => Some(Order::NewestFirst),
        _ => None,
    })?;
    let room = query.get("room").map(|name| room_id(&call, name));
    let time = |name| query.parsed(name, |text| text.parse().ok());
    // The newest are the end of the list: nothing comes after them.
    let goes_on = cursor.is_some() || order.is_some();
    let wanted = AuditQuery {
        after: cursor,
        order,
        // One more shows whether there are more.
        limit: u32::try_from(limit + usize::from(goes_on)).unwrap_or(u32::MAX),
        action: query.get("action").map(str::to_owned),
        actor: query.get("actor").map(str::to_owned),
        room: room.transpose()?,
        target: query.get("target").map(str::to_owned),
        from: time("from")?,
        to: time("to")?,
    };
    let total = match query.wants_total()? {
        true => Some(count_all(&call.admin.rooms, &wanted).await?),
        false => None,
    };
    let records = call.admin.rooms.audit_tail(&wanted).await?;
    let page = records.get(..limit).unwrap_or(&records);
    let last = page.last().filter(|_| page.len() < records.len());
    let next_cursor = last.map(|record| record.seq.to_string());
    let data = page.iter().map(read_back).collect();
    Ok(Answer::page(data, next_cursor, total))
}

/// Counts what a query would find without pages.
async fn count_all(rooms: &Rooms, wanted: &AuditQuery) -> Result<u64, Problem> {
    let mut page = AuditQuery {
        after: Some(0),
        order: Some(Order::OldestFirst),
        limit: EXPORT_PAGE,
        ..wanted.clone()
    };
    let mut total = 0;
    loop {
        let records = rooms.audit_tail(&page).await?;
        let Some(last) = records.last() else {
            return Ok(total);
        };
        total += records.len() as u64;
        page.after = Some(last.seq);
    }
}

/// Reads a number of a record.
fn count(text: &str) -> Option<u64> {
    let Count(number) = text.parse().ok()?;
    Some(number)
}

async fn head(call: Call) -> Result<Answer, Problem> {
    let head = call.admin.store.audit_head().await?;
    Ok(Answer::ok(Head {
        seq: head.seq,
        head: head.to_string(),
    }))
}

async fn verify(call: Call) -> Result<Answer, Problem> {
    let anchors: Result<Vec<Anchor>, Problem> = call
        .query
        .all("anchor")
        .map(|text| {
            let anchor = text.parse::<Anchor>();
            anchor.map_err(|_| Problem::malformed("an `anchor` is written SEQ:HASH"))
        })
        .collect();
    Ok(match call.admin.rooms.audit_verify(&anchors?).await {
        Ok(verified) => Answer::ok(json!({
            "intact": true,
            "records": verified.records,
            "checkpoints": verified.checkpoints,
            "unsigned": verified.unsigned,
            "head": verified.head.to_string(),
        })),
        Err(VerifyError::Broken(broken)) => Answer::ok(json!({
            "intact": false,
            "seq": broken.seq,
            "why": broken.why,
        })),
        Err(VerifyError::Store(error)) => return Err(error.into()),
    })
}

/// Sends everything after `after`, one record a line.
async fn export(call: Call) -> Result<Answer, Problem> {
    let after = call.query.parsed("after", count)?;
    let format = call.query.parsed("format", |text| match text {
        "jsonl" => Some(Format::Jsonl),
        "cef" => Some(Format::Cef),
        _ => None,
    })?;
    let format = format.unwrap_or(Format::Jsonl);
    let rooms = call.admin.rooms;
    let pages = stream::try_unfold(after.unwrap_or(0), move |after| {
        let rooms = rooms.clone();
        async move { next_page(&rooms, format, after).await }
    });
    let kind = match format {
        Format::Jsonl => JSON_LINES,
        Format::Cef => CEF_LINES,
    };
    Ok(Answer::stream(kind, Body::from_stream(pages)))
}

/// Returns the next lines, and the last number among them.
async fn next_page(rooms: &Rooms, format: Format, after: u64) -> io::Result<Option<(String, u64)>> {
    let wanted = AuditQuery {
        after: Some(after),
        limit: EXPORT_PAGE,
        ..AuditQuery::default()
    };
    let records = rooms.audit_tail(&wanted).await.map_err(io::Error::other)?;
    let Some(last) = records.last().map(|record| record.seq) else {
        return Ok(None);
    };
    let write = |record: &AuditRecord| match format {
        Format::Jsonl => record.to_json_line() + "\n",
        Format::Cef => as_event(record) + "\n",
    };
    Ok(Some((records.iter().map(write).collect(), last)))
}

fn as_event(record: &AuditRecord) -> String {
    let hash: String = record
        .hash
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    cef::line(env!("CARGO_PKG_VERSION"), record.seq, &record.entry, &hash)
}

fn room_id(call: &Call, name: &str) -> Result<RoomId, Problem> {
    // The room itself may be gone; what was done in it is not.
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let entry = call.admin.find(name, |entry| call.caller.sees(entry));
    entry
        .map(|entry| entry.id)
        .ok_or_else(|| Problem::not_found("room"))
}

fn read_back(record: &AuditRecord) -> Value {
    serde_json::from_str(&record.to_json_line()).unwrap_or_default()
}

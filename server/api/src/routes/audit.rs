//! `/audit`: what was done, whether the record of it is whole, and all of it to keep elsewhere.

use std::io;

use axum::body::Body;
use conclave_server_core::access::record::Scope;
use conclave_signalling_node::Rooms;
use conclave_signalling_store::{Anchor, AuditQuery, AuditRecord, VerifyError};
use conclave_signalling_wire::ids::{RoomId, SessionId};
use conclave_signalling_wire::time::Timestamp;
use futures_util::stream;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::table::{Example, Route};

/// Records of an export that are read at once: some 200 KiB.
const EXPORT_PAGE: u32 = 500;

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
    /// `ok`, or the code of the refusal.
    outcome: String,
    /// A few words; never what somebody wrote.
    detail: Option<String>,
    /// The hash of the record before, SHA-256 in hexadecimal digits.
    prev: String,
    /// Its own hash.
    hash: String,
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
            .about("Without `cursor` the newest, with one what comes after it; of both the oldest first.")
            .list_of::<RecordShown>()
            .query::<String>("action", "Only this action.")
            .query::<String>("actor", "Only this actor: an identifier, or a kind such as `operator`.")
            .query::<String>("room", "Only this room: its identifier, or its name while it exists.")
            .example(Example::new("What was done first").query("cursor=0&limit=10"))
            .handler(list),
        Route::get("/audit/verify", "verifyAudit")
            .scope(Scope::AuditRead)
            .summary("Verify the audit log")
            .about("Reads the chain of hashes from its beginning.")
            .query::<String>(
                "anchor",
                "A head that was kept elsewhere, `SEQ:HASH`, and must still be in it. Perhaps several times.",
            )
            .returns::<Verification>("What was found.")
            .handler(verify),
        Route::get("/audit/export", "exportAudit")
            .scope(Scope::AuditRead)
            .summary("Export the audit log")
            .about("One record in JSON a line, the oldest first.")
            .query::<u64>("after", "Only what comes after this number.")
            .returns_text(&["application/jsonl"], "The records.")
            .handler(export),
    ]
}

async fn list(call: Call) -> Result<Answer, Problem> {
    let query = &call.query;
    let limit = query.limit()?;
    let cursor = query.parsed("cursor", |text| text.parse::<u64>().ok())?;
    let room = query.get("room").map(|name| room_id(&call, name));
    let wanted = AuditQuery {
        after: cursor,
        // One more shows whether there are more.
        limit: u32::try_from(limit + usize::from(cursor.is_some())).unwrap_or(u32::MAX),
        action: query.get("action").map(str::to_owned),
        actor: query.get("actor").map(str::to_owned),
        room: room.transpose()?,
        ..AuditQuery::default()
    };
    let records = call.admin.rooms.audit_tail(&wanted).await?;
    let page = records.get(..limit).unwrap_or(&records);
    let last = page.last().filter(|_| page.len() < records.len());
    let next_cursor = last.map(|record| record.seq.to_string());
    let data = page.iter().map(read_back).collect();
    Ok(Answer::page(data, next_cursor, None))
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

/// Sends everything after `after`, one JSON object a line.
async fn export(call: Call) -> Result<Answer, Problem> {
    let after = call
        .query
        .parsed("after", |text| text.parse::<u64>().ok())?;
    let rooms = call.admin.rooms;
    let pages = stream::try_unfold(after.unwrap_or(0), move |after| {
        let rooms = rooms.clone();
        async move { next_page(&rooms, after).await }
    });
    Ok(Answer::stream(
        "application/jsonl",
        Body::from_stream(pages),
    ))
}

/// Returns the next lines, and the last number among them.
async fn next_page(rooms: &Rooms, after: u64) -> io::Result<Option<(String, u64)>> {
    let wanted = AuditQuery {
        after: Some(after),
        limit: EXPORT_PAGE,
        ..AuditQuery::default()
    };
    let records = rooms.audit_tail(&wanted).await.map_err(io::Error::other)?;
    let Some(last) = records.last().map(|record| record.seq) else {
        return Ok(None);
    };
    let lines = records
        .iter()
        .map(|record| record.to_json_line() + "\n")
        .collect();
    Ok(Some((lines, last)))
}

fn room_id(call: &Call, name: &str) -> Result<RoomId, Problem> {
    // The room itself may be gone; what was done in it is not.
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let entry = call.admin.find(name);
    entry
        .map(|entry| entry.id)
        .ok_or_else(|| Problem::not_found("room"))
}

fn read_back(record: &AuditRecord) -> Value {
    serde_json::from_str(&record.to_json_line()).unwrap_or_default()
}

//! `/audit`: what was done, whether the record of it is whole, and all of it to keep elsewhere.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use conclave_signalling_node::Rooms;
use conclave_signalling_store::{Anchor, AuditQuery, AuditRecord, VerifyError};
use conclave_signalling_wire::ids::RoomId;
use futures_util::stream;
use http::{StatusCode, Uri, header};
use serde_json::{Value, json};

use crate::lists::{self, Query};
use crate::{Admin, Problem, json_response};

/// Records of an export that are read at once: some 200 KiB.
const EXPORT_PAGE: u32 = 500;

/// Without a cursor the newest, with one what comes after it; the oldest of both first.
pub(super) async fn list(State(admin): State<Admin>, uri: Uri) -> Result<Response, Problem> {
    let known = ["limit", "cursor", "action", "actor", "room"];
    let query = Query::of(&uri, &known)?;
    let limit = query.limit()?;
    let cursor = query.parsed("cursor", |text| text.parse::<u64>().ok())?;
    let room = query.get("room").map(|name| room_id(&admin, name));
    let wanted = AuditQuery {
        after: cursor,
        // One more shows whether there are more.
        limit: u32::try_from(limit + usize::from(cursor.is_some())).unwrap_or(u32::MAX),
        action: query.get("action").map(str::to_owned),
        actor: query.get("actor").map(str::to_owned),
        room: room.transpose()?,
    };
    let records = admin.rooms.audit_tail(&wanted).await?;
    let page = records.get(..limit).unwrap_or(&records);
    let last = page.last().filter(|_| page.len() < records.len());
    let next_cursor = last.map(|record| json!(record.seq.to_string()));
    Ok(lists::answer(
        page.iter().map(read_back).collect(),
        next_cursor,
    ))
}

/// Reads the chain from its beginning. `anchor`, perhaps several times, is a
/// head that was noted elsewhere and must still be in it.
pub(super) async fn verify(State(admin): State<Admin>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["anchor"])?;
    let anchors: Result<Vec<Anchor>, Problem> = query
        .all("anchor")
        .map(|text| {
            let anchor = text.parse::<Anchor>();
            anchor.map_err(|_| Problem::malformed("an `anchor` is written SEQ:HASH"))
        })
        .collect();
    let found = match admin.rooms.audit_verify(&anchors?).await {
        Ok(verified) => json!({
            "intact": true,
            "records": verified.records,
            "checkpoints": verified.checkpoints,
            "unsigned": verified.unsigned,
            "head": verified.head.to_string(),
        }),
        Err(VerifyError::Broken(broken)) => json!({
            "intact": false,
            "seq": broken.seq,
            "why": broken.why,
        }),
        Err(VerifyError::Store(error)) => return Err(error.into()),
    };
    Ok(json_response(StatusCode::OK, &found))
}

/// Sends everything after `after`, one JSON object a line.
pub(super) async fn export(State(admin): State<Admin>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::of(&uri, &["after"])?;
    let after = query.parsed("after", |text| text.parse::<u64>().ok())?;
    let pages = stream::try_unfold(after.unwrap_or(0), move |after| {
        let rooms = admin.rooms.clone();
        async move { next_page(&rooms, after).await }
    });
    let kind = [(header::CONTENT_TYPE, "application/jsonl")];
    Ok((kind, Body::from_stream(pages)).into_response())
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

fn room_id(admin: &Admin, name: &str) -> Result<RoomId, Problem> {
    // The room itself may be gone; what was done in it is not.
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let slug = admin.slug_of(name)?;
    let entry = admin
        .rooms
        .list()
        .into_iter()
        .find(|entry| entry.slug == slug);
    entry.map(|entry| entry.id).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "not_found").detail("there is no such room")
    })
}

fn read_back(record: &AuditRecord) -> Value {
    serde_json::from_str(&record.to_json_line()).unwrap_or_default()
}

//! The table of messages. A row is sealed whole; what stands beside the sealed
//! body says only when it goes.

use conclave_signalling_core::record::ChatRecord;
use conclave_signalling_wire::ids::SessionId;
use conclave_signalling_wire::limits::CHAT_MESSAGES;
use conclave_signalling_wire::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tracing::error;

use super::rooms::place;
use super::values::{damaged, json, ms};
use crate::error::StoreError;
use crate::seal::Sealer;
use crate::sessions::ChatQuery;

/// Writes a message, or puts it in the place of the one with its number.
pub(super) async fn save(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
    record: &ChatRecord,
) -> Result<(), StoreError> {
    let number = i64::from(record.message.number);
    let row = row_name(room, number);
    let body = sealer.seal(place(("chat", &row, "body")), json(record)?.as_bytes())?;
    sqlx::query(
        "INSERT INTO chat (room, number, session, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (room, number) DO UPDATE SET session = excluded.session,
             expires_at = excluded.expires_at, body = excluded.body",
    )
    .bind(room)
    .bind(number)
    .bind(record.session.to_string())
    .bind(ms(record.expires_at))
    .bind(body)
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes the messages up to a number, of one session or of all.
pub(super) async fn forget(
    db: &mut SqliteConnection,
    room: &str,
    session: Option<SessionId>,
    up_to: u32,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM chat WHERE room = ?1 AND number <= ?2 AND (?3 IS NULL OR session = ?3)",
    )
    .bind(room)
    .bind(up_to)
    .bind(session.map(|session| session.to_string()))
    .execute(db)
    .await?;
    Ok(())
}

/// Returns the newest messages of a room that are kept at `now`, in their order, as many as a
/// room holds. One that is damaged is logged and left out: it keeps nobody from the meeting.
pub(super) async fn newest(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
    now: Timestamp,
) -> Result<Vec<ChatRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT number, session, body FROM chat WHERE room = ?1 AND expires_at > ?2
         ORDER BY number DESC LIMIT ?3",
    )
    .bind(room)
    .bind(ms(now))
    .bind(i64::try_from(CHAT_MESSAGES).unwrap_or(i64::MAX))
    .fetch_all(db)
    .await?;
    let records = rows.iter().rev();
    Ok(records
        .filter_map(|row| readable(sealer, room, row))
        .collect())
}

/// Returns messages of a room, in their order. One that is damaged is logged and left out.
pub(crate) async fn page(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    query: &ChatQuery,
) -> Result<Vec<ChatRecord>, StoreError> {
    let room = query.room.to_string();
    let rows = sqlx::query(
        "SELECT number, session, body FROM chat
         WHERE room = ?1 AND number > ?2 AND expires_at > ?3 AND (?4 IS NULL OR session = ?4)
         ORDER BY number LIMIT ?5",
    )
    .bind(&room)
    .bind(query.after)
    .bind(ms(query.now))
    .bind(query.session.map(|session| session.to_string()))
    .bind(query.limit)
    .fetch_all(db)
    .await?;
    let records = rows.iter();
    Ok(records
        .filter_map(|row| readable(sealer, &room, row))
        .collect())
}

fn readable(sealer: &Sealer, room: &str, row: &SqliteRow) -> Option<ChatRecord> {
    let number: i64 = row.try_get("number").ok()?;
    read(sealer, room, number, row)
        .inspect_err(|error| error!(room, number, %error, "a damaged message is left out"))
        .ok()
}

fn read(
    sealer: &Sealer,
    room: &str,
    number: i64,
    row: &SqliteRow,
) -> Result<ChatRecord, StoreError> {
    let body: Vec<u8> = row.try_get("body")?;
    let session: String = row.try_get("session")?;
    let opened = sealer.open(place(("chat", &row_name(room, number), "body")), &body)?;
    // What stands in a message is not told, not even by what is wrong with it.
    let record: ChatRecord = serde_json::from_slice(&opened).map_err(|_| damaged("chat.body"))?;
    if record.session.to_string() != session {
        return Err(damaged("chat.session"));
    }
    Ok(record)
}

/// Names the row of a message, whose key is made of two columns.
fn row_name(room: &str, number: i64) -> String {
    format!("{room}/{number}")
}

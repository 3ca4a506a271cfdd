//! Sums over the tables of sessions and of who was in them.

use sqlx::{FromRow, SqliteConnection};

use conclave_signalling_wire::time::Timestamp;

use super::values::{ms, number, parse};
use crate::error::StoreError;
use crate::usage::RoomUsage;

#[derive(FromRow)]
struct UsageRow {
    room: String,
    sessions: i64,
    peak: i64,
    stayed_ms: f64,
}

/// Sums up by room what was between two times. Stays are kept as JSON with times in RFC 3339.
pub(crate) async fn since(
    db: &mut SqliteConnection,
    from: Timestamp,
    now: Timestamp,
) -> Result<Vec<RoomUsage>, StoreError> {
    let rows: Vec<UsageRow> = sqlx::query_as(
        "WITH met AS (
             SELECT id, room, peak FROM session
             WHERE started_at < ?2 AND (ended_at IS NULL OR ended_at > ?1)
         ), stay AS (
             SELECT met.room AS room,
                 max(1000 * unixepoch(stay.value ->> '$.from', 'subsec'), ?1) AS came,
                 min(coalesce(1000 * unixepoch(stay.value ->> '$.to', 'subsec'), ?2), ?2) AS went
             FROM met JOIN attendance ON attendance.session = met.id, json_each(stays) AS stay
         ), stayed AS (
             SELECT room, sum(max(went - came, 0)) AS ms FROM stay GROUP BY room
         )
         SELECT met.room AS room, count(*) AS sessions, max(met.peak) AS peak,
             CAST(coalesce(max(stayed.ms), 0) AS REAL) AS stayed_ms
         FROM met LEFT JOIN stayed ON stayed.room = met.room GROUP BY met.room",
    )
    .bind(ms(from))
    .bind(ms(now))
    .fetch_all(db)
    .await?;
    let rows = rows.into_iter().map(|row| {
        Ok(RoomUsage {
            room: parse(&row.room, "session.room")?,
            sessions: number(row.sessions, "session")?,
            peak: number(row.peak, "session.peak")?,
            stayed_ms: row.stayed_ms.round() as u64,
        })
    });
    rows.collect()
}

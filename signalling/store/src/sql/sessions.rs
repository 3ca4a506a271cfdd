//! The tables of sessions and of who was in them.

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::record::{AttendanceRecord, EndReason, SessionRecord, Stay};
use conclave_signalling_wire::ids::{RoomId, SessionId};
use conclave_signalling_wire::text::{DisplayName, Slug};
use conclave_signalling_wire::time::Timestamp;
use sqlx::{AssertSqlSafe, FromRow, QueryBuilder, Sqlite, SqliteConnection};

use super::rooms::{mine, place, standing_row};
use super::values::{bytes, damaged, from_json, from_word, json, ms, number, parse, time, word};
use super::{Portion, Swept, delete};
use crate::error::StoreError;
use crate::seal::Sealer;
use crate::sessions::{KeptSession, SessionQuery};

const SELECT: &str =
    "SELECT id, room, slug, started_at, ended_at, ended, peak, people FROM session ";

#[derive(FromRow)]
struct SessionRow {
    id: String,
    room: String,
    slug: String,
    started_at: i64,
    ended_at: Option<i64>,
    ended: Option<String>,
    peak: i64,
    people: i64,
}

impl SessionRow {
    fn read(self) -> Result<KeptSession, StoreError> {
        Ok(KeptSession {
            room: parse(&self.room, "session.room")?,
            slug: Slug::new(&self.slug).map_err(|_| damaged("session.slug"))?,
            session: SessionRecord {
                id: parse(&self.id, "session.id")?,
                started_at: time(self.started_at),
                ended_at: self.ended_at.map(time),
                ended: self
                    .ended
                    .map(|ended| from_word(ended, "session.ended"))
                    .transpose()?,
                peak: number(self.peak, "session.peak")?,
                people: number(self.people, "session.people")?,
            },
        })
    }
}

/// Writes a session of a room that is there. Its slug stays that of its begin.
pub(super) async fn save(
    db: &mut SqliteConnection,
    room: &str,
    session: &SessionRecord,
) -> Result<(), StoreError> {
    let saved = sqlx::query(
        "INSERT INTO session (id, room, slug, started_at, ended_at, ended, peak, people)
         SELECT ?1, ?2, slug, ?3, ?4, ?5, ?6, ?7 FROM room WHERE id = ?2
         ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at,
             ended_at = excluded.ended_at, ended = excluded.ended, peak = excluded.peak,
             people = excluded.people
         WHERE room = excluded.room",
    )
    .bind(session.id.to_string())
    .bind(room)
    .bind(ms(session.started_at))
    .bind(session.ended_at.map(ms))
    .bind(session.ended.as_ref().map(word))
    .bind(session.peak)
    .bind(session.people)
    .execute(db)
    .await?;
    mine(saved.rows_affected())
}

#[derive(FromRow)]
struct AttendanceRow {
    session: String,
    device: Vec<u8>,
    participant: String,
    name: Vec<u8>,
    role: String,
    identity: String,
    invite: Option<String>,
    stays: String,
    talk_ms: i64,
    visits: i64,
}

impl AttendanceRow {
    fn read(self, sealer: &Sealer) -> Result<AttendanceRecord, StoreError> {
        let row = standing_row(&self.session, &self.device);
        let name = sealer.open_text(place(("attendance", &row, "name")), &self.name)?;
        Ok(AttendanceRecord {
            session: parse(&self.session, "attendance.session")?,
            device: DeviceHash(bytes(&self.device, "attendance.device")?),
            participant: parse(&self.participant, "attendance.participant")?,
            name: DisplayName::new(&name).map_err(|_| damaged("attendance.name"))?,
            role: from_word(self.role, "attendance.role")?,
            identity: from_word(self.identity, "attendance.identity")?,
            invite: self
                .invite
                .map(|invite| parse(&invite, "attendance.invite"))
                .transpose()?,
            stays: from_json(&self.stays, "attendance.stays")?,
            talk_ms: number(self.talk_ms, "attendance.talk_ms")?,
            visits: number(self.visits, "attendance.visits")?,
        })
    }
}

/// Writes who was in a session.
pub(super) async fn save_attendance(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    attendance: &AttendanceRecord,
) -> Result<(), StoreError> {
    let session = attendance.session.to_string();
    let row = standing_row(&session, &attendance.device.0);
    let name = attendance.name.as_str().as_bytes();
    sqlx::query(
        "INSERT OR REPLACE INTO attendance
             (session, device, participant, name, role, identity, invite, stays, talk_ms, visits)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(&session)
    .bind(attendance.device.0.as_slice())
    .bind(attendance.participant.to_string())
    .bind(sealer.seal(place(("attendance", &row, "name")), name)?)
    .bind(word(&attendance.role))
    .bind(word(&attendance.identity))
    .bind(attendance.invite.map(|invite| invite.to_string()))
    .bind(json(&attendance.stays)?)
    .bind(i64::try_from(attendance.talk_ms).unwrap_or(i64::MAX))
    .bind(attendance.visits)
    .execute(db)
    .await?;
    Ok(())
}

/// Which of the sessions that go on.
#[derive(Clone, Copy)]
pub(crate) enum Lasting<'a> {
    All,
    /// Those of a room.
    Of(RoomId),
    /// Those of a room that began no later than another one of it.
    Before(RoomId, &'a SessionRecord),
}

impl Lasting<'_> {
    async fn find(self, db: &mut SqliteConnection) -> Result<Vec<SessionRow>, StoreError> {
        let mut select: QueryBuilder<Sqlite> = QueryBuilder::new(SELECT);
        select.push("WHERE ended_at IS NULL");
        if let Lasting::Of(room) | Lasting::Before(room, _) = self {
            select.push(" AND room = ").push_bind(room.to_string());
        }
        if let Lasting::Before(_, session) = self {
            select
                .push(" AND started_at <= ")
                .push_bind(ms(session.started_at))
                .push(" AND id <> ")
                .push_bind(session.id.to_string());
        }
        select.push(" ORDER BY id");
        Ok(select.build_query_as().fetch_all(db).await?)
    }
}

/// Ends sessions that go on, and the stays in them; returns them as they are then.
pub(crate) async fn end_open(
    db: &mut SqliteConnection,
    lasting: Lasting<'_>,
    at: Timestamp,
    reason: EndReason,
) -> Result<Vec<KeptSession>, StoreError> {
    let open = lasting.find(db).await?;
    let mut ended = Vec::new();
    for mut row in open {
        end_stays(db, &row.id, at).await?;
        sqlx::query("UPDATE session SET ended_at = max(?2, started_at), ended = ?3 WHERE id = ?1")
            .bind(&row.id)
            .bind(ms(at))
            .bind(word(&reason))
            .execute(&mut *db)
            .await?;
        row.ended_at = Some(ms(at).max(row.started_at));
        row.ended = Some(word(&reason));
        match row.read() {
            Ok(session) => ended.push(session),
            Err(error) => tracing::error!(%error, "a damaged session is ended unseen"),
        }
    }
    Ok(ended)
}

async fn end_stays(
    db: &mut SqliteConnection,
    session: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<(Vec<u8>, String)> =
        sqlx::query_as("SELECT device, stays FROM attendance WHERE session = ?1")
            .bind(session)
            .fetch_all(&mut *db)
            .await?;
    for (device, stays) in rows {
        // What is damaged is found by whoever reads it.
        let Ok(mut stays) = serde_json::from_str::<Vec<Stay>>(&stays) else {
            continue;
        };
        let Some(last) = stays.last_mut().filter(|stay| stay.to.is_none()) else {
            continue;
        };
        last.to = Some(at.max(last.from));
        sqlx::query("UPDATE attendance SET stays = ?3 WHERE session = ?1 AND device = ?2")
            .bind(session)
            .bind(device)
            .bind(json(&stays)?)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

pub(crate) async fn find(
    db: &mut SqliteConnection,
    query: &SessionQuery,
) -> Result<Vec<KeptSession>, StoreError> {
    let mut select: QueryBuilder<Sqlite> = QueryBuilder::new(SELECT);
    push_filter(&mut select, query)?;
    if let Some(after) = query.after {
        select
            .push(query.order.after(" AND id"))
            .push_bind(after.to_string());
    }
    select
        .push(query.order.by(" ORDER BY id"))
        .push(" LIMIT ")
        .push_bind(query.limit);
    let rows: Vec<SessionRow> = select.build_query_as().fetch_all(db).await?;
    rows.into_iter().map(SessionRow::read).collect()
}

/// Returns how many there are, wherever a page begins and ends.
pub(crate) async fn count(
    db: &mut SqliteConnection,
    query: &SessionQuery,
) -> Result<u64, StoreError> {
    let mut select: QueryBuilder<Sqlite> = QueryBuilder::new("SELECT count(*) FROM session ");
    push_filter(&mut select, query)?;
    let count: i64 = select.build_query_scalar().fetch_one(db).await?;
    number(count, "session")
}

/// Says which sessions are wanted, apart from the page.
fn push_filter(select: &mut QueryBuilder<Sqlite>, query: &SessionQuery) -> Result<(), StoreError> {
    select.push("WHERE TRUE");
    match query.live {
        None => {}
        Some(true) => drop(select.push(" AND ended_at IS NULL")),
        Some(false) => drop(select.push(" AND ended_at IS NOT NULL")),
    }
    if let Some(rooms) = &query.rooms {
        let rooms = json(rooms)?;
        select
            .push(" AND room IN (SELECT value FROM json_each(")
            .push_bind(rooms)
            .push("))");
    }
    if let Some(from) = query.from {
        select.push(" AND started_at >= ").push_bind(ms(from));
    }
    if let Some(to) = query.to {
        select.push(" AND started_at < ").push_bind(ms(to));
    }
    Ok(())
}

pub(crate) async fn one(
    db: &mut SqliteConnection,
    id: SessionId,
) -> Result<Option<KeptSession>, StoreError> {
    let row: Option<SessionRow> = sqlx::query_as(AssertSqlSafe(format!("{SELECT} WHERE id = ?1")))
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.map(SessionRow::read).transpose()
}

/// Returns who was in a session, in the order in which they came first.
pub(crate) async fn attendance(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    session: SessionId,
) -> Result<Vec<AttendanceRecord>, StoreError> {
    let rows: Vec<AttendanceRow> = sqlx::query_as("SELECT * FROM attendance WHERE session = ?1")
        .bind(session.to_string())
        .fetch_all(db)
        .await?;
    let records = rows.into_iter().map(|row| row.read(sealer));
    let mut records = records.collect::<Result<Vec<_>, _>>()?;
    records.sort_by_key(|record| {
        let came = record.stays.first().map(|stay| stay.from);
        (came, record.participant)
    });
    Ok(records)
}

/// Deletes a portion of the sessions that ended until a time, with who was in them: those first.
pub(super) async fn purge(
    db: &mut SqliteConnection,
    until_ms: i64,
    portion: Portion,
    swept: &mut Swept,
) -> Result<(), StoreError> {
    let attended = delete(
        db,
        "DELETE FROM attendance WHERE (session, device) IN (
             SELECT attendance.session, attendance.device
             FROM session JOIN attendance ON attendance.session = session.id
             WHERE session.ended_at <= ?1 ORDER BY session.ended_at LIMIT ?2)",
        until_ms,
        portion,
    )
    .await?;
    swept.count(portion, attended);
    let sessions = delete(
        db,
        "DELETE FROM session WHERE id IN (
             SELECT id FROM session
             WHERE ended_at <= ?1
               AND NOT EXISTS (SELECT 1 FROM attendance WHERE attendance.session = session.id)
             ORDER BY ended_at LIMIT ?2)",
        until_ms,
        portion,
    )
    .await?;
    swept.purged.sessions = swept.count(portion, sessions);
    Ok(())
}

/// Deletes who was in sessions that nobody knows of: their beginning could not be kept, nor their
/// end. To be called when none goes on.
pub(crate) async fn forget_strays(db: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM attendance
         WHERE NOT EXISTS (SELECT 1 FROM session WHERE session.id = attendance.session)",
    )
    .execute(db)
    .await?;
    Ok(())
}

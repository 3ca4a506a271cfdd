//! Rooms and what belongs to them: how they are read.

use conclave_signalling_core::digest::{DeviceHash, InviteHash, NetworkTag};
use conclave_signalling_core::record::{Actor, Ban, Invite, RoomRecord, Standing};
use conclave_signalling_core::settings::{PasswordHash, Settings};
use conclave_signalling_wire::ids::{BanId, RoomId};
use conclave_signalling_wire::text::{DisplayName, RoleName, Slug};
use conclave_signalling_wire::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, QueryBuilder, Row, Sqlite, SqliteConnection};
use tracing::error;

use super::DirectoryEntry;
use super::chat;
use super::rooms::{At, place, standing_row};
use super::values::{
    bytes, damaged, from_devices, from_json, from_settings, from_word, json, ms, number, parse,
    readable, time,
};
use crate::bans::BanQuery;
use crate::error::StoreError;
use crate::seal::Sealer;

#[derive(FromRow)]
struct RoomRow {
    id: String,
    slug: String,
    settings: String,
    password: Option<Vec<u8>>,
}

impl RoomRow {
    fn settings(self, sealer: &Sealer) -> Result<Settings, StoreError> {
        let password = open(sealer, ("room", &self.id, "password"), self.password)?;
        from_settings(&self.settings, password.map(PasswordHash))
    }
}

fn names(id: &str, slug: &str) -> Result<(RoomId, Slug), StoreError> {
    let slug = Slug::new(slug).map_err(|_| damaged("room.slug"))?;
    Ok((parse(id, "room.id")?, slug))
}

/// Returns all rooms by their slugs. One that is damaged keeps nobody from the others.
pub(crate) async fn directory(
    db: &mut SqliteConnection,
    sealer: &Sealer,
) -> Result<Vec<DirectoryEntry>, StoreError> {
    let rows = sqlx::query("SELECT id, slug, settings, password FROM room ORDER BY slug")
        .fetch_all(db)
        .await?;
    let entries = rows.iter().filter_map(|row| entry(row, sealer));
    Ok(entries.collect())
}

/// Reads a room as far as it can be read; `None` if not even its names can.
fn entry(row: &SqliteRow, sealer: &Sealer) -> Option<DirectoryEntry> {
    let text = |column| -> String { row.try_get(column).unwrap_or_default() };
    let (id, slug) = (text("id"), text("slug"));
    let (id, slug) = match names(&id, &slug) {
        Ok(names) => names,
        Err(error) => {
            error!(?id, ?slug, %error, "a damaged room is left out");
            return None;
        }
    };
    let whole = RoomRow::from_row(row).map_err(StoreError::from);
    let settings = match whole.and_then(|row| row.settings(sealer)) {
        Ok(settings) => Some(settings),
        Err(error) => {
            error!(room = %id, slug = %slug, %error, "a room is damaged: nobody enters it");
            None
        }
    };
    Some(DirectoryEntry { id, slug, settings })
}

/// Returns a room whole, with the messages that are kept at `now`. Needs a transaction, or it may
/// be torn.
pub(crate) async fn room(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    id: RoomId,
    now: Timestamp,
) -> Result<Option<RoomRecord>, StoreError> {
    let row: Option<RoomRow> =
        sqlx::query_as("SELECT id, slug, settings, password FROM room WHERE id = ?1")
            .bind(id.to_string())
            .fetch_optional(&mut *db)
            .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let key = row.id.clone();
    let (id, slug) = names(&row.id, &row.slug)?;
    Ok(Some(RoomRecord {
        id,
        slug,
        settings: row.settings(sealer)?,
        invites: invites(db, sealer, &key).await?,
        bans: bans(db, sealer, &key).await?,
        standings: standings(db, sealer, &key).await?,
        chat: chat::newest(db, sealer, &key, now).await?,
    }))
}

#[derive(FromRow)]
struct InviteRow {
    id: String,
    hash: Vec<u8>,
    role: String,
    custom_role: Option<String>,
    name: Option<Vec<u8>>,
    name_locked: bool,
    max_uses: Option<i64>,
    devices: Vec<u8>,
    uses: i64,
    not_before: Option<i64>,
    expires_at: Option<i64>,
    bypass_lobby: bool,
    bind_device: bool,
    note: Option<Vec<u8>>,
    created_by: String,
    maker: Option<Vec<u8>>,
    vouched: bool,
    created_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl InviteRow {
    fn read(self, sealer: &Sealer) -> Result<Invite, StoreError> {
        let name = open(sealer, ("invite", &self.id, "name"), self.name)?;
        Ok(Invite {
            id: parse(&self.id, "invite.id")?,
            hash: InviteHash(bytes(&self.hash, "invite.hash")?),
            role: from_word(self.role, "invite.role")?,
            custom_role: role_name(self.custom_role)?,
            name: name
                .map(|name| DisplayName::new(&name).map_err(|_| damaged("invite.name")))
                .transpose()?,
            name_locked: self.name_locked,
            max_uses: self
                .max_uses
                .map(|uses| number(uses, "invite.max_uses"))
                .transpose()?,
            devices: from_devices(&self.devices)?,
            uses: number(self.uses, "invite.uses")?,
            not_before: self.not_before.map(time),
            expires_at: self.expires_at.map(time),
            bypass_lobby: self.bypass_lobby,
            bind_device: self.bind_device,
            note: open(sealer, ("invite", &self.id, "note"), self.note)?,
            created_by: from_json(&self.created_by, "invite.created_by")?,
            maker: self
                .maker
                .map(|device| bytes(&device, "invite.maker").map(DeviceHash))
                .transpose()?,
            vouched: self.vouched,
            created_at: time(self.created_at),
            last_used_at: self.last_used_at.map(time),
            revoked_at: self.revoked_at.map(time),
        })
    }
}

async fn invites(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
) -> Result<Vec<Invite>, StoreError> {
    let rows: Vec<InviteRow> = sqlx::query_as("SELECT * FROM invite WHERE room = ?1 ORDER BY id")
        .bind(room)
        .fetch_all(db)
        .await?;
    rows.into_iter().map(|row| row.read(sealer)).collect()
}

/// Returns whether a room has an invite with this secret, over or not. Costs the
/// same whether there is a room or not: one look into one index.
pub(crate) async fn has_invite(
    db: &mut SqliteConnection,
    room: Option<RoomId>,
    hash: &InviteHash,
) -> Result<bool, StoreError> {
    let room = room.map(|room| room.to_string()).unwrap_or_default();
    let there =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM invite WHERE room = ?1 AND hash = ?2)")
            .bind(room)
            .bind(hash.0.as_slice())
            .fetch_one(db)
            .await?;
    Ok(there)
}

/// Returns the rooms in which a maker has an invite that was not taken back.
pub(crate) async fn rooms_with_invites_by(
    db: &mut SqliteConnection,
    maker: Actor,
) -> Result<Vec<RoomId>, StoreError> {
    let rooms: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT room FROM invite WHERE created_by = ?1 AND revoked_at IS NULL",
    )
    .bind(json(&maker)?)
    .fetch_all(db)
    .await?;
    let rooms = rooms.iter();
    rooms.map(|room| parse(room, "invite.room")).collect()
}

#[derive(FromRow)]
struct BanRow {
    id: String,
    invite: Option<String>,
    device: Option<Vec<u8>>,
    network_key: Option<i64>,
    network_tag: Option<Vec<u8>>,
    network_until: i64,
    strict: bool,
    name: Option<Vec<u8>>,
    reason: Option<Vec<u8>>,
    created_by: String,
    created_at: i64,
    expires_at: i64,
}

impl BanRow {
    fn read(self, sealer: &Sealer) -> Result<Ban, StoreError> {
        let network = network(self.network_key, self.network_tag, "ban.network")?;
        Ok(Ban {
            id: parse(&self.id, "ban.id")?,
            invite: self
                .invite
                .map(|invite| parse(&invite, "ban.invite"))
                .transpose()?,
            device: self
                .device
                .map(|device| bytes(&device, "ban.device").map(DeviceHash))
                .transpose()?,
            network,
            network_until: time(self.network_until),
            strict: self.strict,
            name: open(sealer, ("ban", &self.id, "name"), self.name)?,
            reason: open(sealer, ("ban", &self.id, "reason"), self.reason)?,
            by: from_json(&self.created_by, "ban.created_by")?,
            created_at: time(self.created_at),
            expires_at: time(self.expires_at),
        })
    }
}

async fn bans(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
) -> Result<Vec<Ban>, StoreError> {
    let rows: Vec<BanRow> = sqlx::query_as("SELECT * FROM ban WHERE room = ?1 ORDER BY id")
        .bind(room)
        .fetch_all(db)
        .await?;
    rows.into_iter().map(|row| row.read(sealer)).collect()
}

#[derive(FromRow)]
struct BanOfRoomRow {
    room: String,
    #[sqlx(flatten)]
    ban: BanRow,
}

/// Returns bans that hold, of several rooms.
pub(crate) async fn bans_that_hold(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    query: &BanQuery,
) -> Result<Vec<(RoomId, Ban)>, StoreError> {
    let mut select = those_that_hold("SELECT *", query)?;
    if let Some(after) = query.after {
        select
            .push(query.order.after(" AND id"))
            .push_bind(after.to_string());
    }
    select
        .push(query.order.by(" ORDER BY id"))
        .push(" LIMIT ")
        .push_bind(query.limit);
    let rows: Vec<BanOfRoomRow> = select.build_query_as().fetch_all(db).await?;
    let read = |row: BanOfRoomRow| Ok((parse(&row.room, "ban.room")?, row.ban.read(sealer)?));
    Ok(readable("ban", rows, |row| &row.ban.id, read))
}

/// Returns how many bans hold, wherever the page begins.
pub(crate) async fn count_bans(
    db: &mut SqliteConnection,
    query: &BanQuery,
) -> Result<u64, StoreError> {
    let mut select = those_that_hold("SELECT count(*)", query)?;
    let count: i64 = select.build_query_scalar().fetch_one(db).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn those_that_hold(select: &str, query: &BanQuery) -> Result<QueryBuilder<Sqlite>, StoreError> {
    let mut select: QueryBuilder<Sqlite> = QueryBuilder::new(select);
    select
        .push(" FROM ban WHERE expires_at > ")
        .push_bind(ms(query.now));
    if let Some(rooms) = &query.rooms {
        select
            .push(" AND room IN (SELECT value FROM json_each(")
            .push_bind(json(rooms)?)
            .push("))");
    }
    Ok(select)
}

/// Returns the room of a ban.
pub(crate) async fn room_of_ban(
    db: &mut SqliteConnection,
    ban: BanId,
) -> Result<Option<RoomId>, StoreError> {
    let room: Option<String> = sqlx::query_scalar("SELECT room FROM ban WHERE id = ?1")
        .bind(ban.to_string())
        .fetch_optional(db)
        .await?;
    room.map(|room| parse(&room, "ban.room")).transpose()
}

#[derive(FromRow)]
struct StandingRow {
    device: Vec<u8>,
    role: Option<String>,
    custom_role: Option<String>,
    overrides: String,
    admitted: bool,
    removals: i64,
    left_at: Option<i64>,
    name: Option<Vec<u8>>,
    sent_back: bool,
    invite: Option<String>,
    network_key: Option<i64>,
    network_tag: Option<Vec<u8>>,
}

impl StandingRow {
    fn read(self, sealer: &Sealer, room: &str) -> Result<Standing, StoreError> {
        let row = standing_row(room, &self.device);
        let name = open(sealer, ("standing", &row, "name"), self.name)?;
        Ok(Standing {
            device: DeviceHash(bytes(&self.device, "standing.device")?),
            role: self
                .role
                .map(|role| from_word(role, "standing.role"))
                .transpose()?,
            custom_role: role_name(self.custom_role)?,
            overrides: from_json(&self.overrides, "standing.overrides")?,
            admitted: self.admitted,
            name: name
                .map(|name| DisplayName::new(&name).map_err(|_| damaged("standing.name")))
                .transpose()?,
            removals: number(self.removals, "standing.removals")?,
            sent_back: self.sent_back,
            invite: self
                .invite
                .map(|invite| parse(&invite, "standing.invite"))
                .transpose()?,
            network: network(self.network_key, self.network_tag, "standing.network")?,
            left_at: self.left_at.map(time),
        })
    }
}

async fn standings(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
) -> Result<Vec<Standing>, StoreError> {
    let rows: Vec<StandingRow> =
        sqlx::query_as("SELECT * FROM standing WHERE room = ?1 ORDER BY device")
            .bind(room)
            .fetch_all(db)
            .await?;
    rows.into_iter().map(|row| row.read(sealer, room)).collect()
}

pub(crate) async fn config_digest(
    db: &mut SqliteConnection,
    slug: &Slug,
) -> Result<Option<String>, StoreError> {
    let digest: Option<Option<String>> =
        sqlx::query_scalar("SELECT config_digest FROM room WHERE slug = ?1")
            .bind(slug.as_str())
            .fetch_optional(db)
            .await?;
    Ok(digest.flatten())
}

fn network(
    key: Option<i64>,
    tag: Option<Vec<u8>>,
    field: &'static str,
) -> Result<Option<NetworkTag>, StoreError> {
    let (Some(key), Some(tag)) = (key, tag) else {
        return Ok(None);
    };
    Ok(Some(NetworkTag {
        key: number(key, field)?,
        tag: bytes(&tag, field)?,
    }))
}

fn role_name(name: Option<String>) -> Result<Option<RoleName>, StoreError> {
    name.map(|name| RoleName::new(&name).map_err(|_| damaged("custom_role")))
        .transpose()
}

fn open(
    sealer: &Sealer,
    at: At<'_>,
    sealed: Option<Vec<u8>>,
) -> Result<Option<String>, StoreError> {
    sealed
        .map(|sealed| sealer.open_text(place(at), &sealed))
        .transpose()
}

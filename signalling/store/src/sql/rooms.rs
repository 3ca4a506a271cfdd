//! Rooms and what belongs to them: how they are written.

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::record::{Ban, Change, Invite, Standing};
use conclave_signalling_core::settings::Settings;
use conclave_signalling_wire::ids::{BanId, InviteId, RoomId};
use conclave_signalling_wire::text::{DisplayName, RoleName};
use sqlx::SqliteConnection;

use super::NewRoom;
use super::values::{devices, json, ms, settings as settings_json, word};
use super::{chat, sessions};
use crate::error::StoreError;
use crate::seal::{Place, Sealer};

/// # Errors
/// [`StoreError::SlugTaken`], [`StoreError::AlreadyThere`].
pub(crate) async fn create(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &NewRoom,
) -> Result<(), StoreError> {
    let taken: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM room WHERE slug = ?1)")
        .bind(room.slug.as_str())
        .fetch_one(&mut *db)
        .await?;
    if taken {
        return Err(StoreError::SlugTaken);
    }
    let id = room.id.to_string();
    sqlx::query(
        "INSERT INTO room (id, slug, settings, password, config_digest, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(&id)
    .bind(room.slug.as_str())
    .bind(settings_json(&room.settings)?)
    .bind(sealed_password(sealer, &id, &room.settings)?)
    .bind(&room.config_digest)
    .bind(ms(room.created_at))
    .execute(&mut *db)
    .await?;
    for invite in &room.invites {
        save_invite(db, sealer, &id, invite).await?;
    }
    Ok(())
}

/// Deletes a room with all that belongs to it.
///
/// # Errors
/// [`StoreError::UnknownRoom`].
pub(crate) async fn delete(db: &mut SqliteConnection, room: RoomId) -> Result<(), StoreError> {
    let deleted = sqlx::query("DELETE FROM room WHERE id = ?1")
        .bind(room.to_string())
        .execute(db)
        .await?;
    found(deleted.rows_affected())
}

pub(crate) async fn set_config_digest(
    db: &mut SqliteConnection,
    room: RoomId,
    digest: &str,
) -> Result<(), StoreError> {
    let updated = sqlx::query("UPDATE room SET config_digest = ?2 WHERE id = ?1")
        .bind(room.to_string())
        .bind(digest)
        .execute(db)
        .await?;
    found(updated.rows_affected())
}

/// Returns [`StoreError::UnknownRoom`] unless it is there: what deletes would not notice.
pub(crate) async fn require(db: &mut SqliteConnection, room: RoomId) -> Result<(), StoreError> {
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM room WHERE id = ?1)")
        .bind(room.to_string())
        .fetch_one(db)
        .await?;
    found(u64::from(there))
}

/// Returns the name of a room in links, as it is written.
pub(crate) async fn slug(
    db: &mut SqliteConnection,
    room: RoomId,
) -> Result<Option<String>, StoreError> {
    let slug = sqlx::query_scalar("SELECT slug FROM room WHERE id = ?1")
        .bind(room.to_string())
        .fetch_optional(db)
        .await?;
    Ok(slug)
}

fn found(rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        Err(StoreError::UnknownRoom)
    } else {
        Ok(())
    }
}

/// Makes one change; those of the audit log and events are not for here.
pub(crate) async fn apply(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: RoomId,
    change: &Change,
) -> Result<(), StoreError> {
    let room = room.to_string();
    match change {
        Change::Settings(settings) => save_settings(db, sealer, &room, settings).await,
        Change::Invite(invite) => save_invite(db, sealer, &room, invite).await,
        Change::InviteGone(invite) => drop_invite(db, &room, *invite).await,
        Change::Ban(ban) => save_ban(db, sealer, &room, ban).await,
        Change::BanLifted(ban) => lift_ban(db, &room, *ban).await,
        Change::Standing(standing) => save_standing(db, sealer, &room, standing).await,
        Change::StandingGone(device) => drop_standing(db, &room, *device).await,
        Change::Chat(record) => chat::save(db, sealer, &room, record).await,
        Change::ChatGone { session, up_to } => chat::forget(db, &room, *session, *up_to).await,
        Change::Session(session) => sessions::save(db, &room, session).await,
        Change::Attended(attendance) => sessions::save_attendance(db, sealer, attendance).await,
        Change::Audit(_) | Change::Event(_) => Ok(()),
    }
}

async fn save_settings(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
    settings: &Settings,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE room SET settings = ?2, password = ?3 WHERE id = ?1")
        .bind(room)
        .bind(settings_json(settings)?)
        .bind(sealed_password(sealer, room, settings)?)
        .execute(db)
        .await?;
    Ok(())
}

fn sealed_password(
    sealer: &Sealer,
    room: &str,
    settings: &Settings,
) -> Result<Option<Vec<u8>>, StoreError> {
    let password = settings.password.as_ref().map(|hash| hash.0.as_str());
    seal(sealer, ("room", room, "password"), password)
}

async fn save_invite(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
    invite: &Invite,
) -> Result<(), StoreError> {
    let id = invite.id.to_string();
    let name = invite.name.as_ref().map(DisplayName::as_str);
    sqlx::query(
        "INSERT INTO invite (id, room, hash, role, custom_role, name, name_locked, max_uses,
             devices, uses, not_before, expires_at, bypass_lobby, bind_device, note, created_by,
             created_at, last_used_at, revoked_at, maker, vouched)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
             ?20, ?21)
         ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, role = excluded.role,
             custom_role = excluded.custom_role, name = excluded.name,
             name_locked = excluded.name_locked, max_uses = excluded.max_uses,
             devices = excluded.devices, uses = excluded.uses, not_before = excluded.not_before,
             expires_at = excluded.expires_at, bypass_lobby = excluded.bypass_lobby,
             bind_device = excluded.bind_device, note = excluded.note,
             created_by = excluded.created_by, created_at = excluded.created_at,
             last_used_at = excluded.last_used_at, revoked_at = excluded.revoked_at,
             maker = excluded.maker, vouched = excluded.vouched
         WHERE room = excluded.room",
    )
    .bind(&id)
    .bind(room)
    .bind(invite.hash.0.as_slice())
    .bind(word(&invite.role))
    .bind(invite.custom_role.as_ref().map(RoleName::as_str))
    .bind(seal(sealer, ("invite", &id, "name"), name)?)
    .bind(invite.name_locked)
    .bind(invite.max_uses)
    .bind(devices(&invite.devices))
    .bind(invite.uses)
    .bind(invite.not_before.map(ms))
    .bind(invite.expires_at.map(ms))
    .bind(invite.bypass_lobby)
    .bind(invite.bind_device)
    .bind(seal(sealer, ("invite", &id, "note"), invite.note.as_deref())?)
    .bind(json(&invite.created_by)?)
    .bind(ms(invite.created_at))
    .bind(invite.last_used_at.map(ms))
    .bind(invite.revoked_at.map(ms))
    .bind(invite.maker.as_ref().map(|device| device.0.as_slice()))
    .bind(invite.vouched)
    .execute(db)
    .await
    .map_err(StoreError::from)
    .and_then(|saved| mine(saved.rows_affected()))
}

async fn drop_invite(
    db: &mut SqliteConnection,
    room: &str,
    invite: InviteId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM invite WHERE id = ?1 AND room = ?2")
        .bind(invite.to_string())
        .bind(room)
        .execute(db)
        .await?;
    Ok(())
}

async fn save_ban(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
    ban: &Ban,
) -> Result<(), StoreError> {
    let id = ban.id.to_string();
    sqlx::query(
        "INSERT INTO ban (id, room, invite, device, network_key, network_tag, network_until,
             strict, name, reason, created_by, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (id) DO UPDATE SET invite = excluded.invite, device = excluded.device,
             network_key = excluded.network_key, network_tag = excluded.network_tag,
             network_until = excluded.network_until, strict = excluded.strict,
             name = excluded.name, reason = excluded.reason, created_by = excluded.created_by,
             created_at = excluded.created_at, expires_at = excluded.expires_at
         WHERE room = excluded.room",
    )
    .bind(&id)
    .bind(room)
    .bind(ban.invite.map(|invite| invite.to_string()))
    .bind(ban.device.as_ref().map(|device| device.0.as_slice()))
    .bind(ban.network.map(|network| network.key))
    .bind(ban.network.as_ref().map(|network| network.tag.as_slice()))
    .bind(ms(ban.network_until))
    .bind(ban.strict)
    .bind(seal(sealer, ("ban", &id, "name"), ban.name.as_deref())?)
    .bind(seal(sealer, ("ban", &id, "reason"), ban.reason.as_deref())?)
    .bind(json(&ban.by)?)
    .bind(ms(ban.created_at))
    .bind(ms(ban.expires_at))
    .execute(db)
    .await
    .map_err(StoreError::from)
    .and_then(|saved| mine(saved.rows_affected()))
}

/// An identifier that another room has already changes nothing there.
pub(super) fn mine(rows: u64) -> Result<(), StoreError> {
    if rows == 0 {
        Err(StoreError::AlreadyThere)
    } else {
        Ok(())
    }
}

async fn lift_ban(db: &mut SqliteConnection, room: &str, ban: BanId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM ban WHERE id = ?1 AND room = ?2")
        .bind(ban.to_string())
        .bind(room)
        .execute(db)
        .await?;
    Ok(())
}

async fn save_standing(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    room: &str,
    standing: &Standing,
) -> Result<(), StoreError> {
    let row = standing_row(room, &standing.device.0);
    let name = standing.name.as_ref().map(DisplayName::as_str);
    sqlx::query(
        "INSERT OR REPLACE INTO standing
             (room, device, role, custom_role, overrides, admitted, removals, left_at, name,
              sent_back, invite, network_key, network_tag)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )
    .bind(room)
    .bind(standing.device.0.as_slice())
    .bind(standing.role.as_ref().map(word))
    .bind(standing.custom_role.as_ref().map(RoleName::as_str))
    .bind(json(&standing.overrides)?)
    .bind(standing.admitted)
    .bind(standing.removals)
    .bind(standing.left_at.map(ms))
    .bind(seal(sealer, ("standing", &row, "name"), name)?)
    .bind(standing.sent_back)
    .bind(standing.invite.map(|invite| invite.to_string()))
    .bind(standing.network.map(|network| network.key))
    .bind(standing.network.map(|network| network.tag.to_vec()))
    .execute(db)
    .await?;
    Ok(())
}

async fn drop_standing(
    db: &mut SqliteConnection,
    room: &str,
    device: DeviceHash,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM standing WHERE room = ?1 AND device = ?2")
        .bind(room)
        .bind(device.0.as_slice())
        .execute(db)
        .await?;
    Ok(())
}

/// Names the row of a standing, whose key is made of two columns.
pub(super) fn standing_row(room: &str, device: &[u8]) -> String {
    let mut row = format!("{room}/");
    for byte in device {
        row.push_str(&format!("{byte:02x}"));
    }
    row
}

/// Table, row and column of a sealed field.
pub(super) type At<'a> = (&'static str, &'a str, &'static str);

pub(super) fn place((table, row, column): At<'_>) -> Place<'_> {
    Place { table, row, column }
}

fn seal(sealer: &Sealer, at: At<'_>, text: Option<&str>) -> Result<Option<Vec<u8>>, StoreError> {
    text.map(|text| sealer.seal(place(at), text.as_bytes()))
        .transpose()
}

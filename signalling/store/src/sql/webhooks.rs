//! The table of webhooks.

use conclave_server_core::webhook::record::{SigningSecret, WebhookRecord};
use conclave_signalling_wire::ids::WebhookId;
use sqlx::{FromRow, SqliteConnection};
use zeroize::Zeroizing;

use super::rooms::place;
use super::values::{
    bytes, check_rev, former, from_json, from_json_if, json, ms, number, parse, readable, time,
};
use crate::error::StoreError;
use crate::seal::Sealer;

const COLUMNS: &str = "id, url, description, events, rooms, include_pii, enabled, secret,
    former_secret, former_until, created_by, created_at, rev";

#[derive(FromRow)]
struct WebhookRow {
    id: String,
    url: Vec<u8>,
    description: Vec<u8>,
    events: String,
    rooms: Option<String>,
    include_pii: bool,
    enabled: bool,
    secret: Vec<u8>,
    former_secret: Option<Vec<u8>>,
    former_until: Option<i64>,
    created_by: String,
    created_at: i64,
    rev: i64,
}

impl WebhookRow {
    fn read(self, sealer: &Sealer) -> Result<WebhookRecord, StoreError> {
        let text =
            |column, sealed: &[u8]| sealer.open_text(place(("webhook", &self.id, column)), sealed);
        let secret = |column, sealed: &[u8]| {
            let opened = sealer.open(place(("webhook", &self.id, column)), sealed)?;
            let opened = Zeroizing::new(opened);
            Ok::<_, StoreError>(SigningSecret(bytes(&opened, "webhook.secret")?))
        };
        let former_secret = self.former_secret.as_deref();
        let former = former(former_secret, self.former_until, |sealed| {
            secret("former_secret", sealed)
        })?;
        Ok(WebhookRecord {
            id: parse(&self.id, "webhook.id")?,
            url: text("url", &self.url)?,
            description: text("description", &self.description)?,
            events: from_json(&self.events, "webhook.events")?,
            rooms: from_json_if(self.rooms.as_deref(), "webhook.rooms")?,
            include_pii: self.include_pii,
            enabled: self.enabled,
            secret: secret("secret", &self.secret)?,
            former,
            created_by: from_json(&self.created_by, "webhook.created_by")?,
            created_at: time(self.created_at),
            rev: number(self.rev, "webhook.rev")?,
        })
    }
}

/// Returns all webhooks, the oldest first.
pub(crate) async fn all(
    db: &mut SqliteConnection,
    sealer: &Sealer,
) -> Result<Vec<WebhookRecord>, StoreError> {
    let select = format!("SELECT {COLUMNS} FROM webhook ORDER BY id");
    let rows: Vec<WebhookRow> = sqlx::query_as(sqlx::AssertSqlSafe(select))
        .fetch_all(db)
        .await?;
    let read = |row: WebhookRow| row.read(sealer);
    Ok(readable("webhook", rows, |row| &row.id, read))
}

pub(crate) async fn one(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    id: WebhookId,
) -> Result<Option<WebhookRecord>, StoreError> {
    let select = format!("SELECT {COLUMNS} FROM webhook WHERE id = ?1");
    let row: Option<WebhookRow> = sqlx::query_as(sqlx::AssertSqlSafe(select))
        .bind(id.to_string())
        .fetch_optional(db)
        .await?;
    row.map(|row| row.read(sealer)).transpose()
}

pub(crate) async fn put(
    db: &mut SqliteConnection,
    sealer: &Sealer,
    webhook: &WebhookRecord,
    expected_rev: Option<u32>,
) -> Result<(), StoreError> {
    let id = webhook.id.to_string();
    let rev = sqlx::query_scalar("SELECT rev FROM webhook WHERE id = ?1")
        .bind(&id)
        .fetch_optional(&mut *db)
        .await?;
    check_rev(rev, expected_rev)?;
    let seal = |column, plain: &[u8]| sealer.seal(place(("webhook", &id, column)), plain);
    let former = webhook.former.as_ref();
    sqlx::query(
        "INSERT INTO webhook (id, url, description, events, rooms, include_pii, enabled, secret,
             former_secret, former_until, created_by, created_at, rev)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (id) DO UPDATE SET url = excluded.url, description = excluded.description,
             events = excluded.events, rooms = excluded.rooms,
             include_pii = excluded.include_pii, enabled = excluded.enabled,
             secret = excluded.secret, former_secret = excluded.former_secret,
             former_until = excluded.former_until, created_by = excluded.created_by,
             created_at = excluded.created_at, rev = excluded.rev",
    )
    .bind(&id)
    .bind(seal("url", webhook.url.as_bytes())?)
    .bind(seal("description", webhook.description.as_bytes())?)
    .bind(json(&webhook.events)?)
    .bind(webhook.rooms.as_ref().map(json).transpose()?)
    .bind(webhook.include_pii)
    .bind(webhook.enabled)
    .bind(seal("secret", &webhook.secret.0)?)
    .bind(
        former
            .map(|(secret, _)| seal("former_secret", &secret.0))
            .transpose()?,
    )
    .bind(former.map(|(_, until)| ms(*until)))
    .bind(json(&webhook.created_by)?)
    .bind(ms(webhook.created_at))
    .bind(webhook.rev)
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes a webhook with its deliveries.
///
/// # Errors
/// [`StoreError::NotFound`].
pub(crate) async fn delete(db: &mut SqliteConnection, id: WebhookId) -> Result<(), StoreError> {
    let deleted = sqlx::query("DELETE FROM webhook WHERE id = ?1")
        .bind(id.to_string())
        .execute(db)
        .await?;
    if deleted.rows_affected() == 0 {
        return Err(StoreError::NotFound);
    }
    Ok(())
}

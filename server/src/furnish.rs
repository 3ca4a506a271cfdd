//! The rooms of the configuration.

use std::collections::BTreeSet;

use anyhow::Context;
use conclave_signalling_core::record::Actor;
use conclave_signalling_node::{ConfiguredRoom, Ensured, Rooms};
use conclave_signalling_store::Store;
use conclave_signalling_wire::room::RoomUpdate;
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::Slug;

use crate::config::{Config, ConfigError, Room};
use crate::run::Error;
use crate::storage;

/// Makes the rooms of the configuration as they are there. Returns the secret
/// of the host link that `--dev` prints.
pub(crate) async fn furnish(
    config: &Config,
    store: &Store,
    rooms: &Rooms,
    configured: Vec<(Room, RoomUpdate)>,
) -> Result<Option<InviteSecret>, Error> {
    let damaged = damaged_rooms(store).await?;
    let first = configured.first().map(|(room, _)| room.slug.clone());
    for (room, update) in configured {
        let slug = room.slug.clone();
        if damaged.contains(&slug) {
            tracing::error!(room = %slug, "a room of the configuration is damaged and stays closed until it is deleted");
            continue;
        }
        let digest = storage::digest(&config.storage, &room, &update)?;
        let ensured = rooms.ensure(ConfiguredRoom {
            slug: room.slug,
            preset: room.preset,
            update,
            digest,
        });
        let ensured = ensured.await;
        let ensured = ensured.with_context(|| format!("the room `{slug}` of `rooms`"))?;
        match ensured {
            Ensured::Created(_) => tracing::info!(room = %slug, "made a room of the configuration"),
            Ensured::Changed => tracing::info!(
                room = %slug,
                "the configuration of a room has changed and holds from here on"
            ),
            Ensured::Unchanged => {}
        }
    }
    let Some(first) = first.filter(|first| config.dev && !damaged.contains(first)) else {
        return Ok(None);
    };
    let secret = storage::dev_host_secret(&config.storage.data_dir)?;
    rooms
        .host_invite(&first, secret, Actor::Operator)
        .await
        .context("cannot make the host link")?;
    Ok(Some(secret))
}

/// Returns the rooms that are there and cannot be read.
async fn damaged_rooms(store: &Store) -> anyhow::Result<BTreeSet<Slug>> {
    let directory = store.directory().await.context("cannot read the rooms")?;
    let damaged = directory.into_iter().filter(|room| room.settings.is_none());
    Ok(damaged.map(|room| room.slug).collect())
}

/// Returns the rooms of the configuration with their passwords.
pub(crate) fn configured(config: &Config) -> Result<Vec<(Room, RoomUpdate)>, ConfigError> {
    let rooms = config.rooms.iter();
    rooms
        .map(|room| Ok((room.clone(), storage::with_password(room)?)))
        .collect()
}

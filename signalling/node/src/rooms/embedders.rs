//! Sites that embed meetings, as the operator makes them known while the server runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_core::room::OperatorRequest;
use conclave_signalling_store::{EmbedderRecord, Store, StoreError};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::Slug;
use conclave_signalling_wire::time::Timestamp;
use futures_util::stream::{self, StreamExt};
use tokio::time::{Duration, sleep};

use crate::registry::Registry;
use crate::rooms::orders::unexpected;
use crate::rooms::{Rooms, RoomsError};
use crate::sites::{Embedder, SiteKey, SiteRooms};

/// Sites that may be made known beside those of the configuration: each token looks through them.
const ADDED_MAX: usize = 200;
/// Rooms that are asked at once to send somebody away.
const ROOMS_AT_ONCE: usize = 16;

/// How often a room is asked that cannot be asked at the moment, and after how long again: all of
/// it within the 5 s in which what a site may do ends.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// A site whose tokens are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownEmbedder {
    /// What its tokens say in `kid`.
    pub kid: String,
    /// What they say in `iss`.
    pub issuer: String,
    /// What they say in `aud`.
    pub audience: String,
    /// Its public key.
    pub key: SiteKey,
    /// The highest role that it may give.
    pub max_role: Role,
    /// Which rooms it may open.
    pub rooms: SiteRooms,
    /// Who made it known, and when; `None` for one of the configuration.
    pub added: Option<(Actor, Timestamp)>,
}

/// Returns the sites that are kept, as tokens are judged by them.
pub(crate) async fn added(store: &Store, audience: &str) -> Result<Vec<Embedder>, StoreError> {
    let records = store.embedders().await?.into_iter();
    Ok(records.map(|record| embedder(record, audience)).collect())
}

fn embedder(record: EmbedderRecord, audience: &str) -> Embedder {
    Embedder {
        issuer: record.issuer,
        kid: record.kid,
        key: SiteKey(record.key),
        role: record.max_role,
        rooms: record.rooms.map_or(SiteRooms::All, SiteRooms::These),
        audience: audience.to_owned(),
    }
}

impl Rooms {
    /// Returns the sites whose tokens are good, by their `kid`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn embedders(&self) -> Result<Vec<KnownEmbedder>, StoreError> {
        let registry = &self.registry;
        let configured = registry.sites.configured();
        let mut all: Vec<KnownEmbedder> = configured
            .iter()
            .map(|site| known(site.clone(), None))
            .collect();
        for record in registry.store.embedders().await? {
            if configured.iter().all(|site| site.kid != record.kid) {
                let added = (record.created_by, record.created_at);
                let site = embedder(record, &registry.config.audience);
                all.push(known(site, Some(added)));
            }
        }
        all.sort_by(|one, other| one.kid.cmp(&other.kid));
        Ok(all)
    }

    /// Makes a site known: its tokens are good from here on.
    ///
    /// # Errors
    /// `conflict` if there is one of its `kid`, `full` if there are too many; or those of the store.
    pub async fn embedder_add(
        &self,
        site: EmbedderRecord,
        by: Actor,
    ) -> Result<KnownEmbedder, RoomsError> {
        let (registry, origin) = (Arc::clone(&self.registry), self.origin.clone());
        let adding = tokio::spawn(async move {
            let _turn = registry.sites_turn.lock().await;
            let configured = registry.sites.configured();
            if configured.iter().any(|other| other.kid == site.kid) {
                return Err(ErrorCode::Conflict.into());
            }
            if registry.store.embedders().await?.len() >= ADDED_MAX {
                return Err(ErrorCode::Full.into());
            }
            let entry = origin.sign(audit(&registry, "embedder.create", &site.kid, by));
            let shown = embedder(site.clone(), &registry.config.audience);
            let added = Some((site.created_by, site.created_at));
            match registry.store.put_embedder(site, entry).await {
                Err(StoreError::AlreadyThere) => return Err(ErrorCode::Conflict.into()),
                put => put?,
            }
            reread(&registry).await?;
            Ok(known(shown, added))
        });
        // It is never aborted, and ends even if whoever asked is gone.
        adding.await.map_err(|_| unexpected())?
    }

    /// Forgets a site: its tokens are good no longer, and who came by one is removed.
    ///
    /// # Errors
    /// `not_found`; `conflict` for one of the configuration; those of the store. If a room does
    /// not do it, that is said after all were asked.
    pub async fn embedder_delete(&self, kid: &str, by: Actor) -> Result<(), RoomsError> {
        let (rooms, kid) = (self.clone(), kid.to_owned());
        let deleting = tokio::spawn(async move {
            let registry = &rooms.registry;
            let turn = registry.sites_turn.lock().await;
            let configured = registry.sites.configured();
            if configured.iter().any(|site| site.kid == kid) {
                return Err(ErrorCode::Conflict.into());
            }
            let entry = audit(registry, "embedder.delete", &kid, by);
            let entry = rooms.origin.sign(entry);
            match registry.store.delete_embedder(&kid, entry).await {
                Err(StoreError::NotFound) => return Err(ErrorCode::NotFound.into()),
                deleted => deleted?,
            }
            // Even if the others cannot be read at the moment.
            registry.sites.forget_added(&kid);
            drop(turn);
            rooms.send_away(&kid, by).await
        });
        deleting.await.map_err(|_| unexpected())?
    }

    /// Forgets all sites that `maker` made known, as [`Rooms::embedder_delete`] does.
    pub(super) async fn forget_embedders_by(
        &self,
        maker: Actor,
        by: Actor,
    ) -> Result<(), RoomsError> {
        for site in self.registry.store.embedders().await? {
            if site.created_by != maker {
                continue;
            }
            match self.embedder_delete(&site.kid, by).await {
                // Somebody was faster, or the configuration knows it by now, on its own word.
                Err(RoomsError::Refused(error))
                    if matches!(error.code, ErrorCode::NotFound | ErrorCode::Conflict) => {}
                deleted => deleted?,
            }
        }
        Ok(())
    }

    /// Removes who is in any room by a token of a site. A room that is too busy is asked again.
    async fn send_away(&self, kid: &str, by: Actor) -> Result<(), RoomsError> {
        let site: Arc<str> = Arc::from(kid);
        let live = self.list().into_iter().filter(|room| room.is_live);
        let asked: Vec<Result<(), RoomsError>> = stream::iter(live)
            .map(|room| self.send_away_from(room.slug, Arc::clone(&site), by))
            .buffer_unordered(ROOMS_AT_ONCE)
            .collect()
            .await;
        asked.into_iter().collect()
    }

    async fn send_away_from(
        &self,
        slug: Slug,
        site: Arc<str>,
        by: Actor,
    ) -> Result<(), RoomsError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let request = OperatorRequest::RevokeSite(Arc::clone(&site));
            match self.ask(&slug, request, by).await {
                Err(RoomsError::UnknownRoom) => return Ok(()),
                Err(RoomsError::Refused(error))
                    if error.code == ErrorCode::NotAvailable && tries < TRIES =>
                {
                    sleep(PAUSE).await;
                }
                asked => return asked.map(drop),
            }
        }
    }
}

fn known(site: Embedder, added: Option<(Actor, Timestamp)>) -> KnownEmbedder {
    KnownEmbedder {
        kid: site.kid,
        issuer: site.issuer,
        audience: site.audience,
        key: site.key,
        max_role: site.role,
        rooms: site.rooms,
        added,
    }
}

async fn reread(registry: &Registry) -> Result<(), StoreError> {
    let added = added(&registry.store, &registry.config.audience).await?;
    registry.sites.replace_added(added);
    Ok(())
}

fn audit(registry: &Registry, action: &str, kid: &str, by: Actor) -> AuditEntry {
    AuditEntry {
        at: registry.time(),
        actor: by,
        action: action.to_owned(),
        target: Some(kid.to_owned()),
        room: None,
        session: None,
        prefix: None,
        request_id: None,
        outcome: "ok".to_owned(),
        detail: None,
    }
}

/// Returns the rooms of a site as they are kept.
impl From<SiteRooms> for Option<BTreeSet<Slug>> {
    fn from(rooms: SiteRooms) -> Self {
        match rooms {
            SiteRooms::All => None,
            SiteRooms::These(slugs) => Some(slugs),
        }
    }
}

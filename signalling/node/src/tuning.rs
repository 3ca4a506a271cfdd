//! What of the configuration changes while the node runs, and what the operator keeps besides.

use std::time::Duration;

use conclave_signalling_core::record::AuditEntry;
use conclave_signalling_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::config::{Config, RoomsCreate};
use crate::guesses::PasswordLimits;
use crate::sites::Embedder;

/// The settings of a node that [`crate::Node::tune`] changes. They mean what
/// the fields of [`Config`] with these names do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Who may make rooms.
    pub rooms_create: RoomsCreate,
    /// Rooms an hour that one source may make, at least 1.
    pub rooms_per_source_per_hour: u32,
    /// How many wrong passwords there may be.
    pub password: PasswordLimits,
    /// Sites that sign join tokens.
    pub embedders: Vec<Embedder>,
    /// Links of one source. Fewer close none that is open.
    pub links_per_source: u32,
    /// Links in all. Fewer close none that is open.
    pub links_max: usize,
    /// Joins a second of one source, sustained, at least 1.
    pub joins_per_source_per_s: u32,
    /// Joins of one source at once, at least 1.
    pub joins_per_source_burst: u32,
    /// How long meetings may go on after the order to end.
    pub drain: Duration,
}

impl From<&Config> for Tuning {
    fn from(config: &Config) -> Self {
        Tuning {
            rooms_create: config.rooms_create,
            rooms_per_source_per_hour: config.rooms_per_source_per_hour,
            password: config.password,
            embedders: config.embedders.clone(),
            links_per_source: config.links_per_source,
            links_max: config.links_max,
            joins_per_source_per_s: config.joins_per_source_per_s,
            joins_per_source_burst: config.joins_per_source_burst,
            drain: config.drain,
        }
    }
}

/// Days for which a session is known after its end where nobody says otherwise.
pub(crate) const SESSION_KEEP_DAYS: u32 = 7;
/// The name of the settings in the store.
const KEPT: &str = "server";

/// What the operator sets while the node runs, and what stays so at the next start. A member that
/// is not set is as the configuration says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptSettings {
    /// Days for which a session is known after its end, with who was in it, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_keep_days: Option<u32>,
    /// See [`Tuning::rooms_create`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms_create: Option<RoomsCreate>,
    /// See [`Tuning::rooms_per_source_per_hour`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms_per_source_per_hour: Option<u32>,
}

impl KeptSettings {
    /// Says what they are, for the audit log.
    pub(crate) fn words(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns what holds where the configuration says `configured`.
    pub(crate) fn over(&self, configured: &Tuning) -> Tuning {
        let mut tuning = configured.clone();
        tuning.rooms_create = self.rooms_create.unwrap_or(tuning.rooms_create);
        tuning.rooms_per_source_per_hour = self
            .rooms_per_source_per_hour
            .unwrap_or(tuning.rooms_per_source_per_hour);
        tuning
    }

    /// Tells the store for how long to keep sessions.
    pub(crate) fn tell(&self, store: &Store) {
        let days = self.session_keep_days.unwrap_or(SESSION_KEEP_DAYS);
        store.keep_sessions_for(Duration::from_secs(u64::from(days) * 24 * 3600));
    }
}

/// Returns what is kept, and which state of it that is. What cannot be read is as if not set.
pub(crate) async fn kept(store: &Store) -> Result<(KeptSettings, u32), StoreError> {
    let Some((value, rev)) = store.setting(KEPT).await? else {
        return Ok((KeptSettings::default(), 0));
    };
    let kept = serde_json::from_value(value);
    let kept = kept.inspect_err(|error| warn!(%error, "settings that are kept cannot be read"));
    Ok((kept.unwrap_or_default(), rev))
}

/// Keeps settings instead of those of `expected_rev`; returns their revision.
pub(crate) async fn keep(
    store: &Store,
    kept: KeptSettings,
    expected_rev: u32,
    audit: AuditEntry,
) -> Result<u32, StoreError> {
    let value = serde_json::to_value(kept).unwrap_or_default();
    store
        .put_setting(KEPT, value, Some(expected_rev), audit)
        .await
}

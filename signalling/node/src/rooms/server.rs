//! What concerns no room in particular: settings that hold while the server runs, its limits, and
//! how much it does.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_signalling_core::record::{Actor, AuditEntry};
use conclave_signalling_store::StoreError;
use conclave_signalling_wire::ids::RoomId;

use crate::config::RoomsCreate;
use crate::rooms::Rooms;
use crate::tuning::{self, KeptSettings};

/// What holds at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSettings {
    /// What the operator has set.
    pub kept: KeptSettings,
    /// Which state of them that is: 0 before the first change.
    pub rev: u32,
    /// Days for which a session is known after its end.
    pub session_keep_days: u32,
    /// Who may make rooms over a link.
    pub rooms_create: RoomsCreate,
    /// Rooms an hour that one source may make then.
    pub rooms_per_source_per_hour: u32,
}

/// How much there may be of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Rooms that anybody but the operator may make there be.
    pub rooms_max: usize,
    /// Participants of a room.
    pub participants_max: usize,
    /// Links in all.
    pub links_max: usize,
    /// Links of one source.
    pub links_per_source: u32,
    /// Joins a second of one source, sustained.
    pub joins_per_source_per_s: u32,
    /// Joins of one source at once.
    pub joins_per_source_burst: u32,
    /// Rooms an hour that one source may make.
    pub rooms_per_source_per_hour: u32,
    /// Changes of the room a second that one participant may make, sustained.
    pub room_changes_per_s: u32,
    /// Changes of the room that one participant may make at once.
    pub room_changes_burst: u32,
    /// For how long meetings go on at most after the order to end.
    pub drain: Duration,
}

/// Who is there at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// Participants by room, with those whose link is lost; rooms without any are left out.
    pub participants: BTreeMap<RoomId, usize>,
}

impl Rooms {
    /// Returns the settings that hold.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn settings(&self) -> Result<ServerSettings, StoreError> {
        let (kept, rev) = tuning::kept(&self.registry.store).await?;
        Ok(self.holding(kept, rev))
    }

    /// Changes them; they hold at once, and after the next start. Returns what holds then.
    /// `expected_rev` is the state that is to be replaced.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another state is there, or another of the store.
    pub async fn change_settings(
        &self,
        kept: KeptSettings,
        expected_rev: u32,
        by: Actor,
    ) -> Result<ServerSettings, StoreError> {
        let rooms = self.clone();
        let changing = tokio::spawn(async move {
            let registry = &rooms.registry;
            let _turn = registry.settings_turn.lock().await;
            let entry = AuditEntry {
                at: registry.time(),
                actor: by,
                action: "settings.update".to_owned(),
                target: None,
                room: None,
                session: None,
                prefix: None,
                request_id: None,
                outcome: "ok".to_owned(),
                detail: Some(kept.words()),
            };
            let entry = rooms.origin.sign(entry);
            let rev = tuning::keep(&registry.store, kept, expected_rev, entry).await?;
            registry.keep_settings(kept);
            Ok(rooms.holding(kept, rev))
        });
        let gone = |_| StoreError::Unavailable("the settings were not kept".to_owned());
        changing.await.map_err(gone)?
    }

    fn holding(&self, kept: KeptSettings, rev: u32) -> ServerSettings {
        let tuning = self.registry.tuning();
        ServerSettings {
            kept,
            rev,
            session_keep_days: kept.session_keep_days.unwrap_or(tuning::SESSION_KEEP_DAYS),
            rooms_create: tuning.rooms_create,
            rooms_per_source_per_hour: tuning.rooms_per_source_per_hour,
        }
    }

    /// Returns how much there may be of what.
    pub fn limits(&self) -> ServerLimits {
        let (config, tuning) = (&self.registry.config, self.registry.tuning());
        ServerLimits {
            rooms_max: config.rooms_max,
            participants_max: config.participants_max,
            links_max: tuning.links_max,
            links_per_source: tuning.links_per_source,
            joins_per_source_per_s: tuning.joins_per_source_per_s,
            joins_per_source_burst: tuning.joins_per_source_burst,
            rooms_per_source_per_hour: tuning.rooms_per_source_per_hour,
            room_changes_per_s: config.room_changes_per_s,
            room_changes_burst: config.room_changes_burst,
            drain: tuning.drain,
        }
    }

    /// Counts who is there at the moment. Takes as long as there are participants: it is not for
    /// every second.
    pub fn live_counts(&self) -> LiveCounts {
        LiveCounts {
            participants: self.registry.participants_by_room(),
        }
    }
}

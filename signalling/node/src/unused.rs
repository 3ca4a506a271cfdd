//! Rooms that somebody made over a link and nobody ever used.

use std::sync::Arc;

use conclave_signalling_core::record::{Actor, Invite, RoomRecord};
use conclave_signalling_wire::time::Timestamp;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::inbox::ToRoom;
use crate::registry::Registry;
use crate::rooms::Origin;

/// How long such a room is kept, in milliseconds: 30 days. Longer would let few
/// networks fill the server for good, less would surprise who plans ahead.
const KEPT_FOR_MS: u64 = 30 * 24 * 3600 * 1000;

/// Deletes the rooms whose time is over, one after the other.
pub(crate) async fn delete_unused(registry: &Arc<Registry>) {
    for (slug, door) in registry.directory.list() {
        // One that cannot be read is left to the operator.
        let now = registry.time();
        let Ok(Some(record)) = registry.store.room(door.id, now).await else {
            continue;
        };
        if !is_over(&record, now) || registry.is_live(door.id) {
            continue;
        }
        let (done, deleted) = oneshot::channel();
        let by = Actor::Room;
        let asked = registry.enter(
            door.id,
            &slug,
            ToRoom::Delete {
                by,
                origin: Origin::default(),
                done,
            },
        );
        if asked.is_some() && matches!(deleted.await, Ok(Ok(()))) {
            info!(room = %door.id, "a room that nobody ever used was deleted");
        } else {
            warn!(room = %door.id, "a room that nobody ever used could not be deleted");
        }
    }
}

/// Without a host nobody gets in, so that a room whose first invite was never
/// used, and that was never changed, is one that nobody entered.
fn is_over(record: &RoomRecord, now: Timestamp) -> bool {
    let is_unused = |invite: &Invite| {
        matches!(invite.created_by, Actor::Link(_))
            && invite.last_used_at.is_none()
            && now.unix_ms().saturating_sub(invite.created_at.unix_ms()) >= KEPT_FOR_MS
    };
    record.settings.rev <= 1
        && !record.settings.start_without_host
        && record.standings.is_empty()
        && !record.invites.is_empty()
        && record.invites.iter().all(is_unused)
}

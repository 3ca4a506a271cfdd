//! What webhooks are told of the server itself and of the machine it is on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conclave_signalling_core::event::{Event, EventKind};
use conclave_signalling_store::Store;
use conclave_signalling_wire::ids::EventId;
use conclave_signalling_wire::time::Timestamp;
use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::storage;
use crate::tls::{Live, Validity};

/// Between two looks at the disk and the certificate.
const LOOK_INTERVAL: Duration = Duration::from_secs(600);
/// Between two events about the same certificate.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// Free space that is low on any disk.
const LOW_BYTES: u64 = 1 << 30;
/// The part of a disk below which its free space is low.
const LOW_PERCENT: u64 = 5;
/// For so long an end waits for the deliveries that are due; those that are
/// left are sent after the next start.
const DELIVER_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks whether any is left.
const DELIVERY_LOOK: Duration = Duration::from_millis(25);

/// The space of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Space {
    free: u64,
    total: u64,
}

/// What was told already.
#[derive(Debug, Default)]
struct Told {
    certificate_at: Option<SystemTime>,
    is_disk_low: bool,
}

impl Told {
    /// Returns whether the certificate is to be told of at `now`.
    fn handle_certificate(&mut self, now: SystemTime, validity: Validity) -> bool {
        if !validity.ends_soon(now) {
            self.certificate_at = None;
            return false;
        }
        // A clock that was set back delays nothing.
        let since = |at| now.duration_since(at).unwrap_or(Duration::MAX);
        let is_due = self
            .certificate_at
            .is_none_or(|at| since(at) >= CERTIFICATE_INTERVAL);
        if is_due {
            self.certificate_at = Some(now);
        }
        is_due
    }

    /// Returns whether the disk is to be told of. It is once, until there was
    /// a tenth more than what is low.
    fn handle_space(&mut self, space: Space) -> bool {
        let low = LOW_BYTES.max(space.total / 100 * LOW_PERCENT);
        if space.free >= low.saturating_add(low / 10) {
            self.is_disk_low = false;
        }
        let is_new = space.free < low && !self.is_disk_low;
        self.is_disk_low |= is_new;
        is_new
    }
}

/// Looks at the disk of `folder` and at the certificate until `stop` turns true.
pub(crate) async fn watch(
    store: Store,
    folder: PathBuf,
    certificate: Arc<Live>,
    mut stop: watch::Receiver<bool>,
) {
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let now = SystemTime::now();
        if let Some(validity) = certificate.validity()
            && told.handle_certificate(now, validity)
        {
            let data = json!({ "not_after": timestamp(validity.not_after) });
            tell(&store, EventKind::SystemCertExpiring, data).await;
        }
        if let Some(space) = space(&folder).await
            && told.handle_space(space)
        {
            let free_bytes = space.free;
            tracing::warn!(free_bytes, "little space is left in the data folder");
            let data = json!({ "free_bytes": free_bytes });
            tell(&store, EventKind::SystemDiskLow, data).await;
        }
    }
}

/// Tells that the server stops after `deadline` at most.
pub(crate) async fn tell_drain(store: &Store, deadline: Duration) {
    let data = json!({ "deadline_s": deadline.as_secs() });
    tell(store, EventKind::SystemDrain, data).await;
}

/// Gives what is due to webhooks a moment to be sent.
pub(crate) async fn see_off(store: &Store) {
    let until = Instant::now() + DELIVER_WITHIN;
    while Instant::now() < until {
        match store.next_due().await {
            Ok(Some(due)) if due <= storage::now() => sleep(DELIVERY_LOOK).await,
            _ => return,
        }
    }
}

async fn tell(store: &Store, kind: EventKind, data: Value) {
    let at = storage::now();
    let id = EventId::new(at.unix_ms(), rand::random());
    let event = Event::new(id, at, kind, data, json!({}));
    if let Err(error) = store.event(event).await {
        tracing::warn!(%error, event = kind.name(), "webhooks are not told");
    }
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Asks the file system, which may be a slow one.
async fn space(folder: &std::path::Path) -> Option<Space> {
    let folder = folder.to_owned();
    let asked = tokio::task::spawn_blocking(move || statvfs(&folder)).await;
    match asked.ok()? {
        Ok(found) => Some(Space {
            free: found.blocks_available() * found.fragment_size(),
            total: found.blocks() * found.fragment_size(),
        }),
        Err(error) => {
            tracing::debug!(%error, "the space of the data folder is not known");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_certificate_is_told_of_once_a_day_in_its_last_two_weeks() {
        let start = UNIX_EPOCH;
        let validity = Validity {
            not_before: start,
            not_after: start + DAY * 90,
        };
        let mut told = Told::default();
        let mut is_told = |at| told.handle_certificate(start + at, validity);
        assert!(!is_told(DAY * 76 - LOOK_INTERVAL));
        assert!(is_told(DAY * 76));
        assert!(!is_told(DAY * 76 + LOOK_INTERVAL));
        assert!(!is_told(DAY * 77 - LOOK_INTERVAL));
        assert!(is_told(DAY * 77));
        let next = Validity {
            not_before: start + DAY * 77,
            not_after: start + DAY * 167,
        };
        let renewed_at = start + DAY * 77 + LOOK_INTERVAL;
        assert!(!told.handle_certificate(renewed_at, next));
        // Somebody went back to the former one.
        assert!(told.handle_certificate(renewed_at, validity));
    }

    #[test]
    fn little_space_is_told_of_once_until_there_is_more() {
        let mut told = Told::default();
        let mut is_told = |free, total| told.handle_space(Space { free, total });
        assert!(!is_told(GIB, 10 * GIB));
        assert!(is_told(GIB - 1, 10 * GIB));
        assert!(!is_told(0, 10 * GIB));
        assert!(!is_told(GIB, 10 * GIB));
        assert!(!is_told(GIB - 1, 10 * GIB));
        assert!(!is_told(2 * GIB, 10 * GIB));
        assert!(is_told(GIB - 1, 10 * GIB));
        // A large disk is low with more.
        assert!(!is_told(60 * GIB, 1000 * GIB));
        assert!(is_told(49 * GIB, 1000 * GIB));
    }
}

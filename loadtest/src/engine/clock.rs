//! The only place of the engine that reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns the present.
#[expect(
    clippy::disallowed_methods,
    reason = "the library is told the time; here is who tells it"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// Returns the time since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the library is told the time; here is who tells it"
)]
pub fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// One present on both clocks. The kernel stamps by the wall clock, which may be
/// pushed about; so each turn compares the two anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Instant,
    unix: Duration,
}

impl Moment {
    pub(super) fn read() -> Self {
        Moment {
            now: now(),
            unix: unix_time(),
        }
    }

    /// Returns when it was `stamp` on the wall clock; the present for what lies ahead of it.
    pub(super) fn instant_of(&self, stamp: Duration) -> Instant {
        self.now
            .checked_sub(self.unix.saturating_sub(stamp))
            .unwrap_or(self.now)
    }
}

//! What the wall clock shows at an instant.

use std::time::{Duration, Instant};

use conclave_signalling_wire::time::Timestamp;

/// One reading of both clocks, from which every later time of day follows: a
/// step of the wall clock does not reorder what happens in a room.
#[derive(Debug, Clone, Copy)]
pub struct ClockAnchor {
    instant: Instant,
    unix_ms: u64,
}

impl ClockAnchor {
    /// Takes what both clocks showed together; `unix_ms` is milliseconds since 1970.
    pub const fn new(instant: Instant, unix_ms: u64) -> Self {
        ClockAnchor { instant, unix_ms }
    }

    /// Returns the time of day at `now`; an instant before the anchor has that of the anchor.
    pub fn at(&self, now: Instant) -> Timestamp {
        let since = now.saturating_duration_since(self.instant).as_millis();
        Timestamp::from_unix_ms(
            self.unix_ms
                .saturating_add(u64::try_from(since).unwrap_or(u64::MAX)),
        )
    }

    /// Returns the first instant at which [`ClockAnchor::at`] is not before
    /// `time`; a time before the anchor has that of the anchor.
    pub fn when(&self, time: Timestamp) -> Instant {
        let since = Duration::from_millis(time.unix_ms().saturating_sub(self.unix_ms));
        self.instant + since
    }
}

/// Returns the time of day that is a while after another.
pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_unix_ms(time.unix_ms().saturating_add(ms))
}

/// Returns an instant for a test to count from.
#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "an instant cannot be made from a number"
)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

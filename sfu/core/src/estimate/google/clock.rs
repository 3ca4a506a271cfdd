//! The controller's time.

use std::time::Instant;

use goog_cc::units::Timestamp;

/// How far an arrival may be from the present before the receiver's clock is
/// taken to have jumped.
const CLOCK_JUMP_US: i64 = 10_000_000;
/// Where the controller's time begins, in µs: 31 years. The crate reads the
/// machine's clock in one place, for when the application began to send too
/// little, and counts it from zero; so far behind, that value never counts
/// against the time of the last probe, and one seed gives one run.
const BEGINNING_US: i64 = 1_000_000_000_000_000;

/// The controller's time: it never goes back.
#[derive(Debug)]
pub(super) struct Clock {
    beginning: Instant,
    latest: Instant,
    /// What is added to the receiver's µs to have the controller's.
    anchor: Option<i64>,
}

impl Clock {
    /// Returns a clock that begins at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Clock {
            beginning: now,
            latest: now,
            anchor: None,
        }
    }

    /// Returns when it began.
    pub(super) fn beginning(&self) -> Timestamp {
        Timestamp::from_micros(BEGINNING_US)
    }

    /// Translates the present.
    pub(super) fn at(&mut self, now: Instant) -> Timestamp {
        self.latest = self.latest.max(now);
        self.to_timestamp(self.latest)
    }

    /// Translates a time that is not after `limit`.
    pub(super) fn past(&self, at: Instant, limit: Timestamp) -> Timestamp {
        self.to_timestamp(at).min(limit)
    }

    /// Translates an arrival by the receiver's clock, told about at `now`.
    pub(super) fn arrival(&mut self, arrival_us: i64, now: Timestamp) -> Timestamp {
        let now_us = now.us();
        let anchor = self.anchor.unwrap_or(now_us.saturating_sub(arrival_us));
        let at_us = arrival_us.saturating_add(anchor);
        let (anchor, at_us) = if now_us.saturating_sub(at_us).saturating_abs() > CLOCK_JUMP_US {
            (now_us.saturating_sub(arrival_us), now_us)
        } else {
            (anchor, at_us)
        };
        self.anchor = Some(anchor);
        Timestamp::from_micros(at_us)
    }

    /// Forgets how the receiver's clock stands: it may be another's.
    pub(super) fn forget_receiver(&mut self) {
        self.anchor = None;
    }

    fn to_timestamp(&self, at: Instant) -> Timestamp {
        let since = at.saturating_duration_since(self.beginning).as_micros();
        Timestamp::from_micros(BEGINNING_US.saturating_add(i64::try_from(since).unwrap_or(0)))
    }
}

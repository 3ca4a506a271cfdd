//! What became of deliveries since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of attempts and deliveries. They only rise, but for the last.
#[derive(Debug, Default)]
pub(super) struct Counters {
    delivered: AtomicU64,
    failed: AtomicU64,
    dead: AtomicU64,
    in_flight: AtomicU64,
}

/// The counts at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Deliveries that were taken.
    pub delivered: u64,
    /// Attempts that failed, the last ones of dead deliveries included.
    pub failed: u64,
    /// Deliveries that were given up.
    pub dead: u64,
    /// Deliveries on their way.
    pub in_flight: u64,
}

impl Counters {
    pub(super) fn add_delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_dead(&self) {
        self.dead.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_in_flight(&self, count: usize) {
        self.in_flight.store(count as u64, Ordering::Relaxed);
    }

    /// Returns the counts.
    pub(super) fn read(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            delivered: read(&self.delivered),
            failed: read(&self.failed),
            dead: read(&self.dead),
            in_flight: read(&self.in_flight),
        }
    }
}

//! How joins end, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many joins ended in which way since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JoinStats {
    /// Into the room or its lobby.
    pub taken_total: u64,
    /// Refused by the room: locked, full, banned and so on.
    pub refused_total: u64,
    /// Turned away at the door: password, invite, token, pace.
    pub turned_away_total: u64,
    /// Neither: the room did not answer, or begins no more before the end.
    pub unavailable_total: u64,
}

/// The way in which a join ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Taken,
    Refused,
    TurnedAway,
    Unavailable,
}

/// The counts as they are written.
#[derive(Debug, Default)]
pub(crate) struct JoinCounts([AtomicU64; 4]);

impl JoinCounts {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> JoinStats {
        let value = |outcome: Outcome| self.0[outcome as usize].load(Ordering::Relaxed);
        JoinStats {
            taken_total: value(Outcome::Taken),
            refused_total: value(Outcome::Refused),
            turned_away_total: value(Outcome::TurnedAway),
            unavailable_total: value(Outcome::Unavailable),
        }
    }
}

//! The clock that sender reports tell.

use std::time::{Duration, Instant};

/// Turns instants into NTP timestamps (RFC 3550, section 4): the time since the
/// start of the shard, plus what the clock on the wall said then. One clock for
/// all streams of all participants, so that what belongs together stays so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportClock {
    start: Instant,
    /// Seconds since 1900 in 1/2^32 s.
    ntp_at_start: u64,
}

impl ReportClock {
    /// Begins at `start`, when the NTP timestamp was `ntp_at_start`.
    pub(crate) fn new(start: Instant, ntp_at_start: u64) -> Self {
        ReportClock {
            start,
            ntp_at_start,
        }
    }

    /// Returns when the shard began.
    pub(crate) fn start(self) -> Instant {
        self.start
    }

    /// Returns the NTP timestamp of `at`.
    pub(crate) fn ntp(self, at: Instant) -> u64 {
        let elapsed = at.saturating_duration_since(self.start);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        let ntp = (elapsed.as_secs() << 32).wrapping_add(fraction);
        self.ntp_at_start.wrapping_add(ntp)
    }
}

/// Returns how long `ticks` of 1/65,536 s are: the middle of an NTP timestamp,
/// as receiver reports give it (RFC 3550, section 6.4.1).
pub(crate) fn from_middle(ticks: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) * 1_000_000_000 / 65_536)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    #[test]
    fn it_goes_as_fast_as_the_instants() {
        let start = epoch();
        let clock = ReportClock::new(start, 7 << 32);
        assert_eq!(clock.ntp(start), 7 << 32);
        let later = start + Duration::from_millis(2_500);
        assert_eq!(clock.ntp(later), (9 << 32) + (1 << 31));
        let middle = |at| (clock.ntp(at) >> 16) as u32;
        let round = from_middle(middle(later).wrapping_sub(middle(start)));
        assert_eq!(round, Duration::from_millis(2_500));
    }
}

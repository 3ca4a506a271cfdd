//! Shards that take time for what they do, as those of a real core.

use std::time::{Duration, Instant};

use conclave_sfu_core::TurnLoad;

use super::Meeting;

/// How often a shard is told how late it is.
const TURN: Duration = Duration::from_millis(10);

/// What the first shard has not come to yet. Everything is served when it
/// comes, so that only what the shard is told says how late it would be.
pub(super) struct Burden {
    /// Of a packet, received or forwarded.
    cost: Duration,
    since: Instant,
    packets: u64,
    backlog: Duration,
}

impl Meeting {
    /// Lets each packet that the first shard receives or forwards take it this
    /// long; none is no time.
    pub fn set_cost(&mut self, cost: Option<Duration>) {
        let backlog = self.burden.as_ref().map(|burden| burden.backlog);
        self.burden = Some(Burden {
            cost: cost.unwrap_or_default(),
            since: self.now,
            packets: self.packets(),
            backlog: backlog.unwrap_or_default(),
        });
    }

    /// Returns how many packets the first shard has received and forwarded.
    pub fn packets(&self) -> u64 {
        let counters = self.shards[0].1.counters();
        counters.received + counters.forwarded
    }

    pub(super) fn poll_burden(&self) -> Option<Instant> {
        self.burden.as_ref().map(|burden| burden.since + TURN)
    }

    /// Tells the first shard how late it is.
    pub(super) fn bear(&mut self) {
        let (now, packets) = (self.now, self.packets());
        let Some(burden) = self.burden.as_mut().filter(|it| now >= it.since + TURN) else {
            return;
        };
        let elapsed = now - burden.since;
        let new = packets - burden.packets;
        let work = burden.cost * u32::try_from(new).unwrap_or(u32::MAX);
        let busy = elapsed.min(burden.backlog + work);
        burden.backlog = burden.backlog + work - busy;
        // While more comes than is done, what waits is younger than the work on it is long.
        let rate = work.as_secs_f64() / elapsed.as_secs_f64();
        let lag = burden.backlog.div_f64(rate.max(1.0));
        (burden.since, burden.packets) = (now, packets);
        self.shards[0].1.begin_turn(now, TurnLoad { lag, busy });
    }
}

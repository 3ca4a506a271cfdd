//! One direction of an access line.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

/// The least one-way delay. With none at all two str0m see a round trip of
/// zero, and their delay estimators re-arm "now" for ever.
pub const DELAY_MIN: Duration = Duration::from_micros(50);

/// How a line loses datagrams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// Not at all.
    None,
    /// Each by itself with this probability.
    Bernoulli(f64),
    /// In bursts (Gilbert and Elliott): probabilities per datagram.
    Bursts {
        /// To fall into the bad state.
        begin: f64,
        /// To leave it.
        end: f64,
        /// To lose a datagram in it.
        loss: f64,
    },
}

/// A token bucket in front of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// What the line carries for long.
    pub bitrate_bps: u64,
    /// What may pass at once.
    pub burst_bytes: u64,
    /// What waits behind it; more is dropped.
    pub queue_bytes: u64,
}

/// What one direction of a line does to datagrams.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkConfig {
    /// One way; below [`DELAY_MIN`] counts as that.
    pub delay: Duration,
    /// Up to this much is added, the same order kept.
    pub jitter: Duration,
    /// What is lost.
    pub loss: Loss,
    /// Probability that a datagram takes a detour and is overtaken.
    pub reordering: f64,
    /// Probability that a datagram comes twice.
    pub duplication: f64,
    /// What the line carries; without limit if `None`.
    pub rate: Option<Rate>,
    /// Whether nothing passes at all.
    pub cut: bool,
}

impl Default for LinkConfig {
    /// A good line: 10 ms, 1 ms of jitter.
    fn default() -> Self {
        LinkConfig {
            delay: Duration::from_millis(10),
            jitter: Duration::from_millis(1),
            loss: Loss::None,
            reordering: 0.0,
            duplication: 0.0,
            rate: None,
            cut: false,
        }
    }
}

/// A line and where it stands.
#[derive(Debug)]
pub struct Link {
    /// What it does; may be changed at any time.
    pub config: LinkConfig,
    in_burst: bool,
    last_arrival: Option<Instant>,
    /// When the bucket would be full again if nothing more came.
    full_at: Option<Instant>,
}

/// The most that a detour adds.
const DETOUR: Duration = Duration::from_millis(15);

impl Link {
    /// Makes a line on which nothing is under way.
    pub fn new(config: LinkConfig) -> Self {
        Link {
            config,
            in_burst: false,
            last_arrival: None,
            full_at: None,
        }
    }

    /// Returns when a datagram of `bytes` given in at `now` comes out: never, once or twice.
    pub fn pass(&mut self, now: Instant, bytes: usize, rng: &mut StdRng) -> Vec<Instant> {
        if self.config.cut || self.loses(rng) {
            return Vec::new();
        }
        let Some(leaves) = self.leaves(now, bytes) else {
            return Vec::new();
        };
        let mut arrival = leaves + self.config.delay.max(DELAY_MIN);
        if !self.config.jitter.is_zero() {
            arrival += self.config.jitter.mul_f64(rng.random_range(0.0..1.0));
        }
        if rng.random_bool(self.config.reordering) {
            arrival += DETOUR.mul_f64(rng.random_range(0.2..1.0));
        } else {
            arrival = self.last_arrival.map_or(arrival, |last| last.max(arrival));
            self.last_arrival = Some(arrival);
        }
        let mut arrivals = vec![arrival];
        if rng.random_bool(self.config.duplication) {
            arrivals.push(arrival + DELAY_MIN);
        }
        arrivals
    }

    fn loses(&mut self, rng: &mut StdRng) -> bool {
        match self.config.loss {
            Loss::None => false,
            Loss::Bernoulli(loss) => rng.random_bool(loss),
            Loss::Bursts { begin, end, loss } => {
                let turn = if self.in_burst { end } else { begin };
                self.in_burst ^= rng.random_bool(turn);
                self.in_burst && rng.random_bool(loss)
            }
        }
    }

    /// Returns when the datagram leaves the queue; `None` if the queue is full.
    fn leaves(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate) = self.config.rate else {
            return Some(now);
        };
        let time_of =
            |bytes: u64| Duration::from_secs_f64(bytes as f64 * 8.0 / rate.bitrate_bps as f64);
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let debt = full_at - now;
        if debt > time_of(rate.burst_bytes + rate.queue_bytes) {
            return None;
        }
        self.full_at = Some(full_at + time_of(bytes as u64));
        Some(now + debt.saturating_sub(time_of(rate.burst_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn pass_all(config: LinkConfig, count: u32, every: Duration) -> Vec<Duration> {
        let start = crate::epoch();
        let mut link = Link::new(config);
        let mut rng = StdRng::seed_from_u64(1);
        let all = (0..count).flat_map(|index| link.pass(start + every * index, 1_000, &mut rng));
        all.map(|at| at - start).collect()
    }

    #[test]
    fn no_line_is_faster_than_the_least_delay() {
        let config = LinkConfig {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            ..LinkConfig::default()
        };
        assert_eq!(pass_all(config, 1, Duration::ZERO), [DELAY_MIN]);
    }

    #[test]
    fn losses_are_as_frequent_as_asked() {
        for loss in [
            Loss::Bernoulli(0.1),
            Loss::Bursts {
                begin: 0.02,
                end: 0.18,
                loss: 1.0,
            },
        ] {
            let config = LinkConfig {
                loss,
                ..LinkConfig::default()
            };
            let passed = pass_all(config, 20_000, Duration::from_millis(1)).len();
            assert!((17_500..18_500).contains(&passed), "{loss:?}: {passed}");
        }
    }

    #[test]
    fn a_narrow_line_spreads_a_burst_and_drops_what_does_not_fit() {
        let rate = Rate {
            bitrate_bps: 800_000,
            burst_bytes: 2_000,
            queue_bytes: 5_000,
        };
        let config = LinkConfig {
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
            rate: Some(rate),
            ..LinkConfig::default()
        };
        let arrivals = pass_all(config, 20, Duration::ZERO);
        // 10 ms each; two at once, then one by one until 7,000 bytes are owed.
        let expected: Vec<u64> = vec![1, 1, 1, 11, 21, 31, 41, 51];
        assert_eq!(
            arrivals
                .iter()
                .map(|at| at.as_millis() as u64)
                .collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn only_detours_change_the_order() {
        let straight = LinkConfig {
            jitter: Duration::from_millis(9),
            ..LinkConfig::default()
        };
        let every = Duration::from_millis(1);
        assert!(pass_all(straight, 1_000, every).is_sorted());
        let detours = LinkConfig {
            reordering: 0.05,
            ..straight
        };
        assert!(!pass_all(detours, 1_000, every).is_sorted());
    }
}

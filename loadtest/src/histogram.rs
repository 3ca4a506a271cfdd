//! A histogram of durations of fixed size: classes as wide as a thirty-second of
//! their value, from a microsecond to an hour.

use std::time::Duration;

use crate::measured::Quantiles;

/// Classes per power of two: 3 % of the value is the widest a class can be.
const CLASSES: u64 = 32;
/// log2 of [`CLASSES`].
const CLASS_BITS: u32 = 5;
/// Powers of two above the first [`CLASSES`] microseconds: 2^32 µs are 71 minutes.
const OCTAVES: usize = 27;
const LEN: usize = (OCTAVES + 1) * CLASSES as usize;

/// Counts of durations by class. Adding costs some nanoseconds and no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64; LEN]>,
    count: u64,
    sum_us: u64,
    min_us: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: Box::new([0; LEN]),
            count: 0,
            sum_us: 0,
            min_us: u64::MAX,
            max_us: 0,
        }
    }
}

impl Histogram {
    /// Counts one duration; what is below a microsecond counts as none, what is above an hour as that.
    pub fn record(&mut self, value: Duration) {
        let us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let us = us.min(highest(LEN - 1));
        self.counts[class(us)] += 1;
        self.count += 1;
        self.sum_us += us;
        self.min_us = self.min_us.min(us);
        self.max_us = self.max_us.max(us);
    }

    /// Adds all that another one has counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (own, other) in self.counts.iter_mut().zip(other.counts.iter()) {
            *own += other;
        }
        self.count += other.count;
        self.sum_us += other.sum_us;
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Returns how many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the sum of all that was counted.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// Returns the value in milliseconds that a share (0 to 1) of all does not exceed;
    /// `None` if nothing was counted.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let rank = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let class = self.counts.iter().position(|count| {
            seen += count;
            self.count > 0 && seen >= rank
        })?;
        // The edge of a class may lie beyond all that is in it.
        Some(ms(highest(class).clamp(self.min_us, self.max_us)))
    }

    /// Returns what a report says of it, in milliseconds.
    pub fn quantiles(&self) -> Quantiles {
        let at = |share| self.quantile_ms(share).unwrap_or_default();
        if self.count == 0 {
            return Quantiles::default();
        }
        Quantiles {
            count: self.count,
            mean: ms(self.sum_us) / self.count as f64,
            min: ms(self.min_us),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: ms(self.max_us),
        }
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

fn class(us: u64) -> usize {
    if us < CLASSES {
        return us as usize;
    }
    let octave = us.ilog2() - CLASS_BITS;
    // The leading bit says the octave, the five behind it the class.
    let within = (us >> octave) - CLASSES;
    ((u64::from(octave) + 1) * CLASSES + within) as usize
}

/// The greatest value of a class, in microseconds.
fn highest(class: usize) -> u64 {
    let class = class as u64;
    if class < CLASSES {
        return class;
    }
    let (octave, within) = (class / CLASSES - 1, class % CLASSES);
    ((CLASSES + within + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_its_class() {
        let mut last = 0;
        for us in (0..100_000).chain((17..32).map(|bits| (1 << bits) + 12_345)) {
            let class = class(us);
            assert!(us <= highest(class), "{us}");
            assert!(class == 0 || us > highest(class - 1), "{us}");
            assert!(class >= last, "{us}");
            last = class;
        }
        assert!(last < LEN);
    }

    #[test]
    fn quantiles_are_right_within_the_width_of_a_class() {
        let mut histogram = Histogram::default();
        for ms in 1..=1_000 {
            histogram.record(Duration::from_millis(ms));
        }
        let quantiles = histogram.quantiles();
        assert_eq!(
            (quantiles.count, quantiles.min, quantiles.max),
            (1_000, 1.0, 1_000.0)
        );
        for (found, true_ms) in [
            (quantiles.p50, 500.0),
            (quantiles.p99, 990.0),
            (quantiles.mean, 500.5),
        ] {
            assert!(
                (found / true_ms - 1.0).abs() < 0.04,
                "{found} for {true_ms}"
            );
        }
    }

    #[test]
    fn nothing_counted_is_no_quantile_and_the_longest_is_an_hour() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_ms(0.5), None);
        assert_eq!(histogram.quantiles(), Quantiles::default());
        histogram.record(Duration::MAX);
        assert!(histogram.quantile_ms(0.5).unwrap() > 3_600_000.0);
    }

    #[test]
    fn what_is_merged_counts_as_recorded_here() {
        let (mut one, mut other, mut both) = (
            Histogram::default(),
            Histogram::default(),
            Histogram::default(),
        );
        for us in 0..500u64 {
            let value = Duration::from_micros(us * us);
            if us % 2 == 0 { &mut one } else { &mut other }.record(value);
            both.record(value);
        }
        one.merge(&other);
        assert_eq!(one, both);
    }
}

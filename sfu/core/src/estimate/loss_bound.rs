//! The estimate of a path whose receiver sends no transport-wide feedback.

use std::time::{Duration, Instant};

use super::{Acked, BPS_MAX, BPS_MIN, Estimator, Kind, Probes, Update};

/// Below this loss the path may take more, as in libwebrtc's.
const LOSS_LOW: f32 = 0.02;
/// Above it the path takes less.
const LOSS_HIGH: f32 = 0.10;
/// How often the rate rises, by 8 %.
const RISE_INTERVAL: Duration = Duration::from_secs(1);
/// How often it falls at most, besides a round trip.
const FALL_INTERVAL: Duration = Duration::from_millis(300);
/// Over how long what is sent is counted.
const COUNTED: Duration = Duration::from_secs(1);

/// Follows receiver reports, and the receiver's own estimate if it has one.
///
/// The rate rises only as far as what is sent proves it: half as much again as
/// was counted or should be sustained.
#[derive(Debug)]
pub(crate) struct LossBound {
    target_bps: u64,
    /// What should be sustained, and what would be sent at most.
    sustain_bps: u64,
    most_bps: u64,
    /// Whether the receiver said anything yet.
    heard: bool,
    /// What the receiver estimates.
    remb_bps: Option<u64>,
    moved: Instant,
    /// What was sent in the second that runs, and in the one before.
    second: Instant,
    bytes: u64,
    sent_bps: u64,
    told_bps: u64,
}

impl LossBound {
    /// Returns an estimator that begins with `start_bps`.
    pub(crate) fn new(now: Instant, start_bps: u64) -> Self {
        LossBound {
            target_bps: start_bps.clamp(BPS_MIN, BPS_MAX),
            sustain_bps: 0,
            most_bps: BPS_MAX,
            heard: false,
            remb_bps: None,
            moved: now,
            second: now,
            bytes: 0,
            sent_bps: 0,
            told_bps: 0,
        }
    }

    /// Returns how much may be sent, in bit/s.
    pub(crate) fn target_bps(&self) -> u64 {
        let receiver_bps = self.remb_bps.unwrap_or(BPS_MAX);
        self.target_bps
            .min(receiver_bps)
            .clamp(BPS_MIN, self.most_bps)
    }

    /// Returns whether the receiver said anything.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard
    }

    fn rise_to(&mut self, bps: u64) {
        let proven_bps = self.sent_bps.max(self.sustain_bps);
        let proven_bps = proven_bps.saturating_mul(3) / 2 + 10_000;
        self.target_bps = bps.min(proven_bps).min(self.most_bps).max(self.target_bps);
    }
}

impl Estimator for LossBound {
    fn sent(&mut self, now: Instant, _: u64, size: u16, _: Kind, _: Option<u32>) {
        let elapsed = now.saturating_duration_since(self.second);
        if elapsed >= COUNTED {
            let bits = self.bytes.saturating_mul(8_000_000);
            self.sent_bps = bits / u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
            self.bytes = 0;
            self.second = now;
        }
        self.bytes += u64::from(size);
    }

    fn feedback(&mut self, _: Instant, _: &[Acked]) {}

    fn report(&mut self, now: Instant, loss: f32, rtt: Option<Duration>) {
        self.heard = true;
        let since = now.saturating_duration_since(self.moved);
        // What is no number is neither low nor high.
        if loss < LOSS_LOW && since >= RISE_INTERVAL {
            self.moved = now;
            self.rise_to(self.target_bps + self.target_bps / 25 * 2 + 1_000);
        } else if loss > LOSS_HIGH && since >= FALL_INTERVAL + rtt.unwrap_or_default() {
            self.moved = now;
            let kept = 1.0 - 0.5 * f64::from(loss.min(1.0));
            self.target_bps = ((self.target_bps() as f64 * kept) as u64).max(BPS_MIN);
        }
    }

    fn remb(&mut self, _: Instant, bps: u64) {
        let bps = bps.clamp(BPS_MIN, BPS_MAX);
        self.heard = true;
        self.remb_bps = Some(bps);
        self.rise_to(bps);
    }

    fn set_bounds(&mut self, _: Instant, sustain_bps: u64, desired_bps: u64) {
        self.sustain_bps = sustain_bps.min(BPS_MAX);
        self.most_bps = desired_bps.max(sustain_bps).clamp(BPS_MIN, BPS_MAX);
    }

    fn path_changed(&mut self, _: Instant) {
        self.remb_bps = None;
    }

    fn process(&mut self, _: Instant) -> Option<Update> {
        let target_bps = self.target_bps();
        if self.told_bps == target_bps {
            return None;
        }
        self.told_bps = target_bps;
        Some(Update::paced(target_bps, Probes::default()))
    }

    fn next(&self) -> Option<Instant> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    /// Sends `bps` for a second, then reports `loss`.
    fn second(bound: &mut LossBound, at: Instant, bps: u64, loss: f32) -> u64 {
        for step in 0..100 {
            let now = at + Duration::from_millis(step * 10);
            bound.sent(now, 0, (bps / 800) as u16, Kind::Video, None);
        }
        bound.report(at + RISE_INTERVAL, loss, Some(Duration::from_millis(50)));
        bound.target_bps()
    }

    fn run(
        bound: &mut LossBound,
        from: u64,
        seconds: u64,
        at: Instant,
        bps: u64,
        loss: f32,
    ) -> u64 {
        (from..from + seconds)
            .map(|elapsed| second(bound, at + RISE_INTERVAL * elapsed as u32, bps, loss))
            .last()
            .unwrap_or(0)
    }

    #[test]
    fn a_clean_path_lets_it_rise_to_half_more_than_is_sent() {
        let start = epoch();
        let mut bound = LossBound::new(start, 300_000);
        let risen = run(&mut bound, 0, 30, start, 1_000_000, 0.0);
        assert!((1_400_000..1_600_000).contains(&risen), "{risen}");
    }

    #[test]
    fn loss_lets_it_fall_and_never_below_the_least() {
        let start = epoch();
        let mut bound = LossBound::new(start, 1_000_000);
        assert_eq!(run(&mut bound, 0, 1, start, 1_000_000, 0.05), 1_000_000);
        assert_eq!(run(&mut bound, 1, 1, start, 1_000_000, 0.5), 750_000);
        assert_eq!(run(&mut bound, 2, 60, start, 1_000_000, 1.0), BPS_MIN);
        assert_eq!(run(&mut bound, 62, 1, start, 1_000_000, f32::NAN), BPS_MIN);
    }

    #[test]
    fn the_receivers_estimate_bounds_it_and_lifts_it() {
        let start = epoch();
        let mut bound = LossBound::new(start, 300_000);
        run(&mut bound, 0, 2, start, 1_000_000, 0.05);
        bound.remb(start, 1_200_000);
        assert_eq!(bound.target_bps(), 1_200_000);
        bound.remb(start, 200_000);
        assert_eq!(bound.target_bps(), 200_000);
        bound.set_bounds(start, 0, 100_000);
        assert_eq!(bound.target_bps(), 100_000);
    }

    #[test]
    fn a_change_is_told_once() {
        let start = epoch();
        let mut bound = LossBound::new(start, 300_000);
        assert!(bound.process(start).is_some());
        assert_eq!(bound.process(start), None);
        bound.remb(start, 100_000);
        assert_eq!(
            bound.process(start).map(|update| update.target_bps),
            Some(100_000)
        );
    }
}

//! When the video of one link may leave.
//!
//! Bursts leave whole, so that datagrams to one destination lie side by side
//! and are sent as one: nothing is spread packet by packet. Sound never waits;
//! it only counts against what video may send after it.

mod plan;

use std::time::{Duration, Instant};

pub(crate) use plan::ProbePlan;

/// The shard's tick: releases are rounded up to it, so that one wake-up serves
/// many links. Less costs wake-ups, more costs delay.
const TICK: Duration = Duration::from_millis(2);
/// How much time's worth of bytes leaves at once when rates are high.
const BURST: Duration = Duration::from_millis(5);
/// How much does when rates are low, up to the size of a frame: what a home
/// link's buffer takes without harm, and half of what libwebrtc lets out.
const BURST_SLOW: Duration = Duration::from_millis(20);
/// A usual frame: 1.8 Mbit/s at 30 frames/s.
const FRAME_BYTES: u64 = 7_500;
/// A packet at most.
const PACKET_BYTES: u64 = 1_500;
/// The slowest pacing, in bit/s: at less, a packet would wait longer than a
/// queue may.
const BPS_MIN: u64 = 100_000;
/// How long a packet of video may wait before its queue is dropped.
const OVERDUE: Duration = Duration::from_millis(200);
/// Within how long a queue should leave. A keyframe may be half a second's
/// worth of the target: at the usual pacing it would be dropped on its way.
const LEAVES_WITHIN: Duration = Duration::from_millis(170);
/// How many times the pacing rate that may take.
const HASTE_MOST: u64 = 2;
/// µbits of a byte: what one bit/s drains in a µs is one of them.
const BYTE: u64 = 8_000_000;

/// Returns whether a queue of video whose oldest packet came at `oldest` has
/// waited too long at `now`: it is dropped whole and a keyframe awaited.
pub(crate) fn is_overdue(oldest: Instant, now: Instant) -> bool {
    now.saturating_duration_since(oldest) > OVERDUE
}

/// A leaky bucket that lets video out in whole bursts.
///
/// Over any span of time, what is released is at most the pacing rate times
/// that span, one burst and one packet; while a long queue waits, the pacing
/// rate is up to the double.
#[derive(Debug)]
pub(crate) struct Pacer {
    /// From which ticks are counted: the same for all links of a shard.
    epoch: Instant,
    /// What was set, and what a long queue makes of it.
    paced_bps: u64,
    rate_bps: u64,
    /// What was released and is not yet drained, in µbits.
    debt: u64,
    /// Up to when `debt` was drained.
    drained: Instant,
    open: bool,
}

impl Pacer {
    /// Returns a pacer that owes nothing; `epoch` is the shard's beginning.
    pub(crate) fn new(epoch: Instant, rate_bps: u64) -> Self {
        let paced_bps = rate_bps.max(BPS_MIN);
        Pacer {
            epoch,
            paced_bps,
            rate_bps: paced_bps,
            debt: 0,
            drained: epoch,
            open: true,
        }
    }

    /// Sets the pacing rate in bit/s; below 100 kbit/s it is that.
    pub(crate) fn set_rate(&mut self, now: Instant, rate_bps: u64) {
        self.drain(now);
        self.paced_bps = rate_bps.max(BPS_MIN);
        self.rate_bps = self.paced_bps;
        // What a faster rate let out is not waited for at a slower one.
        self.debt = self.debt.min(self.debt_max());
    }

    /// Tells how many bytes wait: call before [`Pacer::may_release`] when the
    /// queue grew or ended. A long queue is paced at up to twice the rate.
    pub(crate) fn set_queue(&mut self, now: Instant, bytes: usize) {
        self.drain(now);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let needed_bps = bytes.saturating_mul(BYTE) / LEAVES_WITHIN.as_micros() as u64;
        let most_bps = self.paced_bps.saturating_mul(HASTE_MOST);
        self.rate_bps = needed_bps.clamp(self.paced_bps, most_bps);
    }

    /// Returns whether the next packet of video, whatever its size, may leave
    /// at `now`: ask again after each one.
    pub(crate) fn may_release(&mut self, now: Instant) -> bool {
        self.drain(now);
        if self.debt >= self.burst() {
            self.open = false;
        } else if self.debt <= self.reopens_at() {
            self.open = true;
        }
        self.open
    }

    /// Records that `bytes` of anything but a probe left at `now`. Of sound,
    /// which does not ask, only as much is owed as delays video by a burst.
    pub(crate) fn debit(&mut self, now: Instant, bytes: usize) {
        self.drain(now);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let owed = self.debt.saturating_add(bytes.saturating_mul(BYTE));
        self.debt = owed.min(self.debt_max());
    }

    /// Returns when video may next leave: `now`, or a later tick of the shard.
    pub(crate) fn next_release(&mut self, now: Instant) -> Instant {
        if self.may_release(now) {
            return now;
        }
        let wait_us = (self.debt - self.reopens_at()).div_ceil(self.rate_bps);
        let due = self.drained + Duration::from_micros(wait_us);
        let since = due.saturating_duration_since(self.epoch).as_micros();
        let ticks = since.div_ceil(TICK.as_micros());
        let ticked = u64::try_from(ticks * TICK.as_micros()).unwrap_or(u64::MAX);
        self.epoch + Duration::from_micros(ticked)
    }

    /// Returns how many bytes leave at once.
    #[cfg(test)]
    fn burst_bytes(&self) -> u64 {
        self.burst() / BYTE
    }

    fn drain(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.drained).as_micros();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.drained += Duration::from_micros(elapsed);
        let drained = elapsed.saturating_mul(self.rate_bps);
        self.debt = self.debt.saturating_sub(drained);
    }

    fn burst(&self) -> u64 {
        let slow = self.worth(BURST_SLOW).min(FRAME_BYTES * BYTE);
        self.worth(BURST).max(slow).max(PACKET_BYTES * BYTE)
    }

    /// What is drained until the tick after the one that is waited for: a
    /// whole one is never lost to rounding.
    fn reopens_at(&self) -> u64 {
        self.worth(TICK)
    }

    fn debt_max(&self) -> u64 {
        self.burst() + PACKET_BYTES * BYTE
    }

    fn worth(&self, span: Duration) -> u64 {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.rate_bps.saturating_mul(micros)
    }
}

#[cfg(test)]
mod tests;

//! Probes that the controller does not ask for.

use std::time::{Duration, Instant};

use crate::estimate::Probe;

/// How soon after one growth probe the next is sent: at least while they
/// succeed, and at most when the path is full. A longer wait would find a
/// path that got better later, a shorter one would fill a full one more often.
const GROWTH_LEAST: Duration = Duration::from_secs(1);
const GROWTH_MOST: Duration = Duration::from_secs(4);
/// How soon after a growth probe that succeeded.
const GROWTH_NEXT: Duration = Duration::from_millis(200);
/// Above this share of loss no growth is tried.
const GROWTH_LOSS: f32 = 0.1;
/// How long a growth probe takes, and of how many packets it is: twice as long
/// as one of libwebrtc, for a jitter of 20 ms lets a shorter one find too much.
const GROWTH_DURATION: Duration = Duration::from_millis(30);
const GROWTH_PACKETS: u32 = 5;
/// A fall this soon after a growth probe was its doing.
const BLAMED: Duration = Duration::from_millis(1_500);
/// How long growth then stops a little below where it began (a probe that fits
/// into a buffer finds too much): at first, and at most, after
/// more of them. The fall costs a subscriber half of its estimate, a longer
/// wait finds later that a path got better.
const CEILING_LEAST: Duration = Duration::from_secs(5);
const CEILING_MOST: Duration = Duration::from_secs(8);
/// A probe that is to find less than this share above the target is not worth it.
const WORTH: u64 = 10;
/// Growth probes count from here; the controller's count from 1.
const GROWTH_IDS: u32 = 1 << 30;

/// Probes for more than the estimate while more is desired.
///
/// The controller itself probes at the beginning, when the application sends
/// much less than the estimate, or after a large drop; else it adds 8 % a
/// second. What an SFU sends moves in steps of a layer, so that waiting for
/// those cases would leave subscribers at a low layer for half a minute.
#[derive(Debug)]
pub(super) struct Growth {
    due: Instant,
    wait: Duration,
    /// What the target was before the last probe, until the path's answer.
    from_bps: Option<u64>,
    /// When the last probe was sent, and what the target was.
    probed: Option<(Instant, u64)>,
    /// What the path did not take more than, and until when that is believed.
    ceiling: Option<(u64, Instant)>,
    ceiling_for: Duration,
    /// The share of packets lost, from 0 to 1.
    loss: f32,
    next_id: u32,
}

impl Growth {
    /// Returns what probes a second from `now` at the earliest.
    pub(super) fn new(now: Instant) -> Self {
        Growth {
            due: now + GROWTH_LEAST,
            wait: GROWTH_LEAST,
            from_bps: None,
            probed: None,
            ceiling: None,
            ceiling_for: CEILING_LEAST,
            loss: 0.0,
            next_id: GROWTH_IDS,
        }
    }

    /// Learns that the controller asked for a probe of its own at `now`.
    pub(super) fn defer(&mut self, now: Instant) {
        self.due = self.due.max(now + GROWTH_LEAST);
    }

    /// Learns the share of packets lost, from 0 to 1.
    pub(super) fn lost(&mut self, loss: f32) {
        self.loss = loss;
    }

    /// Learns that the target moved.
    pub(super) fn moved(&mut self, now: Instant, from_bps: u64, to_bps: u64) {
        if to_bps < from_bps / 10 * 9 {
            self.wait = GROWTH_LEAST;
            self.due = self.due.max(now + GROWTH_LEAST * 2);
            if let Some((at, before_bps)) = self.probed.take()
                && now.saturating_duration_since(at) < BLAMED
            {
                self.ceiling = Some((before_bps / 20 * 17, now + self.ceiling_for));
                self.ceiling_for = (self.ceiling_for * 2).min(CEILING_MOST);
            }
        }
        if self
            .from_bps
            .is_some_and(|before_bps| to_bps > before_bps / 5 * 7)
        {
            self.from_bps = None;
            self.wait = GROWTH_LEAST;
            self.due = now + GROWTH_NEXT;
        }
    }

    /// Returns the probe that is due at `now`.
    pub(super) fn next(
        &mut self,
        now: Instant,
        target_bps: u64,
        desired_bps: u64,
    ) -> Option<Probe> {
        if now < self.due || self.loss > GROWTH_LOSS {
            return None;
        }
        self.ceiling = self.ceiling.filter(|(_, until)| now < *until);
        let ceiling_bps = self.ceiling.map_or(u64::MAX, |(bps, _)| bps);
        let rate_bps = target_bps
            .saturating_mul(2)
            .min(desired_bps)
            .min(ceiling_bps);
        if rate_bps < target_bps + target_bps / WORTH {
            return None;
        }
        self.probed = Some((now, target_bps));
        if self.from_bps.replace(target_bps).is_some() {
            self.wait = (self.wait * 2).min(GROWTH_MOST);
        }
        self.due = now + self.wait;
        let id = self.next_id;
        self.next_id = if id < i32::MAX as u32 {
            id + 1
        } else {
            GROWTH_IDS
        };
        let min_bytes = rate_bps * GROWTH_DURATION.as_micros() as u64 / 8_000_000;
        Some(Probe {
            id,
            rate_bps,
            min_bytes: u32::try_from(min_bytes).ok()?.max(1),
            min_packets: GROWTH_PACKETS,
            duration: GROWTH_DURATION,
        })
    }
}

//! How the probes of one link are sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{BYTE, PACKET_BYTES};
use crate::estimate::{Probe, Probes};

/// How often a probe sends.
const PROBE_STEP: Duration = Duration::from_millis(2);
/// How late a probe may be before its result would say nothing.
const PROBE_PATIENCE: Duration = Duration::from_millis(200);
/// How many probes wait their turn.
const PROBES_MAX: usize = 8;

/// The probe under way on a link, and those that follow.
///
/// Whatever leaves while [`ProbePlan::due`] asks for bytes carries
/// [`ProbePlan::active`], passes the pacer by and is not debited there.
#[derive(Debug, Default)]
pub(crate) struct ProbePlan {
    waiting: VecDeque<(Instant, Probe)>,
    active: Option<Active>,
}

#[derive(Debug)]
struct Active {
    probe: Probe,
    started: Instant,
    bytes: u64,
    packets: u32,
}

impl ProbePlan {
    /// Takes probes that the estimator asked for at `now`.
    pub(crate) fn offer(&mut self, now: Instant, probes: &Probes) {
        for probe in probes.iter() {
            if self.waiting.len() < PROBES_MAX {
                self.waiting.push_back((now, probe));
            }
        }
    }

    /// Returns the number of the probe under way.
    pub(crate) fn active(&self) -> Option<u32> {
        self.active.as_ref().map(|active| active.probe.id)
    }

    /// Returns how many bytes of probe are due at `now`, and starts the next
    /// probe if none is under way: send at least one packet if it is not zero.
    pub(crate) fn due(&mut self, now: Instant) -> u64 {
        self.expire(now);
        if self.active.is_none() {
            self.active = self.waiting.pop_front().map(|(_, probe)| Active {
                probe,
                started: now,
                bytes: 0,
                packets: 0,
            });
        }
        let Some(active) = &self.active else {
            return 0;
        };
        let elapsed = now.saturating_duration_since(active.started) + PROBE_STEP;
        active.worth(elapsed).saturating_sub(active.bytes)
    }

    /// Records that a packet of `bytes` left at `now` under the active probe.
    pub(crate) fn sent(&mut self, bytes: usize) {
        let Some(active) = &mut self.active else {
            return;
        };
        active.bytes = active
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        active.packets += 1;
        let enough = active.bytes >= u64::from(active.probe.min_bytes);
        if enough && active.packets >= active.probe.min_packets {
            self.active = None;
        }
    }

    /// Returns when bytes are next due; `None` if there is no probe.
    pub(crate) fn next(&self) -> Option<Instant> {
        match &self.active {
            Some(active) => {
                let micros = active.bytes.saturating_mul(BYTE) / active.probe.rate_bps.max(1);
                Some(active.started + Duration::from_micros(micros))
            }
            None => self.waiting.front().map(|(offered, _)| *offered),
        }
    }

    /// Forgets all probes: the path is another, or there is none.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.active = None;
    }

    fn expire(&mut self, now: Instant) {
        let late = |since: Instant, duration: Duration| {
            now.saturating_duration_since(since) > duration * 2 + PROBE_PATIENCE
        };
        if let Some(active) = &self.active {
            // Five packets at a low rate take longer than the probe should.
            let packets = active.probe.min_packets.into();
            let slowest = active.time(PACKET_BYTES.saturating_mul(packets));
            if late(active.started, active.probe.duration.max(slowest)) {
                self.active = None;
            }
        }
        self.waiting
            .retain(|(offered, _)| now.saturating_duration_since(*offered) <= PROBE_PATIENCE * 5);
    }
}

impl Active {
    /// How many bytes leave within `span`.
    fn worth(&self, span: Duration) -> u64 {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.probe.rate_bps.saturating_mul(micros) / BYTE
    }

    /// How long `bytes` take.
    fn time(&self, bytes: u64) -> Duration {
        Duration::from_micros(bytes.saturating_mul(BYTE) / self.probe.rate_bps.max(1))
    }
}

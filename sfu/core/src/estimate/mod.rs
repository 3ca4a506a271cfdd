//! How much the path to one subscriber takes.
//!
//! An [`Estimator`] is told what was sent and what of it arrived, and answers
//! with a target, a pacing rate and probes. [`SentHistory`] turns the peer's
//! transport-wide feedback into what the estimator wants to hear.

mod fixed;
mod google;
mod history;
mod loss_bound;
#[cfg(test)]
pub(crate) mod scripted;

use std::time::{Duration, Instant};

pub(crate) use fixed::Fixed;
pub(crate) use google::GoogCc;
pub(crate) use history::SentHistory;

/// The least that an estimate says, in bit/s: sound and its overhead.
const BPS_MIN: u64 = 50_000;
/// The most that an estimate says, in bit/s: more than a link of ours needs.
const BPS_MAX: u64 = 1_000_000_000;
/// How much faster than the target a queue is drained, in quarters: not at
/// all. libwebrtc takes ten, for a target that is what the encoder sends; ours
/// is what the path takes, and a keyframe that leaves faster fills its buffer
/// and halves the estimate. A queue that would get old is hastened by the pacer.
const PACING: u64 = 4;

/// What a packet carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sound: never paced.
    Audio,
    /// A picture.
    Video,
    /// A packet sent again, asked for or as padding.
    Rtx,
    /// Nothing but padding.
    Padding,
}

/// What became of a packet that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acked {
    /// Its transport-wide sequence number, unwrapped.
    pub(crate) seq: u64,
    /// When it was sent.
    pub(crate) sent: Instant,
    /// How many bytes it had as a datagram's payload.
    pub(crate) size: u16,
    /// When it arrived in µs by the receiver's clock, whose beginning is
    /// anywhere; `None` if it is lost.
    pub(crate) arrival_us: Option<i64>,
    /// The probe that it was part of.
    pub(crate) probe: Option<u32>,
}

/// A burst by which the estimator wants to learn whether the path takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Its number, which each packet of it carries back in [`Acked::probe`].
    pub(crate) id: u32,
    /// How fast it is to be sent, in bit/s, everything included.
    pub(crate) rate_bps: u64,
    /// How many bytes are sent at least.
    pub(crate) min_bytes: u32,
    /// How many packets are sent at least.
    pub(crate) min_packets: u32,
    /// How long it takes at that rate.
    pub(crate) duration: Duration,
}

/// How many probes one update has at most; an estimator asks for two at once.
const PROBES_MAX: usize = 4;

/// The probes of one update, in the order in which they are to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    probes: [Option<Probe>; PROBES_MAX],
}

impl Probes {
    /// Adds a probe; one too many is dropped, for the estimator asks again.
    pub(crate) fn push(&mut self, probe: Probe) {
        if let Some(free) = self.probes.iter_mut().find(|place| place.is_none()) {
            *free = Some(probe);
        }
    }

    /// Returns whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.probes[0].is_none()
    }

    /// Returns the probes in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Probe> {
        self.probes.iter().flatten().copied()
    }
}

/// What the estimator has to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Update {
    /// How much may be sent on average, in bit/s.
    pub(crate) target_bps: u64,
    /// How fast a queue may be drained, in bit/s; never below the target.
    pub(crate) pacing_bps: u64,
    /// What is to be probed.
    pub(crate) probes: Probes,
}

impl Update {
    /// Returns an update that paces at [`PACING`].
    fn paced(target_bps: u64, probes: Probes) -> Self {
        Update {
            target_bps,
            pacing_bps: target_bps.saturating_mul(PACING) / 4,
            probes,
        }
    }
}

/// Estimates what the path to one subscriber takes.
pub(crate) trait Estimator {
    /// Records that packet `seq` of `size` bytes left at `now`.
    fn sent(&mut self, now: Instant, seq: u64, size: u16, kind: Kind, probe: Option<u32>);

    /// Takes what one feedback message said about packets, in their order.
    fn feedback(&mut self, now: Instant, acked: &[Acked]);

    /// Takes a receiver report: `loss` is the share lost since the one before
    /// (0 to 1), `rtt` the round trip if it is known.
    fn report(&mut self, now: Instant, loss: f32, rtt: Option<Duration>);

    /// Takes what the receiver itself estimates, in bit/s (REMB).
    fn remb(&mut self, now: Instant, bps: u64);

    /// Sets what is sent and what would be sent if the path took it, in bit/s.
    fn set_bounds(&mut self, now: Instant, sustain_bps: u64, desired_bps: u64);

    /// Forgets the path: the packets go another way from here on.
    fn path_changed(&mut self, now: Instant);

    /// Does what is due; returns what changed since the last call.
    fn process(&mut self, now: Instant) -> Option<Update>;

    /// Returns when [`Estimator::process`] is next due; `None` is never.
    fn next(&self) -> Option<Instant>;
}

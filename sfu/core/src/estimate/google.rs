//! Google's congestion control as the estimator of one path.
//!
//! The crate is a port of libwebrtc's and keeps its habit of asserting what it
//! expects, so this file lets through only what it expects: times that never
//! go back, sizes above zero, arrivals near the present, and no feedback in
//! which everything is lost.

mod clock;
mod growth;

use std::time::{Duration, Instant};

use goog_cc::experiments::FieldTrials;
use goog_cc::network_control::{NetworkControllerConfig, NetworkControllerInterface};
use goog_cc::transport::{
    NetworkAvailability, NetworkControlUpdate, NetworkRouteChange, PacedPacketInfo, PacketResult,
    ProbeClusterConfig, ProcessInterval, SentPacket, StreamsConfig, TargetRateConstraints,
    TransportPacketsFeedback,
};
use goog_cc::units::{DataRate, DataSize, Timestamp};
use goog_cc::{GoogCcConfig, GoogCcNetworkController};

use self::clock::Clock;
use self::growth::Growth;
use super::loss_bound::LossBound;
use super::{Acked, BPS_MAX, BPS_MIN, Estimator, Kind, PACING, Probe, Probes, Update};

/// How often the controller looks at the time while the result of a probe is
/// expected.
const PROCESS_ACTIVE: Duration = Duration::from_millis(25);
/// How often it does otherwise. Feedback is acted on at once in any case;
/// less often would delay probes and the back-off when feedback stops.
const PROCESS_IDLE: Duration = Duration::from_millis(100);
/// For how long after a probe its result is expected.
const EXPECTING: Duration = Duration::from_secs(1);
/// How long the first transport-wide feedback may take before the estimate is
/// left to receiver reports.
const FEEDBACK_AWAITED: Duration = Duration::from_millis(1_500);
/// How often the upper bound may move: a rise of it starts a probe.
const BOUND_INTERVAL: Duration = Duration::from_secs(1);
/// How many losses wait for a feedback message with an arrival.
const LOST_MAX: usize = 256;
/// How many probes are known: those of the last seconds.
const KNOWN_PROBES: usize = 8;
/// A probe is not worth it when this much of what is desired is proven.
const PROVEN: f64 = 0.9;
/// For how long the controller has no rate of its own of what arrives: it takes
/// the first from a window of a second (libwebrtc's has half of one), and halves
/// the estimate with each feedback of a full path until then.
const BLIND: Duration = Duration::from_millis(1_500);
/// How much of that has to be heard before ours counts.
const HEARD: Duration = Duration::from_millis(100);
/// For how long nothing is sent before the controller is left alone: nothing
/// that it could learn comes.
const QUIET: Duration = Duration::from_secs(5);

/// The estimator of a link on which transport-wide feedback was negotiated.
///
/// Until the first such feedback comes, and if none ever does, receiver
/// reports and the receiver's own estimate bound what may be sent.
pub(crate) struct GoogCc {
    controller: GoogCcNetworkController,
    clock: Clock,
    fallback: LossBound,
    state: State,
    /// The upper bound that the controller knows, that which it should know,
    /// and when it last moved.
    bound_bps: u64,
    desired_bps: u64,
    bound_at: Option<Instant>,
    target_bps: u64,
    /// What was last told, and what is to be told.
    told_bps: u64,
    probes: Probes,
    known: [Option<Probe>; KNOWN_PROBES],
    lost: Vec<Lost>,
    growth: Growth,
    expecting_until: Instant,
    /// When feedback began, and how many bytes it has said arrived since.
    heard: Option<(Instant, u64)>,
    /// When something was last sent.
    sent_at: Instant,
    next: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was sent that feedback could tell about.
    Fresh,
    /// Something was sent since this time, and nothing was heard.
    Awaiting(Instant),
    /// Transport-wide feedback comes.
    Fed,
}

/// A packet that a feedback message without arrivals told lost.
#[derive(Debug, Clone, Copy)]
struct Lost {
    seq: u64,
    sent: Timestamp,
    size: u16,
}

impl GoogCc {
    /// Returns an estimator that begins with `start_bps`, looking for the
    /// double until [`Estimator::set_bounds`] says for how much.
    pub(crate) fn new(now: Instant, start_bps: u64) -> Self {
        let start_bps = start_bps.clamp(BPS_MIN, BPS_MAX);
        let desired_bps = start_bps.saturating_mul(2).min(BPS_MAX);
        let clock = Clock::new(now);
        let mut controller = GoogCcNetworkController::new(
            NetworkControllerConfig {
                field_trials: field_trials(),
                constraints: constraints(clock.beginning(), desired_bps, Some(start_bps)),
                stream_based_config: StreamsConfig {
                    at_time: clock.beginning(),
                    // Growth probes do more: they also come while the
                    // application uses all of a low estimate.
                    requests_alr_probing: Some(false),
                    enable_repeated_initial_probing: Some(true),
                    pacing_factor: Some(PACING as f64 / 4.0),
                    ..StreamsConfig::default()
                },
            },
            GoogCcConfig {
                feedback_only: true,
            },
        );
        // Gives no probes yet: the first call of the process interval does.
        controller.on_network_availability(NetworkAvailability {
            at_time: clock.beginning(),
            network_available: true,
        });
        GoogCc {
            controller,
            clock,
            fallback: LossBound::new(now, start_bps),
            state: State::Fresh,
            bound_bps: desired_bps,
            desired_bps,
            bound_at: None,
            target_bps: start_bps,
            told_bps: 0,
            probes: Probes::default(),
            known: [None; KNOWN_PROBES],
            lost: Vec::new(),
            growth: Growth::new(now),
            expecting_until: now,
            heard: None,
            sent_at: now,
            next: None,
        }
    }

    /// Lets the controller begin, if it did not: its bounds are set and its
    /// first probes asked for by the first look at the time, before which it
    /// divides by what is not there.
    fn begin(&mut self, now: Instant, at_time: Timestamp) {
        if self.state == State::Fresh {
            self.state = State::Awaiting(now);
            self.next = Some(now);
            self.look(now, at_time);
        }
    }

    /// Lets the controller look at the time.
    fn look(&mut self, now: Instant, at_time: Timestamp) {
        let update = self.controller.on_process_interval(ProcessInterval {
            at_time,
            pacer_queue: None,
        });
        self.take(now, update);
    }

    /// Tells the controller how much is desired, if that changed enough and
    /// not just before.
    fn move_bound(&mut self, now: Instant, at_time: Timestamp) {
        let changed = self.bound_bps.abs_diff(self.desired_bps) > self.bound_bps / 20;
        let recently = self
            .bound_at
            .is_some_and(|at| now.saturating_duration_since(at) < BOUND_INTERVAL);
        if !changed || recently {
            return;
        }
        self.bound_bps = self.desired_bps;
        self.bound_at = Some(now);
        let update =
            self.controller
                .on_target_rate_constraints(constraints(at_time, self.bound_bps, None));
        self.take(now, update);
    }

    /// Takes what the controller answered.
    fn take(&mut self, now: Instant, update: NetworkControlUpdate) {
        // It pads for an encoder that wants to be padded, of which we have none,
        // and under a trial that is off: after loss, up to the estimate. That
        // would be media of nobody on a path that has just lost some; growth
        // probes find out the same in bursts of 30 ms.
        let padding = update.pacer_config.map(|pacer| pacer.pad_window);
        debug_assert!(
            padding.is_none_or(|padding| padding == DataSize::zero()),
            "nothing pads but probes"
        );
        if let Some(target) = update.target_rate {
            self.growth.lost(target.network_estimate.loss_rate_ratio);
            let target_bps = target.target_rate.bps_or(0).try_into().unwrap_or(BPS_MIN);
            let target_bps = u64::clamp(target_bps, BPS_MIN, BPS_MAX);
            self.growth.moved(now, self.target_bps, target_bps);
            self.target_bps = target_bps;
        }
        for cluster in &update.probe_cluster_configs {
            let Some(probe) = probe(cluster) else {
                continue;
            };
            self.growth.defer(now);
            self.ask(now, probe);
        }
    }

    /// Keeps the estimate from falling far below what arrives while the
    /// controller does not know that.
    fn hold(&mut self, now: Instant, at_time: Timestamp, acked: &[Acked]) {
        let arrived = acked.iter().filter(|acked| acked.arrival_us.is_some());
        let bytes: u64 = arrived.map(|acked| u64::from(acked.size)).sum();
        // What the first message tells of arrived before the count begins.
        let (since, heard) = self.heard.get_or_insert((now, 0));
        let elapsed = now.saturating_duration_since(*since);
        if elapsed.is_zero() || elapsed > BLIND {
            return;
        }
        *heard += bytes;
        let arriving_bps = *heard * 8_000 / elapsed.as_millis().max(1) as u64;
        if elapsed < HEARD || self.target_bps >= arriving_bps / 10 * 7 {
            return;
        }
        let start_bps = (arriving_bps / 20 * 17).clamp(BPS_MIN, self.bound_bps.max(BPS_MIN));
        let update = self.controller.on_target_rate_constraints(constraints(
            at_time,
            self.bound_bps,
            Some(start_bps),
        ));
        self.take(now, update);
    }

    /// Asks for a growth probe if one is due and worth it.
    fn grow(&mut self, now: Instant) {
        let proven = self.target_bps as f64 > self.desired_bps as f64 * PROVEN;
        if proven || self.state != State::Fed {
            return;
        }
        if let Some(probe) = self.growth.next(now, self.target_bps, self.desired_bps) {
            self.ask(now, probe);
        }
    }

    fn ask(&mut self, now: Instant, probe: Probe) {
        self.probes.push(probe);
        self.known.rotate_right(1);
        self.known[0] = Some(probe);
        self.expecting_until = now + EXPECTING;
        self.next = self.next.map(|next| next.min(now + PROCESS_ACTIVE));
    }

    /// Returns what the controller wants to know of a packet's probe.
    fn pacing_info(&self, probe: Option<u32>) -> PacedPacketInfo {
        let known = self.known.iter().flatten();
        let Some(probe) = probe.and_then(|id| known.into_iter().find(|probe| probe.id == id))
        else {
            return PacedPacketInfo::default();
        };
        PacedPacketInfo {
            send_bitrate: rate(probe.rate_bps),
            ..PacedPacketInfo::new(
                probe.id as i32,
                i64::from(probe.min_packets),
                i64::from(probe.min_bytes),
            )
        }
    }

    fn speaks_of_loss(&self, now: Instant) -> bool {
        match self.state {
            State::Fresh => self.fallback.is_heard(),
            State::Fed => false,
            State::Awaiting(since) => now.saturating_duration_since(since) > FEEDBACK_AWAITED,
        }
    }
}

impl Estimator for GoogCc {
    fn sent(&mut self, now: Instant, seq: u64, size: u16, kind: Kind, probe: Option<u32>) {
        self.fallback.sent(now, seq, size, kind, probe);
        let send_time = self.clock.at(now);
        self.begin(now, send_time);
        self.sent_at = now;
        if self.next.is_none() && !self.speaks_of_loss(now) {
            self.next = Some(now);
        }
        // Answers only with a congestion window, which is off.
        self.controller.on_sent_packet(SentPacket {
            send_time,
            size: DataSize::from_bytes(i64::from(size.max(1))),
            pacing_info: self.pacing_info(probe),
            audio: kind == Kind::Audio,
            sequence_number: seq as i64,
            ..SentPacket::default()
        });
    }

    fn feedback(&mut self, now: Instant, acked: &[Acked]) {
        let feedback_time = self.clock.at(now);
        if acked.iter().all(|acked| acked.arrival_us.is_none()) {
            // The controller unwraps the last arrival of a message. Their loss
            // is told with the next arrival.
            for acked in acked {
                if self.lost.len() < LOST_MAX {
                    self.lost.push(Lost {
                        seq: acked.seq,
                        sent: self.clock.past(acked.sent, feedback_time),
                        size: acked.size,
                    });
                }
            }
            return;
        }
        let result = |seq: u64, sent, size: u16, receive_time, pacing_info| PacketResult {
            sent_packet: SentPacket {
                send_time: sent,
                size: DataSize::from_bytes(i64::from(size.max(1))),
                pacing_info,
                sequence_number: seq as i64,
                ..SentPacket::default()
            },
            receive_time,
            ..PacketResult::default()
        };
        let mut packet_feedbacks = Vec::with_capacity(self.lost.len() + acked.len());
        packet_feedbacks.extend(self.lost.drain(..).map(|lost| {
            let never = Timestamp::plus_infinity();
            result(
                lost.seq,
                lost.sent,
                lost.size,
                never,
                PacedPacketInfo::default(),
            )
        }));
        for acked in acked {
            let receive_time = acked
                .arrival_us
                .map_or(Timestamp::plus_infinity(), |arrival_us| {
                    self.clock.arrival(arrival_us, feedback_time)
                });
            packet_feedbacks.push(result(
                acked.seq,
                self.clock.past(acked.sent, feedback_time),
                acked.size,
                receive_time,
                self.pacing_info(acked.probe),
            ));
        }
        self.begin(now, feedback_time);
        if self.state != State::Fed {
            self.state = State::Fed;
            self.next = Some(now);
        }
        let update = self
            .controller
            .on_transport_packets_feedback(TransportPacketsFeedback {
                feedback_time,
                packet_feedbacks,
                ..TransportPacketsFeedback::default()
            });
        self.take(now, update);
        self.hold(now, feedback_time, acked);
    }

    fn report(&mut self, now: Instant, loss: f32, rtt: Option<Duration>) {
        self.fallback.report(now, loss, rtt);
    }

    fn remb(&mut self, now: Instant, bps: u64) {
        self.fallback.remb(now, bps);
    }

    fn set_bounds(&mut self, now: Instant, sustain_bps: u64, desired_bps: u64) {
        self.fallback.set_bounds(now, sustain_bps, desired_bps);
        self.desired_bps = desired_bps.max(sustain_bps).clamp(BPS_MIN, BPS_MAX);
    }

    fn path_changed(&mut self, now: Instant) {
        self.fallback.path_changed(now);
        if self.state == State::Fresh {
            return;
        }
        let at_time = self.clock.at(now);
        self.clock.forget_receiver();
        self.heard = None;
        self.lost.clear();
        self.bound_bps = self.desired_bps;
        self.bound_at = Some(now);
        let update = self.controller.on_network_route_change(NetworkRouteChange {
            at_time,
            constraints: constraints(at_time, self.bound_bps, Some(self.target_bps)),
        });
        self.take(now, update);
    }

    fn process(&mut self, now: Instant) -> Option<Update> {
        let mut target_bps = self.target_bps;
        if self.speaks_of_loss(now) {
            // Without feedback the controller would back off to nothing.
            self.probes = Probes::default();
            self.next = None;
            target_bps = self.fallback.target_bps();
        } else if self.state == State::Fresh {
            return None;
        } else if self.next.is_none_or(|next| next <= now) {
            let at_time = self.clock.at(now);
            self.look(now, at_time);
            self.move_bound(now, at_time);
            self.grow(now);
            let quiet = now.saturating_duration_since(self.sent_at) > QUIET;
            let expecting = now < self.expecting_until;
            let wait = if expecting {
                PROCESS_ACTIVE
            } else {
                PROCESS_IDLE
            };
            self.next = (!quiet).then_some(now + wait);
            target_bps = self.target_bps;
        }
        let probes = std::mem::take(&mut self.probes);
        if probes.is_empty() && self.told_bps == target_bps {
            return None;
        }
        self.told_bps = target_bps;
        Some(Update::paced(target_bps, probes))
    }

    fn next(&self) -> Option<Instant> {
        self.next
    }
}

/// Returns the settings in which we differ from libwebrtc's.
fn field_trials() -> FieldTrials {
    let mut trials = FieldTrials::default();
    // Walks its whole window for each packet; the other one does not, and the
    // estimate is as good for streams that are paced.
    trials.robust_throughput_estimator_settings.enabled = false;
    // Wants to know the bytes in flight with each packet, and pushes an
    // encoder back: we have none.
    trials.congestion_window.queue_size_ms = 0;
    // A floor under the estimate is not what a path takes.
    trials.min_alloc_as_lower_bound = false;
    let probing = &mut trials.probing_configuration;
    probing.skip_if_est_larger_than_fraction_of_max = PROVEN;
    probing.abort_further = true;
    trials
}

fn constraints(at_time: Timestamp, most_bps: u64, start_bps: Option<u64>) -> TargetRateConstraints {
    TargetRateConstraints {
        at_time,
        min_data_rate: Some(rate(BPS_MIN)),
        max_data_rate: Some(rate(most_bps)),
        starting_rate: start_bps.map(rate),
    }
}

fn rate(bps: u64) -> DataRate {
    DataRate::from_bits_per_sec(bps.min(BPS_MAX) as i64)
}

/// Translates a probe; `None` for one that nobody could send.
fn probe(cluster: &ProbeClusterConfig) -> Option<Probe> {
    let rate_bps = u64::try_from(cluster.target_data_rate.bps_or(0)).ok()?;
    let duration = cluster.target_duration.us_or(0);
    let duration = Duration::from_micros(u64::try_from(duration).ok()?);
    let min_bytes = rate_bps.min(BPS_MAX) * duration.as_micros() as u64 / 8_000_000;
    Some(Probe {
        id: u32::try_from(cluster.id).ok()?,
        rate_bps: (rate_bps > 0).then_some(rate_bps)?,
        min_bytes: u32::try_from(min_bytes).ok()?.max(1),
        min_packets: u32::try_from(cluster.target_probe_count).ok()?.max(2),
        duration,
    })
}

#[cfg(test)]
mod tests;

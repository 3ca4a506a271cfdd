//! Keeps the books of a run: seconds come in, [`Measured`] comes out.

use std::time::Duration;

use crate::engine::Tally;
use crate::measured::{
    Ended, Environment, FORMAT, Failure, Generator, Measured, Scenario, Second, ServerUse, Steady,
    TargetName, Totals, Window,
};
use crate::watched::Use;

/// Failures that are told one by one.
const FAILURES_MAX: usize = 20;

/// What a report says of a run before it begins.
#[derive(Debug, Clone)]
pub struct Title {
    /// Name and version of the tool.
    pub tool: String,
    /// What is measured.
    pub target: TargetName,
    /// What the caller calls it.
    pub label: Option<String>,
    /// Where it is measured.
    pub environment: Environment,
    /// What is played.
    pub scenario: Scenario,
    /// Where the server's use is from, if it is watched.
    pub watched: Option<String>,
}

/// What was used until some time; `None` where it could not be read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) server: Option<Use>,
    pub(crate) own: Option<Use>,
}

/// The books of one run.
pub(crate) struct Book {
    title: Title,
    timeline: Vec<Second>,
    last: (Duration, Usage),
    before: Usage,
    totals: Totals,
    frozen: Duration,
    whole: Tally,
    steady: Tally,
    window: Option<(Duration, Usage)>,
    window_end: (Duration, Usage),
    memory_peak: u64,
    joined_peak: usize,
    failures: Vec<Failure>,
}

impl Book {
    /// Opens them; `before` is what was used before anybody came.
    pub(crate) fn new(title: Title, before: Usage) -> Book {
        Book {
            title,
            timeline: Vec::new(),
            last: (Duration::ZERO, before),
            before,
            totals: Totals::default(),
            frozen: Duration::ZERO,
            whole: Tally::default(),
            steady: Tally::default(),
            window: None,
            window_end: (Duration::ZERO, before),
            memory_peak: before.server.map_or(0, |server| server.memory_bytes),
            joined_peak: 0,
            failures: Vec::new(),
        }
    }

    /// Counts somebody who begins to come in.
    pub(crate) fn note_begun(&mut self) {
        self.totals.joins_begun += 1;
    }

    /// Counts somebody who did not come in or fell out.
    pub(crate) fn note_failure(&mut self, at: Duration, participant: u64, reason: String) {
        self.totals.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(Failure {
                at_s: at.as_secs_f64(),
                participant,
                reason,
            });
        }
    }

    /// Everybody is there: the window begins with the last second that was noted.
    pub(crate) fn open_window(&mut self) {
        self.window = Some(self.last);
        self.window_end = self.last;
    }

    pub(crate) fn window_is_open(&self) -> bool {
        self.window.is_some()
    }

    /// Returns how many begun joins are neither done nor failed.
    pub(crate) fn joins_open(&self) -> u64 {
        let settled = self.totals.joins_done + self.totals.failed;
        self.totals.joins_begun.saturating_sub(settled)
    }

    pub(crate) fn joins_done(&self) -> u64 {
        self.totals.joins_done
    }

    /// Enters what happened until `at`, some second after the last time.
    pub(crate) fn note_second(&mut self, at: Duration, tally: &Tally, usage: Usage) -> &Second {
        let (last_at, last_usage) = self.last;
        let length = (at - last_at).as_secs_f64();
        let cores = |now: Option<Use>, before: Option<Use>| {
            let used = now?.cpu.saturating_sub(before?.cpu);
            (length > 0.0).then(|| used.as_secs_f64() / length)
        };
        self.totals.joins_done += tally.joins_done;
        self.joined_peak = self.joined_peak.max(tally.joined);
        if let Some(server) = usage.server {
            self.memory_peak = self.memory_peak.max(server.memory_bytes);
        }
        self.whole.merge(tally);
        if self.window.is_some() {
            self.steady.merge(tally);
            self.window_end = (at, usage);
        }
        self.frozen += tally.freezes.sum();
        self.timeline.push(Second {
            at_s: at.as_secs_f64(),
            length_s: length,
            connected: tally.joined,
            failed: self.totals.failed as usize,
            received: tally.received,
            sent: tally.sent,
            received_bytes: tally.received_bytes,
            sent_bytes: tally.sent_bytes,
            lost: tally.counts.video_given_up + tally.counts.audio_given_up,
            frames: tally.counts.frames,
            freezes: tally.freezes.count(),
            latency_p50_ms: tally.latency.quantile_ms(0.5),
            latency_p99_ms: tally.latency.quantile_ms(0.99),
            lateness_p99_ms: tally.timer_lateness.quantile_ms(0.99),
            server_cores: cores(usage.server, last_usage.server),
            server_memory_bytes: usage.server.map(|server| server.memory_bytes),
            generator_cores: cores(usage.own, last_usage.own),
        });
        self.last = (at, usage);
        self.timeline.last().expect("one was just pushed")
    }

    /// Closes them.
    pub(crate) fn close(self, ended: Ended) -> Measured {
        // A run that ended before everybody was there is judged as a whole.
        let is_windowed = self.window.is_some();
        let (from, usage_from) = self.window.unwrap_or((Duration::ZERO, self.before));
        let (to, usage_to) = if is_windowed {
            self.window_end
        } else {
            self.last
        };
        let steady = if is_windowed {
            &self.steady
        } else {
            &self.whole
        };
        let window = Window {
            from_s: from.as_secs_f64(),
            to_s: to.as_secs_f64(),
        };
        let seconds = window.seconds();
        let per_s = |count: u64| {
            if seconds > 0.0 {
                count as f64 / seconds
            } else {
                0.0
            }
        };
        let spent = |from: Option<Use>, to: Option<Use>| {
            let cpu = to?.cpu.saturating_sub(from?.cpu).as_secs_f64();
            (seconds > 0.0).then_some(cpu)
        };
        let us_per = |cpu: f64, packets: u64| cpu * 1e6 / packets.max(1) as f64;
        let own = spent(usage_from.own, usage_to.own).unwrap_or_default();
        let server = spent(usage_from.server, usage_to.server).map(|cpu| {
            let memory_before_bytes = self.before.server.map_or(0, |server| server.memory_bytes);
            let grown = self.memory_peak.saturating_sub(memory_before_bytes);
            ServerUse {
                source: self.title.watched.clone().unwrap_or_default(),
                cores: cpu / seconds,
                us_per_packet: us_per(cpu, steady.received),
                memory_before_bytes,
                memory_peak_bytes: self.memory_peak,
                memory_per_participant_bytes: grown / self.joined_peak.max(1) as u64,
            }
        });
        let generator = Generator {
            timer_lateness_ms: steady.timer_lateness.quantiles(),
            socket_lateness_ms: steady.socket_lateness.quantiles(),
            kernel_stamps: self.whole.received_bytes > 0 && self.whole.unstamped == 0,
            cores: per_s(1) * own,
            us_per_packet: us_per(own, steady.received + steady.sent),
            memory_bytes: self.last.1.own.map(|own| own.memory_bytes),
        };
        Measured {
            format: FORMAT,
            tool: self.title.tool,
            target: self.title.target,
            label: self.title.label,
            environment: self.title.environment,
            scenario: self.title.scenario,
            ended,
            window,
            totals: totals(self.totals, &self.whole, self.frozen),
            steady: Steady {
                received_per_s: per_s(steady.received),
                sent_per_s: per_s(steady.sent),
                received_bps: per_s(steady.received_bytes * 8),
                sent_bps: per_s(steady.sent_bytes * 8),
                loss: totals(Totals::default(), steady, Duration::ZERO).loss(),
            },
            latency_ms: steady.latency.quantiles(),
            join_ms: self.whole.joins.quantiles(),
            freeze_ms: steady.freezes.quantiles(),
            generator,
            server,
            failures: self.failures,
            thresholds: Vec::new(),
            timeline: self.timeline,
        }
    }
}

fn totals(counted: Totals, whole: &Tally, frozen: Duration) -> Totals {
    let counts = whole.counts;
    Totals {
        received: whole.received,
        sent: whole.sent,
        received_bytes: whole.received_bytes,
        sent_bytes: whole.sent_bytes,
        video_packets: counts.video_packets,
        audio_packets: counts.audio_packets,
        video_lost: counts.video_lost(),
        audio_lost: counts.audio_lost(),
        late: counts.video_late + counts.audio_late,
        corrupt: counts.corrupt,
        frames: counts.frames,
        undecodable: counts.undecodable,
        freezes: whole.freezes.count(),
        frozen_ms: frozen.as_millis() as u64,
        keyframe_requests: counts.keyframe_requests,
        violations: counts.violations,
        shaped_away: whole.shaped_away,
        unsent: whole.unsent,
        ..counted
    }
}

//! What one run found out: the one value that every report is made from.
//!
//! Times in the timeline are seconds since the run began; latencies and join
//! times are milliseconds. Where something could not be measured, it is absent
//! and not zero.

use serde::{Deserialize, Serialize};

/// The version of this shape, in [`Measured::format`]. It rises when a field
/// changes its meaning; new fields alone do not raise it.
pub const FORMAT: u32 = 1;

/// Everything that one run found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// [`FORMAT`].
    pub format: u32,
    /// Name and version of the tool, such as `conclave-loadtest/0.1.0`.
    pub tool: String,
    /// What was measured.
    pub target: TargetName,
    /// What the caller calls this run, such as `janus event_loops=1`.
    pub label: Option<String>,
    /// Where it was measured.
    pub environment: Environment,
    /// What was asked for.
    pub scenario: Scenario,
    /// How the run ended.
    pub ended: Ended,
    /// One entry per second since the run began.
    pub timeline: Vec<Second>,
    /// The time in which everybody was there; what [`Measured::steady`] is about.
    pub window: Window,
    /// Sums over the whole run.
    pub totals: Totals,
    /// Rates within [`Measured::window`].
    pub steady: Steady,
    /// Delay of packets from the publisher's stamp to the kernel's receive stamp, in
    /// milliseconds, within the window; of those participants who decrypt.
    pub latency_ms: Quantiles,
    /// From the beginning of the link to the first frame (or the first packet of
    /// sound, where nothing is to be seen), in milliseconds. With those who only count it is
    /// the first packet instead.
    pub join_ms: Quantiles,
    /// Times without a new frame, in milliseconds; one entry per freeze of those who decrypt.
    pub freeze_ms: Quantiles,
    /// How well the generator itself kept up.
    pub generator: Generator,
    /// What the server used within the window; absent if it was not watched.
    pub server: Option<ServerUse>,
    /// Participants that did not come in or fell out, the first of them.
    pub failures: Vec<Failure>,
    /// What the caller demanded, each with what came of it.
    pub thresholds: Vec<Threshold>,
}

impl Measured {
    /// Returns whether every demand of the caller was met.
    pub fn passed(&self) -> bool {
        self.thresholds.iter().all(|threshold| threshold.passed)
    }
}

/// Which server was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetName {
    /// This project's server.
    Conclave,
    /// The VideoRoom of Janus.
    Janus,
}

/// The machine of the generator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Processors that the generator may use.
    pub cores: usize,
    /// Name of the processor, if the system says it.
    pub processor: Option<String>,
    /// Release of the kernel, if the system says it.
    pub kernel: Option<String>,
    /// Beginning of the run in RFC 3339, UTC.
    pub date: String,
}

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScenarioKind {
    /// Everybody (or the first so many) sends, and everybody sees the others.
    Meeting,
    /// Few send, all others only watch.
    Webinar,
    /// A meeting in which viewers keep leaving and coming back.
    Churn,
    /// Sound alone.
    Audio,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// What was played.
    pub kind: ScenarioKind,
    /// How many took part, publishers among them.
    pub participants: usize,
    /// How many of them sent.
    pub publishers: usize,
    /// How long after the last one had come in, in seconds.
    pub duration_s: f64,
    /// How many began to come in per second.
    pub ramp_per_s: f64,
    /// Of how many others each wants to see the picture at most.
    pub watched_max: usize,
    /// What each publisher's picture was made with, in bit/s, the highest encoding where there
    /// are several; 0 for sound alone.
    pub video_bps: u64,
    /// Frames per second of a picture.
    pub video_fps: u32,
    /// Whether pictures had three encodings.
    pub simulcast: bool,
    /// What was done to the datagrams of each participant, in both directions.
    pub line: Line,
    /// One viewer of so many decrypts and checks what it receives; 1 is everybody.
    pub sample: usize,
    /// Threads of the generator.
    pub threads: usize,
}

impl Scenario {
    /// Returns whether participant `number`, from 1, only counts packets: of the viewers,
    /// who come behind the publishers, the first of each [`Scenario::sample`] does not.
    pub fn only_counts(&self, number: u64) -> bool {
        let Some(viewer) = number.checked_sub(self.publishers as u64 + 1) else {
            return false;
        };
        viewer % self.sample.max(1) as u64 != 0
    }

    /// Returns how many participants decrypt and check what they receive, publishers among them.
    pub fn decrypting(&self) -> usize {
        let viewers = self.participants.saturating_sub(self.publishers);
        self.publishers + viewers.div_ceil(self.sample.max(1))
    }
}

/// A made-up access line; the same in both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Share of datagrams lost, 0 to 1.
    pub loss: f64,
    /// Added delay one way, in milliseconds.
    pub delay_ms: f64,
    /// Most that varies on top of it, in milliseconds.
    pub jitter_ms: f64,
    /// What it carries in bit/s; absent is without limit.
    pub rate_bps: Option<u64>,
    /// Beginning of its random numbers.
    pub seed: u64,
}

impl Line {
    /// Returns whether datagrams pass it untouched.
    pub fn is_clear(&self) -> bool {
        self.loss == 0.0 && self.delay_ms == 0.0 && self.jitter_ms == 0.0 && self.rate_bps.is_none()
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// After its time.
    Complete,
    /// By Ctrl-C.
    Interrupted,
    /// Because nobody could come in.
    NobodyJoined,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Seconds since the beginning.
    pub from_s: f64,
    /// Seconds since the beginning.
    pub to_s: f64,
}

impl Window {
    /// Returns its length in seconds.
    pub fn seconds(&self) -> f64 {
        (self.to_s - self.from_s).max(0.0)
    }
}

/// One second of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// Its end, in seconds since the beginning.
    pub at_s: f64,
    /// How long it was: a busy generator may be late.
    pub length_s: f64,
    /// Participants whose media is up.
    pub connected: usize,
    /// Participants that did not come in or fell out, until now.
    pub failed: usize,
    /// RTP packets that arrived.
    pub received: u64,
    /// RTP packets that publishers sent.
    pub sent: u64,
    /// Bytes of all datagrams that arrived.
    pub received_bytes: u64,
    /// Bytes of all datagrams that were sent.
    pub sent_bytes: u64,
    /// Packets of media that were given up as lost.
    pub lost: u64,
    /// Frames that could be shown.
    pub frames: u64,
    /// Freezes that ended.
    pub freezes: u64,
    /// Of packets that arrived, in milliseconds; absent if none was decrypted.
    pub latency_p50_ms: Option<f64>,
    /// As above.
    pub latency_p99_ms: Option<f64>,
    /// How late the generator was with what was due, in milliseconds.
    pub lateness_p99_ms: Option<f64>,
    /// Processors that the server used, 1.0 is one whole core.
    pub server_cores: Option<f64>,
    /// Resident memory of the server.
    pub server_memory_bytes: Option<u64>,
    /// Processors that the generator used.
    pub generator_cores: Option<f64>,
}

/// Sums over the whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Times that somebody began to come in; more than participants in churn.
    pub joins_begun: u64,
    /// Times that media came up.
    pub joins_done: u64,
    /// Times that somebody did not come in or fell out.
    pub failed: u64,
    /// RTP packets that arrived, resent ones among them.
    pub received: u64,
    /// RTP packets that publishers sent, without resent ones.
    pub sent: u64,
    /// Bytes of all datagrams that arrived.
    pub received_bytes: u64,
    /// Bytes of all datagrams that were sent.
    pub sent_bytes: u64,
    /// Packets of pictures that were put in order.
    pub video_packets: u64,
    /// Packets of sound that were put in order.
    pub audio_packets: u64,
    /// Packets of pictures that never came, after all resending: lost on the line, or given
    /// up by the server.
    pub video_lost: u64,
    /// Packets of sound that never came.
    pub audio_lost: u64,
    /// Packets that came, but after they had been given up: not among the lost.
    pub late: u64,
    /// Packets whose payload was changed, or made by nobody here. This and what follows up to
    /// [`Totals::violations`] is of those participants who decrypt.
    pub corrupt: u64,
    /// Frames that could be shown.
    pub frames: u64,
    /// Whole frames that were of no use before the next keyframe.
    pub undecodable: u64,
    /// Times without a new frame.
    pub freezes: u64,
    /// Sum of these times over all participants, in milliseconds.
    pub frozen_ms: u64,
    /// Keyframes that receivers asked for.
    pub keyframe_requests: u64,
    /// Things that no sender may do even on a bad network, such as torn frames or a
    /// sequence number used twice.
    pub violations: u64,
    /// Datagrams that the made-up line of the participants lost, in both directions.
    pub shaped_away: u64,
    /// Datagrams that the generator's own sockets refused.
    pub unsent: u64,
}

impl Totals {
    /// Returns the share of media packets that never came, 0 to 1.
    pub fn loss(&self) -> f64 {
        let lost = self.video_lost + self.audio_lost;
        let all = lost + self.late + self.video_packets + self.audio_packets;
        if all == 0 {
            0.0
        } else {
            lost as f64 / all as f64
        }
    }
}

/// Rates within the window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Steady {
    /// RTP packets that arrived per second.
    pub received_per_s: f64,
    /// RTP packets that publishers sent per second.
    pub sent_per_s: f64,
    /// Bits of all datagrams that arrived per second.
    pub received_bps: f64,
    /// Bits of all datagrams that were sent per second.
    pub sent_bps: f64,
    /// Share of media packets that never came, 0 to 1.
    pub loss: f64,
}

/// Of many values, how they are spread. Each is the upper edge of its class of the
/// histogram, 3 % wide at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many values; with 0 all others are 0.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Least.
    pub min: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// 90 % are.
    pub p90: f64,
    /// 99 % are.
    pub p99: f64,
    /// 99.9 % are.
    pub p999: f64,
    /// Greatest.
    pub max: f64,
}

/// How well the generator itself kept up. Where it was late, delays of the server
/// are overstated by up to as much.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// How late timers were served, in milliseconds, within the window.
    pub timer_lateness_ms: Quantiles,
    /// How long datagrams waited in the kernel before they were taken, in milliseconds,
    /// within the window. Not part of the latency where the kernel stamps arrivals.
    pub socket_lateness_ms: Quantiles,
    /// Whether arrivals have the kernel's stamps.
    pub kernel_stamps: bool,
    /// Processors used within the window.
    pub cores: f64,
    /// Processor time per RTP packet received or sent within the window, in microseconds.
    pub us_per_packet: f64,
    /// Resident memory at the end.
    pub memory_bytes: Option<u64>,
}

/// What the server used within the window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerUse {
    /// Where the figures are from, such as `pid 4711` or `metrics`.
    pub source: String,
    /// Processors used.
    pub cores: f64,
    /// Processor time per RTP packet that reached a participant, in microseconds.
    pub us_per_packet: f64,
    /// Resident memory before anybody came.
    pub memory_before_bytes: u64,
    /// Greatest resident memory.
    pub memory_peak_bytes: u64,
    /// What it grew by, per participant that was there.
    pub memory_per_participant_bytes: u64,
}

/// One participant that did not come in or fell out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// When, in seconds since the beginning.
    pub at_s: f64,
    /// Its number, from 1.
    pub participant: u64,
    /// Why; names what helps where that is known.
    pub reason: String,
}

/// One demand of the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The option that demanded it, such as `--max-loss`.
    pub option: String,
    /// The most that is good, in [`Threshold::unit`].
    pub limit: f64,
    /// What was measured; absent if nothing was, and that is no pass.
    pub actual: Option<f64>,
    /// `%`, `ms`, `s`, `us` or none.
    pub unit: String,
    /// Whether the demand was met.
    pub passed: bool,
}

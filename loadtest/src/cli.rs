//! The command line of `conclave-loadtest`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use conclave_loadtest::conclave::InviteLink;
use conclave_loadtest::demand::Demand;
use conclave_loadtest::measured::{Line, Scenario, ScenarioKind};
use conclave_loadtest::run::WATCHED_MAX;
use conclave_loadtest::watched::Watched;

use crate::units::{bitrate, duration, milliseconds, per_second, share};

/// Drives synthetic participants over real sockets against a running server, and measures what arrives.
#[derive(Debug, Parser)]
#[command(name = "conclave-loadtest", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Invite link of a room, as the server prints it; quote it, shells cut at #. With --target janus
    /// the address of its WebSocket, ws://HOST:8188
    #[arg(long, value_name = "LINK")]
    pub(crate) link: String,
    /// What kind of server it is
    #[arg(long, value_enum, default_value_t = TargetKind::Conclave)]
    pub(crate) target: TargetKind,
    /// What is played
    #[arg(long, value_enum, default_value_t = ScenarioName::Meeting)]
    scenario: ScenarioName,
    /// How many take part, publishers among them
    #[arg(long, value_name = "N", default_value_t = 4)]
    participants: usize,
    /// How many of them send [default: everybody in a meeting and in audio, one in a webinar, two in churn]
    #[arg(long, value_name = "N")]
    publishers: Option<usize>,
    /// How long after everybody has come in
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    duration: Duration,
    /// How long everybody is there before that: estimates of bandwidth take some seconds
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub(crate) settle: Duration,
    /// How many begin to come in per second
    #[arg(long, value_name = "N/s", default_value = "20/s", value_parser = per_second)]
    ramp: f64,
    /// Let one viewer of N open and check what it receives; the others only count packets, for a fraction of
    /// the cost. Delay and freezes are then those of the sample
    #[arg(long, value_name = "N", default_value_t = 1)]
    sample: usize,

    /// Bitrate of a picture, of its highest encoding with --simulcast
    #[arg(long, value_name = "RATE", default_value = "1500k", value_parser = bitrate, help_heading = "Media")]
    video: u64,
    /// Frames per second of a picture
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=120), help_heading = "Media")]
    fps: u32,
    /// See the pictures of at most so many others, as a page with so many places
    #[arg(long, value_name = "N", default_value_t = WATCHED_MAX, help_heading = "Media")]
    watch: usize,
    /// Send pictures in three encodings, as browsers do
    #[arg(long, help_heading = "Media")]
    simulcast: bool,

    /// Lose this share of all datagrams, in both directions
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = share, help_heading = "Line of each participant, made up by the tool")]
    loss: f64,
    /// Delay one way
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = milliseconds, help_heading = "Line of each participant, made up by the tool")]
    delay: f64,
    /// Vary the delay by up to so much more
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = milliseconds, help_heading = "Line of each participant, made up by the tool")]
    jitter: f64,
    /// Carry no more than this in each direction, with a queue of 200 ms
    #[arg(long, value_name = "RATE", value_parser = bitrate, help_heading = "Line of each participant, made up by the tool")]
    rate: Option<u64>,
    /// Beginning of the random numbers: the same losses in each run
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        help_heading = "Line of each participant, made up by the tool"
    )]
    seed: u64,

    /// Measure processor and memory of the server's process on this machine
    #[arg(
        long,
        value_name = "PID",
        conflicts_with = "metrics",
        help_heading = "Watching the server"
    )]
    pid: Option<u32>,
    /// Take them from its metrics, such as http://127.0.0.1:9464/metrics
    #[arg(long, value_name = "URL", help_heading = "Watching the server")]
    metrics: Option<String>,

    /// Write the report as JSON
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report as one HTML page with plots
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(crate) html: Option<PathBuf>,
    /// What to call this run in the report
    #[arg(long, value_name = "TEXT", help_heading = "Report")]
    pub(crate) label: Option<String>,

    /// Demand that no larger share of media is lost for good
    #[arg(long, value_name = "SHARE", value_parser = share, help_heading = "Demands: exit code 3 if one is missed")]
    max_loss: Option<f64>,
    /// Demand that 99 % of packets arrive within
    #[arg(long, value_name = "TIME", value_parser = milliseconds, help_heading = "Demands: exit code 3 if one is missed")]
    max_p99: Option<f64>,
    /// Demand that everybody sees the first frame within
    #[arg(long, value_name = "TIME", value_parser = milliseconds, help_heading = "Demands: exit code 3 if one is missed")]
    max_join: Option<f64>,
    /// Demand at most so many freezes per participant and minute
    #[arg(
        long,
        value_name = "N",
        help_heading = "Demands: exit code 3 if one is missed"
    )]
    max_freezes: Option<f64>,
    /// Demand that no more do not come in or fall out
    #[arg(
        long,
        value_name = "N",
        help_heading = "Demands: exit code 3 if one is missed"
    )]
    max_failed: Option<u32>,
    /// Demand at most so many microseconds of the server's processors per packet that arrives
    #[arg(
        long,
        value_name = "US",
        help_heading = "Demands: exit code 3 if one is missed"
    )]
    max_server_us: Option<f64>,

    /// Take any certificate: for a server that made its own, as with --dev
    #[arg(long, help_heading = "Connecting")]
    pub(crate) insecure: bool,
    /// Origin that the server takes [default: that of the link]
    #[arg(long, value_name = "ORIGIN", help_heading = "Connecting")]
    pub(crate) origin: Option<String>,
    /// Number of the room of a Janus, which is made and taken away
    #[arg(
        long,
        value_name = "N",
        default_value_t = 7_316_021,
        help_heading = "Connecting"
    )]
    pub(crate) janus_room: u64,
    /// Threads of the generator [default: half of the processors]
    #[arg(long, value_name = "N", help_heading = "Connecting")]
    threads: Option<usize>,
}

const EXAMPLES: &str = "\
Examples:
  conclave serve --dev                           prints links of a room
  conclave-loadtest --link 'LINK' --insecure     a meeting of four for half a minute
  conclave-loadtest --link 'LINK' --scenario webinar --participants 200 --pid $(pidof conclave) --html report.html
  conclave-loadtest --link 'LINK' --participants 10 --loss 2% --delay 40ms --jitter 5ms --rate 2Mbit
  conclave-loadtest --link 'LINK' --participants 10 --max-loss 0.1% --max-p99 100ms --max-join 3s --max-failed 0

Scenarios:
  meeting   everybody sends picture and sound, and watches up to 12 others
  webinar   one sends, all others watch
  churn     two send; the others watch for some 10 s, leave, and come back a second later, all the time
  audio     everybody sends sound alone

All participants come from one address, and the server limits what one address may do. For more than some
60 participants its configuration has to allow it (SIGHUP applies it to a running server):
  [limits]
  joins_per_source_per_s = 1000
  joins_per_source_burst = 10000
  connections_per_source = 12000
  half_open_per_source = 1000
  connections = 16384

Progress goes to standard error once a second, the report to standard output. Ctrl-C ends a run early, with a report.
Exit codes: 0 as asked, 1 failure or nobody came in, 2 usage, 3 a demand was missed.";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TargetKind {
    /// This project's server
    Conclave,
    /// The VideoRoom of Janus
    Janus,
}

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScenarioName {
    Meeting,
    Webinar,
    Churn,
    Audio,
}

/// A command line that says something impossible.
#[derive(Debug, thiserror::Error)]
#[error("{option}: {reason}")]
pub(crate) struct Misuse {
    option: &'static str,
    reason: String,
}

impl Misuse {
    pub(crate) fn new(option: &'static str, reason: impl Into<String>) -> Self {
        Misuse {
            option,
            reason: reason.into(),
        }
    }
}

impl Cli {
    /// Returns what is to be played.
    ///
    /// # Errors
    /// Names the option that does not fit the others.
    pub(crate) fn scenario(&self, cores: usize) -> Result<Scenario, Misuse> {
        let participants = self.participants;
        if participants == 0 {
            return Err(Misuse::new("--participants", "at least one takes part"));
        }
        let usual = match self.scenario {
            ScenarioName::Meeting | ScenarioName::Audio => participants,
            ScenarioName::Webinar => 1,
            ScenarioName::Churn => 2.min(participants),
        };
        let publishers = self.publishers.unwrap_or(usual);
        if !(1..=participants).contains(&publishers) {
            let reason = format!("{publishers} of {participants} participants cannot be");
            return Err(Misuse::new("--publishers", reason));
        }
        if self.sample == 0 {
            return Err(Misuse::new(
                "--sample",
                "at least one viewer of each N looks",
            ));
        }
        if self.duration.is_zero() {
            return Err(Misuse::new("--duration", "a run takes some time"));
        }
        let is_audio = self.scenario == ScenarioName::Audio;
        Ok(Scenario {
            kind: match self.scenario {
                ScenarioName::Meeting => ScenarioKind::Meeting,
                ScenarioName::Webinar => ScenarioKind::Webinar,
                ScenarioName::Churn => ScenarioKind::Churn,
                ScenarioName::Audio => ScenarioKind::Audio,
            },
            participants,
            publishers,
            duration_s: self.duration.as_secs_f64(),
            ramp_per_s: self.ramp,
            watched_max: self.watch,
            video_bps: if is_audio { 0 } else { self.video },
            video_fps: self.fps,
            simulcast: self.simulcast && !is_audio,
            line: Line {
                loss: self.loss,
                delay_ms: self.delay,
                jitter_ms: self.jitter,
                rate_bps: self.rate,
                seed: self.seed,
            },
            sample: self.sample,
            threads: self.threads.unwrap_or(cores / 2).max(1),
        })
    }

    /// Returns the invite link.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub(crate) fn invite(&self) -> Result<InviteLink, Misuse> {
        InviteLink::parse(&self.link).map_err(|error| Misuse::new("--link", error.to_string()))
    }

    /// Returns where the server's use is to be read.
    ///
    /// # Errors
    /// Names an address that is none.
    pub(crate) fn watched(&self) -> Result<Option<Watched>, Misuse> {
        match (&self.metrics, self.pid) {
            (Some(url), _) => Watched::metrics(url).map(Some).ok_or_else(|| {
                Misuse::new("--metrics", "not of the form http://127.0.0.1:9464/metrics")
            }),
            (None, pid) => Ok(pid.map(Watched::Pid)),
        }
    }

    /// Returns what is demanded of the run.
    pub(crate) fn demands(&self) -> Vec<Demand> {
        [
            self.max_loss.map(Demand::Loss),
            self.max_p99.map(Demand::DelayP99Ms),
            self.max_join.map(Demand::JoinMs),
            self.max_freezes.map(Demand::FreezesPerMinute),
            self.max_failed
                .map(|count| Demand::Failures(f64::from(count))),
            self.max_server_us.map(Demand::ServerUsPerPacket),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

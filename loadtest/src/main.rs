//! `conclave-loadtest`: synthetic participants by the thousand against a running server.
#![forbid(unsafe_code)]

mod cli;
mod environment;
mod units;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use conclave_loadtest::Title;
use conclave_loadtest::conclave::{self, Conclave};
use conclave_loadtest::janus::Janus;
use conclave_loadtest::measured::{Ended, Measured};
use conclave_loadtest::report;
use conclave_loadtest::run::{Plan, Progress, run};
use conclave_loadtest::target::Target;
use tokio::sync::watch;

use cli::{Cli, Misuse, TargetKind};

/// What a wrong command line gives; clap uses the same.
const EXIT_USAGE: u8 = 2;
/// A demand was missed.
const EXIT_MISSED: u8 = 3;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (plan, target) = match prepare(&cli) {
        Ok(prepared) => prepared,
        Err(Failure::Misuse(misuse)) => {
            eprintln!("conclave-loadtest: {misuse}");
            return ExitCode::from(EXIT_USAGE);
        }
        Err(Failure::Other(error)) => return fail(&error),
    };
    match play(&cli, plan, target) {
        Ok(run) if run.ended == Ended::NobodyJoined => {
            let reason = run.failures.first().map(|failure| failure.reason.as_str());
            let reason = reason.unwrap_or("no media within the time for it");
            fail(&anyhow!("nobody came in: {reason}"))
        }
        Ok(run) if !run.passed() => ExitCode::from(EXIT_MISSED),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("conclave-loadtest: {error:#}");
    ExitCode::FAILURE
}

/// Why a run does not begin.
enum Failure {
    Misuse(Misuse),
    Other(anyhow::Error),
}

impl From<Misuse> for Failure {
    fn from(misuse: Misuse) -> Self {
        Failure::Misuse(misuse)
    }
}

fn prepare(cli: &Cli) -> Result<(Plan, Arc<dyn Target>), Failure> {
    let environment = environment::read();
    let scenario = cli.scenario(environment.cores)?;
    let watched = cli.watched()?;
    let target: Arc<dyn Target> = match cli.target {
        TargetKind::Conclave => {
            let invite = cli.invite()?;
            let tls = if cli.insecure {
                conclave::anybody()
            } else {
                conclave::system()
            };
            let tls = tls.map_err(|error| Failure::Other(anyhow!(error)))?;
            Arc::new(Conclave::new(invite, cli.origin.clone(), tls))
        }
        TargetKind::Janus => {
            if !cli.link.starts_with("ws://") && !cli.link.starts_with("wss://") {
                return Err(Misuse::new("--link", "a Janus is named as ws://HOST:8188").into());
            }
            Arc::new(Janus::new(cli.link.clone(), cli.janus_room))
        }
    };
    let title = Title {
        tool: concat!("conclave-loadtest/", env!("CARGO_PKG_VERSION")).to_owned(),
        target: target.name(),
        label: cli.label.clone(),
        environment,
        scenario,
        watched: watched
            .as_ref()
            .map(conclave_loadtest::watched::Watched::name),
    };
    let plan = Plan {
        title,
        watched,
        settle: cli.settle,
    };
    Ok((plan, target))
}

fn play(cli: &Cli, plan: Plan, target: Arc<dyn Target>) -> Result<Measured> {
    environment::raise_descriptors(plan.title.scenario.participants);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let mut run = runtime.block_on(async {
        if let Some(watched) = &plan.watched {
            let readable = watched.read().await;
            readable.with_context(|| format!("cannot watch the server ({})", watched.name()))?;
        }
        let (interrupt, mut interrupted) = watch::channel(false);
        let listener = tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupt.send_replace(true);
            }
            // The run may outlast the signal: whoever waits for it must not be told that it is gone.
            std::future::pending::<()>().await;
        });
        let measured = run(target, plan, &mut interrupted, show).await;
        listener.abort();
        measured.context("the engine could not be started")
    })?;
    run.thresholds = cli
        .demands()
        .into_iter()
        .map(|demand| demand.judge(&run))
        .collect();
    if let Some(file) = &cli.json {
        let json = report::json(&run).context("the report has no JSON")?;
        std::fs::write(file, json).with_context(|| format!("--json {}", file.display()))?;
    }
    if let Some(file) = &cli.html {
        let html = report::html(&run);
        std::fs::write(file, html).with_context(|| format!("--html {}", file.display()))?;
    }
    // Who closed standard output early wants no more of it.
    let _ = std::io::stdout().write_all(report::text(&run).as_bytes());
    Ok(run)
}

/// One line per second for whoever waits.
fn show(progress: Progress<'_>) {
    let second = progress.second;
    let per_s = |count: u64| count as f64 / second.length_s.max(0.001);
    let phase = if progress.is_steady {
        "steady"
    } else {
        "coming"
    };
    let ms =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let server = match (second.server_cores, second.server_memory_bytes) {
        (Some(cores), Some(bytes)) => {
            format!("  server {:.0} % {} MiB", cores * 100.0, bytes >> 20)
        }
        _ => String::new(),
    };
    let failed = match second.failed {
        0 => String::new(),
        failed => format!("  failed {failed}"),
    };
    eprintln!(
        "{:4.0} s {phase}  in {}{failed}  {:.0} packets/s  {:.1} Mbit/s  lost {}  delay {}/{} ms  late {} ms{server}",
        second.at_s,
        second.connected,
        per_s(second.received),
        per_s(second.received_bytes * 8) / 1e6,
        second.lost,
        ms(second.latency_p50_ms),
        ms(second.latency_p99_ms),
        ms(second.lateness_p99_ms),
    );
}

//! The generator: `conclave-loadtest`, the same for all servers.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use conclave_loadtest::measured::{Ended, Measured};

use crate::options::Options;
use crate::row::Row;
use crate::server::{Contender, Server};

/// How long a generator may take beyond what was asked of it.
const SLACK: Duration = Duration::from_secs(90);
const GLANCE: Duration = Duration::from_millis(100);

/// Arguments that lead to a Conclave.
pub(crate) fn to_conclave(link: &str) -> Vec<String> {
    // Its certificate is its own.
    ["--link", link, "--insecure"].map(str::to_owned).into()
}

/// Arguments that lead to a Janus.
pub(crate) fn to_janus(url: &str) -> Vec<String> {
    ["--target", "janus", "--link", url]
        .map(str::to_owned)
        .into()
}

/// Whether it can leave packets of most viewers as they are.
pub(crate) fn can_sample(program: &Path) -> bool {
    let help = Command::new(program).arg("--help").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--sample "))
}

/// Plays a row against a server that runs, and reads what came of it.
///
/// # Errors
/// What went wrong, and where the generator wrote about it.
pub(crate) fn run(
    mut command: Command,
    contender: Contender,
    row: &Row,
    server: &Server,
    options: &Options,
    folder: &Path,
) -> Result<Measured, String> {
    let (json, log) = (folder.join("run.json"), folder.join("generator.log"));
    let said = File::create(&log).map_err(|error| error.to_string())?;
    let copy = said.try_clone().map_err(|error| error.to_string())?;
    let label = format!("{}, {}", contender.name(), row.name());
    let numbers = [
        ("--participants", row.participants().to_string()),
        ("--publishers", row.publishers.to_string()),
        ("--duration", format!("{}s", options.window_s)),
        ("--settle", format!("{}s", options.settle_s)),
        ("--ramp", format!("{}/s", options.ramp_per_s)),
        ("--video", format!("{}kbit", row.video_bps / 1_000)),
        ("--watch", row.watched().to_string()),
        ("--threads", "1".to_owned()),
        ("--pid", server.pid().to_string()),
        ("--label", label),
    ];
    let scenario = if row.meets { "meeting" } else { "webinar" };
    command
        .args(&server.reached_by)
        .args(["--scenario", scenario]);
    if row.sample > 1 {
        command.args(["--sample", &row.sample.to_string()]);
    }
    for (option, value) in numbers {
        command.args([option, &value]);
    }
    command.arg("--json").arg(&json);
    command.arg("--html").arg(folder.join("run.html"));
    let mut generator = command
        .stdin(Stdio::null())
        .stdout(said)
        .stderr(copy)
        .spawn()
        .map_err(|error| error.to_string())?;
    let wrong = |what: &str| format!("{what}: see {}", log.display());
    let status = wait(&mut generator, patience(row, options));
    let status = status.ok_or_else(|| wrong("the generator did not end in time"))?;
    if !status.success() {
        return Err(wrong(&format!("the generator ended with {status}")));
    }
    let text = fs::read_to_string(&json).map_err(|error| wrong(&error.to_string()))?;
    let run: Measured = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    if run.steady.received_per_s == 0.0 {
        let first = run.failures.first().map(|failure| failure.reason.as_str());
        return Err(wrong(first.unwrap_or("nothing arrived")));
    }
    match run.ended {
        Ended::Complete => Ok(run),
        Ended::Interrupted => Err(wrong("interrupted")),
        Ended::NobodyJoined => Err(wrong("nobody could come in")),
    }
}

/// How long a run may take: coming in, settling, the window, and leaving.
fn patience(row: &Row, options: &Options) -> Duration {
    let ramp_s = row.participants() as u64 / options.ramp_per_s;
    Duration::from_secs(ramp_s + options.settle_s + options.window_s) + SLACK
}

/// Waits for a process; ends it when it takes too long.
fn wait(process: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + patience;
    while Instant::now() < until {
        // What cannot be asked has no more to say either.
        if let Some(status) = process.try_wait().ok()? {
            return Some(status);
        }
        sleep(GLANCE);
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

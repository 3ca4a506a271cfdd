//! The tool against a server of its own, as those run it who measure theirs.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use conclave_loadtest::measured::{Ended, Measured};

const TOOL: &str = env!("CARGO_BIN_EXE_conclave-loadtest");

#[test]
fn a_meeting_of_four_loses_nothing() {
    let server = Server::start("meeting");
    let pid = server.process.id().to_string();
    let html = server.folder.join("report.html");
    let output = server.play(&[
        "--participants",
        "4",
        "--duration",
        "2s",
        "--pid",
        &pid,
        "--html",
        html.to_str().unwrap(),
        "--max-failed",
        "0",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = server.report();
    assert_eq!(run.ended, Ended::Complete);
    assert_eq!(run.failures, []);
    assert_eq!((run.totals.joins_done, run.join_ms.count), (4, 4));
    assert!(run.totals.frames > 0 && run.totals.audio_packets > 0);
    assert_eq!((run.totals.video_lost, run.totals.audio_lost), (0, 0));
    assert_eq!((run.totals.corrupt, run.totals.violations), (0, 0));
    assert!(run.latency_ms.count > 0 && run.generator.kernel_stamps);
    assert!(
        run.server
            .is_some_and(|server| server.memory_peak_bytes > 0)
    );
    assert!(run.timeline.iter().any(|second| second.connected == 4));
    assert!(fs::read_to_string(html).unwrap().contains("<html"));
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(progress.contains("steady"), "{progress}");
}

#[test]
fn a_bad_line_shows_and_a_missed_demand_is_the_exit_code() {
    let server = Server::start("lossy");
    let line = ["--participants", "3", "--duration", "3s", "--loss", "10%"];
    let delays = ["--delay", "10ms", "--jitter", "2ms", "--seed", "7"];
    let demands = ["--max-loss", "0.001%", "--max-failed", "3"];
    let output = server.play(&[&line[..], &delays, &demands].concat());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let run = server.report();
    // Sound is not sent again; what was lost of it is lost.
    assert!(run.totals.audio_lost > 0 && run.totals.shaped_away > 0);
    // Ten milliseconds to the server and ten from there.
    assert!(run.latency_ms.min >= 20.0, "{:?}", run.latency_ms);
    let judged: Vec<_> = run
        .thresholds
        .iter()
        .map(|threshold| (threshold.option.as_str(), threshold.passed))
        .collect();
    assert_eq!(judged, [("--max-loss", false), ("--max-failed", true)]);
}

#[test]
fn sound_alone_viewers_alone_and_churn_come_in() {
    let server = Server::start("scenarios");
    for (scenario, has_pictures) in [("audio", false), ("webinar", true), ("churn", true)] {
        let flags = ["--scenario", scenario, "--participants", "4"];
        let output =
            server.play(&[&flags[..], &["--duration", "1s", "--max-failed", "0"]].concat());
        assert_eq!(output.status.code(), Some(0), "{scenario}: {output:?}");
        let run = server.report();
        assert!(run.totals.audio_packets > 0, "{scenario}");
        assert_eq!(run.totals.frames > 0, has_pictures, "{scenario}");
    }
}

#[test]
fn of_a_sample_of_viewers_all_come_in_and_few_look() {
    let server = Server::start("sample");
    let flags = ["--scenario", "webinar", "--participants", "12"];
    let more = ["--sample", "5", "--duration", "3s", "--max-failed", "0"];
    // A picture for which the server's first guess at each path is enough: of a larger one it gives
    // up what waits for too long, and that is lost as well.
    let line = ["--loss", "2%", "--delay", "5ms", "--video", "300kbit"];
    let output = server.play(&[&flags[..], &more, &line].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = server.report();
    assert_eq!((run.totals.joins_done, run.join_ms.count), (12, 12));
    // Of eleven viewers the first, the sixth and the eleventh; and the publisher.
    assert_eq!(run.scenario.decrypting(), 4);
    let (all, frames) = (run.totals.video_packets, run.totals.frames);
    assert!(all > 0 && frames > 0 && run.latency_ms.count > 0);
    // Those who look stamp every packet that they receive, and they are three of eleven.
    let looked_at = run.latency_ms.count as f64 / run.window.seconds();
    let share = looked_at / run.steady.received_per_s;
    assert!((0.15..0.4).contains(&share), "{share}");
    assert_eq!((run.totals.corrupt, run.totals.violations), (0, 0));
    // Two lines lose 2 % each, and the publisher's some 4 packets of sound for all: with bad luck
    // the double. Pictures are sent again.
    let lost = |lost: u64, came: u64| lost as f64 / (lost + came) as f64;
    let sound = lost(run.totals.audio_lost, run.totals.audio_packets);
    assert!((0.01..0.08).contains(&sound), "{:?}", run.totals);
    let pictures = lost(run.totals.video_lost, run.totals.video_packets);
    assert!(pictures < 0.005, "{:?}", run.totals);
}

#[test]
fn encodings_that_nobody_wants_are_not_sent_until_somebody_does() {
    let server = Server::start("demand");
    // Four seconds pass before the viewer comes; the server waits two with what nobody wants.
    let flags = [
        "--scenario",
        "webinar",
        "--participants",
        "2",
        "--simulcast",
    ];
    let pace = ["--ramp", "0.25", "--duration", "3s", "--max-failed", "0"];
    let output = server.play(&[&flags[..], &pace].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let run = server.report();
    let sent: Vec<_> = run
        .timeline
        .iter()
        .map(|second| (second.sent as f64 / second.length_s) as u64)
        .collect();
    // Fifty packets of sound, and some two hundred of three encodings.
    let silent = sent.iter().rposition(|sent| (1..70).contains(sent));
    let silent = silent.unwrap_or_else(|| panic!("{sent:?}"));
    assert!(sent[..silent].iter().any(|sent| *sent > 150), "{sent:?}");
    assert!(run.totals.frames > 20, "{:?}", run.totals);
    assert_eq!(run.totals.violations, 0);
}

#[test]
fn ctrl_c_ends_a_run_early_with_a_report() {
    let server = Server::start("interrupted");
    let mut tool = server
        .tool(&["--participants", "2", "--duration", "10m"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tool.stderr.take().unwrap()).lines();
    let steady = lines.find(|line| line.as_ref().unwrap().contains("steady"));
    assert!(steady.is_some());
    interrupt(&tool);
    // Whoever writes progress must not be stopped by a full pipe.
    for line in lines {
        line.unwrap();
    }
    let mut report = String::new();
    let mut stdout = tool.stdout.take().unwrap();
    stdout.read_to_string(&mut report).unwrap();
    assert_eq!(tool.wait().unwrap().code(), Some(0));
    assert_eq!(server.report().ended, Ended::Interrupted);
    assert!(!report.is_empty());
}

#[test]
fn a_wrong_command_line_names_the_option_and_gives_2() {
    for (flags, named) in [
        (&["--link", "x", "--loss", "200%"][..], "--loss"),
        (&["--link", "meet.example.org"], "--link"),
        (
            &[
                "--link",
                "https://meet.example.org/r/team",
                "--publishers",
                "9",
            ],
            "--publishers",
        ),
        (
            &[
                "--link",
                "https://meet.example.org/r/team",
                "--metrics",
                "x",
            ],
            "--metrics",
        ),
        (
            &[
                "--link",
                "https://meet.example.org/r/team",
                "--participants",
                "0",
            ],
            "--participants",
        ),
        (&["--participants", "4"], "--link"),
    ] {
        let output = Command::new(TOOL).args(flags).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(named), "{flags:?}: {said}");
    }
}

#[test]
fn a_certificate_of_the_servers_own_is_refused_with_what_helps() {
    let server = Server::start("trust");
    let output = Command::new(TOOL)
        .args(["--link", &server.link, "--participants", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--insecure"), "{said}");
}

fn interrupt(process: &Child) {
    let pid = process.id().to_string();
    let killed = Command::new("kill").args(["-s", "INT", &pid]).status();
    assert!(killed.unwrap().success());
}

/// A server in a folder of its own, on free ports.
struct Server {
    process: Child,
    folder: PathBuf,
    link: String,
}

impl Server {
    fn start(test: &str) -> Server {
        let name = format!("conclave-loadtest-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let ready = folder.join("ready.json");
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = Command::new(server_binary());
        // Settings of whoever runs the tests are not for the server under test.
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_string_lossy().starts_with("CONCLAVE_")) {
            command.env_remove(name);
        }
        let mut process = command
            .env("CONCLAVE_ADMIN__LISTEN", "127.0.0.1:0")
            .args(["serve", "--dev", "--https", "127.0.0.1:0"])
            .args(["--http", "localhost:0", "--media-port", "0"])
            .args(["--media-ip", "127.0.0.1", "--shards", "1"])
            .arg("--data-dir")
            .arg(folder.join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        // The banner comes when everything else is done; the pipe is kept open behind it.
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let banner = lines.find(|line| line.as_ref().unwrap().contains("Ctrl-C"));
        assert!(banner.is_some(), "the server ended while it started");
        let ready: serde_json::Value = serde_json::from_slice(&fs::read(ready).unwrap()).unwrap();
        let link = ready["guest_link"].as_str().unwrap().to_owned();
        Server {
            process,
            folder,
            link,
        }
    }

    /// The tool against this server, with a report as JSON.
    fn tool(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(TOOL);
        command
            .args(["--link", &self.link, "--insecure", "--json"])
            .arg(self.folder.join("report.json"))
            .args(flags);
        command
    }

    fn play(&self, flags: &[&str]) -> Output {
        self.tool(flags).output().unwrap()
    }

    fn report(&self) -> Measured {
        let json = fs::read(self.folder.join("report.json")).unwrap();
        serde_json::from_slice(&json).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log"));
            eprintln!("the log of the server:\n{}", log.unwrap_or_default());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Returns the server's binary beside the tool's: cargo gives a test the binaries of its own
/// package only. Whoever tests the whole workspace has it fresh; else it is built if missing.
fn server_binary() -> PathBuf {
    let folder = Path::new(TOOL).parent().unwrap();
    let binary = folder.join("conclave");
    if binary.exists() {
        return binary;
    }
    let profile = match folder.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        profile => profile,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "-p", "conclave"])
        .args(["--bin", "conclave", "--profile", profile])
        .status();
    assert!(built.unwrap().success(), "the server does not build");
    binary
}

//! A server that has started, and what to tell the generator about it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::pair::{End, Pair, SERVER};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(50);
/// Where Debian keeps the parts of Janus.
const JANUS_PARTS: &str = "/usr/lib/x86_64-linux-gnu/janus";
const JANUS_PORT: u16 = 8188;

/// Whom it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Conclave,
    /// A thread for each handle, as it comes.
    Janus,
    /// One thread for the media of all handles.
    JanusOneLoop,
}

impl Contender {
    pub(crate) const ALL: [Contender; 3] = [
        Contender::Conclave,
        Contender::Janus,
        Contender::JanusOneLoop,
    ];

    /// What it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Contender::Conclave => "Conclave",
            Contender::Janus => "Janus",
            Contender::JanusOneLoop => "Janus, `event_loops=1`",
        }
    }

    /// What it is called on the command line and in names of files.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Contender::Conclave => "conclave",
            Contender::Janus => "janus",
            Contender::JanusOneLoop => "janus-one-loop",
        }
    }
}

/// A server that runs. It ends with it.
pub(crate) struct Server {
    process: Child,
    /// Arguments with which the generator finds it.
    pub(crate) reached_by: Vec<String>,
}

impl Server {
    /// Starts one; `folder` is empty and its own.
    ///
    /// # Errors
    /// What went wrong, and where it wrote about it.
    pub(crate) fn start(
        contender: Contender,
        pair: &Pair,
        core: Option<usize>,
        folder: &Path,
        conclave: &Path,
    ) -> Result<Server, String> {
        match contender {
            Contender::Conclave => start_conclave(pair, core, folder, conclave),
            Contender::Janus => start_janus(pair, core, folder, 0),
            Contender::JanusOneLoop => start_janus(pair, core, folder, 1),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The generator is one source: what keeps one visitor from taking the whole
/// server is lifted, and nothing else.
const CONCLAVE: &str = "\
[listen]
https = \"SERVER:8443\"
[admin]
listen = \"off\"
[limits]
connections_per_source = 4096
half_open_per_source = 4096
links_per_source = 4096
joins_per_source_per_s = 1000
joins_per_source_burst = 4096
";

fn start_conclave(
    pair: &Pair,
    core: Option<usize>,
    folder: &Path,
    program: &Path,
) -> Result<Server, String> {
    let (config, ready) = (folder.join("conclave.toml"), folder.join("ready.json"));
    write(&config, &CONCLAVE.replace("SERVER", SERVER))?;
    let mut command = pair.command(End::Server, core, program);
    command
        .args(["serve", "--dev", "--shards", "1", "--media-ip", SERVER])
        .args(["--public-url", &format!("https://{SERVER}:8443")])
        .arg("--config")
        .arg(&config)
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--ready-file")
        .arg(&ready);
    let process = spawn(command, folder)?;
    let mut server = Server {
        process,
        reached_by: Vec::new(),
    };
    let told = server.wait(folder, || {
        let text = fs::read_to_string(&ready).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).ok()
    })?;
    let link = told["guest_link"].as_str().ok_or("no guest link")?;
    server.reached_by = crate::generator::to_conclave(link);
    Ok(server)
}

/// Everything that Janus comes with, but the VideoRoom and its WebSockets alone.
const JANUS: &str = "\
general: {
    configs_folder = \"FOLDER\"
    plugins_folder = \"PARTS/plugins\"
    transports_folder = \"PARTS/transports\"
    events_folder = \"PARTS/events\"
    loggers_folder = \"PARTS/loggers\"
    debug_level = 2
    event_loops = LOOPS
}
";
const JANUS_WEBSOCKETS: &str = "\
general: {
    json = \"compact\"
    ws = true
    ws_port = PORT
    ws_ip = \"SERVER\"
}
admin: {
    admin_ws = false
}
";

fn start_janus(
    pair: &Pair,
    core: Option<usize>,
    folder: &Path,
    loops: usize,
) -> Result<Server, String> {
    let place = folder.to_string_lossy();
    let mut main = JANUS
        .replace("FOLDER", &place)
        .replace("PARTS", JANUS_PARTS)
        .replace("LOOPS", &loops.to_string());
    for (part, wanted) in [
        ("plugins", "libjanus_videoroom.so"),
        ("transports", "libjanus_websockets.so"),
    ] {
        let others = others(part, wanted)?.join(",");
        main.push_str(&format!("{part}: {{ disable = \"{others}\" }}\n"));
    }
    let sockets = JANUS_WEBSOCKETS
        .replace("PORT", &JANUS_PORT.to_string())
        .replace("SERVER", SERVER);
    write(&folder.join("janus.jcfg"), &main)?;
    write(&folder.join("janus.transport.websockets.jcfg"), &sockets)?;
    write(&folder.join("janus.plugin.videoroom.jcfg"), "general: {}\n")?;
    let mut command = pair.command(End::Server, core, Path::new("janus"));
    command
        .arg("-F")
        .arg(folder)
        .args(["-i", SERVER, "--disable-colors"]);
    let process = spawn(command, folder)?;
    let mut server = Server {
        process,
        reached_by: crate::generator::to_janus(&format!("ws://{SERVER}:{JANUS_PORT}")),
    };
    let pid = server.pid();
    server.wait(folder, || listens(pid).then_some(()))?;
    Ok(server)
}

/// Returns the plugins or transports that are there and not wanted.
fn others(part: &str, wanted: &str) -> Result<Vec<String>, String> {
    let folder = format!("{JANUS_PARTS}/{part}");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names
        .filter(|name| name.ends_with(".so") && name != wanted)
        .collect())
}

/// Whether somebody listens on Janus' port in the namespace of that process.
fn listens(pid: u32) -> bool {
    let table = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let port = format!(":{JANUS_PORT:04X}");
    table.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().is_some_and(|local| local.ends_with(&port));
        // 0A is LISTEN.
        local && words.nth(1) == Some("0A")
    })
}

impl Server {
    /// Asks until there is an answer.
    fn wait<T>(&mut self, folder: &Path, ask: impl Fn() -> Option<T>) -> Result<T, String> {
        let log = log_in(folder);
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            let ended = self.process.try_wait().map_err(|error| error.to_string())?;
            if let Some(status) = ended {
                return Err(format!("it ended with {status}: see {}", log.display()));
            }
            if Instant::now() > until {
                return Err(format!("it was not ready in time: see {}", log.display()));
            }
            sleep(GLANCE);
        }
    }
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn spawn(mut command: std::process::Command, folder: &Path) -> Result<Child, String> {
    let log = File::create(log_in(folder)).map_err(|error| error.to_string())?;
    let copy = log.try_clone().map_err(|error| error.to_string())?;
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(copy)
        .spawn()
        .map_err(|error| error.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

//! Two network namespaces and the cable between them: the server on one end,
//! the generator on the other, and no way out.
//!
//! Needs root and `ip`. Janus takes no loopback addresses, so both servers are
//! reached over the cable.

use std::path::Path;
use std::process::Command;

/// Where the server is.
pub(crate) const SERVER: &str = "10.97.0.1";
const GENERATOR: &str = "10.97.0.2";

/// Two namespaces with a veth pair. They end with it.
pub(crate) struct Pair {
    server: String,
    generator: String,
}

/// An end of the cable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Server,
    Generator,
}

impl Pair {
    /// Makes both.
    ///
    /// # Errors
    /// What failed, in words.
    pub(crate) fn new() -> Result<Pair, String> {
        let process = std::process::id();
        let pair = Pair {
            server: format!("beside-{process}-s"),
            generator: format!("beside-{process}-g"),
        };
        for end in [&pair.server, &pair.generator] {
            ip(&["netns", "add", end])?;
            ip(&["-n", end, "link", "set", "lo", "up"])?;
        }
        let (server, generator) = (&*pair.server, &*pair.generator);
        ip(&[
            "-n", server, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns",
            generator,
        ])?;
        for (end, address) in [(server, SERVER), (generator, GENERATOR)] {
            let address = format!("{address}/24");
            ip(&["-n", end, "addr", "add", &address, "dev", "cable"])?;
            ip(&["-n", end, "link", "set", "cable", "up"])?;
        }
        Ok(pair)
    }

    /// Returns a command at one end, as one process, on one core or on all.
    pub(crate) fn command(&self, end: End, core: Option<usize>, program: &Path) -> Command {
        let namespace = match end {
            End::Server => &self.server,
            End::Generator => &self.generator,
        };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]);
        if let Some(core) = core {
            command.args(["taskset", "-c", &core.to_string()]);
        }
        command.arg(program);
        command
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for end in [&self.server, &self.generator] {
            let _ = ip(&["netns", "del", end]);
        }
    }
}

/// Takes away what a run has left that was interrupted.
pub(crate) fn sweep() {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix("beside-")
            .and_then(|rest| rest.split('-').next());
        let gone = process.is_some_and(|process| !Path::new("/proc").join(process).exists());
        if gone {
            let _ = ip(&["netns", "del", &name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", arguments.join(" "), said.trim()))
}

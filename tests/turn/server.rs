//! The relay as a process of its own, in a namespace of its own.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use conclave_tests::lab::{Lab, Pid, conclave};

/// A user with a password.
pub(crate) const BOB: [&str; 4] = ["-u", "bob", "-w", "hunter2-hunter2"];

/// Somebody whose password follows from the shared secret.
pub(crate) const ADA: [&str; 4] = ["-u", "ada", "-W", SECRET];

const SECRET: &str = "a-secret-for-tests-only";

/// What it is told. The channel numbers are those that Debian's client draws.
const CONFIG: &str = r#"
role = "turn"
[listen]
https = "[::]:5349"
http = "off"
[turn]
realm = "north.gov"
listen = ["[::]:3478"]
peers = ["127.0.0.1", "::1", "10.99.0.1"]
allow_loopback_peers = true
relay_ips = ["127.0.0.1", "::1"]
legacy_channel_numbers = true
users = ["bob:hunter2-hunter2"]
[limits]
connections_per_source = 1000
half_open_per_source = 1000
"#;

/// A namespace with the relay and an echo on ports 3480 and 3481 in it.
pub(crate) struct Relay {
    pub(crate) lab: Lab,
    pub(crate) pid: Pid,
    folder: PathBuf,
}

impl Relay {
    /// Starts both; `name` is that of the test.
    pub(crate) fn start(name: &str) -> Relay {
        let folder =
            std::env::temp_dir().join(format!("conclave-turn-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (config, secret) = (folder.join("conclave.toml"), folder.join("secret"));
        private_file(&secret).write_all(SECRET.as_bytes()).unwrap();
        let secret = secret.to_str().unwrap();
        let text = CONFIG.replace("[limits]", &format!("secret_file = {secret:?}\n[limits]"));
        fs::write(&config, text).unwrap();
        let mut lab = Lab::new();
        let mut serve = lab.command(conclave());
        serve.args(["serve", "--dev", "--config"]).arg(config);
        serve.arg("--data-dir").arg(folder.join("data"));
        let pid = lab.start_until(serve, "Ctrl-C ends it");
        let mut echo = lab.command("turnutils_peer");
        echo.args(["-L", "127.0.0.1", "-L", "::1"]);
        lab.start(echo);
        Relay { lab, pid, folder }
    }

    /// Returns whether the relay still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.lab.runs(self.pid)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A file that nobody else may read.
fn private_file(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    made.unwrap()
}

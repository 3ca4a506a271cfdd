//! A network of its own for programs that nobody here wrote: a namespace with
//! nothing but loopback, in which every port is free and no way leads out.
//!
//! Needs root and `ip` (iproute2). Everything that was started ends with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};

/// An address besides 127.0.0.1 and ::1, for clients that distrust those.
pub const HOST: &str = "10.99.0.1";

/// How long a program may take that ends by itself.
const PATIENCE_S: &str = "60";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace and the programs in it.
pub struct Lab {
    namespace: String,
    children: Vec<Child>,
}

/// A program that goes on.
#[derive(Debug, Clone, Copy)]
pub struct Pid(u32);

impl Lab {
    /// Makes the namespace, with loopback up and [`HOST`] on it.
    ///
    /// # Panics
    /// Without root, and without `ip`.
    pub fn new() -> Lab {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("conclave-lab-{}-{number}", std::process::id());
        ip(&["netns", "add", &namespace]);
        let lab = Lab {
            namespace,
            children: Vec::new(),
        };
        ip(&["-n", &lab.namespace, "link", "set", "lo", "up"]);
        let address = format!("{HOST}/24");
        ip(&["-n", &lab.namespace, "addr", "add", &address, "dev", "lo"]);
        lab
    }

    /// Returns a command that runs in the namespace, as one process.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(program.as_ref());
        command
    }

    /// Starts a program that goes on, and says nothing that matters.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(&mut self, mut command: Command) -> Pid {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("ip is there");
        self.keep(child)
    }

    /// Starts a program that goes on, and waits until it has written a line that contains `word`.
    ///
    /// # Panics
    /// If it ends before.
    pub fn start_until(&mut self, mut command: Command, word: &str) -> Pid {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ip is there");
        let output = child.stdout.take().expect("it is piped");
        let pid = self.keep(child);
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains(word)),
            "{command:?} ended without saying {word:?}"
        );
        // Whoever writes to a pipe that nobody reads stands still.
        std::thread::spawn(move || lines.for_each(drop));
        pid
    }

    /// Starts a program that is spoken with: returns what it writes.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start_reading(&mut self, mut command: Command) -> (Pid, BufReader<ChildStdout>) {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ip is there");
        let output = child.stdout.take().expect("it is piped");
        (self.keep(child), BufReader::new(output))
    }

    /// Runs a program to its end; returns its exit code (`None` for a signal) and all that it wrote.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(&self, program: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = self.command("timeout");
        command.arg(PATIENCE_S).arg(program).args(arguments);
        let output = command.stdin(Stdio::null()).output().expect("ip is there");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        (output.status.code(), text)
    }

    /// Returns what `act` returns, whose sockets are of the namespace: it has a thread of its own.
    ///
    /// # Panics
    /// If `act` does, and without root.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let place = Path::new("/run/netns").join(&self.namespace);
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let place = File::open(place).expect("the namespace is there");
                setns(place, CloneFlags::CLONE_NEWNET).expect("root may enter it");
                act()
            });
            let ended = thread.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Returns whether a program that was started still runs.
    ///
    /// # Panics
    /// If the system does not tell.
    pub fn runs(&mut self, pid: Pid) -> bool {
        let child = self.children.iter_mut().find(|child| child.id() == pid.0);
        child.is_some_and(|child| child.try_wait().expect("it is ours").is_none())
    }

    fn keep(&mut self, child: Child) -> Pid {
        let pid = Pid(child.id());
        self.children.push(child);
        pid
    }
}

impl Default for Lab {
    fn default() -> Lab {
        Lab::new()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip")
            .args(["netns", "del", &self.namespace])
            .status();
    }
}

impl Pid {
    /// Returns user and system time of the threads that run, by name; threads of one name together.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn cpu(self) -> BTreeMap<String, Duration> {
        let mut times = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.0))
            .expect("it runs")
            .flatten()
        {
            let read = |name| fs::read_to_string(task.path().join(name)).ok();
            let nanos = read("schedstat").and_then(|line| {
                let first = line.split_whitespace().next()?;
                first.parse::<u64>().ok()
            });
            if let (Some(name), Some(nanos)) = (read("comm"), nanos) {
                *times.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(nanos);
            }
        }
        times
    }

    /// Returns the memory that is its own and in use (anonymous resident set), in bytes.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn own_bytes(self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse::<u64>().ok())
            .expect("Linux says so")
            * 1024
    }
}

/// Returns the server: beside the folder of the tests, or where `CONCLAVE_BIN` says.
///
/// # Panics
/// If it was not built.
pub fn conclave() -> PathBuf {
    if let Some(program) = std::env::var_os("CONCLAVE_BIN") {
        return program.into();
    }
    let own = std::env::current_exe().expect("Linux says so");
    let folder = own.parent().and_then(Path::parent);
    let program = folder.map(|folder| folder.join("conclave"));
    let program = program.expect("tests are two folders deep");
    assert!(program.exists(), "no server: cargo build --bin conclave");
    program
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "ip {arguments:?} failed: this needs root, iproute2, and a kernel with network namespaces"
    );
}

//! What the common calls of the REST API cost: requests a second and their
//! times, of the released program over plain HTTP on the loopback.
//!
//! `cargo bench -p conclave-tests --bench api`, after `make build`; `make bench`
//! does both. Server and callers share the machine. `/healthz`, which does
//! nothing, is the measure of the others. Writes wait for the disk.

#![allow(clippy::unwrap_used, reason = "a measurement has nobody to report to")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Connections at once, each of which asks again when it is answered.
const CALLERS: usize = 8;
/// For how long each call is made.
const SPAN: Duration = Duration::from_secs(5);
/// Rooms that there are.
const ROOMS: usize = 200;
/// How long a server may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A call: its name, its method, its path and its body, in which `{n}` is another number each time.
type Measured = (&'static str, &'static str, &'static str, &'static str);

const CALLS: &[Measured] = &[
    ("`/healthz`, for comparison", "GET", "/healthz", ""),
    ("show a room", "GET", "/api/v1/rooms/room-7", ""),
    ("list 100 rooms", "GET", "/api/v1/rooms", ""),
    ("list sessions", "GET", "/api/v1/sessions", ""),
    (
        "list 100 records of the audit log",
        "GET",
        "/api/v1/audit",
        "",
    ),
    (
        "make a room",
        "POST",
        "/api/v1/rooms",
        r#"{"title":"Room {n}"}"#,
    ),
    (
        "change a room",
        "PATCH",
        "/api/v1/rooms/room-{m}",
        r#"{"title":"Room {n}"}"#,
    ),
];

fn main() {
    let program = program();
    if !program.exists() {
        println!(
            "nothing measured: {} is missing (make build)",
            program.display()
        );
        return;
    }
    let server = Server::start(&program);
    let key = server.key(&program);
    let mut setup = Caller::new(&server.place, &key);
    for number in 0..ROOMS {
        let body = format!(r#"{{"slug":"room-{number}"}}"#);
        assert_eq!(setup.ask("POST", "/api/v1/rooms", &body), 201);
    }
    println!("| call, by {CALLERS} callers | requests/s | of `/healthz` | p50 ms | p99 ms |");
    println!("|---|---|---|---|---|");
    let mut baseline = None;
    for call in CALLS {
        let mut took = measure(&server.place, &key, call);
        took.sort_unstable();
        let per_s = took.len() as f64 / SPAN.as_secs_f64();
        let all = *baseline.get_or_insert(per_s);
        let at = |share: f64| {
            let place = (took.len() as f64 * share) as usize;
            took[place.min(took.len() - 1)].as_secs_f64() * 1e3
        };
        let (name, ratio) = (call.0, per_s / all);
        println!(
            "| {name} | {per_s:.0} | {ratio:.2} | {:.2} | {:.2} |",
            at(0.5),
            at(0.99)
        );
    }
}

/// Returns how long each request took.
fn measure(place: &str, key: &str, call: &Measured) -> Vec<Duration> {
    let (_, method, path, body) = *call;
    let start = Barrier::new(CALLERS);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|own| {
                let start = &start;
                scope.spawn(move || {
                    let mut caller = Caller::new(place, key);
                    let mut took = Vec::new();
                    start.wait();
                    let end = Instant::now() + SPAN;
                    for number in 0.. {
                        let began = Instant::now();
                        if began >= end {
                            break;
                        }
                        // No two callers change one room at once.
                        let room = (number * CALLERS + own) % ROOMS;
                        let path = path.replace("{m}", &room.to_string());
                        let body = body.replace("{n}", &format!("{own}-{number}"));
                        let status = caller.ask(method, &path, &body);
                        assert!((200..300).contains(&status), "{method} {path}: {status}");
                        took.push(began.elapsed());
                    }
                    took
                })
            })
            .collect();
        callers
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect()
    })
}

/// One connection that is kept.
struct Caller {
    stream: BufReader<TcpStream>,
    key: String,
}

impl Caller {
    fn new(place: &str, key: &str) -> Self {
        let stream = TcpStream::connect(place).unwrap();
        stream.set_nodelay(true).unwrap();
        Caller {
            stream: BufReader::new(stream),
            key: key.to_owned(),
        }
    }

    /// Sends a request, reads the whole answer and returns its status.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> u16 {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        request.push_str(&format!("authorization: Bearer {}\r\n", self.key));
        if !body.is_empty() {
            request.push_str("content-type: application/json\r\n");
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let mut status = String::new();
        self.stream.read_line(&mut status).unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        status.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// A server of its own, with an empty data folder.
struct Server {
    process: Child,
    folder: PathBuf,
    place: String,
}

impl Server {
    fn start(program: &Path) -> Self {
        let folder =
            std::env::temp_dir().join(format!("conclave-bench-api-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let ready = folder.join("ready.json");
        let process = Command::new(program)
            .args([
                "serve",
                "--dev",
                "--http",
                "localhost:0",
                "--https",
                "127.0.0.1:0",
            ])
            .args(["--media-port", "0", "--shards", "1"])
            .arg("--data-dir")
            .arg(folder.join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .env("CONCLAVE_ADMIN__REQUESTS_PER_MINUTE", "1000000")
            .env("CONCLAVE_ADMIN__LISTEN", "off")
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let until = Instant::now() + READY_WITHIN;
        while !ready.exists() {
            assert!(
                Instant::now() < until,
                "see {}",
                folder.join("log").display()
            );
            thread::sleep(Duration::from_millis(20));
        }
        let ready: Value = serde_json::from_slice(&fs::read(ready).unwrap()).unwrap();
        let http = ready["http"].as_str().unwrap();
        let place = http.trim_start_matches("http://").trim_end_matches('/');
        Server {
            process,
            folder,
            place: place.to_owned(),
        }
    }

    /// Makes a key that may everything.
    fn key(&self, program: &Path) -> String {
        let made = Command::new(program)
            .args([
                "key", "create", "bench", "--level", "admin", "--output", "json",
            ])
            .arg("--data-dir")
            .arg(self.folder.join("data"))
            .output()
            .unwrap();
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        made["text"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/conclave")
}

//! A server of a test's own, and what it is asked over HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// Several servers of one machine cannot all have the usual port.
const ADMIN_LISTEN: &str = "CONCLAVE_ADMIN__LISTEN";

/// A server of its own, on free ports, in a folder of its own.
pub(crate) struct Server {
    pub(crate) process: Child,
    pub(crate) folder: PathBuf,
    pub(crate) output: String,
}

impl Server {
    pub(crate) fn start(test: &str) -> Self {
        Server::start_in(folder(test))
    }

    pub(crate) fn start_in(folder: PathBuf) -> Self {
        let mut options = fs::OpenOptions::new();
        let log = options.append(true).create(true);
        let log = log.open(folder.join("log")).unwrap();
        let mut command = conclave();
        command.stderr(log);
        Server::spawn(folder, command)
    }

    pub(crate) fn spawn(folder: PathBuf, command: Command) -> Self {
        Server::spawn_with(folder, command, &[])
    }

    /// Starts a development server with more flags.
    pub(crate) fn spawn_with(folder: PathBuf, command: Command, flags: &[&str]) -> Self {
        Server::spawn_as(folder, command, &[&["--dev"], flags].concat())
    }

    /// Starts a server that is not for development.
    pub(crate) fn spawn_for_real(folder: PathBuf, command: Command) -> Self {
        Server::spawn_as(folder, command, &[])
    }

    /// The same with more flags.
    pub(crate) fn spawn_for_real_with(folder: PathBuf, command: Command, flags: &[&str]) -> Self {
        Server::spawn_as(folder, command, flags)
    }

    fn spawn_as(folder: PathBuf, mut command: Command, flags: &[&str]) -> Self {
        let said = command.get_envs().any(|(name, _)| name == ADMIN_LISTEN);
        if !said {
            command.env(ADMIN_LISTEN, "127.0.0.1:0");
        }
        let shards: &[&str] = match flags.contains(&"--shards") {
            true => &[],
            false => &["--shards", "2"],
        };
        let mut process = command
            .args(["serve", "--https", "127.0.0.1:0", "--http", "localhost:0"])
            .args(["--media-port", "0", "--media-ip", "127.0.0.1"])
            .args(shards)
            .args(flags)
            .arg("--data-dir")
            .arg(folder.join("data"))
            .arg("--ready-file")
            .arg(folder.join("ready.json"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The banner comes when everything else is done.
        let mut output = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        while !output.contains("Ctrl-C") {
            output.push_str(
                &lines
                    .next()
                    .expect("the server ended while it started")
                    .unwrap(),
            );
            output.push('\n');
        }
        Server {
            process,
            folder,
            output,
        }
    }

    pub(crate) fn ready_file(&self) -> PathBuf {
        self.folder.join("ready.json")
    }

    pub(crate) fn ready(&self) -> Value {
        serde_json::from_slice(&fs::read(self.ready_file()).unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Runs a command of the operator on the data of this server.
    pub(crate) fn cli(&self, words: &[&str]) -> Output {
        conclave()
            .args(words)
            .arg("--data-dir")
            .arg(self.folder.join("data"))
            .output()
            .unwrap()
    }

    /// Runs a command of the operator that succeeds, and returns what it prints for programs.
    pub(crate) fn cli_json(&self, words: &[&str]) -> Value {
        let output = self.cli(&[words, &["--output", "json"]].concat());
        assert!(output.status.success(), "{words:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn run(&self, flags: &[&str]) -> Output {
        conclave().args(flags).output().unwrap()
    }

    /// Asks over TLS, trusting the certificate that the server keeps.
    pub(crate) fn get_tls(&self, origin: &str, path: &str) -> String {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(self.client_config(), name).unwrap();
        ask(StreamOwned::new(connection, connect(origin)), path)
    }

    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let file = self.folder.join("data/dev-certificate.pem");
        roots
            .add(CertificateDer::from_pem_file(file).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
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

pub(crate) fn conclave() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    without_settings(&mut command);
    command
}

/// Settings of whoever runs the tests are not for the servers under test.
pub(crate) fn without_settings(command: &mut Command) {
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("CONCLAVE_")) {
        command.env_remove(name);
    }
}

pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("conclave-serve-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

pub(crate) fn get_clear(origin: &str, path: &str) -> String {
    ask(connect(origin), path)
}

pub(crate) fn connect(origin: &str) -> TcpStream {
    let port: u16 = origin.rsplit(':').next().unwrap().parse().unwrap();
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap()
}

pub(crate) fn ask(mut stream: impl Read + Write, path: &str) -> String {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

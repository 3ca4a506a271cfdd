//! The built binary from its start to its end.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};

#[test]
fn a_development_server_says_where_it_is_serves_there_and_ends_when_told() {
    let mut server = Server::start("life");
    let ready = server.ready();
    let https = ready["https"].as_str().unwrap();
    let http = ready["http"].as_str().unwrap();
    assert_eq!(
        ready["guest_link"],
        format!("{}/r/welcome", https.replace("127.0.0.1", "localhost"))
    );
    assert!(
        ready["host_link"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{}#i=", ready["guest_link"].as_str().unwrap()))
    );
    assert_eq!(ready["media_ports"].as_array().unwrap().len(), 2);
    assert!(ready["turn"].is_null());
    assert!(
        server.output.contains(ready["host_link"].as_str().unwrap()),
        "{}",
        server.output
    );

    assert!(
        server
            .get_tls(https, "/healthz")
            .starts_with("HTTP/1.1 200 OK")
    );
    let readiness = server.get_tls(https, "/readyz");
    assert!(
        readiness.starts_with("HTTP/1.1 200 OK") && readiness.contains("{\"ready\":true"),
        "{readiness}"
    );
    assert!(get_clear(http, "/healthz").starts_with("HTTP/1.1 200 OK"));
    assert!(
        get_clear(http, "/nowhere").contains("\r\ncontent-security-policy: default-src 'none'")
    );
    let health = server.run(&[
        "health",
        "--dev",
        "--https",
        https.trim_start_matches("https://"),
    ]);
    assert!(health.status.success(), "{health:?}");

    server.signal("TERM");
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
    assert!(!server.ready_file().exists());
    let health = server.run(&[
        "health",
        "--dev",
        "--https",
        https.trim_start_matches("https://"),
    ]);
    assert_eq!(health.status.code(), Some(1));
}

#[tokio::test]
async fn links_of_allowed_pages_over_tls_and_loopback_are_closed_with_4503_at_the_end() {
    let mut server = Server::start("links");
    let ready = server.ready();
    let https = ready["https"].as_str().unwrap();
    let http = ready["http"].as_str().unwrap();
    let clear = || async { tokio::net::TcpStream::from_std(nonblocking(http)).unwrap() };
    let tls = || async {
        let connector = tokio_rustls::TlsConnector::from(server.client_config());
        let stream = tokio::net::TcpStream::from_std(nonblocking(https)).unwrap();
        connector
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap()
    };

    let refused = link(clear().await, "http", "https://evil.example")
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("403"), "{refused}");
    let mut first = link(clear().await, "http", http).await.unwrap();
    let mut second = link(tls().await, "https", https).await.unwrap();
    server.signal("TERM");
    assert_eq!(close_code(&mut first).await, Some(4503));
    assert_eq!(close_code(&mut second).await, Some(4503));
    assert_eq!(server.process.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_log_of_everything_holds_no_secret_of_a_link() {
    let folder = folder("log");
    let log = folder.join("log");
    let mut command = conclave();
    command
        .env("CONCLAVE_LOG__FILTER", "trace,tungstenite::protocol=trace")
        .stderr(fs::File::create(&log).unwrap());
    let mut server = Server::spawn(folder, command);
    let ready = server.ready();
    let http = ready["http"].as_str().unwrap();
    let stream = tokio::net::TcpStream::from_std(nonblocking(http)).unwrap();
    let mut link = link(stream, "http", http).await.unwrap();
    let device_key = "BwcHBwcHBwcHBwcHBwcHBw";
    let hello = json!({"protocol": 1, "client": "conclave-test/1"});
    request(&mut link, 1, "hello", hello).await;
    let join = json!({
        "room": "welcome",
        "credential": {"kind": "none"},
        "name": "Ada Lovelace",
        "device_key": device_key,
        "consent_hash": null,
    });
    let joined = request(&mut link, 2, "join", join).await;
    let token = joined["ok"]["resume_token"].as_str().unwrap();
    server.signal("TERM");
    close_code(&mut link).await;
    server.process.wait().unwrap();

    let text = fs::read_to_string(log).unwrap();
    assert!(text.contains("\"message\":\"ended\""), "{text}");
    for secret in [device_key, token, "Ada Lovelace"] {
        assert!(!text.contains(secret), "the log holds {secret}");
    }
}

#[test]
fn connections_fit_into_the_hard_limit_of_open_files_which_becomes_the_soft_one() {
    let folder = folder("descriptors");
    let log = folder.join("log");
    let mut command = Command::new("sh");
    let script = "ulimit -S -n 64 && ulimit -H -n 400 && exec \"$0\" \"$@\"";
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_conclave")])
        .stderr(fs::File::create(&log).unwrap());
    without_settings(&mut command);
    let server = Server::spawn(folder, command);
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.process.id())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: Vec<_> = files.unwrap().split_whitespace().collect();
    assert_eq!(files[3..5], ["400", "400"]);
    let log = fs::read_to_string(log).unwrap();
    assert!(
        log.contains("`limits.connections` is lowered") && log.contains("\"connections\":144"),
        "{log}"
    );
}

#[test]
fn the_certificate_survives_a_restart() {
    let folder = folder("restart");
    let certificate = || fs::read(folder.join("data/dev-certificate.pem")).unwrap();
    let mut first = Server::start_in(folder.clone());
    let before = certificate();
    first.signal("INT");
    assert_eq!(first.process.wait().unwrap().code(), Some(0));
    let mut second = Server::start_in(folder.clone());
    assert_eq!(certificate(), before);
    second.signal("INT");
    second.process.wait().unwrap();
}

#[test]
fn a_port_that_is_taken_is_a_failure_and_names_the_port() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = folder("taken");
    let data = folder.join("data");
    let flags = [
        "serve",
        "--dev",
        "--https",
        &address,
        "--http",
        "off",
        "--media-port",
        "0",
        "--data-dir",
    ];
    let output = conclave().args(flags).arg(&data).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains(&address), "{}", errors(&output));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_cannot_be_understood_ends_with_2_and_says_why() {
    let cases: [(&[&str], &str); 6] = [
        (&["serve", "--nonsense"], "--nonsense"),
        (&["serve"], "`public_url` is missing"),
        (
            &["serve", "--dev", "--role", "media"],
            "this version has `all`",
        ),
        (&["serve", "--dev", "--media-ip", "here"], "`media.ips`"),
        (&["serve", "--config", "/nowhere.toml"], "/nowhere.toml"),
        (
            &["config", "check", "--public-url", "http://a"],
            "flag --public-url",
        ),
    ];
    for (flags, reason) in cases {
        let output = conclave().args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {output:?}");
        assert!(
            errors(&output).contains(reason),
            "{flags:?}: {}",
            errors(&output)
        );
    }
    let output = conclave()
        .args(["config", "check", "--dev"])
        .env("CONCLAVE_SHARDS", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors(&output).contains("the nearest is CONCLAVE_MEDIA__SHARDS"),
        "{}",
        errors(&output)
    );
}

#[test]
fn config_check_prints_every_value_and_where_it_is_from() {
    let folder = folder("check");
    let file = folder.join("conclave.toml");
    fs::write(&file, "[media]\nport_base = 20000\n").unwrap();
    let output = conclave()
        .args(["config", "check", "--dev", "--shards", "3", "--config"])
        .arg(&file)
        .env("CONCLAVE_LOG__FILTER", "warn")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let has = |start: &str, end: &str| {
        text.lines()
            .any(|line| line.starts_with(start) && line.ends_with(end))
    };
    assert!(
        has(
            "media.port_base = 20000 ",
            &format!("# file {}", file.display())
        ),
        "{text}"
    );
    assert!(
        has(
            "log.filter = \"warn\" ",
            "# environment CONCLAVE_LOG__FILTER"
        ),
        "{text}"
    );
    assert!(has("media.shards = 3 ", "# flag --shards"), "{text}");
    assert!(has("listen.https = \"[::]:8443\" ", "# default"), "{text}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn certificate_files_that_cannot_be_used_are_a_wrong_configuration() {
    let folder = folder("certificate");
    let file = folder.join("conclave.toml");
    let missing = folder.join("none.pem");
    let text = format!(
        "public_url = \"https://a.example\"\n[tls]\ncertificate_file = {missing:?}\nkey_file = {missing:?}\n"
    );
    fs::write(&file, text).unwrap();
    for command in [["config", "check"].as_slice(), &["serve"]] {
        let output = conclave()
            .args(command)
            .arg("--config")
            .arg(&file)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let errors = errors(&output);
        assert!(errors.contains("none.pem"), "{errors}");
        assert!(
            errors.contains(&format!("file {}: `tls.", file.display())),
            "{errors}"
        );
    }
    fs::remove_dir_all(folder).unwrap();
}

/// A server of its own, on free ports, in a folder of its own.
struct Server {
    process: Child,
    folder: PathBuf,
    output: String,
}

impl Server {
    fn start(test: &str) -> Self {
        Server::start_in(folder(test))
    }

    fn start_in(folder: PathBuf) -> Self {
        Server::spawn(folder, conclave())
    }

    fn spawn(folder: PathBuf, mut command: Command) -> Self {
        let mut process = command
            .args([
                "serve",
                "--dev",
                "--https",
                "127.0.0.1:0",
                "--http",
                "localhost:0",
            ])
            .args([
                "--media-port",
                "0",
                "--media-ip",
                "127.0.0.1",
                "--shards",
                "2",
            ])
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

    fn ready_file(&self) -> PathBuf {
        self.folder.join("ready.json")
    }

    fn ready(&self) -> Value {
        serde_json::from_slice(&fs::read(self.ready_file()).unwrap()).unwrap()
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    fn run(&self, flags: &[&str]) -> Output {
        conclave().args(flags).output().unwrap()
    }

    /// Asks over TLS, trusting the certificate that the server keeps.
    fn get_tls(&self, origin: &str, path: &str) -> String {
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(self.client_config(), name).unwrap();
        ask(StreamOwned::new(connection, connect(origin)), path)
    }

    fn client_config(&self) -> Arc<ClientConfig> {
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
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn conclave() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    without_settings(&mut command);
    command
}

/// Settings of whoever runs the tests are not for the servers under test.
fn without_settings(command: &mut Command) {
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("CONCLAVE_")) {
        command.env_remove(name);
    }
}

fn folder(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("conclave-serve-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn get_clear(origin: &str, path: &str) -> String {
    ask(connect(origin), path)
}

fn connect(origin: &str) -> TcpStream {
    let port: u16 = origin.rsplit(':').next().unwrap().parse().unwrap();
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap()
}

fn ask(mut stream: impl Read + Write, path: &str) -> String {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn nonblocking(origin: &str) -> TcpStream {
    let stream = connect(origin);
    stream.set_nonblocking(true).unwrap();
    stream
}

/// Opens a signalling link as a page of `origin` does.
async fn link<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    scheme: &str,
    origin: &str,
) -> tungstenite::Result<WebSocketStream<S>> {
    let url = format!(
        "{}://localhost/api/v1/signal",
        if scheme == "https" { "wss" } else { "ws" }
    );
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("origin", origin.parse()?);
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "conclave.v1".parse()?);
    tokio_tungstenite::client_async(request, stream)
        .await
        .map(|(link, _)| link)
}

/// Asks for something and returns the answer; pushes before it are skipped.
async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut WebSocketStream<S>,
    id: u64,
    kind: &str,
    data: Value,
) -> Value {
    let text = json!({"id": id, "type": kind, "data": data}).to_string();
    link.send(Message::text(text)).await.unwrap();
    loop {
        let message = link.next().await.unwrap().unwrap();
        let Message::Text(text) = message else {
            continue;
        };
        let answer: Value = serde_json::from_str(&text).unwrap();
        if answer["id"] == id {
            return answer;
        }
    }
}

/// Returns the code with which the server closes the link.
async fn close_code<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut WebSocketStream<S>,
) -> Option<u16> {
    while let Some(Ok(message)) = link.next().await {
        if let Message::Close(close) = message {
            return close.map(|close| close.code.into());
        }
    }
    None
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

//! The API, wherever it is answered: over the control socket of the server
//! that runs, in this process on the store that nobody else has open, or by a
//! server elsewhere.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use conclave_server_api::{self as admin, Admin};
use conclave_signalling_node::{Config as NodeConfig, NoMedia, Node};
use conclave_signalling_store::Store;
use futures_util::StreamExt;
use http::{Method, Request, StatusCode, header};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tower::ServiceExt;
use zeroize::Zeroizing;

use super::Failure;
use super::remote::Remote;
use crate::config::{ConfigError, Local};
use crate::host::Machine;
use crate::{control, run, setup, storage, webhooks};

/// Bytes of an answer that is kept whole: a hundred rooms have some 100 KiB.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of one line of a response's head.
const LINE_BYTES_MAX: u64 = 16 * 1024;

/// A request.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Content>,
}

/// The body of a request.
#[derive(Debug)]
pub(super) enum Content {
    /// What most routes take.
    Json(Value),
    /// A table with a line of headings.
    Csv(String),
}

impl Ask {
    fn content_type(&self) -> &'static str {
        match &self.body {
            Some(Content::Csv(_)) => "text/csv",
            Some(Content::Json(_)) | None => "application/json",
        }
    }

    fn text(&self) -> String {
        match &self.body {
            None => String::new(),
            Some(Content::Json(value)) => value.to_string(),
            Some(Content::Csv(text)) => text.clone(),
        }
    }
}

/// As whom one asks, and whom.
pub(super) struct Credential<'a> {
    pub(super) host: &'a str,
    /// An API key; `None` where the connection says who asks.
    pub(super) key: Option<&'a str>,
}

/// Who answers.
pub(super) enum Api {
    /// The server that runs.
    Server(PathBuf),
    /// This process.
    Here(Box<Offline>),
    /// A server elsewhere.
    There(Box<Remote>),
}

/// Where an answer goes to. Keeps what goes wrong there apart from what goes
/// wrong on the way from the server.
struct Sink<'a> {
    sink: &'a mut dyn Write,
    error: Option<io::Error>,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.write(bytes).inspect_err(|error| {
            self.error = Some(error.kind().into());
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// The store, opened by this process.
pub(super) struct Offline {
    runtime: Runtime,
    router: Router,
    store: Store,
}

impl Api {
    /// Finds the server, or opens its store if there is none running. A store
    /// is begun only where `may_make`.
    pub(super) fn reach(local: Local, may_make: bool) -> Result<Self, Failure> {
        let path = control::path_in(&local.storage.data_dir);
        match connect(&path) {
            Ok(_) => Ok(Api::Server(path)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                let data_dir = &local.storage.data_dir;
                if !may_make && !storage::database_in(data_dir).exists() {
                    return Err(Failure::Failed(format!(
                        "no server runs on {} and none has; is it the right --data-dir?",
                        data_dir.display()
                    )));
                }
                Ok(Api::Here(Box::new(Offline::open(local)?)))
            }
            Err(error) => Err(Failure::Failed(format!(
                "cannot reach the server at {}: {error}; only its own user and root may",
                path.display()
            ))),
        }
    }

    /// Returns whether a server answers, and this process does not keep one from starting.
    pub(super) fn is_server(&self) -> bool {
        matches!(self, Api::Server(_) | Api::There(_))
    }

    /// Asks, and gives the body of a success to `sink` piece by piece. Returns
    /// the status, and the body of a refusal.
    pub(super) fn ask(
        &self,
        ask: &Ask,
        sink: &mut dyn Write,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut sink = Sink { sink, error: None };
        let answered = match self {
            Api::Server(path) => over_socket(path, ask, &mut sink),
            Api::There(remote) => remote.ask(ask, &mut sink),
            Api::Here(offline) => return offline.ask(ask, sink.sink),
        };
        match sink.error {
            Some(error) => Err(error.into()),
            None => Ok(answered.context("the server gave no whole answer")?),
        }
    }

    /// Asks, and returns status and body, be it a success or not.
    pub(super) fn ask_whole(&self, ask: &Ask) -> Result<(StatusCode, Vec<u8>), Failure> {
        let mut success = Vec::new();
        let (status, refusal) = self.ask(ask, &mut success)?;
        let body = if status.is_success() {
            success
        } else {
            refusal
        };
        Ok((status, body))
    }
}

impl Offline {
    fn open(local: Local) -> Result<Self, Failure> {
        refuse_foreign(&local.storage.data_dir)?;
        let runtime = Runtime::new().context("cannot start threads")?;
        let config = NodeConfig {
            hashing: setup::hashing(local.passwords),
            ..NodeConfig::default()
        };
        let public_url = local.public_url.as_ref().map(ToString::to_string);
        let (store, router) = runtime.block_on(async {
            let store = storage::open(&local.storage).await?;
            let (_, no_events) = mpsc::channel(1);
            let node = Node::start(config, store.clone(), Arc::new(NoMedia), no_events)
                .await
                .context("cannot read the rooms")?;
            let own = Machine::look().map_or_else(|_| Vec::new(), |machine| machine.addresses);
            let webhooks = webhooks::sender(&store, &local.webhooks, &own);
            let admin = Admin::new(node.rooms(), store.clone(), public_url);
            let router = admin::router(admin.with_webhooks(webhooks));
            Ok::<_, run::Error>((store, router))
        })?;
        Ok(Offline {
            runtime,
            router,
            store,
        })
    }

    fn ask(&self, ask: &Ask, sink: &mut dyn Write) -> Result<(StatusCode, Vec<u8>), Failure> {
        let request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.path)
            .header(header::CONTENT_TYPE, ask.content_type())
            .body(Body::from(ask.text()))
            .context("this cannot be asked")?;
        self.runtime.block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            let status = response.status();
            let mut refusal = Vec::new();
            let mut pieces = response.into_body().into_data_stream();
            while let Some(piece) = pieces.next().await {
                let piece = piece.context("the answer broke off")?;
                if status.is_success() {
                    sink.write_all(&piece)?;
                } else {
                    refusal.extend_from_slice(&piece);
                }
            }
            Ok((status, refusal))
        })
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        // What was asked for is committed; this only leaves the files tidy.
        if let Err(error) = self.runtime.block_on(self.store.close()) {
            eprintln!("conclave: closing the store: {error}");
        }
    }
}

/// Another user would leave files that the server's own cannot open, be it the
/// first ones of a folder that was made for it.
fn refuse_foreign(data_dir: &Path) -> Result<(), Failure> {
    let own = nix::unistd::geteuid().as_raw();
    for path in [data_dir, &storage::database_in(data_dir)] {
        let Ok(metadata) = fs::metadata(path) else {
            continue;
        };
        if metadata.uid() != own {
            return Err(Failure::Failed(format!(
                "no server runs on {}, and it belongs to the user with the number {}: run this as that user",
                data_dir.display(),
                metadata.uid()
            )));
        }
    }
    Ok(())
}

/// Connects to the control socket, of a server and of nobody who only put a socket there.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    let peer = getsockopt(&stream, PeerCredentials).map_err(io::Error::from)?;
    let folder = path.parent().map_or(Ok(None), |folder| {
        fs::metadata(folder).map(|metadata| Some(metadata.uid()))
    })?;
    if is_server(peer.uid(), nix::unistd::geteuid().as_raw(), folder) {
        return Ok(stream);
    }
    let text = format!("it answers as the user with the number {}", peer.uid());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

/// Returns whether a process of the user `peer` may be told what `own` has to
/// say. Root also speaks to the server of whoever the data folder belongs to.
fn is_server(peer: u32, own: u32, folder: Option<u32>) -> bool {
    peer == own || peer == 0 || (own == 0 && folder == Some(peer))
}

impl From<run::Error> for Failure {
    fn from(error: run::Error) -> Self {
        match error {
            run::Error::Config(error) => ConfigError::into(error),
            run::Error::Failure(error) => error.into(),
        }
    }
}

/// Asks over the socket: one request, one answer, one connection.
fn over_socket(
    path: &Path,
    ask: &Ask,
    sink: &mut dyn Write,
) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    let mut stream = connect(path)?;
    let credential = Credential {
        host: "localhost",
        key: None,
    };
    write_request(&mut stream, ask, &credential)?;
    read_answer(BufReader::new(stream), sink)
}

/// Writes a request (RFC 9112), after whose answer the connection ends.
pub(super) fn write_request(
    stream: &mut impl Write,
    ask: &Ask,
    credential: &Credential<'_>,
) -> io::Result<()> {
    let body = ask.text();
    // It holds the key.
    let mut request = Zeroizing::new(Vec::with_capacity(1024 + body.len()));
    write!(
        request,
        "{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
         content-type: {}\r\ncontent-length: {}\r\n",
        ask.method,
        ask.path,
        credential.host,
        ask.content_type(),
        body.len()
    )?;
    if let Some(key) = credential.key {
        write!(request, "authorization: Bearer {key}\r\n")?;
    }
    write!(request, "\r\n{body}")?;
    stream.write_all(&request)?;
    stream.flush()
}

/// Reads a response (RFC 9112): its body has a length, or comes in chunks.
pub(super) fn read_answer(
    mut stream: impl BufRead,
    sink: &mut dyn Write,
) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    let first = read_line(&mut stream)?;
    let status: StatusCode = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("this is no HTTP")?;
    let mut length = 0;
    let mut is_chunked = false;
    loop {
        let line = read_line(&mut stream)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "transfer-encoding" => is_chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let mut refusal = Vec::new();
    let target: &mut dyn Write = if status.is_success() {
        sink
    } else {
        &mut refusal
    };
    if is_chunked {
        loop {
            let size = read_line(&mut stream)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            match u64::from_str_radix(size, 16)? {
                0 => break,
                size => copy(&mut stream, size, target)?,
            }
            read_line(&mut stream)?;
        }
    } else {
        anyhow::ensure!(length <= ANSWER_BYTES_MAX, "the answer is too long");
        copy(&mut stream, length, target)?;
    }
    Ok((status, refusal))
}

fn copy(stream: &mut impl Read, bytes: u64, target: &mut dyn Write) -> anyhow::Result<()> {
    let copied = io::copy(&mut stream.take(bytes), target)?;
    anyhow::ensure!(copied == bytes, "the connection ended early");
    Ok(())
}

/// Reads a line without its end.
fn read_line(stream: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    let read = stream.take(LINE_BYTES_MAX).read_line(&mut line)?;
    anyhow::ensure!(
        line.ends_with('\n'),
        "a line ended early after {read} bytes"
    );
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> anyhow::Result<(u16, String, String)> {
        let mut sink = Vec::new();
        let (status, refusal) = read_answer(answer.as_bytes(), &mut sink)?;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ok((status.as_u16(), text(sink), text(refusal)))
    }

    #[test]
    fn only_the_server_is_told_anything() {
        for (peer, own, folder, expected) in [
            (1000, 1000, 1000, true),
            (0, 1000, 1000, true),
            (1001, 1000, 1000, false),
            (1001, 1000, 1001, false),
            (1001, 0, 1001, true),
            (1001, 0, 0, false),
        ] {
            assert_eq!(is_server(peer, own, Some(folder)), expected, "{peer} {own}");
        }
    }

    #[test]
    fn an_answer_has_a_length_or_comes_in_chunks() {
        assert_eq!(
            read("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab").unwrap(),
            (200, "ab".to_owned(), String::new())
        );
        assert_eq!(
            read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\na\r\n0123456789\r\n0\r\n\r\n")
                .unwrap(),
            (200, "ab0123456789".to_owned(), String::new())
        );
        assert_eq!(
            read("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}").unwrap(),
            (404, String::new(), "{}".to_owned())
        );
        assert_eq!(
            read("HTTP/1.1 204 No Content\r\n\r\n").unwrap(),
            (204, String::new(), String::new())
        );
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        for broken in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
            "SSH-2.0\r\n\r\n",
        ] {
            assert!(read(broken).is_err(), "{broken:?}");
        }
    }
}

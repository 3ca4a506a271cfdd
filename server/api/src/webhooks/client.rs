//! One call to a receiver: resolved once, checked, and connected to what was checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use conclave_server_core::webhook::attempt::{Answer, Outcome, Trouble, retry_after};
use conclave_server_core::webhook::guard::Guard;
use conclave_server_core::webhook::signature;
use conclave_server_core::webhook::target::{Callee, Target};
use futures_util::StreamExt;
use http::{HeaderValue, Method, Request, Response, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// For everything from the name to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// For one of several addresses, so that a dead one leaves time for the next.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// For the body of an answer, which nobody reads: only so that the receiver need not see its write fail.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Bytes of an answer's head; hyper takes no fewer than 8 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an answer's body that are read before the connection is closed.
const BODY_BYTES_MAX: u64 = 4 * 1024;

/// Who turns names into addresses.
#[derive(Debug, Clone)]
enum Resolver {
    /// The system: its files and its servers.
    System,
    /// What a test says, one answer after the other.
    #[cfg(test)]
    Script(Arc<std::sync::Mutex<std::collections::VecDeque<Vec<IpAddr>>>>),
}

impl Resolver {
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, Trouble> {
        match self {
            Resolver::System => {
                let found = lookup_host((name, 0)).await.map_err(|_| Trouble::Dns)?;
                Ok(found.map(|address| address.ip()).collect())
            }
            #[cfg(test)]
            Resolver::Script(answers) => {
                let mut answers = answers.lock().expect("a test that panicked has failed");
                answers.pop_front().ok_or(Trouble::Dns)
            }
        }
    }
}

/// What is sent.
#[derive(Debug)]
pub(crate) struct Message {
    /// The value of `webhook-id`.
    pub(crate) id: String,
    /// The value of `webhook-timestamp`.
    pub(crate) timestamp: u64,
    /// The value of `webhook-signature`.
    pub(crate) signature: String,
    /// The body.
    pub(crate) body: String,
}

/// Calls receivers.
#[derive(Clone)]
pub(crate) struct Client {
    connector: Option<TlsConnector>,
    guard: Arc<Guard>,
    resolver: Resolver,
}

impl Client {
    /// Trusts whom `tls` trusts, nobody without it, and calls whom `guard` permits.
    pub(crate) fn new(tls: Option<ClientConfig>, guard: Guard) -> Self {
        Client {
            connector: tls.map(|tls| TlsConnector::from(Arc::new(tls))),
            guard: Arc::new(guard),
            resolver: Resolver::System,
        }
    }

    /// Returns whom it may call.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Sends a message to a URL, and says what came of it within ten seconds.
    pub(crate) async fn call(&self, url: &str, message: Message) -> Outcome {
        // By today's configuration: what was allowed when it was made may be so no more.
        let Ok(target) = Target::parse(url, &self.guard) else {
            return Outcome::Failed(Trouble::Url);
        };
        match timeout(TIMEOUT, self.send(&target, message)).await {
            Ok(Ok(answer)) => Outcome::Answered(answer),
            Ok(Err(trouble)) => Outcome::Failed(trouble),
            Err(_) => Outcome::Failed(Trouble::Timeout),
        }
    }

    async fn send(&self, target: &Target, message: Message) -> Result<Answer, Trouble> {
        let addresses = self.addresses(target).await?;
        let stream = connect(&addresses, target.port()).await?;
        let request = request(target, message)?;
        if target.is_clear() {
            return exchange(stream, request).await;
        }
        let connector = self.connector.as_ref().ok_or(Trouble::Tls)?;
        let name = match target.callee() {
            Callee::Name(name) => {
                ServerName::try_from(name.to_owned()).map_err(|_| Trouble::Tls)?
            }
            Callee::Address(address) => ServerName::from(address),
        };
        let stream = connector.connect(name, stream).await;
        exchange(stream.map_err(|error| tls_trouble(&error))?, request).await
    }

    /// Returns where to connect to. This is the only place that resolves.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, Trouble> {
        match target.callee() {
            Callee::Address(address) => Some(vec![address])
                .filter(|_| self.guard.permits(address, None))
                .ok_or(Trouble::Target),
            Callee::Name(name) => {
                let addresses = self.resolver.resolve(name).await?;
                if addresses.is_empty() {
                    return Err(Trouble::Dns);
                }
                Some(addresses)
                    .filter(|addresses| self.guard.permits_all(addresses, name))
                    .ok_or(Trouble::Target)
            }
        }
    }
}

async fn connect(addresses: &[IpAddr], port: u16) -> Result<TcpStream, Trouble> {
    let mut trouble = Trouble::Connect;
    for address in addresses.iter().take(ADDRESSES_MAX) {
        let connected = TcpStream::connect(SocketAddr::new(*address, port));
        match timeout(CONNECT_TIMEOUT, connected).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(_)) => trouble = Trouble::Connect,
            Err(_) => trouble = Trouble::Timeout,
        }
    }
    Err(trouble)
}

/// A handshake fails for what the certificate is, or because the connection broke.
fn tls_trouble(error: &io::Error) -> Trouble {
    let inner = error.get_ref();
    if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
        Trouble::Tls
    } else {
        Trouble::Connect
    }
}

fn request(target: &Target, message: Message) -> Result<Request<Body>, Trouble> {
    Request::builder()
        .method(Method::POST)
        .uri(target.path_and_query())
        .header(header::HOST, target.authority())
        .header(header::USER_AGENT, "Conclave")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .header(signature::ID, message.id)
        .header(signature::TIMESTAMP, message.timestamp)
        .header(signature::SIGNATURE, message.signature)
        .body(Body::from(message.body))
        .map_err(|_| Trouble::Url)
}

/// Asks over a connection, and closes it whatever comes.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Body>,
) -> Result<Answer, Trouble> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| http_trouble(&error))?;
    // Ends with this function, whoever drops it.
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let response = sender.send_request(request).await;
    let response = response.map_err(|error| http_trouble(&error))?;
    let answer = Answer {
        status: response.status().as_u16(),
        retry_after: response
            .headers()
            .get(header::RETRY_AFTER)
            .map(HeaderValue::as_bytes)
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(retry_after),
    };
    // The status is what counts, however the body ends.
    let _ = timeout(BODY_TIMEOUT, discard(response)).await;
    Ok(answer)
}

async fn discard(response: Response<hyper::body::Incoming>) {
    let body = response.into_body();
    if body.size_hint().lower() > BODY_BYTES_MAX {
        return;
    }
    let mut pieces = Body::new(body).into_data_stream();
    let mut bytes = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        bytes += piece.len() as u64;
        if bytes > BODY_BYTES_MAX {
            return;
        }
    }
}

fn http_trouble(error: &hyper::Error) -> Trouble {
    if error.is_parse_too_large() {
        Trouble::TooLarge
    } else {
        Trouble::Http
    }
}

#[cfg(test)]
mod tests;

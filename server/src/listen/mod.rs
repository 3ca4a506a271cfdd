//! The accept loop: sockets, limits, TLS, the look at the first bytes, and
//! then HTTP or the relay.

mod announced;
mod bind;
mod counted;
mod first_bytes;
mod proxies;
mod proxy_header;
mod relay;
mod sniff;
mod sources;
mod throttle;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use conclave_signalling_node::ClientAddr;
use conclave_turn_node::SocketHandle;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower::ServiceExt;

pub(crate) use announced::Announcing;
pub(crate) use bind::bind;
pub(crate) use proxies::{Contradiction, Proxies};
pub(crate) use proxy_header::LOCAL;
pub(crate) use relay::{Asking, Relay, Serving};
pub(crate) use sources::Sources;

use crate::tls::{Asked, Handshakes};
use counted::Counted;
use first_bytes::Protocol;
use sniff::{VERDICT_TIMEOUT, sniff};
use sources::{HalfOpenSlot, OpenSlot};
use throttle::Throttle;

/// From the first bytes of TLS to the end of its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the connection to its first byte, and from the end of the TLS
/// handshake to the first byte inside: with TLS a connection is half open for
/// little more than thirty seconds, without for little more than ten. Browsers open connections ahead of
/// need and leave them silent; ten seconds keep most of those useful.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole request header, also between requests of one connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// What hyper holds of an unread header. Above [`crate::http::HEADER_BYTES_MAX`],
/// so that a header a little too long gets an answer with our own headers.
const HTTP_BUFFER: usize = 32 * 1024;
/// After the order to stop, for requests that are being answered.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// After the kernel refused to accept (no file descriptor left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// Through TLS.
    Tls,
    /// In the clear, to a loopback address of ours.
    Loopback,
    /// In the clear, to another address, or to the port of TLS.
    Clear,
}

/// What happened to connections; only ever rises.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Accepted from the kernel.
    pub(crate) accepted: AtomicU64,
    /// Closed at once because of a limit.
    pub(crate) refused: AtomicU64,
    /// Not accepted because the kernel refused.
    pub(crate) accept_failed: AtomicU64,
    /// TLS handshakes that were made.
    pub(crate) tls_made: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub(crate) tls_failed: AtomicU64,
    /// Silent for too long, or ended before the first bytes.
    pub(crate) silent: AtomicU64,
    /// Asked for the relay, be it there or not.
    pub(crate) turn: AtomicU64,
    /// From proxies that did not say for whom.
    pub(crate) unannounced: AtomicU64,
    /// Spoke nothing that is served.
    pub(crate) unknown: AtomicU64,
    /// Proofs shown to whoever signs certificates (RFC 8737).
    pub(crate) challenges: AtomicU64,
}

/// One listener and what its connections are given to.
#[derive(Clone)]
pub(crate) struct Listener {
    /// For the port of TLS; `None` for plain HTTP.
    pub(crate) tls: Option<Arc<Handshakes>>,
    /// Serves whoever asks for the relay; without it they are closed.
    pub(crate) relay: Option<Arc<dyn Relay>>,
    /// Answers requests.
    pub(crate) router: Router,
    /// Limits, shared by all listeners.
    pub(crate) sources: Arc<Sources>,
    /// Whose connections are those of many clients.
    pub(crate) proxies: Arc<Proxies>,
    /// Whose connections begin by saying for whom they are.
    pub(crate) announcing: Arc<Announcing>,
    /// Shared by all listeners.
    pub(crate) counters: Arc<Counters>,
}

impl Listener {
    /// Serves connections until `stop` turns true, then ends idle ones and
    /// gives the others a few seconds.
    ///
    /// Upgraded connections belong to who upgraded them and are not waited for.
    pub(crate) async fn run(self, socket: TcpListener, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        let mut failures = Throttle::default();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, peer)) => {
                        count(&self.counters.accepted);
                        let is_announced = self.announcing.is_one(peer.ip());
                        // Until it is said whose it is, it may be anybody's.
                        let source = if is_announced { None } else { self.source(peer) };
                        let Some((open, half_open)) = self.sources.admit(source) else {
                            count(&self.counters.refused);
                            continue;
                        };
                        let connection = Connection { listener: self.clone(), peer, stop: stop.clone() };
                        let slots = (open, half_open);
                        if is_announced {
                            connections.spawn(connection.run_announced(stream, slots));
                        } else {
                            connections.spawn(connection.run(stream, None, slots));
                        }
                    }
                    Err(error) => {
                        count(&self.counters.accept_failed);
                        if let Some(times) = failures.count(Instant::now()) {
                            tracing::warn!(%error, times, "cannot accept connections");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(socket);
        let rest = async { while connections.join_next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, rest).await.is_err() {
            tracing::debug!("ending requests that are still being answered");
        }
    }

    /// Returns whom a connection counts for; nobody in particular, if it is of a proxy.
    fn source(&self, peer: SocketAddr) -> Option<IpAddr> {
        (!self.proxies.trusts(peer.ip())).then_some(peer.ip())
    }
}

/// One accepted connection.
struct Connection {
    listener: Listener,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
}

impl Connection {
    /// Reads for whom the connection is, and serves it as if that client had come by itself.
    async fn run_announced(mut self, mut stream: TcpStream, slots: (OpenSlot, HalfOpenSlot)) {
        let header = async { Ok(announced::read(&mut stream).await) };
        let ends = match self.within(VERDICT_TIMEOUT, header).await {
            Some(Ok(ends)) => ends,
            // Proxies look in this way whether somebody listens.
            Some(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return count(&self.listener.counters.silent);
            }
            _ => {
                count(&self.listener.counters.unannounced);
                return self.listener.announcing.complain();
            }
        };
        if let Some(ends) = ends {
            self.peer = ends.client;
        }
        drop(slots);
        let source = self.listener.source(self.peer);
        let Some(slots) = self.listener.sources.admit(source) else {
            return count(&self.listener.counters.refused);
        };
        let server = ends.map(|ends| ends.server);
        self.run(stream, server, slots).await;
    }

    /// Serves the client. `reached` is the address that it knows this server by,
    /// where that is none of ours.
    async fn run(
        mut self,
        stream: TcpStream,
        reached: Option<SocketAddr>,
        (open, half_open): (OpenSlot, HalfOpenSlot),
    ) {
        let counters = Arc::clone(&self.listener.counters);
        let handshakes = self.listener.tls.clone();
        // Signalling is small messages that somebody waits for, media more so.
        let _ = stream.set_nodelay(true);
        counted::limit_stalls(&stream);
        let Ok(local) = stream.local_addr() else {
            // The peer is gone already.
            return count(&counters.silent);
        };
        let clear = if handshakes.is_none() && local.ip().to_canonical().is_loopback() {
            Via::Loopback
        } else {
            Via::Clear
        };
        let local = reached.unwrap_or(local);
        let stream = Counted::new(stream, open);
        let Some((protocol, stream)) = self.within(FIRST_BYTES_TIMEOUT, sniff(stream)).await else {
            return count(&counters.silent);
        };
        let handshakes = match (protocol, handshakes) {
            (Protocol::Tls, Some(handshakes)) => handshakes,
            (Protocol::Http, _) => return self.serve_http(stream, clear, half_open).await,
            (Protocol::Turn, _) => {
                count(&counters.turn);
                if !stream.get_ref().relay() {
                    return count(&counters.refused);
                }
                let socket = stream.get_ref().handle();
                return self
                    .serve_relay((stream, socket), false, local, half_open)
                    .await;
            }
            _ => return count(&counters.unknown),
        };
        let handshake = handshakes.accept(stream);
        let Some((asked, stream)) = self.within(HANDSHAKE_TIMEOUT, handshake).await else {
            return count(&counters.tls_failed);
        };
        count(&counters.tls_made);
        if asked == Asked::Challenge {
            return self.end_challenge(stream).await;
        }
        let Some((protocol, stream)) = self.within(FIRST_BYTES_TIMEOUT, sniff(stream)).await else {
            return count(&counters.silent);
        };
        match (asked, protocol) {
            (Asked::Http, _) | (Asked::Nothing, Protocol::Http) => {
                self.serve_http(stream, Via::Tls, half_open).await
            }
            (_, Protocol::Turn) => {
                count(&counters.turn);
                let counted = stream.get_ref().get_ref().0.get_ref();
                if !counted.relay() {
                    return count(&counters.refused);
                }
                let socket = counted.handle();
                self.serve_relay((stream, socket), true, local, half_open)
                    .await
            }
            _ => count(&counters.unknown),
        }
    }

    /// Waits for one step before anything is served; gives up on an error, after `limit`, and when the server stops.
    async fn within<T>(
        &mut self,
        limit: Duration,
        step: impl Future<Output = io::Result<T>>,
    ) -> Option<T> {
        tokio::select! {
            done = timeout(limit, step) => done.ok()?.ok(),
            () = stopped(&mut self.stop) => None,
        }
    }

    /// Ends a handshake that was the whole of what was wanted (RFC 8737, section 3).
    async fn end_challenge<S>(mut self, mut stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        count(&self.listener.counters.challenges);
        let _ = self.within(HANDSHAKE_TIMEOUT, stream.shutdown()).await;
    }

    async fn serve_relay<S>(
        self,
        (stream, socket): (S, SocketHandle),
        through_tls: bool,
        local: SocketAddr,
        half_open: HalfOpenSlot,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        drop(half_open);
        let Some(relay) = &self.listener.relay else {
            return;
        };
        let asking = Asking {
            stream: Box::new(stream),
            socket,
            through_tls,
            client: canonical(self.peer),
            local: canonical(local),
        };
        relay.serve(asking, self.stop).await;
    }

    async fn serve_http<S>(self, stream: S, via: Via, half_open: HalfOpenSlot)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        drop(half_open);
        let client = ClientAddr(canonical(self.peer));
        let router = self.listener.router;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(client);
            request.extensions_mut().insert(via);
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HTTP_BUFFER)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut stop = self.stop;
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = stopped(&mut stop) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "a connection broke");
        }
    }
}

/// Returns when `stop` is true, or when nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Returns the address as IPv4 if it is one written as IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests;

//! Where connections go that ask for the relay.

use std::net::SocketAddr;
use std::pin::Pin;

use conclave_turn_node::SocketHandle;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// Who serves the connections that ask for the relay.
pub(crate) trait Relay: Send + Sync {
    /// Serves one until it ends, or until `stop` turns true.
    fn serve(&self, asking: Asking, stop: watch::Receiver<bool>) -> Serving<'_>;
}

/// Ends with the connection.
pub(crate) type Serving<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A connection that asks for the relay.
pub(crate) struct Asking {
    /// Begins with the first request.
    pub(crate) stream: Box<dyn Stream>,
    /// Hands over the socket within it.
    pub(crate) socket: SocketHandle,
    /// Whether it came through TLS.
    pub(crate) through_tls: bool,
    /// The client, as it is seen here.
    pub(crate) client: SocketAddr,
    /// The address that it came to: ours, or that of a proxy which passes it on.
    pub(crate) local: SocketAddr,
}

/// Bytes of a client.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

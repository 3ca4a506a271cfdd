//! TURN clients that come over a stream: TCP, or TLS within it.
//!
//! A connection is accepted, and its TLS begun, in a task of tokio. Then the relay
//! thread has the stream: it reads, cuts frames, decides and writes, all clients
//! in one turn. It watches TCP connections itself; of other streams the runtime says
//! which ones have something. The task minds how long it lasts:
//!
//! ```text
//! task ──── the stream; 256 of all, full = waits ───────────────► relay thread
//! runtime ─ readiness, each stream listed once, one wake ───────► relay thread
//! client ◄─ 256 KiB per connection, full = media is dropped ───── relay thread
//! ```

mod inbox;
mod link;
mod outgoing;
mod pipe;
mod ready;
mod socket;
mod table;
mod task;

pub(crate) use inbox::{FromStream, StreamEntrance, StreamInbox};
pub(crate) use pipe::{Carried, Rates};
pub(crate) use ready::ReadyStreams;
pub use socket::{ClientSocket, SocketHandle};
pub(crate) use table::{FIRST_NUMBER, StreamClients};

use std::net::SocketAddr;
use std::sync::Arc;

use conclave_turn_wire::{ClientAddr, ClientTransport, FiveTuple};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::handle::{RelayHandle, Shared};

/// Makes the queues between tasks and thread.
pub(crate) fn queues(shared: &Arc<Shared>) -> (StreamEntrance, StreamClients, StreamInbox) {
    let (entrance, inbox) = inbox::inbox(shared);
    (entrance, StreamClients::default(), inbox)
}

impl RelayHandle {
    /// Serves a TURN client that came by a stream, until the stream ends, the
    /// relay closes it, or `stop` becomes true.
    ///
    /// `socket` is of the [`ClientSocket`] within `stream`, if there is one: the relay thread then
    /// watches it, without the runtime. `client` and `local` are the two ends of the stream. A client without an
    /// allocation is closed after 30 s. The caller sets `TCP_NODELAY`, and
    /// `TCP_NOTSENT_LOWAT` to some 16 KiB: what the kernel holds unsent cannot be
    /// dropped when it is too late for it.
    pub async fn serve_stream<S>(
        &self,
        stream: S,
        socket: Option<SocketHandle>,
        transport: ClientTransport,
        client: SocketAddr,
        local: SocketAddr,
        stop: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let client = FiveTuple {
            transport,
            client: ClientAddr(canonical(client)),
            server: canonical(local),
        };
        task::serve((Box::new(stream), socket), client, &self.streams, stop).await;
    }
}

/// A client of IPv4 on a socket for both families is one of IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests;

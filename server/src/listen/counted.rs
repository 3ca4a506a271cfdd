//! The stream of one client, as long as it is open.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use conclave_turn_node::{ClientSocket, SocketHandle};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::sources::OpenSlot;

/// How long a client may take nothing of what is written to it. Longer than a
/// phone takes to change its network; a link given up is resumed anyway.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Has the kernel end a connection whose peer acknowledges nothing, or has no
/// room, for [`STALL_TIMEOUT`] (RFC 5482). That covers what nobody waits to
/// write any more: the kernel's own buffer after our end.
pub(super) fn limit_stalls(stream: &TcpStream) {
    // Without it, the deadline of `Counted` still holds.
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(STALL_TIMEOUT));
}

/// What the kernel may hold of a relayed stream before it is on its way: more
/// is media that grows old where nobody can drop it any more.
const RELAYED_UNSENT: u32 = 64 * 1024;

/// A stream that counts as one open connection of its source as long as it
/// lives, also after an upgrade. Writing fails once the peer has taken nothing
/// for [`STALL_TIMEOUT`], so that nobody holds a connection by not reading.
#[derive(Debug)]
pub(super) struct Counted {
    stream: ClientSocket,
    /// Runs while a write waits for room.
    stall: Option<Pin<Box<Sleep>>>,
    open: OpenSlot,
}

impl Counted {
    /// Counts `stream` in the place that `open` keeps.
    pub(super) fn new(stream: TcpStream, open: OpenSlot) -> Self {
        Counted {
            stream: ClientSocket::new(stream),
            stall: None,
            open,
        }
    }

    /// Counts it among the relayed ones, and keeps the kernel's buffer short,
    /// for media. Returns false where its source has too many of these.
    pub(super) fn relay(&self) -> bool {
        // Without it media are dropped later, at the bound of our own queue.
        let _ = SockRef::from(&self.stream).set_tcp_notsent_lowat(RELAYED_UNSENT);
        self.open.relay()
    }

    /// Returns what hands its socket over to the relay.
    pub(super) fn handle(&self) -> SocketHandle {
        self.stream.handle()
    }

    fn unless_stalled(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self
            .stall
            .get_or_insert_with(|| Box::pin(sleep(STALL_TIMEOUT)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.unless_stalled(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.unless_stalled(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

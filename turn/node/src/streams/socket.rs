//! A TCP connection that changes hands: accepted and secured by tasks of the
//! runtime, then read and written by the relay thread, which watches it itself.
//!
//! Otherwise a thread of the runtime would be woken by each arrival only to wake the relay.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream as OwnStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use conclave_sfu_udp::Watch;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Who is to watch a connection; at first the runtime.
const RELAY: u8 = 1;
const RUNTIME_AGAIN: u8 = 2;

/// A TCP connection that the relay thread can take over from within whatever is around it, such as TLS.
#[derive(Debug)]
pub struct ClientSocket {
    stream: Option<Stream>,
    wish: Arc<Wish>,
}

#[derive(Debug)]
enum Stream {
    /// The runtime watches it.
    Watched(TcpStream),
    /// The relay thread does.
    Own(OwnStream),
}

#[derive(Default)]
struct Wish {
    watcher: AtomicU8,
    /// How the relay watches, and under which number.
    watch: OnceLock<(Watch, u64)>,
}

impl std::fmt::Debug for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Wish").field(&self.watcher).finish()
    }
}

/// Says who watches a [`ClientSocket`]: the socket follows with the next attempt to read or write.
#[derive(Debug, Clone)]
pub struct SocketHandle(Arc<Wish>);

impl SocketHandle {
    /// Gives the socket to the relay thread, once.
    pub(super) fn give_to_relay(&self, watch: Watch, number: u64) {
        if self.0.watch.set((watch, number)).is_ok() {
            self.0.watcher.store(RELAY, Ordering::Release);
        }
    }

    /// Gives it back to the runtime.
    pub(super) fn give_back(&self) {
        self.0.watcher.store(RUNTIME_AGAIN, Ordering::Release);
    }
}

impl ClientSocket {
    /// Makes it of a connection, which the runtime watches until the relay takes it over.
    pub fn new(stream: TcpStream) -> ClientSocket {
        ClientSocket {
            stream: Some(Stream::Watched(stream)),
            wish: Arc::default(),
        }
    }

    /// Returns what hands it over: for [`RelayHandle::serve_stream`](crate::RelayHandle::serve_stream).
    pub fn handle(&self) -> SocketHandle {
        SocketHandle(Arc::clone(&self.wish))
    }

    /// Returns the stream as it is to be watched.
    fn settled(&mut self) -> io::Result<&mut Stream> {
        let wish = self.wish.watcher.load(Ordering::Acquire);
        let stream = match self.stream.take() {
            Some(Stream::Watched(stream)) if wish == RELAY => self.take_over(stream)?,
            Some(Stream::Own(stream)) if wish == RUNTIME_AGAIN => self.hand_back(stream)?,
            other => other.ok_or(io::ErrorKind::NotConnected)?,
        };
        Ok(self.stream.insert(stream))
    }

    fn take_over(&self, stream: TcpStream) -> io::Result<Stream> {
        let own = stream.into_std()?;
        if let Some((watch, number)) = self.wish.watch.get() {
            watch.add_edges(own.as_fd(), *number)?;
        }
        Ok(Stream::Own(own))
    }

    fn hand_back(&self, own: OwnStream) -> io::Result<Stream> {
        if let Some((watch, _)) = self.wish.watch.get() {
            watch.remove(own.as_fd())?;
        }
        TcpStream::from_std(own).map(Stream::Watched)
    }
}

impl AsFd for ClientSocket {
    /// The descriptor.
    ///
    /// # Panics
    /// If the connection broke while it changed hands.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self
            .stream
            .as_ref()
            .expect("only a failed hand-over has none")
        {
            Stream::Watched(stream) => stream.as_fd(),
            Stream::Own(stream) => stream.as_fd(),
        }
    }
}

/// Tries until it is done, or would wait: the watcher tells when there is more.
fn attempt<T>(mut work: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            result => return Poll::Ready(result),
        }
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.settled()? {
            Stream::Watched(stream) => Pin::new(stream).poll_read(context, room),
            Stream::Own(stream) => attempt(|| stream.read(room.initialize_unfilled()))
                .map_ok(|count| room.advance(count)),
        }
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.settled()? {
            Stream::Watched(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Own(stream) => attempt(|| stream.write(bytes)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.settled()? {
            Stream::Watched(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Stream::Own(stream) => attempt(|| stream.write_vectored(parts)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The kernel has all that was written.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.settled()? {
            Stream::Watched(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Own(stream) => Poll::Ready(stream.shutdown(Shutdown::Write)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use conclave_sfu_udp::ReadySet;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_relay_takes_a_socket_over_and_gives_it_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await;
        let mut far = far.unwrap();
        let mut socket = ClientSocket::new(listener.accept().await.unwrap().0);
        let handle = socket.handle();
        let mut bytes = [0; 8];
        far.write_all(b"one").await.unwrap();
        assert_eq!(socket.read(&mut bytes).await.unwrap(), 3);

        let mut set = ReadySet::new().unwrap();
        handle.give_to_relay(set.watch(), 5);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut room = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut socket).poll_read(&mut context, &mut room);
        assert!(read.is_pending());
        // That there is room to write is told at first.
        set.wait(None, true).unwrap();
        assert_eq!(set.ready().collect::<Vec<_>>(), [5]);
        far.write_all(b"three").await.unwrap();
        set.wait(Some(Instant::now() + Duration::from_secs(10)), false)
            .unwrap();
        assert_eq!(set.ready().collect::<Vec<_>>(), [5]);
        let read = Pin::new(&mut socket).poll_read(&mut context, &mut room);
        assert!(read.is_ready());
        assert_eq!(room.filled(), b"three");
        assert!(matches!(
            Pin::new(&mut socket).poll_write(&mut context, b"four"),
            Poll::Ready(Ok(4))
        ));
        assert_eq!(far.read(&mut bytes).await.unwrap(), 4);

        handle.give_back();
        far.write_all(b"back").await.unwrap();
        assert_eq!(socket.read(&mut bytes).await.unwrap(), 4);
        set.wait(None, true).unwrap();
        assert_eq!(set.ready().count(), 0);
        socket.shutdown().await.unwrap();
        assert_eq!(far.read(&mut bytes).await.unwrap(), 0);
    }
}

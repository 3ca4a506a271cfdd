//! Reading the first bytes of a connection without taking them from whoever
//! serves it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::first_bytes::{LONGEST, Protocol, classify};

/// From a first byte that may be the relay's to the verdict. Nobody opens a
/// connection ahead of need by sending half a message.
pub(super) const VERDICT_TIMEOUT: Duration = Duration::from_secs(3);

/// Reads until the protocol is clear, and gives a stream that begins with what
/// was read. Waits for the first byte for ever, for the rest of what the
/// verdict needs [`VERDICT_TIMEOUT`].
///
/// # Errors
/// What reading gives; `UnexpectedEof` when the stream ends before the verdict,
/// `TimedOut` when the rest does not come.
pub(crate) async fn sniff<S: AsyncRead + Unpin>(
    mut stream: S,
) -> io::Result<(Protocol, Rewound<S>)> {
    let mut prefix = [0; LONGEST];
    let mut end = read_some(&mut stream, &mut prefix).await?;
    let rest = async {
        loop {
            if let Some(protocol) = classify(&prefix[..end]) {
                return io::Result::Ok(protocol);
            }
            end += read_some(&mut stream, &mut prefix[end..]).await?;
        }
    };
    let protocol = timeout(VERDICT_TIMEOUT, rest).await??;
    let start = 0;
    let rewound = Rewound {
        prefix,
        start,
        end,
        stream,
    };
    Ok((protocol, rewound))
}

async fn read_some(stream: &mut (impl AsyncRead + Unpin), to: &mut [u8]) -> io::Result<usize> {
    match stream.read(to).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

/// A stream whose first bytes were read and are given again.
#[derive(Debug)]
pub(crate) struct Rewound<S> {
    prefix: [u8; LONGEST],
    start: usize,
    end: usize,
    stream: S,
}

impl<S> Rewound<S> {
    /// Returns the stream itself.
    pub(super) fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start == self.end {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let count = buf.remaining().min(self.end - self.start);
        let start = self.start;
        buf.put_slice(&self.prefix[start..start + count]);
        self.start += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::time::Instant;

    use super::*;

    const ALLOCATE: &[u8] = &[0x00, 0x03, 0x00, 0x24, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3];

    #[tokio::test]
    async fn bytes_that_arrive_one_by_one_give_the_same_verdict_and_none_is_lost() {
        for (bytes, verdict) in [
            (ALLOCATE, Protocol::Turn),
            (b"GET / HTTP/1.1\r\n", Protocol::Http),
        ] {
            // A pipe that holds one byte: every read gives one.
            let (mut near, far) = tokio::io::duplex(1);
            let writer = tokio::spawn(async move {
                near.write_all(bytes).await.unwrap();
            });
            let (protocol, mut stream) = sniff(far).await.unwrap();
            assert_eq!(protocol, verdict);
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, bytes);
            writer.await.unwrap();
        }
    }

    #[tokio::test]
    async fn any_split_gives_the_same_verdict() {
        for at in 1..ALLOCATE.len() {
            let (first, rest) = ALLOCATE.split_at(at);
            let (protocol, mut stream) = sniff(first.chain(rest)).await.unwrap();
            assert_eq!(protocol, Protocol::Turn, "{at}");
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, ALLOCATE, "{at}");
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_too_early_is_an_error() {
        let error = sniff(&ALLOCATE[..5]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_waited_for_and_half_a_message_for_three_seconds() {
        let (mut near, far) = tokio::io::duplex(64);
        let began = Instant::now();
        let writer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            near.write_all(&ALLOCATE[..5]).await.unwrap();
            near
        });
        let error = sniff(far).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), Duration::from_secs(60) + VERDICT_TIMEOUT);
        writer.await.unwrap();
    }
}

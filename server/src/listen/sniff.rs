//! Which protocol a connection speaks, told from its first bytes.
//!
//! One TCP port serves pages, signalling and the relay. ALPN and SNI do not
//! tell them apart: Chromium sends no ALPN for `turns:`, Firefox no SNI.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// RFC 8489, section 5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// As many bytes as a verdict can need: message type, length and cookie.
const LONGEST: usize = 8;

/// What the first bytes are the beginning of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// A TLS handshake record (RFC 8446, section 5.1).
    Tls,
    /// An HTTP request, or something that the HTTP parser will refuse.
    Http,
    /// A STUN or TURN request (RFC 8656).
    Turn,
    /// Nothing that is served here.
    Unknown,
}

/// Tells the protocol; `None` asks for more bytes, at most [`LONGEST`].
pub(crate) fn classify(bytes: &[u8]) -> Option<Protocol> {
    match bytes {
        [] => None,
        [0x16, ..] => Some(Protocol::Tls),
        [0x00, rest @ ..] if rest.len() < LONGEST - 1 => {
            // The type of a first request is 0x0001 (Binding) or 0x0003 (Allocate).
            let hopeless = rest.first().is_some_and(|second| second >> 4 != 0);
            hopeless.then_some(Protocol::Unknown)
        }
        [0x00, second, _, _, cookie @ ..] => {
            let is_turn = second >> 4 == 0 && cookie.starts_with(&MAGIC_COOKIE);
            Some(if is_turn {
                Protocol::Turn
            } else {
                Protocol::Unknown
            })
        }
        _ => Some(Protocol::Http),
    }
}

/// Reads until the protocol is clear, and gives a stream that begins with what was read.
///
/// # Errors
/// What reading gives; `UnexpectedEof` when the stream ends before the verdict.
pub(crate) async fn sniff<S: AsyncRead + Unpin>(
    mut stream: S,
) -> io::Result<(Protocol, Rewound<S>)> {
    let mut prefix = [0; LONGEST];
    let mut len = 0;
    loop {
        let read = stream.read(&mut prefix[len..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        len += read;
        if let Some(protocol) = classify(&prefix[..len]) {
            return Ok((
                protocol,
                Rewound {
                    prefix,
                    start: 0,
                    end: len,
                    stream,
                },
            ));
        }
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

    use super::*;

    const ALLOCATE: &[u8] = &[0x00, 0x03, 0x00, 0x24, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3];

    #[test]
    fn each_protocol_is_told_from_as_few_bytes_as_possible() {
        let cases: [(&[u8], Option<Protocol>); 9] = [
            (b"", None),
            (&[0x16], Some(Protocol::Tls)),
            (b"G", Some(Protocol::Http)),
            (&[0x00], None),
            (&[0x00, 0x16], Some(Protocol::Unknown)),
            (&ALLOCATE[..7], None),
            (&ALLOCATE[..8], Some(Protocol::Turn)),
            (
                &[0x00, 0x03, 0, 0, 0x21, 0x12, 0xa4, 0x43],
                Some(Protocol::Unknown),
            ),
            (
                &[0x00, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42],
                Some(Protocol::Unknown),
            ),
        ];
        for (bytes, verdict) in cases {
            assert_eq!(classify(bytes), verdict, "{bytes:02x?}");
        }
    }

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
    async fn a_stream_that_ends_too_early_is_an_error() {
        let error = sniff(&ALLOCATE[..5]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

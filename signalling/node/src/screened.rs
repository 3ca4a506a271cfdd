//! A stream that lets nothing long through before its sender has greeted.
//!
//! A WebSocket reserves the memory of a frame as soon as its header is read,
//! and has one limit for its whole life. Here the headers are looked at before
//! it sees them, until somebody says that long messages may come.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use conclave_signalling_wire::limits::HELLO_BYTES;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Read at once while it is screened.
const CHUNK: usize = 1024;

/// Says that long messages may come from now on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Greeted(Arc<AtomicBool>);

impl Greeted {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A message that is too long for somebody who has not greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("too long before hello")]
struct TooLong;

/// See the module.
pub(crate) struct Screened<S> {
    stream: S,
    screen: Screen,
    greeted: Greeted,
}

impl<S> Screened<S> {
    pub(crate) fn new(stream: S, greeted: Greeted) -> Self {
        Screened {
            stream,
            screen: Screen::default(),
            greeted,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Screened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.greeted.0.load(Ordering::Relaxed) {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let mut space = [0; CHUNK];
        let size = buffer.remaining().min(CHUNK);
        let mut chunk = ReadBuf::new(&mut space[..size]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
        self.screen
            .pass(chunk.filled())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        buffer.put_slice(chunk.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Screened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Reads the headers of frames (RFC 6455, section 5.2), nothing else.
#[derive(Default)]
struct Screen {
    header: Vec<u8>,
    /// Bytes of the frame that are still to come.
    payload: u64,
    /// Bytes of the message so far, which may come in several frames.
    message: u64,
}

impl Screen {
    fn pass(&mut self, mut bytes: &[u8]) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skipped = bytes.len().min(self.payload as usize);
                self.payload -= skipped as u64;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some((first, rest)) = bytes.split_first() {
                self.header.push(*first);
                bytes = rest;
            }
            self.read_header()?;
        }
        Ok(())
    }

    /// Looks whether the header is complete, and takes it if so.
    fn read_header(&mut self) -> Result<(), TooLong> {
        let &[first, second, ref rest @ ..] = self.header.as_slice() else {
            return Ok(());
        };
        let (is_final, is_control) = (first & 0x80 != 0, first & 0x08 != 0);
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let width = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(long) = rest.get(..width).filter(|_| rest.len() == width + mask) else {
            return Ok(());
        };
        let length = match width {
            0 => u64::from(second & 0x7f),
            _ => long.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        self.header.clear();
        if !is_control {
            self.message = self.message.saturating_add(length);
        }
        if self.message.max(length) > HELLO_BYTES as u64 {
            return Err(TooLong);
        }
        if is_final && !is_control {
            self.message = 0;
        }
        self.payload = length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    const TEXT: u8 = 0x81;
    const BEGINNING: u8 = 0x01;
    const REST: u8 = 0x80;
    const PING: u8 = 0x89;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.resize(frame.len() + length, 0xff);
        frame
    }

    fn passes(frames: &[(u8, usize)], step: usize) -> bool {
        let bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(first, length)| frame(*first, *length))
            .collect();
        let mut screen = Screen::default();
        bytes.chunks(step).all(|chunk| screen.pass(chunk).is_ok())
    }

    #[test]
    fn what_is_short_passes_and_what_is_long_does_not() {
        for step in [1, 2, 3, 7, 1024, 100_000] {
            assert!(passes(
                &[(TEXT, 0), (TEXT, 125), (TEXT, 126), (TEXT, 4096)],
                step
            ));
            assert!(passes(
                &[(BEGINNING, 4000), (PING, 125), (REST, 96), (TEXT, 4096)],
                step
            ));
            assert!(!passes(&[(TEXT, 4097)], step));
            assert!(!passes(&[(TEXT, 70_000)], step));
            assert!(!passes(&[(BEGINNING, 4000), (PING, 5), (REST, 97)], step));
            assert!(!passes(&[(PING, 4097)], step));
        }
    }

    #[test]
    fn no_announced_length_overflows() {
        let mut header = vec![BEGINNING, 0xff];
        header.extend([0xff; 12]);
        let mut screen = Screen::default();
        assert_eq!(screen.pass(&header), Err(TooLong));
    }

    #[tokio::test]
    async fn after_the_greeting_everything_passes() {
        let bytes = [frame(TEXT, 100), frame(TEXT, 50_000)].concat();
        let greeted = Greeted::default();
        let mut stream = Screened::new(bytes.as_slice(), greeted.clone());
        let mut hello = [0; 106];
        stream.read_exact(&mut hello).await.unwrap();
        greeted.set();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest.len(), 50_008);
        let mut early = Screened::new(bytes.as_slice(), Greeted::default());
        assert!(early.read_to_end(&mut rest).await.is_err());
    }
}

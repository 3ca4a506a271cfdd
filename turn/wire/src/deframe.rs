//! Cuts the stream of a TCP or TLS client into frames: STUN messages by their
//! length, ChannelData padded to four bytes (RFC 8656, sections 12.5 and 12.6).

use crate::fast::{CHANNEL_HEADER_LEN, padding};
use crate::message::{HEADER_LEN, MAGIC_COOKIE};

/// The longest frame in bytes, header included: nobody sends more than a
/// datagram can hold.
pub const FRAME_LEN_MAX: usize = 65_536;

/// How many bytes may wait in a [`Deframer`]: a frame nearly complete, and one more read.
pub const BUFFERED_MAX: usize = 2 * FRAME_LEN_MAX;

/// An idle client keeps no more than this, in bytes.
const IDLE_CAPACITY_MAX: usize = 4096;

/// Why a stream cannot be cut any further: it is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeframeError {
    /// Neither a STUN message with the magic cookie nor ChannelData begins here.
    #[error("not a frame of TURN")]
    Garbage,
    /// The frame is longer than [`FRAME_LEN_MAX`].
    #[error("frame too long")]
    TooLong,
    /// More than [`BUFFERED_MAX`] bytes were pushed without taking frames out.
    #[error("too many bytes waiting")]
    Overflow,
}

/// Takes the bytes of a stream in any portions, and gives the same frames.
#[derive(Default)]
pub struct Deframer {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were given out as frames, padding included.
    taken: usize,
}

impl Deframer {
    /// Creates one for the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what was read. Take all frames by [`Deframer::next_frame`] before the next push.
    ///
    /// # Errors
    /// [`DeframeError::Overflow`]; nothing is appended then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DeframeError> {
        if self.buffered() + bytes.len() > BUFFERED_MAX {
            return Err(DeframeError::Overflow);
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE_CAPACITY_MAX {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Returns the next complete frame, without the padding of ChannelData, or
    /// `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`DeframeError::Garbage`] or [`DeframeError::TooLong`], as soon as the
    /// bytes at hand show it, and for ever after.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, DeframeError> {
        let start = self.taken;
        let Some((len, padding)) = frame_len(&self.buffer[start..])? else {
            return Ok(None);
        };
        if self.buffered() < len + padding {
            return Ok(None);
        }
        self.taken += len + padding;
        Ok(Some(&self.buffer[start..start + len]))
    }

    /// Returns how many bytes wait for the rest of their frame. Not zero: a frame has begun.
    pub fn buffered(&self) -> usize {
        self.buffer.len() - self.taken
    }

    /// Ends the cutting and returns what was not cut yet: behind a successful
    /// ConnectionBind the stream carries raw bytes (RFC 6062, section 5.4).
    pub fn into_rest(mut self) -> Vec<u8> {
        self.buffer.drain(..self.taken);
        self.buffer
    }
}

/// Length and padding of the frame that begins here, if enough of it is there to tell.
fn frame_len(bytes: &[u8]) -> Result<Option<(usize, usize)>, DeframeError> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let is_stun = match first {
        0..=3 => true,
        0x40..=0x7f => false,
        _ => return Err(DeframeError::Garbage),
    };
    let Some(head) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let body = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if is_stun && body % 4 != 0 {
        return Err(DeframeError::Garbage);
    }
    let (len, padding) = if is_stun {
        (HEADER_LEN + body, 0)
    } else {
        (CHANNEL_HEADER_LEN + body, padding(body).len())
    };
    if len + padding > FRAME_LEN_MAX {
        return Err(DeframeError::TooLong);
    }
    // Behind the length, as in the stream: what is wrong does not depend on the portions.
    if is_stun && !cookie_fits(bytes) {
        return Err(DeframeError::Garbage);
    }
    Ok(Some((len, padding)))
}

/// Whether what is there of the cookie is right.
fn cookie_fits(bytes: &[u8]) -> bool {
    let there = bytes.get(4..bytes.len().min(8)).unwrap_or_default();
    MAGIC_COOKIE.starts_with(there)
}

#[cfg(test)]
mod tests;

//! Opening, and nothing twice.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::cipher::{Cipher, RTP_HEADER_MIN, RtcpPacket};
use crate::keys::Profile;
use crate::window::Window;

/// Most senders of RTCP in one transport. A browser has one per stream it sends
/// or receives; more than this is a peer that makes us remember them.
const RTCP_SENDERS_MAX: usize = 256;

/// Why a datagram is not opened; it is dropped and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum OpenError {
    /// Too short, or not of the stream that it is said to be of.
    #[error("datagram is malformed")]
    Malformed,
    /// SRTCP with E = 0 (RFC 3711, section 3.4).
    #[error("rtcp is not encrypted")]
    Unencrypted,
    /// The index was opened before, or is too far behind to tell.
    #[error("index was seen before")]
    Replayed,
    /// The tag is not of these keys and these bytes.
    #[error("authentication failed")]
    AuthFailed,
    /// More senders of RTCP than one transport may have.
    #[error("too many senders of rtcp")]
    TooManySenders,
}

/// What is remembered of one RTP stream that is received.
#[derive(Debug)]
pub struct RxStream {
    ssrc: u32,
    seen: Window<1>,
}

impl RxStream {
    /// Returns the state of a stream of which nothing arrived.
    pub fn new(ssrc: u32) -> RxStream {
        RxStream {
            ssrc,
            seen: Window::default(),
        }
    }

    /// Returns the SSRC.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Returns the highest extended sequence number that was opened.
    pub const fn highest(&self) -> Option<u64> {
        self.seen.highest()
    }

    /// Guesses the rollover counter: the extended number nearest to the highest
    /// (RFC 3711, section 3.3.1), below 2^16 while nothing arrived.
    fn guess(&self, seq: u16) -> u64 {
        let Some(highest) = self.seen.highest() else {
            return u64::from(seq);
        };
        let ahead = seq.wrapping_sub(highest as u16) as i16;
        match highest.checked_add_signed(i64::from(ahead)) {
            Some(near) => near,
            // Before the start of the stream can only be after it.
            None => u64::from(seq),
        }
    }
}

/// An RTP packet that was opened in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The sequence number with 2^16 times the rollover counter added.
    pub ext_seq: u64,
    /// Bytes of payload behind the header.
    pub payload_len: usize,
}

/// The opening half of a transport.
pub struct SrtpRx {
    rtp: Cipher,
    rtcp: Cipher,
    rtcp_seen: BTreeMap<u32, Window<1>>,
}

impl SrtpRx {
    pub(crate) const fn new(rtp: Cipher, rtcp: Cipher) -> SrtpRx {
        SrtpRx {
            rtp,
            rtcp,
            rtcp_seen: BTreeMap::new(),
        }
    }

    /// Appends the plain compound of an SRTCP datagram to `out`.
    ///
    /// # Errors
    /// See [`OpenError`]; `out` is as it was.
    pub fn open_rtcp(&mut self, datagram: &[u8], out: &mut Vec<u8>) -> Result<(), OpenError> {
        let packet =
            RtcpPacket::split(self.rtcp.profile(), datagram).ok_or(OpenError::Malformed)?;
        if !packet.is_encrypted() {
            return Err(OpenError::Unencrypted);
        }
        let (ssrc, index) = (packet.ssrc(), u64::from(packet.index()));
        let is_full = self.rtcp_seen.len() >= RTCP_SENDERS_MAX;
        match self.rtcp_seen.get(&ssrc) {
            Some(seen) if !seen.is_free(index) => return Err(OpenError::Replayed),
            None if is_full => return Err(OpenError::TooManySenders),
            _ => {}
        }
        self.rtcp
            .open_rtcp(&packet, out)
            .map_err(|_| OpenError::AuthFailed)?;
        // Only what is authentic may move the window.
        self.rtcp_seen.entry(ssrc).or_default().insert(index);
        Ok(())
    }

    /// Opens an RTP packet in place.
    ///
    /// `header_len` counts the header with its extensions, which are readable
    /// before; `stream` is that of the SSRC in the header.
    ///
    /// # Errors
    /// See [`OpenError`]; the payload is then undefined.
    pub fn open_rtp(
        &mut self,
        stream: &mut RxStream,
        header_len: usize,
        datagram: &mut [u8],
    ) -> Result<Opened, OpenError> {
        let header: &[u8; RTP_HEADER_MIN] = datagram.first_chunk().ok_or(OpenError::Malformed)?;
        let fits = header[8..12] == stream.ssrc.to_be_bytes()
            && header_len >= RTP_HEADER_MIN
            && datagram.len() >= header_len.saturating_add(self.rtp.profile().tag_len());
        if !fits {
            return Err(OpenError::Malformed);
        }
        let ext_seq = stream.guess(u16::from_be_bytes([header[2], header[3]]));
        if !stream.seen.is_free(ext_seq) {
            return Err(OpenError::Replayed);
        }
        let payload_len = self
            .rtp
            .open_rtp(stream.ssrc, ext_seq, header_len, datagram)
            .map_err(|_| OpenError::AuthFailed)?;
        stream.seen.insert(ext_seq);
        Ok(Opened {
            ext_seq,
            payload_len,
        })
    }

    /// Returns how packets are protected.
    pub const fn profile(&self) -> Profile {
        self.rtp.profile()
    }
}

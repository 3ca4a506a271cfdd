//! Which offers are answered, and the words of ours in an answer.
//!
//! An offer is checked before any library parses it: size, counts, and the one
//! shape that our client produces (spec of the protocol, media negotiation).

mod offer;
mod rewrite;

pub use offer::{Direction, MediaKind, OfferFacts, OfferMedia, check_offer};
pub use rewrite::{pair_streams, replace_ice_credentials};

use thiserror::Error;

use crate::control::OfferError;

/// The largest offer in bytes. A browser's default one, with every codec, is 76 kB.
pub const SDP_BYTES_MAX: usize = 96 * 1024;
/// The most m-lines of an offer: 4 to send, 12 + 4 slots, and room to grow.
pub const M_LINES_MAX: usize = 24;
/// The most candidates of an offer, all m-lines together. None is used.
pub const CANDIDATES_MAX: usize = 32;

/// Why an offer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[error("{}", self.text())]
pub enum SdpError {
    /// More than [`SDP_BYTES_MAX`].
    TooLarge,
    /// A line is not `letter=value`, or the first is not `v=0`.
    Malformed,
    /// There is no m-line.
    NoMedia,
    /// More than [`M_LINES_MAX`].
    TooManyMedia,
    /// More than [`CANDIDATES_MAX`].
    TooManyCandidates,
    /// An m-line that is neither audio nor video over DTLS-SRTP.
    MediaKind,
    /// An m-line of port 0 that is not bundle-only.
    Stopped,
    /// An m-line without a mid, or with one that is not 1 to 16 letters, digits, `-`, `_`.
    Mid,
    /// Two m-lines with one mid.
    MidTwice,
    /// `inactive`, `sendrecv` or none.
    Direction,
    /// An m-line without `a=rtcp-mux`.
    RtcpMux,
    /// There is no BUNDLE group, or an m-line is not in it.
    Bundle,
    /// An m-line to which no fingerprint applies.
    FingerprintMissing,
    /// A hash other than SHA-256, SHA-384 or SHA-512, or a value of wrong length.
    Fingerprint,
    /// Two fingerprints that differ: one bundle has one certificate.
    FingerprintDiffers,
    /// A missing user fragment or password, or one out of the limits of RFC 8839, section 5.4.
    IceCredentials,
    /// Encodings other than distinct ones of q, h and f to send on a sending video m-line.
    Simulcast,
}

impl SdpError {
    /// Returns what is wrong and where, for the peer.
    pub const fn text(self) -> &'static str {
        match self {
            SdpError::TooLarge => "sdp is larger than 96 KiB",
            SdpError::Malformed => "sdp has a malformed line",
            SdpError::NoMedia => "sdp has no m-line",
            SdpError::TooManyMedia => "sdp has more than 24 m-lines",
            SdpError::TooManyCandidates => "sdp has more than 32 candidates",
            SdpError::MediaKind => "m-line is not audio or video over UDP/TLS/RTP/SAVPF",
            SdpError::Stopped => "m-line is stopped",
            SdpError::Mid => "a=mid is missing or not 1 to 16 letters, digits, - or _",
            SdpError::MidTwice => "a=mid is used twice",
            SdpError::Direction => "m-line is neither sendonly nor recvonly",
            SdpError::RtcpMux => "a=rtcp-mux is missing",
            SdpError::Bundle => "a=group:BUNDLE does not name every m-line",
            SdpError::FingerprintMissing => "a=fingerprint is missing",
            SdpError::Fingerprint => "a=fingerprint is not sha-256, sha-384 or sha-512",
            SdpError::FingerprintDiffers => "a=fingerprint differs between m-lines",
            SdpError::IceCredentials => "a=ice-ufrag or a=ice-pwd is missing or malformed",
            SdpError::Simulcast => "a=rid or a=simulcast is not of q, h, f to send",
        }
    }
}

impl From<SdpError> for OfferError {
    fn from(error: SdpError) -> Self {
        OfferError::Invalid(error.text())
    }
}

#[cfg(test)]
mod tests;

//! STUN and TURN messages, ChannelData, framing on streams, message integrity
//! (RFC 8489, RFC 8656, RFC 6062). No I/O, no clock, no randomness of its own.
//!
//! Every parser takes any bytes without a panic and answers with a small value
//! or a small error; the caller counts what it drops. Three ways in:
//! [`deframe`] cuts a stream into frames, [`fast`] reads and writes what carries
//! media, [`message`] everything else. The codec crates are named only in the
//! `library` module, so that they could be replaced there.

#![forbid(unsafe_code)]

pub mod address;
pub mod deframe;
pub mod error;
pub mod fast;
pub mod integrity;
mod library;
pub mod message;

pub use address::{ClientAddr, ClientTransport, Family, FiveTuple, PeerAddr, RelayedAddr};

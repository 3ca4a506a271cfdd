//! What the media plane reads and writes: packets, SDP limits, ufrags, and its
//! control messages. No I/O, no clock, no randomness of its own.
//!
//! Every parser takes any bytes without a panic and answers with a small value
//! or nothing; the caller counts what it drops.

#![forbid(unsafe_code)]

pub mod control;
pub mod demux;
pub mod dtls;
pub mod h264;
pub mod relayed;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod stun;
pub mod ufrag;
pub mod vp8;

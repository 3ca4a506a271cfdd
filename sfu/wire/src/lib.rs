//! What the media plane reads and writes: packets, SDP limits, ufrags, and its
//! control messages. No I/O, no clock, no randomness of its own.

pub mod control;

//! Decisions of administration: how values are read, who may do what with
//! which key, what is told to whom.
//!
//! No socket, no clock, no randomness of its own: see `clippy.toml`.

#![forbid(unsafe_code)]

pub mod access;
pub mod cef;
pub mod members;
pub mod nearest;
pub mod webhook;

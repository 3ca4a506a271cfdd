//! The built binary as those see it who run it.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod embedding;
mod link;
mod operator;
mod secrets;
mod serve;
mod server;

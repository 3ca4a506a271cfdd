//! The relay with real sockets, as `conclave serve` with `role = "turn"` runs it,
//! against TURN clients that nobody here wrote: the client of coturn, aioice, pion,
//! and the STUN client of Debian. Each test has a network namespace of its own, but for
//! those of `real.rs`: what none of these asks for, by a client of ours in one process.
//!
//! Needs root, `ip`, Debian's coturn, stun-client, python3-aioice, golang-go and
//! golang-github-pion-turn.v2-dev, and `cargo build --bin conclave`; `make test` sees to all of it
//! (`node scripts/test.mjs relay`). By hand:
//! `cargo test -p conclave-tests --test turn -- --test-threads=12`.

#![allow(clippy::unwrap_used, reason = "a failed test has nobody to report to")]

mod aioice;
mod flood;
mod pion;
mod real;
mod server;
mod uclient;

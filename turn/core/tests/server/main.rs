//! The server through its public face.

#![allow(
    clippy::unwrap_used,
    reason = "a test without what it needs has failed"
)]
#![allow(unreachable_pub, reason = "what tests share is public among them")]

mod actor;
mod data;
mod day;
mod errors;
mod features;
mod ledger;
mod model;
mod network;
mod own;
mod simulation;
mod support;
mod tcp;

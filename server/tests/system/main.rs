//! The built binary as those see it who run it.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod acme;
mod alike;
mod caller;
mod doctor;
mod drain;
mod embedding;
mod idempotent;
mod keys;
mod link;
mod metrics;
mod operator;
mod proxy;
mod relay;
mod reload;
mod secrets;
mod serve;
mod server;
mod sessions;
mod turn;
mod webhooks;

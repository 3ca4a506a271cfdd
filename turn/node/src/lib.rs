//! The relay of this process: its clients, and the ways to the shards and to peers.
//!
//! [`Relay::start`] binds the UDP sockets and starts one plain thread, which
//! owns the TURN server and everything that it decides; [`Relay::within`] gives the
//! same to the loop of the only shard. TCP and TLS clients begin as
//! tasks of the async runtime, which lend their streams to that thread
//! ([`RelayHandle::serve_stream`]).

#![forbid(unsafe_code)]

mod backend;
mod clients;
mod config;
mod control;
mod handle;
mod listeners;
mod peers_tcp;
mod real;
mod shards;
mod stats;
mod streams;
mod thread;
mod turns;
mod within;

pub use config::{BackendConfig, RelayConfig, ShardPort};
pub use handle::{Relay, RelayHandle};
pub use real::{RealConfig, RelayIp};
pub use stats::RelayStats;
pub use streams::{ClientSocket, SocketHandle};

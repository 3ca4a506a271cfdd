//! Shard threads and their UDP sockets: all I/O of the media plane.
//!
//! [`MediaNode::start`] binds the sockets and starts one plain thread per
//! shard; [`MediaHandle::send`] gives a shard its commands; what a shard
//! reports goes to a closure on its own thread.
#![forbid(unsafe_code)]

mod addresses;
mod attention;
mod crossing;
mod node;
mod relay;
mod sockets;
mod stats;
mod thread;

pub use addresses::MediaAddr;
pub use node::{MediaHandle, MediaNode, NodeConfig, Secrets, SendError};
pub use relay::{RelayEnds, RelayPort};
pub use stats::{IoStats, ShardStats};
pub use thread::EventSink;

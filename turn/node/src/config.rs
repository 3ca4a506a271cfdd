//! What the relay is started with.

use std::net::SocketAddr;

use conclave_sfu_udp::{Receiver, Sender};
use conclave_turn_core::ServerConfig;

use crate::real::RealConfig;

/// How the relay of this process is set up.
pub struct RelayConfig {
    /// Where UDP clients come to, at least one. `[::]` stands for both
    /// families, `0.0.0.0` for IPv4; port 0 lets the kernel choose.
    pub listeners: Vec<SocketAddr>,
    /// Realm, secrets, limits. With virtual addresses its policy is not used:
    /// the media ports of the shards are the peers, and nothing else is.
    pub server: ServerConfig,
    /// What has the relayed addresses.
    pub backend: BackendConfig,
}

/// What has the relayed addresses.
pub enum BackendConfig {
    /// Entries of a table: datagrams go to the shards of this process in memory, and nowhere else.
    Virtual(Vec<ShardPort>),
    /// Sockets of this host.
    Real(RealConfig),
}

/// The way to one shard and back.
pub struct ShardPort {
    /// Its number.
    pub index: u8,
    /// What clients know it by: its advertised addresses, with its media port.
    pub addresses: Vec<SocketAddr>,
    /// To the shard.
    pub to_shard: Sender,
    /// From the shard.
    pub from_shard: Receiver,
}

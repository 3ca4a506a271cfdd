//! The ways to the shards of this process: relayed datagrams in memory.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use conclave_sfu_udp::{Parcel, Receiver, Sender};
use conclave_sfu_wire::relayed::{RELAYED_V4, RELAYED_V6};
use conclave_turn_core::Backend;
use conclave_turn_core::virtual_ports::{PeerTable, SfuPort, VirtualPorts};

use crate::config::ShardPort;

/// The virtual backend: relayed addresses that are entries of a table.
pub(crate) struct Shards {
    ports: VirtualPorts,
    ways: Ways,
    returns: Vec<Receiver>,
}

impl Shards {
    /// Takes the ways into use. `seed` must be secret.
    pub(crate) fn new(shards: Vec<ShardPort>, seed: [u8; 32]) -> Shards {
        let mut table = Vec::new();
        let mut ways = Vec::new();
        let mut returns = Vec::new();
        for shard in shards {
            table.extend(shard.addresses.iter().map(|at| (*at, shard.index)));
            ways.push((shard.index, shard.to_shard));
            returns.push(shard.from_shard);
        }
        Shards {
            ports: VirtualPorts::new(RELAYED_V4, RELAYED_V6, PeerTable::new(table), seed),
            ways: Ways(ways),
            returns,
        }
    }

    /// Closes every relayed address.
    pub(crate) fn begin_anew(&mut self, seed: [u8; 32]) {
        let peers = self.ports.peers().clone();
        self.ports = VirtualPorts::new(RELAYED_V4, RELAYED_V6, peers, seed);
    }

    /// Lends the backend for one call of the server.
    pub(crate) fn with<R>(&mut self, now: Instant, serve: impl FnOnce(&mut dyn Backend) -> R) -> R {
        serve(&mut self.ports.lend(now, &mut self.ways))
    }

    /// Returns what is readable when a shard has handed something over, in order.
    pub(crate) fn descriptors(&self) -> impl ExactSizeIterator<Item = BorrowedFd<'_>> {
        self.returns.iter().map(AsFd::as_fd)
    }

    /// Notes that a way back has woken; to be called before [`Shards::take`].
    pub(crate) fn note(&self, index: usize) {
        self.returns[index].note();
    }

    /// Takes the next parcel of a shard.
    pub(crate) fn take(&self, index: usize) -> Option<Parcel> {
        self.returns[index].take()
    }

    /// Gives it back.
    pub(crate) fn give_back(&self, index: usize, parcel: Parcel) {
        self.returns[index].give_back(parcel);
    }

    /// Lets everything go to the shards.
    pub(crate) fn flush(&mut self) {
        for (_, way) in &mut self.ways.0 {
            way.flush();
        }
    }

    /// Returns how many datagrams found the queue of their shard full.
    pub(crate) fn dropped(&self) -> u64 {
        self.ways.0.iter().map(|(_, way)| way.dropped()).sum()
    }
}

/// One way per shard. Few: searched in order.
struct Ways(Vec<(u8, Sender)>);

impl SfuPort for Ways {
    fn send(
        &mut self,
        shard: u8,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> bool {
        let Some((_, way)) = self.0.iter_mut().find(|(index, _)| *index == shard) else {
            return false;
        };
        // Whether there was room is known when the parcel leaves; it is counted there.
        way.push(source, destination, payload);
        true
    }
}

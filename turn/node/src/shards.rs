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
}

/// How datagrams reach the shards.
enum Ways {
    /// One way for each, and one back.
    Apart {
        to_shards: Vec<(u8, Sender)>,
        returns: Vec<Receiver>,
    },
    /// What its one shard, whose thread this is, takes next.
    Within { waiting: Parcel, dropped: u64 },
}

/// The number of the only shard.
const ONLY: u8 = 0;

/// How much waits for the shard whose thread this is: what one turn reads is
/// less, unless streams bring it.
const WAITING_BYTES_MAX: usize = 4 << 20;

impl Shards {
    /// Takes the ways into use. `seed` must be secret.
    pub(crate) fn new(shards: Vec<ShardPort>, seed: [u8; 32]) -> Shards {
        let mut table = Vec::new();
        let mut to_shards = Vec::new();
        let mut returns = Vec::new();
        for shard in shards {
            table.extend(shard.addresses.iter().map(|at| (*at, shard.index)));
            to_shards.push((shard.index, shard.to_shard));
            returns.push(shard.from_shard);
        }
        Shards {
            ports: ports(table, seed),
            ways: Ways::Apart { to_shards, returns },
        }
    }

    /// Makes those of the only shard, which has these addresses, on its thread.
    pub(crate) fn within(addresses: Vec<SocketAddr>, seed: [u8; 32]) -> Shards {
        let table = addresses.into_iter().map(|at| (at, ONLY)).collect();
        Shards {
            ports: ports(table, seed),
            ways: Ways::Within {
                waiting: Parcel::default(),
                dropped: 0,
            },
        }
    }

    /// Closes every relayed address; what waits for the shard of this thread is lost.
    pub(crate) fn begin_anew(&mut self, seed: [u8; 32]) {
        let peers = self.ports.peers().clone();
        self.ports = VirtualPorts::new(RELAYED_V4, RELAYED_V6, peers, seed);
        if let Ways::Within { waiting, .. } = &mut self.ways {
            waiting.clear();
        }
    }

    /// Lends the backend for one call of the server.
    pub(crate) fn with<R>(&mut self, now: Instant, serve: impl FnOnce(&mut dyn Backend) -> R) -> R {
        serve(&mut self.ports.lend(now, &mut self.ways))
    }

    /// Returns what is readable when a shard has handed something over, in order.
    pub(crate) fn descriptors(&self) -> impl ExactSizeIterator<Item = BorrowedFd<'_>> {
        self.returns().iter().map(AsFd::as_fd)
    }

    /// Notes that a way back has woken; to be called before [`Shards::take`].
    pub(crate) fn note(&self, index: usize) {
        self.returns()[index].note();
    }

    /// Takes the next parcel of a shard.
    pub(crate) fn take(&self, index: usize) -> Option<Parcel> {
        self.returns()[index].take()
    }

    /// Gives it back.
    pub(crate) fn give_back(&self, index: usize, parcel: Parcel) {
        self.returns()[index].give_back(parcel);
    }

    /// Gives what waits for the shard of this thread, in the place of `parcel`, which is empty.
    pub(crate) fn swap(&mut self, parcel: &mut Parcel) {
        if let Ways::Within { waiting, .. } = &mut self.ways {
            std::mem::swap(waiting, parcel);
        }
    }

    /// Lets everything go to the shards of other threads.
    pub(crate) fn flush(&mut self) {
        if let Ways::Apart { to_shards, .. } = &mut self.ways {
            for (_, way) in to_shards {
                way.flush();
            }
        }
    }

    /// Returns how many datagrams found the queue of their shard full.
    pub(crate) fn dropped(&self) -> u64 {
        match &self.ways {
            Ways::Apart { to_shards, .. } => to_shards.iter().map(|(_, way)| way.dropped()).sum(),
            Ways::Within { dropped, .. } => *dropped,
        }
    }

    fn returns(&self) -> &[Receiver] {
        match &self.ways {
            Ways::Apart { returns, .. } => returns,
            Ways::Within { .. } => &[],
        }
    }
}

fn ports(peers: Vec<(SocketAddr, u8)>, seed: [u8; 32]) -> VirtualPorts {
    VirtualPorts::new(RELAYED_V4, RELAYED_V6, PeerTable::new(peers), seed)
}

impl SfuPort for Ways {
    fn send(
        &mut self,
        shard: u8,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> bool {
        match self {
            Ways::Apart { to_shards, .. } => {
                // Few: searched in order.
                let way = to_shards.iter_mut().find(|(index, _)| *index == shard);
                let Some((_, way)) = way else {
                    return false;
                };
                // Whether there was room is known when the parcel leaves; it is counted there.
                way.push(source, destination, payload);
            }
            Ways::Within { waiting, dropped } => {
                if waiting.bytes() + payload.len() > WAITING_BYTES_MAX {
                    *dropped += 1;
                    return false;
                }
                waiting.push(source, destination, payload);
            }
        }
        true
    }
}

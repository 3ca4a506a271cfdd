//! What the relay has done, for whoever reads it.

use std::sync::atomic::Ordering;

use conclave_turn_core::Counters;
use tokio::sync::watch;

use crate::streams::Carried;

/// Cumulative counts of the relay since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayStats {
    /// What its UDP sockets did.
    pub udp: UdpStats,
    /// Datagrams to peers that found no room, in the queue of their shard or in a socket.
    pub handed_over_dropped: u64,
    /// Clients that are connected by a stream.
    pub stream_clients: u64,
    /// Frames with media that a stream client was too slow for.
    pub stream_frames_dropped: u64,
    /// What the server decided. Its bytes include those of TCP connections to peers, which have
    /// no packets.
    pub server: Counters,
}

/// Cumulative counts of the UDP sockets that clients come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UdpStats {
    /// Datagrams that arrived.
    pub datagrams_in: u64,
    /// Datagrams dropped on arrival: cut off, or with a source that no network has.
    pub dropped_in: u64,
    /// Datagrams handed to the kernel.
    pub datagrams_out: u64,
    /// Datagrams dropped because a socket had no room.
    pub full_out: u64,
    /// Datagrams of peers that may go no hop further.
    pub hop_limit_out: u64,
    /// Datagrams that the kernel refused, such as for want of a route.
    pub refused_out: u64,
}

/// The counts as others see them.
pub(crate) struct SharedStats {
    of_turns: watch::Sender<RelayStats>,
    /// What tasks carry beside the turns, in the same directions.
    carried: Carried,
}

impl SharedStats {
    pub(crate) fn new() -> SharedStats {
        SharedStats {
            of_turns: watch::Sender::new(RelayStats::default()),
            carried: Carried::default(),
        }
    }

    /// Costs a copy of some hundred bytes, once a turn.
    pub(crate) fn publish(&self, stats: RelayStats) {
        self.of_turns.send_replace(stats);
    }

    pub(crate) fn read(&self) -> RelayStats {
        let mut stats = *self.of_turns.borrow();
        stats.server.up.bytes += self.carried.up.load(Ordering::Relaxed);
        stats.server.down.bytes += self.carried.down.load(Ordering::Relaxed);
        stats
    }

    /// Returns where bytes are counted that no turn sees: those of TCP connections to peers.
    pub(crate) fn carried(&self) -> &Carried {
        &self.carried
    }
}

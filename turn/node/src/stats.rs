//! What the relay has done, for whoever reads it.

use conclave_turn_core::Counters;
use tokio::sync::watch;

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
    /// What the server decided.
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
pub(crate) struct SharedStats(watch::Sender<RelayStats>);

impl SharedStats {
    pub(crate) fn new() -> SharedStats {
        SharedStats(watch::Sender::new(RelayStats::default()))
    }

    /// Costs a copy of some hundred bytes, once a turn.
    pub(crate) fn publish(&self, stats: RelayStats) {
        self.0.send_replace(stats);
    }

    pub(crate) fn read(&self) -> RelayStats {
        *self.0.borrow()
    }
}

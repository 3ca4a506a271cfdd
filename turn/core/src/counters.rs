//! What the server counts: cumulative, and without a word about who.

use conclave_turn_wire::error::ErrorCode;

/// How many codes [`ErrorCode`] has.
const CODES: usize = ErrorCode::ALL.len();

/// Packets and bytes of payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of payload, without headers.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) fn count(&mut self, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
    }
}

/// Why something was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The source is none that could be answered: port 0, multicast, our own address.
    Source,
    /// Neither STUN nor ChannelData, or malformed.
    Malformed,
    /// A method or class that nobody sends to a server.
    Unexpected,
    /// The source's or the process's budget of answers without authentication is used up.
    Budget,
    /// Data without an allocation.
    NoAllocation,
    /// Data on a channel that is not bound.
    NoChannel,
    /// Data to or from a peer without permission.
    NoPermission,
    /// Data to a peer that the policy denies.
    Policy,
    /// More bytes than the allocation may relay.
    Rate,
    /// Larger than the way to the peer takes.
    Oversize,
    /// It has passed as many hops as it may.
    HopLimit,
    /// The queue to the peer is full.
    QueueFull,
    /// There is no way to the peer.
    Unreachable,
}

const DROPS: usize = DropReason::Unreachable as usize + 1;

/// Everything counted since the start, but for `allocations`, which is the present number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Allocations that live.
    pub allocations: u64,
    /// Allocations made for clients on UDP.
    pub made_udp: u64,
    /// Allocations made for clients on TCP.
    pub made_tcp: u64,
    /// Allocations made for clients on TLS.
    pub made_tls: u64,
    /// Allocations that ended because their lifetime did.
    pub ended_expired: u64,
    /// Allocations that ended by a Refresh with lifetime 0.
    pub ended_by_client: u64,
    /// Allocations that ended because their session did.
    pub ended_revoked: u64,
    /// Allocations that ended with the client's stream.
    pub ended_with_stream: u64,
    /// Answers that strangers did not get: their source, their stream, or all together, had too many.
    pub suppressed: u64,
    /// Success responses.
    pub successes: u64,
    /// Peer connections of TCP allocations that were spliced to a client's stream.
    pub connections_bound: u64,
    /// From clients to peers.
    pub up: Traffic,
    /// From peers to clients.
    pub down: Traffic,
    errors: [u64; CODES],
    drops: [u64; DROPS],
}

impl Counters {
    /// Returns how many error responses had this code.
    pub fn errors(&self, code: ErrorCode) -> u64 {
        index(code)
            .and_then(|index| self.errors.get(index))
            .copied()
            .unwrap_or(0)
    }

    /// Returns how many packets were dropped for this reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    pub(crate) fn error(&mut self, code: ErrorCode) {
        if let Some(count) = index(code).and_then(|index| self.errors.get_mut(index)) {
            *count += 1;
        }
    }

    pub(crate) fn drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }
}

fn index(code: ErrorCode) -> Option<usize> {
    ErrorCode::ALL.iter().position(|known| *known == code)
}

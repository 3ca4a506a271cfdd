//! Datagrams on their way over a made-up line.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::time::Instant;

use super::seat::PeerId;

/// A datagram on a made-up line, ordered by when it comes out.
pub(super) struct UnderWay {
    pub(super) at: Instant,
    /// Of two at one time the one that went in first comes first.
    pub(super) order: u64,
    pub(super) peer: PeerId,
    pub(super) is_down: bool,
    /// The server's.
    pub(super) address: SocketAddr,
    pub(super) payload: Vec<u8>,
}

impl UnderWay {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.order)
    }
}

impl PartialEq for UnderWay {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for UnderWay {}

impl PartialOrd for UnderWay {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UnderWay {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

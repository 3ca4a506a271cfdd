//! The way between a shard and the relay of this process.

use std::io;

use conclave_sfu_udp::{HandOver, Receiver, Sender, hand_over};

/// How many parcels wait in each direction: turns of the giving thread, in each
/// of which may have been a single datagram. More would only be delay. What
/// finds the queue full is dropped and counted, as at a socket.
const PARCELS: usize = 1_024;

/// A shard's ends of the way to the relay and back.
pub struct RelayPort {
    /// Takes what the shard sends to relayed addresses.
    pub to_relay: Sender,
    /// Gives what TURN clients sent to the shard.
    pub from_relay: Receiver,
}

/// The relay's ends of the same way.
pub struct RelayEnds {
    /// Takes what TURN clients sent to the shard.
    pub to_shard: Sender,
    /// Gives what the shard sends to relayed addresses.
    pub from_shard: Receiver,
}

impl RelayPort {
    /// Makes the way for one shard, both ends of it.
    ///
    /// # Errors
    /// When the system gives no event descriptor.
    pub fn pair() -> io::Result<(RelayPort, RelayEnds)> {
        let HandOver {
            sender: to_relay,
            receiver: from_shard,
        } = hand_over(PARCELS)?;
        let HandOver {
            sender: to_shard,
            receiver: from_relay,
        } = hand_over(PARCELS)?;
        let port = RelayPort {
            to_relay,
            from_relay,
        };
        let ends = RelayEnds {
            to_shard,
            from_shard,
        };
        Ok((port, ends))
    }
}

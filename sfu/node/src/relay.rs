//! The way between a shard and the relay of this process.

use std::io;

use conclave_sfu_udp::{HandOver, Receiver, Sender, hand_over};

/// How many parcels wait in each direction, each of up to 64 datagrams and 64
/// KiB: some 4,000 datagrams, as many as fit into the buffer of a socket. What
/// finds it full is dropped and counted, as there.
const PARCELS: usize = 64;

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

//! The way between a shard and the relay of this process.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use conclave_sfu_udp::{HandOver, Lodger, Parcel, Receiver, Sender, Watch, hand_over};

/// How many parcels wait in each direction: turns of the giving thread, in each
/// of which may have been a single datagram. More would only be delay. What
/// finds the queue full is dropped and counted, as at a socket.
const PARCELS: usize = 1_024;

/// How many parcels of the relay one turn takes, each of up to 64 datagrams.
const PARCELS_PER_TURN: usize = 16;

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

/// The relay as its shard has it.
pub(crate) enum Relay {
    /// There is none, or none for this shard yet.
    None,
    /// On a thread of its own.
    Apart {
        port: RelayPort,
        /// More parcels wait than the last turn took.
        has_more: bool,
    },
    /// In the loop of this shard.
    Within {
        lodger: Box<dyn Lodger>,
        arrived: Parcel,
    },
}

impl Relay {
    pub(crate) fn apart(port: Option<RelayPort>) -> Relay {
        port.map_or(Relay::None, |port| Relay::Apart {
            port,
            has_more: false,
        })
    }

    pub(crate) fn within(lodger: Box<dyn Lodger>) -> Relay {
        Relay::Within {
            lodger,
            arrived: Parcel::default(),
        }
    }

    /// Returns what is readable when one on a thread of its own has something.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Relay::Apart { port, .. } => Some(port.from_relay.as_fd()),
            Relay::None | Relay::Within { .. } => None,
        }
    }

    /// Returns what one in this loop watches by: the loop is to watch by the same.
    pub(crate) fn watch(&self) -> Option<Watch> {
        match self {
            Relay::Within { lodger, .. } => Some(lodger.watch()),
            Relay::None | Relay::Apart { .. } => None,
        }
    }

    /// Returns when it is to be served though nothing came.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Relay::Within { lodger, .. } => lodger.due(),
            Relay::None | Relay::Apart { .. } => None,
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Relay::None)
    }

    /// Returns whether it has more than the last turn took: the loop is not to wait.
    pub(crate) fn has_more(&self) -> bool {
        match self {
            Relay::None => false,
            Relay::Apart { has_more, .. } => *has_more,
            Relay::Within { lodger, .. } => lodger.has_more(),
        }
    }

    /// Takes what it has for the shard: source and destination are as the shard
    /// knows them, relayed, and advertised; `ready` are the numbers found ready of one in
    /// this loop. Returns what the relay worked itself.
    pub(crate) fn take(
        &mut self,
        ready: &[u64],
        mut serve: impl FnMut(SocketAddr, SocketAddr, &mut [u8]),
    ) -> Duration {
        match self {
            Relay::None => {}
            Relay::Apart { port, has_more } => {
                // Before the queue is read: what comes behind wakes again.
                port.from_relay.drain();
                *has_more = true;
                for _ in 0..PARCELS_PER_TURN {
                    let Some(mut parcel) = port.from_relay.take() else {
                        *has_more = false;
                        break;
                    };
                    for (source, destination, payload) in parcel.datagrams() {
                        serve(source, destination, payload);
                    }
                    port.from_relay.give_back(parcel);
                }
            }
            Relay::Within { lodger, arrived } => {
                let began = Instant::now();
                let goes_on = lodger.serve(ready, arrived);
                let worked = began.elapsed();
                for (source, destination, payload) in arrived.datagrams() {
                    serve(source, destination, payload);
                }
                arrived.clear();
                if !goes_on {
                    *self = Relay::None;
                }
                return worked;
            }
        }
        Duration::ZERO
    }

    /// Hands a datagram to it; `false` if there is none.
    pub(crate) fn send(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> bool {
        match self {
            Relay::None => return false,
            Relay::Apart { port, .. } => port.to_relay.push(source, destination, payload),
            Relay::Within { lodger, .. } => lodger.send(source, destination, payload),
        }
        true
    }

    /// Lets everything go.
    pub(crate) fn flush(&mut self) {
        match self {
            Relay::None => {}
            Relay::Apart { port, .. } => port.to_relay.flush(),
            Relay::Within { lodger, .. } => lodger.flush(),
        }
    }
}

#[cfg(test)]
mod tests;

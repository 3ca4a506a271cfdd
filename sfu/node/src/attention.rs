//! What a shard's thread waits for.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use conclave_sfu_udp::{ReadySet, Waker};

use crate::relay::Relay;
use crate::sockets::Sockets;

/// The numbers of what is watched.
const V4: u64 = 0;
const V6: u64 = 1;
const WAKER: u64 = 2;
const RELAY: u64 = 3;

/// Sockets, the other threads, the relay, and time.
pub(crate) struct Attention {
    ready: ReadySet,
}

/// What a wait has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) v4: bool,
    pub(crate) v6: bool,
    /// Another thread has something: commands, or what crosses between shards.
    pub(crate) woken: bool,
    pub(crate) relay: bool,
}

impl Attention {
    /// Watches all that a shard has; an error is the system's, for want of descriptors.
    pub(crate) fn new(sockets: &Sockets, waker: &Waker, relay: &Relay) -> io::Result<Attention> {
        let attention = Attention {
            ready: ReadySet::new()?,
        };
        let watch = attention.ready.watch();
        let [v4, v6] = sockets.descriptors();
        for (socket, number) in [(v4, V4), (v6, V6)] {
            if let Some(socket) = socket {
                watch.add(socket, number)?;
            }
        }
        watch.add_waker(waker.as_fd(), WAKER)?;
        attention.watch_relay(relay)?;
        Ok(attention)
    }

    /// Watches a relay that was not there before.
    pub(crate) fn watch_relay(&self, relay: &Relay) -> io::Result<()> {
        match relay.descriptor() {
            Some(descriptor) => self.ready.watch().add(descriptor, RELAY),
            None => Ok(()),
        }
    }

    /// Waits until there is something, or until `due` or a little before; not
    /// at all if `is_brief`.
    pub(crate) fn wait(&mut self, due: Option<Instant>, is_brief: bool) -> io::Result<Ready> {
        // Deadlines move back with almost every packet. A wake-up for nothing
        // now and then costs less than setting the timer each time.
        let armed = self.ready.due();
        let is_early = |armed: &Instant| due.is_none_or(|due| *armed <= due);
        self.ready.wait(armed.filter(is_early).or(due), is_brief)?;
        let mut found = Ready::default();
        for number in self.ready.ready() {
            match number {
                V4 => found.v4 = true,
                V6 => found.v6 = true,
                WAKER => found.woken = true,
                _ => found.relay = true,
            }
        }
        Ok(found)
    }
}

//! What a shard's thread waits for.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use conclave_sfu_udp::{LOOP_NUMBERS, ReadySet, Waker};

use crate::relay::Relay;
use crate::sockets::Sockets;

/// The numbers of what is watched.
const V4: u64 = 0;
const V6: u64 = 1;
const WAKER: u64 = 2;
const RELAY: u64 = 3;
/// More than the loop's own are a lodger's.
const _: () = assert!(RELAY < LOOP_NUMBERS);

/// Sockets, the other threads, the relay, and time.
pub(crate) struct Attention {
    ready: ReadySet,
    /// What the last wait found of a relay in this loop.
    lodged: Vec<u64>,
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
            ready: relay.watch().map_or_else(ReadySet::new, ReadySet::of)?,
            lodged: Vec::new(),
        };
        let watch = attention.ready.watch();
        let [v4, v6] = sockets.descriptors();
        for (socket, number) in [(v4, V4), (v6, V6)] {
            if let Some(socket) = socket {
                watch.add(socket, number)?;
            }
        }
        watch.add_waker(waker.as_fd(), WAKER)?;
        if let Some(descriptor) = relay.descriptor() {
            watch.add(descriptor, RELAY)?;
        }
        Ok(attention)
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
        self.lodged.clear();
        for number in self.ready.ready() {
            match number {
                V4 => found.v4 = true,
                V6 => found.v6 = true,
                WAKER => found.woken = true,
                RELAY => found.relay = true,
                number => {
                    self.lodged.push(number);
                    found.relay = true;
                }
            }
        }
        Ok(found)
    }

    /// Returns what the last wait found of a relay in this loop.
    pub(crate) fn lodged(&self) -> &[u64] {
        &self.lodged
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::addresses::MediaAddr;

    fn attention(waker: &Waker) -> Attention {
        let loopback = MediaAddr::direct(std::net::Ipv4Addr::LOCALHOST.into());
        let sockets = Sockets::bind(&[loopback], 0).unwrap();
        Attention::new(&sockets, waker, &Relay::None).unwrap()
    }

    #[test]
    fn a_deadline_that_moves_back_is_kept_and_one_that_comes_earlier_too() {
        let mut attention = attention(&Waker::new().unwrap());
        let start = Instant::now();
        let at = |ms| Some(start + Duration::from_millis(ms));
        attention.wait(at(20), true).unwrap();
        attention.wait(at(20), false).unwrap();
        assert!(Instant::now() >= at(20).unwrap());
        // Set for the first, which is over before the second is due.
        attention.ready.set_due(at(60)).unwrap();
        let mut wakes = 0;
        while Some(Instant::now()) < at(90) {
            attention.wait(at(90), false).unwrap();
            wakes += 1;
        }
        assert!(wakes <= 2, "{wakes} wakes");
        attention.ready.set_due(at(3_600_000)).unwrap();
        attention.wait(at(120), false).unwrap();
        assert!(Instant::now() >= at(120).unwrap());
        assert!(Instant::now() < at(3_600_000).unwrap());
    }

    #[test]
    fn each_wake_is_told_once() {
        let waker = Waker::new().unwrap();
        let mut attention = attention(&waker);
        for _ in 0..2 {
            waker.wake();
            assert!(attention.wait(None, false).unwrap().woken);
            assert_eq!(attention.wait(None, true).unwrap(), Ready::default());
        }
    }
}

//! Datagrams under way between addresses, on a virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::link::{DELAY_MIN, Link, LinkConfig};

/// How many datagrams are remembered per tapped address.
const TAP_DATAGRAMS: usize = 256;

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// Where it was sent from.
    pub source: SocketAddr,
    /// Where it goes.
    pub destination: SocketAddr,
    /// What it says.
    pub payload: Vec<u8>,
}

/// Both directions of the line of one address.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Access {
    /// From the address into the network.
    pub up: LinkConfig,
    /// From the network to the address.
    pub down: LinkConfig,
}

impl Access {
    /// The same in both directions.
    pub fn symmetric(config: LinkConfig) -> Self {
        Access {
            up: config,
            down: config,
        }
    }
}

/// All lines, and what is under way on them. One seed and one series of calls
/// give one run.
pub struct Network {
    rng: StdRng,
    count: u64,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    lines: BTreeMap<SocketAddr, (Link, Link)>,
    taps: BTreeMap<SocketAddr, VecDeque<Datagram>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    at: Instant,
    count: u64,
    has_left: bool,
    source: SocketAddr,
    destination: SocketAddr,
    payload: Vec<u8>,
}

impl Network {
    /// Makes a network without lines: addresses that have none are next to each other.
    pub fn new(seed: u64) -> Self {
        Network {
            rng: StdRng::seed_from_u64(seed),
            count: 0,
            under_way: BinaryHeap::new(),
            lines: BTreeMap::new(),
            taps: BTreeMap::new(),
        }
    }

    /// Puts an address behind a line, or changes its line.
    pub fn set_access(&mut self, address: SocketAddr, access: Access) {
        match self.lines.get_mut(&address) {
            Some((up, down)) => {
                up.config = access.up;
                down.config = access.down;
            }
            None => {
                self.lines
                    .insert(address, (Link::new(access.up), Link::new(access.down)));
            }
        }
    }

    /// Returns the line of an address.
    pub fn access(&self, address: SocketAddr) -> Option<Access> {
        let (up, down) = self.lines.get(&address)?;
        Some(Access {
            up: up.config,
            down: down.config,
        })
    }

    /// Remembers from now on what an address sends, even if it is lost.
    pub fn tap(&mut self, address: SocketAddr) {
        self.taps.entry(address).or_default();
    }

    /// Forgets what an address has sent and remembers nothing more.
    pub fn untap(&mut self, address: SocketAddr) {
        self.taps.remove(&address);
    }

    /// Returns what a tapped address sent last, the oldest first.
    pub fn tapped(&self, address: SocketAddr) -> impl Iterator<Item = &Datagram> {
        self.taps.get(&address).into_iter().flatten()
    }

    /// Takes a datagram to be sent.
    pub fn send(&mut self, now: Instant, datagram: Datagram) {
        if let Some(tap) = self.taps.get_mut(&datagram.source) {
            if tap.len() == TAP_DATAGRAMS {
                tap.pop_front();
            }
            tap.push_back(datagram.clone());
        }
        let bytes = datagram.payload.len();
        let arrivals = match self.lines.get_mut(&datagram.source) {
            Some((up, _)) => up.pass(now, bytes, &mut self.rng),
            None => vec![now + DELAY_MIN],
        };
        self.queue(arrivals, datagram, false);
    }

    /// Returns the next datagram that has arrived by `now`.
    pub fn poll_arrival(&mut self, now: Instant) -> Option<Datagram> {
        while self
            .under_way
            .peek()
            .is_some_and(|Reverse(next)| next.at <= now)
        {
            let Reverse(next) = self.under_way.pop()?;
            let datagram = Datagram {
                source: next.source,
                destination: next.destination,
                payload: next.payload,
            };
            let line = self.lines.get_mut(&datagram.destination);
            let Some((_, down)) = line.filter(|_| !next.has_left) else {
                return Some(datagram);
            };
            let arrivals = down.pass(next.at, datagram.payload.len(), &mut self.rng);
            self.queue(arrivals, datagram, true);
        }
        None
    }

    /// Returns when something next moves.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(next)| next.at)
    }

    fn queue(&mut self, arrivals: Vec<Instant>, datagram: Datagram, has_left: bool) {
        for at in arrivals {
            self.count += 1;
            self.under_way.push(Reverse(UnderWay {
                at,
                count: self.count,
                has_left,
                source: datagram.source,
                destination: datagram.destination,
                payload: datagram.payload.clone(),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn datagram(source: &str, destination: &str, payload: &[u8]) -> Datagram {
        Datagram {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn a_datagram_passes_the_line_of_its_source_and_that_of_its_destination() {
        let now = Instant::now();
        let mut network = Network::new(1);
        let line = |ms| LinkConfig {
            delay: Duration::from_millis(ms),
            jitter: Duration::ZERO,
            ..LinkConfig::default()
        };
        let sent = datagram("10.0.0.1:1", "10.0.0.2:1", b"hello");
        network.set_access(
            sent.source,
            Access {
                up: line(5),
                down: line(70),
            },
        );
        network.set_access(
            sent.destination,
            Access {
                up: line(80),
                down: line(20),
            },
        );
        network.send(now, sent.clone());
        assert_eq!(network.poll_timeout(), Some(now + Duration::from_millis(5)));
        assert_eq!(network.poll_arrival(now + Duration::from_millis(5)), None);
        assert_eq!(
            network.poll_timeout(),
            Some(now + Duration::from_millis(25))
        );
        assert_eq!(
            network.poll_arrival(now + Duration::from_millis(25)),
            Some(sent)
        );
        assert_eq!(network.poll_timeout(), None);
    }

    #[test]
    fn one_seed_gives_one_run() {
        let start = Instant::now();
        let run = |seed| {
            let mut network = Network::new(seed);
            let line = LinkConfig {
                loss: crate::link::Loss::Bernoulli(0.2),
                reordering: 0.1,
                duplication: 0.1,
                ..LinkConfig::default()
            };
            network.set_access("10.0.0.1:1".parse().unwrap(), Access::symmetric(line));
            for index in 0..200_u8 {
                network.send(start, datagram("10.0.0.1:1", "10.0.0.2:1", &[index]));
            }
            let end = start + Duration::from_secs(1);
            std::iter::from_fn(|| network.poll_arrival(end).map(|next| next.payload[0]))
                .collect::<Vec<u8>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}

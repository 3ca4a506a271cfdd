//! Relayed addresses that exist nowhere: entries of a table, from which datagrams go to a shard of the SFU in memory.
//!
//! Nothing else can be reached from them, and nothing else reaches them: a peer is an advertised address and media
//! port of a shard, or it is not a peer.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use conclave_turn_wire::{Family, PeerAddr, RelayedAddr};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::backend::{Backend, BackendTraits, OpenError, PortWish, SendError};

/// Ports that are given out: all that are not reserved for the system.
const FIRST_PORT: u16 = 1024;
const PORTS: usize = (u16::MAX - FIRST_PORT) as usize + 1;
/// How long a port rests before it is given to somebody else: what was under way to its former owner is gone by then.
/// A port from which nothing was sent is known to nobody and need not rest; else whoever allocates and lets go in a loop,
/// if only with the credentials of a connection test, would soon have every port there is at rest.
const QUARANTINE: Duration = Duration::from_secs(300);
/// The largest packet that the way to a shard takes, with IP and UDP headers, as on an Ethernet.
const MTU: u16 = 1500;
const HEADERS_V4: usize = 28;
const HEADERS_V6: usize = 48;
/// Random tries before the walk to the next free port: at half the ports taken one in 2^16 opens walks.
const TRIES: usize = 16;

/// The way to the shards of the SFU, lent by the shell.
pub trait SfuPort {
    /// Hands one datagram to `shard`; `false` when its queue is full, and the datagram is lost.
    fn send(
        &mut self,
        shard: u8,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> bool;
}

/// The closed policy as a table: which shard has which advertised address and media port.
#[derive(Clone, Debug, Default)]
pub struct PeerTable {
    /// Sorted by address.
    peers: Vec<(SocketAddr, u8)>,
}

impl PeerTable {
    /// Makes the table from advertised addresses, each with the index of its shard.
    pub fn new(advertised: impl IntoIterator<Item = (SocketAddr, u8)>) -> Self {
        let mut peers: Vec<_> = advertised
            .into_iter()
            .map(|(at, shard)| (bare(at), shard))
            .collect();
        peers.sort_unstable();
        peers.dedup_by_key(|(at, _)| *at);
        PeerTable { peers }
    }

    /// Returns the shard that has this address and port.
    pub fn shard(&self, peer: PeerAddr) -> Option<u8> {
        let index = self
            .peers
            .binary_search_by_key(&bare(peer.0), |(at, _)| *at)
            .ok()?;
        self.peers.get(index).map(|(_, shard)| *shard)
    }

    /// Returns all peers, sorted.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.peers.iter().map(|(at, _)| *at)
    }
}

/// The relayed addresses of one relay, as long as it lives.
#[derive(Debug)]
pub struct VirtualPorts {
    v4: Ports,
    v6: Ports,
    peers: PeerTable,
}

impl VirtualPorts {
    /// Makes a backend that gives out ports of `v4` and `v6`, addresses that no real packet has as its source. `seed`
    /// must be secret: whoever foresees ports can aim.
    pub fn new(v4: Ipv4Addr, v6: Ipv6Addr, peers: PeerTable, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        VirtualPorts {
            v4: Ports::new(v4.into(), StdRng::from_rng(&mut rng)),
            v6: Ports::new(v6.into(), StdRng::from_rng(&mut rng)),
            peers,
        }
    }

    /// Lends it for one call of the server, together with the ways to the shards.
    pub fn lend<'a>(&'a mut self, now: Instant, sfu: &'a mut dyn SfuPort) -> VirtualBackend<'a> {
        VirtualBackend {
            now,
            ports: self,
            sfu,
        }
    }

    /// Returns the peers that can be reached.
    pub fn peers(&self) -> &PeerTable {
        &self.peers
    }

    /// Returns how many relayed addresses are given out or kept.
    pub fn open_count(&self) -> usize {
        self.v4.open + self.v6.open
    }

    fn family(&mut self, family: Family) -> &mut Ports {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// [`VirtualPorts`] during one call.
pub struct VirtualBackend<'a> {
    now: Instant,
    ports: &'a mut VirtualPorts,
    sfu: &'a mut dyn SfuPort,
}

impl Backend for VirtualBackend<'_> {
    fn traits(&self) -> BackendTraits {
        BackendTraits {
            v4: true,
            v6: true,
            tcp_allocations: false,
            dont_fragment: true,
            pairs: true,
            lifetime_max_s: 600,
        }
    }

    fn open(
        &mut self,
        _owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        let now = self.now;
        self.ports.family(family).open(now, wish)
    }

    fn close(&mut self, relayed: RelayedAddr) {
        let now = self.now;
        self.ports.family(Family::of(relayed.0)).close(now, relayed);
    }

    fn send(
        &mut self,
        relayed: RelayedAddr,
        peer: PeerAddr,
        payload: &[u8],
        dont_fragment: bool,
    ) -> Result<(), SendError> {
        let shard = self.ports.peers.shard(peer).ok_or(SendError::Unreachable)?;
        let headers = if peer.0.is_ipv4() {
            HEADERS_V4
        } else {
            HEADERS_V6
        };
        if payload.len() + headers > usize::from(MTU) {
            // Nothing fragments in memory: what is too large is lost, and told to who asked for it.
            return Err(if dont_fragment {
                SendError::TooLarge { mtu: MTU }
            } else {
                SendError::Oversize
            });
        }
        self.ports.family(Family::of(relayed.0)).note_use(relayed);
        if self.sfu.send(shard, relayed.0, peer.0, payload) {
            Ok(())
        } else {
            Err(SendError::QueueFull)
        }
    }

    fn listen_tcp(
        &mut self,
        _owner: u32,
        _family: Family,
        _wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        Err(OpenError::Failed)
    }

    fn connect_tcp(&mut self, _relayed: RelayedAddr, _peer: PeerAddr, _connection: u32) {}

    fn close_tcp(&mut self, _connection: u32) {}
}

/// The ports of one address.
#[derive(Debug)]
struct Ports {
    ip: IpAddr,
    rng: StdRng,
    /// One bit per port from [`FIRST_PORT`]: given out, kept or resting.
    taken: Vec<u64>,
    /// One bit per port: something was sent from it since it was given out.
    used: Vec<u64>,
    /// Ports that rest, in the order in which they were given back.
    resting: VecDeque<(Instant, u16)>,
    open: usize,
}

impl Ports {
    fn new(ip: IpAddr, rng: StdRng) -> Self {
        Ports {
            ip,
            rng,
            taken: vec![0; PORTS.div_ceil(64)],
            used: vec![0; PORTS.div_ceil(64)],
            resting: VecDeque::new(),
            open: 0,
        }
    }

    fn open(&mut self, now: Instant, wish: PortWish) -> Result<RelayedAddr, OpenError> {
        self.wake(now);
        let port = match wish {
            // It was taken when it was kept.
            PortWish::Reserved(relayed) => return Ok(relayed),
            PortWish::Any => self.pick(1, |_, _| true),
            PortWish::Even => self.pick(2, |_, _| true),
            PortWish::EvenAndReserveNext => self.pick(2, |ports, port| !ports.is_taken(port + 1)),
        }
        .ok_or(OpenError::NoPort)?;
        self.take(port);
        if wish == PortWish::EvenAndReserveNext {
            self.take(port + 1);
        }
        Ok(RelayedAddr(SocketAddr::new(self.ip, port)))
    }

    fn close(&mut self, now: Instant, relayed: RelayedAddr) {
        let port = relayed.0.port();
        if relayed.0.ip() != self.ip || port < FIRST_PORT || !self.is_taken(port) {
            debug_assert!(false, "closed what was not open");
            return;
        }
        self.open = self.open.saturating_sub(1);
        let (word, bit) = place(port);
        if self.used[word] & bit == 0 {
            self.taken[word] &= !bit;
        } else {
            self.used[word] &= !bit;
            self.resting.push_back((now + QUARANTINE, port));
        }
    }

    #[inline]
    fn note_use(&mut self, relayed: RelayedAddr) {
        if let Some(port) = relayed.0.port().checked_sub(FIRST_PORT) {
            self.used[usize::from(port / 64)] |= 1 << (port % 64);
        }
    }

    /// A free port that is a multiple of `step` and suits, unpredictable to anybody outside.
    fn pick(&mut self, step: u16, suits: impl Fn(&Ports, u16) -> bool) -> Option<u16> {
        let free = |ports: &Ports, port| !ports.is_taken(port) && suits(ports, port);
        let mut port = FIRST_PORT;
        for _ in 0..TRIES {
            port = self.rng.random_range(FIRST_PORT / step..=u16::MAX / step) * step;
            if free(self, port) {
                return Some(port);
            }
        }
        let all = (port..=u16::MAX).chain(FIRST_PORT..port);
        all.filter(|port| port % step == 0)
            .find(|port| free(self, *port))
    }

    fn wake(&mut self, now: Instant) {
        while let Some((_, port)) = self.resting.pop_front_if(|(until, _)| *until <= now) {
            let (word, bit) = place(port);
            self.taken[word] &= !bit;
        }
    }

    fn is_taken(&self, port: u16) -> bool {
        let (word, bit) = place(port);
        self.taken[word] & bit != 0
    }

    fn take(&mut self, port: u16) {
        let (word, bit) = place(port);
        debug_assert!(self.taken[word] & bit == 0, "a port has one owner");
        self.taken[word] |= bit;
        self.open += 1;
    }
}

/// Where the bit of a port from [`FIRST_PORT`] up is.
fn place(port: u16) -> (usize, u64) {
    let index = usize::from(port - FIRST_PORT);
    (index / 64, 1 << (index % 64))
}

/// Without flow label and scope, which say nothing about who a peer is.
fn bare(at: SocketAddr) -> SocketAddr {
    SocketAddr::new(at.ip(), at.port())
}

#[cfg(test)]
mod tests;

//! What is around the relay: peers, clients, sockets. Each says what must never be asked of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Instant;

use conclave_turn_core::virtual_ports::{SfuPort, VirtualPorts};
use conclave_turn_core::{Backend, BackendTraits, ClientSink, OpenError, PortWish, SendError};
use conclave_turn_wire::{ClientTransport, Family, FiveTuple, PeerAddr, RelayedAddr};

/// Media ports first, then what must not be reached.
pub(crate) const PEERS: [&str; 6] = [
    "198.51.100.1:10000",
    "198.51.100.1:10001",
    "[2001:db8::1]:10000",
    "198.51.100.1:22",
    "127.0.0.1:10000",
    "[::ffff:127.0.0.1]:10000",
];
pub(crate) const MEDIA: usize = 3;

pub(crate) fn peer(index: u8) -> PeerAddr {
    PeerAddr(at(PEERS[usize::from(index) % PEERS.len()]))
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().expect("written here")
}

#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) sent: Vec<(FiveTuple, Vec<u8>)>,
}

impl ClientSink for Clients {
    fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], _is_media: bool) {
        let whole = [header, payload].concat();
        let is_aligned = whole.len() % 4 == 0;
        assert!(is_aligned || (to.transport == ClientTransport::Udp && whole[0] >= 0x40));
        self.sent.push((*to, whole));
    }

    fn close(&mut self, to: &FiveTuple) {
        assert!(to.transport.is_stream());
    }

    fn splice(&mut self, client: &FiveTuple, _connection: u32) {
        assert!(client.transport.is_stream());
    }
}

pub(crate) struct Nowhere;

impl SfuPort for Nowhere {
    fn send(&mut self, _: u8, source: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        assert_eq!(source.is_ipv4(), to.is_ipv4());
        assert!(payload.len() <= 1472);
        true
    }
}

pub(crate) struct Sockets {
    pub(crate) has_tcp: bool,
    /// Whether addresses are virtual.
    pub(crate) ports: Option<VirtualPorts>,
    pub(crate) now: Instant,
    pub(crate) next_port: u16,
    pub(crate) open: BTreeSet<SocketAddr>,
    pub(crate) connections: Vec<u32>,
}

impl Backend for Sockets {
    fn traits(&self) -> BackendTraits {
        let is_virtual = self.ports.is_some();
        BackendTraits {
            v4: true,
            v6: true,
            tcp_allocations: self.has_tcp,
            dont_fragment: true,
            pairs: true,
            lifetime_max_s: if is_virtual { 600 } else { 3600 },
        }
    }

    fn open(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        if let Some(ports) = &mut self.ports {
            let relayed = ports
                .lend(self.now, &mut Nowhere)
                .open(owner, family, wish)?;
            let is_kept = matches!(wish, PortWish::Reserved(_));
            assert_eq!(self.open.insert(relayed.0), !is_kept);
            if wish == PortWish::EvenAndReserveNext {
                let mut next = relayed.0;
                next.set_port(next.port() + 1);
                assert!(self.open.insert(next));
            }
            return Ok(relayed);
        }
        if let PortWish::Reserved(relayed) = wish {
            assert!(self.open.contains(&relayed.0));
            return Ok(relayed);
        }
        self.next_port = self.next_port.checked_add(2).ok_or(OpenError::NoPort)?;
        let mut relayed = match family {
            Family::V4 => at("203.0.113.1:0"),
            Family::V6 => at("[2001:db8::9]:0"),
        };
        relayed.set_port(self.next_port);
        self.open.insert(relayed);
        if wish == PortWish::EvenAndReserveNext {
            let mut next = relayed;
            next.set_port(relayed.port() + 1);
            self.open.insert(next);
        }
        Ok(RelayedAddr(relayed))
    }

    fn close(&mut self, relayed: RelayedAddr) {
        assert!(self.open.remove(&relayed.0));
        if let Some(ports) = &mut self.ports {
            ports.lend(self.now, &mut Nowhere).close(relayed);
        }
    }

    fn send(
        &mut self,
        relayed: RelayedAddr,
        to: PeerAddr,
        payload: &[u8],
        dont_fragment: bool,
    ) -> Result<(), SendError> {
        assert!(self.open.contains(&relayed.0));
        assert!(PEERS[..MEDIA].contains(&to.0.to_string().as_str()));
        assert_eq!(relayed.0.is_ipv4(), to.0.is_ipv4());
        if let Some(ports) = &mut self.ports {
            return ports
                .lend(self.now, &mut Nowhere)
                .send(relayed, to, payload, dont_fragment);
        }
        if dont_fragment && payload.len() > 1400 {
            return Err(SendError::TooLarge { mtu: 1400 });
        }
        Ok(())
    }

    fn listen_tcp(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        assert!(self.has_tcp);
        self.open(owner, family, wish)
    }

    fn connect_tcp(&mut self, relayed: RelayedAddr, to: PeerAddr, connection: u32) {
        assert!(self.has_tcp && self.open.contains(&relayed.0));
        assert!(PEERS[..MEDIA].contains(&to.0.to_string().as_str()));
        self.connections.push(connection);
    }

    fn close_tcp(&mut self, _connection: u32) {}
}

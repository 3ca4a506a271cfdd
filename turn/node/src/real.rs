//! Relayed addresses that are sockets of this host, for a relay that stands alone.

#[cfg(test)]
mod address_tests;
mod ports;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;

use conclave_sfu_udp::{IpFields, PeerBatch, RelayedSocket, SendBatch, SendRefused, Watch, Way};
use conclave_turn_core::{
    Backend, BackendTraits, ConnectFailed, Family, Io, Now, OpenError, PortWish, SendError, Server,
};
use conclave_turn_wire::{PeerAddr, RelayedAddr};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::runtime::Handle;

use self::ports::{Parity, Ports, Tried};
use crate::clients::{Clients, PassingOn};
use crate::peers_tcp::{FromPeer, TcpPeers};
use crate::streams::StreamEntrance;

/// The longest life of an allocation: coturn's and most clients' idea of an hour.
const LIFETIME_MAX_S: u32 = 3_600;
/// What is told where the kernel does not say how much would fit: what every IPv6 path takes.
const MTU_UNKNOWN: u16 = 1_280;

/// Longer datagrams go out by themselves: they may need fragments, and segments must not.
const SEGMENT_MAX: usize = 1_232;

/// Which sockets there may be.
#[derive(Debug, Clone)]
pub struct RealConfig {
    /// Addresses of this host from which peers are reached; at least one.
    pub addresses: Vec<RelayIp>,
    /// Ports that may be given out on each of them.
    pub ports: RangeInclusive<u16>,
}

/// One address to relay from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayIp {
    /// The address of this host that sockets are bound to.
    pub bound: IpAddr,
    /// What clients and peers know it by: the same, unless a NAT maps one to one.
    pub advertised: IpAddr,
}

impl From<IpAddr> for RelayIp {
    fn from(address: IpAddr) -> RelayIp {
        RelayIp {
            bound: address,
            advertised: address,
        }
    }
}

/// All sockets of relayed addresses.
pub(crate) struct RealBackend {
    ports: Ports,
    /// By their number among what is watched. Numbers are not used again: what was
    /// ready before a socket was closed concerns nobody else.
    sockets: HashMap<u64, Relayed>,
    numbers: HashMap<RelayedAddr, u64>,
    next_number: u64,
    /// Kept for a later Allocate with a reservation.
    reserved: HashMap<RelayedAddr, RelayedSocket>,
    watch: Watch,
    /// Without an async runtime there are no TCP allocations.
    tcp: Option<TcpPeers>,
    /// Space that is used again each turn.
    arrivals: Option<Box<PeerBatch>>,
    /// What waits to leave by one socket: what a client sends at once goes to one peer, as a rule.
    waiting: SendBatch,
    waiting_for: Option<u64>,
    /// What the IP header said of the datagram that the server is given.
    arrived: IpFields,
    dropped: u64,
}

struct Relayed {
    socket: RelayedSocket,
    owner: u32,
    address: RelayedAddr,
}

impl RealBackend {
    /// Makes it without any socket.
    ///
    /// TCP towards peers needs that this is called within the async runtime; one allocation may
    /// carry `bits_per_s` of it each way.
    pub(crate) fn open(
        config: &RealConfig,
        bits_per_s: u64,
        entrance: StreamEntrance,
        watch: Watch,
    ) -> io::Result<RealBackend> {
        let mut seed = [0; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(io::Error::other)?;
        Ok(RealBackend {
            ports: Ports::new(config, seed),
            sockets: HashMap::new(),
            numbers: HashMap::new(),
            next_number: 0,
            reserved: HashMap::new(),
            watch,
            tcp: Handle::try_current()
                .ok()
                .map(|runtime| TcpPeers::new(runtime, entrance, bits_per_s)),
            arrivals: Some(PeerBatch::new().into()),
            waiting: SendBatch::new(),
            waiting_for: None,
            arrived: IpFields::default(),
            dropped: 0,
        })
    }

    /// Closes every relayed address and every connection to a peer.
    pub(crate) fn begin_anew(&mut self) {
        self.waiting = SendBatch::new();
        self.waiting_for = None;
        self.arrived = IpFields::default();
        self.sockets.clear();
        self.numbers.clear();
        self.reserved.clear();
        self.tcp = self.tcp.take().map(TcpPeers::anew);
        self.arrivals = Some(PeerBatch::new().into());
    }

    /// Takes note of what the IP header said of what the server is given next, and what it then
    /// sends to a peer is sent on with (RFC 8656, section 14). Of what comes by a stream that is
    /// the default (section 15).
    pub(crate) fn note_arrival(&mut self, ip: IpFields) {
        self.arrived = ip;
    }

    /// Gives the server what came from peers to the socket with this `number`. What is left is told again.
    pub(crate) fn take(
        &mut self,
        now: Now,
        number: u64,
        server: &mut Server,
        clients: &mut Clients,
    ) {
        // One that was closed because of what another brought.
        let Some(relayed) = self.sockets.get(&number) else {
            return;
        };
        // The server is lent this backend meanwhile.
        let Some(mut arrivals) = self.arrivals.take() else {
            return;
        };
        let (owner, address) = (relayed.owner, relayed.address);
        // A socket that fails brings nothing more, and harms no other.
        let count = relayed.socket.receive(&mut arrivals).unwrap_or(0);
        if count == 0 {
            self.take_errors(now, number, server, clients);
        } else {
            for datagram in arrivals.received().flatten() {
                let mut io = Io {
                    clients: &mut PassingOn::new(clients, datagram.ip),
                    backend: self,
                };
                let peer = PeerAddr(datagram.source);
                server.handle_relayed(now, owner, address, peer, datagram.payload, &mut io);
            }
        }
        self.arrivals = Some(arrivals);
    }

    /// Gives the server what the network said about datagrams of a socket.
    fn take_errors(&mut self, now: Now, number: u64, server: &mut Server, clients: &mut Clients) {
        while let Some(relayed) = self.sockets.get(&number) {
            let Some(error) = relayed.socket.take_error() else {
                return;
            };
            let (owner, address) = (relayed.owner, relayed.address);
            let mut io = Io {
                clients,
                backend: self,
            };
            server.handle_icmp(
                now,
                owner,
                address,
                PeerAddr(error.destination),
                error.kind,
                error.code,
                error.mtu,
                &mut io,
            );
        }
    }

    /// Gives the server what the TCP of a peer did.
    pub(crate) fn take_tcp(
        &mut self,
        now: Now,
        event: FromPeer,
        server: &mut Server,
        clients: &mut Clients,
    ) {
        match event {
            FromPeer::Connected(connection, result) => {
                let Some(tcp) = &mut self.tcp else {
                    return;
                };
                let result = match result {
                    Ok(stream) => {
                        tcp.keep_connected(connection, stream);
                        Ok(())
                    }
                    Err(_) => {
                        tcp.close(connection);
                        Err(ConnectFailed)
                    }
                };
                let mut io = Io {
                    clients,
                    backend: self,
                };
                server.handle_peer_connected(now, connection, result, &mut io);
            }
            FromPeer::Accepted {
                owner,
                relayed,
                peer,
                stream,
                place: _place,
            } => {
                // Closed meanwhile: the address, or the owner's number, may be somebody else's.
                if server.owner_of(relayed) != Some(owner) {
                    return;
                }
                let mut io = Io {
                    clients,
                    backend: self,
                };
                let connection = server.handle_peer_accepted(now, owner, peer, &mut io);
                if let (Some(connection), Some(tcp)) = (connection, &mut self.tcp) {
                    tcp.keep_accepted(connection, relayed, stream);
                }
            }
        }
    }

    /// Gives waiting connections of peers to the clients that asked for them.
    pub(crate) fn join_clients(&mut self, clients: &mut Clients) {
        if let Some(tcp) = &mut self.tcp {
            clients.streams.join_peers(tcp);
        }
    }

    /// Hands what waits to the kernel.
    pub(crate) fn flush(&mut self) {
        let Some(number) = self.waiting_for.take() else {
            return;
        };
        let Some(relayed) = self.sockets.get_mut(&number) else {
            debug_assert!(false, "what waits leaves before its socket is closed");
            return;
        };
        let report = relayed.socket.send_batch(&mut self.waiting);
        self.dropped += report.full + report.refused;
    }

    /// Returns how many datagrams to peers found no room or no way.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Watches a socket and enters it under its number and address.
    fn enter(&mut self, relayed: Relayed) -> Result<RelayedAddr, OpenError> {
        let (number, address) = (self.next_number, relayed.address);
        self.watch
            .add(relayed.socket.as_fd(), number)
            .map_err(|_| OpenError::Failed)?;
        self.next_number += 1;
        self.numbers.insert(address, number);
        self.sockets.insert(number, relayed);
        Ok(address)
    }

    fn open_port(
        &mut self,
        owner: u32,
        family: Family,
        parity: Parity,
    ) -> Result<RelayedAddr, OpenError> {
        let RealBackend {
            ports,
            numbers,
            reserved,
            tcp,
            ..
        } = self;
        let is_taken = |at| {
            let listens = tcp.as_ref().is_some_and(|tcp| tcp.listens(at));
            listens || numbers.contains_key(&at) || reserved.contains_key(&at)
        };
        let (relayed, neighbour) = ports.find(family, parity, |ip, port| {
            let address = RelayedAddr(SocketAddr::new(ip.advertised, port));
            let next = RelayedAddr(SocketAddr::new(ip.advertised, port | 1));
            if is_taken(address) || (parity == Parity::Pair && is_taken(next)) {
                return Ok(Tried::Ours);
            }
            let Some(socket) = bind(SocketAddr::new(ip.bound, port))? else {
                return Ok(Tried::Others);
            };
            let relayed = Relayed {
                socket,
                owner,
                address,
            };
            if parity != Parity::Pair {
                return Ok(Tried::Opened((relayed, None)));
            }
            let neighbour = bind(SocketAddr::new(ip.bound, port | 1))?;
            Ok(neighbour.map_or(Tried::Others, |socket| {
                Tried::Opened((relayed, Some((next, socket))))
            }))
        })?;
        let address = self.enter(relayed)?;
        self.reserved.extend(neighbour);
        Ok(address)
    }
}

impl Backend for RealBackend {
    fn traits(&self) -> BackendTraits {
        BackendTraits {
            v4: self.ports.has(Family::V4),
            v6: self.ports.has(Family::V6),
            tcp_allocations: self.tcp.is_some(),
            dont_fragment: true,
            pairs: true,
            lifetime_max_s: LIFETIME_MAX_S,
        }
    }

    fn open(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        match wish {
            PortWish::Any => self.open_port(owner, family, Parity::Any),
            PortWish::Even => self.open_port(owner, family, Parity::Even),
            PortWish::EvenAndReserveNext => self.open_port(owner, family, Parity::Pair),
            PortWish::Reserved(address) => {
                let socket = self.reserved.remove(&address).ok_or(OpenError::NoPort)?;
                self.enter(Relayed {
                    socket,
                    owner,
                    address,
                })
            }
        }
    }

    fn close(&mut self, relayed: RelayedAddr) {
        if let Some(number) = self.numbers.remove(&relayed) {
            if self.waiting_for == Some(number) {
                self.flush();
            }
            // The kernel forgets it in the ready set when it is closed.
            self.sockets.remove(&number);
        } else if self.reserved.remove(&relayed).is_none()
            && let Some(tcp) = &mut self.tcp
        {
            tcp.close_listener(relayed);
        }
    }

    fn send(
        &mut self,
        relayed: RelayedAddr,
        peer: PeerAddr,
        payload: &[u8],
        dont_fragment: bool,
    ) -> Result<(), SendError> {
        let number = *self.numbers.get(&relayed).ok_or(SendError::Unreachable)?;
        let way = Way {
            ip: self.arrived.onward().ok_or(SendError::HopLimit)?,
            ..Way::to(peer.0)
        };
        let can_wait = !dont_fragment && payload.len() <= SEGMENT_MAX;
        if self
            .waiting_for
            .is_some_and(|waiting| waiting != number || !can_wait)
        {
            self.flush();
        }
        if can_wait {
            if !self.waiting.append_by(&way, &[], payload) {
                self.flush();
                // Into an empty batch every datagram goes.
                let _ = self.waiting.append_by(&way, &[], payload);
            }
            self.waiting_for = Some(number);
            return Ok(());
        }
        let relayed = self
            .sockets
            .get_mut(&number)
            .ok_or(SendError::Unreachable)?;
        let sent = relayed.socket.send(&way, payload, dont_fragment);
        sent.map_err(|refused| match refused {
            SendRefused::TooLarge(0) if dont_fragment => SendError::TooLarge { mtu: MTU_UNKNOWN },
            SendRefused::TooLarge(mtu) if dont_fragment => SendError::TooLarge {
                mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
            },
            SendRefused::TooLarge(_) => SendError::Oversize,
            SendRefused::Full => {
                self.dropped += 1;
                SendError::QueueFull
            }
            SendRefused::Unreachable => SendError::Unreachable,
        })
    }

    fn listen_tcp(
        &mut self,
        owner: u32,
        family: Family,
        _wish: PortWish,
    ) -> Result<RelayedAddr, OpenError> {
        let RealBackend {
            ports,
            numbers,
            reserved,
            tcp,
            ..
        } = self;
        let tcp = tcp.as_mut().ok_or(OpenError::Failed)?;
        ports.find(family, Parity::Any, |ip, port| {
            let address = RelayedAddr(SocketAddr::new(ip.advertised, port));
            let is_ours = tcp.listens(address)
                || numbers.contains_key(&address)
                || reserved.contains_key(&address);
            if is_ours {
                return Ok(Tried::Ours);
            }
            match tcp.listen(owner, address, SocketAddr::new(ip.bound, port)) {
                Ok(()) => Ok(Tried::Opened(address)),
                Err(OpenError::NoPort) => Ok(Tried::Others),
                Err(error) => Err(error),
            }
        })
    }

    fn connect_tcp(&mut self, relayed: RelayedAddr, peer: PeerAddr, connection: u32) {
        let from = self.ports.bound(relayed.0);
        if let Some(tcp) = &mut self.tcp {
            tcp.connect(relayed, from, peer, connection);
        }
    }

    fn close_tcp(&mut self, connection: u32) {
        if let Some(tcp) = &mut self.tcp {
            tcp.close(connection);
        }
    }
}

/// Binds a socket; `None` if the port is taken.
fn bind(address: SocketAddr) -> Result<Option<RelayedSocket>, OpenError> {
    match RelayedSocket::bind(address) {
        Ok(socket) => Ok(Some(socket)),
        // One that the system keeps for itself, such as by ip_local_reserved_ports, is as good as taken.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(None)
        }
        Err(_) => Err(OpenError::Failed),
    }
}

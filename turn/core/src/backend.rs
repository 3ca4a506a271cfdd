//! What the server asks of the world: the ways to clients and to peers, lent to it for each call.

use std::time::Instant;

use conclave_turn_wire::{ClientAddr, Family, FiveTuple, PeerAddr, RelayedAddr};

/// The time of a call: a monotonic instant for lifetimes, and seconds since 1970 for what credentials say.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic time.
    pub instant: Instant,
    /// Seconds since the Unix epoch.
    pub unix_s: u64,
}

/// What the shell lends to each call.
pub struct Io<'a> {
    /// The sockets of TURN clients.
    pub clients: &'a mut dyn ClientSink,
    /// What has the relayed addresses.
    pub backend: &'a mut dyn Backend,
}

/// The ways to TURN clients.
pub trait ClientSink {
    /// Sends `header` and `payload`, one behind the other, as one datagram or one frame of a stream; padding of a
    /// stream's frame is in them already. Best effort: what finds no room is dropped by the sink, `is_media` before
    /// anything else.
    fn send(&mut self, to: &FiveTuple, header: &[u8], payload: &[u8], is_media: bool);
    /// Ends a stream client's connection after what was sent to it. Nothing to do for UDP.
    fn close(&mut self, to: &FiveTuple);
    /// Says that `client`'s stream carries raw bytes of the peer connection `connection` from here on, after what was
    /// sent to it (RFC 6062, section 5.4).
    fn splice(&mut self, client: &FiveTuple, connection: u32);
    /// Says that the allocation of `client` has ended. Its stream, if it has one, goes on, for as long as one may that has
    /// none; whoever does not mind how long streams last has nothing to do.
    fn allocation_ended(&mut self, _client: &FiveTuple) {}
}

/// What gives out relayed addresses and sends from them.
pub trait Backend {
    /// Returns what this backend can do; constant for its life.
    fn traits(&self) -> BackendTraits;
    /// Opens a relayed UDP address. `owner` is told back with what arrives at it.
    fn open(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError>;
    /// Gives a relayed address back, or one that [`PortWish::EvenAndReserveNext`] kept and nobody took.
    fn close(&mut self, relayed: RelayedAddr);
    /// Sends one datagram from a relayed address. The permission and the policy were asked.
    fn send(
        &mut self,
        relayed: RelayedAddr,
        peer: PeerAddr,
        payload: &[u8],
        dont_fragment: bool,
    ) -> Result<(), SendError>;
    /// Opens a relayed TCP address that accepts connections (RFC 6062); `owner` as with [`Backend::open`].
    fn listen_tcp(
        &mut self,
        owner: u32,
        family: Family,
        wish: PortWish,
    ) -> Result<RelayedAddr, OpenError>;
    /// Begins to connect from a relayed TCP address; answered by `Server::handle_peer_connected`.
    fn connect_tcp(&mut self, relayed: RelayedAddr, peer: PeerAddr, connection: u32);
    /// Ends a peer connection, connected or not. It is not reported by `Server::handle_peer_closed`.
    fn close_tcp(&mut self, connection: u32);
}

/// What a backend can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendTraits {
    /// It has relayed IPv4 addresses.
    pub v4: bool,
    /// It has relayed IPv6 addresses.
    pub v6: bool,
    /// It relays TCP (RFC 6062).
    pub tcp_allocations: bool,
    /// It can keep datagrams from being fragmented, or tell the sender that they are too large.
    pub dont_fragment: bool,
    /// It gives out even ports and reserves the next (EVEN-PORT).
    pub pairs: bool,
    /// The longest lifetime of an allocation in seconds: 600 for virtual, 3,600 for real addresses.
    pub lifetime_max_s: u32,
}

/// Which port a relayed address should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortWish {
    /// Any.
    Any,
    /// An even one (EVEN-PORT with R = 0). The odd neighbour stays free.
    Even,
    /// An even one whose odd neighbour is kept for a later [`PortWish::Reserved`] or [`Backend::close`].
    EvenAndReserveNext,
    /// The one that was kept.
    Reserved(RelayedAddr),
}

/// Why no relayed address was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// All ports, or pairs of ports, are taken.
    #[error("no free port")]
    NoPort,
    /// The backend has no address of this family.
    #[error("address family not supported")]
    FamilyUnsupported,
    /// The system refused.
    #[error("the system refused")]
    Failed,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Larger than the way to the peer takes.
    #[error("larger than {mtu} bytes")]
    TooLarge {
        /// The largest packet that would pass, in bytes with headers, as an ICMP message says it.
        mtu: u16,
    },
    /// The queue to the peer is full; the datagram is lost as on any network.
    #[error("the queue is full")]
    QueueFull,
    /// Larger than the way to the peer takes, and nobody is told: fragments were allowed, but there are none here.
    #[error("too large")]
    Oversize,
    /// It has passed as many hops as it may.
    #[error("no hop is left")]
    HopLimit,
    /// There is no way to that peer.
    #[error("unreachable")]
    Unreachable,
}

/// A peer connection did not come about (RFC 6062, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer took no connection")]
pub struct ConnectFailed;

/// Returns whether nothing may be answered to this source: replies to it could only be abuse.
pub(crate) fn is_unanswerable(from: ClientAddr, server: std::net::SocketAddr) -> bool {
    let address = from.0;
    let ip = address.ip().to_canonical();
    let broadcast = match ip {
        std::net::IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0,
        std::net::IpAddr::V6(_) => false,
    };
    address.port() == 0
        || ip.is_multicast()
        || ip.is_unspecified()
        || broadcast
        || (address.port() == server.port() && ip == server.ip().to_canonical())
}

//! The addresses of TURN, one type each: the two sides of a relay are never
//! mixed up.

use std::fmt;
use std::net::SocketAddr;

/// Address and port from which a TURN client reaches the relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientAddr(pub SocketAddr);

/// Address and port of a TURN peer: who is behind the relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// Address and port that the relay lends to a TURN client: what peers see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayedAddr(pub SocketAddr);

impl fmt::Debug for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAddr(..)")
    }
}

impl fmt::Debug for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerAddr(..)")
    }
}

impl fmt::Debug for RelayedAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayedAddr(..)")
    }
}

/// How a TURN client reaches the relay (RFC 8656, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientTransport {
    /// Datagrams.
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
}

impl ClientTransport {
    /// Returns whether frames are cut out of a stream, and ChannelData is padded.
    pub fn is_stream(self) -> bool {
        !matches!(self, ClientTransport::Udp)
    }
}

/// What identifies a client's connection and its allocation (RFC 8656, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiveTuple {
    /// The transport between client and relay.
    pub transport: ClientTransport,
    /// The client's side.
    pub client: ClientAddr,
    /// The relay's side.
    pub server: SocketAddr,
}

/// The family of an address (RFC 8489, section 14.1; RFC 8656, section 18.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, 0x01 on the wire.
    V4,
    /// IPv6, 0x02 on the wire.
    V6,
}

impl Family {
    /// Returns the family of an address.
    pub fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }

    /// Returns the byte that stands for it in messages.
    pub fn code(self) -> u8 {
        match self {
            Family::V4 => 1,
            Family::V6 => 2,
        }
    }
}

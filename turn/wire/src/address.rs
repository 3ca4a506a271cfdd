//! The addresses of TURN, one type each: the two sides of a relay are never
//! mixed up.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

/// Address and port from which a TURN client reaches the relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientAddr(pub SocketAddr);

/// Address and port of a TURN peer: who is behind the relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddr(pub SocketAddr);

/// Address and port that the relay lends to a TURN client: what peers see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelayedAddr(pub SocketAddr);

impl Hash for RelayedAddr {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_address(self.0, 0, state);
    }
}

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
    #[inline]
    pub fn is_stream(self) -> bool {
        !matches!(self, ClientTransport::Udp)
    }
}

/// What identifies a client's connection and its allocation (RFC 8656, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FiveTuple {
    /// The transport between client and relay.
    pub transport: ClientTransport,
    /// The client's side.
    pub client: ClientAddr,
    /// The relay's side.
    pub server: SocketAddr,
}

impl Hash for FiveTuple {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_address(self.client.0, 0, state);
        hash_address(self.server, self.transport as u8, state);
    }
}

/// Every packet is looked up by its addresses. What is derived hashes each part of an address by itself, and lengths and
/// discriminants with it: nine portions for a 5-tuple of IPv4, which here are two. Flow label and scope are left to `Eq`.
#[inline]
fn hash_address<H: Hasher>(address: SocketAddr, with: u8, state: &mut H) {
    let port_and_more = u64::from(with) << 48 | u64::from(address.port());
    match address {
        SocketAddr::V4(v4) => state.write_u64(u64::from(v4.ip().to_bits()) << 16 | port_and_more),
        SocketAddr::V6(v6) => {
            let bits = v6.ip().to_bits();
            state.write_u64((bits >> 64) as u64);
            state.write_u64(bits as u64);
            state.write_u64(port_and_more);
        }
    }
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
    #[inline]
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use super::*;

    #[test]
    fn every_part_of_a_5_tuple_counts_for_its_hash() {
        let addresses = [
            "192.0.2.1:5000",
            "192.0.2.1:5001",
            "192.0.2.2:5000",
            "[2001:db8::1]:5000",
            "[2001:db8::1]:5001",
            "[2001:db8:0:1::1]:5000",
            "[2001:db8::2]:5000",
        ]
        .map(|text| text.parse::<SocketAddr>().unwrap());
        let transports = [
            ClientTransport::Udp,
            ClientTransport::Tcp,
            ClientTransport::Tls,
        ];
        let build = BuildHasherDefault::<DefaultHasher>::default();
        let mut hashes = BTreeSet::new();
        for (client, server) in addresses
            .iter()
            .flat_map(|client| addresses.iter().map(move |server| (*client, *server)))
        {
            for transport in transports {
                let tuple = FiveTuple {
                    transport,
                    client: ClientAddr(client),
                    server,
                };
                assert_eq!(build.hash_one(tuple), build.hash_one(tuple));
                assert!(hashes.insert(build.hash_one(tuple)));
            }
        }
        for relayed in addresses {
            assert!(hashes.insert(build.hash_one(RelayedAddr(relayed))));
        }
    }
}

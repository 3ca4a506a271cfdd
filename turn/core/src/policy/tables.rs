//! The tables of denied addresses and ports: security.md 3.4 and turn.md 4.3, both together.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::prefix::Prefix;

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32) -> Prefix {
    Prefix::v4(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(segments: [u16; 8], length: u32) -> Prefix {
    let [a, b, c, d, e, f, g, h] = segments;
    Prefix::v6(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)
}

/// What is no host that a relay could reach on purpose, not even if a list is wide enough to contain it.
pub(super) const NEVER: &[Prefix] = &[
    v4(0, 0, 0, 0, 8),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    // Metadata services of clouds that are not link-local.
    v4(100, 100, 100, 200, 32),
    v4(192, 0, 0, 192, 32),
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// What an open relay denies of IPv4: the IANA special-purpose registry, private, multicast and reserved space.
pub(super) const DENIED_V4: &[Prefix] = &[
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    // Carrier-grade NAT; the metadata service of one cloud, 100.100.100.200, is in it.
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Link-local; the metadata service of most clouds, 169.254.169.254, is in it.
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    // Protocol assignments; the metadata service 192.0.0.192 and our own virtual 192.0.0.8 are in it.
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 31, 196, 0, 24),
    v4(192, 52, 193, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(192, 175, 48, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// What an open relay denies of IPv6. ISATAP interface ids are denied as well, wherever they stand.
pub(super) const DENIED_V6: &[Prefix] = &[
    // Unspecified, loopback and IPv4-compatible.
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
    // IPv4-mapped.
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),
    // IPv4-translated (RFC 2765).
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
    // NAT64, well-known and local.
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    // Discard-only, and the dummy prefix of RFC 9780.
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64),
    // Protocol assignments: Teredo, benchmarking, ORCHID.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    // 6to4.
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),
    // Unique local; the metadata service fd00:ec2::254 is in it.
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// The lowest port that an open relay reaches: below are the services of every host.
pub(super) const PORT_MIN: u16 = 1024;

/// UDP services from 1024 on that answer strangers with more than they were sent, or that are behind a firewall for a
/// reason. Ascending. An ICE agent that happens to have such a port loses one candidate.
pub(super) const DENIED_PORTS: &[u16] = &[
    1194, // OpenVPN
    1434, // Microsoft SQL browser
    1604, // Citrix browser
    1645, // RADIUS, old
    1646, 1701, // L2TP
    1812, // RADIUS
    1813, 1900, // SSDP
    2049, // NFS
    2123, // GTP control
    2152, // GTP user data
    3283, // Apple Remote Desktop
    3389, // Remote Desktop
    3478, // STUN and TURN: no relay behind a relay
    3702, // WS-Discovery
    3784, // BFD
    4500, // IPsec behind NAT
    4789, // VXLAN
    5060, // SIP
    5061, 5093, // Sentinel licences
    5246, // CAPWAP
    5247, 5349,  // STUN and TURN over DTLS
    5351,  // NAT-PMP and PCP: opens ports of the router
    5353,  // mDNS
    5355,  // LLMNR
    5683,  // CoAP
    6081,  // Geneve
    6881,  // BitTorrent DHT
    8472,  // VXLAN, old
    10001, // Ubiquiti discovery
    11211, // memcached
    17185, // VxWorks debugger
    27015, // Source engine
    30718, // Lantronix
    32414, // Plex discovery
    37810, // DHDiscover
    47808, // BACnet
    51820, // WireGuard
];

//! The addresses that the built-in relay gives its clients.
//!
//! They exist nowhere: both are reserved as the source of what has no address
//! (the IPv4 dummy address, RFC 7600; the dummy IPv6 prefix, RFC 9780), so that
//! no packet of a network carries them. A datagram from one of them was handed
//! over in memory by the relay of this process, and what is sent to one goes
//! back the same way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The IPv4 address of all relayed addresses; the port tells them apart.
pub const RELAYED_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// The IPv6 address of all relayed addresses; the port tells them apart.
pub const RELAYED_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 1, 0, 0, 0, 1);

/// Returns whether `address` is one of the relay: 192.0.0.8, or any of
/// 100:0:0:1::/64, also when written as an IPv4-mapped address.
pub fn is_relayed(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address == RELAYED_V4,
        IpAddr::V6(address) => address.segments()[..4] == RELAYED_V6.segments()[..4],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_addresses_of_the_relay_are_relayed() {
        assert!(is_relayed(RELAYED_V4.into()));
        assert!(is_relayed(RELAYED_V6.into()));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(is_relayed(ip("::ffff:192.0.0.8")));
        assert!(is_relayed(ip("100:0:0:1:ffff::9")));
        for other in [
            "192.0.0.9",
            "192.0.0.7",
            "8.0.0.192",
            "100::1",
            "100:0:0:2::1",
            "::1",
        ] {
            assert!(!is_relayed(ip(other)), "{other}");
        }
    }
}

//! IPv4 addresses in the disguise of IPv6 ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// 64:ff9b:1::/48 has four readings and any address may also be an ISATAP one.
const EMBEDDED_MAX: usize = 5;

/// An address as rules see it: what it is, and every IPv4 address that a gateway on the way could make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canonical {
    address: IpAddr,
    embedded: [Ipv4Addr; EMBEDDED_MAX],
    count: usize,
}

impl Canonical {
    /// Returns the address itself: an IPv4-mapped address as the IPv4 one that it is, every other one as it came.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the IPv4 addresses inside an IPv6 one. None for an address that is IPv4 after unmapping.
    pub fn embedded(&self) -> &[Ipv4Addr] {
        &self.embedded[..self.count]
    }

    fn push(&mut self, address: Ipv4Addr) {
        debug_assert!(self.count < EMBEDDED_MAX, "no address has more readings");
        if let Some(place) = self.embedded.get_mut(self.count) {
            *place = address;
            self.count += 1;
        }
    }
}

/// Returns `address` with everything that is inside it: IPv4-mapped (RFC 4291, section 2.5.5.2), IPv4-compatible (section
/// 2.5.5.1), IPv4-translated (RFC 2765, section 2.1), NAT64 under the well-known prefix and in every position of the
/// local-use one (RFC 6052, section 2.2; RFC 8215), 6to4 (RFC 3056), Teredo server and client (RFC 4380) and ISATAP (RFC
/// 5214).
pub fn canonical(address: IpAddr) -> Canonical {
    let mut canonical = Canonical {
        address: address.to_canonical(),
        embedded: [Ipv4Addr::UNSPECIFIED; EMBEDDED_MAX],
        count: 0,
    };
    if let IpAddr::V6(address) = canonical.address {
        unwrap_into(address, &mut canonical);
    }
    canonical
}

fn unwrap_into(address: Ipv6Addr, canonical: &mut Canonical) {
    let bits = address.to_bits();
    let segments = address.segments();
    match segments {
        // Unspecified and loopback are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => {}
        // IPv4-compatible, and IPv4-translated ::ffff:0:a.b.c.d.
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => canonical.push(low_32(bits)),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => canonical.push(low_32(bits)),
        [0x64, 0xff9b, 1, ..] => {
            for prefix_len in [48, 56, 64, 96] {
                canonical.push(translated(bits, prefix_len));
            }
        }
        [0x2002, ..] => canonical.push(at(bits, 16)),
        [0x2001, 0, ..] => {
            canonical.push(at(bits, 32));
            canonical.push(low_32(!bits));
        }
        _ => {}
    }
    // The bits of a group and of a local interface id do not count.
    if segments[4] & 0xfcff == 0 && segments[5] == 0x5efe {
        canonical.push(low_32(bits));
    }
}

/// Returns the IPv4 address behind a NAT64 prefix of 32, 40, 48, 56, 64 or 96 bits: its four bytes follow the prefix, and
/// step over bits 64 to 71 (RFC 6052, section 2.2).
pub(super) fn translated(bits: u128, prefix_len: u32) -> Ipv4Addr {
    if prefix_len == 96 {
        return low_32(bits);
    }
    let before = bits >> 64;
    let after = bits & 0x00ff_ffff_ffff_ffff;
    at(before << 64 | after << 8, prefix_len)
}

/// Returns the 32 bits that begin `offset` bits from the left; `offset` is at most 96.
fn at(bits: u128, offset: u32) -> Ipv4Addr {
    low_32(bits >> (96 - offset.min(96)))
}

fn low_32(bits: u128) -> Ipv4Addr {
    Ipv4Addr::from_bits(bits as u32)
}

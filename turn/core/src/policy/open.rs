//! A relay opened on purpose: deny first, on canonical addresses.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::canonical::{canonical, translated};
use super::prefix::{Prefix, PrefixError};
use super::rule::PeerRule;
use super::tables::{DENIED_PORTS, DENIED_V4, DENIED_V6, PORT_MIN};

/// What an open relay is told about the network it stands in.
#[derive(Clone, Debug, Default)]
pub struct OpenConfig {
    /// Every address of this host and what it talks to: interfaces, listeners, relay addresses, default gateways,
    /// resolvers, stores, metrics, the SFU. Denied whole.
    pub own: Vec<IpAddr>,
    /// Further networks that are denied.
    pub deny: Vec<Prefix>,
    /// If there are any, nothing else is allowed. They undo no denial.
    pub allow: Vec<PeerRule>,
    /// NAT64 prefixes of this network (RFC 6052, section 2.2): 32, 40, 48, 56, 64 or 96 bits. What is behind them is judged
    /// as the IPv4 address that it is. The well-known ones are denied anyway.
    pub nat64: Vec<Prefix>,
    /// For tests: 127.0.0.0/8 and ::1, written as such, may be reached.
    pub allow_loopback: bool,
}

/// The rules of an open relay.
#[derive(Clone, Debug)]
pub struct OpenPolicy {
    /// Ascending, disjoint, not even touching.
    denied_v4: Vec<(u32, u32)>,
    denied_v6: Vec<(u128, u128)>,
    /// First and last address, and the length.
    nat64: Vec<(u128, u128, u32)>,
    allow: Vec<PeerRule>,
    allow_loopback: bool,
}

impl OpenPolicy {
    /// Makes the rules. An error is a NAT64 prefix that can be none.
    pub fn new(config: OpenConfig) -> Result<Self, PrefixError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let own = config.own.iter().map(|address| Prefix::host(*address));
        let tables = DENIED_V4.iter().chain(DENIED_V6).copied();
        for prefix in tables.chain(own).chain(config.deny) {
            match prefix {
                Prefix::V4(first, last) => v4.push((first, last)),
                Prefix::V6(first, last) => v6.push((first, last)),
            }
        }
        Ok(OpenPolicy {
            denied_v4: merged(v4, |last| last.checked_add(1)),
            denied_v6: merged(v6, |last| last.checked_add(1)),
            nat64: config
                .nat64
                .into_iter()
                .map(nat64)
                .collect::<Result<_, _>>()?,
            allow: config.allow,
            allow_loopback: config.allow_loopback,
        })
    }

    /// Returns whether any port of `address` may be reached.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        !self.denies(address) && self.is_wanted(address, |_| true)
    }

    /// Returns whether `peer` may be reached: neither its address nor its port is denied.
    pub fn allows(&self, peer: SocketAddr) -> bool {
        let port = peer.port();
        port >= PORT_MIN
            && DENIED_PORTS.binary_search(&port).is_err()
            && !self.denies(peer.ip())
            && self.is_wanted(peer.ip(), |rule| rule.ports.contains(&port))
    }

    /// An IPv4-mapped address is denied before anything is asked about the address inside.
    fn denies(&self, address: IpAddr) -> bool {
        if self.allow_loopback && address.is_loopback() {
            return false;
        }
        let IpAddr::V6(literal) = address else {
            return self.denies_v4(address);
        };
        let bits = literal.to_bits();
        within(&self.denied_v6, bits)
            || is_isatap(literal)
            || canonical(address)
                .embedded()
                .iter()
                .any(|inside| self.denies_v4(IpAddr::V4(*inside)))
            || self.nat64.iter().any(|(first, last, length)| {
                (*first..=*last).contains(&bits)
                    && self.denies_v4(IpAddr::V4(translated(bits, *length)))
            })
    }

    fn denies_v4(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => within(&self.denied_v4, address.to_bits()),
            IpAddr::V6(_) => false,
        }
    }

    fn is_wanted(&self, address: IpAddr, fits: impl Fn(&PeerRule) -> bool) -> bool {
        self.allow.is_empty()
            || self
                .allow
                .iter()
                .any(|rule| rule.prefix.contains(address) && fits(rule))
    }
}

fn nat64(prefix: Prefix) -> Result<(u128, u128, u32), PrefixError> {
    let Prefix::V6(first, last) = prefix else {
        return Err(PrefixError::Length(prefix.to_string()));
    };
    let length = (first ^ last).leading_zeros();
    if matches!(length, 32 | 40 | 48 | 56 | 64 | 96) {
        Ok((first, last, length))
    } else {
        Err(PrefixError::Length(prefix.to_string()))
    }
}

/// Returns whether the interface id is an ISATAP one (RFC 5214, section 6.1), universal or local.
fn is_isatap(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    segments[4] & 0xfcff == 0 && segments[5] == 0x5efe
}

/// Sorts ranges and joins those that overlap or touch.
fn merged<N: Ord + Copy>(mut ranges: Vec<(N, N)>, next: impl Fn(N) -> Option<N>) -> Vec<(N, N)> {
    ranges.sort_unstable();
    let mut joined: Vec<(N, N)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            // Nothing is after a range that ends at the last number.
            Some((_, end)) if next(*end).is_none_or(|after| first <= after) => {
                *end = last.max(*end);
            }
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// Returns whether one of the ranges has `number`.
fn within<N: Ord + Copy>(ranges: &[(N, N)], number: N) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= number);
    after
        .checked_sub(1)
        .and_then(|index| ranges.get(index))
        .is_some_and(|(_, last)| number <= *last)
}

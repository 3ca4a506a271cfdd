//! Address prefixes as numbers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A prefix of IPv4 or IPv6 addresses. IPv4 prefixes contain no IPv6 address, mapped or not, and the other way round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Prefix {
    /// First and last address of an IPv4 prefix.
    V4(u32, u32),
    /// First and last address of an IPv6 prefix.
    V6(u128, u128),
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Neither an IPv4 nor an IPv6 address.
    #[error("`{0}` is no IP address")]
    Address(String),
    /// No number, or more than the address has bits.
    #[error("`{0}` is no prefix length (0 to 32 for IPv4, 0 to 128 for IPv6)")]
    Length(String),
    /// The address has bits beyond its prefix: a typing error in one of them.
    #[error("`{0}` has bits beyond its prefix; the network is {1}")]
    Beyond(String, Prefix),
    /// An IPv4 address written as an IPv6 one.
    #[error("`{0}` is an IPv4 address in IPv6 form; write it as IPv4")]
    Mapped(String),
}

impl Prefix {
    /// Makes the IPv4 prefix of `length` bits that `address` is in. More than 32 bits count as 32.
    pub const fn v4(address: Ipv4Addr, length: u32) -> Self {
        let mask = match length {
            0 => 0,
            1..32 => u32::MAX << (32 - length),
            _ => u32::MAX,
        };
        let bits = address.to_bits();
        Prefix::V4(bits & mask, bits | !mask)
    }

    /// Makes the IPv6 prefix of `length` bits that `address` is in. More than 128 bits count as 128.
    pub const fn v6(address: Ipv6Addr, length: u32) -> Self {
        let mask = match length {
            0 => 0,
            1..128 => u128::MAX << (128 - length),
            _ => u128::MAX,
        };
        let bits = address.to_bits();
        Prefix::V6(bits & mask, bits | !mask)
    }

    /// Makes the prefix of one address. An IPv4-mapped one counts as the IPv4 address that it is.
    pub fn host(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Prefix::v4(address, 32),
            IpAddr::V6(address) => Prefix::v6(address, 128),
        }
    }

    /// Returns whether `address` is in the prefix, as it stands: nothing is unmapped.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Prefix::V4(first, last), IpAddr::V4(address)) => {
                (*first..=*last).contains(&address.to_bits())
            }
            (Prefix::V6(first, last), IpAddr::V6(address)) => {
                (*first..=*last).contains(&address.to_bits())
            }
            _ => false,
        }
    }

    /// Returns whether it is one address.
    pub fn is_host(&self) -> bool {
        match self {
            Prefix::V4(first, last) => first == last,
            Prefix::V6(first, last) => first == last,
        }
    }

    /// Returns its first address.
    pub fn first(&self) -> IpAddr {
        match self {
            Prefix::V4(first, _) => Ipv4Addr::from_bits(*first).into(),
            Prefix::V6(first, _) => Ipv6Addr::from_bits(*first).into(),
        }
    }

    /// Returns its last address.
    pub fn last(&self) -> IpAddr {
        match self {
            Prefix::V4(_, last) => Ipv4Addr::from_bits(*last).into(),
            Prefix::V6(_, last) => Ipv6Addr::from_bits(*last).into(),
        }
    }

    fn length(&self) -> u32 {
        match self {
            Prefix::V4(first, last) => (first ^ last).leading_zeros(),
            Prefix::V6(first, last) => (first ^ last).leading_zeros(),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.length())
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads `192.0.2.7`, `10.0.0.0/8`, `2001:db8::7` or `2001:db8::/32`.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address_text, length_text) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address_text
            .parse()
            .map_err(|_| PrefixError::Address(address_text.to_owned()))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = match length_text {
            None => width,
            Some(digits) => length_of(digits)
                .filter(|length| *length <= width)
                .ok_or_else(|| PrefixError::Length(digits.to_owned()))?,
        };
        let prefix = match address {
            IpAddr::V4(address) => Prefix::v4(address, length),
            IpAddr::V6(v6) if length >= 96 && v6.to_ipv4_mapped().is_some() => {
                return Err(PrefixError::Mapped(text.to_owned()));
            }
            IpAddr::V6(address) => Prefix::v6(address, length),
        };
        if prefix.first() != address {
            return Err(PrefixError::Beyond(text.to_owned(), prefix));
        }
        Ok(prefix)
    }
}

/// Reads one to three digits: no sign, no space.
fn length_of(digits: &str) -> Option<u32> {
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

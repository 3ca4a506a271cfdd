//! The list of a closed relay.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::canonical::canonical;
use super::prefix::{Prefix, PrefixError};
use super::tables::NEVER;

/// One line of a list: addresses, and ports of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRule {
    /// The addresses.
    pub prefix: Prefix,
    /// The ports, 1 to 65535.
    pub ports: RangeInclusive<u16>,
}

/// Why a text is no rule, or a rule may not stand in a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The addresses are wrong.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// `[` without `]`, or something else than a prefix length or ports behind it.
    #[error(
        "`{0}` is no `ADDRESS[/LENGTH][:PORT[-PORT]]`; an IPv6 address with ports stands in brackets: `[2001:db8::]/32:443`"
    )]
    Form(String),
    /// No port, or a range that ends before it begins.
    #[error("`{0}` is no port or range of ports (1 to 65535, as in `5000` or `5000-6000`)")]
    Ports(String),
    /// An address that is no peer: unspecified, loopback, link-local, multicast, reserved, metadata.
    #[error(
        "{0} can be no peer: loopback needs `turn.allow_loopback_peers`, unspecified, link-local, multicast and metadata addresses are never reached"
    )]
    Never(Prefix),
}

impl FromStr for PeerRule {
    type Err = RuleError;

    /// Reads `192.0.2.7`, `10.0.0.0/8:5000-6000`, `2001:db8::/32`, `[2001:db8::7]:443` or `[2001:db8::]/32:443`. Without
    /// ports all of them are meant.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let form = || RuleError::Form(text.to_owned());
        let (prefix, ports) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, behind) = rest.split_once(']').ok_or_else(form)?;
                let (length, ports) = match behind.split_once(':') {
                    Some((length, ports)) => (length, Some(ports)),
                    None => (behind, None),
                };
                if !address.contains(':') || !(length.is_empty() || length.starts_with('/')) {
                    return Err(form());
                }
                (format!("{address}{length}").parse()?, ports)
            }
            // Two colons and no bracket: IPv6 without ports.
            None if text.bytes().filter(|byte| *byte == b':').count() > 1 => (text.parse()?, None),
            None => match text.split_once(':') {
                Some((prefix, ports)) => (prefix.parse()?, Some(ports)),
                None => (text.parse()?, None),
            },
        };
        Ok(PeerRule {
            prefix,
            ports: ports.map_or(Ok(1..=u16::MAX), ports_of)?,
        })
    }
}

fn ports_of(text: &str) -> Result<RangeInclusive<u16>, RuleError> {
    let wrong = || RuleError::Ports(text.to_owned());
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port = |digits: &str| -> Option<u16> {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain
            .then(|| digits.parse().ok())
            .flatten()
            .filter(|port| *port != 0)
    };
    let (first, last) = port(first).zip(port(last)).ok_or_else(wrong)?;
    if first > last {
        return Err(wrong());
    }
    Ok(first..=last)
}

/// What a closed relay may reach, and nothing else.
#[derive(Clone, Debug, Default)]
pub struct PeerList {
    rules: Vec<PeerRule>,
    allow_loopback: bool,
    /// Ascending.
    exact: Vec<(IpAddr, u16)>,
}

impl PeerList {
    /// Makes the list of an operator. A rule wider than one address never covers unspecified, loopback, link-local,
    /// multicast and reserved addresses, nor a cloud's metadata service; a rule for nothing but such addresses is an error.
    /// With `allow_loopback`, which is for tests, loopback is like any other address.
    pub fn new(rules: Vec<PeerRule>, allow_loopback: bool) -> Result<Self, RuleError> {
        let list = PeerList {
            rules,
            allow_loopback,
            exact: Vec::new(),
        };
        match list.rules.iter().find(|rule| list.is_void(rule.prefix)) {
            Some(rule) => Err(RuleError::Never(rule.prefix)),
            None => Ok(list),
        }
    }

    /// Makes the list of exactly these addresses and ports: our own SFU's. Loopback is as good as any, for nothing of this
    /// list leaves the process.
    pub fn exact(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let mut exact: Vec<_> = addresses
            .into_iter()
            .filter(|address| address.port() != 0)
            .map(|address| (address.ip().to_canonical(), address.port()))
            .collect();
        exact.sort_unstable();
        PeerList {
            exact,
            ..PeerList::default()
        }
    }

    /// Returns whether any port of `address` may be reached.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let first = self.exact.partition_point(|(known, _)| *known < address);
        self.exact
            .get(first)
            .is_some_and(|(known, _)| *known == address)
            || self.covers(address, |_| true)
    }

    /// Returns whether `peer` may be reached. Port 0 never.
    pub fn allows(&self, peer: SocketAddr) -> bool {
        let (address, port) = (peer.ip(), peer.port());
        port != 0
            && (self.exact.binary_search(&(address, port)).is_ok()
                || self.covers(address, |rule| rule.ports.contains(&port)))
    }

    /// Returns whether a rule that fits covers `address`. An IPv4-mapped address is never covered: no peer is written like
    /// that. One with another address inside is covered by a rule for that very address; else it must be covered as a whole,
    /// and all that is inside.
    fn covers(&self, address: IpAddr, fits: impl Fn(&PeerRule) -> bool) -> bool {
        let canonical = canonical(address);
        if canonical.address() != address {
            return false;
        }
        let is_covered = |address: IpAddr, only_hosts: bool| {
            !self.is_barred(address)
                && self.rules.iter().any(|rule| {
                    (rule.prefix.is_host() || !only_hosts)
                        && rule.prefix.contains(address)
                        && fits(rule)
                })
        };
        is_covered(address, false)
            && (is_covered(address, true)
                || canonical
                    .embedded()
                    .iter()
                    .all(|inside| is_covered(IpAddr::V4(*inside), false)))
    }

    /// Returns whether a rule covers nothing but what it never covers.
    fn is_void(&self, prefix: Prefix) -> bool {
        let (first, last) = (prefix.first(), prefix.last());
        self.is_barred(first)
            && NEVER
                .iter()
                .any(|never| never.contains(first) && never.contains(last))
    }

    fn is_barred(&self, address: IpAddr) -> bool {
        !(self.allow_loopback && address.is_loopback())
            && NEVER.iter().any(|prefix| prefix.contains(address))
    }
}

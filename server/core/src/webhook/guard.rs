//! Which machines may be called: none that only this one reaches, unless the
//! operator names it.
//!
//! The address that was asked about is the one to connect to. A name that is
//! resolved once for the question and again for the connection can lead
//! elsewhere the second time.

use std::collections::BTreeSet;
use std::net::IpAddr;

use conclave_signalling_core::settings::Network;
use conclave_turn_core::policy::{OpenConfig, OpenPolicy, canonical};
use thiserror::Error;

/// An entry of `webhooks.allow` that is neither a network nor a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is neither a host's name nor a network, such as `10.1.0.0/16`")]
pub struct BadAllow(pub String);

/// What may be called beyond what everybody may call.
#[derive(Debug, Clone)]
pub struct Guard {
    public: OpenPolicy,
    networks: Vec<Network>,
    names: BTreeSet<String>,
}

impl Default for Guard {
    /// Allows public addresses alone.
    fn default() -> Self {
        Guard::new([], []).expect("there is no entry that could be wrong")
    }
}

impl Guard {
    /// Allows public addresses that are not this machine's `own`, and what is
    /// in `allow`: networks, and names of hosts, whose addresses may then be private.
    ///
    /// # Errors
    /// The entry that cannot be read.
    pub fn new<'a>(
        allow: impl IntoIterator<Item = &'a str>,
        own: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Self, BadAllow> {
        let (mut networks, mut names) = (Vec::new(), BTreeSet::new());
        for entry in allow {
            match entry.parse::<Network>() {
                Ok(network) => networks.push(network),
                Err(_) if is_name(entry) => {
                    names.insert(entry.to_ascii_lowercase());
                }
                Err(_) => return Err(BadAllow(entry.to_owned())),
            }
        }
        let config = OpenConfig {
            // A firewall before this machine is not between it and itself.
            own: own.into_iter().collect(),
            ..OpenConfig::default()
        };
        let public = OpenPolicy::new(config);
        Ok(Guard {
            public: public.expect("there is no NAT64 prefix that could be wrong"),
            networks,
            names,
        })
    }

    /// Returns whether `address` may be called, to which `name` leads if one does.
    pub fn permits(&self, address: IpAddr, name: Option<&str>) -> bool {
        self.public.allows_address(address)
            || !is_never(address)
                && (self.allows_network(address) || name.is_some_and(|name| self.allows_name(name)))
    }

    /// Returns whether the operator named this host.
    pub fn allows_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns whether the operator named a network of this address.
    pub fn allows_network(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }

    /// Returns whether all of what `name` leads to may be called, and it leads somewhere.
    ///
    /// One address that may not be called is enough to say no: a name that leads to public and
    /// private addresses wants to be believed for the former.
    pub fn permits_all(&self, addresses: &[IpAddr], name: &str) -> bool {
        let permits = |address: &IpAddr| self.permits(*address, Some(name));
        !addresses.is_empty() && addresses.iter().all(permits)
    }
}

/// Returns whether no entry opens it: it is no machine, or the one that tells clouds' secrets.
fn is_never(address: IpAddr) -> bool {
    let canonical = canonical(address);
    let inside = canonical.embedded().iter().copied().map(IpAddr::V4);
    std::iter::once(canonical.address())
        .chain(inside)
        .any(is_no_host)
}

fn is_no_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            octets[0] == 0
                || octets[0] >= 224
                || v4.is_link_local()
                || matches!(octets, [100, 100, 100, 200] | [192, 0, 0, 192])
        }
        IpAddr::V6(v6) => {
            let metadata = [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254];
            v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6.segments() == metadata
        }
    }
}

fn is_name(entry: &str) -> bool {
    let is_character =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    // What ends with a number is an address that somebody mistyped.
    let last = entry.rsplit('.').next().unwrap_or_default();
    (1..=253).contains(&entry.len())
        && entry.bytes().all(is_character)
        && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_public_addresses_are_called_by_default() {
        let guard = Guard::default();
        for public in ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111"] {
            assert!(guard.permits(ip(public), Some("example.org")), "{public}");
        }
        for denied in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fe80::5efe:a00:1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!guard.permits(ip(denied), Some("example.org")), "{denied}");
        }
    }

    #[test]
    fn the_machine_itself_is_not_called_by_its_public_address() {
        let own = ip("93.184.215.14");
        assert!(!Guard::new([], [own]).unwrap().permits(own, None));
        let allowed = Guard::new(["93.184.215.14"], [own]).unwrap();
        assert!(allowed.permits(own, None), "unless on purpose");
    }

    #[test]
    fn an_operator_can_name_networks_and_hosts_but_not_what_tells_secrets() {
        let guard = Guard::new(["10.0.0.0/8", "::1", "Hooks.Internal"], []).unwrap();
        assert!(guard.permits(ip("10.9.9.9"), None));
        assert!(guard.permits(ip("::1"), None));
        assert!(!guard.permits(ip("192.168.1.1"), Some("other.internal")));
        assert!(guard.permits(ip("192.168.1.1"), Some("hooks.internal")));
        assert!(guard.permits(ip("127.0.0.1"), Some("hooks.internal")));
        let wide = Guard::new(["0.0.0.0/0", "::/0", "hooks.internal"], []).unwrap();
        for never in [
            "0.0.0.0",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "100.100.100.200",
            "224.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            assert!(!wide.permits(ip(never), Some("hooks.internal")), "{never}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0", "1.2.3.4.5", "a b", "http://x"] {
            let error = BadAllow(wrong.to_owned());
            assert_eq!(Guard::new([wrong], []).err(), Some(error));
        }
    }

    #[test]
    fn a_name_with_one_private_address_leads_nowhere() {
        let guard = Guard::default();
        let (public, other, private) = (ip("1.1.1.1"), ip("1.0.0.1"), ip("10.0.0.1"));
        assert!(guard.permits_all(&[public, other], "a.example"));
        assert!(!guard.permits_all(&[public, private], "a.example"));
        assert!(!guard.permits_all(&[private], "a.example"));
        assert!(!guard.permits_all(&[], "a.example"));
    }
}

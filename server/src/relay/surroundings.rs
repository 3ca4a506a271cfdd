//! What an open relay must not reach besides what is denied to all: this host, and what it talks
//! to. Hosts get other addresses while they run, so it is looked at again and again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use conclave_turn_core::policy::{OpenConfig, OpenPolicy, PeerPolicy, PrefixError};
use conclave_turn_node::{RelayHandle, RelayIp};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::OpenRules;
use crate::host::Machine;

/// For so long an address that this host has just got may be reached. A look reads the
/// kernel's lists of addresses and routes, which takes a fraction of a millisecond.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Whom a relay may reach that is open.
#[derive(Debug)]
pub(super) struct OpenReach {
    pub(super) rules: OpenRules,
    pub(super) allow_loopback: bool,
    /// From where it relays.
    pub(super) ips: Vec<RelayIp>,
}

impl OpenReach {
    /// Returns the addresses that are this host's and of what it talks to.
    ///
    /// # Errors
    /// When the kernel does not list its addresses.
    pub(super) fn look(&self) -> io::Result<BTreeSet<IpAddr>> {
        Ok(own_addresses(&Machine::look()?, &self.ips))
    }

    /// Returns the rules where `own` are such addresses.
    ///
    /// # Errors
    /// When a NAT64 prefix can be none.
    pub(super) fn policy(&self, own: &BTreeSet<IpAddr>) -> Result<PeerPolicy, PrefixError> {
        let OpenRules { deny, allow, nat64 } = self.rules.clone();
        let config = OpenConfig {
            own: own.iter().copied().collect(),
            deny,
            allow,
            nat64,
            allow_loopback: self.allow_loopback,
        };
        OpenPolicy::new(config).map(PeerPolicy::Open)
    }

    /// Looks again every some seconds, and lets the relay deny what was found, until it is told to stop.
    pub(super) async fn keep(
        self,
        mut own: BTreeSet<IpAddr>,
        relay: RelayHandle,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut reach = self;
        let mut every = interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                _ = every.tick() => {}
            }
            let relay = relay.clone();
            // Reads files, and may wait for room in the queue of the relay.
            let looked = tokio::task::spawn_blocking(move || {
                if let Some(policy) = reach.renewed(&mut own, reach.look()) {
                    tracing::info!(
                        addresses = own.len(),
                        "this host or what it talks to has other addresses: the relay denies them"
                    );
                    relay.set_policy(policy);
                }
                (reach, own)
            });
            match looked.await {
                Ok(kept) => (reach, own) = kept,
                Err(error) => {
                    tracing::error!(%error, "addresses of this host are not looked at any more");
                    return;
                }
            }
        }
    }

    /// Returns other rules if `found` is not what is known.
    fn renewed(
        &self,
        own: &mut BTreeSet<IpAddr>,
        found: io::Result<BTreeSet<IpAddr>>,
    ) -> Option<PeerPolicy> {
        let found = found
            .inspect_err(|error| tracing::warn!(%error, "cannot list the addresses of this host"))
            .ok()
            .filter(|found| found != own)?;
        // The prefixes were good before.
        let policy = self.policy(&found).ok()?;
        *own = found;
        Some(policy)
    }
}

fn own_addresses(machine: &Machine, ips: &[RelayIp]) -> BTreeSet<IpAddr> {
    let mut own: BTreeSet<IpAddr> = machine.addresses.iter().copied().collect();
    own.extend(ips.iter().flat_map(|ip| [ip.bound, ip.advertised]));
    // A host without such a file talks to nobody by it.
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    own.extend(resolvers_in(&read("/etc/resolv.conf")));
    own.extend(gateways_in(&read("/proc/net/route")));
    own.extend(gateways_v6_in(&read("/proc/net/ipv6_route")));
    // Loopback is denied to all, unless it was asked for.
    own.retain(|ip| !ip.is_loopback());
    own
}

fn resolvers_in(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        // An IPv6 address may name an interface.
        let address = words.next().filter(|_| is_server)?.split('%').next()?;
        address.parse().ok()
    })
}

/// Reads the gateways of the kernel's table of IPv4 routes: the third column, in the order of bytes
/// of the machine.
fn gateways_in(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().skip(1).filter_map(|line| {
        let gateway = line.split_whitespace().nth(2)?;
        let bits = u32::from_str_radix(gateway, 16)
            .ok()
            .filter(|bits| *bits != 0)?;
        Some(IpAddr::V4(Ipv4Addr::from(bits.to_ne_bytes())))
    })
}

/// Reads the gateways of the kernel's table of IPv6 routes: the fifth column, in the order of bytes
/// of the network. There is no line of headings.
fn gateways_v6_in(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| {
        let gateway = line.split_whitespace().nth(4)?;
        let bits = u128::from_str_radix(gateway, 16)
            .ok()
            .filter(|bits| *bits != 0)?;
        Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> BTreeSet<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn reach() -> OpenReach {
        OpenReach {
            rules: OpenRules {
                deny: vec!["8.8.0.0/16".parse().unwrap()],
                allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
                nat64: vec!["2a00:64::/96".parse().unwrap()],
            },
            allow_loopback: false,
            ips: vec![],
        }
    }

    #[test]
    fn an_address_that_this_host_gets_later_is_denied_from_then_on() {
        let reach = reach();
        let mut own = set(&["8.7.0.1"]);
        assert!(reach.renewed(&mut own, Ok(set(&["8.7.0.1"]))).is_none());
        let failed = Err(io::Error::other("no descriptors"));
        assert!(reach.renewed(&mut own, failed).is_none());
        assert_eq!(own, set(&["8.7.0.1"]));
        let found = set(&["8.7.0.1", "8.7.0.2", "2a00::2"]);
        let policy = reach.renewed(&mut own, Ok(found.clone())).unwrap();
        assert_eq!(own, found);
        let allows = |ip: &str| policy.allows_address(ip.parse().unwrap());
        for denied in ["8.7.0.1", "8.7.0.2", "2a00::2"] {
            assert!(!allows(denied), "{denied}");
        }
        assert!(allows("8.7.0.3") && allows("2a00::3"));
    }

    #[test]
    fn what_the_operator_says_holds_beside_the_built_in_rules() {
        let policy = reach().policy(&set(&["8.7.0.1"])).unwrap();
        let allows = |ip: &str| policy.allows_address(ip.parse().unwrap());
        // The last are 8.8.0.1, 10.0.0.1 and 8.7.0.1 behind the NAT64 of the operator.
        for denied in [
            "8.8.0.1",
            "10.0.0.1",
            "2a00:64::808:1",
            "2a00:64::a00:1",
            "2a00:64::807:1",
        ] {
            assert!(!allows(denied), "{denied}");
        }
        assert!(allows("8.9.0.1") && allows("2a00:64::809:1"));
    }

    #[test]
    fn resolvers_are_found_among_other_lines() {
        let text = "# x\nsearch example.org\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n";
        let found: Vec<String> = resolvers_in(text).map(|ip| ip.to_string()).collect();
        assert_eq!(found, ["192.0.2.53", "fe80::1"]);
    }

    #[test]
    fn gateways_are_read_as_the_kernel_writes_them() {
        let hex = format!("{:08X}", u32::from_ne_bytes([192, 0, 2, 1]));
        let text = format!(
            "Iface\tDestination\tGateway\tFlags\neth0\t00000000\t{hex}\t0003\neth0\t000200C0\t00000000\t0001\n"
        );
        let found: Vec<String> = gateways_in(&text).map(|ip| ip.to_string()).collect();
        assert_eq!(found, ["192.0.2.1"]);
        let none = "0".repeat(32);
        let text = format!(
            "{none} 00 {none} 00 20010db8000000000000000000000001 00000400 00000003 00000000 00000003     eth0\n\
             20010db8000000000000000000000000 40 {none} 00 {none} 00000100 00000001 00000000 00000001     eth0\n"
        );
        let found: Vec<String> = gateways_v6_in(&text).map(|ip| ip.to_string()).collect();
        assert_eq!(found, ["2001:db8::1"]);
    }
}

//! What this machine is called: its addresses and its name.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

/// This machine as the network sees it.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Every address of an interface that is up.
    pub(crate) addresses: Vec<IpAddr>,
    /// Its name, when it can stand in a URL.
    pub(crate) name: Option<String>,
}

impl Machine {
    /// Looks at the machine.
    ///
    /// # Errors
    /// When the kernel does not list its addresses.
    pub(crate) fn look() -> io::Result<Self> {
        Ok(Machine {
            addresses: addresses()?,
            name: name(),
        })
    }
}

/// Returns every address of an interface that is up, loopback included, each
/// once, IPv4 first, otherwise in the order of the kernel.
///
/// IPv6 link-local addresses are left out: they mean nothing without the name
/// of an interface, which no URL and no candidate carries.
fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut found: Vec<IpAddr> = Vec::new();
    for interface in getifaddrs()? {
        let Some(address) = interface
            .address
            .filter(|_| interface.flags.contains(InterfaceFlags::IFF_UP))
        else {
            continue;
        };
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        let v6 = address
            .as_sockaddr_in6()
            .map(|v6| v6.ip())
            .filter(|ip| !is_link_local(*ip))
            .map(IpAddr::V6);
        found.extend(v4.or(v6).filter(|ip| !found.contains(ip)));
    }
    found.sort_by_key(IpAddr::is_ipv6);
    Ok(found)
}

/// Returns the name of this machine when it can stand in a URL.
fn name() -> Option<String> {
    let name = nix::unistd::gethostname()
        .ok()?
        .into_string()
        .ok()?
        .to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let usable = !name.is_empty() && name != "localhost" && name.bytes().all(allowed);
    usable.then_some(name)
}

fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_address_is_among_those_that_are_up_and_none_is_twice() {
        let all = addresses().unwrap();
        assert!(all.contains(&IpAddr::from([127, 0, 0, 1])));
        assert!(
            all.iter()
                .enumerate()
                .all(|(index, address)| !all[..index].contains(address))
        );
    }

    #[test]
    fn link_local_is_fe80_to_febf() {
        assert!(is_link_local("febf::1".parse().unwrap()));
        assert!(!is_link_local("fec0::1".parse().unwrap()));
    }
}

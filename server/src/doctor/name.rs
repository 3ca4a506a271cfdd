//! Whether the public name leads here.

use std::net::{IpAddr, ToSocketAddrs};

use super::finding::Finding;
use crate::config::{Config, MediaIp};

/// The public name and where it leads.
#[derive(Debug)]
pub(super) enum Name {
    /// There is none: the server is for this machine.
    Local,
    /// It is an address.
    Address(IpAddr),
    /// It is a name, and this is what the system makes of it.
    Host {
        host: String,
        resolved: Result<Vec<IpAddr>, String>,
    },
}

impl Name {
    /// Returns where it leads, as far as that is known.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        match self {
            Name::Local
            | Name::Host {
                resolved: Err(_), ..
            } => &[],
            Name::Address(address) => std::slice::from_ref(address),
            Name::Host {
                resolved: Ok(addresses),
                ..
            } => addresses,
        }
    }
}

/// Asks the system for the addresses of the public name.
pub(super) fn look(config: &Config) -> Name {
    let Some(url) = &config.public_url else {
        return Name::Local;
    };
    let host = url.host().trim_matches(['[', ']']);
    if let Ok(address) = host.parse() {
        return Name::Address(address);
    }
    let resolved = (host, 0).to_socket_addrs();
    let resolved = resolved.map_err(|error| error.to_string()).map(|found| {
        let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        addresses.sort();
        addresses.dedup();
        addresses
    });
    Name::Host {
        host: host.to_owned(),
        resolved,
    }
}

/// Says whether the name leads to this machine.
pub(super) fn judge(name: &Name, own: &[IpAddr], media_ips: &[MediaIp]) -> Vec<Finding> {
    let is_ours = |address: &IpAddr| {
        own.contains(address) || media_ips.iter().any(|ip| ip.advertised == *address)
    };
    let finding = match name {
        Name::Local => Finding::notice(
            "name",
            "there is no `public_url`: browsers on this machine alone",
            "set --public-url https://NAME when others shall join",
        ),
        Name::Address(address) if is_ours(address) => Finding::ok(
            "name",
            format!("`public_url` is {address}, an address of this machine"),
        ),
        Name::Address(address) => elsewhere(&address.to_string(), &[*address]),
        Name::Host {
            host,
            resolved: Err(error),
        } => Finding::error(
            "name",
            format!("`{host}` has no address: {error}"),
            format!("make an A record (and AAAA with IPv6) for {host} that names this server"),
        ),
        Name::Host {
            host,
            resolved: Ok(addresses),
        } => {
            let others: Vec<IpAddr> = addresses
                .iter()
                .copied()
                .filter(|ip| !is_ours(ip))
                .collect();
            if others.is_empty() {
                Finding::ok("name", format!("`{host}` leads to this machine"))
            } else if others.len() < addresses.len() {
                Finding::warning(
                    "name",
                    format!("`{host}` leads here and also to {}", list(&others)),
                    "remove the record that is not this server's: browsers try both",
                )
            } else {
                elsewhere(host, addresses)
            }
        }
    };
    vec![finding]
}

fn elsewhere(host: &str, addresses: &[IpAddr]) -> Finding {
    if addresses.iter().all(IpAddr::is_loopback) {
        return Finding::warning(
            "name",
            format!(
                "`{host}` leads to {}, which each browser takes for itself",
                list(addresses)
            ),
            "give it an address that others reach (look into /etc/hosts as well)",
        );
    }
    let example = addresses
        .first()
        .map_or_else(String::new, ToString::to_string);
    Finding::warning(
        "name",
        format!(
            "`{host}` leads to {}, which is no address of this machine",
            list(addresses)
        ),
        format!(
            "behind NAT say --media-ip BOUND={example} and forward the ports; behind a proxy see \
             docs/reverse-proxy.md; else correct the record"
        ),
    )
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    const OWN: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5))];

    fn host(resolved: Result<&[&str], &str>) -> Name {
        Name::Host {
            host: "meet.example.org".to_owned(),
            resolved: resolved
                .map(|texts| texts.iter().map(|text| text.parse().unwrap()).collect())
                .map_err(str::to_owned),
        }
    }

    fn level(name: &Name, media_ips: &[MediaIp]) -> Level {
        judge(name, &OWN, media_ips)[0].level
    }

    #[test]
    fn a_name_leads_here_elsewhere_both_ways_or_nowhere() {
        assert_eq!(level(&host(Ok(&["10.0.0.5"])), &[]), Level::Ok);
        assert_eq!(level(&host(Ok(&["10.0.0.6"])), &[]), Level::Warning);
        assert_eq!(
            level(&host(Ok(&["10.0.0.5", "10.0.0.6"])), &[]),
            Level::Warning
        );
        assert_eq!(level(&host(Err("no such name")), &[]), Level::Error);
        assert_eq!(level(&Name::Local, &[]), Level::Notice);
    }

    #[test]
    fn an_advertised_address_is_ours() {
        let media = [MediaIp::parse("10.0.0.5=203.0.113.7").unwrap()];
        assert_eq!(level(&host(Ok(&["203.0.113.7"])), &media), Level::Ok);
        assert_eq!(
            level(&Name::Address([203, 0, 113, 7].into()), &media),
            Level::Ok
        );
        assert_eq!(
            level(&Name::Address([203, 0, 113, 7].into()), &[]),
            Level::Warning
        );
    }
}

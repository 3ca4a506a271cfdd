//! Whether the addresses that clients are told for media can be reached.

use std::net::{IpAddr, Ipv4Addr};

use super::finding::Finding;
use crate::config::MediaIp;

/// Says what is wrong with the media addresses. `public` is where the public
/// name leads, as far as that is known.
pub(super) fn judge(media_ips: &[MediaIp], own: &[IpAddr], public: &[IpAddr]) -> Vec<Finding> {
    if media_ips.is_empty() {
        return vec![Finding::error(
            "addresses",
            "this machine has no address for media but loopback",
            "bring a network up, name an address with --media-ip, or try with --dev",
        )];
    }
    let mut found: Vec<Finding> = media_ips
        .iter()
        .filter(|ip| !ip.bound.is_unspecified() && !own.contains(&ip.bound))
        .map(|ip| {
            Finding::error(
                "addresses",
                format!(
                    "--media-ip binds {}, which this machine does not have",
                    ip.bound
                ),
                format!("name one that it has: {}", list(own)),
            )
        })
        .collect();
    let only_private = media_ips.iter().all(|ip| !is_public(ip.advertised));
    let target = public.iter().find(|address| is_public(**address));
    if let Some(target) = target.filter(|_| only_private) {
        let bound = media_ips
            .first()
            .map_or_else(String::new, |ip| ip.bound.to_string());
        found.push(Finding::warning(
            "addresses",
            "the public name is reached from everywhere, but clients are told private addresses for media: \
             from outside all media goes through the relay",
            format!("say --media-ip {bound}={target} and forward the UDP ports for media"),
        ));
    }
    if found.is_empty() {
        let told: Vec<IpAddr> = media_ips.iter().map(|ip| ip.advertised).collect();
        found.push(Finding::ok(
            "addresses",
            format!("clients are told {} for media", list(&told)),
        ));
    }
    found
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Returns whether an address can be reached from everywhere, as far as its form tells.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let is_shared =
                (u32::from(v4) & 0xffc0_0000) == u32::from(Ipv4Addr::new(100, 64, 0, 0));
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared)
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            !(v6.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn ip(text: &str) -> MediaIp {
        MediaIp::parse(text).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_bound_address_must_be_of_this_machine() {
        let own = [address("10.0.0.5")];
        assert_eq!(judge(&[ip("10.0.0.5")], &own, &[])[0].level, Level::Ok);
        assert_eq!(
            judge(&[ip("0.0.0.0=192.0.2.9")], &own, &[])[0].level,
            Level::Ok
        );
        let found = judge(&[ip("10.0.0.6")], &own, &[]);
        assert_eq!(found[0].level, Level::Error);
        assert!(found[0].cure.as_ref().unwrap().contains("10.0.0.5"));
        assert_eq!(judge(&[], &own, &[])[0].level, Level::Error);
    }

    #[test]
    fn private_addresses_behind_a_public_name_are_told() {
        let own = [address("10.0.0.5")];
        let public = [address("198.51.100.7")];
        let found = judge(&[ip("10.0.0.5")], &own, &public);
        assert_eq!(found[0].level, Level::Warning);
        assert!(
            found[0]
                .cure
                .as_ref()
                .unwrap()
                .contains("10.0.0.5=198.51.100.7")
        );
        assert_eq!(
            judge(&[ip("10.0.0.5=198.51.100.7")], &own, &public)[0].level,
            Level::Ok
        );
        // In a network of one's own the name is private as well.
        assert_eq!(
            judge(&[ip("10.0.0.5")], &own, &[address("10.0.0.5")])[0].level,
            Level::Ok
        );
        for private in ["100.64.0.1", "172.31.0.1", "fd00::1", "::1", "169.254.1.1"] {
            assert!(!is_public(address(private)), "{private}");
        }
        assert!(is_public(address("100.128.0.1")) && is_public(address("2a00::1")));
    }
}

//! Networks within networks.

use std::net::IpAddr;

use conclave_signalling_core::settings::Network;

/// Returns whether every address of `inner` is in `outer`.
pub fn is_within(inner: &Network, outer: &Network) -> bool {
    match (span(inner), span(outer)) {
        (Some(inner), Some(outer)) => {
            inner.is_v4 == outer.is_v4
                && inner.bits >= outer.bits
                && inner.address & outer.mask() == outer.address & outer.mask()
        }
        _ => false,
    }
}

/// Returns what is in both lists: of two networks, one is in the other or they
/// have nothing in common.
pub fn common(one: &[Network], other: &[Network]) -> Vec<Network> {
    let mut both: Vec<Network> = Vec::new();
    for a in one {
        for b in other {
            let narrower = match () {
                () if is_within(a, b) => *a,
                () if is_within(b, a) => *b,
                () => continue,
            };
            if !both.contains(&narrower) {
                both.push(narrower);
            }
        }
    }
    both
}

/// A network as a number; of 128 bits for both families.
struct Span {
    is_v4: bool,
    address: u128,
    bits: u32,
}

impl Span {
    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - self.bits).unwrap_or(0)
    }
}

/// Reads a network back from its text, which is all that it shows of itself.
fn span(network: &Network) -> Option<Span> {
    let text = network.to_string();
    let (address, bits) = text.split_once('/')?;
    let bits: u32 = bits.parse().ok()?;
    let (is_v4, address) = match address.parse().ok()? {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (false, address.to_bits()),
    };
    Some(Span {
        is_v4,
        address,
        bits,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_is_within_a_wider_one_of_its_family() {
        for (inner, outer, expected) in [
            ("192.0.2.0/25", "192.0.2.0/24", true),
            ("192.0.2.0/24", "192.0.2.0/25", false),
            ("192.0.2.9", "192.0.2.0/24", true),
            ("198.51.100.0/24", "192.0.2.0/24", false),
            ("192.0.2.0/24", "0.0.0.0/0", true),
            ("192.0.2.0/24", "::/0", false),
            ("::ffff:192.0.2.0/90", "0.0.0.0/0", false),
            ("2001:db8:1::/48", "2001:db8::/32", true),
            ("::/0", "::/0", true),
        ] {
            assert_eq!(
                is_within(&network(inner), &network(outer)),
                expected,
                "{inner} {outer}"
            );
        }
    }

    fn networks() -> impl Strategy<Value = Network> {
        let v4 = (0u32..4, 0u8..=32).prop_map(|(high, bits)| {
            format!("{}/{bits}", Ipv4Addr::from_bits(high << 30 | 0x0a00))
                .parse()
                .unwrap()
        });
        let v6 = (0u128..4, 0u8..=128).prop_map(|(high, bits)| {
            format!("{}/{bits}", Ipv6Addr::from_bits(high << 126 | 0x0a00))
                .parse()
                .unwrap()
        });
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn an_address_is_in_what_is_common_if_it_is_in_both(
            one in prop::collection::vec(networks(), 1..4),
            other in prop::collection::vec(networks(), 1..4),
            bits: u128,
            is_v4: bool,
        ) {
            let address = if is_v4 {
                IpAddr::V4(Ipv4Addr::from_bits(bits as u32))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            };
            let holds = |list: &[Network]| list.iter().any(|network| network.contains(address));
            prop_assert_eq!(holds(&common(&one, &other)), holds(&one) && holds(&other));
        }
    }
}

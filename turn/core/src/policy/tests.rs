use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;

use super::rule::{PeerList, PeerRule, RuleError};
use super::tables::{DENIED_PORTS, DENIED_V4, DENIED_V6, NEVER};
use super::*;

const PORT: u16 = 40_000;

/// CVE-2018-4058: coturn relayed to loopback unless told not to.
#[test]
fn loopback_is_denied_by_default() {
    let open = open();
    for address in ["127.0.0.1", "127.255.255.254", "::1"] {
        assert!(!open.allows_address(ip(address)), "{address}");
        assert!(!allows(&open, ip(address)), "{address}");
    }
    let wide = closed(&["0.0.0.0/0", "::/0"]);
    assert!(!wide.allows_address(ip("127.0.0.1")) && !wide.allows_address(ip("::1")));
}

/// CVE-2020-26262: 0.0.0.0, :: and ::1 as a peer reached loopback.
#[test]
fn unspecified_addresses_are_denied() {
    for policy in [open(), closed(&["0.0.0.0/0", "::/0"])] {
        for address in ["0.0.0.0", "0.0.0.1", "::", "::1", "::ffff:0.0.0.0"] {
            assert!(!policy.allows_address(ip(address)), "{address}");
            assert!(!allows(&policy, ip(address)), "{address}");
        }
    }
}

/// CVE-2026-27624: ::ffff:127.0.0.1 passed coturn's deny list.
#[test]
fn a_mapped_address_is_denied_whatever_is_in_it() {
    for policy in [open(), closed(&["0.0.0.0/0", "::/0"])] {
        for inside in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"] {
            let address = ip(&format!("::ffff:{inside}"));
            assert!(!policy.allows_address(address), "{address}");
            assert!(!allows(&policy, address), "{address}");
        }
    }
}

/// The follow-ups of June 2026: link-local, unique-local and metadata were open by default, ::1 was tested before mapped.
#[test]
fn link_local_private_and_metadata_addresses_are_denied() {
    let open = open();
    let denied = [
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "192.0.0.8",
        "100:0:0:1::1",
        "10.1.2.3",
        "172.31.255.255",
        "192.168.178.1",
        "fe80::1",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        "ff02::fb",
        "224.0.0.251",
        "255.255.255.255",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:0:808:808::1",
        "2001:db8::1",
        "3fff::1",
        "2a00::5efe:808:808",
        "2a00::200:5efe:808:808",
    ];
    for address in denied {
        assert!(!open.allows_address(ip(address)), "{address}");
        assert!(!allows(&open, ip(address)), "{address}");
    }
    for address in [
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "2a00:1450::1",
        "2620:4f:8001::1",
    ] {
        assert!(open.allows_address(ip(address)), "{address}");
        assert!(allows(&open, ip(address)), "{address}");
    }
}

/// July 2026: coturn compared IPv6 ranges byte by byte, and its deny ranges were full of holes.
#[test]
fn no_denied_prefix_has_a_hole_or_a_fringe() {
    let policy = open();
    let denied = |address: IpAddr| {
        DENIED_V4
            .iter()
            .chain(DENIED_V6)
            .any(|prefix| prefix.contains(address))
    };
    for prefix in DENIED_V4.iter().chain(DENIED_V6) {
        let (first, last) = (prefix.first(), prefix.last());
        assert!(
            !policy.allows_address(first) && !policy.allows_address(last),
            "{prefix}"
        );
        for neighbour in [before(first), after(last)].into_iter().flatten() {
            // The neighbour is denied only if it is in another prefix of the table.
            assert_eq!(
                policy.allows_address(neighbour),
                !denied(neighbour),
                "{neighbour} beside {prefix}"
            );
        }
        for share in 1..64u128 {
            assert!(
                !policy.allows_address(part_of(prefix, share)),
                "{share}/64 of {prefix}"
            );
        }
    }
}

#[test]
fn the_tables_are_those_of_the_specification() {
    let specified = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 \
        192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 \
        203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32 ::/128 ::1/128 ::/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 \
        2001::/23 2001::/32 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8";
    let policy = open();
    for text in specified.split_whitespace() {
        let prefix: Prefix = text.parse().unwrap();
        assert_eq!(prefix.to_string(), text);
        for share in 0..=64 {
            assert!(
                !policy.allows_address(part_of(&prefix, share)),
                "{share}/64 of {prefix}"
            );
        }
    }
    assert!(DENIED_PORTS.is_sorted());
    for prefix in NEVER {
        assert!(!policy.allows_address(prefix.first()) && !policy.allows_address(prefix.last()));
    }
}

#[test]
fn low_ports_and_known_services_are_denied() {
    let policy = open();
    for port in [
        0, 1, 19, 53, 123, 161, 389, 443, 1023, 1900, 3478, 5060, 5353, 11_211, 47_808,
    ] {
        assert!(
            !policy.allows(PeerAddr(SocketAddr::new(ip("8.8.8.8"), port))),
            "{port}"
        );
    }
    for port in [1024, 3480, 10_000, 49_152, 65_535] {
        assert!(
            policy.allows(PeerAddr(SocketAddr::new(ip("8.8.8.8"), port))),
            "{port}"
        );
    }
}

#[test]
fn own_addresses_are_denied_also_inside_others() {
    let config = OpenConfig {
        own: vec![ip("198.41.0.4"), ip("::ffff:198.41.0.5"), ip("2a00:1::1")],
        deny: vec!["199.7.0.0/16".parse().unwrap()],
        nat64: vec![
            "2a00:64::/96".parse().unwrap(),
            "2a00:6400::/40".parse().unwrap(),
        ],
        ..OpenConfig::default()
    };
    let policy = PeerPolicy::Open(OpenPolicy::new(config).unwrap());
    let denied = [
        "198.41.0.4",
        "198.41.0.5",
        "2a00:1::1",
        "199.7.83.42",
        // Behind the gateway of this network, by 96 and by 40 bits of prefix.
        "2a00:64::198.41.0.4",
        "2a00:64::10.0.0.1",
        "2a00:6400:a:0:1::",
    ];
    for address in denied {
        assert!(!policy.allows_address(ip(address)), "{address}");
    }
    for address in [
        "198.41.0.6",
        "2a00:1::2",
        "2a00:64::8.8.8.8",
        "2a00:6400:8:808:8::",
    ] {
        assert!(policy.allows_address(ip(address)), "{address}");
    }
    for text in ["2a00::/33", "10.0.0.0/8", "::/0"] {
        let nat64 = vec![text.parse().unwrap()];
        assert!(
            OpenPolicy::new(OpenConfig {
                nat64,
                ..OpenConfig::default()
            })
            .is_err(),
            "{text}"
        );
    }
}

#[test]
fn an_allowed_network_is_a_further_limit_and_undoes_no_denial() {
    let config = OpenConfig {
        allow: vec![rule("0.0.0.0/0:1-2000"), rule("[::]/0:1-2000")],
        ..OpenConfig::default()
    };
    let policy = PeerPolicy::Open(OpenPolicy::new(config).unwrap());
    let allows = |text: &str| policy.allows(PeerAddr(text.parse().unwrap()));
    assert!(allows("8.8.8.8:1500") && allows("[2a00::1]:1500"));
    assert!(!allows("8.8.8.8:2001") && !allows("8.8.8.8:53"));
    assert!(!allows("10.0.0.1:1500") && !allows("[::ffff:8.8.8.8]:1500"));
}

#[test]
fn loopback_can_be_allowed_for_tests_as_itself_only() {
    let config = OpenConfig {
        allow_loopback: true,
        ..OpenConfig::default()
    };
    let policy = PeerPolicy::Open(OpenPolicy::new(config).unwrap());
    assert!(policy.allows_address(ip("127.0.0.1")) && policy.allows_address(ip("::1")));
    assert!(policy.allows(PeerAddr("127.0.0.1:3480".parse().unwrap())));
    assert!(!policy.allows(PeerAddr("127.0.0.1:53".parse().unwrap())));
    for address in [
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        assert!(!policy.allows_address(ip(address)), "{address}");
    }
}

/// LiveKit's relay reached everything at first. A list that says nothing reaches nothing.
#[test]
fn an_empty_list_reaches_nothing() {
    for policy in [PeerPolicy::Closed(PeerList::default()), closed(&[])] {
        assert!(!policy.allows_address(ip("8.8.8.8")));
        assert!(!allows(&policy, ip("8.8.8.8")));
    }
}

/// A permission has no port; other ports of the SFU's host must be out of reach all the same.
#[test]
fn our_own_address_is_reached_at_media_ports_only() {
    let list = PeerList::exact(
        ["127.0.0.1:10000", "192.0.2.1:10001", "[2001:db8::1]:10001"]
            .map(|text| text.parse().unwrap()),
    );
    let policy = PeerPolicy::Closed(list);
    let allows = |text: &str| policy.allows(PeerAddr(text.parse().unwrap()));
    assert!(
        allows("127.0.0.1:10000") && allows("192.0.2.1:10001") && allows("[2001:db8::1]:10001")
    );
    for other in [
        "127.0.0.1:10001",
        "192.0.2.1:10000",
        "192.0.2.1:0",
        "192.0.2.2:10001",
        "[2001:db8::1]:443",
        "[::ffff:192.0.2.1]:10001",
    ] {
        assert!(!allows(other), "{other}");
    }
    assert!(policy.allows_address(ip("192.0.2.1")) && !policy.allows_address(ip("192.0.2.2")));
}

#[test]
fn a_list_is_prefixes_and_ports() {
    let policy = closed(&[
        "10.0.0.0/8:5000-6000",
        "[2001:db8::]/32:443",
        "192.0.2.7",
        "2a00::/16",
    ]);
    let allows = |text: &str| policy.allows(PeerAddr(text.parse().unwrap()));
    assert!(allows("10.0.0.0:5000") && allows("10.255.255.255:6000"));
    assert!(!allows("10.0.0.0:4999") && !allows("10.0.0.0:6001"));
    assert!(!allows("9.255.255.255:5000") && !allows("11.0.0.0:5000"));
    assert!(
        allows("[2001:db8:ffff::1]:443")
            && !allows("[2001:db8::1]:444")
            && !allows("[2001:db9::1]:443")
    );
    assert!(allows("192.0.2.7:1") && allows("192.0.2.7:65535") && !allows("192.0.2.7:0"));
    assert!(allows("[2a00:1::1]:53"));
}

#[test]
fn an_address_inside_another_must_be_on_the_list_too() {
    let wide = closed(&["::/0", "8.8.8.0/24"]);
    assert!(wide.allows_address(ip("64:ff9b::8.8.8.8")));
    for address in [
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::1",
        "2a00::5efe:7f00:1",
        "::127.0.0.1",
    ] {
        assert!(!wide.allows_address(ip(address)), "{address}");
    }
    // Somebody whose SFU has a 6to4 address names it.
    assert!(closed(&["2002:a00:1::1"]).allows_address(ip("2002:a00:1::1")));
}

#[test]
fn a_wide_list_covers_no_metadata_service() {
    let wide = closed(&["0.0.0.0/0", "::/0"]);
    for address in [
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "64:ff9b::a9fe:a9fe",
    ] {
        assert!(!wide.allows_address(ip(address)), "{address}");
        assert!(!allows(&wide, ip(address)), "{address}");
    }
}

#[test]
fn a_list_covers_loopback_if_tests_ask_for_it() {
    for rules in [["127.0.0.0/8", "::1"], ["0.0.0.0/0", "::/0"]] {
        let rules = rules.map(rule).to_vec();
        let policy = PeerPolicy::Closed(PeerList::new(rules, true).unwrap());
        assert!(allows(&policy, ip("127.0.0.1")) && allows(&policy, ip("::1")));
        assert!(!allows(&policy, ip("::ffff:127.0.0.1")) && !allows(&policy, ip("0.0.0.0")));
    }
}

#[test]
fn a_rule_for_an_address_that_is_no_peer_is_refused() {
    for text in [
        "127.0.0.1:5000",
        "0.0.0.0",
        "::1",
        "169.254.0.0/16",
        "fe80::/64",
        "ff02::fb",
        "224.0.0.0/4",
    ] {
        let refused = PeerList::new(vec![rule(text)], false);
        assert!(matches!(refused, Err(RuleError::Never(_))), "{text}");
    }
    assert!(PeerList::new(vec![rule("127.0.0.1:5000"), rule("::1")], true).is_ok());
    assert!(PeerList::new(vec![rule("0.0.0.0")], true).is_err());
}

#[test]
fn a_rule_is_read_and_its_errors_say_what_is_wrong() {
    let good = [
        ("10.0.0.0/8:5000-6000", "10.0.0.0/8", 5000..=6000),
        ("10.0.0.0/8", "10.0.0.0/8", 1..=65_535),
        ("192.0.2.7:443", "192.0.2.7/32", 443..=443),
        ("[2001:db8::]/32:443", "2001:db8::/32", 443..=443),
        ("[2001:db8::7]:1-2", "2001:db8::7/128", 1..=2),
        ("[2001:db8::7]", "2001:db8::7/128", 1..=65_535),
        ("2001:db8::/32", "2001:db8::/32", 1..=65_535),
        ("0.0.0.0/0:1024-65535", "0.0.0.0/0", 1024..=65_535),
    ];
    for (text, prefix, ports) in good {
        assert_eq!(
            rule(text),
            PeerRule {
                prefix: prefix.parse().unwrap(),
                ports
            },
            "{text}"
        );
    }
    let bad = [
        ("", "`` is no IP address"),
        ("sfu.example:443", "`sfu.example` is no IP address"),
        (
            "10.1.2.3/8",
            "`10.1.2.3/8` has bits beyond its prefix; the network is 10.0.0.0/8",
        ),
        (
            "10.0.0.0/33",
            "`33` is no prefix length (0 to 32 for IPv4, 0 to 128 for IPv6)",
        ),
        (
            "10.0.0.0/",
            "`` is no prefix length (0 to 32 for IPv4, 0 to 128 for IPv6)",
        ),
        (
            "10.0.0.0/+8",
            "`+8` is no prefix length (0 to 32 for IPv4, 0 to 128 for IPv6)",
        ),
        (
            "::ffff:10.0.0.1",
            "`::ffff:10.0.0.1` is an IPv4 address in IPv6 form; write it as IPv4",
        ),
        (
            "10.0.0.1:0",
            "`0` is no port or range of ports (1 to 65535, as in `5000` or `5000-6000`)",
        ),
    ];
    for (text, error) in bad {
        assert_eq!(text.parse::<PeerRule>().unwrap_err().to_string(), error);
    }
    for text in [
        "[2001:db8::]32:443",
        "[2001:db8::",
        "[10.0.0.1]:443",
        "[]:443",
        "2001:db8::]:443",
        "[::1]]:443",
    ] {
        assert!(text.parse::<PeerRule>().is_err(), "{text}");
    }
}

/// coturn read port options by `atoi`: signs, spaces, letters and overflow passed.
#[test]
fn a_port_is_digits_and_nothing_else() {
    for ports in [
        "80x",
        "+80",
        "-1",
        " 80",
        "80 ",
        "70000",
        "",
        "1-",
        "-",
        "1-2-3",
        "6000-5000",
        "0-10",
        "0x50",
    ] {
        let text = format!("10.0.0.1:{ports}");
        assert!(
            matches!(text.parse::<PeerRule>(), Err(RuleError::Ports(_))),
            "{text}"
        );
    }
}

#[test]
fn every_embedding_is_seen() {
    let inside = Ipv4Addr::new(1, 2, 3, 4);
    for address in embeddings(inside, 0xdead_beef_cafe) {
        let canonical = canonical(IpAddr::V6(address));
        let seen =
            canonical.address() == IpAddr::V4(inside) || canonical.embedded().contains(&inside);
        assert!(seen, "{address}");
    }
    assert!(canonical(ip("2a00:1450::1")).embedded().is_empty());
    assert!(canonical(ip("1.2.3.4")).embedded().is_empty());
}

proptest! {
    /// pion asked its permission handler for UDP and forgot Connect; here all paths ask one function, so it has to be right.
    #[test]
    fn every_embedding_of_a_denied_address_is_denied(
        which in 0..DENIED_V4.len(),
        share in 0..=64u128,
        noise: u128,
        port: u16,
    ) {
        let IpAddr::V4(inside) = part_of(&DENIED_V4[which], share) else { unreachable!() };
        let wide = closed(&["::/0"]);
        let by_gateway = OpenConfig {
            nat64: [32, 40, 48, 56, 64, 96].map(|length| Prefix::v6(Ipv6Addr::from_bits(GATEWAY << 96), length)).to_vec(),
            ..OpenConfig::default()
        };
        let by_gateway = PeerPolicy::Open(OpenPolicy::new(by_gateway).unwrap());
        for address in embeddings(inside, noise) {
            let address = IpAddr::V6(address);
            for policy in [&open(), &wide, &by_gateway] {
                prop_assert!(!policy.allows_address(address), "{}", address);
                prop_assert!(!policy.allows(PeerAddr(SocketAddr::new(address, port))), "{}", address);
            }
        }
        for length in [32, 40, 48, 56, 64, 96] {
            let address = IpAddr::V6(behind(GATEWAY << 96, length, inside));
            prop_assert!(!by_gateway.allows_address(address), "{}", address);
        }
    }

    #[test]
    fn what_may_be_reached_at_a_port_may_be_permitted(bits: u128, four: bool, port: u16) {
        let address = if four {
            IpAddr::V4(Ipv4Addr::from_bits(bits as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        };
        for policy in [open(), closed(&["0.0.0.0/1", "[8000::]/1:5000-50000"])] {
            let reached = policy.allows(PeerAddr(SocketAddr::new(address, port)));
            prop_assert!(!reached || policy.allows_address(address));
        }
    }

    #[test]
    fn the_merged_ranges_deny_what_the_tables_deny(bits: u32, six: u128) {
        let v4 = IpAddr::V4(Ipv4Addr::from_bits(bits));
        prop_assert_eq!(open().allows_address(v4), !DENIED_V4.iter().any(|prefix| prefix.contains(v4)));
        let v6 = IpAddr::V6(Ipv6Addr::from_bits(six));
        if DENIED_V6.iter().any(|prefix| prefix.contains(v6)) {
            prop_assert!(!open().allows_address(v6));
        }
    }

    #[test]
    fn a_prefix_comes_back_from_its_text(bits: u128, length in 0..=128u32, four: bool) {
        let prefix = if four {
            Prefix::v4(Ipv4Addr::from_bits(bits as u32), length.min(32))
        } else {
            Prefix::v6(Ipv6Addr::from_bits(bits), length)
        };
        match prefix.to_string().parse() {
            Ok(again) => prop_assert_eq!(prefix, again),
            Err(error) => prop_assert!(matches!(error, PrefixError::Mapped(_))),
        }
    }

    #[test]
    fn no_text_is_a_panic(text: String, shaped in "[\\[\\]0-9a-f:./-]{0,40}") {
        let _ = (text.parse::<PeerRule>(), shaped.parse::<PeerRule>());
        let _ = (text.parse::<Prefix>(), shaped.parse::<Prefix>());
    }
}

/// The upper 32 bits of NAT64 prefixes of somebody's own.
const GATEWAY: u128 = 0x2a00_0064;

/// Every IPv6 address that a gateway could turn into `inside`; what is free in it is taken from `noise`.
fn embeddings(inside: Ipv4Addr, noise: u128) -> Vec<Ipv6Addr> {
    let v4 = u128::from(inside.to_bits());
    let low = |bits: u32| noise & ((1 << bits) - 1);
    let mut all = vec![
        v4,
        0xffff << 32 | v4,
        0xffff << 48 | v4,
        0x0064_ff9b << 96 | v4,
        0x2002 << 112 | v4 << 80 | low(80),
        // Teredo: the server in the clear, the client with all bits turned.
        0x2001_0000 << 96 | v4 << 64 | low(64),
        0x2001_0000 << 96 | low(64) << 32 | (v4 ^ 0xffff_ffff),
        // ISATAP under a prefix of anybody's, local and universal.
        0x2a00_1450 << 96 | low(32) << 64 | 0x0000_5efe << 32 | v4,
        0x2a00_1450 << 96 | low(32) << 64 | 0x0200_5efe << 32 | v4,
        0xfe80 << 112 | 0x0000_5efe << 32 | v4,
    ];
    for length in [48, 56, 64, 96] {
        let address = behind(0x0064_ff9b_0001 << 80, length, inside);
        all.push(address.to_bits());
    }
    all.into_iter().map(Ipv6Addr::from_bits).collect()
}

/// Writes `inside` behind a NAT64 prefix byte by byte, as the table of RFC 6052, section 2.2, shows it.
fn behind(prefix: u128, length: usize, inside: Ipv4Addr) -> Ipv6Addr {
    let mut bytes = prefix.to_be_bytes();
    let places: [usize; 4] = match length {
        32 => [4, 5, 6, 7],
        40 => [5, 6, 7, 9],
        48 => [6, 7, 9, 10],
        56 => [7, 9, 10, 11],
        64 => [9, 10, 11, 12],
        _ => [12, 13, 14, 15],
    };
    for (place, byte) in places.into_iter().zip(inside.octets()) {
        bytes[place] = byte;
    }
    Ipv6Addr::from(bytes)
}

/// Returns the address at `share`/64 of a prefix, its last one at 64.
fn part_of(prefix: &Prefix, share: u128) -> IpAddr {
    match prefix {
        _ if share == 64 => prefix.last(),
        Prefix::V4(first, last) => {
            let step = u128::from(last - first) * share / 64;
            IpAddr::V4(Ipv4Addr::from_bits(first + step as u32))
        }
        Prefix::V6(first, last) => {
            IpAddr::V6(Ipv6Addr::from_bits(first + (last - first) / 64 * share))
        }
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits().checked_sub(1)?)),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits().checked_sub(1)?)),
    })
}

fn after(address: IpAddr) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits().checked_add(1)?)),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits().checked_add(1)?)),
    })
}

fn open() -> PeerPolicy {
    PeerPolicy::Open(OpenPolicy::new(OpenConfig::default()).unwrap())
}

fn closed(rules: &[&str]) -> PeerPolicy {
    let rules = rules.iter().map(|text| rule(text)).collect();
    PeerPolicy::Closed(PeerList::new(rules, false).unwrap())
}

fn allows(policy: &PeerPolicy, address: IpAddr) -> bool {
    policy.allows(PeerAddr(SocketAddr::new(address, PORT)))
}

fn rule(text: &str) -> PeerRule {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

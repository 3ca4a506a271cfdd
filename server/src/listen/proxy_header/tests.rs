use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// Reads as the node does: no byte more than is asked for. Returns the length
/// of the header too; `None` where more is needed than there is.
fn read(input: &[u8]) -> Result<Option<(usize, Option<Ends>)>, Malformed> {
    let mut end = 0;
    loop {
        match look(&input[..end])? {
            Progress::Whole(ends) => return Ok(Some((end, ends))),
            Progress::More(count) => {
                assert!(count > 0 && end + count <= LONGEST);
                end += count;
                if end > input.len() {
                    // However little comes at once, a wait is no more than that.
                    return look(input).map(|progress| {
                        assert!(matches!(progress, Progress::More(_)));
                        None
                    });
                }
            }
        }
    }
}

fn ends(client: &str, server: &str) -> Option<Ends> {
    let [client, server] = [client, server].map(|text| text.parse().unwrap());
    Some(Ends { client, server })
}

fn block(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, body].concat()
}

#[test]
fn a_line_says_who_connected_and_what_follows_is_left_where_it_is() {
    let longest = format!(
        "PROXY TCP6 {0} {0} 65535 65535\r\n",
        Ipv6Addr::from([0xff; 16])
    );
    assert_eq!(longest.len(), 104, "three more are for UNKNOWN alone");
    for (line, expected) in [
        (
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n",
            ends("192.0.2.1:4711", "198.51.100.1:443"),
        ),
        (
            "PROXY TCP6 2001:db8::1 2001:db8::2 0 443\r\n",
            ends("[2001:db8::1]:0", "[2001:db8::2]:443"),
        ),
        (
            "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 443\r\n",
            ends("[::ffff:192.0.2.1]:1", "[2001:db8::2]:443"),
        ),
        (
            "PROXY TCP6 192.0.2.1 2001:db8::2 1 443\r\n",
            ends("192.0.2.1:1", "[2001:db8::2]:443"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff:: whatever\r\n", None),
    ] {
        let whole = Ok(Some((line.len(), expected)));
        assert_eq!(read(line.as_bytes()), whole, "{line}");
        let followed = [line.as_bytes(), b"\x16\x03\x01\r\n"].concat();
        assert_eq!(read(&followed), whole, "{line}");
    }
    assert!(read(longest.as_bytes()).is_ok_and(|read| read.is_some()));
    let fits = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE - 16));
    assert_eq!(read(fits.as_bytes()), Ok(Some((LONGEST_LINE, None))));
}

#[test]
fn a_block_says_who_connected_and_extensions_are_ignored() {
    let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 1, 187];
    let addresses = ["2001:db8::1", "2001:db8::2"].map(|ip| ip.parse::<Ipv6Addr>().unwrap());
    let mut v6 = addresses.map(|ip| ip.octets()).concat();
    v6.extend([0x12, 0x67, 1, 187]);
    let longest = [&v6[..], &[4; LONGEST - 16 - 36]].concat();
    let v4_ends = ends("192.0.2.1:4711", "198.51.100.1:443");
    let v6_ends = ends("[2001:db8::1]:4711", "[2001:db8::2]:443");
    for (header, expected) in [
        (block(0x21, 0x11, &v4), v4_ends),
        (
            block(0x21, 0x11, &[&v4[..], b"\x04\0\x01x"].concat()),
            v4_ends,
        ),
        (block(0x21, 0x21, &v6), v6_ends),
        (block(0x21, 0x21, &longest), v6_ends),
        (block(0x21, 0, &[]), None),
        (block(0x21, 0x31, &[7; 216]), None),
        (LOCAL.to_vec(), None),
        (block(0x20, 0x11, &v4), None),
        (block(0x20, 0x11, &[]), None),
        (block(0x20, 0xff, &[1, 2, 3]), None),
    ] {
        let followed = [&header, &b"\x16\x03\x01"[..]].concat();
        let whole = Ok(Some((header.len(), expected)));
        assert_eq!(read(&followed), whole, "{header:02x?}");
        for end in 0..header.len() {
            assert_eq!(read(&header[..end]), Ok(None), "{end}");
        }
    }
}

#[test]
fn what_is_no_header_is_refused_as_soon_as_it_is_clear() {
    let too_long = format!("PROXY UNKNOWN {}", "x".repeat(LONGEST_LINE - 15));
    let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 1, 187];
    let too_much = block(0x20, 0, &[0; LONGEST - 15]);
    for bytes in [
        &b"G"[..],
        b"\x16\x03\x01",
        b"\0\x01\0\0\x21\x12\xa4\x42",
        b"PROXX",
        b"\r\n\r\n\0\r\nQUIX",
        b"PROXY\tTCP4",
        b"PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
        b"PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 +2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 1 02\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1  2\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::1 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::1 1 2\r\n",
        b"PROXY UNKNOWN \xff\r\n",
        b"PROXY UNKNOWN a\rb\r\n",
        b"proxy unknown\r\n",
        too_long.as_bytes(),
        &block(0x11, 0x11, &v4)[..16],
        &block(0x22, 0x11, &v4)[..16],
        &block(0x21, 0x12, &v4)[..16],
        &block(0x21, 0x10, &v4)[..16],
        &block(0x21, 0x41, &v4)[..16],
        &block(0x21, 0x11, &v4[..11])[..16],
        &block(0x21, 0x21, &[0; 35])[..16],
        &too_much[..16],
    ] {
        assert_eq!(read(bytes), Err(Malformed), "{}", bytes.escape_ascii());
    }
}

/// What the library makes of a whole header; `None` where it refuses.
fn by_library(header: &[u8]) -> Option<Option<Ends>> {
    let of_ipv4 = |ip: ppp::v1::IPv4| Ends {
        client: (ip.source_address, ip.source_port).into(),
        server: (ip.destination_address, ip.destination_port).into(),
    };
    let of_ipv6 = |ip: ppp::v1::IPv6| Ends {
        client: (ip.source_address, ip.source_port).into(),
        server: (ip.destination_address, ip.destination_port).into(),
    };
    match ppp::HeaderResult::parse(header) {
        ppp::HeaderResult::V1(line) => Some(match line.ok()?.addresses {
            ppp::v1::Addresses::Unknown => None,
            ppp::v1::Addresses::Tcp4(ip) => Some(of_ipv4(ip)),
            ppp::v1::Addresses::Tcp6(ip) => Some(of_ipv6(ip)),
        }),
        ppp::HeaderResult::V2(block) => {
            let block = block.ok()?;
            Some(match (block.command, block.addresses) {
                (ppp::v2::Command::Local, _) => None,
                (_, ppp::v2::Addresses::IPv4(ip)) => Some(of_ipv4(ip)),
                (_, ppp::v2::Addresses::IPv6(ip)) => Some(of_ipv6(ip)),
                _ => None,
            })
        }
    }
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let v4 = any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(a, b)| format!("TCP4 {a} {b}"));
    let v6 = any::<(Ipv6Addr, Ipv6Addr)>().prop_map(|(a, b)| format!("TCP6 {a} {b}"));
    let ports = any::<(u16, u16)>();
    (prop_oneof![v4, v6], ports)
        .prop_map(|(addresses, (from, to))| format!("PROXY {addresses} {from} {to}\r\n").into())
}

fn any_block() -> impl Strategy<Value = Vec<u8>> {
    let family = prop_oneof![Just(0x00), Just(0x11), Just(0x21), any::<u8>()];
    let body = prop::collection::vec(any::<u8>(), 0..256);
    (prop_oneof![Just(0x20), Just(0x21)], family, body)
        .prop_map(|(command, family, body)| block(command, family, &body))
}

proptest! {
    #[test]
    fn well_formed_headers_are_read_as_the_library_reads_them(header in line()) {
        let expected = by_library(&header);
        prop_assert!(matches!(expected, Some(Some(_))));
        prop_assert_eq!(read(&header).unwrap(), expected.map(|ends| (header.len(), ends)));
    }

    #[test]
    fn what_is_read_of_a_block_the_library_reads_too(header in any_block()) {
        // What it takes besides is for other sockets than those of TCP; of LOCAL it reads what is to be ignored.
        let family = header[13];
        match read(&header) {
            Ok(whole) if header[12] == 0x21 && family != 0x31 => {
                let (length, ends) = whole.unwrap();
                prop_assert_eq!(length, header.len());
                prop_assert_eq!(by_library(&header), Some(ends));
            }
            Ok(whole) => prop_assert_eq!(whole, Some((header.len(), None))),
            Err(Malformed) => {
                let library = by_library(&header);
                prop_assert!(library.is_none() || !matches!(family, 0x00 | 0x11 | 0x21));
            }
        }
    }

    #[test]
    fn a_changed_byte_makes_no_difference_that_the_library_does_not_see(
        mut header in line(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let at = at.index(header.len());
        header[at] = byte;
        if let Ok(Some((length, ends))) = read(&header) {
            let has_ipv4 = ends.is_some_and(|ends| ends.client.is_ipv4() || ends.server.is_ipv4());
            if !(has_ipv4 && header.starts_with(b"PROXY TCP6")) {
                prop_assert_eq!(by_library(&header[..length]), Some(ends));
            }
        }
    }

    #[test]
    fn any_bytes_end_in_a_header_in_a_refusal_or_in_a_wait(
        start in prop_oneof![Just(LINE_START), Just(SIGNATURE), Just(&LOCAL[..14]), Just(&b""[..])],
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let _ = read(&[start, &bytes].concat());
    }
}

//! Any bytes as the beginning of a connection that a proxy announces: no more
//! is read than belongs to the header, and it says what a library reads of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxy_header::{Ends, LONGEST, Malformed, Progress, look};

// The parser is nobody's but the server's, and needs nothing of it.
#[allow(dead_code, reason = "the module is the server's whole")]
#[path = "../../server/src/listen/proxy_header.rs"]
mod proxy_header;

fuzz_target!(|input: &[u8]| {
    let mut end = 0;
    while let Ok(progress) = look(&input[..end]) {
        match progress {
            Progress::More(count) => {
                assert!(count > 0 && end + count <= LONGEST);
                if end + count > input.len() {
                    // A part of what is waited for may be refused, but ends nothing.
                    assert!(!matches!(look(input), Ok(Progress::Whole(_))));
                    return;
                }
                end += count;
            }
            Progress::Whole(Some(ends)) => return compare(&input[..end], ends),
            Progress::Whole(None) => return,
        }
    }
    assert_eq!(look(&input[..end]), Err(Malformed));
});

/// Holds what was read against what the library reads.
fn compare(header: &[u8], ends: Ends) {
    let is_ipv4_in_tcp6 = ends.client.is_ipv4() || ends.server.is_ipv4();
    if header.starts_with(b"PROXY TCP6 ") && is_ipv4_in_tcp6 {
        return;
    }
    let library: [std::net::SocketAddr; 2] = match ppp::HeaderResult::parse(header) {
        ppp::HeaderResult::V1(Ok(line)) => match line.addresses {
            ppp::v1::Addresses::Tcp4(ip) => [
                (ip.source_address, ip.source_port).into(),
                (ip.destination_address, ip.destination_port).into(),
            ],
            ppp::v1::Addresses::Tcp6(ip) => [
                (ip.source_address, ip.source_port).into(),
                (ip.destination_address, ip.destination_port).into(),
            ],
            ppp::v1::Addresses::Unknown => panic!("nobody is known"),
        },
        ppp::HeaderResult::V2(Ok(block)) => match block.addresses {
            ppp::v2::Addresses::IPv4(ip) => [
                (ip.source_address, ip.source_port).into(),
                (ip.destination_address, ip.destination_port).into(),
            ],
            ppp::v2::Addresses::IPv6(ip) => [
                (ip.source_address, ip.source_port).into(),
                (ip.destination_address, ip.destination_port).into(),
            ],
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    assert_eq!([ends.client, ends.server], library);
}

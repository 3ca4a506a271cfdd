//! Which address of this machine a server is spoken to from.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns the host candidates over UDP of an SDP (RFC 8839, section 5.1), in its order.
fn candidates(sdp: &str) -> impl Iterator<Item = IpAddr> {
    sdp.lines().filter_map(|line| {
        let mut words = line.trim_end().strip_prefix("a=candidate:")?.split(' ');
        let transport = words.nth(2)?;
        let address = words.nth(1)?.parse().ok()?;
        transport.eq_ignore_ascii_case("udp").then_some(address)
    })
}

/// Picks the address of the server that media goes to: `toward` if the SDP has it, else the
/// first of its family, else the first.
pub(super) fn server_address(sdp: &str, toward: Option<IpAddr>) -> Option<IpAddr> {
    let same_family =
        |address: &IpAddr| toward.is_some_and(|toward| toward.is_ipv4() == address.is_ipv4());
    candidates(sdp)
        .find(|address| Some(*address) == toward)
        .or_else(|| candidates(sdp).find(same_family))
        .or_else(|| candidates(sdp).next())
}

/// Returns the address that the kernel sends from towards `server`.
#[expect(
    clippy::disallowed_types,
    reason = "the engine has the sockets; a connected one tells the route and sends nothing"
)]
pub(super) fn own_address(server: IpAddr) -> io::Result<IpAddr> {
    let any = match server {
        IpAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    // The port does not matter: nothing is sent.
    socket.connect((server, 9))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\na=candidate:1 1 TCP 9 192.0.2.9 9 typ host tcptype active\r\n\
        a=candidate:2 1 UDP 2130706431 2001:db8::1 10000 typ host\r\n\
        a=candidate:3 1 udp 2130706431 192.0.2.1 10000 typ host\r\n\
        a=candidate:4 1 udp 2130706431 192.0.2.2 10000 typ host\r\n";

    #[test]
    fn the_address_asked_for_is_taken_then_one_of_its_family() {
        let picked =
            |toward: &str| server_address(SDP, toward.parse().ok()).map(|ip| ip.to_string());
        assert_eq!(picked("192.0.2.2").as_deref(), Some("192.0.2.2"));
        assert_eq!(picked("127.0.0.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(picked("").as_deref(), Some("2001:db8::1"));
        assert_eq!(server_address("v=0\r\n", None), None);
    }

    #[test]
    fn loopback_is_spoken_to_from_loopback() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(own_address(loopback).unwrap(), loopback);
    }
}

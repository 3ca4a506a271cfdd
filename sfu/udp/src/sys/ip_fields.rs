//! What the IP header of a datagram says besides addresses, as far as a relay passes it on.

use socket2::Socket;

use super::{Family, set_int};

/// Fields of an IP header that a relay passes on (RFC 8656, sections 13 and 14).
///
/// The default is what a datagram of this host's own has: best effort, not ECN-capable, and the
/// hop limit that the system gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IpFields {
    /// DSCP in the upper six bits, ECN in the lower two: the type of service of IPv4, the traffic
    /// class of IPv6.
    pub traffic_class: u8,
    /// The hop limit of IPv6, the time to live of IPv4: 1 to 255 where something leaves, 0 as well
    /// where it arrives. `None` is the system's choice, or not known.
    pub hop_limit: Option<u8>,
}

impl IpFields {
    /// Returns those with which a relay sends the datagram on: one hop less, as at a router (RFC
    /// 8656, section 13.2), and DSCP and ECN as they are (section 14). `None` if no hop is left.
    pub fn onward(self) -> Option<IpFields> {
        let hop_limit = match self.hop_limit {
            Some(0 | 1) => return None,
            Some(left) => Some(left - 1),
            None => None,
        };
        Some(IpFields { hop_limit, ..self })
    }
}

/// Lets the kernel tell these fields of all that arrives. One that does not leaves the defaults,
/// with which datagrams are sent on as well (the alternate behaviour of RFC 8656).
pub(super) fn note(socket: &Socket, family: Family) {
    let (level, names) = match family {
        Family::V4 => (libc::IPPROTO_IP, [libc::IP_RECVTOS, libc::IP_RECVTTL]),
        Family::V6 => (
            libc::IPPROTO_IPV6,
            [libc::IPV6_RECVTCLASS, libc::IPV6_RECVHOPLIMIT],
        ),
    };
    for name in names {
        let _ = set_int(socket, level, name, 1);
    }
}

#[cfg(test)]
mod tests;

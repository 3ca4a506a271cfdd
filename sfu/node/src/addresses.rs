//! Which addresses clients are told, and which the sockets see.

use std::io;
use std::net::{IpAddr, SocketAddr};

use conclave_sfu_udp::Family;

/// One address of this host for media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaAddr {
    /// The address that packets to us carry when they arrive, and must leave
    /// from. The unspecified address stands for whichever the kernel chooses.
    pub bound: IpAddr,
    /// The address that clients are told, of the same family.
    pub advertised: IpAddr,
    /// The port of shard 0 that clients are told, if it is not the bound one;
    /// further shards follow it.
    pub advertised_port: Option<u16>,
}

impl MediaAddr {
    /// An address that clients reach as it is.
    pub const fn direct(address: IpAddr) -> MediaAddr {
        MediaAddr {
            bound: address,
            advertised: address,
            advertised_port: None,
        }
    }
}

/// The addresses of one shard, both ways. A host has few: searched in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddressMap(Vec<(IpAddr, SocketAddr)>);

impl AddressMap {
    /// `port_of` is the local port of the shard in a family.
    pub(crate) fn new(
        addresses: &[MediaAddr],
        shard: u8,
        port_of: impl Fn(Family) -> Option<u16>,
    ) -> io::Result<AddressMap> {
        let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
        let mut map = Vec::with_capacity(addresses.len());
        for address in addresses {
            let family = Family::of(&address.bound);
            if family != Family::of(&address.advertised) {
                return Err(invalid(
                    "bound and advertised media address are of different families",
                ));
            }
            if address.advertised.is_unspecified() {
                return Err(invalid("the unspecified address cannot be advertised"));
            }
            let port = match address.advertised_port {
                Some(port) => port.checked_add(u16::from(shard)),
                None => port_of(family),
            };
            let port = port.ok_or_else(|| invalid("the advertised media port exceeds 65535"))?;
            map.push((address.bound, SocketAddr::new(address.advertised, port)));
        }
        Ok(AddressMap(map))
    }

    /// Returns what clients are told, in the order of the configuration.
    pub(crate) fn candidates(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|(_, advertised)| *advertised).collect()
    }

    /// Returns the advertised address under which a datagram to `destination`
    /// came: the first of an equal bound address, else of an unspecified one.
    pub(crate) fn advertised(&self, destination: IpAddr) -> Option<SocketAddr> {
        let exact = self.0.iter().find(|(bound, _)| *bound == destination);
        let any = || {
            let family = Family::of(&destination);
            self.0
                .iter()
                .find(|(bound, _)| bound.is_unspecified() && Family::of(bound) == family)
        };
        exact.or_else(any).map(|(_, advertised)| *advertised)
    }

    /// Returns the address that a datagram must leave from; `None` leaves it to the kernel.
    pub(crate) fn bound(&self, advertised: SocketAddr) -> Option<IpAddr> {
        let (bound, _) = self.0.iter().find(|(_, known)| *known == advertised)?;
        (!bound.is_unspecified()).then_some(*bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_translated_address_is_told_and_mapped_both_ways() {
        let map = AddressMap::new(
            &[
                MediaAddr {
                    bound: ip("10.0.0.5"),
                    advertised: ip("192.0.2.1"),
                    advertised_port: Some(40_000),
                },
                MediaAddr::direct(ip("2001:db8::5")),
            ],
            2,
            |_| Some(10_002),
        )
        .unwrap();
        assert_eq!(
            map.candidates(),
            [socket("192.0.2.1:40002"), socket("[2001:db8::5]:10002")]
        );
        assert_eq!(
            map.advertised(ip("10.0.0.5")),
            Some(socket("192.0.2.1:40002"))
        );
        assert_eq!(
            map.advertised(ip("2001:db8::5")),
            Some(socket("[2001:db8::5]:10002"))
        );
        assert_eq!(map.advertised(ip("10.0.0.6")), None);
        assert_eq!(map.bound(socket("192.0.2.1:40002")), Some(ip("10.0.0.5")));
        assert_eq!(map.bound(socket("192.0.2.1:1")), None);
    }

    #[test]
    fn one_bound_address_may_be_told_twice() {
        let map = AddressMap::new(
            &[
                MediaAddr::direct(ip("10.0.0.5")),
                MediaAddr {
                    bound: ip("10.0.0.5"),
                    advertised: ip("192.0.2.1"),
                    advertised_port: None,
                },
            ],
            0,
            |_| Some(10_000),
        )
        .unwrap();
        assert_eq!(
            map.advertised(ip("10.0.0.5")),
            Some(socket("10.0.0.5:10000"))
        );
        assert_eq!(map.bound(socket("192.0.2.1:10000")), Some(ip("10.0.0.5")));
    }

    #[test]
    fn the_unspecified_address_stands_for_all_of_its_family() {
        let everywhere = MediaAddr {
            bound: ip("0.0.0.0"),
            advertised: ip("192.0.2.1"),
            advertised_port: None,
        };
        let map = AddressMap::new(&[everywhere, MediaAddr::direct(ip("10.0.0.5"))], 0, |_| {
            Some(9)
        })
        .unwrap();
        assert_eq!(map.advertised(ip("10.0.0.5")), Some(socket("10.0.0.5:9")));
        assert_eq!(
            map.advertised(ip("172.17.0.2")),
            Some(socket("192.0.2.1:9"))
        );
        assert_eq!(map.advertised(ip("::1")), None);
        assert_eq!(map.bound(socket("192.0.2.1:9")), None);
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let refused =
            |address: MediaAddr, shard| AddressMap::new(&[address], shard, |_| Some(1)).is_err();
        assert!(refused(
            MediaAddr {
                bound: ip("10.0.0.5"),
                advertised: ip("::1"),
                advertised_port: None
            },
            0
        ));
        assert!(refused(MediaAddr::direct(ip("0.0.0.0")), 0));
        let last_port = MediaAddr {
            advertised_port: Some(65_535),
            ..MediaAddr::direct(ip("10.0.0.5"))
        };
        assert!(!refused(last_port, 0));
        assert!(refused(last_port, 1));
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }
}

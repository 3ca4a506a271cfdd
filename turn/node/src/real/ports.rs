//! Which address and port a relayed address gets: one that nobody foresees.

use std::array;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use conclave_turn_core::{Family, OpenError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{RealConfig, RelayIp};

/// Random tries before the walk to the next free port: at half the ports taken
/// one in 2^16 opens walks.
const TRIES: usize = 16;

/// How often one request may ask the system for a port that somebody else turns out to have: some
/// hundred microseconds, for which all clients wait. Then it is refused (508), though a port may be
/// free; the next request begins elsewhere.
const REFUSALS_MAX: u32 = 64;

/// What became of trying a port.
pub(super) enum Tried<T> {
    /// It is given out already, as our own tables say.
    Ours,
    /// The system says that somebody has it.
    Others,
    /// It is there.
    Opened(T),
}

/// Which ports fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parity {
    /// All.
    Any,
    /// Even ones.
    Even,
    /// Even ones whose odd neighbour is in the range too.
    Pair,
}

/// Addresses and ports that may be given out.
pub(super) struct Ports {
    addresses: Vec<RelayIp>,
    range: RangeInclusive<u16>,
    rng: StdRng,
}

impl Ports {
    /// `seed` must be secret: whoever foresees ports can aim.
    pub(super) fn new(config: &RealConfig, seed: [u8; 32]) -> Ports {
        Ports {
            addresses: config.addresses.clone(),
            range: config.ports.clone(),
            rng: StdRng::from_seed(seed),
        }
    }

    /// Returns whether there is an address of this family.
    pub(super) fn has(&self, family: Family) -> bool {
        self.addresses.iter().any(|one| is_of(one.bound, family))
    }

    /// Tries addresses and ports, each at most once behind the random ones, until `open` has one,
    /// or the system has refused 64.
    ///
    /// # Errors
    /// No address of the family, no port that is free, or what `open` said: that the system
    /// fails altogether.
    pub(super) fn find<T>(
        &mut self,
        family: Family,
        parity: Parity,
        mut open: impl FnMut(RelayIp, u16) -> Result<Tried<T>, OpenError>,
    ) -> Result<T, OpenError> {
        let count = self.addresses.iter().filter(|one| is_of(one.bound, family));
        let count = count.count();
        if count == 0 {
            return Err(OpenError::FamilyUnsupported);
        }
        let pick = self.rng.random_range(0..count);
        let mut refusals_left = REFUSALS_MAX;
        for offset in 0..count {
            let mut of_family = self.addresses.iter().filter(|one| is_of(one.bound, family));
            let Some(&address) = of_family.nth((pick + offset) % count) else {
                continue;
            };
            let range = self.range.clone();
            let random: [u16; TRIES] = array::from_fn(|_| self.rng.random_range(range.clone()));
            let start = self.rng.random_range(range.clone());
            let walk = (start..=*range.end()).chain(*range.start()..start);
            for port in random.into_iter().chain(walk) {
                if !self.fits(port, parity) {
                    continue;
                }
                match open(address, port)? {
                    Tried::Opened(found) => return Ok(found),
                    Tried::Ours => {}
                    Tried::Others => refusals_left -= 1,
                }
                if refusals_left == 0 {
                    return Err(OpenError::NoPort);
                }
            }
        }
        Err(OpenError::NoPort)
    }

    fn fits(&self, port: u16, parity: Parity) -> bool {
        match parity {
            Parity::Any => true,
            Parity::Even => port.is_multiple_of(2),
            Parity::Pair => port.is_multiple_of(2) && self.range.contains(&(port | 1)),
        }
    }

    /// Returns the address to bind to for one that was given out.
    pub(super) fn bound(&self, advertised: SocketAddr) -> SocketAddr {
        let known = self
            .addresses
            .iter()
            .find(|one| one.advertised == advertised.ip());
        known.map_or(advertised, |one| {
            SocketAddr::new(one.bound, advertised.port())
        })
    }
}

fn is_of(address: IpAddr, family: Family) -> bool {
    address.is_ipv4() == (family == Family::V4)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ports(range: RangeInclusive<u16>) -> Ports {
        let config = RealConfig {
            addresses: ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
                .map(|address| RelayIp::from(address.parse::<IpAddr>().unwrap()))
                .to_vec(),
            ports: range,
        };
        Ports::new(&config, [7; 32])
    }

    #[test]
    fn every_port_of_every_address_is_given_out_before_there_is_none() {
        let mut ports = ports(1_000..=1_099);
        let mut taken = BTreeSet::new();
        for _ in 0..200 {
            let found = ports.find(Family::V4, Parity::Any, |address, port| {
                let is_free = taken.insert((address.bound, port));
                Ok(if is_free {
                    Tried::Opened(())
                } else {
                    Tried::Ours
                })
            });
            assert_eq!(found, Ok(()));
        }
        assert_eq!(taken.len(), 200);
        let none = ports.find(Family::V4, Parity::Any, |_, _| Ok(Tried::<()>::Ours));
        assert_eq!(none, Err(OpenError::NoPort));
    }

    #[test]
    fn ports_that_others_have_are_asked_for_a_bounded_number_of_times() {
        let mut ports = ports(1_000..=60_000);
        for parity in [Parity::Any, Parity::Even, Parity::Pair] {
            let mut asked = 0;
            let none = ports.find(Family::V4, parity, |_, _| {
                asked += 1;
                Ok(Tried::<()>::Others)
            });
            assert_eq!((none, asked), (Err(OpenError::NoPort), REFUSALS_MAX));
        }
    }

    #[test]
    fn a_pair_is_even_and_has_its_neighbour_in_the_range() {
        let mut ports = ports(1_001..=1_004);
        for _ in 0..50 {
            let pair = ports.find(Family::V6, Parity::Pair, |_, port| Ok(Tried::Opened(port)));
            assert_eq!(pair, Ok(1_002));
            let even = ports.find(Family::V6, Parity::Even, |_, port| Ok(Tried::Opened(port)));
            assert!(matches!(even, Ok(1_002 | 1_004)));
        }
    }

    #[test]
    fn a_family_without_an_address_and_a_refusal_of_the_system_are_told() {
        let mut ports = ports(1_000..=1_000);
        let refused = ports.find(Family::V4, Parity::Any, |_, _| {
            Err::<Tried<()>, _>(OpenError::Failed)
        });
        assert_eq!(refused, Err(OpenError::Failed));
        ports.addresses.truncate(2);
        assert!(!ports.has(Family::V6));
        let none = ports.find(Family::V6, Parity::Any, |_, port| Ok(Tried::Opened(port)));
        assert_eq!(none, Err(OpenError::FamilyUnsupported));
    }
}

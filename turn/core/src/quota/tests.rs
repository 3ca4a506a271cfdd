use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::auth::{SessionKey, UserKey};

/// LiveKit's relay was wide at first; limits that nobody configured must be there.
#[test]
fn the_defaults_are_those_of_the_contract() {
    let expected = QuotaLimits {
        per_session: 12,
        per_user: 10,
        per_source: 2_048,
        tests_per_source: 8,
        tests: 1_000,
        total: 20_000,
        total_bits_per_s: None,
    };
    assert_eq!(QuotaLimits::default(), expected);
}

#[test]
fn a_session_holds_twelve_and_another_one_as_many() {
    let mut quotas = Quotas::new(QuotaLimits::default());
    let mut places = fill(&mut quotas, session(1), v4(1));
    assert_eq!(places.len(), 12);
    assert_eq!(quotas.take(session(1), v4(2)), Err(QuotaError::Identity));
    assert_eq!(fill(&mut quotas, session(2), v4(1)).len(), 12);
    quotas.give(places.pop().unwrap());
    assert!(quotas.take(session(1), v4(2)).is_ok());
}

#[test]
fn a_user_holds_ten() {
    let mut quotas = Quotas::new(QuotaLimits::default());
    let user = Identity::User(UserKey(1));
    assert_eq!(fill(&mut quotas, user, v4(1)).len(), 10);
    assert_eq!(QuotaError::Identity.stun_code(), 486);
}

#[test]
fn an_ipv6_64_is_one_source_of_sixty_four() {
    let mut quotas = Quotas::new(QuotaLimits {
        per_source: 64,
        ..QuotaLimits::default()
    });
    let mut held = 0;
    for host in 0..100 {
        let source = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host));
        held += usize::from(quotas.take(session(host.into()), source).is_ok());
    }
    assert_eq!(held, 64);
    let other = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1));
    assert!(quotas.take(session(200), other).is_ok());
}

#[test]
fn connection_tests_hold_eight_per_source_and_a_thousand_in_all() {
    let mut quotas = Quotas::new(QuotaLimits::default());
    for random in 0..8 {
        assert!(quotas.take(Identity::Test(random), v4(1)).is_ok());
    }
    assert_eq!(
        quotas.take(Identity::Test(9), v4(1)),
        Err(QuotaError::Source)
    );
    // Whoever is in a meeting is not kept out by them.
    assert!(quotas.take(session(1), v4(1)).is_ok());
    for random in 8..1000 {
        assert!(
            quotas
                .take(Identity::Test(random), v4(random as u32))
                .is_ok()
        );
    }
    assert_eq!(
        quotas.take(Identity::Test(1000), v4(5000)),
        Err(QuotaError::Tests)
    );
    assert_eq!(QuotaError::Tests.stun_code(), 508);
}

#[test]
fn the_process_holds_so_many() {
    let limits = QuotaLimits {
        total: 100,
        ..QuotaLimits::default()
    };
    let mut quotas = Quotas::new(limits);
    for number in 0..100 {
        assert!(quotas.take(session(number), v4(number as u32)).is_ok());
    }
    assert_eq!(quotas.take(session(100), v4(100)), Err(QuotaError::Total));
    assert_eq!(QuotaError::Total.stun_code(), 508);
}

/// coturn gave the quota back while the allocation lived on (mobility); EVEN-PORT leaked what was not counted.
#[test]
fn a_place_is_held_until_it_is_given_back() {
    let mut quotas = Quotas::new(QuotaLimits {
        per_session: 1,
        ..QuotaLimits::default()
    });
    let place = quotas.take(session(1), v4(1)).unwrap();
    // A refused attempt moves no count.
    for _ in 0..10 {
        assert_eq!(quotas.take(session(1), v4(1)), Err(QuotaError::Identity));
    }
    assert_eq!((quotas.total(), quotas.held_by(session(1))), (1, 1));
    assert_eq!(place.identity(), session(1));
    quotas.give(place);
    assert_eq!((quotas.total(), quotas.held_by(session(1))), (0, 0));
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Take(Identity, IpAddr),
    Give(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let identity = prop_oneof![
        (0..6u64).prop_map(session),
        (0..6u64).prop_map(Identity::Test),
        (0..6u64).prop_map(|user| Identity::User(UserKey(user))),
    ];
    let source = (0..4u32, any::<bool>()).prop_map(|(host, six)| {
        if six {
            IpAddr::V6(Ipv6Addr::from_bits(u128::from(host) << 63))
        } else {
            v4(host)
        }
    });
    prop_oneof![
        3 => (identity, source).prop_map(|(identity, source)| Deed::Take(identity, source)),
        2 => any::<usize>().prop_map(Deed::Give),
    ]
}

proptest! {
    /// Model: the list of what is live. Every count is what the list says, after any sequence.
    #[test]
    fn counts_are_what_is_live(deeds in proptest::collection::vec(deed(), 0..400)) {
        let limits = QuotaLimits {
            per_session: 3,
            per_user: 2,
            per_source: 7,
            tests_per_source: 2,
            tests: 5,
            total: 20,
            total_bits_per_s: None,
        };
        let mut quotas = Quotas::new(limits);
        let mut live: Vec<Place> = Vec::new();
        for deed in deeds {
            match deed {
                Deed::Take(identity, source) => {
                    let count = |fits: &dyn Fn(&Place) -> bool| live.iter().filter(|place| fits(place)).count() as u32;
                    let source_key = SourcePrefix::of(source);
                    let own_max = match identity {
                        Identity::Session(_) => 3,
                        Identity::User(_) | Identity::Test(_) => 2,
                    };
                    let fits = count(&|_| true) < 20
                        && count(&|place| place.identity == identity) < own_max
                        && count(&|place| place.source == source_key) < 7
                        && (!identity.is_test()
                            || count(&|place| place.identity.is_test()) < 5
                                && count(&|place| place.identity.is_test() && place.source == source_key) < 2);
                    let taken = quotas.take(identity, source);
                    prop_assert_eq!(taken.is_ok(), fits);
                    live.extend(taken);
                }
                Deed::Give(_) if live.is_empty() => {}
                Deed::Give(which) => {
                    let place = live.swap_remove(which % live.len());
                    quotas.give(place);
                }
            }
            prop_assert_eq!(quotas.total() as usize, live.len());
            let tests = live.iter().filter(|place| place.identity.is_test()).count();
            prop_assert_eq!(quotas.tests as usize, tests);
            for (identity, count) in &quotas.identities {
                let of = live.iter().filter(|place| place.identity == *identity).count();
                prop_assert_eq!(*count as usize, of);
            }
            let identities: BTreeSet<_> = live.iter().map(|place| place.identity).collect();
            prop_assert_eq!(quotas.identities.len(), identities.len());
            let sources: BTreeSet<_> = live.iter().map(|place| place.source).collect();
            prop_assert_eq!(quotas.sources.len(), sources.len());
        }
        for place in live {
            quotas.give(place);
        }
        prop_assert!(quotas.identities.is_empty() && quotas.sources.is_empty());
        prop_assert!(quotas.test_sources.is_empty());
        prop_assert_eq!((quotas.total, quotas.tests), (0, 0));
    }
}

fn fill(quotas: &mut Quotas, identity: Identity, source: IpAddr) -> Vec<Place> {
    std::iter::from_fn(|| quotas.take(identity, source).ok()).collect()
}

fn session(key: u64) -> Identity {
    Identity::Session(SessionKey(key))
}

fn v4(bits: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(bits))
}

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

const TAGS: [&str; 3] = ["hr", "law", "sales"];

fn room(n: u8) -> RoomId {
    RoomId::new(1, [n; 10])
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

#[test]
fn the_first_reason_against_it_is_the_one_that_is_told() {
    let here: IpAddr = "192.0.2.1".parse().unwrap();
    let nowhere: IpAddr = "198.51.100.1".parse().unwrap();
    let rights = Rights {
        scopes: [Scope::RoomsRead].into(),
        rooms: Some(RoomFilter {
            rooms: [room(1)].into(),
            tags: ["hr".to_owned()].into(),
        }),
        networks: Some(vec!["192.0.2.0/24".parse().unwrap()]),
        expires_at: Some(at(1000)),
        is_revoked: false,
    };
    let revoked = Rights {
        is_revoked: true,
        ..rights.clone()
    };
    let (read, write) = (Scope::RoomsRead, Scope::RoomsWrite);
    let others = Some((room(2), &["law"][..]));
    for (rights, scope, room, address, now, expected) in [
        (&revoked, write, others, nowhere, 1000, Err(Denied::Revoked)),
        (&rights, write, others, nowhere, 1000, Err(Denied::Expired)),
        (&rights, write, others, nowhere, 999, Err(Denied::Network)),
        (&rights, write, others, here, 999, Err(Denied::Scope(write))),
        (&rights, read, others, here, 999, Err(Denied::Room)),
        (
            &rights,
            read,
            Some((room(2), &["hr"][..])),
            here,
            999,
            Ok(()),
        ),
        (
            &rights,
            read,
            Some((room(1), &["law"][..])),
            here,
            999,
            Ok(()),
        ),
        (&rights, read, None, here, 999, Ok(())),
    ] {
        assert_eq!(rights.decide(scope, room, Some(address), at(now)), expected);
    }
    let everything = Rights::of_operator();
    for scope in Scope::ALL {
        assert_eq!(
            everything.decide(*scope, others, None, at(u64::MAX)),
            Ok(())
        );
        let none = Rights::none().decide(*scope, others, None, at(0));
        assert_eq!(none, Err(Denied::Revoked));
    }
}

#[test]
fn a_tag_that_a_room_has_at_the_moment_does_not_put_it_into_a_filter() {
    let tagged = RoomFilter {
        rooms: BTreeSet::new(),
        tags: ["hr".to_owned()].into(),
    };
    let named = RoomFilter {
        rooms: [room(1)].into(),
        tags: BTreeSet::new(),
    };
    assert!(!named.is_within(&tagged));
    assert!(RoomFilter::default().is_within(&named));
}

/// Rights of few rooms, tags and networks, so that random ones often touch.
pub(in crate::access) fn rights() -> impl Strategy<Value = Rights> {
    let rooms = (
        subsequence(vec![0u8, 1, 2], 0..=3),
        subsequence(TAGS.to_vec(), 0..=3),
    );
    let filter = rooms.prop_map(|(rooms, tags)| RoomFilter {
        rooms: rooms.into_iter().map(room).collect(),
        tags: tags.into_iter().map(str::to_owned).collect(),
    });
    let networks = [
        "192.0.2.0/24",
        "192.0.2.0/25",
        "192.0.2.128/25",
        "0.0.0.0/0",
        "2001:db8::/32",
    ];
    let networks = subsequence(networks.to_vec(), 0..=2);
    (
        subsequence(Scope::ALL.to_vec(), 0..=Scope::ALL.len()),
        proptest::option::of(filter),
        proptest::option::of(networks),
        proptest::option::of(0u64..4),
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(scopes, rooms, networks, end, is_revoked)| Rights {
            scopes: scopes.into_iter().collect(),
            rooms,
            networks: networks.map(|list| list.iter().map(|text| text.parse().unwrap()).collect()),
            expires_at: end.map(at),
            is_revoked,
        })
}

/// A question: scope, room, tags, address, time.
pub(in crate::access) type Question = (Scope, RoomId, Vec<&'static str>, IpAddr, Timestamp);

pub(in crate::access) fn question() -> impl Strategy<Value = Question> {
    let addresses = [
        "192.0.2.1",
        "192.0.2.200",
        "198.51.100.1",
        "2001:db8::1",
        "::1",
    ];
    (
        select(Scope::ALL.to_vec()),
        (0u8..4).prop_map(room),
        subsequence(TAGS.to_vec(), 0..=2),
        select(addresses.to_vec()).prop_map(|text| text.parse().unwrap()),
        (0u64..5).prop_map(at),
    )
}

pub(in crate::access) fn is_allowed(rights: &Rights, question: &Question) -> bool {
    let (scope, room, tags, address, now) = question;
    rights
        .decide(*scope, Some((*room, tags)), Some(*address), *now)
        .is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn what_is_covered_is_allowed_to_who_covers_it(
        one in rights(), other in rights(), question in question(),
    ) {
        let given = one.meet(&other);
        prop_assert!(one.cover(&given).is_ok() && other.cover(&given).is_ok());
        if is_allowed(&given, &question) {
            prop_assert!(is_allowed(&one, &question) && is_allowed(&other, &question));
        }
        if one.cover(&other).is_ok() && is_allowed(&other, &question) && !one.is_revoked {
            prop_assert!(is_allowed(&one, &question));
        }
    }

    #[test]
    fn rights_cover_themselves_and_what_is_covered_twice(
        one in rights(), two in rights(), three in rights(),
    ) {
        prop_assert_eq!(one.cover(&one), Ok(()));
        prop_assert_eq!(Rights::of_operator().cover(&one), Ok(()));
        let (two, three) = (one.meet(&two), one.meet(&two).meet(&three));
        prop_assert!(one.cover(&two).is_ok() && two.cover(&three).is_ok());
        prop_assert_eq!(one.cover(&three), Ok(()));
    }
}

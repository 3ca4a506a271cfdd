use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::access::record::Scope;
use crate::access::rights::tests::{is_allowed, question, rights};

const NOW: Timestamp = Timestamp::from_unix_ms(1_000_000);

fn id(n: u8) -> KeyId {
    KeyId::new(1, [n; 10])
}

fn secret(n: u8) -> KeySecret {
    KeySecret::new([n; 32])
}

fn seed(n: u8) -> Seed {
    Seed {
        id: id(n),
        hash: secret(n).hash(),
    }
}

fn later(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(NOW.unix_ms() + ms)
}

fn draft(json: serde_json::Value) -> Draft {
    serde_json::from_value(json).unwrap()
}

fn patch(json: serde_json::Value) -> Patch {
    serde_json::from_value(json).unwrap()
}

/// Makes a key and takes it.
fn made(keys: &mut Keys, by: Actor, n: u8, json: serde_json::Value) -> Result<(), KeyError> {
    let record = keys.make(by, seed(n), &draft(json), NOW)?;
    keys.put(record);
    Ok(())
}

#[test]
fn a_key_has_the_scopes_of_its_level_and_those_on_top() {
    let mut keys = Keys::default();
    let json = serde_json::json!({
        "name": " Front desk ",
        "level": "user",
        "scopes": ["content:read"],
        "rooms": {"tags": ["desk"]},
        "networks": ["192.0.2.0/24"],
        "expires_at": "2027-01-01T00:00:00Z",
    });
    made(&mut keys, Actor::Operator, 1, json).unwrap();
    let key = keys.show(Actor::Operator, id(1)).unwrap();
    assert_eq!((key.name.as_str(), key.rev), ("Front desk", 1));
    let mut scopes: BTreeSet<Scope> = Level::User.scopes().iter().copied().collect();
    scopes.insert(Scope::ContentRead);
    assert_eq!(key.scopes, scopes);
    assert_eq!(keys.rights(id(1)), Some(&Rights::written(key)));
    assert_eq!(keys.state(id(1), NOW), State::Active);
    assert_eq!(keys.next_end(NOW), key.expires_at);
}

#[test]
fn what_cannot_be_is_refused_by_its_member() {
    let keys = Keys::default();
    for (json, member) in [
        (serde_json::json!({"name": " ", "level": "admin"}), "/name"),
        (
            serde_json::json!({"name": "a\u{7}", "level": "admin"}),
            "/name",
        ),
        (serde_json::json!({"name": "a"}), "/scopes"),
        (serde_json::json!({"name": "a", "level": "user"}), "/rooms"),
        (
            serde_json::json!({"name": "a", "level": "user", "rooms": null}),
            "/rooms",
        ),
        (
            serde_json::json!({"name": "a", "level": "read_only"}),
            "/rooms",
        ),
        (
            serde_json::json!({"name": "a", "level": "admin", "rooms": {}}),
            "/rooms",
        ),
        (
            serde_json::json!({"name": "a", "level": "user", "rooms": {"tags": ["A"]}}),
            "/rooms",
        ),
        (
            serde_json::json!({"name": "a", "level": "admin", "rooms": {"tags": ["a"]}}),
            "/scopes",
        ),
        (
            serde_json::json!({"name": "a", "level": "admin", "expires_at": "1970-01-01T00:00:00Z"}),
            "/expires_at",
        ),
    ] {
        match keys.make(Actor::Operator, seed(1), &draft(json.clone()), NOW) {
            Err(KeyError::Invalid(bad)) => assert_eq!(bad.pointer(), member, "{json}"),
            other => panic!("{json}: {other:?}"),
        }
    }
    let everywhere = serde_json::json!({"name": "a", "level": "read_only", "rooms": null});
    assert!(
        keys.make(Actor::Operator, seed(1), &draft(everywhere), NOW)
            .is_ok()
    );
}

#[test]
fn a_key_gives_no_more_than_it_has_and_passes_on_its_limits() {
    let mut keys = Keys::default();
    let json = serde_json::json!({
        "name": "Sales",
        "scopes": ["rooms:read", "keys:write", "keys:read"],
        "rooms": {"tags": ["sales", "law"]},
        "networks": ["192.0.2.0/24"],
        "expires_at": later(1000),
    });
    made(&mut keys, Actor::Operator, 1, json).unwrap();
    let by = Actor::Key(id(1));
    made(
        &mut keys,
        by,
        2,
        serde_json::json!({"name": "b", "scopes": ["rooms:read"]}),
    )
    .unwrap();
    let own = keys.show(by, id(1)).unwrap();
    let given = keys.show(by, id(2)).unwrap();
    assert_eq!(
        (&given.rooms, &given.networks, given.expires_at),
        (&own.rooms, &own.networks, own.expires_at)
    );
    for (json, beyond) in [
        (
            serde_json::json!({"scopes": ["rooms:write"]}),
            Beyond::Scope(Scope::RoomsWrite),
        ),
        (serde_json::json!({"rooms": null}), Beyond::Rooms),
        (
            serde_json::json!({"rooms": {"tags": ["hr"]}}),
            Beyond::Rooms,
        ),
        (serde_json::json!({"networks": []}), Beyond::Networks),
        (
            serde_json::json!({"networks": ["192.0.0.0/16"]}),
            Beyond::Networks,
        ),
        (serde_json::json!({"expires_at": null}), Beyond::Expiry),
        (
            serde_json::json!({"expires_at": later(1001)}),
            Beyond::Expiry,
        ),
    ] {
        let mut whole = serde_json::json!({"name": "c", "scopes": ["rooms:read"]});
        whole
            .as_object_mut()
            .unwrap()
            .extend(json.as_object().unwrap().clone());
        let refused = keys.make(by, seed(3), &draft(whole), NOW);
        assert_eq!(refused, Err(KeyError::Beyond(beyond)), "{json}");
        for target in [1, 2] {
            let refused = keys.change(by, id(target), &patch(json.clone()), NOW);
            assert_eq!(refused, Err(KeyError::Beyond(beyond)), "{json} {target}");
        }
    }
    let narrow = patch(serde_json::json!({"scopes": ["rooms:read"], "rooms": {"tags": ["law"]}}));
    assert_eq!(keys.change(by, id(1), &narrow, NOW).unwrap().rev, 2);
}

#[test]
fn a_key_knows_of_none_that_are_for_other_rooms() {
    let mut keys = Keys::default();
    for (n, json) in [
        (1, serde_json::json!({"name": "a", "level": "admin"})),
        (
            2,
            serde_json::json!({"name": "b", "scopes": ["keys:write"], "rooms": {"tags": ["hr"]}}),
        ),
        (
            3,
            serde_json::json!({"name": "c", "scopes": ["rooms:read"], "rooms": {"tags": ["hr"]}}),
        ),
        (
            4,
            serde_json::json!({"name": "d", "scopes": ["rooms:read"], "rooms": {"tags": ["law"]}}),
        ),
    ] {
        made(&mut keys, Actor::Operator, n, json).unwrap();
    }
    let list = |by| keys.list(by).map(|key| key.id).collect::<Vec<_>>();
    assert_eq!(list(Actor::Operator), [1, 2, 3, 4].map(id));
    assert_eq!(list(Actor::Key(id(1))), [1, 2, 3, 4].map(id));
    assert_eq!(list(Actor::Key(id(2))), [2, 3].map(id));
    assert_eq!(list(Actor::Key(id(9))), []);
    let hr = Actor::Key(id(2));
    assert_eq!(keys.end(hr, id(4), NOW), Err(KeyError::Unknown));
    let beyond = Beyond::Scope(Scope::RoomsRead);
    assert_eq!(keys.end(hr, id(3), NOW), Err(KeyError::Beyond(beyond)));
    assert!(keys.end(hr, id(2), NOW).is_ok(), "a key may end itself");
}

#[test]
fn what_a_key_made_ends_and_narrows_with_it() {
    let mut keys = Keys::default();
    made(
        &mut keys,
        Actor::Operator,
        1,
        serde_json::json!({"name": "a", "level": "admin"}),
    )
    .unwrap();
    made(
        &mut keys,
        Actor::Key(id(1)),
        2,
        serde_json::json!({"name": "b", "level": "admin"}),
    )
    .unwrap();
    made(
        &mut keys,
        Actor::Key(id(2)),
        3,
        serde_json::json!({"name": "c", "level": "auditor"}),
    )
    .unwrap();

    let narrow = serde_json::json!({"scopes": ["rooms:read"], "expires_at": later(10)});
    keys.put(
        keys.change(Actor::Operator, id(1), &patch(narrow), NOW)
            .unwrap(),
    );
    assert!(keys.rights(id(3)).unwrap().scopes.is_empty());
    assert_eq!(keys.state(id(3), later(9)), State::Active);
    assert_eq!(keys.state(id(3), later(10)), State::Expired);
    // Not even an operator gives a key more than the one that made it.
    let wide = patch(serde_json::json!({"scopes": ["rooms:write"]}));
    let beyond = KeyError::Beyond(Beyond::Scope(Scope::RoomsWrite));
    assert_eq!(keys.change(Actor::Operator, id(2), &wide, NOW), Err(beyond));
    // A name is not a right.
    let name = patch(serde_json::json!({"name": "B"}));
    assert!(keys.change(Actor::Operator, id(2), &name, NOW).is_ok());

    keys.put(keys.end(Actor::Operator, id(1), NOW).unwrap());
    assert_eq!(keys.ended(NOW).collect::<Vec<_>>(), [1, 2, 3].map(id));
    assert_eq!(keys.state(id(3), NOW), State::Revoked);
    assert_eq!(keys.next_end(NOW), None);
    let again = keys.end(Actor::Operator, id(1), NOW);
    assert_eq!(again, Err(KeyError::Ended));
    let kept: Vec<KeyRecord> = keys.list(Actor::Operator).cloned().collect();
    let mut read = Keys::new(kept.into_iter().rev());
    assert_eq!(
        read.state(id(3), NOW),
        State::Revoked,
        "in whatever order they are read"
    );
    let json = serde_json::json!({"name": "d", "level": "auditor"});
    let refused = made(&mut read, Actor::Key(id(2)), 4, json);
    assert_eq!(refused, Err(KeyError::Denied(Denied::Revoked)));
}

#[test]
fn a_row_of_keys_has_an_end() {
    let mut keys = Keys::default();
    let json = || serde_json::json!({"name": "a", "level": "admin"});
    made(&mut keys, Actor::Operator, 0, json()).unwrap();
    let depth = u8::try_from(DEPTH_MAX).unwrap();
    for n in 1..depth {
        made(&mut keys, Actor::Key(id(n - 1)), n, json()).unwrap();
        assert_eq!(keys.state(id(n), NOW), State::Active);
    }
    let refused = made(&mut keys, Actor::Key(id(depth - 1)), depth, json());
    assert_eq!(refused, Err(KeyError::TooDeep));
    // Two that made each other, in a database that somebody edited.
    let mut records: Vec<KeyRecord> = keys.list(Actor::Operator).take(2).cloned().collect();
    for (record, maker) in records.iter_mut().zip([id(1), id(0)]) {
        record.created_by = Actor::Key(maker);
    }
    let keys = Keys::new(records);
    assert_eq!(keys.state(id(0), NOW), State::Revoked);
    // One whose maker nobody knows.
    let mut orphan = keys.show(Actor::Operator, id(0)).unwrap().clone();
    orphan.created_by = Actor::Key(id(200));
    assert_eq!(Keys::new([orphan]).state(id(0), NOW), State::Revoked);
}

#[test]
fn a_key_learns_no_secret_that_holds_after_its_own_end() {
    let mut keys = Keys::default();
    let admin = serde_json::json!({"name": "a", "level": "admin"});
    made(&mut keys, Actor::Operator, 1, admin.clone()).unwrap();
    made(&mut keys, Actor::Key(id(1)), 2, admin.clone()).unwrap();
    made(&mut keys, Actor::Key(id(2)), 3, admin.clone()).unwrap();
    made(&mut keys, Actor::Operator, 4, admin).unwrap();
    let rotated = |by, n| {
        keys.rotate(by, id(n), secret(9).hash(), OVERLAP, NOW)
            .map(drop)
    };
    for (by, n, expected) in [
        (1, 1, Ok(())),
        (1, 2, Ok(())),
        (1, 3, Ok(())),
        (2, 1, Err(KeyError::Foreign)),
        (3, 1, Err(KeyError::Foreign)),
        (1, 4, Err(KeyError::Foreign)),
    ] {
        assert_eq!(rotated(Actor::Key(id(by)), n), expected, "{n} by {by}");
    }
    assert_eq!(rotated(Actor::Operator, 4), Ok(()));
}

#[test]
fn the_former_secret_holds_until_the_overlap_is_over() {
    let mut keys = Keys::default();
    made(
        &mut keys,
        Actor::Operator,
        1,
        serde_json::json!({"name": "a", "level": "admin"}),
    )
    .unwrap();
    let is_it = |keys: &Keys, n, ms| keys.proven(id(1), &secret(n), later(ms)).is_some();
    assert!(is_it(&keys, 1, 0) && !is_it(&keys, 2, 0));
    assert!(keys.proven(id(2), &secret(1), NOW).is_none());

    let overlap = Duration::from_millis(100);
    keys.put(
        keys.rotate(Actor::Operator, id(1), secret(2).hash(), overlap, NOW)
            .unwrap(),
    );
    assert!(is_it(&keys, 1, 99) && is_it(&keys, 2, 99));
    assert!(!is_it(&keys, 1, 100) && is_it(&keys, 2, 100));
    keys.put(
        keys.rotate(Actor::Operator, id(1), secret(3).hash(), overlap, NOW)
            .unwrap(),
    );
    assert!(!is_it(&keys, 1, 0) && is_it(&keys, 2, 0) && is_it(&keys, 3, 0));
    keys.put(
        keys.rotate(
            Actor::Operator,
            id(1),
            secret(4).hash(),
            Duration::ZERO,
            NOW,
        )
        .unwrap(),
    );
    assert!(!is_it(&keys, 3, 0) && is_it(&keys, 4, 0));
    // The hash of nobody is nobody's secret.
    assert!(keys.proven(id(9), &KeySecret::new([0; 32]), NOW).is_none());
    let long = keys.rotate(
        Actor::Operator,
        id(1),
        secret(5).hash(),
        OVERLAP_MAX + overlap,
        NOW,
    );
    assert!(matches!(long, Err(KeyError::Invalid(bad)) if bad.pointer() == "/overlap_s"));
}

/// One command on a few keys.
#[derive(Debug, Clone)]
enum Command {
    Make {
        by: u8,
        rights: Rights,
    },
    Change {
        by: u8,
        target: u8,
        rights: Rights,
        members: Vec<u8>,
    },
    Rotate {
        by: u8,
        target: u8,
    },
    End {
        by: u8,
        target: u8,
    },
}

fn command() -> impl Strategy<Value = Command> {
    let key = || 0u8..8;
    prop_oneof![
        4 => (key(), rights()).prop_map(|(by, rights)| Command::Make { by, rights }),
        3 => (key(), key(), rights(), subsequence(vec![0u8, 1, 2, 3], 1..=4)).prop_map(
            |(by, target, rights, members)| Command::Change { by, target, rights, members }
        ),
        1 => (key(), key()).prop_map(|(by, target)| Command::Rotate { by, target }),
        1 => (key(), key()).prop_map(|(by, target)| Command::End { by, target }),
    ]
}

/// Key 0 stands for an operator.
fn actor(n: u8) -> Actor {
    if n == 0 {
        Actor::Operator
    } else {
        Actor::Key(id(n))
    }
}

fn asked(rights: &Rights) -> Draft {
    Draft {
        name: "a".to_owned(),
        level: None,
        scopes: rights.scopes.clone(),
        rooms: Some(rights.rooms.clone()),
        networks: Some(rights.networks.clone().unwrap_or_default()),
        expires_at: Some(rights.expires_at),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is done by whom in which order: what a key is allowed, each
    /// key above it is, and nobody ends up with more by an act of its own.
    #[test]
    fn no_sequence_gives_a_key_more_than_its_makers_have(
        commands in prop::collection::vec(command(), 1..24),
        questions in prop::collection::vec(question(), 8),
    ) {
        let now = Timestamp::from_unix_ms(0);
        let mut keys = Keys::default();
        let mut count = 0u8;
        for command in commands {
            let before = keys.clone();
            let (by, done) = match command {
                Command::Make { by, rights } => {
                    count += 1;
                    (by, keys.make(actor(by), seed(count), &asked(&rights), now))
                }
                Command::Change { by, target, rights, members } => {
                    let Draft { scopes, rooms, networks, expires_at, .. } = asked(&rights);
                    let has = |member| members.contains(&member);
                    let patch = Patch {
                        name: None,
                        scopes: has(0).then_some(scopes),
                        rooms: rooms.filter(|_| has(1)),
                        networks: networks.filter(|_| has(2)),
                        expires_at: expires_at.filter(|_| has(3)),
                    };
                    (by, keys.change(actor(by), id(target), &patch, now))
                }
                Command::Rotate { by, target } => {
                    let hash = secret(target + 100).hash();
                    (by, keys.rotate(actor(by), id(target), hash, OVERLAP, now))
                }
                Command::End { by, target } => (by, keys.end(actor(by), id(target), now)),
            };
            let Ok(record) = done else {
                continue;
            };
            let touched = record.id;
            keys.put(record);
            for question in &questions {
                let allowed = |keys: &Keys, id| keys.rights(id).is_some_and(|rights| is_allowed(rights, question));
                for key in keys.list(Actor::Operator) {
                    if !allowed(&keys, key.id) {
                        continue;
                    }
                    if let Actor::Key(maker) = key.created_by {
                        prop_assert!(allowed(&keys, maker), "{:?} beyond {maker}", key.id);
                    }
                    if !allowed(&before, key.id) && let Actor::Key(asker) = actor(by) {
                        prop_assert!(allowed(&before, asker), "{:?} by {asker}", key.id);
                        // Others gain by it only through what was touched.
                        prop_assert!(allowed(&keys, touched));
                    }
                }
            }
        }
    }
}

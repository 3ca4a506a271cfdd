use conclave_signalling_wire::ids::KeyId;
use serde_json::{Value, json};

use super::*;
use crate::access::record::{KeyHash, KeyRecord};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);

#[test]
fn a_webhook_is_what_was_asked_for() {
    let rights = Rights::of_operator();
    let made = make(json!({"url": "https://example.org/x"}), &rights).unwrap();
    assert_eq!(made.url, "https://example.org/x");
    assert!(made.events.is_empty() && made.rooms.is_none());
    assert!(made.enabled && !made.include_pii);
    assert_eq!((made.rev, made.created_by), (1, Actor::Operator));
    for (body, member) in [
        (json!({"url": "http://example.org/"}), "/url"),
        (json!({"url": "https://10.0.0.1/"}), "/url"),
        (
            json!({"url": "https://example.org/", "description": "a\nb"}),
            "/description",
        ),
        (
            json!({"url": "https://example.org/", "description": "ä".repeat(201)}),
            "/description",
        ),
        (
            json!({"url": "https://example.org/", "rooms": {}}),
            "/rooms",
        ),
        (
            json!({"url": "https://example.org/", "rooms": {"tags": (0..17).map(|n| n.to_string()).collect::<Vec<_>>()}}),
            "/rooms",
        ),
    ] {
        match make(body.clone(), &rights) {
            Err(EditError::Invalid(bad)) => assert_eq!(bad.pointer(), member, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn a_change_leaves_alone_what_it_does_not_name() {
    let rights = Rights::of_operator();
    let made = make(
        json!({"url": "https://example.org/", "rooms": {"tags": ["a"]}, "enabled": false}),
        &rights,
    )
    .unwrap();
    let change = |body: Value| {
        let by = By {
            actor: Actor::Configuration,
            rights: &rights,
        };
        let change = serde_json::from_value(body).unwrap();
        made.changed(change, by, &Guard::default())
    };
    let same = change(json!({})).unwrap();
    assert_eq!(
        same,
        WebhookRecord {
            rev: 2,
            ..made.clone()
        }
    );
    let cleared = change(json!({"rooms": null, "events": ["room.created"]})).unwrap();
    assert_eq!(cleared.rooms, None);
    assert_eq!(cleared.events, BTreeSet::from([EventKind::RoomCreated]));
    assert_eq!(cleared.created_by, made.created_by);
    let on = change(json!({"enabled": true})).unwrap();
    assert_eq!(on.created_by, Actor::Configuration, "answers for it");
    let elsewhere = change(json!({"url": "https://example.net/"})).unwrap();
    assert_eq!(elsewhere.created_by, Actor::Configuration, "listens since");
    let same = change(json!({"url": "https://example.org/"})).unwrap();
    assert_eq!(same.created_by, made.created_by);
    assert!(change(json!({"url": "https://127.0.0.1/"})).is_err());
}

#[test]
fn a_key_for_some_rooms_makes_webhooks_for_those_and_sees_no_others() {
    let sales = rights_for(&["sales", "law"]);
    let url = "https://example.org/";
    let own = make(json!({"url": url}), &sales).unwrap();
    assert_eq!(own.rooms, sales.rooms, "those of the key");
    let narrow = make(json!({"url": url, "rooms": {"tags": ["law"]}}), &sales).unwrap();
    let beyond = make(
        json!({"url": url, "rooms": {"tags": ["law", "hr"]}}),
        &sales,
    );
    assert!(matches!(beyond, Err(EditError::Invalid(bad)) if bad.pointer() == "/rooms"));
    let all = make(json!({"url": url}), &Rights::of_operator()).unwrap();
    let law = rights_for(&["law"]);
    assert!(narrow.is_seen_with(&law) && !own.is_seen_with(&law) && !all.is_seen_with(&law));
    assert!(all.is_seen_with(&Rights::of_operator()));
    let by = By {
        actor: Actor::Operator,
        rights: &law,
    };
    let wider = serde_json::from_value(json!({"rooms": null})).unwrap();
    let same = narrow.changed(wider, by, &Guard::default()).unwrap();
    assert_eq!(same.rooms, law.rooms);
}

#[test]
fn names_are_for_who_may_see_sessions() {
    let mut rights = Rights::of_operator();
    rights.scopes.remove(&Scope::SessionsRead);
    let body = json!({"url": "https://example.org/", "include_pii": true});
    let refused = make(body.clone(), &rights).unwrap_err();
    assert_eq!(refused, EditError::Scope(Scope::SessionsRead));
    assert!(make(body, &Rights::of_operator()).is_ok());
}

#[test]
fn what_a_key_made_ends_with_the_key() {
    let id = KeyId::new(1, [1; 10]);
    let key = KeyRecord {
        id,
        name: String::new(),
        hash: KeyHash([0; 32]),
        former: None,
        scopes: BTreeSet::from([Scope::WebhooksWrite]),
        rooms: None,
        networks: Vec::new(),
        created_by: Actor::Operator,
        created_at: NOW,
        expires_at: Some(Timestamp::from_unix_ms(NOW.unix_ms() + 1000)),
        revoked_at: None,
        last_used_at: None,
        last_used_prefix: None,
        rev: 1,
    };
    let url = json!({"url": "https://example.org/"});
    let mut made = make(url, &Rights::of_operator()).unwrap();
    let nobody = Keys::new([]);
    assert!(made.is_backed(&nobody, NOW), "the operator's");
    made.created_by = Actor::Key(id);
    assert!(!made.is_backed(&nobody, NOW));
    let keys = |key: &KeyRecord| Keys::new([key.clone()]);
    assert!(made.is_backed(&keys(&key), NOW));
    let later = Timestamp::from_unix_ms(NOW.unix_ms() + 1000);
    assert!(!made.is_backed(&keys(&key), later), "expired");
    let revoked = KeyRecord {
        revoked_at: Some(NOW),
        ..key.clone()
    };
    assert!(!made.is_backed(&keys(&revoked), NOW));
    let narrowed = KeyRecord {
        rooms: Some(RoomFilter::default()),
        ..key.clone()
    };
    assert!(!made.is_backed(&keys(&narrowed), NOW));
    let other = KeyRecord {
        scopes: BTreeSet::from([Scope::RoomsRead]),
        ..key.clone()
    };
    assert!(!made.is_backed(&keys(&other), NOW));
    made.include_pii = true;
    assert!(!made.is_backed(&keys(&key), NOW));
}

#[test]
fn two_secrets_sign_while_they_are_changed() {
    let url = json!({"url": "https://example.org/"});
    let made = make(url, &Rights::of_operator()).unwrap();
    let new = SigningSecret([9; 32]);
    let at = |s: u64| Timestamp::from_unix_ms(NOW.unix_ms() + s * 1000);
    let secrets = |record: &WebhookRecord, at| record.secrets(at).copied().collect::<Vec<_>>();
    let rotated = made.rotated(new, NOW, Duration::from_secs(60));
    assert_eq!(secrets(&rotated, at(59)), [new, made.secret]);
    assert_eq!(secrets(&rotated, at(60)), [new]);
    let at_once = made.rotated(new, NOW, Duration::ZERO);
    assert_eq!(secrets(&at_once, NOW), [new]);
}

fn make(body: Value, rights: &Rights) -> Result<WebhookRecord, EditError> {
    let draft = serde_json::from_value(body).unwrap();
    let seed = Seed {
        id: WebhookId::new(1, [0; 10]),
        secret: SigningSecret([1; 32]),
        at: NOW,
    };
    let by = By {
        actor: Actor::Operator,
        rights,
    };
    WebhookRecord::make(draft, seed, by, &Guard::default())
}

fn rights_for(tags: &[&str]) -> Rights {
    Rights {
        rooms: Some(RoomFilter {
            rooms: BTreeSet::new(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }),
        ..Rights::of_operator()
    }
}

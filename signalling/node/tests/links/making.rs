//! Making rooms, managing them, and what the operator does.

use std::net::IpAddr;
use std::sync::Arc;

use conclave_signalling_core::record::Actor;
use conclave_signalling_node::{
    Config, ConfiguredRoom, Ensured, KeptSettings, NewRoom, Origin, RoomCopy, RoomsCreate,
    RoomsError, Tuning,
};
use conclave_signalling_store::{AuditQuery, StoreError};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::invite::{InviteCreate, InviteState};
use conclave_signalling_wire::objects::{LobbyMode, Preset, Role};
use conclave_signalling_wire::request::{ParticipantRemove, SessionEnd};
use conclave_signalling_wire::room::{Patch, RoomUpdate};
use conclave_signalling_wire::secret::{InviteSecret, SecretText};
use conclave_signalling_wire::text::{DisplayName, Slug, Title};
use conclave_signalling_wire::time::Timestamp;
use serde_json::json;

use crate::stage::{Server, join};

#[tokio::test(start_paused = true)]
async fn anybody_makes_rooms_only_where_the_server_says_so() {
    let server = Server::start().await;
    let mut ada = server.greeted().await;
    let refused = ada.ask("room.create", json!({"title": "Mine"})).await;
    assert_eq!(refused["error"]["code"], "forbidden");

    let server = Server::with(|config| {
        config.rooms_create = RoomsCreate::Anyone;
        config.rooms_per_source_per_hour = 2;
    })
    .await;
    let mut ada = server.link().await;
    let hello = json!({"protocol": 1, "client": "test/1"});
    let welcome = ada.ask("hello", hello).await;
    let features = welcome["ok"]["features"].as_array().unwrap();
    assert!(features.contains(&json!("room_create")));
    let weak = json!({"title": "Mine", "password": "short"});
    let refused = ada.ask("room.create", weak).await;
    assert_eq!(refused["error"]["field"], "password");
    let strong = json!({"title": "Mine", "password": "correct horse"});
    let made = ada.ask("room.create", strong).await["ok"].clone();
    let slug = made["slug"].as_str().unwrap();
    assert_eq!(slug.len(), 16);
    let limited = ada.ask("room.create", json!({"title": "More"})).await;
    assert_eq!(limited["error"]["code"], "rate_limited");
    assert_eq!(limited["error"]["retry_after_s"], 1800);
    let info = ada.ask("room.info", json!({"room": slug})).await;
    assert_eq!(info["ok"]["needs"], "password");
    let mut host = join(slug, "Ada", 1);
    host["credential"] = json!({"kind": "invite", "secret": made["secret"]});
    let joined = ada.ask("join", host).await;
    assert_eq!(joined["ok"]["self"]["role"], "host", "{joined}");
    assert_eq!(joined["ok"]["room"]["lobby"], "off");
    assert_eq!(joined["ok"]["room"]["title"], "Mine");
}

#[tokio::test(start_paused = true)]
async fn a_room_is_managed_without_being_entered() {
    let server = Server::start().await;
    let room = server.room("third", |_| {}).await;
    let mut ada = server.greeted().await;
    let device_key = join("third", "Ada", 1)["device_key"].clone();
    let manage =
        |credential| json!({"room": "third", "credential": credential, "device_key": device_key});
    let refused = ada
        .ask("room.manage", manage(json!({"kind": "none"})))
        .await;
    assert_eq!(refused["error"]["field"], "credential.kind");
    let secret = json!({"kind": "invite", "secret": room.host_secret.reveal()});
    let managed = ada.ask("room.manage", manage(secret)).await;
    assert_eq!(managed["ok"]["role"], "host", "{managed}");
    let changed = ada.ask("room.update", json!({"title": "Fourth"})).await;
    assert!(changed.get("ok").is_some(), "{changed}");
    let (_bob, joined) = server.joined("third", "Bob", 2).await;
    assert_eq!(joined["room"]["title"], "Fourth");
    assert_eq!(joined["roster"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn the_operator_changes_rooms_that_somebody_is_in_and_others() {
    let server = Server::start().await;
    let rooms = server.node.rooms();
    let (mut bob, _) = server.joined("welcome", "Bob", 2).await;
    let [welcome, other] = ["welcome", "other"].map(|slug| Slug::new(slug).unwrap());
    for slug in [&welcome, &other] {
        let update = RoomUpdate {
            title: Title::new("New").ok(),
            ..RoomUpdate::default()
        };
        assert_eq!(
            rooms
                .update(slug, update, Actor::Operator)
                .await
                .unwrap()
                .title,
            "New"
        );
        assert_eq!(
            rooms.show(slug, Actor::Operator).await.unwrap().title,
            "New"
        );
    }
    let updated = bob.push_of("room.updated").await;
    assert_eq!(updated["data"]["room"]["title"], "New");
    let listed = rooms.list();
    let titles: Vec<_> = listed
        .iter()
        .map(|room| (room.slug.as_str(), room.title.as_str()))
        .collect();
    assert_eq!(titles, [("other", "New"), ("welcome", "New")]);
    let secret = InviteSecret::new([7; 16]);
    for _ in 0..2 {
        rooms
            .host_invite(&other, secret, Actor::Operator)
            .await
            .unwrap();
    }
    assert_eq!(
        rooms
            .invites(&other, Actor::Operator)
            .await
            .unwrap()
            .invites
            .len(),
        2
    );
    rooms.delete(&welcome, Actor::Operator).await.unwrap();
    assert_eq!(bob.closed().await, 4410);
    let mut late = server.greeted().await;
    let refused = late.ask("join", join("welcome", "Bob", 2)).await;
    assert_eq!(refused["error"]["code"], "password_required");
    assert!(matches!(
        rooms.show(&welcome, Actor::Operator).await,
        Err(RoomsError::UnknownRoom)
    ));
    let audit = rooms.audit_tail(&AuditQuery::default()).await.unwrap();
    let actions: Vec<_> = audit
        .iter()
        .map(|record| record.entry.action.as_str())
        .collect();
    assert!(
        actions.contains(&"room.create") && actions.contains(&"room.delete"),
        "{actions:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_room_of_the_configuration_is_changed_when_its_table_is() {
    let server = Server::start().await;
    let rooms = server.node.rooms();
    let slug = Slug::new("standing").unwrap();
    let configured = |title: &str, digest: &str| ConfiguredRoom {
        slug: slug.clone(),
        preset: Preset::Meeting,
        update: RoomUpdate {
            title: Title::new(title).ok(),
            ..RoomUpdate::default()
        },
        digest: digest.to_owned(),
    };
    let made = rooms.ensure(configured("First", "a")).await.unwrap();
    assert!(matches!(made, Ensured::Created(_)));
    let title = |title: &str| RoomUpdate {
        title: Title::new(title).ok(),
        ..RoomUpdate::default()
    };
    rooms
        .update(&slug, title("By hand"), Actor::Operator)
        .await
        .unwrap();
    let same = rooms.ensure(configured("First", "a")).await.unwrap();
    assert_eq!(same, Ensured::Unchanged);
    assert_eq!(
        rooms.show(&slug, Actor::Operator).await.unwrap().title,
        "By hand"
    );
    let new = rooms.ensure(configured("Second", "b")).await.unwrap();
    assert_eq!(new, Ensured::Changed);
    assert_eq!(
        rooms.show(&slug, Actor::Operator).await.unwrap().title,
        "Second"
    );
}

#[tokio::test(start_paused = true)]
async fn rooms_that_cannot_be_are_refused() {
    let server = Server::start().await;
    let rooms = server.node.rooms();
    let make = |slug: &str, preset, update| {
        let room = NewRoom {
            slug: Slug::new(slug).ok(),
            preset,
            update,
        };
        rooms.create(room, Actor::Operator)
    };
    let update = RoomUpdate::default;
    let taken = make("welcome", Preset::Meeting, update()).await;
    assert!(matches!(taken, Err(RoomsError::SlugTaken)));
    let Err(RoomsError::Refused(error)) = make("secure", Preset::HighSecurity, update()).await
    else {
        panic!("not refused")
    };
    assert_eq!(error.code, ErrorCode::NotAvailable);
    assert_eq!(error.field.as_deref(), Some("preset"));
    let weak = RoomUpdate {
        password: Patch::Set(SecretText::new("short")),
        ..update()
    };
    let Err(RoomsError::Refused(error)) = make("weak", Preset::Meeting, weak).await else {
        panic!("not refused")
    };
    assert_eq!(error.field.as_deref(), Some("password"));
}

#[tokio::test(start_paused = true)]
async fn nobody_makes_more_rooms_than_there_may_be() {
    let server = Server::with(|config| {
        config.rooms_create = RoomsCreate::Anyone;
        config.rooms_max = 3;
    })
    .await;
    let rooms = server.node.rooms();
    let room = |slug: Option<&str>| NewRoom {
        slug: slug.and_then(|slug| Slug::new(slug).ok()),
        preset: Preset::Meeting,
        update: RoomUpdate::default(),
    };
    assert_eq!(rooms.list().len(), 2);
    // Of two who ask at once, one is told so.
    let (one, two) = tokio::join!(
        rooms.create(room(None), Actor::Operator),
        rooms.create(room(None), Actor::Key(KeyId::new(0, [1; 10]))),
    );
    assert!(one.is_ok() && matches!(two, Err(RoomsError::Full)));
    let model = Slug::new("welcome").unwrap();
    let copy = rooms.duplicate(&model, RoomCopy::default(), Actor::Operator);
    assert!(matches!(copy.await, Err(RoomsError::Full)));
    let mut ada = server.greeted().await;
    let refused = ada.ask("room.create", json!({"title": "Mine"})).await;
    assert_eq!(refused["error"]["code"], "not_available");
    // What is configured is there.
    let configured = ConfiguredRoom {
        slug: Slug::new("desk").unwrap(),
        preset: Preset::Meeting,
        update: RoomUpdate::default(),
        digest: "1".to_owned(),
    };
    let configured = rooms.ensure(configured).await;
    assert!(matches!(configured, Ok(Ensured::Created(_))));
    let deleted = rooms.delete(&one.unwrap().slug, Actor::Operator).await;
    assert!(deleted.is_ok());
    let other = Slug::new("other").unwrap();
    assert!(rooms.delete(&other, Actor::Operator).await.is_ok());
    let made = ada.ask("room.create", json!({"title": "Mine"})).await;
    assert!(made["ok"]["slug"].is_string(), "{made}");
}

#[tokio::test(start_paused = true)]
async fn what_a_request_does_is_written_down_with_its_name_and_its_network() {
    let server = Server::start().await;
    let key = Actor::Key(KeyId::new(0, [1; 10]));
    let rooms = server.node.rooms().asked_from(Origin {
        prefix: Some(IpAddr::from([192, 0, 2, 7]).into()),
        request_id: Some(Arc::from("order-66")),
    });
    let new = NewRoom {
        slug: Slug::new("third").ok(),
        preset: Preset::Meeting,
        update: RoomUpdate::default(),
    };
    let slug = rooms.create(new, key).await.unwrap().slug;
    // A password is hashed first, and that it was set is written down later.
    let update = RoomUpdate {
        password: Patch::Set(SecretText::new("correct horse")),
        ..RoomUpdate::default()
    };
    rooms.update(&slug, update, key).await.unwrap();
    rooms.delete(&slug, key).await.unwrap();
    let kept = KeptSettings::default();
    rooms.change_settings(kept, 0, key).await.unwrap();
    // Somebody else asks without one.
    let welcome = Slug::new("welcome").unwrap();
    let update = RoomUpdate {
        title: Title::new("Hall").ok(),
        ..RoomUpdate::default()
    };
    let others = server.node.rooms();
    others
        .update(&welcome, update, Actor::Operator)
        .await
        .unwrap();
    let audit = AuditQuery::default();
    let audit = server.store.audit_tail(&audit).await.unwrap();
    let (by_key, by_others): (Vec<_>, Vec<_>) = audit
        .into_iter()
        .map(|record| record.entry)
        .partition(|entry| entry.actor == key);
    let actions: Vec<_> = by_key.iter().map(|entry| entry.action.as_str()).collect();
    let expected = [
        "room.create",
        "room.update",
        "room.delete",
        "settings.update",
    ];
    assert_eq!(actions, expected);
    for entry in by_key {
        assert_eq!(entry.request_id.as_deref(), Some("order-66"), "{entry:?}");
        assert_eq!(entry.prefix.as_deref(), Some("192.0.2.0/24"), "{entry:?}");
    }
    for entry in by_others {
        assert_eq!((entry.request_id, entry.prefix), (None, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_is_right_within_a_minute() {
    let server = Server::start().await;
    let year = 365 * 24 * 3600 * 1000;
    server
        .wall_ahead_ms
        .fetch_add(year, std::sync::atomic::Ordering::Relaxed);
    server.sleep(tokio::time::Duration::from_secs(61)).await;
    server.room("third", |_| {}).await;
    let audit = server
        .store
        .audit_tail(&AuditQuery::default())
        .await
        .unwrap();
    let [first, last] = [audit.first(), audit.last()].map(|record| record.unwrap().entry.at);
    let apart = last.unix_ms() - first.unix_ms();
    assert!((year..year + 120_000).contains(&apart), "{apart}");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_was_made_over_a_link_and_never_used_is_deleted_after_a_month() {
    let server = Server::with(|config| {
        config.rooms_create = RoomsCreate::Anyone;
    })
    .await;
    let mut ada = server.greeted().await;
    let [used, _unused] = [
        ada.ask("room.create", json!({"title": "Used"})).await["ok"].clone(),
        ada.ask("room.create", json!({"title": "Unused"})).await["ok"].clone(),
    ];
    let mut host = join(used["slug"].as_str().unwrap(), "Ada", 1);
    host["credential"] = json!({"kind": "invite", "secret": used["secret"]});
    let joined = ada.ask("join", host).await;
    assert_eq!(joined["ok"]["self"]["role"], "host", "{joined}");
    drop(ada);
    let month = 31 * 24 * 3600 * 1000;
    server
        .wall_ahead_ms
        .fetch_add(month, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(server.node.stats().rooms_known, 4);
    // In steps, as the clock leaps while the store works.
    for _ in 0..2 * 24 * 60 {
        server.sleep(tokio::time::Duration::from_secs(60)).await;
        if server.node.stats().rooms_known == 3 {
            break;
        }
    }
    let titles: Vec<_> = server
        .node
        .rooms()
        .list()
        .into_iter()
        .map(|room| room.title)
        .collect();
    assert!(titles.contains(&"Used".to_owned()), "{titles:?}");
}

#[tokio::test(start_paused = true)]
async fn no_two_rooms_are_called_the_same_by_another_system() {
    let server = Server::start().await;
    let rooms = server.node.rooms();
    let [welcome, other] = ["welcome", "other"].map(|slug| Slug::new(slug).unwrap());
    let called = |id: &str| RoomUpdate {
        external_id: Patch::Set(id.to_owned()),
        tags: Some(vec!["school".to_owned()]),
        ..RoomUpdate::default()
    };
    let taken = |result| matches!(result, Err(RoomsError::ExternalIdTaken));
    let by = Actor::Operator;
    // Of two who ask at once, one is told so.
    let (one, two) = tokio::join!(
        rooms.update(&welcome, called("b-7"), by),
        rooms.update(&other, called("b-7"), by)
    );
    assert!(one.is_ok() && taken(two.map(drop)));
    assert_eq!(rooms.find_external("b-7"), Some(welcome.clone()));
    let entry = rooms.entry(&welcome).unwrap();
    assert_eq!(rooms.find_id(entry.id), Some(welcome.clone()));
    assert_eq!(entry.tags, ["school"]);
    assert_eq!(entry.external_id.as_deref(), Some("b-7"));
    let new = NewRoom {
        slug: Slug::new("third").ok(),
        preset: Preset::Meeting,
        update: called("b-7"),
    };
    assert!(taken(rooms.create(new.clone(), by).await.map(drop)));
    // Who is called so already may be called so again.
    rooms.update(&welcome, called("b-7"), by).await.unwrap();
    rooms.update(&welcome, called("b-8"), by).await.unwrap();
    rooms.create(new, by).await.unwrap();
    assert_eq!(rooms.find_external("b-7"), Slug::new("third").ok());
    rooms.delete(&welcome, by).await.unwrap();
    assert_eq!(rooms.find_external("b-8"), None);
    assert_eq!(rooms.find_id(entry.id), None);
}

#[tokio::test(start_paused = true)]
async fn a_key_acts_in_a_meeting_that_is_found_by_its_session() {
    let server = Server::start().await;
    let rooms = server.node.rooms();
    let by = Actor::Key(KeyId::new(1, [1; 10]));
    let welcome = Slug::new("welcome").unwrap();
    assert!(rooms.participants(&welcome, by).await.unwrap().is_none());
    let (mut bob, joined) = server.joined("welcome", "Bob", 2).await;
    let live = rooms.participants(&welcome, by).await.unwrap().unwrap();
    let id = live.participants[0].face.id;
    assert_eq!(joined["self"]["id"], json!(id));
    let session = live.session.id;
    let entry = rooms.entry(&welcome).unwrap();
    assert_eq!(
        rooms.find_session(session),
        Some((entry.id, welcome.clone()))
    );
    let name = DisplayName::new("Robert").unwrap();
    rooms
        .participant_rename(&welcome, id, name, by)
        .await
        .unwrap();
    let updated = bob.push_of("participant.updated").await;
    assert_eq!(updated["data"]["participant"]["name"], "Robert");
    let order = ParticipantRemove {
        participant: id,
        reason: None,
        message: None,
        ban: None,
    };
    let removed = rooms.participant_remove(&welcome, order, by).await.unwrap();
    assert_eq!((removed.ban, removed.removals), (None, 1));
    assert_eq!(bob.closed().await, 4403);
    assert_eq!(rooms.find_session(session), None);
    let end = SessionEnd {
        countdown_s: 0,
        message: None,
    };
    let refused = rooms.end(&welcome, end, by).await;
    assert!(
        matches!(refused, Err(RoomsError::Refused(error)) if error.code == ErrorCode::NotFound)
    );
    let audit = rooms.audit_tail(&AuditQuery::default()).await.unwrap();
    let by_key = audit.iter().filter(|record| record.entry.actor == by);
    assert_eq!(by_key.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_key_reaches_rooms_that_nobody_is_in() {
    let server = Server::start().await;
    let rooms = server.node.rooms();
    let [one, other] = [1, 2].map(|number| Actor::Key(KeyId::new(1, [number; 10])));
    let invite = || InviteCreate {
        role: Role::Host,
        custom_role: None,
        name: None,
        name_locked: false,
        max_uses: None,
        not_before: None,
        expires_at: None,
        bypass_lobby: false,
        bind_device: false,
        note: None,
    };
    let [welcome, empty] = ["welcome", "other"].map(|slug| Slug::new(slug).unwrap());
    let made = rooms.invite(&welcome, invite(), one).await.unwrap();
    rooms.invite(&empty, invite(), one).await.unwrap();
    let kept = rooms.invite(&empty, invite(), other).await.unwrap();
    let mut data = join("welcome", "Ada", 1);
    data["credential"] = json!({"kind": "invite", "secret": made.secret.reveal()});
    let mut ada = server.greeted().await;
    let joined = ada.ask("join", data).await;
    assert_eq!(joined["ok"]["self"]["role"], "host", "{joined}");
    let revoked = rooms.revoke_made_by(one, Actor::Operator).await.unwrap();
    assert_eq!(revoked, 2);
    assert_eq!(ada.closed().await, 4403);
    let again = rooms.revoke_made_by(one, Actor::Operator).await.unwrap();
    assert_eq!(again, 0);
    let left = rooms.invite_get(&empty, kept.invite.id, other).await;
    assert_eq!(left.unwrap().state, InviteState::Active);
    let gone = rooms.invite_get(&welcome, made.invite.id, one).await;
    assert_eq!(gone.unwrap().state, InviteState::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_copy_has_the_policies_of_a_room_and_nothing_that_happened_there() {
    let server = Server::start().await;
    server
        .room("model", |update| {
            update.title = Some(Title::new("Model").unwrap());
            update.password = Patch::Set(SecretText::new("correct horse"));
            update.lobby = Some(LobbyMode::On);
            update.locked = Some(true);
            update.allowed_networks = Some(vec!["192.0.2.0/24".to_owned()]);
            update.tags = Some(vec!["class".to_owned()]);
            update.external_id = Patch::Set("lms-1".to_owned());
        })
        .await;
    let (rooms, by) = (server.node.rooms(), Actor::Operator);
    let slug = |text: &str| Slug::new(text).unwrap();
    let copy = RoomCopy {
        slug: Some(slug("copy")),
        ..RoomCopy::default()
    };
    let made = rooms
        .duplicate(&slug("model"), copy.clone(), by)
        .await
        .unwrap();
    let time = Timestamp::from_unix_ms(0);
    let kept = server.store.room(made.id, time).await.unwrap().unwrap();
    let entry = rooms.entry(&slug("model")).unwrap();
    let model = server.store.room(entry.id, time).await.unwrap().unwrap();
    let (copied, modelled) = (&kept.settings, &model.settings);
    assert_eq!(copied.password, modelled.password);
    assert!(copied.password.is_some());
    assert_eq!(copied.allowed_networks, modelled.allowed_networks);
    assert_eq!(
        (copied.title.as_str(), copied.lobby),
        ("Model", LobbyMode::On)
    );
    assert_eq!(copied.tags, ["class"]);
    assert_eq!((copied.rev, copied.locked), (1, false));
    assert_eq!(copied.external_id, None);
    assert_eq!(kept.invites.len(), 1);
    let taken = rooms.duplicate(&slug("model"), copy, by).await;
    assert!(matches!(taken, Err(RoomsError::SlugTaken)));
    let named = RoomCopy {
        external_id: Some("lms-1".to_owned()),
        ..RoomCopy::default()
    };
    let named = rooms.duplicate(&slug("model"), named, by).await;
    assert!(matches!(named, Err(RoomsError::ExternalIdTaken)));
    let none = rooms
        .duplicate(&slug("nowhere"), RoomCopy::default(), by)
        .await;
    assert!(matches!(none, Err(RoomsError::UnknownRoom)));
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_kept_hold_at_once_and_after_a_restart_and_a_reload() {
    let server = Server::start().await;
    let rooms = server.node.rooms();
    let first = rooms.settings().await.unwrap();
    assert_eq!((first.rev, first.rooms_create), (0, RoomsCreate::Admins));
    let kept = KeptSettings {
        rooms_create: Some(RoomsCreate::Anyone),
        ..KeptSettings::default()
    };
    let held = rooms
        .change_settings(kept, 0, Actor::Operator)
        .await
        .unwrap();
    assert_eq!((held.rev, held.rooms_create), (1, RoomsCreate::Anyone));
    let late = rooms.change_settings(kept, 0, Actor::Operator).await;
    assert_eq!(late.map(|_| ()), Err(StoreError::Conflict));
    let mut client = server.greeted().await;
    let made = client.ask("room.create", json!({"title": "Mine"})).await;
    assert!(made["ok"]["slug"].is_string(), "{made}");
    server.node.tune(Tuning::from(&Config::default()));
    assert_eq!(rooms.settings().await.unwrap(), held);
    let server = server.again().await;
    assert_eq!(server.node.rooms().settings().await.unwrap(), held);
    let rooms = server.node.rooms();
    let none = KeptSettings::default();
    let held = rooms
        .change_settings(none, 1, Actor::Operator)
        .await
        .unwrap();
    assert_eq!((held.rev, held.rooms_create), (2, RoomsCreate::Admins));
}

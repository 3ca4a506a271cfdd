//! Sessions, who was in them, and what was written there.

use std::time::Duration;

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::event::EventKind;
use conclave_signalling_core::record::{AttendanceRecord, Change, EndReason, SessionRecord, Stay};
use conclave_signalling_store::{
    ChatQuery, DeliveryQuery, KeptSession, Order, SessionQuery, Store, StoreError,
};
use conclave_signalling_wire::ids::{ParticipantId, SessionId};
use conclave_signalling_wire::objects::{Identity, Role};
use conclave_signalling_wire::text::{DisplayName, Slug};
use serde_json::json;

use crate::hooks::webhook;
use crate::{
    DAY_MS, Folder, HOUR_MS, NOW_MS, after, entry, hash, is_in_files, message, new_room, now,
    random, room_id, with_room,
};

/// One of `number` hours after the start, that goes on.
fn begun(number: u64) -> SessionRecord {
    SessionRecord {
        id: SessionId::new(NOW_MS + number * HOUR_MS, random(number)),
        started_at: after(number * HOUR_MS),
        ended_at: None,
        ended: None,
        peak: 2,
        people: 3,
    }
}

fn ended(number: u64) -> SessionRecord {
    SessionRecord {
        ended_at: Some(after(number * HOUR_MS + 60_000)),
        ended: Some(EndReason::TimeUp),
        ..begun(number)
    }
}

fn kept(room: u64, slug: &str, session: SessionRecord) -> KeptSession {
    KeptSession {
        room: room_id(room),
        slug: Slug::new(slug).unwrap(),
        session,
    }
}

fn attendance(session: u64, device: u64) -> AttendanceRecord {
    AttendanceRecord {
        session: begun(session).id,
        device: DeviceHash(hash(device)),
        participant: ParticipantId::new(NOW_MS, random(device)),
        name: DisplayName::new("Ada Lovelace").unwrap(),
        role: Role::Presenter,
        identity: Identity::Invited,
        invite: Some(crate::invite(1).id),
        stays: vec![
            Stay {
                from: after(session * HOUR_MS + 100 - device),
                to: Some(after(session * HOUR_MS + 200)),
            },
            Stay {
                from: after(session * HOUR_MS + 300),
                to: None,
            },
        ],
        talk_ms: 12_345,
        visits: 2,
    }
}

async fn keep(store: &Store, room: u64, session: SessionRecord) {
    let changes = vec![Change::Session(Box::new(session))];
    store.commit(room_id(room), changes).await.unwrap();
}

async fn attend(store: &Store, attendance: AttendanceRecord) {
    let changes = vec![Change::Attended(Box::new(attendance))];
    store.commit(room_id(1), changes).await.unwrap();
}

#[tokio::test]
async fn a_session_and_who_was_in_it_are_the_same_after_a_restart() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    keep(&store, 1, begun(1)).await;
    attend(&store, attendance(1, 1)).await;
    attend(&store, attendance(1, 2)).await;
    let later = AttendanceRecord {
        name: DisplayName::new("Countess Augusta").unwrap(),
        role: Role::Host,
        identity: Identity::Guest,
        invite: None,
        ..attendance(1, 1)
    };
    attend(&store, later.clone()).await;
    keep(&store, 1, ended(1)).await;
    store.close().await.unwrap();
    let store = folder.open().await;
    let id = begun(1).id;
    let there = store.session(id).await.unwrap();
    assert_eq!(there, Some(kept(1, "welcome", ended(1))));
    // The second device came first.
    let came = store.attendance(id).await.unwrap();
    assert_eq!(came, [attendance(1, 2), later]);
    assert_eq!(store.session(begun(2).id).await.unwrap(), None);
    assert_eq!(store.attendance(begun(2).id).await.unwrap(), []);
    for word in ["Lovelace", "Augusta"] {
        assert!(!is_in_files(&folder, word), "{word}");
    }
}

#[tokio::test]
async fn the_session_of_another_room_is_left_alone() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let other = new_room(2, "other");
    store
        .create_room(other, entry("room.create"))
        .await
        .unwrap();
    keep(&store, 1, begun(1)).await;
    let changes = vec![Change::Session(Box::new(ended(1)))];
    let refused = store.commit(room_id(2), changes).await;
    assert_eq!(refused, Err(StoreError::AlreadyThere));
    let there = store.session(begun(1).id).await.unwrap();
    assert_eq!(there, Some(kept(1, "welcome", begun(1))));
}

#[tokio::test]
async fn sessions_are_found_by_state_room_and_time_in_pages() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let other = new_room(2, "other");
    store
        .create_room(other, entry("room.create"))
        .await
        .unwrap();
    for number in 1..=4 {
        keep(&store, 1, ended(number)).await;
    }
    keep(&store, 1, begun(5)).await;
    keep(&store, 2, begun(6)).await;
    let any = || SessionQuery {
        limit: 100,
        ..SessionQuery::default()
    };
    let oldest = || SessionQuery {
        order: Order::OldestFirst,
        ..any()
    };
    let cases = [
        (any(), &[6, 5, 4, 3, 2, 1][..]),
        (oldest(), &[1, 2, 3, 4, 5, 6]),
        (
            SessionQuery {
                live: Some(true),
                ..any()
            },
            &[6, 5],
        ),
        (
            SessionQuery {
                live: Some(false),
                ..any()
            },
            &[4, 3, 2, 1],
        ),
        (
            SessionQuery {
                rooms: Some(vec![room_id(2)]),
                ..any()
            },
            &[6],
        ),
        (
            SessionQuery {
                rooms: Some(vec![room_id(2), room_id(1)]),
                ..oldest()
            },
            &[1, 2, 3, 4, 5, 6],
        ),
        (
            SessionQuery {
                rooms: Some(Vec::new()),
                ..any()
            },
            &[],
        ),
        (
            SessionQuery {
                from: Some(after(2 * HOUR_MS)),
                to: Some(after(4 * HOUR_MS)),
                ..any()
            },
            &[3, 2],
        ),
        (
            SessionQuery {
                after: Some(begun(4).id),
                limit: 2,
                ..any()
            },
            &[3, 2],
        ),
        (
            SessionQuery {
                after: Some(begun(4).id),
                limit: 1,
                ..oldest()
            },
            &[5],
        ),
    ];
    for (query, expected) in cases {
        let found = store.sessions(&query).await.unwrap();
        let found: Vec<_> = found.iter().map(|kept| kept.session.id).collect();
        let expected: Vec<_> = expected.iter().map(|number| begun(*number).id).collect();
        assert_eq!(found, expected, "{query:?}");
        let whole = SessionQuery {
            after: None,
            limit: u32::MAX,
            ..query.clone()
        };
        let whole = store.sessions(&whole).await.unwrap().len();
        let count = store.count_sessions(&query).await.unwrap();
        assert_eq!(count, whole as u64, "{query:?}");
    }
}

#[tokio::test]
async fn a_session_that_a_crash_left_open_ends_as_failed() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let audit = entry("webhook.create");
    store.put_webhook(webhook(1), None, audit).await.unwrap();
    keep(&store, 1, ended(1)).await;
    keep(&store, 1, begun(2)).await;
    attend(&store, attendance(1, 1)).await;
    attend(&store, attendance(2, 1)).await;
    store.close().await.unwrap();
    let store = folder.open().await;
    let start = after(3 * HOUR_MS);
    store.begin(start).await.unwrap();
    let id = begun(2).id;
    let failed = SessionRecord {
        ended_at: Some(start),
        ended: Some(EndReason::Failed),
        ..begun(2)
    };
    let there = store.session(id).await.unwrap();
    assert_eq!(there, Some(kept(1, "welcome", failed)));
    let mut left = attendance(2, 1);
    left.stays[1].to = Some(start);
    assert_eq!(store.attendance(id).await.unwrap(), [left]);
    let of_ended = store.attendance(begun(1).id).await.unwrap();
    assert_eq!(of_ended, [attendance(1, 1)]);
    let told = DeliveryQuery {
        webhook: webhook(1).id,
        state: None,
        order: Order::OldestFirst,
        after: None,
        limit: 10,
    };
    let told = store.deliveries(&told).await.unwrap();
    assert_eq!(told.len(), 1);
    let event = &told[0].event;
    assert_eq!(event.kind, EventKind::SessionEnded);
    assert_eq!((event.room, event.session), (Some(room_id(1)), Some(id)));
    let data = json!({"reason": "failed", "by": null, "duration_s": 3600, "peak": 2, "people": 3});
    assert_eq!(json!(event.data), data);
}

#[tokio::test]
async fn a_session_whose_end_was_not_kept_ends_when_its_room_begins_the_next() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let other = new_room(2, "other");
    let audit = entry("room.create");
    store.create_room(other, audit).await.unwrap();
    let audit = entry("webhook.create");
    store.put_webhook(webhook(1), None, audit).await.unwrap();
    keep(&store, 1, begun(1)).await;
    attend(&store, attendance(1, 1)).await;
    keep(&store, 2, begun(2)).await;
    // What is kept of it once more ends nothing, itself included.
    keep(&store, 1, begun(1)).await;
    assert_eq!(lasting(&store).await, [begun(1).id, begun(2).id]);
    keep(&store, 1, begun(3)).await;
    assert_eq!(lasting(&store).await, [begun(2).id, begun(3).id]);
    let there = store.session(begun(1).id).await.unwrap().unwrap();
    assert_eq!(there.session.ended, Some(EndReason::Failed));
    assert_eq!(there.session.ended_at, Some(begun(3).started_at));
    let left = store.attendance(begun(1).id).await.unwrap();
    assert_eq!(left[0].stays[1].to, Some(begun(3).started_at));
    assert_eq!(ends_told(&store).await, [(begun(1).id, json!("failed"))]);
    // Nor does what comes of the former one too late.
    keep(&store, 1, ended(1)).await;
    assert_eq!(lasting(&store).await, [begun(2).id, begun(3).id]);
}

#[tokio::test]
async fn sessions_that_no_room_ends_any_more_are_ended_as_it_is_said() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let other = new_room(2, "other");
    let audit = entry("room.create");
    store.create_room(other, audit).await.unwrap();
    let audit = entry("webhook.create");
    store.put_webhook(webhook(1), None, audit).await.unwrap();
    keep(&store, 1, ended(0)).await;
    keep(&store, 1, begun(1)).await;
    attend(&store, attendance(1, 1)).await;
    keep(&store, 2, begun(2)).await;
    let (early, at) = (after(3 * HOUR_MS - 1), after(3 * HOUR_MS));
    let ended_early = store.end_sessions(Some(room_id(2)), early, EndReason::Failed);
    ended_early.await.unwrap();
    assert_eq!(lasting(&store).await, [begun(1).id]);
    let drained = store.end_sessions(None, at, EndReason::Drained);
    drained.await.unwrap();
    assert_eq!(lasting(&store).await, []);
    let told = [
        (begun(2).id, json!("failed")),
        (begun(1).id, json!("drained")),
    ];
    assert_eq!(ends_told(&store).await, told);
    let there = store.session(ended(0).id).await.unwrap();
    assert_eq!(there, Some(kept(1, "welcome", ended(0))));
    let left = store.attendance(begun(1).id).await.unwrap();
    assert_eq!(left[0].stays[1].to, Some(at));
    // The next start finds nothing to end.
    store.close().await.unwrap();
    let store = folder.open().await;
    store.begin(after(4 * HOUR_MS)).await.unwrap();
    let there = store.session(begun(1).id).await.unwrap().unwrap();
    assert_eq!(there.session.ended, Some(EndReason::Drained));
}

/// The sessions that go on, the oldest first.
async fn lasting(store: &Store) -> Vec<SessionId> {
    let query = SessionQuery {
        live: Some(true),
        limit: 100,
        order: Order::OldestFirst,
        ..SessionQuery::default()
    };
    let found = store.sessions(&query).await.unwrap();
    found.into_iter().map(|kept| kept.session.id).collect()
}

/// What webhooks are told of ends.
async fn ends_told(store: &Store) -> Vec<(SessionId, serde_json::Value)> {
    let told = DeliveryQuery {
        webhook: webhook(1).id,
        state: None,
        order: Order::OldestFirst,
        after: None,
        limit: 10,
    };
    let told = store.deliveries(&told).await.unwrap().into_iter();
    let ends = told.filter(|it| it.event.kind == EventKind::SessionEnded);
    ends.map(|it| (it.event.session.unwrap(), it.event.data["reason"].clone()))
        .collect()
}

#[tokio::test]
async fn a_session_outlives_its_room_until_its_time_is_over() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    keep(&store, 1, begun(0)).await;
    attend(&store, attendance(0, 1)).await;
    let audit = entry("room.delete");
    store.delete_room(room_id(1), audit).await.unwrap();
    let id = begun(0).id;
    let there = store.session(id).await.unwrap().unwrap();
    assert_eq!(there.session.ended, Some(EndReason::Deleted));
    assert_eq!(there.slug.as_str(), "welcome");
    assert_eq!(store.attendance(id).await.unwrap().len(), 1);
    let early = store.purge(after(7 * DAY_MS - 1)).await.unwrap();
    assert_eq!(early.sessions, 0);
    store.keep_sessions_for(Duration::from_secs(8 * 24 * 3600));
    assert_eq!(store.purge(after(7 * DAY_MS)).await.unwrap().sessions, 0);
    store.keep_sessions_for(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(store.purge(after(7 * DAY_MS)).await.unwrap().sessions, 1);
    assert_eq!(store.session(id).await.unwrap(), None);
    assert_eq!(store.attendance(id).await.unwrap(), []);
}

#[tokio::test]
async fn messages_that_are_kept_are_read_in_pages() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    let mut messages: Vec<_> = (1..=5).map(message).collect();
    messages[1].session = begun(2).id;
    messages[4].expires_at = after(HOUR_MS);
    let changes = messages.iter().cloned().map(Box::new).map(Change::Chat);
    store.commit(room_id(1), changes.collect()).await.unwrap();
    let all = ChatQuery {
        room: room_id(1),
        session: None,
        after: 0,
        limit: 100,
        now: now(),
    };
    let read = async |query: ChatQuery| {
        let read = store.chat(&query).await.unwrap();
        read.iter()
            .map(|record| record.message.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(store.chat(&all).await.unwrap(), messages);
    assert_eq!(
        read(ChatQuery {
            after: 1,
            limit: 2,
            ..all
        })
        .await,
        [2, 3]
    );
    assert_eq!(
        read(ChatQuery {
            now: after(HOUR_MS),
            ..all
        })
        .await,
        [1, 2, 3, 4]
    );
    assert_eq!(
        read(ChatQuery {
            session: Some(begun(2).id),
            ..all
        })
        .await,
        [2]
    );
    let elsewhere = ChatQuery {
        room: room_id(2),
        ..all
    };
    assert!(read(elsewhere).await.is_empty());
}

//! What is over goes in portions, between which others write.

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::record::{AttendanceRecord, Change, EndReason, SessionRecord, Stay};
use conclave_signalling_wire::ids::{ParticipantId, SessionId};
use conclave_signalling_wire::objects::{Identity, Role};
use conclave_signalling_wire::text::DisplayName;
use conclave_signalling_wire::time::Timestamp;

use super::outbox::{of, put, raised, webhook};
use super::{Folder, NOW, entry, room};
use crate::open::Tuning;
use crate::sql::Portion;
use crate::{Outcome, Store};

const WEEK_MS: u64 = 7 * 24 * 3600 * 1000;

async fn with_portions(folder: &Folder, events: u32) -> Store {
    let tuning = Tuning {
        portion: Portion { rows: 2, events },
        ..Tuning::default()
    };
    folder.with_room(tuning).await
}

fn later(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(NOW.unix_ms() + ms)
}

/// A session that is over, with so many who were in it.
fn session(number: u8, people: u8) -> Vec<Change> {
    let id = SessionId::new(NOW.unix_ms(), [number; 10]);
    let over = SessionRecord {
        id,
        started_at: NOW,
        ended_at: Some(NOW),
        ended: Some(EndReason::Empty),
        peak: people.into(),
        people: people.into(),
    };
    let attended = |device: u8| AttendanceRecord {
        session: id,
        device: DeviceHash([device; 32]),
        participant: ParticipantId::new(NOW.unix_ms(), [device; 10]),
        name: DisplayName::new("Ada").unwrap(),
        role: Role::Attendee,
        identity: Identity::Guest,
        invite: None,
        stays: vec![Stay {
            from: NOW,
            to: Some(NOW),
        }],
        talk_ms: 0,
        visits: 1,
    };
    let attended = (0..people).map(|device| Change::Attended(Box::new(attended(device))));
    std::iter::once(Change::Session(Box::new(over)))
        .chain(attended)
        .collect()
}

#[tokio::test]
async fn a_purge_deletes_all_that_is_over_and_holds_up_nobody() {
    let folder = Folder::new();
    let store = with_portions(&folder, 100).await;
    for number in 1..=5 {
        store.commit(room(), session(number, 3)).await.unwrap();
    }
    let before = store.statistics().transactions;
    let purged = store.purge(later(WEEK_MS)).await.unwrap();
    assert_eq!(purged.sessions, 5);
    let transactions = store.statistics().transactions - before;
    assert!(transactions >= 8, "15 rows, two at a time");
    for number in 1..=5 {
        let id = SessionId::new(NOW.unix_ms(), [number; 10]);
        assert_eq!(store.session(id).await.unwrap(), None);
        assert_eq!(store.attendance(id).await.unwrap(), []);
    }
}

#[tokio::test]
async fn attendance_of_a_session_that_nobody_knows_of_goes_at_the_next_start() {
    let folder = Folder::new();
    let store = with_portions(&folder, 100).await;
    let mut stray = session(1, 2);
    stray.remove(0);
    store.commit(room(), stray).await.unwrap();
    store.commit(room(), session(2, 1)).await.unwrap();
    store.begin(NOW).await.unwrap();
    for (number, people) in [(1, 0), (2, 1)] {
        let id = SessionId::new(NOW.unix_ms(), [number; 10]);
        assert_eq!(store.attendance(id).await.unwrap().len(), people);
    }
}

#[tokio::test]
async fn the_newest_events_are_kept_and_what_is_still_to_be_told() {
    let folder = Folder::new();
    let store = with_portions(&folder, 3).await;
    put(&store, webhook(1)).await;
    for number in 0..8 {
        store.event(raised(number)).await.unwrap();
    }
    let there = of(&store, 1).await;
    for taken in there.iter().skip(1) {
        let outcome = Outcome::Delivered { status: 200 };
        store.delivery_tried(taken.id, NOW, outcome).await.unwrap();
    }
    assert_eq!(store.purge(NOW).await.unwrap().deliveries, 4);
    let kept = of(&store, 1).await;
    let kept: Vec<_> = kept.iter().map(|delivery| delivery.id).collect();
    let expected = [0, 5, 6, 7].map(|place: usize| there[place].id);
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn a_webhook_goes_with_its_deliveries_a_portion_at_a_time() {
    let folder = Folder::new();
    let store = with_portions(&folder, 100).await;
    for number in [1, 2] {
        put(&store, webhook(number)).await;
    }
    for number in 0..5 {
        store.event(raised(number)).await.unwrap();
    }
    let before = store.statistics().transactions;
    store.delete_webhook(webhook(1).id, entry()).await.unwrap();
    assert_eq!(store.statistics().transactions - before, 4);
    assert_eq!(of(&store, 1).await, []);
    assert_eq!(of(&store, 2).await.len(), 5);
    let counts = store.delivery_counts(None).await.unwrap();
    assert_eq!(counts.pending, 5);
}

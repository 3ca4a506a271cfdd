//! What is asked of several rooms at once: their bans, and how much they were used.

use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::record::{AttendanceRecord, Change, EndReason, SessionRecord, Stay};
use conclave_signalling_store::{BanQuery, Order, RoomUsage};
use conclave_signalling_wire::ids::{BanId, ParticipantId, SessionId};
use conclave_signalling_wire::objects::{Identity, Role};
use conclave_signalling_wire::text::DisplayName;

use crate::{
    DAY_MS, Folder, HOUR_MS, NOW_MS, after, ban, entry, hash, new_room, now, random, room_id,
    with_room,
};

#[tokio::test]
async fn bans_of_all_rooms_come_in_pages_while_they_hold() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    store
        .create_room(new_room(2, "other"), entry("room.create"))
        .await
        .unwrap();
    let made = |number: u64| {
        let mut made = ban(number);
        made.id = BanId::new(NOW_MS + number, random(number));
        made
    };
    for (room, number) in [(1, 1), (2, 2), (1, 3)] {
        let change = Change::Ban(Box::new(made(number)));
        store.commit(room_id(room), vec![change]).await.unwrap();
    }
    let query = BanQuery {
        rooms: None,
        order: Order::NewestFirst,
        after: None,
        limit: 2,
        now: now(),
    };
    let page = store.bans(&query).await.unwrap();
    assert_eq!(page, [(room_id(1), made(3)), (room_id(2), made(2))]);
    let next = BanQuery {
        after: Some(made(2).id),
        ..query.clone()
    };
    assert_eq!(store.bans(&next).await.unwrap(), [(room_id(1), made(1))]);
    assert_eq!(store.count_bans(&query).await, Ok(3));
    let of_other = BanQuery {
        rooms: Some(vec![room_id(2)]),
        order: Order::OldestFirst,
        ..query.clone()
    };
    assert_eq!(store.bans(&of_other).await.unwrap().len(), 1);
    let of_none = BanQuery {
        rooms: Some(Vec::new()),
        ..query.clone()
    };
    assert_eq!(store.count_bans(&of_none).await, Ok(0));
    let later = BanQuery {
        now: after(DAY_MS),
        ..query
    };
    assert_eq!(store.bans(&later).await, Ok(Vec::new()));
    assert_eq!(store.room_of_ban(made(2).id).await, Ok(Some(room_id(2))));
    assert_eq!(store.room_of_ban(made(4).id).await, Ok(None));
}

fn met(number: u64, from_ms: u64, to_ms: Option<u64>, peak: u32) -> Change {
    Change::Session(Box::new(SessionRecord {
        id: SessionId::new(NOW_MS, random(number)),
        started_at: after(from_ms),
        ended_at: to_ms.map(after),
        ended: to_ms.map(|_| EndReason::Empty),
        peak,
        people: peak,
    }))
}

fn stayed(session: u64, device: u64, stays: &[(u64, Option<u64>)]) -> Change {
    let stay = |(from, to): &(u64, Option<u64>)| Stay {
        from: after(*from),
        to: to.map(after),
    };
    Change::Attended(Box::new(AttendanceRecord {
        session: SessionId::new(NOW_MS, random(session)),
        device: DeviceHash(hash(device)),
        participant: ParticipantId::new(NOW_MS, random(device)),
        name: DisplayName::new("Ada").unwrap(),
        role: Role::Attendee,
        identity: Identity::Guest,
        invite: None,
        stays: stays.iter().map(stay).collect(),
        talk_ms: 0,
        visits: 1,
    }))
}

#[tokio::test]
async fn use_is_summed_up_between_two_times_to_the_millisecond() {
    let folder = Folder::new();
    let store = with_room(&folder).await;
    store
        .create_room(new_room(2, "other"), entry("room.create"))
        .await
        .unwrap();
    let first = vec![
        // Over before, begun before, begun within, and begun after.
        met(1, 0, Some(HOUR_MS), 9),
        met(2, HOUR_MS, Some(3 * HOUR_MS), 2),
        met(3, 3 * HOUR_MS, None, 3),
        met(4, 5 * HOUR_MS, None, 8),
        stayed(1, 1, &[(0, Some(HOUR_MS))]),
        stayed(2, 1, &[(HOUR_MS, Some(2 * HOUR_MS + 7))]),
        stayed(
            2,
            2,
            &[
                (HOUR_MS, Some(HOUR_MS + 1)),
                (2 * HOUR_MS + 1, Some(2 * HOUR_MS + 4)),
            ],
        ),
        stayed(3, 1, &[(4 * HOUR_MS - 90, None)]),
    ];
    store.commit(room_id(1), first).await.unwrap();
    let second = vec![met(5, 0, None, 1)];
    store.commit(room_id(2), second).await.unwrap();
    let usage = store.usage(after(2 * HOUR_MS), after(4 * HOUR_MS)).await;
    let mut usage = usage.unwrap();
    usage.sort_by_key(|usage| usage.peak);
    let of = |room, sessions, peak, stayed_ms| RoomUsage {
        room: room_id(room),
        sessions,
        peak,
        stayed_ms,
    };
    assert_eq!(usage, [of(2, 1, 1, 0), of(1, 2, 3, 7 + 3 + 90)]);
}

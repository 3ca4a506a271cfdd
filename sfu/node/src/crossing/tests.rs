use super::*;

/// The ends of so many shards, and what others know of them.
fn between<T>(count: usize) -> (Vec<Crossings<T>>, Vec<Arc<Shared>>) {
    let shared: Vec<_> = (0..count)
        .map(|_| Arc::new(Shared::new().unwrap()))
        .collect();
    (Crossings::between(&shared), shared)
}

fn taken<T>(ends: &mut Crossings<T>) -> Vec<(u8, T)> {
    ends.take(Instant::now());
    ends.taken.drain(..).collect()
}

#[test]
fn what_one_shard_sends_another_takes_in_order_and_no_third_one() {
    let (mut ends, _) = between(3);
    let now = Instant::now();
    for number in 0..5 {
        assert!(ends[0].push(now, 2, number, true));
    }
    assert!(ends[1].push(now, 2, 9, false));
    assert!(taken(&mut ends[1]).is_empty());
    let all = [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 9)];
    assert_eq!(taken(&mut ends[2]), all);
    assert!(taken(&mut ends[2]).is_empty());
}

#[test]
fn a_full_way_drops_media_alone_and_takes_it_again_later() {
    let (mut ends, _) = between(2);
    let now = Instant::now();
    for number in 0..WAITING_MAX {
        assert!(ends[0].push(now, 1, number, true));
    }
    assert!(!ends[0].push(now, 1, usize::MAX, true));
    assert!(ends[0].push(now, 1, WAITING_MAX, false));
    assert!(ends[1].push(now, 0, 7, true), "the way back is another");
    let mut arrived = taken(&mut ends[1]);
    assert_eq!(arrived.len(), TAKEN_PER_TURN);
    assert!(ends[0].push(now, 1, WAITING_MAX + 1, true));
    while ends[1].has_more() {
        arrived.extend(taken(&mut ends[1]));
    }
    let expected = (0..WAITING_MAX + 2).map(|number| (0, number));
    assert!(arrived.into_iter().eq(expected));
}

#[test]
fn a_shard_is_rung_once_until_it_looks() {
    let (mut ends, shared) = between(3);
    let now = Instant::now();
    assert!(!shared[1].was_rung());
    ends[0].push(now, 1, 1, true);
    assert!(!shared[1].was_rung(), "when the turn is over");
    ends[0].ring();
    ends[2].push(now, 1, 2, true);
    ends[2].ring();
    assert!(shared[1].was_rung());
    assert!(!shared[1].was_rung());
    assert!(!shared[0].was_rung() && !shared[2].was_rung());
    assert_eq!(taken(&mut ends[1]), [(0, 1), (2, 2)]);
    ends[0].ring();
    assert!(!shared[1].was_rung(), "nothing was sent since");
}

#[test]
fn how_long_the_oldest_has_waited_is_told() {
    let (mut ends, _) = between(3);
    let now = Instant::now();
    assert_eq!(ends[0].take(now), None);
    for (from, age_ms) in [(1, 3), (2, 8), (2, 1)] {
        let sent_at = now - Duration::from_millis(age_ms);
        ends[from].push(sent_at, 0, age_ms, true);
    }
    assert_eq!(ends[0].take(now), Some(Duration::from_millis(8)));
}

#[test]
fn a_shard_that_has_ended_is_sent_nothing() {
    let (mut ends, shared) = between(2);
    ends.truncate(1);
    assert!(!ends[0].push(Instant::now(), 1, 1, false));
    ends[0].ring();
    assert!(!shared[1].was_rung());
}

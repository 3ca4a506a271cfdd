use super::*;
use crate::epoch::epoch;
use crate::sender::StreamParams;
use crate::subscription::{Beginnings, Rewriter};
use conclave_sfu_wire::control::{MidName, Priority};
use proptest::prelude::*;

fn table(now: Instant, count: usize) -> SlotTable {
    let slot = |index: usize| {
        let mid = MidName::new(&index.to_string()).unwrap();
        let beginnings = Beginnings {
            seq: 0,
            timestamp: 0,
            picture_id: 0,
            tl0_pic_idx: 0,
        };
        let rewriter = Rewriter::new(now, 90_000, beginnings);
        VideoSlot::new(
            StreamParams {
                mid,
                video: true,
                index: 0,
            },
            rewriter,
        )
    };
    let mut table = SlotTable::default();
    table.renew((0..count).map(slot).collect());
    table
}

fn wants(publications: &[usize]) -> Vec<Wanted> {
    let want = |publication: &usize| Wanted {
        publication: *publication,
        beside: None,
        paused: None,
    };
    publications.iter().map(want).collect()
}

fn fed(table: &SlotTable) -> Vec<Option<usize>> {
    table
        .slots
        .iter()
        .map(|slot| slot.feed.publication())
        .collect()
}

#[test]
fn a_picture_keeps_its_slot_and_a_new_one_waits_for_the_acknowledgement() {
    let now = epoch();
    let mut table = table(now, 3);
    table.reassign(now, &wants(&[7, 8]));
    assert_eq!(fed(&table), [Some(7), Some(8), None]);
    assert_eq!(table.slots[0].acknowledge(now, 0), None, "an older push");
    assert!(table.slots[0].acknowledge(now, 1).is_some());
    let changes = table.reassign(now, &wants(&[9, 7]));
    assert_eq!(fed(&table), [Some(7), Some(9), None]);
    assert_eq!(
        changes,
        [Change {
            slot: 1,
            from: Some(8),
            to: Some(9)
        }]
    );
    assert_eq!(table.slots[0].feed, Feed::Active { publication: 7 });
    assert_eq!(table.rev(), 2);
}

#[test]
fn nothing_changes_hands_while_the_link_is_down() {
    let now = epoch();
    let mut table = table(now, 1);
    table.reassign(now, &wants(&[1]));
    table.set_link(false);
    assert_eq!(table.reassign(now, &wants(&[2])), []);
    assert_eq!(fed(&table), [Some(1)]);
    assert_eq!(
        table.vacate(1).len(),
        1,
        "an ended picture goes all the same"
    );
    table.set_link(true);
    table.reassign(now, &wants(&[2]));
    assert_eq!(fed(&table), [Some(2)]);
}

#[test]
fn a_slot_without_acknowledgement_is_counted_once_and_stays_empty() {
    let now = epoch();
    let mut table = table(now, 1);
    table.reassign(now, &wants(&[1]));
    table.count_unacknowledged(now + ACK_PATIENCE - Duration::from_millis(1));
    assert_eq!(table.unacknowledged(), 0);
    table.count_unacknowledged(now + ACK_PATIENCE);
    table.count_unacknowledged(now + 2 * ACK_PATIENCE);
    assert_eq!(table.unacknowledged(), 1);
    assert!(matches!(table.slots[0].feed, Feed::Waiting { .. }));
}

#[test]
fn a_wish_may_come_before_the_slots() {
    let mut table = SlotTable::default();
    let view = |member| View {
        member: MemberKey(member),
        source: Source::Camera,
        max_height_px: 180,
        priority: Priority::Gallery,
    };
    table.set_wishes((0..100).map(view).collect());
    assert_eq!(table.wishes().len(), WISHES_MAX);
}

#[test]
fn a_wish_for_the_same_picture_twice_takes_one_slot() {
    let mut table = table(epoch(), 4);
    let view = View {
        member: MemberKey(1),
        source: Source::Camera,
        max_height_px: 180,
        priority: Priority::Gallery,
    };
    table.set_wishes(vec![view; 3]);
    assert_eq!(table.wishes().len(), 1);
}

proptest! {
    #[test]
    fn no_picture_has_two_slots_and_all_that_fit_have_one(
        rounds in prop::collection::vec(prop::collection::vec((0usize..20, prop::option::of(0usize..8)), 0..16), 1..12),
        count in 1usize..13,
    ) {
        let now = epoch();
        let mut table = table(now, count);
        for round in rounds {
            let mut wanted: Vec<Wanted> = Vec::new();
            for (publication, beside) in round {
                if wanted.iter().all(|want| want.publication != publication) {
                    wanted.push(Wanted { publication, beside, paused: None });
                }
            }
            let before = fed(&table);
            let changes = table.reassign(now, &wanted);
            let after = fed(&table);
            for (slot, (from, to)) in before.iter().zip(&after).enumerate() {
                let listed = changes.iter().any(|change| change.slot == slot);
                prop_assert_eq!(listed, from != to, "exactly the changed slots are told");
                if listed && to.is_some() {
                    prop_assert!(matches!(table.slots[slot].feed, Feed::Waiting { .. }), "no wrong face");
                }
            }
            let mut shown: Vec<usize> = after.iter().flatten().copied().collect();
            let mut expected: Vec<usize> =
                wanted.iter().take(count).map(|want| want.publication).collect();
            shown.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(shown, expected);
        }
    }
}

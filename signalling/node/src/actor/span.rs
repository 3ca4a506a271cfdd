//! The shards that a room is on, who of it is where, and what they say together.

use std::collections::{BTreeMap, BTreeSet};

use conclave_sfu_wire::control::MemberKey;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Span {
    /// The home first; none while the room is on none.
    shards: Vec<usize>,
    members: BTreeMap<MemberKey, usize>,
    /// Barriers that not all shards have answered, and how many have not.
    barriers: BTreeMap<u64, usize>,
    /// What the shards said last of how well their members are connected.
    levels: BTreeMap<MemberKey, u8>,
}

impl Span {
    /// Puts the room on a shard; on the first one it is at home.
    pub(super) fn add(&mut self, shard: usize) {
        debug_assert!(!self.shards.contains(&shard), "a shard has a room once");
        self.shards.push(shard);
    }

    /// Takes the room off the shards where it has nobody, but not off its home,
    /// and returns them. None while a barrier is out: they are to answer it.
    pub(super) fn retire(&mut self) -> Vec<usize> {
        if !self.barriers.is_empty() || self.shards.len() < 2 {
            return Vec::new();
        }
        let in_use: BTreeSet<usize> = self.members.values().copied().collect();
        let home = self.home();
        self.shards
            .extract_if(.., |shard| Some(*shard) != home && !in_use.contains(shard))
            .collect()
    }

    /// Takes the room off all shards. Returns who was in it, and where.
    pub(super) fn clear(&mut self) -> BTreeMap<MemberKey, usize> {
        std::mem::take(self).members
    }

    pub(super) fn admit(&mut self, member: MemberKey, shard: usize) {
        self.members.insert(member, shard);
    }

    /// Forgets a member. Returns where it was.
    pub(super) fn remove(&mut self, member: MemberKey) -> Option<usize> {
        self.levels.remove(&member);
        self.members.remove(&member)
    }

    /// Waits for a barrier that all shards were sent, or one for a room that is on none.
    pub(super) fn expect(&mut self, number: u64) {
        self.barriers.insert(number, self.shards.len().max(1));
    }

    /// Takes note that a shard answered a barrier. Returns whether all have.
    pub(super) fn passed(&mut self, number: u64) -> bool {
        let Some(missing) = self.barriers.get_mut(&number) else {
            return false;
        };
        *missing = missing.saturating_sub(1);
        if *missing > 0 {
            return false;
        }
        // Each shard answers in order: what it has not answered before this, it never will.
        self.barriers = self.barriers.split_off(&number.saturating_add(1));
        true
    }

    /// Takes what one shard says of its members, which is all that it knows.
    /// Returns what all of them say, or `None` if that is what they said before.
    pub(super) fn levels(&mut self, told: Vec<(MemberKey, u8)>) -> Option<Vec<(MemberKey, u8)>> {
        if self.shards.len() < 2 {
            self.levels = told.iter().copied().collect();
            return Some(told);
        }
        let by: BTreeSet<usize> = told
            .iter()
            .filter_map(|(member, _)| self.shard_of(*member))
            .collect();
        let before = self.levels.clone();
        let members = &self.members;
        self.levels
            .retain(|member, _| members.get(member).is_some_and(|shard| !by.contains(shard)));
        // Who has left meanwhile is not spoken of.
        let present = told
            .into_iter()
            .filter(|(member, _)| members.contains_key(member));
        self.levels.extend(present);
        (self.levels != before).then(|| self.levels.iter().map(|(of, at)| (*of, *at)).collect())
    }

    /// Returns the first shard of the room, on which it stays.
    pub(super) fn home(&self) -> Option<usize> {
        self.shards.first().copied()
    }

    /// Returns all shards of the room, its home first.
    pub(super) fn shards(&self) -> &[usize] {
        &self.shards
    }

    pub(super) fn shard_of(&self, member: MemberKey) -> Option<usize> {
        self.members.get(&member).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: MemberKey = MemberKey(1);
    const BOB: MemberKey = MemberKey(2);
    const EVE: MemberKey = MemberKey(3);

    /// Ada at home on shard 2, Bob and Eve on shard 0.
    fn span() -> Span {
        let mut span = Span::default();
        for shard in [2, 0] {
            span.add(shard);
        }
        for (member, shard) in [(ADA, 2), (BOB, 0), (EVE, 0)] {
            span.admit(member, shard);
        }
        span
    }

    #[test]
    fn a_barrier_passes_once_every_shard_has_answered_it() {
        let mut span = span();
        span.expect(7);
        assert!(!span.passed(7));
        assert!(span.passed(7));
        assert!(!span.passed(7), "once");
        assert!(!span.passed(8), "nobody asked");
    }

    #[test]
    fn a_barrier_that_was_lost_does_not_outlive_the_next() {
        let mut span = span();
        span.expect(7);
        assert!(!span.passed(7));
        span.expect(8);
        assert!(!span.passed(8));
        assert!(span.passed(8));
        assert!(span.barriers.is_empty());
    }

    #[test]
    fn a_shard_without_members_is_given_up_when_it_has_answered() {
        let mut span = span();
        span.remove(BOB);
        assert!(span.retire().is_empty());
        span.remove(EVE);
        span.expect(1);
        assert!(span.retire().is_empty());
        span.passed(1);
        span.passed(1);
        assert_eq!(span.retire(), [0]);
        assert_eq!(span.shards(), [2]);
    }

    #[test]
    fn the_home_stays_without_members() {
        let mut span = span();
        assert_eq!(span.remove(ADA), Some(2));
        assert!(span.retire().is_empty());
        assert_eq!(span.shards(), [2, 0]);
    }

    #[test]
    fn what_shards_say_of_connections_is_put_together() {
        let mut span = span();
        assert_eq!(span.levels(vec![(ADA, 3)]), Some(vec![(ADA, 3)]));
        let all = vec![(ADA, 3), (BOB, 2), (EVE, 1)];
        assert_eq!(span.levels(vec![(EVE, 1), (BOB, 2)]), Some(all));
        assert_eq!(span.levels(vec![(ADA, 3)]), None, "nothing new");
        // A shard that leaves one of its members out knows nothing of it.
        let without = vec![(ADA, 3), (BOB, 2)];
        assert_eq!(span.levels(vec![(BOB, 2)]), Some(without));
        span.remove(ADA);
        assert_eq!(span.levels(vec![(ADA, 0)]), None, "who has left");
        assert_eq!(span.levels(vec![(BOB, 1)]), Some(vec![(BOB, 1)]));
    }

    #[test]
    fn a_room_on_one_shard_passes_on_what_that_says() {
        let mut span = Span::default();
        span.add(0);
        let levels = vec![(EVE, 1), (ADA, 3)];
        assert_eq!(span.levels(levels.clone()), Some(levels));
        assert_eq!(span.levels(Vec::new()), Some(Vec::new()));
    }
}

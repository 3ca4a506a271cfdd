//! Who goes to which shard.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conclave_sfu_wire::control::Admission;

use crate::config::Media;

/// How many participants each shard has.
pub(crate) struct Shards {
    media: Arc<dyn Media>,
    spill_above_percent: u8,
    members: Vec<AtomicUsize>,
}

impl Shards {
    /// See [`crate::Config::spill_above_percent`].
    pub(crate) fn new(media: Arc<dyn Media>, spill_above_percent: u8) -> Self {
        Shards {
            members: (0..media.shards().max(1))
                .map(|_| AtomicUsize::new(0))
                .collect(),
            media,
            spill_above_percent,
        }
    }

    /// Counts a participant that is there from here on.
    pub(crate) fn add(&self, shard: usize) {
        if let Some(members) = self.members.get(shard) {
            members.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a participant no longer.
    pub(crate) fn remove(&self, shard: usize) {
        if let Some(members) = self.members.get(shard) {
            members.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Picks the shard with the fewest participants as the home of a room.
    pub(crate) fn home(&self) -> usize {
        self.all()
            .min_by_key(|shard| (self.media.admission(*shard), self.members(*shard)))
            .unwrap_or_default()
    }

    /// Picks the shard of a new member of a room that is on `held`, its home first.
    ///
    /// That is its home while that has time, then the one of `held` that has
    /// most of it, then any other. Where nobody is to stay at home, the one with
    /// the fewest participants.
    pub(crate) fn place(&self, held: &[usize]) -> usize {
        let home = held.first().copied();
        if self.spill_above_percent > 0 {
            let has_time = |shard: &usize| {
                self.media.admission(*shard) != Admission::Nobody
                    && self.media.work_percent(*shard) <= u32::from(self.spill_above_percent)
            };
            if let Some(home) = home.filter(has_time) {
                return home;
            }
            let of_held = held.iter().copied().filter(has_time);
            if let Some(shard) = of_held.min_by_key(|shard| self.burden(*shard)) {
                return shard;
            }
        }
        let is_held = |shard: &usize| Reverse(held.contains(shard));
        self.all()
            .min_by_key(|shard| {
                let admission = self.media.admission(*shard);
                (admission, self.burden(*shard), is_held(shard))
            })
            .or(home)
            .unwrap_or_default()
    }

    /// Returns whether any shard takes another room.
    pub(crate) fn takes_rooms(&self) -> bool {
        self.all()
            .any(|shard| self.media.admission(shard) == Admission::All)
    }

    /// Returns whether any shard takes another member of a room that is there.
    pub(crate) fn takes_members(&self) -> bool {
        self.all()
            .any(|shard| self.media.admission(shard) != Admission::Nobody)
    }

    fn all(&self) -> std::ops::Range<usize> {
        0..self.members.len()
    }

    fn members(&self, shard: usize) -> usize {
        self.members
            .get(shard)
            .map_or(0, |members| members.load(Ordering::Relaxed))
    }

    /// Returns by what shards are compared, the least first. Work is smoothed,
    /// and so behind: by tenths, so that those who come at once do not all go
    /// where there was least a moment ago.
    fn burden(&self, shard: usize) -> (u32, usize) {
        let tenths = match self.spill_above_percent {
            0 => 0,
            _ => self.media.work_percent(shard) / 10,
        };
        (tenths, self.members(shard))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use conclave_sfu_wire::control::Command;

    use super::*;
    use crate::config::MediaBusy;

    /// What each shard has to do, and whom it takes.
    struct Told(Mutex<Vec<(u32, Admission)>>);

    impl Media for Told {
        fn shards(&self) -> usize {
            self.0.lock().unwrap().len()
        }

        fn send(&self, _: usize, _: Command) -> Result<(), MediaBusy> {
            Err(MediaBusy)
        }

        fn admission(&self, shard: usize) -> Admission {
            self.0.lock().unwrap()[shard].1
        }

        fn work_percent(&self, shard: usize) -> u32 {
            self.0.lock().unwrap()[shard].0
        }
    }

    fn shards(spill_above_percent: u8, work: &[u32]) -> Shards {
        let told = work.iter().map(|percent| (*percent, Admission::All));
        let told = Told(Mutex::new(told.collect()));
        Shards::new(Arc::new(told), spill_above_percent)
    }

    #[test]
    fn members_stay_at_home_until_it_has_enough_to_do() {
        assert_eq!(shards(70, &[0, 70, 0]).place(&[1]), 1);
        assert_eq!(shards(70, &[0, 71, 0]).place(&[1]), 0);
        assert_eq!(shards(70, &[30, 71, 0]).place(&[1]), 2);
    }

    #[test]
    fn a_shard_that_has_the_room_is_preferred() {
        assert_eq!(shards(70, &[0, 71, 60, 0]).place(&[1, 2]), 2);
        assert_eq!(shards(70, &[0, 71, 72, 5]).place(&[1, 2]), 0);
        // Of equals too.
        assert_eq!(shards(70, &[80, 75, 80]).place(&[2, 1]), 1);
        assert_eq!(shards(70, &[80, 85, 89]).place(&[2]), 2);
    }

    #[test]
    fn a_home_that_takes_nobody_is_left() {
        let told = vec![(0, Admission::Nobody), (90, Admission::NoRooms)];
        let shards = Shards::new(Arc::new(Told(Mutex::new(told))), 70);
        assert_eq!(shards.place(&[0]), 1);
        assert!(shards.takes_members());
        assert!(!shards.takes_rooms());
    }

    #[test]
    fn where_nobody_stays_at_home_all_shards_have_as_many() {
        let shards = shards(0, &[90, 0, 0]);
        let mut held = vec![shards.home()];
        let mut places = Vec::new();
        for _ in 0..6 {
            let shard = shards.place(&held);
            shards.add(shard);
            if !held.contains(&shard) {
                held.push(shard);
            }
            places.push(shard);
        }
        assert_eq!(places, [0, 1, 2, 0, 1, 2]);
        shards.remove(1);
        assert_eq!(shards.place(&held), 1);
    }

    #[test]
    fn those_who_come_at_once_are_spread_over_equals() {
        let shards = shards(70, &[95, 3, 0]);
        let first = shards.place(&[0]);
        shards.add(first);
        assert_eq!((first, shards.place(&[0])), (1, 2));
    }
}

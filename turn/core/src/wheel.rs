//! A hierarchical timer wheel: setting, moving and cancelling a timer are O(1),
//! and time that passes touches only what is due.

use std::time::{Duration, Instant};

use slab::Slab;

/// Resolution of the wheel. Lifetimes of TURN are seconds; a tenth of one late is nothing,
/// and a finer wheel wakes the thread more often.
pub const TICK: Duration = Duration::from_millis(100);
/// log2 of the slots of one level: 64, so that one word says which are occupied.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// 64^3 ticks are 7.3 hours; what is due later waits in the last slot and is sorted anew.
const LEVELS: usize = 3;
const NONE: u32 = u32::MAX;

/// A timer that was set. Once it has fired or is cancelled, it names nothing, and no later timer either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    index: u32,
    sequence: u32,
}

#[derive(Debug)]
struct Node<K> {
    key: K,
    /// Of how many timers this is the last, modulo 2^32.
    sequence: u32,
    due: u64,
    level: u8,
    slot: u8,
    previous: u32,
    next: u32,
}

/// Timers with a key each. Ticks are counted from the instant of construction.
#[derive(Debug)]
pub struct Wheel<K> {
    start: Instant,
    /// Everything due at or before this tick has fired.
    current: u64,
    sequence: u32,
    nodes: Slab<Node<K>>,
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [u64; LEVELS],
}

impl<K: Copy> Wheel<K> {
    /// Makes an empty wheel that starts at `now`.
    pub fn new(now: Instant) -> Self {
        Wheel {
            start: now,
            current: 0,
            sequence: 0,
            nodes: Slab::new(),
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
        }
    }

    /// Sets a timer that fires at `at`, rounded up to a tick, and never before the next tick.
    pub fn set(&mut self, at: Instant, key: K) -> TimerId {
        let due = self.tick_up(at).max(self.current + 1);
        self.sequence = self.sequence.wrapping_add(1);
        let index = self.nodes.insert(Node {
            key,
            sequence: self.sequence,
            due,
            level: 0,
            slot: 0,
            previous: NONE,
            next: NONE,
        });
        let index = u32::try_from(index).expect("fewer timers than 2^32: allocations are bounded");
        self.link(index);
        TimerId {
            index,
            sequence: self.sequence,
        }
    }

    /// Forgets a timer.
    pub fn cancel(&mut self, id: TimerId) {
        let node = self.nodes.get(id.index as usize);
        if node.is_some_and(|node| node.sequence == id.sequence) {
            self.unlink(id.index);
            self.nodes.remove(id.index as usize);
        }
    }

    /// Lets time pass and calls `fired` with the key of each timer that is due at `now`.
    pub fn advance(&mut self, now: Instant, mut fired: impl FnMut(K)) {
        let target = self.tick_down(now);
        while self.current < target {
            // Ticks in which nothing can happen are jumped over.
            let next = self.next_event().map_or(target, |tick| tick.min(target));
            self.current = next;
            for level in (1..LEVELS).rev() {
                let shift = SLOT_BITS * level as u32;
                if self.current.trailing_zeros() >= shift {
                    self.cascade(level, self.slot_at(level, self.current));
                }
            }
            let slot = self.slot_at(0, self.current);
            while self.heads[0][slot] != NONE {
                let id = self.heads[0][slot];
                self.unlink(id);
                fired(self.nodes.remove(id as usize).key);
            }
        }
    }

    /// Returns when [`Wheel::advance`] is next due. It may find nothing to fire then: far timers are
    /// sorted into finer slots on the way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let tick = self.next_event()?;
        let millis = tick.saturating_mul(TICK.as_millis() as u64);
        Some(self.start + Duration::from_millis(millis))
    }

    /// Returns how many timers are set.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The first tick after `current` at which a slot is to be fired or sorted.
    fn next_event(&self) -> Option<u64> {
        (0..LEVELS)
            .filter_map(|level| {
                let shift = SLOT_BITS * level as u32;
                let position = self.current >> shift;
                // Rotated so that bit 0 is the slot after the present one.
                let ahead =
                    self.occupied[level].rotate_right(((position + 1) & (SLOTS as u64 - 1)) as u32);
                (ahead != 0).then(|| (position + 1 + u64::from(ahead.trailing_zeros())) << shift)
            })
            .min()
    }

    fn cascade(&mut self, level: usize, slot: usize) {
        // Taken off whole first: a timer beyond the horizon may come back to this slot.
        let mut id = self.heads[level][slot];
        self.heads[level][slot] = NONE;
        self.occupied[level] &= !(1 << slot);
        while id != NONE {
            let next = self.nodes[id as usize].next;
            self.link(id);
            id = next;
        }
    }

    fn link(&mut self, id: u32) {
        let due = self.nodes[id as usize].due;
        let ahead = due.saturating_sub(self.current);
        let level = (0..LEVELS - 1)
            .find(|level| ahead < 1 << (SLOT_BITS * (*level as u32 + 1)))
            .unwrap_or(LEVELS - 1);
        let shift = SLOT_BITS * level as u32;
        let horizon = (self.current >> shift) + SLOTS as u64 - 1;
        let slot = ((due >> shift).min(horizon) & (SLOTS as u64 - 1)) as usize;
        let head = self.heads[level][slot];
        let node = &mut self.nodes[id as usize];
        node.level = level as u8;
        node.slot = slot as u8;
        node.previous = NONE;
        node.next = head;
        if head != NONE {
            self.nodes[head as usize].previous = id;
        }
        self.heads[level][slot] = id;
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, id: u32) {
        let Node {
            level,
            slot,
            previous,
            next,
            ..
        } = self.nodes[id as usize];
        let (level, slot) = (level as usize, slot as usize);
        if previous == NONE {
            self.heads[level][slot] = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if self.heads[level][slot] == NONE {
            self.occupied[level] &= !(1 << slot);
        }
    }

    fn slot_at(&self, level: usize, tick: u64) -> usize {
        ((tick >> (SLOT_BITS * level as u32)) & (SLOTS as u64 - 1)) as usize
    }

    fn tick_down(&self, at: Instant) -> u64 {
        (at.saturating_duration_since(self.start).as_millis() / TICK.as_millis()) as u64
    }

    fn tick_up(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start)
            .as_nanos()
            .div_ceil(TICK.as_nanos()) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timer_fires_at_its_time_and_not_before() {
        let start = epoch();
        let mut wheel = Wheel::new(start);
        for seconds in [1, 7, 300, 600, 3600, 40_000] {
            wheel.set(start + Duration::from_secs(seconds), seconds);
        }
        for seconds in [1, 7, 300, 600, 3600, 40_000] {
            assert_eq!(
                fired(
                    &mut wheel,
                    start + Duration::from_secs(seconds) - Duration::from_millis(1)
                ),
                []
            );
            assert_eq!(
                fired(&mut wheel, start + Duration::from_secs(seconds)),
                [seconds]
            );
        }
        assert!(wheel.is_empty());
        assert_eq!(wheel.poll_timeout(), None);
    }

    #[test]
    fn a_cancelled_timer_does_not_fire() {
        let start = epoch();
        let mut wheel = Wheel::new(start);
        let first = wheel.set(start + Duration::from_secs(5), 1);
        wheel.set(start + Duration::from_secs(5), 2);
        wheel.cancel(first);
        assert_eq!(fired(&mut wheel, start + Duration::from_secs(5)), [2]);
    }

    #[test]
    fn a_timer_that_fired_names_no_later_one() {
        let start = epoch();
        let mut wheel = Wheel::new(start);
        let first = wheel.set(start + TICK, 1);
        assert_eq!(fired(&mut wheel, start + TICK), [1]);
        wheel.set(start + TICK * 2, 2);
        wheel.cancel(first);
        assert_eq!(fired(&mut wheel, start + TICK * 2), [2]);
    }

    #[test]
    fn a_timer_of_the_past_fires_at_the_next_tick() {
        let start = epoch();
        let mut wheel = Wheel::new(start);
        assert_eq!(fired(&mut wheel, start + Duration::from_secs(100)), []);
        wheel.set(start, 1);
        assert_eq!(
            fired(&mut wheel, start + Duration::from_secs(100) + TICK),
            [1]
        );
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_map(
            operations in proptest::collection::vec((0u64..5_000_000, 0u64..700_000, any::<bool>()), 1..80),
        ) {
            let start = epoch();
            let mut wheel = Wheel::new(start);
            let mut model: BTreeMap<u32, (u64, TimerId)> = BTreeMap::new();
            let mut now_ms = 0;
            for (key, (delay, step, cancel)) in operations.into_iter().enumerate() {
                let key = key as u32;
                let due = now_ms + delay;
                let id = wheel.set(start + Duration::from_millis(due), key);
                let due_tick = due.div_ceil(100).max(now_ms / 100 + 1);
                model.insert(key, (due_tick, id));
                if cancel && key > 0 && let Some((_, id)) = model.remove(&(key / 2)) {
                    wheel.cancel(id);
                }
                now_ms += step;
                let now = start + Duration::from_millis(now_ms);
                let mut got = fired(&mut wheel, now);
                got.sort_unstable();
                let expected: Vec<u32> = model.iter().filter(|(_, (due, _))| *due <= now_ms / 100).map(|(key, _)| *key).collect();
                model.retain(|_, (due, _)| *due > now_ms / 100);
                prop_assert_eq!(got, expected);
                prop_assert_eq!(wheel.len(), model.len());
                let earliest = model.values().map(|(due, _)| *due).min();
                let told = wheel.poll_timeout();
                prop_assert_eq!(told.is_some(), earliest.is_some());
                if let (Some(told), Some(earliest)) = (told, earliest) {
                    prop_assert!(told > now - TICK && told <= start + Duration::from_millis(earliest * 100));
                }
            }
        }
    }

    fn fired<K: Copy>(wheel: &mut Wheel<K>, now: Instant) -> Vec<K> {
        let mut keys = Vec::new();
        wheel.advance(now, |key| keys.push(key));
        keys
    }

    #[allow(clippy::disallowed_methods, reason = "a test needs a first instant")]
    fn epoch() -> Instant {
        Instant::now()
    }
}

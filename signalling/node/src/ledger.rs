//! What may be said only after something was kept.

use std::collections::VecDeque;

use conclave_signalling_core::record::Change;

/// Things that may wait for the store, and changes too. Full means that the room
/// takes nothing more until the store answers.
const HELD: usize = 8192;

/// The changes of a room that are not yet kept, and what waits for them, in order.
///
/// Changes are committed in batches, one at a time. Batches are numbered from 1.
/// Nothing waits for a batch that only tells what happened (see [`is_told`]),
/// unless it wants to wait for everything.
pub(crate) struct Ledger<T> {
    /// Changes of the batch that is being filled.
    unsaved: Vec<Change>,
    is_committing: bool,
    /// The last batch that was kept.
    kept: u64,
    /// The last batch for which what comes from here on waits.
    awaited: u64,
    /// With the batch that each waits for, which never falls.
    held: VecDeque<(u64, T)>,
}

/// Returns whether a change is something that others are told by and by: who came
/// and went, and what webhooks tell. It is kept with the rest of its step; where
/// there is no rest, nothing that is done waits for the disk on its account.
pub(crate) fn is_told(change: &Change) -> bool {
    matches!(
        change,
        Change::Session(_) | Change::Attended(_) | Change::Event(_)
    )
}

impl<T> Ledger<T> {
    pub(crate) fn new() -> Self {
        Ledger {
            unsaved: Vec::new(),
            is_committing: false,
            kept: 0,
            awaited: 0,
            held: VecDeque::new(),
        }
    }

    /// Adds a change. What is held from here on waits for it, unless it is
    /// only told.
    pub(crate) fn add(&mut self, change: Change) {
        if !is_told(&change) {
            self.awaited = self.filling();
        }
        self.unsaved.push(change);
    }

    /// Gives `thing` back at once if nothing before it waits for the store, else holds it.
    pub(crate) fn hold(&mut self, thing: T) -> Option<T> {
        if self.awaited <= self.kept {
            debug_assert!(self.held.is_empty(), "what is kept was released");
            return Some(thing);
        }
        self.held.push_back((self.awaited, thing));
        None
    }

    /// Lets what is held from here on wait for every change that there is.
    pub(crate) fn await_all(&mut self) {
        self.awaited = self.filling() - u64::from(self.unsaved.is_empty());
    }

    /// Returns the changes to commit next, unless a commit runs or there are none.
    pub(crate) fn begin(&mut self) -> Option<Vec<Change>> {
        if self.is_committing || self.unsaved.is_empty() {
            return None;
        }
        self.is_committing = true;
        Some(std::mem::take(&mut self.unsaved))
    }

    /// Begins a commit of what was begun before and could not be kept, unless one runs or there
    /// is something new, which takes it along. Nothing waits for it.
    pub(crate) fn begin_again(&mut self) -> bool {
        let is_free = !self.is_committing && self.unsaved.is_empty();
        self.is_committing |= is_free;
        is_free
    }

    /// Records that the changes that [`Ledger::begin`] returned were kept.
    pub(crate) fn handle_committed(&mut self) {
        debug_assert!(self.is_committing, "only what began is committed");
        self.is_committing = false;
        self.kept += 1;
    }

    /// Returns what need not wait any more.
    pub(crate) fn poll_released(&mut self) -> Option<T> {
        let (awaited, _) = self.held.front()?;
        if *awaited > self.kept {
            return None;
        }
        self.held.pop_front().map(|(_, thing)| thing)
    }

    /// Forgets all changes and returns what waited for them.
    pub(crate) fn abandon(&mut self) -> Vec<T> {
        self.unsaved.clear();
        self.held.drain(..).map(|(_, thing)| thing).collect()
    }

    /// Returns whether everything was kept and said.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsaved.is_empty() && !self.is_committing && self.held.is_empty()
    }

    /// Returns whether nothing more should be held or added.
    pub(crate) fn is_full(&self) -> bool {
        self.held.len() >= HELD || self.unsaved.len() >= HELD
    }

    /// Returns the number of the batch that is being filled.
    fn filling(&self) -> u64 {
        self.kept + 1 + u64::from(self.is_committing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_signalling_core::event::{Event, EventKind};
    use conclave_signalling_wire::ids::{BanId, EventId};
    use conclave_signalling_wire::time::Timestamp;
    use serde_json::json;

    fn change() -> Change {
        Change::BanLifted(BanId::new(0, [0; 10]))
    }

    fn released(ledger: &mut Ledger<u8>) -> Vec<u8> {
        std::iter::from_fn(|| ledger.poll_released()).collect()
    }

    #[test]
    fn what_comes_after_a_change_waits_for_it() {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.hold(1), Some(1));
        assert!(ledger.begin().is_none());
        ledger.add(change());
        assert_eq!(ledger.hold(2), None);
        ledger.add(change());
        assert_eq!(ledger.begin().map(|batch| batch.len()), Some(2));
        // Without a change of its own it keeps its place all the same.
        assert_eq!(ledger.hold(3), None);
        ledger.add(change());
        assert_eq!(ledger.hold(4), None);
        assert!(ledger.begin().is_none());
        assert!(released(&mut ledger).is_empty());
        ledger.handle_committed();
        assert_eq!(released(&mut ledger), [2, 3]);
        assert_eq!(ledger.begin().map(|batch| batch.len()), Some(1));
        assert!(!ledger.is_settled());
        ledger.handle_committed();
        assert_eq!(released(&mut ledger), [4]);
        assert!(ledger.is_settled());
        assert_eq!(ledger.hold(5), Some(5));
    }

    #[test]
    fn what_is_tried_again_is_a_commit_for_which_nothing_waits() {
        let mut ledger = Ledger::new();
        assert!(ledger.begin_again());
        assert!(!ledger.begin_again() && !ledger.is_settled());
        assert_eq!(ledger.hold(1), Some(1));
        ledger.add(change());
        assert_eq!(ledger.hold(2), None);
        assert!(ledger.begin().is_none());
        ledger.handle_committed();
        assert!(released(&mut ledger).is_empty());
        assert!(!ledger.begin_again());
        assert!(ledger.begin().is_some());
        ledger.handle_committed();
        assert_eq!(released(&mut ledger), [2]);
    }

    fn told() -> Change {
        let kind = EventKind::SessionStarted;
        let at = Timestamp::from_unix_ms(0);
        let event = Event::new(EventId::new(0, [0; 10]), at, kind, json!({}), json!({}));
        Change::Event(Box::new(event))
    }

    #[test]
    fn nothing_waits_for_what_is_only_told() {
        let mut ledger = Ledger::new();
        ledger.add(told());
        assert_eq!(ledger.hold(1), Some(1));
        assert!(!ledger.is_settled());
        assert_eq!(ledger.begin().map(|batch| batch.len()), Some(1));
        assert_eq!(ledger.hold(2), Some(2));
        // Another change waits its turn, and takes what is told with it.
        ledger.add(told());
        ledger.add(change());
        ledger.add(told());
        assert_eq!(ledger.hold(3), None);
        ledger.handle_committed();
        assert!(released(&mut ledger).is_empty());
        assert_eq!(ledger.begin().map(|batch| batch.len()), Some(3));
        ledger.add(told());
        assert_eq!(ledger.hold(4), None);
        ledger.handle_committed();
        // Not for the batch that is being filled.
        assert_eq!(released(&mut ledger), [3, 4]);
        assert_eq!(ledger.hold(5), Some(5));
        assert_eq!(ledger.begin().map(|batch| batch.len()), Some(1));
        ledger.handle_committed();
        assert!(ledger.is_settled());
    }

    #[test]
    fn who_wants_to_waits_for_what_is_only_told() {
        let mut ledger = Ledger::new();
        ledger.await_all();
        assert_eq!(ledger.hold(1), Some(1));
        ledger.add(told());
        assert!(ledger.begin().is_some());
        ledger.await_all();
        assert_eq!(ledger.hold(2), None);
        // Order is kept.
        ledger.add(told());
        assert_eq!(ledger.hold(3), None);
        ledger.handle_committed();
        assert_eq!(released(&mut ledger), [2, 3]);
        ledger.await_all();
        assert_eq!(ledger.hold(4), None);
    }

    #[test]
    fn changes_that_nothing_waits_for_are_bounded() {
        let mut ledger = Ledger::<u8>::new();
        assert!(!ledger.is_full());
        for _ in 0..HELD {
            ledger.add(told());
        }
        assert!(ledger.is_full());
        assert!(ledger.begin().is_some());
        assert!(!ledger.is_full());
    }

    #[test]
    fn what_was_not_kept_is_given_back() {
        let mut ledger = Ledger::new();
        ledger.add(change());
        assert_eq!(ledger.hold(1), None);
        assert!(ledger.begin().is_some());
        ledger.add(change());
        assert_eq!(ledger.hold(2), None);
        assert_eq!(ledger.abandon(), [1, 2]);
    }
}

//! What may be said only after something was kept.

use std::collections::VecDeque;

use conclave_signalling_core::record::Change;

/// Things that may wait for the store. Full means that the room takes nothing
/// more until the store answers.
const HELD: usize = 8192;

/// The changes of a room that are not yet kept, and what waits for them, in order.
///
/// Changes are committed in batches, one at a time. Batches are numbered from 1.
pub(crate) struct Ledger<T> {
    /// Changes of the batch that is being filled.
    unsaved: Vec<Change>,
    is_committing: bool,
    /// The last batch that was kept.
    kept: u64,
    /// With the batch that each waits for, which never falls.
    held: VecDeque<(u64, T)>,
}

impl<T> Ledger<T> {
    pub(crate) fn new() -> Self {
        Ledger {
            unsaved: Vec::new(),
            is_committing: false,
            kept: 0,
            held: VecDeque::new(),
        }
    }

    /// Adds a change. What is held from here on waits for it.
    pub(crate) fn add(&mut self, change: Change) {
        self.unsaved.push(change);
    }

    /// Gives `thing` back at once if nothing before it waits for the store, else holds it.
    pub(crate) fn hold(&mut self, thing: T) -> Option<T> {
        let awaited = self.filling() - u64::from(self.unsaved.is_empty());
        if awaited == self.kept {
            debug_assert!(self.held.is_empty(), "what is kept was released");
            return Some(thing);
        }
        self.held.push_back((awaited, thing));
        None
    }

    /// Returns the changes to commit next, unless a commit runs or there are none.
    pub(crate) fn begin(&mut self) -> Option<Vec<Change>> {
        if self.is_committing || self.unsaved.is_empty() {
            return None;
        }
        self.is_committing = true;
        Some(std::mem::take(&mut self.unsaved))
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

    /// Returns whether nothing more should be held.
    pub(crate) fn is_full(&self) -> bool {
        self.held.len() >= HELD
    }

    /// Returns the number of the batch that is being filled.
    fn filling(&self) -> u64 {
        self.kept + 1 + u64::from(self.is_committing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_signalling_wire::ids::BanId;

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

//! Debug builds write down every nonce that is sealed, by us and by whoever else
//! seals under the same keys, and stop at the first that is sealed twice.
//!
//! The book belongs to the thread: a transport lives on one for all its life.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

pub use crate::keys::{KeyId, Kind};

/// Keys that are remembered per thread. The oldest is forgotten.
const KEYS_MAX: usize = 8_192;
/// Runs of indices that are remembered per stream. The lowest is forgotten: what
/// is sealed stays near the highest.
const RUNS_MAX: usize = 256;

/// Notes that a packet is sealed.
///
/// # Panics
/// When the same was noted before: a nonce is about to be used twice.
pub fn note(key_id: KeyId, kind: Kind, ssrc: u32, index: u64) {
    let is_new = BOOK.with_borrow_mut(|book| book.insert(key_id, (kind, ssrc), index));
    assert!(
        is_new,
        "a nonce is used twice: {kind:?}, ssrc {ssrc}, index {index}"
    );
}

/// Forgets all that this thread sealed: for tests that use the same keys anew.
pub fn clear() {
    BOOK.with_borrow_mut(|book| *book = Book::default());
}

thread_local! {
    static BOOK: RefCell<Book> = const { RefCell::new(Book::EMPTY) };
}

#[derive(Default)]
struct Book {
    streams: BTreeMap<KeyId, BTreeMap<(Kind, u32), Runs>>,
    order: VecDeque<KeyId>,
}

impl Book {
    const EMPTY: Book = Book {
        streams: BTreeMap::new(),
        order: VecDeque::new(),
    };

    fn insert(&mut self, key_id: KeyId, stream: (Kind, u32), index: u64) -> bool {
        if !self.streams.contains_key(&key_id) {
            if self.order.len() >= KEYS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.streams.remove(&oldest);
            }
            self.order.push_back(key_id);
        }
        self.streams
            .entry(key_id)
            .or_default()
            .entry(stream)
            .or_default()
            .insert(index)
    }
}

/// Disjoint runs of numbers: first to last.
#[derive(Default)]
struct Runs(BTreeMap<u64, u64>);

impl Runs {
    fn insert(&mut self, index: u64) -> bool {
        let before = self
            .0
            .range(..=index)
            .next_back()
            .map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| index <= last) {
            return false;
        }
        let first = match before {
            Some((first, last)) if last.checked_add(1) == Some(index) => first,
            _ => index,
        };
        let last = index
            .checked_add(1)
            .and_then(|next| self.0.remove(&next))
            .unwrap_or(index);
        self.0.insert(first, last);
        if self.0.len() > RUNS_MAX {
            self.0.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    #[should_panic(expected = "a nonce is used twice: Rtcp, ssrc 7, index 3")]
    fn the_second_of_two_sealers_is_stopped() {
        let key = KeyId::of(&[9; 16]);
        note(key, Kind::Rtp, 7, 3);
        note(key, Kind::Rtcp, 8, 3);
        note(KeyId::of(&[8; 16]), Kind::Rtcp, 7, 3);
        note(key, Kind::Rtcp, 7, 3);
        note(key, Kind::Rtcp, 7, 3);
    }

    #[test]
    fn a_book_stays_small() {
        let mut book = Book::default();
        for key in 0..KEYS_MAX + 10 {
            assert!(book.insert(KeyId::of(&key.to_be_bytes()), (Kind::Rtp, 1), 0));
        }
        assert_eq!(book.streams.len(), KEYS_MAX);
        assert_eq!(book.order.len(), KEYS_MAX);
        let mut runs = Runs::default();
        for index in 0..10_000 {
            assert!(runs.insert(2 * index));
        }
        assert_eq!(runs.0.len(), RUNS_MAX);
        assert!(!runs.insert(2 * 9_999));
    }

    proptest! {
        #[test]
        fn runs_agree_with_a_set(numbers in proptest::collection::vec(0u64..200, 0..400)) {
            let mut runs = Runs::default();
            let mut set = BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(runs.insert(number), set.insert(number));
            }
            let flat: Vec<_> = runs.0.iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(flat, set.into_iter().collect::<Vec<_>>());
        }
    }
}

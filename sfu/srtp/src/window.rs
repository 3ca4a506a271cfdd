//! Which of the last numbers have been used.

/// The highest number so far and which of the `64 * WORDS - 1` below it were used.
///
/// Serves both ends: a sender seals no index twice, a receiver takes none twice
/// (RFC 3711, section 3.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window<const WORDS: usize> {
    highest: Option<u64>,
    /// The bit of a number is that of its remainder by the width.
    used: [u64; WORDS],
}

impl<const WORDS: usize> Default for Window<WORDS> {
    fn default() -> Self {
        Window {
            highest: None,
            used: [0; WORDS],
        }
    }
}

impl<const WORDS: usize> Window<WORDS> {
    /// How far below the highest number a hole may still be filled.
    pub(crate) const WIDTH: u64 = 64 * WORDS as u64;

    /// Returns the highest number that was inserted.
    pub(crate) const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Returns whether a number was not used and is not too far behind to tell.
    pub(crate) const fn is_free(&self, number: u64) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        match highest.checked_sub(number) {
            None => true,
            Some(behind) => {
                let (word, bit) = Self::place(number);
                behind < Self::WIDTH && self.used[word] & bit == 0
            }
        }
    }

    /// Marks a number as used; returns whether it was free.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if !self.is_free(number) {
            return false;
        }
        if let Some(highest) = self.highest.filter(|highest| *highest < number) {
            // The numbers passed over take the places of those that fall out.
            if number - highest >= Self::WIDTH {
                self.used = [0; WORDS];
            } else {
                for passed in highest + 1..number {
                    let (word, bit) = Self::place(passed);
                    self.used[word] &= !bit;
                }
            }
        }
        let (word, bit) = Self::place(number);
        self.used[word] |= bit;
        self.highest = self.highest.max(Some(number));
        true
    }

    const fn place(number: u64) -> (usize, u64) {
        let index = number % Self::WIDTH;
        ((index / 64) as usize, 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_hole_is_filled_once_and_only_while_it_is_near() {
        let mut window = Window::<1>::default();
        assert!(window.insert(100));
        assert!(window.insert(163));
        assert!(window.insert(101));
        assert!(!window.insert(101));
        assert!(!window.insert(100), "the last one of the window, and used");
        assert!(!window.insert(99), "too far behind to tell");
        assert!(window.insert(300));
        assert!(window.insert(237), "nothing is left of what was far behind");
        assert!(!window.insert(236));
    }

    fn agrees_with_a_set<const WORDS: usize>(
        start: u64,
        steps: &[i64],
    ) -> Result<(), TestCaseError> {
        let mut window = Window::<WORDS>::default();
        let mut used = BTreeSet::new();
        let mut at = start;
        for step in steps {
            at = at.saturating_add_signed(*step).min(u64::MAX - 1);
            let is_near = used
                .last()
                .is_none_or(|highest: &u64| at > *highest || highest - at < Window::<WORDS>::WIDTH);
            let expected = is_near && !used.contains(&at);
            prop_assert_eq!(window.is_free(at), expected);
            prop_assert_eq!(window.insert(at), expected);
            if expected {
                used.insert(at);
            }
            prop_assert_eq!(window.highest(), used.last().copied());
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set(start in prop_oneof![Just(0u64), any::<u32>().prop_map(u64::from), Just(u64::MAX - 10_000)],
                                steps in proptest::collection::vec(-80i64..90, 0..300)) {
            agrees_with_a_set::<1>(start, &steps)?;
            agrees_with_a_set::<8>(start, &steps.iter().map(|step| step * 8).collect::<Vec<_>>())?;
        }
    }
}

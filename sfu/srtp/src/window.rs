//! Which of the last 64 numbers have been used.

/// How far below the highest number a hole may still be filled.
pub(crate) const WIDTH: u64 = 64;

/// The highest number so far and which of the 63 below it were used.
///
/// Serves both ends: a sender seals no index twice, a receiver takes none twice
/// (RFC 3711, section 3.3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Window {
    highest: Option<u64>,
    /// Bit n stands for `highest - n`.
    used: u64,
}

impl Window {
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
            Some(behind) => behind < WIDTH && self.used & (1 << behind) == 0,
        }
    }

    /// Marks a number as used; returns whether it was free.
    pub(crate) const fn insert(&mut self, number: u64) -> bool {
        if !self.is_free(number) {
            return false;
        }
        match self.highest {
            Some(highest) if number <= highest => self.used |= 1 << (highest - number),
            Some(highest) => {
                let ahead = number - highest;
                self.used = if ahead < WIDTH { self.used << ahead } else { 0 } | 1;
                self.highest = Some(number);
            }
            None => {
                self.used = 1;
                self.highest = Some(number);
            }
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
    fn a_hole_is_filled_once_and_only_while_it_is_near() {
        let mut window = Window::default();
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

    proptest! {
        #[test]
        fn it_agrees_with_a_set(start in prop_oneof![Just(0u64), any::<u32>().prop_map(u64::from), Just(u64::MAX - 10_000)],
                                steps in proptest::collection::vec(-80i64..90, 0..300)) {
            let mut window = Window::default();
            let mut used = BTreeSet::new();
            let mut at = start;
            for step in steps {
                at = at.saturating_add_signed(step).min(u64::MAX - 1);
                let is_near = used.last().is_none_or(|highest: &u64| at > *highest || highest - at < WIDTH);
                let expected = is_near && !used.contains(&at);
                prop_assert_eq!(window.is_free(at), expected);
                prop_assert_eq!(window.insert(at), expected);
                if expected {
                    used.insert(at);
                }
                prop_assert_eq!(window.highest(), used.last().copied());
            }
        }
    }
}

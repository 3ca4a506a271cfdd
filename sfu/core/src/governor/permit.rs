//! What may be sent, of which pictures.

use conclave_sfu_wire::control::MemberKey;

/// Steps between all and none having one more encoding.
pub(super) const BAND: u16 = 256;
/// Encodings of a simulcast source.
pub(super) const ENCODINGS: usize = 3;
/// Everything.
pub(super) const FULL: u16 = ENCODINGS as u16 * BAND;
/// Steps that are taken back at once, at most and where nobody knows what they cost.
const STEPS_MAX: u16 = BAND / 8;
const STEPS_BLIND: u16 = BAND / 32;
/// Steps of which it is known what they cost.
const STEPS_KNOWN: u16 = BAND / 16;

/// How much of all pictures may be sent.
///
/// A band of steps for each encoding: the highest one is given up by one slot
/// after the other, then the next, and at last the lowest, which pauses the
/// slot. Which slot is next is a stable hash of it: with less to be sent the
/// same few lose, and get back, while others do not notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Permit(u16);

impl Permit {
    /// Everything may be sent.
    pub(crate) const FULL: Permit = Permit(FULL);
    /// No pictures may be sent.
    #[cfg(test)]
    pub(crate) const NONE: Permit = Permit(0);

    /// Returns the highest encoding that a slot of `member` may be sent; `None`
    /// if it has to pause. Sound asks nobody.
    pub(crate) fn highest(self, member: MemberKey, slot: usize) -> Option<usize> {
        let place = place(member, slot);
        let first = self.0.saturating_sub(place).div_ceil(BAND);
        usize::from(first).min(ENCODINGS).checked_sub(1)
    }

    /// Returns how many steps of [`FULL`] are left.
    pub(super) fn steps(self) -> u16 {
        self.0
    }

    /// Returns how many of 256 slots may have a picture.
    #[cfg(test)]
    pub(crate) fn pictures(self) -> u16 {
        self.0.min(BAND)
    }

    /// Returns the highest encoding that any slot may be sent; `None` for no picture at all.
    #[cfg(test)]
    pub(crate) fn highest_of_all(self) -> Option<usize> {
        usize::from(self.0.div_ceil(BAND)).checked_sub(1)
    }

    /// Returns what is left if work of some packets is given up, of which
    /// `pictures` by encoding were forwarded. Packets of sound are not: with
    /// less than that nothing is left.
    pub(super) fn less(self, packets: u64, pictures: &[u64; ENCODINGS]) -> Permit {
        let (mut steps, mut needed, mut fallen) = (self.0, packets, 0);
        for (band, pictures) in pictures.iter().enumerate().rev() {
            let floor = band as u16 * BAND;
            let held = steps.saturating_sub(floor);
            if held == 0 {
                continue;
            }
            // Who loses a picture falls to the one below, of about a third.
            let sent = pictures + fallen;
            fallen = if band == 0 { 0 } else { sent / 3 };
            let gain = sent - fallen;
            if gain > needed {
                let given = (u64::from(held) * needed).div_ceil(gain);
                return Permit(steps - given as u16);
            }
            needed -= gain;
            steps = floor;
        }
        Permit(steps)
    }

    /// Returns how many steps more are about so many packets: 1 to 32.
    pub(super) fn steps_of(self, packets: u64, pictures: &[u64; ENCODINGS]) -> u16 {
        let (band, held) = (usize::from(self.0 / BAND), self.0 % BAND);
        match pictures.get(band) {
            Some(sent) if held >= STEPS_KNOWN => {
                let steps = (packets * u64::from(held)).checked_div(*sent);
                steps.map_or(STEPS_MAX, |steps| {
                    steps.clamp(1, u64::from(STEPS_MAX)) as u16
                })
            }
            _ => STEPS_BLIND,
        }
    }

    /// Returns some steps more.
    pub(super) fn more(self, steps: u16) -> Permit {
        Permit(self.0.saturating_add(steps).min(FULL))
    }

    #[cfg(test)]
    pub(super) fn of_steps(steps: u16) -> Permit {
        Permit(steps.min(FULL))
    }
}

/// Returns when a slot gives something up: the highest places first. Mixed well
/// (the finaliser of SplitMix64), so that neighbours are not all of one kind.
fn place(member: MemberKey, slot: usize) -> u16 {
    let mut mixed = member.0 ^ (slot as u64).rotate_left(40);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ mixed >> 31) % u64::from(BAND)) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn everything_and_nothing_are_so_for_every_slot() {
        for member in 0..500 {
            for slot in 0..12 {
                let member = MemberKey(member);
                assert_eq!(Permit::FULL.highest(member, slot), Some(2));
                assert_eq!(Permit::NONE.highest(member, slot), None);
            }
        }
    }

    #[test]
    fn slots_share_evenly_what_is_given_up() {
        let paused = |steps| {
            let permit = Permit::of_steps(steps);
            let slots = (0..1_000).flat_map(|member| (0..12).map(move |slot| (member, slot)));
            let paused =
                slots.filter(|(member, slot)| permit.highest(MemberKey(*member), *slot).is_none());
            paused.count()
        };
        for quarters in 0..=4u16 {
            let expected = 12_000 * usize::from(4 - quarters) / 4;
            assert!(paused(BAND / 4 * quarters).abs_diff(expected) < 300);
        }
    }

    proptest! {
        #[test]
        fn with_less_nobody_has_more(less in 0u16..=FULL, more in 0u16..=FULL, member: u64, slot in 0usize..16) {
            let (less, more) = (less.min(more), less.max(more));
            let highest = |steps| Permit::of_steps(steps).highest(MemberKey(member), slot);
            prop_assert!(highest(less) <= highest(more));
            prop_assert!(highest(more) <= Permit::of_steps(more).highest_of_all());
        }

        #[test]
        fn nobody_pauses_while_somebody_has_a_high_encoding(steps in 0u16..=FULL, members: [u64; 2], slots in [0usize..16, 0usize..16]) {
            let permit = Permit::of_steps(steps);
            let highest = |which: usize| permit.highest(MemberKey(members[which]), slots[which]);
            let apart = highest(0).map_or(0, |level| level + 1)
                .abs_diff(highest(1).map_or(0, |level| level + 1));
            prop_assert!(apart <= 1);
        }

        #[test]
        fn what_is_given_up_is_about_what_is_asked_for(steps in 1u16..=FULL, pictures: [u16; 3], packets in 0u64..300_000, more in 0u64..300_000) {
            let permit = Permit::of_steps(steps);
            let pictures = pictures.map(u64::from);
            let less = permit.less(packets, &pictures);
            prop_assert!(less <= permit);
            prop_assert!(permit.less(packets + more, &pictures) <= less);
            prop_assert_eq!(permit.less(0, &[1; 3]), permit);
            prop_assert_eq!(permit.less(u64::MAX, &pictures), Permit::NONE);
            let back = less.steps_of(packets, &pictures);
            prop_assert!((1..=STEPS_MAX).contains(&back));
            prop_assert!(less.more(back) >= less);
        }

        #[test]
        fn of_one_encoding_a_share_is_a_share_of_the_slots(sent in 1_000u64..1_000_000, share in 1u64..=99) {
            let left = Permit::FULL.less(sent * share / 100, &[sent, 0, 0]).pictures();
            prop_assert!(u64::from(left).abs_diff(256 * (100 - share) / 100) <= 2);
        }
    }
}

//! Numbers of RTP that wrap, compared by serial arithmetic (RFC 3550, RFC 1982).

/// An RTP sequence number of one stream (RFC 3550, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// Returns whether `self` was sent after `other`, assuming that they are
    /// less than 2^15 packets apart (serial arithmetic, RFC 1982, section 3.2).
    pub const fn is_after(self, other: SeqNo) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 1 << 15
    }

    /// Returns the number `packets` later, wrapping at 2^16.
    pub const fn wrapping_add(self, packets: u16) -> SeqNo {
        SeqNo(self.0.wrapping_add(packets))
    }

    /// Returns how many packets `self` lies ahead of `other`, negative if behind: -32,768 to 32,767.
    pub const fn ahead_of(self, other: SeqNo) -> i32 {
        self.0.wrapping_sub(other.0) as i16 as i32
    }
}

impl From<u64> for SeqNo {
    /// Cuts an extended number down to what stands in the header.
    fn from(extended: u64) -> Self {
        SeqNo(extended as u16)
    }
}

/// Returns the extended number nearest to `last` that ends in `seq`.
///
/// Never below zero: close to the start of a stream the nearest one above is
/// taken. Beyond `u64::MAX - 65,535` it saturates, which no stream reaches.
pub const fn extend(last: u64, seq: SeqNo) -> u64 {
    let ahead = seq.ahead_of(SeqNo(last as u16));
    if ahead >= 0 {
        return last.saturating_add(ahead as u64);
    }
    match last.checked_sub(ahead.unsigned_abs() as u64) {
        Some(extended) => extended,
        None => seq.0 as u64,
    }
}

/// An RTP timestamp of one stream, in ticks of its clock (RFC 3550, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RtpTime(pub u32);

impl RtpTime {
    /// Returns whether `self` is later than `other`, assuming that they are less than 2^31 ticks apart.
    pub const fn is_after(self, other: RtpTime) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 1 << 31
    }

    /// Returns the time `ticks` later, wrapping at 2^32.
    pub const fn wrapping_add(self, ticks: u32) -> RtpTime {
        RtpTime(self.0.wrapping_add(ticks))
    }

    /// Returns how many ticks `self` lies ahead of `other`, negative if behind.
    pub const fn ahead_of(self, other: RtpTime) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_comes_after_the_last_number() {
        assert!(SeqNo(0).is_after(SeqNo(u16::MAX)));
        assert!(!SeqNo(u16::MAX).is_after(SeqNo(0)));
        assert!(RtpTime(5).is_after(RtpTime(u32::MAX - 5)));
        assert_eq!(SeqNo(2).ahead_of(SeqNo(65_534)), 4);
        assert_eq!(RtpTime(u32::MAX).ahead_of(RtpTime(0)), -1);
    }

    #[test]
    fn extending_follows_the_wraps() {
        assert_eq!(extend(65_535, SeqNo(0)), 65_536);
        assert_eq!(extend(65_536, SeqNo(65_535)), 65_535);
        assert_eq!(extend(3, SeqNo(65_535)), 65_535);
        assert_eq!(extend(u64::MAX, SeqNo(1)), u64::MAX);
    }

    proptest! {
        #[test]
        fn is_after_is_antisymmetric(a: u16, b: u16) {
            prop_assert!(!(SeqNo(a).is_after(SeqNo(b)) && SeqNo(b).is_after(SeqNo(a))));
        }

        #[test]
        fn time_is_after_is_antisymmetric(a: u32, b: u32) {
            prop_assert!(!(RtpTime(a).is_after(RtpTime(b)) && RtpTime(b).is_after(RtpTime(a))));
        }

        #[test]
        fn a_step_forward_is_after(a: u16, step in 1u16..1 << 15, time: u32, ticks in 1u32..1 << 31) {
            prop_assert!(SeqNo(a).wrapping_add(step).is_after(SeqNo(a)));
            prop_assert!(RtpTime(time).wrapping_add(ticks).is_after(RtpTime(time)));
        }

        #[test]
        fn extending_gives_back_what_was_cut(last in 1u64 << 16..1 << 48, step in -32_767i64..=32_767) {
            let truth = last.wrapping_add_signed(step);
            prop_assert_eq!(extend(last, SeqNo::from(truth)), truth);
        }

        #[test]
        fn an_extended_number_ends_in_the_cut_one(last in 0u64..1 << 48, seq: u16) {
            prop_assert_eq!(SeqNo::from(extend(last, SeqNo(seq))), SeqNo(seq));
        }
    }
}

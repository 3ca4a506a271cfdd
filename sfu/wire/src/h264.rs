//! The parts of H.264 payloads that forwarding needs (RFC 6184, section 5).

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// What a payload holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// It holds, or begins, a slice that refers to no other picture.
    pub has_idr: bool,
    /// It holds, or begins, a sequence parameter set.
    pub has_sps: bool,
    /// No other picture refers to what it holds (`nal_ref_idc` is 0).
    pub is_disposable: bool,
}

impl Facts {
    /// Returns whether decoding can start here.
    ///
    /// Of one key frame several payloads may say so: its parameter sets, and
    /// the first of each of its slices. They share one RTP timestamp.
    pub const fn is_keyframe(self) -> bool {
        self.has_idr || self.has_sps
    }
}

/// Reads an RTP payload of packetization mode 0 or 1: a single NAL unit, a
/// STAP-A or an FU-A. Anything else, empty or cut off, has no facts.
pub fn facts(payload: &[u8]) -> Facts {
    let Some((&header, rest)) = payload.split_first() else {
        return Facts::default();
    };
    let is_disposable = header & 0x60 == 0;
    let found = match header & 0x1f {
        STAP_A => units(rest).fold(Facts::default(), |sum, unit| {
            let facts = of_type(unit & 0x1f);
            Facts {
                has_idr: sum.has_idr | facts.has_idr,
                has_sps: sum.has_sps | facts.has_sps,
                ..sum
            }
        }),
        FU_A => match rest.first() {
            Some(fragment) if fragment & 0x80 != 0 => of_type(fragment & 0x1f),
            _ => Facts::default(),
        },
        kind => of_type(kind),
    };
    Facts {
        is_disposable,
        ..found
    }
}

/// Returns whether decoding can start with this payload; see [`Facts::is_keyframe`].
pub fn is_keyframe(payload: &[u8]) -> bool {
    facts(payload).is_keyframe()
}

fn of_type(kind: u8) -> Facts {
    Facts {
        has_idr: kind == IDR,
        has_sps: kind == SPS,
        is_disposable: false,
    }
}

/// The first bytes of the units of a STAP-A, up to the first that is cut off.
fn units(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (size, behind) = rest.split_first_chunk::<2>()?;
        let (unit, next) = behind.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
        rest = next;
        unit.first().copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn single_units_are_told_by_their_type() {
        assert!(is_keyframe(&[0x65, 0x88]));
        assert!(is_keyframe(&[0x67, 0x42, 0xe0, 0x1f]));
        assert!(!is_keyframe(&[0x68, 0xce]));
        assert!(!is_keyframe(&[0x41, 0x9a]));
        assert!(!is_keyframe(&[]));
    }

    #[test]
    fn an_aggregate_with_parameter_sets_is_a_key_frame() {
        let aggregate = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 1, 0x65];
        let facts = facts(&aggregate);
        assert_eq!(
            facts,
            Facts {
                has_idr: true,
                has_sps: true,
                is_disposable: false
            }
        );
        // A delta picture with its delimiter is none.
        assert!(!is_keyframe(&[0x78, 0, 2, 0x09, 0x30, 0, 1, 0x41]));
        // Cut off before the slice.
        assert!(!is_keyframe(&[0x78, 0, 1, 0x09, 0, 9, 0x65]));
    }

    #[test]
    fn only_the_first_fragment_counts() {
        assert!(is_keyframe(&[0x7c, 0x85, 1]));
        assert!(!is_keyframe(&[0x7c, 0x05, 1]));
        assert!(!is_keyframe(&[0x7c, 0x81, 1]));
        assert!(!is_keyframe(&[0x7c]));
    }

    #[test]
    fn a_slice_that_nobody_refers_to_is_disposable() {
        assert!(facts(&[0x01, 0x9a]).is_disposable);
        assert!(facts(&[0x1c, 0x81]).is_disposable);
        assert!(!facts(&[0x41, 0x9a]).is_disposable);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = facts(&bytes);
        }

        #[test]
        fn an_idr_anywhere_in_an_aggregate_is_seen(
            before in proptest::collection::vec(proptest::collection::vec(1u8..5, 1..5), 0..4),
        ) {
            let mut payload = vec![0x78];
            for unit in before.iter().map(Vec::as_slice).chain([&[0x65u8][..]]) {
                payload.extend_from_slice(&(unit.len() as u16).to_be_bytes());
                payload.extend_from_slice(unit);
            }
            prop_assert!(is_keyframe(&payload));
        }
    }
}

//! Tells the protocols on one UDP port apart (RFC 7983, RFC 5761).

/// The protocol of a datagram, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// RFC 8489.
    Stun,
    /// RFC 6347.
    Dtls,
    /// RFC 3550, protected by RFC 3711.
    Rtp,
    /// RFC 3550, section 6, protected by RFC 3711.
    Rtcp,
    /// RFC 8656, section 12.4.
    ChannelData,
}

/// A STUN header (RFC 8489, section 5).
const STUN_MIN: usize = 20;
/// A DTLS record header (RFC 6347, section 4.1).
const DTLS_MIN: usize = 13;
/// An RTP header without contributing sources (RFC 3550, section 5.1).
const RTP_MIN: usize = 12;
/// An RTCP header and the SSRC of its sender, all that SRTCP leaves in clear.
const RTCP_MIN: usize = 8;
/// A ChannelData header.
const CHANNEL_DATA_MIN: usize = 4;

impl Class {
    /// Returns the class of a datagram.
    ///
    /// `None` for a first byte that belongs to none (RFC 7983, section 7), and
    /// for a datagram too short for the fixed header of its class. RTP and RTCP
    /// are told apart by the second byte, 192 to 223 (RFC 5761, section 4).
    pub fn of(datagram: &[u8]) -> Option<Class> {
        let (class, min) = match *datagram.first()? {
            0..=3 => (Class::Stun, STUN_MIN),
            20..=63 => (Class::Dtls, DTLS_MIN),
            64..=79 => (Class::ChannelData, CHANNEL_DATA_MIN),
            128..=191 => match *datagram.get(1)? {
                192..=223 => (Class::Rtcp, RTCP_MIN),
                _ => (Class::Rtp, RTP_MIN),
            },
            _ => return None,
        };
        (datagram.len() >= min).then_some(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn padded(first: u8, second: u8) -> [u8; 32] {
        let mut datagram = [0; 32];
        datagram[0] = first;
        datagram[1] = second;
        datagram
    }

    #[test]
    fn every_first_byte_has_the_class_of_rfc_7983() {
        for first in 0..=u8::MAX {
            let expected = match first {
                0..=3 => Some(Class::Stun),
                20..=63 => Some(Class::Dtls),
                64..=79 => Some(Class::ChannelData),
                128..=191 => Some(Class::Rtp),
                _ => None,
            };
            assert_eq!(
                Class::of(&padded(first, 96)),
                expected,
                "first byte {first}"
            );
        }
    }

    #[test]
    fn sender_reports_and_feedback_are_rtcp_and_marked_video_is_not() {
        for packet_type in [192, 200, 201, 205, 206, 207, 223] {
            assert_eq!(Class::of(&padded(0x80, packet_type)), Some(Class::Rtcp));
        }
        // Payload type 96 and 127 with the marker bit; 111 without.
        for second in [0x80 | 96, 0x80 | 127, 111, 191] {
            assert_eq!(Class::of(&padded(0x90, second)), Some(Class::Rtp));
        }
    }

    #[test]
    fn a_datagram_shorter_than_its_header_has_no_class() {
        assert_eq!(Class::of(&[]), None);
        assert_eq!(Class::of(&[0x80]), None);
        assert_eq!(Class::of(&padded(0, 1)[..19]), None);
        assert_eq!(Class::of(&padded(22, 254)[..12]), None);
        assert_eq!(Class::of(&padded(0x80, 96)[..11]), None);
        assert_eq!(Class::of(&padded(0x80, 200)[..7]), None);
        assert_eq!(Class::of(&padded(64, 0)[..3]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Class::of(&bytes);
        }
    }
}

//! Our ICE user fragment: it says where a binding request belongs, and a keyed
//! check in it refuses junk before anything expensive is done.
//!
//! 15 ICE characters (RFC 8839, section 5.4) of 6 bits each: shard (8), slot
//! (32), generation (16), the first 32 bits of SipHash-2-4 over these, and two
//! zero bits. The check guards work, not secrets: the integrity of a request
//! still rests on the ICE password.

use std::fmt;

use siphasher::sip::SipHasher24;
use subtle::ConstantTimeEq;

/// How many characters a fragment of ours has.
pub const UFRAG_LEN: usize = 15;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FIELD_BYTES: usize = 7;

/// Where a binding request belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ufrag {
    /// The shard that holds the transport.
    pub shard: u8,
    /// The place of the transport in the table of its shard.
    pub slot: u32,
    /// Tells this use of the place from others, and one set of ICE credentials
    /// of a transport from the next.
    pub generation: u16,
}

/// A fragment as it stands in SDP.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UfragText([u8; UFRAG_LEN]);

impl UfragText {
    /// Returns the fragment as text.
    pub fn as_str(&self) -> &str {
        // Only characters of the alphabet ever get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the fragment as bytes, as it stands in a STUN user name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for UfragText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UfragText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UfragText")
    }
}

/// The key of the check in our fragments; drawn once per process.
#[derive(Clone, Copy)]
pub struct UfragKey(pub [u8; 16]);

impl fmt::Debug for UfragKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UfragKey")
    }
}

impl UfragKey {
    /// Writes the fragment for a place.
    pub fn encode(&self, ufrag: Ufrag) -> UfragText {
        let fields = ufrag.to_bytes();
        let mut bits = (u128::from(self.check(&fields))) << 2;
        for (index, byte) in fields.iter().rev().enumerate() {
            bits |= u128::from(*byte) << (34 + 8 * index);
        }
        let mut text = [0; UFRAG_LEN];
        for (index, character) in text.iter_mut().rev().enumerate() {
            *character = ALPHABET[((bits >> (6 * index)) & 0x3f) as usize];
        }
        UfragText(text)
    }

    /// Reads a fragment. `None` if it is not one that this key wrote.
    ///
    /// Takes the same time for all wrong checks, and constant time in all.
    pub fn decode(&self, text: &[u8]) -> Option<Ufrag> {
        let text: &[u8; UFRAG_LEN] = text.try_into().ok()?;
        let mut bits = 0u128;
        for &character in text {
            bits = (bits << 6) | u128::from(value(character)?);
        }
        if bits & 0b11 != 0 {
            return None;
        }
        let check = ((bits >> 2) & u128::from(u32::MAX)) as u32;
        let mut fields = [0; FIELD_BYTES];
        for (index, byte) in fields.iter_mut().rev().enumerate() {
            *byte = ((bits >> (34 + 8 * index)) & 0xff) as u8;
        }
        let genuine = bool::from(check.ct_eq(&self.check(&fields)));
        genuine.then(|| Ufrag::from_bytes(fields))
    }

    fn check(&self, fields: &[u8; FIELD_BYTES]) -> u32 {
        (SipHasher24::new_with_key(&self.0).hash(fields) >> 32) as u32
    }
}

impl Ufrag {
    fn to_bytes(self) -> [u8; FIELD_BYTES] {
        let [a, b, c, d] = self.slot.to_be_bytes();
        let [e, f] = self.generation.to_be_bytes();
        [self.shard, a, b, c, d, e, f]
    }

    fn from_bytes([shard, a, b, c, d, e, f]: [u8; FIELD_BYTES]) -> Ufrag {
        Ufrag {
            shard,
            slot: u32::from_be_bytes([a, b, c, d]),
            generation: u16::from_be_bytes([e, f]),
        }
    }
}

fn value(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: UfragKey = UfragKey([0x5a; 16]);

    prop_compose! {
        fn ufrags()(shard: u8, slot: u32, generation: u16) -> Ufrag {
            Ufrag { shard, slot, generation }
        }
    }

    #[test]
    fn a_key_shows_nothing_of_itself() {
        assert_eq!(format!("{KEY:?}"), "UfragKey");
    }

    #[test]
    fn another_length_is_refused() {
        let text = KEY.encode(Ufrag {
            shard: 0,
            slot: 1,
            generation: 2,
        });
        assert_eq!(KEY.decode(&text.as_bytes()[..UFRAG_LEN - 1]), None);
        assert_eq!(KEY.decode(&[text.as_bytes(), b"A"].concat()), None);
        assert_eq!(KEY.decode(b""), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(ufrag in ufrags(), key: [u8; 16]) {
            let text = UfragKey(key).encode(ufrag);
            prop_assert!(text.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'));
            prop_assert_eq!(UfragKey(key).decode(text.as_bytes()), Some(ufrag));
        }

        #[test]
        fn any_flipped_bit_is_refused(ufrag in ufrags(), bit in 0..UFRAG_LEN * 8) {
            let mut text = KEY.encode(ufrag).0;
            text[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(KEY.decode(&text), None);
        }

        #[test]
        fn another_key_is_refused(ufrag in ufrags(), bit in 0..128usize) {
            let mut other = KEY;
            other.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(other.decode(KEY.encode(ufrag).as_bytes()), None);
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let _ = KEY.decode(&bytes);
        }
    }
}

//! An API key as text: `ck_`, 26 characters that say which, `_`, 43 that prove it.
//!
//! The beginning is fixed so that scanners for secrets find keys that somebody
//! published, and the length so that nothing of them needs to be compared to
//! know what is what.

use conclave_signalling_wire::ids::KeyId;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;
use zeroize::Zeroizing;

use super::record::KeyHash;

/// What every key begins with.
pub const PREFIX: &str = "ck_";
/// Bytes of the secret: beyond guessing, so that a plain hash of it is enough
/// (ASVS 5.0, 6.5.2).
pub const SECRET_BYTES: usize = 32;

const ID_CHARS: usize = 26;
const SECRET_CHARS: usize = 43;
/// Characters of a whole key.
pub const CHARS: usize = PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS;

/// The alphabet of base64url (RFC 4648, section 5).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an API key")]
pub struct InvalidKey;

/// The part of a key that only its holder knows.
#[derive(Clone)]
pub struct KeySecret(Zeroizing<[u8; SECRET_BYTES]>);

impl KeySecret {
    /// Makes the secret of random bytes.
    pub fn new(random: [u8; SECRET_BYTES]) -> Self {
        KeySecret(Zeroizing::new(random))
    }

    /// Returns what is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(*self.0).into())
    }
}

impl std::fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySecret(redacted)")
    }
}

impl ConstantTimeEq for KeyHash {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// Returns the key as text, for its holder and nobody else.
pub fn write(id: KeyId, secret: &KeySecret) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(CHARS));
    let id = id.to_string();
    text.push_str(PREFIX);
    text.push_str(id.split_once('_').map_or("", |(_, suffix)| suffix));
    text.push('_');
    for chunk in secret.0.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(
                ALPHABET[(bits >> (18 - 6 * place)) as usize & 63],
            ));
        }
    }
    text
}

/// Reads a key. What is wrong with the secret shows neither in the answer nor in its time.
///
/// # Errors
/// [`InvalidKey`] for text of another form.
pub fn parse(text: &str) -> Result<(KeyId, KeySecret), InvalidKey> {
    if text.len() != CHARS || !text.is_ascii() {
        return Err(InvalidKey);
    }
    let rest = text.strip_prefix(PREFIX).ok_or(InvalidKey)?;
    let (id, rest) = rest.split_at(ID_CHARS);
    let secret = rest.strip_prefix('_').ok_or(InvalidKey)?;
    let id = format!("{}_{id}", KeyId::PREFIX)
        .parse()
        .map_err(|_| InvalidKey)?;
    Ok((id, decode(secret.as_bytes())?))
}

/// Reads 43 characters of base64url; the two bits that are over must be zero.
fn decode(text: &[u8]) -> Result<KeySecret, InvalidKey> {
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    let (mut bits, mut held, mut wrong) = (0u32, 0, 0u8);
    let mut bytes = secret.iter_mut();
    for letter in text {
        let (digit, is_digit) = value_of(*letter);
        wrong |= !is_digit & 1;
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            if let Some(byte) = bytes.next() {
                *byte = (bits >> held) as u8;
            }
            bits &= (1 << held) - 1;
        }
    }
    if wrong == 0 && bits == 0 {
        Ok(KeySecret(secret))
    } else {
        Err(InvalidKey)
    }
}

/// Returns the value of a letter, and all ones if it has one. Looks at all of
/// the alphabet, whichever it is.
fn value_of(letter: u8) -> (u8, u8) {
    let (mut value, mut found) = (0, 0);
    for (index, known) in (0u8..).zip(ALPHABET) {
        let is_it = known.ct_eq(&letter).unwrap_u8().wrapping_neg();
        value |= index & is_it;
        found |= is_it;
    }
    (value, found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> KeyId {
        "key_01h455vb4pex5vsknk084sn02q".parse().unwrap()
    }

    #[test]
    fn a_key_is_written_as_documented_and_shows_nowhere_else() {
        let secret = KeySecret::new([0xff; SECRET_BYTES]);
        let text = write(id(), &secret);
        assert_eq!(
            text.as_str(),
            "ck_01h455vb4pex5vsknk084sn02q_//////////////////////////////////////////8"
                .replace('/', "_")
        );
        assert_eq!(text.len(), CHARS);
        assert_eq!(
            format!("{secret:?} {:?}", secret.hash()),
            "KeySecret(redacted) KeyHash(redacted)"
        );
    }

    #[test]
    fn what_is_not_exactly_of_the_form_is_refused() {
        let good = write(id(), &KeySecret::new([7; SECRET_BYTES]));
        assert!(parse(&good).is_ok());
        let long = format!("{}A", good.as_str());
        let upper = good.to_uppercase();
        let other = good.replacen("ck_", "dk_", 1);
        let padded = format!("{}=", &good[..CHARS - 1]);
        let over = format!("{}9", &good[..CHARS - 1]);
        let wide = format!("{}é", &good[..CHARS - 2]);
        for bad in [
            "",
            "ck_",
            &good[1..],
            &long,
            &upper,
            &other,
            &padded,
            &over,
            &wide,
        ] {
            assert_eq!(parse(bad).unwrap_err(), InvalidKey, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_key_round_trips(ms in 0u64..1 << 48, random: [u8; 10], secret: [u8; 32]) {
            let (id, secret) = (KeyId::new(ms, random), KeySecret::new(secret));
            let (read, proof) = parse(&write(id, &secret)).unwrap();
            prop_assert_eq!(read, id);
            prop_assert_eq!(proof.hash(), secret.hash());
        }

        #[test]
        fn any_text_is_answered(text in ".{0,90}", close in "ck_[0-9a-z]{26}_[A-Za-z0-9_-]{43}") {
            let _ = parse(&text);
            if let Ok((id, secret)) = parse(&close) {
                let written = write(id, &secret);
                prop_assert_eq!(written.as_str(), close.as_str());
            }
        }
    }
}

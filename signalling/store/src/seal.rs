//! Fields at rest: XChaCha20-Poly1305 under a key derived from the master key.
//!
//! A sealed field is one byte of format (1), 4 bytes that name the key, a random
//! nonce of 24 bytes, the ciphertext and its tag of 16 bytes. What is bound to it without being
//! in it: format and key name, and table, row and column, each with its length.
//! So a field that was moved to another place does not open.

use aws_lc_rs::rand::fill;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::key::MasterKey;

/// The only format there is.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;

/// The name of a master key: what is left of it by a one-way function.
pub(crate) type KeyId = [u8; 4];

/// Where a field is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) row: &'a str,
    pub(crate) column: &'static str,
}

/// Seals and opens fields.
pub(crate) struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: KeyId,
}

impl Sealer {
    pub(crate) fn new(master: &MasterKey) -> Self {
        let key = Zeroizing::new(derive(master, b"conclave: field sealing, 1"));
        let [a, b, c, d, ..] = derive(master, b"conclave: name of the key, 1");
        Sealer {
            cipher: XChaCha20Poly1305::new((&*key).into()),
            key_id: [a, b, c, d],
        }
    }

    /// Returns the name of the key, to be kept beside what it sealed.
    pub(crate) fn key_id(&self) -> KeyId {
        self.key_id
    }

    pub(crate) fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce).map_err(|_| StoreError::Unavailable("no random numbers".to_owned()))?;
        let payload = Payload {
            msg: plain,
            aad: &self.bound(place),
        };
        let sealed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| StoreError::Unavailable("a field is too long to be sealed".to_owned()))?;
        Ok([&[FORMAT], &self.key_id[..], &nonce, &sealed].concat())
    }

    /// # Errors
    /// [`StoreError::Damaged`] unless it was sealed with this key for this place.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.opened(place, sealed).ok_or_else(|| {
            let Place { table, row, column } = place;
            StoreError::Damaged(format!("the sealed {table}.{column} of {row}"))
        })
    }

    /// As [`Sealer::open`], for text.
    pub(crate) fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<String, StoreError> {
        String::from_utf8(self.open(place, sealed)?).map_err(|_| {
            let Place { table, row, column } = place;
            StoreError::Damaged(format!("the text in {table}.{column} of {row}"))
        })
    }

    fn opened(&self, place: Place<'_>, sealed: &[u8]) -> Option<Vec<u8>> {
        let (format, rest) = sealed.split_first()?;
        let (key_id, rest) = rest.split_first_chunk::<4>()?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
        if *format != FORMAT || *key_id != self.key_id {
            return None;
        }
        let payload = Payload {
            msg: ciphertext,
            aad: &self.bound(place),
        };
        self.cipher.decrypt(XNonce::from_slice(nonce), payload).ok()
    }

    fn bound(&self, place: Place<'_>) -> Vec<u8> {
        let mut bound = vec![FORMAT];
        bound.extend(self.key_id);
        for part in [place.table, place.row, place.column] {
            bound.extend((part.len() as u64).to_be_bytes());
            bound.extend(part.as_bytes());
        }
        bound
    }
}

/// HMAC-SHA-256 as a one-step key derivation (NIST SP 800-108, one block): one key for each use.
fn derive(master: &MasterKey, purpose: &[u8]) -> [u8; 32] {
    let mut mac =
        <Hmac<Sha256>>::new_from_slice(master.bytes()).expect("HMAC takes keys of every length");
    mac.update(purpose);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOTE: Place<'static> = Place {
        table: "invite",
        row: "inv_1",
        column: "note",
    };

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&MasterKey::new([byte; 32]))
    }

    #[test]
    fn another_key_opens_nothing() {
        let sealed = sealer(1).seal(NOTE, b"Ada").unwrap();
        assert_eq!(sealer(1).open(NOTE, &sealed).unwrap(), b"Ada");
        assert_eq!(
            sealer(2).open(NOTE, &sealed),
            Err(StoreError::Damaged(
                "the sealed invite.note of inv_1".into()
            ))
        );
        let mut renamed = sealed;
        renamed[1..5].copy_from_slice(&sealer(2).key_id());
        assert!(sealer(2).open(NOTE, &renamed).is_err());
    }

    #[test]
    fn a_field_that_was_moved_does_not_open() {
        let sealer = sealer(1);
        let sealed = sealer.seal(NOTE, b"Ada").unwrap();
        for place in [
            Place {
                table: "ban",
                ..NOTE
            },
            Place {
                row: "inv_2",
                ..NOTE
            },
            Place {
                column: "name",
                ..NOTE
            },
            Place {
                row: "inv_1n",
                column: "ote",
                ..NOTE
            },
        ] {
            assert!(sealer.open(place, &sealed).is_err());
        }
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time() {
        let sealer = sealer(1);
        assert_ne!(
            sealer.seal(NOTE, b"Ada").unwrap(),
            sealer.seal(NOTE, b"Ada").unwrap()
        );
    }

    proptest! {
        #[test]
        fn every_text_round_trips(plain in any::<String>()) {
            let sealed = sealer(1).seal(NOTE, plain.as_bytes()).unwrap();
            prop_assert_eq!(sealed.len(), 1 + 4 + 24 + plain.len() + 16);
            prop_assert_eq!(sealer(1).open_text(NOTE, &sealed).unwrap(), plain);
        }

        #[test]
        fn a_flipped_bit_anywhere_is_noticed(plain: Vec<u8>, at: prop::sample::Index, bit in 0u8..8) {
            let mut sealed = sealer(1).seal(NOTE, &plain).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(sealer(1).open(NOTE, &sealed).is_err());
            prop_assert!(sealer(1).open(NOTE, &sealed[..at]).is_err());
        }
    }
}

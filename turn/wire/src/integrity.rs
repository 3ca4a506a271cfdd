//! Message integrity with long-term credentials (RFC 8489, section 9.2), by
//! HMAC-SHA1 and HMAC-SHA256.
//!
//! Computed here and not by the codec library: its keys cannot be wiped, print
//! themselves in `Debug`, hold two mutexes each, and tie the algorithm of the
//! key to that of the HMAC, which RFC 8489 does not.

use std::fmt;

use hmac::{Hmac, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// How a long-term key is made from the password (RFC 8489, section 18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// MD5, 16 bytes: what every browser does, and the default without
    /// PASSWORD-ALGORITHM.
    Md5,
    /// SHA-256, 32 bytes.
    Sha256,
}

impl Algorithm {
    /// Returns its number in the registry of password algorithms.
    pub fn code(self) -> u16 {
        match self {
            Algorithm::Md5 => 1,
            Algorithm::Sha256 => 2,
        }
    }
}

/// Which integrity attribute a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mac {
    /// MESSAGE-INTEGRITY: HMAC-SHA1, 20 bytes (RFC 8489, section 14.5).
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256, always its whole 32 bytes (section 14.6).
    Sha256,
}

impl Mac {
    /// Returns the length of the value in bytes.
    pub fn value_len(self) -> usize {
        match self {
            Mac::Sha1 => 20,
            Mac::Sha256 => 32,
        }
    }
}

const KEY_LEN_MAX: usize = 32;

/// A long-term key (RFC 8489, section 9.2.2). Wiped when dropped, never printed.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; KEY_LEN_MAX],
    len: u8,
    algorithm: Algorithm,
}

impl Key {
    /// Derives the key: a digest of `username:realm:password`.
    ///
    /// The texts are taken as they are; whoever lets people choose them
    /// prepares them by OpaqueString (RFC 8265) before.
    pub fn long_term(algorithm: Algorithm, username: &str, realm: &str, password: &str) -> Self {
        let parts = [
            username.as_bytes(),
            b":",
            realm.as_bytes(),
            b":",
            password.as_bytes(),
        ];
        match algorithm {
            Algorithm::Md5 => Self::from_digest::<Md5>(algorithm, &parts),
            Algorithm::Sha256 => Self::from_digest::<Sha256>(algorithm, &parts),
        }
    }

    /// Returns how it was derived.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn from_digest<D: Digest>(algorithm: Algorithm, parts: &[&[u8]]) -> Self {
        let mut digest = D::new();
        for part in parts {
            digest.update(part);
        }
        let mut output = digest.finalize();
        let key = Self::from_bytes(algorithm, &output);
        output.as_mut_slice().zeroize();
        key
    }

    fn from_bytes(algorithm: Algorithm, key: &[u8]) -> Self {
        let len = key.len().min(KEY_LEN_MAX);
        let mut bytes = [0; KEY_LEN_MAX];
        bytes[..len].copy_from_slice(&key[..len]);
        Self {
            bytes,
            len: len as u8,
            algorithm,
        }
    }

    #[cfg(test)]
    pub(crate) fn short_term(password: &str) -> Self {
        assert!(password.len() <= KEY_LEN_MAX);
        Self::from_bytes(Algorithm::Md5, password.as_bytes())
    }

    fn hmac<H: hmac::digest::KeyInit + hmac::Mac>(&self, parts: &[&[u8]]) -> H {
        let mut hmac =
            <H as hmac::digest::KeyInit>::new_from_slice(&self.bytes[..usize::from(self.len)])
                .expect("an HMAC takes a key of any length");
        for part in parts {
            hmac.update(part);
        }
        hmac
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// An integrity attribute as it was received, with the bytes it covers.
#[derive(Clone, Copy)]
pub struct Seal<'a> {
    pub(crate) mac: Mac,
    /// The message from its first byte up to the attribute.
    pub(crate) covered: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl Seal<'_> {
    /// Returns which attribute it is.
    pub fn mac(&self) -> Mac {
        self.mac
    }
}

impl fmt::Debug for Seal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal")
            .field("mac", &self.mac)
            .finish_non_exhaustive()
    }
}

/// Returns whether the seal was made with this key, in time that does not
/// depend on how much of it is right.
pub fn verify(seal: &Seal<'_>, key: &Key) -> bool {
    let (Some(header), Some(rest)) = (header_up_to(seal.covered, seal.mac), seal.covered.get(4..))
    else {
        return false;
    };
    let parts = [&header[..], rest];
    match seal.mac {
        Mac::Sha1 => key
            .hmac::<Hmac<Sha1>>(&parts)
            .verify_slice(seal.value)
            .is_ok(),
        Mac::Sha256 => key
            .hmac::<Hmac<Sha256>>(&parts)
            .verify_slice(seal.value)
            .is_ok(),
    }
}

/// Writes the value of the integrity attribute that would follow `message`, a
/// header with its attributes so far; the length in the header need not count
/// the integrity yet. `None` if that is no message, or has grown too long.
pub(crate) fn sign(message: &[u8], mac: Mac, key: &Key) -> Option<[u8; 32]> {
    let header = header_up_to(message, mac)?;
    let parts = [&header[..], message.get(4..)?];
    let mut value = [0; 32];
    match mac {
        Mac::Sha1 => {
            value[..20].copy_from_slice(&key.hmac::<Hmac<Sha1>>(&parts).finalize().into_bytes())
        }
        Mac::Sha256 => {
            value.copy_from_slice(&key.hmac::<Hmac<Sha256>>(&parts).finalize().into_bytes())
        }
    }
    Some(value)
}

/// Hashes a user name for USERHASH (RFC 8489, section 14.4).
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(username.as_bytes());
    digest.update(b":");
    digest.update(realm.as_bytes());
    digest.finalize().into()
}

/// The first four bytes of the message with a length that ends behind the
/// integrity attribute: that is what the HMAC covers (RFC 8489, section 14.5).
fn header_up_to(covered: &[u8], mac: Mac) -> Option<[u8; 4]> {
    let kind = covered.first_chunk::<2>()?;
    let body = (covered.len() + 4 + mac.value_len()).checked_sub(crate::message::HEADER_LEN)?;
    let [high, low] = u16::try_from(body).ok()?.to_be_bytes();
    Some([kind[0], kind[1], high, low])
}

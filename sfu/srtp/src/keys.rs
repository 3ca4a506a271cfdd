//! Session keys from the keying material of a DTLS association.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::digest;
use aws_lc_rs::iv::FixedLength;
use thiserror::Error;
use zeroize::Zeroize;

use crate::cipher::Cipher;
use crate::rx::SrtpRx;
use crate::tx::SrtpTx;

/// How packets are protected (RFC 5764, section 4.1.2, and RFC 7714, section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// AES-GCM with a key of 128 bits.
    AeadAes128Gcm,
    /// AES-GCM with a key of 256 bits.
    AeadAes256Gcm,
    /// AES in counter mode with a key of 128 bits, and 80 bits of HMAC-SHA1.
    Aes128CmSha1_80,
}

impl Profile {
    /// Returns the bytes that sealing adds to an RTP packet.
    pub const fn tag_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 16,
            Profile::Aes128CmSha1_80 => 10,
        }
    }

    /// Returns whether one key both hides and authenticates.
    pub const fn is_aead(self) -> bool {
        !matches!(self, Profile::Aes128CmSha1_80)
    }

    /// Returns the length in bytes of the material that [`contexts`] takes.
    pub const fn material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    const fn key_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::Aes128CmSha1_80 => 16,
            Profile::AeadAes256Gcm => 32,
        }
    }

    const fn salt_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
            Profile::Aes128CmSha1_80 => 14,
        }
    }
}

/// Why keying material gives no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum KeyError {
    /// It is not as long as the profile needs.
    #[error("keying material has the wrong length")]
    Length,
    /// The cipher refused a key.
    #[error("cipher refused a key")]
    Cipher,
}

/// Tells session keys apart without showing them: the start of their SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

impl KeyId {
    /// Returns the id of a session key of 16 or 32 bytes.
    pub fn of(session_key: &[u8]) -> KeyId {
        let hash = digest::digest(&digest::SHA256, session_key);
        let start = hash.as_ref().first_chunk().copied().unwrap_or_default();
        KeyId(u64::from_be_bytes(start))
    }
}

/// Derives both directions of a transport from what DTLS exported.
///
/// `material` is client key, server key, client salt, server salt (RFC 5764,
/// section 4.2). All that is made on the way is wiped; wiping `material` itself
/// is up to its owner. Call it once per DTLS association: a second pair under
/// the same keys would seal the same nonces again.
///
/// # Errors
/// [`KeyError::Length`] for material that is not [`Profile::material_len`] long.
pub fn contexts(
    material: &[u8],
    profile: Profile,
    is_dtls_client: bool,
) -> Result<(SrtpTx, SrtpRx), KeyError> {
    if material.len() != profile.material_len() {
        return Err(KeyError::Length);
    }
    let (keys, salts) = material.split_at(2 * profile.key_len());
    let (client_key, server_key) = keys.split_at(profile.key_len());
    let (client_salt, server_salt) = salts.split_at(profile.salt_len());
    let client = Master {
        profile,
        key: client_key,
        salt: client_salt,
    };
    let server = Master {
        profile,
        key: server_key,
        salt: server_salt,
    };
    let (own, theirs) = match is_dtls_client {
        true => (client, server),
        false => (server, client),
    };
    let tx = SrtpTx::new(own.session(Kind::Rtp)?, own.session(Kind::Rtcp)?);
    let rx = SrtpRx::new(theirs.session(Kind::Rtp)?, theirs.session(Kind::Rtcp)?);
    Ok((tx, rx))
}

/// Which of the two protocols a session key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// SRTP.
    Rtp,
    /// SRTCP.
    Rtcp,
}

/// A master key and salt of one direction.
#[derive(Clone, Copy)]
pub(crate) struct Master<'a> {
    pub(crate) profile: Profile,
    pub(crate) key: &'a [u8],
    pub(crate) salt: &'a [u8],
}

/// The keys of one protocol in one direction; wiped on drop.
pub(crate) struct SessionKeys {
    pub(crate) profile: Profile,
    key: [u8; 32],
    pub(crate) salt: [u8; 14],
    pub(crate) auth: [u8; 20],
}

impl SessionKeys {
    /// Takes session keys as they are; `salt` and `auth` may be shorter than the room for them.
    #[cfg(test)]
    pub(crate) fn given(profile: Profile, key: &[u8], salt: &[u8], auth: &[u8]) -> SessionKeys {
        let mut keys = SessionKeys {
            profile,
            key: [0; 32],
            salt: [0; 14],
            auth: [0; 20],
        };
        keys.key[..key.len()].copy_from_slice(key);
        keys.salt[..salt.len()].copy_from_slice(salt);
        keys.auth[..auth.len()].copy_from_slice(auth);
        keys
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key[..self.profile.key_len()]
    }
}

impl Drop for SessionKeys {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
        self.auth.zeroize();
    }
}

impl Master<'_> {
    fn session(&self, kind: Kind) -> Result<Cipher, KeyError> {
        Cipher::new(&self.derive(kind)?)
    }

    /// Derives the keys of one protocol (RFC 3711, section 4.3.2; RFC 7714, section 11).
    pub(crate) fn derive(&self, kind: Kind) -> Result<SessionKeys, KeyError> {
        let first_label = match kind {
            Kind::Rtp => 0,
            Kind::Rtcp => 3,
        };
        let algorithm = match self.profile {
            Profile::AeadAes256Gcm => &AES_256,
            Profile::AeadAes128Gcm | Profile::Aes128CmSha1_80 => &AES_128,
        };
        let key = UnboundCipherKey::new(algorithm, self.key).map_err(|_| KeyError::Cipher)?;
        let prf = EncryptingKey::ctr(key).map_err(|_| KeyError::Cipher)?;
        let mut keys = SessionKeys {
            profile: self.profile,
            key: [0; 32],
            salt: [0; 14],
            auth: [0; 20],
        };
        let key_len = self.profile.key_len();
        let salt_len = self.profile.salt_len();
        self.stream(&prf, first_label, &mut keys.key[..key_len])?;
        if !self.profile.is_aead() {
            self.stream(&prf, first_label + 1, &mut keys.auth)?;
        }
        self.stream(&prf, first_label + 2, &mut keys.salt[..salt_len])?;
        Ok(keys)
    }

    /// Fills `out`, which holds zeros, from the pseudo-random function: the key
    /// stream of AES in counter mode, whose first block is the salt (shorter ones
    /// with zeros behind) xor the label, 2^16 times.
    fn stream(&self, prf: &EncryptingKey, label: u8, out: &mut [u8]) -> Result<(), KeyError> {
        let mut iv = [0; 16];
        for (to, from) in iv.iter_mut().zip(self.salt) {
            *to = *from;
        }
        iv[7] ^= label;
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        prf.less_safe_encrypt(out, context)
            .map_err(|_| KeyError::Cipher)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = 0xE1F9_7A0D_3E01_8BE0_D64F_A32C_06DE_4139_u128.to_be_bytes();
    const SALT: [u8; 14] = [
        0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6,
    ];

    #[test]
    fn keys_are_those_of_rfc_3711_b_3() {
        let master = Master {
            profile: Profile::Aes128CmSha1_80,
            key: &KEY,
            salt: &SALT,
        };
        let keys = master.derive(Kind::Rtp).unwrap();
        assert_eq!(
            keys.key(),
            0xC61E_7A93_744F_39EE_1073_4AFE_3FF7_A087_u128.to_be_bytes()
        );
        assert_eq!(
            keys.salt,
            [
                0x30, 0xCB, 0xBC, 0x08, 0x86, 0x3D, 0x8C, 0x85, 0xD4, 0x9D, 0xB3, 0x4A, 0x9A, 0xE1
            ]
        );
        assert_eq!(
            keys.auth,
            [
                0xCE, 0xBE, 0x32, 0x1F, 0x6F, 0xF7, 0x71, 0x6B, 0x6F, 0xD4, 0xAB, 0x49, 0xAF, 0x25,
                0x6A, 0x15, 0x6D, 0x38, 0xBA, 0xA4
            ]
        );
    }

    #[test]
    fn every_label_gives_another_key() {
        let master = Master {
            profile: Profile::Aes128CmSha1_80,
            key: &KEY,
            salt: &SALT,
        };
        let (rtp, rtcp) = (
            master.derive(Kind::Rtp).unwrap(),
            master.derive(Kind::Rtcp).unwrap(),
        );
        assert_ne!(rtp.key(), rtcp.key());
        assert_ne!(rtp.salt, rtcp.salt);
        assert_ne!(rtp.auth, rtcp.auth);
        assert_ne!(KeyId::of(rtp.key()), KeyId::of(rtcp.key()));
    }

    #[test]
    fn material_of_another_length_is_refused() {
        for profile in [
            Profile::AeadAes128Gcm,
            Profile::AeadAes256Gcm,
            Profile::Aes128CmSha1_80,
        ] {
            let material = vec![7; profile.material_len()];
            assert!(contexts(&material, profile, true).is_ok());
            let shorter = &material[1..];
            assert_eq!(
                contexts(shorter, profile, true).err(),
                Some(KeyError::Length)
            );
            assert_eq!(contexts(&[], profile, true).err(), Some(KeyError::Length));
        }
    }
}

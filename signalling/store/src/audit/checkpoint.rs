//! Signatures over the log.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use conclave_signalling_wire::time::Timestamp;
use sha2::{Digest, Sha256};

use super::{Anchor, Hash, hex};
use crate::error::StoreError;

const DOMAIN: &[u8] = b"conclave: audit checkpoint, 1\n";

/// The name of a signing key: the first 8 bytes of SHA-256 of its public half.
pub(crate) type SigningKeyId = [u8; 8];

/// A signed end of the log. Kept elsewhere, it shows later what was cut off.
///
/// The signature is Ed25519 (RFC 8032) over the 30 bytes
/// `conclave: audit checkpoint, 1\n`, the sequence number and the time in
/// milliseconds since 1970, each as 8 bytes, the most significant first, and the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of the last record that it covers.
    pub seq: u64,
    /// The hash of that record.
    pub hash: [u8; 32],
    /// When it was signed.
    pub at: Timestamp,
    /// The signature.
    pub signature: [u8; 64],
}

impl Checkpoint {
    /// Returns what it says about the log.
    pub fn anchor(&self) -> Anchor {
        Anchor {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

/// One line for a log: `seq=… hash=… at=… signature=…`, bytes in base16.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seq={} hash={} at={} signature={}",
            self.seq,
            hex(&self.hash),
            self.at,
            hex(&self.signature)
        )
    }
}

/// Makes and checks signatures.
pub(crate) struct Signer {
    pair: Ed25519KeyPair,
}

impl Signer {
    pub(crate) fn new(seed: &[u8; 32]) -> Result<Self, StoreError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| StoreError::Unavailable("the audit key is refused".to_owned()))?;
        Ok(Signer { pair })
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        key
    }

    pub(crate) fn key_id(&self) -> SigningKeyId {
        let digest: Hash = Sha256::digest(self.public_key()).into();
        let [a, b, c, d, e, f, g, h, ..] = digest;
        [a, b, c, d, e, f, g, h]
    }

    pub(crate) fn sign(&self, head: Anchor, at: Timestamp) -> Checkpoint {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(&signed(head, at)).as_ref());
        Checkpoint {
            seq: head.seq,
            hash: head.hash,
            at,
            signature,
        }
    }

    pub(crate) fn has_signed(&self, checkpoint: &Checkpoint) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public_key())
            .verify(
                &signed(checkpoint.anchor(), checkpoint.at),
                &checkpoint.signature,
            )
            .is_ok()
    }
}

fn signed(head: Anchor, at: Timestamp) -> Vec<u8> {
    let mut bytes = DOMAIN.to_vec();
    bytes.extend(head.seq.to_be_bytes());
    bytes.extend(at.unix_ms().to_be_bytes());
    bytes.extend(head.hash);
    bytes
}

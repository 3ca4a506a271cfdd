//! Keys of this process: each use has one of its own, all of them from one seed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Returns the HMAC-SHA-256 of `parts`, one behind the other, under `key` (RFC 2104).
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Returns the key of the use `label`. Who knows one key learns nothing about the seed or another key.
pub(crate) fn derive(seed: &[u8; 32], label: &str) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(hmac_sha256(seed, &[label.as_bytes()]))
}

/// Returns the two words of a SipHash key for the use `label`.
pub(crate) fn sip_key(seed: &[u8; 32], label: &str) -> [u64; 2] {
    let key = derive(seed, label);
    let (mut first, mut second) = ([0; 8], [0; 8]);
    first.copy_from_slice(&key[..8]);
    second.copy_from_slice(&key[8..16]);
    [u64::from_le_bytes(first), u64::from_le_bytes(second)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_agrees_with_rfc_4231_test_case_2() {
        let expected = [
            0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95,
            0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9,
            0x64, 0xec, 0x38, 0x43,
        ];
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        assert_eq!(hmac_sha256(b"Jefe", &parts), expected);
    }

    #[test]
    fn every_use_has_a_key_of_its_own() {
        assert_ne!(derive(&[1; 32], "nonce"), derive(&[1; 32], "user"));
        assert_ne!(derive(&[1; 32], "nonce"), derive(&[2; 32], "nonce"));
    }
}

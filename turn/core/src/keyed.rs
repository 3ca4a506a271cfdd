//! Hashing of what strangers choose: keyed, so that nobody can aim at one bucket.

use std::collections::HashMap;
use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// A map whose hash is SipHash-1-3 under a secret key.
pub type KeyedMap<K, V> = HashMap<K, V, Keyed>;

/// Builds hashers of one secret key.
#[derive(Clone, Copy)]
pub struct Keyed {
    key: [u64; 2],
}

impl Keyed {
    /// Makes hashers of the 128-bit secret `key`.
    pub fn new(key: [u64; 2]) -> Self {
        Keyed { key }
    }

    /// Returns an empty map under this key.
    pub fn map<K, V>(self) -> KeyedMap<K, V> {
        HashMap::with_hasher(self)
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.key[0], self.key[1])
    }
}

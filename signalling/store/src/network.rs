//! Networks as bans remember them: keyed hashes under keys that do not last.

use std::fmt;
use std::net::IpAddr;

use conclave_signalling_core::digest::NetworkTag;
use conclave_signalling_wire::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::key::KEY_BYTES;

/// A key under which networks become tags. Overwritten when dropped, and never shown.
#[derive(Clone)]
pub struct NetworkKey {
    id: u32,
    created_at: Timestamp,
    key: Zeroizing<[u8; KEY_BYTES]>,
}

impl NetworkKey {
    pub(crate) fn new(id: u32, created_at: Timestamp, key: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        NetworkKey {
            id,
            created_at,
            key,
        }
    }

    /// Returns its number, as it stands in [`NetworkTag::key`].
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns when it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Returns the tag of the network of an address: of an IPv4 address whole
    /// (also if it is written as an IPv6 one), of an IPv6 address the first 64
    /// bits. HMAC-SHA-256, cut to 128 bits.
    pub fn tag(&self, address: IpAddr) -> NetworkTag {
        let mut mac = <Hmac<Sha256>>::new_from_slice(self.key.as_slice())
            .expect("HMAC takes keys of every length");
        match address.to_canonical() {
            IpAddr::V4(address) => {
                mac.update(&[4]);
                mac.update(&address.octets());
            }
            IpAddr::V6(address) => {
                mac.update(&[6]);
                mac.update(&address.octets()[..8]);
            }
        }
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut tag = [0; 16];
        tag.copy_from_slice(&whole[..16]);
        NetworkTag { key: self.id, tag }
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32, byte: u8) -> NetworkKey {
        let key = Zeroizing::new([byte; KEY_BYTES]);
        NetworkKey::new(id, Timestamp::from_unix_ms(0), key)
    }

    fn tag(address: &str) -> NetworkTag {
        key(1, 7).tag(address.parse().unwrap())
    }

    #[test]
    fn an_address_of_the_same_network_has_the_same_tag() {
        assert_eq!(tag("192.0.2.1"), tag("::ffff:192.0.2.1"));
        assert_eq!(tag("2001:db8::1"), tag("2001:db8::ffff:0:0:2"));
    }

    #[test]
    fn another_network_or_key_has_another_tag() {
        assert_ne!(tag("192.0.2.1"), tag("192.0.2.2"));
        assert_ne!(tag("2001:db8::1"), tag("2001:db8:0:1::1"));
        let address = "192.0.2.1".parse().unwrap();
        assert_ne!(key(1, 7).tag(address).tag, key(1, 8).tag(address).tag);
        assert_eq!(key(9, 7).tag(address).key, 9);
    }

    #[test]
    fn a_key_does_not_show() {
        assert_eq!(format!("{:?}", key(3, 7)), "NetworkKey { id: 3, .. }");
    }
}

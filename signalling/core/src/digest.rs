//! Secrets and addresses as a room keeps them: unreadable.

use std::fmt;

use conclave_signalling_wire::secret::{DeviceKey, InviteSecret, ResumeToken};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! digests {
    ($($(#[$doc:meta])* $name:ident of $secret:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; 32]);

        impl From<&$secret> for $name {
            fn from(secret: &$secret) -> Self {
                $name(Sha256::digest(secret.bytes()).into())
            }
        }

        /// The first bytes, enough to tell two apart.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let [a, b, c, ..] = self.0;
                write!(f, concat!(stringify!($name), "({:02x}{:02x}{:02x})"), a, b, c)
            }
        }
    )*};
}

// Random secrets of 128 bits and more need no slow hash, and a digest of them
// can be compared in any time: whoever measures it learns nothing of the secret.
digests! {
    /// SHA-256 of a device key: the device as everybody but itself knows it.
    DeviceHash of DeviceKey;
    /// SHA-256 of the secret of an invite link.
    InviteHash of InviteSecret;
    /// SHA-256 of a resume token.
    TokenHash of ResumeToken;
}

/// A network, as a ban remembers it: HMAC-SHA-256, cut to 128 bits, of an IPv4
/// address or an IPv6 /64 under a key that is thrown away with the last ban
/// that needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NetworkTag {
    /// Which key.
    pub key: u32,
    /// The tag.
    pub tag: [u8; 16],
}

/// Returns the `consent_hash` of a text: SHA-256 in base16.
pub fn consent_hash(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Bearer secrets: whoever has one is somebody. None of them shows in `Debug`,
//! and equality takes the same time for all values.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use ts_rs::TS;

use crate::text::{InvalidText, parsed};

/// The alphabet of base64url (RFC 4648, section 5).
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            text.push(char::from(
                BASE64URL[(bits >> (18 - 6 * place)) as usize & 63],
            ));
        }
    }
    text
}

/// Reads exactly `N` bytes in base64url without padding; unused bits must be zero.
fn decode<const N: usize>(text: &str) -> Result<[u8; N], InvalidText> {
    if text.len() != (N * 4).div_ceil(3) {
        return Err(InvalidText::TooLong);
    }
    let mut bytes = [0; N];
    let (mut bits, mut held, mut filled) = (0u32, 0, 0);
    for letter in text.bytes() {
        let digit = BASE64URL
            .iter()
            .position(|known| *known == letter)
            .ok_or(InvalidText::Character)?;
        bits = bits << 6 | digit as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            let byte = bytes.get_mut(filled).ok_or(InvalidText::TooLong)?;
            *byte = (bits >> held) as u8;
            filled += 1;
            bits &= (1 << held) - 1;
        }
    }
    if bits == 0 {
        Ok(bytes)
    } else {
        Err(InvalidText::Character)
    }
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident($bytes:literal) = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, TS)]
        #[ts(type = "string")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Makes the secret of random bytes.
            pub const fn new(random: [u8; $bytes]) -> Self {
                $name(random)
            }

            /// Takes the secret as written.
            ///
            /// # Errors
            /// [`InvalidText`] unless it is the prefix, if there is one, and
            /// base64url of exactly the right length without padding.
            pub fn parse(text: &str) -> Result<Self, InvalidText> {
                decode(text.strip_prefix($prefix).ok_or(InvalidText::Character)?).map($name)
            }

            /// Returns the secret as written, to be sent to its owner only.
            pub fn reveal(&self) -> String {
                format!("{}{}", $prefix, encode(&self.0))
            }

            /// Returns the bytes of the secret, to be hashed.
            pub const fn bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.ct_eq(&other.0).into()
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.reveal())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parsed(deserializer, $name::parse).map_err(D::Error::custom)
            }
        }
    )*};
}

secrets! {
    /// 128 random bits that a client keeps per server: 22 characters of base64url.
    /// The same key in the same room is the same device.
    DeviceKey(16) = "";
    /// 128 random bits from the fragment of an invite link: 22 characters of base64url.
    InviteSecret(16) = "";
    /// 256 random bits that give a broken link its place back, once: `rt_` and 43 characters of base64url.
    ResumeToken(32) = "rt_";
}

/// Text that nobody but its checker may see: a password or a signed token.
#[derive(Clone, Serialize, Deserialize, TS)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        SecretText(text.into())
    }

    /// Returns the secret, to be checked.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_4648_are_written_without_padding() {
        let examples = [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
        ];
        for (plain, encoded) in examples {
            assert_eq!(encode(plain.as_bytes()), encoded);
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn secrets_do_not_show() {
        assert_eq!(
            format!("{:?}", DeviceKey::new([7; 16])),
            "DeviceKey(redacted)"
        );
        assert_eq!(
            format!("{:?}", ResumeToken::new([7; 32])),
            "ResumeToken(redacted)"
        );
        assert_eq!(
            format!("{:?}", SecretText::new("hunter2")),
            "SecretText(redacted)"
        );
    }

    #[test]
    fn a_second_spelling_of_the_same_bytes_is_refused() {
        assert!(DeviceKey::parse("AAAAAAAAAAAAAAAAAAAAAA").is_ok());
        assert_eq!(
            DeviceKey::parse("AAAAAAAAAAAAAAAAAAAAAB"),
            Err(InvalidText::Character)
        );
        assert_eq!(
            DeviceKey::parse("AAAAAAAAAAAAAAAAAAAAAA=="),
            Err(InvalidText::TooLong)
        );
        assert_eq!(
            DeviceKey::parse("AAAAAAAAAAAAAAAAAAAAA+"),
            Err(InvalidText::Character)
        );
    }

    proptest! {
        #[test]
        fn every_secret_round_trips(key: [u8; 16], token: [u8; 32]) {
            let (key, token) = (DeviceKey::new(key), ResumeToken::new(token));
            prop_assert_eq!(key.reveal().len(), 22);
            prop_assert_eq!(DeviceKey::parse(&key.reveal()), Ok(key));
            prop_assert_eq!(token.reveal().len(), 46);
            prop_assert_eq!(ResumeToken::parse(&token.reveal()), Ok(token));
        }

        #[test]
        fn any_text_is_answered(text in any::<String>(), tail in "[A-Za-z0-9_-]{20,48}") {
            let _ = InviteSecret::parse(&text);
            let _ = InviteSecret::parse(&tail);
            let _ = ResumeToken::parse(&format!("rt_{tail}"));
        }
    }
}

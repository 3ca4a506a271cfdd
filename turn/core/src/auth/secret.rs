//! Secrets: wiped when they go, and never printed.

use std::fmt;

use zeroize::Zeroizing;

/// The shortest secret that is taken, in bytes: 128 bits, if they are random.
const SECRET_LEN_MIN: usize = 16;

/// A key under which passwords are made.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Less than 16 bytes.
    #[error("a secret has at least 16 bytes; make one by `openssl rand -base64 32`")]
    Short,
    /// None at all.
    #[error("no secret is there")]
    Missing,
    /// More than two, the one in use and the one before.
    #[error("more than two secrets; the first is the one in use, the second the one before")]
    Many,
}

impl Secret {
    /// Takes a secret of at least 16 bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, SecretError> {
        if bytes.len() < SECRET_LEN_MIN {
            return Err(SecretError::Short);
        }
        Ok(Secret(Zeroizing::new(bytes.to_vec())))
    }

    /// Takes a secret of 32 random bytes.
    pub fn random(bytes: [u8; 32]) -> Self {
        Secret(Zeroizing::new(bytes.to_vec()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

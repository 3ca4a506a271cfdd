//! The REST form: `expiry` or `expiry:user` with HMAC-SHA1 in base64, as other servers and tools make it
//! (draft-uberti-behave-turn-rest-00).

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::secret::{Secret, SecretError};
use super::ticket::expiry_of;
use super::{Candidate, CredentialSource, Derivation, Identity};
use crate::base64;

/// One or two secrets shared with whoever hands out credentials of the REST form.
#[derive(Clone, Debug)]
pub struct RestSecrets(Vec<Secret>);

impl RestSecrets {
    /// Takes the text of a secret file: a line with the secret in use and, while it is changed, a second one with the
    /// secret before. Blank lines and lines that begin with `#` are left out; a secret is its line without blanks around it.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let secrets = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| Secret::new(line.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        match secrets.len() {
            0 => Err(SecretError::Missing),
            1 | 2 => Ok(RestSecrets(secrets)),
            _ => Err(SecretError::Many),
        }
    }
}

impl CredentialSource for RestSecrets {
    /// Every user of this form is known: it is the secret that makes the password.
    fn candidates(&self, name: &str, how: &Derivation<'_>, out: &mut Vec<Candidate>) {
        let (expiry, user) = name.split_once(':').unwrap_or((name, ""));
        let Some(expires_unix_s) = expiry_of(expiry) else {
            return;
        };
        for secret in &self.0 {
            out.push(Candidate {
                identity: Some(Identity::User(how.user(user))),
                expires_unix_s: Some(expires_unix_s),
                key: how.key(name, &password(secret, name)),
            });
        }
    }
}

pub(super) fn password(secret: &Secret, username: &str) -> Zeroizing<String> {
    let mut mac =
        <Hmac<Sha1>>::new_from_slice(secret.bytes()).expect("HMAC takes keys of every length");
    mac.update(username.as_bytes());
    let mut text = Zeroizing::new(String::with_capacity(28));
    base64::standard(&mac.finalize().into_bytes(), &mut text);
    text
}

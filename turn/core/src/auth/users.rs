//! Static users with passwords, from the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use conclave_turn_wire::integrity::userhash;
use zeroize::Zeroizing;

use super::{Candidate, CredentialSource, Derivation, Identity};

/// The longest user name of STUN, in bytes (RFC 8489, section 14.3).
pub(super) const NAME_LEN_MAX: usize = 508;

/// A user with a password. Printed without either.
#[derive(Clone)]
pub struct StaticUser {
    name: String,
    password: Zeroizing<String>,
}

/// Why a text is no user, or users do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No colon, or nothing before or behind it.
    #[error("a user is written `name:password`")]
    Form,
    /// Something else than printable ASCII, or too long. For ASCII, preparation by OpaqueString (RFC 8265) changes
    /// nothing, so every client computes the same key.
    #[error(
        "name and password of a user are printable ASCII without blanks at the ends, at most 508 characters"
    )]
    Letters,
    /// Two users of one name.
    #[error("the user `{0}` is there twice")]
    Twice(String),
}

impl FromStr for StaticUser {
    type Err = UserError;

    /// Reads `name:password`; the password may have colons.
    fn from_str(text: &str) -> Result<Self, UserError> {
        let (name, password) = text.split_once(':').ok_or(UserError::Form)?;
        if name.is_empty() || password.is_empty() {
            return Err(UserError::Form);
        }
        let plain = |part: &str| {
            part.len() <= NAME_LEN_MAX
                && part.bytes().all(|byte| (0x20..0x7f).contains(&byte))
                && part.trim() == part
        };
        if !plain(name) || !plain(password) {
            return Err(UserError::Letters);
        }
        Ok(StaticUser {
            name: name.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        })
    }
}

impl fmt::Debug for StaticUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StaticUser(..)")
    }
}

/// The users of the configuration, by name and by USERHASH.
pub(super) struct Users {
    passwords: BTreeMap<String, Zeroizing<String>>,
    by_hash: BTreeMap<[u8; 32], String>,
    /// As long as a good password, and nobody's.
    dummy: Zeroizing<String>,
}

impl Users {
    pub(super) fn new(
        users: Vec<StaticUser>,
        realm: &str,
        dummy: Zeroizing<String>,
    ) -> Result<Self, UserError> {
        let mut passwords = BTreeMap::new();
        let mut by_hash = BTreeMap::new();
        for user in users {
            by_hash.insert(userhash(&user.name, realm), user.name.clone());
            if passwords.insert(user.name.clone(), user.password).is_some() {
                return Err(UserError::Twice(user.name));
            }
        }
        Ok(Users {
            passwords,
            by_hash,
            dummy,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }

    pub(super) fn name_of(&self, hash: &[u8; 32]) -> Option<&str> {
        self.by_hash.get(hash).map(String::as_str)
    }
}

impl CredentialSource for Users {
    /// One candidate for every name, if there are users at all.
    fn candidates(&self, name: &str, how: &Derivation<'_>, out: &mut Vec<Candidate>) {
        if self.passwords.is_empty() {
            return;
        }
        let password = self.passwords.get(name);
        out.push(Candidate {
            identity: password.map(|_| Identity::User(how.user(name))),
            expires_unix_s: None,
            key: how.key(name, password.unwrap_or(&self.dummy)),
        });
    }
}

//! Who may use the relay: tickets of our own, the REST form of shared secrets, and static users.
//!
//! Everything is the long-term mechanism of RFC 8489, section 9.2. Nothing here has state per request, and an unknown
//! user costs what a wrong password costs: the same digests, against a key that fits nobody.

use std::fmt;

use conclave_turn_wire::integrity::{Algorithm, Key};

mod registry;
mod rest;
mod secret;
mod source;
#[cfg(test)]
mod tests;
mod ticket;
mod users;

pub use rest::RestSecrets;
pub use secret::{Secret, SecretError};
pub use source::{Credentials, CredentialsConfig};
pub(crate) use ticket::session_of;
pub use ticket::{Credential, Mint};
pub use users::{StaticUser, UserError};

/// One stay of one participant in one room; signalling knows it as the key of the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// A user of a static password or of the REST form: a keyed hash of the name, so that an allocation need not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(pub u64);

/// Whom credentials are of. Two credentials of one identity may work on one allocation; others are refused with 441.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A participant, as long as the session lives: whether it does, the server knows.
    Session(SessionKey),
    /// A connection test before joining, by its random number. It may allocate and nothing else.
    Test(u64),
    /// Somebody known to the operator.
    User(UserKey),
}

impl Identity {
    /// Returns whether it is a connection test.
    pub fn is_test(self) -> bool {
        matches!(self, Identity::Test(_))
    }
}

/// How a request names its user.
#[derive(Clone, Copy)]
pub enum UserRef<'a> {
    /// USERNAME.
    Name(&'a str),
    /// USERHASH: SHA-256 of `username:realm` (RFC 8489, section 14.4).
    Hash(&'a [u8; 32]),
}

impl fmt::Debug for UserRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UserRef::Name(_) => "Name(..)",
            UserRef::Hash(_) => "Hash(..)",
        })
    }
}

/// A keyed hash of how a request names its user, and of the algorithm of the key. An allocation keeps it beside the key:
/// a request with the same tag is verified by that key without deriving it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CredentialTag(u64);

/// Credentials that proved to be right.
#[derive(Clone, Debug)]
pub struct Login {
    /// Whose they are.
    pub identity: Identity,
    /// When they end, in seconds since 1970; `None` for static users. Asked on Allocate; a Refresh asks whether the
    /// session lives.
    pub expires_unix_s: Option<u64>,
    /// The key that verified the request and signs the response. It belongs into the allocation.
    pub key: Key,
    /// What names this key in later requests.
    pub tag: CredentialTag,
}

impl Login {
    /// Returns whether the credentials are too old for a new allocation at `unix_s`.
    pub fn is_expired(&self, unix_s: u64) -> bool {
        self.expires_unix_s.is_some_and(|expires| expires <= unix_s)
    }
}

/// One way in which the credentials of a request could be right.
struct Candidate {
    /// `None` is the key that fits nobody: whatever it seems to verify is refused.
    identity: Option<Identity>,
    expires_unix_s: Option<u64>,
    key: Key,
}

/// Where passwords come from. Each source adds its candidates for a name, and as many dummies for a name that it might
/// have known.
trait CredentialSource {
    fn candidates(&self, name: &str, how: &Derivation<'_>, out: &mut Vec<Candidate>);
}

/// How keys are made of passwords.
struct Derivation<'a> {
    algorithm: Algorithm,
    realm: &'a str,
    /// Of the hash that makes users' names short.
    user_key: [u64; 2],
}

impl Derivation<'_> {
    fn key(&self, name: &str, password: &str) -> Key {
        Key::long_term(self.algorithm, name, self.realm, password)
    }

    fn user(&self, name: &str) -> UserKey {
        use std::hash::Hasher as _;
        let mut hasher =
            siphasher::sip::SipHasher24::new_with_keys(self.user_key[0], self.user_key[1]);
        hasher.write(name.as_bytes());
        UserKey(hasher.finish())
    }
}

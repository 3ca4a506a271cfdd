//! Tickets: credentials that signalling mints for each participant, and the relay verifies without having seen them.
//!
//! `expiry:session:random`: seconds since 1970, 16 hexadecimal digits, eight random bytes in base64url. A connection test
//! has `test` for its session. The password is the HMAC-SHA-256 of the name in base64: 256 bits that live minutes.

use std::fmt;
use std::fmt::Write as _;

use zeroize::Zeroizing;

use super::secret::Secret;
use super::{Candidate, CredentialSource, Derivation, Identity, SessionKey};
use crate::{base64, seed};

/// What a browser is told. Printed without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

/// Makes tickets, and their passwords again. Two secrets live at one time: what was made under the one before stays good
/// until it expires.
#[derive(Clone, Debug)]
pub struct Mint {
    current: Secret,
    previous: Option<Secret>,
}

impl Mint {
    /// Makes a mint with one secret. Relay and signalling have the same.
    pub fn new(secret: Secret) -> Self {
        Mint {
            current: secret,
            previous: None,
        }
    }

    /// Makes tickets under `secret` from here on and forgets the secret before the last. The relay rotates before
    /// signalling does, and not more often than a ticket lives.
    pub fn rotate(&mut self, secret: Secret) {
        self.previous = Some(std::mem::replace(&mut self.current, secret));
    }

    /// Mints the ticket of a participant: good for Allocate until `expires_unix_s`. `random` makes each one unique.
    pub fn mint(&self, session: SessionKey, expires_unix_s: u64, random: [u8; 8]) -> Credential {
        self.credential(Ticket {
            expires_unix_s,
            identity: Identity::Session(session),
            random,
        })
    }

    /// Mints the ticket of a connection test: it may allocate and reach nobody.
    pub fn mint_test(&self, expires_unix_s: u64, random: [u8; 8]) -> Credential {
        self.credential(Ticket {
            expires_unix_s,
            identity: Identity::Test(u64::from_be_bytes(random)),
            random,
        })
    }

    fn credential(&self, ticket: Ticket) -> Credential {
        let username = ticket.username();
        let password = password(&self.current, &username).to_string();
        Credential { username, password }
    }
}

impl CredentialSource for Mint {
    /// A name that is none of ours costs nothing: what a ticket looks like is no secret. Whether a session lives is, and is
    /// not asked here.
    fn candidates(&self, name: &str, how: &Derivation<'_>, out: &mut Vec<Candidate>) {
        let Some(ticket) = Ticket::parse(name) else {
            return;
        };
        for secret in [Some(&self.current), self.previous.as_ref()]
            .into_iter()
            .flatten()
        {
            out.push(Candidate {
                identity: Some(ticket.identity),
                expires_unix_s: Some(ticket.expires_unix_s),
                key: how.key(name, &password(secret, name)),
            });
        }
    }
}

fn password(secret: &Secret, username: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(44));
    let mac = Zeroizing::new(seed::hmac_sha256(secret.bytes(), &[username.as_bytes()]));
    base64::standard(mac.as_slice(), &mut text);
    text
}

/// Returns whose ticket has this name, if it is a participant's.
pub(crate) fn session_of(name: &str) -> Option<SessionKey> {
    match Ticket::parse(name)?.identity {
        Identity::Session(session) => Some(session),
        Identity::Test(_) | Identity::User(_) => None,
    }
}

/// What the name of a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) expires_unix_s: u64,
    pub(super) identity: Identity,
    random: [u8; 8],
}

impl Ticket {
    /// Reads a name. Each ticket has one name: other spellings of the same numbers are no tickets.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split(':');
        let (expiry, session, random) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let random = base64::eight_from_url(random)?;
        let identity = match session {
            "test" => Identity::Test(u64::from_be_bytes(random)),
            digits => Identity::Session(session_key(digits)?),
        };
        Some(Ticket {
            expires_unix_s: expiry_of(expiry)?,
            identity,
            random,
        })
    }

    fn username(&self) -> String {
        let mut name = String::with_capacity(48);
        let written = match self.identity {
            Identity::Session(SessionKey(session)) => {
                write!(name, "{}:{session:016x}:", self.expires_unix_s)
            }
            _ => write!(name, "{}:test:", self.expires_unix_s),
        };
        debug_assert!(written.is_ok(), "a string takes any text");
        base64::url(&self.random, &mut name);
        name
    }
}

/// Reads seconds since 1970: digits without a leading zero.
pub(super) fn expiry_of(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = !digits.starts_with('0') || digits == "0";
    (plain && shortest).then(|| digits.parse().ok()).flatten()
}

fn session_key(digits: &str) -> Option<SessionKey> {
    let plain = digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (digits.len() == 16 && plain)
        .then(|| u64::from_str_radix(digits, 16).ok().map(SessionKey))
        .flatten()
}

//! All sources of credentials as one.

use std::hash::Hasher as _;

use conclave_turn_wire::integrity::{Algorithm, Key};
use siphasher::sip::SipHasher24;
use zeroize::Zeroizing;

use super::registry::Registry;
use super::rest::RestSecrets;
use super::secret::Secret;
use super::ticket::{Mint, session_of};
use super::users::{NAME_LEN_MAX, StaticUser, UserError, Users};
use super::{Candidate, CredentialSource, CredentialTag, Derivation, Login, SessionKey, UserRef};
use crate::{base64, seed};

/// Where credentials come from. At least one source should be there, or nobody can allocate.
#[derive(Clone, Debug, Default)]
pub struct CredentialsConfig {
    /// The mint of signalling, for participants and connection tests.
    pub tickets: Option<Mint>,
    /// The REST form.
    pub rest: Option<RestSecrets>,
    /// Users with passwords.
    pub users: Vec<StaticUser>,
}

/// Verifies credentials.
pub struct Credentials {
    realm: String,
    tickets: Option<Mint>,
    rest: Option<RestSecrets>,
    users: Users,
    registry: Registry,
    user_key: [u64; 2],
    tag_key: [u64; 2],
    /// A mint whose tickets nobody has: the work for a USERHASH that is nobody's.
    nobody: Mint,
}

/// A name of the length of a ticket. Nobody can be called that: names of static users have no colon.
const NOBODY: &str = "1700000000:0000000000000000:AAAAAAAAAAA";

impl Credentials {
    /// Makes the verifier of `realm`. `seed` keys the hashes of names and makes the keys that fit nobody.
    pub fn new(config: CredentialsConfig, realm: &str, seed: &[u8; 32]) -> Result<Self, UserError> {
        let mut dummy = Zeroizing::new(String::new());
        base64::standard(
            seed::derive(seed, "conclave turn dummy password").as_slice(),
            &mut dummy,
        );
        let nobody = Secret::random(*seed::derive(seed, "conclave turn dummy secret"));
        Ok(Credentials {
            realm: realm.to_owned(),
            tickets: config.tickets,
            rest: config.rest,
            users: Users::new(config.users, realm, dummy)?,
            registry: Registry::default(),
            user_key: seed::sip_key(seed, "conclave turn user"),
            tag_key: seed::sip_key(seed, "conclave turn credential tag"),
            nobody: Mint::new(nobody),
        })
    }

    /// Rotates the secret of tickets: see [`Mint::rotate`]. Nothing happens without tickets.
    pub fn rotate(&mut self, secret: Secret) {
        if let Some(mint) = &mut self.tickets {
            mint.rotate(secret);
        }
    }

    /// Returns whether there are users whose passwords people chose.
    pub fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Returns whether every name that can be right is known beforehand, and so is its USERHASH: those of tickets and of
    /// the REST form are made by others.
    pub(crate) fn knows_names(&self) -> bool {
        self.tickets.is_none() && self.rest.is_none()
    }

    /// Remembers the name of a ticket that was handed out, so that it can be used with USERHASH; the latest four of a
    /// session are remembered. Returns false if it is no participant's ticket or 100,000 sessions have one.
    pub fn register(&mut self, username: &str) -> bool {
        session_of(username)
            .is_some_and(|session| self.registry.register(session, username, &self.realm))
    }

    /// Forgets the names of a session that ended.
    pub fn forget(&mut self, session: SessionKey) {
        self.registry.forget(session);
    }

    /// Returns how many names and sessions are remembered.
    pub(crate) fn names(&self) -> usize {
        self.registry.len()
    }

    /// Returns the tag of how a request names its user, and of the algorithm of its key.
    pub fn tag(&self, user: UserRef<'_>, algorithm: Algorithm) -> CredentialTag {
        let mut hasher = SipHasher24::new_with_keys(self.tag_key[0], self.tag_key[1]);
        hasher.write_u16(algorithm.code());
        match user {
            UserRef::Name(name) => {
                hasher.write_u8(0);
                hasher.write(name.as_bytes());
            }
            UserRef::Hash(hash) => {
                hasher.write_u8(1);
                hasher.write(hash);
            }
        }
        CredentialTag(hasher.finish())
    }

    /// Tries every key that the credentials of `user` could have; `verify` says whether a key made the integrity of the
    /// request. `None` is 401: an unknown user, a wrong password, or a name that no source could have given out.
    ///
    /// Neither the expiry nor the life of a session is judged here.
    pub fn authenticate(
        &self,
        user: UserRef<'_>,
        algorithm: Algorithm,
        mut verify: impl FnMut(&Key) -> bool,
    ) -> Option<Login> {
        let mut candidates = Vec::with_capacity(4);
        self.candidates(user, algorithm, &mut candidates);
        for candidate in candidates {
            let Candidate {
                identity,
                expires_unix_s,
                key,
            } = candidate;
            // The key is tried before it is asked whose it is: nobody's costs as much as somebody's.
            if verify(&key)
                && let Some(identity) = identity
            {
                return Some(Login {
                    identity,
                    expires_unix_s,
                    key,
                    tag: self.tag(user, algorithm),
                });
            }
        }
        None
    }

    fn candidates(&self, user: UserRef<'_>, algorithm: Algorithm, out: &mut Vec<Candidate>) {
        let how = Derivation {
            algorithm,
            realm: &self.realm,
            user_key: self.user_key,
        };
        let name = match user {
            UserRef::Name(name) => Some(name),
            UserRef::Hash(hash) => {
                let user = self.users.name_of(hash);
                user.or_else(|| self.registry.name_of(hash))
            }
        };
        match name.filter(|name| name.len() <= NAME_LEN_MAX) {
            Some(name) => {
                if let Some(tickets) = &self.tickets {
                    tickets.candidates(name, &how, out);
                }
                if let Some(rest) = &self.rest {
                    rest.candidates(name, &how, out);
                }
                self.users.candidates(name, &how, out);
            }
            // What a hash that is known costs: of a static user if there are any, else of a ticket.
            None => self.users.candidates(NOBODY, &how, out),
        }
        if out.is_empty() {
            self.nobody.candidates(NOBODY, &how, out);
            for candidate in out {
                candidate.identity = None;
            }
        }
    }
}

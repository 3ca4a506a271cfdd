//! Who sends a request (RFC 8489, section 9.2.4).

use std::time::Instant;

use conclave_turn_wire::FiveTuple;
use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::integrity::{self, Algorithm, Mac};
use conclave_turn_wire::message::{Method, Request};

use super::Server;
use crate::auth::{Identity, Login, UserRef};
use crate::backend::Now;
use crate::limits::{Pace, SourcePrefix};
use crate::nonce::{Carried, Verdict, password_algorithm};
use crate::seed;

/// How long an allocation goes on by credentials of the REST form that have expired, in seconds: a long meeting. Nobody
/// tells the relay when their holder has left.
const OVERTIME_S: u64 = 12 * 3600;

/// Wrong passwords that a source may try at once, one more each second, and sources that are told apart.
const GUESSES: u32 = 50;
const GUESS_INTERVAL_MS: u32 = 1000;
const GUESS_SLOTS: usize = 1 << 14;

/// Makes the pace at which passwords may be guessed.
pub(super) fn guesses(now: Instant, seed: &[u8; 32]) -> Pace {
    let key = seed::sip_key(seed, "conclave turn pace of guesses");
    Pace::new(now, key, GUESS_SLOTS, GUESSES, GUESS_INTERVAL_MS)
}

/// Why a request is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It lacks what must come with integrity, or its lists of algorithms were altered.
    Malformed,
    /// No integrity, a wrong one, or nobody that we know.
    Unproved,
    /// The nonce is not, or no longer, good.
    Stale,
}

impl Refusal {
    pub(super) fn code(self) -> ErrorCode {
        match self {
            Refusal::Malformed => ErrorCode::BadRequest,
            Refusal::Unproved => ErrorCode::Unauthenticated,
            Refusal::Stale => ErrorCode::StaleNonce,
        }
    }

    /// Whether the answer says how to do it right.
    pub(super) fn challenges(self) -> bool {
        self != Refusal::Malformed
    }
}

impl Server {
    /// Returns whose request it is, and by which attribute it is sealed. The nonce is judged before the password, for it
    /// costs one MAC and no look-up, and shows that the source can hear us.
    pub(super) fn authenticate(
        &mut self,
        now: Now,
        from: &FiveTuple,
        request: &Request<'_>,
    ) -> Result<(Login, Mac), Refusal> {
        if !request.has_integrity() {
            return Err(Refusal::Unproved);
        }
        let user = match (request.username, &request.userhash) {
            (Some(name), _) => UserRef::Name(name),
            (None, Some(hash)) => UserRef::Hash(hash),
            (None, None) => return Err(Refusal::Malformed),
        };
        let (Some(_), Some(nonce)) = (request.realm, request.nonce) else {
            return Err(Refusal::Malformed);
        };
        if self.nonces.verify(from, now.unix_s, nonce) != Verdict::Fresh {
            return Err(Refusal::Stale);
        }
        let mac = if request.seal(Mac::Sha256).is_some() {
            Mac::Sha256
        } else {
            Mac::Sha1
        };
        let algorithm =
            password_algorithm(nonce, Carried::from(request)).map_err(|_| Refusal::Malformed)?;
        let seal = request.seal(mac).ok_or(Refusal::Unproved)?;
        let verify = |key: &_| integrity::verify(seal, key);

        let login = match self.known_login(from, user, algorithm, verify) {
            Some(login) => login,
            None => self.new_login(now, from, user, algorithm, verify)?,
        };
        if let Identity::Session(session) = login.identity
            && !self.sessions.contains(&session)
        {
            return Err(Refusal::Unproved);
        }
        // What lives outlives the credentials; what is new needs good ones. A renewed ticket is of the same identity.
        let is_new =
            request.method == Method::Allocate && self.allocations.of_client(from).is_none();
        let overtime_s = match login.identity {
            _ if is_new => 0,
            Identity::User(_) => OVERTIME_S,
            // A session ends when it ends, and a test lives a minute.
            Identity::Session(_) | Identity::Test(_) => u64::MAX,
        };
        if login.is_expired(now.unix_s.saturating_sub(overtime_s)) {
            return Err(Refusal::Unproved);
        }
        Ok((login, mac))
    }

    /// Tries all keys that there could be. Where people chose passwords, a source that was wrong too often is not listened
    /// to for a while: its answers are bounded, but it would learn the right password by being answered at all.
    fn new_login(
        &mut self,
        now: Now,
        from: &FiveTuple,
        user: UserRef<'_>,
        algorithm: Algorithm,
        verify: impl Fn(&integrity::Key) -> bool,
    ) -> Result<Login, Refusal> {
        let source = SourcePrefix::of(from.client.0.ip());
        let is_guessable = self.credentials.has_users();
        if is_guessable && !self.guesses.has(now.instant, &source) {
            return Err(Refusal::Unproved);
        }
        let login = self.credentials.authenticate(user, algorithm, verify);
        if login.is_none() && is_guessable {
            self.guesses.take(now.instant, &source);
        }
        login.ok_or(Refusal::Unproved)
    }

    /// Tries the key with which the client's allocation was made.
    fn known_login(
        &mut self,
        from: &FiveTuple,
        user: UserRef<'_>,
        algorithm: Algorithm,
        verify: impl Fn(&integrity::Key) -> bool,
    ) -> Option<Login> {
        let id = self.allocations.of_client(from)?;
        let allocation = self.allocations.get(id)?;
        let is_same = allocation.tag == self.credentials.tag(user, algorithm);
        (is_same && verify(&allocation.key)).then(|| Login {
            identity: allocation.identity(),
            expires_unix_s: allocation.expires_unix_s,
            key: allocation.key.clone(),
            tag: allocation.tag,
        })
    }
}

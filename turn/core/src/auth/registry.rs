//! Names of tickets that were handed out, for clients that send USERHASH.
//!
//! The hash of a ticket's name cannot be turned back into the name. Whoever wants native clients with USERHASH registers
//! each ticket when it is minted and has anonymity offered by [`crate::Server::offer_anonymity`]; a hash that is not here
//! is an unknown user, 401.

use std::collections::{BTreeMap, VecDeque};

use conclave_turn_wire::integrity::userhash;

use super::SessionKey;

/// Tickets of one session that are remembered: the latest ones. A session gets a new one every five minutes or so, and
/// an allocation that was made with an older one has its key.
const TICKETS_PER_SESSION: usize = 4;

/// Sessions that are remembered at most: five times what may allocate.
const SESSIONS_MAX: usize = 100_000;

#[derive(Default)]
pub(super) struct Registry {
    names: BTreeMap<[u8; 32], String>,
    sessions: BTreeMap<SessionKey, VecDeque<[u8; 32]>>,
}

impl Registry {
    /// Remembers a name; false if there is no room.
    pub(super) fn register(&mut self, session: SessionKey, name: &str, realm: &str) -> bool {
        let hash = userhash(name, realm);
        if self.names.contains_key(&hash) {
            return true;
        }
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(&session) {
            return false;
        }
        let hashes = self.sessions.entry(session).or_default();
        if hashes.len() >= TICKETS_PER_SESSION
            && let Some(oldest) = hashes.pop_front()
        {
            self.names.remove(&oldest);
        }
        hashes.push_back(hash);
        self.names.insert(hash, name.to_owned());
        true
    }

    pub(super) fn forget(&mut self, session: SessionKey) {
        for hash in self.sessions.remove(&session).unwrap_or_default() {
            self.names.remove(&hash);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.names.len() + self.sessions.len()
    }

    pub(super) fn name_of(&self, hash: &[u8; 32]) -> Option<&str> {
        self.names.get(hash).map(String::as_str)
    }
}

//! Reserved ports (RFC 8656, section 7.2): kept for a second allocation of the same user, by a token.

use std::collections::BTreeMap;

use conclave_turn_wire::RelayedAddr;

use crate::auth::Identity;
use crate::quota::Place;
use crate::wheel::TimerId;

/// A port that is kept. It has a place in the quotas as an allocation has: whoever allocates, reserves and lets go in a
/// loop would else take every port there is.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) relayed: RelayedAddr,
    pub(crate) place: Place,
    pub(crate) timer: TimerId,
}

/// What is reserved, by token.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    by_token: BTreeMap<[u8; 8], Reservation>,
}

impl Reservations {
    pub(crate) fn insert(&mut self, token: [u8; 8], reservation: Reservation) {
        self.by_token.insert(token, reservation);
    }

    /// Takes the reservation of `token` out if it is of `identity`: a token that was overheard is of no use.
    pub(crate) fn take(&mut self, token: [u8; 8], identity: Identity) -> Option<Reservation> {
        let is_theirs = self.by_token.get(&token)?.place.identity() == identity;
        is_theirs.then(|| self.by_token.remove(&token)).flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_token.len()
    }

    /// Returns the places that are held by what is kept.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.by_token.values().map(|reservation| &reservation.place)
    }

    pub(crate) fn remove(&mut self, token: [u8; 8]) -> Option<Reservation> {
        self.by_token.remove(&token)
    }
}

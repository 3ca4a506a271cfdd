//! One allocation (RFC 8656, section 3.2): who has it, its relayed addresses, permissions and channels.

use std::time::Instant;

use conclave_turn_wire::error::ErrorCode;
use conclave_turn_wire::integrity::Key;
use conclave_turn_wire::message::TransactionId;
use conclave_turn_wire::{Family, FiveTuple, RelayedAddr};

use crate::auth::{CredentialTag, Identity};
use crate::channel::Channels;
use crate::limits::Bucket;
use crate::permission::Permissions;
use crate::quota::Place;
use crate::wheel::TimerId;

/// How an allocation relays: by datagrams, or by connections (RFC 6062).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relaying {
    Udp,
    Tcp,
}

/// One relayed address of an allocation. With two, each has its own lifetime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relay {
    pub(crate) address: RelayedAddr,
    pub(crate) expires: Instant,
}

/// What the Allocate request was answered, to answer the same to its retransmission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) transaction: TransactionId,
    pub(crate) lifetime_s: u32,
    /// RESERVATION-TOKEN, if the next port was reserved.
    pub(crate) token: Option<[u8; 8]>,
    /// The second family of a dual allocation that did not come about.
    pub(crate) address_error: Option<(Family, ErrorCode)>,
}

/// State of one allocation; at most 1 kB with its share of the tables around it.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) tuple: FiveTuple,
    /// The place in the quotas, given back when all else is gone.
    pub(crate) place: Place,
    /// The credentials with which it was made: most requests have the same, and need no key derived anew.
    pub(crate) key: Key,
    pub(crate) tag: CredentialTag,
    /// When these credentials end, in seconds since 1970.
    pub(crate) expires_unix_s: Option<u64>,
    pub(crate) relaying: Relaying,
    pub(crate) relays: [Option<Relay>; 2],
    pub(crate) permissions: Permissions,
    pub(crate) channels: Channels,
    /// Bytes from the client towards peers.
    pub(crate) up: Bucket,
    /// Bytes from peers towards the client.
    pub(crate) down: Bucket,
    pub(crate) granted: Granted,
    pub(crate) timer: TimerId,
    /// When the timer fires: not after the deadline.
    pub(crate) timer_due: Instant,
    /// Neighbours in the list of its identity's allocations.
    pub(crate) previous: u32,
    pub(crate) next: u32,
    /// Peer connections of a TCP allocation.
    pub(crate) connections: Vec<u32>,
}

impl Allocation {
    pub(crate) fn identity(&self) -> Identity {
        self.place.identity()
    }

    /// Returns the relayed address of `family`, if there is one.
    pub(crate) fn relay(&self, family: Family) -> Option<&Relay> {
        self.relays[slot(family)].as_ref()
    }

    pub(crate) fn relay_mut(&mut self, family: Family) -> Option<&mut Relay> {
        self.relays[slot(family)].as_mut()
    }

    /// Takes the relayed address of `family` out, with the permissions and channels of that family.
    pub(crate) fn drop_relay(&mut self, family: Family) -> Option<RelayedAddr> {
        let relay = self.relays[slot(family)].take()?;
        let is_v4 = family == Family::V4;
        self.channels.forget_family(is_v4, &self.permissions);
        self.permissions.forget_family(is_v4);
        Some(relay.address)
    }

    /// Returns when the first of its relayed addresses expires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.relays
            .iter()
            .flatten()
            .map(|relay| relay.expires)
            .min()
    }

    /// Forgets permissions and channels that have expired.
    pub(crate) fn purge(&mut self, now: Instant) {
        self.channels.purge(now);
        let channels = &self.channels;
        self.permissions.purge(now, |index| channels.uses(index));
    }

    /// Bytes that it holds outside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.permissions.heap_bytes()
            + self.channels.heap_bytes()
            + self.connections.capacity() * size_of::<u32>()
    }
}

/// The place of a family in [`Allocation::relays`].
pub(crate) fn slot(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

//! All allocations of a server, found by 5-tuple, by relayed address and by identity, each in O(1).

use std::time::Instant;

use conclave_turn_wire::{Family, FiveTuple, RelayedAddr};
use slab::Slab;

use crate::allocation::Allocation;
use crate::auth::Identity;
use crate::keyed::{Keyed, KeyedMap};

/// The end of a list.
const NONE: u32 = u32::MAX;

/// The tables of allocations. Ids are places of a slab: whoever keeps one across calls compares what it leads to.
#[derive(Debug)]
pub(crate) struct Allocations {
    slab: Slab<Allocation>,
    by_client: KeyedMap<FiveTuple, u32>,
    by_relayed: KeyedMap<RelayedAddr, u32>,
    /// First of the list through [`Allocation::next`].
    by_identity: KeyedMap<Identity, u32>,
    /// Packets come in trains of one source.
    last: Option<(FiveTuple, u32)>,
}

impl Allocations {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Allocations {
            slab: Slab::new(),
            by_client: keyed.map(),
            by_relayed: keyed.map(),
            by_identity: keyed.map(),
            last: None,
        }
    }

    /// Returns the id that the next [`Allocations::insert`] gives.
    pub(crate) fn next_id(&self) -> u32 {
        u32::try_from(self.slab.vacant_key()).expect("quotas keep allocations below 2^32")
    }

    /// Enters an allocation into all tables. Its 5-tuple has none.
    pub(crate) fn insert(&mut self, mut allocation: Allocation) -> u32 {
        let id = self.next_id();
        let former = self.by_client.insert(allocation.tuple, id);
        debug_assert!(former.is_none(), "one allocation per 5-tuple");
        for relay in allocation.relays.iter().flatten() {
            let former = self.by_relayed.insert(relay.address, id);
            debug_assert!(former.is_none(), "a relayed address has one owner");
        }
        let head = self
            .by_identity
            .insert(allocation.identity(), id)
            .unwrap_or(NONE);
        allocation.previous = NONE;
        allocation.next = head;
        if let Some(head) = self.get_mut(head) {
            head.previous = id;
        }
        if self.slab.len() == self.slab.capacity() {
            // A slab that doubles is half empty; an eighth costs some more copies and keeps memory near what is used.
            self.slab.reserve_exact((self.slab.len() / 8).max(64));
        }
        self.slab.insert(allocation);
        id
    }

    /// Takes an allocation out of all tables.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Allocation> {
        let allocation = self.slab.try_remove(id as usize)?;
        self.last = None;
        self.by_client.remove(&allocation.tuple);
        for relay in allocation.relays.iter().flatten() {
            self.by_relayed.remove(&relay.address);
        }
        if let Some(next) = self.get_mut(allocation.next) {
            next.previous = allocation.previous;
        }
        match self.get_mut(allocation.previous) {
            Some(previous) => previous.next = allocation.next,
            None if allocation.next == NONE => {
                self.by_identity.remove(&allocation.identity());
            }
            None => {
                self.by_identity
                    .insert(allocation.identity(), allocation.next);
            }
        }
        Some(allocation)
    }

    /// Takes the relayed address of one family out of an allocation that keeps the other.
    pub(crate) fn remove_relay(&mut self, id: u32, family: Family) -> Option<RelayedAddr> {
        let relayed = self.get_mut(id)?.drop_relay(family)?;
        self.by_relayed.remove(&relayed);
        Some(relayed)
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Allocation> {
        self.slab.get(id as usize)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Allocation> {
        self.slab.get_mut(id as usize)
    }

    /// Returns the allocation of a client.
    pub(crate) fn of_client(&mut self, tuple: &FiveTuple) -> Option<u32> {
        if let Some((last, id)) = &self.last
            && last == tuple
        {
            return Some(*id);
        }
        let id = *self.by_client.get(tuple)?;
        self.last = Some((*tuple, id));
        Some(id)
    }

    /// Returns the allocation that has a relayed address.
    pub(crate) fn of_relayed(&self, relayed: RelayedAddr) -> Option<u32> {
        self.by_relayed.get(&relayed).copied()
    }

    /// Returns an allocation of `identity`, if it has one.
    pub(crate) fn first_of(&self, identity: Identity) -> Option<u32> {
        self.by_identity.get(&identity).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Returns the earliest instant at which a relayed address of `id` expires.
    pub(crate) fn deadline(&self, id: u32) -> Option<Instant> {
        self.get(id)?.deadline()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Allocation> {
        self.slab.iter().map(|(_, allocation)| allocation)
    }

    /// Returns how many entries lead to allocations.
    pub(crate) fn ways(&self) -> usize {
        self.by_client.len() + self.by_relayed.len() + self.by_identity.len()
    }

    /// Returns whether every way leads to its allocation, every allocation has all its ways, and nothing else has one.
    pub(crate) fn agree(&self) -> bool {
        let (mut relays, mut listed) = (0, 0);
        let is_found = |(id, allocation): (usize, &Allocation)| {
            relays += allocation.relays.iter().flatten().count();
            let id = id as u32;
            self.by_client.get(&allocation.tuple) == Some(&id)
                && allocation
                    .relays
                    .iter()
                    .flatten()
                    .all(|relay| self.of_relayed(relay.address) == Some(id))
        };
        let are_found = self.slab.iter().all(is_found);
        let are_linked = self.by_identity.iter().all(|(identity, head)| {
            let (mut id, mut previous) = (*head, NONE);
            while let Some(allocation) = self.get(id) {
                listed += 1;
                let is_linked = allocation.previous == previous
                    && allocation.identity() == *identity
                    && listed <= self.len();
                if !is_linked {
                    return false;
                }
                (previous, id) = (id, allocation.next);
            }
            previous != NONE && id == NONE
        });
        are_found
            && are_linked
            && listed == self.len()
            && self.by_client.len() == self.len()
            && self.by_relayed.len() == relays
    }

    /// Bytes of memory of all allocations and the tables that lead to them.
    pub(crate) fn bytes(&self) -> usize {
        // A byte of control per place of a hash table, of which seven of eight are used.
        let table = |capacity: usize, entry: usize| capacity * 8 / 7 * (entry + 1);
        let id = size_of::<u32>();
        self.slab.capacity() * (size_of::<Allocation>() + size_of::<usize>())
            + self
                .slab
                .iter()
                .map(|(_, allocation)| allocation.heap_bytes())
                .sum::<usize>()
            + table(self.by_client.capacity(), size_of::<FiveTuple>() + id)
            + table(self.by_relayed.capacity(), size_of::<RelayedAddr>() + id)
            + table(self.by_identity.capacity(), size_of::<Identity>() + id)
    }
}

//! How many connections there may be: all together, and from one source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Limits;

/// Who connects, as far as it can be told: an IPv4 address, or the /64 of an
/// IPv6 address, since one host has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Source(IpAddr);

impl Source {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Source(IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into())),
            v4 => Source(v4),
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    /// Without the relayed ones.
    open: usize,
    half_open: usize,
    relayed: usize,
}

impl Counts {
    fn are_zero(&self) -> bool {
        self.open == 0 && self.half_open == 0 && self.relayed == 0
    }
}

#[derive(Debug)]
struct Table {
    limits: Limits,
    open: usize,
    half_open: usize,
    sources: HashMap<Source, Counts>,
}

impl Table {
    fn count_out(&mut self, source: Option<Source>, which: impl FnOnce(&mut Counts) -> &mut usize) {
        let Some(source) = source else {
            return;
        };
        let Some(counts) = self.sources.get_mut(&source) else {
            return;
        };
        let count = which(counts);
        *count = count.saturating_sub(1);
        if counts.are_zero() {
            self.sources.remove(&source);
        }
    }
}

/// Counts the connections of every source. Bounded: a source without a
/// connection has no entry.
#[derive(Debug)]
pub(crate) struct Sources {
    table: Mutex<Table>,
}

impl Sources {
    /// Begins with no connections.
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Sources {
            table: Mutex::new(Table {
                limits,
                open: 0,
                half_open: 0,
                sources: HashMap::new(),
            }),
        })
    }

    /// Holds new connections to these limits; those that are open stay.
    pub(crate) fn tune(&self, limits: Limits) {
        self.table().limits = limits;
    }

    /// Counts a new connection in, as half open, or refuses it. One that may
    /// be anybody's, such as a proxy's, has no address and counts in the sum alone.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: Option<IpAddr>,
    ) -> Option<(OpenSlot, HalfOpenSlot)> {
        let source = address.map(Source::of);
        let mut table = self.table();
        let limits = table.limits;
        if table.open >= limits.connections {
            return None;
        }
        if let Some(counts) = source.and_then(|source| table.sources.get(&source))
            && (counts.open >= limits.connections_per_source
                || counts.half_open >= limits.half_open_per_source)
        {
            return None;
        }
        table.open += 1;
        table.half_open += 1;
        if let Some(source) = source {
            let counts = table.sources.entry(source).or_default();
            counts.open += 1;
            counts.half_open += 1;
        }
        let slot = || Slot {
            sources: Arc::clone(self),
            source,
        };
        let open = OpenSlot {
            slot: slot(),
            is_relayed: AtomicBool::new(false),
        };
        Some((open, HalfOpenSlot(slot())))
    }

    /// Returns how many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.table().open
    }

    /// Returns how many of them have not said yet what they want.
    pub(crate) fn half_open(&self) -> usize {
        self.table().half_open
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Counting does not panic; if it ever did, the counts would still be whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Slot {
    sources: Arc<Sources>,
    source: Option<Source>,
}

/// Counts as one open connection until dropped.
#[derive(Debug)]
pub(crate) struct OpenSlot {
    slot: Slot,
    /// Changes under the lock of the table.
    is_relayed: AtomicBool,
}

impl OpenSlot {
    /// Counts among the relayed connections of its source from here on, which
    /// have a bound of their own: where many share an address, neither pages
    /// nor media take the place of the other. Returns false, and changes
    /// nothing, where that bound is reached.
    pub(crate) fn relay(&self) -> bool {
        let Slot { sources, source } = &self.slot;
        let mut table = sources.table();
        let bound = table.limits.relayed_per_source;
        let counts = source.and_then(|source| table.sources.get_mut(&source));
        if let Some(counts) = counts {
            if counts.relayed >= bound {
                return false;
            }
            counts.relayed += 1;
            counts.open = counts.open.saturating_sub(1);
        }
        self.is_relayed.store(true, Ordering::Relaxed);
        true
    }
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        let is_relayed = *self.is_relayed.get_mut();
        let mut table = self.slot.sources.table();
        table.open = table.open.saturating_sub(1);
        table.count_out(self.slot.source, |counts| match is_relayed {
            true => &mut counts.relayed,
            false => &mut counts.open,
        });
    }
}

/// Counts as one half-open connection until dropped.
#[derive(Debug)]
pub(crate) struct HalfOpenSlot(Slot);

impl Drop for HalfOpenSlot {
    fn drop(&mut self) {
        let mut table = self.0.sources.table();
        table.half_open = table.half_open.saturating_sub(1);
        table.count_out(self.0.source, |counts| &mut counts.half_open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections: 4,
        connections_per_source: 3,
        half_open_per_source: 2,
        relayed_per_source: 2,
    };

    #[test]
    fn relayed_connections_of_a_source_have_a_bound_of_their_own() {
        let sources = Sources::new(LIMITS);
        let school = IpAddr::from([192, 0, 2, 1]);
        let admit = || sources.admit(Some(school)).map(|(open, _)| open);
        let relayed: Vec<_> = (0..2).map(|_| admit().unwrap()).collect();
        assert!(relayed.iter().all(OpenSlot::relay));
        let third = admit().unwrap();
        assert!(!third.relay(), "two are relayed");
        let fourth = admit().unwrap();
        assert_eq!(sources.table().open, 4);
        drop(relayed);
        assert!(third.relay());
        let pages: Vec<_> = (0..2).map(|_| admit().unwrap()).collect();
        assert!(admit().is_none(), "three pages are open, and four in all");
        drop((third, fourth, pages));
        assert!(sources.table().sources.is_empty());
        assert_eq!(sources.table().open, 0);
        let (proxy, _) = sources.admit(None).unwrap();
        assert!(proxy.relay(), "it is nobody's in particular");
    }

    #[test]
    fn new_limits_hold_for_new_connections() {
        let sources = Sources::new(LIMITS);
        let open = |last| sources.admit(Some([192, 0, 2, last].into()));
        let held: Vec<_> = (1..=3).map(|last| open(last).unwrap()).collect();
        sources.tune(Limits {
            connections: 2,
            ..LIMITS
        });
        assert!(open(4).is_none());
        assert_eq!(sources.open(), 3);
        drop(held);
        assert!(open(4).is_some());
    }

    #[test]
    fn a_source_has_a_bound_of_half_open_and_one_of_open_connections() {
        let sources = Sources::new(LIMITS);
        let ada = IpAddr::from([192, 0, 2, 1]);
        let (_open, half) = sources.admit(Some(ada)).unwrap();
        let (_open, _half) = sources.admit(Some(ada)).unwrap();
        assert!(sources.admit(Some(ada)).is_none(), "two are half open");
        assert_eq!((sources.open(), sources.half_open()), (2, 2));
        drop(half);
        let (_open, half) = sources.admit(Some(ada)).unwrap();
        drop(half);
        assert!(sources.admit(Some(ada)).is_none(), "three are open");
    }

    #[test]
    fn all_together_have_a_bound_and_closing_makes_room() {
        let sources = Sources::new(LIMITS);
        let mut open: Vec<_> = (1..=4)
            .map(|last| sources.admit(Some([192, 0, 2, last].into())).unwrap())
            .collect();
        assert!(sources.admit(Some([192, 0, 2, 5].into())).is_none());
        let (slot, half) = open.pop().unwrap();
        drop(half);
        drop(slot);
        assert!(sources.admit(Some([192, 0, 2, 5].into())).is_some());
        drop(open);
        assert!(sources.table().sources.is_empty());
        assert_eq!(sources.table().open, 0);
    }

    #[test]
    fn a_connection_of_nobody_in_particular_counts_in_the_sum_alone() {
        let sources = Sources::new(LIMITS);
        let slots: Vec<_> = (0..4).map(|_| sources.admit(None).unwrap()).collect();
        assert!(sources.admit(None).is_none());
        drop(slots);
        assert!(sources.admit(None).is_some());
    }

    #[test]
    fn one_ipv6_prefix_is_one_source_and_a_mapped_address_is_its_ipv4_address() {
        let source = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }
}

//! How many allocations a session, a user, a source and the process may hold.
//!
//! A count is taken before an allocation is made and given back when its state is gone: its relayed address closed, its
//! entry out of every table. Nothing else gives it back, so a quota cannot be evaded by state that outlives its count.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::auth::Identity;
use crate::limits::SourcePrefix;

#[cfg(test)]
mod tests;

/// Limits of allocations at one time, and of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaLimits {
    /// Of one session. A browser makes one per URL, address family and interface, and as many again on an ICE restart.
    pub per_session: u32,
    /// Of one user of a static password or of the REST form.
    pub per_user: u32,
    /// Of one source: an IPv4 address or an IPv6 /64, which may be an office behind one NAT.
    pub per_source: u32,
    /// Of connection tests, from one source.
    pub tests_per_source: u32,
    /// Of connection tests, in all.
    pub tests: u32,
    /// Of everybody.
    pub total: u32,
    /// Bits per second of everybody's payload, in each direction; `None` is without limit.
    pub total_bits_per_s: Option<u64>,
}

impl Default for QuotaLimits {
    fn default() -> Self {
        QuotaLimits {
            per_session: 12,
            per_user: 10,
            per_source: 2_048,
            tests_per_source: 8,
            tests: 1_000,
            total: 20_000,
            total_bits_per_s: None,
        }
    }
}

/// Why no further allocation may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// The session or user has as many as it may have.
    #[error("too many allocations of one identity")]
    Identity,
    /// The source has as many as it may have.
    #[error("too many allocations of one source")]
    Source,
    /// As many connection tests run as may run.
    #[error("too many connection tests")]
    Tests,
    /// The process has as many as it may have.
    #[error("too many allocations in all")]
    Total,
}

impl QuotaError {
    /// Returns the STUN error code: 486 if others may still allocate, 508 if nobody may (RFC 8656, section 7.2).
    pub fn stun_code(self) -> u16 {
        match self {
            QuotaError::Identity | QuotaError::Source => 486,
            QuotaError::Tests | QuotaError::Total => 508,
        }
    }
}

/// One allocation's place in the counts. It cannot be copied: what was taken once is given back once, by
/// [`Quotas::give`]. Dropping it leaves the place taken.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the place stays taken until it is given back"]
pub struct Place {
    identity: Identity,
    source: SourcePrefix,
}

impl Place {
    /// Returns whose place it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }
}

/// The counts of allocations that are held.
#[derive(Debug, PartialEq)]
pub struct Quotas {
    limits: QuotaLimits,
    identities: BTreeMap<Identity, u32>,
    sources: BTreeMap<SourcePrefix, u32>,
    test_sources: BTreeMap<SourcePrefix, u32>,
    tests: u32,
    total: u32,
}

impl Quotas {
    /// Makes empty counts.
    pub fn new(limits: QuotaLimits) -> Self {
        Quotas {
            limits,
            identities: BTreeMap::new(),
            sources: BTreeMap::new(),
            test_sources: BTreeMap::new(),
            tests: 0,
            total: 0,
        }
    }

    /// Takes a place for one allocation of `identity` from `source`. All limits are checked before any count moves.
    pub fn take(&mut self, identity: Identity, source: IpAddr) -> Result<Place, QuotaError> {
        let source = SourcePrefix::of(source);
        self.check(identity, source)?;
        let place = Place { identity, source };
        self.enter(&place);
        Ok(place)
    }

    /// Gives a place back, once the allocation is gone.
    pub fn give(&mut self, place: Place) {
        let Place { identity, source } = place;
        debug_assert!(self.total > 0, "a place was taken");
        self.total = self.total.saturating_sub(1);
        lower(&mut self.identities, identity);
        lower(&mut self.sources, source);
        if identity.is_test() {
            self.tests = self.tests.saturating_sub(1);
            lower(&mut self.test_sources, source);
        }
    }

    /// Returns how many places are held, in all.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Returns how many places `identity` holds.
    pub fn held_by(&self, identity: Identity) -> u32 {
        self.identities.get(&identity).copied().unwrap_or(0)
    }

    /// Returns how many identities and sources are counted.
    pub(crate) fn counts(&self) -> usize {
        self.identities.len() + self.sources.len() + self.test_sources.len()
    }

    /// Counts `places` anew, all that there are, and returns whether it comes to the same.
    pub(crate) fn come_to<'p>(&self, places: impl Iterator<Item = &'p Place>) -> bool {
        let mut counted = Quotas::new(self.limits);
        places.for_each(|place| counted.enter(place));
        counted == *self
    }

    fn enter(&mut self, place: &Place) {
        let Place { identity, source } = *place;
        self.total += 1;
        *self.identities.entry(identity).or_default() += 1;
        *self.sources.entry(source).or_default() += 1;
        if identity.is_test() {
            self.tests += 1;
            *self.test_sources.entry(source).or_default() += 1;
        }
    }

    fn check(&self, identity: Identity, source: SourcePrefix) -> Result<(), QuotaError> {
        let limits = &self.limits;
        if self.total >= limits.total {
            return Err(QuotaError::Total);
        }
        let of_identity = match identity {
            Identity::Session(_) => limits.per_session,
            Identity::User(_) => limits.per_user,
            Identity::Test(_) => limits.tests_per_source,
        };
        if self.held_by(identity) >= of_identity {
            return Err(QuotaError::Identity);
        }
        if count(&self.sources, source) >= limits.per_source {
            return Err(QuotaError::Source);
        }
        if identity.is_test() {
            if count(&self.test_sources, source) >= limits.tests_per_source {
                return Err(QuotaError::Source);
            }
            if self.tests >= limits.tests {
                return Err(QuotaError::Tests);
            }
        }
        Ok(())
    }
}

fn count(counts: &BTreeMap<SourcePrefix, u32>, source: SourcePrefix) -> u32 {
    counts.get(&source).copied().unwrap_or(0)
}

/// Lowers a count and forgets it at zero, so that the tables are no longer than what is held.
fn lower<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    let Some(count) = counts.get_mut(&key) else {
        debug_assert!(false, "every place that is held is counted");
        return;
    };
    *count = count.saturating_sub(1);
    if *count == 0 {
        counts.remove(&key);
    }
}

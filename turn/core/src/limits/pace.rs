//! How often something may happen, for any number of those who do it, in memory of a fixed size.

use std::hash::{Hash, Hasher};
use std::time::Instant;

use siphasher::sip::SipHasher13;

/// A table of buckets, indexed by a keyed hash of who acts: a flood from a million of them costs no memory. Whoever falls
/// on one bucket shares it; nobody can aim at somebody's bucket without the key.
pub(crate) struct Pace {
    key: [u64; 2],
    start: Instant,
    /// For each bucket when it is full again, in milliseconds of the epoch (the generic cell rate algorithm: one number
    /// says both level and time).
    full_at_ms: Box<[u32]>,
    epoch: u64,
    burst: u32,
    interval_ms: u32,
}

impl Pace {
    /// Makes a table of `slots` full buckets: `burst` times at once (at least one), then once in `interval_ms` (together
    /// less than 2^31 ms).
    pub(crate) fn new(
        now: Instant,
        key: [u64; 2],
        slots: usize,
        burst: u32,
        interval_ms: u32,
    ) -> Self {
        Pace {
            key,
            start: now,
            full_at_ms: vec![0; slots].into_boxed_slice(),
            epoch: 0,
            burst,
            interval_ms,
        }
    }

    /// Lets `who` act once if its bucket and `also` allow it; what is refused costs nothing.
    pub(crate) fn take_if(
        &mut self,
        now: Instant,
        who: &impl Hash,
        also: impl FnOnce() -> bool,
    ) -> bool {
        let now_ms = self.ms_of_epoch(now);
        let slot = self.slot(who);
        let owed_ms = self.full_at_ms[slot].saturating_sub(now_ms);
        let allowed = owed_ms <= self.owed_max_ms() && also();
        if allowed {
            self.full_at_ms[slot] = now_ms + owed_ms + self.interval_ms;
        }
        allowed
    }

    /// Lets `who` act once if its bucket allows it.
    pub(crate) fn take(&mut self, now: Instant, who: &impl Hash) -> bool {
        self.take_if(now, who, || true)
    }

    /// Returns whether [`Pace::take`] would let `who` act.
    pub(crate) fn has(&mut self, now: Instant, who: &impl Hash) -> bool {
        let now_ms = self.ms_of_epoch(now);
        let owed_ms = self.full_at_ms[self.slot(who)].saturating_sub(now_ms);
        owed_ms <= self.owed_max_ms()
    }

    fn owed_max_ms(&self) -> u32 {
        (self.burst - 1) * self.interval_ms
    }

    fn slot(&self, who: &impl Hash) -> usize {
        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1]);
        who.hash(&mut hasher);
        hasher.finish() as usize % self.full_at_ms.len()
    }

    /// Returns the time in milliseconds, below 2^31. When an epoch ends, after 24 days, all buckets are full.
    fn ms_of_epoch(&mut self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.start).as_millis();
        let epoch = (elapsed >> 31) as u64;
        if epoch != self.epoch {
            self.epoch = epoch;
            self.full_at_ms.fill(0);
        }
        (elapsed & 0x7fff_ffff) as u32
    }

    #[cfg(test)]
    pub(crate) fn slots(&self) -> usize {
        self.full_at_ms.len()
    }
}

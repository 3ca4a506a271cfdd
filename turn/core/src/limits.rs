//! What strangers and clients may use: answers before authentication, and bytes per second after it.
//!
//! Nothing here grows with the number of sources.

use std::hash::Hasher;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use siphasher::sip::SipHasher13;

use crate::seed;

#[cfg(test)]
mod tests;

/// The part of a source address that counts as one source: an IPv4 address whole (also if it is written as an IPv6
/// one), of an IPv6 address the first 64 bits, which one household or one machine has to itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourcePrefix {
    /// An IPv4 address.
    V4(u32),
    /// The upper half of an IPv6 address.
    V6(u64),
}

impl SourcePrefix {
    /// Returns the prefix that `address` is in.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => SourcePrefix::V4(address.to_bits()),
            IpAddr::V6(address) => SourcePrefix::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl std::fmt::Debug for SourcePrefix {
    /// Prints the family only: addresses of clients are not for logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SourcePrefix::V4(_) => "V4(..)",
            SourcePrefix::V6(_) => "V6(..)",
        })
    }
}

/// Buckets of the table. A stranger shares a bucket with another one of `n` active sources with probability `n / 65536`;
/// at four bytes each the table has 256 KiB.
const SLOTS: usize = 1 << 16;

/// Answers that one source gets at once, and each second in the long run (security.md 3.9). A browser asks two to four
/// times per interface; retransmissions of what was not answered come after 0.5, 1, 2, … seconds.
const REPLIES_PER_SOURCE: u32 = 10;
const REPLY_INTERVAL_MS: u32 = 1000 / REPLIES_PER_SOURCE;

/// The default of the ceiling over all sources: some 100 bytes each, so at most 2 MB/s leave for addresses that nobody
/// has proved to own, at a few percent of one core.
pub const REPLIES_PER_S_MAX: u32 = 20_000;

/// The budget of answers to the unauthenticated over UDP: 401, 438 and Binding, where the source address may be forged.
///
/// A table of fixed size, indexed by a keyed hash of the source prefix: a flood from a million sources costs no memory.
/// Sources that fall on one bucket share its ten answers a second; nobody can aim at somebody's bucket without the key.
/// Whoever is refused is not answered, and retransmits; streams need no budget, their source has proved its address.
pub struct ReplyBudget {
    key: [u64; 2],
    start: Instant,
    /// For each bucket when it is full again, in milliseconds of the epoch (the generic cell rate algorithm: one number
    /// says both level and time).
    full_at_ms: Box<[u32]>,
    epoch: u64,
    all: Bucket,
    all_rate: ByteRate,
    suppressed: u64,
}

impl ReplyBudget {
    /// Makes a full budget whose ceiling over all sources is `per_s_max` answers a second.
    pub fn new(now: Instant, seed: &[u8; 32], per_s_max: u32) -> Self {
        let all_rate = ByteRate::new(u64::from(per_s_max), u64::from(per_s_max));
        ReplyBudget {
            key: seed::sip_key(seed, "conclave turn reply budget"),
            start: now,
            full_at_ms: vec![0; SLOTS].into_boxed_slice(),
            epoch: 0,
            all: Bucket::full(now, &all_rate),
            all_rate,
            suppressed: 0,
        }
    }

    /// Takes one answer to `source` out of the budget; false means silence.
    pub fn take(&mut self, now: Instant, source: IpAddr) -> bool {
        let now_ms = self.ms_of_epoch(now);
        let slot = self.slot(SourcePrefix::of(source));
        let owed_ms = self.full_at_ms[slot].saturating_sub(now_ms);
        let allowed = owed_ms <= (REPLIES_PER_SOURCE - 1) * REPLY_INTERVAL_MS
            && self.all.take(now, &self.all_rate, 1);
        if allowed {
            self.full_at_ms[slot] = now_ms + owed_ms + REPLY_INTERVAL_MS;
        } else {
            self.suppressed = self.suppressed.saturating_add(1);
        }
        allowed
    }

    /// Returns how many answers were not given, in total.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
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

    fn slot(&self, source: SourcePrefix) -> usize {
        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1]);
        match source {
            SourcePrefix::V4(bits) => hasher.write_u32(bits),
            SourcePrefix::V6(bits) => hasher.write_u64(bits),
        }
        hasher.finish() as usize % SLOTS
    }
}

/// How fast a [`Bucket`] fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRate {
    per_s: u64,
    /// In millionths of a byte.
    capacity: u64,
}

/// Millionths, so that a rate in bytes per second is one in millionths of a byte per microsecond.
const MILLION: u64 = 1_000_000;

impl ByteRate {
    /// `per_s` bytes a second, `burst` bytes at once. Beyond 18 TB a burst is cut.
    pub fn new(per_s: u64, burst: u64) -> Self {
        ByteRate {
            per_s,
            capacity: burst.saturating_mul(MILLION),
        }
    }

    /// `bits_per_s` bits a second with a burst of one second, and never less than one datagram of 64 KiB.
    pub fn of_bits_per_s(bits_per_s: u64) -> Self {
        let per_s = bits_per_s / 8;
        ByteRate::new(per_s, per_s.max(1 << 16))
    }
}

/// A token bucket. Its rate stands apart, for thousands of buckets have one rate.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    /// In millionths of a byte.
    level: u64,
    at: Instant,
}

impl Bucket {
    /// Makes a full bucket.
    pub fn full(now: Instant, rate: &ByteRate) -> Self {
        Bucket {
            level: rate.capacity,
            at: now,
        }
    }

    /// Takes `bytes` out if there are as many, else nothing. A `now` before an earlier one fills nothing.
    pub fn take(&mut self, now: Instant, rate: &ByteRate, bytes: u64) -> bool {
        self.fill(now, rate);
        let wanted = bytes.saturating_mul(MILLION);
        match self.level.checked_sub(wanted) {
            // A saturated wish is more than any bucket holds.
            Some(rest) if wanted != u64::MAX => {
                self.level = rest;
                true
            }
            _ => false,
        }
    }

    fn fill(&mut self, now: Instant, rate: &ByteRate) {
        let elapsed = now.saturating_duration_since(self.at).as_micros();
        let elapsed_us = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let gain = elapsed_us.saturating_mul(rate.per_s);
        self.level = self.level.saturating_add(gain).min(rate.capacity);
        // Whole microseconds only: what is left of one counts at the next call.
        self.at = self
            .at
            .checked_add(Duration::from_micros(elapsed_us))
            .unwrap_or(now);
    }
}

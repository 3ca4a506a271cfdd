//! What strangers and clients may use: answers before authentication, and bytes per second after it.
//!
//! Nothing here grows with the number of sources.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use conclave_turn_wire::FiveTuple;

use crate::seed;

mod pace;
pub(crate) use pace::Pace;

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
/// Buckets of the clients that have an allocation, 20,000 at most, and of streams that have none yet.
const CLIENT_SLOTS: usize = 1 << 15;

/// Answers that one source gets at once, and each second in the long run (security.md 3.9). A browser asks two to four
/// times per interface; retransmissions of what was not answered come after 0.5, 1, 2, … seconds.
const REPLIES_PER_SOURCE: u32 = 10;
const REPLY_INTERVAL_MS: u32 = 1000 / REPLIES_PER_SOURCE;

/// The default of the ceiling over all sources: some 100 bytes each, so at most 2 MB/s leave for addresses that nobody
/// has proved to own, at a few percent of one core.
pub const REPLIES_PER_S_MAX: u32 = 20_000;

/// The budget of answers to the unauthenticated over UDP: 401, 438 and Binding, where the source address may be forged.
///
/// Sources that fall on one bucket share its ten answers a second. Whoever is refused is not answered, and retransmits.
/// Streams, whose source has proved its address, have as much each.
pub struct ReplyBudget {
    sources: Pace,
    clients: Pace,
    all: Bucket,
    all_rate: ByteRate,
    suppressed: u64,
}

impl ReplyBudget {
    /// Makes a full budget whose ceiling over all sources is `per_s_max` answers a second.
    pub fn new(now: Instant, seed: &[u8; 32], per_s_max: u32) -> Self {
        let all_rate = ByteRate::new(u64::from(per_s_max), u64::from(per_s_max));
        let pace = |label, slots| {
            let key = seed::sip_key(seed, label);
            Pace::new(now, key, slots, REPLIES_PER_SOURCE, REPLY_INTERVAL_MS)
        };
        ReplyBudget {
            sources: pace("conclave turn reply budget", SLOTS),
            clients: pace("conclave turn reply budget of clients", CLIENT_SLOTS),
            all: Bucket::full(now, &all_rate),
            all_rate,
            suppressed: 0,
        }
    }

    /// Takes one answer to `source` out of the budget; false means silence.
    pub fn take(&mut self, now: Instant, source: IpAddr) -> bool {
        let (all, all_rate) = (&mut self.all, &self.all_rate);
        let source = SourcePrefix::of(source);
        let may = self
            .sources
            .take_if(now, &source, || all.take(now, all_rate, 1));
        self.note(may)
    }

    /// Takes one answer to a client that has an allocation, or to a stream: apart from those of strangers, so that neither
    /// a flood with forged sources nor a crowd behind one address keeps it from a new nonce.
    pub fn take_of_client(&mut self, now: Instant, client: &FiveTuple) -> bool {
        let may = self.clients.take(now, client);
        self.note(may)
    }

    /// Returns how many answers were not given, in total.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    fn note(&mut self, may: bool) -> bool {
        if !may {
            self.suppressed = self.suppressed.saturating_add(1);
        }
        may
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

/// What a packet counts at least, in bytes: what a relay can do is bounded by packets as much as by bytes, and an empty
/// datagram is one. Voice is hardly smaller.
const PACKET_MIN: u64 = 100;

/// Returns what a packet with `len` bytes of payload takes out of a [`Bucket`].
#[inline]
pub(crate) fn cost(len: usize) -> u64 {
    (len as u64).max(PACKET_MIN)
}

/// A ceiling over the bytes of all allocations together, each way.
#[derive(Debug)]
pub(crate) struct Ceiling {
    rate: ByteRate,
    up: Bucket,
    down: Bucket,
}

impl Ceiling {
    pub(crate) fn new(now: Instant, bits_per_s: u64) -> Self {
        let rate = ByteRate::of_bits_per_s(bits_per_s);
        let (up, down) = (Bucket::full(now, &rate), Bucket::full(now, &rate));
        Ceiling { rate, up, down }
    }

    /// Takes bytes of a client.
    pub(crate) fn take_up(&mut self, now: Instant, bytes: u64) -> bool {
        self.up.take(now, &self.rate, bytes)
    }

    /// Takes bytes for a client.
    pub(crate) fn take_down(&mut self, now: Instant, bytes: u64) -> bool {
        self.down.take(now, &self.rate, bytes)
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
        let elapsed = now.saturating_duration_since(self.at);
        let elapsed_us = (elapsed.as_secs().saturating_mul(MILLION))
            .saturating_add(u64::from(elapsed.subsec_micros()));
        if elapsed_us == 0 {
            // Packets of one batch have one time.
            return;
        }
        let gain = elapsed_us.saturating_mul(rate.per_s);
        self.level = self.level.saturating_add(gain).min(rate.capacity);
        // Whole microseconds only: what is left of one counts at the next call.
        self.at = self
            .at
            .checked_add(Duration::from_micros(elapsed_us))
            .unwrap_or(now);
    }
}

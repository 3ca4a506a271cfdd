//! How much one participant may send.

use std::time::Instant;

/// Packets a second. Three encodings, a screen and two sounds, each a third
/// above its limit, are 900.
const PACKETS_PER_S: u64 = 2_000;

/// Bytes a second: 16 Mbit/s, three times what the client is told to send at most.
const BYTES_PER_S: u64 = 2_000_000;

/// Either may run ahead by this much: a keyframe of a large screen, or what
/// comes at once after an outage.
const BURST_S: u64 = 2;

/// A token bucket for packets and one for bytes, filled before any decryption.
#[derive(Debug)]
pub(super) struct Policer {
    filled: Instant,
    packets: u64,
    bytes: u64,
}

impl Policer {
    /// Begins with full buckets.
    pub(super) fn new(now: Instant) -> Self {
        Policer {
            filled: now,
            packets: PACKETS_PER_S * BURST_S,
            bytes: BYTES_PER_S * BURST_S,
        }
    }

    /// Returns whether a packet of `len` bytes is within the limits.
    pub(super) fn admit(&mut self, now: Instant, len: usize) -> bool {
        let elapsed_us = now.saturating_duration_since(self.filled).as_micros() as u64;
        // Whole milliseconds only, so that nothing is lost to rounding.
        let elapsed_ms = elapsed_us / 1_000;
        if elapsed_ms > 0 {
            let fill = |held: u64, per_s: u64| {
                let more = per_s.saturating_mul(elapsed_ms) / 1_000;
                held.saturating_add(more).min(per_s * BURST_S)
            };
            self.packets = fill(self.packets, PACKETS_PER_S);
            self.bytes = fill(self.bytes, BYTES_PER_S);
            self.filled += std::time::Duration::from_millis(elapsed_ms);
        }
        let len = len as u64;
        if self.packets == 0 || self.bytes < len {
            return false;
        }
        self.packets -= 1;
        self.bytes -= len;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;
    use std::time::Duration;

    #[test]
    fn a_flood_is_cut_and_an_ordinary_sender_never() {
        let start = epoch();
        let mut policer = Policer::new(start);
        let admitted = (0..100_000).filter(|_| policer.admit(start, 100)).count();
        assert_eq!(admitted as u64, PACKETS_PER_S * BURST_S);
        let later = start + Duration::from_secs(1);
        let admitted = (0..100_000).filter(|_| policer.admit(later, 100)).count();
        assert_eq!(admitted as u64, PACKETS_PER_S);

        let mut policer = Policer::new(start);
        for packet in 0..10_000u64 {
            let now = start + Duration::from_micros(packet * 1_250);
            assert!(policer.admit(now, 1_200), "packet {packet}");
        }
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let start = epoch();
        let mut policer = Policer::new(start);
        let admitted = (0..100_000).filter(|_| policer.admit(start, 1_400)).count();
        assert_eq!(admitted as u64, BYTES_PER_S * BURST_S / 1_400);
    }
}

//! What the clear RTP headers say, before anything is decrypted or filtered.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Notices a sequence number that is used for two different packets.
///
/// A receiver drops the second packet of a number silently, and under an AEAD
/// the second is a nonce used twice. So this looks at the datagrams as they
/// come: the same bytes again are the network's doing, other bytes are the
/// sender's.
#[derive(Debug, Default)]
pub(crate) struct SequenceAudit {
    streams: HashMap<u32, Vec<(u16, u64)>>,
    collisions: u64,
}

/// How many packets back a number is remembered. Below 2^16, so that a number
/// is forgotten before it comes round.
const MEMORY: usize = 4096;

impl SequenceAudit {
    /// Looks at one datagram of any kind.
    pub(crate) fn handle_datagram(&mut self, datagram: &[u8]) {
        let Some(header) = datagram.get(..12) else {
            return;
        };
        // RFC 7983 and, for RTCP, RFC 5761, section 4.
        let is_rtp = (128..192).contains(&header[0]) && !(192..224).contains(&header[1]);
        if !is_rtp {
            return;
        }
        let seq = u16::from_be_bytes([header[2], header[3]]);
        let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        let mut hasher = DefaultHasher::new();
        datagram.hash(&mut hasher);
        let content = hasher.finish();
        let slots = self
            .streams
            .entry(ssrc)
            .or_insert_with(|| vec![(0, 0); MEMORY]);
        let slot = &mut slots[usize::from(seq) % MEMORY];
        if slot.0 == seq && slot.1 != 0 && slot.1 != content {
            self.collisions += 1;
        }
        *slot = (seq, content);
    }

    /// Returns how many numbers were used twice.
    pub(crate) fn collisions(&self) -> u64 {
        self.collisions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_content_under_the_same_number_is_a_collision() {
        let mut audit = SequenceAudit::default();
        let packet = |seq: u8, last: u8| [0x80, 96, 0, seq, 0, 0, 0, 0, 0, 0, 0, 7, last];
        for datagram in [packet(1, 0), packet(1, 0), packet(2, 9)] {
            audit.handle_datagram(&datagram);
        }
        assert_eq!(audit.collisions(), 0);
        audit.handle_datagram(&packet(1, 1));
        assert_eq!(audit.collisions(), 1);
    }
}

//! The recent packets of one encoding, shared by all its subscribers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::packet::MediaPacket;

/// How long a packet is kept. A switch replays from the last keyframe, and a
/// picture older than this is better asked for anew.
const AGE_MAX: Duration = Duration::from_millis(1_000);

/// Most payload bytes kept: half a second of 8 Mbit/s.
const BYTES_MAX: usize = 512 * 1024;

/// Most packets kept: a flood of tiny ones must not be a second of them.
const PACKETS_MAX: usize = 1_024;

/// Most packets replayed at a switch. More would be a burst of over 100 kB
/// towards a subscriber whose bandwidth is only estimated.
const REPLAY_PACKETS_MAX: usize = 96;

/// A ring of packets in order of sequence number.
#[derive(Debug, Default)]
pub(crate) struct EncodingCache {
    packets: VecDeque<MediaPacket>,
    bytes: usize,
    /// Timestamp and first packet of the last keyframe.
    keyframe: Option<(u32, u64)>,
}

impl EncodingCache {
    /// Keeps a packet and lets go of what is too old or too much.
    pub(crate) fn push(&mut self, now: Instant, packet: MediaPacket) {
        self.bytes += packet.payload.len();
        if packet.keyframe_start {
            // An H.264 keyframe says so in several packets, parameter sets first.
            self.keyframe = match self.keyframe {
                Some((timestamp, seq)) if timestamp == packet.timestamp => {
                    Some((timestamp, seq.min(packet.seq)))
                }
                Some((_, seq)) if packet.seq < seq => self.keyframe,
                _ => Some((packet.timestamp, packet.seq)),
            };
        }
        let behind = self
            .packets
            .iter()
            .rev()
            .take_while(|other| other.seq > packet.seq)
            .count();
        self.packets.insert(self.packets.len() - behind, packet);
        while let Some(oldest) = self.packets.front()
            && (self.bytes > BYTES_MAX
                || self.packets.len() > PACKETS_MAX
                || now.saturating_duration_since(oldest.arrival) > AGE_MAX)
        {
            self.bytes -= oldest.payload.len();
            self.packets.pop_front();
        }
    }

    /// Returns the packet with this sequence number, if it is kept.
    pub(crate) fn get(&self, seq: u64) -> Option<&MediaPacket> {
        let at = self.packets.partition_point(|packet| packet.seq < seq);
        self.packets.get(at).filter(|packet| packet.seq == seq)
    }

    /// Returns the packets since the last keyframe, oldest first, or nothing
    /// if its start is gone or too old, or the replay would be too long.
    pub(crate) fn since_keyframe(
        &self,
        now: Instant,
    ) -> Option<impl Iterator<Item = &MediaPacket>> {
        let (_, keyframe_seq) = self.keyframe?;
        let from = self
            .packets
            .partition_point(|packet| packet.seq < keyframe_seq);
        let replayable = self.packets.get(from).is_some_and(|packet| {
            packet.seq == keyframe_seq && now.saturating_duration_since(packet.arrival) <= AGE_MAX
        }) && self.packets.len() - from <= REPLAY_PACKETS_MAX;
        replayable.then(|| self.packets.range(from..))
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.packets.clear();
        self.bytes = 0;
        self.keyframe = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;
    use crate::packet::CodecFacts;
    use conclave_sfu_wire::control::Codec;

    fn packet(at: Instant, seq: u64, keyframe_start: bool) -> MediaPacket {
        MediaPacket {
            codec: Codec::H264,
            ssrc: 1,
            seq,
            timestamp: seq as u32,
            marker: false,
            arrival: at,
            keyframe_start,
            height_px: None,
            facts: CodecFacts::H264,
            level: None,
            quarter_turns: None,
            payload: vec![0; 1_000].into(),
        }
    }

    fn replay(now: Instant, cache: &EncodingCache) -> Option<Vec<u64>> {
        cache
            .since_keyframe(now)
            .map(|packets| packets.map(|packet| packet.seq).collect())
    }

    #[test]
    fn a_replay_begins_at_the_last_keyframe_and_is_in_order() {
        let now = epoch();
        let mut cache = EncodingCache::default();
        for (seq, key) in [(1, true), (2, false), (5, true), (7, false), (6, false)] {
            cache.push(now, packet(now, seq, key));
        }
        assert_eq!(replay(now, &cache), Some(vec![5, 6, 7]));
        let later = now + AGE_MAX + Duration::from_millis(1);
        assert_eq!(
            replay(later, &cache),
            None,
            "nobody is shown an old picture"
        );
    }

    #[test]
    fn a_packet_is_found_by_its_number_as_long_as_it_is_kept() {
        let now = epoch();
        let mut cache = EncodingCache::default();
        for seq in [1, 3, 2, 9] {
            cache.push(now, packet(now, seq, false));
        }
        let found = |cache: &EncodingCache, seq| cache.get(seq).map(|packet| packet.seq);
        assert_eq!(found(&cache, 2), Some(2));
        assert_eq!(found(&cache, 9), Some(9));
        assert_eq!(found(&cache, 4), None);
        cache.clear();
        assert_eq!(found(&cache, 2), None);
    }

    #[test]
    fn a_keyframe_of_several_marked_packets_begins_at_the_first() {
        let now = epoch();
        let mut cache = EncodingCache::default();
        let of_picture = |seq, timestamp, key| MediaPacket {
            timestamp,
            ..packet(now, seq, key)
        };
        // The slice comes before its parameter sets.
        for (seq, timestamp, key) in [
            (4, 90, false),
            (6, 180, true),
            (5, 180, true),
            (7, 180, false),
        ] {
            cache.push(now, of_picture(seq, timestamp, key));
        }
        assert_eq!(replay(now, &cache), Some(vec![5, 6, 7]));
    }

    #[test]
    fn a_keyframe_that_is_too_old_is_not_replayed() {
        let now = epoch();
        let mut cache = EncodingCache::default();
        cache.push(now, packet(now, 1, true));
        let later = now + AGE_MAX + Duration::from_millis(1);
        cache.push(later, packet(later, 2, false));
        assert_eq!(replay(later, &cache), None);
        assert_eq!(cache.bytes, 1_000);
    }

    #[test]
    fn memory_is_bounded_in_bytes() {
        let now = epoch();
        let mut cache = EncodingCache::default();
        for seq in 0..10_000 {
            cache.push(now, packet(now, seq, seq == 0));
        }
        assert!(cache.bytes <= BYTES_MAX);
        assert_eq!(replay(now, &cache), None);
    }
}

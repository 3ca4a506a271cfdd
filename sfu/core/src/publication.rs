//! One accepted source of a participant: its encodings and who gets them.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Codec, MemberKey, MidName, Rid, Source};

use crate::audio::Loudness;
use crate::cache::EncodingCache;
use crate::crossing::{Across, Encodings, Track};
use crate::keyframes::KeyframeGate;
use crate::layers::EncodingCost;
use crate::packet::{MediaPacket, clock_rate};

/// An encoding without packets for this long is not forwarded from.
const STALE: Duration = Duration::from_millis(1_500);

/// Length of the window that an encoding's rate is measured over.
const RATE_WINDOW: Duration = Duration::from_millis(500);

/// How long an encoding that nobody wants goes on before the publisher is told
/// to stop it. Shorter saves uplink, and costs a keyframe at each change of view.
const STOP_AFTER: Duration = Duration::from_secs(2);

/// Identifies a slot of a member by their places in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) member: usize,
    pub(crate) slot: usize,
}

/// One RTP stream of a publication.
#[derive(Debug)]
pub(crate) struct Encoding {
    /// Its name; none without simulcast.
    pub(crate) rid: Option<Rid>,
    /// Its recent packets.
    pub(crate) cache: EncodingCache,
    /// Keyframe requests for it.
    pub(crate) keyframes: KeyframeGate,
    newest: Option<Newest>,
    last_packet: Option<Instant>,
    height_px: Option<u16>,
    rate: RateMeter,
}

impl Encoding {
    fn new(rid: Option<Rid>) -> Self {
        Encoding {
            rid,
            cache: EncodingCache::default(),
            keyframes: KeyframeGate::default(),
            newest: None,
            last_packet: None,
            height_px: None,
            rate: RateMeter::default(),
        }
    }

    /// Returns whether packets come.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        self.last_packet
            .is_some_and(|at| now.saturating_duration_since(at) < STALE)
    }

    /// What is expected of an encoding that does not come: the limits that
    /// the protocol gives to publishers (signalling protocol, section 16).
    fn expected(rid: Option<Rid>) -> EncodingCost {
        match rid {
            Some(Rid::Q) => EncodingCost {
                height_px: 180,
                bps: 150_000,
            },
            Some(Rid::H) => EncodingCost {
                height_px: 360,
                bps: 500_000,
            },
            Some(Rid::F) => EncodingCost {
                height_px: 720,
                bps: 1_700_000,
            },
            None => EncodingCost {
                height_px: 1_080,
                bps: 1_500_000,
            },
        }
    }
}

/// Longest leap of a sequence number within one stream: five seconds of a fast
/// one. What leaps further would take the receivers' rollover counters along.
const SEQ_LEAP_MAX: u64 = 1_000;

/// How far timestamps may run from the clock within one stream.
const TIMESTAMP_LEAP_MAX: Duration = Duration::from_secs(10);

/// Where an encoding has got to.
#[derive(Debug, Clone, Copy)]
struct Newest {
    ssrc: u32,
    seq: u64,
    timestamp: u32,
    arrival: Instant,
}

impl Newest {
    fn goes_on(self, packet: &MediaPacket) -> bool {
        let clock = i128::from(clock_rate(packet.codec));
        let advanced = i128::from(packet.timestamp.wrapping_sub(self.timestamp) as i32);
        let elapsed = packet.arrival.saturating_duration_since(self.arrival);
        let expected = elapsed.as_nanos() as i128 * clock / 1_000_000_000;
        let leap = i128::from(TIMESTAMP_LEAP_MAX.as_secs()) * clock;
        packet.ssrc == self.ssrc
            && packet.seq.abs_diff(self.seq) <= SEQ_LEAP_MAX
            && (advanced - expected).abs() <= leap
    }
}

/// Where a publication comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A member here, by its place in the room.
    Here(usize),
    /// A member of another shard that holds the room.
    There {
        shard: u8,
        /// The announcement of that shard that it is known from.
        epoch: u32,
        /// What that shard was asked to give.
        asked: Encodings,
    },
}

/// One accepted source.
#[derive(Debug)]
pub(crate) struct Publication {
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// The publisher.
    pub(crate) member: MemberKey,
    /// What it carries.
    pub(crate) source: Source,
    /// The m-line that it comes on.
    pub(crate) mid: MidName,
    /// Muted: nothing of it is forwarded.
    pub(crate) muted: bool,
    /// Lowest first; one without simulcast.
    pub(crate) encodings: Vec<Encoding>,
    /// Video slots that it feeds.
    pub(crate) subscribers: Vec<Subscriber>,
    /// The other shards that were told of it; none in a room that is alone.
    pub(crate) across: Vec<Across>,
    /// How loud it is.
    pub(crate) loudness: Loudness,
    /// The codec of its last packet.
    pub(crate) codec: Option<Codec>,
    /// Per encoding: when somebody last wanted it.
    last_wanted: Vec<Option<Instant>>,
    announced: Option<Vec<Rid>>,
    since: Instant,
}

impl Publication {
    /// Accepts a source at `now`.
    pub(crate) fn new(
        now: Instant,
        origin: Origin,
        member: MemberKey,
        source: Source,
        mid: MidName,
        muted: bool,
    ) -> Self {
        Publication {
            origin,
            member,
            source,
            mid,
            muted,
            encodings: Vec::new(),
            subscribers: Vec::new(),
            across: Vec::new(),
            loudness: Loudness::default(),
            codec: None,
            last_wanted: Vec::new(),
            announced: None,
            since: now,
        }
    }

    /// Takes the encodings of a new or renewed m-line, lowest first.
    pub(crate) fn set_encodings(&mut self, now: Instant, rids: &[Rid]) {
        let mut rids = rids.to_vec();
        rids.sort_unstable();
        self.encodings = if rids.is_empty() {
            vec![Encoding::new(None)]
        } else {
            rids.into_iter()
                .map(|rid| Encoding::new(Some(rid)))
                .collect()
        };
        self.last_wanted = vec![None; self.encodings.len()];
        self.announced = None;
        self.since = now;
    }

    /// Returns what every shard calls it.
    pub(crate) fn track(&self) -> Track {
        let (member, source) = (self.member, self.source);
        Track { member, source }
    }

    /// Returns the names of its encodings; none without simulcast.
    pub(crate) fn rids(&self) -> Vec<Rid> {
        let encodings = self.encodings.iter();
        encodings.filter_map(|encoding| encoding.rid).collect()
    }

    /// Returns whether it comes from another shard.
    pub(crate) fn comes_from(&self, other: u8) -> bool {
        matches!(self.origin, Origin::There { shard, .. } if shard == other)
    }

    /// Returns whether an encoding is to be taken from the other shard that it
    /// comes from. Sound always is.
    pub(crate) fn asks_for(&self, encoding: usize) -> bool {
        let is_asked =
            matches!(self.origin, Origin::There { asked, .. } if asked.contains(encoding));
        encoding < self.encodings.len() && (is_asked || !self.source.is_video())
    }

    /// Returns the place of an encoding.
    pub(crate) fn encoding(&self, rid: Option<Rid>) -> Option<usize> {
        self.encodings
            .iter()
            .position(|encoding| encoding.rid == rid)
    }

    /// Returns whether a packet begins a stream: a new peer connection, a new
    /// sender in it, or numbers that leap. What was kept of the former one is
    /// forgotten, for its numbers say nothing about those of this one.
    pub(crate) fn begins_stream(&mut self, encoding: usize, packet: &MediaPacket) -> bool {
        let Some(encoding) = self.encodings.get_mut(encoding) else {
            return false;
        };
        let goes_on = encoding.newest.is_some_and(|newest| newest.goes_on(packet));
        if !goes_on {
            encoding.cache.clear();
            encoding.rate = RateMeter::default();
        }
        if !goes_on || encoding.newest.is_none_or(|newest| newest.seq < packet.seq) {
            encoding.newest = Some(Newest {
                ssrc: packet.ssrc,
                seq: packet.seq,
                timestamp: packet.timestamp,
                arrival: packet.arrival,
            });
        }
        !goes_on
    }

    /// Notes a packet of an encoding. Pictures are kept for switching.
    pub(crate) fn note(&mut self, now: Instant, encoding: usize, packet: &MediaPacket) {
        self.codec = Some(packet.codec);
        let Some(encoding) = self.encodings.get_mut(encoding) else {
            return;
        };
        encoding.last_packet = Some(now);
        encoding.rate.count(packet);
        if packet.height_px.is_some() {
            encoding.height_px = packet.height_px;
        }
        if packet.keyframe_start {
            encoding.keyframes.satisfied();
        }
        if self.source.is_video() {
            encoding.cache.push(now, packet.clone());
        }
    }

    /// Mutes or unmutes. Muted, everything kept is forgotten.
    pub(crate) fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
        if muted {
            self.loudness = Loudness::default();
            for encoding in &mut self.encodings {
                encoding.cache.clear();
                encoding.last_packet = None;
            }
        }
    }

    /// Writes what each encoding costs into `costs`.
    pub(crate) fn costs(&self, now: Instant, costs: &mut Vec<EncodingCost>) {
        costs.clear();
        let top = self
            .encodings
            .iter()
            .enumerate()
            .rev()
            .find_map(|(index, encoding)| Some((index, encoding.height_px?)));
        for (index, encoding) in self.encodings.iter().enumerate() {
            let expected = Encoding::expected(encoding.rid);
            // Encodings halve from one to the next: one that does not come
            // tells its height by one that does.
            let height_px = encoding.height_px.or_else(|| {
                let (known, height_px) = top?;
                Some(if known > index {
                    height_px >> (known - index)
                } else {
                    height_px.saturating_mul(1 << (index - known))
                })
            });
            let measured = encoding.is_live(now).then(|| encoding.rate.bps()).flatten();
            costs.push(EncodingCost {
                height_px: height_px.unwrap_or(expected.height_px).max(1),
                bps: measured.unwrap_or(expected.bps).max(1),
            });
        }
    }

    /// Returns the best encoding that comes and is not above `target`; if only
    /// higher ones come, the lowest of those.
    pub(crate) fn effective(&self, now: Instant, target: usize) -> Option<usize> {
        let live = |index: &usize| self.encodings[*index].is_live(now);
        let top = target.min(self.encodings.len().saturating_sub(1));
        (0..=top)
            .rev()
            .find(live)
            .or_else(|| (top + 1..self.encodings.len()).find(live))
    }

    /// Notes that somebody wants an encoding (and those below stay cheap to fall back to).
    pub(crate) fn want(&mut self, now: Instant, encoding: usize) {
        if let Some(wanted) = self.last_wanted.get_mut(encoding) {
            *wanted = Some(now);
        }
    }

    /// Returns which encodings the publisher should send, if that is news.
    pub(crate) fn poll_demand(&mut self, now: Instant) -> Option<Vec<Rid>> {
        let across = |encoding| self.across.iter().any(|it| it.wanted.contains(encoding));
        let wanted: Vec<bool> = self
            .last_wanted
            .iter()
            .enumerate()
            .map(|(encoding, wanted)| {
                let since = wanted.unwrap_or(self.since);
                now.saturating_duration_since(since) < STOP_AFTER || across(encoding)
            })
            .collect();
        let active: Vec<Rid> = if self
            .encodings
            .first()
            .is_some_and(|only| only.rid.is_none())
        {
            if wanted.contains(&true) {
                Rid::ALL.to_vec()
            } else {
                Vec::new()
            }
        } else {
            let rids = self.encodings.iter().zip(&wanted);
            rids.filter(|(_, wanted)| **wanted)
                .filter_map(|(encoding, _)| encoding.rid)
                .collect()
        };
        if self.announced.as_ref() == Some(&active) {
            return None;
        }
        self.announced = Some(active.clone());
        Some(active)
    }

    /// Returns which encodings the other shard that it comes from should give,
    /// if that is news. What is asked for no more is forgotten, for what comes
    /// of it later does not follow on it.
    pub(crate) fn poll_ask(&mut self, now: Instant) -> Option<Encodings> {
        let Origin::There { asked, .. } = &mut self.origin else {
            return None;
        };
        let is_wanted = |at: Instant| now.saturating_duration_since(at) < STOP_AFTER;
        let places = self.last_wanted.iter().enumerate();
        let wanted: Encodings = places
            .filter(|(_, last)| last.is_some_and(is_wanted))
            .map(|(place, _)| place)
            .collect();
        if *asked == wanted || !self.source.is_video() {
            return None;
        }
        let dropped = std::mem::replace(asked, wanted).without(wanted);
        for (place, encoding) in self.encodings.iter_mut().enumerate() {
            if dropped.contains(place) {
                encoding.cache.clear();
                encoding.last_packet = None;
            }
        }
        Some(wanted)
    }
}

/// Measures a rate over windows of [`RATE_WINDOW`].
#[derive(Debug, Default)]
struct RateMeter {
    /// The RTP timestamp at which it begins.
    window: Option<u32>,
    bytes: u64,
    bps: Option<u64>,
}

/// RTP header, extensions, SRTP tag, UDP and IP per packet.
const OVERHEAD_BYTES: u64 = 72;

impl RateMeter {
    /// Counts a packet by the time that it was captured at: what comes late
    /// and all at once after an outage is not a higher rate.
    fn count(&mut self, packet: &MediaPacket) {
        let start = *self.window.get_or_insert(packet.timestamp);
        let elapsed = packet.timestamp.wrapping_sub(start);
        if elapsed >= 1 << 31 {
            // Sent again: it belongs to a window that is over.
            return;
        }
        let bytes = packet.payload.len() as u64 + OVERHEAD_BYTES;
        let clock = u64::from(clock_rate(packet.codec));
        if u64::from(elapsed) >= clock * RATE_WINDOW.as_millis() as u64 / 1_000 {
            let bps = self.bytes * 8 * clock / u64::from(elapsed).max(1);
            // Rises are taken at once, falls smoothed: a talking head that
            // sits still must not invite everybody to climb.
            self.bps = Some(match self.bps {
                Some(before) if before > bps => before - (before - bps) / 4,
                _ => bps,
            });
            self.window = Some(packet.timestamp);
            self.bytes = 0;
        }
        self.bytes += bytes;
    }

    fn bps(&self) -> Option<u64> {
        self.bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoch::epoch;

    fn camera(now: Instant) -> Publication {
        let mid = MidName::new("1").unwrap();
        let (origin, member) = (Origin::Here(0), MemberKey(1));
        let mut publication = Publication::new(now, origin, member, Source::Camera, mid, false);
        publication.set_encodings(now, &[Rid::F, Rid::Q, Rid::H]);
        publication
    }

    #[test]
    fn an_unwanted_encoding_is_stopped_after_two_seconds_and_started_at_once() {
        let start = epoch();
        let mut publication = camera(start);
        assert_eq!(
            publication.poll_demand(start),
            Some(vec![Rid::Q, Rid::H, Rid::F])
        );
        let later = start + STOP_AFTER;
        publication.want(later, 0);
        assert_eq!(publication.poll_demand(later), Some(vec![Rid::Q]));
        assert_eq!(publication.poll_demand(later), None, "no news");
        publication.want(later, 2);
        assert_eq!(publication.poll_demand(later), Some(vec![Rid::Q, Rid::F]));
        assert_eq!(publication.poll_demand(later + STOP_AFTER), Some(vec![]));
    }

    #[test]
    fn what_comes_late_and_all_at_once_is_no_higher_rate() {
        let now = epoch();
        let mut publication = camera(now);
        // 20 frames a second of 1,000 bytes with all headers, two seconds at one
        // instant, and then each once more.
        for frame in (0..40).chain(0..40) {
            publication.note(now, 0, &packet(now, frame * 4_500));
        }
        assert_eq!(publication.encodings[0].rate.bps(), Some(160_000));
    }

    #[test]
    fn a_new_stream_in_place_of_the_former_one_is_noticed_once() {
        let now = epoch();
        let mut publication = camera(now);
        let mut first = packet(now, 1);
        first.keyframe_start = true;
        assert!(publication.begins_stream(0, &first));
        publication.note(now, 0, &first);
        assert!(!publication.begins_stream(0, &first));
        assert!(publication.encodings[0].cache.since_keyframe(now).is_some());
        let mut second = packet(now, 2);
        second.ssrc += 1;
        assert!(publication.begins_stream(0, &second));
        assert!(!publication.begins_stream(0, &second));
        let mut leap = second.clone();
        leap.seq += 20_000;
        assert!(publication.begins_stream(0, &leap), "a leap of numbers");
        leap.timestamp = leap.timestamp.wrapping_add(1 << 31);
        leap.seq += 1;
        assert!(publication.begins_stream(0, &leap), "a leap of time");
        assert!(publication.encodings[0].cache.since_keyframe(now).is_none());
    }

    fn packet(now: Instant, timestamp: u32) -> MediaPacket {
        MediaPacket {
            codec: Codec::H264,
            ssrc: 1,
            seq: u64::from(timestamp),
            timestamp,
            marker: true,
            arrival: now,
            keyframe_start: false,
            height_px: None,
            facts: crate::packet::CodecFacts::H264,
            level: None,
            quarter_turns: None,
            payload: vec![0; 928].into(),
        }
    }

    #[test]
    fn a_height_that_is_not_known_follows_from_one_that_is() {
        let now = epoch();
        let mut publication = camera(now);
        publication.encodings[1].height_px = Some(180);
        let mut costs = Vec::new();
        publication.costs(now, &mut costs);
        assert_eq!(
            costs.iter().map(|cost| cost.height_px).collect::<Vec<_>>(),
            [90, 180, 360]
        );
    }

    #[test]
    fn the_best_live_encoding_up_to_the_target_is_effective() {
        let now = epoch();
        let mut publication = camera(now);
        assert_eq!(publication.effective(now, 2), None);
        publication.encodings[1].last_packet = Some(now);
        assert_eq!(publication.effective(now, 2), Some(1));
        assert_eq!(
            publication.effective(now, 0),
            Some(1),
            "better than nothing"
        );
        assert_eq!(publication.effective(now + STALE, 2), None);
    }
}

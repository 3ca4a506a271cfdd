//! How much one participant may send us, by what it is there for.
//!
//! A participant that publishes nothing has no reason to send more than
//! feedback, and nobody has a reason to ask for a keyframe a hundred times a
//! second. What is over a limit is dropped and counted; nobody is put out for
//! it, as a picture of a large screen after an outage is not an attack.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

/// What one participant may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IngressLimits {
    /// Datagrams of media and of feedback.
    pub(crate) packets_per_s: u32,
    /// Bytes in them.
    pub(crate) bytes_per_s: u32,
    /// RTP streams at once.
    pub(crate) ssrcs: u16,
    /// Keyframes that it may ask for, over all slots.
    pub(crate) keyframe_requests_per_s: u32,
    /// Offers: negotiations and ICE restarts.
    pub(crate) offers_per_min: u32,
}

impl IngressLimits {
    /// Of who may publish. Three encodings, a screen and two sounds, each a
    /// third above its limit, are 900 packets/s; 16 Mbit/s are three times what
    /// the client is told to send at most. Streams: three encodings of a camera
    /// and of a screen with RTX, two sounds, and as many again after a change.
    pub(crate) const PUBLISHER: IngressLimits = IngressLimits {
        packets_per_s: 2_000,
        bytes_per_s: 2_000_000,
        ssrcs: 32,
        keyframe_requests_per_s: KEYFRAMES_PER_S,
        offers_per_min: 30,
    };

    /// Of who only watches: feedback twenty times a second for the connection,
    /// reports and NACKs for each slot, checks and consent of ICE.
    pub(crate) const VIEWER: IngressLimits = IngressLimits {
        packets_per_s: 400,
        bytes_per_s: 100_000,
        ssrcs: 0,
        keyframe_requests_per_s: KEYFRAMES_PER_S,
        offers_per_min: 12,
    };
}

/// How far packets and bytes may run ahead: a keyframe of a large screen, or
/// what comes at once after an outage.
const BURST: Duration = Duration::from_secs(2);
/// How many keyframes a participant may ask for in a second. While a browser
/// cannot decode, it asks for one every 100 to 200 ms for each picture; those
/// requests that wait for the same keyframe count once, so that this is one
/// picture that is never whole, or the twelve slots of a client each twice
/// within five seconds. Each costs the publisher several frames, and everybody
/// who watches it: more would let one participant spoil the pictures of all.
const KEYFRAMES_PER_S: u32 = 5;
/// How far requests for keyframes may run ahead, in time that they are earned
/// in: after an outage all twelve slots need one at once.
const KEYFRAME_BURST: Duration = Duration::from_secs(3);
/// An RTP stream that was silent for this long leaves its place to another.
const SILENT: Duration = Duration::from_secs(10);

/// What was refused, by what it was too much of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Datagrams of media and feedback, by their number.
    pub packets: u64,
    /// Datagrams of media and feedback, by their bytes.
    pub bytes: u64,
    /// Packets of more RTP streams than there may be.
    pub ssrcs: u64,
    /// Requests for keyframes.
    pub keyframe_requests: u64,
    /// Offers.
    pub offers: u64,
}

impl AddAssign for Refused {
    fn add_assign(&mut self, other: Refused) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.ssrcs += other.ssrcs;
        self.keyframe_requests += other.keyframe_requests;
        self.offers += other.offers;
    }
}

/// Polices one participant.
#[derive(Debug, Clone)]
pub(crate) struct Policing {
    limits: IngressLimits,
    packets: Bucket,
    bytes: Bucket,
    keyframes: Bucket,
    offers: Bucket,
    /// RTP streams, with when each was heard last. At most as many as the limit says.
    heard: Vec<(u32, Instant)>,
    refused: Refused,
}

impl Policing {
    /// Begins with full buckets.
    pub(crate) fn new(now: Instant, limits: IngressLimits) -> Self {
        let bucket = Bucket { spent_until: now };
        Policing {
            limits,
            packets: bucket,
            bytes: bucket,
            keyframes: bucket,
            offers: bucket,
            heard: Vec::new(),
            refused: Refused::default(),
        }
    }

    /// Goes by other limits, as the participant has another role. What was
    /// spent stays so.
    pub(crate) fn set_limits(&mut self, limits: IngressLimits) {
        self.limits = limits;
        self.heard.truncate(usize::from(limits.ssrcs));
    }

    /// Returns whether a datagram of `len` bytes is within the limits. To be
    /// asked before anything is decrypted: who is not let through costs nothing.
    pub(crate) fn admit_packet(&mut self, now: Instant, len: usize) -> bool {
        let packet = Cost::of(1, self.limits.packets_per_s);
        let bytes = Cost::of(len as u64, self.limits.bytes_per_s);
        if !self.packets.has(now, packet, BURST) {
            self.refused.packets += 1;
            return false;
        }
        if !self.bytes.has(now, bytes, BURST) {
            self.refused.bytes += 1;
            return false;
        }
        self.packets.spend(now, packet);
        self.bytes.spend(now, bytes);
        true
    }

    /// Returns whether an RTP stream may be received. To be asked of packets
    /// that are authentic, or somebody else could take the places.
    pub(crate) fn admit_ssrc(&mut self, now: Instant, ssrc: u32) -> bool {
        if let Some((_, at)) = self.heard.iter_mut().find(|(known, _)| *known == ssrc) {
            *at = now;
            return true;
        }
        if self.heard.len() >= usize::from(self.limits.ssrcs) {
            let is_silent = |at: Instant| now.saturating_duration_since(at) >= SILENT;
            self.heard.retain(|(_, at)| !is_silent(*at));
        }
        if self.heard.len() >= usize::from(self.limits.ssrcs) {
            self.refused.ssrcs += 1;
            return false;
        }
        self.heard.push((ssrc, now));
        true
    }

    /// Returns whether a request for a keyframe may have an effect. To be asked
    /// only for one that nobody else has asked for yet: the rest costs nothing.
    pub(crate) fn admit_keyframe_request(&mut self, now: Instant) -> bool {
        let request = Cost::of(1, self.limits.keyframe_requests_per_s);
        let admitted = self.keyframes.take(now, request, KEYFRAME_BURST);
        self.refused.keyframe_requests += u64::from(!admitted);
        admitted
    }

    /// Returns whether an offer may be answered: it costs up to a millisecond.
    /// All those of a minute may come at once.
    pub(crate) fn admit_offer(&mut self, now: Instant) -> bool {
        const MINUTE: Duration = Duration::from_secs(60);
        let offer = Cost(MINUTE / self.limits.offers_per_min.max(1));
        let admitted = self.limits.offers_per_min > 0 && self.offers.take(now, offer, MINUTE);
        self.refused.offers += u64::from(!admitted);
        admitted
    }

    /// Takes what was refused since the last time.
    pub(crate) fn take_refused(&mut self) -> Refused {
        std::mem::take(&mut self.refused)
    }
}

/// The time in which what is taken is earned again.
#[derive(Debug, Clone, Copy)]
struct Cost(Duration);

impl Cost {
    /// Of so many, with a rate each second. With a rate of zero it never is.
    fn of(count: u64, per_s: u32) -> Cost {
        let nanos = count
            .saturating_mul(1_000_000_000)
            .checked_div(u64::from(per_s));
        Cost(nanos.map_or(Duration::MAX, Duration::from_nanos))
    }
}

/// A token bucket, kept as the instant at which it is full again.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    spent_until: Instant,
}

impl Bucket {
    /// Returns whether there is so much in a bucket that holds `burst`.
    fn has(&self, now: Instant, Cost(cost): Cost, burst: Duration) -> bool {
        let spent = self.spent_until.saturating_duration_since(now);
        spent.checked_add(cost).is_some_and(|spent| spent <= burst)
    }

    fn spend(&mut self, now: Instant, Cost(cost): Cost) {
        self.spent_until = self.spent_until.max(now) + cost;
    }

    fn take(&mut self, now: Instant, cost: Cost, burst: Duration) -> bool {
        let has = self.has(now, cost, burst);
        if has {
            self.spend(now, cost);
        }
        has
    }
}

#[cfg(test)]
mod tests;

//! A room that other shards hold as well.
//!
//! What a member here publishes is told to the others, and its packets go where
//! somebody wants them. What comes from there is a publication without a
//! publisher: subscribers get it like any other, from caches of its own.

mod hear;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::{Room, TICK};
use crate::crossing::{Across, Began, Crossing, Encodings, Message, Track, copied};
use crate::packet::MediaPacket;
use crate::publication::{Origin, Publication};
use crate::services::Services;

/// The other shards of a room.
#[derive(Default)]
pub(super) struct Span {
    peers: Vec<Peer>,
    /// Whether the home shard is another one.
    is_away: bool,
    /// The places of what comes from other shards.
    theirs: BTreeMap<Track, usize>,
    /// Counts what was announced.
    epoch: u32,
    /// What is for the others, in order.
    outbox: VecDeque<(u8, Message)>,
    /// Publications came: slots are to be given out anew.
    reassign_due: bool,
    tended_at: Option<Instant>,
}

/// Another shard that holds the room. Commands reach shards at different times:
/// what it says counts from when it has said that it knows of us.
struct Peer {
    shard: u8,
    heard: bool,
    /// It was told what is published here.
    told: bool,
}

impl Span {
    fn send(&mut self, to: u8, message: Message) {
        self.outbox.push_back((to, message));
    }

    /// Tells a shard of a publication of ours, as if for the first time.
    fn announce(&mut self, to: u8, publication: &mut Publication) {
        self.epoch = self.epoch.wrapping_add(1);
        let epoch = self.epoch;
        let wanted = match publication.source.is_video() {
            true => Encodings::default(),
            false => Encodings::ALL,
        };
        publication.across.retain(|across| across.shard != to);
        publication.across.push(Across {
            shard: to,
            epoch,
            wanted,
            codec: None,
        });
        let began = Began {
            track: publication.track(),
            epoch,
            mid: publication.mid,
            rids: publication.rids(),
            muted: publication.muted,
        };
        self.send(to, Message::Began(began));
    }

    fn forget(&mut self, track: Track) {
        self.theirs.remove(&track);
    }
}

impl Room {
    /// Takes the list of shards that hold the room, the home shard first.
    pub(crate) fn span(&mut self, now: Instant, own: u8, shards: &[u8], services: &mut Services) {
        let others = shards.iter().copied().filter(|shard| *shard != own);
        let others: Vec<u8> = others.filter(|_| shards.contains(&own)).collect();
        let gone: Vec<u8> = self.peers().filter(|peer| !others.contains(peer)).collect();
        for peer in &gone {
            self.forget_shard(*peer, services);
        }
        if !gone.is_empty() {
            self.reassign_all(now, services);
        }
        if others.is_empty() {
            self.span = None;
            return;
        }
        let span = self.span.get_or_insert_default();
        span.is_away = shards.first() != Some(&own);
        span.peers.retain(|peer| others.contains(&peer.shard));
        for shard in others {
            if !span.peers.iter().any(|peer| peer.shard == shard) {
                span.peers.push(Peer {
                    shard,
                    heard: false,
                    told: false,
                });
                span.send(shard, Message::Hello { fresh: true });
            }
        }
    }

    /// Takes what another shard says about the room.
    pub(crate) fn handle_crossing(
        &mut self,
        now: Instant,
        from: u8,
        message: Message,
        services: &mut Services,
    ) {
        let peers = self.span.as_mut().map(|span| &mut span.peers);
        let peer = peers.and_then(|peers| peers.iter_mut().find(|peer| peer.shard == from));
        match (peer, message) {
            (Some(peer), Message::Hello { fresh }) => {
                peer.heard = true;
                let told = std::mem::replace(&mut peer.told, true);
                self.greet(from, fresh, told, services);
            }
            (Some(peer), message) if peer.heard => self.hear(now, from, message, services),
            _ => {}
        }
    }

    /// Hands over what is for other shards.
    pub(crate) fn take_crossings(&mut self, services: &mut Services) {
        if let Some(span) = self.span.as_mut() {
            let room = self.key;
            let waiting = span.outbox.drain(..);
            let crossings = waiting.map(|(to, message)| (to, Crossing { room, message }));
            services.crossings.extend(crossings);
        }
    }

    /// Returns the other shards that hold the room.
    pub(crate) fn peers(&self) -> impl Iterator<Item = u8> {
        let peers = self.span.iter().flat_map(|span| &span.peers);
        peers.map(|peer| peer.shard)
    }

    /// Returns whether slots wait to be given out.
    pub(super) fn is_unsettled(&self) -> bool {
        self.span.as_ref().is_some_and(|span| span.reassign_due)
    }

    /// Returns whether this shard hears everybody, and tells who speaks.
    pub(super) fn is_home(&self) -> bool {
        self.span.as_ref().is_none_or(|span| !span.is_away)
    }

    /// Gives out slots once for all that came in this turn.
    pub(super) fn settle_span(&mut self, now: Instant, services: &mut Services) {
        if let Some(span) = self.span.as_mut()
            && std::mem::take(&mut span.reassign_due)
        {
            self.reassign_all(now, services);
        }
    }

    /// Looks after what comes from other shards, for it has no member to be
    /// looked after with.
    pub(super) fn tend_span(&mut self, now: Instant, services: &mut Services) {
        let Some(span) = self.span.as_mut() else {
            return;
        };
        let since = |at: Instant| now.saturating_duration_since(at);
        if span.tended_at.is_some_and(|at| since(at) < TICK) {
            return;
        }
        span.tended_at = Some(now);
        for publication in span.theirs.values().copied().collect::<Vec<_>>() {
            self.request_keyframes(now, publication);
        }
        self.report_speakers(now, services);
    }

    /// Returns the place of what a member of another shard publishes.
    pub(super) fn publication_there(&self, track: Track) -> Option<usize> {
        self.span.as_ref()?.theirs.get(&track).copied()
    }

    /// Tells the other shards of a publication that is new, or whose encodings are.
    pub(super) fn announce(&mut self, publication: usize) {
        let Some(span) = self.span.as_mut() else {
            return;
        };
        let Some(publication) = self.publications.get_mut(publication) else {
            return;
        };
        let told = span.peers.iter().filter(|peer| peer.told);
        for shard in told.map(|peer| peer.shard).collect::<Vec<_>>() {
            span.announce(shard, publication);
        }
    }

    /// Tells the other shards that a publication was muted or unmuted.
    pub(super) fn tell_muted(&mut self, publication: usize) {
        let found = self.publications.get(publication);
        if let (Some(span), Some(publication)) = (self.span.as_mut(), found) {
            let (track, muted) = (publication.track(), publication.muted);
            for across in &publication.across {
                span.send(across.shard, Message::Muted { track, muted });
            }
        }
    }

    /// Tells the other shards that a publication ended, or forgets that it came
    /// from one.
    pub(super) fn tell_ended(&mut self, ended: &Publication) {
        let Some(span) = self.span.as_mut() else {
            return;
        };
        let track = ended.track();
        if matches!(ended.origin, Origin::There { .. }) {
            span.forget(track);
        }
        for across in &ended.across {
            span.send(across.shard, Message::Ended { track });
        }
    }

    /// Copies a packet for the shards that want its encoding.
    pub(super) fn cross(&mut self, publication: usize, encoding: usize, packet: &MediaPacket) {
        let found = self.publications.get_mut(publication);
        let (Some(span), Some(publication)) = (self.span.as_mut(), found) else {
            return;
        };
        let (track, codec) = (publication.track(), packet.codec);
        for across in &mut publication.across {
            if across.codec.replace(codec) != Some(codec) {
                span.send(across.shard, Message::Carries { track, codec });
            }
            if across.wanted.contains(encoding) {
                let message = Message::Packet {
                    track,
                    encoding,
                    packet: copied(packet),
                };
                span.send(across.shard, message);
            }
        }
    }

    /// Says to the shard that a publication comes from what is wanted of it.
    pub(super) fn ask_across(&mut self, now: Instant, publication: usize) {
        let found = self.publications.get_mut(publication);
        let (Some(span), Some(publication)) = (self.span.as_mut(), found) else {
            return;
        };
        let track = publication.track();
        let news = publication.poll_ask(now);
        let Origin::There { shard, epoch, .. } = publication.origin else {
            return;
        };
        if let Some(wanted) = news {
            let message = Message::Demand {
                track,
                epoch,
                wanted,
            };
            span.send(shard, message);
        }
        for (encoding, found) in publication.encodings.iter_mut().enumerate() {
            if found.is_live(now) && found.keyframes.poll(now) {
                span.send(shard, Message::Keyframe { track, encoding });
            }
        }
    }

    /// Makes the acquaintance of a shard. One that knows nothing of us has
    /// forgotten what it said before.
    fn greet(&mut self, from: u8, fresh: bool, told: bool, services: &mut Services) {
        if fresh {
            self.forget_shard(from, services);
        }
        let Some(span) = self.span.as_mut() else {
            return;
        };
        if fresh {
            span.send(from, Message::Hello { fresh: false });
        }
        if fresh || !told {
            for (_, publication) in &mut self.publications {
                if matches!(publication.origin, Origin::Here(_)) {
                    span.announce(from, publication);
                }
            }
        }
    }

    /// Ends what came from a shard, and sends nothing there.
    fn forget_shard(&mut self, shard: u8, services: &mut Services) {
        let mut ended = Vec::new();
        for (place, publication) in &mut self.publications {
            publication.across.retain(|across| across.shard != shard);
            if publication.comes_from(shard) {
                ended.push(place);
            }
        }
        for publication in &ended {
            self.end_publication(*publication, services);
        }
        if let Some(span) = self.span.as_mut() {
            span.reassign_due |= !ended.is_empty();
        }
    }
}

#[cfg(test)]
mod tests;

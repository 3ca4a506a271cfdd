//! What another shard says of its publications, and of ours.

use std::time::Instant;

use super::Room;
use crate::crossing::{Across, Began, Encodings, Message, Track, copied};
use crate::packet::{MediaPacket, clock_rate};
use crate::publication::{Origin, Publication};
use crate::services::Services;

impl Room {
    /// Takes what a shard says that has made our acquaintance.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        from: u8,
        message: Message,
        services: &mut Services,
    ) {
        match message {
            Message::Began(began) => self.begin_theirs(now, from, &began, services),
            Message::Muted { track, muted } => {
                if let Some(publication) = self.theirs(from, track) {
                    self.apply_muted(now, publication, muted, services);
                }
            }
            Message::Carries { track, codec } => {
                if let Some(publication) = self.theirs(from, track) {
                    self.publications[publication].codec = Some(codec);
                }
            }
            Message::Ended { track } => {
                if let Some(publication) = self.theirs(from, track) {
                    self.end_publication(publication, services);
                    self.reassign_later();
                }
            }
            Message::Packet {
                track,
                encoding,
                packet,
            } => {
                if let Some(publication) = self.theirs(from, track) {
                    self.take_packet(now, publication, encoding, &packet, services);
                }
                self.tend_span(now, services);
            }
            Message::Demand {
                track,
                epoch,
                wanted,
            } => {
                if let Some(publication) = self.publication_of(track.member, track.source) {
                    self.take_demand(now, from, publication, epoch, wanted);
                }
            }
            Message::Keyframe { track, encoding } => {
                if let Some(publication) = self.publication_of(track.member, track.source) {
                    self.want_keyframe(now, publication, encoding);
                }
            }
            // Taken before, or by the shard itself.
            Message::Hello { .. } | Message::Barrier { .. } | Message::BarrierPassed { .. } => {}
        }
    }

    /// Returns the place of a publication if it comes from a shard.
    fn theirs(&self, shard: u8, track: Track) -> Option<usize> {
        let place = self.publication_there(track)?;
        let comes = self.publications.get(place)?.comes_from(shard);
        comes.then_some(place)
    }

    fn reassign_later(&mut self) {
        if let Some(span) = self.span.as_mut() {
            span.reassign_due = true;
        }
    }

    /// Takes a publication that began on another shard, or has new encodings there.
    fn begin_theirs(&mut self, now: Instant, from: u8, began: &Began, services: &mut Services) {
        let track = began.track;
        if let Some(other) = self.publication_there(track)
            && !self.publications[other].comes_from(from)
        {
            self.end_publication(other, services);
        }
        let origin = Origin::There {
            shard: from,
            epoch: began.epoch,
            asked: Encodings::default(),
        };
        if let Some(known) = self.publication_there(track) {
            let publication = &mut self.publications[known];
            (publication.origin, publication.mid) = (origin, began.mid);
            publication.set_encodings(now, &began.rids);
            publication.set_muted(began.muted);
            self.halt_publication(now, known, services);
        } else {
            let Track { member, source } = track;
            let mut publication =
                Publication::new(now, origin, member, source, began.mid, began.muted);
            publication.set_encodings(now, &began.rids);
            let place = self.publications.insert(publication);
            if let Some(span) = self.span.as_mut() {
                span.theirs.insert(track, place);
            }
        }
        self.reassign_later();
    }

    /// Forwards a packet that came from another shard. What is muted here, or
    /// was not asked for, goes nowhere: it was sent before that was known there.
    fn take_packet(
        &mut self,
        now: Instant,
        index: usize,
        encoding: usize,
        packet: &MediaPacket,
        services: &mut Services,
    ) {
        services.turn.did_others(1);
        let publication = &self.publications[index];
        let fits = (clock_rate(packet.codec) == 90_000) == publication.source.is_video();
        if fits && !publication.muted && publication.asks_for(encoding) {
            self.fan_out(now, index, encoding, packet, services);
        }
    }

    /// Notes what a shard wants of a publication of ours. What it wants anew it
    /// gets from the last keyframe on.
    fn take_demand(&mut self, now: Instant, from: u8, index: usize, epoch: u32, wanted: Encodings) {
        let (Some(span), Some(publication)) =
            (self.span.as_mut(), self.publications.get_mut(index))
        else {
            return;
        };
        let track = publication.track();
        let is_it = |across: &&mut Across| (across.shard, across.epoch) == (from, epoch);
        let Some(across) = publication.across.iter_mut().find(is_it) else {
            return;
        };
        let new = wanted.without(across.wanted);
        across.wanted = wanted;
        let places = publication.encodings.iter_mut().enumerate();
        for (encoding, found) in places.filter(|(place, _)| new.contains(*place)) {
            let Some(packets) = found.cache.since_keyframe(now) else {
                found.keyframes.want();
                continue;
            };
            for packet in packets {
                let packet = copied(packet);
                let message = Message::Packet {
                    track,
                    encoding,
                    packet,
                };
                span.send(from, message);
            }
        }
        self.request_keyframes(now, index);
    }
}

//! Offers: the first one, ICE restarts, and new peer connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use conclave_sfu_wire::control::{Codec, Event, MidName, OfferError};

use super::{Believed, Offer, Room, link_in};
use crate::audio::AudioSlots;
use crate::member::{AudioLine, Link};
use crate::packet::clock_rate;
use crate::sender::StreamParams;
use crate::services::Services;
use crate::subscription::{Rewriter, VideoSlot};
use crate::transport::{ESTIMATE_START_BPS, Negotiated, Transport, TransportConfig};

impl Room {
    /// Answers an offer, or says why not.
    pub(crate) fn offer(&mut self, now: Instant, offer: Offer<'_>, services: &mut Services) {
        let Offer {
            member, generation, ..
        } = offer;
        let event = match self.answer(now, offer, services) {
            Ok(negotiated) => Event::Answer {
                member,
                generation,
                sdp: negotiated.answer,
                video_slots: negotiated.video_slots,
                audio_slots: negotiated.audio_slots,
            },
            Err(error) => Event::OfferRefused {
                member,
                generation,
                error,
            },
        };
        services.events.push_back(event);
        if let Some(member) = self.by_key.get(&member).copied() {
            self.reassign(now, member, services);
        }
    }

    fn answer(
        &mut self,
        now: Instant,
        offer: Offer<'_>,
        services: &mut Services,
    ) -> Result<Negotiated, OfferError> {
        let generation = offer.generation;
        let place = *self
            .by_key
            .get(&offer.member)
            .ok_or(OfferError::UnknownMember)?;
        let member = &self.members[place];
        // A transport that has ended does not come back: the browser's own
        // association knows nothing of a new one.
        let ended = generation == member.generation && member.link.is_none();
        if generation < member.generation || ended {
            return Err(OfferError::Stale);
        }
        let is_renewal = generation == member.generation;
        if offer.relay_only && is_renewal {
            // Even if the offer is refused: it says what its sender wishes.
            self.hold_to_relay(place, services);
        }
        if !self.members[place].policing.admit_offer(now) {
            return Err(OfferError::TooMany);
        }
        let negotiated = if is_renewal {
            self.renegotiate(now, place, offer, services)?
        } else {
            self.connect(now, place, offer, services)?
        };
        self.schedule_transport(place, services);
        Ok(negotiated)
    }

    /// Goes on with the peer connection that is there: an ICE restart.
    fn renegotiate(
        &mut self,
        now: Instant,
        place: usize,
        offer: Offer<'_>,
        services: &mut Services,
    ) -> Result<Negotiated, OfferError> {
        let Some(link) = link_in(&mut self.members, place) else {
            return Err(OfferError::UnknownMember);
        };
        let entry = link.entry;
        let negotiated = link.transport.negotiate(offer.sdp, || {
            let ufrag = services.demux.restart(entry).unwrap_or_default();
            services.credentials(ufrag)
        })?;
        link.transport.set_relay_only(offer.relay_only);
        services.demux.set_relay_only(entry, offer.relay_only);
        if negotiated.restarted {
            link.unreachable_since = None;
            link.since = now;
        }
        link.lines = negotiated.sending.clone();
        let member = &mut self.members[place];
        if let Some(link) = member.link.as_mut() {
            let video = member.table.slots.iter().map(|slot| slot.params);
            let audio = member.audio_lines.iter().map(|line| line.params);
            for params in video.chain(audio) {
                link.sender.bind(&mut link.transport, params);
            }
        }
        Ok(negotiated)
    }

    fn hold_to_relay(&mut self, place: usize, services: &mut Services) {
        if let Some(link) = link_in(&mut self.members, place) {
            link.transport.set_relay_only(true);
            services.demux.set_relay_only(link.entry, true);
        }
    }

    /// Begins a peer connection; a former one ends.
    fn connect(
        &mut self,
        now: Instant,
        place: usize,
        offer: Offer<'_>,
        services: &mut Services,
    ) -> Result<Negotiated, OfferError> {
        let (entry, ufrag) = services.demux.open(self.place(place));
        let credentials = services.credentials(ufrag);
        let config = TransportConfig {
            candidates: &services.candidates,
            credentials: credentials.clone(),
            video_codecs: &self.policy.video_codecs,
            sender: services.sender,
        };
        // A panic of the library ends nothing but this attempt.
        let built = catch_unwind(AssertUnwindSafe(|| {
            let mut transport = Transport::new(now, config);
            transport.set_relay_only(offer.relay_only);
            let negotiated = transport.negotiate(offer.sdp, || credentials)?;
            Ok((transport, negotiated))
        }));
        let built = built.unwrap_or(Err(OfferError::Invalid("sdp is not understood")));
        let (transport, negotiated) = built.inspect_err(|_| services.demux.close(entry))?;
        services.demux.set_relay_only(entry, offer.relay_only);
        self.end_link(now, place, services);
        let link = Link {
            generation: offer.generation,
            transport,
            sender: services.sender(now),
            entry,
            lines: negotiated.sending.clone(),
            video_codecs: negotiated.video_codecs.clone(),
            since: now,
            unreachable_since: None,
            scheduled: None,
            dirty: false,
            estimate: Believed::new(now, ESTIMATE_START_BPS),
        };
        self.take_link(now, place, link, &negotiated, services);
        Ok(negotiated)
    }

    fn take_link(
        &mut self,
        now: Instant,
        place: usize,
        mut link: Link,
        negotiated: &Negotiated,
        services: &mut Services,
    ) {
        let mut bound = 0;
        let mut bind = |link: &mut Link, mid: MidName, video: bool| {
            let index = bound;
            bound += 1;
            let params = StreamParams { mid, video, index };
            link.sender.bind(&mut link.transport, params);
            params
        };
        let mut video = Vec::new();
        for mid in &negotiated.video_slots {
            let params = bind(&mut link, *mid, true);
            let rewriter = Rewriter::new(now, clock_rate(Codec::Vp8), services.beginnings());
            video.push(VideoSlot::new(params, rewriter));
        }
        let mut audio = Vec::new();
        for mid in &negotiated.audio_slots {
            let params = bind(&mut link, *mid, false);
            let rewriter = Rewriter::new(now, clock_rate(Codec::Opus), services.beginnings());
            audio.push(AudioLine { params, rewriter });
        }
        self.leave_slots(place);
        let lines = link.lines.clone();
        let member = &mut self.members[place];
        member.generation = link.generation;
        member.link = Some(link);
        member.table.renew(video);
        member.audio = AudioSlots::new(audio.len());
        member.audio_lines = audio;
        for publication in member.publications.clone() {
            let line = lines
                .iter()
                .find(|line| line.mid == self.publications[publication].mid);
            match line {
                Some(line) => {
                    self.publications[publication].set_encodings(now, &line.rids);
                    self.halt_publication(now, publication, services);
                    self.announce(publication);
                }
                None => self.end_publication(publication, services),
            }
        }
    }
}

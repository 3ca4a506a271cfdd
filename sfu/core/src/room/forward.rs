//! The way of a packet through the room.

use std::net::SocketAddr;
use std::time::Instant;

use conclave_sfu_wire::control::{Event, MidName, Rid, TransportFailure};
use conclave_sfu_wire::demux::Class;

use super::{Room, link_in};
use crate::audio::Claim;
use crate::packet::{MediaPacket, clock_rate};
use crate::publication::Origin;
use crate::sender::{Route, SenderEvent};
use crate::services::{Due, Place, Services};
use crate::transport::TransportEvent;

/// Opus sends this little when nobody speaks (DTX): no reason to take a slot.
const SILENCE_BYTES: usize = 3;

impl Room {
    /// Takes a datagram for one member.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        place: Place,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
        services: &mut Services,
    ) {
        let Some(member) = self.at(place) else { return };
        let class = Class::of(payload);
        let is_policed = matches!(class, Some(Class::Rtp | Class::Rtcp));
        if is_policed
            && !self.members[member]
                .policing
                .admit_packet(now, payload.len())
        {
            return;
        }
        let Some(link) = link_in(&mut self.members, member) else {
            return;
        };
        if !link.transport.admit(payload) {
            services.counters.filtered += link.transport.take_filtered();
            return;
        }
        let route = match class {
            Some(Class::Rtcp) => link.sender.handle_rtcp(now, &link.transport, payload),
            _ => Route::Transport,
        };
        match route {
            Route::Transport => {
                let arena = &mut services.arena;
                link.transport
                    .handle_datagram(now, source, destination, payload, arena);
            }
            Route::Done => {}
            Route::Refused => services.counters.rtcp_refused += 1,
        }
        self.take_events(now, member, services);
    }

    /// Does what is due for a member's transport.
    pub(crate) fn handle_transport_timeout(
        &mut self,
        now: Instant,
        at: Instant,
        place: Place,
        services: &mut Services,
    ) {
        let Some(member) = self.at(place) else { return };
        let Some(link) = link_in(&mut self.members, member) else {
            return;
        };
        if link.scheduled != Some(at) {
            return;
        }
        link.scheduled = None;
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(link.transport.poll_timeout()) {
            link.transport.handle_timeout(now, &mut services.arena);
        }
        if is_due(link.sender.poll_timeout()) {
            link.sender
                .flush(&mut link.transport, now, &mut services.arena);
        }
        self.take_events(now, member, services);
    }

    /// Lets go of everything that was pushed since the last time.
    pub(crate) fn flush(&mut self, now: Instant, services: &mut Services) {
        self.settle_span(now, services);
        // Serving one member can make another dirty: a keyframe request.
        while let Some(member) = self.dirty.pop() {
            let Some(link) = link_in(&mut self.members, member) else {
                continue;
            };
            link.dirty = false;
            link.transport.flush(now, &mut services.arena);
            link.sender
                .flush(&mut link.transport, now, &mut services.arena);
            self.take_events(now, member, services);
        }
    }

    /// Flushes a member at the end of the turn.
    pub(super) fn mark_dirty(&mut self, member: usize) {
        if let Some(link) = link_in(&mut self.members, member)
            && !link.dirty
        {
            link.dirty = true;
            self.dirty.push(member);
        }
    }

    /// Wakes a member's transport and sender when they are next due.
    pub(super) fn schedule_transport(&mut self, member: usize, services: &mut Services) {
        let place = self.place(member);
        let Some(link) = link_in(&mut self.members, member) else {
            return;
        };
        if let Some(due) = link.poll_timeout()
            && link.scheduled.is_none_or(|scheduled| due < scheduled)
        {
            link.scheduled = Some(due);
            services.schedule(due, Due::Transport(place));
        }
    }

    /// Handles everything that a member's transport and sender report.
    fn take_events(&mut self, now: Instant, member: usize, services: &mut Services) {
        loop {
            let Some(link) = link_in(&mut self.members, member) else {
                return;
            };
            if let Some(event) = link.transport.poll_event() {
                self.handle_transport_event(now, member, event, services);
            } else if let Some(event) = link.sender.poll_event(&mut link.transport) {
                self.handle_sender_event(now, member, event);
            } else if let Some(failure) = link.transport.poll_failure() {
                self.fail_link(now, member, failure, services);
            } else {
                link.count(&mut services.counters);
                break;
            }
        }
        self.schedule_transport(member, services);
    }

    fn handle_transport_event(
        &mut self,
        now: Instant,
        place: usize,
        event: TransportEvent,
        services: &mut Services,
    ) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        let Some(link) = member.link.as_mut() else {
            return;
        };
        match event {
            TransportEvent::Validated { local, remote } => {
                services.demux.validate(now, link.entry, remote, local);
            }
            TransportEvent::Connected { keys } => {
                if keys.is_aead() {
                    services.counters.aead += 1;
                } else {
                    services.counters.not_aead += 1;
                }
                if link.sender.connected(now, keys).is_err() {
                    return self.fail_link(now, place, TransportFailure::Dtls, services);
                }
                let (member, generation) = (member.key, link.generation);
                services
                    .events
                    .push_back(Event::Connected { member, generation });
                self.share_bandwidth(now, place, services);
            }
            TransportEvent::Reachable(true) => link.unreachable_since = None,
            TransportEvent::Reachable(false) => {
                link.unreachable_since.get_or_insert(now);
            }
            // The participant closed its peer connection and says on the
            // signalling link what comes next.
            TransportEvent::Closed => self.end_link(now, place, services),
            TransportEvent::Media { mid, rid, packet } => {
                if !member.policing.admit_ssrc(now, packet.ssrc) {
                    return;
                }
                self.forward(now, place, mid, rid, &packet, services);
            }
        }
    }

    fn handle_sender_event(&mut self, now: Instant, place: usize, event: SenderEvent) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        match event {
            SenderEvent::Estimate(bps) => {
                if let Some(link) = member.link.as_mut() {
                    link.estimate.tell(now, bps);
                    member.share_due = true;
                }
            }
            SenderEvent::Keyframe(mid) => self.take_keyframe_request(now, place, mid),
            SenderEvent::Dropped(mid) => {
                if let Some(slot) = member.table.on_mid(mid) {
                    slot.give_up(now);
                    // What it goes on with is asked for where that is decided.
                    member.share_due = true;
                }
            }
            SenderEvent::Nack(mid, seq) => self.resend(now, place, mid, seq),
        }
    }

    /// Takes a subscriber's request. One that another has asked for already is
    /// on its way: that costs nobody anything.
    fn take_keyframe_request(&mut self, now: Instant, place: usize, mid: MidName) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        let slot = member.table.on_mid(mid);
        let shown = slot.and_then(|slot| Some((slot.feed.publication()?, slot.current()?)));
        let Some((index, encoding)) = shown else {
            return;
        };
        let publication = self.publications.get(index);
        let asked = publication.and_then(|found| found.encodings.get(encoding));
        let is_wanted = asked.is_some_and(|asked| asked.keyframes.is_wanted());
        if !is_wanted && member.policing.admit_keyframe_request(now) {
            self.want_keyframe(now, index, encoding);
        }
    }

    pub(super) fn want_keyframe(&mut self, now: Instant, publication: usize, encoding: usize) {
        let found = self.publications.get_mut(publication);
        if let Some(encoding) =
            found.and_then(|publication| publication.encodings.get_mut(encoding))
        {
            encoding.keyframes.want();
            self.request_keyframes(now, publication);
        }
    }

    /// Sends a packet again that a subscriber has not got, if it is still kept
    /// for everybody.
    fn resend(&mut self, now: Instant, place: usize, mid: MidName, seq: u16) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        let Some((publication, located)) =
            member.table.on_mid(mid).and_then(|slot| slot.locate(seq))
        else {
            return;
        };
        let encodings = self
            .publications
            .get(publication)
            .map(|found| &found.encodings);
        let packet = encodings
            .and_then(|encodings| encodings.get(located.encoding))
            .and_then(|encoding| encoding.cache.get(located.seq));
        let Some(out) = packet.and_then(|packet| located.rewrite(packet)) else {
            return;
        };
        let params = member.table.on_mid(mid).map(|slot| slot.params);
        if let (Some(link), Some(params)) = (member.link.as_mut(), params) {
            link.sender.resend(now, params, out);
            self.mark_dirty(place);
        }
    }

    /// Forwards a packet to everybody who gets it. What comes on an m-line
    /// without publication, or from a muted one, goes nowhere.
    fn forward(
        &mut self,
        now: Instant,
        from: usize,
        mid: MidName,
        rid: Option<Rid>,
        packet: &MediaPacket,
        services: &mut Services,
    ) {
        services.counters.received += 1;
        let published = self.members.get(from).and_then(|member| {
            let on_mid = |publication: &&usize| self.publications[**publication].mid == mid;
            member.publications.iter().find(on_mid).copied()
        });
        let Some(index) = published else {
            services.counters.unpublished += 1;
            return;
        };
        let publication = &mut self.publications[index];
        let encoding = publication.encoding(rid);
        let fits = (clock_rate(packet.codec) == 90_000) == publication.source.is_video();
        let Some(encoding) = encoding.filter(|_| !publication.muted && fits) else {
            services.counters.unpublished += 1;
            return;
        };
        if !publication.across.is_empty() {
            self.cross(index, encoding, packet);
        }
        self.fan_out(now, index, encoding, packet, services);
    }

    /// Forwards a packet of a publication to everybody here who gets it.
    pub(super) fn fan_out(
        &mut self,
        now: Instant,
        index: usize,
        encoding: usize,
        packet: &MediaPacket,
        services: &mut Services,
    ) {
        let publication = &mut self.publications[index];
        let began = !publication.encodings[encoding].is_live(now);
        if publication.begins_stream(encoding, packet) {
            self.restart_stream(index, encoding);
        }
        let publication = &mut self.publications[index];
        publication.note(now, encoding, packet);
        if publication.source.is_video() {
            self.forward_video(now, index, encoding, packet, began, services);
        } else {
            self.forward_audio(now, index, packet, services);
        }
    }

    /// Lets everybody who gets an encoding begin it anew.
    fn restart_stream(&mut self, index: usize, encoding: usize) {
        let publication = &self.publications[index];
        for subscriber in &publication.subscribers {
            let Some(member) = self.members.get_mut(subscriber.member) else {
                continue;
            };
            if let Some(slot) = member.table.slots.get_mut(subscriber.slot)
                && slot.current() == Some(encoding)
            {
                slot.forget();
            }
            member.share_due = true;
        }
        if !publication.source.is_video() {
            for (_, member) in &mut self.members {
                member.audio.release(index);
            }
        }
    }

    fn forward_video(
        &mut self,
        now: Instant,
        index: usize,
        encoding: usize,
        packet: &MediaPacket,
        began: bool,
        services: &mut Services,
    ) {
        let subscribers = std::mem::take(&mut self.publications[index].subscribers);
        for subscriber in &subscribers {
            let Some(member) = self.members.get_mut(subscriber.member) else {
                continue;
            };
            // Another encoding to choose from.
            member.share_due |= began;
            let encodings = &self.publications[index].encodings;
            let sent = member.forward_video(now, subscriber.slot, encoding, packet, encodings);
            if sent > 0 {
                services.counters.forwarded += sent;
                services.turn.forwarded_pictures(encoding, sent);
                self.mark_dirty(subscriber.member);
            }
        }
        self.publications[index].subscribers = subscribers;
        if began {
            // Whoever waited for it could not be served before it came.
            self.request_keyframes(now, index);
        }
    }

    fn forward_audio(
        &mut self,
        now: Instant,
        index: usize,
        packet: &MediaPacket,
        services: &mut Services,
    ) {
        let publication = &mut self.publications[index];
        let origin = publication.origin;
        publication
            .loudness
            .update(packet.level.map_or(0, |level| level.loudness));
        let (loudness, publisher) = (publication.loudness, publication.member);
        let silent = packet.payload.len() <= SILENCE_BYTES;
        let camera = self.publication_of(publisher, conclave_sfu_wire::control::Source::Camera);
        for (place, member) in &mut self.members {
            if origin == Origin::Here(place) || member.connected().is_none() {
                continue;
            }
            let held = member.audio.slot_of(index);
            if held.is_none() && silent {
                continue;
            }
            let beside = camera.filter(|_| held.is_none()).and_then(|camera| {
                let shows =
                    |slot: &crate::subscription::VideoSlot| slot.feed.publication() == Some(camera);
                member.table.slots.iter().position(shows)
            });
            let (slot, start) = match member.audio.claim(now, index, loudness, beside) {
                Claim::Held(slot) => (slot, false),
                Claim::Taken(slot) => (slot, true),
                Claim::Refused => continue,
            };
            let sent = member.forward_audio(now, slot, start, packet);
            services.counters.forwarded += sent;
            services.turn.did_others(sent);
            if let Some(link) = member.link.as_mut().filter(|link| sent > 0 && !link.dirty) {
                link.dirty = true;
                self.dirty.push(place);
            }
        }
    }

    /// Ends a transport that has no path for too long.
    pub(super) fn check_reachable(&mut self, now: Instant, place: usize, services: &mut Services) {
        let Some(link) = self
            .members
            .get(place)
            .and_then(|member| member.link.as_ref())
        else {
            return;
        };
        let since = if link.transport.is_connected() {
            link.unreachable_since
        } else {
            Some(link.since)
        };
        let lost = since
            .is_some_and(|since| now.saturating_duration_since(since) >= super::upkeep::GIVE_UP);
        if lost {
            self.fail_link(now, place, TransportFailure::Ice, services);
        }
    }
}

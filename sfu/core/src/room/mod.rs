//! One room on one shard: who is in it and what the control plane may ask.

mod bandwidth;
mod caution;
#[cfg(debug_assertions)]
mod faults;
mod forward;
mod negotiate;
mod overload;
mod slots;
mod span;
mod upkeep;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{
    Event, MemberKey, MidName, PublishError, Rid, RoomKey, RoomPolicy, Source, TransportFailure,
    View,
};
use slab::Slab;

pub(crate) use caution::Believed;

use crate::crossing::Track;
use crate::member::{Link, Member};
use crate::publication::{Origin, Publication};
use crate::services::{Due, Place, Services};

/// How often a member's bandwidth, keyframes and demand are looked after.
const TICK: Duration = Duration::from_millis(100);

/// What is to be accepted as a source: [`conclave_sfu_wire::control::Command::Publish`].
#[derive(Clone, Copy)]
pub(crate) struct Publish {
    pub(crate) member: MemberKey,
    pub(crate) attempt: u32,
    pub(crate) mid: MidName,
    pub(crate) source: Source,
    pub(crate) muted: bool,
}

/// What an offer asks for: [`conclave_sfu_wire::control::Command::Offer`].
#[derive(Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub(crate) member: MemberKey,
    pub(crate) generation: u32,
    pub(crate) sdp: &'a str,
    pub(crate) relay_only: bool,
}

/// A room.
pub(crate) struct Room {
    key: RoomKey,
    index: usize,
    policy: RoomPolicy,
    members: Slab<Member>,
    by_key: BTreeMap<MemberKey, usize>,
    publications: Slab<Publication>,
    /// Members with packets to flush.
    dirty: Vec<usize>,
    /// The other shards that hold it, if any do.
    span: Option<Box<span::Span>>,
    report: upkeep::Report,
}

impl Room {
    /// Makes an empty room at place `index` of its shard.
    pub(crate) fn new(key: RoomKey, index: usize, policy: RoomPolicy) -> Self {
        Room {
            key,
            index,
            policy,
            members: Slab::new(),
            by_key: BTreeMap::new(),
            publications: Slab::new(),
            dirty: Vec::new(),
            span: None,
            report: upkeep::Report::default(),
        }
    }

    /// Returns the key.
    pub(crate) fn key(&self) -> RoomKey {
        self.key
    }

    /// Changes what the room allows; negotiated m-lines stay as they are.
    pub(crate) fn set_policy(&mut self, policy: RoomPolicy) {
        self.policy = policy;
    }

    /// Returns whether packets wait to be flushed.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || self.is_unsettled()
    }

    /// Returns the demultiplexer's entries of all transports.
    pub(crate) fn demux_entries(&self) -> impl Iterator<Item = usize> {
        self.members
            .iter()
            .filter_map(|(_, member)| Some(member.link.as_ref()?.entry))
    }

    /// Lets a participant have media.
    pub(crate) fn admit(&mut self, now: Instant, key: MemberKey, services: &mut Services) {
        if self.by_key.contains_key(&key) {
            return;
        }
        let member = self.members.insert(Member::new(now, key));
        self.by_key.insert(key, member);
        let place = Place {
            room: self.index,
            member,
            key,
        };
        services.schedule(now + TICK, Due::Tick(place));
    }

    /// Forgets a participant: its transport, publications and slots.
    pub(crate) fn remove(&mut self, now: Instant, key: MemberKey, services: &mut Services) {
        let Some(member) = self.by_key.remove(&key) else {
            return;
        };
        self.end_link(now, member, services);
        for publication in self.members[member].publications.clone() {
            self.end_publication(publication, services);
        }
        self.leave_slots(member);
        self.members.remove(member);
        self.reassign_all(now, services);
    }

    /// Ends every transport.
    pub(crate) fn close(&mut self, now: Instant, services: &mut Services) {
        for member in self.by_key.values().copied().collect::<Vec<_>>() {
            self.end_link(now, member, services);
        }
    }

    /// Accepts what comes on a sending m-line as `source`.
    pub(crate) fn publish(&mut self, now: Instant, publish: Publish, services: &mut Services) {
        let Publish {
            member,
            attempt,
            source,
            ..
        } = publish;
        let event = match self.try_publish(now, publish, services) {
            Ok(rids) => Event::Published {
                member,
                attempt,
                source,
                rids,
            },
            Err(error) => Event::PublishRefused {
                member,
                attempt,
                source,
                error,
            },
        };
        services.events.push_back(event);
        self.reassign_all(now, services);
    }

    fn try_publish(
        &mut self,
        now: Instant,
        publish: Publish,
        services: &mut Services,
    ) -> Result<Vec<Rid>, PublishError> {
        let Publish {
            member: key,
            mid,
            source,
            muted,
            ..
        } = publish;
        let place = *self.by_key.get(&key).ok_or(PublishError::UnknownMember)?;
        let member = &self.members[place];
        let lines = member
            .link
            .as_ref()
            .map(|link| link.lines.as_slice())
            .unwrap_or_default();
        let line = lines
            .iter()
            .find(|line| line.mid == mid)
            .ok_or(PublishError::UnknownMid)?;
        if line.video != source.is_video() {
            return Err(PublishError::WrongKind);
        }
        let mut rids = line.rids.clone();
        rids.sort_unstable();
        let mut of_source = None;
        for publication in &member.publications {
            let known = &self.publications[*publication];
            if known.source == source {
                of_source = Some(*publication);
            } else if known.mid == mid {
                return Err(PublishError::MidTaken);
            }
        }
        if let Some(former) = of_source {
            if self.publications[former].mid == mid {
                self.apply_muted(now, former, muted, services);
                return Ok(rids);
            }
            self.end_publication(former, services);
        }
        let origin = Origin::Here(place);
        let mut publication = Publication::new(now, origin, key, source, mid, muted);
        publication.set_encodings(now, &rids);
        let publication = self.publications.insert(publication);
        self.announce(publication);
        self.members[place].publications.push(publication);
        self.members[place].police(now);
        Ok(rids)
    }

    /// Mutes or unmutes a publication.
    pub(crate) fn set_muted(
        &mut self,
        now: Instant,
        key: MemberKey,
        source: Source,
        muted: bool,
        services: &mut Services,
    ) {
        if let Some(publication) = self.publication_of(key, source) {
            self.apply_muted(now, publication, muted, services);
        }
    }

    /// Ends a publication.
    pub(crate) fn unpublish(
        &mut self,
        now: Instant,
        key: MemberKey,
        source: Source,
        services: &mut Services,
    ) {
        if let Some(publication) = self.publication_of(key, source) {
            self.end_publication(publication, services);
            self.reassign_all(now, services);
        }
    }

    /// Replaces the pictures that a participant wishes to see.
    pub(crate) fn wish(
        &mut self,
        now: Instant,
        key: MemberKey,
        views: Vec<View>,
        services: &mut Services,
    ) {
        let Some(member) = self.by_key.get(&key).copied() else {
            return;
        };
        self.members[member].table.set_wishes(views);
        self.reassign(now, member, services);
        self.share_bandwidth(now, member, services);
    }

    /// Says whether the signalling link of a participant is up.
    pub(crate) fn set_link(
        &mut self,
        now: Instant,
        key: MemberKey,
        up: bool,
        services: &mut Services,
    ) {
        let Some(member) = self.by_key.get(&key).copied() else {
            return;
        };
        self.members[member].table.set_link(up);
        self.reassign(now, member, services);
    }

    fn apply_muted(
        &mut self,
        now: Instant,
        publication: usize,
        muted: bool,
        services: &mut Services,
    ) {
        let Some(changed) = self.publications.get_mut(publication) else {
            return;
        };
        if changed.muted == muted {
            return;
        }
        changed.set_muted(muted);
        self.tell_muted(publication);
        self.halt_publication(now, publication, services);
    }

    /// Stops a publication at everybody who gets it, what waits to be sent
    /// included. What comes next is taken as a new source: its numbers need not
    /// continue the old ones.
    fn halt_publication(&mut self, now: Instant, publication: usize, services: &mut Services) {
        let Some(halted) = self.publications.get(publication) else {
            return;
        };
        if halted.source.is_video() {
            for subscriber in halted.subscribers.clone() {
                if let Some(member) = self.members.get_mut(subscriber.member)
                    && let Some(slot) = member.table.slots.get_mut(subscriber.slot)
                {
                    slot.forget();
                    if let Some(link) = member.link.as_mut() {
                        link.sender.forget(&mut link.transport, slot.params);
                    }
                }
                self.share_bandwidth(now, subscriber.member, services);
            }
        } else {
            self.release_voice(publication);
        }
    }

    fn release_voice(&mut self, publication: usize) {
        for (_, member) in &mut self.members {
            member.release_voice(publication);
        }
    }

    fn end_publication(&mut self, publication: usize, services: &mut Services) {
        let Some(ended) = self.publications.try_remove(publication) else {
            return;
        };
        if let Origin::Here(publisher) = ended.origin
            && let Some(member) = self.members.get_mut(publisher)
        {
            member.publications.retain(|other| *other != publication);
        }
        self.tell_ended(&ended);
        self.release_voice(publication);
        self.vacate(publication, &ended, services);
    }

    /// Ends the transport of a participant, who stays.
    pub(crate) fn end_transport(&mut self, now: Instant, key: MemberKey, services: &mut Services) {
        if let Some(member) = self.by_key.get(&key).copied() {
            self.end_link(now, member, services);
        }
    }

    /// Ends the transport of a member; the member stays.
    fn end_link(&mut self, now: Instant, member: usize, services: &mut Services) {
        let Some(mut link) = self
            .members
            .get_mut(member)
            .and_then(|member| member.link.take())
        else {
            return;
        };
        link.sender.close(&mut link.transport, &mut services.arena);
        link.transport.close(now, &mut services.arena);
        services.demux.close(link.entry);
        link.count(&mut services.counters);
    }

    /// Ends a transport that failed, and tells.
    fn fail_link(
        &mut self,
        now: Instant,
        member: usize,
        failure: TransportFailure,
        services: &mut Services,
    ) {
        let Some(found) = self.members.get(member) else {
            return;
        };
        let Some(link) = &found.link else { return };
        let (key, generation) = (found.key, link.generation);
        if failure == TransportFailure::Panic {
            services.counters.panics += 1;
            tracing::error!(room = self.key.0, member = key.0, "a transport panicked");
        } else {
            tracing::debug!(
                room = self.key.0,
                member = key.0,
                ?failure,
                "a transport failed"
            );
        }
        self.end_link(now, member, services);
        services.events.push_back(Event::TransportFailed {
            member: key,
            generation,
            failure,
        });
    }

    fn publication_of(&self, key: MemberKey, source: Source) -> Option<usize> {
        let Some(place) = self.by_key.get(&key) else {
            let member = key;
            return self.publication_there(Track { member, source });
        };
        let member = self.members.get(*place)?;
        member
            .publications
            .iter()
            .copied()
            .find(|publication| self.publications[*publication].source == source)
    }

    /// Returns the member at a place, unless the place was given away.
    fn at(&self, place: Place) -> Option<usize> {
        let member = self.members.get(place.member)?;
        (member.key == place.key).then_some(place.member)
    }

    fn place(&self, member: usize) -> Place {
        let key = self
            .members
            .get(member)
            .map_or(MemberKey(0), |member| member.key);
        Place {
            room: self.index,
            member,
            key,
        }
    }
}

/// Returns the transport of a member. Takes the members alone, so that a
/// publication can be borrowed beside them.
fn link_in(members: &mut Slab<Member>, place: usize) -> Option<&mut Link> {
    members.get_mut(place)?.link.as_mut()
}

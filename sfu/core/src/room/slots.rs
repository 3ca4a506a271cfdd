//! Who feeds whose slots, and what each subscriber is told about it.

use std::time::Instant;

use conclave_sfu_wire::control::{Event, MemberKey, PauseReason, SlotState, Source};

use super::Room;
use crate::publication::{Publication, Subscriber};
use crate::services::Services;
use crate::subscription::{Change, Wanted};

impl Room {
    /// Lets slots flow whose subscriber has detached what they showed before.
    /// Nothing of that is left to be sent: the slots lost their queues when
    /// they changed hands.
    pub(crate) fn ack_slots(
        &mut self,
        now: Instant,
        key: MemberKey,
        rev: u32,
        services: &mut Services,
    ) {
        let Some(place) = self.by_key.get(&key).copied() else {
            return;
        };
        let member = &mut self.members[place];
        let slots = member.table.slots.iter_mut();
        let first_rtp_timestamps = slots
            .filter_map(|slot| Some((slot.params.mid, slot.acknowledge(now, rev)?)))
            .collect();
        services.events.push_back(Event::SlotsAcked {
            member: member.key,
            rev,
            first_rtp_timestamps,
        });
        self.share_bandwidth(now, place, services);
    }

    /// Gives the slots of everybody to what they wish: a publication came or went.
    pub(super) fn reassign_all(&mut self, now: Instant, services: &mut Services) {
        for member in self.by_key.values().copied().collect::<Vec<_>>() {
            self.reassign(now, member, services);
        }
    }

    /// Gives the slots of one member to what it wishes.
    pub(super) fn reassign(&mut self, now: Instant, place: usize, services: &mut Services) {
        let Some(member) = self.members.get(place) else {
            return;
        };
        let wanted: Vec<Wanted> = member
            .table
            .wishes()
            .iter()
            .filter(|view| view.member != member.key)
            .filter_map(|view| {
                let publication = self.publication_of(view.member, view.source)?;
                let voice = self.publication_of(view.member, Source::Microphone);
                let found = &self.publications[publication];
                Some(Wanted {
                    publication,
                    beside: voice
                        .filter(|_| view.source == Source::Camera)
                        .and_then(|voice| member.audio.slot_of(voice)),
                    paused: found.muted.then_some(PauseReason::Muted),
                })
            })
            .collect();
        let member = &mut self.members[place];
        let changes = member.table.reassign(now, &wanted);
        if changes.is_empty() {
            return;
        }
        member.share_due = true;
        self.apply_changes(place, &changes);
        self.push_slots(place, changes.iter().map(|change| change.slot), services);
    }

    /// Empties the slots that an ended publication fed.
    pub(super) fn vacate(
        &mut self,
        publication: usize,
        ended: &Publication,
        services: &mut Services,
    ) {
        let mut places: Vec<usize> = ended
            .subscribers
            .iter()
            .map(|subscriber| subscriber.member)
            .collect();
        places.dedup();
        for place in places {
            let Some(member) = self.members.get_mut(place) else {
                continue;
            };
            let changes = member.table.vacate(publication);
            member.share_due = true;
            if !changes.is_empty() {
                self.apply_changes(place, &changes);
                self.push_slots(place, changes.iter().map(|change| change.slot), services);
            }
        }
    }

    /// Takes a member off the lists of those whose pictures it gets.
    pub(super) fn leave_slots(&mut self, place: usize) {
        for (_, publication) in &mut self.publications {
            publication
                .subscribers
                .retain(|subscriber| subscriber.member != place);
        }
    }

    fn apply_changes(&mut self, place: usize, changes: &[Change]) {
        for change in changes {
            let subscriber = Subscriber {
                member: place,
                slot: change.slot,
            };
            if let Some(from) = change.from.and_then(|from| self.publications.get_mut(from)) {
                from.subscribers.retain(|other| *other != subscriber);
            }
            if let Some(to) = change.to.and_then(|to| self.publications.get_mut(to)) {
                to.subscribers.push(subscriber);
            }
            let member = &mut self.members[place];
            if let (Some(link), Some(slot)) =
                (member.link.as_mut(), member.table.slots.get(change.slot))
            {
                link.sender.forget(&mut link.transport, slot.params);
            }
        }
    }

    pub(super) fn push_slots(
        &mut self,
        place: usize,
        slots: impl Iterator<Item = usize>,
        services: &mut Services,
    ) {
        let member = &self.members[place];
        let slots: Vec<SlotState> = slots
            .filter_map(|slot| {
                let feed = member.table.slots.get(slot)?.feed.publication();
                let feed = feed
                    .and_then(|publication| self.publications.get(publication))
                    .map(|publication| (publication.member, publication.source));
                member.table.state(slot, feed)
            })
            .collect();
        let (member, rev) = (member.key, member.table.rev());
        services
            .events
            .push_back(Event::Slots { member, rev, slots });
    }
}

//! Who feeds whose slots, and what each subscriber is told about it.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Event, MemberKey, PauseReason, SlotState, Source};

use super::Room;
use crate::layers::{self, Demand, EncodingCost, Shares};
use crate::publication::{Publication, Subscriber};
use crate::services::Services;
use crate::subscription::{Change, Feed, Wanted};

/// Set aside per voice that is heard: Opus with its headers.
const AUDIO_BPS: u64 = 48_000;

/// How long a slot keeps its encoding before it climbs again. An estimate that
/// swings takes about this long to settle.
const CLIMB_AFTER: Duration = Duration::from_millis(1_500);

impl Room {
    /// Lets slots flow whose subscriber has detached what they showed before.
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
        let mut first_rtp_timestamps = Vec::new();
        for slot in &mut self.members[place].table.slots {
            if let Some(timestamp) = slot.acknowledge(now, rev) {
                first_rtp_timestamps.push((slot.params.mid, timestamp));
            }
        }
        services.events.push_back(Event::SlotsAcked {
            member: key,
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

    fn push_slots(
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

    /// Shares the bandwidth of one subscriber among its slots, asks for the
    /// keyframes that this needs, and tells what is paused.
    pub(super) fn share_bandwidth(&mut self, now: Instant, place: usize, services: &mut Services) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        member.share_due = false;
        member.shared_at = Some(now);
        let Some(link) = &member.link else { return };
        let voices = member.audio.in_use() as u64 * AUDIO_BPS;
        let budget = link.estimate_bps.saturating_sub(voices);
        let codecs = &link.video_codecs;
        let mut costs: Vec<Vec<EncodingCost>> = Vec::with_capacity(member.table.slots.len());
        let mut fed: Vec<(usize, usize)> = Vec::with_capacity(member.table.slots.len());
        let mut paused: Vec<(usize, PauseReason)> = Vec::new();
        for (index, slot) in member.table.slots.iter().enumerate() {
            let Some(place) = slot.feed.publication() else {
                continue;
            };
            let Some(publication) = self.publications.get(place) else {
                continue;
            };
            let supported = publication
                .codec
                .is_none_or(|codec| codecs.contains(&codec));
            if publication.muted {
                paused.push((index, PauseReason::Muted));
            } else if !supported {
                paused.push((index, PauseReason::CodecUnsupported));
            } else {
                let mut cost = Vec::with_capacity(publication.encodings.len());
                publication.costs(now, &mut cost);
                costs.push(cost);
                fed.push((index, place));
            }
        }
        let mut shares = Shares::default();
        let demands: Vec<Demand<'_>> = fed
            .iter()
            .zip(&costs)
            .filter_map(|((index, publication), encodings)| {
                let slot = &member.table.slots[*index];
                let publication = &self.publications[*publication];
                let wish = member.table.wish(publication.member, publication.source)?;
                Some(Demand {
                    priority: wish.priority,
                    max_height_px: wish.max_height_px,
                    encodings,
                    current: slot.level(),
                    may_climb: slot.is_settled(now, CLIMB_AFTER),
                })
            })
            .collect();
        layers::share(budget, &demands, &mut shares);
        for ((index, place), level) in fed.iter().zip(&shares.encodings) {
            let slot = &mut member.table.slots[*index];
            let publication = &mut self.publications[*place];
            slot.set_level(now, *level);
            match level {
                Some(level) => {
                    let effective = publication.effective(now, *level).unwrap_or(*level);
                    publication.want(now, *level);
                    publication.want(now, effective);
                    slot.set_target(Some(effective));
                    if matches!(slot.feed, Feed::Active { .. })
                        && let Some(awaited) = slot.awaits_keyframe()
                    {
                        publication.encodings[awaited].keyframes.want();
                    }
                }
                None => {
                    slot.set_target(None);
                    paused.push((*index, PauseReason::Bandwidth));
                }
            }
        }
        for (index, reason) in &paused {
            if *reason != PauseReason::Bandwidth {
                member.table.slots[*index].set_level(now, None);
                member.table.slots[*index].set_target(None);
            }
        }
        if let Some(link) = member.link.as_mut() {
            let sustain = shares.allocated_bps + shares.next_step_bps + voices;
            let desired = (shares.desired_bps + voices).max(sustain) * 5 / 4;
            link.sender
                .set_target(&mut link.transport, sustain, desired);
        }
        self.tell_paused(place, &paused, services);
        for (_, publication) in fed {
            self.request_keyframes(now, publication);
        }
    }

    fn tell_paused(
        &mut self,
        place: usize,
        paused: &[(usize, PauseReason)],
        services: &mut Services,
    ) {
        let member = &mut self.members[place];
        let mut told = Vec::new();
        for (index, slot) in member.table.slots.iter_mut().enumerate() {
            if slot.feed.publication().is_none() {
                continue;
            }
            let reason = paused
                .iter()
                .find(|(at, _)| *at == index)
                .map(|(_, reason)| *reason);
            if slot.paused != reason {
                slot.paused = reason;
                told.push(index);
            }
        }
        if !told.is_empty() {
            member.table.next_rev();
            self.push_slots(place, told.into_iter(), services);
        }
    }

    /// Sends the keyframe requests that are due for a publication.
    pub(super) fn request_keyframes(&mut self, now: Instant, publication: usize) {
        let Some(publication) = self.publications.get_mut(publication) else {
            return;
        };
        let (publisher, mid, muted) = (publication.publisher, publication.mid, publication.muted);
        let mut asked = false;
        for encoding in &mut publication.encodings {
            if !muted
                && encoding.is_live(now)
                && encoding.keyframes.poll(now)
                && let Some(link) = self
                    .members
                    .get_mut(publisher)
                    .and_then(|member| member.link.as_mut())
            {
                link.transport.request_keyframe(mid, encoding.rid);
                asked = true;
            }
        }
        if asked {
            self.mark_dirty(publisher);
        }
    }
}

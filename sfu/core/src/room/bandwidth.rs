//! Who gets which encoding out of one subscriber's bandwidth.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{PauseReason, View};

use super::{Room, link_in};
use crate::governor::Permit;
use crate::layers::{self, Demand, EncodingCost, Shares};
use crate::publication::Origin;
use crate::services::Services;

/// Set aside per voice that is heard: Opus with its headers.
const AUDIO_BPS: u64 = 48_000;

/// How long a slot keeps its encoding before it climbs again. An estimate that
/// swings takes about this long to settle.
const CLIMB_AFTER: Duration = Duration::from_millis(1_500);

/// How long the estimate must be short of what everybody's lowest encoding
/// costs before pictures are paused. On a line with loss or jitter it dips for
/// a moment again and again; a pause costs a keyframe, and seconds to climb.
const PAUSE_AFTER: Duration = Duration::from_secs(2);

/// What the pacer may look for above what everybody wants, in quarters: frames
/// vary, and a pacer that is told less than is sent queues for a second.
const DESIRED_QUARTERS: u64 = 5;

/// The pacer looks for up to this much even if less is wanted. It probes best
/// when a connection begins, mostly before anybody wants anything, and no
/// higher than what is desired then: with less, the estimate stays near what
/// happens to be sent, a little jitter pauses pictures, and a screen that is
/// shared waits for seconds. Never more than twice what is known to pass:
/// probes on a narrow line cost voices.
const PROVEN_BPS: u64 = 3_000_000;

/// A slot that is fed and could be sent.
struct Fed {
    slot: usize,
    publication: usize,
    costs: Vec<EncodingCost>,
}

/// How one subscriber's bandwidth is to be shared.
#[derive(Default)]
struct Plan {
    fed: Vec<Fed>,
    shares: Shares,
    paused: Vec<(usize, PauseReason)>,
    /// Publications and the encodings of them that may be sent but do not come.
    awaited: Vec<(usize, usize)>,
    unwished: Vec<usize>,
    voices_bps: u64,
    /// What it would cost to give everybody what they want, if the shard could.
    wanted_bps: u64,
    /// What the path takes.
    estimate_bps: u64,
    /// The estimate does not carry what is sent at the least.
    short: bool,
}

/// Returns what it costs to fulfil a wish.
fn wanted_bps(wish: &View, costs: &[EncodingCost]) -> u64 {
    let fills = |cost: &&EncodingCost| cost.height_px >= wish.max_height_px;
    let wanted = costs.iter().find(fills).or(costs.last());
    wanted.map_or(0, |cost| cost.bps)
}

impl Room {
    /// Shares the bandwidth of one subscriber among its slots, begins what can
    /// begin, asks for the keyframes that the rest needs, and tells what is paused.
    pub(super) fn share_bandwidth(&mut self, now: Instant, place: usize, services: &mut Services) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        member.share_due = false;
        member.shared_at = Some(now);
        let Some(plan) = self.plan(now, place, services.permit) else {
            return;
        };
        let member = &mut self.members[place];
        member.short_since = plan.short.then(|| member.short_since.unwrap_or(now));
        self.apply_plan(now, place, &plan, services);
        self.tell_paused(place, &plan.paused, services);
        for fed in &plan.fed {
            self.request_keyframes(now, fed.publication);
        }
    }

    fn plan(&mut self, now: Instant, place: usize, permit: Permit) -> Option<Plan> {
        let estimate_bps = link_in(&mut self.members, place)?.estimate.bps(now);
        let member = self.members.get(place)?;
        let link = member.link.as_ref()?;
        let mut plan = Plan {
            estimate_bps,
            voices_bps: member.audio.in_use() as u64 * AUDIO_BPS,
            ..Plan::default()
        };
        let mut wishes = Vec::new();
        for (index, slot) in member.table.slots.iter().enumerate() {
            let Some(at) = slot.feed.publication() else {
                continue;
            };
            let Some(publication) = self.publications.get(at) else {
                continue;
            };
            let Some(wish) = member.table.wish(publication.member, publication.source) else {
                // Wished no more, and kept only until the link is back.
                plan.unwished.push(index);
                continue;
            };
            let supported = |codec| link.video_codecs.contains(&codec);
            if publication.muted {
                plan.paused.push((index, PauseReason::Muted));
                continue;
            } else if !publication.codec.is_none_or(supported) {
                plan.paused.push((index, PauseReason::CodecUnsupported));
                continue;
            }
            let mut costs = Vec::with_capacity(publication.encodings.len());
            publication.costs(now, &mut costs);
            plan.wanted_bps += wanted_bps(wish, &costs);
            if let Some(highest) = permit.highest(member.key, index) {
                if publication
                    .effective(now, highest)
                    .is_some_and(|comes| comes > highest)
                {
                    plan.paused.push((index, PauseReason::Overload));
                    plan.awaited.push((at, highest));
                    continue;
                }
                costs.truncate(highest + 1);
                plan.fed.push(Fed {
                    slot: index,
                    publication: at,
                    costs,
                });
                wishes.push(*wish);
            } else {
                plan.paused.push((index, PauseReason::Overload));
            }
        }
        let demands: Vec<Demand<'_>> = plan
            .fed
            .iter()
            .zip(&wishes)
            .map(|(fed, wish)| {
                let slot = &member.table.slots[fed.slot];
                Demand {
                    priority: wish.priority,
                    max_height_px: wish.max_height_px,
                    encodings: &fed.costs,
                    current: slot.level().filter(|level| *level < fed.costs.len()),
                    may_climb: slot.is_settled(now, CLIMB_AFTER),
                }
            })
            .collect();
        let budget = estimate_bps.saturating_sub(plan.voices_bps);
        let lowest = |demand: &Demand<'_>| demand.encodings.first().map_or(0, |cost| cost.bps);
        let sent = demands.iter().filter(|demand| demand.current.is_some());
        let least = sent.map(lowest).sum();
        plan.short = budget < least;
        let bears = member
            .short_since
            .is_none_or(|since| now.saturating_duration_since(since) < PAUSE_AFTER);
        let budget = if bears { budget.max(least) } else { budget };
        layers::share(budget, &demands, &mut plan.shares);
        for (fed, level) in plan.fed.iter().zip(&plan.shares.encodings) {
            if level.is_none() {
                plan.paused.push((fed.slot, PauseReason::Bandwidth));
            }
        }
        Some(plan)
    }

    fn apply_plan(&mut self, now: Instant, place: usize, plan: &Plan, services: &mut Services) {
        let member = &mut self.members[place];
        let paused = plan.paused.iter().map(|(index, _)| index);
        for index in paused.chain(&plan.unwished) {
            member.table.slots[*index].set_level(now, None);
            member.table.slots[*index].set_target(None);
        }
        for (publication, encoding) in &plan.awaited {
            self.publications[*publication].want(now, *encoding);
        }
        let mut sent = 0;
        for (fed, level) in plan.fed.iter().zip(&plan.shares.encodings) {
            let Some(level) = *level else { continue };
            let publication = &mut self.publications[fed.publication];
            let effective = publication.effective(now, level).unwrap_or(level);
            publication.want(now, level);
            publication.want(now, effective);
            let slot = &mut member.table.slots[fed.slot];
            slot.set_level(now, Some(level));
            slot.set_target(Some(effective));
            let begun = member.switch_video(now, fed.slot, &publication.encodings);
            services.turn.forwarded_pictures(effective, begun);
            sent += begun;
            if let Some(awaited) = member.table.slots[fed.slot].awaits_keyframe() {
                publication.encodings[awaited].keyframes.want();
            }
        }
        if let Some(link) = member.link.as_mut() {
            let shares = &plan.shares;
            let sustain = shares.allocated_bps + shares.next_step_bps + plan.voices_bps;
            // What the shard does without says nothing about the path: what is
            // known of it is to be known still when there is time again.
            let desired = (plan.wanted_bps + plan.voices_bps).max(sustain) * DESIRED_QUARTERS / 4;
            let desired = desired.max(PROVEN_BPS.min(plan.estimate_bps * 2));
            link.sender
                .set_target(now, &mut link.transport, sustain, desired);
        }
        if sent > 0 {
            services.counters.forwarded += sent;
            self.mark_dirty(place);
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
    pub(super) fn request_keyframes(&mut self, now: Instant, index: usize) {
        let Some(publication) = self.publications.get_mut(index) else {
            return;
        };
        let Origin::Here(publisher) = publication.origin else {
            return self.ask_across(now, index);
        };
        if publication.muted {
            return;
        }
        let Some(link) = link_in(&mut self.members, publisher) else {
            return;
        };
        let mut asked = false;
        for encoding in &mut publication.encodings {
            if encoding.is_live(now) && encoding.keyframes.poll(now) {
                link.transport
                    .request_keyframe(publication.mid, encoding.rid);
                asked = true;
            }
        }
        if asked {
            self.mark_dirty(publisher);
        }
    }
}

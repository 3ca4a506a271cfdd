//! What is done from time to time: demand, keyframes, bandwidth, reports.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{Codec, Event, MemberKey, PauseReason, Source};

use super::{Room, TICK};
use crate::governor::Permit;
use crate::services::{Due, Place, Services};

/// Bandwidth is shared anew at least this often, because rates change.
const SHARE_EVERY: Duration = Duration::from_millis(500);

/// How long a transport may be without a path before it is given up: a phone
/// that changes networks and a person who walks through a lift come back.
pub(super) const GIVE_UP: Duration = Duration::from_secs(30);

/// At most this often it is told who speaks.
const SPEAKERS_EVERY: Duration = Duration::from_millis(300);

/// How often it is told how well everybody is connected (signalling protocol, section 16).
const QUALITY_EVERY: Duration = Duration::from_secs(2);

/// How long ICE and DTLS may take before they count as lost.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);

/// Most speakers that are told.
const SPEAKERS_MAX: usize = 8;

/// A change of loudness below this is no news.
const LEVEL_NEWS: u8 = 10;

/// What was last told to everybody.
#[derive(Debug, Default)]
pub(super) struct Report {
    speakers_at: Option<Instant>,
    speakers: Vec<(MemberKey, u8)>,
    quality_at: Option<Instant>,
    quality: Vec<(MemberKey, u8)>,
}

impl Room {
    /// Looks after one member, and after the room's reports.
    pub(crate) fn handle_tick(&mut self, now: Instant, place: Place, services: &mut Services) {
        let Some(member) = self.at(place) else { return };
        services.schedule(now + TICK, Due::Tick(place));
        for publication in self.members[member].publications.clone() {
            self.tell_demand(now, publication, services);
            self.request_keyframes(now, publication);
        }
        let found = &mut self.members[member];
        found.police(now);
        services.counters.refused += found.policing.take_refused();
        let counted = found.table.unacknowledged();
        found.table.count_unacknowledged(now);
        services.counters.unacknowledged_slots += found.table.unacknowledged() - counted;
        let shared = found.shared_at;
        let old = shared.is_none_or(|at| now.saturating_duration_since(at) >= SHARE_EVERY);
        if found.share_due || old {
            self.share_bandwidth(now, member, services);
        }
        self.check_reachable(now, member, services);
        self.tend_span(now, services);
        self.report_speakers(now, services);
        self.report_quality(now, services);
    }

    fn tell_demand(&mut self, now: Instant, publication: usize, services: &mut Services) {
        let Some(publication) = self.publications.get_mut(publication) else {
            return;
        };
        if !publication.source.is_video() {
            return;
        }
        if let Some(active) = publication.poll_demand(now) {
            let preferred = self
                .policy
                .video_codecs
                .first()
                .copied()
                .unwrap_or(Codec::Vp8);
            services.events.push_back(Event::Layers {
                member: publication.member,
                source: publication.source,
                active,
                codec: publication.codec.unwrap_or(preferred),
            });
        }
    }

    /// Tells who speaks, if this shard is the one to tell it.
    pub(super) fn report_speakers(&mut self, now: Instant, services: &mut Services) {
        if is_due(now, self.report.speakers_at, SPEAKERS_EVERY) && self.is_home() {
            self.report.speakers_at = Some(now);
            let speakers = self.speakers();
            if is_news(&self.report.speakers, &speakers) {
                self.report.speakers.clone_from(&speakers);
                services.events.push_back(Event::Speakers {
                    room: self.key,
                    speakers,
                });
            }
        }
    }

    fn report_quality(&mut self, now: Instant, services: &mut Services) {
        if is_due(now, self.report.quality_at, QUALITY_EVERY) {
            self.report.quality_at = Some(now);
            let permit = services.permit;
            let levels: Vec<_> = self
                .members
                .iter()
                .filter_map(|(place, member)| Some((member.key, self.quality(now, place, permit)?)))
                .collect();
            if levels != self.report.quality {
                self.report.quality.clone_from(&levels);
                services.events.push_back(Event::Quality {
                    room: self.key,
                    levels,
                });
            }
        }
    }

    fn speakers(&self) -> Vec<(MemberKey, u8)> {
        let mut speakers: Vec<_> = self
            .publications
            .iter()
            .map(|(_, publication)| publication)
            .filter(|publication| publication.source == Source::Microphone)
            .filter(|publication| !publication.muted && publication.loudness.is_speaking())
            .map(|publication| (publication.member, publication.loudness.level()))
            .collect();
        speakers.sort_by_key(|(member, level)| (std::cmp::Reverse(*level), *member));
        speakers.truncate(SPEAKERS_MAX);
        speakers
    }

    /// 0 lost, 1 poor (pictures paused), 2 fair (pictures lowered), 3 good.
    /// Nothing is said of who never had a transport or is just connecting. Nobody
    /// is fair while the shard gives something up: it lowers pictures itself then,
    /// and estimates take its lateness for that of a path.
    fn quality(&self, now: Instant, place: usize, permit: Permit) -> Option<u8> {
        let member = self.members.get(place)?;
        let Some(link) = &member.link else {
            return (member.generation > 0).then_some(0);
        };
        if !link.transport.is_connected() {
            // Still on its way, or it never arrives.
            let late = now.saturating_duration_since(link.since) >= HANDSHAKE_PATIENCE;
            return late.then_some(0);
        }
        if link.unreachable_since.is_some() {
            return Some(0);
        }
        let slots = &member.table.slots;
        if slots
            .iter()
            .any(|slot| slot.paused == Some(PauseReason::Bandwidth))
        {
            return Some(1);
        }
        if permit != Permit::FULL {
            return Some(3);
        }
        let lowered = slots
            .iter()
            .filter_map(|slot| Some((slot.feed.publication()?, slot.level()?)));
        let lowered = lowered.into_iter().any(|(publication, level)| {
            let Some(publication) = self.publications.get(publication) else {
                return false;
            };
            let wish = member.table.wish(publication.member, publication.source);
            let mut costs = Vec::new();
            publication.costs(now, &mut costs);
            wish.is_some_and(|wish| {
                level + 1 < costs.len()
                    && costs
                        .get(level)
                        .is_some_and(|cost| cost.height_px < wish.max_height_px)
            })
        });
        Some(if lowered { 2 } else { 3 })
    }
}

fn is_due(now: Instant, last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| now.saturating_duration_since(last) >= every)
}

fn is_news(before: &[(MemberKey, u8)], now: &[(MemberKey, u8)]) -> bool {
    before.len() != now.len()
        || before
            .iter()
            .zip(now)
            .any(|((was, was_level), (is, level))| {
                was != is || was_level.abs_diff(*level) >= LEVEL_NEWS
            })
}

//! What members do without while the shard has too much to do.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{MidName, Rid};

use super::Room;
use crate::governor::Permit;
use crate::publication::Subscriber;
use crate::services::{Place, Services};

/// Pictures that waited longer than this in a socket are not worth the work on
/// them: with the way to us and from us they would be shown a quarter of a
/// second late, and what comes behind them would wait as well. Less would drop
/// what a machine that stood still for a moment can still serve.
const TOO_LATE: Duration = Duration::from_millis(150);

impl Room {
    /// Drops a datagram that `waited` in its socket for too long if it seems to
    /// be a picture: before it is opened, for that is most of the work on one
    /// that nobody gets. Sound is never too late. Returns whether it is dropped.
    pub(crate) fn drops_late(
        &mut self,
        now: Instant,
        place: Place,
        waited: Duration,
        datagram: &[u8],
        services: &mut Services,
    ) -> bool {
        if waited <= TOO_LATE {
            return false;
        }
        let link = self
            .at(place)
            .and_then(|member| self.members[member].link.as_ref());
        let Some(link) = link.filter(|link| link.transport.seems_a_picture(datagram)) else {
            return false;
        };
        services.counters.pictures_late += 1;
        if let Some((mid, rid)) = link.transport.seems_to_be_of(datagram) {
            self.mend_gap(now, place.member, mid, rid);
        }
        true
    }

    /// Asks for a keyframe of an encoding that lacks something, if anybody gets
    /// it, here or on another shard: what comes behind the gap cannot be shown
    /// without what was in it.
    fn mend_gap(&mut self, now: Instant, publisher: usize, mid: MidName, rid: Option<Rid>) {
        let of_mid = |index: &usize| {
            let publication = self.publications.get(*index);
            publication.is_some_and(|publication| publication.mid == mid)
        };
        let Some(index) = self.members[publisher]
            .publications
            .iter()
            .find(|it| of_mid(it))
        else {
            return;
        };
        let (index, publication) = (*index, &self.publications[*index]);
        let Some(encoding) = publication.encoding(rid) else {
            return;
        };
        let gets_it = |subscriber: &Subscriber| {
            let member = self.members.get(subscriber.member);
            let slot = member.and_then(|member| member.table.slots.get(subscriber.slot));
            slot.is_some_and(|slot| slot.current() == Some(encoding))
        };
        let mut across = publication.across.iter();
        if publication.subscribers.iter().any(gets_it)
            || across.any(|it| it.wanted.contains(encoding))
        {
            self.want_keyframe(now, index, encoding);
        }
    }

    /// Stops what may not be sent any more, what of it waits to be sent
    /// included; it goes on with a keyframe of what may be. Who lost something,
    /// or may have more than `before`, gets its share anew at its next tick.
    pub(crate) fn apply_permit(&mut self, before: Permit, services: &mut Services) {
        for (_, member) in &mut self.members {
            for (index, slot) in member.table.slots.iter_mut().enumerate() {
                let highest = services.permit.highest(member.key, index);
                if highest == before.highest(member.key, index) || slot.feed.publication().is_none()
                {
                    continue;
                }
                member.share_due = true;
                let is_over = |encoding: usize| Some(encoding) > highest;
                let current = slot.current();
                if current.is_some_and(is_over) {
                    slot.forget();
                    slot.set_target(None);
                    services.counters.pictures_stopped += 1;
                    if let Some(link) = member.link.as_mut() {
                        link.sender.forget(&mut link.transport, slot.params);
                    }
                } else if slot.awaits_keyframe().is_some_and(is_over) {
                    slot.set_target(current);
                }
            }
        }
    }
}

//! The queue of hands, as each participant is told it.

use std::sync::Arc;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::hands::{HandQueue, QueuedHand};
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::push::Push;

use crate::member::Member;
use crate::output::Notice;
use crate::room::Room;
use crate::room::roster::is_conspicuous;

impl Room {
    /// Writes all hands as those see them who see everybody.
    fn queue(&self) -> HandQueue {
        let places = self.hands.places(self.settings.hands).into_iter();
        let hands = places.filter_map(|place| {
            Some(QueuedHand {
                participant: self.members.get(&place.who)?.face.id,
                position: place.position,
                raised_at: place.raised_at,
                round: place.round,
                called_until: place.called_until,
            })
        });
        HandQueue {
            hands: hands.collect(),
        }
    }

    /// Returns the raised hands that a participant sees.
    pub(super) fn hands_for(&self, member: &Member) -> HandQueue {
        let mut queue = self.queue();
        queue.hands.retain(|hand| {
            let key = self.ids.get(&hand.participant);
            let other = key.and_then(|key| self.members.get(key));
            other.is_some_and(|other| self.is_shown(member, &other.face))
        });
        queue
    }

    /// Takes note of what somebody has learnt of the hands by coming in.
    pub(super) fn remember_hands(&mut self, key: MemberKey) {
        if self.hands.is_empty() {
            return;
        }
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let told = heard(&Notice::new(self.hands_for(member)));
        if let Some(member) = self.members.get_mut(&key) {
            member.hands_told = told;
        }
    }

    /// Tells somebody the hands whose last link may not have heard of them.
    pub(super) fn tell_hands_again(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        // What it was told last it may not have heard, that all are down included.
        if !self.hands.was_used() {
            return;
        }
        let notice = Notice::new(self.hands_for(member));
        if let Some(member) = self.members.get_mut(&key) {
            member.hands_told = heard(&notice);
        }
        self.tell(key, &notice);
    }

    /// Tells everybody the hands that it sees, if they are not what it was told.
    pub(super) fn tell_hands(&mut self) {
        if !std::mem::take(&mut self.hands_stale) {
            return;
        }
        let whole = Notice::new(self.queue());
        // Those who do not see everybody mostly see the same: it is written once.
        let mut conspicuous = None;
        let keys: Vec<MemberKey> = self.members.keys().copied().collect();
        for key in keys {
            let Some(member) = self.members.get(&key) else {
                continue;
            };
            let notice = if member.permissions.contains(Permission::RosterSee) {
                Arc::clone(&whole)
            } else if self.hands.is_up(key) && !is_conspicuous(&member.face) {
                Notice::new(self.hands_for(member))
            } else {
                let same = conspicuous.get_or_insert_with(|| Notice::new(self.hands_for(member)));
                Arc::clone(same)
            };
            let told = member.hands_told.as_ref().map(|told| told.push());
            let heard = heard(&notice);
            if told == heard.as_ref().map(|notice| notice.push()) {
                continue;
            }
            if let Some(member) = self.members.get_mut(&key) {
                member.hands_told = heard;
            }
            self.tell(key, &notice);
        }
    }

    /// Notes that others see somebody whom they did not see, or the reverse.
    pub(super) fn note_sight(&mut self, key: Option<MemberKey>) {
        self.hands_stale |= !self.hands.is_empty();
        self.spotlight_stale |= key.is_some_and(|key| self.spotlight.contains(&key));
    }
}

/// Returns what is remembered of a queue that somebody is told: nothing of an empty one.
fn heard(notice: &Arc<Notice>) -> Option<Arc<Notice>> {
    match notice.push() {
        Push::HandQueue(queue) if queue.hands.is_empty() => None,
        _ => Some(Arc::clone(notice)),
    }
}

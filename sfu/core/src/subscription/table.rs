//! The video slots of one participant and the wishes that fill them.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::{MemberKey, MidName, PauseReason, SlotState, Source, View};

use super::slot::{Feed, VideoSlot};

/// How long a subscriber has to acknowledge before the slot counts as unanswered.
const ACK_PATIENCE: Duration = Duration::from_secs(2);

/// Most views of a wish that are kept. There are at most 24 m-lines, and a wish
/// may come before the slots that it is for.
const WISHES_MAX: usize = 24;

/// A picture that a wish asks for and that exists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Where the publication is in the room.
    pub(crate) publication: usize,
    /// The index of the audio slot that carries the same person.
    pub(crate) beside: Option<usize>,
    /// Why it cannot be sent at all, if so.
    pub(crate) paused: Option<PauseReason>,
}

/// The video slots of one participant.
#[derive(Debug, Default)]
pub(crate) struct SlotTable {
    /// In the order of the m-lines.
    pub(crate) slots: Vec<VideoSlot>,
    wishes: Vec<View>,
    rev: u32,
    /// A slot is due to change hands as soon as the signalling link is back.
    link_down: bool,
    unacknowledged: u64,
}

/// A slot that changed hands: what it leaves and what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// Index of the slot.
    pub(crate) slot: usize,
    /// The publication that it leaves.
    pub(crate) from: Option<usize>,
    /// The publication that it gets.
    pub(crate) to: Option<usize>,
}

impl SlotTable {
    /// Takes the slots of a new peer connection, all empty.
    pub(crate) fn renew(&mut self, slots: Vec<VideoSlot>) {
        self.slots = slots;
    }

    /// Replaces the wishes, dropping what asks twice for one picture.
    pub(crate) fn set_wishes(&mut self, views: Vec<View>) {
        self.wishes.clear();
        for view in views {
            let same = |other: &View| (other.member, other.source) == (view.member, view.source);
            if self.wishes.len() < WISHES_MAX && !self.wishes.iter().any(same) {
                self.wishes.push(view);
            }
        }
    }

    /// Says whether slots may change hands.
    pub(crate) fn set_link(&mut self, up: bool) {
        self.link_down = !up;
    }

    /// Returns the slot of an m-line.
    pub(crate) fn on_mid(&mut self, mid: MidName) -> Option<&mut VideoSlot> {
        self.slots.iter_mut().find(|slot| slot.params.mid == mid)
    }

    /// Returns the wish for a picture.
    pub(crate) fn wish(&self, member: MemberKey, source: Source) -> Option<&View> {
        self.wishes
            .iter()
            .find(|view| (view.member, view.source) == (member, source))
    }

    /// Returns all wishes.
    pub(crate) fn wishes(&self) -> &[View] {
        &self.wishes
    }

    /// Gives the slots to what is wanted, in order. A picture that has a slot
    /// keeps it. Nothing changes hands while the signalling link is down,
    /// because nobody could say what shows in the place of what.
    pub(crate) fn reassign(&mut self, now: Instant, wanted: &[Wanted]) -> Vec<Change> {
        if self.link_down {
            return Vec::new();
        }
        let mut targets: Vec<Option<Wanted>> = vec![None; self.slots.len()];
        let mut homeless: Vec<Wanted> = Vec::new();
        for want in wanted.iter().take(self.slots.len()) {
            let holds = |slot: &VideoSlot| slot.feed.publication() == Some(want.publication);
            match self.slots.iter().position(holds) {
                Some(index) => targets[index] = Some(*want),
                None => homeless.push(*want),
            }
        }
        for want in homeless {
            let is_free = |index: &usize| targets.get(*index).is_some_and(Option::is_none);
            let place = want
                .beside
                .filter(is_free)
                .or_else(|| (0..targets.len()).find(is_free));
            if let Some(place) = place {
                targets[place] = Some(want);
            }
        }
        let next_rev = self.rev + 1;
        let mut changes = Vec::new();
        for (index, (slot, target)) in self.slots.iter_mut().zip(&targets).enumerate() {
            let (from, to) = (slot.feed.publication(), target.map(|want| want.publication));
            if from == to {
                continue;
            }
            slot.assign(match to {
                Some(publication) => Feed::Waiting {
                    publication,
                    rev: next_rev,
                    since: now,
                    counted: false,
                },
                None => Feed::Empty,
            });
            slot.paused = target.and_then(|want| want.paused);
            changes.push(Change {
                slot: index,
                from,
                to,
            });
        }
        if !changes.is_empty() {
            self.rev = next_rev;
        }
        changes
    }

    /// Empties every slot that a publication feeds; it ended. This needs no
    /// link: a slot that empties shows nobody.
    pub(crate) fn vacate(&mut self, publication: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.feed.publication() == Some(publication) {
                slot.assign(Feed::Empty);
                slot.paused = Some(PauseReason::SourceEnded);
                changes.push(Change {
                    slot: index,
                    from: Some(publication),
                    to: None,
                });
            }
        }
        if !changes.is_empty() {
            self.rev += 1;
        }
        changes
    }

    /// Counts a push that changes no feed, and returns its number.
    pub(crate) fn next_rev(&mut self) -> u32 {
        self.rev += 1;
        self.rev
    }

    /// Returns the number of the last push.
    pub(crate) fn rev(&self) -> u32 {
        self.rev
    }

    /// Describes one slot, given what feeds it.
    pub(crate) fn state(
        &self,
        slot: usize,
        feed: Option<(MemberKey, Source)>,
    ) -> Option<SlotState> {
        let slot = self.slots.get(slot)?;
        Some(SlotState {
            mid: slot.params.mid,
            feed,
            paused: slot.paused,
        })
    }

    /// Counts slots whose subscriber did not acknowledge in time. They stay
    /// empty until it does.
    pub(crate) fn count_unacknowledged(&mut self, now: Instant) {
        for slot in &mut self.slots {
            if let Feed::Waiting {
                since,
                counted: counted @ false,
                ..
            } = &mut slot.feed
                && now.saturating_duration_since(*since) >= ACK_PATIENCE
            {
                *counted = true;
                self.unacknowledged += 1;
            }
        }
    }

    /// Returns how many slots waited in vain for longer than two seconds.
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.unacknowledged
    }
}

#[cfg(test)]
mod tests;

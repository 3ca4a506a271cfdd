//! What members do without while the shard has too much to do.

use super::Room;
use crate::governor::Permit;
use crate::services::Services;

impl Room {
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

//! What devices were given in the meeting that goes on.

use conclave_sfu_wire::control::MemberKey;

use crate::digest::DeviceHash;
use crate::record::{Change, Standing};
use crate::room::Room;
use crate::standings::Kept;

impl Room {
    /// Keeps what a participant was given: to be called after its role or its
    /// exceptions changed.
    pub(super) fn note_standing(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let face = (member.face.role, member.face.custom_role.clone());
        let given = (face != member.by_claim).then_some(face);
        let overrides = self.live_overrides(member);
        self.change_standing(member.device, |standing| {
            (standing.role, standing.custom_role) = match given {
                Some((role, custom_role)) => (Some(role), custom_role),
                None => (None, None),
            };
            standing.overrides = overrides;
        });
    }

    /// Counts that a device was removed from this meeting: whatever it shows, it
    /// waits when it comes again. Returns how often it was removed.
    pub(super) fn note_removal(&mut self, device: DeviceHash) -> u32 {
        let mut removals = 0;
        self.change_standing(device, |standing| {
            standing.removals = standing.removals.saturating_add(1);
            standing.admitted = false;
            removals = standing.removals;
        });
        removals
    }

    /// Records that somebody of a device is gone.
    pub(super) fn note_left(&mut self, device: &DeviceHash) {
        if self.standing_of(device).is_some() {
            self.change_standing(*device, |_| {});
        }
    }

    /// Returns what a device was given, as long as it counts.
    pub(super) fn standing_of(&self, device: &DeviceHash) -> Option<&Standing> {
        self.standings.of(self.time(), self.session_since, device)
    }

    /// Changes and keeps what a device was given.
    pub(super) fn change_standing(
        &mut self,
        device: DeviceHash,
        change: impl FnOnce(&mut Standing),
    ) {
        let (now, since) = (self.time(), self.session_since);
        let mut members = self.members.values();
        let left_at = (!members.any(|member| member.device == device)).then_some(now);
        let kept = self.standings.change(now, since, device, |standing| {
            change(standing);
            standing.left_at = left_at;
        });
        match kept {
            None => {}
            Some(Kept::Changed(standing)) => self.persist(Change::Standing(standing)),
            Some(Kept::Gone(device)) => self.persist(Change::StandingGone(device)),
        }
    }

    /// Forgets what counts no longer.
    pub(super) fn expire_standings(&mut self) {
        for device in self.standings.expire(self.time(), self.session_since) {
            self.persist(Change::StandingGone(device));
        }
    }
}

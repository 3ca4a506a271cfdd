//! What devices were given in a meeting, for when they come back.

use std::collections::BTreeMap;

use conclave_signalling_wire::limits::STANDING_KEPT;
use conclave_signalling_wire::time::Timestamp;

use crate::clock::later;
use crate::digest::DeviceHash;
use crate::record::Standing;

/// Devices of which a room remembers something: each was admitted, moderated or
/// removed by somebody. Beyond them those away for longest are forgotten.
const STANDINGS: usize = 2000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    kept: BTreeMap<DeviceHash, Standing>,
}

impl Standings {
    /// Takes what was kept. Who was in when the server stopped left at `now`;
    /// those standings are returned, to be kept so: else each restart, or each
    /// time that the room is opened again, would give them more time.
    pub(crate) fn new(kept: Vec<Standing>, now: Timestamp) -> (Self, Vec<Standing>) {
        let mut changed = Vec::new();
        let kept = kept.into_iter().map(|mut standing| {
            if standing.left_at.is_none() {
                standing.left_at = Some(now);
                changed.push(standing.clone());
            }
            (standing.device, standing)
        });
        let kept = kept.collect();
        (Standings { kept }, changed)
    }

    /// Returns what a device has, as long as it counts: while the meeting that
    /// began at `since` goes on, and for a while after it left.
    pub(crate) fn of(
        &self,
        now: Timestamp,
        since: Option<Timestamp>,
        device: &DeviceHash,
    ) -> Option<&Standing> {
        let standing = self.kept.get(device)?;
        counts(standing, now, since).then_some(standing)
    }

    /// Walks through what counts.
    pub(crate) fn live(
        &self,
        now: Timestamp,
        since: Option<Timestamp>,
    ) -> impl Iterator<Item = &Standing> {
        let kept = self.kept.values();
        kept.filter(move |standing| counts(standing, now, since))
    }

    /// Changes what a device has. Returns it if it is to be kept, `None` if
    /// there is nothing to keep and was nothing.
    pub(crate) fn change(
        &mut self,
        now: Timestamp,
        since: Option<Timestamp>,
        device: DeviceHash,
        change: impl FnOnce(&mut Standing),
    ) -> Option<Kept> {
        let before = self.kept.remove(&device);
        let current = before
            .clone()
            .filter(|standing| counts(standing, now, since));
        let mut standing = current.unwrap_or_else(|| Standing::new(device));
        change(&mut standing);
        if is_worthless(&standing) {
            return before.map(|_| Kept::Gone(device));
        }
        if before.as_ref() == Some(&standing) {
            self.kept.insert(device, standing);
            return None;
        }
        self.kept.insert(device, standing.clone());
        Some(Kept::Changed(Box::new(standing)))
    }

    /// Returns whether there are more than are to be remembered.
    pub(crate) fn is_over_full(&self) -> bool {
        self.kept.len() > STANDINGS
    }

    /// Forgets what counts no longer, and what is too much. Returns whose.
    pub(crate) fn expire(&mut self, now: Timestamp, since: Option<Timestamp>) -> Vec<DeviceHash> {
        let ended = self
            .kept
            .extract_if(.., |_, standing| !counts(standing, now, since));
        let mut gone: Vec<DeviceHash> = ended.map(|(device, _)| device).collect();
        let excess = self.kept.len().saturating_sub(STANDINGS);
        if excess > 0 {
            let mut away: Vec<_> = self
                .kept
                .values()
                .filter_map(|standing| Some((standing.left_at?, standing.device)))
                .collect();
            away.sort_unstable();
            away.truncate(excess);
            for (_, device) in away {
                self.kept.remove(&device);
                gone.push(device);
            }
        }
        gone
    }
}

/// What has to be kept of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// This.
    Changed(Box<Standing>),
    /// Nothing any more.
    Gone(DeviceHash),
}

fn counts(standing: &Standing, now: Timestamp, since: Option<Timestamp>) -> bool {
    standing.left_at.is_none_or(|left| {
        since.is_some_and(|since| since <= left) || now < later(left, STANDING_KEPT)
    })
}

fn is_worthless(standing: &Standing) -> bool {
    standing.role.is_none()
        && standing.overrides.is_empty()
        && standing.name.is_none()
        && !standing.admitted
        && !standing.sent_back
        && standing.removals == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_signalling_wire::objects::Role;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000_000_000);
    const DEVICE: DeviceHash = DeviceHash([1; 32]);

    fn given(role: Role) -> impl FnOnce(&mut Standing) {
        move |standing| standing.role = Some(role)
    }

    #[test]
    fn what_was_given_counts_while_the_meeting_goes_on_and_for_a_while_after() {
        let mut standings = Standings::default();
        assert!(
            standings
                .change(NOW, Some(NOW), DEVICE, given(Role::Presenter))
                .is_some()
        );
        let left = later(NOW, Duration::from_secs(60));
        standings.change(left, Some(NOW), DEVICE, |standing| {
            standing.left_at = Some(left)
        });
        let soon = later(left, STANDING_KEPT - Duration::from_millis(1));
        let late = later(left, STANDING_KEPT);
        assert!(standings.of(late, Some(NOW), &DEVICE).is_some());
        assert!(standings.of(soon, None, &DEVICE).is_some());
        assert!(standings.of(late, None, &DEVICE).is_none());
        // Another meeting, which began after it had left.
        assert!(standings.of(late, Some(soon), &DEVICE).is_none());
        assert!(standings.expire(soon, None).is_empty());
        assert_eq!(standings.expire(late, None), [DEVICE]);
    }

    #[test]
    fn a_crash_is_a_leave() {
        let mut standings = Standings::default();
        let Some(Kept::Changed(kept)) =
            standings.change(NOW, Some(NOW), DEVICE, given(Role::Presenter))
        else {
            panic!("not kept")
        };
        let restart = later(NOW, Duration::from_secs(3600));
        let (standings, changed) = Standings::new(vec![*kept], restart);
        assert_eq!(changed[0].left_at, Some(restart));
        assert!(
            Standings::new(changed, later(restart, Duration::from_secs(9)))
                .1
                .is_empty()
        );
        assert!(standings.of(restart, None, &DEVICE).is_some());
        let late = later(restart, STANDING_KEPT);
        assert!(standings.of(late, None, &DEVICE).is_none());
    }

    #[test]
    fn what_is_worth_nothing_is_not_kept() {
        let mut standings = Standings::default();
        assert_eq!(standings.change(NOW, None, DEVICE, |_| {}), None);
        standings.change(NOW, None, DEVICE, given(Role::Presenter));
        assert_eq!(
            standings.change(NOW, None, DEVICE, given(Role::Presenter)),
            None
        );
        assert_eq!(
            standings.change(NOW, None, DEVICE, |standing| standing.role = None),
            Some(Kept::Gone(DEVICE))
        );
        assert_eq!(standings.change(NOW, None, DEVICE, |_| {}), None);
    }

    #[test]
    fn those_away_for_longest_are_forgotten_first() {
        let mut standings = Standings::default();
        for number in 0..STANDINGS as u64 + 2 {
            let mut device = [0; 32];
            device[..8].copy_from_slice(&number.to_be_bytes());
            standings.change(NOW, Some(NOW), DeviceHash(device), |standing| {
                standing.admitted = true;
                standing.left_at = (number > 0).then(|| later(NOW, Duration::from_millis(number)));
            });
        }
        let gone = standings.expire(NOW, Some(NOW));
        assert_eq!(gone.len(), 2);
        assert!(
            gone.iter()
                .all(|device| device.0[7] == 1 || device.0[7] == 2)
        );
    }
}

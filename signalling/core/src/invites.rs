//! The invites of a room: what each still lets in, and what its use leaves behind.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::invite::{InviteInfo, InviteState};
use conclave_signalling_wire::limits::{INVITE_USES, INVITES, INVITES_OWN};
use conclave_signalling_wire::objects::{Identity, Role};
use conclave_signalling_wire::time::Timestamp;

use crate::clock::later;
use crate::digest::{DeviceHash, InviteHash};
use crate::record::{Actor, Invite};

/// Invites, revoked ones included, that a room remembers.
const KEPT: usize = 2 * INVITES;
/// How long after a meeting its devices come again by an invite that is used up.
const GRACE: Duration = Duration::from_secs(600);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct InviteList {
    invites: BTreeMap<InviteId, Invite>,
    ids: BTreeMap<InviteHash, InviteId>,
}

impl InviteList {
    pub(crate) fn new(invites: Vec<Invite>) -> Self {
        let ids = invites.iter().map(|invite| (invite.hash, invite.id));
        InviteList {
            ids: ids.collect(),
            invites: invites
                .into_iter()
                .map(|invite| (invite.id, invite))
                .collect(),
        }
    }

    pub(crate) fn get(&self, id: &InviteId) -> Option<&Invite> {
        self.invites.get(id)
    }

    /// Finds the invite of a secret.
    pub(crate) fn by_hash(&self, hash: &InviteHash) -> Option<&Invite> {
        self.invites.get(self.ids.get(hash)?)
    }

    /// Walks through them, the newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Invite> {
        self.invites.values().rev()
    }

    /// Adds one. Returns one that is forgotten for it, of those taken back.
    ///
    /// # Errors
    /// The room, or who made it, has as many as it may.
    pub(crate) fn add(&mut self, invite: Invite) -> Result<Option<InviteId>, ErrorCode> {
        let live = || {
            let all = self.invites.values();
            all.filter(|known| known.revoked_at.is_none())
        };
        if live().count() >= INVITES {
            return Err(ErrorCode::Conflict);
        }
        if !invite.vouched {
            let unvouched = || live().filter(|known| !known.vouched);
            let own = unvouched().filter(|known| known.maker == invite.maker);
            if own.count() >= INVITES_OWN || unvouched().count() >= INVITES / 2 {
                return Err(ErrorCode::Conflict);
            }
        }
        self.ids.insert(invite.hash, invite.id);
        self.invites.insert(invite.id, invite);
        if self.invites.len() <= KEPT {
            return Ok(None);
        }
        let mut revoked = self.invites.values();
        let oldest = revoked.find(|known| known.revoked_at.is_some());
        let gone = oldest.map(|known| (known.id, known.hash));
        if let Some((id, hash)) = gone {
            self.invites.remove(&id);
            self.ids.remove(&hash);
        }
        Ok(gone.map(|(id, _)| id))
    }

    /// Returns those of a maker that hold, known by its device or by who it was.
    pub(crate) fn made_by(&self, device: &DeviceHash, who: Actor) -> Vec<InviteId> {
        let live = self.invites.values().filter(|known| {
            let is_own = known.maker == Some(*device) || known.created_by == who;
            is_own && known.revoked_at.is_none()
        });
        live.map(|known| known.id).collect()
    }

    /// Returns those that hold and that somebody made under this very name.
    pub(crate) fn held_by(&self, maker: Actor) -> Vec<InviteId> {
        let live = self.invites.values();
        live.filter(|known| known.created_by == maker && known.revoked_at.is_none())
            .map(|known| known.id)
            .collect()
    }

    /// Puts one in the place of what it was before. Its secret is the same.
    pub(crate) fn replace(&mut self, invite: Invite) {
        debug_assert_eq!(self.ids.get(&invite.hash), Some(&invite.id));
        self.invites.insert(invite.id, invite);
    }

    /// Takes one back for good. Returns it unless it was taken back before.
    pub(crate) fn revoke(&mut self, now: Timestamp, id: InviteId) -> Option<&Invite> {
        let invite = self.invites.get_mut(&id)?;
        if invite.revoked_at.is_some() {
            return None;
        }
        invite.revoked_at = Some(now);
        Some(invite)
    }

    /// Records that one let a device in. Returns it as it is then.
    pub(crate) fn used(
        &mut self,
        now: Timestamp,
        id: InviteId,
        device: DeviceHash,
    ) -> Option<&Invite> {
        let invite = self.invites.get_mut(&id)?;
        if !invite.devices.contains(&device) {
            invite.uses = invite.uses.saturating_add(1);
            // One for everybody and any number remembers nobody.
            let remembers =
                invite.max_uses.is_some() || invite.bind_device && invite.devices.is_empty();
            if remembers && invite.devices.len() < INVITE_USES as usize {
                invite.devices.push(device);
            }
        }
        invite.last_used_at = Some(now);
        Some(invite)
    }

    /// Records that a meeting ended that began at `since`: from here on the time
    /// runs in which the devices of used up invites may come again. Returns the
    /// invites that this concerns.
    pub(crate) fn meeting_ended(&mut self, now: Timestamp, since: Timestamp) -> Vec<Invite> {
        let limited = self.invites.values_mut().filter(|invite| {
            invite.max_uses.is_some() && invite.last_used_at.is_some_and(|used| used >= since)
        });
        limited
            .map(|invite| {
                invite.last_used_at = Some(now);
                invite.clone()
            })
            .collect()
    }
}

/// Returns how an invite stands.
pub(crate) fn state(invite: &Invite, now: Timestamp) -> InviteState {
    if invite.revoked_at.is_some() {
        InviteState::Revoked
    } else if invite.expires_at.is_some_and(|until| until <= now) {
        InviteState::Expired
    } else if invite.not_before.is_some_and(|from| now < from) {
        InviteState::NotYet
    } else if is_used_up(invite) {
        InviteState::UsedUp
    } else {
        InviteState::Active
    }
}

fn is_used_up(invite: &Invite) -> bool {
    invite.max_uses.is_some_and(|most| invite.uses >= most)
}

/// Judges whether an invite lets a device in. `goes_on` says whether a meeting
/// goes on in which this device has a part.
///
/// # Errors
/// Why it does not.
pub(crate) fn judge(
    invite: &Invite,
    now: Timestamp,
    device: &DeviceHash,
    goes_on: bool,
) -> Result<(), ErrorCode> {
    match state(invite, now) {
        InviteState::Revoked => return Err(ErrorCode::InviteRevoked),
        InviteState::Expired => return Err(ErrorCode::InviteExpired),
        InviteState::NotYet => return Err(ErrorCode::InviteNotYet),
        InviteState::UsedUp | InviteState::Active => {}
    }
    let is_known = invite.devices.contains(device);
    if invite.bind_device && !invite.devices.is_empty() && !is_known {
        return Err(ErrorCode::InviteUsedUp);
    }
    if !is_used_up(invite) {
        return Ok(());
    }
    let is_recent = invite
        .last_used_at
        .is_some_and(|used| now <= later(used, GRACE));
    if is_known && (goes_on || is_recent) {
        Ok(())
    } else {
        Err(ErrorCode::InviteUsedUp)
    }
}

/// Returns whether an invite is for one person.
pub(crate) fn is_personal(invite: &Invite) -> bool {
    invite.max_uses == Some(1) || invite.name.is_some()
}

/// Returns how well its holder is known: no better than by who made it.
pub(crate) fn identity(invite: &Invite) -> Identity {
    if is_personal(invite) && invite.vouched {
        Identity::Invited
    } else {
        Identity::Guest
    }
}

/// Returns whether a ban on whoever used it bans the invite as well.
pub(crate) fn can_be_banned(invite: &Invite) -> bool {
    is_personal(invite) && invite.role != Role::Host
}

/// Returns what those see of it who see the list.
pub(crate) fn describe(invite: &Invite, now: Timestamp) -> InviteInfo {
    InviteInfo {
        id: invite.id,
        role: invite.role,
        custom_role: invite.custom_role.clone(),
        name: invite.name.clone(),
        name_locked: invite.name_locked,
        max_uses: invite.max_uses,
        uses: invite.uses,
        not_before: invite.not_before,
        expires_at: invite.expires_at,
        bypass_lobby: invite.bypass_lobby,
        bind_device: invite.bind_device,
        note: invite.note.clone(),
        state: state(invite, now),
        created_at: invite.created_at,
        created_by: invite.created_by.participant(),
        last_used_at: invite.last_used_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000_000_000_000);

    fn invite() -> Invite {
        Invite {
            id: InviteId::new(1, [1; 10]),
            hash: InviteHash([1; 32]),
            role: Role::Attendee,
            custom_role: None,
            name: None,
            name_locked: false,
            max_uses: None,
            devices: Vec::new(),
            uses: 0,
            not_before: None,
            expires_at: None,
            bypass_lobby: false,
            bind_device: false,
            note: None,
            created_by: Actor::Operator,
            maker: None,
            vouched: true,
            created_at: NOW,
            last_used_at: None,
            revoked_at: None,
        }
    }

    fn list(invite: Invite) -> (InviteList, InviteId) {
        let id = invite.id;
        (InviteList::new(vec![invite]), id)
    }

    fn device(number: u8) -> DeviceHash {
        DeviceHash([number; 32])
    }

    fn try_at(list: &InviteList, id: InviteId, now: Timestamp, who: u8) -> Result<(), ErrorCode> {
        judge(list.get(&id).unwrap(), now, &device(who), false)
    }

    #[test]
    fn it_holds_from_its_beginning_until_its_end_and_not_when_revoked() {
        let (mut invites, id) = list(Invite {
            not_before: Some(later(NOW, Duration::from_secs(10))),
            expires_at: Some(later(NOW, Duration::from_secs(20))),
            ..invite()
        });
        let at = |seconds| later(NOW, Duration::from_secs(seconds));
        assert_eq!(try_at(&invites, id, at(9), 1), Err(ErrorCode::InviteNotYet));
        assert_eq!(try_at(&invites, id, at(10), 1), Ok(()));
        assert_eq!(
            try_at(&invites, id, at(20), 1),
            Err(ErrorCode::InviteExpired)
        );
        assert!(invites.revoke(NOW, id).is_some());
        assert!(invites.revoke(NOW, id).is_none());
        assert_eq!(
            try_at(&invites, id, at(10), 1),
            Err(ErrorCode::InviteRevoked)
        );
    }

    #[test]
    fn one_for_two_is_used_up_by_two_devices_who_come_again_for_a_while() {
        let (mut invites, id) = list(Invite {
            max_uses: Some(2),
            ..invite()
        });
        for who in [1, 1, 2] {
            assert_eq!(try_at(&invites, id, NOW, who), Ok(()));
            invites.used(NOW, id, device(who));
        }
        assert_eq!(invites.get(&id).unwrap().uses, 2);
        assert_eq!(state(invites.get(&id).unwrap(), NOW), InviteState::UsedUp);
        assert_eq!(try_at(&invites, id, NOW, 3), Err(ErrorCode::InviteUsedUp));
        // The meeting lasts an hour and then ends.
        let end = later(NOW, Duration::from_secs(3600));
        assert_eq!(
            judge(invites.get(&id).unwrap(), end, &device(1), true),
            Ok(())
        );
        assert_eq!(invites.meeting_ended(end, NOW).len(), 1);
        assert_eq!(try_at(&invites, id, later(end, GRACE), 1), Ok(()));
        let late = later(end, GRACE + Duration::from_millis(1));
        assert_eq!(try_at(&invites, id, late, 1), Err(ErrorCode::InviteUsedUp));
    }

    #[test]
    fn a_bound_one_holds_for_its_first_device_only() {
        let (mut invites, id) = list(Invite {
            bind_device: true,
            ..invite()
        });
        invites.used(NOW, id, device(1));
        let in_a_year = later(NOW, Duration::from_secs(31_536_000));
        assert_eq!(try_at(&invites, id, in_a_year, 1), Ok(()));
        assert_eq!(try_at(&invites, id, NOW, 2), Err(ErrorCode::InviteUsedUp));
    }

    #[test]
    fn one_for_any_number_remembers_nobody() {
        let (mut invites, id) = list(invite());
        for who in 0..9 {
            invites.used(NOW, id, device(who));
        }
        let used = invites.get(&id).unwrap();
        assert_eq!((used.uses, used.devices.len()), (9, 0));
        assert!(invites.meeting_ended(NOW, NOW).is_empty());
    }

    #[test]
    fn a_room_has_a_bound_on_those_that_are_not_revoked() {
        let mut invites = InviteList::default();
        let make = |number: usize| Invite {
            id: InviteId::new(number as u64, [0; 10]),
            hash: {
                let mut hash = [0; 32];
                hash[..8].copy_from_slice(&number.to_be_bytes());
                InviteHash(hash)
            },
            ..invite()
        };
        for number in 0..INVITES {
            assert_eq!(invites.add(make(number)), Ok(None));
        }
        assert_eq!(invites.add(make(INVITES)), Err(ErrorCode::Conflict));
        invites.revoke(NOW, make(0).id);
        assert_eq!(invites.add(make(INVITES)), Ok(None));
        assert_eq!(
            invites.by_hash(&make(INVITES).hash).map(|one| one.id),
            Some(make(INVITES).id)
        );
        // Revoked ones are remembered for a while, not for ever.
        for number in 1..2 * INVITES {
            invites.revoke(NOW, make(number).id);
            let gone = invites.add(make(INVITES + number));
            let oldest = number.checked_sub(INVITES).map(|number| make(number).id);
            assert_eq!(gone, Ok(oldest), "{number}");
        }
        assert!(invites.newest_first().count() <= KEPT);
    }
}

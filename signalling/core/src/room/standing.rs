//! What devices were given in the meeting that goes on.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::objects::{Effect, Role};
use conclave_signalling_wire::text::{DisplayName, RoleName};

use crate::digest::{DeviceHash, NetworkTag};
use crate::lobby::Visitor;
use crate::member::Member;
use crate::record::{Change, Standing};
use crate::room::Room;
use crate::standings::Kept;

/// A role, and the custom role that goes with it.
pub(super) type Given = (Role, Option<RoleName>);

/// By what somebody resembles one who must not come in unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// It comes from the same network.
    Network,
    /// It shows the same invite.
    Invite,
}

/// Writes down that a device was admitted by somebody: as what it was admitted
/// it comes again, also where that is less than it was given before.
pub(super) fn note_admission(standing: &mut Standing, given: Given, by_claim: &Given) {
    standing.admitted = true;
    standing.sent_back = false;
    if given != *by_claim || standing.role.is_some() {
        (standing.role, standing.custom_role) = (Some(given.0), given.1);
    }
}

impl Room {
    /// Keeps what a participant was given: to be called after its role or its
    /// exceptions changed.
    pub(super) fn note_standing(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let face = (member.face.role, member.face.custom_role.clone());
        let given = (face != member.by_claim).then_some(face);
        let overrides = self.lasting_overrides(key, member);
        let invite = member.invite;
        self.change_standing(member.device, |standing| {
            standing.invite = invite.or(standing.invite);
            (standing.role, standing.custom_role) = match given {
                Some((role, custom_role)) => (Some(role), custom_role),
                None => (None, None),
            };
            standing.overrides = overrides;
        });
    }

    /// Counts that the device of a participant was removed from this meeting:
    /// whatever it shows, it waits when it comes again, and nothing is left of
    /// what it was given. What was taken from it stays taken. Returns how often
    /// it was removed.
    pub(super) fn note_removal(&mut self, key: MemberKey) -> u32 {
        let Some(member) = self.members.get(&key) else {
            return 0;
        };
        let (by_claim, trace) = (member.by_claim.0, Trace::of(member));
        let mut removals = 0;
        self.change_standing(member.device, |standing| {
            standing.removals = standing.removals.saturating_add(1);
            standing.role = standing.role.filter(|role| by_claim.outranks(*role));
            standing.custom_role = None;
            let overrides = &mut standing.overrides;
            overrides.retain(|known| known.effect == Effect::Deny);
            trace.leave_in(standing);
            removals = standing.removals;
        });
        removals
    }

    /// Keeps that somebody was sent back to the lobby.
    pub(super) fn note_sent_back(&mut self, key: MemberKey) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let trace = Trace::of(member);
        self.change_standing(member.device, |standing| {
            standing.sent_back = true;
            trace.leave_in(standing);
        });
    }

    /// Keeps the name that somebody else gave to a participant; `None` for one
    /// that it chose itself.
    pub(super) fn note_name(&mut self, key: MemberKey, name: Option<DisplayName>) {
        let Some(device) = self.members.get(&key).map(|member| member.device) else {
            return;
        };
        if name.is_some() || self.standing_of(&device).is_some() {
            self.change_standing(device, |standing| standing.name = name);
        }
    }

    /// Lets nobody skip the lobby any more who came in by an invite.
    pub(super) fn note_revoked(&mut self, invite: InviteId) {
        self.amend_standings(|standing| {
            standing.admitted &= standing.invite != Some(invite);
        });
    }

    /// Forgets what was given to devices in a meeting that was ended by will: it is
    /// not for the next one, which may begin at once. What was taken stays taken.
    pub(super) fn note_ended(&mut self) {
        let usual = self.settings.default_role;
        self.amend_standings(|standing| {
            standing.admitted = false;
            standing.role = standing.role.filter(|role| usual.outranks(*role));
            standing.custom_role = None;
            let overrides = &mut standing.overrides;
            overrides.retain(|known| known.effect == Effect::Deny);
        });
    }

    /// Changes what counts of any device, without a word on where it is.
    fn amend_standings(&mut self, change: impl Fn(&mut Standing)) {
        let (now, since) = (self.time(), self.session_since);
        let live = self.standings.live(now, since);
        let devices: Vec<_> = live.map(|standing| standing.device).collect();
        for device in devices {
            let kept = self.standings.change(now, since, device, &change);
            self.keep_standing(kept);
        }
    }

    /// Returns by what somebody may be one who was removed from this meeting, sent
    /// back or made less, under another device key.
    pub(super) fn likeness(
        &self,
        visitor: &Visitor,
        invite: Option<InviteId>,
        by_claim: Role,
    ) -> Option<Likeness> {
        let live = self.standings.live(self.time(), self.session_since);
        let others = live.filter(|standing| standing.device != visitor.device);
        let likenesses = others.filter_map(|standing| {
            let is_out = !standing.admitted && (standing.removals > 0 || standing.sent_back);
            let is_less = standing.role.is_some_and(|role| by_claim.outranks(role));
            let is_same = invite.is_some() && standing.invite == invite;
            let is_near = || {
                let network = standing.network;
                network.is_some_and(|network| visitor.networks.contains(&network))
            };
            match is_same && (is_out || is_less) {
                true => Some(Likeness::Invite),
                false => (is_out && is_near()).then_some(Likeness::Network),
            }
        });
        likenesses.max()
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
        self.keep_standing(kept);
        if self.standings.is_over_full() {
            self.expire_standings();
        }
    }

    fn keep_standing(&mut self, kept: Option<Kept>) {
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

/// By what somebody is known again who must not come back unseen.
struct Trace {
    invite: Option<InviteId>,
    network: Option<NetworkTag>,
}

impl Trace {
    fn of(member: &Member) -> Self {
        Trace {
            invite: member.invite,
            network: member.networks.first().copied(),
        }
    }

    fn leave_in(self, standing: &mut Standing) {
        standing.admitted = false;
        standing.invite = self.invite.or(standing.invite);
        standing.network = self.network.or(standing.network);
    }
}

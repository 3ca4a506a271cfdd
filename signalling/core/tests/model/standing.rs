//! The model of what devices were given, and keep.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_core::record::Standing;
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::permission::Effect;

use crate::model::{Model, Visitor, at};
use crate::rules;
use crate::rules::is_live;

impl Model {
    pub(crate) fn counts(&self, standing: &Standing) -> bool {
        standing.left_at.is_none_or(|left| {
            let left = left.unix_ms();
            self.session_since.is_some_and(|since| since <= left) || self.now < left + 300_000
        })
    }

    pub(crate) fn standing(&self, device: &DeviceHash) -> Option<&Standing> {
        let known = self.standings.get(device)?;
        self.counts(known).then_some(known)
    }

    pub(crate) fn change_standing(
        &mut self,
        device: DeviceHash,
        change: impl FnOnce(&mut Standing),
    ) {
        let blank = Standing::new(device);
        let mut standing = self.standing(&device).cloned().unwrap_or(blank);
        change(&mut standing);
        let is_in = self.people.values().any(|person| person.device == device);
        standing.left_at = (!is_in).then(|| at(self.now));
        self.keep_standing(standing);
    }

    /// Changes what somebody has, wherever it is.
    pub(crate) fn amend_standing(
        &mut self,
        device: DeviceHash,
        change: impl FnOnce(&mut Standing),
    ) {
        if let Some(mut standing) = self.standing(&device).cloned() {
            change(&mut standing);
            self.keep_standing(standing);
        }
    }

    pub(crate) fn keep_standing(&mut self, standing: Standing) {
        let is_worth_keeping = standing.role.is_some()
            || !standing.overrides.is_empty()
            || standing.name.is_some()
            || standing.admitted
            || standing.sent_back
            || standing.removals > 0;
        if is_worth_keeping {
            self.standings.insert(standing.device, standing);
        } else {
            self.standings.remove(&standing.device);
        }
    }

    /// What a removal or a way back to the lobby leaves of somebody.
    pub(crate) fn mark(&mut self, key: MemberKey, is_removed: bool) {
        let person = self.people[&key].clone();
        self.change_standing(person.device, |standing| {
            standing.admitted = false;
            standing.invite = person.invite.or(standing.invite);
            standing.network = person.networks.first().copied().or(standing.network);
            if !is_removed {
                standing.sent_back = true;
                return;
            }
            standing.removals += 1;
            let by_claim = person.by_claim.0;
            standing.role = standing
                .role
                .filter(|role| rules::outranks(by_claim, *role));
            standing.custom_role = None;
            let overrides = &mut standing.overrides;
            overrides.retain(|known| known.effect == Effect::Deny);
        });
    }

    /// Whether somebody may be one who is not wanted: by its invite, or else by its network.
    pub(crate) fn likeness(
        &self,
        visitor: &Visitor,
        invite: Option<InviteId>,
        by_claim: Role,
    ) -> bool {
        self.standings.values().any(|known| {
            let counts = known.device != visitor.device && self.counts(known);
            let is_out = !known.admitted && (known.removals > 0 || known.sent_back);
            let is_less = known
                .role
                .is_some_and(|role| rules::outranks(by_claim, role));
            let is_same = invite.is_some() && known.invite == invite;
            let mut networks = visitor.networks.iter();
            let is_near = networks.any(|network| known.network == Some(*network));
            counts && (is_out && (is_same || is_near) || is_less && is_same)
        })
    }

    /// Remembers what somebody was given.
    pub(crate) fn note_standing(&mut self, key: MemberKey) {
        let person = self.people[&key].clone();
        let lasting = self.lasting(key);
        let now = self.now;
        self.change_standing(person.device, |standing| {
            let is_given = (person.role, &person.custom) != (person.by_claim.0, &person.by_claim.1);
            standing.invite = person.invite.or(standing.invite);
            standing.role = is_given.then_some(person.role);
            standing.custom_role = person.custom.clone().filter(|_| is_given);
            standing.overrides = lasting;
            standing.overrides.retain(|known| is_live(known, now));
        });
    }

    pub(crate) fn note_left(&mut self, device: DeviceHash) {
        if self.standing(&device).is_some() {
            self.change_standing(device, |_| {});
        }
    }
}

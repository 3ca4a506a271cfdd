//! What participants may do, and who may act on whom.

use std::time::Instant;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::moderation::{PermissionsChanged, PermissionsReason};
use conclave_signalling_wire::objects::{Override, Permission, Role};

use crate::member::Member;
use crate::origin::Prefix;
use crate::output::Notice;
use crate::permission::{PermissionSet, decide, is_live, may_act_on, may_assign, permissions_of};
use crate::record::Actor;
use crate::room::Room;

/// On whose authority something is done about the room itself: somebody in it,
/// who manages it without being in it, or the operator.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) actor: Actor,
    pub(super) prefix: Option<Prefix>,
    pub(super) role: Role,
    pub(super) permissions: PermissionSet,
}

impl Authority {
    /// Asks for a permission.
    pub(super) fn require(&self, permission: Permission) -> Result<(), ErrorBody> {
        if self.permissions.contains(permission) {
            Ok(())
        } else {
            Err(ErrorCode::Forbidden.into())
        }
    }

    /// Returns that of whoever runs the server, all of it.
    pub(super) fn of_operator(actor: Actor) -> Self {
        Authority {
            actor,
            prefix: None,
            role: Role::Host,
            permissions: PermissionSet::all(),
        }
    }

    /// Returns whether it reaches somebody of a role: one below, or anybody for
    /// whoever runs the server.
    pub(super) fn may_act_on(&self, target: Role) -> bool {
        self.is_operator() || may_act_on(self.role, target)
    }

    /// Returns whether it may give a role to somebody of another.
    pub(super) fn may_assign(&self, target: Role, role: Role) -> bool {
        self.is_operator() || may_assign(self.role, target, role)
    }

    /// Returns whether it is that of whoever runs the server: on the command
    /// line, by a key or by the configuration. It stands above every host.
    pub(super) fn is_operator(&self) -> bool {
        match self.actor {
            Actor::Operator | Actor::Key(_) | Actor::Configuration => true,
            Actor::Participant(_) | Actor::Link(_) | Actor::Invite(_) | Actor::Room => false,
        }
    }
}

impl Room {
    /// Returns the authority of a participant, as it is in this step.
    pub(super) fn authority_of(&self, key: MemberKey) -> Result<Authority, ErrorBody> {
        let member = self.members.get(&key).ok_or(ErrorCode::NotFound)?;
        Ok(Authority {
            actor: Actor::Participant(member.face.id),
            prefix: Some(member.prefix),
            role: member.face.role,
            permissions: self.evaluate(member),
        })
    }

    /// Returns everything that a participant may do at present.
    pub(super) fn evaluate(&self, member: &Member) -> PermissionSet {
        permissions_of(&self.settings, &member.subject(), self.time())
    }

    /// Gives somebody who comes in what it may do, and shows what it may not publish.
    pub(super) fn endow(&self, member: &mut Member) {
        member.overrides = self.live_overrides(member);
        member.permissions = self.evaluate(member);
        member.face.sources = member.publications.sources(member.permissions);
    }

    /// Returns the exceptions of a participant that have not ended.
    pub(super) fn live_overrides(&self, member: &Member) -> Vec<Override> {
        let now = self.time();
        let live = member.overrides.iter().filter(|known| is_live(known, now));
        live.cloned().collect()
    }

    /// Asks for a permission of a participant. What it was told last does not
    /// count: an exception may have ended since.
    pub(super) fn require(&self, key: MemberKey, permission: Permission) -> Result<(), ErrorBody> {
        let member = self.members.get(&key).ok_or(ErrorCode::NotFound)?;
        let decision = decide(&self.settings, &member.subject(), self.time(), permission);
        if decision.allowed {
            Ok(())
        } else {
            Err(ErrorCode::Forbidden.into())
        }
    }

    /// Asks for a permission of anybody to act on a participant, whom it must outrank.
    pub(super) fn reach(
        &self,
        by: &Authority,
        permission: Permission,
        target: ParticipantId,
    ) -> Result<MemberKey, ErrorBody> {
        by.require(permission)?;
        self.reach_lower(by, target)
    }

    /// Asks that somebody outranks a participant. Whom it does not see is not there.
    pub(super) fn reach_lower(
        &self,
        by: &Authority,
        target: ParticipantId,
    ) -> Result<MemberKey, ErrorBody> {
        let found = *self.ids.get(&target).ok_or(ErrorCode::NotFound)?;
        if !self.sees(by, target) {
            return Err(ErrorCode::NotFound.into());
        }
        let member = self.members.get(&found).ok_or(ErrorCode::NotFound)?;
        if by.may_act_on(member.face.role) {
            Ok(found)
        } else {
            Err(ErrorCode::Forbidden.into())
        }
    }

    /// Returns whether somebody sees a participant: from outside one sees everybody.
    pub(super) fn sees(&self, by: &Authority, target: ParticipantId) -> bool {
        match by.actor {
            Actor::Participant(own) => {
                let own = self.ids.get(&own);
                own.is_some_and(|own| self.is_known_to(*own, target))
            }
            _ => true,
        }
    }

    /// Asks for a permission of a participant to act on another, whom it must outrank.
    pub(super) fn require_on(
        &self,
        key: MemberKey,
        permission: Permission,
        target: ParticipantId,
    ) -> Result<MemberKey, ErrorBody> {
        self.require(key, permission)?;
        self.require_rank(key, target)
    }

    /// Asks that a participant outranks another. Whom it does not see is not there.
    pub(super) fn require_rank(
        &self,
        key: MemberKey,
        target: ParticipantId,
    ) -> Result<MemberKey, ErrorBody> {
        let found = *self.ids.get(&target).ok_or(ErrorCode::NotFound)?;
        let (actor, other) = (self.members.get(&key), self.members.get(&found));
        if !self.is_known_to(key, target) {
            return Err(ErrorCode::NotFound.into());
        }
        match (actor, other) {
            (Some(actor), Some(other)) if may_act_on(actor.face.role, other.face.role) => Ok(found),
            _ => Err(ErrorCode::Forbidden.into()),
        }
    }

    /// Makes what a participant may do true everywhere after something that it
    /// depends on has changed: in the media plane, in what others see, and in
    /// what it was told. A change of the room that does not concern it is not told.
    pub(super) fn refresh(
        &mut self,
        key: MemberKey,
        by: Option<ParticipantId>,
        reason: PermissionsReason,
    ) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let permissions = self.evaluate(member);
        let overrides = self.live_overrides(member);
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        let before = std::mem::replace(&mut member.permissions, permissions);
        let changed = PermissionsChanged {
            role: member.face.role,
            custom_role: member.face.custom_role.clone(),
            permissions: permissions.to_vec(),
            overrides,
            by,
            reason,
        };
        self.enforce(key, by);
        self.update_sources(key);
        if permissions != before || reason != PermissionsReason::RoomChanged {
            self.tell(key, &Notice::new(changed));
        }
        self.show_anew(key, before);
        if !permissions.contains(Permission::HandRaise) {
            self.lower_waiting(key);
        }
    }

    /// Refreshes everybody.
    pub(super) fn refresh_all(&mut self, by: Option<ParticipantId>, reason: PermissionsReason) {
        let keys: Vec<MemberKey> = self.members.keys().copied().collect();
        for key in keys {
            self.refresh(key, by, reason);
        }
    }

    /// Takes exceptions away whose time is over.
    pub(super) fn expire_overrides(&mut self) {
        let now = self.time();
        let is_over = |known: &Override| !is_live(known, now);
        let keys: Vec<MemberKey> = self
            .members
            .iter()
            .filter(|(_, member)| member.overrides.iter().any(is_over))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            if let Some(member) = self.members.get_mut(&key) {
                member.overrides.retain(|known| !is_over(known));
            }
            self.refresh(key, None, PermissionsReason::OverrideChanged);
        }
    }

    /// Returns when [`Room::expire_overrides`] next has something to do.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let members = self.members.values();
        let ends = members.flat_map(|member| &member.overrides);
        let first = ends.filter_map(|known| known.expires_at).min()?;
        Some(self.clock.when(first))
    }
}

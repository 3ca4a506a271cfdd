//! What participants may do, and who may act on whom.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::objects::{Override, Permission, Role};
use conclave_signalling_wire::text::RoleName;

use crate::member::Member;
use crate::origin::Prefix;
use crate::permission::{PermissionSet, is_live, may_act_on, permissions_of};
use crate::record::Actor;
use crate::room::Room;

/// On whose authority something is done about the room itself: somebody in it,
/// who manages it without being in it, or the operator.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    pub(super) actor: Actor,
    pub(super) prefix: Option<Prefix>,
    pub(super) role: Role,
    pub(super) custom_role: Option<RoleName>,
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
}

impl Room {
    /// Returns the authority of a participant.
    pub(super) fn authority_of(&self, key: MemberKey) -> Result<Authority, ErrorBody> {
        let member = self.members.get(&key).ok_or(ErrorCode::NotFound)?;
        Ok(Authority {
            actor: Actor::Participant(member.face.id),
            prefix: Some(member.prefix),
            role: member.face.role,
            custom_role: member.face.custom_role.clone(),
            permissions: member.permissions,
        })
    }

    /// Returns everything that a participant may do at present.
    pub(super) fn evaluate(&self, member: &Member) -> PermissionSet {
        permissions_of(&self.settings, &member.subject(), self.time())
    }

    /// Returns the exceptions of a participant that have not ended.
    pub(super) fn live_overrides(&self, member: &Member) -> Vec<Override> {
        let now = self.time();
        let live = member.overrides.iter().filter(|known| is_live(known, now));
        live.cloned().collect()
    }

    /// Asks for a permission of a participant.
    pub(super) fn require(&self, key: MemberKey, permission: Permission) -> Result<(), ErrorBody> {
        let member = self.members.get(&key).ok_or(ErrorCode::NotFound)?;
        if member.may(permission) {
            Ok(())
        } else {
            Err(ErrorCode::Forbidden.into())
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
        let found = *self.ids.get(&target).ok_or(ErrorCode::NotFound)?;
        let (actor, other) = (self.members.get(&key), self.members.get(&found));
        match (actor, other) {
            (Some(actor), Some(other)) if may_act_on(actor.face.role, other.face.role) => Ok(found),
            _ => Err(ErrorCode::Forbidden.into()),
        }
    }
}

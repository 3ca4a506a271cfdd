//! What participants may do, and who may act on whom.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::ParticipantId;
use conclave_signalling_wire::objects::{Override, Permission};

use crate::member::Member;
use crate::permission::{PermissionSet, is_live, may_act_on, permissions_of};
use crate::room::Room;

impl Room {
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

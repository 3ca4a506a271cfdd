//! What those outside are told who asked for it: events for webhooks, written
//! down in the step in which they happen.
//!
//! [`EventKind`] lists the members of each. Nobody in the room or before it
//! waits until an event is kept, unless it waits for something else of the step.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::ids::{BanId, EventId, KnockId, ParticipantId};
use conclave_signalling_wire::lobby::WaitingState;
use conclave_signalling_wire::objects::{Participant, Role};
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::text::DisplayName;
use serde_json::{Value, json};

use crate::event::{Event, EventKind};
use crate::lobby::{Marks, Visitor};
use crate::member::Member;
use crate::record::{Actor, Ban, Change, Invite, SessionRecord};
use crate::room::Room;
use crate::room::arrive::{Claim, Way};
use crate::settings::Settings;

impl Room {
    /// Writes down that something happened.
    fn happened(
        &mut self,
        kind: EventKind,
        participant: Option<ParticipantId>,
        data: Value,
        personal: Value,
    ) {
        let at = self.time();
        let id = EventId::new(at.unix_ms(), self.random());
        let event = Event {
            room: Some(self.id),
            session: self.session,
            participant,
            ..Event::new(id, at, kind, data, personal)
        };
        self.persist(Change::Event(Box::new(event)));
    }

    pub(super) fn tell_session_started(&mut self) {
        self.happened(EventKind::SessionStarted, None, json!({}), json!({}));
    }

    pub(super) fn tell_session_ended(&mut self, ended: &SessionRecord, by: Option<Actor>) {
        let ended_ms = self.time().unix_ms();
        let data = json!({
            "reason": ended.ended,
            "by": by,
            "duration_s": ended_ms.saturating_sub(ended.started_at.unix_ms()) / 1000,
            "peak": ended.peak,
            "people": ended.people,
        });
        self.happened(EventKind::SessionEnded, None, data, json!({}));
    }

    pub(super) fn tell_joined(&mut self, key: MemberKey, way: Way) {
        let Some(member) = self.members.get(&key) else {
            return;
        };
        let face = &member.face;
        let site = match &member.claim {
            Claim::Site(sent) => Some(sent.site.as_ref()),
            _ => None,
        };
        let data = json!({
            "role": face.role,
            "identity": face.identity,
            "via": match way {
                Way::Door { .. } => "door",
                Way::Lobby { .. } => "lobby",
            },
            "invite": member.invite,
            "site": site,
        });
        let (who, name) = (face.id, named(&face.name));
        self.happened(EventKind::ParticipantJoined, Some(who), data, name);
    }

    pub(super) fn tell_left(&mut self, member: &Member, reason: LeftReason) {
        let Participant {
            id,
            name,
            role,
            joined_at,
            ..
        } = &member.face;
        let now_ms = self.time().unix_ms();
        let data = json!({
            "reason": reason,
            "role": role,
            "duration_s": now_ms.saturating_sub(joined_at.unix_ms()) / 1000,
        });
        self.happened(EventKind::ParticipantLeft, Some(*id), data, named(name));
    }

    /// Tells what became of somebody who was `from` and is `to`.
    pub(super) fn tell_role(&mut self, from: Role, to: &Participant, by: Actor) {
        let data = json!({"from": from, "to": to.role, "by": by});
        let name = named(&to.name);
        self.happened(EventKind::ParticipantRoleChanged, Some(to.id), data, name);
    }

    /// Tells that somebody who is still there is about to be removed.
    pub(super) fn tell_removed(
        &mut self,
        key: MemberKey,
        by: Actor,
        removals: u32,
        ban: Option<BanId>,
    ) {
        let Some(face) = self.members.get(&key).map(|member| &member.face) else {
            return;
        };
        let data = json!({"by": by, "role": face.role, "removals": removals, "ban": ban});
        let (who, name) = (face.id, named(&face.name));
        self.happened(EventKind::ParticipantRemoved, Some(who), data, name);
    }

    /// Tells of a ban of `who`, who is or was a participant.
    pub(super) fn tell_banned(&mut self, who: Actor, ban: &Ban) {
        let data = json!({
            "by": ban.by,
            "ban": ban.id,
            "expires_at": ban.expires_at,
            "strict": ban.strict,
        });
        let name = json!({"name": ban.name});
        self.happened(EventKind::ParticipantBanned, who.participant(), data, name);
    }

    pub(super) fn tell_waiting(&mut self, knock: KnockId) {
        let Some(known) = self.lobby.get(knock) else {
            return;
        };
        let Marks {
            identity,
            previous_kick,
            network_banned,
            ..
        } = &known.marks;
        let data = json!({
            "knock": knock,
            "state": match known.state {
                WaitingState::Waiting => "waiting",
                WaitingState::WaitingForHost => "waiting_for_host",
            },
            "identity": identity,
            "previous_kick": previous_kick,
            "network_banned": network_banned,
        });
        let name = named(&known.visitor.name);
        self.happened(EventKind::LobbyWaiting, None, data, name);
    }

    /// Tells that somebody was admitted, who is `participant` since if its link was there.
    pub(super) fn tell_admitted(
        &mut self,
        knock: KnockId,
        name: &DisplayName,
        participant: Option<ParticipantId>,
        by: Actor,
    ) {
        let data = json!({"knock": knock, "by": by});
        self.happened(EventKind::LobbyAdmitted, participant, data, named(name));
    }

    pub(super) fn tell_denied(
        &mut self,
        knock: KnockId,
        visitor: &Visitor,
        by: Actor,
        block_s: u32,
    ) {
        let data = json!({"knock": knock, "by": by, "block_s": block_s});
        let name = named(&visitor.name);
        self.happened(EventKind::LobbyDenied, None, data, name);
    }

    /// Tells what is different about the policies of the room.
    pub(super) fn tell_changes(&mut self, before: &Settings, by: Actor) {
        let changed = changed_policies(before, &self.settings);
        let rev = self.settings.rev;
        if self.settings.locked != before.locked {
            let kind = match self.settings.locked {
                true => EventKind::RoomLocked,
                false => EventKind::RoomUnlocked,
            };
            self.happened(kind, None, json!({"rev": rev, "by": by}), json!({}));
        }
        if !changed.is_empty() {
            let data = json!({"changed": changed, "rev": rev, "by": by});
            self.happened(EventKind::RoomUpdated, None, data, json!({}));
        }
    }

    pub(super) fn tell_invite_used(&mut self, invite: &Invite, who: ParticipantId) {
        let data = json!({
            "invite": invite.id,
            "uses": invite.uses,
            "max_uses": invite.max_uses,
        });
        let name = json!({"name": invite.name});
        self.happened(EventKind::InviteUsed, Some(who), data, name);
    }

    pub(super) fn tell_invite_revoked(&mut self, invite: &Invite, by: Actor) {
        let data = json!({"invite": invite.id, "by": by, "uses": invite.uses});
        let name = json!({"name": invite.name});
        self.happened(EventKind::InviteRevoked, None, data, name);
    }

    pub(super) fn tell_cleared(&mut self, up_to: u32, by: Actor) {
        let data = json!({"up_to": up_to, "by": by});
        self.happened(EventKind::ChatCleared, None, data, json!({}));
    }

    pub(super) fn tell_hand(&mut self, key: MemberKey) {
        let Some(face) = self.members.get(&key).map(|member| &member.face) else {
            return;
        };
        let (who, data, name) = (face.id, json!({"role": face.role}), named(&face.name));
        self.happened(EventKind::HandRaised, Some(who), data, name);
    }

    /// Tells that somebody who is banned was kept out, the first after so many of
    /// whom nothing was said.
    pub(super) fn tell_ban_evaded(&mut self, action: &str, left_out: u32) {
        let data = json!({"action": action, "left_out": left_out});
        self.happened(EventKind::SecurityBanEvaded, None, data, json!({}));
    }
}

fn named(name: &DisplayName) -> Value {
    json!({"name": name})
}

/// Returns the names of the policies that differ, but for the lock of the room,
/// which has events of its own.
fn changed_policies(before: &Settings, after: &Settings) -> Vec<String> {
    let (before, after) = (json!(before), json!(after));
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return Vec::new();
    };
    let differs = |name: &String| before.get(name) != after.get(name);
    let is_policy = |name: &String| !matches!(name.as_str(), "rev" | "password_rev" | "locked");
    let names = before.keys().filter(|name| is_policy(name));
    names.filter(|name| differs(name)).cloned().collect()
}

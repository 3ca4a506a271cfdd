//! The model of invites: made, listed, taken back.

use std::collections::BTreeMap;

use conclave_signalling_core::digest::InviteHash;
use conclave_signalling_core::record::{Actor, Invite};
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::invite::InviteState;
use conclave_signalling_wire::objects::{Permission, Role};
use conclave_signalling_wire::request::{InviteCreate, InviteRevoke};

use crate::model::{Answer, Authority, Model, To, at};
use crate::rules::outranks;
use crate::seen::{Outcome, Seen};
use crate::verbs::{FORBIDDEN, bad, find_custom, require};

impl Model {
    pub(crate) fn create_invite(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        create: &InviteCreate,
    ) -> Answer {
        require(by, Permission::InviteCreate)?;
        let is_peer = by.role == create.role && matches!(by.role, Role::Host | Role::Attendee);
        if !outranks(by.role, create.role) && !is_peer {
            return Err((ErrorCode::Forbidden, Some("role")));
        }
        if let Some(name) = &create.custom_role {
            let custom = find_custom(&self.room, name, create.role).ok_or(bad("custom_role"))?;
            if !custom.allow.iter().all(|key| by.may.contains(key)) {
                return Err((ErrorCode::Forbidden, Some("custom_role")));
            }
        }
        if create.bypass_lobby && !by.may.contains(&Permission::LobbyManage) {
            return Err((ErrorCode::Forbidden, Some("bypass_lobby")));
        }
        if create.max_uses == Some(0) || create.max_uses > Some(1000) {
            return Err(bad("max_uses"));
        }
        if create.name_locked && create.name.is_none() {
            return Err(bad("name_locked"));
        }
        if let Some(until) = create.expires_at
            && (until.unix_ms() <= self.now || create.not_before.is_some_and(|from| until <= from))
        {
            return Err(bad("expires_at"));
        }
        if !by.may.contains(&Permission::InviteManage) {
            let now = self.now;
            let own = by.actor.participant().and_then(|id| self.of_id(id));
            let own = own.and_then(|key| self.people.get_mut(&key));
            let device = own.as_ref().map(|own| own.device);
            if let Some(own) = own {
                own.invited.retain(|time| now - time < 60_000);
                if own.invited.len() >= 10 {
                    return Err((ErrorCode::RateLimited, None));
                }
                own.invited.push(now);
            }
            let live = self.invites.values().filter(|invite| {
                !invite.vouched && invite.maker == device && invite.revoked_at.is_none()
            });
            if live.count() >= 20 {
                return Err((ErrorCode::Conflict, None));
            }
        }
        let (Some(secret), Some(made)) = (seen.secrets.pop(), seen.invites.pop()) else {
            return Ok(Some(Outcome::ok("invite")));
        };
        self.add_invite(by, InviteHash::from(&secret), made.id, create);
        Ok(Some(Outcome::ok(format!("invited {:?}", create.role))))
    }

    pub(crate) fn add_invite(
        &mut self,
        by: &Authority,
        hash: InviteHash,
        id: InviteId,
        create: &InviteCreate,
    ) {
        let maker = by.actor.participant().and_then(|id| self.of_id(id));
        let invite = Invite {
            id,
            hash,
            role: create.role,
            custom_role: create.custom_role.clone(),
            name: create.name.clone(),
            name_locked: create.name_locked,
            max_uses: create.max_uses,
            devices: Vec::new(),
            uses: 0,
            not_before: create.not_before,
            expires_at: create.expires_at,
            bypass_lobby: create.bypass_lobby,
            bind_device: create.bind_device,
            note: create.note.as_ref().map(|note| note.as_str().to_owned()),
            created_by: by.actor,
            maker: maker.map(|key| self.people[&key].device),
            vouched: by.may.contains(&Permission::InviteManage),
            created_at: at(self.now),
            last_used_at: None,
            revoked_at: None,
        };
        self.invites.insert(id, invite);
    }

    pub(crate) fn state_of(&self, invite: &Invite) -> InviteState {
        let now = self.now;
        if invite.revoked_at.is_some() {
            InviteState::Revoked
        } else if invite
            .expires_at
            .is_some_and(|until| until.unix_ms() <= now)
        {
            InviteState::Expired
        } else if invite.not_before.is_some_and(|from| now < from.unix_ms()) {
            InviteState::NotYet
        } else if invite.max_uses.is_some_and(|most| invite.uses >= most) {
            InviteState::UsedUp
        } else {
            InviteState::Active
        }
    }

    pub(crate) fn list_invites(&self, by: &Authority) -> Answer {
        let sees_all = by.may.contains(&Permission::InviteManage);
        let invites = self.invites.values().rev();
        let listed = invites.filter(|invite| sees_all || invite.created_by == by.actor);
        let words = listed.map(|invite| {
            let state = self.state_of(invite);
            format!("{} {state:?} {}, ", invite.id, invite.uses)
        });
        Ok(Some(Outcome::ok(words.collect::<String>())))
    }

    pub(crate) fn revoke_invite(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        order: &InviteRevoke,
    ) -> Answer {
        let unknown = (ErrorCode::NotFound, Some("invite"));
        let invite = self.invites.get(&order.invite).ok_or(unknown)?;
        let is_own = invite.created_by == by.actor;
        if !is_own && !by.may.contains(&Permission::InviteManage) {
            return Err(unknown);
        }
        if !is_own && by.role != Role::Host && !outranks(by.role, invite.role) {
            return Err(FORBIDDEN);
        }
        // The link of an owner is its own to take back, and the operator's.
        let is_owners = !matches!(invite.created_by, Actor::Participant(_) | Actor::Invite(_));
        let is_held = match by.actor {
            Actor::Participant(id) => {
                let key = self.of_id(id);
                key.is_some_and(|key| self.people[&key].invite == Some(order.invite))
            }
            Actor::Invite(own) => own == order.invite,
            _ => true,
        };
        if invite.role == Role::Host && is_owners && !is_held {
            return Err(FORBIDDEN);
        }
        if order.remove_holders {
            require(by, Permission::ParticipantRemove)?;
        }
        self.take_back(seen, by, order.invite);
        if order.remove_holders {
            let holders = self
                .keys_of(|person| person.invite == Some(order.invite) && by.reaches(person.role));
            let mut devices = BTreeMap::new();
            for key in holders {
                devices.insert(self.people[&key].device, key);
            }
            for key in devices.values() {
                self.mark(*key, true);
            }
            let pages = self
                .keys_of(|person| devices.contains_key(&person.device) && by.reaches(person.role));
            for key in pages {
                self.send_away(key);
            }
        }
        self.once_stopped(seen, to, "done")
    }

    /// Whoever waits by it goes. Who was admitted after it had been taken back was
    /// admitted without it.
    pub(crate) fn take_back(&mut self, seen: &mut Seen, by: &Authority, id: InviteId) {
        let now = at(self.now);
        let Some(invite) = self.invites.get_mut(&id) else {
            return;
        };
        if invite.revoked_at.is_some() {
            return;
        }
        invite.revoked_at = Some(now);
        let claim = conclave_signalling_core::room::Claim::Invite(invite.hash);
        let waiting = self.waiting.iter();
        let waiting = waiting.filter(|(_, one)| one.visitor.claim == claim);
        for knock in waiting.map(|(knock, _)| *knock).collect::<Vec<_>>() {
            self.dismiss(seen, knock, by.actor.participant(), 0);
        }
        self.forget_admissions(id);
    }
}

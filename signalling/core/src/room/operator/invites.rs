//! Invites that the operator makes, changes and takes back.

use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::InviteId;
use conclave_signalling_wire::invite::{InviteInfo, InviteState, Invites};
use conclave_signalling_wire::limits::INVITE_USES;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::request::InviteCreate;
use conclave_signalling_wire::room::Patch;
use conclave_signalling_wire::text::{DisplayName, Prose};
use conclave_signalling_wire::time::Timestamp;

use crate::digest::InviteHash;
use crate::invites;
use crate::output::Reply;
use crate::record::{Actor, Change, Invite};
use crate::room::audit::Act;
use crate::room::operator::bans::no_invite;
use crate::room::requests::{Answer, ReplyTo};
use crate::room::rights::Authority;
use crate::room::{Claim, Room};

/// Changes to an invite: absent members stay as they are. As what its holder
/// comes in does not change: whoever has the link was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvitePatch {
    /// The name of its holder.
    pub name: Patch<DisplayName>,
    /// Whether its holder keeps this name.
    pub name_locked: Option<bool>,
    /// For those who see the list.
    pub note: Patch<Prose>,
    /// Until when.
    pub expires_at: Patch<Timestamp>,
    /// How many may use it.
    pub max_uses: Patch<u32>,
}

impl InvitePatch {
    /// Names the members that it has, for the audit log.
    pub(super) fn members(&self) -> String {
        let names = [
            (!self.name.is_keep()).then_some("name"),
            self.name_locked.map(|_| "name_locked"),
            (!self.note.is_keep()).then_some("note"),
            (!self.expires_at.is_keep()).then_some("expires_at"),
            (!self.max_uses.is_keep()).then_some("max_uses"),
        ];
        names.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn apply(self, invite: &mut Invite) {
        self.name.apply(&mut invite.name);
        if let Some(locked) = self.name_locked {
            invite.name_locked = locked;
        }
        match self.note {
            Patch::Keep => {}
            Patch::Clear => invite.note = None,
            Patch::Set(note) => invite.note = Some(note.as_str().to_owned()),
        }
        self.expires_at.apply(&mut invite.expires_at);
        self.max_uses.apply(&mut invite.max_uses);
    }
}

impl Room {
    /// Answers with one invite.
    pub(super) fn show_invite(&self, id: InviteId) -> Answer {
        let invite = self.invites.get(&id).ok_or_else(no_invite)?;
        let info = invites::describe(invite, self.time());
        Ok(Some(one(info)))
    }

    /// Changes an invite that was not taken back.
    pub(super) fn change_invite(&mut self, id: InviteId, patch: InvitePatch) -> Answer {
        let now = self.time();
        let mut invite = self.invites.get(&id).cloned().ok_or_else(no_invite)?;
        if invite.revoked_at.is_some() {
            return Err(ErrorBody::from(ErrorCode::Conflict).field("invite"));
        }
        if matches!(patch.max_uses, Patch::Set(uses) if !(1..=INVITE_USES).contains(&uses)) {
            return Err(ErrorBody::bad("max_uses"));
        }
        if let Patch::Set(until) = patch.expires_at
            && (until <= now || invite.not_before.is_some_and(|from| until <= from))
        {
            return Err(ErrorBody::bad("expires_at"));
        }
        patch.apply(&mut invite);
        if invite.name_locked && invite.name.is_none() {
            return Err(ErrorBody::bad("name_locked"));
        }
        let info = invites::describe(&invite, now);
        self.invites.replace(invite.clone());
        self.persist(Change::Invite(Box::new(invite)));
        Ok(Some(one(info)))
    }

    /// Takes all invites back that somebody made, and removes who is in the room
    /// by them. Answers with those that were taken back.
    pub(super) fn revoke_made_by(&mut self, by: &Authority, to: ReplyTo, maker: Actor) -> Answer {
        let ids = self.invites.held_by(maker);
        let mut revoked = Vec::with_capacity(ids.len());
        for id in ids {
            self.take_back(id, by.actor);
            self.remove_holders(by, id);
            self.audit(Act {
                actor: by.actor,
                prefix: None,
                action: "invite.revoke",
                target: Some(id.to_string()),
                detail: Some("with its holders, its maker is gone".to_owned()),
            });
            let known = self.invites.get(&id);
            revoked.extend(known.map(|invite| invites::describe(invite, self.time())));
        }
        self.once_stopped(to, Reply::Invites(Invites { invites: revoked }))
    }

    /// Sends those away who wait by a token of an embedding site, and removes who came in by one.
    pub(super) fn revoke_site(&mut self, by: &Authority, to: ReplyTo, site: &str) -> Answer {
        let is_sent = |claim: &Claim| matches!(claim, Claim::Site(sent) if *sent.site == *site);
        let waiting: Vec<_> = self
            .lobby
            .iter()
            .filter(|(_, known)| is_sent(&known.visitor.claim))
            .map(|(knock, _)| knock)
            .collect();
        let mut devices = waiting.len();
        for knock in waiting {
            self.dismiss(knock, by.actor, None, 0);
        }
        devices += self.remove_those(by, |member| is_sent(&member.claim));
        if devices > 0 {
            self.audit(Act {
                actor: by.actor,
                prefix: None,
                action: "embedder.revoke",
                target: Some(site.to_owned()),
                detail: Some(format!("devices {devices}")),
            });
        }
        self.once_stopped(to, Reply::Done)
    }

    pub(super) fn make_host_invite(&mut self, authority: &Authority, hash: InviteHash) -> Answer {
        if let Some(known) = self.invites.by_hash(&hash) {
            let holds = invites::state(known, self.time()) == InviteState::Active;
            return if holds && known.role == Role::Host {
                Ok(Some(Reply::Done))
            } else {
                Err(ErrorCode::Conflict.into())
            };
        }
        let create = InviteCreate {
            role: Role::Host,
            custom_role: None,
            name: None,
            name_locked: false,
            max_uses: None,
            not_before: None,
            expires_at: None,
            bypass_lobby: false,
            bind_device: false,
            note: None,
        };
        let invite = self.add_invite(authority, hash, create)?;
        self.audit(Act {
            actor: authority.actor,
            prefix: None,
            action: "invite.create",
            target: Some(invite.id.to_string()),
            detail: Some("host".to_owned()),
        });
        Ok(Some(Reply::Done))
    }
}

fn one(invite: InviteInfo) -> Reply {
    Reply::Invites(Invites {
        invites: vec![invite],
    })
}

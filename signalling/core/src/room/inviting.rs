//! Invites and bans.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{BanId, InviteId};
use conclave_signalling_wire::invite::{InviteCreated, InviteInfo, InviteState, Invites};
use conclave_signalling_wire::limits::INVITE_USES;
use conclave_signalling_wire::moderation::{BanInfo, Bans, Removed};
use conclave_signalling_wire::objects::{Permission, Role};
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::request::{BanLift, BanOrder, InviteCreate, InviteRevoke};
use conclave_signalling_wire::secret::InviteSecret;
use conclave_signalling_wire::text::Prose;

use crate::bans::Verdict;
use crate::clock::later;
use crate::digest::{DeviceHash, InviteHash, NetworkTag};
use crate::invites;
use crate::lobby::Visitor;
use crate::member::Member;
use crate::output::{Notice, Reply};
use crate::rate::seconds;
use crate::record::{Actor, Ban, Change, Invite};
use crate::room::Room;
use crate::room::arrive::Claim;
use crate::room::requests::{Answer, Asker, ReplyTo};
use crate::room::rights::Authority;

/// Seconds that a ban lasts where its maker does not say.
const BAN_S: u32 = 86_400;
/// Seconds that a ban may last.
const BAN_S_RANGE: std::ops::RangeInclusive<u32> = 60..=31_536_000;
/// The longest time for which a network is banned: others come from it tomorrow.
const NETWORK_BAN: Duration = Duration::from_secs(86_400);
/// Entries of one list: with the longest names and notes half of what may wait
/// for a link.
const LISTED: usize = 250;

/// By what a ban knows somebody.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) who: Actor,
    pub(super) name: String,
    pub(super) device: DeviceHash,
    pub(super) networks: Vec<NetworkTag>,
    pub(super) invite: Option<InviteId>,
}

/// By what a ban knows somebody who need not be there.
#[derive(Debug, Clone)]
pub(super) struct Unseen {
    pub(super) invite: Option<InviteId>,
    pub(super) network: Option<NetworkTag>,
    pub(super) name: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) ttl_s: Option<u32>,
    pub(super) strict: bool,
}

impl From<&Member> for Facts {
    fn from(member: &Member) -> Self {
        Facts {
            who: Actor::Participant(member.face.id),
            name: member.face.name.as_str().to_owned(),
            device: member.device,
            networks: member.networks.clone(),
            invite: member.invite,
        }
    }
}

impl Room {
    /// Bans a participant, who is still there or was just removed. Whoever it
    /// is in the lobby too goes.
    /// Where the room has as many bans as it may, the one that ends soonest gives way.
    ///
    /// # Errors
    /// `bad_request` for a time that is no ban.
    pub(super) fn make_ban(
        &mut self,
        by: Actor,
        facts: &Facts,
        order: &BanOrder,
        reason: Option<&Prose>,
    ) -> Result<Ban, ErrorBody> {
        let ttl_s = order.ttl_s.unwrap_or(BAN_S);
        if !BAN_S_RANGE.contains(&ttl_s) {
            return Err(ErrorBody::bad("ban.ttl_s"));
        }
        self.expire_bans();
        let now = self.time();
        let expires_at = later(now, Duration::from_secs(ttl_s.into()));
        let invite = facts.invite.filter(|id| {
            let known = self.invites.get(id);
            known.is_some_and(invites::can_be_banned)
        });
        let ban = Ban {
            id: BanId::new(now.unix_ms(), self.random()),
            invite,
            device: Some(facts.device),
            network: facts.networks.first().copied(),
            network_until: expires_at.min(later(now, NETWORK_BAN)),
            strict: order.strict,
            name: Some(facts.name.clone()),
            reason: reason.map(|reason| reason.as_str().to_owned()),
            by,
            created_at: now,
            expires_at,
        };
        self.keep_ban(ban.clone());
        self.tell_banned(facts.who, &ban);
        // Nobody comes in any more on the word of who may not come in.
        for invite in self.invites.made_by(&facts.device, facts.who) {
            self.take_back(invite, by);
        }
        self.dismiss_banned(by);
        Ok(ban)
    }

    /// Keeps a device off for a while that was sent away from the lobby: a ban
    /// like any other, which is listed and can be lifted.
    pub(super) fn block(
        &mut self,
        by: Actor,
        visitor: &Visitor,
        reason: Option<&str>,
        block_s: u32,
    ) {
        self.expire_bans();
        let now = self.time();
        let ban = Ban {
            id: BanId::new(now.unix_ms(), self.random()),
            invite: None,
            device: Some(visitor.device),
            network: None,
            network_until: now,
            strict: false,
            name: Some(visitor.name.as_str().to_owned()),
            reason: reason.map(str::to_owned),
            by,
            created_at: now,
            expires_at: later(now, Duration::from_secs(block_s.into())),
        };
        self.keep_ban(ban);
    }

    /// Bans somebody who need not be there. Returns the ban.
    ///
    /// # Errors
    /// `bad_request` for a time that is no ban, or an invite that is for more than
    /// one person or for hosts; `not_found` for one that there is not.
    pub(super) fn ban_unseen(&mut self, by: Actor, who: Unseen) -> Result<BanId, ErrorBody> {
        let ttl_s = who.ttl_s.unwrap_or(BAN_S);
        let longest = match who.network {
            Some(_) => NETWORK_BAN.as_secs(),
            None => u64::from(*BAN_S_RANGE.end()),
        };
        if !BAN_S_RANGE.contains(&ttl_s) || u64::from(ttl_s) > longest {
            return Err(ErrorBody::bad("ttl_s"));
        }
        if let Some(id) = who.invite {
            let known = self.invites.get(&id);
            let known =
                known.ok_or_else(|| ErrorBody::from(ErrorCode::NotFound).field("invite"))?;
            if !invites::can_be_banned(known) {
                return Err(ErrorBody::bad("invite"));
            }
        }
        self.expire_bans();
        let now = self.time();
        let expires_at = later(now, Duration::from_secs(ttl_s.into()));
        let ban = Ban {
            id: BanId::new(now.unix_ms(), self.random()),
            invite: who.invite,
            device: None,
            network: who.network,
            network_until: expires_at.min(later(now, NETWORK_BAN)),
            strict: who.strict,
            name: who.name,
            reason: who.reason,
            by,
            created_at: now,
            expires_at,
        };
        let id = ban.id;
        self.keep_ban(ban.clone());
        self.tell_banned(Actor::Room, &ban);
        self.dismiss_banned(by);
        Ok(id)
    }

    fn keep_ban(&mut self, ban: Ban) {
        if let Some(ended) = self.bans.add(ban.clone()) {
            self.persist(Change::BanLifted(ended));
        }
        self.persist(Change::Ban(Box::new(ban)));
    }

    /// Sends those away who wait and are banned.
    fn dismiss_banned(&mut self, by: Actor) {
        let waiting: Vec<_> = self
            .lobby
            .iter()
            .map(|(knock, known)| (knock, known.visitor.clone()))
            .collect();
        for (knock, visitor) in waiting {
            let candidate = self.candidate(visitor);
            if candidate.is_ok_and(|one| matches!(one.verdict, Verdict::Banned { .. })) {
                self.dismiss(knock, by, None, 0);
            }
        }
    }

    /// Forgets bans that have ended.
    pub(super) fn expire_bans(&mut self) {
        for id in self.bans.expire(self.time()) {
            self.persist(Change::BanLifted(id));
        }
    }

    pub(super) fn list_bans(&mut self, asker: Asker) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.bans_for(&authority)
    }

    pub(super) fn bans_for(&self, authority: &Authority) -> Answer {
        authority.require(Permission::BanManage)?;
        let mut bans: Vec<BanInfo> = self.bans.list(self.time());
        bans.truncate(LISTED);
        Ok(Some(Reply::Bans(Bans { bans })))
    }

    pub(super) fn lift_ban(&mut self, asker: Asker, order: BanLift) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.lift_for(&authority, order.ban)
    }

    pub(super) fn lift_for(&mut self, authority: &Authority, ban: BanId) -> Answer {
        authority.require(Permission::BanManage)?;
        self.bans
            .lift(ban)
            .ok_or_else(|| ErrorBody::from(ErrorCode::NotFound).field("ban"))?;
        self.persist(Change::BanLifted(ban));
        Ok(Some(Reply::Done))
    }

    pub(super) fn create_invite(&mut self, asker: Asker, create: InviteCreate) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.check_invite(&authority, &create)?;
        let manages = authority.permissions.contains(Permission::InviteManage);
        let now = self.now;
        if let Some(member) = self.members.get_mut(&asker.key).filter(|_| !manages) {
            let taken = member.invitations.take(now);
            taken.map_err(|wait| {
                ErrorBody::from(ErrorCode::RateLimited).retry_after_s(seconds(wait))
            })?;
        }
        self.invite_for(&authority, create)
    }

    pub(super) fn invite_for(&mut self, authority: &Authority, create: InviteCreate) -> Answer {
        self.check_invite(authority, &create)?;
        let secret = InviteSecret::new(self.random());
        let invite = self.add_invite(authority, InviteHash::from(&secret), create)?;
        let invite = invites::describe(&invite, self.time());
        Ok(Some(Reply::Invited(Box::new(InviteCreated {
            invite,
            secret,
        }))))
    }

    fn check_invite(&self, authority: &Authority, create: &InviteCreate) -> Result<(), ErrorBody> {
        authority.require(Permission::InviteCreate)?;
        let forbidden = |field: &str| ErrorBody::from(ErrorCode::Forbidden).field(field);
        let (own, role) = (authority.role, create.role);
        // A host may make another; an attendee invites whom it sits beside.
        let is_equal = own == role && matches!(role, Role::Host | Role::Attendee);
        if !own.outranks(role) && !is_equal {
            return Err(forbidden("role"));
        }
        if let Some(name) = &create.custom_role {
            let custom = self.settings.custom_role(name);
            let custom = custom.filter(|custom| custom.base == role);
            let custom = custom.ok_or_else(|| ErrorBody::bad("custom_role"))?;
            let mut allowed = custom.allow.iter();
            if !allowed.all(|key| authority.permissions.contains(*key)) {
                return Err(forbidden("custom_role"));
            }
        }
        if create.bypass_lobby && !authority.permissions.contains(Permission::LobbyManage) {
            return Err(forbidden("bypass_lobby"));
        }
        if create
            .max_uses
            .is_some_and(|uses| !(1..=INVITE_USES).contains(&uses))
        {
            return Err(ErrorBody::bad("max_uses"));
        }
        if create.name_locked && create.name.is_none() {
            return Err(ErrorBody::bad("name_locked"));
        }
        if let Some(until) = create.expires_at {
            let from = create.not_before.unwrap_or(until);
            if until <= self.time() || create.not_before.is_some() && until <= from {
                return Err(ErrorBody::bad("expires_at"));
            }
        }
        Ok(())
    }

    /// Adds and keeps an invite.
    pub(super) fn add_invite(
        &mut self,
        by: &Authority,
        hash: InviteHash,
        create: InviteCreate,
    ) -> Result<Invite, ErrorBody> {
        let now = self.time();
        let key = by.actor.participant().and_then(|id| self.ids.get(&id));
        let maker = key.and_then(|key| Some(self.members.get(key)?.device));
        let invite = Invite {
            id: InviteId::new(now.unix_ms(), self.random()),
            hash,
            role: create.role,
            custom_role: create.custom_role,
            name: create.name,
            name_locked: create.name_locked,
            max_uses: create.max_uses,
            devices: Vec::new(),
            uses: 0,
            not_before: create.not_before,
            expires_at: create.expires_at,
            bypass_lobby: create.bypass_lobby,
            bind_device: create.bind_device,
            note: create.note.map(|note| note.as_str().to_owned()),
            created_by: by.actor,
            maker,
            vouched: by.permissions.contains(Permission::InviteManage),
            created_at: now,
            last_used_at: None,
            revoked_at: None,
        };
        if let Some(gone) = self.invites.add(invite.clone())? {
            self.persist(Change::InviteGone(gone));
        }
        self.persist(Change::Invite(Box::new(invite.clone())));
        Ok(invite)
    }

    pub(super) fn list_invites(&mut self, asker: Asker) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.invites_for(&authority)
    }

    pub(super) fn invites_for(&self, authority: &Authority) -> Answer {
        let sees_all = authority.permissions.contains(Permission::InviteManage);
        let now = self.time();
        let mut invites: Vec<InviteInfo> = self
            .invites
            .newest_first()
            .filter(|invite| sees_all || invite.created_by == authority.actor)
            .map(|invite| invites::describe(invite, now))
            .collect();
        // Where they are too many, those that can still be revoked matter.
        if invites.len() > LISTED {
            invites.retain(|invite| invite.state != InviteState::Revoked);
        }
        // Those of who manages them before what others made.
        if invites.len() > LISTED {
            invites.sort_by_key(|invite| {
                let known = self.invites.get(&invite.id);
                !known.is_some_and(|known| known.vouched)
            });
            invites.truncate(LISTED);
            invites.sort_by_key(|invite| Reverse(invite.id));
        }
        Ok(Some(Reply::Invites(Invites { invites })))
    }

    pub(super) fn revoke_invite(&mut self, asker: Asker, order: InviteRevoke) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.revoke_for(&authority, asker.to(), &order)
    }

    /// Takes an invite back. Who waits or manages by it goes at once, who is in
    /// the room only if that is asked for; but it cannot come back.
    pub(super) fn revoke_for(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        order: &InviteRevoke,
    ) -> Answer {
        let id = order.invite;
        let not_found = || ErrorBody::from(ErrorCode::NotFound).field("invite");
        let invite = self.invites.get(&id).ok_or_else(not_found)?;
        let is_own = invite.created_by == authority.actor;
        let manages = authority.permissions.contains(Permission::InviteManage);
        if !is_own && !manages {
            // It is not said which invites of others there are.
            return Err(not_found());
        }
        let reaches = authority.role == Role::Host || authority.role.outranks(invite.role);
        if !is_own && !reaches || self.is_first_key(invite) && !self.is_held_by(id, authority) {
            return Err(ErrorCode::Forbidden.into());
        }
        if order.remove_holders {
            authority.require(Permission::ParticipantRemove)?;
        }
        self.take_back(id, authority.actor);
        if order.remove_holders {
            self.remove_holders(authority, id);
        }
        self.once_stopped(to, Reply::Done)
    }

    /// Takes an invite back, and sends those away who wait by it.
    pub(super) fn take_back(&mut self, id: InviteId, by: Actor) {
        let now = self.time();
        let Some(revoked) = self.invites.revoke(now, id).cloned() else {
            return;
        };
        let hash = revoked.hash;
        self.persist(Change::Invite(Box::new(revoked.clone())));
        self.tell_invite_revoked(&revoked, by);
        let waiting: Vec<_> = self
            .lobby
            .iter()
            .filter(|(_, known)| known.visitor.claim == Claim::Invite(hash))
            .map(|(knock, _)| knock)
            .collect();
        for knock in waiting {
            self.dismiss(knock, by, None, 0);
        }
        self.note_revoked(id);
    }

    /// Returns whether an invite is the key of an owner: one that makes hosts and
    /// was made with the room or by the operator. Other hosts are guests of its holder.
    fn is_first_key(&self, invite: &Invite) -> bool {
        let is_lent = matches!(invite.created_by, Actor::Participant(_) | Actor::Invite(_));
        invite.role == Role::Host && !is_lent
    }

    /// Returns whether somebody acts by this very invite, or is the operator.
    fn is_held_by(&self, id: InviteId, authority: &Authority) -> bool {
        match authority.actor {
            Actor::Participant(who) => {
                let key = self.ids.get(&who);
                let member = key.and_then(|key| self.members.get(key));
                member.is_some_and(|member| member.invite == Some(id))
            }
            Actor::Invite(own) => own == id,
            Actor::Operator | Actor::Key(_) | Actor::Configuration => true,
            Actor::Link(_) | Actor::Room => false,
        }
    }

    pub(super) fn remove_holders(&mut self, by: &Authority, id: InviteId) {
        self.remove_those(by, |member| member.invite == Some(id));
    }

    /// Removes those who came by something that holds no longer; returns how many devices they had.
    pub(super) fn remove_those(
        &mut self,
        by: &Authority,
        came_by: impl Fn(&Member) -> bool,
    ) -> usize {
        let lower = self.members.iter();
        let lower = lower.filter(|(_, member)| by.may_act_on(member.face.role));
        let holders = lower.clone();
        let holders = holders.filter(|(_, member)| came_by(member));
        // One of each device: its other pages go with it.
        let holders: BTreeMap<DeviceHash, MemberKey> =
            holders.map(|(key, member)| (member.device, *key)).collect();
        let seats = lower.filter(|(_, member)| holders.contains_key(&member.device));
        let seats: Vec<(MemberKey, DeviceHash)> =
            seats.map(|(key, member)| (*key, member.device)).collect();
        let devices = holders.len();
        let removals: BTreeMap<DeviceHash, u32> = holders
            .into_iter()
            .map(|(device, key)| (device, self.note_removal(key)))
            .collect();
        for (key, device) in seats {
            let removals = removals.get(&device).copied().unwrap_or_default();
            self.tell_removed(key, by.actor, removals, None);
            let removed = Removed {
                reason: None,
                message: None,
                banned_until: None,
            };
            self.tell(key, &Notice::new(removed));
            let member = self.remove(key, LeftReason::Removed);
            if let Some(link) = member.and_then(|member| member.link()) {
                self.close(link, CloseCode::Removed);
            }
        }
        devices
    }

    /// Returns whether somebody came in by an invite that was taken back.
    pub(super) fn is_revoked(&self, invite: Option<InviteId>) -> bool {
        // One that is remembered no longer was taken back long ago.
        invite.is_some_and(|id| {
            let known = self.invites.get(&id);
            known.is_none_or(|invite| invite.revoked_at.is_some())
        })
    }
}

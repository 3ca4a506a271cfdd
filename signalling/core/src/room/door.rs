//! Who may come in, and as what.
//!
//! The order of checks is that of the protocol: what is shown, bans, the time at
//! which the room is open, its lock, its places, what has to be agreed to, who is
//! there already; at last whether to wait in the lobby.

use std::net::IpAddr;
use std::time::Instant;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{InviteId, SessionId};
use conclave_signalling_wire::limits::SEATS_PER_DEVICE;
use conclave_signalling_wire::objects::{DuplicatePolicy, Identity, Override, Permission, Role};
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::reply::{Duplicate, DuplicateOption, JoinOutcome};
use conclave_signalling_wire::request::DuplicateChoice;
use conclave_signalling_wire::text::RoleName;

use crate::bans::{Traits, Verdict};
use crate::digest::consent_hash;
use crate::invites;
use crate::lobby::{Marks, Visitor};
use crate::member::{Member, Presence};
use crate::origin::Prefix;
use crate::output::{LinkId, Reply};
use crate::permission::{PermissionSet, Subject, may_hold, permissions_of};
use crate::record::{Actor, Invite};
use crate::room::Room;
use crate::room::arrive::{Claim, Entrant, Way};
use crate::room::audit::Act;
use crate::room::standing::Likeness;

/// Somebody who may come in, and what there is to say about it.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) visitor: Visitor,
    pub(super) invite: Option<InviteId>,
    /// Whether it shows what makes it the host.
    pub(super) is_host: bool,
    /// What it is by its credential alone.
    pub(super) by_claim: (Role, Option<RoleName>),
    pub(super) role: Role,
    pub(super) custom_role: Option<RoleName>,
    pub(super) identity: Identity,
    pub(super) overrides: Vec<Override>,
    pub(super) permissions: PermissionSet,
    pub(super) verdict: Verdict,
    /// Whether its credential spares it the lobby.
    bypasses: bool,
    /// Whether it was admitted to this meeting before.
    was_admitted: bool,
    /// Whether it was removed from this meeting before.
    was_removed: bool,
    /// Whether it was sent back to the lobby, and nobody admitted it there.
    was_sent_back: bool,
    /// By what it may be somebody who was, under another device key.
    likeness: Option<Likeness>,
    pub(super) invite_note: Option<String>,
}

impl Candidate {
    pub(super) fn marks(&self) -> Marks {
        Marks {
            identity: self.identity,
            invite_note: self.invite_note.clone(),
            previous_kick: !self.was_admitted && (self.was_removed || self.was_sent_back)
                || self.likeness == Some(Likeness::Invite),
            network_banned: matches!(self.verdict, Verdict::NetworkOnly { .. })
                || self.likeness == Some(Likeness::Network),
        }
    }

    /// Returns whether somebody has to look at it before it comes in, whatever it shows.
    pub(super) fn is_suspect(&self) -> bool {
        let visitor = &self.visitor;
        let is_marked = self.was_removed
            || self.was_sent_back
            || self.likeness.is_some()
            || visitor.distrusted && matches!(visitor.claim, Claim::Password { .. })
            || matches!(self.verdict, Verdict::NetworkOnly { .. });
        is_marked && !self.was_admitted
    }
}

/// A participant that somebody at the door already is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Twin {
    key: MemberKey,
    presence: Presence,
    /// Whether it is the same device, or else another one with the same invite.
    is_same_device: bool,
}

/// What is done about a twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duplication {
    /// It stays.
    Join,
    /// It goes.
    Replace,
    /// Its owner is asked.
    Ask,
    /// Only one can be there.
    Busy,
}

impl Room {
    /// Brings somebody in or into the lobby, or answers why not. Returns whether
    /// the link belongs to the room from here on.
    pub fn handle_join(&mut self, now: Instant, entrant: Entrant) -> bool {
        self.now = now;
        self.begin_step();
        let (link, id, prefix) = (entrant.link, entrant.id, entrant.prefix);
        let is_in = match self.enter(entrant) {
            Ok(is_in) => is_in,
            Err(error) => {
                self.note_refusal("join", prefix, &error);
                self.refuse(link, id, error);
                false
            }
        };
        self.settle();
        is_in
    }

    fn enter(&mut self, entrant: Entrant) -> Result<bool, ErrorBody> {
        let Entrant {
            link,
            id,
            address,
            consent_hash,
            duplicate,
            ..
        } = entrant;
        let mut candidate = self.candidate(Visitor {
            member: Some(entrant.member),
            prefix: entrant.prefix,
            networks: entrant.networks,
            name: entrant.name,
            device: entrant.device,
            claim: entrant.claim,
            distrusted: entrant.to_lobby,
            address: Some(address),
            consent: consent_hash,
            choice: duplicate,
            relay_host: entrant.relay_host,
        })?;
        self.check_bans(&candidate, address)?;
        let twin = self.twin(&candidate);
        let duplication = twin.map(|twin| self.judge_twin(&candidate, twin));
        if duplication == Some(Duplication::Join) && twin.is_some_and(|twin| twin.is_same_device) {
            // Who was admitted was one, not as many as it likes.
            candidate.was_admitted = false;
        }
        // A device that is in the room and comes in its own place is no newcomer.
        let is_newcomer =
            twin.is_none_or(|twin| !twin.is_same_device) || duplication == Some(Duplication::Join);
        if is_newcomer && !candidate.is_host {
            self.check_window(&candidate.visitor.claim)?;
            if self.settings.locked {
                return Err(ErrorCode::Locked.into());
            }
        }
        let replaces = duplication == Some(Duplication::Replace);
        let has_place =
            duplication == Some(Duplication::Ask) || self.has_place(&candidate, replaces);
        let ghost = self.ghost_of(&candidate).filter(|_| !has_place);
        if !has_place && ghost.is_none() {
            return Err(ErrorCode::Full.into());
        }
        self.check_consent(candidate.visitor.consent.as_deref())?;
        match (duplication, twin) {
            (Some(Duplication::Ask), Some(twin)) => {
                self.offer_choice(link, id, twin.key);
                return Ok(false);
            }
            (Some(Duplication::Busy), Some(twin)) => {
                let busy = ErrorBody::from(ErrorCode::Busy);
                let other = self.members.get(&twin.key);
                return Err(other.map_or(busy.clone(), |other| busy.by(other.face.id)));
            }
            _ => {}
        }
        if is_newcomer && self.must_wait(&candidate) {
            return self.wait(link, id, candidate).map(|()| true);
        }
        self.replace(twin.filter(|_| replaces));
        if let Some(ghost) = ghost {
            self.remove(ghost, LeftReason::ConnectionLost);
        }
        self.forget_knock_of(&candidate.visitor.device);
        self.admit(candidate, link, Way::Door { id });
        Ok(true)
    }

    /// Takes somebody out whose successor comes at once, so that the meeting goes
    /// on even if nobody else is in it.
    pub(super) fn replace(&mut self, twin: Option<Twin>) {
        let Some(twin) = twin else {
            return;
        };
        self.remove(twin.key, LeftReason::Left);
        if let Presence::Connected(old) = twin.presence {
            self.close(old, CloseCode::TakenOver);
        }
    }

    /// Asks again what may have changed while somebody waited. Returns whose place
    /// it takes, if somebody's.
    ///
    /// # Errors
    /// Why it does not come in as it is.
    pub(super) fn is_still_welcome(
        &self,
        candidate: &Candidate,
    ) -> Result<Option<Twin>, ErrorBody> {
        let visitor = &candidate.visitor;
        if let Verdict::Banned { until } = candidate.verdict {
            return Err(ErrorBody::from(ErrorCode::Banned).until(until));
        }
        if !candidate.is_host {
            self.check_window(&visitor.claim)?;
            if visitor
                .address
                .is_some_and(|address| !self.is_allowed(address))
            {
                return Err(ErrorCode::Banned.into());
            }
        }
        self.check_consent(visitor.consent.as_deref())?;
        let twin = self.twin(candidate);
        match twin.map(|twin| self.judge_twin(candidate, twin)) {
            Some(Duplication::Busy) => Err(ErrorCode::Busy.into()),
            Some(Duplication::Replace) => Ok(twin),
            // Whoever admits it sees that it is there already.
            Some(Duplication::Join | Duplication::Ask) | None => Ok(None),
        }
    }

    /// Works out what somebody would be in the room.
    ///
    /// # Errors
    /// What it shows opens nothing.
    pub(super) fn candidate(&self, mut visitor: Visitor) -> Result<Candidate, ErrorBody> {
        let now = self.time();
        let settings = &self.settings;
        if self.is_deleted {
            return Err(wrong(&visitor.claim));
        }
        let (mut bypasses, mut is_name_locked) = (false, false);
        let (mut invite, mut sent_as) = (None, None);
        match &visitor.claim {
            // A password was set while this one was on its way.
            Claim::Open if settings.password.is_some() => return Err(wrong(&visitor.claim)),
            Claim::Open => {}
            Claim::Password { rev } => {
                if settings.password.is_some() && *rev != settings.password_rev {
                    return Err(wrong(&visitor.claim));
                }
                bypasses = settings.password_bypasses_lobby && !visitor.distrusted;
            }
            Claim::Invite(hash) => {
                let known = self.invites.by_hash(hash);
                let known = known.ok_or_else(|| wrong(&visitor.claim))?;
                let goes_on = self.standing_of(&visitor.device).is_some();
                invites::judge(known, now, &visitor.device, goes_on)?;
                bypasses = known.bypass_lobby;
                if let Some(name) = known.name.as_ref().filter(|_| known.name_locked) {
                    visitor.name = name.clone();
                    is_name_locked = true;
                }
                invite = Some(known);
            }
            Claim::Site(sent) => {
                bypasses = true;
                sent_as = Some(sent.role);
                if let Some(name) = &sent.name {
                    visitor.name = name.clone();
                    is_name_locked = true;
                }
            }
        }
        let identity = match (sent_as, invite) {
            (Some(_), _) => Identity::Verified,
            (None, Some(invite)) => invites::identity(invite),
            (None, None) => Identity::Guest,
        };
        let by_claim = match (sent_as, invite) {
            (Some(role), _) => (role, None),
            (None, Some(invite)) => self.role_of(invite, identity),
            (None, None) => (settings.default_role, None),
        };
        let is_host = by_claim.0 == Role::Host;
        // What was given to a device does not make less of a host.
        let standing = self.standing_of(&visitor.device).filter(|_| !is_host);
        let (role, custom_role) = match standing.and_then(|known| Some((known.role?, known))) {
            Some((role, known)) if may_hold(settings, identity, role) => {
                (role, self.custom_role_of(known.custom_role.as_ref(), role))
            }
            Some(_) => (Role::Presenter, None),
            None => by_claim.clone(),
        };
        let overrides = standing.map_or_else(Vec::new, |known| known.overrides.clone());
        let subject = Subject {
            role,
            custom_role: custom_role.as_ref(),
            overrides: &overrides,
            device: Some(&visitor.device),
        };
        let permissions = permissions_of(settings, &subject, now);
        let who = Traits {
            invite: invite.map(|invite| invite.id),
            device: &visitor.device,
            networks: &visitor.networks,
        };
        // Whoever has a key to the room is not kept from it.
        let verdict = match is_host {
            true => Verdict::Free,
            false => self.bans.judge(now, who),
        };
        let was_admitted = standing.is_some_and(|known| known.admitted);
        let invite_id = invite.map(|invite| invite.id);
        let likeness = match is_host {
            true => None,
            false => self.likeness(&visitor, invite_id, by_claim.0),
        };
        let renamed = standing.and_then(|known| known.name.clone());
        let keeps_name = is_name_locked || !permissions.contains(Permission::SelfRename);
        if let Some(name) = renamed.filter(|_| keeps_name) {
            visitor.name = name;
        }
        Ok(Candidate {
            invite: invite_id,
            is_host,
            by_claim,
            role,
            custom_role,
            identity,
            permissions,
            verdict,
            bypasses: bypasses || permissions.contains(Permission::LobbyBypass),
            was_admitted,
            was_removed: standing.is_some_and(|known| known.removals > 0),
            was_sent_back: standing.is_some_and(|known| known.sent_back),
            likeness,
            invite_note: invite.and_then(|invite| invite.note.clone()),
            overrides,
            visitor,
        })
    }

    /// Returns as what an invite lets its holder in.
    fn role_of(&self, invite: &Invite, identity: Identity) -> (Role, Option<RoleName>) {
        if !may_hold(&self.settings, identity, invite.role) {
            return (Role::Presenter, None);
        }
        let custom_role = self.custom_role_of(invite.custom_role.as_ref(), invite.role);
        (invite.role, custom_role)
    }

    /// Returns a custom role, if there still is one of this name on this base.
    fn custom_role_of(&self, name: Option<&RoleName>, base: Role) -> Option<RoleName> {
        let custom = self.settings.custom_role(name?)?;
        (custom.base == base).then(|| custom.name.clone())
    }

    /// Keeps out who is banned, was sent away for a while, or comes from where
    /// the room is closed.
    pub(super) fn check_bans(
        &self,
        candidate: &Candidate,
        address: IpAddr,
    ) -> Result<(), ErrorBody> {
        let banned = ErrorBody::from(ErrorCode::Banned);
        if let Verdict::Banned { until } = candidate.verdict {
            return Err(banned.until(until));
        }
        if candidate.is_host {
            return Ok(());
        }
        if !self.is_allowed(address) {
            return Err(banned);
        }
        Ok(())
    }

    /// Returns whether the room may be entered from an address.
    pub(super) fn is_allowed(&self, address: IpAddr) -> bool {
        let allowed = &self.settings.allowed_networks;
        allowed.is_empty() || allowed.iter().any(|network| network.contains(address))
    }

    /// Keeps newcomers out before the room opens; after it has closed it is like
    /// one that does not exist.
    fn check_window(&self, claim: &Claim) -> Result<(), ErrorBody> {
        let now = self.time();
        match (self.settings.opens_at, self.settings.closes_at) {
            (_, Some(closes)) if closes <= now => Err(wrong(claim)),
            (Some(opens), _) if now < opens => {
                Err(ErrorBody::from(ErrorCode::NotOpenYet).opens_at(opens))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether there is a place in the room. One beyond the others is
    /// kept for a host.
    pub(super) fn has_place(&self, candidate: &Candidate, replaces: bool) -> bool {
        let asked = self.settings.caps.participants;
        let asked = asked.and_then(|most| usize::try_from(most).ok());
        let most = asked.map_or(self.config.participants_max, |most| {
            most.min(self.config.participants_max)
        });
        let others = self.members.len() - usize::from(replaces);
        others < most + usize::from(candidate.is_host)
    }

    /// Finds the place of a host whose link broke, for one with the same invite.
    fn ghost_of(&self, candidate: &Candidate) -> Option<MemberKey> {
        let own = candidate.invite.filter(|_| candidate.is_host)?;
        let mut members = self.members.iter();
        let ghost = members.find(|(_, member)| {
            let is_dropped = matches!(member.presence, Presence::Dropped { .. });
            is_dropped && member.invite == Some(own)
        });
        ghost.map(|(key, _)| *key)
    }

    fn check_consent(&self, agreed: Option<&str>) -> Result<(), ErrorBody> {
        let Some(text) = &self.settings.consent_text else {
            return Ok(());
        };
        let hash = consent_hash(text);
        if agreed == Some(hash.as_str()) {
            return Ok(());
        }
        Err(ErrorBody::from(ErrorCode::ConsentRequired).consent(text, hash))
    }

    /// Finds the newest participant of the same device, or else of the same
    /// personal invite.
    fn twin(&self, candidate: &Candidate) -> Option<Twin> {
        let newest = |is_twin: &dyn Fn(&Member) -> bool, is_same_device| {
            let twins = self.members.iter().filter(|(_, member)| is_twin(member));
            let (key, member) = twins.max_by_key(|(_, member)| member.arrival)?;
            Some(Twin {
                key: *key,
                presence: member.presence,
                is_same_device,
            })
        };
        let device = candidate.visitor.device;
        let invite = candidate
            .invite
            .and_then(|id| self.invites.get(&id))
            .filter(|invite| invites::is_personal(invite))
            .map(|invite| invite.id);
        newest(&|member| member.device == device, true).or_else(|| {
            let invite = invite?;
            newest(&|member| member.invite == Some(invite), false)
        })
    }

    fn judge_twin(&self, candidate: &Candidate, twin: Twin) -> Duplication {
        let judged = self.judge_choice(candidate, twin);
        let device = &candidate.visitor.device;
        let seats = self.members.values();
        let seats = seats.filter(|member| member.device == *device).count();
        let is_full = seats >= SEATS_PER_DEVICE;
        match judged {
            Duplication::Join if is_full => Duplication::Busy,
            judged => judged,
        }
    }

    fn judge_choice(&self, candidate: &Candidate, twin: Twin) -> Duplication {
        let choice = candidate.visitor.choice;
        let is_dropped = matches!(twin.presence, Presence::Dropped { .. });
        let policy = match self.settings.duplicate {
            // Nobody shuts a host out, not even the host.
            DuplicatePolicy::RejectNew if candidate.is_host => DuplicatePolicy::Ask,
            policy => policy,
        };
        match (policy, choice) {
            (DuplicatePolicy::Replace, _) => Duplication::Replace,
            // Nobody sits before a link that broke: its place is free for its own device.
            (DuplicatePolicy::RejectNew, _) if twin.is_same_device && is_dropped => {
                Duplication::Replace
            }
            (DuplicatePolicy::RejectNew, _) => Duplication::Busy,
            (_, Some(DuplicateChoice::TakeOver)) => Duplication::Replace,
            (_, Some(DuplicateChoice::JoinAsSecond)) => Duplication::Join,
            (_, None) if twin.is_same_device && is_dropped => Duplication::Replace,
            (DuplicatePolicy::Allow, None) => Duplication::Join,
            (DuplicatePolicy::Ask, None) => Duplication::Ask,
        }
    }

    fn offer_choice(&mut self, link: LinkId, id: u32, other: MemberKey) {
        let Some(member) = self.members.get(&other) else {
            return;
        };
        let duplicate = Duplicate {
            participant: member.face.id,
            options: vec![
                DuplicateOption::TakeOver,
                DuplicateOption::JoinAsSecond,
                DuplicateOption::Cancel,
            ],
        };
        self.reply(link, id, Reply::Join(JoinOutcome::Duplicate(duplicate)));
    }

    /// Returns whether somebody has to wait in the lobby.
    pub(super) fn must_wait(&self, candidate: &Candidate) -> bool {
        if candidate.is_host {
            return false;
        }
        if candidate.is_suspect() {
            return true;
        }
        // Who was in the meeting and comes back to it is no newcomer.
        let comes_back = candidate.was_admitted && self.session.is_some();
        let starts = candidate.permissions.contains(Permission::SessionStart);
        if self.is_waiting_for_host() && !starts && !comes_back {
            return true;
        }
        self.has_lobby() && !candidate.bypasses && !candidate.was_admitted
    }

    /// Writes down that somebody was kept out by a ban, by a lock or by what it shows.
    pub(super) fn note_refusal(&mut self, action: &str, prefix: Prefix, error: &ErrorBody) {
        let is_told = matches!(
            error.code,
            ErrorCode::Banned
                | ErrorCode::Locked
                | ErrorCode::Forbidden
                | ErrorCode::BadCredentials
                | ErrorCode::InviteExpired
                | ErrorCode::InviteRevoked
                | ErrorCode::InviteUsedUp
                | ErrorCode::InviteNotYet
        );
        if !is_told {
            return;
        }
        let Some(left_out) = self.door_refusals.take(self.now) else {
            return;
        };
        let session = SessionId::new(self.time().unix_ms(), self.random());
        let act = Act {
            actor: Actor::Link(session),
            prefix: Some(prefix),
            action,
            target: None,
            detail: (left_out > 0).then(|| format!("{left_out} more left out")),
        };
        self.audit_refusal(act, error);
        // A ban ends some time; a network that is not allowed in does not.
        if error.code == ErrorCode::Banned && error.until.is_some() {
            self.tell_ban_evaded(action, left_out);
        }
    }
}

/// Returns the refusal of a claim that opens nothing: that of a room whose
/// password nobody knows.
pub(super) fn wrong(claim: &Claim) -> ErrorBody {
    let wrong = |field: &str| ErrorBody::from(ErrorCode::BadCredentials).field(field);
    match claim {
        Claim::Open => ErrorCode::PasswordRequired.into(),
        Claim::Password { .. } => wrong("credential.password"),
        Claim::Invite(_) => wrong("credential.secret"),
        Claim::Site(_) => wrong("credential.jwt"),
    }
}

//! What hosts do to participants.

use std::sync::Arc;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{CloseCode, ErrorBody, ErrorCode};
use conclave_signalling_wire::ids::{ParticipantId, RequestId};
use conclave_signalling_wire::limits::REQUEST_WITHIN;
use conclave_signalling_wire::moderation::{
    MediaRequestAnswered, MediaRequestSent, MediaRequested, Muted, OverrideEffect,
    PermissionsReason, Removed, RemovedOk, RequestAnswer, Revised, RevokedReason, Target,
};
use conclave_signalling_wire::objects::{Effect, Override, Permission, Source};
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::request::{
    MediaGrant, MediaMute, MediaRequest, MediaRequestReply, ParticipantRemove, PermOverride,
    RoleSet,
};
use conclave_signalling_wire::text::Prose;
use conclave_signalling_wire::time::Timestamp;

use crate::digest::DeviceHash;
use crate::output::{Notice, Output, Reply};
use crate::permission::{Subject, can_be_overridden, may_hold, permissions_of};
use crate::prompts::{Prompt, Unasked};
use crate::rate::seconds;
use crate::room::Room;
use crate::room::enforce::SHARE;
use crate::room::inviting::Facts;
use crate::room::requests::{Answer, Asker, ReplyTo};
use crate::room::rights::Authority;

/// A day: an exception that is to last longer is one without an end.
const TTL_S_MAX: u32 = 86_400;
/// Participants that a list of exceptions may name.
const EXCEPT_MAX: usize = 500;

impl Room {
    pub(super) fn set_role(&mut self, asker: Asker, set: RoleSet) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.set_role_for(&authority, asker.to(), set)
    }

    /// Gives a participant a role on anybody's authority.
    pub(super) fn set_role_for(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        set: RoleSet,
    ) -> Answer {
        let target = self.reach(authority, Permission::RoleAssign, set.participant)?;
        let member = self.members.get(&target).ok_or(ErrorCode::NotFound)?;
        let face = &member.face;
        let forbidden = ErrorBody::from(ErrorCode::Forbidden);
        if !authority.may_assign(face.role, set.role)
            || !may_hold(&self.settings, face.identity, set.role)
        {
            return Err(forbidden.field("role"));
        }
        if let Some(name) = &set.custom_role {
            let custom = self.settings.custom_role(name);
            let custom = custom.filter(|custom| custom.base == set.role);
            let custom = custom.ok_or_else(|| ErrorBody::bad("custom_role"))?;
            let mut allowed = custom.allow.iter();
            if allowed.any(|key| !authority.permissions.contains(*key)) {
                return Err(forbidden.field("custom_role"));
            }
        }
        // Nor does it give what it may not itself by way of a role.
        let given = Subject {
            role: set.role,
            custom_role: set.custom_role.as_ref(),
            ..member.subject()
        };
        let had = self.evaluate(member);
        let given = permissions_of(&self.settings, &given, self.time());
        let mut gained = given.to_vec().into_iter().filter(|key| !had.contains(*key));
        if gained.any(|key| !authority.permissions.contains(key)) {
            return Err(forbidden.field("role"));
        }
        if face.rev != set.rev {
            return Err(ErrorBody::from(ErrorCode::Conflict).field("rev"));
        }
        if (face.role, &face.custom_role) == (set.role, &set.custom_role) {
            let rev = face.rev;
            return Ok(Some(Reply::Revised(Revised { rev })));
        }
        let before = face.clone();
        let mut after = face.clone();
        after.rev += 1;
        after.role = set.role;
        after.custom_role = set.custom_role;
        if let Some(member) = self.members.get_mut(&target) {
            member.face = after.clone();
        }
        // Kept before anybody is told.
        self.note_standing(target);
        self.note_role(target, before.role, authority.actor);
        self.show_change(&before, &after);
        let by = authority.actor.participant();
        self.refresh(target, by, PermissionsReason::RoleChanged);
        self.revised(to, target)
    }

    pub(super) fn override_permission(&mut self, asker: Asker, order: PermOverride) -> Answer {
        let by = self.authority_of(asker.key)?;
        self.override_for(&by, asker.to(), order)
    }

    /// Makes an exception for a participant, or takes it back, on anybody's authority.
    pub(super) fn override_for(
        &mut self,
        by: &Authority,
        to: ReplyTo,
        order: PermOverride,
    ) -> Answer {
        let key = order.key;
        let assigns = by.require(Permission::RoleAssign);
        if key.publishes().is_none() || by.require(Permission::MediaGrant).is_err() {
            assigns?;
        }
        let target = self.reach_lower(by, order.participant)?;
        if !can_be_overridden(key) {
            return Err(ErrorBody::bad("key"));
        }
        if !by.permissions.contains(key) {
            return Err(ErrorBody::from(ErrorCode::Forbidden).field("key"));
        }
        check_ttl(order.ttl_s)?;
        let member = self.members.get(&target).ok_or(ErrorCode::NotFound)?;
        if member.face.rev != order.rev {
            return Err(ErrorBody::from(ErrorCode::Conflict).field("rev"));
        }
        let effect = match order.effect {
            OverrideEffect::Allow => Some(Effect::Allow),
            OverrideEffect::Deny => Some(Effect::Deny),
            OverrideEffect::Clear => None,
        };
        self.except(target, &[key], effect, order.ttl_s, by.actor.participant());
        self.revised(to, target)
    }

    pub(super) fn grant_source(&mut self, asker: Asker, grant: MediaGrant) -> Answer {
        let target = self.require_on(asker.key, Permission::MediaGrant, grant.participant)?;
        let by = self.authority_of(asker.key)?;
        let sources = match grant.source {
            Source::Screen => &SHARE[..],
            Source::Microphone => &[Source::Microphone],
            Source::Camera => &[Source::Camera],
            Source::ScreenAudio => &[Source::ScreenAudio],
        };
        let keys: Vec<Permission> = sources
            .iter()
            .copied()
            .map(Permission::to_publish)
            .collect();
        // Nobody gives what it does not have; taking is another thing.
        if grant.on && keys.iter().any(|key| !by.permissions.contains(*key)) {
            return Err(ErrorBody::from(ErrorCode::Forbidden).field("source"));
        }
        check_ttl(grant.ttl_s)?;
        let keys = match grant.on {
            true => keys,
            // Nor does it give something by taking it for a shorter time.
            false => self.not_shortened(target, &by, keys, grant.ttl_s),
        };
        let effect = if grant.on {
            Effect::Allow
        } else {
            Effect::Deny
        };
        let by = by.actor.participant();
        self.except(target, &keys, Some(effect), grant.ttl_s, by);
        self.revised(asker.to(), target)
    }

    /// Returns what a participant may be denied for so long by somebody who does
    /// not have all of it: not what it is denied for longer.
    fn not_shortened(
        &self,
        target: MemberKey,
        by: &Authority,
        keys: Vec<Permission>,
        ttl_s: Option<u32>,
    ) -> Vec<Permission> {
        let until = ttl_s.map(|ttl_s| self.in_s(ttl_s));
        let Some(member) = self.members.get(&target) else {
            return keys;
        };
        let denied = self.live_overrides(member);
        let lasts_longer = |key: &Permission| {
            denied.iter().any(|known| {
                let ends_later = match (known.expires_at, until) {
                    (_, None) => false,
                    (None, Some(_)) => true,
                    (Some(end), Some(until)) => end > until,
                };
                known.key == *key && known.effect == Effect::Deny && ends_later
            })
        };
        let keys = keys.into_iter();
        keys.filter(|key| by.permissions.contains(*key) || !lasts_longer(key))
            .collect()
    }

    pub(super) fn in_s(&self, ttl_s: u32) -> Timestamp {
        Timestamp::from_unix_ms(self.time().unix_ms() + 1000 * u64::from(ttl_s))
    }

    /// Makes exceptions for a participant, or takes them back.
    fn except(
        &mut self,
        target: MemberKey,
        keys: &[Permission],
        effect: Option<Effect>,
        ttl_s: Option<u32>,
        by: Option<ParticipantId>,
    ) {
        let expires_at = ttl_s.map(|ttl_s| self.in_s(ttl_s));
        let Some(member) = self.members.get_mut(&target) else {
            return;
        };
        let overrides = &mut member.overrides;
        overrides.retain(|known| !keys.contains(&known.key));
        if let Some(effect) = effect {
            overrides.extend(keys.iter().map(|key| Override {
                key: *key,
                effect,
                expires_at,
            }));
        }
        let rev = member.face.rev;
        self.note_standing(target);
        self.refresh(target, by, PermissionsReason::OverrideChanged);
        // Raises the number that two hosts compare, if nothing else has.
        let member = self.members.get(&target);
        if member.is_some_and(|member| member.face.rev == rev) {
            self.update(target, |_| {});
        }
    }

    /// Answers with the number that a participant has after everything.
    fn revised(&mut self, to: ReplyTo, target: MemberKey) -> Answer {
        let member = self.members.get(&target).ok_or(ErrorCode::NotFound)?;
        let rev = member.face.rev;
        self.once_stopped(to, Reply::Revised(Revised { rev }))
    }

    pub(super) fn mute_others(&mut self, asker: Asker, mute: MediaMute) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.mute_for(&authority, asker.to(), mute)
    }

    /// Mutes participants, or stops what they share, on anybody's authority.
    pub(super) fn mute_for(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        mute: MediaMute,
    ) -> Answer {
        let MediaMute { target, sources } = mute;
        authority.require(Permission::MediaMute)?;
        if sources.is_empty() || sources.len() > Source::ALL.len() {
            return Err(ErrorBody::bad("sources"));
        }
        let targets = match target {
            Target::Participant { participant } => vec![self.reach_lower(authority, participant)?],
            Target::AllExcept { participants } => self.lower_than(authority, &participants)?,
        };
        let by = authority.actor.participant();
        let mut muted = Vec::new();
        for key in targets {
            if self.mute_all(key, &sources, by)
                && let Some(member) = self.members.get(&key)
                && self.sees(authority, member.face.id)
            {
                muted.push(member.face.id);
            }
        }
        self.deeds.outcome = Some(format!("{} muted", muted.len()));
        let participants = muted;
        self.once_stopped(to, Reply::Muted(Muted { participants }))
    }

    /// Returns everybody below somebody, but for these.
    fn lower_than(
        &self,
        by: &Authority,
        except: &[ParticipantId],
    ) -> Result<Vec<MemberKey>, ErrorBody> {
        if except.len() > EXCEPT_MAX {
            return Err(ErrorBody::bad("target.participants"));
        }
        let lower = self.members.iter().filter(|(_, member)| {
            by.may_act_on(member.face.role) && !except.contains(&member.face.id)
        });
        Ok(lower.map(|(key, _)| *key).collect())
    }

    /// Returns all that a device is in the room and that is below somebody:
    /// whoever is removed goes with its other pages.
    pub(super) fn lower_of_device(
        &self,
        by: &Authority,
        device: DeviceHash,
    ) -> Result<Vec<MemberKey>, ErrorBody> {
        let mut lower = self.lower_than(by, &[])?;
        lower.retain(|key| {
            let member = self.members.get(key);
            member.is_some_and(|member| member.device == device)
        });
        Ok(lower)
    }

    /// Mutes or stops sources of somebody. Returns whether any of them was open.
    fn mute_all(&mut self, key: MemberKey, sources: &[Source], by: Option<ParticipantId>) -> bool {
        let mut any = false;
        for source in sources.iter().copied() {
            any |= match source {
                Source::Microphone | Source::Camera => {
                    self.mute(key, source, RevokedReason::Muted, by)
                }
                Source::Screen | Source::ScreenAudio => {
                    self.revoke(key, source, RevokedReason::Stopped, by)
                }
            };
        }
        self.update_sources(key);
        any
    }

    pub(super) fn request_media(&mut self, asker: Asker, ask: MediaRequest) -> Answer {
        let target = self.require_on(asker.key, Permission::MediaRequest, ask.participant)?;
        let by = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        let by = by.face.id;
        let request = RequestId::new(self.time().unix_ms(), self.random());
        self.prompts
            .ask(self.now, request, asker.key, target, ask.source)
            .map_err(|unasked| match unasked {
                Unasked::Pending => ErrorBody::from(ErrorCode::Conflict),
                Unasked::TooOften(wait) => {
                    ErrorBody::from(ErrorCode::RateLimited).retry_after_s(seconds(wait))
                }
            })?;
        let requested = MediaRequested {
            request,
            source: ask.source,
            by,
            expires_s: seconds(REQUEST_WITHIN),
        };
        self.tell(target, &Notice::new(requested));
        Ok(Some(Reply::Requested(MediaRequestSent { request })))
    }

    /// Passes an answer on. Nothing is unmuted by it: whoever accepts does so itself.
    pub(super) fn answer_request(&mut self, asker: Asker, reply: MediaRequestReply) -> Answer {
        let prompt = self.prompts.answer(reply.request, asker.key);
        let prompt = prompt.ok_or_else(|| ErrorBody::from(ErrorCode::NotFound).field("request"))?;
        let asked = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        let asked = asked.face.id;
        self.tell_answer(reply.request, prompt, asked, Some(reply.answer));
        Ok(Some(Reply::Done))
    }

    pub(super) fn tell_answer(
        &mut self,
        request: RequestId,
        prompt: Prompt,
        participant: ParticipantId,
        answer: Option<RequestAnswer>,
    ) {
        let answered = MediaRequestAnswered {
            request,
            participant,
            source: prompt.source,
            answer,
        };
        self.tell(prompt.asker, &Notice::new(answered));
    }

    /// Tells who asked that nobody answered in time.
    pub(super) fn expire_requests(&mut self) {
        for (request, prompt) in self.prompts.overdue(self.now) {
            if let Some(asked) = self.members.get(&prompt.asked) {
                let participant = asked.face.id;
                self.tell_answer(request, prompt, participant, None);
            }
        }
    }

    /// Tells who asked somebody that it is gone.
    pub(super) fn forget_requests(&mut self, key: MemberKey, participant: ParticipantId) {
        for (request, prompt) in self.prompts.forget(key) {
            self.tell_answer(request, prompt, participant, None);
        }
    }

    pub(super) fn remove_participant(&mut self, asker: Asker, order: ParticipantRemove) -> Answer {
        let authority = self.authority_of(asker.key)?;
        self.remove_for(&authority, asker.to(), order)
    }

    /// Removes a participant on anybody's authority.
    pub(super) fn remove_for(
        &mut self,
        authority: &Authority,
        to: ReplyTo,
        order: ParticipantRemove,
    ) -> Answer {
        let ParticipantRemove {
            participant,
            reason,
            message,
            ban,
        } = order;
        let target = self.reach(authority, Permission::ParticipantRemove, participant)?;
        if ban.is_some() {
            authority.require(Permission::ParticipantBan)?;
        }
        let by = authority.actor;
        let member = self.members.get(&target).ok_or(ErrorCode::NotFound)?;
        let (device, facts) = (member.device, Facts::from(member));
        let ban = match ban {
            Some(ban) => Some(self.make_ban(by, &facts, &ban, reason.as_ref())?),
            None => None,
        };
        let removals = self.note_removal(target);
        let text = |prose: Prose| prose.as_str().to_owned();
        let removed = Removed {
            reason: reason.map(text),
            message: message.map(text),
            banned_until: ban.as_ref().map(|ban| ban.expires_at),
        };
        let removed = Notice::new(removed);
        let ban = ban.map(|ban| ban.id);
        for key in self.lower_of_device(authority, device)? {
            self.tell_removed(key, by, removals, ban);
            self.send_away(key, &removed);
        }
        self.deeds.outcome = ban.map(|ban| format!("as {ban}"));
        self.once_stopped(to, Reply::Removed(RemovedOk { ban, removals }))
    }

    /// Removes somebody, and says so before its link is closed.
    fn send_away(&mut self, key: MemberKey, removed: &Arc<Notice>) {
        self.tell(key, removed);
        if let Some(link) = self.members.get(&key).and_then(|member| member.link()) {
            self.outputs.push_back(Output::Close {
                link,
                code: CloseCode::Removed,
            });
        }
        self.remove(key, LeftReason::Removed);
    }
}

fn check_ttl(ttl_s: Option<u32>) -> Result<(), ErrorBody> {
    if ttl_s.is_none_or(|ttl_s| (1..=TTL_S_MAX).contains(&ttl_s)) {
        Ok(())
    } else {
        Err(ErrorBody::bad("ttl_s"))
    }
}

//! The model of what is done to the rights and the media of others.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::moderation::{OverrideEffect, RevokedReason, Target};
use conclave_signalling_wire::objects::{Effect, Override, Permission, Source};
use conclave_signalling_wire::request::{
    MediaGrant, MediaMute, MediaRequest, PermOverride, RoleSet,
};

use crate::model::{Answer, Authority, Model, Prompt, SHARE, To, at, who};
use crate::rules;
use crate::rules::{Who, outranks};
use crate::seen::{Outcome, Seen};
use crate::verbs::{FORBIDDEN, bad, check_ttl, find_custom, require, seen_rev};

impl Model {
    pub(crate) fn set_role(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        set: &RoleSet,
    ) -> Answer {
        require(by, Permission::RoleAssign)?;
        let key = self.lower(by, set.participant)?;
        let person = &self.people[&key];
        if !outranks(by.role, set.role) || !rules::may_hold(&self.room, person.identity, set.role) {
            return Err((ErrorCode::Forbidden, Some("role")));
        }
        if let Some(name) = &set.custom_role {
            let custom = find_custom(&self.room, name, set.role).ok_or(bad("custom_role"))?;
            if !custom.allow.iter().all(|key| by.may.contains(key)) {
                return Err((ErrorCode::Forbidden, Some("custom_role")));
            }
        }
        let after = Who {
            role: set.role,
            custom: set.custom_role.as_ref(),
            ..who(person)
        };
        let after = rules::all(&self.room, &self.locks, &after, self.now);
        let had = self.may(person);
        if after.difference(&had).any(|key| !by.may.contains(key)) {
            return Err((ErrorCode::Forbidden, Some("role")));
        }
        if seen_rev(self, key) != set.rev {
            return Err((ErrorCode::Conflict, Some("rev")));
        }
        if (person.role, &person.custom) == (set.role, &set.custom_role) {
            return Ok(Some(Outcome::ok("revised")));
        }
        if let Some(person) = self.people.get_mut(&key) {
            (person.role, person.custom) = (set.role, set.custom_role.clone());
        }
        self.note_standing(key);
        self.enforce(by.actor.participant());
        self.once_stopped(seen, to, "revised")
    }

    pub(crate) fn override_one(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        order: &PermOverride,
    ) -> Answer {
        let is_media = order.key.publishes().is_some();
        if !(by.may.contains(&Permission::RoleAssign)
            || is_media && by.may.contains(&Permission::MediaGrant))
        {
            return Err(FORBIDDEN);
        }
        let key = self.lower(by, order.participant)?;
        if rules::FIXED.contains(&order.key) {
            return Err(bad("key"));
        }
        if !by.may.contains(&order.key) {
            return Err((ErrorCode::Forbidden, Some("key")));
        }
        check_ttl(order.ttl_s)?;
        if seen_rev(self, key) != order.rev {
            return Err((ErrorCode::Conflict, Some("rev")));
        }
        let effect = match order.effect {
            OverrideEffect::Allow => Some(Effect::Allow),
            OverrideEffect::Deny => Some(Effect::Deny),
            OverrideEffect::Clear => None,
        };
        self.except(key, &[order.key], effect, order.ttl_s);
        self.enforce(by.actor.participant());
        self.once_stopped(seen, to, "revised")
    }

    pub(crate) fn grant(
        &mut self,
        seen: &mut Seen,
        by: &Authority,
        to: To,
        grant: &MediaGrant,
    ) -> Answer {
        require(by, Permission::MediaGrant)?;
        let target = self.lower(by, grant.participant)?;
        let mut keys = vec![Permission::to_publish(grant.source)];
        if grant.source == Source::Screen {
            keys.push(Permission::PublishScreenAudio);
        }
        if grant.on && !keys.iter().all(|key| by.may.contains(key)) {
            return Err((ErrorCode::Forbidden, Some("source")));
        }
        check_ttl(grant.ttl_s)?;
        let until = grant
            .ttl_s
            .map_or(u64::MAX, |s| self.now + 1000 * u64::from(s));
        let denied_longer = |key: &Permission| {
            self.people[&target].overrides.iter().any(|known| {
                let end = known.expires_at.map_or(u64::MAX, |end| end.unix_ms());
                known.key == *key
                    && known.effect == Effect::Deny
                    && rules::is_live(known, self.now)
                    && end > until
            })
        };
        if !grant.on {
            keys.retain(|key| by.may.contains(key) || !denied_longer(key));
        }
        let key = target;
        let effect = if grant.on {
            Effect::Allow
        } else {
            Effect::Deny
        };
        self.except(key, &keys, Some(effect), grant.ttl_s);
        self.enforce(by.actor.participant());
        self.once_stopped(seen, to, "revised")
    }

    pub(crate) fn except(
        &mut self,
        key: MemberKey,
        keys: &[Permission],
        effect: Option<Effect>,
        ttl_s: Option<u32>,
    ) {
        let expires_at = ttl_s.map(|ttl_s| at(self.now + 1000 * u64::from(ttl_s)));
        let Some(person) = self.people.get_mut(&key) else {
            return;
        };
        person.overrides.retain(|known| !keys.contains(&known.key));
        for key in keys {
            person.overrides.extend(effect.map(|effect| Override {
                key: *key,
                effect,
                expires_at,
            }));
        }
        self.note_standing(key);
    }

    pub(crate) fn mute_others(
        &mut self,
        seen: &mut Seen,
        own: MemberKey,
        by: &Authority,
        to: To,
        mute: &MediaMute,
    ) -> Answer {
        require(by, Permission::MediaMute)?;
        if mute.sources.is_empty() || mute.sources.len() > 4 {
            return Err(bad("sources"));
        }
        let targets = match &mute.target {
            Target::Participant { participant } => vec![self.lower(by, *participant)?],
            Target::AllExcept { participants } => self.keys_of(|person| {
                outranks(by.role, person.role) && !participants.contains(&person.id)
            }),
        };
        let actor = Some(self.people[&own].id);
        let mut muted = Vec::new();
        for key in targets {
            let mut any = false;
            for source in &mute.sources {
                any |= match SHARE.contains(source) {
                    true => self.revoke(key, *source, RevokedReason::Stopped),
                    false => self.mute(key, *source, RevokedReason::Muted, actor),
                };
            }
            let is_seen = self.sees(own, key);
            muted.extend((any && is_seen).then(|| self.people[&key].id));
        }
        self.once_stopped(seen, to, format!("muted {muted:?}"))
    }

    pub(crate) fn request_media(
        &mut self,
        seen: &mut Seen,
        asker: MemberKey,
        by: &Authority,
        ask: &MediaRequest,
    ) -> Answer {
        require(by, Permission::MediaRequest)?;
        let asked = self.lower(by, ask.participant)?;
        let pair = (asker, asked);
        let same = |prompt: &&Prompt| {
            (prompt.asker, prompt.asked, prompt.source) == (asker, asked, ask.source)
        };
        if self.prompts.iter().find(same).is_some() {
            return Err((ErrorCode::Conflict, None));
        }
        let now = self.now;
        let times = self.prompted.entry(pair).or_default();
        times.retain(|time| now - time < 60_000);
        if times.len() >= 3 {
            return Err((ErrorCode::RateLimited, None));
        }
        times.push(now);
        if let Some(id) = seen.requests.pop() {
            self.expected.requested.push((asked, id));
            self.prompts.push(Prompt {
                id,
                asker,
                asked,
                source: ask.source,
                until: now + 60_000,
            });
        }
        Ok(Some(Outcome::ok("requested")))
    }
}

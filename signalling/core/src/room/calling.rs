//! Raised hands, and who is called to speak.

use std::time::Instant;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::hands::HandCalled;
use conclave_signalling_wire::ids::{ParticipantId, RequestId};
use conclave_signalling_wire::limits::{HAND_TTL_S, REQUEST_WITHIN};
use conclave_signalling_wire::moderation::{MediaRequested, PermissionsReason};
use conclave_signalling_wire::objects::{Effect, Hand, Override, Permission, Source};
use conclave_signalling_wire::request::{HandLower, HandNext};

use crate::digest::DeviceHash;
use crate::hands::{Call, Grant, Hands};
use crate::member::Member;
use crate::output::{Notice, Reply};
use crate::permission::{is_live, may_act_on};
use crate::rate::seconds;
use crate::room::Room;
use crate::room::policy::too_fast;
use crate::room::requests::{Answer, Asker};
use crate::room::rights::Authority;
use crate::settings::Settings;

/// Seconds for which somebody who is called may speak: long enough to find the
/// button, short enough to belong to one meeting.
const CALL_TTL_S: std::ops::RangeInclusive<u32> = 10..=3600;

/// What somebody who is called needs to be able to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Terms {
    /// An exception.
    grants: bool,
    /// That the lock on microphones does not bind it.
    exempts: bool,
}

impl Room {
    pub(super) fn raise_hand(&mut self, asker: Asker) -> Answer {
        self.require(asker.key, Permission::HandRaise)?;
        if self.hands.is_up(asker.key) {
            return Ok(Some(Reply::Done));
        }
        let (now, raised_at) = (self.now, self.time());
        let member = self
            .members
            .get_mut(&asker.key)
            .ok_or(ErrorCode::NotFound)?;
        member.hands.take(now).map_err(too_fast)?;
        self.hands.raise(raised_at, asker.key, member.device);
        self.hands_stale = true;
        self.update(asker.key, |face| face.hand = Some(Hand { raised_at }));
        self.tell_hand(asker.key);
        Ok(Some(Reply::Done))
    }

    /// Lowers a hand. That of another is lowered whatever its rank: nothing is
    /// taken that it could not take back, but for what it has by being called.
    pub(super) fn lower_hand(&mut self, asker: Asker, lower: HandLower) -> Answer {
        let own = self.members.get(&asker.key).ok_or(ErrorCode::NotFound)?;
        let own = own.face.id;
        let target = match lower.participant {
            Some(other) if other != own => {
                self.require(asker.key, Permission::HandManage)?;
                self.known(asker.key, other)?
            }
            _ => asker.key,
        };
        self.lower_waiting(target);
        if self.hands.called().is_some_and(|call| call.who == target) {
            self.finish_call(Some(own));
        }
        self.once_stopped(asker.to(), Reply::Done)
    }

    pub(super) fn lower_all_hands(&mut self, asker: Asker) -> Answer {
        self.require(asker.key, Permission::HandManage)?;
        self.pace(asker.key)?;
        let by = self.members.get(&asker.key).map(|member| member.face.id);
        self.finish_call(by);
        for who in self.hands.waiting(self.settings.hands) {
            self.lower_waiting(who);
        }
        self.once_stopped(asker.to(), Reply::Done)
    }

    /// Calls the first of those whom the asker sees. Nothing is done if that
    /// cannot be.
    pub(super) fn call_next(&mut self, asker: Asker, next: HandNext) -> Answer {
        self.require(asker.key, Permission::HandManage)?;
        let ttl_s = next.ttl_s.unwrap_or(HAND_TTL_S);
        if !CALL_TTL_S.contains(&ttl_s) {
            return Err(ErrorBody::bad("ttl_s"));
        }
        self.pace(asker.key)?;
        let authority = self.authority_of(asker.key)?;
        let by = authority.actor.participant();
        let mut waiting = self.hands.waiting(self.settings.hands).into_iter();
        let first = waiting.find_map(|who| {
            let id = self.members.get(&who)?.face.id;
            self.is_known_to(asker.key, id).then_some((who, id))
        });
        let Some((who, id)) = first else {
            self.finish_call(by);
            let called = HandCalled { participant: None };
            return self.once_stopped(asker.to(), Reply::Called(called));
        };
        let terms = self.terms_of_call(&authority, who)?;
        self.finish_call(by);
        self.begin_call(who, ttl_s, terms, by);
        self.ask_called(asker.key, who);
        self.deeds.outcome = Some(format!("{id} for {ttl_s} s"));
        let called = HandCalled {
            participant: Some(id),
        };
        self.once_stopped(asker.to(), Reply::Called(called))
    }

    /// Works out what it takes to let somebody speak.
    ///
    /// Who calls gives what it has itself, and to lower ranks: an exception, and
    /// a place on the allow-list of the lock on microphones. Whoever may speak
    /// anyway is called without.
    ///
    /// # Errors
    /// `locked` where the lock binds the one who is to be called and who calls
    /// may not lift it, or everything is suspended; else `forbidden`.
    fn terms_of_call(&self, by: &Authority, who: MemberKey) -> Result<Terms, ErrorBody> {
        let member = self.members.get(&who).ok_or(ErrorCode::NotFound)?;
        let lock = &self.settings.locks.microphone;
        let role = member.face.role;
        let exempts = lock.on && !role.is_host() && !lock.allow.contains(&member.device);
        let is_suspended = self.settings.suspended.is_some();
        if exempts && (is_suspended || by.require(Permission::MediaLockAll).is_err()) {
            return Err(ErrorCode::Locked.into());
        }
        let can_grant =
            may_act_on(by.role, role) && by.permissions.contains(Permission::PublishAudio);
        let may = self.evaluate(member).contains(Permission::PublishAudio);
        if may && (role.is_host() || !can_grant) {
            let (grants, exempts) = (false, false);
            return Ok(Terms { grants, exempts });
        }
        // What somebody was denied by itself is lifted by who may lift it otherwise.
        let now = self.time();
        let is_denied = member.overrides.iter().any(|known| {
            (known.key, known.effect) == (Permission::PublishAudio, Effect::Deny)
                && is_live(known, now)
        });
        let lifts = [Permission::MediaGrant, Permission::RoleAssign];
        let may_lift = lifts.iter().any(|key| by.permissions.contains(*key));
        if !can_grant || is_denied && !may_lift {
            return Err(ErrorCode::Forbidden.into());
        }
        let grants = true;
        Ok(Terms { grants, exempts })
    }

    fn begin_call(&mut self, who: MemberKey, ttl_s: u32, terms: Terms, by: Option<ParticipantId>) {
        let until = self.in_s(ttl_s);
        let Some(member) = self.members.get_mut(&who) else {
            return;
        };
        let Some(call) = self.hands.call(who, until) else {
            return;
        };
        if terms.grants {
            let given = Override {
                key: Permission::PublishAudio,
                effect: Effect::Allow,
                expires_at: Some(until),
            };
            let overrides = &mut member.overrides;
            let place = overrides.iter().position(|known| known.key == given.key);
            let before = place.map(|place| overrides.remove(place));
            overrides.push(given.clone());
            call.grant = Some(Grant { given, before });
        }
        call.is_exempt = terms.exempts;
        let (device, rev) = (member.device, member.face.rev);
        self.hands_stale = true;
        if terms.exempts {
            self.bind(device, false, by);
        }
        if terms.grants || terms.exempts {
            self.refresh(who, by, PermissionsReason::Called);
            // Raises the number that two hosts compare, if nothing else has.
            let member = self.members.get(&who);
            if member.is_some_and(|member| member.face.rev == rev) {
                self.update(who, |_| {});
            }
        }
    }

    /// Lets the lock on microphones bind a device, or not. It binds all that the
    /// device is.
    fn bind(&mut self, device: DeviceHash, is_bound: bool, by: Option<ParticipantId>) {
        let mut settings = self.settings.clone();
        let allow = &mut settings.locks.microphone.allow;
        let changed = match is_bound {
            true => allow.remove(&device),
            false => allow.insert(device),
        };
        if !changed {
            return;
        }
        self.keep_settings(settings);
        self.announce_room(by);
        let members = self.members.iter();
        let same = members.filter(|(_, member)| member.device == device);
        let same: Vec<MemberKey> = same.map(|(key, _)| *key).collect();
        for key in same {
            self.refresh(key, by, PermissionsReason::RoomChanged);
        }
    }

    /// Asks the one who was called to unmute, if it has to.
    fn ask_called(&mut self, asker: MemberKey, asked: MemberKey) {
        let is_open = |member: &Member| member.publications.is_open(Source::Microphone);
        if asker == asked || self.members.get(&asked).is_none_or(is_open) {
            return;
        }
        let Some(by) = self.members.get(&asker).map(|member| member.face.id) else {
            return;
        };
        let request = RequestId::new(self.time().unix_ms(), self.random());
        if !self.prompts.ask_called(self.now, request, asker, asked) {
            return;
        }
        if let Some(call) = self.hands.called_mut() {
            call.prompt = Some(request);
        }
        let requested = MediaRequested {
            request,
            source: Source::Microphone,
            by,
            expires_s: seconds(REQUEST_WITHIN),
        };
        self.tell(asked, &Notice::new(requested));
    }

    /// Ends the call that goes on: what it gave is taken back, the hand is
    /// lowered. Does nothing where nobody is called.
    pub(super) fn finish_call(&mut self, by: Option<ParticipantId>) {
        let Some(call) = self.hands.finish() else {
            return;
        };
        self.hands_stale = true;
        let Call {
            who,
            device,
            grant,
            is_exempt,
            prompt,
            ..
        } = call;
        let given = grant.is_some() || is_exempt;
        if let Some(grant) = grant {
            self.end_grant(who, grant);
        }
        if is_exempt {
            self.bind(device, true, by);
        }
        if given {
            self.refresh(who, by, PermissionsReason::Called);
        }
        if self.members.contains_key(&who) {
            self.update(who, |face| face.hand = None);
        }
        if let Some(request) = prompt
            && let Some(prompt) = self.prompts.withdraw(request)
            && let Some(asked) = self.members.get(&who)
        {
            let asked = asked.face.id;
            self.tell_answer(request, prompt, asked, None);
        }
    }

    /// Takes the exception of a call back, unless somebody has made another since.
    fn end_grant(&mut self, who: MemberKey, grant: Grant) {
        let now = self.time();
        let Some(member) = self.members.get_mut(&who) else {
            return;
        };
        let overrides = &mut member.overrides;
        let place = overrides.iter().position(|known| *known == grant.given);
        if let Some(place) = place {
            overrides.remove(place);
            overrides.extend(grant.before.filter(|before| is_live(before, now)));
        }
    }

    /// Returns the exceptions of a participant that outlast its being called:
    /// after a restart a call is over.
    pub(super) fn lasting_overrides(&self, key: MemberKey, member: &Member) -> Vec<Override> {
        let mut live = self.live_overrides(member);
        let call = self.hands.called().filter(|call| call.who == key);
        if let Some(grant) = call.and_then(|call| call.grant.as_ref())
            && let Some(place) = live.iter().position(|known| *known == grant.given)
        {
            live.remove(place);
            let now = self.time();
            let before = grant.before.iter();
            live.extend(before.filter(|before| is_live(before, now)).cloned());
        }
        live
    }

    /// Returns the policies as they are kept: after a restart a call is over.
    pub(super) fn without_call(&self, mut settings: Settings) -> Settings {
        if let Some(call) = self.hands.called().filter(|call| call.is_exempt) {
            settings.locks.microphone.allow.remove(&call.device);
        }
        settings
    }

    /// Leaves the allow-list of the lock on microphones as somebody has just set it.
    pub(super) fn forget_exemption(&mut self) {
        if let Some(call) = self.hands.called_mut() {
            call.is_exempt = false;
        }
    }

    /// Lowers a hand that waits.
    pub(super) fn lower_waiting(&mut self, key: MemberKey) {
        if self.hands.lower(key) {
            self.hands_stale = true;
            self.update(key, |face| face.hand = None);
        }
    }

    /// Lowers the hand of somebody who is gone.
    pub(super) fn forget_hand(&mut self, key: MemberKey) {
        self.hands_stale |= self.hands.lower(key);
        if self.hands.called().is_some_and(|call| call.who == key) {
            self.finish_call(None);
        }
    }

    /// Ends a call whose time is over.
    pub(super) fn expire_call(&mut self) {
        let now = self.time();
        if self.hands.called().is_some_and(|call| call.until <= now) {
            self.finish_call(None);
        }
    }

    /// Returns when [`Room::expire_call`] next has something to do.
    pub(super) fn call_deadline(&self) -> Option<Instant> {
        let call = self.hands.called()?;
        Some(self.clock.when(call.until))
    }

    /// Draws the consequences of a step for whoever was called, and tells the
    /// queue and the spotlight to those for whom they changed.
    pub(super) fn settle_calls(&mut self) {
        self.settle_call();
        self.tell_hands();
        self.settle_spotlight();
    }

    /// Ends the call of somebody who has spoken and is silent, or may not speak
    /// any more.
    fn settle_call(&mut self) {
        let Some(who) = self.hands.called().map(|call| call.who) else {
            return;
        };
        let may = self.require(who, Permission::PublishAudio).is_ok();
        let is_open = self
            .members
            .get(&who)
            .is_some_and(|member| member.publications.is_open(Source::Microphone));
        let has_spoken = self.hands.called_mut().is_some_and(|call| {
            call.has_spoken |= is_open;
            call.has_spoken
        });
        if !may || has_spoken && !is_open {
            self.finish_call(None);
        }
    }

    /// Forgets what concerns the meeting that has ended. Calls that went on are
    /// over: nobody is there who could be called.
    pub(super) fn forget_session(&mut self) {
        self.finish_call(None);
        self.hands = Hands::default();
        self.hands_stale = false;
        self.spotlight.clear();
        self.spotlight_stale = false;
    }

    /// Returns somebody whom a participant sees.
    pub(super) fn known(
        &self,
        key: MemberKey,
        other: ParticipantId,
    ) -> Result<MemberKey, ErrorBody> {
        let found = self.ids.get(&other).copied();
        let found = found.filter(|_| self.is_known_to(key, other));
        found.ok_or_else(|| ErrorCode::NotFound.into())
    }
}

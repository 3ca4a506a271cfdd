//! The model of raised hands: who waits, who is called, what that gives.

use std::collections::BTreeMap;

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::digest::DeviceHash;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::hands::{HandOrder, QueuedHand};
use conclave_signalling_wire::ids::{ParticipantId, RequestId};
use conclave_signalling_wire::objects::{Effect, Override, Permission, Source};
use conclave_signalling_wire::request::{HandLower, HandNext};

use crate::model::{Answer, Authority, Model, Prompt, Refusal, To, at};
use crate::rules::{is_live, outranks, rank};
use crate::seen::Seen;
use crate::verbs::{FORBIDDEN, bad, done, require};

/// Somebody who was called.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) who: MemberKey,
    pub(crate) device: DeviceHash,
    raised_at: u64,
    round: u32,
    pub(crate) until: u64,
    /// The exception that it was given, and the one in whose place.
    grant: Option<(Override, Option<Override>)>,
    /// Whether the lock does not bind it by this alone.
    pub(crate) is_exempt: bool,
    prompt: Option<RequestId>,
    has_spoken: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Hands {
    /// In the order in which they were raised, and when.
    pub(crate) raised: Vec<(MemberKey, u64)>,
    pub(crate) called: Option<Call>,
    rounds: BTreeMap<DeviceHash, u32>,
}

/// Of a question of which only who was asked knows the name.
pub(crate) fn unnamed() -> RequestId {
    RequestId::new(1, [2; 10])
}

impl Model {
    /// When the hand of somebody was raised, if it is up.
    pub(crate) fn hand_of(&self, key: MemberKey) -> Option<u64> {
        let called = self
            .hands
            .called
            .iter()
            .map(|call| (call.who, call.raised_at));
        let mut up = called.chain(self.hands.raised.iter().copied());
        up.find(|(who, _)| *who == key).map(|(_, at)| at)
    }

    fn rounds_of(&self, key: MemberKey) -> u32 {
        let device = self.people[&key].device;
        self.hands.rounds.get(&device).copied().unwrap_or(0)
    }

    fn in_order(&self) -> Vec<(MemberKey, u64)> {
        let mut raised = self.hands.raised.clone();
        if self.room.hands == HandOrder::FirstTimersFirst {
            raised.sort_by_key(|(key, _)| self.rounds_of(*key) > 0);
        }
        raised
    }

    /// The hands that somebody sees, with the places that they have among all.
    pub(crate) fn queue_of(&self, viewer: MemberKey) -> Vec<QueuedHand> {
        let mut queue = Vec::new();
        if let Some(call) = &self.hands.called
            && self.sees(viewer, call.who)
        {
            queue.push(QueuedHand {
                participant: self.people[&call.who].id,
                position: 0,
                raised_at: at(call.raised_at),
                round: call.round,
                called_until: Some(at(call.until)),
            });
        }
        for (place, (key, raised_at)) in self.in_order().into_iter().enumerate() {
            if self.sees(viewer, key) {
                queue.push(QueuedHand {
                    participant: self.people[&key].id,
                    position: place as u32 + 1,
                    raised_at: at(raised_at),
                    round: self.rounds_of(key),
                    called_until: None,
                });
            }
        }
        queue
    }

    pub(crate) fn raise(&mut self, key: MemberKey) -> Answer {
        if !self.holds(key, Permission::HandRaise) {
            return Err(FORBIDDEN);
        }
        if self.hand_of(key).is_some() {
            return done();
        }
        let now = self.now;
        let person = self.people.get_mut(&key);
        if person.is_some_and(|person| !person.hands.take(now)) {
            return Err((ErrorCode::RateLimited, None));
        }
        self.hands.raised.push((key, now));
        done()
    }

    pub(crate) fn lower_hand(
        &mut self,
        seen: &mut Seen,
        own: MemberKey,
        by: &Authority,
        to: To,
        lower: &HandLower,
    ) -> Answer {
        let own_id = self.people[&own].id;
        let target = match lower.participant.filter(|id| *id != own_id) {
            None => own,
            Some(id) => {
                require(by, Permission::HandManage)?;
                let other = self.of_id(id).filter(|other| self.sees(own, *other));
                other.ok_or((ErrorCode::NotFound, None))?
            }
        };
        self.hands.raised.retain(|(key, _)| *key != target);
        if self
            .hands
            .called
            .as_ref()
            .is_some_and(|call| call.who == target)
        {
            self.finish_call(Some(own_id));
        }
        self.once_stopped(seen, to, "done")
    }

    pub(crate) fn lower_all(
        &mut self,
        seen: &mut Seen,
        own: MemberKey,
        by: &Authority,
        to: To,
    ) -> Answer {
        require(by, Permission::HandManage)?;
        self.pace(own)?;
        self.finish_call(by.actor.participant());
        self.hands.raised.clear();
        self.once_stopped(seen, to, "done")
    }

    pub(crate) fn call_next(
        &mut self,
        seen: &mut Seen,
        own: MemberKey,
        by: &Authority,
        to: To,
        next: &HandNext,
    ) -> Answer {
        require(by, Permission::HandManage)?;
        let ttl_s = next.ttl_s.unwrap_or(300);
        if !(10..=3600).contains(&ttl_s) {
            return Err(bad("ttl_s"));
        }
        self.pace(own)?;
        let actor = by.actor.participant();
        let mut waiting = self.in_order().into_iter();
        let Some((who, raised_at)) = waiting.find(|(key, _)| self.sees(own, *key)) else {
            self.finish_call(actor);
            return self.once_stopped(seen, to, "called None");
        };
        let (grants, exempts) = self.terms_of_call(by, who)?;
        self.finish_call(actor);
        self.begin_call(who, raised_at, ttl_s, grants, exempts);
        self.enforce(actor);
        self.ask_called(seen, own, who);
        let id = self.people[&who].id;
        self.once_stopped(seen, to, format!("called {:?}", Some(id)))
    }

    /// Whether it takes an exception, and whether the lock has to leave it out.
    fn terms_of_call(&self, by: &Authority, who: MemberKey) -> Result<(bool, bool), Refusal> {
        let person = &self.people[&who];
        let is_host = rank(person.role) <= 1;
        let lock = &self.locks[0];
        let is_bound = lock.on && !is_host && !lock.allow.contains(&person.device);
        let may_lift = by.may.contains(&Permission::MediaLockAll) && self.snapshot.is_none();
        if is_bound && !may_lift {
            return Err((ErrorCode::Locked, None));
        }
        let gives = outranks(by.role, person.role) && by.may.contains(&Permission::PublishAudio);
        let may = self.holds(who, Permission::PublishAudio);
        let denial = (Permission::PublishAudio, Effect::Deny);
        let is_denied = person
            .overrides
            .iter()
            .any(|known| (known.key, known.effect) == denial && is_live(known, self.now));
        let lifts = [Permission::MediaGrant, Permission::RoleAssign];
        let gives = gives && (!is_denied || lifts.iter().any(|key| by.may.contains(key)));
        match (gives, may) {
            (false, false) => Err(FORBIDDEN),
            (false, true) => Ok((false, false)),
            (true, true) if is_host => Ok((false, false)),
            (true, _) => Ok((true, is_bound)),
        }
    }

    fn begin_call(
        &mut self,
        who: MemberKey,
        raised_at: u64,
        ttl_s: u32,
        grants: bool,
        exempts: bool,
    ) {
        let until = self.now + 1000 * u64::from(ttl_s);
        self.hands.raised.retain(|(key, _)| *key != who);
        let Some(person) = self.people.get_mut(&who) else {
            return;
        };
        let device = person.device;
        let round = self.hands.rounds.entry(device).or_insert(0);
        *round += 1;
        let mut call = Call {
            who,
            device,
            raised_at,
            round: *round - 1,
            until,
            grant: None,
            is_exempt: exempts,
            prompt: None,
            has_spoken: false,
        };
        if grants {
            let key = Permission::PublishAudio;
            let given = Override {
                key,
                effect: Effect::Allow,
                expires_at: Some(at(until)),
            };
            let before = person.overrides.iter().find(|known| known.key == key);
            call.grant = Some((given.clone(), before.cloned()));
            person.overrides.retain(|known| known.key != key);
            person.overrides.push(given);
        }
        self.hands.called = Some(call);
        if exempts {
            self.locks[0].allow.insert(device);
            self.room.rev += 1;
        }
    }

    /// Asks it to unmute, unless it is open or asked already.
    fn ask_called(&mut self, seen: &mut Seen, asker: MemberKey, asked: MemberKey) {
        let source = Source::Microphone;
        let person = &self.people[&asked];
        let live = person.live.get(&source).map(|live| live.muted);
        let is_open = live == Some(false);
        let is_asked = self
            .prompts
            .iter()
            .any(|prompt| (prompt.asker, prompt.asked, prompt.source) == (asker, asked, source));
        if asker == asked || is_open || is_asked {
            return;
        }
        let id = seen.prompts.pop().unwrap_or_else(unnamed);
        self.expected.requested.push((asked, id));
        self.prompts.push(Prompt {
            id,
            asker,
            asked,
            source,
            until: self.now + 60_000,
        });
        if let Some(call) = &mut self.hands.called {
            call.prompt = Some(id);
        }
    }

    /// Takes back what a call gave.
    pub(crate) fn finish_call(&mut self, by: Option<ParticipantId>) {
        let Some(call) = self.hands.called.take() else {
            return;
        };
        if let (Some((given, before)), Some(person)) = (call.grant, self.people.get_mut(&call.who))
            && person.overrides.contains(&given)
        {
            let now = self.now;
            person.overrides.retain(|known| *known != given);
            let before = before.filter(|before| is_live(before, now));
            person.overrides.extend(before);
        }
        if call.is_exempt && self.locks[0].allow.remove(&call.device) {
            self.expected.is_call_over = true;
            self.room.rev += 1;
        }
        self.enforce(by);
        if let Some(id) = call.prompt {
            let is_its = |prompt: &Prompt| prompt.id == id && prompt.asked == call.who;
            for prompt in self.prompts.extract_if(.., |prompt| is_its(prompt)) {
                self.expected.answered.push((prompt.asker, prompt.id));
            }
        }
    }

    /// The exceptions that outlast a call.
    pub(crate) fn lasting(&self, key: MemberKey) -> Vec<Override> {
        let mut lasting = self.people[&key].overrides.clone();
        if let Some(call) = self.hands.called.as_ref().filter(|call| call.who == key)
            && let Some((given, before)) = &call.grant
            && lasting.contains(given)
        {
            lasting.retain(|known| known != given);
            lasting.extend(before.clone());
        }
        lasting
    }

    /// Who is gone has no hand up.
    pub(crate) fn forget_hand(&mut self, key: MemberKey) {
        self.hands.raised.retain(|(who, _)| *who != key);
        if self
            .hands
            .called
            .as_ref()
            .is_some_and(|call| call.who == key)
        {
            self.finish_call(None);
        }
    }

    /// Who may not raise a hand has none up; who has spoken and is silent, or may
    /// not speak, is finished.
    pub(crate) fn settle_hands(&mut self) {
        let raised = std::mem::take(&mut self.hands.raised).into_iter();
        let raised = raised.filter(|(key, _)| self.holds(*key, Permission::HandRaise));
        self.hands.raised = raised.collect();
        let Some(call) = &self.hands.called else {
            return;
        };
        let who = call.who;
        let may = self.holds(who, Permission::PublishAudio);
        let person = self.people.get(&who);
        let live = person.and_then(|person| person.live.get(&Source::Microphone));
        let is_open = live.is_some_and(|live| !live.muted);
        let mut is_over = !may;
        if let Some(call) = &mut self.hands.called {
            call.has_spoken |= is_open;
            is_over |= call.has_spoken && !is_open;
        }
        if is_over {
            self.finish_call(None);
        }
    }
}

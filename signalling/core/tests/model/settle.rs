//! The model of time, and of what follows from each step.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_wire::error::{CloseCode, ErrorCode};
use conclave_signalling_wire::lobby::WaitingState;
use conclave_signalling_wire::objects::{NoHost, Permission, Role, Source};
use conclave_signalling_wire::permission::Effect;
use conclave_signalling_wire::text::RoleName;
use conclave_signalling_wire::time::Timestamp;

use crate::model::{Lead, Model, Person, Waiter, at};
use crate::rules;
use crate::rules::is_live;
use crate::seen::{Outcome, Seen};
use crate::sharing::Share;

impl Model {
    /// When something becomes due by itself.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let mut due: Vec<u64> = Vec::new();
        for person in self.people.values() {
            due.extend(person.link.is_none().then_some(person.until));
            due.extend(person.asked.values().map(|asked| asked.deadline));
            due.extend(
                person
                    .overrides
                    .iter()
                    .filter_map(|known| Some(known.expires_at?.unix_ms())),
            );
        }
        due.extend(self.waiting.values().map(|waiter| waiter.gone_at));
        due.extend(self.shares.iter().filter_map(|share| share.until));
        due.extend(self.takeovers.iter().map(|one| one.until));
        due.extend(self.late.values().map(|(_, _, deadline)| *deadline));
        due.extend(self.offers.iter().map(|offer| offer.until));
        due.extend(self.hands.called.as_ref().map(|call| call.until));
        due.extend(self.prompts.iter().map(|prompt| prompt.until));
        due.extend(self.ends_at().filter(|_| !self.people.is_empty()));
        due.extend(self.held.values().map(|(_, _, deadline)| *deadline));
        if let Lead::Missed { until } = self.lead {
            due.push(until);
        }
        due.into_iter().min()
    }

    pub(crate) fn tick(&mut self, seen: &mut Seen) {
        let now = self.now;
        let gone = |person: &Person| person.link.is_none() && person.until <= now;
        for key in self.keys_of(gone) {
            self.take_out(key);
            self.by_will = false;
        }
        let overdue = |share: &&Share| share.until.is_some_and(|until| until <= now);
        let overdue = self.shares.iter().filter(overdue);
        for holder in overdue.map(|share| share.holder).collect::<Vec<_>>() {
            self.end_share(holder, ErrorCode::Conflict);
        }
        if self
            .hands
            .called
            .as_ref()
            .is_some_and(|call| call.until <= now)
        {
            self.finish_call(None);
        }
        for person in self.people.values_mut() {
            person.overrides.retain(|known| is_live(known, now));
        }
        self.enforce(None);
        for prompt in self.prompts.extract_if(.., |prompt| prompt.until <= now) {
            self.expected.answered.push((prompt.asker, prompt.id));
        }
        for (_, (key, words, _)) in self.late.extract_if(.., |_, (_, _, at)| *at <= now) {
            self.expected.told.push((key, words));
        }
        let late: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, (_, _, deadline))| *deadline <= now)
            .map(|(number, _)| *number)
            .collect();
        for number in late {
            if let Some((to, _, _)) = self.held.remove(&number) {
                self.tell_if_there(to, Outcome::no(ErrorCode::NotAvailable));
            }
        }
        for key in self.keys_of(|_| true) {
            for source in Source::ALL {
                let asked = self.people[&key].asked.get(&source);
                match source {
                    _ if asked.is_none_or(|asked| now < asked.deadline) => false,
                    Source::Screen => self.end_share(key, ErrorCode::NotAvailable),
                    _ => self.end(key, &[source], ErrorCode::NotAvailable),
                };
            }
        }
        let silent = self
            .waiting
            .extract_if(.., |_, waiter| waiter.gone_at <= now);
        let silent: Vec<Waiter> = silent.map(|(_, waiter)| waiter).collect();
        for link in silent.into_iter().filter_map(|waiter| waiter.link) {
            self.close(link, CloseCode::Idle);
        }
        self.settle(seen);
    }

    pub(crate) fn keys_of(&self, which: impl Fn(&Person) -> bool) -> Vec<MemberKey> {
        let people = self.people.iter().filter(|(_, person)| which(person));
        people.map(|(key, _)| *key).collect()
    }

    pub(crate) fn settle(&mut self, seen: &mut Seen) {
        self.settle_hosts();
        self.settle_end();
        self.settle_takeovers();
        self.settle_offers();
        self.settle_waiters(seen);
        let stewards: Vec<LinkId> = self.stewards.keys().copied().collect();
        for link in stewards {
            if self.authority_of_steward(link).is_err() {
                self.forget_steward(link);
                self.close(link, CloseCode::Removed);
            }
        }
        self.settle_hands();
        if self.people.is_empty() {
            self.end_session();
        }
    }

    pub(crate) fn end_session(&mut self) {
        // What was given in a meeting that was ended is not for the next one.
        if self.session_since.is_some() && self.by_will {
            let usual = self.room.default_role;
            for device in self.standings.keys().copied().collect::<Vec<_>>() {
                self.amend_standing(device, |standing| {
                    standing.admitted = false;
                    standing.role = standing.role.filter(|role| rules::outranks(usual, *role));
                    standing.custom_role = None;
                    let overrides = &mut standing.overrides;
                    overrides.retain(|known| known.effect == Effect::Deny);
                });
            }
        }
        self.countdown = None;
        self.finish_call(None);
        self.hands = Default::default();
        if self.session_since.is_some() {
            self.chat.end();
        }
        if let Some(since) = self.session_since.take() {
            for invite in self.invites.values_mut() {
                let used = invite.last_used_at.map(Timestamp::unix_ms);
                if invite.max_uses.is_some() && used.is_some_and(|used| used >= since) {
                    invite.last_used_at = Some(at(self.now));
                }
            }
        }
    }

    pub(crate) fn settle_hosts(&mut self) {
        let is_led = self
            .people
            .values()
            .any(|person| self.may(person).contains(&Permission::SessionStart));
        let grace = u64::from(self.room.no_host_grace_s) * 1000;
        self.lead = match self.lead {
            _ if self.people.is_empty() => Lead::NotBegun,
            _ if is_led => Lead::Present,
            Lead::Present => Lead::Missed {
                until: self.now + grace,
            },
            since => since,
        };
        if matches!(self.lead, Lead::Missed { until } if until <= self.now) {
            self.lead = Lead::Gone;
            self.write_down("room.no_host", "ok");
        }
        if self.lead == Lead::Gone && self.room.no_host == NoHost::End {
            self.end_meeting();
            self.lead = Lead::NotBegun;
        }
    }

    pub(crate) fn settle_waiters(&mut self, seen: &mut Seen) {
        let state = self.waiting_state();
        for knock in self.waiting.keys().copied().collect::<Vec<_>>() {
            let before = self.waiting[&knock].state;
            let is_over = (before, state) == (WaitingState::WaitingForHost, WaitingState::Waiting);
            if is_over && self.let_in_by_itself(seen, knock) {
                continue;
            }
            if let Some(waiter) = self.waiting.get_mut(&knock) {
                waiter.state = state;
            }
        }
    }

    /// The standing of a role name that still is one.
    pub(crate) fn custom_on(&self, name: Option<&RoleName>, base: Role) -> Option<RoleName> {
        let mut customs = self.room.custom_roles.iter();
        let custom = customs.find(|custom| Some(&custom.name) == name)?;
        (custom.base == base).then(|| custom.name.clone())
    }

    /// The step in which the newest list up to a number was told.
    pub(crate) fn expected_list(&self, rev: u32) -> u64 {
        let mut told = self.lists.range(..=rev).rev();
        told.next().map_or(0, |(_, step)| *step)
    }
}

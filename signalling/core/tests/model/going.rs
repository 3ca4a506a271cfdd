//! The model of answers, and of those who go.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_core::output::LinkId;
use conclave_signalling_wire::error::CloseCode;

use crate::model::{Answer, Model, Person, Prompt, To};
use crate::rules::Bucket;
use crate::seen::{Outcome, Seen};

impl Model {
    pub(crate) fn tell(&mut self, to: To, outcome: Outcome) {
        match to {
            To::Link(link, id) => self.expected.answers.push((link, id, outcome)),
            To::Operator(ticket) => self.expected.operator.push((ticket, outcome)),
        }
    }

    pub(crate) fn tell_if_there(&mut self, to: To, outcome: Outcome) {
        let is_there = match to {
            To::Link(link, _) => self.knows_link(link),
            To::Operator(_) => true,
        };
        if is_there {
            self.tell(to, outcome);
        }
    }

    pub(crate) fn close(&mut self, link: LinkId, code: CloseCode) {
        self.expected.closes.push((link, code));
    }

    pub(crate) fn write_down(&mut self, action: &str, outcome: &str) {
        let entry = (action.to_owned(), outcome.to_owned());
        self.expected.audits.push(entry);
    }

    /// An answer at once, or when the media plane has stopped what this stopped.
    pub(crate) fn once_stopped(
        &mut self,
        seen: &mut Seen,
        to: To,
        words: impl Into<String>,
    ) -> Answer {
        let outcome = Outcome::ok(words);
        match seen.barriers.pop() {
            Some(number) => {
                self.held.insert(number, (to, outcome, self.now + 10_000));
                Ok(None)
            }
            None => Ok(Some(outcome)),
        }
    }

    /// Takes a participant out. Its link is closed by the caller.
    pub(crate) fn take_out(&mut self, key: MemberKey) -> Option<Person> {
        let person = self.people.remove(&key)?;
        self.by_will = true;
        self.shares.retain(|share| share.holder != key);
        self.forget_prompts(key);
        self.forget_hand(key);
        self.write_left_out(&person.refusals);
        self.note_left(person.device);
        self.expected.dead.push(person.id);
        Some(person)
    }

    /// Who was refused too often to be written down is, when it goes.
    pub(crate) fn write_left_out(&mut self, refusals: &Bucket) {
        if refusals.missed > 0 {
            self.write_down("participant.refused", "ok");
        }
    }

    pub(crate) fn forget_prompts(&mut self, key: MemberKey) {
        self.prompted
            .retain(|(asker, asked), _| *asker != key && *asked != key);
        let gone = |prompt: &Prompt| prompt.asker == key || prompt.asked == key;
        for prompt in self.prompts.clone().into_iter().filter(gone) {
            if prompt.asker != key {
                self.expected.answered.push((prompt.asker, prompt.id));
            }
        }
        self.prompts.retain(|prompt| !gone(prompt));
    }

    /// Leaves somebody its place, for a while.
    pub(crate) fn drop_link(&mut self, link: LinkId, for_ms: u64) {
        if let Some(key) = self.of_link(link) {
            let until = self.now + for_ms;
            if let Some(person) = self.people.get_mut(&key) {
                (person.link, person.until) = (None, until);
            }
        } else if let Some(knock) = self.waiter_of(link) {
            if let Some(waiter) = self.waiting.get_mut(&knock) {
                waiter.link = None;
            }
        } else if self.stewards.contains_key(&link) {
            self.forget_steward(link);
        }
    }

    pub(crate) fn cut(&mut self, link: LinkId, code: CloseCode) {
        self.close(link, code);
        self.drop_link(link, 30_000);
    }

    pub(crate) fn forget_steward(&mut self, link: LinkId) {
        if let Some(steward) = self.stewards.remove(&link) {
            self.write_left_out(&steward.refusals);
        }
        self.hashing
            .retain(|_, hashing| !matches!(hashing.to, To::Link(other, _) if other == link));
    }

    pub(crate) fn end_meeting(&mut self) {
        let people = std::mem::take(&mut self.people);
        self.by_will = true;
        for person in people.values() {
            if let Some(link) = person.link {
                self.close(link, CloseCode::Ended);
            }
            self.expected.dead.push(person.id);
            self.expected.ended.push(person.id);
        }
        for waiter in std::mem::take(&mut self.waiting).into_values() {
            if let Some(link) = waiter.link {
                self.close(link, CloseCode::Ended);
            }
        }
        for person in people.into_values() {
            self.write_left_out(&person.refusals);
            self.note_left(person.device);
        }
        self.shares.clear();
        self.takeovers.clear();
        self.taken.clear();
        self.prompts.clear();
        self.prompted.clear();
        self.offers.clear();
        self.offered.clear();
    }
}

//! The model of the end of a meeting, and of what is said to everybody.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::request::{ReactionSend, SessionEnd};

use crate::model::{Answer, Authority, Model};
use crate::verbs::{FORBIDDEN, bad, done, require};

impl Model {
    /// Ends it at once, or after a while.
    pub(crate) fn end_by(&mut self, by: &Authority, end: &SessionEnd) -> Answer {
        require(by, Permission::SessionEnd)?;
        if end.countdown_s > 60 {
            return Err(bad("countdown_s"));
        }
        if self.session_since.is_none() {
            return Err((ErrorCode::NotFound, None));
        }
        match end.countdown_s {
            0 => self.end_meeting(),
            s => self.countdown = Some(self.now + 1000 * u64::from(s)),
        }
        done()
    }

    pub(crate) fn cancel_end(&mut self, by: &Authority) -> Answer {
        require(by, Permission::SessionEnd)?;
        match self.countdown.take() {
            Some(_) => done(),
            None => Err((ErrorCode::NotFound, None)),
        }
    }

    /// When it ends, as far as that is known.
    pub(crate) fn ends_at(&self) -> Option<u64> {
        let longest = self.room.max_duration_s.map(|s| 1000 * u64::from(s));
        let longest = longest.and_then(|ms| Some(self.session_since? + ms));
        let longest = longest.map(|until| until.max(self.not_before));
        [self.countdown, longest].into_iter().flatten().min()
    }

    pub(crate) fn settle_end(&mut self) {
        if self.people.is_empty() || self.ends_at().is_none_or(|at| self.now < at) {
            return;
        }
        self.write_down("session.ended", "ok");
        self.end_meeting();
    }

    pub(crate) fn send_reaction(&mut self, key: MemberKey, send: &ReactionSend) -> Answer {
        if !self.holds(key, Permission::ReactionSend) {
            return Err(FORBIDDEN);
        }
        let now = self.now;
        let person = self.people.get_mut(&key);
        if person.is_some_and(|person| !person.reactions.take(now)) {
            return Err((ErrorCode::RateLimited, None));
        }
        self.tell_of(key, &format!("reaction {:?}", send.emoji));
        done()
    }

    pub(crate) fn announce(&mut self, key: MemberKey, by: &Authority) -> Answer {
        require(by, Permission::SessionAnnounce)?;
        let now = self.now;
        if let Some(person) = self.people.get_mut(&key) {
            person.announced.retain(|time| now - time < 60_000);
            if person.announced.len() >= 6 {
                return Err((ErrorCode::RateLimited, None));
            }
            person.announced.push(now);
        }
        self.tell_of(key, "announcement");
        done()
    }

    /// Tells everybody of somebody, whom not everybody sees.
    fn tell_of(&mut self, author: MemberKey, words: &str) {
        let id = self.people[&author].id;
        for key in self.keys_of(|_| true) {
            let by = Some(id).filter(|_| self.sees(key, author));
            self.expected.told.push((key, format!("{words} {by:?}")));
        }
    }
}

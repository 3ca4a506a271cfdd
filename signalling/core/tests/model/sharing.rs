//! The model of shares: who has the place for one, who takes it over, who pauses.

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::ErrorCode;
use conclave_signalling_wire::ids::RequestId;
use conclave_signalling_wire::moderation::{RequestAnswer, RevokedReason};
use conclave_signalling_wire::objects::{Permission, ScreenPolicy, Source};
use conclave_signalling_wire::request::{ScreenPause, ScreenStart, ScreenTakeoverReply};

use crate::model::{Answer, Authority, Model, Refusal, To};
use crate::rules::outranks;
use crate::seen::{Outcome, Seen};
use crate::verbs::{FORBIDDEN, done, require};

const BUSY: Refusal = (ErrorCode::Busy, None);

#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) holder: MemberKey,
    /// The how many-th it is.
    number: u64,
    /// Until when it waits to be published.
    pub(crate) until: Option<u64>,
    was_silent: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Takeover {
    pub(crate) id: RequestId,
    asker: MemberKey,
    pub(crate) asked: MemberKey,
    share: u64,
    pub(crate) until: u64,
}

impl Model {
    fn share_of(&self, key: MemberKey) -> Option<&Share> {
        self.shares.iter().find(|share| share.holder == key)
    }

    fn only_holder(&self) -> Option<MemberKey> {
        match self.shares.as_slice() {
            [only] => Some(only.holder),
            _ => None,
        }
    }

    /// There are as many places as the policy says.
    pub(crate) fn acquire(&mut self, key: MemberKey) -> Result<(), Refusal> {
        let most = match self.room.screen {
            ScreenPolicy::Off => 0,
            ScreenPolicy::One | ScreenPolicy::OneTakeover => 1,
            ScreenPolicy::Many => 4,
        };
        if self.share_of(key).is_some() {
            return Ok(());
        }
        if self.shares.len() >= most {
            return Err(BUSY);
        }
        self.share_count += 1;
        self.shares.push(Share {
            holder: key,
            number: self.share_count,
            until: Some(self.now + 60_000),
            was_silent: false,
        });
        Ok(())
    }

    pub(crate) fn start_screen(
        &mut self,
        seen: &mut Seen,
        key: MemberKey,
        by: &Authority,
        to: To,
        start: &ScreenStart,
    ) -> Answer {
        require(by, Permission::PublishScreen)?;
        if start.audio {
            require(by, Permission::PublishScreenAudio)?;
        }
        if self.acquire(key).is_ok() {
            return Ok(Some(Outcome::ok("screen granted")));
        }
        let is_open = start.take_over && self.room.screen == ScreenPolicy::OneTakeover;
        let holder = self.only_holder().filter(|_| is_open).ok_or(BUSY)?;
        let is_lower = outranks(by.role, self.people[&holder].role);
        if is_lower && by.may.contains(&Permission::ScreenTakeover) {
            self.pass_screen(holder, key)?;
            return self.once_stopped(seen, to, "screen granted");
        }
        if let Some(pending) = self.takeovers.first() {
            return Err(match pending.asker == key {
                true => (ErrorCode::Conflict, None),
                false => BUSY,
            });
        }
        let now = self.now;
        let times = self.taken.entry((key, holder)).or_default();
        times.retain(|time| now - time < 60_000);
        if times.len() >= 3 {
            return Err((ErrorCode::RateLimited, None));
        }
        times.push(now);
        let share = self.share_of(holder).map_or(0, |share| share.number);
        if let Some(id) = seen.takeovers.pop() {
            let own = Some(self.people[&key].id).filter(|_| self.sees(holder, key));
            self.expected
                .told
                .push((holder, format!("wanted {id} {own:?}")));
            self.takeovers.push(Takeover {
                id,
                asker: key,
                asked: holder,
                share,
                until: now + 60_000,
            });
        }
        Ok(Some(Outcome::ok("screen asked")))
    }

    fn pass_screen(&mut self, from: MemberKey, to: MemberKey) -> Result<(), Refusal> {
        self.write_down("screen.takeover", "ok");
        self.revoke(from, Source::Screen, RevokedReason::TakenOver);
        self.acquire(to)
    }

    fn is_takeable(&self, takeover: &Takeover) -> bool {
        self.room.screen == ScreenPolicy::OneTakeover
            && self.only_holder() == Some(takeover.asked)
            && self.shares[0].number == takeover.share
            && self.holds(takeover.asker, Permission::PublishScreen)
    }

    pub(crate) fn answer_takeover(
        &mut self,
        seen: &mut Seen,
        key: MemberKey,
        to: To,
        reply: &ScreenTakeoverReply,
    ) -> Answer {
        let now = self.now;
        let mut pending = self.takeovers.iter();
        let place = pending
            .position(|one| one.id == reply.request && one.asked == key && now < one.until)
            .ok_or((ErrorCode::NotFound, Some("request")))?;
        let takeover = self.takeovers.remove(place);
        let (id, asker) = (takeover.id, takeover.asker);
        if reply.answer != RequestAnswer::Accept || !self.is_takeable(&takeover) {
            self.expected
                .told
                .push((asker, format!("taken {id} false")));
            return done();
        }
        self.pass_screen(key, asker)?;
        let words = format!("taken {id} true");
        // Each waits until it has stopped: first who asked, then who answered.
        if seen.barriers.len() < 2 {
            self.expected.told.push((asker, words));
            return self.once_stopped(seen, to, "done");
        }
        let number = seen.barriers.remove(0);
        self.late.insert(number, (asker, words, now + 10_000));
        self.once_stopped(seen, to, "done")
    }

    pub(crate) fn settle_takeovers(&mut self) {
        for takeover in self.takeovers.clone() {
            if takeover.until <= self.now || !self.is_takeable(&takeover) {
                self.takeovers.retain(|other| other.id != takeover.id);
                let words = format!("taken {} false", takeover.id);
                self.expected.told.push((takeover.asker, words));
            }
        }
    }

    /// Its sound goes on with it, unless it was silent before.
    pub(crate) fn pause_screen(&mut self, key: MemberKey, pause: &ScreenPause) -> Answer {
        let may = self.holds(key, Permission::PublishScreen);
        let person = self.people.get_mut(&key);
        let person = person.ok_or((ErrorCode::NotFound, None))?;
        let muted_of = |source: &Source| {
            let live = person.live.get(source).map(|live| live.muted);
            live.or(person.asked.get(source).map(|asked| asked.muted))
        };
        let (screen, sound) = (muted_of(&Source::Screen), muted_of(&Source::ScreenAudio));
        if screen.ok_or((ErrorCode::NotFound, Some("source")))? == pause.on {
            return done();
        }
        let mut shares = self.shares.iter_mut();
        let share = shares.find(|share| share.holder == key);
        let mut keeps_silent = false;
        match share {
            Some(share) if pause.on => share.was_silent = sound == Some(true),
            Some(share) => keeps_silent = share.was_silent,
            None => {}
        }
        if !pause.on && !may {
            return Err(FORBIDDEN);
        }
        for source in [Source::Screen, Source::ScreenAudio] {
            if source == Source::ScreenAudio && keeps_silent {
                continue;
            }
            if let Some(live) = person
                .live
                .get_mut(&source)
                .filter(|one| one.muted != pause.on)
            {
                (live.muted, live.by) = (pause.on, None);
            }
            if let Some(asked) = person
                .asked
                .get_mut(&source)
                .filter(|one| one.muted != pause.on)
            {
                (asked.muted, asked.by) = (pause.on, None);
            }
        }
        done()
    }
}

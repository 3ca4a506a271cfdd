//! The end of a meeting: announced, called off, come to.
//!
//! A host ends it, at once or after a countdown, or it has lasted as long as the
//! room allows. Where both are to come, the earlier one does.

use std::time::{Duration, Instant};

use conclave_sfu_wire::control::MemberKey;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::limits::COUNTDOWN_S_MAX;
use conclave_signalling_wire::objects::Permission;
use conclave_signalling_wire::push::LeftReason;
use conclave_signalling_wire::request::SessionEnd;
use conclave_signalling_wire::session::{EndingReason, SessionEnding};
use conclave_signalling_wire::text::Prose;
use conclave_signalling_wire::time::Timestamp;

use crate::clock::later;
use crate::output::{Notice, Reply};
use crate::rate::seconds;
use crate::record::{Actor, EndReason};
use crate::room::Room;
use crate::room::audit::Act;
use crate::room::requests::{Answer, Asker, ReplyTo};
use crate::room::rights::Authority;

/// How long before the end that the room itself sets it is told, the last first.
const WARNINGS: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(600),
];
/// What is left at least when a meeting is made shorter than it has already
/// lasted: time to say goodbye, or to say that it was a slip.
const LEFT_AT_LEAST: Duration = Duration::from_secs(60);

/// An end that somebody announced.
#[derive(Debug)]
struct Countdown {
    ends_at: Timestamp,
    actor: Actor,
    message: Option<Prose>,
}

/// Which announcement of the end everybody has heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    ends_at: Timestamp,
    reason: EndingReason,
    /// Of a countdown its number, of the room's own end the warning.
    step: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Endings {
    countdown: Option<Countdown>,
    /// Countdowns of this meeting so far.
    countdowns: u64,
    /// When the room's own end comes at the earliest.
    not_before: Option<Timestamp>,
    told: Option<Mark>,
    /// Whether an end was announced at all: who comes back may have missed that
    /// it does not come.
    was_told: bool,
}

impl Room {
    pub(super) fn end_session(&mut self, asker: Asker, end: SessionEnd) -> Answer {
        let authority = self.authority_of(asker.key)?;
        authority.require(Permission::SessionEnd)?;
        // An end at once is told once.
        if end.countdown_s > 0 {
            self.pace(asker.key)?;
        }
        self.end_for(&authority, asker.to(), end)
    }

    /// Ends the meeting on anybody's authority, or begins to count down. One
    /// countdown replaces another.
    pub(super) fn end_for(&mut self, by: &Authority, to: ReplyTo, end: SessionEnd) -> Answer {
        by.require(Permission::SessionEnd)?;
        let SessionEnd {
            countdown_s,
            message,
        } = end;
        if countdown_s > COUNTDOWN_S_MAX {
            return Err(ErrorBody::bad("countdown_s"));
        }
        if self.session.is_none() {
            return Err(ErrorCode::NotFound.into());
        }
        if countdown_s == 0 {
            // Kept before anybody is told.
            self.audit(Act {
                actor: by.actor,
                prefix: by.prefix,
                action: "session.end",
                target: None,
                detail: Some("at once".to_owned()),
            });
            self.deeds.is_put_off = true;
            let barrier = match to {
                // Who ends it goes with the others.
                ReplyTo::Link { .. } => {
                    self.answer(to, Ok(Some(Reply::Done)));
                    None
                }
                ReplyTo::Operator { .. } => Some(self.promise(to, Reply::Done)),
            };
            self.over = Some((EndReason::Ended, Some(by.actor)));
            self.end_meeting(by.actor.participant(), message.as_ref(), LeftReason::Ended);
            if let Some(barrier) = barrier {
                self.send_barrier(barrier);
            }
            return Ok(None);
        }
        self.endings.countdowns += 1;
        self.endings.countdown = Some(Countdown {
            ends_at: later(self.time(), Duration::from_secs(countdown_s.into())),
            actor: by.actor,
            message,
        });
        self.announce_room(by.actor.participant());
        Ok(Some(Reply::Done))
    }

    pub(super) fn cancel_end(&mut self, asker: Asker) -> Answer {
        let authority = self.authority_of(asker.key)?;
        authority.require(Permission::SessionEnd)?;
        self.pace(asker.key)?;
        self.cancel_end_for(&authority)
    }

    /// Stops a countdown on anybody's authority.
    pub(super) fn cancel_end_for(&mut self, by: &Authority) -> Answer {
        by.require(Permission::SessionEnd)?;
        self.endings.countdown.take().ok_or(ErrorCode::NotFound)?;
        self.announce_room(by.actor.participant());
        Ok(Some(Reply::Done))
    }

    /// Takes account of a meeting that has begun: whoever begins it is told with
    /// its `joined` when it ends.
    pub(super) fn begin_ending(&mut self) {
        self.endings = Endings::default();
        self.endings.told = self.mark();
        self.endings.was_told = self.endings.told.is_some();
        // Nobody else is there yet.
        if self.ends_at().is_some() && !self.stewards.is_empty() {
            self.announce_room(None);
        }
    }

    /// Takes account of a meeting that is over.
    pub(super) fn forget_ending(&mut self) {
        let was_to_end = self.endings.countdown.is_some() || self.settings.max_duration_s.is_some();
        self.endings = Endings::default();
        if was_to_end && !self.stewards.is_empty() {
            self.announce_room(None);
        }
    }

    /// Takes account of another longest duration of meetings.
    pub(super) fn duration_changed(&mut self) {
        self.endings.not_before = Some(later(self.time(), LEFT_AT_LEAST));
    }

    /// Returns when the meeting ends, as far as it is known.
    pub(super) fn ends_at(&self) -> Option<Timestamp> {
        let countdown = self.endings.countdown.as_ref();
        let countdown = countdown.map(|countdown| countdown.ends_at);
        [countdown, self.longest_until()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns until when the meeting lasts by the policy of the room.
    fn longest_until(&self) -> Option<Timestamp> {
        let longest = Duration::from_secs(self.settings.max_duration_s?.into());
        let until = later(self.session_since?, longest);
        Some(
            self.endings
                .not_before
                .map_or(until, |least| until.max(least)),
        )
    }

    /// Returns the countdown, if it is what ends the meeting.
    fn countdown(&self) -> Option<&Countdown> {
        let countdown = self.endings.countdown.as_ref()?;
        (self.ends_at() == Some(countdown.ends_at)).then_some(countdown)
    }

    /// Returns the end that everybody has to know of, if there is one yet.
    fn mark(&self) -> Option<Mark> {
        let ends_at = self.ends_at()?;
        if self.countdown().is_some() {
            return Some(Mark {
                ends_at,
                reason: EndingReason::Host,
                step: self.endings.countdowns,
            });
        }
        let left = self.left_until(ends_at);
        let warning = WARNINGS.into_iter().find(|warning| left <= *warning)?;
        Some(Mark {
            ends_at,
            reason: EndingReason::Duration,
            step: warning.as_secs(),
        })
    }

    fn left_until(&self, time: Timestamp) -> Duration {
        let left = time.unix_ms().saturating_sub(self.time().unix_ms());
        Duration::from_millis(left)
    }

    /// Returns the end that is announced, as a participant may know of it.
    pub(super) fn ending_for(&self, key: MemberKey) -> Option<SessionEnding> {
        let Mark {
            ends_at, reason, ..
        } = self.mark()?;
        let countdown = self.countdown();
        let by = countdown.and_then(|countdown| countdown.actor.participant());
        Some(SessionEnding {
            ends_at: Some(ends_at),
            in_s: seconds(self.left_until(ends_at)),
            reason: Some(reason),
            by: by.filter(|by| self.is_known_to(key, *by)),
            message: countdown.and_then(|countdown| countdown.message.clone()),
        })
    }

    /// Tells somebody of the end whose link knows nothing.
    pub(super) fn tell_ending(&mut self, key: MemberKey) {
        if !self.endings.was_told {
            return;
        }
        let ending = self.ending_for(key).unwrap_or(SessionEnding {
            ends_at: None,
            in_s: 0,
            reason: None,
            by: None,
            message: None,
        });
        self.tell(key, &Notice::new(ending));
    }

    /// Ends the meeting if it is time, and tells everybody what has become
    /// different about its end.
    pub(super) fn settle_ending(&mut self) {
        if self.members.is_empty() {
            return;
        }
        if self.ends_at().is_some_and(|ends_at| ends_at <= self.time()) {
            return self.come_to_end();
        }
        let mark = self.mark();
        if mark == self.endings.told {
            return;
        }
        self.endings.told = mark;
        self.endings.was_told = true;
        let keys: Vec<MemberKey> = self.members.keys().copied().collect();
        for key in keys {
            self.tell_ending(key);
        }
    }

    fn come_to_end(&mut self) {
        let (actor, message) = match self.countdown() {
            Some(countdown) => (countdown.actor, countdown.message.clone()),
            None => (Actor::Room, None),
        };
        self.audit(Act {
            actor,
            prefix: None,
            action: "session.ended",
            target: None,
            detail: (actor == Actor::Room).then(|| "max_duration_s".to_owned()),
        });
        self.over = Some(match actor {
            Actor::Room => (EndReason::TimeUp, None),
            actor => (EndReason::Ended, Some(actor)),
        });
        self.end_meeting(actor.participant(), message.as_ref(), LeftReason::Ended);
    }

    /// Returns when [`Room::settle_ending`] next has something to do.
    pub(super) fn ending_deadline(&self) -> Option<Instant> {
        let ends_at = self.ends_at().filter(|_| !self.members.is_empty())?;
        let left = self.left_until(ends_at);
        let next = WARNINGS.into_iter().rev().find(|warning| *warning < left);
        let next = next.filter(|_| self.countdown().is_none());
        Some(self.now + left - next.unwrap_or_default())
    }
}

//! When a certificate is renewed, when it is asked whether that has changed,
//! and when a failure is tried again.

use std::time::{Duration, SystemTime};

use crate::tls::Validity;

/// The first pause after a failure. Whoever signs allows few failed proofs an
/// hour (Let's Encrypt five), so pauses grow fast.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);
/// The least pause when we were told that we ask too often.
const LIMITED_PAUSE: Duration = Duration::from_secs(3600);
/// The least time between two certificates, for one that comes nearly over.
const LEAST: Duration = Duration::from_secs(600);
/// The least time between two certificates by advice, at most a quarter of
/// their life: a directory that wants every new one replaced must not drive us
/// round in circles. One that revokes has a day for it at least.
const LEAST_BY_ADVICE: Duration = Duration::from_secs(6 * 3600);
/// What advice says of its own life is held to this (RFC 9773, section 4.3.2).
const ASK_AGAIN_LEAST: Duration = Duration::from_secs(60);
const ASK_AGAIN_MOST: Duration = Duration::from_secs(24 * 3600);
/// The longest wait: the clock of a machine may be set, or have stood still.
const NAP: Duration = Duration::from_secs(3600);

/// When whoever signed a certificate wants it to be renewed (RFC 9773, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    start: SystemTime,
    end: SystemTime,
}

impl Window {
    /// Returns `None` for one that ends before it has begun.
    pub(super) fn new(start: SystemTime, end: SystemTime) -> Option<Self> {
        (start < end).then_some(Window { start, end })
    }

    /// Returns the moment at a share of the window, from 0 to 1.
    fn at(&self, spread: f64) -> SystemTime {
        let length = self.end.duration_since(self.start).unwrap_or_default();
        self.start + length.mul_f64(spread.clamp(0.0, 1.0))
    }
}

/// What is known of the wishes of whoever signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advice {
    /// Nothing.
    None,
    /// It was said, and holds.
    Fresh(Window),
    /// It was said, and there was no good answer since.
    Stale(Window),
}

/// Returns when a certificate is due for renewal without advice: after two
/// thirds of its life and up to a thirtieth more, of which `spread` says how
/// much, from 0 to 1. Servers that were set up together are so not renewed
/// together.
pub(crate) fn renewal(validity: Validity, spread: f64) -> SystemTime {
    let life = validity.life();
    validity.not_before + life * 2 / 3 + (life / 30).mul_f64(spread.clamp(0.0, 1.0))
}

/// Returns when a certificate is due for renewal: at a moment of the window
/// that was advised, of which `spread` says which, from 0 to 1, and never so
/// late that somebody would be warned of its end. Advice that may be out of
/// date renews early, but puts nothing off.
pub(super) fn due(validity: Validity, advice: Advice, spread: f64) -> SystemTime {
    let own = renewal(validity, spread);
    match advice {
        Advice::None => own,
        Advice::Fresh(window) => window.at(spread).min(validity.warned_from()),
        Advice::Stale(window) => window.at(spread).min(own),
    }
}

/// Returns how long to wait after so many failures on end, of which the last
/// was or was not that we ask too often. `spread` as in [`renewal`].
pub(super) fn pause(failures: u32, is_limited: bool, spread: f64) -> Duration {
    let doubled_twice = 4_u32.saturating_pow(failures.saturating_sub(1));
    let pause = FIRST_PAUSE.saturating_mul(doubled_twice).min(LONGEST_PAUSE);
    let least = if is_limited {
        LIMITED_PAUSE
    } else {
        FIRST_PAUSE
    };
    pause.max(least).mul_f64(1.0 + spread.clamp(0.0, 1.0) / 4.0)
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask whoever signed when to renew.
    Ask,
    /// Order a certificate.
    Order,
    /// Nothing for so long.
    Wait(Duration),
}

/// The certificate in use.
#[derive(Debug)]
struct Current {
    validity: Validity,
    /// When it came.
    since: SystemTime,
    /// Drawn once: advice that stays the same gives the same moment.
    spread: f64,
    advice: Advice,
    ask_at: SystemTime,
    /// Questions on end without a good answer.
    silences: u32,
}

impl Current {
    fn due(&self) -> SystemTime {
        let least = self.since + LEAST;
        let due = due(self.validity, self.advice, self.spread);
        if self.advice == Advice::None {
            return due.max(least);
        }
        let by_advice = LEAST_BY_ADVICE.min(self.validity.life() / 4);
        let due = due.max(self.since + by_advice);
        // It may come so nearly over that it has to be renewed before that.
        due.min(self.validity.warned_from()).max(least)
    }
}

/// When which certificate is ordered.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    current: Option<Current>,
    /// Orders on end that failed.
    failures: u32,
    /// No order before this, but for somebody in a hurry.
    paused_until: Option<SystemTime>,
}

impl Schedule {
    /// Begins with the certificate that is in use, if there is one. `spread`
    /// is random, from 0 to 1.
    pub(super) fn new(now: SystemTime, validity: Option<Validity>, spread: f64) -> Self {
        let mut schedule = Schedule::default();
        if let Some(validity) = validity {
            // When it came is not known. It did not come before it began.
            schedule.handle_certificate(now, validity, spread);
            if let Some(current) = &mut schedule.current {
                current.since = validity.not_before;
            }
        }
        schedule
    }

    /// Records that a certificate is in use since `now`. `spread` is random, from 0 to 1.
    pub(super) fn handle_certificate(&mut self, now: SystemTime, validity: Validity, spread: f64) {
        *self = Schedule {
            current: Some(Current {
                validity,
                since: now,
                spread,
                advice: Advice::None,
                ask_at: now,
                silences: 0,
            }),
            ..Schedule::default()
        };
    }

    /// Records that an order failed, and returns how long the next one waits:
    /// less when the certificate in use is about to end. `spread` is random, from 0 to 1.
    pub(super) fn handle_failure(
        &mut self,
        now: SystemTime,
        is_limited: bool,
        spread: f64,
    ) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let mut pause = pause(self.failures, is_limited, spread);
        let left = self.current.as_ref().map(|current| current.validity);
        let left = left.and_then(|validity| validity.not_after.duration_since(now).ok());
        if let Some(left) = left.filter(|_| !is_limited) {
            pause = pause.min((left / 8).max(LEAST));
        }
        self.paused_until = Some(now + pause);
        pause
    }

    /// Records when whoever signed wants the certificate to be renewed, and
    /// when to ask again.
    pub(super) fn handle_advice(&mut self, now: SystemTime, window: Window, ask_again: Duration) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.advice = Advice::Fresh(window);
        current.silences = 0;
        current.ask_at = now + ask_again.clamp(ASK_AGAIN_LEAST, ASK_AGAIN_MOST);
    }

    /// Records that whoever signed has no wishes.
    pub(super) fn handle_no_advice(&mut self, now: SystemTime) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.advice = Advice::None;
        current.silences = 0;
        current.ask_at = now + ASK_AGAIN_MOST;
    }

    /// Records that there was no good answer, and returns how long the next
    /// question waits. `spread` is random, from 0 to 1.
    pub(super) fn handle_silence(
        &mut self,
        now: SystemTime,
        is_limited: bool,
        spread: f64,
    ) -> Duration {
        let Some(current) = &mut self.current else {
            return LONGEST_PAUSE;
        };
        if let Advice::Fresh(window) = current.advice {
            current.advice = Advice::Stale(window);
        }
        current.silences = current.silences.saturating_add(1);
        let pause = pause(current.silences, is_limited, spread);
        current.ask_at = now + pause;
        pause
    }

    /// Records that somebody wants to know at once.
    pub(super) fn handle_hurry(&mut self, now: SystemTime) {
        if let Some(current) = &mut self.current {
            current.ask_at = now;
        }
    }

    /// Returns what is to be done at `now`. Somebody in a hurry does not wait
    /// for what is only there to be gentle: pauses, and the least time between two certificates.
    pub(super) fn poll_step(&self, now: SystemTime, is_hurried: bool) -> Step {
        if self.current.as_ref().is_some_and(|it| it.ask_at <= now) {
            return Step::Ask;
        }
        let due = match &self.current {
            Some(current) if is_hurried => due(current.validity, current.advice, 0.0),
            Some(current) => current.due(),
            None => SystemTime::UNIX_EPOCH,
        };
        let paused_until = self.paused_until.filter(|_| !is_hurried);
        let due = paused_until.map_or(due, |until| due.max(until));
        if due <= now {
            return Step::Order;
        }
        let ask_at = self.current.as_ref().map_or(due, |current| current.ask_at);
        let wait = due.min(ask_at).duration_since(now).unwrap_or_default();
        Step::Wait(wait.min(NAP))
    }

    /// Returns when the certificate in use is renewed; `None` while there is none.
    pub(super) fn renewal(&self) -> Option<SystemTime> {
        self.current.as_ref().map(Current::due)
    }

    /// Returns how many orders failed on end.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns how many questions on end had no good answer.
    pub(super) fn silences(&self) -> u32 {
        self.current.as_ref().map_or(0, |current| current.silences)
    }
}

#[cfg(test)]
mod tests;

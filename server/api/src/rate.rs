//! How often each caller may ask.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use conclave_signalling_core::record::Actor;
use conclave_signalling_wire::ids::KeyId;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Requests at once, at least: a page that asks for everything.
const BURST_MIN: u32 = 100;
/// Keys that are counted at a time, some 50 bytes each. Full means that a key
/// waits which was not used lately.
const KEYS: usize = 10_000;

/// How often a key may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// What one request uses of the time.
    each: Duration,
    /// Requests at once.
    burst: u32,
}

impl Quota {
    /// Spreads requests over a minute; what 10 seconds have may come at once.
    pub(crate) fn per_minute(requests: u32) -> Self {
        let requests = requests.max(1);
        Quota {
            each: Duration::from_secs(60) / requests,
            burst: (requests / 6).max(BURST_MIN),
        }
    }
}

/// What is left to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// Requests that may ever be sent at once.
    pub(crate) burst: u32,
    /// Requests that may be sent at once.
    pub(crate) remaining: u32,
    /// Until as many as ever may be.
    pub(crate) full_in: Duration,
    /// Until the next may be sent, if none may.
    pub(crate) wait: Option<Duration>,
}

impl Left {
    /// Writes it into an answer.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let seconds = |time: Duration| time.as_millis().div_ceil(1000) as u32;
        for (name, value) in [
            ("ratelimit-limit", self.burst),
            ("ratelimit-remaining", self.remaining),
            ("ratelimit-reset", seconds(self.full_in)),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}

/// Counts the requests of each key by the time at which all of its burst is
/// there again (the generic cell rate algorithm).
#[derive(Debug, Default)]
pub(crate) struct Pace {
    full_at: Mutex<HashMap<KeyId, Instant>>,
}

impl Pace {
    /// Counts a request; not one of the operator, whose machine it is.
    pub(crate) fn take(&self, now: Instant, actor: Actor, quota: Quota) -> Option<Left> {
        let Actor::Key(key) = actor else {
            return None;
        };
        let Quota { each, burst } = quota;
        let mut table = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= KEYS && !table.contains_key(&key) {
            table.retain(|_, full_at| *full_at > now);
            if table.len() >= KEYS {
                return Some(Left {
                    burst,
                    remaining: 0,
                    full_in: each,
                    wait: Some(each),
                });
            }
        }
        let full_at = table.entry(key).or_insert(now);
        // No more than all of the burst, in case that another quota held before.
        let used = full_at.saturating_duration_since(now).min(each * burst);
        *full_at = now + used;
        let beyond = (used + each).saturating_sub(each * burst);
        if beyond.is_zero() {
            *full_at += each;
        }
        let used = full_at.saturating_duration_since(now).min(each * burst);
        let taken = used.as_nanos().div_ceil(each.as_nanos());
        Some(Left {
            burst,
            remaining: burst.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)),
            full_in: used,
            wait: (!beyond.is_zero()).then_some(beyond),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        each: EACH,
        burst: BURST,
    };
    const EACH: Duration = Duration::from_millis(100);
    const BURST: u32 = 100;

    fn key(number: u64) -> Actor {
        Actor::Key(KeyId::new(number, [0; 10]))
    }

    #[test]
    fn a_key_asks_a_hundred_times_at_once_and_then_ten_times_a_second() {
        let pace = Pace::default();
        let start = Instant::now();
        for left in (0..BURST).rev() {
            let taken = pace.take(start, key(1), QUOTA).unwrap();
            assert_eq!((taken.remaining, taken.wait), (left, None));
        }
        let refused = pace.take(start, key(1), QUOTA).unwrap();
        assert_eq!((refused.remaining, refused.wait), (0, Some(EACH)));
        assert_eq!(refused.full_in, EACH * BURST);
        assert_eq!(
            pace.take(start, key(2), QUOTA).unwrap().remaining,
            BURST - 1
        );
        assert_eq!(pace.take(start + EACH, key(1), QUOTA).unwrap().wait, None);
        assert!(
            pace.take(start + EACH, key(1), QUOTA)
                .unwrap()
                .wait
                .is_some()
        );
        let later = start + EACH * BURST * 2;
        assert_eq!(
            pace.take(later, key(1), QUOTA).unwrap().remaining,
            BURST - 1
        );
    }

    #[test]
    fn another_quota_holds_at_once_for_a_key_that_has_used_up_its_own() {
        let (pace, slow, start) = (Pace::default(), Quota::per_minute(1), Instant::now());
        while pace.take(start, key(1), slow).unwrap().wait.is_none() {}
        let taken = pace.take(start, key(1), QUOTA).unwrap();
        assert_eq!((taken.remaining, taken.wait), (0, Some(EACH)));
        assert_eq!(pace.take(start + EACH, key(1), QUOTA).unwrap().wait, None);
    }

    #[test]
    fn a_sixth_of_what_a_minute_has_may_come_at_once() {
        assert_eq!(Quota::per_minute(600), QUOTA);
        assert_eq!(Quota::per_minute(6000).burst, 1000);
        let slow = Quota::per_minute(1);
        assert_eq!((slow.burst, slow.each), (100, Duration::from_secs(60)));
        assert!(!Quota::per_minute(u32::MAX).each.is_zero());
    }

    #[test]
    fn the_operator_is_not_counted() {
        assert_eq!(
            Pace::default().take(Instant::now(), Actor::Operator, QUOTA),
            None
        );
    }

    #[test]
    fn the_table_is_bounded_and_forgets_keys_that_rest() {
        let pace = Pace::default();
        let start = Instant::now();
        for number in 0..KEYS as u64 {
            assert_eq!(pace.take(start, key(number), QUOTA).unwrap().wait, None);
        }
        let new = key(KEYS as u64);
        assert!(pace.take(start, new, QUOTA).unwrap().wait.is_some());
        assert_eq!(pace.take(start, key(0), QUOTA).unwrap().wait, None);
        assert_eq!(pace.take(start + EACH * 3, new, QUOTA).unwrap().wait, None);
        assert_eq!(pace.full_at.lock().unwrap().len(), 1);
    }
}

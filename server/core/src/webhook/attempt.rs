//! What follows from an attempt: it was taken, it is tried again later, it is given up.

use std::time::Duration;

use conclave_signalling_wire::time::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Seconds from a failed attempt to the next one. A receiver that is down over
/// a weekend's night gets everything; after some 32 hours somebody has to look.
const PAUSES_S: [u64; 10] = [
    5,
    30,
    2 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
];
/// How often a delivery is tried before it is given up.
pub const ATTEMPTS_MAX: u32 = PAUSES_S.len() as u32 + 1;
/// The longest pause that a receiver can ask for: more of it would let it keep deliveries for ever.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(6 * HOUR);

/// Why an attempt failed. Its name is a stable word of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The URL is not one that may be called, by today's configuration.
    Url,
    /// The name could not be resolved.
    Dns,
    /// The address is one that may not be called.
    Target,
    /// Nobody answered at the address.
    Connect,
    /// The certificate, or what leads to it, is wrong.
    Tls,
    /// It took too long.
    Timeout,
    /// What came back is not HTTP, or the connection broke.
    Http,
    /// The head of the answer is too large.
    TooLarge,
    /// The receiver sends us elsewhere, where we do not go.
    Redirect,
    /// The receiver is there no more, and says so (410).
    Gone,
    /// Any other status than 2xx.
    Status,
}

impl Trouble {
    /// All of them.
    pub const ALL: &[Trouble] = &[
        Trouble::Url,
        Trouble::Dns,
        Trouble::Target,
        Trouble::Connect,
        Trouble::Tls,
        Trouble::Timeout,
        Trouble::Http,
        Trouble::TooLarge,
        Trouble::Redirect,
        Trouble::Gone,
        Trouble::Status,
    ];

    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Trouble::Url => "url_refused",
            Trouble::Dns => "dns",
            Trouble::Target => "target_refused",
            Trouble::Connect => "connect",
            Trouble::Tls => "tls",
            Trouble::Timeout => "timeout",
            Trouble::Http => "http",
            Trouble::TooLarge => "too_large",
            Trouble::Redirect => "redirect",
            Trouble::Gone => "gone",
            Trouble::Status => "status",
        }
    }

    /// Returns what it means, for documents.
    pub const fn about(self) -> &'static str {
        match self {
            Trouble::Url => "The URL is not one that may be called.",
            Trouble::Dns => "The name could not be resolved.",
            Trouble::Target => {
                "The name leads to an address that may not be called: private, local or reserved."
            }
            Trouble::Connect => "Nobody answered at the address.",
            Trouble::Tls => "The certificate of the receiver cannot be trusted.",
            Trouble::Timeout => "It took longer than ten seconds.",
            Trouble::Http => "The answer was not HTTP, or the connection broke.",
            Trouble::TooLarge => "The head of the answer was too large.",
            Trouble::Redirect => "The answer was a redirect. Redirects are not followed.",
            Trouble::Gone => "The answer was 410. The webhook is switched off.",
            Trouble::Status => "The answer had a status other than 2xx.",
        }
    }
}

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The pause that it asks for.
    pub retry_after: Option<Duration>,
}

/// What one attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody answered.
    Answered(Answer),
    /// Nobody did.
    Failed(Trouble),
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Delivered,
    /// It is tried again.
    Again {
        /// Not before this.
        due_at: Timestamp,
        /// Why.
        trouble: Trouble,
    },
    /// It is given up. With [`Trouble::Gone`] the webhook is switched off.
    Dead {
        /// Why.
        trouble: Trouble,
    },
}

impl Outcome {
    /// Returns the status, if there was an answer.
    pub fn status(self) -> Option<u16> {
        match self {
            Outcome::Answered(answer) => Some(answer.status),
            Outcome::Failed(_) => None,
        }
    }

    /// Returns what is wrong with it; `None` if it was taken.
    pub fn trouble(self) -> Option<Trouble> {
        match self {
            Outcome::Failed(trouble) => Some(trouble),
            Outcome::Answered(answer) => match answer.status {
                200..=299 => None,
                300..=399 => Some(Trouble::Redirect),
                410 => Some(Trouble::Gone),
                _ => Some(Trouble::Status),
            },
        }
    }

    /// Decides what follows at `now`, after so many `attempts` with this one.
    /// `chance`, 0 to 1, spreads pauses by a fifth to both sides, so that
    /// those who failed together do not come back together.
    pub fn verdict(self, attempts: u32, now: Timestamp, chance: f64) -> Verdict {
        let Some(trouble) = self.trouble() else {
            return Verdict::Delivered;
        };
        let pause = attempts.checked_sub(1);
        let pause = pause.and_then(|failed| PAUSES_S.get(failed as usize));
        let Some(pause) = pause.filter(|_| trouble != Trouble::Gone) else {
            return Verdict::Dead { trouble };
        };
        let spread = 0.8 + 0.4 * chance.clamp(0.0, 1.0);
        let pause = Duration::from_secs(*pause).mul_f64(spread);
        let pause = pause.max(self.asked_pause());
        let ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        Verdict::Again {
            due_at: Timestamp::from_unix_ms(now.unix_ms().saturating_add(ms)),
            trouble,
        }
    }

    /// Returns what 429 and 503 may ask for (RFC 9110, section 10.2.3).
    fn asked_pause(self) -> Duration {
        match self {
            Outcome::Answered(Answer {
                status: 429 | 503,
                retry_after: Some(asked),
            }) => asked.min(ASKED_PAUSE_MAX),
            _ => Duration::ZERO,
        }
    }
}

/// Reads the seconds of a `Retry-After`. One with a date counts as none: the
/// pauses grow by themselves.
pub fn retry_after(value: &str) -> Option<Duration> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = is_number.then(|| value.parse().unwrap_or(u64::MAX));
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000_000);

    fn answered(status: u16) -> Outcome {
        Outcome::Answered(Answer {
            status,
            retry_after: None,
        })
    }

    /// Milliseconds to the next attempt.
    fn pause(outcome: Outcome, attempts: u32, chance: f64) -> Option<u64> {
        match outcome.verdict(attempts, NOW, chance) {
            Verdict::Again { due_at, .. } => Some(due_at.unix_ms() - NOW.unix_ms()),
            Verdict::Delivered | Verdict::Dead { .. } => None,
        }
    }

    #[test]
    fn pauses_grow_to_half_a_day_and_end() {
        let failed = Outcome::Failed(Trouble::Connect);
        let pauses: Vec<_> = (1..=ATTEMPTS_MAX)
            .map(|attempts| pause(failed, attempts, 0.5))
            .collect();
        let hours = |hours: u64| Some(hours * 3_600_000);
        assert_eq!(
            pauses,
            [
                Some(5_000),
                Some(30_000),
                Some(120_000),
                Some(600_000),
                Some(1_800_000),
                hours(1),
                hours(2),
                hours(5),
                hours(10),
                hours(14),
                None
            ]
        );
        assert_eq!(pause(failed, 1, 0.0), Some(4_000));
        assert_eq!(pause(failed, 1, 1.0), Some(6_000));
        assert_eq!(pause(failed, u32::MAX, 0.0), None);
        let trouble = Trouble::Connect;
        assert_eq!(
            failed.verdict(ATTEMPTS_MAX, NOW, 0.5),
            Verdict::Dead { trouble }
        );
    }

    #[test]
    fn what_an_answer_means_is_in_its_status() {
        for status in [200, 202, 204, 299] {
            assert_eq!(answered(status).verdict(1, NOW, 0.0), Verdict::Delivered);
        }
        for (status, trouble) in [
            (100, Trouble::Status),
            (301, Trouble::Redirect),
            (308, Trouble::Redirect),
            (304, Trouble::Redirect),
            (400, Trouble::Status),
            (429, Trouble::Status),
            (503, Trouble::Status),
        ] {
            assert_eq!(answered(status).trouble(), Some(trouble), "{status}");
            assert!(pause(answered(status), 1, 0.5).is_some(), "{status}");
        }
        let gone = Verdict::Dead {
            trouble: Trouble::Gone,
        };
        assert_eq!(answered(410).verdict(1, NOW, 0.5), gone);
    }

    #[test]
    fn a_busy_receiver_is_given_the_time_that_it_asks_for_within_bounds() {
        let busy = |status, seconds: &str| {
            Outcome::Answered(Answer {
                status,
                retry_after: retry_after(seconds),
            })
        };
        assert_eq!(pause(busy(429, "60"), 1, 0.5), Some(60_000));
        assert_eq!(pause(busy(503, "60"), 1, 0.5), Some(60_000));
        assert_eq!(pause(busy(500, "60"), 1, 0.5), Some(5_000));
        assert_eq!(
            pause(busy(503, "1"), 2, 0.5),
            Some(30_000),
            "never sooner than by itself"
        );
        let longest = Some(6 * 3_600_000);
        assert_eq!(pause(busy(503, "99999999"), 1, 0.5), longest);
        assert_eq!(pause(busy(503, "99999999999999999999999"), 1, 0.5), longest);
        for text in ["", "-1", "+1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(retry_after(text), None, "{text}");
        }
    }

    #[test]
    fn words_are_all_different() {
        let mut names: Vec<_> = Trouble::ALL.iter().map(|trouble| trouble.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Trouble::ALL.len());
    }
}

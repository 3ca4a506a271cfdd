//! Wrong keys, counted by where they come from; and networks that keys are used from.
//!
//! A key cannot be guessed. What is counted shows that somebody tries, and
//! keeps the trying from costing much.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use conclave_signalling_wire::ids::KeyId;
use conclave_signalling_wire::time::Timestamp;

/// Wrong keys of one source in a [`WINDOW`] (`spec/security.md` 2.6). A right
/// key is taken beyond it too: one who guesses shuts nobody else out.
pub const WRONG_MAX: u32 = 30;
/// Over what is counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Sources that are remembered; 64 bytes each.
const SOURCES_MAX: usize = 100_000;
/// Wrong keys after which it is told; then at ten times as many, and so on.
const TOLD_AT: u32 = 5;
/// Tellings in a [`WINDOW`], of all sources: each is written to the disk, and
/// who has many addresses would have the audit log grow without a key.
const TOLD_MAX: u32 = 60;

/// An IPv4 address, or the first 64 bits of an IPv6 one: what one person has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Source(u128);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Source(u128::from(v4.to_bits())),
            // Never below 2^64, except for ::/64, from where nobody comes.
            IpAddr::V6(v6) => Source(v6.to_bits() >> 64 << 64),
        }
    }
}

#[derive(Debug)]
struct Count {
    since: Instant,
    wrong: u32,
}

/// What follows from a wrong key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The source had too many: it may try again after this.
    pub wait: Option<Duration>,
    /// It is to be told that there were so many since it was told last in this minute.
    pub tell: Option<u32>,
}

/// Wrong keys of the last minute.
#[derive(Default)]
pub struct Guesses {
    sources: BTreeMap<Source, Count>,
    /// Since when, and how often it was told in this window.
    told: Option<(Instant, u32)>,
}

impl std::fmt::Debug for Guesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guesses")
            .field("sources", &self.sources.len())
            .finish()
    }
}

impl Guesses {
    /// Counts a wrong key.
    pub fn handle_wrong(&mut self, now: Instant, address: IpAddr) -> Verdict {
        let source = Source::from(address);
        let is_over = |count: &Count| now.saturating_duration_since(count.since) >= WINDOW;
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            self.sources.retain(|_, count| !is_over(count));
            if self.sources.len() >= SOURCES_MAX {
                // What cannot be counted is refused.
                return Verdict {
                    wait: Some(WINDOW),
                    tell: None,
                };
            }
        }
        let count = self.sources.entry(source).or_insert(Count {
            since: now,
            wrong: 0,
        });
        if is_over(count) {
            *count = Count {
                since: now,
                wrong: 0,
            };
        }
        count.wrong = count.wrong.saturating_add(1);
        let rest = WINDOW.saturating_sub(now.saturating_duration_since(count.since));
        Verdict {
            wait: (count.wrong > WRONG_MAX).then_some(rest),
            tell: told_of(count.wrong).filter(|_| self.may_tell(now)),
        }
    }

    /// Counts a telling, unless there were [`TOLD_MAX`] in this window.
    fn may_tell(&mut self, now: Instant) -> bool {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= WINDOW;
        let (since, told) = match self.told {
            Some((since, told)) if !is_over(since) => (since, told),
            _ => (now, 0),
        };
        let may = told < TOLD_MAX;
        self.told = Some((since, told + u32::from(may)));
        may
    }
}

/// Returns how many were not told yet, where it is time to tell.
fn told_of(wrong: u32) -> Option<u32> {
    let steps = std::iter::successors(Some(TOLD_AT), |step| step.checked_mul(10));
    let before = steps.take_while(|step| *step < wrong).last().unwrap_or(0);
    let next = if before == 0 {
        TOLD_AT
    } else {
        before.saturating_mul(10)
    };
    (wrong == next).then(|| wrong - before)
}

/// A use is noted once in so long.
pub const USE_PAUSE: Duration = Duration::from_secs(60);
/// A use is in the audit log once in so long: what a key does has records of its own.
pub const AUDIT_PAUSE: Duration = Duration::from_secs(3600);
/// Networks that are remembered of each key: one that moves among them is no news.
const NETWORKS: usize = 16;

/// What is to be done about a use of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Noted {
    /// It is to be kept when and from where it was.
    pub keep: bool,
    /// It is to be in the audit log.
    pub audit: bool,
    /// The key was used before, and not from this network.
    pub is_elsewhere: bool,
}

/// From where keys were used lately.
#[derive(Debug, Default)]
pub struct Uses {
    keys: BTreeMap<KeyId, Recent>,
}

#[derive(Debug)]
struct Recent {
    kept_at: Timestamp,
    audited_at: Timestamp,
    /// The one that was new last is last.
    prefixes: VecDeque<String>,
}

impl Uses {
    /// Takes a use at `now` from a network; `last` is what is kept of the one before.
    pub fn handle_use(
        &mut self,
        now: Timestamp,
        id: KeyId,
        prefix: &str,
        last: Option<(Timestamp, &str)>,
    ) -> Noted {
        let recent = self.keys.entry(id).or_insert_with(|| Recent {
            kept_at: last.map_or(Timestamp::from_unix_ms(0), |(at, _)| at),
            audited_at: Timestamp::from_unix_ms(0),
            prefixes: last
                .iter()
                .map(|(_, prefix)| (*prefix).to_owned())
                .collect(),
        });
        let is_new = !recent.prefixes.iter().any(|known| known == prefix);
        let is_first = recent.prefixes.is_empty();
        if is_new {
            if recent.prefixes.len() == NETWORKS {
                recent.prefixes.pop_front();
            }
            recent.prefixes.push_back(prefix.to_owned());
        }
        let is_past = |then: Timestamp, pause: Duration| {
            u128::from(now.unix_ms().saturating_sub(then.unix_ms())) >= pause.as_millis()
        };
        let keep = is_new || is_past(recent.kept_at, USE_PAUSE);
        let audit = is_new || is_past(recent.audited_at, AUDIT_PAUSE);
        if keep {
            recent.kept_at = now;
        }
        if audit {
            recent.audited_at = now;
        }
        Noted {
            keep,
            audit,
            is_elsewhere: is_new && !is_first,
        }
    }

    /// Forgets a key that has ended.
    pub fn forget(&mut self, id: KeyId) {
        self.keys.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "a first instant, that others are counted from"
    )]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn who_is_wrong_too_often_waits_until_the_minute_is_over() {
        let (start, mut guesses) = (start(), Guesses::default());
        let here: IpAddr = "2001:db8:1:2::3".parse().unwrap();
        let verdicts: Vec<Verdict> = (0..=WRONG_MAX)
            .map(|_| guesses.handle_wrong(start, here))
            .collect();
        assert!(
            verdicts
                .iter()
                .take(30)
                .all(|verdict| verdict.wait.is_none())
        );
        assert_eq!(verdicts.last().unwrap().wait, Some(WINDOW));
        let told: Vec<u32> = verdicts.iter().filter_map(|verdict| verdict.tell).collect();
        assert_eq!(told, [5]);
        assert_eq!(
            [4, 5, 6, 49, 50, 500].map(told_of),
            [None, Some(5), None, None, Some(45), Some(450)]
        );

        let neighbour = "2001:db8:1:2:4::5".parse().unwrap();
        let verdict = guesses.handle_wrong(start + WINDOW / 2, neighbour);
        assert_eq!(
            verdict.wait,
            Some(WINDOW / 2),
            "one person has all of a /64"
        );
        let others = "2001:db8:1:3::3".parse().unwrap();
        assert_eq!(guesses.handle_wrong(start, others).wait, None);
        assert_eq!(guesses.handle_wrong(start + WINDOW, here).wait, None);
    }

    #[test]
    fn many_sources_do_not_fill_the_log() {
        let (start, mut guesses) = (start(), Guesses::default());
        let mut told = |now, network: u32| {
            let here = IpAddr::from(network.to_be_bytes());
            let wrong = (0..TOLD_AT).map(|_| guesses.handle_wrong(now, here));
            wrong.filter(|verdict| verdict.tell.is_some()).count()
        };
        let first: usize = (0..100).map(|n| told(start, n)).sum();
        assert_eq!(first, 60);
        let next: usize = (100..200).map(|n| told(start + WINDOW, n)).sum();
        assert_eq!(next, 60);
    }

    #[test]
    fn what_cannot_be_remembered_is_refused_and_does_not_grow() {
        let (start, mut guesses) = (start(), Guesses::default());
        let address = |n: usize| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
        for n in 0..SOURCES_MAX {
            assert_eq!(guesses.handle_wrong(start, address(n)).wait, None);
        }
        assert_eq!(
            guesses.handle_wrong(start, address(SOURCES_MAX)).wait,
            Some(WINDOW)
        );
        assert_eq!(guesses.handle_wrong(start, address(0)).wait, None);
        let later = guesses.handle_wrong(start + WINDOW, address(SOURCES_MAX));
        assert_eq!((later.wait, guesses.sources.len()), (None, 1));
    }

    #[test]
    fn a_use_is_kept_once_a_minute_and_told_from_each_new_network() {
        let mut uses = Uses::default();
        let id = KeyId::new(1, [0; 10]);
        let at = Timestamp::from_unix_ms;
        let noted = |keep, audit, is_elsewhere| Noted {
            keep,
            audit,
            is_elsewhere,
        };
        let hour = 3_600_000;
        for (ms, prefix, expected) in [
            (hour, "192.0.2.0/24", noted(true, true, false)),
            (hour + 1, "192.0.2.0/24", noted(false, false, false)),
            (hour + 1000, "198.51.100.0/24", noted(true, true, true)),
            (hour + 2000, "192.0.2.0/24", noted(false, false, false)),
            (hour + 60_999, "192.0.2.0/24", noted(false, false, false)),
            (hour + 61_000, "192.0.2.0/24", noted(true, false, false)),
            (2 * hour + 1000, "192.0.2.0/24", noted(true, true, false)),
        ] {
            assert_eq!(uses.handle_use(at(ms), id, prefix, None), expected, "{ms}");
        }
        uses.forget(id);
        let last = Some((at(hour), "192.0.2.0/24"));
        let again = uses.handle_use(at(hour + 1), id, "192.0.2.0/24", last);
        assert_eq!(again, noted(false, true, false));
        let elsewhere = uses.handle_use(at(hour + 1), id, "203.0.113.0/24", last);
        assert_eq!(elsewhere, noted(true, true, true));
    }
}

//! How often passwords may be guessed.
//!
//! Only wrong ones count: by source and room, by source, by the network that it
//! is in, by room, and in all. The last two refuse nobody; they tell that holders
//! of the password are to wait in the lobby, where a host looks at them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use conclave_signalling_wire::text::Slug;

use crate::allowance::Allowance;
use crate::source::{SITE_TIMES, Source};

/// Keys that are counted at a time, some 100 bytes each. An attacker needs as
/// many networks to fill them; then nobody new may guess.
const KEYS: usize = 100_000;
/// How often all keys are looked at for those that rest, once there are that many.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Wrong passwords of a source that everybody types now and then, before it has to pause.
const FREE: u32 = 3;
/// How long a source has to be quiet until its wrong passwords are forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(300);
/// How long a flood is felt after its end.
const DEBT_MAX: Duration = MINUTE;
const MINUTE: Duration = Duration::from_secs(60);
/// Wrong passwords a minute on the whole server, beyond which whoever knows one
/// waits in the lobby everywhere: ten rooms under siege.
const IN_ALL: u32 = 600;

/// How many wrong passwords there may be in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordLimits {
    /// Of one source in one room.
    pub per_source_and_room: u32,
    /// Of one source in all rooms.
    pub per_source: u32,
    /// In one room; beyond it who knows the password waits in the lobby.
    pub per_room: u32,
    /// The longest pause between two guesses of one source; it begins with a
    /// second after the third one and doubles with each.
    pub backoff_max: Duration,
}

impl Default for PasswordLimits {
    fn default() -> Self {
        PasswordLimits {
            per_source_and_room: 10,
            per_source: 30,
            per_room: 60,
            backoff_max: MINUTE,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Source(Source),
    SourceAndRoom(Source, u64),
    Room(u64),
    All,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    /// See [`Allowance`].
    due: Instant,
    /// Wrong passwords without a long pause between them.
    failures: u32,
    /// The last one.
    failed_at: Instant,
}

/// Allows so many in a minute.
fn allowance(count: u32) -> Allowance {
    Allowance::new(count, MINUTE, count)
}

/// Counts wrong passwords.
#[derive(Debug)]
pub(crate) struct Guesses {
    by_source_and_room: Allowance,
    by_source: Allowance,
    by_room: Allowance,
    by_site_and_room: Allowance,
    by_site: Allowance,
    in_all: Allowance,
    backoff_max: Duration,
    /// Rooms are known by a keyed hash: nobody can make two of them collide,
    /// and rooms that do not exist cost no more than others.
    hasher: RandomState,
    keys_max: usize,
    counts: HashMap<Key, Count>,
    swept_at: Option<Instant>,
}

impl Guesses {
    pub(crate) fn new(limits: PasswordLimits, hasher: RandomState) -> Self {
        let none = allowance(1);
        let mut guesses = Guesses {
            by_source_and_room: none,
            by_source: none,
            by_room: none,
            by_site_and_room: none,
            by_site: none,
            in_all: allowance(IN_ALL),
            backoff_max: limits.backoff_max,
            hasher,
            keys_max: KEYS,
            counts: HashMap::new(),
            swept_at: None,
        };
        guesses.tune(limits);
        guesses
    }

    /// Allows so many from here on. What was counted stays counted.
    pub(crate) fn tune(&mut self, limits: PasswordLimits) {
        let of_site = |count: u32| allowance(count.saturating_mul(SITE_TIMES));
        self.by_source_and_room = allowance(limits.per_source_and_room);
        self.by_source = allowance(limits.per_source);
        self.by_room = allowance(limits.per_room);
        self.by_site_and_room = of_site(limits.per_source_and_room);
        self.by_site = of_site(limits.per_source);
        self.backoff_max = limits.backoff_max;
    }

    /// Says whether a source may try a password, or how long it has to wait.
    /// Asked again before a password that had to queue is hashed: others of
    /// the same source may have been wrong meanwhile.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        address: IpAddr,
        room: &Slug,
    ) -> Result<(), Duration> {
        let keys = self.keys(address, room);
        if !self.has_space(now, &keys) {
            return Err(SWEEP_EVERY);
        }
        match self.wait(now, &keys) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    /// Counts a wrong password. Returns how long its source now has to wait, if at all.
    pub(crate) fn count(&mut self, now: Instant, address: IpAddr, room: &Slug) -> Option<Duration> {
        let keys = self.keys(address, room);
        // Without space nothing can be counted, and nothing is checked either.
        if self.has_space(now, &keys) {
            for key in &keys {
                let allowance = self.allowance(*key);
                let count = self.counts.entry(*key).or_insert(Count {
                    due: now,
                    failures: 0,
                    failed_at: now,
                });
                if now.saturating_duration_since(count.failed_at) >= FORGIVEN_AFTER {
                    count.failures = 0;
                }
                count.due = allowance.charge(now, count.due, DEBT_MAX);
                count.failures = count.failures.saturating_add(1);
                count.failed_at = now;
            }
        }
        self.wait(now, &keys)
    }

    /// Returns whether so many were wrong in a room that right ones are to wait in its lobby.
    pub(crate) fn is_besieged(&self, now: Instant, room: &Slug) -> bool {
        let keys = [Key::Room(self.hasher.hash_one(room)), Key::All];
        keys.iter().any(|key| {
            let count = self.counts.get(key);
            count.is_some_and(|count| self.allowance(*key).wait(now, count.due).is_some())
        })
    }

    fn keys(&self, address: IpAddr, room: &Slug) -> Vec<Key> {
        let room = self.hasher.hash_one(room);
        let sources = [Some(Source::from(address)), Source::site(address)];
        let mut keys = vec![Key::Room(room), Key::All];
        for source in sources.into_iter().flatten() {
            keys.extend([Key::Source(source), Key::SourceAndRoom(source, room)]);
        }
        keys
    }

    fn allowance(&self, key: Key) -> Allowance {
        match key {
            Key::Source(Source::Site(_)) => self.by_site,
            Key::SourceAndRoom(Source::Site(_), _) => self.by_site_and_room,
            Key::Source(_) => self.by_source,
            Key::SourceAndRoom(..) => self.by_source_and_room,
            Key::Room(_) => self.by_room,
            Key::All => self.in_all,
        }
    }

    fn wait(&self, now: Instant, keys: &[Key]) -> Option<Duration> {
        let waits = keys.iter().map(|key| {
            let count = self.counts.get(key)?;
            let pause = match key {
                Key::Room(_) | Key::All => return None,
                // Others of a network do not pause for one of it.
                Key::SourceAndRoom(..) | Key::Source(Source::Site(_)) => None,
                Key::Source(_) => {
                    let until = count.failed_at + self.backoff(count.failures);
                    let pause = until.saturating_duration_since(now);
                    (!pause.is_zero()).then_some(pause)
                }
            };
            self.allowance(*key).wait(now, count.due).max(pause)
        });
        waits.flatten().max()
    }

    fn backoff(&self, failures: u32) -> Duration {
        match failures.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let seconds = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
                Duration::from_secs(seconds).min(self.backoff_max)
            }
        }
    }

    /// Returns whether all these keys can be counted; forgets those that rest to make it so.
    fn has_space(&mut self, now: Instant, keys: &[Key]) -> bool {
        let missing = keys
            .iter()
            .filter(|key| !self.counts.contains_key(key))
            .count();
        let fits = |guesses: &Self| guesses.counts.len() + missing <= guesses.keys_max;
        let swept_lately = self
            .swept_at
            .is_some_and(|at| now.saturating_duration_since(at) < SWEEP_EVERY);
        if missing > 0 && !fits(self) && !swept_lately {
            self.swept_at = Some(now);
            self.counts.retain(|key, count| {
                let forgiven = match key {
                    Key::Source(_) => count.failed_at + FORGIVEN_AFTER,
                    Key::SourceAndRoom(..) | Key::Room(_) | Key::All => now,
                };
                count.due.max(forgiven) > now
            });
        }
        missing == 0 || fits(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn epoch() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn source(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    fn room(name: &str) -> Slug {
        Slug::new(name).unwrap()
    }

    /// Without the pauses, which otherwise hide the limits.
    fn unpaused() -> Guesses {
        let limits = PasswordLimits {
            backoff_max: Duration::ZERO,
            ..PasswordLimits::default()
        };
        Guesses::new(limits, RandomState::new())
    }

    #[test]
    fn a_source_pauses_longer_and_longer_up_to_a_minute() {
        let mut guesses = Guesses::new(PasswordLimits::default(), RandomState::new());
        let mut now = epoch();
        let mut pauses = Vec::new();
        for _ in 0..11 {
            assert_eq!(guesses.check(now, source(1), &room("welcome")), Ok(()));
            let pause = guesses.count(now, source(1), &room("welcome"));
            pauses.push(pause.unwrap_or_default().as_secs());
            now += pause.unwrap_or_default();
        }
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(
            guesses
                .check(now - SECOND, source(1), &room("other"))
                .is_err()
        );
        assert_eq!(
            guesses.check(now - SECOND, source(2), &room("welcome")),
            Ok(())
        );
        // Whoever is quiet begins anew.
        now += FORGIVEN_AFTER;
        assert_eq!(guesses.count(now, source(1), &room("welcome")), None);
    }

    #[test]
    fn a_source_guesses_ten_times_a_minute_in_a_room_and_thirty_times_in_all() {
        let mut guesses = unpaused();
        let now = epoch();
        for name in ["aaa", "bbb", "ccc"] {
            for _ in 0..10 {
                assert_eq!(guesses.check(now, source(1), &room(name)), Ok(()));
                guesses.count(now, source(1), &room(name));
            }
            let wait = guesses.check(now, source(1), &room(name)).unwrap_err();
            assert_eq!(wait, 6 * SECOND, "{name}");
        }
        assert_eq!(guesses.check(now, source(1), &room("ddd")), Err(2 * SECOND));
        assert_eq!(guesses.check(now, source(2), &room("aaa")), Ok(()));
        let later = now + 2 * SECOND;
        assert_eq!(guesses.check(later, source(1), &room("ddd")), Ok(()));
    }

    #[test]
    fn what_was_wrong_at_the_same_time_is_charged_all_the_same() {
        let mut guesses = unpaused();
        let now = epoch();
        for _ in 0..15 {
            guesses.count(now, source(1), &room("welcome"));
        }
        let wait = guesses.check(now, source(1), &room("welcome"));
        assert_eq!(wait, Err(36 * SECOND));
    }

    #[test]
    fn a_room_is_besieged_after_sixty_wrong_ones_and_refuses_nobody() {
        let mut guesses = unpaused();
        let now = epoch();
        for number in 0..60 {
            assert!(!guesses.is_besieged(now, &room("welcome")));
            guesses.count(now, source(number), &room("welcome"));
        }
        assert!(guesses.is_besieged(now, &room("welcome")));
        assert!(!guesses.is_besieged(now, &room("other")));
        assert_eq!(guesses.check(now, source(99), &room("welcome")), Ok(()));
        assert!(!guesses.is_besieged(now + MINUTE, &room("welcome")));
    }

    #[test]
    fn a_network_does_not_guess_more_by_changing_its_prefix() {
        let mut guesses = Guesses::new(PasswordLimits::default(), RandomState::new());
        let now = epoch();
        let of = |site: u16, prefix: u16| -> IpAddr {
            format!("2001:db8:{site:x}:{prefix:x}::1").parse().unwrap()
        };
        let mut hashed = 0;
        for prefix in 0..5000 {
            if guesses.check(now, of(1, prefix), &room("aaa")).is_ok() {
                guesses.count(now, of(1, prefix), &room("aaa"));
                hashed += 1;
            }
        }
        assert_eq!(hashed, 80);
        for prefix in 5000..9999 {
            let name = room(&format!("room-{prefix}"));
            if guesses.check(now, of(1, prefix), &name).is_ok() {
                guesses.count(now, of(1, prefix), &name);
                hashed += 1;
            }
        }
        assert_eq!(hashed, 240);
        assert_eq!(guesses.check(now, of(2, 1), &room("aaa")), Ok(()));
    }

    #[test]
    fn a_storm_over_many_rooms_sends_all_to_the_lobby_and_refuses_nobody() {
        let mut guesses = unpaused();
        let now = epoch();
        for number in 0..IN_ALL {
            assert!(!guesses.is_besieged(now, &room("other")));
            guesses.count(
                now,
                source(number),
                &room(&format!("room-{}", number % 100)),
            );
        }
        assert!(guesses.is_besieged(now, &room("other")));
        assert_eq!(guesses.check(now, source(9999), &room("other")), Ok(()));
        assert!(!guesses.is_besieged(now + MINUTE, &room("other")));
    }

    #[test]
    fn nobody_new_guesses_when_there_is_no_space() {
        let mut guesses = unpaused();
        guesses.keys_max = 301;
        let mut now = epoch();
        for number in 0..100 {
            guesses.count(now, source(number), &room(&format!("room-{number}")));
        }
        assert_eq!(guesses.counts.len(), 301);
        assert_eq!(
            guesses.check(now, source(100), &room("welcome")),
            Err(SWEEP_EVERY)
        );
        assert_eq!(guesses.count(now, source(100), &room("welcome")), None);
        assert_eq!(guesses.check(now, source(1), &room("room-1")), Ok(()));
        assert_eq!(guesses.counts.len(), 301);
        // What rests is forgotten first: the sources are remembered longest.
        now += MINUTE;
        assert_eq!(guesses.check(now, source(100), &room("welcome")), Ok(()));
        assert_eq!(guesses.counts.len(), 100);
        now += FORGIVEN_AFTER;
        guesses.keys_max = 10;
        assert_eq!(guesses.check(now, source(100), &room("welcome")), Ok(()));
        assert_eq!(guesses.counts.len(), 0);
    }
}

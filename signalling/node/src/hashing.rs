//! Passwords: hashed on few threads, in a short queue.
//!
//! A hash costs some 50 ms of a core and its memory, so a storm of them must
//! cost neither the meetings that go on nor more memory than was planned. One
//! source, or one network, takes no more than half of the queue.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use conclave_signalling_core::settings::PasswordHash;
use conclave_signalling_wire::error::{ErrorBody, ErrorCode};
use conclave_signalling_wire::secret::SecretText;
use rand::Rng;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, timeout};

use crate::source::{Place, Source, Sources};

/// Passwords that may wait; beyond it they are answered `not_available`.
const QUEUE: usize = 64;
/// Passwords of one source, or of one /48, that may wait: the other half is for others.
const QUEUE_OF_SOURCE: u32 = QUEUE as u32 / 2;
/// How long one may wait. At 50 ms a hash, some 40 are served in it per permit.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// After how many seconds a client is told to come back.
const RETRY_AFTER_S: u32 = 2;

/// What a hash of a password costs (argon2id, RFC 9106). A hash that was made
/// with other numbers stays valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hashing {
    /// Memory, KiB. What all hashes at once take is this times half of the cores.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl Default for Hashing {
    /// 46 MiB, one pass, one lane (OWASP ASVS 5.0, appendix).
    fn default() -> Self {
        Hashing {
            m_kib: 47_104,
            t: 1,
            p: 1,
        }
    }
}

impl Hashing {
    /// Reads what a hash cost; `None` for a text that is none.
    pub(crate) fn of(hash: &PasswordHash) -> Option<Self> {
        let mut cost = Hashing {
            m_kib: 0,
            t: 0,
            p: 0,
        };
        for parameter in hash.0.split('$').nth(3)?.split(',') {
            let (name, value) = parameter.split_once('=')?;
            let value = value.parse().ok()?;
            match name {
                "m" => cost.m_kib = value,
                "t" => cost.t = value,
                "p" => cost.p = value,
                _ => return None,
            }
        }
        Some(cost)
    }

    /// Returns these parameters as they stand in a hash.
    fn parameters(&self) -> String {
        format!("m={},t={},p={}", self.m_kib, self.t, self.p)
    }
}

/// Parameters that argon2id does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("these parameters are none of argon2id")]
pub struct InvalidHashing;

/// Too many passwords at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

/// Returns what whoever comes then is told.
pub(crate) fn busy() -> ErrorBody {
    ErrorBody::from(ErrorCode::NotAvailable).retry_after_s(RETRY_AFTER_S)
}

/// Numbers of the pool.
#[derive(Debug, Default)]
struct Gauge {
    running: AtomicUsize,
    running_max: AtomicUsize,
    total: AtomicUsize,
}

/// Hashes passwords and checks them.
#[derive(Clone)]
pub(crate) struct Pool {
    argon2: Argon2<'static>,
    /// What a password is compared with where there is none: as dear as a true one.
    dummy: Arc<str>,
    permits: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    sources: Arc<Sources>,
    gauge: Arc<Gauge>,
}

impl Pool {
    /// Makes a pool with `permits` hashes at once, at least 1.
    pub(crate) fn new(hashing: Hashing, permits: usize) -> Result<Self, InvalidHashing> {
        let Hashing { m_kib, t, p } = hashing;
        let params = Params::new(m_kib, t, p, None).map_err(|_| InvalidHashing)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hash(&argon2, b"").ok_or(InvalidHashing)?;
        Ok(Pool {
            argon2,
            dummy: dummy.0.into(),
            permits: Arc::new(Semaphore::new(permits.max(1))),
            queue: Arc::new(Semaphore::new(permits.max(1) + QUEUE)),
            sources: Arc::default(),
            gauge: Arc::default(),
        })
    }

    /// Waits for a turn to hash one password, of somebody who comes from `address`.
    pub(crate) async fn turn_of(&self, address: IpAddr) -> Result<Turn, Busy> {
        let sources = [Some(Source::from(address)), Source::site(address)];
        let mut places = Vec::new();
        for source in sources.into_iter().flatten() {
            places.push(self.sources.enter(source, QUEUE_OF_SOURCE).ok_or(Busy)?);
        }
        let turn = self.turn().await?;
        Ok(Turn { places, ..turn })
    }

    /// Waits for a turn to hash one password of somebody who is in already.
    pub(crate) async fn turn(&self) -> Result<Turn, Busy> {
        let place = Arc::clone(&self.queue)
            .try_acquire_owned()
            .map_err(|_| Busy)?;
        let permit = timeout(WAIT_MAX, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| Busy)?
            .map_err(|_| Busy)?;
        Ok(Turn {
            pool: self.clone(),
            held: (permit, place),
            places: Vec::new(),
        })
    }

    /// Returns the hash of a password that nobody knows, as dear as others of this cost.
    fn dummy(&self, cost: Option<Hashing>) -> String {
        let mut parts: Vec<_> = self.dummy.split('$').map(str::to_owned).collect();
        if let (Some(part), Some(cost)) = (parts.get_mut(3), cost) {
            *part = cost.parameters();
        }
        parts.join("$")
    }

    /// Returns the most hashes that ran at once, and how many there were.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let load = |number: &AtomicUsize| number.load(Ordering::Relaxed);
        (load(&self.gauge.running_max), load(&self.gauge.total))
    }
}

/// The right to hash one password.
pub(crate) struct Turn {
    pool: Pool,
    held: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    /// Of the source in the queue.
    places: Vec<Place>,
}

/// What a password is compared with.
pub(crate) enum Expected {
    /// The hash of a room.
    Hash(PasswordHash),
    /// Nothing, which takes as long as a hash of this cost; that of new ones, without it.
    Nothing(Option<Hashing>),
}

impl Turn {
    /// Checks a password against a hash, or against one that nobody knows.
    pub(crate) async fn verify(
        self,
        expected: Expected,
        password: SecretText,
    ) -> Result<bool, Busy> {
        self.run(move |pool| {
            let (exists, expected) = match expected {
                Expected::Hash(hash) => (true, hash.0),
                Expected::Nothing(cost) => (false, pool.dummy(cost)),
            };
            let is_right = pool
                .argon2
                .verify_password(password.reveal().as_bytes(), expected.as_str())
                .is_ok();
            is_right && exists
        })
        .await
    }

    /// Hashes a password.
    pub(crate) async fn hash(self, password: SecretText) -> Result<PasswordHash, Busy> {
        self.run(move |pool| hash(&pool.argon2, password.reveal().as_bytes()))
            .await?
            .ok_or(Busy)
    }

    /// Runs one hash on a thread of its own. The turn lasts as long as the
    /// thread, even if nobody waits for it any more.
    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&Pool) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let Turn { pool, held, places } = self;
        let working = tokio::task::spawn_blocking(move || {
            let gauge = &pool.gauge;
            let running = gauge.running.fetch_add(1, Ordering::Relaxed) + 1;
            gauge.running_max.fetch_max(running, Ordering::Relaxed);
            gauge.total.fetch_add(1, Ordering::Relaxed);
            let done = work(&pool);
            gauge.running.fetch_sub(1, Ordering::Relaxed);
            drop((held, places));
            done
        });
        working.await.map_err(|_| Busy)
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Option<PasswordHash> {
    let mut salt = [0; 16];
    rand::rng().fill_bytes(&mut salt);
    let hash = argon2.hash_password_with_salt(password, &salt).ok()?;
    Some(PasswordHash(hash.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Hashing = Hashing {
        m_kib: 64,
        t: 1,
        p: 1,
    };

    fn secret(text: &str) -> SecretText {
        SecretText::new(text)
    }

    #[tokio::test]
    async fn only_the_password_is_right() {
        let pool = Pool::new(CHEAP, 2).unwrap();
        let hash = pool
            .turn()
            .await
            .unwrap()
            .hash(secret("correct horse"))
            .await;
        let hash = hash.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        for (expected, typed, is_right) in [
            (Expected::Hash(hash.clone()), "correct horse", true),
            (Expected::Hash(hash), "correct horsf", false),
            (Expected::Nothing(None), "correct horse", false),
            // The dummy is the hash of this.
            (Expected::Nothing(None), "", false),
            (Expected::Nothing(Some(CHEAP)), "", false),
        ] {
            let turn = pool.turn().await.unwrap();
            assert_eq!(turn.verify(expected, secret(typed)).await, Ok(is_right));
        }
        assert_eq!(pool.counts().1, 6);
    }

    #[tokio::test]
    async fn the_dummy_costs_what_it_is_told_to() {
        let pool = Pool::new(CHEAP, 1).unwrap();
        let dear = Hashing {
            m_kib: 4096,
            t: 2,
            p: 1,
        };
        for (told, cost) in [(None, CHEAP), (Some(dear), dear)] {
            let dummy = PasswordHash(pool.dummy(told));
            assert_eq!(Hashing::of(&dummy), Some(cost));
            let made = Pool::new(cost, 1).unwrap();
            assert_eq!(
                Hashing::of(&PasswordHash(made.dummy.to_string())),
                Some(cost)
            );
            // It is a hash, or comparing with it would cost nothing.
            let verified = pool.argon2.verify_password(b"wrong", dummy.0.as_str());
            assert_eq!(verified, Err(argon2::password_hash::Error::PasswordInvalid));
        }
        for text in ["", "$argon2id$v=19", "$argon2id$v=19$m=x,t=1,p=1$a$b"] {
            assert_eq!(Hashing::of(&PasswordHash(text.to_owned())), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_source_takes_half_of_the_queue() {
        let pool = Pool::new(CHEAP, 1).unwrap();
        let turn = pool.turn().await.unwrap();
        let wait = |address: String| {
            let (pool, address) = (pool.clone(), address.parse().unwrap());
            tokio::spawn(async move { pool.turn_of(address).await.map(drop) })
        };
        let mut waiting: Vec<_> = (0..QUEUE_OF_SOURCE)
            .map(|prefix| wait(format!("2001:db8:1:{prefix:x}::1")))
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(
            wait("2001:db8:1:ffff::1".to_owned()).await.unwrap(),
            Err(Busy)
        );
        waiting.push(wait("2001:db8:2::1".to_owned()));
        tokio::task::yield_now().await;
        drop(turn);
        for turn in waiting {
            assert_eq!(turn.await.unwrap(), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_ends_and_so_does_the_patience() {
        let pool = Pool::new(CHEAP, 1).unwrap();
        let turn = pool.turn().await.unwrap();
        let waiting: Vec<_> = (0..QUEUE)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.turn().await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(pool.turn().await.err(), Some(Busy));
        for turn in waiting {
            assert_eq!(turn.await.unwrap(), Err(Busy));
        }
        drop(turn);
        assert!(pool.turn().await.is_ok());
    }

    #[test]
    fn other_parameters_are_refused() {
        for hashing in [
            Hashing { m_kib: 7, ..CHEAP },
            Hashing { t: 0, ..CHEAP },
            Hashing { p: 0, ..CHEAP },
        ] {
            assert!(Pool::new(hashing, 1).is_err(), "{hashing:?}");
        }
    }
}

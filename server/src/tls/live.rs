//! The certificate in use, changed without touching what is open.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Identity;

/// The longest time before the end of a certificate that is worth a warning.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// From when to when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    /// From here on.
    pub(crate) not_before: SystemTime,
    /// Until here.
    pub(crate) not_after: SystemTime,
}

impl Validity {
    /// Returns how long it holds, from its first second to its last.
    pub(crate) fn life(&self) -> Duration {
        let life = self.not_after.duration_since(self.not_before);
        life.unwrap_or_default()
    }

    /// Returns whether it is over.
    pub(crate) fn has_ended(&self, now: SystemTime) -> bool {
        now >= self.not_after
    }

    /// Returns whether so little is left that somebody should look: a sixth of
    /// its life, at most two weeks.
    pub(crate) fn ends_soon(&self, now: SystemTime) -> bool {
        now >= self.warned_from()
    }

    /// Returns from when on [`Validity::ends_soon`] holds.
    pub(super) fn warned_from(&self) -> SystemTime {
        self.not_after - SOON.min(self.life() / 6)
    }

    /// Returns the whole days that are left, 0 when it is over.
    pub(crate) fn days_left(&self, now: SystemTime) -> u64 {
        let left = self.not_after.duration_since(now).unwrap_or_default();
        left.as_secs() / (24 * 3600)
    }
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    validity: Validity,
}

/// The certificate that new handshakes are made with. Connections that are
/// open keep what they were made with.
#[derive(Debug, Default)]
pub(crate) struct Live {
    current: RwLock<Option<Current>>,
}

impl Live {
    /// Begins without a certificate: every handshake fails until there is one.
    pub(crate) fn empty() -> Arc<Self> {
        Arc::default()
    }

    /// Begins with a certificate.
    ///
    /// # Errors
    /// As [`Live::set`].
    pub(crate) fn of(identity: Identity) -> anyhow::Result<Arc<Self>> {
        let live = Live::empty();
        live.set(identity)?;
        Ok(live)
    }

    /// Uses a certificate for every handshake from here on.
    ///
    /// # Errors
    /// When key and certificate do not belong together; what was in use stays.
    pub(crate) fn set(&self, identity: Identity) -> anyhow::Result<()> {
        let validity = identity.validity;
        let key = Arc::new(identity.certified()?);
        // A value is put in whole or not at all.
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(Current { key, validity });
        Ok(())
    }

    /// Returns from when to when the certificate holds; `None` while there is none.
    pub(crate) fn validity(&self) -> Option<Validity> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| current.validity)
    }

    /// Returns the certificate itself, without those that lead to its root; `None` while there is none.
    pub(super) fn certificate(&self) -> Option<CertificateDer<'static>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref()?.key.cert.first().cloned()
    }
}

#[cfg(test)]
impl Live {
    /// Begins with a certificate for localhost that holds for a year.
    pub(crate) fn for_tests() -> Arc<Self> {
        let names = super::Names::from(["localhost".to_owned()]);
        let (certificate, key) = super::dev::make(&names, SystemTime::now()).unwrap();
        Live::of(super::certificate::parse(&certificate, &key).unwrap()).unwrap()
    }
}

impl ResolvesServerCert for Live {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| Arc::clone(&current.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn the_end_is_near_for_the_last_sixth_and_never_more_than_two_weeks() {
        let start = SystemTime::UNIX_EPOCH;
        let of_days = |days: u32| Validity {
            not_before: start,
            not_after: start + DAY * days,
        };
        assert!(!of_days(397).ends_soon(start + DAY * 382));
        assert!(of_days(397).ends_soon(start + DAY * 383));
        assert!(!of_days(6).ends_soon(start + DAY * 4));
        assert!(of_days(6).ends_soon(start + DAY * 5));
        assert!(!of_days(6).has_ended(start + DAY * 5));
        assert!(of_days(6).has_ended(start + DAY * 6));
        assert_eq!(of_days(6).days_left(start + DAY * 7 / 2), 2);
        assert_eq!(of_days(6).days_left(start + DAY * 9), 0);
    }
}

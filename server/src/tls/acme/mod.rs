//! Certificates that the server fetches itself, before they are missed
//! (RFC 8555; proofs by RFC 8737 or by HTTP).
//!
//! The only place that names `instant-acme`.

mod account;
mod binding;
mod client;
mod keep;
mod order;
mod schedule;
mod trouble;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use self::keep::Keep;
use self::order::Signed;
use self::trouble::Trouble;
use super::{Challenges, Identity, Live};
use crate::config::{Acme, ConfigError};

/// For everything from the account to the certificate.
const ORDER_TIMEOUT: Duration = Duration::from_secs(600);
/// The longest sleep: the clock of a machine may be set, or have stood still.
const NAP: Duration = Duration::from_secs(3600);

/// Returns the certificate that was fetched last and is kept below `data_dir`, if it is good.
pub(crate) fn kept(data_dir: &Path, acme: &Acme, now: SystemTime) -> Option<Identity> {
    Keep::new(data_dir, acme).certificate(now)
}

/// Reads the key that binds the account to another one, if it is wanted and
/// the account has not been made yet: afterwards the key is of no use.
///
/// # Errors
/// When it is wanted and cannot be used.
pub(crate) fn check_account(data_dir: &Path, acme: &Acme) -> Result<(), ConfigError> {
    let is_made = || Keep::new(data_dir, acme).account().is_some();
    match &acme.binding {
        Some(binding) if !is_made() => binding::key(binding).map(|_| ()),
        _ => Ok(()),
    }
}

/// Fetches the certificate of one name, again and again.
pub(crate) struct Fetcher {
    acme: Acme,
    keep: Keep,
    live: Arc<Live>,
    challenges: Arc<Challenges>,
}

impl Fetcher {
    /// Begins with the certificate that is kept below `data_dir`, if there is one that is good.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(crate) fn new(
        acme: Acme,
        data_dir: &Path,
        live: Arc<Live>,
        challenges: Arc<Challenges>,
    ) -> anyhow::Result<Self> {
        let keep = Keep::new(data_dir, &acme);
        if let Some(identity) = keep.certificate(SystemTime::now()) {
            live.set(identity)?;
        }
        Ok(Fetcher {
            acme,
            keep,
            live,
            challenges,
        })
    }

    /// Fetches certificates for ever. `hurry` tries at once what would be tried later.
    pub(super) async fn run(self, hurry: &Notify) {
        let mut failures = 0;
        let mut due = self.first_due();
        loop {
            self.sleep_until(due, failures, hurry).await;
            let now = SystemTime::now();
            match self.fetch().await {
                Ok(()) => {
                    failures = 0;
                    let validity = self.live.validity();
                    let next = validity
                        .map(|validity| schedule::until_renewal(validity, now, rand::random()));
                    due = now + next.unwrap_or(NAP);
                }
                Err(trouble) => {
                    failures += 1;
                    let pause = schedule::pause(failures, trouble.is_limited(), rand::random());
                    self.complain(&trouble, failures, pause);
                    due = now + pause;
                }
            }
        }
    }

    fn first_due(&self) -> SystemTime {
        let renewal = |validity| schedule::renewal(validity, rand::random());
        let kept = self.live.validity();
        kept.map_or(SystemTime::UNIX_EPOCH, renewal)
    }

    /// Sleeps until `due`, or until somebody is in a hurry and there is something to do.
    async fn sleep_until(&self, due: SystemTime, failures: u32, hurry: &Notify) {
        while let Ok(left) = due.duration_since(SystemTime::now()) {
            tokio::select! {
                () = sleep(left.min(NAP)) => {}
                () = hurry.notified() => {
                    let early = self.live.validity().map(|validity| schedule::renewal(validity, 0.0));
                    if failures > 0 || early.is_none_or(|early| early <= SystemTime::now()) {
                        return;
                    }
                    tracing::info!("the certificate needs no renewal yet");
                }
            }
        }
    }

    async fn fetch(&self) -> Result<(), Trouble> {
        tracing::info!(name = %self.acme.name, directory = %self.acme.directory, "asking for a certificate");
        let order = order::certificate(&self.acme, &self.keep, &self.challenges);
        // A state machine of this size is better off on the heap.
        let signed = timeout(ORDER_TIMEOUT, Box::pin(order)).await;
        let Signed { identity, kept } = signed.map_err(|_| Trouble::TooSlow)??;
        let days = identity.validity.days_left(SystemTime::now());
        self.live.set(identity)?;
        if let Err(error) = kept {
            tracing::error!(
                cure = "check the room and the rights of `data_dir`; after a restart it is fetched again",
                "the new certificate is in use, but cannot be kept: {error:#}"
            );
        }
        tracing::info!(name = %self.acme.name, days, "a new certificate is in use");
        Ok(())
    }

    fn complain(&self, trouble: &Trouble, failures: u32, pause: Duration) {
        if trouble.is_lost_account() {
            self.keep.forget_account();
        }
        let cure = trouble.cure();
        let again_s = pause.as_secs();
        let days = self.live.validity();
        let days_left = days.map(|validity| validity.days_left(SystemTime::now()));
        tracing::error!(
            name = %self.acme.name, failures, again_s, days_left, cure,
            "no certificate: {trouble}"
        );
    }
}

//! Certificates that the server fetches itself, before they are missed
//! (RFC 8555; proofs by RFC 8737 or by HTTP; when to renew by RFC 9773).
//!
//! The only place that names `instant-acme`.

mod account;
mod advice;
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
pub(crate) use self::schedule::renewal;
use self::schedule::{Schedule, Step};
use self::trouble::Trouble;
use super::{Challenges, Identity, Live, Validity};
use crate::config::{Acme, ConfigError};

/// For everything from the account to the certificate.
const ORDER_TIMEOUT: Duration = Duration::from_secs(600);
/// For the question when to renew, and its answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(60);

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
        let validity = self.live.validity();
        let mut schedule = Schedule::new(SystemTime::now(), validity, rand::random());
        let mut is_hurried = false;
        loop {
            match schedule.poll_step(SystemTime::now(), is_hurried) {
                Step::Ask => self.ask(&mut schedule).await,
                Step::Order => {
                    self.order(&mut schedule).await;
                    is_hurried = false;
                }
                Step::Wait(_) if is_hurried => {
                    is_hurried = false;
                    tracing::info!("the certificate needs no renewal yet");
                }
                Step::Wait(pause) => tokio::select! {
                    () = sleep(pause) => {}
                    () = hurry.notified() => {
                        is_hurried = true;
                        schedule.handle_hurry(SystemTime::now());
                    }
                },
            }
        }
    }

    /// Asks whoever signed the certificate in use when to renew it.
    async fn ask(&self, schedule: &mut Schedule) {
        let Some(certificate) = self.live.certificate() else {
            return schedule.handle_no_advice(SystemTime::now());
        };
        let asked = advice::ask(&self.acme, &self.keep, &certificate);
        let said = timeout(ASK_TIMEOUT, Box::pin(asked)).await;
        let now = SystemTime::now();
        match said.unwrap_or_else(|_| Err(Trouble::TooSlow(ASK_TIMEOUT))) {
            Ok(Some(advice)) => {
                let before = schedule.renewal();
                schedule.handle_advice(now, advice.window, advice.ask_again);
                let renewal = schedule.renewal();
                if let Some(renewal) = renewal.filter(|_| renewal != before) {
                    let hours = renewal.duration_since(now).unwrap_or_default().as_secs() / 3600;
                    let explanation = advice.explanation;
                    tracing::info!(hours, ?explanation, "the directory says when to renew");
                }
            }
            Ok(None) => schedule.handle_no_advice(now),
            Err(trouble) => {
                let is_first = schedule.silences() == 0;
                let pause = schedule.handle_silence(now, trouble.is_limited(), rand::random());
                let again_s = pause.as_secs();
                if is_first {
                    tracing::warn!(
                        again_s,
                        "the directory does not say when to renew, which then follows from the life \
                         of the certificate: {trouble}"
                    );
                } else {
                    tracing::debug!(
                        again_s,
                        "the directory still does not say when to renew: {trouble}"
                    );
                }
            }
        }
    }

    async fn order(&self, schedule: &mut Schedule) {
        match self.fetch().await {
            Ok(validity) => {
                schedule.handle_certificate(SystemTime::now(), validity, rand::random());
            }
            Err(trouble) => {
                let is_limited = trouble.is_limited();
                let pause = schedule.handle_failure(SystemTime::now(), is_limited, rand::random());
                self.complain(&trouble, schedule.failures(), pause);
            }
        }
    }

    async fn fetch(&self) -> Result<Validity, Trouble> {
        tracing::info!(name = %self.acme.name, directory = %self.acme.directory, "asking for a certificate");
        let replaced = self.live.certificate();
        let replaced = replaced.as_ref().and_then(advice::identifier);
        let order = order::certificate(&self.acme, &self.keep, &self.challenges, replaced);
        // A state machine of this size is better off on the heap.
        let signed = timeout(ORDER_TIMEOUT, Box::pin(order)).await;
        let Signed { identity, kept } = signed.map_err(|_| Trouble::TooSlow(ORDER_TIMEOUT))??;
        let validity = identity.validity;
        let days = validity.days_left(SystemTime::now());
        self.live.set(identity)?;
        if let Err(error) = kept {
            tracing::error!(
                cure = "check the room and the rights of `data_dir`; after a restart it is fetched again",
                "the new certificate is in use, but cannot be kept: {error:#}"
            );
        }
        tracing::info!(name = %self.acme.name, days, "a new certificate is in use");
        Ok(validity)
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

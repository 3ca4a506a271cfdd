//! Seeing to the certificate while the server runs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::files::{Change, Files};
use super::{Fetcher, Live};

/// Between two looks at the files. A look is two questions to the file system.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Between two lines about a certificate that ends soon.
const WARNING_INTERVAL: Duration = Duration::from_secs(12 * 3600);

/// Where the next certificate comes from.
pub(crate) enum Tending {
    /// Somebody writes PEM files.
    Files(Box<Files>),
    /// We ask for it.
    Fetched(Box<Fetcher>),
    /// We made one that outlives this process, for a server behind a proxy.
    Own,
    /// The same, for development.
    Dev,
}

impl Tending {
    /// Sees to the certificate until `stop` turns true. SIGHUP looks, or asks, at once.
    pub(crate) async fn run(self, live: Arc<Live>, mut stop: watch::Receiver<bool>) {
        // A terminal that is closed still ends a development server.
        if matches!(self, Tending::Dev) {
            return;
        }
        let hurry = Arc::new(Notify::new());
        let hangups = hang_up(Arc::clone(&hurry));
        let work = async {
            match self {
                Tending::Files(files) => watch_files(*files, &live, &hurry).await,
                Tending::Fetched(fetcher) => fetcher.run(&hurry).await,
                Tending::Own => loop {
                    hurry.notified().await;
                    tracing::debug!("the certificate is our own: SIGHUP has nothing to read");
                },
                Tending::Dev => {}
            }
        };
        tokio::select! {
            () = work => {}
            () = hangups => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

/// Passes SIGHUP on for ever.
async fn hang_up(hurry: Arc<Notify>) {
    match signal(SignalKind::hangup()) {
        Ok(mut hangups) => {
            while hangups.recv().await.is_some() {
                hurry.notify_one();
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP will not be heard"),
    }
    std::future::pending().await
}

async fn watch_files(mut files: Files, live: &Live, hurry: &Notify) {
    let mut looks = interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut warned: Option<SystemTime> = None;
    loop {
        let asked = tokio::select! {
            _ = looks.tick() => false,
            () = hurry.notified() => true,
        };
        let now = SystemTime::now();
        match files.look(live, now, asked) {
            Change::None if asked => tracing::info!("the certificate files have not changed"),
            Change::None => {}
            Change::Taken(validity) => {
                let days = validity.days_left(now);
                tracing::info!(days, "a new certificate is in use");
                warned = None;
            }
            Change::Refused(error) => tracing::error!(
                cure = "write the whole chain and the key that belongs to it; the old ones stay in use",
                "the new certificate cannot be used: {error:#}"
            ),
        }
        let due = warned.is_none_or(|at| now >= at + WARNING_INTERVAL);
        if let Some(validity) = live.validity().filter(|it| due && it.ends_soon(now)) {
            warned = Some(now);
            if validity.has_ended(now) {
                tracing::error!("the TLS certificate has expired: no browser opens the pages");
            } else {
                let days = validity.days_left(now);
                tracing::warn!(days, "the TLS certificate ends soon");
            }
        }
    }
}

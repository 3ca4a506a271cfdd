//! SIGHUP: the configuration is read again, and what needs no restart holds
//! from then on. No meeting notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use conclave_server_api::Entrance;
use conclave_signalling_node::{Node, Tuning};
use conclave_signalling_store::Store;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::cli::Settings;
use crate::config::{Config, Layers};
use crate::listen::{Announcing, Proxies, Sources};
use crate::log::Refilter;
use crate::metrics::Reloads;
use crate::notify::{self, State};
use crate::run::{self, Error};
use crate::site::Site;
use crate::{furnish, setup};

/// Where the configuration is from, and what holds of it.
pub(crate) struct Source {
    /// The flags.
    pub(crate) settings: Settings,
    /// What was said at the start.
    pub(crate) layers: Layers,
    /// What log lines are held against.
    pub(crate) refilter: Refilter,
}

/// What takes changes while it runs.
pub(crate) struct Parts {
    /// Rooms and links.
    pub(crate) signalling: Node,
    /// Where rooms are kept.
    pub(crate) store: Store,
    /// Our names.
    pub(crate) site: Arc<Site>,
    /// Bounds on connections.
    pub(crate) sources: Arc<Sources>,
    /// Whose word is taken.
    pub(crate) proxies: Arc<Proxies>,
    /// Whose connections begin by saying for whom they are.
    pub(crate) announcing: Arc<Announcing>,
    /// From where the REST API is answered.
    pub(crate) entrance: watch::Sender<Entrance>,
    /// How often it went well, and how often not.
    pub(crate) reloads: Arc<Reloads>,
}

/// Reads the configuration again when told so.
pub(crate) struct Reload {
    hangups: Signal,
    source: Source,
    /// What holds.
    config: Config,
    /// What was said when it was read last.
    layers: Layers,
    parts: Parts,
}

impl Reload {
    /// Begins to hear SIGHUP. `config` is what holds.
    ///
    /// # Errors
    /// When the signal cannot be heard.
    pub(crate) fn new(source: Source, config: Config, parts: Parts) -> anyhow::Result<Self> {
        let hangups = signal(SignalKind::hangup()).context("cannot handle SIGHUP")?;
        Ok(Reload {
            hangups,
            layers: source.layers.clone(),
            source,
            config,
            parts,
        })
    }

    /// Reads it whenever told so, until `stop` turns true.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                told = self.hangups.recv() => if told.is_none() { return },
            }
            notify::tell(State::Reloading);
            let reloads = Arc::clone(&self.parts.reloads);
            match self.once().await {
                Ok(()) => count(&reloads.applied),
                Err(error) => {
                    count(&reloads.refused);
                    let error = match error {
                        Error::Config(error) => error.to_string(),
                        Error::Failure(error) => format!("{error:#}"),
                    };
                    tracing::error!(
                        error,
                        "SIGHUP: the configuration is not usable; what held still holds"
                    );
                }
            }
            notify::tell(State::Ready);
        }
    }

    async fn once(&mut self) -> Result<(), Error> {
        let settings = &self.source.settings;
        let (config, layers) = settings.load(std::env::vars_os(), run::cores())?;
        // Everything that can be wrong comes before anything that changes.
        let mut config = self.config.with_live_of(&config);
        let rooms = furnish::configured(&config)?;
        run::fit_connections(&mut config);

        let parts = &self.parts;
        let node = setup::node_config(&config, &parts.site, None);
        parts.signalling.tune(Tuning::from(&node));
        parts.sources.tune(config.limits);
        parts.proxies.replace(config.trusted_proxies.clone());
        parts.announcing.replace(config.proxy_protocol.clone());
        parts.entrance.send_replace(config.admin.entrance.clone());
        self.source.refilter.set(&config.log.filter);
        let all = parts.signalling.rooms();
        let furnished = furnish::furnish(&config, &parts.store, &all, rooms).await;
        // A room that cannot be made is said, and the rest holds.
        if let Err(Error::Failure(error)) = furnished {
            tracing::error!("{error:#}");
        }
        self.config = config;
        self.say(&layers);
        self.layers = layers;
        Ok(())
    }

    fn say(&self, layers: &Layers) {
        for key in layers.changed_from(&self.source.layers) {
            if !key.is_live {
                tracing::warn!(key = key.path, "a change of this setting needs a restart");
            }
        }
        let changed = layers.changed_from(&self.layers);
        let applied: Vec<&str> = changed
            .filter(|key| key.is_live)
            .map(|key| key.path)
            .collect();
        let applied = applied.join(", ");
        tracing::info!(applied, "SIGHUP: the configuration was read again");
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

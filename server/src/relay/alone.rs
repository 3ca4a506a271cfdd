//! A relay that stands alone: real sockets, no rooms, no store.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use anyhow::Context;
use conclave_turn_core::auth::CredentialsConfig;
use conclave_turn_core::policy::PeerPolicy;
use conclave_turn_node::{BackendConfig, RealConfig, Relay, RelayConfig, RelayIp};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::start::{Sockets, bind, server_config};
use super::surroundings::OpenReach;
use super::{Places, Served, counts, secrets};
use crate::announce::Ready;
use crate::config::{Config, ConfigError, Reach, StandingAlone};
use crate::host::Machine;
use crate::http::{self, Readiness, SecurityHeaders, Shared};
use crate::listen::{self, Announcing, Counters, Listener, Proxies, Sources};
use crate::metrics::Metrics;
use crate::run::Error;
use crate::setup::{self, Ports};
use crate::{storage, tls};

/// Reads the files that a relay needs which stands alone.
///
/// # Errors
/// When one of them cannot be used.
pub(crate) fn check(alone: &StandingAlone) -> Result<CredentialsConfig, ConfigError> {
    let mut users = alone.users.clone();
    if let Some((path, origin)) = &alone.users_file {
        users.extend(secrets::users(path, origin)?);
    }
    let rest = alone.secret_file.as_ref();
    let rest = rest.map(|(path, origin)| secrets::rest(path, origin));
    Ok(CredentialsConfig {
        tickets: None,
        rest: rest.transpose()?,
        users,
    })
}

/// A running relay that stands alone.
pub(crate) struct Alone {
    relay: Relay,
    ready: Ready,
    readiness: Arc<Readiness>,
    listeners: JoinSet<()>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
}

impl Alone {
    /// Starts the relay, then the listeners.
    ///
    /// # Errors
    /// When it cannot start.
    pub(crate) async fn start(config: &Config, alone: &StandingAlone) -> Result<Self, Error> {
        let machine = Machine::look().context("cannot list the addresses of this machine")?;
        let credentials = check(alone)?;
        if config.tls.files.is_none() {
            // Where our own certificate is kept.
            storage::folder(&config.storage)?;
        }
        let challenges = tls::Challenges::new();
        let (live, tending) = setup::certificate(config, &machine, &challenges)?;
        let readiness = Arc::new(Readiness::new(Arc::clone(&live)));
        let tls13_only = config.tls.tls13_only;
        let handshakes =
            tls::Handshakes::new(Arc::clone(&live), Arc::clone(&challenges), tls13_only)?;

        let mut sockets = bind(config)?;
        let clear = config.http.map(listen::bind).transpose()?;
        let watched = http::admin::bind(config)?;
        let ports = Ports {
            https: setup::port_of(&sockets.https).context("no socket for TLS")?,
            http: clear.as_deref().and_then(setup::port_of),
            admin: setup::port_of(&watched),
        };
        let site = Arc::new(setup::site(config, &machine, ports));
        let places = Places {
            urls: config.turn.urls.clone(),
            public_url: site.public_url.clone(),
            bound_port: ports.https,
        };
        let realm = site.public_url.host().trim_matches(['[', ']']);
        let (relay, kept) = open(config, alone, realm, credentials, &machine, &mut sockets)?;

        let proxies = Arc::new(Proxies::new(config.trusted_proxies.clone()));
        let shared = Shared {
            site: Arc::clone(&site),
            headers: SecurityHeaders::new(config.dev, config.hsts),
            readiness: Arc::clone(&readiness),
            challenges,
            proxies: Arc::clone(&proxies),
        };
        let counters = Arc::<Counters>::default();
        let plain = Listener {
            tls: None,
            relay: Some(Arc::new(Served(relay.handle()))),
            router: http::without_pages(shared),
            sources: Sources::new(config.limits),
            proxies,
            announcing: Arc::new(Announcing::new(config.proxy_protocol.clone())),
            counters: Arc::clone(&counters),
        };
        let secure = Listener {
            tls: Some(Arc::new(handshakes)),
            ..plain.clone()
        };
        let pages = Listener {
            relay: None,
            announcing: Arc::default(),
            ..plain.clone()
        };
        let metrics = Metrics {
            started: SystemTime::now(),
            readiness: Arc::clone(&readiness),
            reloads: Arc::default(),
            counters: Arc::clone(&counters),
            sources: Arc::clone(&plain.sources),
            meetings: None,
            relay: Some(relay.handle()),
        };
        let watching = http::admin::listener(metrics);
        let (stop, stopped) = watch::channel(false);
        let mut listeners = JoinSet::new();
        let clear: Vec<TcpListener> = clear.unwrap_or_default();
        let Sockets { https, extra, .. } = sockets;
        for (listener, sockets) in [
            (secure, https),
            (plain, extra),
            (pages, clear),
            (watching, watched),
        ] {
            for socket in sockets {
                listeners.spawn(listener.clone().run(socket, stopped.clone()));
            }
        }
        if let Some((reach, own)) = kept {
            listeners.spawn(reach.keep(own, relay.handle(), stopped.clone()));
        }
        listeners.spawn(tending.run(live, stopped));
        readiness.set_serving();
        let mut ready = setup::ready(
            config,
            &site,
            ports,
            Vec::new(),
            None,
            Some(places.public()),
        );
        // There are no rooms here, not even that of --dev.
        ready.guest_link = None;
        Ok(Alone {
            relay,
            ready,
            readiness,
            listeners,
            counters,
            stop,
        })
    }

    /// Returns what the ready file says.
    pub(crate) fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Ends the listeners, then the relay.
    pub(crate) async fn stop(self) {
        let Alone {
            relay,
            readiness,
            mut listeners,
            counters,
            stop,
            ..
        } = self;
        tracing::info!("draining");
        readiness.set_draining();
        let _ = stop.send(true);
        while listeners.join_next().await.is_some() {}
        let handle = relay.handle();
        // Ends a thread, so it waits.
        let _ = tokio::task::spawn_blocking(move || relay.shutdown()).await;
        counts::log(&handle.stats());
        tracing::info!(
            accepted = counters.accepted.load(Ordering::Relaxed),
            refused = counters.refused.load(Ordering::Relaxed),
            turn = counters.turn.load(Ordering::Relaxed),
            "ended"
        );
    }
}

/// What an open relay must not reach, and how to see that it has changed.
type Kept = (OpenReach, BTreeSet<IpAddr>);

fn open(
    config: &Config,
    alone: &StandingAlone,
    realm: &str,
    credentials: CredentialsConfig,
    machine: &Machine,
    sockets: &mut Sockets,
) -> anyhow::Result<(Relay, Option<Kept>)> {
    let ips = relay_ips(alone, machine);
    if ips.is_empty() {
        anyhow::bail!("there is no address to relay from; name one in `turn.relay_ips`");
    }
    let (policy, kept) = match &alone.reach {
        Reach::List(list) => (PeerPolicy::Closed(list.clone()), None),
        Reach::Open(rules) => {
            let reach = OpenReach {
                rules: rules.clone(),
                allow_loopback: alone.allow_loopback,
                ips: ips.clone(),
            };
            let own = reach
                .look()
                .context("cannot list the addresses of this machine")?;
            let policy = reach.policy(&own).context("the rules of an open relay")?;
            (policy, Some((reach, own)))
        }
    };
    let mut server = server_config(&config.turn, realm, credentials, policy);
    server.legacy_channel_numbers = alone.legacy_channel_numbers;
    // One user may be many people here: a gateway, a service.
    server.quotas.per_user = server.quotas.per_source;
    let real = RealConfig {
        addresses: ips,
        ports: alone.ports.clone(),
    };
    let listeners = sockets.udp.clone();
    sockets.release();
    let relay = Relay::start(RelayConfig {
        listeners,
        server,
        backend: BackendConfig::Real(real),
    });
    Ok((relay.context("cannot start the relay")?, kept))
}

/// Returns from where it relays: what was named, or every address that is up, loopback only where
/// peers may be there.
fn relay_ips(alone: &StandingAlone, machine: &Machine) -> Vec<RelayIp> {
    if !alone.ips.is_empty() {
        return alone.ips.clone();
    }
    let addresses = machine.addresses.iter().copied();
    addresses
        .filter(|ip| !ip.is_loopback() || alone.allow_loopback)
        .map(RelayIp::from)
        .collect()
}

//! From a configuration to a running server, and back to nothing.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn_with_state;
use conclave_server_api::Admin;
use conclave_sfu_node::MediaNode;
use conclave_signalling_node::Node;
use conclave_signalling_store::Store;
use conclave_signalling_wire::secret::InviteSecret;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::announce::{self, Banner, Ready};
use crate::config::{Config, ConfigError, Role, StandingAlone};
use crate::control::Control;
use crate::descriptors;
use crate::furnish;
use crate::host::Machine;
use crate::http::{self, Readiness, SecurityHeaders, Shared};
use crate::listen::{self, Announcing, Counters, Listener, Proxies, Sources};
use crate::media::{self, EventLoss, Shards};
use crate::metrics::{self, Meetings, Metrics, Reloads};
use crate::relay::{self, Alone, OwnRelay, Sockets};
use crate::reload::{Parts, Reload, Source};
use crate::setup::{self, Ports};
use crate::{herald, notify, storage, tls, trail, webhooks};

/// Longer than all takes that comes after the meetings: closing links, keeping
/// what happened, ending threads and the store.
const END_WITHIN: Duration = Duration::from_secs(20);

/// Why the server did not start, or ended.
#[derive(Debug)]
pub(crate) enum Error {
    /// What it was told cannot be done; exit code 2.
    Config(ConfigError),
    /// Something failed; exit code 1.
    Failure(anyhow::Error),
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Error::Failure(error)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::Config(error)
    }
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When it cannot start.
pub(crate) fn serve(
    mut config: Config,
    source: Source,
    ready_file: Option<&Path>,
) -> Result<(), Error> {
    if let Some(path) = ready_file {
        announce::remove_if_there(path).context("cannot remove the old ready file")?;
    }
    fit_connections(&mut config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime
        .context("cannot start threads")?
        .block_on(run(&config, source, ready_file))
}

/// Lowers `limits.connections` to what the system has descriptors for: a
/// connection over a limit of ours is closed, one over the system's is left
/// waiting, and files cannot be opened any more.
pub(crate) fn fit_connections(config: &mut Config) {
    let wanted = config.limits.connections;
    match descriptors::raise_limit() {
        Ok(limit) => {
            let connections = descriptors::connections_within(limit, wanted);
            if connections < wanted {
                tracing::warn!(
                    wanted,
                    connections,
                    descriptors = limit,
                    "`limits.connections` is lowered: the system allows too few open files \
                     (ulimit -n, LimitNOFILE)"
                );
            }
            config.limits.connections = connections;
        }
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files; `limits.connections` may be beyond it");
        }
    }
}

async fn run(config: &Config, source: Source, ready_file: Option<&Path>) -> Result<(), Error> {
    match &config.role {
        Role::All => meet(config, source, ready_file).await,
        Role::Turn(alone) => relay_alone(config, alone, ready_file).await,
    }
}

/// Returns the cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Runs all of the server.
async fn meet(config: &Config, source: Source, ready_file: Option<&Path>) -> Result<(), Error> {
    let signals = Signals::new()?;
    let server = Server::start(config, source).await?;
    let ready = setup::ready(
        config,
        &server.shared.site,
        server.ports,
        server.media.ports().to_vec(),
        server.host_secret.as_ref(),
        server.relay.as_ref().map(|relay| relay.places.public()),
    );
    let banner = Banner {
        ready: &ready,
        network: &setup::network_origins(config, &server.machine, server.ports),
        public_url: &server.shared.site.public_url.to_string(),
        loopback_url: server.shared.site.loopback_url().as_deref(),
        media_ips: &setup::media_ips(config, &server.machine),
    }
    .text();
    until_told_to_end(signals, ready_file, &ready, &banner).await?;
    server.stop().await;
    Ok(())
}

/// Runs a relay and nothing else.
async fn relay_alone(
    config: &Config,
    alone: &StandingAlone,
    ready_file: Option<&Path>,
) -> Result<(), Error> {
    let signals = Signals::new()?;
    let relay = Alone::start(config, alone).await?;
    let banner = Banner {
        ready: relay.ready(),
        network: &[],
        public_url: "",
        loopback_url: None,
        media_ips: &[],
    }
    .text();
    until_told_to_end(signals, ready_file, relay.ready(), &banner).await?;
    relay.stop().await;
    Ok(())
}

/// Says that everything is ready, and waits for a signal.
async fn until_told_to_end(
    mut signals: Signals,
    ready_file: Option<&Path>,
    ready: &Ready,
    banner: &str,
) -> Result<(), Error> {
    if let Some(path) = ready_file {
        let written = announce::write_ready_file(path, ready);
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    // A closed standard output ends nothing: meetings need no banner.
    let _ = io::stdout().write_all(banner.as_bytes());
    tracing::info!(https = ready.https, http = ready.http, "ready");
    notify::tell(notify::State::Ready);

    signals.wait().await;
    tokio::spawn(async move {
        signals.wait().await;
        tracing::warn!("told to end twice: meetings end at once");
        // Whoever asks twice does not want to wait.
        std::process::exit(1);
    });
    if let Some(path) = ready_file {
        announce::remove_if_there(path).context("cannot remove the ready file")?;
    }
    Ok(())
}

/// All parts of a running server.
struct Server {
    machine: Machine,
    ports: Ports,
    shared: Shared,
    relay: Option<OwnRelay>,
    media: MediaNode,
    signalling: Node,
    store: Store,
    heads: trail::Heads,
    /// Of the first room, with `--dev`.
    host_secret: Option<InviteSecret>,
    loss: Arc<EventLoss>,
    listeners: JoinSet<()>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Starts what does not take connections first, and the listeners last.
    async fn start(config: &Config, source: Source) -> Result<Self, Error> {
        let started = SystemTime::now();
        let machine = Machine::look().context("cannot list the addresses of this machine")?;
        let rooms = furnish::configured(config)?;
        // Nothing is put into it, or taken from it, before.
        storage::folder(&config.storage)?;
        let challenges = tls::Challenges::new();
        let (live, tending) = setup::certificate(config, &machine, &challenges)?;
        let readiness = Arc::new(Readiness::new(Arc::clone(&live)));
        let handshakes = tls::Handshakes::new(
            Arc::clone(&live),
            Arc::clone(&challenges),
            config.tls.tls13_only,
        )?;

        // Whoever holds its lock is the server of this data folder.
        let store = storage::open(&config.storage).await?;
        store
            .begin(storage::now())
            .await
            .context("cannot read the database")?;
        let control = Control::bind(&config.storage.data_dir)?;

        let mut sockets = relay::bind(config)?;
        let http = config
            .http
            .map(listen::bind)
            .transpose()?
            .unwrap_or_default();
        let watched = http::admin::bind(config)?;
        let ports = Ports {
            https: setup::port_of(&sockets.https).context("no socket for HTTPS")?,
            http: setup::port_of(&http),
            admin: setup::port_of(&watched),
        };
        let proxies = Arc::new(Proxies::new(config.trusted_proxies.clone()));
        let shared = Shared {
            site: Arc::new(setup::site(config, &machine, ports)),
            headers: SecurityHeaders::new(config.dev, config.hsts),
            readiness: Arc::clone(&readiness),
            challenges,
            proxies: Arc::clone(&proxies),
        };

        let loss = Arc::default();
        let ips = setup::media_ips(config, &machine);
        let (ports_of_relay, ends) = relay::ways(config)?;
        let (media, events) = media::start(&config.media, &ips, &readiness, &loss, ports_of_relay)?;
        let relay = OwnRelay::start(
            config,
            &shared.site,
            ports.https,
            &mut sockets,
            &media,
            ends,
        )?;

        let handle = relay.as_ref().map(OwnRelay::handle);
        let shards = Arc::new(Shards::new(media.handle(), handle));
        let minting = relay.as_ref().map(OwnRelay::minting);
        let node_config = setup::node_config(config, &shared.site, minting);
        let signalling = Node::start(node_config, store.clone(), shards, events)
            .await
            .context("cannot read the rooms")?;
        let host_secret = furnish::furnish(config, &store, &signalling.rooms(), rooms).await?;
        trail::begin(&store).await?;
        storage::warn_of_size(&config.storage);

        let counters = Arc::default();
        let (stop, stopped) = watch::channel(false);
        let (entrance, allowed) = watch::channel(config.admin.entrance.clone());
        let public_url = shared.site.public_url.to_string();
        let webhooks = webhooks::sender(&store, &config.webhooks, &machine.addresses);
        let admin = Admin::new(signalling.rooms(), store.clone(), Some(public_url))
            .with_webhooks(webhooks.clone());
        let requests = Arc::<metrics::Requests>::default();
        let counted = from_fn_with_state(Arc::clone(&requests), metrics::count_request);
        let api = conclave_server_api::key_router(admin.clone(), allowed).layer(counted.clone());
        let commands = conclave_server_api::router(admin.clone()).layer(counted);
        let clear = Listener {
            tls: None,
            relay: None,
            router: http::router(shared.clone(), signalling.router().merge(api)),
            sources: Sources::new(config.limits),
            proxies,
            announcing: Arc::default(),
            counters: Arc::clone(&counters),
        };
        let served = relay.as_ref().map(OwnRelay::served);
        let announcing = Arc::new(Announcing::new(config.proxy_protocol.clone()));
        let secure = Listener {
            tls: Some(Arc::new(handshakes)),
            relay: served.clone(),
            announcing: Arc::clone(&announcing),
            ..clear.clone()
        };
        // Without pages: what is not for the relay finds nothing there.
        let extra = Listener {
            relay: served,
            router: Router::new(),
            announcing: Arc::clone(&announcing),
            ..clear.clone()
        };
        let mut listeners = JoinSet::new();
        listeners.spawn(webhooks.clone().run(stopped.clone()));
        listeners.spawn(admin.tend_keys(stopped.clone()));
        listeners.spawn(control.run(commands, stopped.clone()));
        listeners.spawn(herald::watch(
            store.clone(),
            config.storage.data_dir.clone(),
            Arc::clone(&live),
            stopped.clone(),
        ));
        let heads = trail::tell(&store, stopped.clone());
        let reloads = Arc::<Reloads>::default();
        let metrics = Metrics {
            started,
            readiness: Arc::clone(&readiness),
            reloads: Arc::clone(&reloads),
            counters: Arc::clone(&counters),
            sources: Arc::clone(&clear.sources),
            meetings: Some(Meetings {
                signalling: signalling.clone(),
                media: media.handle(),
                loss: Arc::clone(&loss),
                store: store.clone(),
                database: storage::database_in(&config.storage.data_dir),
                webhooks,
                requests,
            }),
            relay: relay.as_ref().map(OwnRelay::handle),
        };
        let watching = http::admin::listener(metrics);
        // A terminal that is closed still ends a development server.
        if !config.dev {
            let parts = Parts {
                signalling: signalling.clone(),
                store: store.clone(),
                site: Arc::clone(&shared.site),
                sources: Arc::clone(&clear.sources),
                proxies: Arc::clone(&clear.proxies),
                announcing,
                entrance,
                reloads,
            };
            let reload = Reload::new(source, config.clone(), parts)?;
            listeners.spawn(reload.run(stopped.clone()));
        }
        let Sockets {
            https,
            extra: extra_sockets,
            ..
        } = sockets;
        for (listener, sockets) in [
            (secure, https),
            (clear, http),
            (extra, extra_sockets),
            (watching, watched),
        ] {
            for socket in sockets {
                listeners.spawn(listener.clone().run(socket, stopped.clone()));
            }
        }
        // Whoever signs asks at our listeners.
        listeners.spawn(tending.run(live, stopped.clone()));
        if let Some(relay) = &relay {
            listeners.spawn(relay.keep_changing_secrets(stopped));
        }
        readiness.set_serving();
        Ok(Server {
            machine,
            ports,
            shared,
            relay,
            media,
            signalling,
            store,
            heads,
            host_secret,
            loss,
            listeners,
            counters,
            stop,
        })
    }

    /// Tells clients, then ends what serves them, the media plane and the store last.
    async fn stop(self) {
        let Server {
            shared,
            relay,
            media,
            signalling,
            store,
            heads,
            loss,
            mut listeners,
            counters,
            stop,
            ..
        } = self;
        let deadline = signalling.drain_deadline();
        notify::tell(notify::State::Stopping(deadline + END_WITHIN));
        tracing::info!(deadline_s = deadline.as_secs(), "draining");
        shared.readiness.set_draining();
        tokio::join!(signalling.drain(), herald::tell_drain(&store, deadline));
        herald::see_off(&store).await;
        let _ = stop.send(true);
        while listeners.join_next().await.is_some() {}
        // Ends threads, so it waits. The relay first: it hands over to the shards.
        let _ = tokio::task::spawn_blocking(move || {
            if let Some(relay) = relay {
                relay.shutdown();
            }
            media.shutdown();
        })
        .await;
        trail::close(&store, heads).await;
        let kept = store.statistics();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        tracing::info!(
            accepted = count(&counters.accepted),
            refused = count(&counters.refused),
            accept_failed = count(&counters.accept_failed),
            tls_failed = count(&counters.tls_failed),
            silent = count(&counters.silent),
            turn = count(&counters.turn),
            unannounced = count(&counters.unannounced),
            unknown = count(&counters.unknown),
            challenges = count(&counters.challenges),
            events_dropped = count(&loss.repeated),
            events_lost = count(&loss.final_ones),
            commits = kept.transactions,
            changes = kept.jobs,
            changes_failed = kept.failed,
            "ended"
        );
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let handler = |kind| signal(kind).context("cannot handle signals");
        Ok(Signals {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

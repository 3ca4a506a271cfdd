//! From a configuration to a running server, and back to nothing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use conclave_sfu_node::MediaNode;
use conclave_signalling_node::{Config as SignallingConfig, Node, RoomSpec};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::announce::{self, Banner};
use crate::config::{Config, ConfigError};
use crate::descriptors;
use crate::host::Machine;
use crate::http::{self, Readiness, SecurityHeaders, Shared};
use crate::listen::{self, Counters, Listener, Sources};
use crate::media::{self, EventLoss, Shards};
use crate::setup::{self, Ports};
use crate::site::Site;
use crate::tls;

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
pub(crate) fn serve(mut config: Config, ready_file: Option<&Path>) -> Result<(), Error> {
    if let Some(path) = ready_file {
        announce::remove_if_there(path).context("cannot remove the old ready file")?;
    }
    fit_connections(&mut config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime
        .context("cannot start threads")?
        .block_on(run(&config, ready_file))
}

/// Lowers `limits.connections` to what the system has descriptors for: a
/// connection over a limit of ours is closed, one over the system's is left
/// waiting, and files cannot be opened any more.
fn fit_connections(config: &mut Config) {
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

async fn run(config: &Config, ready_file: Option<&Path>) -> Result<(), Error> {
    let mut signals = Signals::new()?;
    let server = Server::start(config)?;
    let ready = setup::ready(
        config,
        &server.shared.site,
        server.ports,
        server.media.ports().to_vec(),
    );
    if let Some(path) = ready_file {
        let written = announce::write_ready_file(path, &ready);
        written.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let banner = Banner {
        ready: &ready,
        network: &setup::network_origins(config, &server.machine, server.ports),
        public_url: &server.shared.site.public_url.to_string(),
        loopback_url: server.shared.site.loopback_url().as_deref(),
        media_ips: &setup::media_ips(config, &server.machine),
    }
    .text();
    print!("{banner}");
    tracing::info!(
        https_port = server.ports.https,
        http_port = server.ports.http,
        "ready"
    );

    signals.wait().await;
    tokio::spawn(async move {
        signals.wait().await;
        // Whoever asks twice does not want to wait.
        std::process::exit(1);
    });
    if let Some(path) = ready_file {
        announce::remove_if_there(path).context("cannot remove the ready file")?;
    }
    server.stop().await;
    Ok(())
}

/// All parts of a running server.
struct Server {
    machine: Machine,
    ports: Ports,
    shared: Shared,
    media: MediaNode,
    signalling: Node,
    loss: Arc<EventLoss>,
    listeners: JoinSet<()>,
    counters: Arc<Counters>,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Starts what does not take connections first, and the listeners last.
    fn start(config: &Config) -> Result<Self, Error> {
        let machine = Machine::look().context("cannot list the addresses of this machine")?;
        setup::make_private_folder(&config.data_dir)?;
        let identity = setup::identity(config, &machine)?;
        let readiness = Arc::new(Readiness::new(identity.not_after));
        let acceptor = TlsAcceptor::from(Arc::new(tls::server_config(
            identity,
            config.tls.tls13_only,
        )?));

        let https = listen::bind(config.https)?;
        let http = config
            .http
            .map(listen::bind)
            .transpose()?
            .unwrap_or_default();
        let ports = Ports {
            https: port_of(&https).context("no socket for HTTPS")?,
            http: port_of(&http),
        };
        let shared = Shared {
            site: Arc::new(setup::site(config, &machine, ports)),
            headers: SecurityHeaders::new(config.dev, config.hsts),
            readiness: Arc::clone(&readiness),
        };

        let loss = Arc::default();
        let ips = setup::media_ips(config, &machine);
        let (media, events) = media::start(&config.media, &ips, &readiness, &loss)?;

        let shards = Arc::new(Shards(media.handle()));
        let signalling = Node::start(signalling_config(config, &shared.site), shards, events);

        let counters = Arc::default();
        let (stop, stopped) = watch::channel(false);
        let clear = Listener {
            tls: None,
            router: http::router(shared.clone(), signalling.router()),
            sources: Sources::new(config.limits),
            counters: Arc::clone(&counters),
        };
        let secure = Listener {
            tls: Some(acceptor),
            ..clear.clone()
        };
        let mut listeners = JoinSet::new();
        for (listener, sockets) in [(secure, https), (clear, http)] {
            for socket in sockets {
                listeners.spawn(listener.clone().run(socket, stopped.clone()));
            }
        }
        readiness.set_serving();
        Ok(Server {
            machine,
            ports,
            shared,
            media,
            signalling,
            loss,
            listeners,
            counters,
            stop,
        })
    }

    /// Tells clients, then ends what serves them, the media plane last.
    async fn stop(mut self) {
        tracing::info!("draining");
        self.shared.readiness.set_draining();
        self.signalling.drain().await;
        let _ = self.stop.send(true);
        while self.listeners.join_next().await.is_some() {}
        // Ends threads, so it waits.
        let media = self.media;
        let _ = tokio::task::spawn_blocking(move || media.shutdown()).await;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        tracing::info!(
            accepted = count(&self.counters.accepted),
            refused = count(&self.counters.refused),
            accept_failed = count(&self.counters.accept_failed),
            tls_failed = count(&self.counters.tls_failed),
            silent = count(&self.counters.silent),
            turn = count(&self.counters.turn),
            unknown = count(&self.counters.unknown),
            events_dropped = count(&self.loss.repeated),
            events_lost = count(&self.loss.final_ones),
            "ended"
        );
    }
}

fn signalling_config(config: &Config, site: &Arc<Site>) -> SignallingConfig {
    let site = Arc::clone(site);
    let rooms = config.rooms.iter();
    SignallingConfig {
        origin_allowed: Arc::new(move |origin| site.allows_origin(origin)),
        rooms: rooms
            .map(|room| RoomSpec {
                slug: room.slug.clone(),
                title: room.title.clone(),
            })
            .collect(),
        links_per_source: u32::try_from(config.limits.connections_per_source).unwrap_or(u32::MAX),
        links_max: config.limits.connections,
        ..SignallingConfig::default()
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

fn port_of(sockets: &[TcpListener]) -> Option<u16> {
    sockets
        .first()?
        .local_addr()
        .ok()
        .map(|address| address.port())
}

//! From a configuration to a running server, and back to nothing.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use anyhow::Context;
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::announce::{self, Banner, Ready};
use crate::config::{
    CertificateFiles, Config, ConfigError, Listen, MediaIp, Origin, Problem, PublicUrl,
};
use crate::http::{Readiness, SecurityHeaders, Shared};
use crate::listen::{self, Counters, Listener, Sources};
use crate::site::{LocalNames, Site, url_host};
use crate::tls::{self, Identity};
use crate::{host, http};

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
pub(crate) fn serve(config: Config, ready_file: Option<&Path>) -> Result<(), Error> {
    if let Some(path) = ready_file {
        announce::remove_if_there(path).context("cannot remove the old ready file")?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    runtime.block_on(run(config, ready_file))
}

/// Reads the certificate files of a configuration, if it names any.
///
/// # Errors
/// When they cannot be used.
pub(crate) fn check_certificate(config: &Config) -> Result<(), ConfigError> {
    let Some(files) = &config.tls.files else {
        return Ok(());
    };
    load_files(files, config.tls.tls13_only).map(|_| ())
}

async fn run(config: Config, ready_file: Option<&Path>) -> Result<(), Error> {
    let mut signals = Signals::new()?;
    let host_addresses = host::addresses().context("cannot list the addresses of this machine")?;
    make_private_folder(&config.data_dir)?;
    let (identity, names) = identity(&config, &host_addresses)?;
    let certificate_end = identity.not_after;
    let tls_config = tls::server_config(identity, config.tls.tls13_only)?;

    let https_sockets = listen::bind(config.https)?;
    let http_sockets = config
        .http
        .map(listen::bind)
        .transpose()?
        .unwrap_or_default();
    let https_port = port_of(&https_sockets).context("no socket for HTTPS")?;
    let http_port = port_of(&http_sockets);
    let site = Arc::new(site(
        &config,
        &host_addresses,
        names.as_deref(),
        https_port,
        http_port,
    ));
    let media_ips = media_ips(&config, &host_addresses);

    let readiness = Arc::new(Readiness::new(certificate_end));
    let shared = Shared {
        site: Arc::clone(&site),
        headers: SecurityHeaders::new(config.dev, config.hsts),
        readiness: Arc::clone(&readiness),
    };
    let router = http::router(shared, Router::new());

    let (stop_sender, stop) = watch::channel(false);
    let counters = Arc::new(Counters::default());
    let mut listeners = JoinSet::new();
    let clear = Listener {
        tls: None,
        router,
        sources: Sources::new(config.limits),
        counters: Arc::clone(&counters),
    };
    let secure = Listener {
        tls: Some(TlsAcceptor::from(Arc::new(tls_config))),
        ..clear.clone()
    };
    for socket in https_sockets {
        listeners.spawn(secure.clone().run(socket, stop.clone()));
    }
    for socket in http_sockets {
        listeners.spawn(clear.clone().run(socket, stop.clone()));
    }
    drop((clear, secure));
    readiness.set_serving();

    let ready = ready(&config, &site, https_port, http_port, vec![]);
    if let Some(path) = ready_file {
        announce::write_ready_file(path, &ready)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let network = network_origins(&config, &host_addresses, https_port);
    let loopback_url = site.loopback_url();
    let banner = Banner {
        ready: &ready,
        network: &network,
        public_url: &site.public_url.to_string(),
        loopback_url: loopback_url.as_deref(),
        media_ips: &media_ips,
    };
    print!("{}", banner.text());
    tracing::info!(https_port, http_port, "ready");

    signals.wait().await;
    tracing::info!("draining");
    readiness.set_draining();
    tokio::spawn(async move {
        signals.wait().await;
        // Whoever asks twice does not want to wait.
        std::process::exit(1);
    });
    let _ = stop_sender.send(true);
    while listeners.join_next().await.is_some() {}
    if let Some(path) = ready_file {
        announce::remove_if_there(path).context("cannot remove the ready file")?;
    }
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    tracing::info!(
        accepted = count(&counters.accepted),
        refused = count(&counters.refused),
        tls_failed = count(&counters.tls_failed),
        silent = count(&counters.silent),
        turn = count(&counters.turn),
        unknown = count(&counters.unknown),
        "ended"
    );
    Ok(())
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

fn make_private_folder(path: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Returns the certificate to serve with, and the name of this machine with `--dev`.
fn identity(config: &Config, addresses: &[IpAddr]) -> Result<(Identity, Option<String>), Error> {
    if let Some(files) = &config.tls.files {
        return Ok((load_files(files, config.tls.tls13_only)?, host::name()));
    }
    let name = host::name();
    let mut names: tls::Names = addresses.iter().map(ToString::to_string).collect();
    names.insert("localhost".to_owned());
    names.extend(name.clone());
    if let Some(url) = &config.public_url {
        names.insert(url.host().trim_matches(['[', ']']).to_owned());
    }
    Ok((
        tls::load_or_make(&config.data_dir, &names, SystemTime::now())?,
        name,
    ))
}

fn load_files(files: &CertificateFiles, tls13_only: bool) -> Result<Identity, ConfigError> {
    let load = || tls::load(&files.certificate, &files.key);
    let usable = load()
        .and_then(|identity| tls::server_config(identity, tls13_only))
        .and_then(|_| load());
    usable.map_err(|error| {
        Problem::new(
            &Origin::Default,
            format!("`tls.certificate_file` and `tls.key_file`: {error:#}"),
        )
        .into()
    })
}

fn site(
    config: &Config,
    addresses: &[IpAddr],
    name: Option<&str>,
    https_port: u16,
    http_port: Option<u16>,
) -> Site {
    let public_url = config
        .public_url
        .clone()
        .unwrap_or_else(|| PublicUrl::new("localhost", https_port));
    let local = config
        .dev
        .then(|| LocalNames::new(addresses, name, https_port, http_port));
    Site { public_url, local }
}

/// Returns the addresses for media: those that were named, or every one that
/// is up, loopback only with `--dev`.
fn media_ips(config: &Config, addresses: &[IpAddr]) -> Vec<MediaIp> {
    if !config.media.ips.is_empty() {
        return config.media.ips.clone();
    }
    let v4_loopback = IpAddr::from([127, 0, 0, 1]);
    let is_wanted = |ip: &&IpAddr| !ip.is_loopback() || (config.dev && **ip == v4_loopback);
    addresses
        .iter()
        .filter(is_wanted)
        .copied()
        .map(MediaIp::direct)
        .collect()
}

fn ready(
    config: &Config,
    site: &Site,
    https_port: u16,
    http_port: Option<u16>,
    media_ports: Vec<u16>,
) -> Ready {
    let host_of = |listen: Listen| match listen {
        Listen::Address(address) if !address.ip().is_unspecified() => url_host(&address.ip()),
        _ => "localhost".to_owned(),
    };
    let guest_link = config
        .rooms
        .first()
        .map(|room| format!("{}/r/{}", site.public_url, room.slug));
    // 128 random bits, as an invite has (`spec/security.md` 2.5).
    let secret = format!("{:032x}", rand::random::<u128>());
    Ready {
        https: PublicUrl::new(host_of(config.https), https_port).to_string(),
        http: config
            .http
            .zip(http_port)
            .map(|(listen, port)| format!("http://{}:{port}", host_of(listen))),
        host_link: guest_link
            .as_ref()
            .filter(|_| config.dev)
            .map(|link| format!("{link}#i={secret}")),
        guest_link,
        media_ports,
        turn: None,
    }
}

/// Returns the origins for other devices of the same network.
fn network_origins(config: &Config, addresses: &[IpAddr], https_port: u16) -> Vec<String> {
    let is_everywhere =
        matches!(config.https, Listen::Address(address) if address.ip().is_unspecified());
    let reachable = addresses
        .iter()
        .filter(|ip| config.dev && is_everywhere && !ip.is_loopback());
    reachable
        .map(|ip| PublicUrl::new(url_host(ip), https_port).to_string())
        .collect()
}

fn port_of(sockets: &[TcpListener]) -> Option<u16> {
    sockets
        .first()?
        .local_addr()
        .ok()
        .map(|address| address.port())
}

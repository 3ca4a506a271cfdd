//! What follows from a configuration and a machine: certificate, names,
//! addresses, links.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use conclave_signalling_core::relay::Relay;
use conclave_signalling_node::{Config as NodeConfig, Hashing, PasswordLimits, RoomsCreate};
use conclave_signalling_wire::secret::InviteSecret;
use tokio::net::TcpListener;

use crate::announce::Ready;
use crate::config::{
    CertificateFiles, Config, ConfigError, Listen, MayCreate, MediaIp, Passwords, Problem,
    PublicUrl,
};
use crate::host::Machine;
use crate::run::Error;
use crate::site::{LocalNames, Site, url_host};
use crate::tls::{self, Challenges, Fetcher, Files, Identity, Live, Tending};

/// TCP ports as bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Of TLS.
    pub(crate) https: u16,
    /// Of plain HTTP, if it is on.
    pub(crate) http: Option<u16>,
    /// Of metrics and readiness, if they are on.
    pub(crate) admin: Option<u16>,
}

/// Reads the files that a configuration names for its certificate, or for
/// fetching it, if it names any.
///
/// # Errors
/// When they cannot be used.
pub(crate) fn check_certificate(config: &Config) -> Result<(), ConfigError> {
    if let Some(acme) = &config.acme {
        return tls::check_account(&config.storage.data_dir, acme);
    }
    let Some(files) = &config.tls.files else {
        return Ok(());
    };
    load_files(files).map(|_| ())
}

/// Returns the certificate to serve with, and who sees to the next one: that
/// of the configured files; one that is fetched, for which `challenges` are
/// answered; or one of our own for every name of this machine.
///
/// # Errors
/// When the files cannot be used, or our own certificate cannot be kept.
pub(crate) fn certificate(
    config: &Config,
    machine: &Machine,
    challenges: &Arc<Challenges>,
) -> Result<(Arc<Live>, Tending), Error> {
    if let Some(files) = &config.tls.files {
        let watched = Files::new(files.certificate.clone(), files.key.clone());
        return Ok((
            Live::of(load_files(files)?)?,
            Tending::Files(Box::new(watched)),
        ));
    }
    let data_dir = &config.storage.data_dir;
    if let Some(acme) = config.acme.clone() {
        tls::check_account(data_dir, &acme)?;
        let live = Live::empty();
        let challenges = Arc::clone(challenges);
        let fetcher = Fetcher::new(acme, data_dir, Arc::clone(&live), challenges)?;
        return Ok((live, Tending::Fetched(Box::new(fetcher))));
    }
    let mut names: tls::Names = machine.addresses.iter().map(ToString::to_string).collect();
    names.insert("localhost".to_owned());
    names.extend(machine.name.clone());
    if let Some(url) = &config.public_url {
        names.insert(url.host().trim_matches(['[', ']']).to_owned());
    }
    let identity = tls::load_or_make(data_dir, &names, SystemTime::now())?;
    let tending = if config.dev {
        Tending::Dev
    } else {
        Tending::Own
    };
    Ok((Live::of(identity)?, tending))
}

fn load_files(files: &CertificateFiles) -> Result<Identity, ConfigError> {
    let load = || {
        let identity = tls::load(&files.certificate, &files.key)?;
        identity.clone().certified()?;
        anyhow::Ok(identity)
    };
    load().map_err(|error| {
        let key_place = if files.key_origin == files.certificate_origin {
            String::new()
        } else {
            format!(" ({})", files.key_origin)
        };
        let text = format!("`tls.certificate_file` and `tls.key_file`{key_place}: {error:#}");
        Problem::new(&files.certificate_origin, text).into()
    })
}

/// Returns the port that all of these sockets have.
pub(crate) fn port_of(sockets: &[TcpListener]) -> Option<u16> {
    let address = sockets.first()?.local_addr().ok()?;
    Some(address.port())
}

/// Returns the names under which browsers reach this server.
pub(crate) fn site(config: &Config, machine: &Machine, ports: Ports) -> Site {
    let public_url = config.public_url.clone();
    let local = || {
        LocalNames::new(
            &machine.addresses,
            machine.name.as_deref(),
            ports.https,
            ports.http,
        )
    };
    Site {
        public_url: public_url.unwrap_or_else(|| PublicUrl::new("localhost", ports.https)),
        local: config.dev.then(local),
    }
}

/// Returns the addresses for media: those that were named, or every one that
/// is up, loopback only with `--dev`.
pub(crate) fn media_ips(config: &Config, machine: &Machine) -> Vec<MediaIp> {
    if !config.media.ips.is_empty() {
        return config.media.ips.clone();
    }
    let v4_loopback = IpAddr::from([127, 0, 0, 1]);
    let is_wanted = |ip: &&IpAddr| !ip.is_loopback() || (config.dev && **ip == v4_loopback);
    machine
        .addresses
        .iter()
        .filter(is_wanted)
        .copied()
        .map(MediaIp::direct)
        .collect()
}

/// Returns how the signalling plane is run.
pub(crate) fn node_config(
    config: &Config,
    site: &Arc<Site>,
    relay: Option<Arc<dyn Relay>>,
) -> NodeConfig {
    let site = Arc::clone(site);
    let public_url = site.public_url.to_string();
    let embedders = config.embedders.iter();
    let pace = config.pace;
    NodeConfig {
        embedders: embedders.map(|site| site.embedder(&public_url)).collect(),
        audience: public_url,
        relay,
        origin_allowed: Arc::new(move |origin| site.allows_origin(origin)),
        rooms_create: match config.may_create {
            MayCreate::Admins => RoomsCreate::Admins,
            MayCreate::Anyone => RoomsCreate::Anyone,
        },
        hashing: hashing(config.passwords),
        password: PasswordLimits {
            per_source_and_room: pace.password_failures_per_source_and_room_per_min,
            per_source: pace.password_failures_per_source_per_min,
            per_room: pace.password_failures_per_room_per_min,
            ..NodeConfig::default().password
        },
        rooms_per_source_per_hour: pace.rooms_per_source_per_hour,
        links_per_source: pace.links_per_source,
        joins_per_source_per_s: pace.joins_per_source_per_s,
        joins_per_source_burst: pace.joins_per_source_burst,
        links_max: config.limits.connections,
        spill_above_percent: config.media.spill_above_percent,
        drain: config.drain.max(NodeConfig::default().drain),
        ..NodeConfig::default()
    }
}

/// Returns how passwords are hashed: one pass over more memory costs an
/// attacker more than several over less.
pub(crate) fn hashing(passwords: Passwords) -> Hashing {
    Hashing {
        m_kib: passwords.memory_mib * 1024,
        t: 1,
        p: 1,
    }
}

/// Returns what the ready file says. `host_secret` opens the first room.
pub(crate) fn ready(
    config: &Config,
    site: &Site,
    ports: Ports,
    media_ports: Vec<u16>,
    host_secret: Option<&InviteSecret>,
    turn: Option<Vec<String>>,
) -> Ready {
    let host_of = |listen: Listen| match listen {
        Listen::Address(address) if !address.ip().is_unspecified() => url_host(&address.ip()),
        _ => "localhost".to_owned(),
    };
    let guest_link = config
        .rooms
        .first()
        .map(|room| format!("{}/r/{}", site.public_url, room.slug.as_str()));
    let http = config.http.zip(ports.http);
    let admin = config.admin.listen.zip(ports.admin);
    Ready {
        https: PublicUrl::new(host_of(config.https), ports.https).to_string(),
        http: http.map(|(listen, port)| format!("http://{}:{port}", host_of(listen))),
        host_link: guest_link
            .as_ref()
            .zip(host_secret)
            .map(|(link, secret)| format!("{link}#i={}", secret.reveal())),
        guest_link,
        admin: admin.map(|(listen, port)| format!("http://{}:{port}", host_of(listen))),
        media_ports,
        turn,
    }
}

/// Returns the origins for other devices of the same network, with `--dev`.
pub(crate) fn network_origins(config: &Config, machine: &Machine, ports: Ports) -> Vec<String> {
    let is_everywhere =
        matches!(config.https, Listen::Address(address) if address.ip().is_unspecified());
    let reachable = machine
        .addresses
        .iter()
        .filter(|ip| config.dev && is_everywhere && !ip.is_loopback());
    reachable
        .map(|ip| PublicUrl::new(url_host(ip), ports.https).to_string())
        .collect()
}

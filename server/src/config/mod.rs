//! What the server is told to be: settings from several places, parsed once
//! into types.

mod acme;
mod admin;
mod embedders;
mod error;
mod keys;
mod layers;
mod limits;
mod log;
mod media;
mod reader;
mod rooms;
mod tls;
mod turn;
mod types;
mod webhooks;

use std::path::PathBuf;
use std::time::Duration;

use conclave_signalling_core::settings::Network;
use toml::Value;

pub(crate) use acme::{Acme, Binding, Challenge};
pub(crate) use admin::Admin;
pub(crate) use embedders::EmbeddingSite;
pub(crate) use error::{ConfigError, Problem};
pub(crate) use keys::{KEYS, Key, Kind};
pub(crate) use layers::{Layers, Origin};
pub(crate) use limits::{Limits, Pace, Passwords};
pub(crate) use log::{Log, LogFormat};
pub(crate) use media::Media;
pub(crate) use rooms::{MayCreate, Room, beside};
pub(crate) use tls::{CertificateFiles, Hsts, Tls};
pub(crate) use turn::{OpenRules, Reach, RelayUrl, StandingAlone, Turn};
pub(crate) use types::{Listen, MediaIp, PublicUrl};
pub(crate) use webhooks::Webhooks;

use reader::Reader;

/// Nobody waits a day for a server to end.
const DRAIN_S_MAX: u32 = 24 * 3600;

/// Which part of the server runs in this process.
#[derive(Debug, Clone)]
pub(crate) enum Role {
    /// All of it, for meetings.
    All,
    /// A relay that stands alone.
    Turn(Box<StandingAlone>),
}

/// Everything that the roles need to start.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Whether `--dev` was given.
    pub(crate) dev: bool,
    /// Which part of the server runs.
    pub(crate) role: Role,
    /// Where the server is reached; `None` means localhost at the port of [`Config::https`].
    pub(crate) public_url: Option<PublicUrl>,
    /// Where pages and signalling are served.
    pub(crate) https: Listen,
    /// Where plain HTTP is answered, if anywhere.
    pub(crate) http: Option<Listen>,
    /// What operators ask over the network.
    pub(crate) admin: Admin,
    /// The certificate and the TLS versions.
    pub(crate) tls: Tls,
    /// From where the certificate is fetched, if it is.
    pub(crate) acme: Option<Acme>,
    /// Whose TCP connections begin with a PROXY header.
    pub(crate) proxy_protocol: Vec<Network>,
    /// Whose word is taken for the address of a client.
    pub(crate) trusted_proxies: Vec<Network>,
    /// What the security headers say beyond their defaults.
    pub(crate) hsts: Hsts,
    /// The media plane.
    pub(crate) media: Media,
    /// The relay.
    pub(crate) turn: Turn,
    /// Bounds on TCP connections.
    pub(crate) limits: Limits,
    /// Bounds on what happens over signalling.
    pub(crate) pace: Pace,
    /// Where what survives is kept.
    pub(crate) storage: Storage,
    /// How passwords are hashed.
    pub(crate) passwords: Passwords,
    /// How long live meetings may go on after the order to end.
    pub(crate) drain: Duration,
    /// What is logged, and how.
    pub(crate) log: Log,
    /// Who may make rooms.
    pub(crate) may_create: MayCreate,
    /// Rooms that exist from the start.
    pub(crate) rooms: Vec<Room>,
    /// Whom webhooks may call.
    pub(crate) webhooks: Webhooks,
    /// Sites that sign join tokens.
    pub(crate) embedders: Vec<EmbeddingSite>,
}

/// Where what survives is kept, and the key to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    /// The folder of the database.
    pub(crate) data_dir: PathBuf,
    /// The file of the key that seals personal fields.
    pub(crate) master_key_file: PathBuf,
    /// Who named it.
    pub(crate) master_key_origin: Origin,
}

/// What a command needs that works on the data of a server.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    /// Where the server is reached, if it was said.
    pub(crate) public_url: Option<PublicUrl>,
    /// Where what survives is kept.
    pub(crate) storage: Storage,
    /// How passwords are hashed.
    pub(crate) passwords: Passwords,
    /// Whom webhooks may call.
    pub(crate) webhooks: Webhooks,
}

/// What decides defaults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings {
    /// Whether `--dev` was given.
    pub(crate) dev: bool,
    /// Processor cores of this machine.
    pub(crate) cores: usize,
}

/// Sets what nobody said.
pub(crate) fn add_defaults(layers: &mut Layers, surroundings: Surroundings) {
    let (https, http) = if surroundings.dev {
        ("[::]:8443", "localhost:8080")
    } else {
        ("[::]:443", "[::]:80")
    };
    layers.set_default("data_dir", "./conclave-data");
    layers.set_default("role", "all");
    layers.set_default("listen.https", https);
    layers.set_default("listen.http", http);
    layers.set_default("listen.proxy_protocol", Vec::<Value>::new());
    layers.set_default("admin.listen", "127.0.0.1:9464");
    layers.set_default("admin.api_cidrs", Vec::<Value>::new());
    layers.set_default(
        "admin.requests_per_minute",
        i64::from(conclave_server_api::REQUESTS_PER_MINUTE),
    );
    layers.set_default("tls.tls13_only", false);
    layers.set_default("http.hsts_include_subdomains", false);
    layers.set_default("http.hsts_preload", false);
    layers.set_default("http.trusted_proxies", Vec::<Value>::new());
    acme::add_defaults(layers);
    layers.set_default("media.ips", Vec::<Value>::new());
    layers.set_default("media.port_base", 10_000);
    // One core is left to signalling.
    let shards = surroundings.cores.saturating_sub(1).clamp(1, 255);
    layers.set_default("media.shards", shards as i64);
    let spill = conclave_signalling_node::Config::default().spill_above_percent;
    layers.set_default("media.spill_above_percent", i64::from(spill));
    turn::add_defaults(layers);
    limits::add_defaults(layers);
    // Whoever develops wants the port back at once.
    let deadline_s = if surroundings.dev { 0 } else { 30 };
    layers.set_default("drain.deadline_s", deadline_s);
    layers.set_default("log.format", "auto");
    // The WebRTC library warns of things that every browser offers.
    layers.set_default("log.filter", "info,str0m=error,is=error,dimpl=error");
    layers.set_default("meetings.create", "admins");
    layers.set_default("webhooks.allow", Vec::<Value>::new());
    layers.set_default("rooms", Vec::<Value>::new());
    layers.set_default("embedders", Vec::<Value>::new());
}

impl Config {
    /// Parses what was said. Defaults must have been added.
    ///
    /// # Errors
    /// Every problem at once, each with its place.
    pub(crate) fn from_layers(layers: &Layers, dev: bool) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(layers);
        let stands_alone = reader.parsed("role", |role| match role {
            "all" => Ok(false),
            "turn" => Ok(true),
            _ => Err(format!(
                "`{role}` is not a role; this version has `all` and `turn`"
            )),
        });
        let role = if stands_alone == Some(true) {
            let alone = reader.standing_alone();
            alone.map_or(Role::All, |alone| Role::Turn(Box::new(alone)))
        } else {
            reader.no_relay_alone();
            Role::All
        };
        let public_url = reader.parsed("public_url", PublicUrl::parse);
        let has_http = reader.text("listen.http") != "off";
        let acme = reader.acme(dev, public_url.as_ref(), has_http);
        let trusted_proxies = reader.trusted_proxies();
        // What a proxy speaks to needs no certificate that browsers trust.
        let makes_own = dev || !trusted_proxies.is_empty();
        let fetches = reader.switch("acme.terms_agreed");
        let config = Config {
            dev,
            role,
            public_url,
            https: reader
                .parsed("listen.https", Listen::parse)
                .unwrap_or(Listen::Localhost(0)),
            http: reader
                .parsed("listen.http", |text| {
                    if text == "off" {
                        Ok(None)
                    } else {
                        Listen::parse(text).map(Some)
                    }
                })
                .flatten(),
            admin: reader.admin(),
            tls: reader.tls(makes_own, fetches),
            acme,
            proxy_protocol: reader.networks("listen.proxy_protocol"),
            trusted_proxies,
            hsts: reader.hsts(),
            media: reader.media(),
            turn: reader.turn(),
            limits: reader.limits(),
            pace: reader.pace(),
            storage: reader.storage(),
            passwords: reader.passwords(),
            drain: Duration::from_secs(reader.within("drain.deadline_s", 0, DRAIN_S_MAX).into()),
            log: reader.log(),
            may_create: reader.may_create(),
            rooms: reader.rooms(dev),
            webhooks: reader.webhooks(),
            embedders: reader.embedders(),
        };
        if config.public_url.is_none() && !dev && layers.get("public_url").is_none() {
            reader.problems.push(Problem::new(
                &Origin::Default,
                "`public_url` is missing: say where browsers reach this server, for example \
                 --public-url https://meet.example.org, or try the server with --dev",
            ));
        }
        for room in config.rooms.iter().filter(|_| !config.turn.enabled) {
            if room.update.relay_only == Some(true) {
                let text = format!(
                    "`rooms`: `relay_only` of `{}` needs the relay, and `turn.enabled` is false",
                    room.slug
                );
                reader.problems.push(Problem::new(&room.origin, text));
            }
        }
        ConfigError::unless_empty(reader.problems)?;
        Ok(config)
    }
}

impl Config {
    /// Returns this configuration with what of `new` needs no restart: the
    /// settings that the table of keys calls live.
    pub(crate) fn with_live_of(&self, new: &Config) -> Self {
        Config {
            admin: Admin {
                listen: self.admin.listen,
                entrance: new.admin.entrance.clone(),
            },
            proxy_protocol: new.proxy_protocol.clone(),
            trusted_proxies: new.trusted_proxies.clone(),
            limits: new.limits,
            pace: new.pace,
            drain: new.drain,
            log: Log {
                format: self.log.format,
                filter: new.log.filter.clone(),
            },
            may_create: new.may_create,
            rooms: new.rooms.clone(),
            embedders: new.embedders.clone(),
            ..self.clone()
        }
    }
}

impl Local {
    /// Parses what was said, as far as a command needs it. Defaults must have been added.
    ///
    /// # Errors
    /// Every problem at once, each with its place.
    pub(crate) fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(layers);
        let local = Local {
            public_url: reader.parsed("public_url", PublicUrl::parse),
            storage: reader.storage(),
            passwords: reader.passwords(),
            webhooks: reader.webhooks(),
        };
        ConfigError::unless_empty(reader.problems)?;
        Ok(local)
    }
}

impl Reader<'_> {
    /// Reads `data_dir` and `[storage]`.
    fn storage(&mut self) -> Storage {
        let data_dir = PathBuf::from(self.text("data_dir"));
        let named = self.file("storage.master_key_file");
        let beside = || (data_dir.join("master.key"), Origin::Default);
        let (master_key_file, master_key_origin) = named.unwrap_or_else(beside);
        Storage {
            data_dir,
            master_key_file,
            master_key_origin,
        }
    }
}

#[cfg(test)]
mod tests;

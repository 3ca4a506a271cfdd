//! What the server is told to be: settings from several places, parsed once
//! into types.

mod error;
mod keys;
mod layers;
mod types;

use std::num::NonZeroU8;
use std::path::PathBuf;

use conclave_signalling_wire::text::Slug;
use toml::Value;

pub(crate) use error::{ConfigError, Problem};
pub(crate) use keys::KEYS;
pub(crate) use layers::{Layers, Origin};
pub(crate) use types::{Listen, MediaIp, PublicUrl};

use keys::ROOM_FIELDS;

/// The room that `--dev` has without being asked.
pub(crate) const DEV_ROOM: &str = "welcome";

/// Fits the head of a page; nobody reads more.
const TITLE_LENGTH_MAX: usize = 200;

/// Everything that the roles need to start.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Whether `--dev` was given.
    pub(crate) dev: bool,
    /// Where the server is reached; `None` means localhost at the port of [`Config::https`].
    pub(crate) public_url: Option<PublicUrl>,
    /// Where the server keeps what must survive it.
    pub(crate) data_dir: PathBuf,
    /// Where pages and signalling are served.
    pub(crate) https: Listen,
    /// Where plain HTTP is answered, if anywhere.
    pub(crate) http: Option<Listen>,
    /// The certificate and the TLS versions.
    pub(crate) tls: Tls,
    /// What the security headers say beyond their defaults.
    pub(crate) hsts: Hsts,
    /// The media plane.
    pub(crate) media: Media,
    /// Bounds on TCP connections.
    pub(crate) limits: Limits,
    /// What is logged, and how.
    pub(crate) log: Log,
    /// Rooms that exist from the start.
    pub(crate) rooms: Vec<Room>,
}

/// The certificate and the TLS versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Certificate chain and key; `None` means one made by ourselves, with `--dev` only.
    pub(crate) files: Option<CertificateFiles>,
    /// Whether TLS 1.2 is refused.
    pub(crate) tls13_only: bool,
}

/// Two PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    /// The chain, our own certificate first.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
    /// Who named the chain.
    pub(crate) certificate_origin: Origin,
    /// Who named the key.
    pub(crate) key_origin: Origin,
}

/// Strict-Transport-Security beyond the host itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hsts {
    /// Says `includeSubDomains`.
    pub(crate) include_subdomains: bool,
    /// Says `preload`.
    pub(crate) preload: bool,
}

/// The media plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Media {
    /// Addresses; empty means every address of the host that is up.
    pub(crate) ips: Vec<MediaIp>,
    /// UDP port of shard 0; shard n has that port plus n. 0 means any free ones.
    pub(crate) port_base: u16,
    /// How many shards: as many as a ufrag can name.
    pub(crate) shards: NonZeroU8,
}

/// Bounds on TCP connections. A source is an IPv4 address or an IPv6 /64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// All together.
    pub(crate) connections: usize,
    /// From one source.
    pub(crate) connections_per_source: usize,
    /// From one source, before the first bytes after the TLS handshake.
    pub(crate) half_open_per_source: usize,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people if standard error is a terminal, else for machines.
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// How lines look.
    pub(crate) format: LogFormat,
    /// Which are written, in the manner of `info,conclave=debug`.
    pub(crate) filter: String,
}

/// A room that exists from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// Its name in links.
    pub(crate) slug: Slug,
    /// Its name for people; its name in links where none was given.
    pub(crate) title: String,
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
    layers.set_default("tls.tls13_only", false);
    layers.set_default("http.hsts_include_subdomains", false);
    layers.set_default("http.hsts_preload", false);
    layers.set_default("media.ips", Vec::<Value>::new());
    layers.set_default("media.port_base", 10_000);
    // One core is left to signalling.
    let shards = surroundings.cores.saturating_sub(1).clamp(1, 255);
    layers.set_default("media.shards", shards as i64);
    // A connection costs about 24 KiB before it has said who it is: 400 MiB at worst.
    layers.set_default("limits.connections", 16_384);
    layers.set_default("limits.connections_per_source", 256);
    // Enough for a school behind one address opening its browsers at nine o'clock.
    layers.set_default("limits.half_open_per_source", 64);
    layers.set_default("log.format", "auto");
    // The WebRTC library warns of things that every browser offers.
    layers.set_default("log.filter", "info,str0m=error,is=error,dimpl=error");
    layers.set_default("rooms", Vec::<Value>::new());
}

impl Config {
    /// Parses what was said. Defaults must have been added.
    ///
    /// # Errors
    /// Every problem at once, each with its place.
    pub(crate) fn from_layers(layers: &Layers, dev: bool) -> Result<Self, ConfigError> {
        let mut reader = Reader {
            layers,
            problems: Vec::new(),
        };
        reader.parsed("role", |role| match role {
            "all" => Ok(()),
            _ => Err(format!("`{role}` is not a role; this version has `all`")),
        });
        let config = Config {
            dev,
            public_url: reader.parsed("public_url", PublicUrl::parse),
            data_dir: reader.text("data_dir").into(),
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
            tls: reader.tls(dev),
            hsts: Hsts {
                include_subdomains: reader.switch("http.hsts_include_subdomains"),
                preload: reader.switch("http.hsts_preload"),
            },
            media: reader.media(),
            limits: Limits {
                connections: reader.positive("limits.connections"),
                connections_per_source: reader.positive("limits.connections_per_source"),
                half_open_per_source: reader.positive("limits.half_open_per_source"),
            },
            log: Log {
                format: reader
                    .parsed("log.format", parse_log_format)
                    .unwrap_or(LogFormat::Auto),
                filter: reader
                    .parsed("log.filter", parse_log_filter)
                    .unwrap_or_default(),
            },
            rooms: reader.rooms(dev),
        };
        if config.public_url.is_none() && !dev && layers.get("public_url").is_none() {
            reader.problems.push(Problem::new(
                &Origin::Default,
                "`public_url` is missing: say where browsers reach this server, for example \
                 --public-url https://meet.example.org, or try the server with --dev",
            ));
        }
        ConfigError::unless_empty(reader.problems)?;
        Ok(config)
    }
}

/// Takes typed values out of the layers and gathers what is wrong with them.
struct Reader<'a> {
    layers: &'a Layers,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn complain(&mut self, path: &str, text: &str) {
        let origin = self
            .layers
            .get(path)
            .map_or(&Origin::Default, |setting| &setting.origin);
        self.problems
            .push(Problem::new(origin, format!("`{path}`: {text}")));
    }

    fn parsed<T>(
        &mut self,
        path: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.layers.get(path)?.value.as_str()?;
        parse(text)
            .map_err(|problem| self.complain(path, &problem))
            .ok()
    }

    fn text(&self, path: &str) -> String {
        self.layers
            .get(path)
            .and_then(|setting| setting.value.as_str())
            .unwrap_or_default()
            .to_owned()
    }

    fn switch(&self, path: &str) -> bool {
        self.layers
            .get(path)
            .and_then(|setting| setting.value.as_bool())
            .unwrap_or_default()
    }

    fn number(&self, path: &str) -> i64 {
        self.layers
            .get(path)
            .and_then(|setting| setting.value.as_integer())
            .unwrap_or_default()
    }

    fn positive(&mut self, path: &str) -> usize {
        let number = usize::try_from(self.number(path)).unwrap_or_default();
        if number == 0 {
            self.complain(path, "must be at least 1");
        }
        number
    }

    fn tls(&mut self, dev: bool) -> Tls {
        let file = |path: &str| {
            let setting = self.layers.get(path)?;
            let named = PathBuf::from(setting.value.as_str()?);
            Some((named, setting.origin.clone()))
        };
        let files = match (file("tls.certificate_file"), file("tls.key_file")) {
            (Some((certificate, certificate_origin)), Some((key, key_origin))) => {
                Some(CertificateFiles {
                    certificate,
                    key,
                    certificate_origin,
                    key_origin,
                })
            }
            (None, None) if dev => None,
            (None, None) => {
                self.problems.push(Problem::new(
                    &Origin::Default,
                    "there is no certificate: set `tls.certificate_file` and `tls.key_file` to PEM files \
                     (any ACME client writes them), or use --dev, which makes one for this machine",
                ));
                None
            }
            (Some(_), None) => {
                self.complain("tls.certificate_file", "needs `tls.key_file` as well");
                None
            }
            (None, Some(_)) => {
                self.complain("tls.key_file", "needs `tls.certificate_file` as well");
                None
            }
        };
        Tls {
            files,
            tls13_only: self.switch("tls.tls13_only"),
        }
    }

    fn media(&mut self) -> Media {
        let mut ips = Vec::new();
        let texts = self
            .layers
            .get("media.ips")
            .and_then(|setting| setting.value.as_array());
        for text in texts.into_iter().flatten().filter_map(Value::as_str) {
            match MediaIp::parse(text) {
                Ok(ip) => ips.push(ip),
                Err(problem) => self.complain("media.ips", &problem),
            }
        }
        let shards = u8::try_from(self.number("media.shards"))
            .ok()
            .and_then(NonZeroU8::new);
        let shards = shards.unwrap_or_else(|| {
            self.complain("media.shards", "must be 1 to 255");
            NonZeroU8::MIN
        });
        let base = self.number("media.port_base");
        let port_base = u16::try_from(base).unwrap_or_else(|_| {
            self.complain("media.port_base", "must be 0 to 65535");
            0
        });
        if port_base.checked_add(u16::from(shards.get()) - 1).is_none() {
            self.complain(
                "media.port_base",
                "with one port per shard, ports would go beyond 65535",
            );
        }
        Media {
            ips,
            port_base,
            shards,
        }
    }

    fn rooms(&mut self, dev: bool) -> Vec<Room> {
        let mut rooms: Vec<Room> = Vec::new();
        let tables = self
            .layers
            .get("rooms")
            .and_then(|setting| setting.value.as_array());
        for (index, table) in tables
            .into_iter()
            .flatten()
            .filter_map(Value::as_table)
            .enumerate()
        {
            let place = format!("rooms[{index}]");
            match parse_room(table) {
                Ok(room) if rooms.iter().any(|other| other.slug == room.slug) => {
                    self.complain(
                        "rooms",
                        &format!("{place}: the slug `{}` is there twice", room.slug.as_str()),
                    );
                }
                Ok(room) => rooms.push(room),
                Err(problem) => self.complain("rooms", &format!("{place}: {problem}")),
            }
        }
        if dev && rooms.iter().all(|room| room.slug.as_str() != DEV_ROOM) {
            let slug = Slug::new(DEV_ROOM).expect("seven lower-case letters");
            rooms.insert(
                0,
                Room {
                    slug,
                    title: "Welcome".to_owned(),
                },
            );
        }
        rooms
    }
}

fn parse_room(table: &toml::Table) -> Result<Room, String> {
    if let Some(unknown) = table
        .keys()
        .find(|field| !ROOM_FIELDS.contains(&field.as_str()))
    {
        let nearest = keys::nearest_of(unknown, ROOM_FIELDS.iter().copied()).unwrap_or_default();
        return Err(format!(
            "`{unknown}` is not a field of a room; the nearest is `{nearest}`"
        ));
    }
    let field = |name: &str| match table.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` must be text in quotes")),
    };
    let text = field("slug")?.ok_or("`slug` is missing")?;
    let slug = Slug::new(&text).map_err(|_| {
        format!("the slug `{text}` must be 3 to 63 of a-z, 0-9 and -, and not begin with -")
    })?;
    let title = field("title")?.unwrap_or(text);
    if title.chars().count() > TITLE_LENGTH_MAX {
        return Err(format!(
            "`title` must be at most {TITLE_LENGTH_MAX} characters"
        ));
    }
    Ok(Room { slug, title })
}

fn parse_log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("`{text}` is not auto, pretty or json")),
    }
}

fn parse_log_filter(text: &str) -> Result<String, String> {
    let parsed = tracing_subscriber::EnvFilter::builder().parse(text);
    parsed
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;

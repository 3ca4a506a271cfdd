//! The relay: that of a server with meetings, and one that stands alone.

use std::fmt::Display;
use std::net::Ipv6Addr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use conclave_turn_core::REALM_LEN_MAX;
use conclave_turn_core::auth::StaticUser;
use conclave_turn_core::policy::{OpenConfig, OpenPolicy, PeerList, PeerRule, Prefix};
use conclave_turn_node::RelayIp;
use conclave_turn_wire::ClientTransport;
use toml::Value;

use super::layers::{Layers, Origin};
use super::reader::Reader;
use super::{Listen, MediaIp, rooms};

/// The keys that mean something only for a relay that stands alone.
const ALONE: [&str; 13] = [
    "turn.peers",
    "turn.open",
    "turn.i_know",
    "turn.deny",
    "turn.allow",
    "turn.nat64",
    "turn.relay_ips",
    "turn.relay_ports",
    "turn.users",
    "turn.users_file",
    "turn.secret_file",
    "turn.legacy_channel_numbers",
    "turn.allow_loopback_peers",
];

/// The keys that mean something only for a relay that is open.
const RULES: [&str; 3] = ["turn.deny", "turn.allow", "turn.nat64"];

/// The usual line of a server, and about what one core relays: meetings by hundreds of relayed
/// participants stay below. More fills a line that pages and direct media need as well; less
/// breaks meetings where many are relayed.
const TOTAL_MBIT_PER_S: i64 = 1_000;

/// The relay.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    /// Whether there is one.
    pub(crate) enabled: bool,
    /// Where it is reached besides the address and port of HTTPS: UDP, and TCP in the clear.
    pub(crate) listen: Vec<Listen>,
    /// What clients are told instead of what follows from `public_url`; `{host}` stands for the
    /// host of their page.
    pub(crate) urls: Vec<String>,
    /// The realm, if it is not the host of `public_url`.
    pub(crate) realm: Option<String>,
    /// What one allocation may relay in each direction.
    pub(crate) mbit_per_s: u32,
    /// What all allocations together may relay in each direction; `None` is without limit.
    pub(crate) total_mbit_per_s: Option<NonZeroU32>,
}

impl Turn {
    /// Returns the realm of the relay of a site at `host`.
    pub(crate) fn realm_at<'r>(&'r self, host: &'r str) -> &'r str {
        self.realm.as_deref().unwrap_or_else(|| realm_of(host))
    }
}

/// What a relay needs that stands alone.
#[derive(Debug, Clone)]
pub(crate) struct StandingAlone {
    /// Whom it may reach.
    pub(crate) reach: Reach,
    /// Addresses from which it relays; empty for those of this host.
    pub(crate) ips: Vec<RelayIp>,
    /// Ports from which it relays.
    pub(crate) ports: RangeInclusive<u16>,
    /// Who may use it.
    pub(crate) users: Vec<StaticUser>,
    /// A file with more of them.
    pub(crate) users_file: Option<(PathBuf, Origin)>,
    /// The file of the secret that the REST form is made with.
    pub(crate) secret_file: Option<(PathBuf, Origin)>,
    /// Whether channels beyond 0x4fff may be bound.
    pub(crate) legacy_channel_numbers: bool,
    /// Whether it may reach loopback addresses; for tests.
    pub(crate) allow_loopback: bool,
}

/// Whom a relay may reach that stands alone.
#[derive(Debug, Clone)]
pub(crate) enum Reach {
    /// A list, and nobody else.
    List(PeerList),
    /// Everybody but whom the deny rules name.
    Open(OpenRules),
}

/// What an operator says of a relay that is open, beside the built-in rules.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenRules {
    /// Further networks that are denied.
    pub(crate) deny: Vec<Prefix>,
    /// If there are any, nothing else is allowed; they undo no denial.
    pub(crate) allow: Vec<PeerRule>,
    /// NAT64 prefixes of this network, each of a length that one can have.
    pub(crate) nat64: Vec<Prefix>,
}

/// Sets what nobody said.
pub(super) fn add_defaults(layers: &mut Layers) {
    layers.set_default("turn.enabled", true);
    layers.set_default("turn.listen", Vec::<Value>::new());
    layers.set_default("turn.urls", Vec::<Value>::new());
    layers.set_default("turn.mbit_per_s", 8);
    layers.set_default("turn.total_mbit_per_s", TOTAL_MBIT_PER_S);
    layers.set_default("turn.peers", Vec::<Value>::new());
    layers.set_default("turn.open", false);
    layers.set_default("turn.i_know", false);
    for key in RULES {
        layers.set_default(key, Vec::<Value>::new());
    }
    layers.set_default("turn.relay_ips", Vec::<Value>::new());
    layers.set_default("turn.relay_ports", "49152-65535");
    layers.set_default("turn.users", Vec::<Value>::new());
    layers.set_default("turn.legacy_channel_numbers", false);
    layers.set_default("turn.allow_loopback_peers", false);
}

impl Reader<'_> {
    /// Reads what `[turn]` says of every relay.
    pub(super) fn turn(&mut self) -> Turn {
        let listen = self.list("turn.listen");
        let listen = listen
            .iter()
            .filter_map(|text| {
                let parsed = Listen::parse(text);
                parsed
                    .map_err(|problem| self.complain("turn.listen", &problem))
                    .ok()
            })
            .collect();
        let urls = self.list("turn.urls");
        for url in &urls {
            if let Err(problem) = RelayUrl::parse(url) {
                self.complain("turn.urls", &problem);
            }
        }
        Turn {
            enabled: self.switch("turn.enabled"),
            listen,
            urls,
            realm: self.parsed("turn.realm", realm),
            mbit_per_s: self.within("turn.mbit_per_s", 1, 10_000),
            total_mbit_per_s: NonZeroU32::new(self.within("turn.total_mbit_per_s", 0, 1_000_000)),
        }
    }

    /// Complains of keys that do nothing in a server with meetings.
    pub(super) fn no_relay_alone(&mut self) {
        for key in ALONE {
            let said = self.layers.get(key);
            if said.is_some_and(|setting| setting.origin != Origin::Default) {
                self.complain(
                    key,
                    "is for a relay that stands alone (`role = \"turn\"`): the relay of a server \
                     with meetings reaches these meetings and nothing else",
                );
            }
        }
    }

    /// Reads what `[turn]` says of a relay that stands alone.
    pub(super) fn standing_alone(&mut self) -> Option<StandingAlone> {
        if !self.switch("turn.enabled") {
            self.complain(
                "turn.enabled",
                "is false, and `role = \"turn\"` runs nothing else",
            );
        }
        let allow_loopback = self.switch("turn.allow_loopback_peers");
        let reach = self.reach(allow_loopback);
        let ips = self.relay_ips();
        let ports = self.parsed("turn.relay_ports", relay_ports);
        let mut users = Vec::new();
        for text in self.list("turn.users") {
            match text.parse() {
                Ok(user) => users.push(user),
                // Its text may be a password.
                Err(error) => self.complain("turn.users", &format!("{error}")),
            }
        }
        let beside_file =
            |(path, origin): (PathBuf, Origin)| (rooms::beside(&origin, &path), origin);
        let users_file = self.file("turn.users_file").map(beside_file);
        let secret_file = self.file("turn.secret_file").map(beside_file);
        let is_nobody = self.list("turn.users").is_empty();
        if is_nobody && users_file.is_none() && secret_file.is_none() {
            self.complain(
                "turn.users",
                "nobody could use this relay: name users (`name:password`), or a file of them in \
                 `turn.users_file`, or the file of a shared secret in `turn.secret_file`",
            );
        }
        Some(StandingAlone {
            reach: reach?,
            ips,
            ports: ports?,
            users,
            users_file,
            secret_file,
            legacy_channel_numbers: self.switch("turn.legacy_channel_numbers"),
            allow_loopback,
        })
    }

    fn reach(&mut self, allow_loopback: bool) -> Option<Reach> {
        let texts = self.list("turn.peers");
        if self.switch("turn.open") {
            if !self.switch("turn.i_know") {
                self.complain(
                    "turn.open",
                    "a relay that is open reaches whatever this host reaches but private and \
                     reserved addresses; with `turn.i_know = true` you say that you want that",
                );
            }
            if !texts.is_empty() {
                self.complain(
                    "turn.peers",
                    "is a list of all peers, and so cannot be with `turn.open`",
                );
            }
            return Some(Reach::Open(self.open_rules()));
        }
        for key in RULES {
            if !self.list(key).is_empty() {
                self.complain(
                    key,
                    "is for a relay that is open (`turn.open`): `turn.peers` says all of this one",
                );
            }
        }
        if texts.is_empty() {
            self.complain(
                "turn.peers",
                "this relay could reach nobody: list who may be reached, such as \
                 [\"192.0.2.7:10000-10063\"]; `turn.open` does without a list",
            );
            return None;
        }
        let rules: Vec<PeerRule> = self.each("turn.peers");
        PeerList::new(rules, allow_loopback)
            .map_err(|error| self.complain("turn.peers", &format!("{error}")))
            .ok()
            .map(Reach::List)
    }

    fn open_rules(&mut self) -> OpenRules {
        let rules = OpenRules {
            deny: self.each("turn.deny"),
            allow: self.each("turn.allow"),
            nat64: self.each("turn.nat64"),
        };
        for prefix in &rules.nat64 {
            let alone = OpenConfig {
                nat64: vec![*prefix],
                ..OpenConfig::default()
            };
            if OpenPolicy::new(alone).is_err() {
                let problem = format!(
                    "`{prefix}` is no NAT64 prefix: IPv6, of 32, 40, 48, 56, 64 or 96 bits"
                );
                self.complain("turn.nat64", &problem);
            }
        }
        rules
    }

    /// Reads each text of a list.
    fn each<T: FromStr<Err: Display>>(&mut self, key: &str) -> Vec<T> {
        let mut read = Vec::new();
        for text in self.list(key) {
            match text.parse::<T>() {
                Ok(one) => read.push(one),
                Err(error) => self.complain(key, &error.to_string()),
            }
        }
        read
    }

    fn relay_ips(&mut self) -> Vec<RelayIp> {
        let mut ips = Vec::new();
        for text in self.list("turn.relay_ips") {
            match MediaIp::parse(&text) {
                Ok(MediaIp {
                    bound,
                    advertised,
                    advertised_port: None,
                }) if !bound.is_unspecified() => ips.push(RelayIp { bound, advertised }),
                Ok(_) => self.complain(
                    "turn.relay_ips",
                    &format!("`{text}` must be an address of this host, or ADDRESS=ADVERTISED, without a port"),
                ),
                Err(problem) => self.complain("turn.relay_ips", &problem),
            }
        }
        ips
    }
}

/// A URL of the relay (RFC 7065), taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelayUrl<'a> {
    /// A name or an address, without brackets; `{host}` stands for the host of the page.
    pub(crate) host: &'a str,
    /// By default 3478, with TLS 5349.
    pub(crate) port: u16,
    /// How it is reached.
    pub(crate) transport: ClientTransport,
}

impl<'a> RelayUrl<'a> {
    /// The host that stands for that of the page.
    pub(crate) const PAGE: &'static str = "{host}";

    /// Reads `turn:HOST[:PORT][?transport=udp|tcp]` or `turns:HOST[:PORT]?transport=tcp`.
    ///
    /// # Errors
    /// A sentence for whoever wrote it.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        RelayUrl::taken_apart(text).ok_or_else(|| {
            format!(
                "`{text}` is not a URL of a relay, such as `turn:{{host}}:443?transport=udp` or \
                 `turns:turn.example.org:443?transport=tcp`"
            )
        })
    }

    fn taken_apart(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let (place, transport) = rest.split_once("?transport=").unwrap_or((rest, "udp"));
        let (transport, usual_port) = match (scheme, transport) {
            ("turn", "udp") => (ClientTransport::Udp, 3478),
            ("turn", "tcp") => (ClientTransport::Tcp, 3478),
            ("turns", "tcp") => (ClientTransport::Tls, 5349),
            _ => return None,
        };
        let (host, port) = match place.rsplit_once(':') {
            // An IPv6 address in brackets ends with one.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, usual_port),
        };
        // One URL that a browser cannot read takes the others with it.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        let inside = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_host = match inside {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => host == RelayUrl::PAGE || !host.is_empty() && host.bytes().all(plain),
        };
        is_host.then_some(RelayUrl {
            host: inside.unwrap_or(host),
            port,
            transport,
        })
    }
}

fn realm(text: &str) -> Result<String, String> {
    let is_plain = text
        .bytes()
        .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"');
    if text.is_empty() || !is_plain {
        return Err("a realm is printable ASCII without quotation marks".to_owned());
    }
    if text.len() > REALM_LEN_MAX {
        return Err(format!(
            "a realm has at most {REALM_LEN_MAX} characters: it is in the answer to everybody who \
             asks by UDP, and a short question does not get a long answer"
        ));
    }
    Ok(text.to_owned())
}

/// Returns the realm of a host: the host itself, or of a long one as many of its last labels as a
/// realm has room for.
fn realm_of(host: &str) -> &str {
    let mut realm = host;
    while realm.len() > REALM_LEN_MAX {
        match realm.split_once('.') {
            Some((_, rest)) if !rest.is_empty() => realm = rest,
            // One label, or an address in full.
            _ => return realm.get(..REALM_LEN_MAX).unwrap_or("relay"),
        }
    }
    realm
}

fn relay_ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(first, last)| {
        let port = |text: &str| text.parse::<u16>().ok();
        Some((port(first)?, port(last)?))
    });
    match range {
        Some((first, last)) if first >= 1024 && first <= last => Ok(first..=last),
        _ => Err(format!(
            "`{text}` is no range of ports from 1024, such as 49152-65535"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_the_relay_may_leave_the_host_open() {
        use ClientTransport::{Tcp, Tls, Udp};
        for (good, host, port, transport) in [
            ("turn:{host}:443?transport=udp", "{host}", 443, Udp),
            (
                "turns:turn.example.org?transport=tcp",
                "turn.example.org",
                5349,
                Tls,
            ),
            ("turn:[2001:db8::7]:3479", "2001:db8::7", 3479, Udp),
            ("turn:[2001:db8::7]?transport=tcp", "2001:db8::7", 3478, Tcp),
        ] {
            let url = RelayUrl {
                host,
                port,
                transport,
            };
            assert_eq!(RelayUrl::parse(good), Ok(url), "{good}");
        }
        for bad in [
            "stun:{host}:443",
            "turns:{host}:443?transport=udp",
            "turns:{host}:443",
            "turn:{host}:x",
            "turn:",
            "turn:a b",
            "turn:{hsot}:443",
            "turn:{host}.example.org:443",
            "turn:2001:db8::7:3478",
            "turn:[2001:db8::x]:3478",
            "turn:[192.0.2.7]:3478",
            "turn.example.org",
        ] {
            assert!(RelayUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ports_to_relay_from_are_a_range_above_those_of_services() {
        assert_eq!(relay_ports("49152-65535"), Ok(49_152..=65_535));
        for bad in ["", "5000", "6000-5000", "80-90", "1024-70000", "a-b"] {
            assert!(relay_ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_realm_can_be_quoted() {
        assert!(realm("meet.example.org").is_ok());
        for bad in ["", "a\"b", "ä", "a\nb"] {
            assert!(realm(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_realm_leaves_browsers_answered() {
        assert!(realm(&"r".repeat(36)).is_ok());
        let problem = realm(&"r".repeat(37)).unwrap_err();
        assert!(problem.contains("at most 36 characters"), "{problem}");
    }

    #[test]
    fn the_realm_of_a_long_host_is_its_end() {
        let label = "a".repeat(63);
        for (host, expected) in [
            ("localhost", "localhost"),
            ("meet.example.org", "meet.example.org"),
            (
                "a-meeting.of-a-department.university.example.org",
                "university.example.org",
            ),
            (
                "of-the-department.university.example.org",
                "university.example.org",
            ),
            (
                "2001:db8:1111:2222:3333:4444:5555:6666",
                "2001:db8:1111:2222:3333:4444:5555:66",
            ),
            (&label, &label[..36]),
        ] {
            assert_eq!(realm_of(host), expected);
            assert!(realm(realm_of(host)).is_ok());
        }
    }
}

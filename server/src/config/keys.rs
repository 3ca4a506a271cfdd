//! Every setting there is: the table that files, environment and flags are
//! held against.

use conclave_server_core::nearest::nearest_of;

/// What a setting looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One piece of text.
    Text,
    /// `true` or `false`.
    Switch,
    /// A whole number, not negative.
    Number,
    /// Some texts; in the environment separated by commas.
    List,
    /// Some tables; in the environment written as a TOML array.
    Tables,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its place in the file, sections separated by dots.
    pub(crate) path: &'static str,
    /// What it looks like.
    pub(crate) kind: Kind,
    /// What holds when nobody says it, in words of Markdown; empty for nothing.
    pub(crate) default: &'static str,
    /// What it decides, in words of Markdown.
    pub(crate) about: &'static str,
    /// Whether SIGHUP applies a change of it; the others need a restart.
    pub(crate) is_live: bool,
}

/// A setting that holds until the process ends.
const fn fixed(path: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key {
        path,
        kind,
        default,
        about,
        is_live: false,
    }
}

/// A setting that a reload changes.
const fn live(path: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key {
        is_live: true,
        ..fixed(path, kind, default, about)
    }
}

/// Every setting, in the order of `conclave config check`.
pub(crate) const KEYS: &[Key] = &[
    fixed(
        "public_url",
        Kind::Text,
        "required; with `--dev` `https://localhost:PORT`",
        "source of links, of the certificate's name and of the allowed Origin",
    ),
    fixed(
        "data_dir",
        Kind::Text,
        "`./conclave-data`",
        "where the server keeps what it keeps; one server at a time. Made with mode 0700; one that is there must belong to the server's user or root, and nobody else may write to it",
    ),
    fixed(
        "role",
        Kind::Text,
        "`all`",
        "which part of the server runs: `all`, or `turn`, a relay that stands alone",
    ),
    fixed(
        "listen.https",
        Kind::Text,
        "`[::]:443`; with `--dev` `[::]:8443`",
        "address of HTTPS and WSS",
    ),
    fixed(
        "listen.http",
        Kind::Text,
        "`[::]:80`; with `--dev` `localhost:8080`",
        "address of plain HTTP, or `off`: redirects only; with `--dev` the same pages, on loopback",
    ),
    live(
        "listen.proxy_protocol",
        Kind::List,
        "none",
        "addresses and networks of proxies whose every TCP connection to `listen.https` and `turn.listen` begins with a PROXY header, version 1 or 2; from others none is read. See [reverse-proxy.md](reverse-proxy.md)",
    ),
    fixed(
        "admin.listen",
        Kind::Text,
        "`127.0.0.1:9464`",
        "address of `/metrics`, `/readyz` and `/healthz` in the clear, or `off`; who reaches it reads how busy the server is. See [metrics.md](metrics.md)",
    ),
    live(
        "admin.api_cidrs",
        Kind::List,
        "everywhere",
        "addresses and networks from which the REST API is answered, besides the control socket",
    ),
    live(
        "admin.requests_per_minute",
        Kind::Number,
        "600",
        "requests of one API key, at most 1000000; a sixth of them, but at least 100, may come at once",
    ),
    fixed(
        "tls.certificate_file",
        Kind::Text,
        "",
        "PEM of the chain, looked at every 10 s and on SIGHUP; see [certificates.md](certificates.md). Without `--dev` this, `acme` or `http.trusted_proxies`",
    ),
    fixed(
        "tls.key_file",
        Kind::Text,
        "",
        "PEM of its key, looked at together with it",
    ),
    fixed("tls.tls13_only", Kind::Switch, "`false`", "refuse TLS 1.2"),
    fixed(
        "http.hsts_include_subdomains",
        Kind::Switch,
        "`false`",
        "whether HSTS holds for subdomains too",
    ),
    fixed(
        "http.hsts_preload",
        Kind::Switch,
        "`false`",
        "whether HSTS asks to be preloaded",
    ),
    live(
        "http.trusted_proxies",
        Kind::List,
        "none",
        "addresses and networks of proxies whose `X-Forwarded-For` or `Forwarded` is believed; see [reverse-proxy.md](reverse-proxy.md). Without a certificate the server then makes one of its own",
    ),
    fixed(
        "acme.directory",
        Kind::Text,
        "Let's Encrypt",
        "whoever signs",
    ),
    fixed(
        "acme.contact",
        Kind::List,
        "none",
        "mail addresses that are told of trouble",
    ),
    fixed(
        "acme.terms_agreed",
        Kind::Switch,
        "`false`",
        "fetch the certificate for the host of `public_url`, agreeing to the terms of whoever signs",
    ),
    fixed(
        "acme.challenge",
        Kind::Text,
        "`tls-alpn-01`",
        "how the name is proved: `tls-alpn-01` on port 443, `http-01` on port 80",
    ),
    fixed(
        "acme.profile",
        Kind::Text,
        "what the directory takes",
        "which of the directory's kinds of certificates, if it offers several",
    ),
    fixed(
        "acme.eab_key_id",
        Kind::Text,
        "",
        "external account binding: what whoever signs calls the key; see [certificates.md](certificates.md)",
    ),
    fixed(
        "acme.eab_key_file",
        Kind::Text,
        "",
        "file of that key, in base64url as it is given out; everybody else may not open it",
    ),
    fixed(
        "acme.ca_file",
        Kind::Text,
        "whom the system trusts",
        "PEM of who signs the directory's own certificate",
    ),
    fixed(
        "media.ips",
        Kind::List,
        "every address that is up; with `--dev` 127.0.0.1 too",
        "`BOUND` or `BOUND=ADVERTISED[:PORT]` for each address of media",
    ),
    fixed(
        "media.port_base",
        Kind::Number,
        "10000",
        "UDP port of shard 0; shard n has the nth after it",
    ),
    fixed(
        "media.shards",
        Kind::Number,
        "cores less one, at least 1",
        "threads of the SFU",
    ),
    fixed(
        "media.spill_above_percent",
        Kind::Number,
        "70",
        "how busy the shard of a room may be, 0 to 100, before other shards take who comes; 0 spreads participants evenly from the first on, for meetings of hundreds",
    ),
    fixed(
        "turn.enabled",
        Kind::Switch,
        "`true`",
        "whether there is a relay, on UDP, TCP and TLS of the port of `listen.https`, see [relay.md](relay.md)",
    ),
    fixed(
        "turn.listen",
        Kind::List,
        "none",
        "more addresses of the relay: UDP, and TCP in the clear",
    ),
    fixed(
        "turn.urls",
        Kind::List,
        "the port of `public_url` by UDP, TCP and TLS",
        "what clients are told instead of what follows from `public_url`; `{host}` is the host of their page",
    ),
    fixed(
        "turn.realm",
        Kind::Text,
        "the host of `public_url`, of a long one its end",
        "the realm of credentials, at most 36 characters",
    ),
    fixed(
        "turn.mbit_per_s",
        Kind::Number,
        "8",
        "payload of one allocation in each direction",
    ),
    fixed(
        "turn.total_mbit_per_s",
        Kind::Number,
        "1000",
        "payload of all allocations together in each direction; 0 is without limit",
    ),
    fixed(
        "turn.peers",
        Kind::List,
        "required, unless `turn.open`",
        "with `role = \"turn\"`: who may be reached, each `ADDRESS[/LENGTH][:PORT[-PORT]]`, an IPv6 address with ports in brackets",
    ),
    fixed(
        "turn.open",
        Kind::Switch,
        "`false`",
        "with `role = \"turn\"` and `turn.i_know`: everybody may be reached but who is denied",
    ),
    fixed(
        "turn.i_know",
        Kind::Switch,
        "`false`",
        "says that `turn.open` is meant",
    ),
    fixed(
        "turn.deny",
        Kind::List,
        "none",
        "with `turn.open`: networks that are denied beside the built-in ones, each `ADDRESS[/LENGTH]`",
    ),
    fixed(
        "turn.allow",
        Kind::List,
        "everybody",
        "with `turn.open`: if there are any, nobody else is reached, written as in `turn.peers`; what is denied stays denied",
    ),
    fixed(
        "turn.nat64",
        Kind::List,
        "none",
        "with `turn.open`: NAT64 prefixes of this network; what is behind them is judged as the IPv4 address that it is",
    ),
    fixed(
        "turn.relay_ips",
        Kind::List,
        "every address that is up",
        "with `role = \"turn\"`: from where it relays, `BOUND` or `BOUND=ADVERTISED`",
    ),
    fixed(
        "turn.relay_ports",
        Kind::Text,
        "49152-65535",
        "with `role = \"turn\"`: from which ports it relays",
    ),
    fixed(
        "turn.users",
        Kind::List,
        "none",
        "with `role = \"turn\"`: who may use it, `name:password`",
    ),
    fixed(
        "turn.users_file",
        Kind::Text,
        "none",
        "with `role = \"turn\"`: the same in a file, one a line",
    ),
    fixed(
        "turn.secret_file",
        Kind::Text,
        "none",
        "with `role = \"turn\"`: the shared secret of `expiry:user` credentials, and in a second line the one before",
    ),
    fixed(
        "turn.legacy_channel_numbers",
        Kind::Switch,
        "`false`",
        "with `role = \"turn\"`: channels up to 0x7fff (RFC 5766)",
    ),
    fixed(
        "turn.allow_loopback_peers",
        Kind::Switch,
        "`false`",
        "with `role = \"turn\"`: loopback peers, for tests",
    ),
    live(
        "limits.connections",
        Kind::Number,
        "16384",
        "TCP connections in all; lowered, with a warning, where the system allows fewer files",
    ),
    live(
        "limits.connections_per_source",
        Kind::Number,
        "320",
        "of one IPv4 address or IPv6 /64, without those of the relay; one too many is closed without an answer",
    ),
    live(
        "limits.half_open_per_source",
        Kind::Number,
        "64",
        "of these, before the first bytes inside TLS",
    ),
    live(
        "limits.relayed_per_source",
        Kind::Number,
        "1024",
        "TCP and TLS connections of one source to the relay",
    ),
    live(
        "limits.links_per_source",
        Kind::Number,
        "four fifths of `limits.connections_per_source`: 256",
        "of these, signalling links; one too many is answered 429",
    ),
    live(
        "limits.joins_per_source_per_s",
        Kind::Number,
        "2",
        "joins of one source in a second, sustained",
    ),
    live(
        "limits.joins_per_source_burst",
        Kind::Number,
        "60",
        "joins of one source at once",
    ),
    live(
        "limits.rooms_per_source_per_hour",
        Kind::Number,
        "20",
        "rooms that one source makes, where anybody may",
    ),
    live(
        "limits.password_failures_per_source_per_min",
        Kind::Number,
        "30",
        "wrong passwords of one source; right ones are never charged",
    ),
    live(
        "limits.password_failures_per_source_and_room_per_min",
        Kind::Number,
        "10",
        "of these, for one room",
    ),
    live(
        "limits.password_failures_per_room_per_min",
        Kind::Number,
        "60",
        "for one room, of all sources; beyond it who has the right password waits in the lobby, nobody is refused",
    ),
    fixed(
        "passwords.memory_mib",
        Kind::Number,
        "46",
        "memory of one password hash (argon2id, one pass), 46 to 1024; at most half the cores hash at once",
    ),
    fixed(
        "storage.master_key_file",
        Kind::Text,
        "`master.key` in `data_dir`",
        "the key that seals names, notes and password hashes in the database: 32 bytes, mode 0600, of the server's user or root; made at the first start, and never anew beside a database. Keep a copy away from that of the database",
    ),
    live(
        "drain.deadline_s",
        Kind::Number,
        "30; with `--dev` 0",
        "seconds that live meetings may go on after SIGTERM, at most a day; see [operations.md](operations.md)",
    ),
    fixed(
        "log.format",
        Kind::Text,
        "`auto`: pretty on a terminal",
        "`auto`, `pretty` or `json`",
    ),
    live(
        "log.filter",
        Kind::Text,
        "`info`, the WebRTC library `error`",
        "as in `info,conclave_signalling_node=debug`; libraries stay capped, so that no filter brings tokens or SDP into the log",
    ),
    live(
        "meetings.create",
        Kind::Text,
        "`admins`",
        "who makes rooms: `admins` (this file, the command line, the API), or `anyone` who opens the page",
    ),
    fixed(
        "webhooks.allow",
        Kind::List,
        "none",
        "networks and names of hosts that webhooks may call although they are private, or by plain http; see [webhooks.md](webhooks.md)",
    ),
    fixed(
        "webhooks.ca_file",
        Kind::Text,
        "whom the system trusts",
        "PEM of whom to trust as receivers of webhooks",
    ),
    live(
        "rooms",
        Kind::Tables,
        "none; with `--dev` `welcome`",
        "rooms that exist from the start, see below",
    ),
    live(
        "embedders",
        Kind::Tables,
        "none",
        "sites that sign join tokens: `issuer`, `kid`, `public_key`, `role`, `rooms`, `audience`, see [embedding.md](embedding.md)",
    ),
];

/// Returns the setting of that path.
pub(crate) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Returns whether the path is that of a section, which holds settings.
pub(crate) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| {
        key.path
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Returns the setting whose path looks most like `path`.
pub(crate) fn nearest(path: &str) -> &'static str {
    nearest_of(path, KEYS.iter().map(|key| key.path)).unwrap_or("public_url")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_despite_typing_errors_and_a_missing_section() {
        assert_eq!(nearest("publicurl"), "public_url");
        assert_eq!(nearest("listen.htps"), "listen.https");
        assert_eq!(nearest("shards"), "media.shards");
        assert_eq!(nearest("media.port"), "media.port_base");
    }

    #[test]
    fn sections_are_told_from_settings() {
        assert!(is_section("listen"));
        assert!(!is_section("listen.https"));
        assert!(!is_section("list"));
    }
}

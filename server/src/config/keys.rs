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
}

const fn key(path: &'static str, kind: Kind) -> Key {
    Key { path, kind }
}

/// Every setting, in the order of `conclave config check`.
pub(crate) const KEYS: &[Key] = &[
    key("public_url", Kind::Text),
    key("data_dir", Kind::Text),
    key("role", Kind::Text),
    key("listen.https", Kind::Text),
    key("listen.http", Kind::Text),
    key("tls.certificate_file", Kind::Text),
    key("tls.key_file", Kind::Text),
    key("tls.tls13_only", Kind::Switch),
    key("http.hsts_include_subdomains", Kind::Switch),
    key("http.hsts_preload", Kind::Switch),
    key("http.trusted_proxies", Kind::List),
    key("acme.directory", Kind::Text),
    key("acme.contact", Kind::List),
    key("acme.terms_agreed", Kind::Switch),
    key("acme.challenge", Kind::Text),
    key("acme.ca_file", Kind::Text),
    key("media.ips", Kind::List),
    key("media.port_base", Kind::Number),
    key("media.shards", Kind::Number),
    key("turn.enabled", Kind::Switch),
    key("turn.listen", Kind::List),
    key("turn.urls", Kind::List),
    key("turn.realm", Kind::Text),
    key("turn.mbit_per_s", Kind::Number),
    key("turn.peers", Kind::List),
    key("turn.open", Kind::Switch),
    key("turn.i_know", Kind::Switch),
    key("turn.relay_ips", Kind::List),
    key("turn.relay_ports", Kind::Text),
    key("turn.users", Kind::List),
    key("turn.users_file", Kind::Text),
    key("turn.secret_file", Kind::Text),
    key("turn.legacy_channel_numbers", Kind::Switch),
    key("turn.allow_loopback_peers", Kind::Switch),
    key("limits.connections", Kind::Number),
    key("limits.connections_per_source", Kind::Number),
    key("limits.half_open_per_source", Kind::Number),
    key("limits.relayed_per_source", Kind::Number),
    key("limits.links_per_source", Kind::Number),
    key("limits.joins_per_source_per_s", Kind::Number),
    key("limits.joins_per_source_burst", Kind::Number),
    key("limits.rooms_per_source_per_hour", Kind::Number),
    key("limits.password_failures_per_source_per_min", Kind::Number),
    key(
        "limits.password_failures_per_source_and_room_per_min",
        Kind::Number,
    ),
    key("limits.password_failures_per_room_per_min", Kind::Number),
    key("passwords.memory_mib", Kind::Number),
    key("storage.master_key_file", Kind::Text),
    key("log.format", Kind::Text),
    key("log.filter", Kind::Text),
    key("meetings.create", Kind::Text),
    key("rooms", Kind::Tables),
    key("embedders", Kind::Tables),
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

//! What this server is called from outside, and so which pages may talk to it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::Uri;

use crate::config::PublicUrl;

/// Names and ports under which browsers reach this server.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The one name that links carry.
    pub(crate) public_url: PublicUrl,
    /// More ways to reach it, with `--dev` only.
    pub(crate) local: Option<LocalNames>,
}

/// The names of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalNames {
    /// `localhost`, the host name, and every address, IPv6 ones in brackets; lower case.
    pub(crate) hosts: BTreeSet<String>,
    /// The port that TLS is served on.
    pub(crate) https_port: u16,
    /// The port of plain HTTP on loopback.
    pub(crate) http_port: Option<u16>,
}

impl LocalNames {
    /// Gathers the names of this machine.
    pub(crate) fn new(
        addresses: &[IpAddr],
        name: Option<&str>,
        https_port: u16,
        http_port: Option<u16>,
    ) -> Self {
        let fixed = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let hosts = fixed
            .into_iter()
            .chain(addresses.iter().map(url_host))
            .chain(name.map(str::to_owned));
        LocalNames {
            hosts: hosts.collect(),
            https_port,
            http_port,
        }
    }
}

/// Returns an address as it stands in a URL.
pub(crate) fn url_host(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

impl Site {
    /// Returns whether a page of this origin may open a signalling connection.
    ///
    /// That is the public URL; with `--dev` also every name of this machine
    /// with a port that is served there: any of them over TLS, loopback ones
    /// in the clear.
    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        if origin.eq_ignore_ascii_case(&self.public_url.to_string()) {
            return true;
        }
        let (Some(local), Ok(uri)) = (&self.local, origin.parse::<Uri>()) else {
            return false;
        };
        // An origin is a scheme, a host and perhaps a port, nothing more (RFC 6454, section 6.2).
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return false;
        };
        if origin.len() != scheme.len() + "://".len() + authority.as_str().len() {
            return false;
        }
        let host = authority.host().to_ascii_lowercase();
        if authority.as_str().contains('@') || !local.hosts.contains(&host) {
            return false;
        }
        match scheme {
            "https" => authority.port_u16().unwrap_or(443) == local.https_port,
            "http" => {
                is_loopback_name(&host)
                    && Some(authority.port_u16().unwrap_or(80)) == local.http_port
            }
            _ => false,
        }
    }

    /// Returns the name by which a request called this server, if it is one of its own.
    pub(crate) fn own_authority(&self, host_header: &str) -> Option<String> {
        let asked = host_header.to_ascii_lowercase();
        let is_own = asked == self.public_url.authority()
            || ["https", "http"]
                .iter()
                .any(|scheme| self.allows_origin(&format!("{scheme}://{asked}")));
        is_own.then_some(asked)
    }

    /// Returns the origin of the plain HTTP pages, with `--dev`.
    pub(crate) fn loopback_url(&self) -> Option<String> {
        let port = self.local.as_ref()?.http_port?;
        Some(format!("http://localhost:{port}"))
    }
}

/// Returns whether a host in a URL is this machine seen from itself.
fn is_loopback_name(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_dev_only_the_public_url_is_allowed() {
        let site = Site {
            public_url: PublicUrl::parse("https://meet.example.org").unwrap(),
            local: None,
        };
        assert!(site.allows_origin("https://meet.example.org"));
        for other in [
            "http://meet.example.org",
            "https://meet.example.org:8443",
            "https://localhost",
            "null",
            "",
        ] {
            assert!(!site.allows_origin(other), "{other}");
        }
    }

    #[test]
    fn with_dev_names_of_this_machine_are_allowed_with_a_served_port() {
        let site = dev_site();
        for own in [
            "https://localhost:8443",
            "https://127.0.0.1:8443",
            "https://192.0.2.7:8443",
            "https://[2001:db8::7]:8443",
            "https://box:8443",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
        ] {
            assert!(site.allows_origin(own), "{own}");
        }
        for other in [
            "https://localhost",
            "https://localhost:8080",
            "http://localhost:8443",
            "http://192.0.2.7:8080",
            "https://192.0.2.8:8443",
            "https://localhost.example.org:8443",
            "https://localhost:8443/",
            "https://user@localhost:8443",
            "ws://localhost:8080",
        ] {
            assert!(!site.allows_origin(other), "{other}");
        }
    }

    #[test]
    fn a_request_names_us_by_one_of_our_names_or_not_at_all() {
        let site = dev_site();
        assert_eq!(
            site.own_authority("LOCALHOST:8443").as_deref(),
            Some("localhost:8443")
        );
        assert_eq!(site.own_authority("evil.example:8443"), None);
        assert_eq!(site.own_authority(""), None);
    }

    fn dev_site() -> Site {
        let addresses = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let local = LocalNames::new(&addresses, Some("box"), 8443, Some(8080));
        Site {
            public_url: PublicUrl::new("localhost", 8443),
            local: Some(local),
        }
    }
}

//! The values of single settings, parsed once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where the server is reached: `https`, a host, perhaps a port, no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl {
    host: String,
    port: u16,
}

impl PublicUrl {
    /// Makes one of its parts. `host` is a name or an address, an IPv6 address in brackets.
    pub(crate) fn new(host: impl Into<String>, port: u16) -> Self {
        PublicUrl {
            host: host.into().to_ascii_lowercase(),
            port,
        }
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// A sentence for whoever wrote it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text.parse().map_err(|_| format!("`{text}` is not a URL"))?;
        if uri.scheme_str() != Some("https") {
            return Err(format!("`{text}` must begin with https://"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(format!(
                "`{text}` must end after the host, or after its port"
            ));
        }
        let authority = uri
            .authority()
            .ok_or_else(|| format!("`{text}` names no host"))?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(format!("`{text}` must name a host and nothing before it"));
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host) {
            Some("") => 443,
            rest => rest
                .and_then(parse_port)
                .ok_or_else(|| format!("`{text}` names no port from 1 to 65535"))?,
        };
        Ok(PublicUrl::new(host, port))
    }

    /// Returns the host, an IPv6 address in brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host, with the port unless it is that of https.
    pub(crate) fn authority(&self) -> String {
        if self.port == 443 {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

/// Where a TCP listener listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listen {
    /// One address; `[::]` takes IPv4 as well.
    Address(SocketAddr),
    /// 127.0.0.1 and ::1, nobody else.
    Localhost(u16),
}

impl Listen {
    /// Reads `ADDRESS:PORT`, `:PORT` (every address) or `localhost:PORT`.
    ///
    /// # Errors
    /// A sentence for whoever wrote it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let port = |digits: &str| {
            digits
                .parse::<u16>()
                .map_err(|_| format!("`{digits}` is not a port"))
        };
        if let Some(digits) = text.strip_prefix("localhost:") {
            return Ok(Listen::Localhost(port(digits)?));
        }
        if let Some(digits) = text.strip_prefix(':') {
            return Ok(Listen::Address(SocketAddr::from((
                Ipv6Addr::UNSPECIFIED,
                port(digits)?,
            ))));
        }
        let address = text.parse();
        address
            .map(Listen::Address)
            .map_err(|_| format!("`{text}` is not ADDRESS:PORT, :PORT or localhost:PORT"))
    }

    /// Returns the addresses to bind, most important first.
    pub(crate) fn addresses(self) -> Vec<SocketAddr> {
        match self {
            Listen::Address(address) => vec![address],
            Listen::Localhost(port) => {
                vec![
                    SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                    SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
                ]
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Address(address) => write!(f, "{address}"),
            Listen::Localhost(port) => write!(f, "localhost:{port}"),
        }
    }
}

/// An address for media: where the socket is bound and what clients are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MediaIp {
    /// An address of this host, or the unspecified one for whichever the kernel chooses.
    pub(crate) bound: IpAddr,
    /// The address under which clients reach it.
    pub(crate) advertised: IpAddr,
    /// The port of shard 0 under which clients reach it, if not the bound one.
    pub(crate) advertised_port: Option<u16>,
}

impl MediaIp {
    /// Makes one that is told as it is bound.
    pub(crate) fn direct(address: IpAddr) -> Self {
        MediaIp {
            bound: address,
            advertised: address,
            advertised_port: None,
        }
    }

    /// Reads `BOUND`, `BOUND=ADVERTISED` or `BOUND=ADVERTISED:PORT`.
    ///
    /// # Errors
    /// A sentence for whoever wrote it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (bound_text, advertised_text) = text.split_once('=').unwrap_or((text, text));
        let bound = parse_ip(bound_text)?;
        let (advertised, advertised_port) = match parse_ip(advertised_text) {
            Ok(address) => (address, None),
            Err(problem) => {
                let address: SocketAddr = advertised_text.parse().map_err(|_| problem)?;
                if address.port() == 0 {
                    return Err(format!("`{advertised_text}`: nobody can reach port 0"));
                }
                (address.ip(), Some(address.port()))
            }
        };
        if bound.is_ipv4() != advertised.is_ipv4() {
            return Err(format!("`{text}` mixes IPv4 and IPv6"));
        }
        if bound.is_multicast() || advertised.is_multicast() || advertised.is_unspecified() {
            return Err(format!("`{text}` tells clients no address of one host"));
        }
        Ok(MediaIp {
            bound,
            advertised,
            advertised_port,
        })
    }
}

impl fmt::Display for MediaIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bound)?;
        match self.advertised_port {
            Some(port) => write!(f, "={}", SocketAddr::new(self.advertised, port)),
            None if self.advertised != self.bound => write!(f, "={}", self.advertised),
            None => Ok(()),
        }
    }
}

/// Reads `:PORT`. The port of a parsed authority is no help: it is missing as
/// well when its digits are too many.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(':')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .map_err(|_| format!("`{text}` is not an IP address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_https_and_has_no_path() {
        let url = PublicUrl::parse("https://Meet.Example.org/").unwrap();
        assert_eq!(
            (url.host(), url.to_string().as_str()),
            ("meet.example.org", "https://meet.example.org")
        );
        assert_eq!(
            PublicUrl::parse("https://[::1]:8443").unwrap().to_string(),
            "https://[::1]:8443"
        );
        assert_eq!(PublicUrl::parse("https://a:443").unwrap().authority(), "a");
        for bad in [
            "http://a",
            "https://a/b",
            "https://a/?x",
            "https://u@a",
            "https://a:84430",
            "https://[::1]:84430",
            "https://a:0",
            "https://a:+443",
            "https://a:",
            "a",
            "",
            "https://",
            "https:///",
        ] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listener_is_an_address_a_port_or_localhost() {
        assert_eq!(Listen::parse("localhost:8080"), Ok(Listen::Localhost(8080)));
        assert_eq!(Listen::parse(":443").unwrap().to_string(), "[::]:443");
        assert!(Listen::parse("10.0.0.1:80").is_ok());
        assert!(Listen::parse("8080").is_err());
        assert!(Listen::parse("localhost:x").is_err());
    }

    #[test]
    fn a_media_address_may_be_told_differently_from_where_it_is_bound() {
        for text in [
            "10.0.0.5",
            "0.0.0.0=203.0.113.7",
            "10.0.0.5=203.0.113.7",
            "10.0.0.5=203.0.113.7:20000",
            "fd00::1=[2001:db8::1]:20000",
        ] {
            assert_eq!(MediaIp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            MediaIp::parse("10.0.0.5=10.0.0.5").unwrap(),
            MediaIp::direct([10, 0, 0, 5].into())
        );
        for bad in [
            "",
            "10.0.0.5=",
            "10.0.0.5=::1",
            "0.0.0.0",
            "10.0.0.5=224.0.0.1",
            "10.0.0.5=1.2.3.4:0",
            "host",
        ] {
            assert!(MediaIp::parse(bad).is_err(), "{bad}");
        }
    }
}

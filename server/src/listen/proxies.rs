//! Proxies in front of this server, whose word is taken for who a client is.

use std::net::{IpAddr, SocketAddr};
use std::sync::{PoisonError, RwLock};

use conclave_signalling_core::settings::Network;
use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A client behind a trusted proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address; port 0 where no proxy tells it.
    pub(crate) address: SocketAddr,
    /// Whether it spoke TLS to the first proxy.
    pub(crate) came_by_https: bool,
}

/// `X-Forwarded-For` and `Forwarded` name different clients. Proxies write one
/// of the two and pass the other on, so that one of them is the client's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// Whose word is taken.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    networks: RwLock<Vec<Network>>,
}

impl Proxies {
    /// Trusts whoever is in one of these networks.
    pub(crate) fn new(networks: Vec<Network>) -> Self {
        Proxies {
            networks: RwLock::new(networks),
        }
    }

    /// Trusts these from here on.
    pub(crate) fn replace(&self, networks: Vec<Network>) {
        *self
            .networks
            .write()
            .unwrap_or_else(PoisonError::into_inner) = networks;
    }

    /// Returns whether somebody with this address is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let networks = self.networks.read();
        networks
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|network| network.contains(address))
    }

    /// Returns the client that a request is from, if `peer` is a proxy that says so.
    ///
    /// Each proxy adds the address that it was asked from at the end, and what
    /// stands before is what it was told: the client is the last one that is
    /// no proxy of ours.
    ///
    /// # Errors
    /// When two headers say two things.
    pub(crate) fn client(
        &self,
        peer: SocketAddr,
        headers: &HeaderMap,
    ) -> Result<Option<Client>, Contradiction> {
        if !self.trusts(peer.ip()) {
            return Ok(None);
        }
        let x_forwarded_for = lines(headers, &X_FORWARDED_FOR).flat_map(|line| line.split(','));
        let forwarded = lines(headers, &FORWARDED).flat_map(|line| split_outside_quotes(line, ','));
        let forwarded: Vec<&str> = forwarded.collect();
        let hops = forwarded.iter().map(|hop| parameter(hop, "for"));
        let address = match (
            self.last_stranger(x_forwarded_for.map(node)),
            self.last_stranger(hops.map(|node_of| node_of.and_then(node))),
        ) {
            (Some(one), Some(other)) if one.ip() != other.ip() => return Err(Contradiction),
            (one, other) => one.or(other).unwrap_or(peer),
        };
        let proto = lines(headers, &X_FORWARDED_PROTO)
            .flat_map(|line| line.split(','))
            .next();
        let proto = proto.or_else(|| parameter(forwarded.first()?, "proto"));
        Ok(Some(Client {
            address,
            came_by_https: proto.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https")),
        }))
    }

    /// Returns the last address that is no proxy, or else the first that is
    /// one. What stands before something that is no address is not believed.
    fn last_stranger(&self, hops: impl Iterator<Item = Option<SocketAddr>>) -> Option<SocketAddr> {
        let mut client = None;
        for hop in hops.collect::<Vec<_>>().into_iter().rev() {
            let Some(hop) = hop else { break };
            client = Some(hop);
            if !self.trusts(hop.ip()) {
                break;
            }
        }
        client
    }
}

/// Returns the texts of a header; one that is no text is as one that is no address.
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    let values = headers.get_all(name).into_iter();
    values.map(|value| value.to_str().unwrap_or("unknown"))
}

/// Splits at a character that is in no quoted string (RFC 9110, section 5.6.4).
fn split_outside_quotes(text: &str, at: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let splits = c == at && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        splits
    })
}

/// Returns a parameter of one element of `Forwarded` (RFC 7239, section 4).
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    split_outside_quotes(element, ';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim();
        let unquoted = value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'));
        key.trim()
            .eq_ignore_ascii_case(name)
            .then_some(unquoted.unwrap_or(value))
    })
}

/// Reads an address, with or without a port, an IPv6 one with or without
/// brackets (RFC 7239, section 6; `X-Forwarded-For` is written in every way).
fn node(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let alone = bare
        .unwrap_or(text)
        .parse()
        .map(|ip| SocketAddr::new(ip, 0));
    let node: SocketAddr = alone.or_else(|_| text.parse()).ok()?;
    Some(SocketAddr::new(node.ip().to_canonical(), node.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy() {
        let cases = [
            (&[("x-forwarded-for", "192.0.2.9")][..], "192.0.2.9:0"),
            (&[("x-forwarded-for", "1.2.3.4, 192.0.2.9")], "192.0.2.9:0"),
            (
                &[("x-forwarded-for", "1.2.3.4, 192.0.2.9, 10.0.0.2")],
                "192.0.2.9:0",
            ),
            (
                &[
                    ("x-forwarded-for", "1.2.3.4"),
                    ("x-forwarded-for", "192.0.2.9, 10.0.0.3"),
                ],
                "192.0.2.9:0",
            ),
            (&[("x-forwarded-for", "192.0.2.9:4711")], "192.0.2.9:4711"),
            (&[("x-forwarded-for", "2001:db8::9")], "[2001:db8::9]:0"),
            (&[("x-forwarded-for", "[2001:db8::9]")], "[2001:db8::9]:0"),
            (&[("x-forwarded-for", "[2001:db8::9]:1")], "[2001:db8::9]:1"),
            (&[("x-forwarded-for", "::ffff:192.0.2.9")], "192.0.2.9:0"),
            // Nobody but proxies: somebody on the machine of the first one.
            (&[("x-forwarded-for", "10.0.0.4, 10.0.0.2")], "10.0.0.4:0"),
            (&[("x-forwarded-for", "192.0.2.9, unknown")], "10.0.0.1:5"),
            (
                &[("x-forwarded-for", "192.0.2.9, junk, 10.0.0.2")],
                "10.0.0.2:0",
            ),
            (&[("x-forwarded-for", "")], "10.0.0.1:5"),
            (&[], "10.0.0.1:5"),
            (&[("forwarded", "for=192.0.2.9;proto=http")], "192.0.2.9:0"),
            (
                &[(
                    "forwarded",
                    "for=1.2.3.4, By=x;FOR=\"[2001:db8::9]:47\", for=10.0.0.2",
                )],
                "[2001:db8::9]:47",
            ),
            (&[("forwarded", "for=_hidden")], "10.0.0.1:5"),
            (
                &[("forwarded", "by=\"a,for=1.2.3.4\";for=192.0.2.9")],
                "192.0.2.9:0",
            ),
            (
                &[
                    ("forwarded", "for=192.0.2.9"),
                    ("x-forwarded-for", "192.0.2.9"),
                ],
                "192.0.2.9:0",
            ),
        ];
        for (headers, expected) in cases {
            let client = ask("10.0.0.1:5", headers).unwrap().unwrap();
            assert_eq!(client.address.to_string(), expected, "{headers:?}");
        }
    }

    #[test]
    fn nobody_else_is_believed_and_two_headers_that_differ_are_refused() {
        let says = ("x-forwarded-for", "192.0.2.9");
        assert_eq!(ask("198.51.100.1:5", &[says]), Ok(None));
        assert_eq!(ask("[::ffff:198.51.100.1]:5", &[says]), Ok(None));
        assert!(ask("[::ffff:10.0.0.1]:5", &[says]).unwrap().is_some());
        let two = [says, ("forwarded", "for=1.2.3.4")];
        assert_eq!(ask("10.0.0.1:5", &two), Err(Contradiction));
        assert_eq!(ask("198.51.100.1:5", &two), Ok(None));
    }

    #[test]
    fn who_came_to_the_first_proxy_by_https_is_known_by_either_header() {
        for (headers, https) in [
            (&[("x-forwarded-proto", "https")][..], true),
            (&[("x-forwarded-proto", "HTTPS, http")], true),
            (&[("x-forwarded-proto", "http")], false),
            (
                &[("forwarded", "for=1.2.3.4;proto=https, for=10.0.0.2")],
                true,
            ),
            (&[("forwarded", "for=1.2.3.4")], false),
            (&[], false),
        ] {
            let client = ask("10.0.0.1:5", headers).unwrap().unwrap();
            assert_eq!(client.came_by_https, https, "{headers:?}");
        }
    }

    fn ask(peer: &str, headers: &[(&str, &str)]) -> Result<Option<Client>, Contradiction> {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &map)
    }
}

//! What may be called: the form of a URL.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

use super::guard::Guard;

/// Bytes of a URL.
pub const URL_BYTES_MAX: usize = 2048;
/// Bytes of a host's name (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;

/// Why a URL is not called. The text is for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadTarget {
    /// It is longer than [`URL_BYTES_MAX`].
    #[error("must be at most 2048 bytes")]
    TooLong,
    /// It is none, or begins with something else than https.
    #[error("must be an https:// URL")]
    Form,
    /// It is plain http to a host that nobody allowed.
    #[error(
        "must be https://; `webhooks.allow` in the configuration can name hosts that may be called by http://"
    )]
    Clear,
    /// It has a user or a password in it.
    #[error("must have no user and no password: the signature shows who calls")]
    User,
    /// It has a fragment, which no server sees.
    #[error("must have no fragment")]
    Fragment,
    /// Its host is no name of the DNS and no address, or its port is 0.
    #[error("must name a host and, if any, a port of 1 to 65535")]
    Host,
    /// Its host is an address that may not be called.
    #[error(
        "must not lead to a private, local or reserved address; `webhooks.allow` in the configuration can name some"
    )]
    Address,
}

/// A URL that may be called if its name leads to an address that may.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: Host<String>,
}

/// Whom to call: to be resolved, or as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callee<'a> {
    /// A name in ASCII, in lower case.
    Name(&'a str),
    /// An address.
    Address(IpAddr),
}

impl fmt::Debug for Target {
    /// A path may have a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}

impl Target {
    /// Reads a URL, as it is when a webhook is made and each time before it is called.
    ///
    /// # Errors
    /// When it may not be called, wherever its name leads.
    pub fn parse(text: &str, guard: &Guard) -> Result<Self, BadTarget> {
        if text.len() > URL_BYTES_MAX {
            return Err(BadTarget::TooLong);
        }
        // Blanks and control characters, which the parser would drop.
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(BadTarget::Form);
        }
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => BadTarget::Form,
            _ => BadTarget::Host,
        })?;
        if url.as_str().len() > URL_BYTES_MAX {
            return Err(BadTarget::TooLong);
        }
        if !matches!(url.scheme(), "https" | "http") {
            return Err(BadTarget::Form);
        }
        if !url.username().is_empty() || url.password().is_some() || has_user(text) {
            return Err(BadTarget::User);
        }
        if url.fragment().is_some() {
            return Err(BadTarget::Fragment);
        }
        let host = url.host().ok_or(BadTarget::Host)?.to_owned();
        let target = Target { url, host };
        target.check(guard)?;
        Ok(target)
    }

    fn check(&self, guard: &Guard) -> Result<(), BadTarget> {
        let allowed = match self.callee() {
            Callee::Name(name) => {
                let is_name = name.len() <= NAME_BYTES_MAX
                    && !name.ends_with('.')
                    && name.split('.').all(is_label);
                if !is_name {
                    return Err(BadTarget::Host);
                }
                guard.allows_name(name)
            }
            Callee::Address(address) => {
                if !guard.permits(address, None) {
                    return Err(BadTarget::Address);
                }
                guard.allows_network(address)
            }
        };
        if self.url.port() == Some(0) {
            return Err(BadTarget::Host);
        }
        if self.is_clear() && !allowed {
            return Err(BadTarget::Clear);
        }
        Ok(())
    }

    /// Returns the URL as it is called.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Returns whom to call.
    pub fn callee(&self) -> Callee<'_> {
        match &self.host {
            Host::Domain(name) => Callee::Name(name),
            Host::Ipv4(address) => Callee::Address((*address).into()),
            Host::Ipv6(address) => Callee::Address((*address).into()),
        }
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        let default = if self.is_clear() { 80 } else { 443 };
        self.url.port().unwrap_or(default)
    }

    /// Returns whether it is called without TLS.
    pub fn is_clear(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Returns the value of the header `host`.
    pub fn authority(&self) -> &str {
        self.url.authority()
    }

    /// Returns path and query, the target of the request.
    pub fn path_and_query(&self) -> &str {
        &self.url[url::Position::BeforePath..url::Position::AfterQuery]
    }
}

/// Returns whether it is a label of a host's name (RFC 1123, section 2.1), or one with an underscore.
fn is_label(label: &str) -> bool {
    let is_character = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=63).contains(&label.len()) && label.bytes().all(is_character)
}

/// Returns whether an empty user was written, which the parser leaves out.
fn has_user(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next();
    authority.is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<String, BadTarget> {
        Target::parse(text, &Guard::default()).map(|target| target.url().to_owned())
    }

    #[test]
    fn what_is_called_is_https_to_a_public_host() {
        for (text, url) in [
            ("https://example.org", "https://example.org/"),
            (
                "HTTPS://Example.ORG:8443/a?b=c",
                "https://example.org:8443/a?b=c",
            ),
            (
                "https://bücher.example/ä",
                "https://xn--bcher-kva.example/%C3%A4",
            ),
            ("https://1.1.1.1/", "https://1.1.1.1/"),
            (
                "https://[2606:4700:4700::1111]/x",
                "https://[2606:4700:4700::1111]/x",
            ),
        ] {
            assert_eq!(parsed(text), Ok(url.to_owned()));
        }
        let target = Target::parse("https://example.org:8443/a?b=c", &Guard::default()).unwrap();
        assert_eq!(target.callee(), Callee::Name("example.org"));
        assert_eq!((target.port(), target.is_clear()), (8443, false));
        assert_eq!(target.authority(), "example.org:8443");
        assert_eq!(target.path_and_query(), "/a?b=c");
        assert_eq!(format!("{target:?}"), "Target { .. }");
    }

    #[test]
    fn what_may_not_be_called_is_refused_with_its_reason() {
        let long = format!("https://example.org/{}", "a".repeat(URL_BYTES_MAX));
        let grows = format!("https://example.org/{}", "ä".repeat(1000));
        for (text, expected) in [
            (long.as_str(), BadTarget::TooLong),
            (&grows, BadTarget::TooLong),
            ("", BadTarget::Form),
            ("example.org", BadTarget::Form),
            ("ftp://example.org/", BadTarget::Form),
            ("file:///etc/passwd", BadTarget::Form),
            ("https://exa\nmple.org/", BadTarget::Form),
            (" https://example.org/", BadTarget::Form),
            ("http://example.org/", BadTarget::Clear),
            ("https://ada@example.org/", BadTarget::User),
            ("https://ada:secret@example.org/", BadTarget::User),
            ("https://@example.org/", BadTarget::User),
            ("https://example.org\\@127.0.0.1/", BadTarget::Host),
            ("https://example.org/#x", BadTarget::Fragment),
            ("https://example.org/#", BadTarget::Fragment),
            ("https://", BadTarget::Host),
            ("https://example.org.", BadTarget::Host),
            ("https://example..org", BadTarget::Host),
            ("https://example.org:0/", BadTarget::Host),
            ("https://example.org:70000/", BadTarget::Host),
            ("https://127.0.0.1/", BadTarget::Address),
            ("https://0x7f.1/", BadTarget::Address),
            ("https://2130706433/", BadTarget::Address),
            ("https://0177.0.0.1/", BadTarget::Address),
            ("https://10.0.0.1/", BadTarget::Address),
            ("https://169.254.169.254/latest", BadTarget::Address),
            ("https://[::1]/", BadTarget::Address),
            ("https://[::ffff:10.0.0.1]/", BadTarget::Address),
            ("https://[64:ff9b::a00:1]/", BadTarget::Address),
            ("https://[fd00::1]/", BadTarget::Address),
        ] {
            match parsed(text) {
                // A backslash is a slash to browsers: the host before it stands.
                Ok(url) if text.contains('\\') => assert!(url.starts_with("https://example.org/")),
                other => assert_eq!(other, Err(expected), "{text}"),
            }
        }
    }

    #[test]
    fn an_operator_can_name_who_is_called_without_tls() {
        let guard = Guard::new(["127.0.0.0/8", "hooks.internal"], []).unwrap();
        for url in ["http://127.0.0.1:9000/", "http://hooks.internal/"] {
            assert!(Target::parse(url, &guard).unwrap().is_clear(), "{url}");
        }
        for (url, expected) in [
            ("http://example.org/", BadTarget::Clear),
            ("http://a.hooks.internal/", BadTarget::Clear),
            ("http://10.0.0.1/", BadTarget::Address),
        ] {
            assert_eq!(Target::parse(url, &guard), Err(expected), "{url}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_can_be_read_again(text in "https?://[a-z0-9@:./\\\\\\[\\]%?#äß]{0,40}") {
            if let Ok(target) = Target::parse(&text, &Guard::default()) {
                let again = Target::parse(target.url(), &Guard::default());
                prop_assert_eq!(again, Ok(target.clone()));
                prop_assert!(!target.is_clear());
                prop_assert!(target.path_and_query().starts_with('/'));
                prop_assert!(target.url().is_ascii());
            }
        }
    }
}

//! Certificates that the server fetches itself (RFC 8555).

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;
use toml::Value;

use super::layers::{Layers, Origin};
use super::reader::Reader;
use super::{Problem, PublicUrl};

/// Let's Encrypt, which most browsers and phones trust.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
const KEYS: [&str; 4] = [
    "acme.directory",
    "acme.contact",
    "acme.challenge",
    "acme.ca_file",
];

/// From where the certificate is fetched, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acme {
    /// Where the protocol begins.
    pub(crate) directory: String,
    /// Who is told of trouble, as `mailto:` URLs.
    pub(crate) contact: Vec<String>,
    /// How it is proved that the name is ours.
    pub(crate) challenge: Challenge,
    /// PEM file of who signs the directory's own certificate; `None` trusts whom the system trusts.
    pub(crate) ca_file: Option<PathBuf>,
    /// The name that the certificate is for.
    pub(crate) name: String,
}

/// How it is proved that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// By a TLS handshake on port 443 (RFC 8737).
    TlsAlpn,
    /// By a file at port 80 (RFC 8555, section 8.3).
    Http,
}

/// Sets what nobody said.
pub(super) fn add_defaults(layers: &mut Layers) {
    layers.set_default("acme.directory", DIRECTORY);
    layers.set_default("acme.contact", Vec::<Value>::new());
    layers.set_default("acme.terms_agreed", false);
    layers.set_default("acme.challenge", "tls-alpn-01");
}

impl Reader<'_> {
    /// Reads `[acme]`; `None` when nobody agreed to anything.
    pub(super) fn acme(
        &mut self,
        dev: bool,
        public_url: Option<&PublicUrl>,
        has_http: bool,
    ) -> Option<Acme> {
        if !self.switch("acme.terms_agreed") {
            let said = KEYS.iter().filter_map(|key| self.layers.get(key));
            let origin = said
                .map(|setting| &setting.origin)
                .find(|origin| **origin != Origin::Default);
            if let Some(origin) = origin {
                self.problems.push(Problem::new(
                    origin,
                    "`acme` does nothing without `acme.terms_agreed = true`: read the terms of \
                     whoever signs, and say so",
                ));
            }
            return None;
        }
        if dev {
            self.complain(
                "acme.terms_agreed",
                "is not for --dev, whose certificate is our own",
            );
        }
        let challenge = self.parsed("acme.challenge", |text| match text {
            "tls-alpn-01" => Ok(Challenge::TlsAlpn),
            "http-01" => Ok(Challenge::Http),
            _ => Err(format!("`{text}` is neither tls-alpn-01 nor http-01")),
        });
        if challenge == Some(Challenge::Http) && !has_http {
            self.complain(
                "acme.challenge",
                "http-01 needs `listen.http`, which is off",
            );
        }
        let directory = self.parsed("acme.directory", |text| match text.parse::<Uri>() {
            Ok(uri) if uri.scheme_str() == Some("https") && uri.host().is_some() => {
                Ok(text.to_owned())
            }
            _ => Err(format!("`{text}` is not an https:// URL")),
        });
        let contact = self.contact();
        // Without an address there is a complaint already.
        let name = public_url?.host().to_owned();
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if is_address || name == "localhost" {
            self.complain(
                "acme.terms_agreed",
                &format!("certificates are for names, and the host of `public_url` is `{name}`"),
            );
        }
        Some(Acme {
            directory: directory?,
            contact,
            challenge: challenge?,
            ca_file: self.file("acme.ca_file").map(|(path, _)| path),
            name,
        })
    }

    fn contact(&mut self) -> Vec<String> {
        let mut contact = Vec::new();
        for text in self.list("acme.contact") {
            let address = text.strip_prefix("mailto:").unwrap_or(&text);
            let is_address = address
                .split_once('@')
                .is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
            if is_address && !address.contains([' ', ',', '?']) {
                contact.push(format!("mailto:{address}"));
            } else {
                self.complain("acme.contact", &format!("`{text}` is no mail address"));
            }
        }
        contact
    }
}

//! Certificates that the server fetches itself (RFC 8555).

use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;
use toml::Value;

use super::layers::{Layers, Origin};
use super::reader::Reader;
use super::{Problem, PublicUrl, rooms};

/// Let's Encrypt, which most browsers and phones trust.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
const KEYS: [&str; 7] = [
    "acme.directory",
    "acme.contact",
    "acme.challenge",
    "acme.profile",
    "acme.eab_key_id",
    "acme.eab_key_file",
    "acme.ca_file",
];
/// The longest name of a profile, and the longest name of a key: far beyond what anybody gives out.
const NAME_CHARS_MAX: usize = 256;

/// From where the certificate is fetched, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acme {
    /// Where the protocol begins.
    pub(crate) directory: String,
    /// Who is told of trouble, as `mailto:` URLs.
    pub(crate) contact: Vec<String>,
    /// How it is proved that the name is ours.
    pub(crate) challenge: Challenge,
    /// Which of the directory's kinds of certificates; `None` leaves it to the directory.
    pub(crate) profile: Option<String>,
    /// The account elsewhere that ours is bound to, if any.
    pub(crate) binding: Option<Binding>,
    /// PEM file of who signs the directory's own certificate; `None` trusts whom the system trusts.
    pub(crate) ca_file: Option<PathBuf>,
    /// The name that the certificate is for.
    pub(crate) name: String,
}

/// An account that somebody has with whoever signs, outside of the protocol
/// (RFC 8555, section 7.3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    /// What whoever signs calls the key.
    pub(crate) key_id: String,
    /// The file of the key, which is read when an account is made and not kept.
    pub(crate) key_file: PathBuf,
    /// Who named the file.
    pub(crate) key_origin: Origin,
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
        let profile = self.parsed("acme.profile", |text| name(text, "name of a profile"));
        let binding = self.binding();
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
            profile,
            binding,
            ca_file: self.file("acme.ca_file").map(|(path, _)| path),
            name,
        })
    }

    /// Reads both halves of what binds our account to another one.
    fn binding(&mut self) -> Option<Binding> {
        let key_id_said = self.layers.get("acme.eab_key_id").is_some();
        let key_id = self.parsed("acme.eab_key_id", |text| name(text, "name of a key"));
        let key_file = self.file("acme.eab_key_file");
        match (key_id_said, key_file) {
            (true, Some((path, key_origin))) => Some(Binding {
                key_id: key_id?,
                key_file: rooms::beside(&key_origin, &path),
                key_origin,
            }),
            (true, None) => {
                self.complain(
                    "acme.eab_key_id",
                    "is of use with its key only: name the file that holds it in \
                     `acme.eab_key_file`",
                );
                None
            }
            (false, Some(_)) => {
                self.complain(
                    "acme.eab_key_file",
                    "is of use with what whoever signs calls the key only: `acme.eab_key_id`",
                );
                None
            }
            (false, None) => None,
        }
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

/// Returns a text that may be a name.
fn name(text: &str, what: &str) -> Result<String, String> {
    let is_plain = text
        .chars()
        .all(|char| !char.is_whitespace() && !char.is_control());
    if is_plain && (1..=NAME_CHARS_MAX).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "is no {what}: 1 to {NAME_CHARS_MAX} characters without spaces"
        ))
    }
}

#[cfg(test)]
mod tests;

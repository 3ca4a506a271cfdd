//! The certificate, the TLS versions, and what HSTS says.

use std::path::PathBuf;

use conclave_signalling_core::settings::Network;

use super::Problem;
use super::layers::Origin;
use super::reader::Reader;

/// The certificate and the TLS versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Certificate chain and key; `None` means one that is fetched, or made by
    /// ourselves: with `--dev`, and behind a proxy.
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

impl Reader<'_> {
    /// Reads `[tls]`. With `otherwise` there is a certificate without files as well.
    pub(super) fn tls(&mut self, otherwise: bool, acme: bool) -> Tls {
        let files = match (self.file("tls.certificate_file"), self.file("tls.key_file")) {
            (Some((certificate, certificate_origin)), Some((key, key_origin))) => {
                Some(CertificateFiles {
                    certificate,
                    key,
                    certificate_origin,
                    key_origin,
                })
            }
            (None, None) if otherwise || acme => None,
            (None, None) => {
                self.problems.push(Problem::new(
                    &Origin::Default,
                    "there is no certificate: set `tls.certificate_file` and `tls.key_file` to PEM files, \
                     or have one fetched with `acme.terms_agreed = true`, or name the proxy in front \
                     of this server in `http.trusted_proxies`, or use --dev, which makes one for this \
                     machine",
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
        if files.is_some() && acme {
            self.complain(
                "tls.certificate_file",
                "is there, and so is `acme.terms_agreed`: only one of them can give the certificate",
            );
        }
        Tls {
            files,
            tls13_only: self.switch("tls.tls13_only"),
        }
    }

    /// Reads what `[http]` says of HSTS.
    pub(super) fn hsts(&self) -> Hsts {
        Hsts {
            include_subdomains: self.switch("http.hsts_include_subdomains"),
            preload: self.switch("http.hsts_preload"),
        }
    }

    /// Reads `http.trusted_proxies`.
    pub(super) fn trusted_proxies(&mut self) -> Vec<Network> {
        self.networks("http.trusted_proxies")
    }
}

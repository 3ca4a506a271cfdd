//! Whom this server trusts when it asks others over TLS.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::provider;

/// Where systems keep the certificates that they trust: Debian and Alpine,
/// Fedora, openSUSE, OpenBSD.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Returns a client that trusts whoever `ca_file` holds, or whom the system
/// trusts. `setting` is the name of the setting that could name such a file.
///
/// # Errors
/// When there is nobody to trust; the text says what may help.
pub(crate) fn client_config(ca_file: Option<&Path>, setting: &str) -> anyhow::Result<ClientConfig> {
    let system = || {
        let mut there = SYSTEM_ROOTS.into_iter().map(Path::new);
        there.find(|path| path.exists()).with_context(|| {
            format!("this system has no certificates to trust: install ca-certificates, or set `{setting}`")
        })
    };
    let file = ca_file.map_or_else(system, Ok)?;
    let pem = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut roots = RootCertStore::empty();
    // A system's file may hold one that rustls cannot use.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    ensure!(!roots.is_empty(), "{} holds no certificate", file.display());
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

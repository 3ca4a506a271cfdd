//! Certificates from PEM files.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::Identity;

/// Reads a chain and its key.
///
/// # Errors
/// When a file cannot be read or holds something else; the text names the file.
pub(crate) fn load(certificate_file: &Path, key_file: &Path) -> anyhow::Result<Identity> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate_file)
        .and_then(Iterator::collect)
        .with_context(|| {
            format!(
                "cannot read certificates from {}",
                certificate_file.display()
            )
        })?;
    ensure!(
        !chain.is_empty(),
        "{} holds no certificate",
        certificate_file.display()
    );
    let key = PrivateKeyDer::from_pem_file(key_file)
        .with_context(|| format!("cannot read a private key from {}", key_file.display()))?;
    let not_after =
        expiry(&chain[0]).with_context(|| format!("in {}", certificate_file.display()))?;
    Ok(Identity {
        chain,
        key,
        not_after,
    })
}

/// Returns when a certificate ends (RFC 5280, section 4.1.2.5).
///
/// # Errors
/// When it is no certificate.
fn expiry(certificate: &CertificateDer<'_>) -> anyhow::Result<SystemTime> {
    let parsed = Certificate::from_der(certificate).context("cannot parse the certificate")?;
    Ok(parsed
        .tbs_certificate()
        .validity()
        .not_after
        .to_system_time())
}

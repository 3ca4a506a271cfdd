//! Certificates from PEM files.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use super::{Identity, Validity};

/// Reads a chain and its key; both may be in one file.
///
/// # Errors
/// When a file cannot be read or holds something else; the text names the file.
pub(crate) fn load(certificate_file: &Path, key_file: &Path) -> anyhow::Result<Identity> {
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let chain = chain(&read(certificate_file)?)
        .with_context(|| format!("in {}", certificate_file.display()))?;
    let key = PrivateKeyDer::from_pem_slice(&read(key_file)?)
        .with_context(|| format!("cannot read a private key from {}", key_file.display()))?;
    let validity =
        validity(&chain[0]).with_context(|| format!("in {}", certificate_file.display()))?;
    Ok(Identity {
        chain,
        key,
        validity,
    })
}

/// Reads a chain and its key from PEM.
///
/// # Errors
/// When one of them holds something else.
pub(super) fn parse(certificates: &str, key: &str) -> anyhow::Result<Identity> {
    let chain = chain(certificates.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("cannot read the key")?;
    let validity = validity(&chain[0])?;
    Ok(Identity {
        chain,
        key,
        validity,
    })
}

/// Returns at least one certificate.
fn chain(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.context("cannot read certificates")?;
    ensure!(!chain.is_empty(), "there is no certificate");
    Ok(chain)
}

/// Returns from when to when a certificate holds (RFC 5280, section 4.1.2.5).
///
/// # Errors
/// When it is no certificate.
fn validity(certificate: &CertificateDer<'_>) -> anyhow::Result<Validity> {
    let parsed = Certificate::from_der(certificate).context("cannot parse the certificate")?;
    let validity = parsed.tbs_certificate().validity();
    Ok(Validity {
        not_before: validity.not_before.to_system_time(),
        not_after: validity.not_after.to_system_time(),
    })
}

/// Returns the identifier of the key that signed a certificate, and the serial
/// number as it is encoded, a leading zero included (RFC 5280, sections
/// 4.2.1.1 and 4.1.2.2).
///
/// # Errors
/// When it is no certificate, or does not say whose key signed it.
pub(super) fn issuer_key_and_serial(
    certificate: &CertificateDer<'_>,
) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let parsed = Certificate::from_der(certificate).context("cannot parse the certificate")?;
    let body = parsed.tbs_certificate();
    let issuer = body.get_extension::<AuthorityKeyIdentifier>()?;
    let key = issuer.and_then(|(_, issuer)| issuer.key_identifier);
    let key = key.context("it does not say whose key signed it")?;
    let serial = body.serial_number().as_bytes().to_vec();
    Ok((key.as_bytes().to_vec(), serial))
}

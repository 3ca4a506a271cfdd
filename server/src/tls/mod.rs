//! TLS: which versions, suites and groups, and with which certificate.

mod acme;
mod certificate;
mod challenges;
mod dev;
mod files;
mod handshake;
mod live;
mod roots;
mod tend;

use std::sync::Arc;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;

pub(crate) use acme::{Fetcher, check_account, kept, renewal};
pub(crate) use certificate::load;
pub(crate) use challenges::Challenges;
pub(crate) use dev::{Names, load_or_make};
pub(crate) use files::Files;
pub(crate) use handshake::{Asked, Handshakes};
pub(crate) use live::{Live, Validity};
pub(crate) use roots::client_config;
pub(crate) use tend::Tending;

/// A chain and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Our own certificate first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The key of the first certificate.
    pub(crate) key: PrivateKeyDer<'static>,
    /// From when to when the first certificate holds.
    pub(crate) validity: Validity,
}

impl Identity {
    /// Returns what signs handshakes.
    ///
    /// # Errors
    /// When key and certificate do not belong together.
    pub(crate) fn certified(self) -> anyhow::Result<CertifiedKey> {
        CertifiedKey::from_der(self.chain, self.key, &provider())
            .context("the private key does not belong to the certificate")
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Identity {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            validity: self.validity,
        }
    }
}

/// Returns the one cryptographic provider of this process: aws-lc-rs, whose
/// groups are X25519MLKEM768, X25519, P-256 and P-384 in this order, and whose
/// suites are AEAD only.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Returns what the listener offers, without ALPN.
///
/// # Errors
/// When the provider of cryptography cannot make the keys of session tickets.
fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
    tls13_only: bool,
) -> anyhow::Result<ServerConfig> {
    let versions: &[_] = if tls13_only {
        &[&rustls::version::TLS13]
    } else {
        rustls::DEFAULT_VERSIONS
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    // Its keys live in memory only and change every six hours.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    // RFC 7627: without it two TLS 1.2 sessions can be made to share a master secret.
    config.require_ems = true;
    Ok(config)
}

#[cfg(test)]
mod tests;

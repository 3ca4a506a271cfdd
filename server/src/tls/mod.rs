//! TLS: which versions, suites and groups, and with which certificate.

mod certificate;
mod dev;

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) use certificate::load;
pub(crate) use dev::{Names, load_or_make};

/// A chain and its key.
#[derive(Debug)]
pub(crate) struct Identity {
    /// Our own certificate first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// The key of the first certificate.
    pub(crate) key: PrivateKeyDer<'static>,
    /// When the first certificate ends.
    pub(crate) not_after: SystemTime,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Identity {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            not_after: self.not_after,
        }
    }
}

/// Returns the one cryptographic provider of this process: aws-lc-rs, whose
/// groups are X25519MLKEM768, X25519, P-256 and P-384 in this order, and whose
/// suites are AEAD only.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Returns what the listener offers.
///
/// # Errors
/// When key and certificate do not belong together.
pub(crate) fn server_config(identity: Identity, tls13_only: bool) -> anyhow::Result<ServerConfig> {
    let versions: &[_] = if tls13_only {
        &[&rustls::version::TLS13]
    } else {
        rustls::DEFAULT_VERSIONS
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .context("the private key does not belong to the certificate")?;
    // What a TURN client may ask for (RFC 7443) beside HTTP; the first bytes decide, as few say it.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"stun.turn".to_vec()];
    // Its keys live in memory only and change every six hours.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    // RFC 7627: without it two TLS 1.2 sessions can be made to share a master secret.
    config.require_ems = true;
    Ok(config)
}

#[cfg(test)]
mod tests;

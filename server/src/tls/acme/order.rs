//! One order: prove that the name is ours, and have a certificate signed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, ensure};
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder,
    Order, OrderStatus, Problem, RetryPolicy,
};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::account;
use super::keep::Keep;
use super::trouble::Trouble;
use crate::config::{Acme, Challenge};
use crate::tls::certificate::parse;
use crate::tls::challenges::Shown;
use crate::tls::{Challenges, Identity, provider};

/// Whoever signs looks from several places, and may be slow.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .timeout(Duration::from_secs(120));

/// A certificate that was signed.
pub(super) struct Signed {
    pub(super) identity: Identity,
    /// Whether it was kept. It is good all the same, and another one would
    /// count against the limits of whoever signs.
    pub(super) kept: anyhow::Result<()>,
}

/// Orders a certificate and keeps it. What it is to take the place of may be `replaced`.
///
/// # Errors
/// Whatever stands in the way.
pub(super) async fn certificate(
    acme: &Acme,
    keep: &Keep,
    challenges: &Arc<Challenges>,
    replaced: Option<CertificateIdentifier<'static>>,
) -> Result<Signed, Trouble> {
    let account = account::open_or_make(acme, keep).await?;
    let mut order = begin(&account, acme, replaced).await?;
    let proofs = prove(&mut order, acme, challenges).await?;
    match order.poll_ready(&PATIENCE).await {
        Ok(OrderStatus::Invalid) | Err(instant_acme::Error::Api(_)) => {
            return Err(refusal(&mut order).await);
        }
        ready => ready?,
    };
    drop(proofs);
    let (key, request) = request(&acme.name).context("cannot make a key")?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    let identity = parse(&chain, &key).context("what was signed cannot be read")?;
    check(&identity, &acme.name, SystemTime::now()).context("what was signed cannot be used")?;
    let kept = keep.put_certificate(&chain, &key);
    Ok(Signed { identity, kept })
}

/// Orders a certificate of the profile of the configuration, instead of the
/// one that is `replaced` (RFC 9773, section 5).
///
/// # Errors
/// When there is no such profile, or no such order is taken.
async fn begin(
    account: &Account,
    acme: &Acme,
    replaced: Option<CertificateIdentifier<'static>>,
) -> Result<Order, Trouble> {
    let names = [Identifier::Dns(acme.name.clone())];
    let plain = || match &acme.profile {
        Some(profile) => NewOrder::new(&names).profile(profile),
        None => NewOrder::new(&names),
    };
    if let Some(wanted) = &acme.profile {
        let listed: BTreeSet<&str> = account.profiles().map(|profile| profile.name).collect();
        if !listed.contains(wanted.as_str()) {
            return Err(Trouble::NoProfile {
                wanted: wanted.clone(),
                listed: listed.into_iter().map(str::to_owned).collect(),
            });
        }
    }
    if let Some(replaced) = replaced {
        let order = plain().replaces(replaced);
        match account.new_order(&order).await.map_err(Trouble::from) {
            Ok(order) => return Ok(order),
            Err(trouble) if trouble.is_limited() || trouble.is_lost_account() => {
                return Err(trouble);
            }
            // It was replaced already, is another account's, or such words are
            // not understood: no renewal fails for the sake of a courtesy.
            Err(trouble) => tracing::debug!("what is renewed is not named again: {trouble}"),
        }
    }
    Ok(account.new_order(&plain()).await?)
}

/// Holds the proofs that are asked for ready, and says so.
async fn prove(
    order: &mut Order,
    acme: &Acme,
    challenges: &Arc<Challenges>,
) -> Result<Vec<Shown>, Trouble> {
    let kind = match acme.challenge {
        Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
        Challenge::Http => ChallengeType::Http01,
    };
    let mut proofs = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization
            .challenge(kind.clone())
            .ok_or(Trouble::NoChallenge)?;
        let proof = challenge.key_authorization();
        proofs.push(match acme.challenge {
            Challenge::TlsAlpn => {
                let certificate = proof_certificate(&acme.name, proof.digest().as_ref());
                let certificate = certificate.context("cannot make a certificate as proof")?;
                challenges.show(&acme.name, certificate)
            }
            Challenge::Http => challenges.answer(&challenge.token, proof.as_str()),
        });
        challenge.set_ready().await?;
    }
    Ok(proofs)
}

/// Returns what was wrong with a proof, as far as it is said.
async fn refusal(order: &mut Order) -> Trouble {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let mut errors = state.challenges.iter();
        if let Some(problem) = errors.find_map(|challenge| challenge.error.clone()) {
            return Trouble::Refused(problem);
        }
    }
    let problem = order.state().error.clone();
    Trouble::Refused(problem.unwrap_or(Problem {
        r#type: None,
        detail: Some("the order was refused".to_owned()),
        status: None,
        subproblems: Vec::new(),
    }))
}

/// Makes the certificate that proves a name by its extension (RFC 8737, section 3).
fn proof_certificate(name: &str, digest: &[u8]) -> anyhow::Result<CertifiedKey> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|text| anyhow!(text))?;
    let chain = vec![certificate.der().clone()];
    // `CertifiedKey::from_der` refuses the extension, which is critical and not for it.
    let key = provider().key_provider.load_private_key(key)?;
    Ok(CertifiedKey::new(chain, key))
}

/// Makes a key in PEM, and a request to sign it in DER (RFC 2986). Every
/// certificate has a key of its own.
fn request(name: &str) -> anyhow::Result<(String, Vec<u8>)> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let request = params.serialize_request(&key)?;
    Ok((key.serialize_pem(), request.der().to_vec()))
}

/// Refuses what browsers would refuse.
fn check(identity: &Identity, name: &str, now: SystemTime) -> anyhow::Result<()> {
    identity.clone().certified()?;
    ensure!(!identity.validity.has_ended(now), "it is over already");
    covers(&identity.chain[0], name)
}

fn covers(certificate: &CertificateDer<'_>, name: &str) -> anyhow::Result<()> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let wanted = ServerName::try_from(name)?;
    verify_server_name(&parsed, &wanted).context("it is for another name")
}

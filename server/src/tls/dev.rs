//! The certificate of `--dev`: self-signed, for every name of this machine,
//! kept so that the exception that somebody clicked in a browser still holds
//! after a restart.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use rcgen::{PKCS_ECDSA_P256_SHA256, SanType};

use super::{Identity, load};

/// The longest life that every browser accepts (Apple's limit for leaf certificates is 398 days).
const LIFETIME: Duration = Duration::from_secs(397 * 24 * 3600);
/// A certificate with less to live is made anew.
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 3600);
/// The line of the certificate file that lists what it was made for; PEM readers skip it.
const NAMES_LINE: &str = "Names: ";

/// Names for which a certificate is good: host names and addresses as text.
pub(crate) type Names = BTreeSet<String>;

/// Returns the certificate kept in `data_dir`, or makes one and keeps it.
///
/// It is made anew when it is about to end, when a name is missing, or when it
/// cannot be served with; names that it had stay in it. A missing IPv6 address is no reason: most are
/// temporary (RFC 8981) and change daily.
///
/// # Errors
/// When files cannot be read or written.
pub(crate) fn load_or_make(
    data_dir: &Path,
    names: &Names,
    now: SystemTime,
) -> anyhow::Result<Identity> {
    let certificate_file = data_dir.join("dev-certificate.pem");
    let key_file = data_dir.join("dev-key.pem");
    let known = known_names(&certificate_file);
    if covers(&known, names)
        && let Ok(identity) = load(&certificate_file, &key_file)
        && identity.validity.not_after > now + RENEWAL
        // Somebody may have changed one of the two files, or we ended between writing them.
        && identity.clone().certified().is_ok()
    {
        return Ok(identity);
    }
    let names: Names = known.union(names).cloned().collect();
    let (certificate, key) = make(&names, now)?;
    write_private(&key_file, &key)?;
    write_private(&certificate_file, &certificate)?;
    load(&certificate_file, &key_file)
}

fn known_names(certificate_file: &Path) -> Names {
    let text = fs::read_to_string(certificate_file).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(NAMES_LINE))
        .unwrap_or_default();
    line.split(' ')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn covers(known: &Names, wanted: &Names) -> bool {
    let may_miss =
        |name: &String| matches!(name.parse(), Ok(IpAddr::V6(address)) if !address.is_loopback());
    wanted
        .iter()
        .all(|name| known.contains(name) || may_miss(name))
}

pub(super) fn make(names: &Names, now: SystemTime) -> anyhow::Result<(String, String)> {
    let mut params = CertificateParams::default();
    params.not_before = (now - Duration::from_secs(24 * 3600)).into();
    params.not_after = (now + LIFETIME).into();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Conclave on this machine");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    let listed = names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    Ok((
        format!("{NAMES_LINE}{listed}\n{}", certificate.pem()),
        key.serialize_pem(),
    ))
}

/// Writes a file that only its owner reads, at once or not at all.
///
/// # Errors
/// When it cannot be written; what was there stays.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("draft");
    let write = || {
        let _ = fs::remove_file(&draft);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

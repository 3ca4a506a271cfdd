//! Saying when to renew (RFC 9773).

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::{DateTime, Decode};
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is said of the renewal of every certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Advice {
    /// That it is to begin so many days from now, and end one day later.
    FromDay(i32),
    /// Something that is no advice.
    Broken,
}

impl Advice {
    /// Writes it down (RFC 9773, section 4.2).
    pub(super) fn json(self) -> Value {
        let (from, to) = match self {
            Advice::FromDay(day) => (day, day + 1),
            Advice::Broken => (1, 0),
        };
        json!({"suggestedWindow": {"start": at(from), "end": at(to)}})
    }
}

fn at(day: i32) -> String {
    let days = DAY * day.unsigned_abs();
    let at = match day {
        ..0 => SystemTime::now() - days,
        0.. => SystemTime::now() + days,
    };
    DateTime::from_system_time(at).unwrap().to_string()
}

/// Returns what a certificate is called when it is asked about its renewal (RFC 9773, section 4.1).
pub(super) fn id(certificate: &[u8]) -> String {
    let certificate = Certificate::from_der(certificate).unwrap();
    let body = certificate.tbs_certificate();
    let issuer = body.get_extension::<AuthorityKeyIdentifier>();
    let (_, issuer) = issuer.unwrap().unwrap();
    let key = BASE64URL.encode(issuer.key_identifier.unwrap().as_bytes());
    let serial = BASE64URL.encode(body.serial_number().as_bytes());
    format!("{key}.{serial}")
}

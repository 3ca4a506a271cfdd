//! Asking whoever signed a certificate when to renew it (RFC 9773).

use std::time::{Duration, SystemTime};

use anyhow::Context;
use instant_acme::{CertificateIdentifier, Error};
use rustls::pki_types::{CertificateDer, Der};

use super::account;
use super::keep::Keep;
use super::schedule::Window;
use super::trouble::Trouble;
use crate::config::Acme;
use crate::tls::certificate::issuer_key_and_serial;

/// The longest URL that is told on.
const URL_BYTES_MAX: usize = 256;

/// What was said of the renewal of a certificate.
#[derive(Debug)]
pub(super) struct Advice {
    /// When it is to be renewed.
    pub(super) window: Window,
    /// How long this holds, as it was said.
    pub(super) ask_again: Duration,
    /// Where it is told why, if it is.
    pub(super) explanation: Option<String>,
}

/// Asks when `certificate` is to be renewed; `None` when its directory says
/// nothing of the kind.
///
/// # Errors
/// When it cannot be asked, or answers with something else.
pub(super) async fn ask(
    acme: &Acme,
    keep: &Keep,
    certificate: &CertificateDer<'_>,
) -> Result<Option<Advice>, Trouble> {
    let Some(id) = identifier(certificate) else {
        return Ok(None);
    };
    let Some(account) = account::open(acme, keep).await? else {
        return Ok(None);
    };
    let (said, ask_again) = match account.renewal_info(&id).await {
        Err(Error::Unsupported(_)) => return Ok(None),
        said => said?,
    };
    let window = said.suggested_window;
    let (start, end) = (SystemTime::from(window.start), SystemTime::from(window.end));
    Ok(Some(Advice {
        window: Window::new(start, end).context("the window ends before it begins")?,
        ask_again,
        explanation: said
            .explanation_url
            .filter(|url| url.len() <= URL_BYTES_MAX),
    }))
}

/// Returns what a certificate is called by whoever signed it (RFC 9773,
/// section 4.1); `None` for one that does not say whose key signed it.
pub(super) fn identifier(
    certificate: &CertificateDer<'_>,
) -> Option<CertificateIdentifier<'static>> {
    let (issuer_key, serial) = issuer_key_and_serial(certificate).ok()?;
    let id = CertificateIdentifier::new(Der::from_slice(&issuer_key), Der::from_slice(&serial));
    Some(id.into_owned())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, Issuer, KeyIdMethod, KeyPair, SerialNumber};

    use super::*;

    #[test]
    fn a_certificate_is_called_as_in_the_example_of_the_rfc() {
        // RFC 9773, section 4.1: 69:88:5B:… and 00:87:65:43:21.
        let issuer_key = [
            0x69, 0x88, 0x5b, 0x6b, 0x87, 0x46, 0x40, 0x41, 0xe1, 0xb3, 0x7b, 0x84, 0x7b, 0xa0,
            0xae, 0x2c, 0xde, 0x01, 0xc8, 0xd4,
        ];
        let mut params = CertificateParams::default();
        params.key_identifier_method = KeyIdMethod::PreSpecified(issuer_key.to_vec());
        let issuer = Issuer::new(params, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let id = identifier(certificate.der()).unwrap();
        assert_eq!(id.to_string(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    }

    #[test]
    fn a_certificate_that_does_not_say_who_signed_it_has_no_such_name() {
        let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(identifier(certificate.der()), None);
        assert_eq!(identifier(&CertificateDer::from(vec![0x30, 0x00])), None);
    }
}

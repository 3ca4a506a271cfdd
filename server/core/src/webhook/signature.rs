//! Signatures as Standard Webhooks 1.0 has them: `v1`, HMAC-SHA256 over
//! identifier, time and body.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use conclave_signalling_wire::time::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::record::{SigningSecret, WebhookRecord};

/// The header with the identifier of the event.
pub const ID: &str = "webhook-id";
/// The header with the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, separated by a blank.
pub const SIGNATURE: &str = "webhook-signature";

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";
/// Seconds by which clocks may differ, and for which a delivery that somebody recorded can be played again.
const TOLERANCE_S: u64 = 300;

/// Why something is no delivery of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unverified {
    /// The time is none, or five minutes away.
    #[error("the time of the delivery is not near")]
    Time,
    /// No signature is by a secret that holds.
    #[error("no signature is by this secret")]
    Signature,
}

impl SigningSecret {
    /// Returns the secret as receivers are told it: `whsec_` and base64.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(50));
        text.push_str(PREFIX);
        BASE64_STANDARD.encode_string(self.0, &mut text);
        text
    }

    /// Reads what [`SigningSecret::text`] wrote; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?);
        bytes.as_slice().try_into().ok().map(SigningSecret)
    }
}

impl WebhookRecord {
    /// Returns the secrets that hold at `now`: the present one, and the former one for as long as both do.
    pub fn secrets(&self, now: Timestamp) -> impl Iterator<Item = &SigningSecret> {
        let former = self.former.as_ref();
        let former = former.filter(|(_, until)| now < *until);
        std::iter::once(&self.secret).chain(former.map(|(secret, _)| secret))
    }
}

/// Returns the value of the header [`SIGNATURE`]: one signature by each secret.
pub fn sign<'a>(
    secrets: impl IntoIterator<Item = &'a SigningSecret>,
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> String {
    let mut header = String::new();
    for secret in secrets {
        if !header.is_empty() {
            header.push(' ');
        }
        header.push_str("v1,");
        let code = code(&secret.0, id, &seconds(at).to_string(), body);
        BASE64_STANDARD.encode_string(code, &mut header);
    }
    header
}

/// Checks a delivery as a receiver does: the headers as they came, and the body byte by byte.
///
/// # Errors
/// When it is not ours, or not from now.
pub fn verify(
    secret: &SigningSecret,
    (id, timestamp, signature): (&str, &str, &str),
    body: &[u8],
    now: Timestamp,
) -> Result<(), Unverified> {
    let at: u64 = timestamp.parse().map_err(|_| Unverified::Time)?;
    if at.abs_diff(seconds(now)) > TOLERANCE_S {
        return Err(Unverified::Time);
    }
    let expected = code(&secret.0, id, timestamp, body);
    let is_ours = |said: &str| {
        let code = said.strip_prefix("v1,");
        let code = code.and_then(|code| BASE64_STANDARD.decode(code).ok());
        code.is_some_and(|code| code.ct_eq(&expected).into())
    };
    if signature.split(' ').any(is_ours) {
        Ok(())
    } else {
        Err(Unverified::Signature)
    }
}

/// Returns the seconds since 1970, as the header [`TIMESTAMP`] has them.
pub fn seconds(at: Timestamp) -> u64 {
    at.unix_ms() / 1000
}

fn code(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104)");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use standardwebhooks::Webhook;

    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: u64 = 1_614_265_330;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1000 + 7)
    }

    #[test]
    fn the_example_of_the_specification_has_its_signature() {
        let key = BASE64_STANDARD
            .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap();
        let code = code(&key, ID, &AT.to_string(), br#"{"test": 2432232314}"#);
        assert_eq!(
            BASE64_STANDARD.encode(code),
            "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_delivery_is_verified_by_each_secret_that_holds_and_by_no_other() {
        let (old, new, other) = (
            SigningSecret([1; 32]),
            SigningSecret([2; 32]),
            SigningSecret([3; 32]),
        );
        let signature = sign([&new, &old], ID, at(AT), b"{}");
        let headers = (ID, "1614265330", signature.as_str());
        for secret in [&old, &new] {
            assert_eq!(verify(secret, headers, b"{}", at(AT + 300)), Ok(()));
            assert_eq!(
                verify(secret, headers, b"{ }", at(AT)),
                Err(Unverified::Signature)
            );
            assert_eq!(
                verify(secret, headers, b"{}", at(AT + 301)),
                Err(Unverified::Time)
            );
            assert_eq!(
                verify(secret, headers, b"{}", at(AT - 301)),
                Err(Unverified::Time)
            );
        }
        assert_eq!(
            verify(&other, headers, b"{}", at(AT)),
            Err(Unverified::Signature)
        );
        for (headers, expected) in [
            (("msg_x", headers.1, headers.2), Unverified::Signature),
            ((ID, "1614265331", headers.2), Unverified::Signature),
            ((ID, "", headers.2), Unverified::Time),
            ((ID, headers.1, ""), Unverified::Signature),
            ((ID, headers.1, "v1,"), Unverified::Signature),
            ((ID, headers.1, "v1a,AAAA v2,"), Unverified::Signature),
        ] {
            assert_eq!(verify(&new, headers, b"{}", at(AT)), Err(expected));
        }
    }

    #[test]
    fn a_secret_is_read_as_it_was_told_and_never_shown() {
        let secret = SigningSecret(std::array::from_fn(|index| index as u8));
        let text = secret.text();
        assert_eq!(
            text.as_str(),
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        );
        assert_eq!(SigningSecret::parse(&text), Some(secret));
        assert_eq!(format!("{secret:?}"), "SigningSecret(redacted)");
        for wrong in ["", "whsec_", "whsec_AAEC", &text[6..], "whsec_é"] {
            assert_eq!(SigningSecret::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn another_implementation_signs_the_same(
            key: [u8; 32],
            id in "[a-z0-9_]{1,40}",
            seconds in 0u64..4_000_000_000,
            body in "\\PC*",
        ) {
            let secret = SigningSecret(key);
            let other = Webhook::new(&secret.text()).unwrap();
            let expected = other.sign(&id, seconds as i64, body.as_bytes()).unwrap();
            prop_assert_eq!(sign([&secret], &id, at(seconds), body.as_bytes()), expected);
        }
    }
}

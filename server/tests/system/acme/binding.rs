//! Looking at what binds a new account to one elsewhere (RFC 8555, section 7.3.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// Checks a JWS over the key of the new account.
pub(super) fn check(
    bound: &Value,
    jwk: &Value,
    url: &str,
    key_id: &str,
    key: &[u8],
) -> Result<(), &'static str> {
    let text = |name: &str| bound[name].as_str().ok_or("a JWS has three parts");
    let (protected, payload) = (text("protected")?, text("payload")?);
    let json = |text| {
        let bytes = BASE64URL.decode(text).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    // These three and no nonce.
    let expected = json!({"alg": "HS256", "kid": key_id, "url": url});
    if json(protected) != expected {
        return Err("the header is another");
    }
    if json(payload) != *jwk {
        return Err("the key of another account");
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{protected}.{payload}").as_bytes());
    let signature = BASE64URL.decode(text("signature")?).unwrap();
    mac.verify_slice(&signature).map_err(|_| "the MAC is wrong")
}

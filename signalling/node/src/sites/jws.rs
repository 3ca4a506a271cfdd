//! The form of a token: a compact JWS (RFC 7515, section 3.1) with exactly the
//! header and the claims that a join token has.

use aws_lc_rs::digest::SHA256;
use conclave_signalling_wire::objects::Role;
use conclave_signalling_wire::text::{DisplayName, Slug};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::Flaw;

/// Bytes of a signature (RFC 8032, section 5.1.6).
const SIGNATURE_BYTES: usize = 64;
/// Characters of `jti`: it is remembered.
const JTI_CHARS: usize = 128;
/// Characters of `sub`.
const SUB_CHARS: usize = 256;

/// A token whose signature nobody has checked.
pub(super) struct Jws<'a> {
    pub(super) kid: String,
    /// What the signature is of.
    pub(super) signed: &'a str,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// A key that the token brings along, or anything else that is to change how
/// it is checked, is an unknown member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: Algorithm,
    kid: String,
    #[serde(default, rename = "typ", deserialize_with = "given")]
    _typ: Option<Type>,
}

#[derive(Deserialize)]
enum Algorithm {
    EdDSA,
}

#[derive(Deserialize)]
enum Type {
    #[serde(rename = "JWT")]
    Jwt,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, Flaw> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Flaw::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(Flaw::Form)?;
        let header = base64url(header).ok_or(Flaw::Form)?;
        // A second dot is no digit, so that there are three parts.
        let payload = base64url(payload).ok_or(Flaw::Form)?;
        let signature = base64url(signature).ok_or(Flaw::Form)?;
        if signature.len() != SIGNATURE_BYTES {
            return Err(Flaw::Form);
        }
        let Header {
            alg: Algorithm::EdDSA,
            kid,
            _typ: None | Some(Type::Jwt),
        } = object(&header).ok_or(Flaw::Header)?;
        Ok(Jws {
            kid,
            signed,
            payload,
            signature,
        })
    }
}

/// What a join token says (RFC 7519, section 4.1). A claim that is not known here is
/// refused: its site believes that it is heeded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: Audience,
    /// Whole seconds since 1970, as all times here.
    pub(super) exp: u64,
    pub(super) iat: u64,
    #[serde(default, deserialize_with = "given")]
    pub(super) nbf: Option<u64>,
    pub(super) jti: String,
    pub(super) room: Slug,
    pub(super) role: Role,
    #[serde(default, deserialize_with = "given")]
    pub(super) name: Option<DisplayName>,
    #[serde(default, deserialize_with = "given")]
    pub(super) sub: Option<String>,
}

impl Claims {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Flaw> {
        let claims: Claims = object(payload).ok_or(Flaw::Claims)?;
        let fits = |text: &str, most| !text.is_empty() && text.chars().count() <= most;
        let is_known = fits(&claims.jti, JTI_CHARS)
            && claims.sub.as_deref().is_none_or(|sub| fits(sub, SUB_CHARS));
        is_known.then_some(claims).ok_or(Flaw::Claims)
    }
}

/// For whom a token is: exactly one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    Text(String),
    List([String; 1]),
}

impl Audience {
    pub(super) fn only(&self) -> &str {
        match self {
            Audience::Text(only) | Audience::List([only]) => only,
        }
    }
}

/// Reads an object: serde would take an array for one as well.
fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let is_object = json.first() == Some(&b'{');
    serde_json::from_slice(json).ok().filter(|_| is_object)
}

/// Reads a member that is there: null is none of its values.
fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads base64url without padding (RFC 4648, section 5). Each text of bytes is
/// read in one way only: bits that are left over must be zero.
pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0);
    for letter in text.bytes() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    // A single digit is no byte.
    (bits == 0 && held < 6).then_some(bytes)
}

/// Writes bytes as [`base64url`] reads them.
pub(super) fn to_base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..=chunk.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}

/// Returns the SHA-256 of a text.
pub(super) fn digest(text: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&SHA256, text.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

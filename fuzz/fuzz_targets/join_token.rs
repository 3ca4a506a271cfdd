//! Any text as a join token, and any bytes as what it is made of: a token is
//! read in one way only, and what its claims say stays within bounds.
#![no_main]

use jws::{Claims, Jws, base64url, to_base64url};
use libfuzzer_sys::fuzz_target;

// The parser is nobody's but the node's, and needs nothing of it but this name.
#[allow(dead_code, reason = "the module is the node's whole")]
#[path = "../../signalling/node/src/sites/jws.rs"]
mod jws;

/// What is wrong with a token.
#[derive(Debug)]
enum Flaw {
    Form,
    Header,
    Claims,
}

/// As in the node: what is remembered of a token.
const JTI_CHARS: usize = 128;
const SUB_CHARS: usize = 256;

fuzz_target!(|input: &[u8]| {
    check_claims(input);
    if let Ok(text) = std::str::from_utf8(input) {
        check_token(text);
    }
    // Bytes as they come are seldom base64url of JSON.
    let half = input.iter().position(|byte| *byte == 0);
    let (header, claims) = input.split_at(half.unwrap_or(input.len()));
    let parts = [header, claims.get(1..).unwrap_or_default(), &[7; 64]];
    let token = parts.map(to_base64url).join(".");
    check_token(&token);
});

fn check_token(text: &str) {
    let Ok(token) = Jws::parse(text) else {
        return;
    };
    let parts: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("a token has three parts");
    };
    assert_eq!(token.signed, format!("{header}.{payload}"));
    assert_eq!(to_base64url(&token.payload), payload);
    assert_eq!(to_base64url(&token.signature), signature);
    assert_eq!(token.signature.len(), 64);
    let read = base64url(header).expect("it was read before");
    assert_eq!(to_base64url(&read), header);
    check_claims(&token.payload);
}

fn check_claims(payload: &[u8]) {
    let Ok(claims) = Claims::parse(payload) else {
        return;
    };
    let fits = |text: &str, most| !text.is_empty() && text.chars().count() <= most;
    assert!(fits(&claims.jti, JTI_CHARS));
    assert!(claims.sub.is_none_or(|sub| fits(&sub, SUB_CHARS)));
    let _ = claims.aud.only();
}
